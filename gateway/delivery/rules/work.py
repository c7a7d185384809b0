"""Values of the delivery's work: what is claimed, what leaves, what came back, and what becomes of it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.contract.messages import Payload, Verdict
from gateway.domain.records import Record
from gateway.domain.states import Event, State


@dataclass(frozen=True, kw_only=True)
class Opening:
    """An exchange about to leave: its bytes and the deliveries it carries, in their order on the wire."""

    platform: str
    purpose: str
    operation: str
    message_id: str
    at: datetime
    body: bytes | None = field(repr=False)
    """None where the request may not be kept (a login)"""
    digest: str
    carries: tuple[Claimed, ...] = ()
    lease_until: datetime | None = None
    """until when the leases of what it carries are prolonged"""
    payloads: tuple[Payload, ...] = field(default=(), repr=False)
    spec_version: str = ""
    anyway: bool = False
    """a person asks how the platform is: goes out in spite of a pause or an open breaker"""
    nonce: bytes | None = field(default=None, repr=False)
    """of the stamp; ``at`` is the stamp's moment, so that the answer can be judged again"""
    proof: Mapping[str, str] = field(default_factory=dict, repr=False)
    """of the stamp's token"""


@dataclass(frozen=True, kw_only=True)
class Closing:
    """The end of an exchange: an answer, or the code of its failure."""

    exchange_id: int
    closed_at: datetime
    status: int | None = None
    body: bytes | None = field(default=None, repr=False)
    failure: str | None = None
    keep_body: bool = True
    """False where the answer holds a secret (a login): only its digest is kept"""
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    answered: bool | None = None
    """whether the platform itself answered, for its circuit breaker; None says nothing either way"""
    code: str = ""
    """how it failed, where it was not answered"""
    broken: bool | None = None
    """whether the answer broke the platform's contract; None where nobody looked"""
    wish: timedelta | None = None
    """how long the platform asks everybody to wait"""


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """An answered exchange with what follows from it for the deliveries it carried."""

    closing: Closing
    settlements: tuple[Settlement, ...] = ()


def digest(body: bytes) -> str:
    """SHA-256 of bytes on the wire, hex."""
    return hashlib.sha256(body).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A leased delivery with what is needed to send, poll or ask about it."""

    id: int
    fence: int
    state: State
    record: Record = field(repr=False)
    business_key: str
    replaces: bool
    """whether the platform accepted an earlier version of the record"""
    tries: int
    polls: int
    lookups: int
    negatives: int
    message_id: str | None
    message_size: int | None
    message_limit: int | None = None
    """most deliveries it may share a message with, itself included, after one was refused as a whole"""
    payload: Payload | None = field(default=None, repr=False)
    receipt: str | None = None
    created_at: datetime
    attempt_id: int | None = None

    def tried(self, attempt_id: int) -> Claimed:
        """This one under an attempt that was written down. ``replace`` would set all fields anew."""
        made = object.__new__(Claimed)
        made.__dict__.update(self.__dict__, attempt_id=attempt_id)
        return made


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """What becomes of one claimed delivery: the verdict that was given and the row it leads to."""

    claimed: Claimed
    event: Event
    verdict: Verdict
    due_at: datetime
    polls: int
    lookups: int
    negatives: int
    keep_message: bool = False
    """the same message may be sent again under the same id, because its outcome is unknown"""
    message_limit: int | None = None
    """the message was refused as a whole: it travels on with at most so many"""
    counted: bool = True
    """whether this was a try; no where nothing left, or where the message was refused as a whole"""


LONGEST_RECEIPT = 200
_LONGEST_TEXT = 2000


def storable(text: str, most: int = _LONGEST_TEXT) -> str:
    """A platform's text as every database can hold it: without NUL and lone surrogates, at most ``most`` characters."""
    if text.isascii() and "\0" not in text:
        return text[:most]
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:most]
