"""Settings give the specification's times, the dialect's pace, and refuse credentials that cannot work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

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


def test_the_national_dialect_takes_workers_and_trainings_of_a_project_and_says_why_not_the_rest(built: Build) -> None:
    info = built(DIALECT="national").info
    assert list(info.kinds) == [RecordKind.PERSON, RecordKind.CERTIFICATE]
    assert all(kind.by_project and kind.batch_max == 1 and not kind.replay_safe for kind in info.kinds.values())
    assert info.kinds[RecordKind.CERTIFICATE].after == (RecordKind.PERSON,)
    assert set(info.declined) == set(RecordKind)
    assert "no method that takes a certificate" in info.declined[RecordKind.CERTIFICATE]
    assert "project" in info.declined[RecordKind.PERSON]
    assert info.holdings_by is HoldingsBy.RECORD


def test_without_either_capability_nothing_is_owed_and_the_reason_is_given(built: Build, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text("extends = 'national'\n[capabilities]\ntraining_write = false\n", "utf-8")
    connector = built(DIALECT=str(path))
    assert connector.info.kinds == {}
    assert set(connector.info.declined) == set(RecordKind)
    assert "no method that takes a certificate" in connector.info.declined[RecordKind.CERTIFICATE]
    assert connector.verifies() == {RecordKind.CERTIFICATE}


def test_certificates_that_cannot_be_sent_are_asked_about_unless_switched_off(built: Build) -> None:
    assert built(DIALECT="national").verifies() == {RecordKind.CERTIFICATE}
    assert built(DIALECT="national", VERIFY_UNSENT="false").verifies() == frozenset()
    assert built(DIALECT="jinhua").verifies() == frozenset()
    assert built().verifies() == frozenset()


def test_projects_named_in_the_settings_are_read_at_every_reconciliation(built: Build) -> None:
    connector = built(DIALECT="national", PROJECT_CODES='["P1", "P|2"]')
    assert connector.parts() == [
        "workers|0|0|-1|P1",
        "trainings|0|0|-1|P1",
        "workers|0|0|-1|P|2",
        "trainings|0|0|-1|P|2",
    ]
    assert built(PROJECT_CODES='["P1"]').parts() == ()


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
        ({"DIALECT": "national", "BATCH_MAX": "2"}, "BATCH_MAX: by project a call carries one person"),
        ({"SETTLING_SECONDS": "[60]"}, "SETTLING_SECONDS"),
        ({"DIALECT": "fujian"}, "CORPKEY: the dialect demands"),
        ({"DIALECT": "jinhua", "CORPKEY": "xy" * 16}, "CORPKEY: the dialect knows no"),
        ({"DIALECT": "atlantis"}, "atlantis: unknown; there are fujian"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(built: Build, given: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        built(**given)
    assert "TestSecret" not in str(refused.value)


def test_a_batch_larger_than_the_dialect_takes_is_refused(built: Build, tmp_path: object) -> None:
    path = Path(str(tmp_path)) / "own.toml"
    path.write_text("extends = 'sandbox'\n[batch_max]\ncredential = 2\n", "utf-8")
    with pytest.raises(ConfigurationError, match="BATCH_MAX"):
        built(DIALECT=str(path), BATCH_MAX="3")
    assert built(DIALECT=str(path)).info.spec_version == "open.api 1.0 (own)"
