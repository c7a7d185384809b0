"""Values of the delivery's work: what is claimed, what shares a message, what leaves and what came back. Pure."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.codec.replies import answered, judge_failure
from gateway.contract.connector import ConnectorInfo
from gateway.contract.messages import Payload, Stamp, Verdict, WireResponse
from gateway.domain.errors import TransportFailure
from gateway.domain.records import Record, RecordKind
from gateway.domain.states import Event, State
from gateway.domain.traffic import OURS, Stop


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


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of one request. ``verdict`` is set where no usable answer came; then nothing is to be decoded."""

    exchange_id: int
    stamp: Stamp
    attempt_ids: tuple[int, ...] = ()
    response: WireResponse | None = field(default=None, repr=False)
    verdict: Verdict | None = None
    closing: Closing | None = None
    stop: Stop | None = None
    """nothing was written down nor sent, because the platform takes nothing now; what it carried just waits"""

    def without(self, failure: TransportFailure, now: datetime, *, replay_safe: bool) -> Answer:
        """This exchange, to which no answer came."""
        closing = Closing(
            exchange_id=self.exchange_id,
            closed_at=now,
            failure=failure.code,
            code=failure.code,
            answered=None if failure.code in OURS else False,
        )
        return self._ended(closing, judge_failure(failure, replay_safe=replay_safe))

    def with_(
        self, response: WireResponse, verdict: Verdict | None, now: datetime, *, wish: timedelta | None, keep_body: bool
    ) -> Answer:
        """This exchange with the answer that came, and what its outer shape already says."""
        closing = Closing(
            exchange_id=self.exchange_id,
            closed_at=now,
            status=response.status,
            body=response.body,
            headers=response.headers,
            keep_body=keep_body,
            answered=answered(response, verdict),
            code="" if verdict is None else verdict.code,
            wish=wish,
        )
        return self._ended(closing, verdict, response)

    def _ended(self, closing: Closing, verdict: Verdict | None, response: WireResponse | None = None) -> Answer:
        return Answer(
            exchange_id=self.exchange_id,
            stamp=self.stamp,
            attempt_ids=self.attempt_ids,
            response=response,
            verdict=verdict,
            closing=closing,
        )


def kept_back(stamp: Stamp, code: str, reason: str, stop: Stop | None = None) -> Answer:
    """Nothing was written down or sent; whoever cannot simply wait may try again later."""
    verdict = Verdict(event=Event.RETRY, code=code, reason=reason)
    return Answer(exchange_id=0, stamp=stamp, verdict=verdict, stop=stop)


def of_login(verdict: Verdict) -> Verdict:
    """A login that failed concerns no record: what does not pass by itself holds the platform."""
    if verdict.event in (Event.RETRY, Event.HOLD):
        return verdict
    return replace(verdict, event=Event.HOLD, reason=f"the login failed: {verdict.reason}" if verdict.reason else "")


@dataclass(frozen=True, kw_only=True)
class Message:
    """Deliveries that travel in one request."""

    kind: RecordKind
    carries: tuple[Claimed, ...]
    payloads: tuple[Payload, ...]
    message_id: str | None


def messages(
    info: ConnectorInfo, good: Sequence[tuple[Claimed, Payload]], *, most: Callable[[Payload], int] | None = None
) -> Iterator[Message]:
    """Group deliveries into requests.

    most: how many payloads may share a request with one like this, where they differ in that

    A message whose outcome is unknown is sent again whole and under its old id, so that the platform can recognise it;
    where some of its deliveries are missing by now, the rest travels as new ones. What is new to the platform and
    what changes something there never share a request, because the platform may have a call for each. Deliveries of a
    message that was refused as a whole travel in ever smaller ones.
    """
    again: dict[tuple[RecordKind, str], list[tuple[Claimed, Payload]]] = {}
    fresh: dict[RecordKind, list[tuple[Claimed, Payload]]] = {}
    for item, payload in good:
        if item.message_id is not None:
            again.setdefault((payload.kind, item.message_id), []).append((item, payload))
        else:
            fresh.setdefault(payload.kind, []).append((item, payload))
    for (kind, message_id), group in again.items():
        if len(group) == group[0][0].message_size:
            yield _message(kind, group, message_id)
        else:
            fresh.setdefault(kind, []).extend(group)
    for kind, replaces in itertools.product(RecordKind, (False, True)):
        alike: dict[int, list[tuple[Claimed, Payload]]] = {}
        for item, payload in fresh.get(kind, []):
            if payload.replaces is replaces:
                largest = min(info.kinds[kind].batch_max, most(payload) if most else info.kinds[kind].batch_max)
                alike.setdefault(min(item.message_limit or largest, largest), []).append((item, payload))
        for size, group in alike.items():
            for start in range(0, len(group), size):
                yield _message(kind, group[start : start + size], None)


def _message(kind: RecordKind, group: Sequence[tuple[Claimed, Payload]], message_id: str | None) -> Message:
    ordered = sorted(group, key=lambda pair: pair[0].id)
    return Message(
        kind=kind,
        carries=tuple(c for c, _ in ordered),
        payloads=tuple(p for _, p in ordered),
        message_id=message_id,
    )
