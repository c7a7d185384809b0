"""The methods of a connector. It turns values into bytes and bytes into values, and does nothing else.

A connector performs no input or output, reads no clock and draws no random number; what varies comes in a ``Stamp``.
One exception: a library that signs or encrypts may draw the secret number of a scheme such as SM2, ECDSA or RSA-PSS
itself, because a number drawn badly gives the key away. Such a signature, and what contains it, differs each time; all
else of a request is the same, and nothing may be known again by it.
The required part is ``Connector``; each further ability is a Protocol of its own, found by ``isinstance``.

The core judges the outer shape of a reply first (transport, status, media type, emptiness: ``gateway.codec.replies``),
so ``decode_*`` sees only replies in the platform's own form. It must be total all the same: any bytes give verdicts,
and only a positive match with the request at hand is a success.

What a credit platform may do beyond ``GivesFeedback`` (records by id, daily books, decisions, objections) stands in
``gateway.contract.credit``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

from gateway.contract.handover import HandOver
from gateway.contract.messages import (
    Draft,
    FeedbackPage,
    FindingAck,
    Health,
    Holding,
    HoldingsPage,
    Payload,
    Problems,
    Stamp,
    Token,
    Verdict,
    WireRequest,
    WireResponse,
)
from gateway.domain.promises import Promises
from gateway.domain.records import RecordKind, Submission
from gateway.domain.traffic import Traffic, Waits


class HoldingsBy(StrEnum):
    """How a platform's holdings can be read."""

    PAGE = "page"
    RECORD = "record"


@dataclass(frozen=True, kw_only=True, slots=True)
class KindInfo:
    """What a platform takes of one record kind.

    batch_max:    most payloads in one request
    replay_safe:  sending the same payload twice cannot create anything twice (the platform deduplicates for ever)
    after:        kinds of the same person that the platform must have accepted first
    by_project:   the platform registers the kind within a project: only records that name one are owed, and the same
                  record in another project is new there (``replaces`` is about one project)
    """

    batch_max: int
    replay_safe: bool
    after: tuple[RecordKind, ...] = ()
    by_project: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectorInfo:
    """Data about a platform. Every number is a setting of the connector with the specification's value as default.

    kinds:              a kind that is missing here is not owed to this platform; ``declined`` says why
    reply_media_types:  media types in which the platform's own answers come (``text/xml``); anything else is no answer
    reply_statuses:     statuses whose body is the platform's own answer; others are judged by status alone
    retry:              waits between pushes after a refusal that may pass
    polls:              waits before fetching a result by receipt, from the receipt on
    lookups:            waits before asking about a push in doubt, from the doubt on (the settling time comes first)
    negative_lookups:   how often "not there" must be heard before sending again
    """

    platform: str
    title_zh: str
    """official name of the platform"""
    spec_version: str
    """document and version that the connector follows; kept with every exchange"""
    kinds: Mapping[RecordKind, KindInfo]
    reply_media_types: frozenset[str]
    reply_statuses: frozenset[int]
    retry: Waits
    polls: Waits
    lookups: Waits
    negative_lookups: int = 2
    holdings_by: HoldingsBy | None = None
    """how ``ListsHoldings`` reads the platform's side; None where it cannot be read"""
    short_zh: str = ""
    """the title in four or so letters, for tables; empty: the whole one"""
    code_words: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """the platform's own codes in its words, Chinese and English"""
    code_acts: Mapping[str, str] = field(default_factory=dict)
    """the platform's own code -> what a person does about it; settings by their bare name (``APP_SECRET``)"""
    declined: Mapping[RecordKind, str] = field(default_factory=dict)
    """kind -> why the platform is not owed it; of a kind taken by project, why it is not owed the rest"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """The traffic a platform allows: at least ``interval`` between two requests, at most ``connections`` at once,
    over all workers."""

    interval: timedelta
    connections: int


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, kw_only=True)
class Tls:
    """How far encryption may be weakened for one old peer; it weakens no other."""

    minimum: str = "1.2"
    """oldest version of the protocol: 1.0, 1.1, 1.2 or 1.3"""
    ciphers: str | None = None
    """in OpenSSL's words, beside or instead of the usual ones"""
    legacy_renegotiation: bool = False
    """whether a peer without secure renegotiation (RFC 5746) is spoken to"""

    @property
    def is_weakened(self) -> bool:
        """Whether anything is weaker than usual."""
        return self.minimum in ("1.0", "1.1") or self.ciphers is not None or self.legacy_renegotiation


@dataclass(frozen=True, kw_only=True, slots=True)
class Paging:
    """The most requests, and bytes of answers, that one run over a platform's pages may take."""

    requests: int = 100_000
    size: int = 8 * 1024**3
    """bytes of answers"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Where and how the core reaches the platform. ``deadline`` bounds a whole exchange.

    base_url:  HTTP address; of a platform that is handed things over, how its place is shown to people
    hand_over: folders or database of a platform that has no interface (``gateway.contract.handover``); without it
               requests travel over HTTP, and what follows the deadline is about HTTP alone
    """

    base_url: str
    pace: Pace
    """the traffic allowed, over all workers"""
    connect_timeout: timedelta = timedelta(seconds=5)
    """until a connection stands, TLS included"""
    deadline: timedelta = timedelta(seconds=30)
    verify: bool | str = True
    """a path names a CA bundle; False is refused"""
    client_certificate: str | None = None
    """path of a PEM file, for a peer that asks for one"""
    client_key: str | None = None
    """path of its key, unencrypted"""
    proxy: str | None = None
    """address of an HTTP proxy"""
    tls: Tls = field(default_factory=Tls)
    """how far encryption may be weakened"""
    traffic: Traffic = field(default_factory=Traffic)
    """budget, maintenance windows and circuit breaker; the core keeps to them"""
    paging: Paging = field(default_factory=Paging)
    """where a run over pages ends and says so"""
    promises: Promises = field(default_factory=Promises)
    """when answers are due, theirs and ours"""
    hand_over: HandOver | None = None

    @property
    def in_clear(self) -> bool:
        """Whether what is sent can be read on its way."""
        parts = urlsplit(self.base_url)
        return parts.scheme == "http" and not is_loopback(parts.hostname or "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """A connector's ``info`` and ``endpoint`` with its settings, for whoever sends nothing and need not load it."""

    info: ConnectorInfo
    endpoint: Endpoint
    gives_feedback: bool = False
    """whether it is a ``GivesFeedback``"""


class Connector(Protocol):
    """Required of every platform."""

    @property
    def info(self) -> ConnectorInfo:
        """What the platform takes and how it is dealt with; the same for the life of the process."""
        ...

    @property
    def endpoint(self) -> Endpoint:
        """Where it is reached, and how fast."""
        ...

    def map(self, submission: Submission, /) -> Draft:
        """Write the record in the platform's words. Total: never raises, leaves blank rather than guesses."""
        ...

    def check(self, submission: Submission, draft: Draft, /) -> Payload | Problems:
        """Report all problems at once, or return what may be sent."""
        ...

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        """Build and sign one request for payloads of one kind.

        Deterministic: same input, same bytes, but for signatures that cannot be (see the module).
        """
        ...

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        """Give one verdict for each payload, in their order."""
        ...


@runtime_checkable
class PollsAcks(Protocol):
    """The platform answers a push with a receipt and processes it later."""

    def encode_ack(self, receipt: str, stamp: Stamp, /) -> WireRequest:
        """Ask what became of the push that gave ``receipt``; called by the plan ``info.polls``."""
        ...

    def decode_ack(
        self, response: WireResponse, receipt: str, payloads: Sequence[Payload], stamp: Stamp, /
    ) -> Sequence[Verdict]:
        """One verdict for each payload behind the receipt. ``pending`` keeps polling (its receipt may be left out);
        ``not_found`` means the platform does not know the receipt."""
        ...


@runtime_checkable
class LooksUp(Protocol):
    """The platform can be asked whether a record arrived."""

    def encode_lookup(self, payload: Payload, stamp: Stamp, /) -> WireRequest:
        """Ask for one record; called while its push is in doubt, by the plan ``info.lookups``."""
        ...

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        """``accepted``: there and ours; ``conflict``: there and different, with the fields named; ``not_found``."""
        ...


@runtime_checkable
class PagesLookups(Protocol):
    """A look-up may need several pages; ``decode_lookup`` then names the next one in its verdict (``next_page``)."""

    def encode_lookup_page(self, payload: Payload, page: str, stamp: Stamp, /) -> WireRequest:
        """Ask for the page that the verdict before named; ``decode_lookup`` reads it."""
        ...


@runtime_checkable
class ListsHoldings(Protocol):
    """The platform's side can be read for reconciliation, by page or record by record (``info.holdings_by``)."""

    def expected(self, payload: Payload, /) -> Holding:
        """What the platform should hold once this payload is accepted."""
        ...

    def encode_holdings(self, cursor: str | None, payload: Payload | None, stamp: Stamp, /) -> WireRequest:
        """By page: ``cursor`` of the page before, payload None. By record: the payload asked about."""
        ...

    def decode_holdings(
        self, response: WireResponse, payload: Payload | None, stamp: Stamp, /
    ) -> HoldingsPage | Verdict:
        """A page (empty where the platform says it holds nothing), or the verdict that stopped it."""
        ...


@runtime_checkable
class ListsParts(Protocol):
    """Some holdings are listed in parts (one for each project), the others are asked about record by record.

    Used with ``ListsHoldings`` and ``HoldingsBy.RECORD``. A part's first cursor is its name; ``encode_holdings`` gets
    its cursors without a payload.
    """

    def part_of(self, payload: Payload, /) -> str | None:
        """The part that would show this payload; None where it is asked about by itself."""
        ...

    def parts(self) -> Sequence[str]:
        """Parts to be read whether or not anything of ours is expected there."""
        ...

    def decode_part(self, response: WireResponse, cursor: str, stamp: Stamp, /) -> HoldingsPage | Verdict:
        """A page of the part that ``cursor`` is in, or the verdict that stopped it."""
        ...


@runtime_checkable
class VerifiesUnowed(Protocol):
    """What the platform cannot be sent may be there all the same, and can be asked about record by record."""

    def verifies(self) -> frozenset[RecordKind]:
        """Kinds of which records that are not owed are asked about at a reconciliation."""
        ...

    def verifiable(self, submission: Submission, /) -> Payload | None:
        """What to ask about a record the platform is not owed; None where it cannot be asked about."""
        ...


@runtime_checkable
class GivesFeedback(Protocol):
    """The platform gives credit events with a cursor and wants to hear what became of them."""

    def encode_feedback(self, cursor: str | None, stamp: Stamp, /) -> WireRequest:
        """Ask for what follows the cursor of the page before; None begins the feed."""
        ...

    def decode_feedback(self, response: WireResponse, stamp: Stamp, /) -> FeedbackPage | Verdict:
        """A page, unreadable events marked by a flaw; ``not_found`` and ``cursor_expired`` for too old a cursor."""
        ...

    def encode_feedback_acks(self, acks: Sequence[FindingAck], stamp: Stamp, /) -> WireRequest:
        """Tell the platform what became of events of its feed."""
        ...

    def decode_feedback_acks(self, response: WireResponse, acks: Sequence[FindingAck], stamp: Stamp, /) -> Verdict:
        """``accepted`` where it has them all; after anything but that they are told again."""
        ...


@runtime_checkable
class NeedsToken(Protocol):
    """Calls carry a login that expires; the sender asks for a new one at ``renew_at`` and after a refused one."""

    def encode_login(self, previous: Token | None, stamp: Stamp, /) -> WireRequest:
        """Ask for a login, or renew ``previous`` where the platform can; the stamp holds no token."""
        ...

    def decode_login(self, response: WireResponse, stamp: Stamp, /) -> Token | Verdict:
        """The token with its times, or why there is none (``hold`` where a person has to act)."""
        ...


@runtime_checkable
class ProbesHealth(Protocol):
    """The platform has a call that tells whether address, credentials and clock are right."""

    def encode_health(self, stamp: Stamp, /) -> WireRequest:
        """The harmless question; nothing there may change by it."""
        ...

    def decode_health(self, response: WireResponse, stamp: Stamp, /) -> Health:
        """``ok`` for the answer that was asked for alone; ``detail`` says in words what is wrong, without a secret."""
        ...


@runtime_checkable
class SizesMessages(Protocol):
    """How many payloads one request holds depends on what they carry."""

    def most_together(self, payload: Payload, /) -> int:
        """The most that may share a request with others like this one; ``batch_max`` of its kind bounds it."""
        ...


@runtime_checkable
class NumbersMessages(Protocol):
    """Requests carry a number of the platform's form, by which its people speak of a message."""

    def message_number(self, message_id: str, /) -> str:
        """The number that a message of this id carries."""
        ...

    def message_made(self, number: str, /) -> datetime | None:
        """When a message of this number was made, to the second; None for a text that is no such number."""
        ...


@runtime_checkable
class PublishesContract(Protocol):
    """The connector was written for a WSDL with schemas, so that what the platform publishes now can be compared."""

    def contract_files(self) -> Mapping[str, bytes]:
        """Name -> bytes, the WSDL first; the other names are the locations by which the documents name each other."""
        ...


TOKEN_REFUSED = "token_refused"  # noqa: S105 - a verdict code, not a secret
"""Verdict code with event ``retry``: the token was refused; the core logs in again before the next try."""
