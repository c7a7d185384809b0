"""A certificate voided wrongly becomes valid again by a person's act, and each platform learns what it lacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from gateway.contract.messages import Finding, Subject, SubjectType
from gateway.credit.rules.statements import EventType
from gateway.credit.rules.tickets import Act
from gateway.credit.store import tickets, way_back
from gateway.credit.store.as_of import relied
from gateway.credit.store.case_tables import credit_own, credit_reliance, reinstatement
from gateway.credit.store.tables import ticket
from gateway.credit.store.void import VoidReason, change_status
from gateway.credit.tickets import TicketAct, TicketRequest, reinstate, settle
from gateway.delivery.store import owing
from gateway.delivery.store import platforms as delivery_platforms
from gateway.delivery.store.tables import attempt, delivery
from gateway.domain.errors import InputError
from gateway.domain.records import Certificate, ChangeNature, Record, RecordKind, StatusChange, Withdrawal
from gateway.domain.states import State
from gateway.domain.status import StatusStep
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.tables import audit
from gateway.store.tables import record as record_table
from gateway.testing.model import Model
from tests.support.creditfeed import Feed
from tests.support.findings import finding

CERT, CHANGE = "certificate", "status_change"


class Holder:
    """A person whose certificate was declared void, and platforms that take changes of status or do not."""

    def __init__(self, source: Feed) -> None:
        self.source = source
        self.store = source.store
        self.person, self.worker = source.person()
        self.record, self.certificate = source.certificate_record(self.person)
        self.key = self.record.key

    def owe(self, *platforms: str, takes_changes: bool = True) -> None:
        """What a push does first."""
        with self.store.write() as connection:
            delivery_platforms.register(connection, list(platforms))
            for name in platforms:
                info = replace(Model(base_url="http://x.invalid").info, platform=name)
                kinds = {k: v for k, v in info.kinds.items() if takes_changes or k is not RecordKind.STATUS_CHANGE}
                kinds |= {RecordKind.STATUS_CHANGE: kinds[RecordKind.CERTIFICATE]} if takes_changes else {}
                owing.lock_records(connection)
                owing.owe(connection, replace(info, kinds=kinds), self.source.now)

    def settle(self, platform: str, version: int, state: State, *, tried: bool = True) -> None:
        """Let what is not superseded of a version stand in a state, after an attempt where it was tried."""
        here = (delivery.c.platform == platform, delivery.c.record_key == self.key, delivery.c.version == version)
        with self.store.write() as connection:
            changed = connection.execute(
                update(delivery)
                .where(*here, delivery.c.state != State.SUPERSEDED)
                .values(state=state, blocked_by=None)
                .returning(delivery.c.id)
            )
            ids = changed.scalars().all()
            for number in ids if tried else ():
                exchange_id = self.source.exchange_in(connection)
                row = {"delivery_id": number, "exchange_id": exchange_id, "position": 0, "fence": 1}
                connection.execute(insert(attempt).values(row))

    def void_at(self, platform: str) -> None:
        """Void the certificate that a platform has, and owe it the change."""
        self.owe(platform)
        self.settle(platform, 1, State.ACCEPTED)
        self.source.apply(self.void())
        self.owe(platform)

    def void(
        self, record_id: str = "CE-1", version: int = 1, kind: str = "CERT_INVALIDATED", **changes: Any
    ) -> Finding:
        told = finding(
            self.worker,
            version,
            kind,
            record_id=record_id,
            certificate_number=self.certificate.number,
            authority="山东省建设从业人员教育中心",
        )
        return replace(told, stream=f"CERT-{record_id}", decision_no=f"示例〔2019〕{record_id}", **changes)

    def revoke(self, record_id: str = "CE-1", kind: str = "REVOKED", **changes: Any) -> Finding:
        return self.void(record_id, 2, kind, **changes)

    def back(self, certificate: str | None = None, **changes: Any) -> Any:
        """A person's act without a ticket."""
        self.source.now += timedelta(minutes=1)
        said = {"reason": "法院撤销原决定", "by": "officer", **changes}
        return reinstate(self.store, TicketRequest(certificate=certificate or self.key, **said), self.source.now)

    def newest(self, kind: RecordKind = RecordKind.CERTIFICATE) -> Record:
        with self.store.read() as connection:
            return next(records.newest_records(connection, self.store.vault, kind, [self.key]))

    @property
    def status(self) -> str:
        content = self.newest().content
        assert isinstance(content, Certificate)
        return content.status

    def states(self, platform: str) -> dict[tuple[str, int], str]:
        rows = self.source.rows(delivery, delivery.c.record_key == self.key, delivery.c.platform == platform)
        return {(row.kind, row.version): row.state for row in rows}

    def open_tickets(self, kind: str) -> list[Any]:
        return self.source.rows(ticket, ticket.c.kind == kind, ticket.c.closed_at.is_(None))


@pytest.fixture
def source(store: Store) -> Feed:
    return Feed(store)


@pytest.fixture
def holder(source: Feed) -> Holder:
    return Holder(source)


def other_certificate(holder: Holder) -> Finding:
    return replace(holder.revoke(kind="CORRECTED"), certificate_number="ANOTHER-1")


def other_person(holder: Holder) -> Finding:
    _, other = holder.source.person("李娜")
    told = finding(other, 2, "REASSIGNED", record_id="CE-1", authority="山东省建设从业人员教育中心")
    subject = Subject(type=SubjectType.PERSON, name=other.name, id_type=other.id_type, id_number=other.id_number)
    return replace(told, stream="CERT-CE-1", subject=subject, certificate_number=holder.certificate.number)


FALLS: dict[str, Callable[[Holder], Finding]] = {
    "revoked": lambda holder: holder.revoke(),
    "voided": lambda holder: holder.revoke(kind="VOIDED"),
    "corrected": lambda holder: holder.revoke(kind="CORRECTED"),
    "corrected to another certificate": other_certificate,
    "status 1 in whatever event": lambda holder: holder.revoke(kind="AMENDED", status_code="1"),
    "moved to another person": other_person,
}


@pytest.mark.parametrize("fall", FALLS.values(), ids=FALLS)
def test_a_ground_that_falls_asks_a_person_who_makes_the_certificate_valid_again(
    holder: Holder, fall: Callable[[Holder], Finding]
) -> None:
    assert holder.source.apply(holder.void()).voided == 1
    assert holder.open_tickets("REINSTATE") == []
    holder.source.apply(fall(holder))
    [asked] = holder.open_tickets("REINSTATE")
    assert (asked.platform, asked.record_id, holder.status) == ("provincial_credit", "CE-1", "04")
    given = TicketAct(number=asked.number, act=Act.REINSTATE, reason="核实无误", by="officer")
    closed = settle(holder.store, given, holder.source.now + timedelta(hours=1))
    assert (closed.act, closed.closed_by, holder.status) == ("reinstate", "officer", "01")
    assert holder.open_tickets("REINSTATE") == []


@pytest.mark.parametrize(("kind", "asked"), [("REVOKED", []), ("VOIDED", []), ("CORRECTED", ["REVIEW"])])
def test_what_falls_in_the_same_page_never_voids_the_certificate(holder: Holder, kind: str, asked: list[str]) -> None:
    assert holder.source.apply(holder.void(), holder.revoke(kind=kind)).voided == 0
    assert holder.status == "01"
    assert [name for name in holder.source.tickets() if name in ("REVIEW", "REINSTATE")] == asked


@pytest.mark.parametrize("kind", ["REPAIRED", "EXPIRED", "DELISTED", "OBJECTION_OPENED", "PERIOD_CHANGED"])
def test_what_says_nothing_of_the_decision_asks_nobody_and_lets_nobody(holder: Holder, kind: str) -> None:
    holder.source.apply(holder.void())
    holder.source.apply(holder.revoke(kind=kind))
    assert holder.open_tickets("REINSTATE") == []
    with pytest.raises(InputError, match=r"stands: provincial_credit CE-1"):
        holder.back()


def test_a_record_that_only_disappeared_has_its_own_ticket_and_a_person_may_act(holder: Holder) -> None:
    holder.source.apply(holder.void())
    holder.source.observe("CE-1", EventType.TOMBSTONE)
    assert holder.open_tickets("REINSTATE") == []
    assert holder.back().done


def test_a_person_who_rules_that_the_record_is_about_somebody_else_is_asked_about_the_certificate(
    holder: Holder,
) -> None:
    holder.source.apply(holder.void())
    [void] = holder.open_tickets("CERTIFICATE")
    settle(holder.store, TicketAct(number=void.number, act=Act.REFUSE, reason="r", by="o"), holder.source.now)
    assert [row.record_id for row in holder.open_tickets("REINSTATE")] == ["CE-1"]
    assert holder.back().done


def test_a_record_about_the_wrong_person_is_cleared_from_it_with_the_act(holder: Holder) -> None:
    holder.source.apply(holder.void())
    assert holder.back(wrong_person=True).done
    assert (holder.status, holder.source.statuses(), holder.source.links()) == ("01", [], set())
    assert holder.open_tickets("REINSTATE") == []
    again = replace(holder.void(version=2, kind="PERIOD_CHANGED"), prev_version=1)
    holder.source.apply(again)
    assert holder.source.statuses() == []


def test_a_conflict_that_a_person_confirms_voids_the_certificate_too(holder: Holder) -> None:
    other = replace(holder.worker, name="王芳")
    told = replace(holder.void(), subject=finding(other).subject)
    assert holder.source.apply(told).voided == 0
    with holder.store.write() as connection:
        tickets.rule(holder.source.scope(connection), "CE-1", holder.person.key, number="T", by="officer")
    assert holder.status == "04"


def test_both_forms_say_what_the_certificate_was_before_and_the_past_stays(holder: Holder) -> None:
    holder.source.apply(holder.void())
    holder.source.apply(holder.revoke())
    done = holder.back()
    assert (done.version, done.status, done.done) == (3, "01", True)
    after, change = holder.newest(), holder.newest(RecordKind.STATUS_CHANGE)
    assert isinstance(change.content, StatusChange)
    assert after.content == holder.certificate
    assert (change.version, change.change) == (3, ChangeNature.CORRECTION)
    told = change.content
    assert (told.new_status, told.operate_type, told.void_from_start, told.certificate_version) == (
        "01",
        "06",
        False,
        2,
    )
    assert told.effective_date == date(2019, 1, 8)
    versions = holder.source.rows(record_table, record_table.c.key == holder.key)
    assert [(row.kind, row.version) for row in versions] == [
        *((CERT, 1), (CERT, 2), (CHANGE, 2)),
        *((CERT, 3), (CHANGE, 3)),
    ]
    [row] = holder.source.rows(reinstatement)
    assert (row.void_version, row.version, row.platform, row.record_id, row.actor) == (
        *(2, 3, "provincial_credit"),
        *("CE-1", "officer"),
    )
    assert [r.purpose for r in holder.source.rows(credit_reliance)] == ["status_change", "reinstatement"]
    trail = [(r.actor, r.action, r.object, r.reason) for r in holder.source.rows(audit)]
    assert trail == [("officer", "reinstate", f"{holder.key}/3", "法院撤销原决定")]
    with holder.store.read() as connection:
        assert [one["purpose"] for one in relied(connection)] == ["status_change"]


def test_a_decision_that_took_effect_on_a_day_ends_on_the_day_of_the_act(holder: Holder) -> None:
    since = datetime.fromisoformat("2019-03-01T00:00:00+08:00")
    holder.source.apply(holder.void(effective_from=since))
    holder.source.apply(holder.revoke())
    holder.back()
    change = holder.newest(RecordKind.STATUS_CHANGE)
    assert isinstance(change.content, StatusChange)
    assert (change.change, change.content.effective_date) == (ChangeNature.CHANGE, date(2019, 4, 2))


def test_a_certificate_that_was_suspended_is_suspended_again(holder: Holder) -> None:
    ground = VoidReason(
        reason="暂扣", since=date(2019, 1, 2), decision_no=None, decision_org=None, void_from_start=False
    )
    with holder.store.write() as connection:
        scope = holder.source.scope(connection)
        change_status(scope, holder.key, StatusStep.SUSPEND, ground, version_id=None, actor="city")
    holder.source.apply(holder.void())
    holder.source.apply(holder.revoke())
    assert (holder.back().status, holder.status) == ("02", "02")
    content = holder.newest().content
    assert isinstance(content, Certificate)
    assert content.status_reason == "暂扣"


def test_each_platform_learns_what_it_lacks(holder: Holder) -> None:
    takers = ("told", "in flight", "not told", "never had", "refused")
    holder.owe(*takers)
    for name in takers:
        holder.settle(name, 1, State.QUEUED if name == "never had" else State.ACCEPTED, tried=name != "never had")
    holder.source.apply(holder.void())
    holder.owe(*takers)
    holder.settle("told", 2, State.ACCEPTED)
    holder.settle("in flight", 2, State.AWAITING_ACK)
    holder.settle("refused", 2, State.REJECTED)
    holder.source.apply(holder.revoke())
    holder.back()
    for _ in range(2):
        holder.owe(*takers, "later")
    live = {
        name: {key: state for key, state in holder.states(name).items() if state != "superseded" and key[1] > 1}
        for name in (*takers, "later")
    }
    assert live == {
        "told": {(CHANGE, 2): "accepted", (CHANGE, 3): "queued"},
        "in flight": {(CHANGE, 2): "awaiting_ack", (CHANGE, 3): "queued"},
        "not told": {},
        "never had": {(CERT, 3): "queued"},
        "refused": {(CHANGE, 2): "rejected"},
        "later": {(CERT, 3): "queued"},
    }
    assert holder.states("not told")[CERT, 1] == "accepted"
    assert holder.states("later")[CERT, 1] == "superseded"


def test_who_takes_no_changes_gets_the_certificate_where_it_was_told_or_never_had_it(holder: Holder) -> None:
    names = ("told", "not told", "never had")
    for name in names:
        holder.owe(name, takes_changes=False)
        holder.settle(name, 1, State.QUEUED if name == "never had" else State.ACCEPTED, tried=name != "never had")
    holder.source.apply(holder.void())
    for name in names:
        holder.owe(name, takes_changes=False)
    holder.settle("told", 2, State.ACCEPTED)
    holder.source.apply(holder.revoke())
    holder.back()
    for name in names:
        holder.owe(name, takes_changes=False)
    assert holder.states("told") == {(CERT, 1): "accepted", (CERT, 2): "accepted", (CERT, 3): "queued"}
    assert holder.states("not told") == {(CERT, 1): "accepted", (CERT, 2): "superseded", (CERT, 3): "superseded"}
    assert holder.states("never had") == {(CERT, 1): "superseded", (CERT, 2): "superseded", (CERT, 3): "queued"}


def test_what_was_cancelled_of_the_content_is_owed_again_in_full(holder: Holder) -> None:
    holder.owe("a")
    holder.settle("a", 1, State.ACCEPTED)
    newer = replace(holder.record, version=2, content=replace(holder.certificate, trade_name="砌筑工（新）"))
    holder.source.hold(newer, [])
    holder.owe("a")
    holder.source.apply(holder.void())
    holder.owe("a")
    holder.settle("a", 3, State.ACCEPTED)
    holder.source.apply(holder.revoke())
    holder.back()
    holder.owe("a")
    assert holder.states("a") == {
        **{(CERT, 1): "accepted", (CERT, 2): "superseded"},
        **{(CHANGE, 3): "accepted", (CERT, 4): "queued", (CHANGE, 4): "superseded"},
    }
    assert holder.newest().content == newer.content


def test_an_end_that_may_have_arrived_before_it_was_taken_back_counts_as_told(holder: Holder) -> None:
    holder.void_at("a")
    holder.settle("a", 2, State.PARKED)
    holder.source.apply(holder.revoke())
    holder.back()
    holder.owe("a")
    assert holder.states("a") == {(CERT, 1): "accepted", (CHANGE, 2): "superseded", (CHANGE, 3): "queued"}


def test_it_is_refused_while_another_ground_stands_and_nothing_is_changed(holder: Holder) -> None:
    holder.source.apply(holder.void())
    holder.source.apply(holder.void("CE-2"))
    holder.source.apply(holder.revoke())
    [asked] = holder.open_tickets("REINSTATE")
    given = TicketAct(number=asked.number, act=Act.REINSTATE, reason="r", by="officer")
    with pytest.raises(InputError, match=r"stands: provincial_credit CE-2"):
        settle(holder.store, given, holder.source.now)
    assert (holder.status, [row.number for row in holder.open_tickets("REINSTATE")]) == ("04", [asked.number])
    holder.source.apply(holder.revoke("CE-2", kind="CORRECTED"))
    with pytest.raises(InputError, match="CE-2"):
        holder.back()
    holder.source.apply(replace(holder.revoke("CE-2", kind="VOIDED"), version=3, event_id="EV-3", prev_version=2))
    assert holder.back().done


def test_a_platforms_echo_of_our_own_decision_is_no_ground_beside_it(holder: Holder) -> None:
    holder.source.apply(holder.void())
    holder.source.apply(holder.void("CE-2"))
    with holder.store.write() as connection:
        plain = {"key": "OWN", "version": 1, "state": "PUBLISHED", "event_type": "CREATED", "content": b"sealed"}
        there = {"platform": holder.source.platform, "platform_record_id": "CE-2", "sent_at": holder.source.now}
        values = {**plain, **there, "created_at": holder.source.now, "created_by": "officer"}
        connection.execute(insert(credit_own).values(values))
    holder.source.apply(holder.revoke())
    assert holder.back().done


def test_done_twice_it_changes_nothing_and_the_ticket_is_closed_with_it(holder: Holder) -> None:
    holder.source.apply(holder.void())
    holder.source.apply(holder.revoke())
    assert holder.back().done
    assert holder.open_tickets("REINSTATE") == []
    again = holder.back()
    assert (again.done, again.version, again.status) == (False, 3, "01")
    assert len(holder.source.rows(reinstatement)) == 1


def test_a_certificate_may_be_voided_again_and_come_back_again(holder: Holder) -> None:
    holder.owe("a")
    holder.settle("a", 1, State.ACCEPTED)
    for version, record_id in ((2, "CE-1"), (4, "CE-2")):
        assert holder.source.apply(holder.void(record_id)).voided == 1
        holder.owe("a")
        holder.settle("a", version, State.ACCEPTED)
        holder.source.apply(holder.revoke(record_id))
        assert holder.back().version == version + 1
        holder.owe("a")
        assert holder.states("a")[CHANGE, version + 1] == "queued"
        holder.settle("a", version + 1, State.ACCEPTED)


def withdrawn(holder: Holder) -> None:
    holder.source.apply(holder.void())
    holder.source.apply(holder.revoke())
    content = Withdrawal(
        withdrawn_kind=RecordKind.CERTIFICATE, withdrawn_key=holder.key, content=holder.certificate, reason="误报"
    )
    holder.source.hold(replace(holder.record, kind=RecordKind.WITHDRAWAL, version=3, content=content), [])


def rescinded_by_its_city(holder: Holder) -> None:
    ground = VoidReason(
        reason="撤销", since=date(2019, 1, 2), decision_no=None, decision_org=None, void_from_start=False
    )
    with holder.store.write() as connection:
        scope = holder.source.scope(connection)
        change_status(scope, holder.key, StatusStep.RESCIND, ground, version_id=None, actor="city")


@pytest.mark.parametrize(
    ("before", "match"),
    [(withdrawn, "withdrawn"), (rescinded_by_its_city, "no credit record"), (lambda _: None, "no credit record")],
)
def test_what_a_credit_record_did_not_void_is_not_reinstated(
    holder: Holder, before: Callable[[Holder], None], match: str
) -> None:
    before(holder)
    with pytest.raises(InputError, match=match):
        holder.back()


def test_a_certificate_is_named_by_key_or_number_and_needs_a_reason(holder: Holder) -> None:
    holder.source.apply(holder.void())
    holder.source.apply(holder.revoke())
    with pytest.raises(InputError, match="reason"):
        holder.back(reason=" ")
    with pytest.raises(InputError, match="no such certificate"):
        holder.back(holder.worker.id_number)
    assert holder.back(holder.certificate.number.lower()).key == holder.key


def not_taken_back(holder: Holder, end: State) -> None:
    holder.void_at("a")
    holder.settle("a", 2, State.ACCEPTED)
    holder.source.apply(holder.revoke())
    holder.back()
    holder.owe("a")
    holder.settle("a", 3, end)


@pytest.mark.parametrize("end", [State.REJECTED, State.PARKED])
def test_a_platform_without_a_way_back_is_told_to_a_person_once(holder: Holder, end: State) -> None:
    not_taken_back(holder, end)
    for _ in range(2):
        with holder.store.write() as connection:
            way_back.open_way_back_tickets(replace(holder.source.at_now(connection), platform="a"))
    [told] = holder.open_tickets("WAY_BACK")
    assert (told.platform, told.record_id, told.event_id) == ("a", holder.key, f"{holder.key}/3")
    settle(holder.store, TicketAct(number=told.number, act=Act.DONE, reason="电话办理", by="o"), holder.source.now)
    with holder.store.read() as connection:
        assert way_back.way_back(replace(holder.source.at_now(connection), platform="a")).refused == ()


def test_a_ticket_about_the_way_back_ends_when_the_platform_takes_it_after_all(holder: Holder) -> None:
    not_taken_back(holder, State.PARKED)

    def tell() -> None:
        with holder.store.write() as connection:
            way_back.open_way_back_tickets(replace(holder.source.at_now(connection), platform="a"))

    tell()
    assert len(holder.open_tickets("WAY_BACK")) == 1
    holder.settle("a", 3, State.ACCEPTED)
    for _ in range(2):
        tell()
    assert holder.open_tickets("WAY_BACK") == []
    with holder.store.read() as connection:
        closed = connection.execute(select(ticket.c.act, ticket.c.closed_by).where(ticket.c.kind == "WAY_BACK")).all()
        assert [tuple(row) for row in closed] == [("done", "gateway")]
