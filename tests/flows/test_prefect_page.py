"""Prefect's page in a browser, as an operator who reads Chinese uses it: forms, names, states, tables, approval."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.store.engine import open_engine
from tests.flows.sites import PLATFORM, Site, until

pytestmark = [pytest.mark.slow, pytest.mark.prefect]
TITLE = "省信用"


@pytest.fixture(scope="module")
def site(make_site: Callable[..., Site]) -> Site:
    made = make_site(GATEWAY_LANGUAGE="zh")
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


@pytest.mark.soak  # the form's script is slow to hear a click on a busy machine
def test_an_operator_starts_sync_from_the_form_and_sees_what_it_did(site: Site, page: Any) -> None:
    origin = site.api_url.removesuffix("/api")
    log_in(site, page)
    page.goto(f"{origin}/deployments")
    page.get_by_text("同步 · 全部平台").first.wait_for()
    page.goto(f"{origin}/deployments/deployment/{site.deployment('同步 · 全部平台')['id']}/run")
    page.get_by_text("要处理的平台；不选则为全部已配置的平台。").wait_for()
    page.get_by_text("No items selected").first.click()
    page.keyboard.press("ArrowDown")
    page.get_by_text(PLATFORM, exact=True).last.click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Submit").click()
    [run] = until(lambda: site.runs_of("sync"), 60, "a run was asked for")
    assert run["parameters"]["platforms"] == [PLATFORM]
    ended = site.finish(run["id"])
    assert ended["state_name"] in ("完成", "需处理"), ended["state"]["message"]

    page.goto(f"{origin}/runs/flow-run/{run['id']}")
    page.get_by_text(f"同步 {TITLE}：").first.wait_for()
    page.get_by_text(ended["state_name"], exact=True).first.wait_for()
    page.get_by_text("Artifacts", exact=True).first.click()
    page.get_by_text("sync-provincial-credit").first.click()
    page.get_by_text("已接收").first.wait_for()


def test_a_paused_platform_is_seen_in_the_list_of_runs(site: Site, page: Any) -> None:
    run = site.finish(site.trigger("暂停", platform=PLATFORM, reason="升级"))
    assert run["name"] == f"暂停 {TITLE}"
    held = site.finish(site.trigger(f"推送 · {TITLE}"))
    assert (held["state_type"], held["state_name"], held["name"]) == ("FAILED", "暂停中", f"推送 {TITLE}：暂停中")
    log_in(site, page)
    page.goto(f"{site.api_url.removesuffix('/api')}/runs")
    page.get_by_text(f"推送 {TITLE}：暂停中").first.wait_for()
    assert site.finish(site.trigger("恢复", platform=PLATFORM, reason="完成"))["state_name"] == "完成"


def test_a_replay_waits_for_the_approval_of_a_person(site: Site) -> None:
    engine = open_engine(f"sqlite:///{site.home / 'gateway.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE delivery SET state = 'parked', code = '-1' WHERE id = 1")
    engine.dispose()
    key = site.trigger("重发", reason="已核实")
    until(lambda: site.flow_run(key)["state_type"] == "PAUSED", 60, "the plan waits")
    assert site.states()["parked"] == 1
    site.api(f"/flow_runs/{key}/resume", {"run_input": {"approve": True}})
    run = site.finish(key)
    assert (run["state_name"], run["state"]["message"]) == ("完成", "1 条已重新排队（退出码 0）")
    assert "parked" not in site.states()
    assert "1 条任务" in site.artifacts(key)["replay"]
