"""What a backlog costs: the time of a claim, before and while it is worked off, and the memory of a push process."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import event, text

from gateway.contract.messages import Verdict
from gateway.delivery.rules import work
from gateway.delivery.rules.outcome import after_push
from gateway.delivery.store import ledger, settlement
from gateway.domain.states import Event, State
from gateway.store.engine import Store
from gateway.testing import people
from gateway.testing.model import Model
from tests.bench.around import POSTGRESQL, SQLITE, Around, Case, owing

_MODEL = Model(base_url="http://unused.invalid", replay_safe=True, batch_max=1)
_RECORDS = 1000
_CLAIM, _CHURN = 100, 500
_CLONES = """
    INSERT INTO delivery (platform, kind, record_id, record_key, version, person_key, business_key, state, due_at,
                          created_at, updated_at)
    SELECT d.platform, d.kind, d.record_id, 'C' || n.n, 1, 'C' || n.n, 'C' || n.n,
           CASE WHEN n.n <= :due THEN 'queued' ELSE 'accepted' END, d.due_at, d.created_at, d.updated_at
    FROM {numbers} JOIN delivery d ON d.id = 1 + n.n % :records
"""
_NUMBERS = {
    SQLITE: "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :count) SELECT n FROM c) n",
    POSTGRESQL: "generate_series(1, CAST(:count AS integer)) n(n)",
}


def cases(around: Around) -> Iterator[Case]:
    """Claims at 1 k against 300 k (bench) and 10 M deliveries (bench-full), and what pushing from a backlog holds."""
    for rows, long in ((300_000, False), (10_000_000, True)):
        for kind in (SQLITE, POSTGRESQL):
            for mix, due in (("all due", rows), ("nearly all done", 2000)):
                yield Case(
                    name=f"claim {kind} {_short(rows)}, {mix}",
                    what=f"a claim of {_CLAIM} among so many deliveries against one among 1 k",
                    unit="s",
                    goal=3.0,
                    at_least=False,
                    ours=partial(_claim_time, around, kind, rows, due),
                    floor=partial(_claim_time, around, kind, 1000, 1000),
                    rounds=1,
                    long=long,
                )
    for kind in (SQLITE, POSTGRESQL):
        churn = _Churn(around, kind)
        yield Case(
            name=f"claim {kind}, churn",
            what="the last tenth of the claims by which 50 k deliveries are worked off against the first",
            unit="s",
            goal=1.5,
            at_least=False,
            ours=churn.last,
            floor=churn.first,
            rounds=1,
        )
    for waiting, pushed, long in ((100_000, 10_000, False), (100_000, 100_000, True), (1_000_000, 100_000, True)):
        yield Case(
            name=f"memory, {_short(waiting)} waiting, {_short(pushed)} pushed",
            what="peak memory of a push process against one that has 10 k to push and pushes them",
            unit="MB",
            goal=1.2,
            at_least=False,
            ours=partial(_peak, around, waiting, pushed),
            floor=partial(_peak, around, 10_000, 10_000),
            rounds=1,
            long=long,
        )


def _short(number: int) -> str:
    return f"{number // 1_000_000} M" if number >= 1_000_000 else f"{number // 1000} k"


def backlog(kind: str, rows: int, due: int) -> Callable[[Store], None]:
    """Fill a store with so many deliveries of a thousand records, ``due`` of them due and the rest accepted."""

    def fill(store: Store) -> None:
        owing(_MODEL.info, people.person_record, min(rows, _RECORDS))(store)
        more = rows - min(rows, _RECORDS)
        if more:
            with store.write() as connection:
                given = {"count": more, "due": due - min(rows, _RECORDS), "records": _RECORDS - 1}
                connection.execute(text(_CLONES.format(numbers=_NUMBERS[kind])), given)

    return fill


def _claim_time(around: Around, kind: str, rows: int, due: int, _: int) -> float:
    """Median time of a claim; each is rolled back, so all find the same deliveries."""
    store, _url = around.filled(kind, backlog(kind, rows, due))
    try:
        _uses_the_index(store)
        times = []
        for _try in range(15):
            with store.engine.connect() as connection:
                start = time.perf_counter()
                assert len(_claimed(connection, store, _CLAIM)) == _CLAIM
                times.append(time.perf_counter() - start)
                connection.rollback()
        return statistics.median(times[3:])
    finally:
        around.drop(store)


def _claimed(connection: Any, store: Store, limit: int) -> list[work.Claimed]:
    return ledger.claim(
        connection,
        store.vault,
        platform=_MODEL.platform,
        state=State.QUEUED,
        limit=limit,
        now=datetime.now(UTC),
        lease=timedelta(minutes=5),
        owner="bench",
    )


def _uses_the_index(store: Store) -> None:
    """The claim reads what is due from an index of what is left to do, whatever else the table holds.

    Of 2 000 among 10 M the planner's sample sees none; it then takes the index of all that is open, and sorts.
    """
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", note)
    with store.engine.connect() as connection:
        _claimed(connection, store, 1)
        event.remove(store.engine, "before_cursor_execute", note)
        statement, parameters = next(one for one in seen if "due" in one[0])
        explain = "EXPLAIN QUERY PLAN " if store.engine.dialect.name == SQLITE else "EXPLAIN "
        plan = "\n".join(str(tuple(row)) for row in connection.exec_driver_sql(explain + statement, parameters))
        connection.rollback()
    assert "ix_delivery_due" in plan or "ix_delivery_open" in plan, plan


class _Churn:
    """50 k deliveries claimed and settled in chunks; the times of the first and the last tenth of the claims."""

    def __init__(self, around: Around, kind: str) -> None:
        self._around, self._kind = around, kind
        self._times: list[float] = []

    def first(self, _: int) -> float:
        """Works everything off, as this is asked first."""
        self._work_off()
        return statistics.median(self._times[: len(self._times) // 10])

    def last(self, _: int) -> float:
        """Of the same run."""
        return statistics.median(self._times[-len(self._times) // 10 :])

    def _work_off(self) -> None:
        store, _url = self._around.filled(self._kind, backlog(self._kind, 50_000, 50_000))
        rng, info = random.Random(1), _MODEL.info
        try:
            while True:
                with store.write() as connection:
                    start = time.perf_counter()
                    claimed = _claimed(connection, store, _CHURN)
                    spent = time.perf_counter() - start
                if not claimed:
                    return
                self._times.append(spent)
                now, good = datetime.now(UTC), Verdict(event=Event.ACCEPTED, code="OK")
                settlements = [after_push(c, good, info, now, draw=rng.random(), can_ask=True) for c in claimed]
                with store.write() as connection:
                    settlement.settle(connection, settlements, _MODEL.platform, now)
        finally:
            self._around.drop(store)


def _peak(around: Around, waiting: int, pushed: int, _: int) -> float:
    """Peak memory in MB of a process that pushes some of what waits."""
    store, url = around.filled(SQLITE, backlog(SQLITE, waiting, waiting))
    (around.folder / "keys").write_text(around.ring.to_text(), encoding="ascii")
    command = [sys.executable, "-m", "tests.bench.worker", url, str(around.folder / "keys"), around.url(0)]
    try:
        answer = subprocess.run([*command, "32", str(pushed)], check=True, capture_output=True, text=True)
        found = json.loads(answer.stdout)
        assert found["sent"] == pushed, found
        return float(found["MB"])
    finally:
        around.drop(store)
