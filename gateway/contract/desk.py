"""What a credit platform's desk takes from us: objections of subjects, their scans, and contradictions we have found.

Each is a Protocol of its own, found by ``isinstance``. The core sends every message under one id until it has an
answer, so that a platform which knows a repeat by that id has it once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from gateway.contract.messages import Stamp, Verdict, WireRequest, WireResponse
from gateway.domain.ticket_kinds import TicketKind


@dataclass(frozen=True, kw_only=True, slots=True)
class DeskTerms:
    """What was agreed with the platform about its desk.

    remembered:  for how long a message that is sent again is known by its id; later it might be taken twice
    asking:      at least so long between two questions about one objection or ticket
    accept_days: working days within which an objection is accepted
    answer_days: and within which it is answered from then on
    tickets:     kinds of tickets that the platform is told of
    scan_bytes:  the largest scan it takes
    """

    remembered: timedelta = timedelta(days=7)
    asking: timedelta = timedelta(hours=6)
    accept_days: int = 2
    answer_days: int = 7
    tickets: frozenset[TicketKind] = frozenset()
    scan_bytes: int = 5 * 1024 * 1024


class HasDesk(Protocol):
    """What the abilities below have in common."""

    @property
    def desk(self) -> DeskTerms:
        """What was agreed."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """A file for an objection. It has no name of its own: a file's name may be a person's.

    media_type: application/pdf, image/jpeg, image/png or application/ofd, as the bytes themselves say
    digest:     SHA-256, hex
    """

    media_type: str
    digest: str
    content: bytes = field(repr=False)
    """exact bytes of the file"""


@runtime_checkable
class TakesScans(HasDesk, Protocol):
    """Scans can be handed in before what they belong to."""

    def encode_scan(self, scan: Scan, stamp: Stamp, /) -> WireRequest:
        """Hand in one scan."""
        ...

    def decode_scan(self, response: WireResponse, scan: Scan, stamp: Stamp, /) -> Verdict:
        """``accepted`` carries the platform's number in ``receipt``; a scan it will not take is ``rejected``."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Objection:
    """A subject's objection (异议申诉) to a record, passed on to the platform that holds it.

    scans: the platform's numbers of what was handed in before
    """

    key: str
    """ours, the same for every telling of it"""
    record_id: str
    """credit record objected to"""
    version: int
    """of that record"""
    objector: str = field(repr=False)
    """who objects"""
    contact: str = field(repr=False)
    """how to reach them"""
    ground: str = field(repr=False)
    """why, in their words"""
    scans: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectionState:
    """How an objection stands. ``status``: SUBMITTED, ACCEPTED, REJECTED, UPHELD, CHANGED or REVOKED.

    The last three are what became of the decision objected to; REJECTED: the objection was not taken up.
    """

    number: str
    """the platform's number of the objection"""
    status: str
    result: str | None = None
    """the platform's words for what was decided"""
    accepted_at: datetime | None = None
    """aware; when the platform took it up"""
    decided_at: datetime | None = None
    """aware; None while it is open"""


@runtime_checkable
class TakesObjections(HasDesk, Protocol):
    """Objections can be handed on and asked about; how one ends also arrives as an event of the feed."""

    def encode_objection(self, objection: Objection, stamp: Stamp, /) -> WireRequest:
        """Hand on an objection, after its scans were taken."""
        ...

    def decode_objection(self, response: WireResponse, objection: Objection, stamp: Stamp, /) -> Verdict:
        """``accepted`` carries the platform's number in ``receipt``."""
        ...

    def encode_objection_state(self, number: str, stamp: Stamp, /) -> WireRequest:
        """Ask how an objection stands, by the platform's number."""
        ...

    def decode_objection_state(self, response: WireResponse, number: str, stamp: Stamp, /) -> ObjectionState | Verdict:
        """How it stands, or the verdict that stopped the question."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Conflict:
    """A contradiction that needs people on both sides. The texts hold nothing personal.

    number:   of our ticket
    proposed: what we ask the platform to do
    """

    number: str
    kind: TicketKind
    """kind of our ticket"""
    record_id: str
    """credit record concerned"""
    event_id: str | None
    """event that showed it"""
    description: str
    """for a person at the platform; no more of anybody than is needed"""
    proposed: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ConflictState:
    """How a ticket stands at the platform. ``outcome`` is free text of another office and may name a person."""

    number: str
    """the platform's number of the conflict"""
    status: str
    """the platform's word for where it stands"""
    closed: bool
    """whether nothing more comes of it"""
    outcome: str | None = field(default=None, repr=False)


@runtime_checkable
class TakesTickets(HasDesk, Protocol):
    """The platform keeps a work list of its own and takes tickets into it."""

    def encode_ticket(self, conflict: Conflict, stamp: Stamp, /) -> WireRequest:
        """Hand on a ticket."""
        ...

    def decode_ticket(self, response: WireResponse, conflict: Conflict, stamp: Stamp, /) -> Verdict:
        """``accepted`` carries the platform's number in ``receipt``."""
        ...

    def encode_ticket_state(self, number: str, stamp: Stamp, /) -> WireRequest:
        """Ask how a ticket stands, by the platform's number."""
        ...

    def decode_ticket_state(self, response: WireResponse, number: str, stamp: Stamp, /) -> ConflictState | Verdict:
        """How it stands, or the verdict that stopped the question."""
        ...
