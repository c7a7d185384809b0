"""One door to a platform: every request is written down before it leaves and its answer before it is used.

Push, polls, look-ups, feedback, reconciliation, health calls and logins all go through ``Exchanger``; nothing else
owns a carrier.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Concatenate, ParamSpec, TypeVar

from gateway import tracing
from gateway.codec.redact import clean
from gateway.codec.replies import judge_reply
from gateway.contract.connector import TOKEN_REFUSED, Connector, ConnectorInfo, LooksUp, NeedsToken
from gateway.contract.messages import Payload, Stamp, Token, Verdict, WireRequest, WireResponse
from gateway.delivery.commits import Commits, Ended
from gateway.delivery.connector_guard import fault_verdict, guarded
from gateway.delivery.rules import work as delivery_work
from gateway.delivery.rules.paging import PageProgress
from gateway.delivery.rules.work import Answer, Claimed, Conclusion, Opening, Settlement, kept_back, of_login, storable
from gateway.delivery.seats import Seats
from gateway.delivery.store import ledger, platforms
from gateway.delivery.store import settlement as delivery_settlement
from gateway.delivery.store.platforms import MOST_BROKEN, Opened
from gateway.delivery.store.seats import Door
from gateway.delivery.system import CrashPoint, System
from gateway.delivery.traffic_guard import TrafficGuard
from gateway.domain.errors import ConnectorFault, NotSent, TransportFailure
from gateway.domain.states import Event
from gateway.domain.traffic import KEPT_BACK, Stop
from gateway.store.engine import Connection
from gateway.store.scope import Scope
from gateway.store.thread import StoreThread
from gateway.store.vault import random_bytes
from gateway.transport.carrier import Carrier

__all__ = ["Answer", "Exchanger", "System"]

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")
"""type of what the store gives back"""
Slot = datetime | None
_LARGE = 16 * 1024
"""bytes of an answer that are decoded in a few milliseconds"""
Concluding = asyncio.Future[Ended]


class Exchanger:
    """Talks to one platform through its connector. ``tokens`` outlives it, so that not every task logs in anew."""

    def __init__(
        self,
        connector: Connector,
        carrier: Carrier,
        thread: StoreThread,
        edge: System,
        tokens: MutableMapping[str, Token] | None = None,
    ) -> None:
        self.connector = connector = guarded(connector)
        self.thread = thread
        self.edge = edge
        self._carrier = carrier
        self._tokens: MutableMapping[str, Token] = {} if tokens is None else tokens
        self._login = asyncio.Lock()
        platform = connector.info.platform
        self._blocked = False
        self._broken = 0
        self.gate = TrafficGuard(connector, thread, edge)
        # not drawn at the edge: two doors that draw alike are still two
        door = Door(platform=platform, key=random_bytes(13).hex(), most=self.gate.connections, lease=self.gate.lease)
        self.seats = seats = Seats(door, connector.endpoint.deadline, thread, edge)
        self._commits = Commits(platform, self.gate, seats, thread, edge)
        self._needs_token = connector if isinstance(connector, NeedsToken) else None
        self.can_ask = isinstance(connector, LooksUp)

    @cached_property
    def info(self) -> ConnectorInfo:
        """The connector's data."""
        return self.connector.info

    @cached_property
    def platform(self) -> str:
        """The platform's name."""
        return self.connector.info.platform

    def progress(self, cursor: str | None) -> PageProgress:
        """Of a run over pages that begins at a cursor."""
        made = PageProgress(bounds=self.connector.endpoint.paging)
        made.begin(cursor)
        return made

    async def decoded(self, response: WireResponse, decode: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Decode an answer; a large one beside the event loop, which has other requests to carry meanwhile."""
        if len(response.body) < _LARGE:
            return decode(*args, **kwargs)
        return await asyncio.to_thread(decode, *args, **kwargs)

    async def transact(self, work: Callable[Concatenate[Scope, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``work(scope, …)`` for this platform in one transaction of its own; returns after the commit."""

        def run(connection: Connection) -> T:
            return work(self._scope(connection), *args, **kwargs)

        return await self.thread.write(run)

    async def query(self, work: Callable[Concatenate[Scope, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``work(scope, …)`` for this platform on a snapshot."""

        def run(connection: Connection) -> T:
            return work(self._scope(connection), *args, **kwargs)

        return await self.thread.read(run)

    def _scope(self, connection: Connection) -> Scope:
        return Scope(connection=connection, vault=self.thread.store.vault, platform=self.platform, at=self.edge.now())

    async def write(
        self,
        around: tuple[CrashPoint, CrashPoint],
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
        return await self.concluded(self.concluding(conclusion))

    def concluding(self, conclusion: Conclusion) -> Concluding:
        """Hand in the end of an exchange; what is opened after this is never committed before it."""
        self.seats.end(conclusion.closing.exchange_id)
        concluding = self._commits.conclude(conclusion)
        concluding.add_done_callback(self._counted)
        return concluding

    def _counted(self, concluding: Concluding) -> None:
        if not concluding.cancelled() and concluding.exception() is None:
            self.seats.apply(concluding.result()[1])

    async def concluded(self, concluding: Concluding) -> tuple[bool, ...]:
        """Wait for its commit."""
        applied, _ = await concluding
        self.edge.reach(CrashPoint.AFTER_SETTLE)
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
        about: str | None = None,
    ) -> Answer:
        """Send one request; the caller concludes ``answer.closing`` together with what follows from it.

        Order: slot of the shared budget, login, encode, commit, first byte. Where something stands in the way, nothing
        is written down and ``answer.stop`` says what; a short wish of the platform is waited out.
        """
        while True:
            slot = await self.gate.slot()
            stamp = self._stamp(message_id, previous, about)
            if self._needs_token is not None and purpose != "login":
                token = await self._token_for(self._needs_token, anyway=anyway)
                if not isinstance(token, Token):
                    return replace(token, stamp=stamp)
                stamp = self._stamp(stamp.message_id, token, about)
            try:
                request = encode(stamp)
            except ConnectorFault as fault:
                # nothing was written down; of what travels together one may be to blame, which halves find out
                return Answer(exchange_id=0, stamp=stamp, verdict=fault_verdict(fault, split=purpose == "push"))
            opening = Opening(
                platform=self.platform,
                purpose=purpose,
                operation=request.operation,
                message_id=stamp.message_id,
                at=stamp.now,
                body=None if purpose == "login" else request.body,
                digest=delivery_work.digest(request.body),
                carries=tuple(carries),
                lease_until=self.edge.now() + self.gate.lease if carries else None,
                payloads=tuple(payloads),
                spec_version=self.info.spec_version,
                anyway=anyway,
                nonce=stamp.nonce,
                proof={} if stamp.token is None else stamp.token.proof,
            )
            opened = await self._opened(opening)
            if opened is not None:
                break
        if isinstance(opened, Stop):
            return kept_back(stamp, opened.code, opened.reason, stop=opened)
        exchange_id, attempt_ids = opened
        if not exchange_id:
            return kept_back(stamp, "lease_lost", "another worker holds a delivery of this message")
        self.edge.reach(CrashPoint.AFTER_OPEN)
        answer = Answer(exchange_id=exchange_id, stamp=stamp, attempt_ids=tuple(attempt_ids))
        answer = await self._send(request, answer, opening, slot, replay_safe=replay_safe)
        self.edge.reach(CrashPoint.AFTER_SEND)
        return answer

    async def _opened(self, opening: Opening) -> Opened | Stop | None:
        """Write it down; None where something stood in the way for a moment only, and it is to be tried anew."""
        self.seats.begin(opening.message_id)
        exchange_id = 0
        try:
            opened, counted = await self._commits.open(opening)
            self.seats.apply(counted)
            if not isinstance(opened, Stop):
                exchange_id = opened[0]
                return opened
            if opened is self.seats.full:
                return await self.seats.wait()
            return None if await self.gate.waited_out(opened) else opened
        finally:
            self.seats.opened(opening.message_id, exchange_id)

    async def _send(
        self, request: WireRequest, opened: Answer, opening: Opening, slot: Slot, *, replay_safe: bool
    ) -> Answer:
        seated = await self.seats.take()
        carried = [item.id for item in opening.carries] if tracing.on() else []
        try:
            with tracing.exchange(opening.platform, opening.purpose, opened.exchange_id, carried) as told:
                answer = await self._on_the_wire(
                    request, opened, opening, slot, replay_safe=replay_safe, blocked=self._blocked or not seated
                )
                assert answer.closing is not None
                told |= {"status": answer.closing.status, "failure": answer.closing.failure}
            self.gate.noticed(answer.closing)
        finally:
            if seated:
                self.seats.give()
        if log.isEnabledFor(logging.INFO):
            told |= {"exchange": opened.exchange_id, "platform": self.platform, "purpose": opening.purpose}
            log.info("exchange", extra=told | {"deliveries": [item.id for item in opening.carries]})
        return answer

    async def _on_the_wire(
        self, request: WireRequest, opened: Answer, opening: Opening, slot: Slot, *, replay_safe: bool, blocked: bool
    ) -> Answer:
        exchange_id = opened.exchange_id
        try:
            if blocked:
                raise NotSent(KEPT_BACK, "the platform was held, or all its connections taken, while this one waited")
            await self.gate.in_time(opening, slot)
            response = await self._carrier.send(request)
        except TransportFailure as failure:
            log.info("no answer", extra={"exchange": exchange_id, "platform": self.platform, "code": failure.code})
            return opened.without(failure, self.edge.now(), replay_safe=replay_safe)
        now = self.edge.now()
        verdict = judge_reply(response, self.info, replay_safe=replay_safe, now=now)
        wish = None if verdict is None else self.gate.wish([verdict])
        return opened.with_(response, verdict, now, wish=wish, keep_body=opening.purpose != "login")

    async def hold(self, verdict: Verdict) -> None:
        """Pause the platform because a precondition failed; a person resumes it."""
        log.warning("platform held", extra={"platform": self.platform, "code": verdict.code})
        self._tokens.pop(self.platform, None)
        await self.thread.write(
            platforms.pause,
            self.platform,
            code=storable(verdict.code, 80),
            reason=storable(clean(verdict.reason)),
            by="gateway",
            now=self.edge.now(),
        )

    def block(self) -> None:
        """Let nothing more leave through this door: an answer has just said that the platform must be held."""
        self._blocked = True

    def count_broken(self, *, broken: bool) -> None:
        """Note whether an answer broke its contract: nothing more leaves here before the store pauses the platform."""
        self._broken = self._broken + 1 if broken else 0
        if self._broken >= MOST_BROKEN:
            self.block()

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
            if answer.stop is not None:
                return Answer(exchange_id=0, stamp=answer.stamp, verdict=answer.verdict, stop=answer.stop)
            token: Token | Verdict | None = answer.verdict
            if token is None:
                assert answer.response is not None
                token = connector.decode_login(answer.response, answer.stamp)
            if isinstance(token, Token):
                self._tokens[self.platform] = token
                return token
            refused = of_login(token)
            if refused.event is Event.HOLD and answer.verdict is not refused:
                await self.hold(refused)
            return Answer(exchange_id=0, stamp=answer.stamp, verdict=refused)

    def _stamp(self, message_id: str | None, token: Token | None, about: str | None) -> Stamp:
        drawn = message_id or self.edge.new_id()
        nonce = self.edge.random_bytes(16)
        return Stamp(message_id=drawn, now=self.edge.now(), nonce=nonce, token=token, about=about)


def verdicts_of(answer: Answer, count: int, decode: Callable[[Answer], Sequence[Verdict]]) -> tuple[Verdict, ...]:
    """One verdict for each item: the answer's own where nothing can be decoded, else the connector's."""
    if answer.verdict is not None:
        return (answer.verdict,) * count
    return tuple(decode(answer))


def with_attempts(carries: Sequence[Claimed], answer: Answer) -> list[Claimed]:
    """The deliveries with the attempts under which this exchange was written down."""
    if not answer.attempt_ids:
        return list(carries)
    return [item.tried(attempt) for item, attempt in zip(carries, answer.attempt_ids, strict=True)]


async def blameless(exchanger: Exchanger, answer: Answer, settlements: Sequence[Settlement]) -> tuple[Settlement, ...]:
    """Hold the platform, not park the record, where a plan ended without a word of the platform's own.

    Where the platform accepted others since this one was tried before, it is this one that does not get through.
    """
    spent = [s for s in settlements if s.event is Event.EXHAUSTED and s.verdict.event is Event.RETRY]
    if not spent or answer.closing is None or answer.closing.answered is not False:
        return tuple(settlements)
    ids = [s.claimed.id for s in spent]
    alone = await exchanger.thread.read(ledger.others_accepted_since, exchanger.platform, ids)
    return tuple(_held(s) if s in spent and s.claimed.id not in alone else s for s in settlements)


def _held(settlement: Settlement) -> Settlement:
    verdict = settlement.verdict
    reason = f"no answer of the platform's own until the end of the plan; last: {verdict.reason or verdict.code}"
    return replace(settlement, event=Event.HOLD, verdict=replace(verdict, event=Event.HOLD, reason=reason))


async def conclude(
    exchanger: Exchanger, answer: Answer, verdicts: Sequence[Verdict], settlements: Sequence[Settlement]
) -> tuple[Settlement, ...]:
    """Close the exchange and settle its deliveries in one commit; hold the platform where a precondition failed."""
    held = next((s.verdict for s in settlements if s.verdict.event is Event.HOLD), None)
    if held is not None:
        exchanger.block()
    if answer.closing is None:
        await exchanger.thread.write(delivery_settlement.settle, settlements, exchanger.platform, exchanger.edge.now())
    else:
        await exchanger.conclude(conclusion(exchanger, answer, verdicts, settlements))
    for verdict in verdicts:
        exchanger.forget_token(verdict)
    if held is not None:
        await exchanger.hold(held)
    return tuple(settlements)


def conclusion(
    exchanger: Exchanger, answer: Answer, verdicts: Sequence[Verdict], settlements: Sequence[Settlement]
) -> Conclusion:
    """The end of an answered exchange, with what the whole answer asks of everybody."""
    closing = answer.closing
    assert closing is not None
    wish = closing.wish or exchanger.gate.wish(verdicts)
    if closing.answered:
        broken = next((verdict.code for verdict in verdicts if verdict.broken), None)
        closing = replace(closing, wish=wish, broken=broken is not None, code=broken or closing.code)
        exchanger.count_broken(broken=broken is not None)
    elif wish != closing.wish:
        closing = replace(closing, wish=wish)
    return Conclusion(closing=closing, settlements=tuple(settlements))
