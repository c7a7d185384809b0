"""Every query of daily work finds its rows by an index, however large the books are: asked of the planner itself."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert

from gateway.contract.messages import Verdict
from gateway.credit.store import way_back
from gateway.credit.store.case_tables import reinstatement
from gateway.delivery.rules.work import Claimed, Closing, Conclusion, Opening, Settlement
from gateway.delivery.store import (
    exchanges,
    ledger,
    owing,
    platforms,
    promises,
    reconciliations,
    refused,
    replays,
    seats,
    version_order,
    views,
    waiting_views,
)
from gateway.delivery.store.seats import Door
from gateway.domain.errors import StoreError
from gateway.domain.records import RecordKind
from gateway.domain.states import Event, State
from gateway.domain.traffic import Traffic
from gateway.intake.store.refused import places
from gateway.operations.store import derived_states, evidence, metrics, report, why
from gateway.store import records
from gateway.store.batch_sql import WriteSet
from gateway.store.engine import Store, open_engine
from gateway.store.metadata import is_postgresql
from gateway.store.scope import Scope
from gateway.store.vault import KeyRing, Vault
from gateway.testing import people
from gateway.testing.model import Model
from tests.support import bulkbooks

NOW = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)
QUICK = 50_000
LARGE_ROWS = int(os.environ.get("SOAK_ROWS", "1000000"))
LARGE = frozenset(
    {"delivery", "record", "exchange", "attempt", "verdict", "payload", "filing", "filing_subject", "evidence_part"}
)
SPARSE = frozenset(
    {"ix_delivery_due", "ix_delivery_lease", "ix_delivery_open", "ix_delivery_blocked_by", "ix_record_void"}
)
"""indexes of what is not accepted yet, or is void: reading one whole is reading little"""
VAULT = Vault(KeyRing.generate())
INFO = Model(base_url="http://unused.invalid", platform="model").info
PERSONS = [people.person_record(random.Random(seed)) for seed in range(2)]
LANE = platforms.Lane(platform="model", rules=Traffic(), probe=timedelta(1), draw=lambda: 0.5)


@dataclass
class Planner:
    """The books, and what the database says about the statements that a piece of work runs on them."""

    store: Store
    noted: list[tuple[str, str]] = field(default_factory=list)

    def whole_reads(self, work: Callable[[Connection], Any]) -> list[str]:
        """What the work reads whole of the large tables; the work is taken back."""
        self.noted.clear()
        with self.store.engine.connect() as connection, connection.begin() as transaction:
            event.listen(connection, "before_cursor_execute", self._note)
            with suppress(StoreError):  # contents cannot be opened; all was read by then
                work(connection)
            event.remove(connection, "before_cursor_execute", self._note)
            transaction.rollback()
        assert self.noted, "no statement was run"
        return [f"{read}: {statement[:160]}" for statement, plan in self.noted for read in _whole(statement, plan)]

    def _note(self, connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if not re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT|WITH)", statement, re.IGNORECASE):
            return
        sqlite = connection.dialect.name == "sqlite"
        cursor = connection.connection.cursor()
        cursor.execute(
            ("EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN (FORMAT JSON) ") + statement,
            parameters[0] if many else parameters,
        )
        rows = cursor.fetchall()
        cursor.close()
        plan = "\n".join(row[-1] for row in rows) if sqlite else json.dumps(rows[0][0])
        self.noted.append((statement, plan))


def _whole(statement: str, plan: str) -> Iterator[str]:
    if plan.startswith("[{"):
        yield from _whole_nodes(json.loads(plan)[0]["Plan"])
        return
    for line in plan.splitlines():
        found = re.match(r"(SCAN|SEARCH) (\w+)(?:.* INDEX (\w+)(?: \((.*)\))?)?", line)
        if not found or found[3] in SPARSE or not re.search(rf"\b{found[2]}\b", statement):
            continue  # a table the statement does not speak of is looked at only where a foreign key is broken
        if found[1] == "SCAN" and found[2] not in _SMALL and not found[2].startswith("anon_"):
            yield line
        if found[4] == "platform=?" and (found[3] or "").startswith(_BY_PLATFORM):
            yield line


_SMALL = {
    "CONSTANT",
    "due",
    "platform",
    "seat",
    "slot",
    "owed",
    "batch",
    "reinstatement",
    "feed",
    "reconciliation",
    "json_each",
    "given",
    "part",
    "chosen",
    "named",
    "rows",
}
"""tables of few rows, and table expressions of a statement's own; what is in those is told apart"""
_BY_PLATFORM = ("ix_delivery", "ix_exchange")
"""one of a few platforms is no choice"""


def _whole_nodes(node: dict[str, Any], *, stops: bool = False) -> Iterator[str]:
    kind, condition = node["Node Type"], node.get("Index Cond", "")
    chosen = re.sub(r"\(*platform\)*(::text)? = '[^']*'::[a-z ]+", "", condition).strip("() ")
    sought = chosen or node.get("Index Name") in SPARSE or (stops and "Index" in kind and "Filter" not in node)
    if node.get("Relation Name") in LARGE and "Scan" in kind and kind != "Bitmap Heap Scan" and not sought:
        yield f"{kind} of {node['Relation Name']} {node.get('Index Name', '')} {condition}"
    for inner in node.get("Plans", ()):
        yield from _whole_nodes(inner, stops=kind == "Limit")


def _claim(state: State, limit: int = 500) -> Callable[[Connection], Any]:
    return lambda c: ledger.claim(
        c,
        VAULT,
        platform="model",
        state=state,
        limit=limit,
        now=NOW + timedelta(hours=1),
        lease=timedelta(minutes=5),
        owner="me",
    )


def _claimed(number: int) -> Claimed:
    return Claimed(
        id=number,
        fence=1,
        state=State.SENDING,
        record=PERSONS[0],
        business_key=f"B{number}",
        replaces=False,
        tries=1,
        polls=0,
        lookups=0,
        negatives=0,
        message_id=None,
        message_size=None,
        created_at=NOW,
        attempt_id=number,
    )


def _open(c: Connection) -> None:
    opening = Opening(
        platform="model",
        purpose="push",
        operation="push",
        message_id="01D7F0000000000000000000AA",
        at=NOW,
        body=b"x",
        digest="d",
        carries=(_claimed(1), _claimed(1001)),
    )
    locked = exchanges.lock_for(c, "model", [opening])
    writes = WriteSet()
    assert platforms.open_allowed(c, VAULT, [opening], LANE, NOW, locked=locked, writes=writes)
    writes.execute(c)


def _settle(event_: Event) -> Callable[[Connection], Any]:
    def work(c: Connection) -> None:
        settlements = tuple(
            Settlement(
                claimed=_claimed(number),
                event=event_,
                verdict=Verdict(event=event_, code="C", receipt="R1"),
                due_at=NOW,
                polls=0,
                lookups=0,
                negatives=0,
            )
            for number in (1, 1001)
        )
        closing = Closing(exchange_id=1, closed_at=NOW, status=500, answered=False, code="http_500")
        ended = [Conclusion(closing=closing, settlements=settlements)]
        locked = platforms.hear(c, LANE, [closing], NOW, locked=exchanges.lock_for(c, "model", [], ended))
        writes = WriteSet()
        exchanges.conclude(c, VAULT, ended, "model", locked=locked, writes=writes)
        writes.execute(c)

    return work


def _owe(c: Connection) -> None:
    owing.lock_records(c)
    records.add(c, VAULT, PERSONS, batch_id=None, now=NOW)
    owing.owe(c, INFO, NOW)


def _reinstated(c: Connection) -> None:
    values = {"at": NOW, "certificate_key": "K00000007", "void_version": 1, "version": 2, "actor": "o"}
    c.execute(insert(reinstatement).values(**values, platform="model", record_id="CR"))
    owing.owe(c, replace(INFO, kinds={kind: INFO.kinds[RecordKind.PERSON] for kind in RecordKind}), NOW)
    way_back.way_back(Scope(connection=c, vault=VAULT, platform="model", at=NOW))


def _replay(c: Connection) -> None:
    plan = replays.plan(c, views.DeliveryFilter(states=(State.PARKED,)), reason="r", by="me", now=NOW)
    assert plan is not None
    assert replays.run(c, plan.id, by="me", now=NOW)


DAILY: dict[str, Callable[[Connection], Any]] = {
    "claim what is queued": _claim(State.QUEUED),
    "claim one": _claim(State.QUEUED, 1),
    "claim what waits for a result": _claim(State.AWAITING_ACK),
    "claim what is in doubt": _claim(State.IN_DOUBT),
    "look what is due": lambda c: ledger.due_now(c, VAULT, "model", 10, NOW),
    "is anything due": lambda c: views.any_due(c, "model", State.QUEUED, NOW),
    "who holds leases": lambda c: ledger.lease_owners(c, "model"),
    "sweep": lambda c: ledger.sweep(c, platform="model", dead=["m/b/1/1"], settling=timedelta(hours=1), now=NOW),
    "owe": _owe,
    "owe when nothing is new": lambda c: owing.owe(c, INFO, NOW),
    "open": _open,
    "settle as accepted": _settle(Event.ACCEPTED),
    "settle as rejected": _settle(Event.REJECTED),
    "settle as pending": _settle(Event.PENDING),
    "settle as unknown": _settle(Event.UNKNOWN),
    "give back": lambda c: ledger.give_back(c, [_claimed(1)], NOW),
    "resume": lambda c: ledger.let_go(c, Event.RESUMED, NOW, platform="model"),
    "release": lambda c: ledger.release(c, [5, 1005], reason="r", by="me", now=NOW),
    "cancel what was withdrawn": lambda c: version_order.cancel_withdrawn(c, "model", NOW),
    "find by natural key": lambda c: records.find(c, VAULT, "identity", ["x"]),
    "the newest versions": lambda c: records.newest(c, RecordKind.PERSON, ["K00000007", "K00000008"]),
    "the last record": records.last_id,
    "standing of a platform": lambda c: (platforms.standing(c, "model", NOW), platforms.pause_of(c, "model", NOW)),
    "count seats": lambda c: seats.share(
        c, Door(platform="model", key="k", most=4, lease=timedelta(1)), want=4, hold=lambda _: 0, now=NOW
    ),
    "why deliveries wait": lambda c: waiting_views.waiting(c, [1, 7, 1007]),
    "what can move": lambda c: views.movable(c, "model"),
    "reasons": lambda c: views.reasons(c, [s for s in State if s not in (State.ACCEPTED, State.SUPERSEDED)]),
    "failures": lambda c: views.listed(c, views.DeliveryFilter(states=(State.PARKED, State.REJECTED)), 50),
    "failures of a platform": lambda c: views.listed(
        c, views.DeliveryFilter(platform="model", states=(State.PARKED, State.REJECTED), code="C"), 50
    ),
    "what failed by reason": lambda c: views.grouped(
        c, views.DeliveryFilter(states=(State.PARKED, State.REJECTED), corrected=False)
    ),
    "refusals of records": lambda c: refused.rejected(c, keys=["K00000007", "K00000008"]),
    "plan a replay": lambda c: replays.plan(c, views.DeliveryFilter(), reason="r", by="me", now=NOW),
    "run a replay": _replay,
    "results that are late": lambda c: promises.results(c, "model", NOW, NOW + timedelta(days=1)),
    "acceptances that are not read": lambda c: promises.unread(c, "model", NOW, NOW, NOW + timedelta(days=1)),
    "one transmission": lambda c: views.transmission(c, VAULT, 7),
    "who travelled along": lambda c: views.carried(c, VAULT, [7, 8]),
    "a page of reconciliation": lambda c: reconciliations.page_of_ours(c, VAULT, "model", 30_000, 100),
    "rows that name a person": lambda c: why.subject(c, VAULT, "x", ["111"]),
    "deliveries by a number of any kind": lambda c: why.deliveries_named(c, "01HZZZZZZZZZZZZZZZZZZZZZZZ", {}),
    "whom a city reported": lambda c: why.reported_by(c, ["P00000007"], "3701"),
    "rows behind records": lambda c: places(
        c, [(RecordKind.PERSON, "P00000007"), (RecordKind.CERTIFICATE, "K00000007")]
    ),
    "where a certificate stands": lambda c: why.standings(c, ["K00000007"]),
    "what travelled in the last hour": lambda c: metrics.recent(c, NOW + timedelta(hours=1)),
    "since when something is unproven": evidence.uncovered_since,
    "the link that covers a row": lambda c: evidence.covering(c, "sent", 30_000),
    "the link that covers no row": lambda c: evidence.covering(c, "sent", QUICK * 1000),
    "what a reinstated certificate needs": _reinstated,
    "a piece of a replay": _replay,
    "how old is what waits": metrics.oldest,
    "exchanges in the report": lambda c: report.exchanges(c, NOW + timedelta(hours=1)),
    "what ended, in the report": lambda c: report.daily(c, [NOW + timedelta(days=2)]),
    "ages in the report": lambda c: report.ages(c, NOW, [timedelta(days=1), timedelta(days=7)]),
}


def _planner(request: pytest.FixtureRequest, folder: Path, count: int) -> Iterator[Planner]:
    if request.param == "sqlite":
        path = folder / "gateway.db"
        path.write_bytes(request.getfixturevalue("_migrated_sqlite").read_bytes())
        url = f"sqlite:///{path}"
    else:
        url = request.getfixturevalue("_migrated_postgres")
    store = Store(engine=open_engine(url), vault=VAULT)
    with store.write() as c:
        bulkbooks.clear(c)
        bulkbooks.fill(c, "model", count, NOW)
        bulkbooks.fill_beside(c, count, NOW)
    yield Planner(store)
    with store.write() as c:
        bulkbooks.clear(c)
    store.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def planner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planner]:
    yield from _planner(request, tmp_path_factory.mktemp("plans"), QUICK)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def large_planner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planner]:
    yield from _planner(request, tmp_path_factory.mktemp("large_plans"), LARGE_ROWS)


def slow(planner: Planner) -> dict[str, list[str]]:
    return {name: found for name, work in DAILY.items() if (found := planner.whole_reads(work))}


def test_no_query_of_daily_work_reads_a_whole_table(planner: Planner) -> None:
    assert slow(planner) == {}


def test_counting_everything_reads_one_index_once(planner: Planner) -> None:
    read = planner.whole_reads(views.counts)
    assert len(read) == 1
    assert "delivery" in read[0]


def test_states_are_followed_in_one_pass(planner: Planner) -> None:
    read = planner.whole_reads(lambda c: list(derived_states.contradicted(c)))
    assert read
    records = [one for one in read if "record" in one.partition(":")[0]]
    # PostgreSQL may look void versions up in one whole read of them; SQLite would read all for each delivery
    assert len(records) <= int(is_postgresql(planner.store.engine)), read


@pytest.mark.soak
def test_no_query_of_daily_work_reads_a_whole_table_of_a_million_rows(large_planner: Planner) -> None:
    assert slow(large_planner) == {}
