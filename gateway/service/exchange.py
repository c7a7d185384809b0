"""One door to a platform: every request is written down before it leaves and its answer before it is used.

Push, polls, look-ups, feedback, reconciliation, health calls and logins all go through ``Exchanger``; nothing else
owns a sender.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

from gateway.codec.redact import redact
from gateway.codec.replies import judge_failure, judge_reply
from gateway.contract.connector import TOKEN_REFUSED, Connector, ConnectorInfo, NeedsToken
from gateway.contract.messages import Payload, Stamp, Token, Verdict, WireRequest, WireResponse
from gateway.domain.delivery import Event
from gateway.domain.errors import NotSent, TransportFailure
from gateway.store import control, exchanges
from gateway.store.control import Pause
from gateway.store.exchanges import Closing, Conclusion, Opening
from gateway.store.ledger import Claimed
from gateway.store.thread import GroupCommit, StoreThread
from gateway.store.verdicts import keepable
from gateway.transport.sender import Sender

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")
"""type of what the store gives back"""

_LEASE_MARGIN = timedelta(minutes=1)
"""how long after an exchange's deadline its outcome may take to be settled"""


@dataclass(frozen=True, kw_only=True)
class Edge:
    """What varies from call to call, drawn at the edge: clock, random numbers, identifiers, waiting."""

    now: Callable[[], datetime]
    new_id: Callable[[], str]
    """a fresh ULID"""
    random_bytes: Callable[[int], bytes]
    draw: Callable[[], float]
    """a number in [0, 1)"""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of one request. ``verdict`` is set where no usable answer came; then nothing is to be decoded."""

    exchange_id: int
    stamp: Stamp
    attempt_ids: tuple[int, ...] = ()
    response: WireResponse | None = field(default=None, repr=False)
    verdict: Verdict | None = None
    closing: Closing | None = None


class Exchanger:
    """Talks to one platform through its connector. ``tokens`` outlives it, so that not every task logs in anew."""

    def __init__(
        self,
        connector: Connector,
        sender: Sender,
        thread: StoreThread,
        edge: Edge,
        tokens: MutableMapping[str, Token] | None = None,
    ) -> None:
        self.connector = connector
        self.thread = thread
        self.edge = edge
        self._sender = sender
        self._tokens: MutableMapping[str, Token] = {} if tokens is None else tokens
        self._login = asyncio.Lock()
        self._connections = asyncio.Semaphore(connector.endpoint.pace.connections)
        vault, platform = thread.store.vault, connector.info.platform
        self._blocked = False
        self._open: GroupCommit[Opening, tuple[int, list[int]]] = GroupCommit(
            thread, lambda c, items: exchanges.open_exchanges(c, vault, items)
        )
        self.conclude: GroupCommit[Conclusion, tuple[bool, ...]] = GroupCommit(
            thread, lambda c, items: exchanges.conclude(c, vault, items, platform)
        )

    @property
    def info(self) -> ConnectorInfo:
        """The connector's data."""
        return self.connector.info

    @property
    def platform(self) -> str:
        """The platform's name."""
        return self.connector.info.platform

    async def in_store(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run synchronous store work that opens its own transactions in the store's thread."""
        return await self.thread.run(work, *args, **kwargs)

    async def paused(self) -> Pause | None:
        """The pause in force, if any."""
        return await self.thread.read(control.pause_of, self.platform, self.edge.now())

    async def ask(
        self, purpose: str, encode: Callable[[Stamp], WireRequest], *, previous: Token | None = None
    ) -> Answer:
        """Send one request that carries no delivery, and close its exchange; a login renews ``previous``."""
        answer = await self.exchange(purpose, encode, replay_safe=True, previous=previous)
        if answer.closing is not None:
            await self.conclude(Conclusion(closing=answer.closing))
        if answer.verdict is not None and answer.verdict.event is Event.HOLD:
            await self.hold(answer.verdict)
        return answer

    async def exchange(
        self,
        purpose: str,
        encode: Callable[[Stamp], WireRequest],
        *,
        replay_safe: bool,
        message_id: str | None = None,
        carries: Sequence[Claimed] = (),
        payloads: Sequence[Payload] = (),
        previous: Token | None = None,
    ) -> Answer:
        """Send one request; the caller concludes ``answer.closing`` together with what follows from it.

        Order: slot of the shared budget, login, encode, commit, first byte.
        """
        await self._wait_for_slot()
        stamp = replace(self._stamp(message_id), token=previous)
        if isinstance(self.connector, NeedsToken) and purpose != "login":
            token = await self._token_for(self.connector)
            if isinstance(token, Verdict):
                return Answer(exchange_id=0, stamp=stamp, verdict=token)
            stamp = replace(self._stamp(stamp.message_id), token=token)
        request = encode(stamp)
        opening = Opening(
            platform=self.platform,
            purpose=purpose,
            operation=request.operation,
            message_id=stamp.message_id,
            at=self.edge.now(),
            body=None if purpose == "login" else request.body,
            digest=exchanges.digest(request.body),
            carries=tuple(carries),
            lease_until=self.edge.now() + self.connector.endpoint.deadline + _LEASE_MARGIN if carries else None,
            payloads=tuple(payloads),
            spec_version=self.info.spec_version,
        )
        exchange_id, attempt_ids = await self._open(opening)
        if not exchange_id:
            lost = Verdict(
                event=Event.RETRY, code="lease_lost", reason="another worker holds a delivery of this message"
            )
            return Answer(exchange_id=0, stamp=stamp, verdict=lost)
        opened = Answer(exchange_id=exchange_id, stamp=stamp, attempt_ids=tuple(attempt_ids))
        return await self._send(request, opened, replay_safe=replay_safe, keep_body=purpose != "login")

    async def _send(self, request: WireRequest, opened: Answer, *, replay_safe: bool, keep_body: bool) -> Answer:
        exchange_id = opened.exchange_id
        try:
            async with self._connections:
                if self._blocked:
                    raise NotSent("held", "the platform was held while this message waited for a connection")
                response = await self._sender.send(request)
        except TransportFailure as failure:
            log.info("no answer", extra={"exchange": exchange_id, "platform": self.platform, "code": failure.code})
            closing = Closing(exchange_id=exchange_id, closed_at=self.edge.now(), failure=failure.code)
            return replace(opened, verdict=judge_failure(failure, replay_safe=replay_safe), closing=closing)
        now = self.edge.now()
        closing = Closing(
            exchange_id=exchange_id, closed_at=now, status=response.status, body=response.body, keep_body=keep_body
        )
        verdict = judge_reply(response, self.info, replay_safe=replay_safe, now=now)
        return replace(opened, response=response, verdict=verdict, closing=closing)

    async def hold(self, verdict: Verdict) -> None:
        """Pause the platform because a precondition failed; a person resumes it."""
        log.warning("platform held", extra={"platform": self.platform, "code": verdict.code})
        self._tokens.pop(self.platform, None)
        await self.thread.write(
            control.pause,
            self.platform,
            code=keepable(verdict.code, 80),
            reason=keepable(redact(verdict.reason)),
            by="gateway",
            now=self.edge.now(),
        )

    def block(self) -> None:
        """Let nothing more leave through this door: an answer has just said that the platform must be held."""
        self._blocked = True

    def forget_token(self, verdict: Verdict) -> None:
        """Log in again before the next request, where the platform refused the token."""
        if verdict.code == TOKEN_REFUSED:
            self._tokens.pop(self.platform, None)

    async def _wait_for_slot(self) -> None:
        interval = self.connector.endpoint.pace.interval
        if interval <= timedelta():
            return
        now = self.edge.now()
        slot = await self.thread.write(control.take_slot, self.platform, interval, now)
        if slot > now:
            await self.edge.sleep((slot - now).total_seconds())

    async def _token_for(self, connector: NeedsToken) -> Token | Verdict:
        async with self._login:
            now = self.edge.now()
            held = self._tokens.get(self.platform)
            if held is not None and now < held.renew_at:
                return held
            previous = held if held is not None and now < held.expires_at else None
            answer = await self.ask("login", lambda stamp: connector.encode_login(previous, stamp), previous=previous)
            if answer.verdict is not None:
                return answer.verdict
            assert answer.response is not None
            token = connector.decode_login(answer.response, answer.stamp)
            if isinstance(token, Token):
                self._tokens[self.platform] = token
            elif token.event is Event.HOLD:
                await self.hold(token)
            return token

    def _stamp(self, message_id: str | None) -> Stamp:
        return Stamp(message_id=message_id or self.edge.new_id(), now=self.edge.now(), nonce=self.edge.random_bytes(16))
