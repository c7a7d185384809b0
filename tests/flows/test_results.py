"""How a run ends: the state tells the truth, the sentence names every platform, and nobody's words reach Prefect."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.domain.traffic import MAINTENANCE, Stop
from gateway.flows.results import PlatformResult, RunState, failed_run, merge_results, run_result

HELD = Stop(code="operator", reason="ask 张三 first", until=None, paused=True)
CLOSED = Stop(code=MAINTENANCE, reason="closed", until=datetime(2026, 3, 2, 15, 30, tzinfo=UTC))
SENT = {"sent": 5}


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (PlatformResult(platform="a"), RunState.COMPLETED),
        (PlatformResult(platform="a", counts=SENT), RunState.COMPLETED),
        (PlatformResult(platform="a", skipped="another run"), RunState.SKIPPED),
        (PlatformResult(platform="a", counts=SENT, skipped="another run is at push"), RunState.COMPLETED),
        (PlatformResult(platform="a", stop=CLOSED), RunState.WAITING),
        (PlatformResult(platform="a", counts=SENT, troubles={"rejected": 1}), RunState.ATTENTION),
        (PlatformResult(platform="a", counts=SENT, troubles={"rejected": 1}, stop=CLOSED), RunState.ATTENTION),
        (PlatformResult(platform="a", counts=SENT, troubles={"rejected": 1}, stop=HELD), RunState.HELD),
        (PlatformResult(platform="a", counts=SENT, stop=HELD, error="the store cannot do this now"), RunState.FAILED),
    ],
)
def test_a_platforms_end_has_one_state(result: PlatformResult, state: RunState) -> None:
    assert result.state is state


@pytest.mark.parametrize(
    ("results", "state", "code"),
    [
        ([PlatformResult(platform="a"), PlatformResult(platform="b", skipped="x")], RunState.COMPLETED, 0),
        ([PlatformResult(platform="a", skipped="x")], RunState.SKIPPED, 0),
        ([PlatformResult(platform="a"), PlatformResult(platform="b", stop=CLOSED)], RunState.WAITING, 1),
        (
            [PlatformResult(platform="a", stop=HELD), PlatformResult(platform="b", troubles={"conflict": 1})],
            RunState.HELD,
            1,
        ),
        ([PlatformResult(platform="a", stop=HELD), PlatformResult(platform="b", error="x")], RunState.FAILED, 1),
    ],
)
def test_the_heaviest_state_names_the_run(results: list[PlatformResult], state: RunState, code: int) -> None:
    end = run_result(results)
    assert (end.state, end.exit, end.data["exit"]) == (state, code, code)
    assert end.message.endswith(f"(exit {code})")
    assert all(f"{result.platform}: " in end.message for result in results)


def test_the_sentence_says_counts_troubles_and_until_when() -> None:
    result = PlatformResult(
        platform="a", counts={"sent": 5, "not_found": 2, "swept": 0}, troubles={"rejected": 1}, stop=CLOSED
    )
    said = "a: sent 5, not there 2, to be seen: rejected 1, waits (maintenance) until 2026-03-02 23:30"
    assert result.text == said


def test_what_a_person_typed_and_what_looks_like_a_person_stays_out() -> None:
    assert "张三" not in run_result([PlatformResult(platform="a", stop=HELD)]).message
    number = "370000199001011234"
    assert number not in run_result([PlatformResult(platform="a", error=f"row of {number}")]).message
    assert number not in failed_run(f"no {number}").message


def test_steps_of_a_platform_become_one_part() -> None:
    result = merge_results(
        [
            PlatformResult(
                platform="a", counts={"sent": 2, "exchanges": 1}, skipped="x", reports={"feedback": {"pulled": 1}}
            ),
            PlatformResult(platform="a", counts={"exchanges": 3}, troubles={"rejected": 1}, skipped="x", error="late"),
        ]
    )
    assert result.counts == {"sent": 2, "exchanges": 4}
    assert (result.troubles, result.skipped, result.error) == ({"rejected": 1}, "x", "late")
    assert result.reports == {"feedback": {"pulled": 1}}
