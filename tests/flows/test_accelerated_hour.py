"""An hour of operation, six times as fast: every schedule on, platforms that misbehave, files dropped now and then.

``SOAK_MINUTES`` says how long it takes (10). At the end every schedule has had its runs, every delivery has settled and
the books of both sides agree.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from gateway.testing.batch import write_sample
from tests.flows.sites import Site, end, until

pytestmark = [pytest.mark.slow, pytest.mark.prefect, pytest.mark.soak]

MINUTES = float(os.environ.get("SOAK_MINUTES", "10"))
SCHEDULES = {
    "sync": 50,
    "push": 240,
    "acks": 240,
    "resolve": 240,
    "feedback": 120,
    "reconcile": 180,
    "intake": 50,
    "retention": 300,
}
"""flow: seconds between two of its runs, for each platform where it has one"""
WORKED = ("Completed", "Attention", "Waiting", "Held")
STUCK = {"parked", "held"}


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Iterator[Site]:
    made = make_site(**{f"GATEWAY_SERVE__{name.upper()}": f"{value}s" for name, value in SCHEDULES.items()})
    made.environment |= {
        "GATEWAY_SERVE__DROP": str(made.folder / "drop"),
        "GATEWAY_SERVE__DROP_SETTLE_SECONDS": "1",
        "GATEWAY_SERVE__PROCESSES": "3",
        "GATEWAY_LEASE_SECONDS": "60",
        "PREFECT_RUNNER_POLL_FREQUENCY": "5",
    }
    made.sandbox("demo", only=None)
    made.environment |= {f"GATEWAY_{name.upper()}__DEADLINE_SECONDS": "3" for name in made.platforms}
    made.run("init")
    made.serve()
    yield made
    made.close()


def drop_files(site: Site, stop: threading.Event) -> int:
    """A batch every two minutes, as cities send them; written aside and moved in whole."""
    dropped = 0
    while True:
        fresh = site.folder / f"city-{dropped}.xlsx"
        write_sample(fresh, rows=300, seed=100 + dropped)
        (site.folder / "drop").mkdir(exist_ok=True)
        fresh.replace(site.folder / "drop" / fresh.name)
        dropped += 1
        if stop.wait(120):
            return dropped


def test_an_hour_of_every_schedule_with_faults_ends_with_books_that_agree(site: Site) -> None:
    stop = threading.Event()
    timer = threading.Timer(MINUTES * 60, stop.set)
    timer.start()
    dropped = drop_files(site, stop)
    ends = {flow: Counter(one["state_name"] for one in site.runs_of(flow, ended=True)) for flow in SCHEDULES}
    worked = {flow: sum(counted[name] for name in WORKED) for flow, counted in ends.items()}
    assert all(worked[flow] >= MINUTES * 60 / every / 4 for flow, every in SCHEDULES.items()), ends
    assert not any(counted["Crashed"] for counted in ends.values()), ends
    end(site.processes[-1])

    def settled() -> bool:
        site.run("push", expect_any=True)
        site.run("acks", expect_any=True)
        site.run("resolve", expect_any=True)
        counted = [one["states"] for one in site.run("status")["platforms"].values()]
        return all(set(states) <= {"accepted", "superseded", *STUCK} for states in counted)

    until(settled, 300, "nothing waits")
    assert len(list((site.folder / "drop" / "done").glob("*Z-city-*.xlsx"))) >= dropped - 1
    assert site.contradictions() == [], ends
