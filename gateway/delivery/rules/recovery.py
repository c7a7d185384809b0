"""What becomes of a delivery of an older ledger, by what its platform holds: adopted, sent or left to a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from gateway.contract.messages import Holding, Verdict
from gateway.delivery.rules.differences import differing
from gateway.domain.states import Event, State


class HeldVersion(StrEnum):
    """What a platform holds under the key of a record."""

    OURS = "ours"
    """this version of ours, or one that shows no other content"""
    OLDER = "older"
    """an older version of ours"""
    NOTHING = "nothing"
    OTHER = "other"
    """what nothing here knows of: a version that was sent after the backup, or another's"""
    UNSURE = "unsure"
    """it gave no answer that settles it"""


def held_by(verdict: Verdict) -> HeldVersion:
    """What an answer to a look-up says about the version that was asked for."""
    if verdict.event is Event.ACCEPTED:
        return HeldVersion.OURS
    if verdict.event is Event.NOT_FOUND:
        return HeldVersion.OTHER if verdict.fields else HeldVersion.NOTHING
    return HeldVersion.OTHER if verdict.event is Event.CONFLICT else HeldVersion.UNSURE


def held_with_older(first: HeldVersion, older: Sequence[HeldVersion]) -> HeldVersion:
    """The same after the older versions of ours were asked for, the newest first, as far as that was needed.

    "Not there" alone does not tell nothing from a version we do not know, so what is not ours is no one's to overwrite.
    """
    if first not in (HeldVersion.NOTHING, HeldVersion.OTHER):
        return first
    for one in older:
        if one is HeldVersion.OURS:
            return HeldVersion.OLDER
        if one in (HeldVersion.OTHER, HeldVersion.UNSURE):
            return one
    return first


def is_newer(expected: Holding, there: Sequence[Holding]) -> bool:
    """Whether a listing shows a newer version than this one of ours."""
    return any(
        held.version is not None and expected.version is not None and held.version > expected.version for held in there
    )


def is_other(expected: Holding, there: Sequence[Holding]) -> bool:
    """Whether a listing shows something else than what was accepted here."""
    return bool(there) and all(differing(expected, held) for held in there)


def after_recovery(verdict: Verdict, held: HeldVersion, before: State) -> tuple[Event, Verdict]:
    """The event a delivery meets, and the verdict that is kept of it.

    What a person had parked stays parked where it is not there: nobody let it go.
    """
    if held is HeldVersion.OURS:
        return Event.ACCEPTED, verdict
    if held is HeldVersion.UNSURE:
        kept = verdict if verdict.event in (Event.RETRY, Event.HOLD, Event.PENDING) else _said(verdict, Event.IN_DOUBT)
        return Event.IN_DOUBT, kept
    if held is HeldVersion.OTHER:
        reason = "the platform holds what this ledger does not know; it is not overwritten"
        return Event.CONFLICT, _said(verdict, Event.CONFLICT, "newer_there", reason)
    reason = "an older version of ours is there" if held is HeldVersion.OLDER else "not there"
    absent = _said(verdict, Event.NOT_FOUND, "older_there" if held is HeldVersion.OLDER else verdict.code, reason)
    if before is State.PARKED:
        return Event.EXHAUSTED, replace(absent, reason=f"{reason}; it was parked before the store was restored")
    return Event.NOT_FOUND, absent


def _said(verdict: Verdict, event: Event, code: str | None = None, reason: str | None = None) -> Verdict:
    return replace(
        verdict,
        event=event,
        code=verdict.code if code is None else code,
        reason=verdict.reason if reason is None else reason,
        next_page=None,
    )
