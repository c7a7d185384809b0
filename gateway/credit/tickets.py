"""Tickets, the work list of persons: lists them with owner and due day, settles them; reads the working calendar."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from gateway.codec.codes import table
from gateway.codec.redact import clean
from gateway.credit.rules.subjects import SubjectChange
from gateway.credit.rules.tickets import DUTIES, Act
from gateway.credit.store import decisions, ticket_messages, tickets, twins
from gateway.credit.store.draws import drawn_for
from gateway.credit.store.events import CENTRE, masked_subject, payload_place
from gateway.credit.store.reinstate import Reinstated, certificate_named, ground_of, reinstate_all
from gateway.credit.store.reinstate import reinstate as bring_back
from gateway.credit.store.streams import archive_scope, lock_feed
from gateway.credit.store.subject_changes import local_key, split
from gateway.credit.store.subjects import ENTERPRISE
from gateway.credit.store.ticket_messages import PlatformTicket
from gateway.credit.store.tickets import Filter, Ticket
from gateway.credit.store.void import last_version
from gateway.credit.store.void_grounds import Ground, resting_on
from gateway.domain.china import CHINA
from gateway.domain.errors import ConfigurationError, InputError
from gateway.domain.records import RecordKind
from gateway.domain.ticket_kinds import TicketKind
from gateway.domain.working_days import WorkCalendar
from gateway.locale import Text, tr
from gateway.locale import shown as said
from gateway.store.engine import Connection, Store
from gateway.store.scope import Scope, write_scope

_ALL = 2**31 - 1
_NOT_SENT = PlatformTicket(number=None, status=None, code=None, outcome=None)
BY_HAND = "reinstate"
"""under which name a person's finding stands that no ticket asked for"""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A ticket with its duty. ``due_on`` is unknown where the calendar of that year is not loaded."""

    ticket: Ticket
    owner: str
    title: Text
    due_on: date | None
    late: bool
    soon: bool
    """an own decision whose day to warn has passed (R09)"""
    acts: tuple[Act, ...]
    there: PlatformTicket | None = None
    """how it stands at the platform, where it was sent there"""
    draws: tuple[str, ...] = ()
    """numbers of the random checks that a void certificate brought about"""
    about: str | None = None
    """whom the event behind it is about, masked"""
    certificates: tuple[str, ...] = ()
    """keys of the void certificates that rest on the record"""

    def document(self) -> dict[str, Any]:
        """As one flat mapping; nothing in it is personal."""
        fields = {name: getattr(self.ticket, name) for name in Ticket.__dataclass_fields__}
        duty: dict[str, Any] = {"owner": self.owner, "due_on": self.due_on, "late": self.late, "soon": self.soon}
        duty["acts"] = [str(act) for act in self.acts]
        duty |= {"about": self.about} if self.about else {}
        duty |= {"draws": list(self.draws)} if self.draws else {}
        duty |= {"certificates": list(self.certificates)} if self.certificates else {}
        there = self.there or _NOT_SENT
        duty |= {"platform_number": there.number, "platform_status": there.status, "platform_code": there.code}
        duty["platform_outcome"] = there.outcome
        return {
            **fields,
            "kind": str(self.ticket.kind),
            "title": self.title,
            "title_zh": said(self.title, chinese=True),
            **duty,
        }


@dataclass(frozen=True, kw_only=True)
class TicketAct:
    """What a person does about a ticket.

    subject: whom a record is about, where it is not the one suspected: key of a person or code of an enterprise
    """

    number: str
    act: Act
    reason: str
    by: str
    subject: str | None = None


@dataclass(frozen=True, kw_only=True)
class TicketRequest:
    """What a person asks for.

    certificate:  its key or number
    wrong_person: the record that voided it is about nobody we hold; it counts no longer for whom it was matched with
    """

    certificate: str
    reason: str
    by: str
    wrong_person: bool = False


def work_list(
    store: Store, calendar: WorkCalendar, wanted: Filter, limit: int, now: datetime
) -> tuple[int, list[Shown]]:
    """The tickets wanted, the oldest first, and how many there are in all."""
    with store.read() as connection:
        total, found = tickets.listed(connection, wanted, limit)
        days = decisions.deadlines(
            connection, [ticket.record_id for ticket in found if ticket.kind is TicketKind.DEADLINE]
        )
        there = ticket_messages.at_platform(connection, store.vault, [ticket.number for ticket in found])
    rows = [shown(ticket, calendar, now, days.get(ticket.record_id)) for ticket in found]
    return total, [replace(row, there=_without_words(there.get(row.ticket.number))) for row in rows]


def overdue_by_kind(connection: Connection, calendar: WorkCalendar, now: datetime) -> Counter[str]:
    """How many open tickets of each kind are past their last working day."""
    _, found = tickets.listed(connection, Filter(), _ALL)
    days = decisions.deadlines(connection, [one.record_id for one in found if one.kind is TicketKind.DEADLINE])
    return Counter(str(one.kind) for one in found if shown(one, calendar, now, days.get(one.record_id)).late)


def open_by_owner(connection: Connection, calendar: WorkCalendar, now: datetime) -> dict[str, dict[str, Any]]:
    """Open tickets by owner: how many, how many are late or due today, and the next day that is not past."""
    _, found = tickets.listed(connection, Filter(), _ALL)
    days = decisions.deadlines(connection, [one.record_id for one in found if one.kind is TicketKind.DEADLINE])
    today = now.astimezone(CHINA).date()
    sums: dict[str, dict[str, Any]] = {}
    for row in (shown(one, calendar, now, days.get(one.record_id)) for one in found):
        sum_ = sums.setdefault(row.owner, {"open": 0, "late": 0, "today": 0, "due_on": None})
        sum_["open"] += 1
        sum_["late"] += row.late
        sum_["today"] += row.due_on == today
        if row.due_on is not None and not row.late:
            sum_["due_on"] = min(row.due_on, sum_["due_on"] or row.due_on)
    return sums


def look_up(store: Store, calendar: WorkCalendar, number: str, now: datetime) -> Shown | None:
    """One ticket by its number, with how it was closed at the platform, the subject's name and number taken out."""
    with store.read() as connection:
        found = tickets.find(connection, number)
        if found is None:
            return None
        number = found.number
        days = decisions.deadlines(connection, [found.record_id] if found.kind is TicketKind.DEADLINE else [])
        there = ticket_messages.at_platform(connection, store.vault, [number]).get(number)
        if there is not None and there.outcome is not None:
            there = replace(there, outcome=clean(there.outcome, *_names(connection, store, found)))
        about = _about(connection, store, found)
        is_void = found.kind is TicketKind.CERTIFICATE
        drawn = drawn_for(connection, found.platform, found.record_id) if is_void else []
        asks = is_void or found.kind is TicketKind.REINSTATE
        resting = resting_on(connection, found.platform, [found.record_id]) if asks else []
    row = shown(found, calendar, now, days.get(found.record_id))
    resting_keys = tuple(rests.key for rests in resting)
    return replace(row, there=there, about=about, draws=tuple(drawn), certificates=resting_keys)


def _about(connection: Connection, store: Store, about: Ticket) -> str | None:
    row = tickets.event_row(connection, about)
    return None if row is None else masked_subject(store.vault, row)


def shown(
    ticket: Ticket, calendar: WorkCalendar, now: datetime, days: tuple[date | None, date | None] | None = None
) -> Shown:
    """A ticket with its duty as of ``now``; ``days`` to warn and to end, where they do not follow from its opening."""
    duty = DUTIES[ticket.kind]
    today = now.astimezone(CHINA).date()
    warn, due = days or (None, calendar.due(ticket.opened_at.astimezone(CHINA).date(), duty.days))
    waits = ticket.closed_at is None
    return Shown(
        ticket=ticket,
        owner=str(duty.owner),
        title=duty.title,
        due_on=due,
        late=waits and due is not None and today > due,
        soon=waits and warn is not None and today > warn,
        acts=duty.acts if waits else (),
    )


def settle(store: Store, given: TicketAct, now: datetime) -> Ticket:
    """Close the ticket and carry the act out, in one commit; raises InputError where it is not possible."""
    if not given.reason.strip():
        raise InputError(tr("an act on a ticket needs a reason"))
    with write_scope(store, CENTRE, now) as begun:
        found = tickets.find(begun.connection, given.number)
        if found is None:
            raise InputError(tr("there is no such ticket"))
        given = replace(given, number=found.number)
        duty = DUTIES[found.kind]
        if given.act not in duty.acts:
            raise InputError(
                tr("a ticket of kind {kind} is settled by: {names}", kind=found.kind, names=", ".join(duty.acts))
            )
        _, scope = lock_feed(replace(begun, platform=found.platform))
        if not tickets.close(scope, found.number, act=given.act, reason=given.reason, by=given.by):
            raise InputError(tr("the ticket is closed already"))
        _CARRIED_OUT.get(given.act, _nothing)(scope, found, given)
        closed = tickets.by_number(scope.connection, given.number)
    assert closed is not None
    return closed


def read_calendar(further: Path | None = None) -> WorkCalendar:
    """The calendar; ``further`` adds days and outweighs what is built in for its years."""
    built_in = WorkCalendar.from_rows(table("working_days").rows)
    if further is None:
        return built_in
    try:
        with further.open(encoding="utf-8-sig", newline="") as handle:
            given = WorkCalendar.from_rows(csv.DictReader(handle))
    except (OSError, ValueError, KeyError) as error:
        reason = type(error).__name__
        raise ConfigurationError(
            tr("GATEWAY_CALENDAR: not a CSV with columns day and kind ({reason})", reason=reason)
        ) from None
    off = {day for day in built_in.off if day.year not in given.years} | given.off
    worked = {day for day in built_in.worked if day.year not in given.years} | given.worked
    return WorkCalendar(off=frozenset(off), worked=frozenset(worked))


def reinstate(store: Store, given: TicketRequest, now: datetime) -> Reinstated:
    """Make it valid again; raises InputError where a ground still stands, or no credit record had voided it.

    Done a second time, nothing changes.
    """
    if not given.reason.strip():
        raise InputError(tr("making a certificate valid again needs a reason"))
    with archive_scope(store, CENTRE, now) as centre:
        scope = centre
        key = certificate_named(centre, given.certificate)
        ground = ground_of(centre, key) if given.wrong_person else None
        if ground is not None:
            _, scope = lock_feed(replace(centre, platform=ground.platform))
            tickets.rule(scope, ground.record_id, None, number=BY_HAND, by=given.by)
        return bring_back(scope, key, reason=given.reason, by=given.by)


def certificate_to_reinstate(store: Store, text: str, now: datetime) -> tuple[str, int]:
    """Key and newest version of a certificate named by key or number; raises InputError where there is none."""
    with archive_scope(store, CENTRE, now) as scope:
        key = certificate_named(scope, text)
        return key, last_version(scope, key)


def would_reinstate(store: Store, given: TicketAct) -> dict[str, Any] | None:
    """What settling a ticket would make valid again: the ticket and the certificates; None where it does not do that.

    Raises InputError where there is no such ticket.
    """
    with store.read() as connection:
        found = tickets.find(connection, given.number)
        if found is None:
            raise InputError(tr("there is no such ticket"))
        if given.act is not Act.REINSTATE:
            return None
        resting = resting_on(connection, found.platform, [found.record_id])
        certificates = sorted({(one.key, one.version) for one in resting})
    return {"number": found.number, "certificates": [f"{key}/{version}" for key, version in certificates]}


def _names(connection: Connection, store: Store, about: Ticket) -> list[str]:
    """What the event behind a ticket calls its subject."""
    row = tickets.event_row(connection, about)
    if row is None or row["payload"] is None:
        return []
    place = payload_place(about.platform, row["event_id"], row["digest"])
    subject = json.loads(store.vault.open(row["payload"], place)).get("subject") or {}
    return [value for value in (subject.get("name"), subject.get("id_number")) if value]


def _without_words(there: PlatformTicket | None) -> PlatformTicket | None:
    return None if there is None else replace(there, outcome=None)


def _nothing(scope: Scope, about: Ticket, given: TicketAct) -> None:
    """The act says what a person did elsewhere."""


def _confirm(scope: Scope, about: Ticket, given: TicketAct) -> None:
    if given.subject is None:
        key = tickets.suspected(scope.connection, about)
        if key is None:
            raise InputError(tr("several subjects come into question: name one with --subject"))
    else:
        kinds = (str(RecordKind.PERSON), ENTERPRISE)
        key = next((found for kind in kinds if (found := local_key(scope, kind, given.subject))), None)
        if key is None:
            raise InputError(tr("there is no such subject"))
    tickets.rule(scope, about.record_id, key, number=about.number, by=given.by)


def _refuse(scope: Scope, about: Ticket, given: TicketAct) -> None:
    tickets.rule(scope, about.record_id, None, number=about.number, by=given.by)


def _keep_first(scope: Scope, about: Ticket, given: TicketAct) -> None:
    tickets.prefer(scope, about, other=False)


def _take_other(scope: Scope, about: Ticket, given: TicketAct) -> None:
    if not tickets.prefer(scope, about, other=True):
        raise InputError(tr("there is no other content under this version; the event contradicts what is held"))


def _part(scope: Scope, about: Ticket, given: TicketAct) -> None:
    twins.part(scope, about.record_id)


def _undo(scope: Scope, about: Ticket, given: TicketAct) -> None:
    row = tickets.event_row(scope.connection, about)
    if row is None or row["payload"] is None:
        raise InputError(tr("the event behind the ticket is no longer there"))
    place = payload_place(scope.platform, row["event_id"], row["digest"])
    change = SubjectChange.of(json.loads(scope.vault.open(row["payload"], place)))
    kind = ENTERPRISE if change.enterprise else str(RecordKind.PERSON)
    key = local_key(scope, kind, change.from_key)
    if key is None or not split(scope, kind, key):
        raise InputError(tr("there is no merge in force that could be undone"))


def _reinstate(scope: Scope, about: Ticket, given: TicketAct) -> None:
    ground = Ground(platform=about.platform, record_id=about.record_id)
    reinstate_all(scope, ground, reason=given.reason, by=given.by)


def _push_again(scope: Scope, about: Ticket, given: TicketAct) -> None:
    if not decisions.send_again(scope.connection, scope.platform, about.record_id):
        raise InputError(tr("this record is none of our own; there is nothing to send"))


_CARRIED_OUT: dict[Act, Callable[[Scope, Ticket, TicketAct], None]] = {
    Act.CONFIRM: _confirm,
    Act.REFUSE: _refuse,
    Act.KEEP_FIRST: _keep_first,
    Act.TAKE_OTHER: _take_other,
    Act.DIFFERENT: _part,
    Act.UNDO: _undo,
    Act.PUSH_AGAIN: _push_again,
    Act.REINSTATE: _reinstate,
}
