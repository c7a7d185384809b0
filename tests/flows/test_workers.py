"""Workers on several machines: two process workers share one PostgreSQL, one is killed, nothing is lost or doubled.

The platform's budget is kept over both.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from tests.flows.sites import PLATFORM, Site, descends, pid_of, until

pytestmark = [pytest.mark.slow, pytest.mark.prefect, pytest.mark.soak]

LIMIT, WINDOW = 6, timedelta(seconds=2)
"""slow enough that the first run is still at work when the second begins"""
OWN = {
    "GATEWAY_SERVE__LANES": "2",
    "GATEWAY_CLAIM_LIMIT": "20",
    "GATEWAY_PROVINCIAL_CREDIT__BATCH_MAX": "2",
    "GATEWAY_PROVINCIAL_CREDIT__CONNECTIONS": "4",
    "GATEWAY_PROVINCIAL_CREDIT__RATE_LIMIT": str(LIMIT),
    "GATEWAY_PROVINCIAL_CREDIT__RATE_WINDOW_SECONDS": str(WINDOW.total_seconds()),
    "PREFECT_WORKER_QUERY_SECONDS": "2",
}


@pytest.fixture
def site(make_site: Callable[..., Site], postgres_url: str) -> Iterator[Site]:
    made = make_site(GATEWAY_DATABASE_URL=postgres_url)
    made.sandbox()
    made.environment |= OWN
    made.fill()
    made.start("serve", "--server-only", "--port", str(made.port), "--json", log="server.log")
    until(lambda: made.api("/health"), 180, "server")
    made.environment["PREFECT_API_URL"] = made.api_url
    made.run("deploy", "workers", "--folder", str(made.folder))
    yield made
    made.close()


def start_worker(site: Site, name: str) -> subprocess.Popen[bytes]:
    """A worker that runs one at a time, so that two workers share two runs."""
    return site.start("worker", "workers", "--name", name, "--limit", "1", log=f"{name}.log")


def moments(site: Site) -> list[datetime]:
    """When the platform saw each request."""
    return sorted(datetime.fromisoformat(one["at"]) for one in site.told("requests"))


def test_two_workers_share_the_work_and_one_is_killed(site: Site) -> None:
    first, _ = (start_worker(site, name) for name in ("first", "second"))
    keys = [site.trigger(f"push-{PLATFORM}", chunk=20) for _ in range(2)]
    both = until(lambda: found if len(found := site.at_work()) == 2 else [], 240, "two runs side by side")
    assert {one.run for one in both} == set(keys)
    assert {one.lane for one in both} == {1, 2}
    until(lambda: site.states().get("awaiting_ack", 0) > 20, 180, "both have sent something")

    [killed] = [one for one in both if descends(pid_of(one), first.pid)]
    [survivor] = [one for one in both if one != killed]
    first.kill()
    until(lambda: [one.run for one in site.at_work()] in ([survivor.run], []), 40, "the lane of the killed one is free")
    assert site.finish(survivor.run, 400)["state_type"] == "COMPLETED"
    done = site.finish(site.trigger("sync-all", patience_seconds=60, steps=["push", "acks", "resolve"]), 400)
    assert done["state_type"] == "COMPLETED", done["state"]
    assert site.finish(killed.run)["state_name"] == "Crashed"

    assert set(site.states()) == {"accepted"}
    assert site.contradictions() == []
    assert site.effects()["duplicates"] == 0

    seen = moments(site)
    stretches = [later - earlier for earlier, later in zip(seen, seen[LIMIT:], strict=False)]
    assert len(seen) > 3 * LIMIT
    assert min(stretches) >= WINDOW, "the budget is kept over all workers"
