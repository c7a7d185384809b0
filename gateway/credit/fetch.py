"""Fetches single credit records by id from a platform: to fill a gap, or to learn whether a record still exists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from gateway.contract.credit import FetchesRecords, Gone
from gateway.contract.messages import Finding, Verdict
from gateway.credit.rules.statements import EventType
from gateway.credit.store import pages
from gateway.credit.store.odd_events import keep_local_event
from gateway.delivery.exchanger import Exchanger
from gateway.domain.states import Event

MOST = 200
"""records asked about in one pull; the next pull goes on"""


@dataclass(kw_only=True)
class Fetched:
    """What asking came to. ``there`` says of each record looked for whether it is; ``trouble`` ended it early, at the
    record ``stuck``."""

    asked: int = 0
    applied: int = 0
    gone: int = 0
    back: int = 0
    there: dict[str, bool] = field(default_factory=dict)
    trouble: Verdict | None = None
    stuck: str | None = None


async def fill_gaps(exchanger: Exchanger) -> Fetched:
    """Fetch all versions of the records above whose missing versions others wait (F14)."""
    return await fetch_versions(exchanger, await exchanger.query(pages.gaps, MOST))


async def fetch_versions(exchanger: Exchanger, records: Iterable[str]) -> Fetched:
    """Fetch and apply every version of some records; what came before is known again and changes nothing."""
    fetched = Fetched()
    connector = exchanger.connector
    if not isinstance(connector, FetchesRecords):
        return fetched
    for record_id in records:
        answer = await exchanger.ask("feedback_fetch", partial(connector.encode_versions, record_id))
        if answer.response is None or answer.verdict is not None:
            fetched.trouble, fetched.stuck = answer.verdict, record_id
            break
        found = await exchanger.decoded(
            answer.response, connector.decode_versions, answer.response, record_id, answer.stamp
        )
        fetched.asked += 1
        if isinstance(found, Verdict):
            fetched.trouble, fetched.stuck = await react_to(exchanger, found), record_id
            break
        if not isinstance(found, Gone) and found:
            fetched.applied += await exchanger.transact(
                pages.apply_fetched, found, exchange_id=answer.exchange_id, raw=answer.response.body
            )
    return fetched


async def look_for(exchanger: Exchanger, records: Iterable[str]) -> Fetched:
    """Ask whether records are still there; tombstones those that are gone, and notes those that are back (F27, F28)."""
    fetched = Fetched()
    connector = exchanger.connector
    if not isinstance(connector, FetchesRecords):
        return fetched
    for record_id in records:
        answer = await exchanger.ask("feedback_fetch", partial(connector.encode_record, record_id))
        if answer.response is None or answer.verdict is not None:
            fetched.trouble = answer.verdict
            break
        found = connector.decode_record(answer.response, record_id, answer.stamp)
        fetched.asked += 1
        if isinstance(found, Verdict):
            fetched.trouble = await react_to(exchanger, found)
            break
        there = isinstance(found, Finding)
        fetched.there[record_id] = there
        exchange_id, raw = answer.exchange_id, answer.response.body
        if isinstance(found, Finding):
            fetched.applied += await exchanger.transact(pages.apply_fetched, [found], exchange_id=exchange_id, raw=raw)
        event_type = EventType.RETURNED if there else EventType.TOMBSTONE
        changed = await exchanger.transact(keep_local_event, record_id, event_type, exchange_id=exchange_id, raw=raw)
        fetched.gone += changed and not there
        fetched.back += changed and there
    return fetched


async def react_to(exchanger: Exchanger, verdict: Verdict) -> Verdict:
    """Let the platform rest or log in again, where its answer asks for it."""
    exchanger.forget_token(verdict)
    if verdict.event is Event.HOLD:
        await exchanger.hold(verdict)
    return verdict
