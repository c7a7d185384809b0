"""Sends the centre's own published decisions to the platform that takes them."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial

from gateway.contract.credit import OwnDecision, Sanction, TakesDecisions
from gateway.contract.messages import Stamp, Verdict, WireRequest
from gateway.credit.decisions import from_plain, subject_of
from gateway.credit.fetch import react_to
from gateway.credit.rules.decisions import OwnRecord
from gateway.credit.rules.statements import EventType
from gateway.credit.store import decisions
from gateway.credit.store.decisions import OwnRow
from gateway.delivery.exchanger import Exchanger
from gateway.domain.china import CHINA, day_start
from gateway.domain.errors import ContractError
from gateway.domain.states import Event
from gateway.store.scope import Scope

_FROM_A_DAY = frozenset({EventType.AMENDED, EventType.PERIOD_CHANGED, EventType.REPAIRED})
_MOST = 100
log = logging.getLogger(__name__)


async def send_decisions(exchanger: Exchanger) -> tuple[int, Verdict | None]:
    """Send what was published to a platform that takes it; gives how many it took and what ended it early."""
    connector, taken = exchanger.connector, 0
    if not isinstance(connector, TakesDecisions):
        return taken, None
    for row, decision in await exchanger.query(_waiting):
        try:
            answer = await exchanger.ask("decision", partial(_encoded, connector, decision))
        except _UnfitError:
            await exchanger.transact(decisions.mark_refused, row, "unfit")
            continue
        if answer.response is None or answer.verdict is not None:
            return taken, answer.verdict
        verdict = connector.decode_decision(answer.response, decision, answer.stamp)
        if verdict.event is Event.ACCEPTED and verdict.platform_id:
            await exchanger.transact(decisions.mark_sent, row, verdict.platform_id)
            taken += 1
        elif verdict.event in (Event.REJECTED, Event.CONFLICT):
            await exchanger.transact(decisions.mark_refused, row, verdict.code)
        else:
            return taken, await react_to(exchanger, verdict)
    return taken, None


class _UnfitError(Exception):
    """A decision that cannot be said in the platform's form; nothing left."""


def _encoded(connector: TakesDecisions, decision: OwnDecision, stamp: Stamp) -> WireRequest:
    """One that does not fit must not keep back the rest of the pull."""
    try:
        return connector.encode_decision(decision, stamp)
    except ContractError as error:
        log.warning("decision not sent", extra={"decision": decision.key, "error": str(error)})
        raise _UnfitError from error


def _waiting(scope: Scope) -> list[tuple[OwnRow, OwnDecision]]:
    return [(row, _decision(scope, row)) for row in decisions.unsent(scope, _MOST)]


def _decision(scope: Scope, row: OwnRow) -> OwnDecision:
    record = from_plain(row.plain)
    assert record.decided is not None
    assert record.proof.noticed is not None
    assert record.proof.delivered is not None
    sanction = Sanction(type=record.sanction, end=record.sanction_to) if record.sanction else None
    return OwnDecision(
        key=row.key,
        version=row.version,
        platform_record_id=decisions.platform_record(scope.connection, row.key),
        event_type=record.event_type,
        effective_from=_effective_from(record, row),
        change_reason=record.change_reason,
        subject=subject_of(scope, record),
        category=record.category,
        credit_type=record.credit_type,
        credit_code=record.credit_code,
        content=record.content,
        happen_date=record.happened,
        region=record.region,
        authority=record.authority,
        legal_basis=record.legal_basis,
        sanctions=(sanction,) if sanction else (),
        decision=record.decision,
        decision_no=record.decision_no or "",
        decision_date=record.decided,
        sanction_end=record.sanction_to,
        publish_begin=row.published_at.astimezone(CHINA).date() if row.published_at else None,
        publish_end=record.published_to,
        usage_scope=record.usage_scope,
        notice_date=record.proof.noticed,
        heard=record.proof.heard,
        delivered_date=record.proof.delivered,
        decision_digest=record.proof.digest or "",
    )


def _effective_from(record: OwnRecord, row: OwnRow) -> datetime | None:
    """From when it holds: as it says, else from its publication where it changes what goes on from a day."""
    if record.effective is not None:
        return day_start(record.effective)
    return row.published_at if record.event_type in _FROM_A_DAY else None
