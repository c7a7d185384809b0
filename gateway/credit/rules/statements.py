"""Credit records in the archive: their words, the states they may take, and who may see or use them when.

A statement says what was true of a record in a span of valid time; a row is a statement with the span of recorded time
in which the archive believed it. Both spans are half-open; None is an open end. Rows are only added; the one change
ever made to a row is to set the end of its recorded time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from gateway.credit.rules.periods import PeriodSource
from gateway.domain.ticket_kinds import TicketKind


class Status(StrEnum):
    """Status of a record (``credit_record_status``); ``under_objection`` is a flag beside it."""

    RECEIVED = "RECEIVED"
    QUARANTINED = "QUARANTINED"
    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"
    REPAIRED = "REPAIRED"
    REVOKED = "REVOKED"
    VOIDED = "VOIDED"
    DELISTED = "DELISTED"
    WITHHELD = "WITHHELD"
    """the platform stopped showing it and did not say why"""


class EventType(StrEnum):
    """What a platform says has happened to a record (``credit_event_type``)."""

    CREATED = "CREATED"
    AMENDED = "AMENDED"
    CORRECTED = "CORRECTED"
    PERIOD_CHANGED = "PERIOD_CHANGED"
    OBJECTION_OPENED = "OBJECTION_OPENED"
    OBJECTION_CLOSED = "OBJECTION_CLOSED"
    REPAIRED = "REPAIRED"
    REPAIR_REJECTED = "REPAIR_REJECTED"
    REPAIR_REVOKED = "REPAIR_REVOKED"
    REVOKED = "REVOKED"
    VOIDED = "VOIDED"
    EXPIRED = "EXPIRED"
    DELISTED = "DELISTED"
    SUBJECT_MERGED = "SUBJECT_MERGED"
    SUBJECT_SPLIT = "SUBJECT_SPLIT"
    SUBJECT_RENAMED = "SUBJECT_RENAMED"
    REASSIGNED = "REASSIGNED"
    CERT_INVALIDATED = "CERT_INVALIDATED"
    TOMBSTONE = "TOMBSTONE"
    """ours: the platform no longer tells the record and gives no reason"""
    RETURNED = "RETURNED"
    """ours: a record that was gone is told again as it was"""


class AckCode(StrEnum):
    """What we tell the platform about an event (``credit_ack_code``)."""

    APPLIED = "APPLIED"
    DUPLICATE = "DUPLICATE"
    STALE = "STALE"
    ACCEPTED_UNMATCHED = "ACCEPTED_UNMATCHED"
    IDENTITY_CONFLICT = "IDENTITY_CONFLICT"
    VERSION_GAP = "VERSION_GAP"
    VERSION_FORK = "VERSION_FORK"
    SCHEMA_INVALID = "SCHEMA_INVALID"
    SIGNATURE_INVALID = "SIGNATURE_INVALID"
    UNAUTHORISED_SOURCE = "UNAUTHORISED_SOURCE"
    REJECTED_POLICY = "REJECTED_POLICY"
    DEFERRED = "DEFERRED"

    @property
    def final(self) -> bool:
        """Whether no other acknowledgement of the same event follows."""
        return self in (AckCode.APPLIED, AckCode.DUPLICATE, AckCode.STALE, AckCode.REJECTED_POLICY)


class Effect(StrEnum):
    """What has to follow outside the archive once an event is applied."""

    NONE = "NONE"
    STOP = "STOP"
    """stop use, disclosure and sharing the same day; lift measures that rest on the record"""
    RESUME = "RESUME"
    RECOMPUTE = "RECOMPUTE"
    """the time at which disclosure stops has moved"""
    REEVALUATE = "REEVALUATE"
    """decisions that used the earlier statement are to be looked at again"""
    FLAG = "FLAG"
    INVALIDATE = "INVALIDATE"
    """the certificate loses its eligibility, and the platforms are told"""


_S, _E = Status, EventType
_FACTS = (_E.AMENDED, _E.CORRECTED, _E.REASSIGNED)
_BESIDE = (_E.OBJECTION_OPENED, _E.OBJECTION_CLOSED, _E.REPAIR_REJECTED)
"""events that change no status"""
_STOPS = {
    _E.REPAIRED: _S.REPAIRED,
    _E.REVOKED: _S.REVOKED,
    _E.VOIDED: _S.VOIDED,
    _E.EXPIRED: _S.EXPIRED,
    _E.DELISTED: _S.DELISTED,
    _E.TOMBSTONE: _S.WITHHELD,
}


def _stay(status: Status, *events: EventType) -> dict[tuple[Status, EventType], Status]:
    return {(status, event): status for event in (*_BESIDE, *events)}


MOVES: dict[tuple[Status, EventType], Status] = {
    **_stay(_S.ACTIVE, _E.CREATED, *_FACTS, _E.PERIOD_CHANGED, _E.REPAIR_REVOKED),
    **{(_S.ACTIVE, event): status for event, status in _STOPS.items()},
    **_stay(_S.EXPIRED, _E.CREATED, *_FACTS, *_STOPS, _E.REPAIR_REVOKED),
    (_S.EXPIRED, _E.REVOKED): _S.REVOKED,
    (_S.EXPIRED, _E.VOIDED): _S.VOIDED,
    (_S.EXPIRED, _E.PERIOD_CHANGED): _S.ACTIVE,
    **_stay(_S.REPAIRED, _E.CREATED, *_FACTS, *_STOPS, _E.PERIOD_CHANGED),
    (_S.REPAIRED, _E.REPAIR_REVOKED): _S.ACTIVE,
    (_S.REPAIRED, _E.REVOKED): _S.REVOKED,
    (_S.REPAIRED, _E.VOIDED): _S.VOIDED,
    **_stay(_S.REVOKED, _E.CORRECTED, _E.REVOKED, _E.EXPIRED, _E.TOMBSTONE),
    **_stay(_S.VOIDED, _E.VOIDED, _E.EXPIRED, _E.TOMBSTONE),
    **_stay(_S.DELISTED, _E.CORRECTED, _E.DELISTED, _E.EXPIRED, _E.TOMBSTONE),
    **_stay(_S.WITHHELD),
    **{(status, _E.RETURNED): status for status in _S if status not in (_S.RECEIVED, _S.QUARANTINED)},
    **{(_S.WITHHELD, _E.RETURNED): _S.ACTIVE},
    **{(_S.WITHHELD, event): _S.ACTIVE for event in (_E.CREATED, *_FACTS, _E.PERIOD_CHANGED, _E.REPAIR_REVOKED)},
    **{(_S.WITHHELD, event): status for event, status in _STOPS.items()},
}
"""Status and event give the next status. A pair that is missing contradicts what is held: a person decides, and the
platform is asked to confirm. An end of the disclosure period never turns into another state but by a changed period."""

EFFECTS: dict[EventType, Effect] = {
    **dict.fromkeys(_STOPS, Effect.STOP),
    _E.CORRECTED: Effect.REEVALUATE,
    _E.REASSIGNED: Effect.REEVALUATE,
    _E.PERIOD_CHANGED: Effect.RECOMPUTE,
    _E.AMENDED: Effect.RECOMPUTE,
    _E.REPAIR_REVOKED: Effect.RESUME,
    _E.OBJECTION_OPENED: Effect.FLAG,
    _E.OBJECTION_CLOSED: Effect.FLAG,
}

PUBLIC_CATEGORIES = frozenset({"BASIC", "GOOD", "BAD", "BLACKLIST", "SERIOUS_LIST", "EXAM_INTEGRITY"})
"""Kinds of the credit catalogue; promises, supervision and evaluations are internal (R18)."""
ADVERSE_CATEGORIES = frozenset({"BAD", "BLACKLIST", "SERIOUS_LIST", "EXAM_INTEGRITY"})

_STOP_USE = frozenset({TicketKind.FORK, TicketKind.REPAIR, TicketKind.DISAPPEARED})
_STOP_DISCLOSURE = frozenset({TicketKind.REPAIR, TicketKind.DISAPPEARED})


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """What was true of a record in ``[valid_from, valid_to)``. Equal bounds mark a record that was void from the start.

    event:   reference of the event that caused the statement
    content: reference of the event whose payload is stated
    """

    valid_from: datetime
    valid_to: datetime | None
    status: Status
    under_objection: bool = False
    event: str
    content: str
    source_version: int
    source_update_time: datetime
    category: str
    usage_scope: str
    disclosed: bool
    """the platform says the record is published"""
    happen_date: date | None = None
    decision_date: date | None = None
    effect_from: datetime | None = None
    effect_to: datetime | None = None
    publish_from: datetime | None = None
    publish_to: datetime | None = None
    period_source: PeriodSource = PeriodSource.NONE
    rule_id: str | None = None
    payload_digest: str
    reason_code: str

    @property
    def void(self) -> bool:
        """Whether this is the mark of a record that never was."""
        return self.valid_from == self.valid_to

    @property
    def below_sanction(self) -> bool:
        """Whether disclosure ends before the sanction does (R08)."""
        return (
            self.category in ADVERSE_CATEGORIES
            and self.effect_to is not None
            and self.publish_to is not None
            and self.publish_to < self.effect_to
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class StatementRow:
    """A statement as the archive believed it in ``[sys_from, sys_to)``."""

    id: int
    statement: Statement
    sys_from: datetime
    sys_to: datetime | None = None


def is_usable(statement: Statement, at: datetime, holds: Collection[TicketKind] = ()) -> bool:
    """Whether the record may count in a decision at ``at``: only inside its disclosure period (R03).

    holds: kinds of the record's open tickets
    """
    return _in_period(statement, at) and not _STOP_USE.intersection(holds)


def is_public(
    statement: Statement, at: datetime, holds: Collection[TicketKind] = (), *, hide_objected: bool = False
) -> bool:
    """Whether the public may see the record at ``at`` (R02, R18).

    hide_objected: a switch per source; by rule an objection only shows a flag (R12)
    """
    return (
        _in_period(statement, at)
        and statement.disclosed
        and statement.usage_scope == "0"
        and statement.category in PUBLIC_CATEGORIES
        and not _STOP_DISCLOSURE.intersection(holds)
        and not (hide_objected and statement.under_objection)
    )


def as_of(rows: Iterable[StatementRow], valid_at: datetime, known_at: datetime) -> tuple[Statement, ...]:
    """What the archive believed at ``known_at`` to be true at ``valid_at``; at most one statement for one record."""
    return tuple(
        row.statement
        for row in rows
        if _covers(row.sys_from, row.sys_to, known_at)
        and _covers(row.statement.valid_from, row.statement.valid_to, valid_at)
    )


def _in_period(statement: Statement, at: datetime) -> bool:
    return (
        statement.status is Status.ACTIVE
        and statement.publish_from is not None
        and _covers(statement.valid_from, statement.valid_to, at)
        and _covers(statement.publish_from, statement.publish_to, at)
    )


def _covers(begin: datetime, end: datetime | None, at: datetime) -> bool:
    return begin <= at and (end is None or at < end)
