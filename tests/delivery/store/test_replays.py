"""Replay by plan: what was planned adds up to what was done, skipped and left, whatever happens in between."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from gateway.delivery.rules.differences import Difference
from gateway.delivery.store import replays
from gateway.delivery.store.replays import Plan, ReplayMapping
from gateway.delivery.store.tables import earlier_payload, payload, reconciliation, reconciliation_item
from gateway.delivery.store.views import DeliveryFilter
from gateway.domain.records import ChangeNature, Worker
from gateway.domain.states import Event, State
from gateway.store.tables import audit

ALL = DeliveryFilter()


@pytest.fixture
def failed(book: Any) -> Any:
    """Six deliveries: 1 and 2 rejected, 3 and 4 parked, 5 accepted, 6 waiting."""
    book.add(*book.persons(5))
    claimed = book.send(book.claim())
    book.settle(claimed[:2], Event.REJECTED, code="R")
    book.settle(claimed[2:4], Event.UNKNOWN, code="U")
    book.settle(claimed[4:], Event.ACCEPTED)
    book.add(*book.persons(1))
    return book


def make(book: Any, wanted: DeliveryFilter = ALL) -> Plan:
    with book.store.write() as c:
        plan = replays.plan(c, wanted, reason="mapping mended", by="op", now=book.now)
    assert plan is not None
    return plan


def go(book: Any, plan: Plan) -> list[dict[str, int]]:
    """Run a plan to its end; what each piece did."""
    pieces = []
    while True:
        with book.store.write() as c:
            piece = replays.run(c, plan.id, by="op", now=book.now)
        if piece is None:
            return pieces
        pieces.append(dict(piece))


def now(book: Any, plan: Plan) -> Plan:
    with book.store.read() as c:
        found = replays.find(c, plan.id)
    assert found is not None
    assert found.items == found.done + sum(found.skipped.values()) + found.waiting
    return found


def states(book: Any) -> list[str]:
    return [row["state"] for row in book.rows()]


def test_a_plan_lists_all_that_failed_and_queues_nothing_yet(failed: Any) -> None:
    before = states(failed)
    plan = make(failed)
    assert (plan.items, plan.waiting, plan.done) == (4, 4, 0)
    assert plan.digest == hashlib.sha256(b"1\n2\n3\n4\n").hexdigest()
    assert states(failed) == before


@pytest.mark.parametrize(
    ("wanted", "items"),
    [
        (DeliveryFilter(states=(State.PARKED,)), 2),
        (DeliveryFilter(code="R"), 2),
        (DeliveryFilter(platform="model"), 4),
        (DeliveryFilter(states=(State.PARKED, State.REJECTED), code="U"), 2),
    ],
)
def test_a_plan_takes_what_its_filter_says(failed: Any, wanted: DeliveryFilter, items: int) -> None:
    assert make(failed, wanted).items == items


@pytest.mark.parametrize(
    "wanted", [DeliveryFilter(code="other"), DeliveryFilter(platform="other"), DeliveryFilter(states=(State.ACCEPTED,))]
)
def test_no_plan_is_made_of_nothing(failed: Any, wanted: DeliveryFilter) -> None:
    with failed.store.write() as c:
        assert replays.plan(c, wanted, reason="r", by="op", now=failed.now) is None
    with failed.store.read() as c:
        assert replays.plans(c) == []


def test_what_is_planned_is_queued_once_and_a_second_run_does_nothing(failed: Any) -> None:
    plan = make(failed)
    assert go(failed, plan) == [{"done": 4}]
    assert go(failed, plan) == []
    assert states(failed) == ["queued"] * 4 + ["accepted", "queued"]
    assert now(failed, plan).done == 4


def test_pieces_are_commits_of_their_own_and_a_killed_run_goes_on(failed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "CHUNK", 1)
    plan = make(failed)
    with failed.store.write() as c:
        replays.run(c, plan.id, by="op", now=failed.now)
    assert now(failed, plan).waiting == 3
    assert go(failed, plan) == [{"done": 1}] * 3
    assert states(failed)[:4] == ["queued"] * 4


def test_what_was_parked_keeps_its_payload_and_what_was_rejected_is_mapped_anew(failed: Any) -> None:
    with failed.store.write() as c:
        rows = [{"delivery_id": i, "content": b"x", "spec_version": "1", "made_at": failed.now} for i in (1, 2, 3, 4)]
        c.execute(payload.insert(), rows)
    go(failed, make(failed))
    with failed.store.read() as c:
        assert list(c.execute(select(payload.c.delivery_id).order_by(payload.c.delivery_id)).scalars()) == [3, 4]


def test_what_has_moved_on_is_skipped(failed: Any) -> None:
    plan, other = make(failed), make(failed, DeliveryFilter(code="U"))
    assert go(failed, other) == [{"done": 2}]
    assert go(failed, plan) == [{"done": 2, "moved_on": 2}]
    assert now(failed, plan).skipped == {"moved_on": 2}


def test_what_failed_again_in_between_is_not_what_was_planned(failed: Any) -> None:
    plan, other = make(failed, DeliveryFilter(code="R")), make(failed, DeliveryFilter(code="R"))
    go(failed, other)
    failed.settle(failed.claim(limit=2), Event.REJECTED, code="R")
    assert go(failed, plan) == [{"moved_on": 2}]


def test_a_newer_version_is_not_overtaken(book: Any) -> None:
    [first] = book.persons(1)
    assert isinstance(first.content, Worker)
    book.add(first)
    book.settle(book.claim(), Event.REJECTED, code="R")
    plan = make(book)
    newer = replace(first, version=2, content=replace(first.content, name="张伟"), change=ChangeNature.CORRECTION)
    book.add(newer)
    assert go(book, plan) == [{"newer_version": 1}]
    assert states(book) == ["rejected", "queued"]


def reconciled(book: Any, **classes: list[int]) -> None:
    """A run of reconciliation with these classes."""
    with book.store.write() as c:
        head = {"platform": "model", "ours_at": book.now, "theirs_at": book.now, "counts": {}}
        number = c.execute(reconciliation.insert().values(head).returning(reconciliation.c.id)).scalar_one()
        item = {"reconciliation_id": number, "kind": "person", "fields": []}
        rows = [{**item, "class": name, "delivery_id": one} for name, ids in classes.items() for one in ids]
        if rows:
            c.execute(reconciliation_item.insert(), rows)


def test_what_was_accepted_and_is_lost_there_goes_again_with_the_payload_it_had(failed: Any) -> None:
    with failed.store.write() as c:
        c.execute(payload.insert(), {"delivery_id": 5, "content": b"x", "spec_version": "1", "made_at": failed.now})
        assert replays.plan(c, ALL, reason="r", by="op", now=failed.now, difference=Difference.LOST) is None
    reconciled(failed, lost=[5], match=[1])
    with failed.store.write() as c:
        plan = replays.plan(c, ALL, reason="lost there", by="op", now=failed.now, difference=Difference.LOST)
    assert plan is not None
    assert go(failed, plan) == [{"done": 1}]
    assert states(failed)[4] == "queued"
    with failed.store.read() as c:
        assert list(c.execute(select(payload.c.delivery_id)).scalars()) == [5]


def test_what_a_later_reconciliation_found_again_is_not_sent_again(failed: Any) -> None:
    reconciled(failed, lost=[5])
    with failed.store.write() as c:
        plan = replays.plan(c, ALL, reason="lost there", by="op", now=failed.now, difference=Difference.LOST)
    assert plan is not None
    reconciled(failed, match=[5])
    assert go(failed, plan) == [{"moved_on": 1}]


def test_a_cancelled_plan_stops_before_what_is_left(failed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "CHUNK", 1)
    plan = make(failed)
    with failed.store.write() as c:
        replays.run(c, plan.id, by="op", now=failed.now)
        assert replays.cancel(c, plan.id, by="op", reason="wrong code", now=failed.now)
        assert not replays.cancel(c, plan.id, by="op", reason="again", now=failed.now)
    assert go(failed, plan) == []
    found = now(failed, plan)
    assert (found.done, found.waiting, found.cancelled_at) == (1, 3, failed.now)


def test_who_planned_ran_and_cancelled_what_is_in_the_audit_trail(failed: Any) -> None:
    plan = make(failed)
    go(failed, plan)
    with failed.store.read() as c:
        rows = c.execute(select(audit.c.actor, audit.c.action, audit.c.object, audit.c.reason, audit.c.detail)).all()
    assert [tuple(row)[:4] for row in rows] == [
        ("op", "plan_replay", "replay 1", "mapping mended"),
        ("op", "replay", "replay 1", "mapping mended"),
    ]
    assert [row.detail for row in rows] == [{"items": 4, "digest": plan.digest}, {"deliveries": [1, 2, 3, 4]}]


def test_named_deliveries_and_an_end_choose_the_plan(failed: Any) -> None:
    assert make(failed, DeliveryFilter(ids=(2, 3, 5, 6, 99))).items == 2, "what is accepted or waits did not fail"
    assert make(failed, DeliveryFilter(until=failed.now + timedelta(seconds=1))).items == 4
    with failed.store.write() as c:
        assert replays.plan(c, DeliveryFilter(until=failed.now), reason="r", by="op", now=failed.now) is None


@pytest.mark.parametrize(
    ("mapping", "kept", "earlier"),
    [(None, {3, 4, 5}, {1, 2}), ("original", {1, 2, 3, 4, 5}, set()), ("current", {5}, {1, 2, 3, 4})],
)
def test_a_person_chooses_the_payload_and_what_was_sent_stays_beside_it(
    failed: Any, mapping: str | None, kept: set[int], earlier: set[int]
) -> None:
    with failed.store.write() as c:
        for number in range(1, 6):
            row = {"content": bytes([number]), "spec_version": "1", "made_at": failed.now}
            c.execute(insert(payload).values(delivery_id=number, **row))
        chosen = None if mapping is None else ReplayMapping(mapping)
        plan = replays.plan(c, ALL, reason="r", by="op", now=failed.now, mapping=chosen)
    assert plan is not None
    assert go(failed, plan) == [{"done": 4}]
    with failed.store.read() as c:
        assert set(c.execute(select(payload.c.delivery_id)).scalars()) == kept
        before = c.execute(select(earlier_payload.c.delivery_id, earlier_payload.c.content)).all()
    assert {(number, bytes(content)) for number, content in before} == {(number, bytes([number])) for number in earlier}
