"""Prefect's page in a browser, as an operator uses it: start ``sync`` from the form, see the run end and its table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.flows.sites import PLATFORM, Site, until

pytestmark = [pytest.mark.slow, pytest.mark.prefect]


@pytest.fixture(scope="module")
def site(make_site: Callable[..., Site]) -> Site:
    made = make_site()
    made.sandbox()
    made.fill()
    made.serve()
    return made


def log_in(site: Site, page: Any) -> None:
    """Log in as the guide says: with the whole line of ``prefect.secret``, on the form that any address leads to."""
    page.goto(site.api_url.removesuffix("/api"))
    secret = page.locator("input[type=password]")
    secret.fill((site.home / "prefect.secret").read_text().strip())
    secret.press("Enter")
    secret.wait_for(state="detached")


def test_an_operator_starts_sync_from_the_form_and_sees_what_it_did(site: Site, page: Any) -> None:
    origin = site.api_url.removesuffix("/api")
    log_in(site, page)
    page.goto(f"{origin}/deployments/deployment/{site.deployment('sync-all')['id']}/run")
    page.get_by_text("Platforms to work on; all that are configured where none is chosen.").wait_for()
    page.get_by_text("No items selected").first.click()
    page.keyboard.press("ArrowDown")
    page.get_by_text(PLATFORM, exact=True).last.click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Submit").click()
    [run] = until(lambda: site.runs_of("sync"), 60, "a run was asked for")
    assert run["parameters"]["platforms"] == [PLATFORM]
    ended = site.finish(run["id"])
    assert ended["state_name"] in ("Completed", "Attention"), ended["state"]["message"]

    page.goto(f"{origin}/runs/flow-run/{run['id']}")
    page.get_by_text(f"sync {PLATFORM}: ").first.wait_for()
    page.get_by_text(ended["state_name"], exact=True).first.wait_for()
    page.get_by_text("Artifacts", exact=True).first.click()
    page.get_by_text("sync-provincial-credit").first.click()
    page.get_by_text("accepted").first.wait_for()
    page.get_by_text(str(site.states()["accepted"]), exact=True).first.wait_for()
