"""Objections: entered once, refused with field and rule, kept sealed, and one story with the feed; on both stores."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from gateway.contract.desk import DeskTerms, ObjectionState
from gateway.contract.messages import Problem
from gateway.credit.objections import Entered, enter, listing, needs_a_person, withdraw
from gateway.credit.rules.objections import ObjectionPhase
from gateway.credit.store import objections, scans
from gateway.credit.store.case_tables import objection, objection_scan, scan
from gateway.credit.store.objections import EnteringOfficer, ObjectionRow
from gateway.credit.tickets import read_calendar
from gateway.delivery.store.tables import exchange
from gateway.domain.errors import InputError
from gateway.operations.retention import retain
from gateway.operations.store import retention
from gateway.schema import metadata
from gateway.settings import RetentionSettings, load
from gateway.store.engine import Connection, Store
from gateway.store.scope import Scope
from gateway.store.tables import attachment, audit
from gateway.testing import people
from gateway.testing.scans import jpeg, ofd, pdf, png
from tests.support.creditfeed import PLATFORM, Feed
from tests.support.findings import finding

RECORD = "CR370000-2019-000001"
PDF = pdf()
FILES = {
    "a.pdf": PDF,
    "b.jpg": jpeg(),
    "c.png": png(),
    "d.ofd": ofd(),
    "same.pdf": PDF,
    "cut.pdf": PDF[:-40],
    "locked.pdf": PDF.replace(b"/Root 1 0 R", b"/Root 1 0 R /Encrypt 4 0 R"),
    "zip.ofd": b"PK\x03\x04 .. word/document.xml ..",
    "page.pdf": b"<html>",
    "large.pdf": b"%PDF-" + bytes(1996),
}
REFUSED: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"record": None}, [("record", "required")]),
    ({"record": "CR-none"}, [("record", "held")]),
    ({"record": 7}, [("record", "held")]),
    ({"version": 2}, [("version", "held")]),
    ({"version": 0}, [("version", "number")]),
    ({"version": True}, [("version", "number")]),
    ({"version": "1"}, [("version", "number")]),
    ({"objector": None, "contact": "  "}, [("objector", "required"), ("contact", "required")]),
    ({"objector": "张" * 201}, [("objector", "length")]),
    ({"objector": "张\x00伟"}, [("objector", "characters")]),
    ({"contact": 13800000000}, [("contact", "text")]),
    ({"ground": "理" * 1001}, [("ground", "length")]),
    ({"ground": "理\x07由"}, [("ground", "characters")]),
    ({"colour": "blue", "ground": None}, [("colour", "field"), ("ground", "required")]),
    ({"scans": "a.pdf"}, [("scans", "list")]),
    ({"scans": [""]}, [("scans", "list")]),
    ({"scans": ["a.pdf"] * 21}, [("scans", "count")]),
    ({"scans": ["none.pdf", "a.pdf"]}, [("scans[1]", "file")]),
    ({"scans": ["a.pdf", "same.pdf"]}, [("scans[2]", "twice")]),
    ({"scans": ["cut.pdf", "locked.pdf"]}, [("scans[1]", "damaged"), ("scans[2]", "locked")]),
    (
        {"scans": ["large.pdf", "page.pdf", "zip.ofd"]},
        [("scans[1]", "size"), ("scans[2]", "kind"), ("scans[3]", "kind")],
    ),
]
TERMS = DeskTerms(scan_bytes=2000)
NOW = datetime(2019, 4, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)


class Office:
    """Officers at work on one store, with files beside them."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder = store, folder
        self.feed = Feed(store)
        self.now = NOW
        self.person, self.worker = self.feed.person()
        self.feed.apply(finding(self.worker))
        for name, content in FILES.items():
            (folder / name).write_bytes(content)

    def said(self, **changes: Any) -> dict[str, Any]:
        values = {"record": RECORD, "objector": "张伟", "contact": "13800000000", "ground": "合同真实有效"}
        return {name: value for name, value in {**values, **changes}.items() if value is not None}

    def enter(self, said: dict[str, Any] | None = None, **how: Any) -> Entered | tuple[Problem, ...]:
        officer = EnteringOfficer(by="officer", now=self.now, new_id=lambda: people.ulid(self.feed.rng))
        given = self.said() if said is None else said
        return enter(self.store, given, self.folder, officer, platform=PLATFORM, terms=TERMS, **how)

    def kept(self, said: dict[str, Any] | None = None, **how: Any) -> Entered:
        entered = self.enter(said, **how)
        assert isinstance(entered, Entered), entered
        return entered

    def row(self) -> ObjectionRow:
        with self.store.read() as connection:
            [(row, _)] = objections.listed(connection, everything=True, limit=10)[1]
        return row

    def waiting(self) -> list[ObjectionRow]:
        with self.store.read() as connection:
            return [row for row, _ in objections.waiting(self.scope(connection), 10)]

    def scope(self, connection: Connection) -> Scope:
        return Scope(connection=connection, vault=self.store.vault, platform=PLATFORM, at=self.now)

    def settle(self, state: ObjectionPhase, *, tried: timedelta = timedelta()) -> None:
        with self.store.write() as connection:
            scope = self.scope(connection)
            objections.mark_tried(replace(scope, at=self.now - tried), self.row())
            if state is ObjectionPhase.SUBMITTED:
                objections.mark_taken(scope, self.row(), "YY1", timedelta())
            else:
                objections.mark_not_taken(scope, self.row(), state, code="C", reason="no")

    def answer(self, status: str) -> ObjectionPhase | None:
        with self.store.write() as connection:
            said = ObjectionState(number="YY1", status=status)
            return objections.keep_state(self.scope(connection), self.row(), said, DAY)

    def hear(self) -> set[str]:
        with self.store.write() as connection:
            return objections.apply_feed_events(self.feed.scope(connection))

    def tell(self, version: int, kind: str, days: float = 0, **objection: str) -> None:
        """The next version of the record, about an objection, from so many days after now."""
        code = "2" if kind.endswith("OPENED") else "0"
        told = finding(self.worker, version, kind, status_code=code, event_time=self.now + days * DAY)
        self.feed.apply(replace(told, extra={"objection": objection}))


@pytest.fixture
def office(store: Store, tmp_path: Path) -> Office:
    return Office(store, tmp_path)


def test_an_objection_is_kept_with_its_scans_and_waits(office: Office) -> None:
    entered = office.kept(office.said(scans=["a.pdf", "d.ofd"]))
    assert (entered.new, entered.state, entered.version) == (True, ObjectionPhase.WAITING, 1)
    [row] = office.waiting()
    assert (row.key, row.message_id, row.version, row.number) == (entered.key, entered.key, 1, None)
    with office.store.read() as connection:
        kept = [one.scan for one in scans.scans_of(office.scope(connection), row.id)]
        trail = [(one.actor, one.action, one.object) for one in connection.execute(select(audit))]
    assert [one and (one.media_type, one.content) for one in kept] == [
        ("application/pdf", PDF),
        ("application/ofd", FILES["d.ofd"]),
    ]
    assert trail == [("officer", "objection", entered.key)]


def test_what_cannot_be_sent_is_refused_by_field_and_rule_and_nothing_is_kept(office: Office) -> None:
    for changes, problems in REFUSED:
        said = office.said(**changes)
        found = office.enter(said)
        assert not isinstance(found, Entered), changes
        assert [(one.field, one.rule) for one in found] == problems, changes
        assert all(one.message and one.message_zh for one in found)
        texts = [str(value) for value in said.values() if isinstance(value, str) and len(value) > 1]
        assert not any(text in repr(found) for text in (*texts, "none.pdf")), changes
    assert office.feed.rows(objection) == office.feed.rows(scan) == office.feed.rows(audit) == []


def test_longest_texts_and_lines_in_the_ground_are_taken(office: Office) -> None:
    assert office.kept(office.said(objector="张" * 200, contact="1" * 200, ground="一\n" * 499 + "二")).new


def test_the_same_file_is_one_objection_and_one_scan_however_often_it_is_entered(office: Office) -> None:
    first = office.kept(office.said(scans=["a.pdf"]))
    office.tell(2, "OBJECTION_OPENED", no="YY-of-somebody-else")
    again = office.kept(office.said(scans=["same.pdf"]))
    assert (again.key, again.new, again.version) == (first.key, False, 1), "a newer version makes it no other objection"
    other = office.kept(office.said(scans=["a.pdf"], ground="另一理由"))
    assert (other.new, other.version) == (True, 2)
    assert len(office.feed.rows(objection)) == 2
    [held] = office.feed.rows(scan)
    assert [row.scan_id for row in _links(office)] == [held.id] * 2


def test_a_dry_run_keeps_nothing(office: Office) -> None:
    entered = office.kept(office.said(scans=["a.pdf"]), dry_run=True)
    assert (entered.key, entered.new) == (None, True)
    assert [dict(one) for one in entered.scans] == [
        {"kind": "application/pdf", "size": len(PDF), "digest": sha256(PDF).hexdigest()}
    ]
    assert office.feed.rows(objection) == office.feed.rows(scan) == office.feed.rows(audit) == []


@pytest.mark.parametrize(
    ("state", "tried", "anew", "again"),
    [
        (ObjectionPhase.REFUSED, 0, False, "another message"),
        (ObjectionPhase.UNCLEAR, 1, False, "the same message"),
        (ObjectionPhase.UNCLEAR, 1, True, "another message"),
        (ObjectionPhase.UNCLEAR, 8, False, "refused"),
        (ObjectionPhase.UNCLEAR, 8, True, "another message"),
        (ObjectionPhase.SUBMITTED, 0, True, "nothing"),
    ],
)
def test_entered_again_it_leaves_again_only_where_it_cannot_become_two(
    office: Office, state: ObjectionPhase, tried: int, anew: bool, again: str
) -> None:
    said = office.said(scans=["a.pdf"])
    first = office.kept(said)
    office.settle(state, tried=tried * DAY)
    before = office.feed.rows(scan)[0].message_id
    if again == "refused":
        with pytest.raises(InputError, match="--anew"):
            office.enter(said, anew=anew)
        return
    entered = office.kept(said, anew=anew)
    assert (entered.key, entered.new) == (first.key, again != "nothing")
    messages = {row.message_id for row in office.waiting()}
    assert bool(messages) is (again != "nothing")
    assert (messages == {first.key}) is (again == "the same message")
    assert (office.feed.rows(scan)[0].message_id == before) is (again != "another message")


@pytest.mark.parametrize("state", [None, ObjectionPhase.REFUSED, ObjectionPhase.UNCLEAR, ObjectionPhase.SUBMITTED])
def test_what_the_platform_does_not_have_can_be_withdrawn(office: Office, state: ObjectionPhase | None) -> None:
    entered = office.kept()
    if state is not None:
        office.settle(state)
    given: dict[str, Any] = {"reason": "settled", "by": "head", "now": office.now}
    assert entered.key is not None
    if state is ObjectionPhase.SUBMITTED:
        with pytest.raises(InputError, match="no objection"):
            withdraw(office.store, entered.key, **given)
        return
    withdraw(office.store, entered.key, **given)
    assert (office.row().state, office.waiting()) == (ObjectionPhase.WITHDRAWN, [])
    assert not office.kept().new, "it needs --anew"
    assert office.kept(anew=True).new


def test_to_withdraw_asks_for_a_reason(office: Office) -> None:
    with pytest.raises(InputError, match="reason"):
        withdraw(office.store, "unknown", reason=" ", by="head", now=office.now)


def test_nothing_of_an_objection_stands_in_clear(office: Office) -> None:
    said = office.said(scans=["a.pdf"], ground="本人未参与")
    office.kept(said)
    with office.store.read() as connection:
        clear = repr([connection.execute(select(one)).all() for one in metadata.sorted_tables])
    shown = repr(listing(office.store, read_calendar(), {PLATFORM: TERMS}, NOW, everything=True, limit=10))
    for secret in (said["objector"], said["contact"], said["ground"], "%PDF", "a.pdf"):
        assert secret not in clear
        assert secret not in shown
    with office.store.read() as connection:
        [(_, words)] = objections.waiting(office.scope(connection), 10)
    assert (words.objector, words.contact, words.ground) == (said["objector"], said["contact"], said["ground"])
    assert said["contact"] not in repr(words)


def _links(office: Office) -> list[Any]:
    with office.store.read() as connection:
        return list(connection.execute(select(objection_scan)))


# until when


def test_two_working_days_to_accept_and_seven_to_answer(office: Office) -> None:
    """2019-04-05 is a holiday, and 2019-04-06 to 07 a weekend."""
    office.kept()
    office.settle(ObjectionPhase.SUBMITTED)
    submitted = [_days(office, after) for after in (0, 2, 3)]
    assert submitted == [("2019-04-04", "2019-04-16", late) for late in (False, False, True)]
    office.now += DAY
    assert office.answer("ACCEPTED") is ObjectionPhase.ACCEPTED
    accepted = [_days(office, after) for after in (3, 13, 14)]
    assert accepted == [("2019-04-04", "2019-04-15", late) for late in (False, False, True)]


def _days(office: Office, after: int) -> tuple[str, str, bool]:
    """Until when, and whether it is overdue so many days after it was taken."""
    now = NOW + after * DAY
    [shown] = listing(office.store, read_calendar(), {PLATFORM: TERMS}, now, everything=False, limit=10)[1]
    assert needs_a_person(shown) is shown["overdue"]
    return str(shown["accept_by"]), str(shown["answer_by"]), shown["overdue"]


def test_without_terms_or_a_calendar_the_days_are_not_known(office: Office) -> None:
    office.now = datetime(2031, 1, 7, tzinfo=UTC)
    office.kept()
    office.settle(ObjectionPhase.SUBMITTED)
    for terms in ({}, {PLATFORM: TERMS}):
        [shown] = listing(office.store, read_calendar(), terms, office.now + 99 * DAY, everything=False, limit=10)[1]
        assert (shown["accept_by"], shown["answer_by"], shown["overdue"]) == (None, None, False)


# one story with the feed


def test_the_feed_tells_of_acceptance_and_end(office: Office) -> None:
    office.kept()
    office.settle(ObjectionPhase.SUBMITTED)
    office.tell(2, "OBJECTION_OPENED", 1, no="YY1")
    assert office.hear() == set()
    assert (office.row().state, office.row().accepted_at) == (ObjectionPhase.ACCEPTED, NOW + DAY)
    office.tell(3, "OBJECTION_CLOSED", 2, no="YY1", result="UPHELD")
    office.hear()
    row = office.row()
    assert (row.state, row.event_id, row.ended_at) == (ObjectionPhase.UPHELD, f"EV-{RECORD}-3", NOW + 2 * DAY)
    assert office.answer("CHANGED") is None, "what has ended is not moved by an answer"


def test_nothing_happens_before_the_platform_had_it_whatever_its_clock_says(office: Office) -> None:
    office.kept()
    office.settle(ObjectionPhase.SUBMITTED)
    office.tell(2, "OBJECTION_CLOSED", -1, no="YY1", result="UPHELD")
    office.hear()
    assert (office.row().accepted_at, office.row().ended_at) == (NOW, NOW)


def test_events_about_another_objection_or_another_record_are_not_ours(office: Office) -> None:
    office.kept()
    office.settle(ObjectionPhase.SUBMITTED)
    office.tell(2, "OBJECTION_OPENED", no="YY2")
    office.feed.apply(
        finding(office.worker, record_id="CR-2", stream_seq=3),
        replace(
            finding(office.worker, 2, "OBJECTION_CLOSED", record_id="CR-2", stream_seq=4),
            extra={"objection": {"no": "YY1", "result": "REVOKED"}},
        ),
    )
    office.hear()
    assert office.row().state is ObjectionPhase.SUBMITTED


@pytest.mark.parametrize(("result", "tickets"), [("UPHELD", []), ("REVOKED", ["REVIEW"])])
def test_of_two_different_ends_the_feeds_counts_and_a_person_looks(
    office: Office, result: str, tickets: list[str]
) -> None:
    office.kept()
    office.settle(ObjectionPhase.SUBMITTED)
    assert office.answer("UPHELD") is ObjectionPhase.UPHELD
    office.tell(2, "OBJECTION_CLOSED", no="YY1", result=result)
    assert office.hear() == ({RECORD} if tickets else set())
    assert (str(office.row().state), office.feed.tickets()) == (result, tickets)
    assert office.hear() == set(), "heard once"


# retention


def _retain(office: Office, days: float) -> dict[str, int]:
    rules = load(RetentionSettings).model_dump() | {"exchanges": 99999, "inbox": 99999, "credit": 99999}
    report = retain(office.store, rules, NOW + timedelta(days=days), by="tester")
    return {name: report.rows[name] for name in ("objections", "scans")}


def _ended(office: Office) -> None:
    office.kept(office.said(scans=["a.pdf"]))
    office.settle(ObjectionPhase.SUBMITTED)
    office.answer("UPHELD")


def test_words_and_scans_go_when_their_time_after_the_end_is_over(office: Office) -> None:
    _ended(office)
    assert _retain(office, 730) == {"objections": 0, "scans": 0}
    assert _retain(office, 730.1) == {"objections": 0, "scans": 1}
    assert _retain(office, 1825.1) == {"objections": 1, "scans": 0}
    assert office.feed.rows(objection)[0].content is None
    assert office.feed.rows(attachment)[0].content is None
    assert not office.kept(office.said(scans=["a.pdf"])).new, "it is known by its digest still"


def test_an_objection_that_runs_or_whose_person_is_held_keeps_everything(office: Office) -> None:
    _ended(office)
    with office.store.write() as connection:
        retention.hold(connection, person_key=office.person.key, reason="court", by="tester", now=NOW)
    assert _retain(office, 9000) == {"objections": 0, "scans": 0}
    with office.store.write() as connection:
        retention.end_hold(connection, 1, by="tester", now=NOW)
    office.kept(office.said(scans=["a.pdf"], ground="另一理由"))
    assert _retain(office, 9000) == {"objections": 1, "scans": 0}


def test_what_was_sent_about_a_held_person_is_kept(office: Office) -> None:
    entered = office.kept(office.said(scans=["a.pdf"]))
    handed_in = office.feed.rows(scan)[0].message_id
    opened = {"platform": PLATFORM, "purpose": "objection", "operation": "x", "request_digest": "0" * 64}
    with office.store.write() as connection:
        for message in (entered.key, handed_in, people.ulid(office.feed.rng)):
            row = {**opened, "message_id": message, "opened_at": NOW, "closed_at": NOW, "request": b"sealed"}
            connection.execute(insert(exchange).values(row))
        retention.hold(connection, person_key=office.person.key, reason="court", by="tester", now=NOW)
    retain(office.store, load(RetentionSettings).model_dump(), NOW + 9000 * DAY, by="tester")
    kept = {row.message_id for row in office.feed.rows(exchange) if row.request is not None}
    assert kept == {entered.key, handed_in}


def test_bytes_that_went_come_back_when_the_file_is_entered_again(office: Office) -> None:
    said = office.said(scans=["a.pdf"])
    office.kept(said)
    office.settle(ObjectionPhase.REFUSED)
    with office.store.write() as connection:
        connection.execute(update(attachment).values(content=None))
    office.kept(said)
    with office.store.read() as connection:
        [one] = scans.scans_of(office.scope(connection), office.row().id)
    assert one.scan is not None
    assert one.scan.content == PDF
