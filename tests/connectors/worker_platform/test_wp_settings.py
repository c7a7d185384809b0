"""Settings give the specification's times, the dialect's pace, and refuse credentials that cannot work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from connectors.worker_platform.adapter import WorkerPlatform
from gateway.contract.connector import HoldingsBy
from gateway.domain.errors import ConfigurationError
from gateway.domain.records import RecordKind

Build = Callable[..., WorkerPlatform]
DAY = 86_400.0


def test_the_national_platform_is_asked_slowly_and_for_a_week(built: Build) -> None:
    connector = built(DIALECT="national")
    pace, polls, lookups = connector.endpoint.pace, connector.info.polls, connector.info.lookups
    assert (pace.interval, pace.connections) == (timedelta(seconds=1.2), 1)
    assert [w.total_seconds() for w in polls.steps[:7]] == [3, 5, 10, 20, 40, 120, 120]
    assert sum(polls.steps, timedelta()).total_seconds() == pytest.approx(DAY + 78)
    assert (polls.then, polls.give_up_after) == (timedelta(hours=1), timedelta(days=7))
    assert [w.total_seconds() for w in lookups.steps] == [60, 300, 900]
    assert connector.info.negative_lookups == 3
    assert [w.total_seconds() for w in connector.info.retry.steps] == [30, 60, 120, 240, 480, 900]


def test_settings_win_over_the_dialect(built: Build) -> None:
    connector = built(MIN_INTERVAL_SECONDS="0", CONNECTIONS="4", POLL_SECONDS="[0.3]", POLL_THEN_SECONDS="0.5")
    assert (connector.endpoint.pace.interval, connector.endpoint.pace.connections) == (timedelta(), 4)
    assert [w.total_seconds() for w in connector.info.polls.steps[:2]] == [0.3, 0.5]


def test_without_the_capability_no_certificate_is_owed_and_the_reason_is_given(built: Build) -> None:
    info = built(DIALECT="national").info
    assert info.kinds == {}
    assert set(info.declined) == set(RecordKind)
    assert "no method that takes a certificate" in info.declined[RecordKind.CERTIFICATE]
    assert info.holdings_by is HoldingsBy.RECORD


def test_with_the_capability_only_certificates_are_owed(built: Build) -> None:
    info = built(BATCH_MAX="5").info
    assert list(info.kinds) == [RecordKind.CERTIFICATE]
    assert (info.kinds[RecordKind.CERTIFICATE].batch_max, info.kinds[RecordKind.CERTIFICATE].replay_safe) == (5, False)
    assert "project" in info.declined[RecordKind.PERSON]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"APPSECRET": "short"}, "APPSECRET: .*32 bytes"),
        ({"APPID": ""}, "APPID"),
        ({"BATCH_MAX": "6"}, "BATCH_MAX"),
        ({"SETTLING_SECONDS": "[60]"}, "SETTLING_SECONDS"),
        ({"DIALECT": "fujian"}, "CORPKEY: the dialect demands"),
        ({"DIALECT": "jinhua", "CORPKEY": "x" * 32}, "CORPKEY: the dialect knows no"),
        ({"DIALECT": "atlantis"}, "atlantis: unknown; there are fujian"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(built: Build, given: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        built(**given)
    assert "TestSecret" not in str(refused.value)


def test_a_batch_larger_than_the_dialect_takes_is_refused(built: Build, tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "own.toml"
    path.write_text("extends = 'sandbox'\n[batch_max]\ncredential = 2\n", "utf-8")
    with pytest.raises(ConfigurationError, match="BATCH_MAX"):
        built(DIALECT=str(path), BATCH_MAX="3")
    assert built(DIALECT=str(path)).info.spec_version == "open.api 1.0 (own)"
