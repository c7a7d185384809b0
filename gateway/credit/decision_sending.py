"""Own decisions on their way to the platform that takes them, with each pull of feedback."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from gateway.contract.credit import OwnDecision, Sanction, TakesDecisions
from gateway.contract.messages import Stamp, Verdict, WireRequest
from gateway.credit.decisions import archive_scope, from_plain, subject_of
from gateway.credit.fetch import heed
from gateway.credit.rules.decisions import OwnRecord
from gateway.credit.rules.statements import EventType
from gateway.credit.store import decisions
from gateway.credit.store.decisions import OwnRow
from gateway.delivery.exchanger import Exchanger
from gateway.domain.china import CHINA, day_start
from gateway.domain.errors import ContractError
from gateway.domain.states import Event
from gateway.store.engine import Connection, Store

_FROM_A_DAY = frozenset({EventType.AMENDED, EventType.PERIOD_CHANGED, EventType.REPAIRED})
_MOST = 100
log = logging.getLogger(__name__)


async def send_decisions(exchanger: Exchanger, store: Store, now: Callable[[], datetime]) -> tuple[int, Verdict | None]:
    """Send what was published to a platform that takes it; gives how many it took and what ended it early."""
    connector, taken = exchanger.connector, 0
    if not isinstance(connector, TakesDecisions):
        return taken, None
    desk = _Desk(store=store, platform=exchanger.platform, now=now)
    for row, decision in await exchanger.in_store(desk.waiting):
        try:
            answer = await exchanger.ask("decision", partial(_encoded, connector, decision))
        except _UnfitError:
            await exchanger.in_store(desk.refused, row, "unfit")
            continue
        if answer.response is None or answer.verdict is not None:
            return taken, answer.verdict
        verdict = connector.decode_decision(answer.response, decision, answer.stamp)
        if verdict.event is Event.ACCEPTED and verdict.platform_id:
            await exchanger.in_store(desk.taken, row, verdict.platform_id)
            taken += 1
        elif verdict.event in (Event.REJECTED, Event.CONFLICT):
            await exchanger.in_store(desk.refused, row, verdict.code)
        else:
            return taken, await heed(exchanger, verdict)
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


@dataclass(frozen=True, kw_only=True)
class _Desk:
    """The archive's side of sending; each method is one transaction."""

    store: Store
    platform: str
    now: Callable[[], datetime]

    def waiting(self) -> list[tuple[OwnRow, OwnDecision]]:
        with self.store.read() as connection:
            found = decisions.unsent(connection, self.store.vault, self.platform, _MOST)
            return [(row, self._decision(connection, row)) for row in found]

    def taken(self, row: OwnRow, record_id: str) -> None:
        with self.store.write() as connection:
            decisions.mark_sent(archive_scope(connection, self.store, self.now()), row, record_id)

    def refused(self, row: OwnRow, code: str) -> None:
        with self.store.write() as connection:
            decisions.mark_refused(archive_scope(connection, self.store, self.now()), row, code)

    def _decision(self, connection: Connection, row: OwnRow) -> OwnDecision:
        record = from_plain(row.plain)
        assert record.decided is not None
        assert record.proof.noticed is not None
        assert record.proof.delivered is not None
        sanction = Sanction(type=record.sanction, end=record.sanction_to) if record.sanction else None
        return OwnDecision(
            key=row.key,
            version=row.version,
            platform_record_id=decisions.platform_record(connection, row.key),
            event_type=record.event_type,
            effective_from=_effective_from(record, row),
            change_reason=record.change_reason,
            subject=subject_of(connection, self.store, record),
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
