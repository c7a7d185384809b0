"""Registrations by project: who is owed, what counts as an earlier version, and what a change of the rules brings."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from gateway.contract.connector import ConnectorInfo, KindInfo
from gateway.contract.messages import Verdict
from gateway.delivery.rules.work import Settlement
from gateway.delivery.store import ledger, owing, platforms, settlement, version_order
from gateway.delivery.store.tables import delivery
from gateway.domain.records import Record, RecordKind, Worker
from gateway.domain.states import Event, State
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.tables import record_project
from gateway.testing import people
from gateway.testing.model import Model

NOW = datetime(2019, 4, 2, tzinfo=UTC)
PLACE = people.placement("P1", "91370000MA0000000P", "示例建设有限公司", "7", "一班")
PERSON, CERTIFICATE = RecordKind.PERSON, RecordKind.CERTIFICATE


def info(*, by_project: bool) -> ConnectorInfo:
    person = KindInfo(batch_max=1, replay_safe=False, by_project=by_project)
    return replace(Model(base_url="http://127.0.0.1:1").info, kinds={PERSON: person})


def add(store: Store, which: ConnectorInfo, *versions: Record) -> None:
    with store.write() as c:
        platforms.register(c, [which.platform])
        owing.lock_records(c)
        records.add(c, store.vault, versions, batch_id=None, now=NOW)
        owing.owe(c, which, NOW)


def owed_keys(store: Store) -> list[tuple[str, int]]:
    with store.read() as c:
        return [tuple(row) for row in c.execute(select(delivery.c.record_key, delivery.c.version).order_by("id"))]


def accept_all(store: Store, platform: str) -> list[bool]:
    """Accept what is due; tells of each whether the platform holds an earlier version."""
    with store.write() as c:
        claimed = ledger.claim(
            c,
            store.vault,
            platform=platform,
            state=State.QUEUED,
            limit=50,
            now=NOW,
            lease=timedelta(minutes=5),
            owner="test",
        )
        verdict = Verdict(event=Event.ACCEPTED, code="ok")
        done = [
            Settlement(claimed=one, event=Event.ACCEPTED, verdict=verdict, due_at=NOW, polls=0, lookups=0, negatives=0)
            for one in claimed
        ]
        settlement.settle(
            c, [replace(one, claimed=replace(one.claimed, attempt_id=None)) for one in done], platform, NOW
        )
    return [one.replaces for one in claimed]


@pytest.fixture
def person() -> Record:
    return people.person_record(random.Random(3))


def in_project(person: Record, version: int, project: str = "P1") -> Record:
    return people.placed(replace(person, version=version), replace(PLACE, project_code=project))


def test_only_records_with_a_project_are_owed_and_the_others_are_counted(store: Store, person: Record) -> None:
    which, other = info(by_project=True), people.person_record(random.Random(4))
    add(store, which, in_project(person, 1), other)
    assert owed_keys(store) == [(person.key, 1)]
    with store.read() as c:
        assert version_order.not_owed(c, which, PERSON) == 1
        assert version_order.not_owed(c, which, CERTIFICATE) == 0


def test_the_project_is_kept_as_a_digest_only(store: Store, person: Record) -> None:
    add(store, info(by_project=True), in_project(person, 1, project="370000199001010010"))
    with store.read() as c:
        (kept,) = c.execute(select(record_project.c.project)).scalars()
    assert len(kept) == 64
    assert "370000" not in kept


def test_a_platform_that_later_takes_everything_is_owed_the_rest_once(store: Store, person: Record) -> None:
    other = people.person_record(random.Random(4))
    add(store, info(by_project=True), in_project(person, 1), other)
    add(store, info(by_project=False))
    assert sorted(owed_keys(store)) == sorted([(person.key, 1), (other.key, 1)])
    add(store, info(by_project=True), in_project(person, 2))
    assert len(owed_keys(store)) == 3


@pytest.mark.parametrize(
    ("second", "replaces"), [("P1", True), ("P2", False)], ids=["the same project", "another project"]
)
def test_an_earlier_version_counts_within_its_project_only(
    store: Store, person: Record, second: str, replaces: bool
) -> None:
    which = info(by_project=True)
    add(store, which, in_project(person, 1))
    assert accept_all(store, which.platform) == [False]
    add(store, which, in_project(person, 2, project=second))
    assert accept_all(store, which.platform) == [replaces]


def test_a_platform_without_projects_sees_a_move_as_a_change(store: Store, person: Record) -> None:
    which = info(by_project=False)
    for version, project in ((1, "P1"), (2, "P2")):
        add(store, which, in_project(person, version, project=project))
        assert accept_all(store, which.platform) == [version > 1]


def test_a_placement_survives_the_store(store: Store, person: Record) -> None:
    add(store, info(by_project=True), in_project(person, 1))
    with store.read() as c:
        (kept,) = records.newest_records(c, store.vault, PERSON, [person.key])
    assert kept.content == in_project(person, 1).content
    assert isinstance(kept.content, Worker)
    assert people.PHOTO not in repr(kept.content)
