"""Every column of the store is covered by the evidence, follows from what is, or it is written here why it need not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text, update

from gateway.delivery.store.replays import plan
from gateway.delivery.store.tables import delivery, replay_item
from gateway.delivery.store.views import DeliveryFilter
from gateway.domain.approvals import GuardedAct
from gateway.operations.evidence import seal, verify
from gateway.operations.store import approvals
from gateway.operations.store.evidence_books import BOOKS
from gateway.operations.store.sealed_columns import SEALED
from gateway.operations.store.tables import evidence_part, four_eyes
from gateway.schema import metadata
from gateway.store.audit import note
from gateway.store.metadata import is_postgresql

OPERATIONAL = {
    "owed": "how far deliveries were made; made again from records where it is put back",
    "platform": "pauses, pace and breaker, which pass; who paused stands in the audit trail",
    "slot": "the pace of the last minutes",
    "seat": "who holds a connection",
    "recovery": "how far a restored store was asked about",
    "credit_watch": "what is waited for",
    "inbox_repeat": "which pages came again",
    "delivery_project": "which project a delivery waits for",
    "objection_scan": "which files went with an objection, which the bytes sent have too",
    "run_lease": "who is at work",
    "feed": "how far a feed was read",
    "credit_stream": "how far a stream was read",
    "credit_marker": "how far something was done",
    "source_state": "how far a view was read",
    "source_row": "which rows were seen",
    "incarnation": "which store was used last; kept in the home as well",
    "key_check": "another ring is refused by every command",
    "search_index": "by whom somebody is found; made anew from records",
    "filing_subject": "by whom a row is found; made anew from its cells",
    "record_project": "which project a record names; made anew from records",
    "evidence_link": "the chain itself",
    "evidence_part": "the chain itself",
    "four_eyes": "follows from the audit trail",
    "replay_item": "follows from the digest of its plan; what became of it from the audit trail",
}
"""table -> why none of its columns is in a book"""

FOLLOWS = {
    "delivery": "state, code, reason and number follow from verdicts; the person from the record; the rest is waiting",
    "exchange": "bytes by their digests, headers and login by what is sealed; nonce by the answer that is judged again",
    "credit_event": "matches and outcomes are made anew from the event; what they came to is in statements and links",
    "credit_ack": "how often it was repeated, and its ticket, which is a row of its own",
    "credit_own": "state and sending follow from what was published, which is covered",
    "credit_party": "on what ground it is known",
    "objection": "how it stands follows from what was sent and answered",
    "payload": "when and by which specification it was made; the content is covered by its account",
    "inbox": "cursors, which stand in the bytes too",
    "reconciliation_item": "its place in the list",
    "told_ticket": "what was told to a platform about a ticket follows from what was sent and answered",
    "scan": "how its sending stands follows from what was sent and answered",
    "credit_link": "until when it counts, which follows from the statements",
}
"""table -> why the columns that are in no book need not be"""


def _covered() -> set[str]:
    columns = {f"{column.table.name}.{column.name}" for book in BOOKS for column in book.columns}
    return columns | {book.content.name for book in BOOKS if book.content} | {sealed.name for sealed in SEALED}


def test_every_table_is_in_a_book_or_says_why_not() -> None:
    known = {column.partition(".")[0] for column in _covered()}
    every = {table.name for table in metadata.sorted_tables}
    assert every - known - set(OPERATIONAL) == set()


def test_every_column_of_a_covered_table_is_in_a_book_or_says_why_not() -> None:
    covered = _covered()
    open_ones: dict[str, list[str]] = {}
    for table in metadata.sorted_tables:
        if table.name in OPERATIONAL:
            continue
        left = [column.name for column in table.columns if f"{table.name}.{column.name}" not in covered]
        if left and table.name not in FOLLOWS:
            open_ones[table.name] = left
    assert open_ones == {}


@pytest.fixture
def written(book: Any) -> Any:
    """A sealed store with a plan and acts that ask."""
    book.add(*book.persons(3))
    with book.store.write() as c:
        approvals.demand(c, [GuardedAct.BYTES, GuardedAct.RELEASE], above=20, by="keeper", now=book.now)
        c.execute(update(delivery).where(delivery.c.id < 3).values(state="parked"))
        plan(c, DeliveryFilter(), reason="r", by="tester", now=book.now)
    seal(book.store, book.now, None)
    return book


def named(book: Any) -> set[tuple[str | None, Any]]:
    return {(fault.book, fault.row) for fault in verify(book.store, None).faults}


CHANGES: dict[str, tuple[Any, tuple[str, Any]]] = {
    "a delivery of another person": (
        update(delivery).where(delivery.c.id == 3).values(person_key="X"),
        ("delivery", 3),
    ),
    "another delivery in a plan": (
        update(replay_item).where(replay_item.c.position == 1).values(delivery_id=3),
        ("replay", 1),
    ),
    "a delivery taken out of a plan": (delete(replay_item).where(replay_item.c.position == 2), ("replay", 1)),
    "an act that asks nobody": (delete(four_eyes).where(four_eyes.c.act == "bytes"), ("four_eyes", "bytes")),
    "an act that asks later": (
        update(four_eyes).where(four_eyes.c.act == "release").values(above=1000),
        ("four_eyes", "release"),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_follows_from_lasting_rows_is_compared(written: Any, name: str) -> None:
    change, place = CHANGES[name]
    assert named(written) == set()
    with written.store.write() as c:
        c.execute(change)
    assert named(written) == {place}


def test_a_waived_act_is_no_fault(written: Any) -> None:
    with written.store.write() as c:
        approvals.waive(c, GuardedAct.BYTES)
        note(c, at=written.now, actor="keeper", action="waive", subject="bytes")
    assert named(written) == set()


Break = Callable[[Any], None]


def _ranges(c: Any) -> None:
    c.execute(update(evidence_part).where(evidence_part.c.book == "record").values(ranges=["x"]))


def _object(c: Any) -> None:
    c.execute(update(evidence_part).where(evidence_part.c.book == "delivery").values(ranges={"a": 1}))


@pytest.mark.parametrize("broken", [_ranges, _object])
def test_a_value_of_another_form_is_a_fault_and_no_traceback(written: Any, broken: Break) -> None:
    with written.store.write() as c:
        broken(c)
    faults = verify(written.store, None, every_byte=True).faults
    assert any("another form than is ever written" in fault.what for fault in faults)


def test_a_moment_that_is_none_is_a_fault_and_no_traceback(written: Any) -> None:
    with written.store.write() as c:
        if is_postgresql(c):
            pytest.skip("PostgreSQL takes no such value")
        c.execute(text("UPDATE record SET created_at = 'yesterday' WHERE id = 1"))
    faults = verify(written.store, None, every_byte=True).faults
    assert any(fault.book in ("record", "evidence_link") for fault in faults)


def test_the_rest_is_read_though_one_part_cannot_be(written: Any) -> None:
    with written.store.write() as c:
        _ranges(c)
        c.execute(update(delivery).where(delivery.c.id == 3).values(person_key="X"))
        c.execute(insert(four_eyes), {"act": "publish", "since": written.now, "by": "x", "above": 0})
        assert c.execute(select(four_eyes.c.act)).scalars().all()
    assert ("delivery", 3) in named(written)
