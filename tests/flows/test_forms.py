"""The forms of Prefect's page, called without Prefect: what each does to the store, and how it ends."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from gateway import registry
from gateway.bootstrap import Gateway, open_gateway
from gateway.delivery.store import platforms, replays
from gateway.flows import forms
from gateway.testing.batch import write_sample

PLATFORM, OTHER = "provincial_credit", "national_market"


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """Two configured platforms that nobody asks, and a batch that is owed to both."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "home"))
    for name in (PLATFORM, OTHER):
        sandbox = registry.build_sandbox(name)
        for key, value in sandbox.access("http://127.0.0.1:1").environment.items():
            monkeypatch.setenv(key, value)
        sandbox.books.close()
    with open_gateway(create=True) as opened:
        opened.take_in(write_sample(tmp_path / "batch.xlsx", rows=60, seed=4))
        yield opened


def done(flow: Any, **given: Any) -> State[Any]:
    return asyncio.run(flow.fn(**given))  # type: ignore[no-any-return]


def paused(gateway: Gateway, name: str) -> Any:
    with gateway.store.read() as connection:
        return platforms.pause_of(connection, name, gateway.edge.now())


def test_a_platform_is_paused_and_resumed_and_the_other_goes_on(gateway: Gateway) -> None:
    ended = done(forms.pause, platform=PLATFORM, reason="upgrade", hours=2)
    assert (ended.name, ended.message) == ("Completed", f"{PLATFORM} is held (exit 0)")
    held = paused(gateway, PLATFORM)
    assert (held.reason, held.by) == ("upgrade", "prefect")
    assert (held.until - held.since).total_seconds() == pytest.approx(7200, abs=5)
    assert paused(gateway, OTHER) is None
    assert "goes on; 0 deliveries" in str(done(forms.resume, platform=PLATFORM, reason="done").message)
    assert paused(gateway, PLATFORM) is None
    assert "was not held" in str(done(forms.resume, platform=PLATFORM, reason="done").message)


def test_an_unknown_platform_or_report_fails_with_what_is_wrong(gateway: Gateway) -> None:
    ended = done(forms.pause, platform="nowhere", reason="x")
    assert (ended.type.value, "no platform 'nowhere'" in str(ended.message)) == ("FAILED", True)
    assert "there is no report of this number" in str(done(forms.close, report="9", reason="x").message)


def test_a_report_is_closed_once_and_its_returns_are_for_the_owner_only(gateway: Gateway, tmp_path: Path) -> None:
    from gateway.intake.store.views import parts

    with gateway.store.read() as connection:
        number = next(str(part.report_no) for part in parts(connection) if part.report_no)
    assert done(forms.close, report=number, reason="will not come").name == "Completed"
    assert done(forms.close, report=number, reason="again").name == "Attention"
    ended = done(forms.returns, report=number)
    [book] = (tmp_path / "home" / "returns").iterdir()
    assert book.name in str(ended.message)
    assert stat.S_IMODE(book.stat().st_mode) == 0o600
    assert stat.S_IMODE(book.parent.stat().st_mode) == 0o700


def test_the_report_is_written(gateway: Gateway, tmp_path: Path) -> None:
    assert done(forms.report).name == "Completed"
    assert (tmp_path / "home" / "reports" / "gateway-report.html").exists()


def test_nothing_differs_before_anything_was_compared(gateway: Gateway) -> None:
    assert "nothing differs" in str(done(forms.differences).message)


def test_a_replay_that_nobody_approves_sends_nothing(gateway: Gateway) -> None:
    assert "nothing that failed matches" in str(done(forms.replay, reason="x").message)
    with gateway.store.write() as connection:
        connection.exec_driver_sql(f"UPDATE delivery SET state = 'parked' WHERE platform = '{PLATFORM}' AND id < 100")
    ended = done(forms.replay, reason="x", platforms=[PLATFORM])
    assert ended.name == "Attention"
    assert "not approved" in str(ended.message)
    with gateway.store.read() as connection:
        [plan] = replays.plans(connection)
    assert plan.cancelled_at is not None
    assert plan.done == 0


def test_a_code_is_refused_where_it_chooses_nothing(gateway: Gateway) -> None:
    assert "leave it out" in str(done(forms.replay, reason="x", which="lost", code="-1").message)
