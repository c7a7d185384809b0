"""The work list on both stores: every act does what it says, once, with a reason in the audit trail."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select

from gateway.credit.rules.statements import EventType, Status
from gateway.credit.rules.tickets import Act
from gateway.credit.store import views as archive_views
from gateway.credit.store.tickets import Filter
from gateway.credit.tickets import TicketAct, read_calendar, settle, work_list
from gateway.domain.errors import InputError
from gateway.domain.ticket_kinds import TicketKind
from gateway.store.engine import Store
from gateway.store.tables import audit
from gateway.testing.people import CHINA
from tests.support.creditfeed import PLATFORM, Feed
from tests.support.findings import finding

JUNE = datetime(2019, 6, 1, tzinfo=CHINA)
RECORD = "CR370000-2019-000001"


class Desk:
    """A feed and the person who works on its tickets."""

    def __init__(self, store: Store) -> None:
        self.feed = Feed(store)
        self.calendar = read_calendar()

    def only(self) -> str:
        """The number of the only open ticket."""
        total, found = work_list(self.feed.store, self.calendar, Filter(), 10, self.feed.now)
        assert total == len(found) == 1
        return found[0].ticket.number

    def settle(self, act: Act, subject: str | None = None) -> None:
        given = TicketAct(number=self.only(), act=act, reason="looked at", by="officer", subject=subject)
        settle(self.feed.store, given, self.feed.now + timedelta(minutes=1))

    def usable(self, key: str) -> list[bool]:
        with self.feed.store.read() as connection:
            return [held.usable for held in archive_views.current(connection, key, JUNE)]


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


def test_a_ticket_tells_whose_it_is_until_when_and_what_may_be_done(desk: Desk) -> None:
    _, worker = desk.feed.person()
    desk.feed.apply(finding(replace(worker, name="李娜")))
    _, [shown] = work_list(desk.feed.store, desk.calendar, Filter(platform=PLATFORM), 10, desk.feed.now)
    assert (shown.ticket.kind, shown.owner, shown.acts) == (
        TicketKind.IDENTITY,
        "credit desk",
        (Act.CONFIRM, Act.REFUSE),
    )
    assert (shown.due_on, shown.late) == (date(2019, 4, 4), False)
    _, [later] = work_list(desk.feed.store, desk.calendar, Filter(), 10, desk.feed.now + timedelta(days=3))
    assert later.late
    assert worker.id_number not in repr(shown.document())
    assert work_list(desk.feed.store, desk.calendar, Filter(kind=TicketKind.GAP), 10, desk.feed.now) == (0, [])


def test_confirm_applies_the_record_and_answers_the_platform(desk: Desk) -> None:
    record, worker = desk.feed.person()
    desk.feed.apply(finding(replace(worker, name="李娜")))
    desk.settle(Act.CONFIRM)
    assert desk.feed.codes()[-1][1] == "APPLIED"
    assert desk.feed.links() == {(RECORD, "person", record.key, "CONFIRMED")}
    assert desk.feed.tickets() == []
    desk.feed.apply(finding(replace(worker, name="李娜"), 2, "REPAIRED"))
    assert desk.feed.codes()[-1][1] == "APPLIED", "the ruling holds for later versions"
    with desk.feed.store.read() as connection:
        row = connection.execute(select(audit)).one()
    assert (row.actor, row.action, row.reason, row.detail) == ("officer", "ticket", "looked at", {"act": "confirm"})


def test_confirm_may_name_another_person_than_the_one_suspected(desk: Desk) -> None:
    (_, worker), (other, _) = desk.feed.person("张伟"), desk.feed.person("李娜")
    desk.feed.apply(finding(replace(worker, name="李娜")))
    with pytest.raises(InputError, match="no such subject"):
        desk.settle(Act.CONFIRM, "unknown")
    desk.settle(Act.CONFIRM, other.key)
    assert [link[2] for link in desk.feed.links()] == [other.key]


def test_refuse_leaves_the_record_in_quarantine(desk: Desk) -> None:
    _, worker = desk.feed.person()
    desk.feed.apply(finding(replace(worker, name="李娜")))
    desk.settle(Act.REFUSE)
    assert (desk.feed.codes()[-1][1], desk.feed.links(), desk.feed.tickets()) == ("ACCEPTED_UNMATCHED", set(), [])


@pytest.mark.parametrize(("act", "last_day"), [(Act.KEEP_FIRST, date(2020, 1, 9)), (Act.TAKE_OTHER, date(2019, 5, 1))])
def test_a_fork_is_settled_for_one_of_the_two_contents(desk: Desk, act: Act, last_day: date) -> None:
    record, worker = desk.feed.person()
    other = finding(worker, event_id="EV-fork", digest="sha-256:other", stream_seq=2, publish_end=date(2019, 5, 1))
    desk.feed.apply(finding(worker), other)
    desk.settle(act)
    with desk.feed.store.read() as connection:
        (held,) = archive_views.current(connection, record.key, datetime(2019, 4, 20, tzinfo=CHINA))
    assert held.usable
    assert held.statement.publish_to == datetime.combine(last_day, datetime.min.time(), CHINA) + timedelta(days=1)
    assert desk.feed.tickets() == []


def test_what_contradicts_a_final_state_cannot_be_taken(desk: Desk) -> None:
    _, worker = desk.feed.person()
    desk.feed.apply(finding(worker), finding(worker, 2, "VOIDED"), finding(worker, 3, "AMENDED"))
    with pytest.raises(InputError, match="contradicts"):
        desk.settle(Act.TAKE_OTHER)
    assert desk.feed.tickets() == ["FORK"], "nothing is half done"
    desk.settle(Act.KEEP_FIRST)
    assert desk.feed.statuses() == [Status.VOIDED]


def test_a_record_that_came_back_is_used_again_once_somebody_looked(desk: Desk) -> None:
    record, worker = desk.feed.person()
    desk.feed.apply(finding(worker))
    desk.feed.observe(RECORD, EventType.TOMBSTONE)
    desk.feed.observe(RECORD, EventType.RETURNED)
    assert desk.usable(record.key) == [False]
    desk.settle(Act.RESUME)
    assert desk.usable(record.key) == [True]


def test_two_decisions_taken_for_one_are_parted_for_good(desk: Desk) -> None:
    record, worker = desk.feed.person()
    twins = [finding(worker, record_id=f"CR-{n}", stream_seq=n, decision_no="示例罚字〔2019〕7号") for n in (1, 2)]
    desk.feed.apply(*twins)
    assert desk.usable(record.key) == [True, False]
    desk.settle(Act.DIFFERENT)
    assert desk.usable(record.key) == [True, True]
    again = finding(worker, 2, "PERIOD_CHANGED", record_id="CR-2", stream_seq=3, decision_no="示例罚字〔2019〕7号")
    desk.feed.apply(replace(again, effective_from=None))
    assert (desk.usable(record.key), desk.feed.tickets()) == ([True, True], [])


def test_a_merge_is_undone_from_its_ticket(desk: Desk) -> None:
    (one, first), (two, _) = desk.feed.person("张伟"), desk.feed.person("李娜")
    desk.feed.apply(finding(first))
    before = desk.feed.links()
    told = finding(first, event_type="SUBJECT_MERGED", record_id="SU-1", stream="SUBJECT")
    desk.feed.apply(replace(told, extra={"succession": {"fromKey": one.key, "toKey": two.key}}))
    assert desk.feed.links() != before
    desk.settle(Act.UNDO)
    assert desk.feed.links() == before


def test_an_act_needs_a_reason_an_open_ticket_and_to_be_possible(desk: Desk) -> None:
    _, worker = desk.feed.person()
    desk.feed.apply(finding(replace(worker, name="李娜")))
    number, now = desk.only(), desk.feed.now
    for given, match in (
        (TicketAct(number=number, act=Act.REFUSE, reason=" ", by="x"), "reason"),
        (TicketAct(number="T0", act=Act.REFUSE, reason="r", by="x"), "no such ticket"),
        (TicketAct(number=number, act=Act.SEEN, reason="r", by="x"), "confirm, refuse"),
    ):
        with pytest.raises(InputError, match=match):
            settle(desk.feed.store, given, now)
    desk.settle(Act.REFUSE)
    with pytest.raises(InputError, match="closed already"):
        settle(desk.feed.store, TicketAct(number=number, act=Act.REFUSE, reason="r", by="x"), now)
