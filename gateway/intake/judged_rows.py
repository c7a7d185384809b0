"""The judged rows of one batch, however many: they lie sealed on disk in blocks and come back one block at a time."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from gateway.intake.conflicts import Crossing
from gateway.intake.reading.reader import Row
from gateway.intake.reading.spool import Spool
from gateway.intake.rules.admission import judge_withdrawal
from gateway.intake.rules.gate_rules import GateRules
from gateway.intake.rules.gate_table import GateFailure, Severity
from gateway.intake.rules.gates import judge
from gateway.intake.rules.status_rows import judge_status
from gateway.intake.scans import NoScans
from gateway.intake.store import batches
from gateway.intake.versions import JudgedRow
from gateway.store.engine import Connection, Store

BLOCK = 500
"""rows in memory at a time"""
Progress = Callable[[int], None]


class JudgedRows:
    """Every row of a batch with all that speaks against it. ``settle`` before asking for ``blocks``."""

    def __init__(
        self, store: Store, rules: GateRules, *, scans: NoScans | None = None, holds: Severity = Severity.HOLD
    ) -> None:
        """``holds``: what becomes of failures that hold a row, where a person has decided about it."""
        self._store, self._rules, self._holds = store, rules, holds
        self.scans = scans or NoScans()
        self._crossing = Crossing(store.vault, rules)
        self._spool = Spool()
        self._count = 0
        self._failing: set[int] = set()
        self._naming: set[int] = set()
        """blocks in which a row has failures of its own, or only names a certificate"""

    def __len__(self) -> int:
        return self._count

    def read(self, rows: Iterable[Row], progress: Progress) -> None:
        """Judge rows one by one, and compare each block with what is held."""
        block: list[JudgedRow] = []
        for row in rows:
            self.scans.note(row.filing)
            block.append(
                JudgedRow(
                    number=row.number,
                    packed=batches.pack(row.cells),
                    filing=row.filing,
                    failures=self._decided(_failures(row, self._rules)),
                )
            )
            if len(block) == BLOCK:
                self._add(block)
                block = []
            progress(self._count + len(block))
        if block:
            self._add(block)

    def _add(self, block: Sequence[JudgedRow]) -> None:
        number = len(self._spool)
        if any(row.failures for row in block):
            self._failing.add(number)
        if any(row.only_names for row in block):
            self._naming.add(number)
        self._crossing.note(self._count, block)
        with self._store.read() as connection:
            self._crossing.compare(connection, self._count, block)
        # protocol 5 knows every type in it; the bytes are sealed, so what comes back is what went in
        self._spool.add(pickle.dumps(block, protocol=5))
        self._count += len(block)

    def settle(self, connection: Connection) -> None:
        """Judge what only shows between the rows."""
        self.scans.settle()
        self._crossing.settle(connection, self._at)
        for number in sorted(self._naming):
            self._crossing.settle_named(connection, number * BLOCK, self._block(number))
        self._crossing.settle_persons()

    def settle_again(self, connection: Connection) -> None:
        """Compare all rows anew, because something was added to the store since they were read."""
        self._crossing.forget()
        for number in range(len(self._spool)):
            self._crossing.compare(connection, number * BLOCK, self._stored(number))
        self.settle(connection)

    def blocks(self) -> Iterator[list[JudgedRow]]:
        """All rows in their order."""
        return (self._block(number) for number in range(len(self._spool)))

    def failing(self) -> Iterator[JudgedRow]:
        """The rows against which anything speaks, warnings included."""
        for number in range(len(self._spool)):
            crossed = self._crossing.failed(number * BLOCK, (number + 1) * BLOCK)
            if number in self._failing or crossed or self.scans.speaks:
                yield from (row for row in self._block(number) if row.failures)

    def _block(self, number: int) -> list[JudgedRow]:
        rows = self._stored(number)
        self._crossing.merge(number * BLOCK, rows)
        for row in rows:
            if row.filing is not None and self.scans.speaks:
                row.failures = (*row.failures, *self.scans.failures(row.filing))
            row.failures = self._decided(row.failures)
        return rows

    def _decided(self, failures: tuple[GateFailure, ...]) -> tuple[GateFailure, ...]:
        if self._holds is Severity.HOLD:
            return failures
        return tuple(replace(one, severity=self._holds) if one.severity is Severity.HOLD else one for one in failures)

    def _stored(self, number: int) -> list[JudgedRow]:
        rows: list[JudgedRow] = pickle.loads(self._spool.read(number))  # noqa: S301 - sealed by this process
        return rows

    def _at(self, places: Sequence[int]) -> Iterator[JudgedRow]:
        number, rows = -1, list[JudgedRow]()
        for place in places:
            if place // BLOCK != number:
                number = place // BLOCK
                rows = self._stored(number)
            yield rows[place % BLOCK]


def _failures(row: Row, rules: GateRules) -> tuple[GateFailure, ...]:
    if row.filing is None:
        return row.failures
    if row.filing.withdrawn:
        return judge_withdrawal(row.filing, row.failures)
    if row.filing.status_step is not None:
        return judge_status(row.filing, row.failures)
    return (*row.failures, *judge(row.filing, rules))
