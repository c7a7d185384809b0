"""From an answer to the end of its exchange: verdicts, and one commit for all that follows from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.contract.messages import Verdict
from gateway.domain.delivery import Event
from gateway.service.exchange import Answer, Exchanger
from gateway.store import ledger
from gateway.store.exchanges import Conclusion
from gateway.store.ledger import Claimed, Settlement


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
        await exchanger.thread.write(ledger.settle, settlements, exchanger.platform, exchanger.edge.now())
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
