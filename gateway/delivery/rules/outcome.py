"""From a verdict to the next state and the next due time: pure, one function for each thing we asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from gateway.codec.redact import clean
from gateway.contract.connector import TOKEN_REFUSED, ConnectorInfo
from gateway.contract.messages import Problems, Verdict
from gateway.delivery.rules.work import LONGEST_RECEIPT, Claimed, Settlement, storable
from gateway.domain.records import Certificate, Content, StatusChange, Withdrawal, Worker
from gateway.domain.states import Event
from gateway.domain.traffic import Waits

_NO_WAIT = timedelta()


def after_push(
    claimed: Claimed,
    verdict: Verdict,
    info: ConnectorInfo,
    now: datetime,
    *,
    draw: float,
    can_ask: bool,
    together: int = 1,
    kept_back: bool = False,
    opened: bool = True,
    known: Sequence[str] = (),
) -> Settlement:
    """What becomes of a delivery that was sent, or could not be sent, with this verdict.

    together:  how many deliveries the message carried; one that was refused as a whole travels on in halves
    kept_back: the message never left, because something came in the way of its platform; it is due as before
    opened:    the message was written down, which counts a try
    known:     names of everybody in the message (``names_in``), whom the platform may name in any answer
    """
    verdict = _masked(verdict, claimed, known)
    if verdict.split and together > 1:
        parted = _settlement(claimed, Event.RETRY, verdict, now)
        return replace(parted, message_limit=together // 2, counted=not opened)
    if kept_back:
        return replace(_settlement(claimed, Event.RETRY, verdict, now, keep=verdict.same_message), counted=False)
    event, wait, keep = verdict.event, _NO_WAIT, verdict.same_message
    if event is Event.RETRY:
        planned = info.retry.wait(claimed.tries + 1, draw=draw, wish=verdict.retry_after)
        if verdict.code == TOKEN_REFUSED and claimed.tries == 0:
            planned = _NO_WAIT
        event, wait = (Event.EXHAUSTED, _NO_WAIT) if planned is None else (event, planned)
    elif event is Event.PENDING and verdict.receipt is None:
        event = Event.UNKNOWN
    elif event is Event.PENDING:
        wait = _next(info.polls, 1, draw)
    elif event in (Event.IN_DOUBT, Event.DUPLICATE):
        keep = event is Event.IN_DOUBT
        wait = _next(info.lookups, 1, draw) if keep else _NO_WAIT
        event = event if can_ask else Event.EXHAUSTED
    elif event in (Event.NOT_FOUND, Event.NOT_STORED):
        event = Event.UNKNOWN
    return _settlement(claimed, event, verdict, now + wait, keep=keep)


def after_poll(
    claimed: Claimed,
    verdict: Verdict,
    info: ConnectorInfo,
    now: datetime,
    *,
    draw: float,
    can_ask: bool,
    known: Sequence[str] = (),
) -> Settlement:
    """What becomes of a delivery whose result was fetched by receipt."""
    verdict = _masked(verdict, claimed, known)
    event, wait = verdict.event, _NO_WAIT
    polls = claimed.polls + 1
    together = claimed.message_size or 1
    if verdict.split and together > 1:
        parted = _settlement(claimed, Event.NOT_STORED, verdict, now, polls=0)
        return replace(parted, message_limit=together // 2, counted=False)
    if event is Event.HOLD and verdict.spent:
        event = Event.NOT_STORED
    if event in (Event.PENDING, Event.RETRY, Event.HOLD):
        planned = info.polls.wait(polls + 1, draw=draw, wish=verdict.retry_after)
        event, wait = (Event.EXHAUSTED, _NO_WAIT) if planned is None else (event, planned)
    elif event is Event.NOT_STORED:
        event, wait = _resend(claimed, event, info, draw, wish=verdict.retry_after)
        polls = 0
    elif event in (Event.IN_DOUBT, Event.NOT_FOUND, Event.DUPLICATE):
        wait = _NO_WAIT if event is Event.DUPLICATE else _next(info.lookups, 1, draw)
        event = event if can_ask else Event.EXHAUSTED
    return _settlement(claimed, event, verdict, now + wait, polls=polls)


def after_lookup(claimed: Claimed, verdict: Verdict, info: ConnectorInfo, now: datetime, *, draw: float) -> Settlement:
    """What becomes of a delivery in doubt after the platform was asked.

    "Not there" counts only when heard as often as the platform's settling demands: the push may still be in its queue.
    What is being processed there, and has no receipt to fetch a result by, is asked about again.
    """
    verdict = _masked(verdict, claimed)
    event, wait = verdict.event, _NO_WAIT
    lookups, negatives = claimed.lookups + 1, claimed.negatives
    if event is Event.NOT_FOUND:
        negatives += 1
        if negatives < info.negative_lookups:
            event, wait = Event.IN_DOUBT, _next(info.lookups, lookups + 1, draw)
        else:
            lookups = negatives = 0
            if claimed.tries > 1:
                event, wait = _resend(claimed, event, info, draw)
    elif event in (Event.RETRY, Event.HOLD, Event.IN_DOUBT, Event.DUPLICATE):
        event = Event.IN_DOUBT if event is Event.DUPLICATE else event
        wait = max(
            _next(info.lookups, lookups + 1, draw), min(verdict.retry_after or _NO_WAIT, info.lookups.longest_wish)
        )
    elif event is Event.NOT_STORED:
        event = Event.UNKNOWN
    elif event is Event.PENDING and not (verdict.receipt or claimed.receipt):
        event, wait = Event.IN_DOUBT, _next(info.lookups, lookups + 1, draw)
    elif event is Event.PENDING:
        wait = _next(info.polls, 1, draw)
    return _settlement(claimed, event, verdict, now + wait, lookups=lookups, negatives=negatives, keep=True)


def cannot_ask(claimed: Claimed, info: ConnectorInfo, now: datetime) -> Settlement:
    """What becomes of a delivery in doubt on a platform that answers no questions."""
    if info.kinds[claimed.record.kind].replay_safe:
        event, reason = Event.NOT_FOUND, "the platform cannot be asked, and a repeat is harmless"
    else:
        event, reason = Event.EXHAUSTED, "the platform cannot be asked, and a repeat might register twice"
    return _settlement(claimed, event, Verdict(event=event, code="cannot_ask", reason=reason), now, keep=True)


def refused_here(claimed: Claimed, why: Problems | Verdict, now: datetime) -> Settlement:
    """What cannot be sent: a draft with problems is rejected here, one on which the connector failed is parked."""
    if isinstance(why, Problems):
        reason = "; ".join(f"{p.field}: {p.message}" for p in why.items)
        fields = tuple(dict.fromkeys(p.field for p in why.items))
        why = Verdict(event=Event.REJECTED, code="check", reason=reason, fields=fields)
    return _settlement(claimed, why.event, _masked(why, claimed, ()), now)


def _settlement(
    claimed: Claimed,
    event: Event,
    verdict: Verdict,
    due_at: datetime,
    *,
    polls: int | None = None,
    lookups: int | None = None,
    negatives: int | None = None,
    keep: bool = False,
) -> Settlement:
    return Settlement(
        claimed=claimed,
        event=event,
        verdict=verdict,
        due_at=due_at,
        polls=claimed.polls if polls is None else polls,
        lookups=claimed.lookups if lookups is None else lookups,
        negatives=claimed.negatives if negatives is None else negatives,
        keep_message=keep,
    )


def _resend(
    claimed: Claimed, event: Event, info: ConnectorInfo, draw: float, *, wish: timedelta | None = None
) -> tuple[Event, timedelta]:
    """The wait before what was sent ``claimed.tries`` times is sent again, or the end of the retry plan."""
    planned = info.retry.wait(max(claimed.tries, 1), draw=draw, wish=wish)
    return (Event.EXHAUSTED, _NO_WAIT) if planned is None else (event, planned)


def _next(plan: Waits, round_no: int, draw: float) -> timedelta:
    """The planned wait; a plan that is used up goes on with its last step, because asking is harmless."""
    planned = plan.wait(round_no, draw=draw)
    if planned is not None:
        return planned
    return plan.then or (plan.steps[-1] if plan.steps else timedelta(minutes=1))


def names_in(carried: Iterable[Claimed]) -> tuple[str, ...]:
    """Names and numbers of everybody in a message, which an answer to it may mention under any of its items."""
    found = {value: None for item in carried for value in (*names(item.record.content), *_numbers(item.record.content))}
    return tuple(found)


def _numbers(content: Content) -> tuple[str, ...]:
    if isinstance(content, StatusChange):
        return _numbers(content.certificate)
    if isinstance(content, Withdrawal):
        return _numbers(content.content)
    return (content.number,) if isinstance(content, Certificate) else ()


def _masked(verdict: Verdict, claimed: Claimed, known: Sequence[str] = ()) -> Verdict:
    """The verdict as it may be kept: nobody in its reason, and no receipt that the ledger cannot hold as it stands."""
    if not verdict.reason and verdict.receipt is None:
        return verdict
    receipt = verdict.receipt or ""
    usable = receipt and storable(receipt, LONGEST_RECEIPT) == receipt
    reason = clean(verdict.reason, *(known or names_in([claimed])))[:1000] if verdict.reason else ""
    return replace(verdict, code=clean(verdict.code), reason=reason, receipt=receipt if usable else None)


def names(content: Content) -> tuple[str, ...]:
    """Names and numbers of the person in a record, which must not stand in any text kept in clear."""
    if isinstance(content, StatusChange):
        return names(content.certificate)
    if isinstance(content, Withdrawal):
        return names(content.content)
    person = content.holder if isinstance(content, Certificate) else content
    assert isinstance(person, Worker)
    return (person.name, person.id_number, person.mobile or "")
