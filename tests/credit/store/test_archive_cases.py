"""The cases of reconciling feedback that concern more than one record: each with rows, effect, answer and ticket."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from gateway.contract.messages import Finding, Subject, SubjectType
from gateway.credit.rules.books import BookDifference, BookLine, classify
from gateway.credit.rules.statements import AckCode, EventType, Status
from gateway.credit.store import books, decisions, pages, parties
from gateway.credit.store import views as archive_views
from gateway.credit.store.case_tables import (
    credit_alias,
    credit_merge,
    credit_own,
    credit_party,
    credit_reliance,
    credit_succession,
    credit_twin,
)
from gateway.credit.store.parties import party_key
from gateway.credit.store.subject_changes import split
from gateway.credit.store.subjects import ENTERPRISE
from gateway.credit.store.tables import credit_event, credit_link, credit_version, ticket
from gateway.delivery.store import owing, platforms
from gateway.delivery.store.tables import delivery
from gateway.domain.records import Certificate, ChangeNature, Record, RecordKind, StatusChange, Worker
from gateway.domain.states import State
from gateway.domain.ticket_kinds import TicketKind
from gateway.operations.retention import retain
from gateway.operations.store.retention import JOBS
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.tables import record as record_table
from gateway.store.tables import search_index
from gateway.testing import people
from gateway.testing.model import Model
from gateway.testing.people import CHINA
from tests.support.creditfeed import PLATFORM, Feed
from tests.support.findings import finding

JUNE = datetime(2019, 6, 1, tzinfo=CHINA)
JULY = datetime(2019, 7, 1, tzinfo=CHINA)


@pytest.fixture
def source(store: Store) -> Feed:
    return Feed(store)


def news(worker: Worker, event_type: str, version: int = 1, **succession: Any) -> Finding:
    """An event about subjects rather than records."""
    told = finding(worker, version, event_type, record_id="SU-1", stream="SUBJECT", prev_version=None)
    return replace(told, extra={"succession": succession})


def firm(told: Finding, code: str, name: str = "山东示例建筑有限公司") -> Finding:
    """The same about an enterprise."""
    return replace(told, subject=Subject(type=SubjectType.ENTERPRISE, name=name, corp_code=code), stream="CORP_BAD")


def employer(source: Feed) -> tuple[str, str]:
    """An enterprise that a certificate we hold names: its code and our key."""
    person, worker = source.person()
    record = people.certificate_record(source.rng, person)
    assert isinstance(record.content, Certificate)
    boss = people.worker(source.rng, employed=True).employer
    assert boss is not None
    held = replace(record, content=replace(record.content, holder=replace(worker, employer=boss)))
    source.hold(held, [])
    with source.store.write() as connection:
        assert parties.learn_employers(source.at_now(connection)) == 1
        assert parties.learn_employers(source.at_now(connection)) == 0
    return boss.code, party_key(source.store.vault, ENTERPRISE, boss.code)


def test_f17_an_enterprise_we_know_is_matched_by_its_code_and_an_unknown_one_waits(source: Feed) -> None:
    code, key = employer(source)
    stranger = people.credit_code(source.rng)
    _, worker = source.person("李娜")
    applied = source.apply(
        firm(finding(worker), code), firm(finding(worker, record_id="CR-2"), stranger, "山东示例未知建筑有限公司")
    )
    assert applied.codes == Counter({AckCode.APPLIED: 1, AckCode.ACCEPTED_UNMATCHED: 1})
    assert source.links() == {("CR370000-2019-000001", ENTERPRISE, key, "EXACT")}
    with source.store.read() as connection:
        (held,) = archive_views.current(connection, key, JUNE, kind=ENTERPRISE)
        assert parties.read(connection, source.store.vault, [key])[key].code == code
    assert (held.usable, held.public) == (True, True)
    assert source.tickets() == []


def test_f21_two_people_who_are_one_share_their_records_and_the_old_key_points_on(source: Feed) -> None:
    (one, first), (two, second) = source.person("张伟"), source.person("张伟")
    source.apply(finding(first), finding(second, record_id="CR-2", stream_seq=2))
    source.apply(news(second, "SUBJECT_MERGED", fromKey=one.key, toKey=two.key))
    assert source.codes()[-1][1] == "APPLIED"
    assert {(record_id, key) for record_id, _, key, _ in source.links()} == {
        ("CR370000-2019-000001", two.key),
        ("CR-2", two.key),
    }
    with source.store.read() as connection:
        assert {held.record_id for held in archive_views.current(connection, two.key, JUNE)} == {
            "CR370000-2019-000001",
            "CR-2",
        }
        assert archive_views.current(connection, one.key, JUNE) == archive_views.current(connection, two.key, JUNE)
    assert source.tickets() == ["SUBJECT"]


def test_f21_a_record_under_a_number_two_people_share_applies_once_they_are_merged(source: Feed) -> None:
    (one, worker), (two, _) = source.person("张伟"), source.person("张伟")
    with source.store.write() as connection:
        number = records.IndexEntry(
            kind=RecordKind.PERSON, key=two.key, what="id_number", value=f"{worker.id_type}:{worker.id_number}"
        )
        records.index(connection, source.store.vault, [number], source.now)
    assert source.apply(finding(worker)).codes == Counter({AckCode.IDENTITY_CONFLICT: 1})
    source.apply(news(worker, "SUBJECT_MERGED", fromKey=one.key, toKey=two.key))
    assert [link[2] for link in source.links()] == [two.key]
    assert source.tickets() == ["SUBJECT"]


def test_f22_a_wrong_merge_undone_restores_the_links_and_keeps_what_was_believed(source: Feed) -> None:
    (one, first), (two, second) = source.person("张伟"), source.person("李娜")
    source.apply(finding(first), finding(second, record_id="CR-2", stream_seq=2))
    before = source.links()
    source.apply(news(second, "SUBJECT_MERGED", fromKey=one.key, toKey=two.key))
    source.apply(news(second, "SUBJECT_SPLIT", 2, fromKey=one.key, toKey=two.key))
    assert source.links() == before
    assert [code for _, code in source.codes()][-2:] == ["APPLIED", "APPLIED"]
    assert [row.sys_to is None for row in source.rows(credit_merge)] == [False]
    assert len(source.rows(credit_link)) == 4, "restored by new rows"


def test_f22_a_split_that_comes_before_its_merge_wins(source: Feed) -> None:
    (one, first), (two, _) = source.person("张伟"), source.person("李娜")
    source.apply(finding(first))
    before = source.links()
    source.apply(news(first, "SUBJECT_SPLIT", 2, fromKey=one.key, toKey=two.key))
    source.apply(news(first, "SUBJECT_MERGED", fromKey=one.key, toKey=two.key))
    assert source.links() == before
    assert [code for _, code in source.codes()][-2:] == ["APPLIED", "STALE"]


def test_f21_a_merge_of_people_we_do_not_hold_waits_for_them(source: Feed) -> None:
    one, worker = source.person()
    late = people.person_record(source.rng)
    told = news(worker, "SUBJECT_MERGED", fromKey=one.key, toKey=late.key)
    source.apply(told, told)
    assert [code for _, code in source.codes()] == ["ACCEPTED_UNMATCHED"]
    assert source.rematch() == 0
    source.hold(late, [])
    assert source.rematch() == 1
    assert [code for _, code in source.codes()] == ["ACCEPTED_UNMATCHED", "APPLIED"]


def test_f23_a_person_renamed_is_found_by_both_names_and_records_keep_theirs(source: Feed) -> None:
    record, worker = source.person("张伟")
    source.apply(finding(worker))
    renamed = replace(worker, name="张伟国", id_number=people.id_number(source.rng, date(1980, 1, 1)))
    source.apply(news(renamed, "SUBJECT_RENAMED", fromKey=record.key, date="2019-03-01"))
    source.apply(finding(renamed, record_id="CR-2", stream_seq=2), finding(worker, 2, "REPAIRED", stream_seq=3))
    assert [code for _, code in source.codes()] == ["APPLIED"] * 4
    assert {key for _, _, key, _ in source.links()} == {record.key}
    spans = {(row.what, row.valid_from is None, row.valid_to is None) for row in source.rows(credit_alias)}
    assert spans == {(w, *span) for w in ("name", "id_number") for span in ((True, False), (False, True))}
    assert worker.name not in repr(source.rows(credit_alias))
    assert source.tickets() == []


def test_f24_a_successor_is_shown_the_records_and_inherits_only_where_the_source_says_so(source: Feed) -> None:
    code, old = employer(source)
    _, worker = source.person("李娜")
    source.apply(firm(finding(worker), code))
    heirs = [people.credit_code(source.rng) for _ in range(2)]
    for number, (heir, inherits) in enumerate(zip(heirs, (False, True), strict=True), start=1):
        told = news(worker, "SUBJECT_RENAMED", number, fromKey=code, toKey=heir, kind="REPLACED", inherits=inherits)
        source.apply(firm(replace(told, record_id=f"SU-{number}"), heir, "山东示例新名建筑有限公司"))
    assert [(row.predecessor, row.how, row.inherits) for row in source.rows(credit_succession)] == [
        (old, "REPLACED", False),
        (old, "REPLACED", True),
    ]
    with source.store.read() as connection:
        shown = [
            archive_views.current(connection, party_key(source.store.vault, ENTERPRISE, heir), JUNE, kind=ENTERPRISE)
            for heir in heirs
        ]
    assert [[(one.of_predecessor, one.usable, one.public) for one in held] for held in shown] == [
        [(True, False, False)],
        [(True, True, True)],
    ]
    assert {key for _, _, key, _ in source.links()} == {old}
    assert [code for _, code in source.codes()][-2:] == ["APPLIED", "APPLIED"]


def test_f24_an_enterprise_renamed_under_its_code_gets_an_alias(source: Feed) -> None:
    code, key = employer(source)
    _, worker = source.person("李娜")
    source.apply(firm(news(worker, "SUBJECT_RENAMED", date="2019-03-01"), code, "山东示例新名建筑有限公司"))
    assert [(row.key, row.what) for row in source.rows(credit_alias)] == [(key, "name")] * 2
    assert source.rows(credit_succession) == []


def test_f25_a_record_that_moves_clears_the_first_subject_who_is_to_be_told(source: Feed) -> None:
    (_, first), (two, second) = source.person("张伟"), source.person("李娜")
    source.apply(finding(first), finding(second, 2, "REASSIGNED"))
    assert {key for _, _, key, _ in source.links()} == {two.key}
    assert source.tickets() == ["NOTIFY"]


class Holder:
    """A person with a certificate that three platforms stand to differently."""

    def __init__(self, source: Feed) -> None:
        self.source = source
        self.person, self.worker = source.person()
        self.record, self.certificate = source.certificate_record(self.person)
        self.infos = [replace(Model(base_url="http://x.invalid").info, platform=name) for name in ("a", "b", "c")]
        self.owe()
        self.settle("a", State.ACCEPTED)
        self.settle("b", State.SENDING)

    def owe(self) -> None:
        with self.source.store.write() as connection:
            platforms.register(connection, [info.platform for info in self.infos])
            for info in self.infos:
                kinds = {**info.kinds, RecordKind.STATUS_CHANGE: info.kinds[RecordKind.CERTIFICATE]}
                owing.owe(connection, replace(info, kinds=kinds), self.source.now)

    def settle(self, platform: str, state: State) -> None:
        with self.source.store.write() as connection:
            connection.execute(
                update(delivery)
                .where(delivery.c.platform == platform, delivery.c.kind == RecordKind.CERTIFICATE)
                .values(state=state, blocked_by=None)
            )

    def void(self, **changes: Any) -> Finding:
        told = finding(
            self.worker,
            event_type="CERT_INVALIDATED",
            record_id="CE-1",
            certificate_number=self.certificate.number,
            authority="山东省建设从业人员教育中心",
        )
        return replace(told, stream="CERT", **changes)

    def versions(self) -> list[Record]:
        with self.source.store.read() as connection:
            return [
                one
                for kind in (RecordKind.CERTIFICATE, RecordKind.STATUS_CHANGE)
                for one in records.newest_records(connection, self.source.store.vault, kind, [self.record.key])
            ]

    def states(self) -> dict[tuple[str, str, int], str]:
        rows = self.source.rows(delivery, delivery.c.record_key == self.record.key)
        return {(row.platform, row.kind, row.version): row.state for row in rows}


def test_f26_a_certificate_void_by_fraud_loses_its_status_from_the_start(source: Feed) -> None:
    holder = Holder(source)
    applied = source.apply(holder.void())
    assert (applied.codes, applied.voided) == (Counter({AckCode.APPLIED: 1}), 1)
    after, change = holder.versions()
    assert isinstance(after.content, Certificate)
    assert isinstance(change.content, StatusChange)
    assert (after.version, change.version) == (2, 2)
    assert (after.content.status, change.content.new_status, change.content.void_from_start) == ("04", "04", True)
    assert change.change is ChangeNature.CORRECTION
    assert change.content.decision_no is not None
    kinds = {(kind, key) for _, kind, key, _ in source.links()}
    assert kinds == {("person", holder.person.key), ("certificate", holder.record.key)}
    assert [row.reason_code for row in source.rows(credit_version)] == ["CERT_INVALIDATED", "PERIOD_END"]
    assert source.tickets() == ["CERTIFICATE"]


def test_f26_what_waits_is_cancelled_and_only_who_has_the_certificate_is_told(source: Feed) -> None:
    holder = Holder(source)
    source.apply(holder.void())
    assert holder.states() == {
        ("a", "certificate", 1): "accepted",
        ("b", "certificate", 1): "sending",
        ("c", "certificate", 1): "superseded",
    }
    holder.owe()
    new = {key: state for key, state in holder.states().items() if key[2] == 2}
    assert {key[:2]: state for key, state in new.items() if state != "superseded"} == {
        ("a", "status_change"): "queued",
        ("b", "status_change"): "queued",
    }
    assert [row.reference for row in source.rows(credit_reliance)] == [f"{holder.record.key}/2"]


def test_f26_the_same_again_and_a_later_version_say_nothing_new(source: Feed) -> None:
    holder = Holder(source)
    source.apply(holder.void())
    again = replace(holder.void(), version=2, event_id="EV-2", digest="sha-256:2", stream_seq=2, prev_version=1)
    assert source.apply(again).voided == 0
    assert holder.versions()[0].version == 2


@pytest.mark.parametrize("missing", ["decision_no", "authority", "certificate_number"])
def test_f26_without_a_named_decision_about_one_of_ours_an_officer_decides(source: Feed, missing: str) -> None:
    holder = Holder(source)
    applied = source.apply(holder.void(**{missing: None}))
    assert applied.voided == 0
    assert [one.version for one in holder.versions()] == [1]
    assert source.tickets() == ["CERTIFICATE", "REVIEW"]


def test_f27_a_record_that_silently_disappears_is_withheld_at_once(source: Feed) -> None:
    record, worker = source.person()
    source.apply(finding(worker))
    assert source.observe("CR370000-2019-000001", EventType.TOMBSTONE)
    assert source.statuses() == [Status.ACTIVE, Status.WITHHELD]
    with source.store.read() as connection:
        (held,) = archive_views.current(connection, record.key, JUNE)
    assert (held.statement.status, held.usable, held.public) == (Status.WITHHELD, False, False)
    assert source.tickets() == ["DISAPPEARED"]
    assert [code for _, code in source.codes()] == ["APPLIED"], "our own observation is not acknowledged"
    assert not source.observe("CR370000-2019-000001", EventType.TOMBSTONE)
    assert not source.observe("CR-unknown", EventType.TOMBSTONE)


def test_f27_a_later_version_explains_where_the_record_went(source: Feed) -> None:
    _, worker = source.person()
    source.apply(finding(worker))
    source.observe("CR370000-2019-000001", EventType.TOMBSTONE)
    source.apply(finding(worker, 2, "REPAIRED"))
    assert source.statuses() == [Status.ACTIVE, Status.REPAIRED, Status.REPAIRED]


def test_f28_a_record_that_reappears_is_active_again_but_waits_for_a_look(source: Feed) -> None:
    record, worker = source.person()
    source.apply(finding(worker))
    assert not source.observe("CR370000-2019-000001", EventType.RETURNED)
    source.observe("CR370000-2019-000001", EventType.TOMBSTONE)
    assert source.observe("CR370000-2019-000001", EventType.RETURNED)
    assert source.statuses() == [Status.ACTIVE, Status.WITHHELD, Status.ACTIVE, Status.EXPIRED]
    with source.store.read() as connection:
        (held,) = archive_views.current(connection, record.key, JUNE)
    assert (held.statement.status, held.usable) == (Status.ACTIVE, False)
    with source.store.write() as connection:
        connection.execute(update(ticket).values(closed_at=source.now))
    with source.store.read() as connection:
        (held,) = archive_views.current(connection, record.key, JUNE)
    assert (held.usable, held.public) == (True, True)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_f29_one_decision_under_two_ids_counts_once_whatever_comes_first(source: Feed, order: tuple[int, int]) -> None:
    record, worker = source.person()
    twins = [
        finding(worker, record_id="CR-1", decision_no="示例罚字〔2019〕7号"),
        finding(worker, record_id="CR-2", decision_no="示例罚字[2019] 7号"),
    ]
    for number, place in enumerate(order, start=1):
        source.apply(replace(twins[place], stream_seq=number))
    assert [(row.record_id, row.first_id) for row in source.rows(credit_twin)] == [("CR-2", "CR-1")]
    with source.store.read() as connection:
        held = archive_views.current(connection, record.key, JUNE)
    assert [(one.record_id, one.same_as, one.usable, one.public) for one in held] == [
        ("CR-1", None, True, True),
        ("CR-2", "CR-1", False, False),
    ]
    assert [code for _, code in source.codes()] == ["APPLIED", "APPLIED"]
    assert source.tickets() == ["DUPLICATE"]


def test_f29_the_other_counts_once_one_of_the_two_is_void(source: Feed) -> None:
    record, worker = source.person()
    source.apply(
        finding(worker, record_id="CR-1", decision_no="示例罚字〔2019〕7号"),
        finding(worker, record_id="CR-2", decision_no="示例罚字〔2019〕7号", stream_seq=2),
        finding(worker, 2, "VOIDED", record_id="CR-1", decision_no="示例罚字〔2019〕7号", stream_seq=3),
    )
    with source.store.read() as connection:
        held = archive_views.current(connection, record.key, JUNE)
    assert [(one.record_id, one.public) for one in held] == [("CR-2", True)]
    assert source.tickets() == []


def test_f30_one_decision_about_several_people_makes_one_record_each_in_one_group(source: Feed) -> None:
    people_ = [source.person(name) for name in ("张伟", "李娜")]
    source.apply(
        *(
            finding(worker, record_id=f"CR-{n}", stream_seq=n, decision_no="示例罚字〔2019〕7号")
            for n, (_, worker) in enumerate(people_, start=1)
        )
    )
    with source.store.read() as connection:
        held = [archive_views.current(connection, record.key, JUNE)[0] for record, _ in people_]
    assert [one.public for one in held] == [True, True]
    assert held[0].group == held[1].group
    assert held[0].group is not None
    assert (source.rows(credit_twin), source.tickets()) == ([], [])


@pytest.mark.parametrize("decided", [date(2007, 6, 1), date(2016, 5, 20)])
def test_f32_a_decision_from_before_we_knew_the_person_is_stored_and_over(source: Feed, decided: date) -> None:
    record, worker = source.person()
    source.apply(finding(worker, decision_date=decided, publish_begin=decided, publish_end=None))
    assert [code for _, code in source.codes()] == ["APPLIED"]
    with source.store.read() as connection:
        (held,) = archive_views.current(connection, record.key, JUNE)
    assert (held.statement.status, held.usable, held.public) == (Status.EXPIRED, False, False)
    assert held.statement.rule_id == "R-2007-BAD"
    assert source.tickets() == []


def test_f34_a_change_by_somebody_else_than_the_owner_is_kept_and_not_applied(source: Feed) -> None:
    record, worker = source.person()
    owner: dict[str, Any] = {"authority": "示例市住房和城乡建设局", "source_org": "示例市信用中心"}
    source.apply(finding(worker, **owner))
    source.apply(finding(worker, 2, "REVOKED", authority="另一市住房和城乡建设局", source_org="另一市信用中心"))
    assert source.codes()[-1][1] == "UNAUTHORISED_SOURCE"
    assert source.statuses() == [Status.ACTIVE, Status.EXPIRED]
    assert len(source.rows(credit_event)) == 2
    assert source.tickets() == ["OWNER"]
    source.apply(finding(worker, 3, "REPAIRED", **owner))
    assert source.codes()[-1][1] == "APPLIED", "the stranger's version is passed over"
    with source.store.read() as connection:
        (held,) = archive_views.current(connection, record.key, JULY)
    assert held.statement.status is Status.REPAIRED


def test_f34_the_owner_may_change_a_record_through_another_supplier(source: Feed) -> None:
    _, worker = source.person()
    source.apply(finding(worker, authority="示例市住房和城乡建设局", source_org="甲"))
    source.apply(finding(worker, 2, "REPAIRED", authority="示例市住房和城乡建设局", source_org="乙"))
    assert source.codes()[-1][1] == "APPLIED"


def test_unknown_people_never_become_persons(source: Feed) -> None:
    stranger = people.worker(source.rng)
    source.apply(finding(stranger))
    assert source.rows(record_table) == source.rows(search_index) == source.rows(credit_party) == []


def test_a_merge_undone_by_a_person_leaves_no_trace_in_the_links(source: Feed) -> None:
    (one, first), (two, _) = source.person("张伟"), source.person("李娜")
    source.apply(finding(first))
    before = source.links()
    source.apply(news(first, "SUBJECT_MERGED", fromKey=one.key, toKey=two.key))
    with source.store.write() as connection:
        scope = source.scope(connection)
        assert split(scope, "person", one.key)
        assert not split(scope, "person", one.key)
    assert source.links() == before


def test_what_an_earlier_release_put_off_is_carried_out(source: Feed) -> None:
    one, first = source.person()
    told = news(first, "SUBJECT_MERGED", fromKey=one.key, toKey="unknown")
    source.apply(told)
    with source.store.write() as connection:
        connection.execute(update(credit_event).values(outcome="DEFERRED"))
    assert source.rematch() == 0, "one of the two is still unknown"
    assert [row.outcome for row in source.rows(credit_event)] == ["DEFERRED"]


def test_f38_our_own_decision_is_kept_and_sent_again_where_the_platform_is_behind(source: Feed) -> None:
    record, worker = source.person()
    source.apply(finding(worker))
    with source.store.write() as connection:
        scope = source.scope(connection)
        for version in (1, 2):
            decisions.keep_draft(scope, record.key, {"event_type": "CREATED"}, due=(None, None), by="officer")
            connection.execute(
                update(credit_own)
                .where(credit_own.c.version == version)
                .values(state="PUBLISHED", published_at=scope.at, platform=PLATFORM)
            )
            [row] = decisions.unsent(source.at_now(connection), 9)
            decisions.mark_sent(scope, row, "CR370000-2019-000001")
        held = books.held_at(connection, PLATFORM, ["CR370000-2019-000001"], None)
        behind = BookLine(record_id="CR370000-2019-000001", version=1, digest="sha-256:theirs", active=True)
        assert classify(behind, held["CR370000-2019-000001"]) is BookDifference.AHEAD
        books.open_for(scope, [("CR370000-2019-000001", TicketKind.AHEAD)])
        again = decisions.unsent(source.at_now(connection), 9)
    assert [row.version for row in again] == [2]
    assert source.tickets() == ["AHEAD"]
    assert source.statuses() == [Status.ACTIVE, Status.EXPIRED]


def test_f39_a_good_record_withdrawn_brings_nobody_a_bonus(source: Feed) -> None:
    record, worker = source.person()
    good: dict[str, Any] = {"category": "GOOD", "stream": "PERSON_GOOD"}
    source.apply(finding(worker, **good), finding(worker, 2, "REVOKED", **good))
    with source.store.read() as connection:
        assert archive_views.current(connection, record.key, JUNE) == []
    assert source.statuses() == [Status.REVOKED]
    assert [code for _, code in source.codes()] == ["APPLIED", "APPLIED"]


def test_a_stranger_whose_contents_were_cleared_gets_a_final_answer_and_leaves_no_digest(source: Feed) -> None:
    stranger = people.worker(source.rng)
    source.apply(finding(stranger))
    source.now += timedelta(days=181)
    days = {job.rule: 180 for job in JOBS}
    retain(source.store, days, source.now, by="auditor")
    for _ in range(2):
        with source.store.write() as connection:
            pages.watch_gaps(source.at_now(connection))
    assert [code for _, code in source.codes()] == ["ACCEPTED_UNMATCHED", "REJECTED_POLICY"]
    (event,) = source.rows(credit_event)
    assert (event.payload, event.number_digest, event.name_digest) == (None, None, None)
    assert event.digest == finding(stranger).digest
    source.apply(finding(stranger), finding(stranger, 2, "REPAIRED"))
    assert source.codes()[-1][1] == "ACCEPTED_UNMATCHED", "a later version is no gap"
