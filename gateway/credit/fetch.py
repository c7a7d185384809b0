"""Asking a platform about single credit records: to fill a gap, and to learn whether a record is still there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from gateway.contract.credit import FetchesRecords, Gone
from gateway.contract.messages import Finding, Verdict
from gateway.credit.rules.statements import EventType
from gateway.credit.store import pages
from gateway.delivery.exchanger import Exchanger
from gateway.domain.states import Event
from gateway.store.engine import Store

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


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The archive's side of asking; each method is one transaction."""

    store: Store
    platform: str
    now: Callable[[], datetime]

    def gaps(self) -> list[str]:
        """Records with a version that waits above a missing one."""
        with self.store.read() as connection:
            return pages.gaps(connection, self.platform, MOST)

    def take(self, findings: Sequence[Finding], exchange_id: int, raw: bytes) -> int:
        """Apply what was fetched; gives how many events came to something."""
        with self.store.write() as connection:
            applied = pages.take_fetched(
                connection,
                self.store.vault,
                self.platform,
                findings,
                exchange_id=exchange_id,
                raw=raw,
                now=self.now(),
            )
        return applied.released + sum(applied.codes.values())

    def sight(self, record_id: str, seen: EventType, exchange_id: int, raw: bytes) -> bool:
        """Keep that a record is gone or back; False where it is no news."""
        with self.store.write() as connection:
            return pages.sight(
                connection,
                self.store.vault,
                self.platform,
                record_id,
                seen,
                exchange_id=exchange_id,
                raw=raw,
                now=self.now(),
            )


async def fill_gaps(exchanger: Exchanger, desk: Desk) -> Fetched:
    """Fetch all versions of the records above whose missing versions others wait (F14)."""
    return await fetch_versions(exchanger, desk, await exchanger.in_store(desk.gaps))


async def fetch_versions(exchanger: Exchanger, desk: Desk, records: Iterable[str]) -> Fetched:
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
            fetched.trouble, fetched.stuck = await heed(exchanger, found), record_id
            break
        if not isinstance(found, Gone) and found:
            fetched.applied += await exchanger.in_store(desk.take, found, answer.exchange_id, answer.response.body)
    return fetched


async def look_for(exchanger: Exchanger, desk: Desk, records: Iterable[str]) -> Fetched:
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
            fetched.trouble = await heed(exchanger, found)
            break
        there = isinstance(found, Finding)
        fetched.there[record_id] = there
        page = answer.exchange_id, answer.response.body
        if isinstance(found, Finding):
            fetched.applied += await exchanger.in_store(desk.take, [found], *page)
        seen = EventType.RETURNED if there else EventType.TOMBSTONE
        noted = await exchanger.in_store(desk.sight, record_id, seen, *page)
        fetched.gone += noted and not there
        fetched.back += noted and there
    return fetched


async def heed(exchanger: Exchanger, verdict: Verdict) -> Verdict:
    """Let the platform rest or log in again, where its answer asks for it."""
    exchanger.forget_token(verdict)
    if verdict.event is Event.HOLD:
        await exchanger.hold(verdict)
    return verdict
