"""One run without a Prefect server: platforms side by side, errors that tell nobody's data, one run at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.client.schemas.objects import StateType

from gateway import registry
from gateway.bootstrap import Gateway, open_gateway
from gateway.delivery.store import run_leases
from gateway.delivery.store.run_leases import Claim
from gateway.domain.errors import StoreError
from gateway.domain.traffic import Stop
from gateway.flows import artifacts
from gateway.flows.results import PlatformResult, RunResult, RunState
from gateway.flows.session import run_lease, run_on_platforms, to_state
from gateway.store.processes import myself

ONE, OTHER = "national_market", "provincial_credit"
PAUSED = Stop(code="operator", reason="", until=None, paused=True)


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path))
    for name in (ONE, OTHER):
        sandbox = registry.build_sandbox(name)
        for variable, value in sandbox.access("http://127.0.0.1:1").environment.items():
            monkeypatch.setenv(variable, value)
        sandbox.books.close()
    with open_gateway(create=True) as opened:
        yield opened


async def fine(_gateway: Gateway, platform: str) -> PlatformResult:
    return PlatformResult(platform=platform, counts={"sent": 3})


def hold(gateway: Gateway, platform: str) -> None:
    claim = Claim(work="push", platform=platform, run="", owner=myself())
    with gateway.store.write() as connection:
        run_leases.take(connection, claim, now=datetime.now(UTC), lease=timedelta(minutes=5), is_dead=lambda _: False)


def at_work(gateway: Gateway) -> int:
    with gateway.store.read() as connection:
        return len(run_leases.at_work(connection))


def test_all_configured_platforms_are_worked_on_and_their_leases_given_back(gateway: Gateway) -> None:
    state = asyncio.run(run_on_platforms("push", [], fine))
    assert (state.type, state.name) == (StateType.COMPLETED, "Completed")
    assert state.message == f"{ONE}: sent 3; {OTHER}: sent 3 (exit 0)"
    assert at_work(gateway) == 0


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("张三 370000199001011234"), "RuntimeError: not foreseen; the log of the worker has more"),
        (StoreError("the store is full"), "the store is full"),
        (ExceptionGroup("both", [StoreError("full"), StoreError("full")]), "full"),
        (ExceptionGroup("both", [StoreError("full"), ValueError("张三")]), "ExceptionGroup: not foreseen"),
    ],
)
@pytest.mark.usefixtures("gateway")
def test_an_error_fails_its_platform_only_and_tells_nobodys_data(error: Exception, said: str) -> None:
    async def work(gateway: Gateway, platform: str) -> PlatformResult:
        if platform == ONE:
            raise error
        return await fine(gateway, platform)

    state = asyncio.run(run_on_platforms("push", [], work))
    assert state.type is StateType.FAILED
    assert f"{ONE}: {said}" in str(state.message)
    assert f"{OTHER}: sent 3" in str(state.message)
    assert "张三" not in str(state.message)


def test_work_another_run_has_is_skipped_and_the_rest_is_done(gateway: Gateway) -> None:
    hold(gateway, ONE)
    state = asyncio.run(run_on_platforms("push", [], fine))
    assert (state.type, state.name) == (StateType.COMPLETED, "Completed")
    assert f"{ONE}: another run has been at it since" in str(state.message)
    only = asyncio.run(run_on_platforms("push", [ONE], fine))
    assert (only.type, only.name) == (StateType.COMPLETED, "Skipped")
    assert at_work(gateway) == 1, "the other run's lease is left alone"


def test_while_a_run_is_at_work_nobody_else_gets_its_lease(gateway: Gateway) -> None:
    async def both() -> list[bool]:
        async with run_lease(gateway, "push", ONE) as first, run_lease(gateway, "push", ONE) as second:
            return [first is None, second is None]

    assert asyncio.run(both()) == [True, False]
    assert at_work(gateway) == 0


@pytest.mark.usefixtures("gateway")
def test_a_platform_that_is_not_known_fails_the_run_by_its_name() -> None:
    state = asyncio.run(run_on_platforms("push", ["nowhere"], fine))
    assert state.type is StateType.FAILED
    assert "nowhere" in str(state.message)


def test_a_run_without_any_platform_fails_and_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path))
    open_gateway(create=True).store.close()
    state = asyncio.run(run_on_platforms("push", [], fine))
    assert state.type is StateType.FAILED
    assert "GATEWAY_<PLATFORM>__ENDPOINT" in str(state.message)


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([PlatformResult(platform="a")], "nothing due"),
        ([PlatformResult(platform="a", counts={"sent": 5, "exchanges": 9})], "sent 5"),
        ([PlatformResult(platform="a", stop=PAUSED)], "Held"),
        ([PlatformResult(platform="a", counts={"sent": 2}, troubles={"rejected": 1})], "sent 2, to be seen 1"),
        ([PlatformResult(platform="a", skipped="x"), PlatformResult(platform="b", error="y")], "Failed, Skipped"),
        ([PlatformResult(platform="a", counts={"sent": 2}), PlatformResult(platform="b", stop=PAUSED)], "sent 2, Held"),
    ],
)
def test_a_runs_name_says_what_was_done_and_what_stands_in_the_way(
    results: list[PlatformResult], expected: str
) -> None:
    assert artifacts.summary("push", results) == expected


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (RunState.SKIPPED, StateType.COMPLETED),
        (RunState.COMPLETED, StateType.COMPLETED),
        (RunState.WAITING, StateType.COMPLETED),
        (RunState.ATTENTION, StateType.FAILED),
        (RunState.HELD, StateType.FAILED),
        (RunState.FAILED, StateType.FAILED),
    ],
)
def test_what_needs_a_person_is_not_shown_as_done(state: RunState, kind: StateType) -> None:
    shown = to_state(RunResult(state=state, message="", exit=0))
    assert (shown.type, shown.name) == (kind, state.value)
