"""The life of a delivery as one table: state and event give the next state, and nothing else may change a state."""

from __future__ import annotations

from enum import StrEnum

from gateway.domain.errors import StoreError
from gateway.locale import tr


class State(StrEnum):
    """Where a delivery stands in our ledger."""

    QUEUED = "queued"
    """due, or due later"""
    SENDING = "sending"
    """leased by a worker"""
    AWAITING_ACK = "awaiting_ack"
    """the platform took it and gave a receipt; the result is still to be fetched"""
    IN_DOUBT = "in_doubt"
    """it may have arrived; the platform is to be asked before anything is sent again"""
    HELD = "held"
    """a precondition failed (credentials, permission); waits for the platform to be resumed"""
    PARKED = "parked"
    """only a person can say how to go on"""
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    """a newer version of the same record took its place before it was accepted"""


TERMINAL = frozenset({State.ACCEPTED, State.REJECTED, State.SUPERSEDED})
WAITING = frozenset(State) - TERMINAL


class Event(StrEnum):
    """What can happen to a delivery. The verdict of a reply, a look-up or a poll is one of the first group."""

    ACCEPTED = "accepted"
    PENDING = "pending"
    RETRY = "retry"
    REJECTED = "rejected"
    IN_DOUBT = "in_doubt"
    DUPLICATE = "duplicate"
    """the platform says it is already there: to be confirmed by asking whose it is"""
    HOLD = "hold"
    UNKNOWN = "unknown"
    """an answer nobody has taught us to read"""
    NOT_FOUND = "not_found"
    NOT_STORED = "not_stored"
    """a final result: surely not stored, for a reason that passes"""
    CONFLICT = "conflict"
    """something is there under our key, and it is not ours"""

    CLAIMED = "claimed"
    LEASE_LOST_OPEN = "lease_lost_open"
    """the worker vanished while an exchange was open"""
    LEASE_LOST = "lease_lost"
    """the worker vanished before anything was sent"""
    EXHAUSTED = "exhausted"
    """the retry schedule, the poll plan or the look-ups are used up"""
    RELEASED = "released"
    """a person lets a parked one go on"""
    REPLAYED = "replayed"
    """a person lets it go once more: it was rejected for a cause that is mended, or accepted and lost there"""
    RESUMED = "resumed"
    NEWER_VERSION = "newer_version"
    RESTORED = "restored"
    """the ledger is an older one than was in use: it may have left, so the platform is asked first"""
    OVERTAKEN = "overtaken"
    """the platform holds a newer version of the same record, which is ours"""


REPLY_EVENTS = frozenset(Event) - {
    Event.CLAIMED,
    Event.LEASE_LOST_OPEN,
    Event.LEASE_LOST,
    Event.EXHAUSTED,
    Event.RELEASED,
    Event.REPLAYED,
    Event.RESUMED,
    Event.NEWER_VERSION,
    Event.RESTORED,
    Event.OVERTAKEN,
}
"""what an answer may say of a delivery; the rest is the core's own to say"""

_S, _E = State, Event

TRANSITIONS: dict[tuple[State, Event], State] = {
    (_S.QUEUED, _E.CLAIMED): _S.SENDING,
    (_S.QUEUED, _E.NEWER_VERSION): _S.SUPERSEDED,
    (_S.SENDING, _E.ACCEPTED): _S.ACCEPTED,
    (_S.SENDING, _E.PENDING): _S.AWAITING_ACK,
    (_S.SENDING, _E.RETRY): _S.QUEUED,
    (_S.SENDING, _E.REJECTED): _S.REJECTED,
    (_S.SENDING, _E.IN_DOUBT): _S.IN_DOUBT,
    (_S.SENDING, _E.DUPLICATE): _S.IN_DOUBT,
    (_S.SENDING, _E.HOLD): _S.HELD,
    (_S.SENDING, _E.UNKNOWN): _S.PARKED,
    (_S.SENDING, _E.CONFLICT): _S.PARKED,
    (_S.SENDING, _E.EXHAUSTED): _S.PARKED,
    (_S.SENDING, _E.LEASE_LOST_OPEN): _S.IN_DOUBT,
    (_S.SENDING, _E.LEASE_LOST): _S.QUEUED,
    (_S.AWAITING_ACK, _E.ACCEPTED): _S.ACCEPTED,
    (_S.AWAITING_ACK, _E.PENDING): _S.AWAITING_ACK,
    (_S.AWAITING_ACK, _E.RETRY): _S.AWAITING_ACK,
    (_S.AWAITING_ACK, _E.HOLD): _S.AWAITING_ACK,
    (_S.AWAITING_ACK, _E.REJECTED): _S.REJECTED,
    (_S.AWAITING_ACK, _E.NOT_STORED): _S.QUEUED,
    (_S.AWAITING_ACK, _E.DUPLICATE): _S.IN_DOUBT,
    (_S.AWAITING_ACK, _E.IN_DOUBT): _S.IN_DOUBT,
    (_S.AWAITING_ACK, _E.NOT_FOUND): _S.IN_DOUBT,
    (_S.AWAITING_ACK, _E.UNKNOWN): _S.PARKED,
    (_S.AWAITING_ACK, _E.CONFLICT): _S.PARKED,
    (_S.AWAITING_ACK, _E.EXHAUSTED): _S.PARKED,
    (_S.IN_DOUBT, _E.ACCEPTED): _S.ACCEPTED,
    (_S.IN_DOUBT, _E.PENDING): _S.AWAITING_ACK,
    (_S.IN_DOUBT, _E.RETRY): _S.IN_DOUBT,
    (_S.IN_DOUBT, _E.HOLD): _S.IN_DOUBT,
    (_S.IN_DOUBT, _E.IN_DOUBT): _S.IN_DOUBT,
    (_S.IN_DOUBT, _E.NOT_FOUND): _S.QUEUED,
    (_S.IN_DOUBT, _E.REJECTED): _S.REJECTED,
    (_S.IN_DOUBT, _E.CONFLICT): _S.PARKED,
    (_S.IN_DOUBT, _E.UNKNOWN): _S.PARKED,
    (_S.IN_DOUBT, _E.EXHAUSTED): _S.PARKED,
    (_S.QUEUED, _E.RESTORED): _S.IN_DOUBT,
    (_S.AWAITING_ACK, _E.RESTORED): _S.IN_DOUBT,
    (_S.IN_DOUBT, _E.RESTORED): _S.IN_DOUBT,
    (_S.HELD, _E.RESTORED): _S.IN_DOUBT,
    (_S.PARKED, _E.RESTORED): _S.IN_DOUBT,
    (_S.IN_DOUBT, _E.OVERTAKEN): _S.SUPERSEDED,
    (_S.HELD, _E.RESUMED): _S.QUEUED,
    (_S.HELD, _E.NEWER_VERSION): _S.SUPERSEDED,
    (_S.PARKED, _E.RELEASED): _S.QUEUED,
    (_S.PARKED, _E.NEWER_VERSION): _S.SUPERSEDED,
    (_S.REJECTED, _E.REPLAYED): _S.QUEUED,
    (_S.ACCEPTED, _E.REPLAYED): _S.QUEUED,
}
"""Every allowed move. Out of acceptance and rejection leads a replay alone; a correction is a new version."""


def advance(state: State, event: Event) -> State:
    """Return the state that follows, or raise StoreError where the table has no such move."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise StoreError(tr("a delivery that is {state} cannot meet {event}", state=state, event=event)) from None


def sources(event: Event) -> frozenset[State]:
    """The states in which an event may happen; stores build their guards from it."""
    return frozenset(state for state, known in TRANSITIONS if known is event)
