"""Retention: what has had its time goes, what is held or still needed stays, and the evidence goes on to fit."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from gateway.contract.messages import FeedbackPage
from gateway.credit.store import pages
from gateway.credit.store.tables import credit_event, inbox
from gateway.delivery.rules.work import Closing
from gateway.delivery.store import exchanges
from gateway.delivery.store.tables import exchange
from gateway.domain.names import plain_name
from gateway.domain.records import RecordKind, Worker
from gateway.domain.states import Event
from gateway.intake.store.tables import filing
from gateway.operations import evidence
from gateway.operations.retention import RetentionReport, retain
from gateway.operations.store import retention
from gateway.operations.store.tables import purge
from gateway.settings import RetentionSettings, load
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.records import IndexEntry
from gateway.store.scope import Scope
from gateway.store.tables import audit, batch
from gateway.testing import people
from tests.support.findings import finding

DAY = timedelta(days=1)
RULES = ("exchanges", "inbox", "filings", "quarantine", "credit", "objections", "scans", "audit")
NOTHING = dict.fromkeys(RULES, 0)


def run(store: Store, now: datetime, **how: Any) -> RetentionReport:
    return retain(store, load(RetentionSettings).model_dump(), now, by="tester", **how)


def travel(book: Any, count: int, *events: Event) -> list[Any]:
    """One exchange that carries new deliveries, answered; each delivery meets its event."""
    book.add(*book.persons(count))
    claimed: list[Any] = book.send(book.claim())
    with book.store.write() as c:
        [number] = c.execute(select(exchange.c.id).where(exchange.c.closed_at.is_(None))).scalars()
        closing = Closing(exchange_id=number, closed_at=book.now, status=200, body=b"answer")
        exchanges.closed(book.store.vault, [closing])(c)
    for item, event in zip(claimed, events, strict=True):
        book.settle([item], event)
    return claimed


def bodies(book: Any) -> list[tuple[bool, bool]]:
    with book.store.read() as c:
        rows = c.execute(select(exchange.c.request, exchange.c.response).order_by(exchange.c.id))
        return [(row.request is not None, row.response is not None) for row in rows]


def test_bytes_go_when_their_time_is_over_and_not_a_moment_before(book: Any) -> None:
    travel(book, 2, Event.ACCEPTED, Event.REJECTED)
    start = book.now
    assert run(book.store, start + 1825 * DAY).rows == NOTHING
    over = start + 1825 * DAY + timedelta(microseconds=1)
    assert run(book.store, over, dry_run=True).rows == NOTHING | {"exchanges": 1}
    assert bodies(book) == [(True, True)]
    assert run(book.store, over).rows == NOTHING | {"exchanges": 1}
    assert bodies(book) == [(False, False)]
    assert run(book.store, over).rows == NOTHING


@pytest.mark.parametrize("left", ["request", "response"])
def test_a_row_of_which_something_is_left_is_due_and_one_with_nothing_is_not(book: Any, left: str) -> None:
    travel(book, 1, Event.ACCEPTED)
    travel(book, 1, Event.ACCEPTED)
    columns = ("request", "response", "response_headers", "proof")
    with book.store.write() as c:
        c.execute(update(exchange).where(exchange.c.id == 1).values(dict.fromkeys(set(columns) - {left})))
        c.execute(update(exchange).where(exchange.c.id == 2).values(dict.fromkeys(columns)))
    assert run(book.store, book.now + 3000 * DAY).rows == NOTHING | {"exchanges": 1}


def test_no_number_of_the_audit_trail_is_given_twice_though_all_of_it_has_had_its_time(book: Any) -> None:
    """A store without older rows would begin anew with 1, and the chain would take the new row for a changed one."""
    with book.store.write() as c:
        c.execute(insert(audit), {"at": book.now, "actor": "t", "action": "test", "object": "x", "detail": {}})
    evidence.seal(book.store, book.now, None)
    later = book.now + 3000 * DAY
    run(book.store, later)
    evidence.seal(book.store, later, None)
    with book.store.read() as c:
        assert list(c.execute(select(audit.c.id)).scalars()) == [2]
    assert evidence.verify(book.store, None).faults == []


def test_a_run_of_retention_stands_in_the_audit_trail_and_a_dry_one_does_not(book: Any) -> None:
    travel(book, 1, Event.ACCEPTED)
    later = book.now + 3000 * DAY
    run(book.store, later, dry_run=True)
    run(book.store, later)
    with book.store.read() as c:
        [row] = c.execute(select(audit)).mappings()
    assert (row["actor"], row["action"], row["detail"]["exchanges"]) == ("tester", "retention", 1825)


FORGERIES: dict[str, tuple[dict[str, Any], str]] = {
    "of another book": ({"what": "verdict"}, "which retention never takes away"),
    "by another rule": ({"rule": "inbox"}, "which retention never takes away"),
    "of more rows": ({"ranges": [[1, 2]]}, "was not written by this gateway"),
    "of younger rows": ({"before": datetime(2030, 1, 1, tzinfo=UTC)}, "was not written by this gateway"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_purge_that_was_changed_is_not_believed(book: Any, name: str) -> None:
    values, told = FORGERIES[name]
    travel(book, 1, Event.ACCEPTED)
    later = book.now + 3000 * DAY
    run(book.store, later)
    evidence.seal(book.store, later, None)
    assert evidence.verify(book.store, None).faults == []
    with book.store.write() as c:
        c.execute(update(purge).values(values))
    faults = [(f.book, f.row, f.what) for f in evidence.verify(book.store, None).faults]
    assert ("purge", 1) in [fault[:2] for fault in faults]
    assert any(told in fault[2] for fault in faults)
    assert "answered" in [fault[0] for fault in faults]


def test_a_purge_of_what_must_be_kept_is_not_believed_though_it_has_the_mark(book: Any) -> None:
    travel(book, 1, Event.ACCEPTED)
    later = book.now + 100 * DAY
    retain(book.store, dict.fromkeys(RULES, 50), later, by="tester")
    evidence.seal(book.store, later, None)
    assert evidence.verify(book.store, None).faults[0].what == "took away what must be kept for 184 days"


def test_a_purge_that_was_never_sealed_is_not_believed(book: Any) -> None:
    travel(book, 1, Event.ACCEPTED)
    later = book.now + 3000 * DAY
    run(book.store, later)
    evidence.seal(book.store, later, None)
    with book.store.write() as c:
        row = dict(c.execute(select(purge)).mappings().one()) | {"id": 7}
        c.execute(insert(purge), row)
    evidence.seal(book.store, later + 2 * DAY, None)
    assert evidence.verify(book.store, None).faults == [], "it was sealed as a row of its own, and has its mark"
    run(book.store, later + 3 * DAY)
    evidence.seal(book.store, later + 3 * DAY, None)
    with book.store.write() as c:
        c.execute(insert(purge), row | {"id": 3})
    run(book.store, later + 5 * DAY)
    evidence.seal(book.store, later + 5 * DAY, None)
    assert "was never sealed" in [f.what for f in evidence.verify(book.store, None).faults]


def test_bytes_stay_while_anything_they_carried_is_open(book: Any) -> None:
    travel(book, 2, Event.ACCEPTED, Event.UNKNOWN)
    assert run(book.store, book.now + 3000 * DAY).rows == NOTHING
    assert bodies(book) == [(True, True)]


def test_a_hold_keeps_a_person_and_whoever_travelled_along(book: Any) -> None:
    [held, _] = travel(book, 2, Event.ACCEPTED, Event.ACCEPTED)
    travel(book, 1, Event.ACCEPTED)
    with book.store.write() as c:
        key = held.record.person_key
        number = retention.hold(c, person_key=key, reason="court", by="tester", now=book.now)
    later = book.now + 3000 * DAY
    assert run(book.store, later).rows == NOTHING | {"exchanges": 1}
    assert bodies(book) == [(True, True), (False, False)]
    with book.store.write() as c:
        assert retention.end_hold(c, number, by="tester", now=book.now)
        assert not retention.end_hold(c, number, by="tester", now=book.now)
    assert run(book.store, later).rows == NOTHING | {"exchanges": 1}


def test_a_hold_on_everything_stops_everything_even_in_the_middle(book: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_MOST", 1)
    for _ in range(3):
        travel(book, 1, Event.ACCEPTED)
    later = book.now + 3000 * DAY

    def hold(_: int) -> None:
        with book.store.write() as c:
            retention.hold(c, person_key=None, reason="court", by="tester", now=later)

    assert run(book.store, later, progress=hold).rows == NOTHING | {"exchanges": 1}
    assert bodies(book) == [(False, False), (True, True), (True, True)]
    report = run(book.store, later)
    assert report.held
    assert report.rows == NOTHING


def test_every_piece_is_written_down_with_what_it_cleared(book: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_MOST", 2)
    for _ in range(3):
        travel(book, 1, Event.ACCEPTED)
    run(book.store, book.now + 3000 * DAY)
    with book.store.read() as c:
        rows = [(r.rule, r.what, r.ranges, r.rows, r.by) for r in c.execute(select(purge).order_by(purge.c.id))]
    what = "exchange.*"
    assert rows == [("exchanges", what, [[1, 2]], 2, "tester"), ("exchanges", what, [[3, 3]], 1, "tester")]


def test_records_stay_for_good(book: Any) -> None:
    travel(book, 2, Event.ACCEPTED, Event.ACCEPTED)
    run(book.store, book.now + 30000 * DAY)
    with book.store.read() as c:
        keys = [row["record_key"] for row in book.rows()]
        assert len(list(records.newest_records(c, book.store.vault, RecordKind.PERSON, keys))) == 2


def test_cells_of_reported_rows_go_but_those_of_a_held_person(book: Any) -> None:
    with book.store.write() as c:
        values = {name: 0 for name in ("admitted", "refused", "held", "unchanged")}
        row = {"name": "a.xlsx", "digest": "0" * 64, "read_at": book.now, "rows": 2, **values}
        number = c.execute(insert(batch).values(row).returning(batch.c.id)).scalar_one()
        for place, key in ((1, None), (2, "P" * 26)):
            cells = {"batch_id": number, "row_no": place, "outcome": "refuse", "cells": b"sealed", "failures": []}
            c.execute(insert(filing).values(**cells, person_key=key))
        retention.hold(c, person_key="P" * 26, reason="court", by="tester", now=book.now)
    assert run(book.store, book.now + 365 * DAY).rows == NOTHING
    assert run(book.store, book.now + 366 * DAY).rows == NOTHING | {"filings": 1}
    with book.store.read() as c:
        assert list(c.execute(select(filing.c.cells).order_by(filing.c.id)).scalars()) == [b"", b"sealed"]


@pytest.fixture
def found(book: Any) -> Callable[..., str]:
    """Take in one finding about a new person whom we hold; gives the person's key."""
    rng = random.Random(3)

    def apply(*, known: bool = True, **changes: Any) -> str:
        person = people.person_record(rng)
        assert isinstance(person.content, Worker)
        told = {
            "id_number": f"{person.content.id_type}:{person.content.id_number}",
            "name": plain_name(person.content.name),
        }
        entries = [IndexEntry(kind=RecordKind.PERSON, key=person.key, what=w, value=v) for w, v in told.items()]
        page = FeedbackPage(findings=(finding(person.content, **changes),), next_cursor="c1", has_more=False)
        with book.store.write() as c:
            if known:
                records.add(c, book.store.vault, [person], batch_id=None, now=book.now)
                records.index(c, book.store.vault, entries, book.now)
            values = {
                "platform": "provincial_credit",
                "purpose": "feedback",
                "operation": "changes",
                "message_id": people.ulid(rng),
                "opened_at": book.now,
                "request_digest": "0" * 64,
            }
            number = c.execute(insert(exchange).values(values).returning(exchange.c.id)).scalar_one()
            scope = Scope(connection=c, vault=book.store.vault, platform="provincial_credit", at=book.now)
            pages.apply_page(scope, page, exchange_id=number, raw=b"{}", cursor=pages.cursor_of(scope))
        return person.key

    return apply


def test_a_bad_record_loses_its_contents_five_years_after_it_was_over(book: Any, found: Callable[..., str]) -> None:
    """Its disclosure ends with 2020-01-09 in China."""
    found()
    over = datetime.fromisoformat("2020-01-10T00:00:00+08:00")
    assert run(book.store, over + 1825 * DAY - timedelta(seconds=1)).rows["credit"] == 0
    assert run(book.store, over + 1825 * DAY + timedelta(seconds=1)).rows["credit"] == 1
    with book.store.read() as c:
        row = c.execute(select(credit_event)).mappings().one()
    assert row["payload"] is None
    assert row["digest"].startswith("sha-256:")


def test_what_is_no_bad_record_or_is_not_over_or_is_held_keeps_its_contents(
    book: Any, found: Callable[..., str]
) -> None:
    found(record_id="CR-1", category="BLACKLIST")
    found(record_id="CR-2", stream_seq=2, publish_end=date(2060, 1, 9))
    key = found(record_id="CR-3", stream_seq=3)
    with book.store.write() as c:
        retention.hold(c, person_key=key, reason="court", by="tester", now=book.now)
    assert run(book.store, book.now + 9000 * DAY).rows["credit"] == 0


def test_what_is_said_of_strangers_is_forgotten_after_180_days(book: Any, found: Callable[..., str]) -> None:
    found(known=False)
    found(record_id="CR-2", stream_seq=2)
    assert run(book.store, book.now + 180 * DAY).rows["quarantine"] == 0
    assert run(book.store, book.now + 181 * DAY).rows["quarantine"] == 2, "the event, and the page that told it"
    with book.store.read() as c:
        stranger, ours = c.execute(select(credit_event).order_by(credit_event.c.id)).mappings()
    assert [stranger[name] for name in ("payload", "number_digest", "name_digest", "variant_digest")] == [None] * 4
    assert ours["payload"] is not None


def test_pages_of_findings_keep_only_their_digest_after_a_year(book: Any, found: Callable[..., str]) -> None:
    key = found()
    found(record_id="CR-2", stream_seq=2)
    with book.store.write() as c:
        retention.hold(c, person_key=key, reason="court", by="tester", now=book.now)
    assert run(book.store, book.now + 365 * DAY).rows["inbox"] == 0
    assert run(book.store, book.now + 366 * DAY).rows["inbox"] == 1
    with book.store.read() as c:
        kept = c.execute(select(inbox.c.raw, inbox.c.digest).order_by(inbox.c.id)).all()
    assert [(row.raw == b"", len(row.digest)) for row in kept] == [(False, 64), (True, 64)]


def test_the_chain_of_evidence_fits_after_a_purge_and_a_row_taken_without_one_is_named(book: Any) -> None:
    travel(book, 2, Event.ACCEPTED, Event.ACCEPTED)
    with book.store.write() as c:
        row = {"at": book.now, "actor": "t", "action": "test", "object": "x", "detail": {}}
        c.execute(insert(audit), [row, row])
    evidence.seal(book.store, book.now, None)
    later = book.now + 3000 * DAY
    assert run(book.store, later).rows == NOTHING | {"exchanges": 1, "audit": 2}
    evidence.seal(book.store, later, None)
    verified = evidence.verify(book.store, None, every_byte=True)
    assert (verified.faults, verified.removed) == ([], 2)
    with book.store.write() as c:
        c.execute(purge.delete().where(purge.c.what == "audit"))
    assert [(f.book, f.row) for f in evidence.verify(book.store, None).faults] == [
        ("audit", 1),
        ("audit", 2),
        ("purge", 2),
    ]
