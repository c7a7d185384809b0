"""One door to a platform: every request is written down before it leaves and its answer before it is used.

Push, polls, look-ups, feedback, reconciliation, health calls and logins all go through ``Exchanger``; nothing else
owns a sender.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Concatenate, ParamSpec, TypeVar

from gateway.codec.redact import redact
from gateway.codec.replies import answered, judge_failure, judge_reply
from gateway.contract.connector import TOKEN_REFUSED, Connector, ConnectorInfo, NeedsToken
from gateway.contract.messages import Payload, Stamp, Token, Verdict, WireRequest
from gateway.domain.crashpoints import Point
from gateway.domain.delivery import Event
from gateway.domain.errors import NotSent, TransportFailure
from gateway.domain.traffic import KEPT_BACK, OURS, Stop
from gateway.service.edge import Answer, Edge
from gateway.service.gate import Gate
from gateway.store import control, exchanges, traffic
from gateway.store.engine import Connection
from gateway.store.exchanges import Closing, Conclusion, Opening
from gateway.store.ledger import Claimed
from gateway.store.thread import GroupCommit, StoreThread
from gateway.store.traffic import Opened
from gateway.store.verdicts import keepable
from gateway.transport.sender import Sender

__all__ = ["Answer", "Edge", "Exchanger"]

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")
"""type of what the store gives back"""


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

        self.gate = Gate(connector, thread, edge)
        lane = self.gate.lane

        def open_all(c: Connection, items: Sequence[Opening]) -> list[Opened | Stop]:
            opened = traffic.open_allowed(c, vault, items, lane, edge.now())
            edge.reach(Point.BEFORE_OPEN)
            return opened

        def conclude_all(c: Connection, items: Sequence[Conclusion]) -> list[tuple[bool, ...]]:
            closings = [item.closing for item in items]
            self.gate.heard(closings, traffic.hear(c, lane, closings, edge.now()))
            applied = exchanges.conclude(c, vault, items, platform)
            edge.reach(Point.BEFORE_SETTLE)
            return applied

        self._open: GroupCommit[Opening, Opened | Stop] = GroupCommit(thread, open_all)
        self._conclude: GroupCommit[Conclusion, tuple[bool, ...]] = GroupCommit(thread, conclude_all)

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

    async def write(
        self,
        around: tuple[Point, Point],
        work: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run store work in one transaction of its own, with the crash points before and after its commit."""

        def reaching(connection: Connection) -> T:
            done = work(connection, *args, **kwargs)
            self.edge.reach(around[0])
            return done

        done = await self.thread.write(reaching)
        self.edge.reach(around[1])
        return done

    async def conclude(self, conclusion: Conclusion) -> tuple[bool, ...]:
        """Close an exchange and settle what it carried; returns after the commit."""
        applied = await self._conclude(conclusion)
        self.edge.reach(Point.AFTER_SETTLE)
        return applied

    async def ask(
        self,
        purpose: str,
        encode: Callable[[Stamp], WireRequest],
        *,
        previous: Token | None = None,
        anyway: bool = False,
    ) -> Answer:
        """Send one request that carries no delivery, and close its exchange; a login renews ``previous``.

        With ``anyway`` a person asks how the platform is: a pause or an open breaker does not stop it.
        """
        answer = await self.exchange(purpose, encode, replay_safe=True, previous=previous, anyway=anyway)
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
        anyway: bool = False,
    ) -> Answer:
        """Send one request; the caller concludes ``answer.closing`` together with what follows from it.

        Order: slot of the shared budget, login, encode, commit, first byte. Where something stands in the way, nothing
        is written down and ``answer.stop`` says what; a short wish of the platform is waited out.
        """
        while True:
            slot = await self.gate.slot()
            stamp = replace(self._stamp(message_id), token=previous)
            if isinstance(self.connector, NeedsToken) and purpose != "login":
                token = await self._token_for(self.connector, anyway=anyway)
                if not isinstance(token, Token):
                    return replace(token, stamp=stamp)
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
                lease_until=self.edge.now() + self.gate.lease if carries else None,
                payloads=tuple(payloads),
                spec_version=self.info.spec_version,
                anyway=anyway,
            )
            opened = await self._open(opening)
            if not isinstance(opened, Stop) or not await self.gate.waited_out(opened):
                break
        if isinstance(opened, Stop):
            return _kept_back(stamp, opened.code, opened.reason, stop=opened)
        exchange_id, attempt_ids = opened
        if not exchange_id:
            return _kept_back(stamp, "lease_lost", "another worker holds a delivery of this message")
        self.edge.reach(Point.AFTER_OPEN)
        answer = Answer(exchange_id=exchange_id, stamp=stamp, attempt_ids=tuple(attempt_ids))
        answer = await self._send(request, answer, opening, slot, replay_safe=replay_safe)
        self.edge.reach(Point.AFTER_SEND)
        return answer

    async def _send(
        self, request: WireRequest, opened: Answer, opening: Opening, slot: datetime | None, *, replay_safe: bool
    ) -> Answer:
        async with self._connections:
            answer = await self._on_the_wire(request, opened, opening, slot, replay_safe=replay_safe)
            assert answer.closing is not None
            self.gate.noticed(answer.closing)
        return answer

    async def _on_the_wire(
        self, request: WireRequest, opened: Answer, opening: Opening, slot: datetime | None, *, replay_safe: bool
    ) -> Answer:
        exchange_id = opened.exchange_id
        try:
            if self._blocked:
                raise NotSent(KEPT_BACK, "the platform was held while this message waited for a connection")
            await self.gate.in_time(opening, slot)
            response = await self._sender.send(request)
        except TransportFailure as failure:
            log.info("no answer", extra={"exchange": exchange_id, "platform": self.platform, "code": failure.code})
            closing = Closing(
                exchange_id=exchange_id,
                closed_at=self.edge.now(),
                failure=failure.code,
                code=failure.code,
                answered=None if failure.code in OURS else False,
            )
            return replace(opened, verdict=judge_failure(failure, replay_safe=replay_safe), closing=closing)
        now = self.edge.now()
        verdict = judge_reply(response, self.info, replay_safe=replay_safe, now=now)
        closing = Closing(
            exchange_id=exchange_id,
            closed_at=now,
            status=response.status,
            body=response.body,
            keep_body=opening.purpose != "login",
            answered=answered(response, verdict),
            code="" if verdict is None else verdict.code,
            wish=None if verdict is None else self.gate.wish([verdict]),
        )
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

    async def _token_for(self, connector: NeedsToken, *, anyway: bool) -> Token | Answer:
        async with self._login:
            now = self.edge.now()
            held = self._tokens.get(self.platform)
            if held is not None and now < held.renew_at:
                return held
            previous = held if held is not None and now < held.expires_at else None
            answer = await self.ask(
                "login", lambda stamp: connector.encode_login(previous, stamp), previous=previous, anyway=anyway
            )
            if answer.verdict is not None:
                return Answer(exchange_id=0, stamp=answer.stamp, verdict=answer.verdict, stop=answer.stop)
            assert answer.response is not None
            token = connector.decode_login(answer.response, answer.stamp)
            if isinstance(token, Token):
                self._tokens[self.platform] = token
                return token
            if token.event is Event.HOLD:
                await self.hold(token)
            return Answer(exchange_id=0, stamp=answer.stamp, verdict=token)

    def _stamp(self, message_id: str | None) -> Stamp:
        return Stamp(message_id=message_id or self.edge.new_id(), now=self.edge.now(), nonce=self.edge.random_bytes(16))


def _kept_back(stamp: Stamp, code: str, reason: str, stop: Stop | None = None) -> Answer:
    """Nothing was written down or sent; whoever cannot simply wait may try again later."""
    verdict = Verdict(event=Event.RETRY, code=code, reason=reason)
    return Answer(exchange_id=0, stamp=stamp, verdict=verdict, stop=stop)
