"""The credit archive on both stores: pages in, statements, links, acknowledgements and tickets out."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event as sa_event
from sqlalchemy import func, select

from gateway.contract.messages import SubjectType
from gateway.credit.rules.statements import AckCode, Status
from gateway.credit.store import pages
from gateway.credit.store import views as archive_views
from gateway.credit.store.acknowledgements import mark_sent, pending
from gateway.credit.store.events import payload_place
from gateway.credit.store.tables import (
    credit_ack,
    credit_event,
    credit_link,
    credit_stream,
    credit_version,
    feed,
    inbox,
    ticket,
)
from gateway.domain.names import plain_name
from gateway.domain.records import RecordKind
from gateway.domain.ticket_kinds import TicketKind
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.records import IndexEntry
from gateway.testing import people
from gateway.testing.people import CHINA
from tests.support import creditfeed as feeds
from tests.support.creditfeed import PLATFORM, Feed
from tests.support.findings import finding

JUNE = datetime(2019, 6, 1, tzinfo=CHINA)


@pytest.fixture
def source(store: Store) -> Feed:
    return Feed(store)


def test_a_new_record_is_stored_linked_sealed_and_acknowledged(source: Feed) -> None:
    record, worker = source.person()
    given = finding(worker)
    applied = source.apply(given)
    assert applied.codes == Counter({AckCode.APPLIED: 1})
    assert source.codes() == [(given.event_id, "APPLIED")]
    assert source.statuses() == [Status.ACTIVE, Status.EXPIRED]
    (link,) = source.rows(credit_link)
    assert (link.kind, link.key, link.match) == ("person", record.key, "EXACT")
    (event,) = source.rows(credit_event)
    plain = source.store.vault.open(event.payload, payload_place(PLATFORM, given.event_id, given.digest))
    assert json.loads(plain)["subject"]["id_number"] == worker.id_number
    (kept,) = source.rows(inbox)
    assert source.store.vault.open(kept.raw, f"inbox.raw:{kept.exchange_id}") == b'{"events": []}'


def test_nothing_personal_stands_outside_sealed_columns(source: Feed) -> None:
    _, worker = source.person()
    source.apply(finding(worker, certificate_number="370110000001"))
    clear = repr([list(row) for t in (credit_event, credit_version, credit_link, credit_ack) for row in source.rows(t)])
    for secret in (worker.name, worker.id_number, "370110000001", "示例行为描述", "示例罚字"):
        assert secret not in clear


def test_the_current_view_of_a_person_shows_what_holds(source: Feed) -> None:
    record, worker = source.person()
    source.apply(finding(worker), finding(worker, 2, "REPAIRED"))
    with source.store.read() as connection:
        (before,) = archive_views.current(connection, record.key, datetime(2019, 2, 1, tzinfo=CHINA))
        (after,) = archive_views.current(connection, record.key, JUNE)
    assert (before.statement.status, before.usable, before.public) == (Status.ACTIVE, True, True)
    assert (after.statement.status, after.usable, after.public) == (Status.REPAIRED, False, False)


def test_the_same_page_again_changes_nothing_but_the_count(source: Feed) -> None:
    _, worker = source.person()
    page = (finding(worker), finding(worker, 2, "REPAIRED"))
    source.apply(*page)
    held = [source.rows(t) for t in (credit_event, credit_version, credit_link, credit_ack, ticket)]
    applied = source.apply(*page)
    assert (applied.repeats, applied.codes) == (2, Counter())
    assert [source.rows(t) for t in (credit_event, credit_version, credit_link, credit_ack, ticket)] == held


def test_the_same_content_under_a_new_event_id_is_a_duplicate(source: Feed) -> None:
    _, worker = source.person()
    source.apply(finding(worker))
    source.apply(finding(worker, event_id="EV-other", stream_seq=2))
    assert source.codes()[-1] == ("EV-other", "DUPLICATE")
    assert len(source.rows(credit_event)) == 1


def test_a_crash_before_the_commit_loses_and_doubles_nothing(source: Feed) -> None:
    _, worker = source.person()

    def crash() -> None:
        with source.store.write() as connection:
            source.apply_in(connection, finding(worker))
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        crash()
    with source.store.read() as connection:
        assert pages.cursor_of(source.at_now(connection)) is None
    source.apply(finding(worker))
    assert source.codes() == [("EV-CR370000-2019-000001-1", "APPLIED")]


def test_a_page_asked_with_an_older_cursor_is_left_alone(source: Feed) -> None:
    _, worker = source.person()
    source.apply(finding(worker))
    assert source.apply(finding(worker, 2, "REPAIRED"), cursor="c0").moved
    assert len(source.rows(credit_event)) == 1


def test_two_pulls_at_once_apply_a_page_once(source: Feed) -> None:
    _, worker = source.person()
    source.apply(finding(worker), next_cursor="here")
    page = (finding(worker, 2, "REPAIRED"), finding(worker, record_id="CR-2", stream_seq=3))
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: source.apply(*page, cursor="here"), range(2)))
    assert sorted(applied.moved for applied in both) == [False, True]
    assert len(source.rows(credit_event)) == 3


def test_f16_an_unknown_person_waits_in_quarantine_until_the_store_holds_them(source: Feed) -> None:
    stranger = people.worker(source.rng)
    applied = source.apply(finding(stranger), finding(stranger, 2, "REPAIRED"))
    assert applied.codes == Counter({AckCode.ACCEPTED_UNMATCHED: 2})
    assert source.statuses() == []
    record = replace(people.person_record(source.rng), content=stranger)
    source.hold(record, feeds.person_entries(record.key, stranger))
    with source.store.write() as connection:
        assert pages.rematch(source.at_now(connection)) == 2
    assert source.statuses() == [Status.ACTIVE, Status.REPAIRED]
    assert [code for _, code in source.codes()] == ["ACCEPTED_UNMATCHED"] * 2 + ["APPLIED"] * 2
    with source.store.write() as connection:
        assert pages.rematch(source.at_now(connection)) == 0


def test_f17_an_unknown_enterprise_waits_in_quarantine(source: Feed) -> None:
    _, worker = source.person()
    given = finding(worker)
    assert given.subject is not None
    firm = replace(given.subject, type=SubjectType.ENTERPRISE, id_number=None, corp_code=people.credit_code(source.rng))
    assert source.apply(replace(given, subject=firm)).codes == Counter({AckCode.ACCEPTED_UNMATCHED: 1})


@pytest.mark.parametrize("name", ["張偉", "张 伟", "张·伟"])
def test_f18_a_variant_of_the_name_applies(source: Feed, name: str) -> None:
    _, worker = source.person("张伟")
    assert source.apply(finding(replace(worker, name=name))).codes == Counter({AckCode.APPLIED: 1})


def test_f19_another_name_under_a_known_number_is_a_conflict_with_a_ticket(source: Feed) -> None:
    record, worker = source.person()
    source.apply(finding(replace(worker, name="李娜")))
    assert source.statuses() == []
    (opened,) = source.rows(ticket)
    (ack,) = source.rows(credit_ack)
    assert (opened.kind, ack.code, ack.ticket) == ("IDENTITY", "IDENTITY_CONFLICT", opened.number)
    with source.store.write() as connection:
        entry = IndexEntry(kind=RecordKind.PERSON, key=record.key, what="name", value=plain_name("李娜"))
        records.index(connection, source.store.vault, [entry], source.now)
        assert pages.rematch(source.at_now(connection)) == 1
    assert [row.closed_by for row in source.rows(ticket)] == ["gateway"]


def test_f20_certificate_and_name_without_the_number_are_a_conflict(source: Feed) -> None:
    record, worker = source.person()
    paper = source.certificate(record)
    other = replace(worker, id_number=people.id_number(source.rng, date(1980, 1, 1)))
    source.apply(finding(other, certificate_number=paper.number.lower()))
    (event,) = source.rows(credit_event)
    assert (event.match, event.outcome, event.subject_key) == ("CERT_NAME", "IDENTITY_CONFLICT", record.key)


def test_a_record_is_linked_to_the_certificate_it_names(source: Feed) -> None:
    record, worker = source.person()
    paper = source.certificate(record)
    source.apply(finding(worker, certificate_number=paper.number))
    assert {row.kind for row in source.rows(credit_link)} == {"person", "certificate"}


def test_a_record_that_moves_to_another_person_leaves_the_first_at_once(source: Feed) -> None:
    first, worker = source.person()
    second, other = source.person("王芳")
    source.apply(finding(worker))
    source.apply(finding(other, 2, "REASSIGNED"))
    believed = {row.key for row in source.rows(credit_link, credit_link.c.sys_to.is_(None))}
    assert believed == {second.key}
    with source.store.read() as connection:
        assert archive_views.current(connection, first.key, JUNE) == []


def test_a_parked_version_is_released_by_the_missing_one(source: Feed) -> None:
    _, worker = source.person()
    source.apply(finding(worker), finding(worker, 3, "REPAIRED", stream_seq=2))
    assert source.codes()[-1][1] == "VERSION_GAP"
    applied = source.apply(finding(worker, 2, "AMENDED", stream_seq=3))
    assert (applied.codes, applied.released) == (Counter({AckCode.APPLIED: 1}), 1)
    assert source.statuses()[-1] == Status.REPAIRED


def test_f14_a_version_that_stays_missing_opens_one_ticket_at_the_third_try(source: Feed) -> None:
    _, worker = source.person()
    source.apply(finding(worker, 2, "AMENDED", stream_seq=1))
    opened = []
    for _ in range(5):
        with source.store.write() as connection:
            opened.append(pages.watch_gaps(source.at_now(connection)))
    assert opened == [0, 0, 1, 0, 0]
    assert [code for _, code in source.codes()] == ["VERSION_GAP", "VERSION_GAP"]
    assert source.rows(credit_ack)[-1].ticket == source.rows(ticket)[0].number


def test_other_content_under_one_version_stops_use_until_it_is_settled(source: Feed) -> None:
    record, worker = source.person()
    source.apply(finding(worker), finding(worker, event_id="EV-fork", digest="sha-256:other", stream_seq=2))
    with source.store.read() as connection:
        (held,) = archive_views.current(connection, record.key, JUNE)
    assert (held.usable, held.public, set(held.tickets)) == (False, True, {TicketKind.FORK})
    source.apply(finding(worker, 2, "CORRECTED", stream_seq=3))
    with source.store.read() as connection:
        (held,) = archive_views.current(connection, record.key, JUNE)
    assert (held.usable, held.tickets) == (True, frozenset())
    assert Counter(source.codes())["EV-fork", "STALE"] == 1


@pytest.mark.parametrize("flaw", ["SCHEMA_INVALID", "UNAUTHORISED_SOURCE", "REJECTED_POLICY"])
def test_f33_a_flawed_event_is_kept_and_answered_and_never_applied(source: Feed, flaw: str) -> None:
    _, worker = source.person()
    source.apply(finding(worker, flaw=flaw))
    assert source.codes() == [("EV-CR370000-2019-000001-1", flaw)]
    assert [row.outcome for row in source.rows(credit_event)] == [flaw]
    assert source.statuses() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"event_type": "SOMETHING"},
        {"subject": None},
        {"version": 0},
        {"flaw": "UNHEARD_OF"},
        {"flaw": "SCHEMA_INVALID", "event_id": "E" * 300, "category": "x\0" * 200, "version": 10**30},
    ],
)
def test_what_no_column_can_hold_and_no_rule_can_read_is_a_schema_flaw(source: Feed, changes: dict[str, Any]) -> None:
    _, worker = source.person()
    given = replace(finding(worker), **changes)
    assert source.apply(given).codes == Counter({AckCode.SCHEMA_INVALID: 1})


def test_an_event_corrected_after_a_flaw_applies(source: Feed) -> None:
    _, worker = source.person()
    source.apply(finding(worker, flaw="SCHEMA_INVALID", digest="sha-256:bad"))
    source.apply(finding(worker, stream_seq=2))
    assert [code for _, code in source.codes()] == ["SCHEMA_INVALID", "APPLIED"]


def test_f35_a_wrong_signature_leaves_no_event_and_alarms_at_the_third(source: Feed) -> None:
    _, worker = source.person()
    for number in (1, 2, 3):
        source.apply(finding(worker, flaw="SIGNATURE_INVALID", event_id=f"EV-{number}", stream_seq=number))
        assert len(source.rows(ticket)) == (number == 3)
    assert source.rows(credit_event) == []
    source.apply(finding(worker, event_id="EV-1", stream_seq=1))
    assert source.codes()[-1] == ("EV-1", "APPLIED")


def test_f36_a_gap_in_a_stream_defers_what_is_behind_it_and_keeps_the_cursor(source: Feed) -> None:
    _, worker = source.person()
    source.apply(finding(worker), next_cursor="here")
    late = finding(worker, record_id="CR-2", stream_seq=3)
    other = finding(worker, record_id="CR-3", stream="PERSON_GOOD", category="GOOD", stream_seq=8)
    applied = source.apply(late, other)
    assert applied.gap
    assert applied.codes == Counter({AckCode.DEFERRED: 1, AckCode.APPLIED: 1})
    with source.store.read() as connection:
        assert pages.cursor_of(source.at_now(connection)) == "here"
    source.apply(finding(worker, record_id="CR-4", stream_seq=2), late, other)
    codes = [code for event_id, code in source.codes() if event_id == late.event_id]
    assert codes == ["DEFERRED", "APPLIED"]
    with source.store.read() as connection:
        assert pages.cursor_of(source.at_now(connection)) != "here"


def test_a_gap_met_for_the_third_time_opens_a_ticket_that_closes_when_it_is_filled(source: Feed) -> None:
    _, worker = source.person()
    source.apply(finding(worker))
    for _ in range(4):
        source.apply(finding(worker, record_id="CR-2", stream_seq=3))
    assert [(row.kind, row.closed_at) for row in source.rows(ticket)] == [("GAP", None)]
    assert [code for _, code in source.codes()] == ["APPLIED", "DEFERRED"]
    source.apply(finding(worker, record_id="CR-3", stream_seq=2), finding(worker, record_id="CR-2", stream_seq=3))
    assert [row.closed_by for row in source.rows(ticket)] == ["gateway"]
    assert [row.last_seq for row in source.rows(credit_stream)] == [3]


def test_an_event_without_a_readable_number_may_fill_the_gap(source: Feed) -> None:
    _, worker = source.person()
    source.apply(finding(worker))
    unread = finding(worker, record_id="", event_id="EV-unread", stream_seq=0, flaw="SCHEMA_INVALID")
    assert not source.apply(unread, finding(worker, record_id="CR-2", stream_seq=3)).gap


def test_a_clock_that_runs_ahead_is_marked(source: Feed) -> None:
    _, worker = source.person()
    source.apply(finding(worker, event_time=source.now + timedelta(minutes=10)))
    assert [row.clock_ahead for row in source.rows(credit_event)] == [True]


def test_recorded_time_moves_on_even_where_the_clock_is_set_back(source: Feed) -> None:
    _, worker = source.person()
    source.apply(finding(worker))
    source.now -= timedelta(days=1)
    source.apply(finding(worker, 2, "REPAIRED"))
    spans = [(row.sys_from, row.sys_to) for row in source.rows(credit_version)]
    assert all(sys_to is None or sys_from < sys_to for sys_from, sys_to in spans)
    assert len({sys_from for sys_from, _ in spans}) == 2


def test_a_disclosure_below_the_sanction_is_told_to_the_platform(source: Feed) -> None:
    _, worker = source.person()
    source.apply(finding(worker, sanction_end=date(2021, 1, 1)))
    (ack,) = source.rows(credit_ack)
    assert (ack.code, ack.message) == ("APPLIED", "PERIOD_BELOW_SANCTION")


def test_a_computed_period_names_its_rule(source: Feed) -> None:
    _, worker = source.person()
    source.apply(finding(worker, publish_end=None, severity_scheme="NDRC2025", severity="GENERAL"))
    assert {(row.period_source, row.rule_id) for row in source.rows(credit_version)} == {("COMPUTED", "R-241-BAD")}


def test_only_the_last_answer_about_an_event_is_sent(source: Feed) -> None:
    stranger = people.worker(source.rng)
    source.apply(finding(stranger))
    record = replace(people.person_record(source.rng), content=stranger)
    source.hold(record, feeds.person_entries(record.key, stranger))
    with source.store.write() as connection:
        pages.rematch(source.at_now(connection))
        ids, acks = pending(source.at_now(connection), 500)
        assert (len(ids), [ack.code for ack in acks]) == (2, ["APPLIED"])
        mark_sent(source.at_now(connection), ids)
        assert pending(source.at_now(connection), 500) == ([], [])


def test_counts_tell_where_everything_stands(source: Feed) -> None:
    _, worker = source.person()
    stranger = people.worker(source.rng)
    source.apply(
        finding(worker),
        finding(worker, 2, "REVOKED"),
        finding(worker, record_id="CR-2", stream_seq=3),
        finding(stranger, record_id="CR-3", stream_seq=4),
    )
    with source.store.read() as connection:
        counts = archive_views.counts(connection, PLATFORM, JUNE)
    assert counts["status"] == {"REVOKED": 1, "ACTIVE": 1}
    assert counts["outcome"] == {"APPLIED": 3, "ACCEPTED_UNMATCHED": 1}
    assert counts["tickets"] == {"NOTIFY": 1}
    assert counts["unsent"] == {"APPLIED": 3, "ACCEPTED_UNMATCHED": 1}


def test_a_page_costs_a_fixed_number_of_statements_whatever_it_holds(source: Feed) -> None:
    workers = [source.person()[1] for _ in range(20)]
    seen: list[str] = []
    sa_event.listen(source.store.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    source.apply(finding(workers[0], record_id="CR-0"))
    small = len(seen)
    seen.clear()
    source.apply(*(finding(w, record_id=f"CR-{n}", stream_seq=n + 2) for n, w in enumerate(workers)))
    assert len(seen) <= small + 3
    with source.store.read() as connection:
        assert connection.execute(select(func.count()).select_from(feed)).scalar_one() == 1
