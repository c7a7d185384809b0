"""The store's side of a platform's desk: each method is one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gateway.contract.desk import ConflictState, DeskTerms, ObjectionState
from gateway.credit.rules.objections import State
from gateway.credit.store import objections, scans, ticket_messages
from gateway.credit.store.acknowledgements import Scope
from gateway.credit.store.objections import ObjectionRow, Words
from gateway.credit.store.scans import ScanRow
from gateway.credit.store.streams import lock_feed
from gateway.credit.store.ticket_messages import Untold
from gateway.store.engine import Store

_MOST = 100
"""of each kind in one visit; the next one goes on"""


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """What waits for one platform's desk."""

    store: Store
    platform: str
    now: Callable[[], datetime]

    def hear(self) -> None:
        with self.store.write() as connection:
            _, at = lock_feed(connection, self.platform, self.now())
            objections.hear(Scope(connection=connection, vault=self.store.vault, platform=self.platform, at=at))

    def waiting(self) -> list[tuple[ObjectionRow, Words]]:
        with self.store.read() as connection:
            return objections.waiting(connection, self.store.vault, self.platform, _MOST)

    def scans_of(self, row: ObjectionRow) -> list[ScanRow]:
        with self.store.read() as connection:
            return scans.of(connection, self.store.vault, row.id)

    def trying_scan(self, scan: ScanRow) -> None:
        with self.store.write() as connection:
            scans.trying(connection, scan, self.now())

    def scan_taken(self, scan: ScanRow, number: str) -> None:
        with self.store.write() as connection:
            scans.taken(connection, scan, number, self.now())

    def trying(self, row: ObjectionRow) -> None:
        with self.store.write() as connection:
            objections.trying(connection, row, self.now())

    def taken(self, row: ObjectionRow, number: str, terms: DeskTerms) -> None:
        with self.store.write() as connection:
            now = self.now()
            objections.taken(connection, row, number, now=now, ask_at=now + terms.asking)

    def not_taken(self, row: ObjectionRow, state: State, code: str, reason: str) -> None:
        with self.store.write() as connection:
            objections.not_taken(connection, row, state, code=code, reason=reason, now=self.now())

    def to_ask(self) -> list[ObjectionRow]:
        with self.store.read() as connection:
            return objections.to_ask(connection, self.platform, self.now(), _MOST)

    def answered(self, row: ObjectionRow, said: ObjectionState | str, terms: DeskTerms) -> State | None:
        with self.store.write() as connection:
            now = self.now()
            return objections.answered(connection, row, said, now=now, ask_at=now + terms.asking)

    def untold(self, terms: DeskTerms) -> list[Untold]:
        with self.store.read() as connection:
            return ticket_messages.untold(connection, self.platform, terms.tickets, _MOST)

    def telling(self, about: Untold, new_id: Callable[[], str]) -> tuple[str, datetime]:
        with self.store.write() as connection:
            lock_feed(connection, self.platform, self.now())  # two that find the same ticket at once tell it once
            return ticket_messages.trying(connection, self.platform, about, new_id, self.now())

    def ticket_taken(self, about: Untold, number: str, terms: DeskTerms) -> None:
        with self.store.write() as connection:
            now = self.now()
            ticket_messages.taken(connection, about, number, now=now, ask_at=now + terms.asking)

    def ticket_not_taken(self, about: Untold, code: str) -> None:
        with self.store.write() as connection:
            ticket_messages.not_taken(connection, about, code, self.now())

    def tickets_to_ask(self) -> list[str]:
        with self.store.read() as connection:
            return ticket_messages.to_ask(connection, self.platform, self.now(), _MOST)

    def ticket_answered(self, number: str, said: ConflictState | str, terms: DeskTerms) -> None:
        with self.store.write() as connection:
            now = self.now()
            if isinstance(said, str):
                ticket_messages.not_answered(connection, self.platform, number, said, now + terms.asking)
                return
            ticket_messages.answered(
                connection, self.store.vault, self.platform, said, now=now, ask_at=now + terms.asking
            )
