"""The evidence chain: what was sealed cannot be changed, dropped, added or rewritten without being named."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select, text, update

from gateway.delivery.rules.work import Closing
from gateway.delivery.store import exchanges, replays
from gateway.delivery.store import tables as delivery_tables
from gateway.delivery.store.views import DeliveryFilter
from gateway.domain.states import Event
from gateway.operations.evidence import seal, verify
from gateway.operations.evidence_pack import pack
from gateway.operations.rules.evidence import FIRST, covered, gaps, leaf, link_digest, to_ranges, within
from gateway.operations.store import evidence
from gateway.operations.store.tables import evidence_link, evidence_part
from gateway.store import tables
from gateway.store.engine import Connection, Store
from gateway.store.records import payload_place
from gateway.store.vault import KeyRing, Vault

Change = Callable[[Connection], object]


@pytest.fixture
def anchors(tmp_path: Path) -> Path:
    return tmp_path / "anchors.jsonl"


@pytest.fixture
def sealed(book: Any, anchors: Path) -> Any:
    """Twelve deliveries sent and answered, sealed in three links."""
    for _ in range(3):
        book.add(*book.persons(4))
        claimed = book.send(book.claim())
        with book.store.write() as c:
            [exchange_id] = c.execute(
                select(delivery_tables.exchange.c.id).where(delivery_tables.exchange.c.closed_at.is_(None))
            ).scalars()
            closing = Closing(exchange_id=exchange_id, closed_at=book.now, status=200, body=b"answer")
            exchanges.closed(book.store.vault, [closing])(c)
        book.settle(claimed, Event.ACCEPTED)
        seal(book.store, book.now, anchors)
        book.now += timedelta(minutes=1)
    return book


def places(store: Store, anchors: Path | None = None, **how: Any) -> list[tuple[int | None, str | None, int | None]]:
    return [(fault.link, fault.book, fault.row) for fault in verify(store, anchors, **how).faults]


def test_an_untouched_chain_verifies_to_the_last_byte(sealed: Any, anchors: Path) -> None:
    found = verify(sealed.store, anchors, every_byte=True)
    assert found.faults == []
    assert (found.links, found.anchors, found.uncovered_since) == (3, 3, None)
    # 12 records with their contents, deliveries, attempts, verdicts and accounts, 3 exchanges sent and answered
    assert found.rows == 6 * 12 + 2 * 3


def test_what_was_written_since_is_told_and_covered_by_the_next_link(sealed: Any, anchors: Path) -> None:
    sealed.add(*sealed.persons(1))
    sealed.send(sealed.claim())
    assert verify(sealed.store, anchors).uncovered_since == sealed.now
    assert seal(sealed.store, sealed.now, anchors) == 5
    assert seal(sealed.store, sealed.now, anchors) == 0
    assert verify(sealed.store, anchors).uncovered_since is None


X, V, A = delivery_tables.exchange, delivery_tables.verdict, delivery_tables.attempt
TAMPERINGS: dict[str, tuple[Change, tuple[int | None, str | None, int | None]]] = {
    "a verdict changed": (lambda c: c.execute(update(V).where(V.c.id == 6).values(code="other")), (2, "verdict", 6)),
    "a moment changed": (
        lambda c: c.execute(update(V).where(V.c.id == 6).values(at=V.c.at if False else _later(c, V, 6))),
        (2, "verdict", 6),
    ),
    "an attempt dropped": (
        lambda c: (c.execute(delete(V).where(V.c.attempt_id == 12)), c.execute(delete(A).where(A.c.id == 12))),
        (3, "attempt", 12),
    ),
    "a digest of a request changed": (
        lambda c: c.execute(update(X).where(X.c.id == 1).values(request_digest="0" * 64)),
        (1, "sent", 1),
    ),
    "an answer denied": (
        lambda c: c.execute(update(X).where(X.c.id == 1).values(closed_at=None)),
        (1, "answered", 1),
    ),
    "the sides of two attempts swapped": (
        lambda c: c.execute(update(A).where(A.c.id == 1).values(delivery_id=2)),
        (1, "attempt", 1),
    ),
    "a link removed": (
        lambda c: (
            c.execute(delete(evidence_part).where(evidence_part.c.link_id == 2)),
            c.execute(delete(evidence_link).where(evidence_link.c.id == 2)),
        ),
        (3, None, None),
    ),
    "a leaf changed": (
        lambda c: c.execute(
            update(evidence_part)
            .where(evidence_part.c.link_id == 1, evidence_part.c.book == "record")
            .values(leaves=bytes(64))
        ),
        (1, "record", 1),
    ),
    "a seal changed": (
        lambda c: c.execute(update(evidence_link).where(evidence_link.c.id == 1).values(seal="0" * 64)),
        (1, None, None),
    ),
}


def _later(connection: Connection, table: Any, number: int) -> Any:
    at = connection.execute(select(table.c.at).where(table.c.id == number)).scalar_one()
    return at + timedelta(microseconds=1)


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_named_with_its_place(sealed: Any, anchors: Path, name: str) -> None:
    change, place = TAMPERINGS[name]
    with sealed.store.write() as c:
        if c.dialect.name == "sqlite":
            c.execute(text("PRAGMA defer_foreign_keys=ON"))
        change(c)
    assert place in places(sealed.store, anchors)


def test_exchanged_bytes_are_found_when_every_byte_is_read(sealed: Any, anchors: Path) -> None:
    with sealed.store.write() as c:
        row = c.execute(select(X).where(X.c.id == 2)).mappings().one()
        place = f"exchange.request:{row['message_id']}/{row['request_digest']}"
        c.execute(update(X).where(X.c.id == 2).values(request=sealed.store.vault.seal(b"forged", place)))
        c.execute(update(X).where(X.c.id == 3).values(response=b"torn"))
    assert places(sealed.store, anchors) == []
    assert places(sealed.store, anchors, every_byte=True) == [
        (None, "sent", 2),
        (None, "answered", 3),
        (None, "exchange.response", 3),
    ]


def test_a_chain_made_anew_by_someone_without_the_keys_is_found(sealed: Any) -> None:
    with sealed.store.write() as c:
        c.execute(delete(evidence_part))
        c.execute(delete(evidence_link))
    forger = Store(engine=sealed.store.engine, vault=Vault(KeyRing.generate()))
    seal(forger, sealed.now, None)
    assert (1, None, None) in places(sealed.store)


def test_a_chain_made_anew_with_the_keys_does_not_fit_its_anchors(sealed: Any, anchors: Path) -> None:
    with sealed.store.write() as c:
        c.execute(delete(evidence_part))
        c.execute(delete(evidence_link))
        c.execute(update(V).where(V.c.id == 6).values(code="other"))
    seal(sealed.store, sealed.now, None)
    assert [p for p in places(sealed.store, anchors) if p[0]] == [(1, None, None), (2, None, None), (3, None, None)]


def test_of_bytes_that_carried_others_a_pack_has_the_digest_alone(sealed: Any) -> None:
    """Four persons went in one message; who travelled alone has the bytes."""
    sealed.add(*sealed.persons(1))
    [alone] = sealed.send(sealed.claim())
    seal(sealed.store, sealed.now, None)
    shared = pack(sealed.store, 1, sealed.now, with_bytes=True)
    assert shared is not None
    assert (shared["shared"], shared["bytes"]) == ([1], [])
    assert len(shared["rows"]["attempt"]) == 1
    own = pack(sealed.store, alone.id, sealed.now, with_bytes=True)
    assert own is not None
    assert (own["shared"], [(one["book"], one["id"]) for one in own["bytes"]]) == ([], [("sent", 4)])


def test_what_a_replay_put_aside_is_proven_and_shown_as_it_was_sent(book: Any) -> None:
    earlier, vault = delivery_tables.earlier_payload, book.store.vault
    book.add(*book.persons(2))
    first, other = claimed = book.send(book.claim())
    plain = {one.id: f"as sent: {one.id}".encode() for one in claimed}
    with book.store.write() as c:
        message = c.execute(select(X.c.message_id)).scalar_one()
        for one in claimed:
            kept = {"content": vault.seal(plain[one.id], payload_place(one.business_key)), "made_at": book.now}
            c.execute(insert(delivery_tables.payload).values(delivery_id=one.id, spec_version="1", **kept))
        items = (exchanges.item(vault, message, one.business_key, plain[one.id])[1] for one in claimed)
        c.execute(update(X).values(item_digests=" ".join(items)))
    book.settle(claimed, Event.REJECTED)
    book.now += timedelta(minutes=1)
    with book.store.write() as c:
        wanted = DeliveryFilter(ids=(first.id,))
        plan = replays.plan(c, wanted, reason="r", by="tester", now=book.now, mapping=replays.ReplayMapping.CURRENT)
        assert plan is not None
        replays.run(c, plan.id, by="tester", now=book.now)
    seal(book.store, book.now, None)
    for one in (first, other):
        shown = pack(book.store, one.id, book.now, with_bytes=True)
        assert shown is not None
        assert [base64.b64decode(item["base64"]) for item in shown["items"]] == [plain[one.id]]
    assert verify(book.store, None, every_byte=True).faults == []
    with book.store.write() as c:
        c.execute(update(earlier).values(content=vault.seal(b"other", payload_place(first.business_key))))
    found = places(book.store, every_byte=True)
    assert {place[1:] for place in found} == {("earlier_payload", 1), ("sent", 1)}


def test_a_torn_anchor_hides_neither_itself_nor_the_next(sealed: Any, anchors: Path) -> None:
    anchors.write_bytes(anchors.read_bytes()[:-30])
    sealed.add(*sealed.persons(1))
    seal(sealed.store, sealed.now, anchors)
    found = verify(sealed.store, anchors)
    # the torn one is noted again, as it was the last; the line it left is passed over
    assert (found.links, found.anchors, found.faults) == (4, 4, [])


def test_a_row_that_commits_late_under_a_lower_number_is_covered(book: Any) -> None:
    with book.store.write() as c:
        _note(c, book, 1, 5, 6)
    seal(book.store, book.now, None)
    book.now += evidence.LATE / 2
    with book.store.write() as c:
        _note(c, book, 3, 7)
    assert seal(book.store, book.now, None) == 2
    assert verify(book.store, None).faults == []


def test_the_link_of_a_row_is_found_in_time_or_late_and_of_none_there_is_none(book: Any) -> None:
    for wait, numbers in ((0, (1, 5, 6)), (0.5, (3, 7)), (2, (8,)), (3, (9, 11)), (0, (10, 12)), (5, (14,))):
        book.now += wait * evidence.LATE
        with book.store.write() as c:
            _note(c, book, *numbers)
        seal(book.store, book.now, None)
    with book.store.write() as c:
        _note(c, book, 4)
    with book.store.read() as c:
        covered_by = {
            number: link.number
            for link in evidence.links(c)
            for book_name, (ranges, _) in link.parts.items()
            if book_name == "audit"
            for number in within(ranges)
        }
        found = {number: evidence.covering(c, "audit", number) for number in range(1, 16)}
        lost = [evidence.in_no_link(c, book_of(name)) for name in ("audit", "sent")]
    assert len(covered_by) == 11
    assert found == {number: covered_by.get(number) for number in range(1, 16)}
    assert lost == [[4], []]


def test_a_row_put_among_old_ones_is_named(book: Any) -> None:
    with book.store.write() as c:
        _note(c, book, 1, 5, 6)
    seal(book.store, book.now, None)
    book.now += 2 * evidence.LATE
    with book.store.write() as c:
        _note(c, book, 7)
    seal(book.store, book.now, None)
    with book.store.write() as c:
        _note(c, book, 4)
    book.now += timedelta(minutes=1)
    assert seal(book.store, book.now, None) == 0
    assert [(f.book, f.row) for f in verify(book.store, None).faults] == [("audit", 4)]


def book_of(name: str) -> Any:
    return next(one for one in evidence.BOOKS if one.name == name)


def _note(connection: Connection, book: Any, *numbers: int) -> None:
    row = {"at": book.now, "actor": "tester", "action": "test", "object": "x", "detail": {}}
    connection.execute(insert(tables.audit), [{"id": number, **row} for number in numbers])


def test_one_link_is_bounded_and_many_follow_each_other(book: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "_MOST", 10)
    with book.store.write() as c:
        _note(c, book, *range(1, 36))
    assert seal(book.store, book.now, None) == 35
    with book.store.read() as c:
        assert c.execute(select(func.count()).select_from(evidence_link)).scalar() == 4
    assert verify(book.store, None).faults == []


def test_two_processes_that_seal_at_once_make_one_chain(book: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with book.store.write() as c:
        _note(c, book, 1, 2)
    real = evidence._next
    others: list[object] = []

    def overtaken(store: Store, now: Any, **how: Any) -> Any:
        link = real(store, now, **how)
        if not others:
            others.append(link)
            monkeypatch.setattr(evidence, "_next", real)
            seal(store, now, None)
        return link

    monkeypatch.setattr(evidence, "_next", overtaken)
    assert seal(book.store, book.now, None) == 0
    assert verify(book.store, None).faults == []
    assert verify(book.store, None).rows == 2


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), min_size=1, max_size=30), st.integers(0, 40))
def test_gaps_are_the_same_in_whatever_order_ranges_come(spans: list[tuple[int, int]], after: int) -> None:
    held = {number for first, more in spans for number in range(first, first + more + 1)}
    free = gaps(([[first, first + more]] for first, more in spans), after=after)
    assert list(within(free)) == [number for number in range(after + 1, max(held) + 1) if number not in held]
    assert free == to_ranges(within(free))


@given(st.sets(st.integers(min_value=1, max_value=200), min_size=1))
def test_ranges_and_their_gaps_are_all_numbers(numbers: set[int]) -> None:
    ranges = to_ranges(sorted(numbers))
    assert list(within(ranges)) == sorted(numbers)
    assert sorted([*within(ranges), *within(gaps([ranges]))]) == list(range(1, max(numbers) + 1))


def test_a_link_is_a_digest_that_anybody_can_work_out() -> None:
    """Worked out by hand from the form that the documents give; chains of this form must keep verifying."""
    at = datetime(2019, 4, 2, 9, 0, tzinfo=timezone(timedelta(hours=8)))
    leaves = leaf("attempt", {"id": 7, "delivery_id": 3, "exchange_id": 2, "position": 0, "fence": 1})
    row = b'attempt\n{"delivery_id":3,"exchange_id":2,"fence":1,"id":7,"position":0}'
    assert leaves == hashlib.sha256(row).digest()[:16]
    parts = f'{{"attempt":[[[7,7]],"{hashlib.sha256(leaves).hexdigest()}",9]}}'
    whole = f'[2,1,"2019-04-02T01:00:00.000000Z","{FIRST}",true,{parts}]'
    given = covered({"attempt": ([[7, 7]], leaves)}, {"attempt": 9})
    assert link_digest(1, at, FIRST, given, anchored=True) == hashlib.sha256(whole.encode()).hexdigest()
