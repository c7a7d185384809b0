"""Objections of subjects (异议申诉) on their way: what an answer means for a message, and how an objection stands.

An objection does not stop disclosure; the feed sets a flag on the record and takes it away (R12, F13). How one stands
is asked for and told in the feed as well: the later step counts, and of two different ends the one the feed tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

from gateway.domain.states import Event


class ObjectionPhase(StrEnum):
    """Ours until the platform has taken it, then the platform's own words."""

    WAITING = "WAITING"
    """kept here, to be sent"""
    REFUSED = "REFUSED"
    """the platform did not take it; entered once more it is sent once more"""
    UNCLEAR = "UNCLEAR"
    """whether the platform has it cannot be told; a person asks there"""
    WITHDRAWN = "WITHDRAWN"
    """ended here, before the platform had it"""
    SUBMITTED = "SUBMITTED"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    UPHELD = "UPHELD"
    """the decision stands"""
    CHANGED = "CHANGED"
    REVOKED = "REVOKED"


RUNNING = frozenset({ObjectionPhase.SUBMITTED, ObjectionPhase.ACCEPTED})
ANSWERED = frozenset({ObjectionPhase.REJECTED, ObjectionPhase.UPHELD, ObjectionPhase.CHANGED, ObjectionPhase.REVOKED})
ENDED = ANSWERED | {ObjectionPhase.WITHDRAWN}


class Fate(Enum):
    """What became of a message."""

    TAKEN = "taken"
    REFUSED = "refused"
    UNCLEAR = "unclear"
    LATER = "later"
    """not done yet: the same message goes again"""


_FATES = {
    **dict.fromkeys((Event.REJECTED, Event.CONFLICT, Event.NOT_FOUND), Fate.REFUSED),
    **dict.fromkeys((Event.RETRY, Event.HOLD), Fate.LATER),
}


def fate_of(event: Event, receipt: str | None) -> Fate:
    """What an answer means for a message. Taken is only what has a number; what nobody taught us is unclear."""
    if event is Event.ACCEPTED and receipt:
        return Fate.TAKEN
    return _FATES.get(event, Fate.UNCLEAR)


def next_state(held: ObjectionPhase, given: str) -> ObjectionPhase | None:
    """The state that follows from what the platform says; None where it is no change, or a word nobody taught us."""
    if held not in RUNNING or given not in RUNNING | ANSWERED:
        return None
    after = ObjectionPhase(given)
    return after if after is not held and after is not ObjectionPhase.SUBMITTED else None


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectionEvent:
    """What an event of the feed says about an objection (F13). ``result`` once it was closed."""

    number: str
    result: ObjectionPhase | None = None

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> ObjectionEvent | None:
        """Read the fields of a finding; None where it names no objection."""
        given = (plain.get("extra") or {}).get("objection")
        number = given.get("no") if isinstance(given, Mapping) else None
        if not isinstance(given, Mapping) or not isinstance(number, str) or not number:
            return None
        result = given.get("result")
        return cls(number=number, result=ObjectionPhase(result) if result in ANSWERED else None)
