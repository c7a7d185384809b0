"""Four eyes: which acts ask for a second person, and what may still become of a request. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.locale import tr


class GuardedAct(StrEnum):
    """Acts that cannot be undone, or touch many at once."""

    PUBLISH = "publish"
    """an own decision is published"""
    REINSTATE = "reinstate"
    """a certificate is valid again"""
    RETENTION = "retention"
    """what has had its time is cleared"""
    END_HOLD = "end-hold"
    """what had to be kept may be cleared"""
    REPLAY = "replay"
    """more than a few transmissions go out again by plan"""
    RELEASE = "release"
    """more than a few parked transmissions are queued again"""
    BYTES = "bytes"
    """requests and answers are handed out in clear"""
    RETIRE_KEY = "retire-key"
    """a key leaves the ring for good"""
    WAIVE = "waive"
    """an act asks for nobody any longer; always guarded, where anything is"""


ACT_TITLES = {
    GuardedAct.PUBLISH: tr("publish a decision"),
    GuardedAct.REINSTATE: tr("make a certificate valid again"),
    GuardedAct.RETENTION: tr("clear what has had its time"),
    GuardedAct.END_HOLD: tr("end a hold"),
    GuardedAct.REPLAY: tr("send many again by plan"),
    GuardedAct.RELEASE: tr("release many"),
    GuardedAct.BYTES: tr("hand out requests and answers"),
    GuardedAct.RETIRE_KEY: tr("take a key out of the ring"),
    GuardedAct.WAIVE: tr("ask for no second person any longer"),
}
"""what each act is, as it follows on "to" """

COUNTED = frozenset({GuardedAct.REPLAY, GuardedAct.RELEASE})
"""acts that ask only where they touch more than so many"""


def guarded_acts(text: str) -> frozenset[GuardedAct]:
    """The acts named in a setting (``publish bytes``, ``all``); ValueError for anything else."""
    names = text.replace(",", " ").split()
    if names == ["all"]:
        return frozenset(GuardedAct)
    return frozenset(GuardedAct(name) for name in names)


def asks(act: GuardedAct, named: frozenset[GuardedAct], *, size: int, before: int, most: int) -> bool:
    """Whether an act needs a second person.

    named:   acts for which the settings or the store ask for one
    size:    how many it touches, with the ``before`` that the same person touched within the day, for acts that are
             counted: many small ones are a great one
    """
    if act is GuardedAct.WAIVE:
        return bool(named)
    return act in named and (act not in COUNTED or size + before > most)


class Standing(StrEnum):
    """What became of a request."""

    WAITS = "waits"
    APPROVED = "approved"
    DECLINED = "declined"
    EXPIRED = "expired"
    USED = "used"


STANDINGS = {
    Standing.WAITS: tr("waits for a second person"),
    Standing.APPROVED: tr("approved"),
    Standing.DECLINED: tr("declined"),
    Standing.EXPIRED: tr("expired"),
    Standing.USED: tr("used"),
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request for a second person's consent, and what became of it."""

    id: int
    act: GuardedAct
    subject: str
    reason: str
    digest: str
    """SHA-256 over the act and its parameters: what is approved is what runs"""
    detail: dict[str, object]
    asked_at: datetime
    asked_by: str
    asked_uid: int
    expires_at: datetime
    decided_at: datetime | None = None
    decided_by: str | None = None
    decided_uid: int | None = None
    decision: str | None = None
    note: str | None = None
    used_at: datetime | None = None

    def standing(self, now: datetime) -> Standing:
        """Where it stands; a decision must be used before the request expires."""
        if self.used_at is not None:
            return Standing.USED
        if self.decision == Standing.DECLINED:
            return Standing.DECLINED
        if now >= self.expires_at:
            return Standing.EXPIRED
        return Standing.WAITS if self.decision is None else Standing.APPROVED


class ApprovalRefusal(StrEnum):
    """Why a person may not decide about a request."""

    SAME_PERSON = "same person"
    NOT_OPEN = "not open"


def refusal(request: Request, uid: int, now: datetime) -> ApprovalRefusal | None:
    """Why this person may not decide about it; None where they may."""
    if request.standing(now) is not Standing.WAITS:
        return ApprovalRefusal.NOT_OPEN
    return ApprovalRefusal.SAME_PERSON if uid == request.asked_uid else None
