"""From a reported row over the ledger to the sandbox and back: changes of status, withdrawals, doubt, both dialects."""

from __future__ import annotations

import asyncio
import csv
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from sqlalchemy import select

from connectors.national_market.sandbox import build as build_sandbox
from gateway.contract.connector import ListsHoldings, LooksUp
from gateway.delivery.acknowledge import poll, resolve
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.reconcile import ReconcileReport, reconcile
from gateway.delivery.store import platforms
from gateway.delivery.store.tables import delivery, platform, verdict
from gateway.delivery.system import System
from gateway.domain.states import State
from gateway.intake.admit import IntakeReport, take_in
from gateway.intake.reading.columns import COLUMNS
from gateway.intake.rules.gate_rules import GateRules
from gateway.registry import build_connector
from gateway.settings import loader
from gateway.store.engine import Store
from gateway.store.tables import record
from gateway.store.thread import StoreThread
from gateway.testing import people
from gateway.testing.checker.invariants import broken
from gateway.testing.forms import CITIES, Cells, filed
from gateway.testing.serving import running
from gateway.transport.sender import Sender

PLATFORM = "national_market"
KEYS = ("id_type", "id_number", "certificate_number", "trade")


@dataclass
class Road:
    """A city's sheets on one side, a platform over loopback HTTP on the other, a clock that is moved."""

    folder: Path
    store: Store
    sandbox: Any
    connector: Any
    now: datetime = datetime(2019, 5, 6, 1, 0, tzinfo=UTC)
    rng: random.Random = field(default_factory=lambda: random.Random(5))
    used: set[str] = field(default_factory=set)
    sheets: int = 0

    def row(self, **changes: Any) -> Cells:
        row = filed(self.rng, self.used, employed=True, city=CITIES[0])
        return row | {"batch_no": "370100-201903-01", "name": "示例"} | changes

    def report(self, *rows: Cells) -> IntakeReport:
        """One sheet, a file of its own."""
        self.sheets += 1
        path = self.folder / f"{self.sheets}.csv"
        with path.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow([*(column.title for column in COLUMNS), "备注"])
            for row in rows:
                writer.writerow([*(row.get(column.field, "") for column in COLUMNS), self.sheets])
        rng = random.Random(self.sheets)
        return take_in(
            path,
            self.store,
            [self.connector.info],
            rules=GateRules(now=self.now),
            now=self.now,
            new_id=lambda: people.ulid(rng),
        )

    @asynccontextmanager
    async def exchanger(self) -> AsyncIterator[Exchanger]:
        async def sleep(seconds: float) -> None:
            self.now += timedelta(seconds=seconds)

        rng = self.rng
        edge = System(
            now=lambda: self.now,
            new_id=lambda: people.ulid(rng),
            random_bytes=rng.randbytes,
            draw=rng.random,
            sleep=sleep,
        )
        with StoreThread(self.store) as thread:
            async with Sender(self.connector.endpoint) as sender:
                yield Exchanger(self.connector, sender, thread, edge)

    def run(self, *steps: Callable[[Exchanger], Any]) -> list[Any]:
        async def all_steps() -> list[Any]:
            async with self.exchanger() as exchanger:
                return [await step(exchanger) for step in steps]

        return asyncio.run(all_steps())

    def until_quiet(self) -> None:
        for _ in range(30):
            self.run(push, poll, resolve)
            if set(self.states()) <= {State.ACCEPTED, State.REJECTED, State.SUPERSEDED, State.PARKED}:
                return
            self.now += timedelta(seconds=5)
        raise AssertionError(self.deliveries())

    def states(self) -> Counter[str]:
        return Counter(state for _, _, state in self.deliveries())

    def deliveries(self) -> list[tuple[str, int, str]]:
        with self.store.read() as c:
            rows = c.execute(select(delivery.c.kind, delivery.c.version, delivery.c.state).order_by(delivery.c.id))
            return [tuple(row) for row in rows]

    def held(self) -> tuple[str, int]:
        """Status and version of the platform's only certificate; (withdrawn, version) where it was taken back."""
        books = self.sandbox.books
        if self.sandbox.dialect in (None, "T", "T-token"):
            ((_, one),) = books.items("certificates")
            status = etree.fromstring(one["xml"]).findtext("{*}Status")
            return ("withdrawn" if one["withdrawn"] else str(status)), one["version"]
        ((_, one),) = books.items("TBWorkerCert")
        return ("withdrawn" if one["state"] == -1 else one["row"]["QState"]), int(one["row"]["RecordVersion"])

    def reconciled(self) -> ReconcileReport:
        (report,) = self.run(reconcile)
        assert isinstance(report, ReconcileReport)
        return report

    def promises(self) -> list[str]:
        with self.store.read() as c:
            seen = [entry for _, entry in self.sandbox.books.items("requests")]
            effects = self.sandbox.effects()
            return broken(c, PLATFORM, effects, seen, vault=self.store.vault, connector=self.connector)


def step(row: Cells, word: str, **further: str) -> Cells:
    """A row that changes the status of another row's certificate, and says nothing else."""
    told = {"status_step": word, "status_reason": "违章作业", "status_date": "2019-05-05"}
    return {name: row[name] for name in KEYS} | told | further


def withdrawal(row: Cells) -> Cells:
    return {name: row[name] for name in KEYS} | {"withdrawn": "是", "withdrawal_reason": "重复申报"}


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """One store: which deliveries are owed is tested on both elsewhere."""
    return sqlite_url


@pytest.fixture
def build(tmp_path: Path, store: Store) -> Iterator[Callable[..., Road]]:
    stack = ExitStack()

    def make(dialect: str, **settings: str) -> Road:
        road: Road
        sandbox: Any = build_sandbox(dialect=dialect, clock=lambda: road.now)
        sandbox.async_share = 0
        url = stack.enter_context(running(sandbox))
        # a busy machine is no platform that does not answer
        given = {**sandbox.access(url).environment, "GATEWAY_NATIONAL_MARKET__DEADLINE_SECONDS": "30"}
        given |= {f"GATEWAY_NATIONAL_MARKET__{name.upper()}": value for name, value in settings.items()}
        connector = build_connector(PLATFORM, loader(given))
        road = Road(folder=tmp_path, store=store, sandbox=sandbox, connector=connector)
        with store.write() as c:
            platforms.register(c, [PLATFORM])
        return road

    with stack:
        yield make


@pytest.fixture(params=["T", "X"])
def road(request: pytest.FixtureRequest, build: Callable[..., Road]) -> Road:
    """Each test on both dialects."""
    return build(request.param)


@pytest.mark.parametrize("dialect", ["T", "T-token", "X", "X-suzhou", "X-jiangsu"])
def test_a_certificate_is_suspended_given_back_cancelled_and_withdrawn(
    build: Callable[..., Road], dialect: str
) -> None:
    road = build(dialect)
    row = road.row()
    road.report(row)
    road.until_quiet()
    assert road.held() == ("01", 1)
    for number, (word, status) in enumerate((("暂扣", "02"), ("暂扣发还", "01"), ("注销", "05")), start=2):
        report = road.report(step(row, word))
        assert (report.admitted, dict(report.deliveries)) == (1, {PLATFORM: 1})
        road.until_quiet()
        assert road.held() == (status, number)
    road.report(withdrawal(row))
    road.until_quiet()
    assert road.held() == ("withdrawn", 5)
    assert road.deliveries() == [
        ("person", 1, "accepted"),
        ("certificate", 1, "accepted"),
        *(("status_change", number, "accepted") for number in (2, 3, 4)),
        ("withdrawal", 5, "accepted"),
    ]
    assert road.promises() == []


def test_a_decision_heard_twice_and_the_filing_reported_again_change_nothing(road: Road) -> None:
    row = road.row()
    road.report(row)
    road.report(step(row, "暂扣"))
    road.until_quiet()
    again, filed_again = road.report(step(row, "暂扣")), road.report(row)
    assert (again.unchanged, filed_again.unchanged) == (1, 1)
    road.until_quiet()
    assert road.held() == ("02", 2)
    assert len(road.deliveries()) == 3


def test_a_change_in_doubt_is_settled_by_asking_or_by_a_harmless_repeat(road: Road) -> None:
    row = road.row()
    road.report(row)
    road.until_quiet()
    road.report(step(row, "吊销"))
    road.sandbox.faults.set(next_=("gateway_error",))
    road.until_quiet()
    assert road.held() == ("03", 2)
    assert road.states() == Counter(accepted=3)
    assert road.promises() == []


def test_a_withdrawal_that_was_carried_out_and_not_answered_is_not_lost(road: Road) -> None:
    row = road.row()
    road.report(row)
    road.until_quiet()
    road.report(withdrawal(row))
    road.sandbox.faults.set(next_=("truncated",))
    road.until_quiet()
    assert road.held() == ("withdrawn", 2)
    assert road.states() == Counter(accepted=3)


def test_a_withdrawal_of_what_is_gone_already_is_settled_by_a_look_up(build: Callable[..., Road]) -> None:
    road = build("T")
    row = road.row()
    road.report(row)
    road.until_quiet()
    books = road.sandbox.books
    ((key, kept),) = books.items("certificates")
    books.put("certificates", key, kept | {"withdrawn": True})
    books.remove("certificate_keys", kept["natural"])
    road.report(withdrawal(row))
    road.until_quiet()
    assert road.deliveries()[-1] == ("withdrawal", 2, "accepted")
    with road.store.read() as c:
        events = c.execute(select(verdict.c.event, verdict.c.code).order_by(verdict.c.id.desc()).limit(2)).all()
    assert [tuple(one) for one in events] == [("accepted", "401"), ("duplicate", "401")]


def test_a_change_that_another_made_first_is_a_conflict_for_a_person(build: Callable[..., Road]) -> None:
    road = build("T")
    row = road.row()
    road.report(row)
    road.until_quiet()
    books = road.sandbox.books
    ((key, kept),) = books.items("certificates")
    books.put("certificates", key, kept | {"version": 7})
    road.report(step(row, "暂扣"))
    road.until_quiet()
    assert road.deliveries()[-1] == ("status_change", 2, "parked")


def test_a_correction_after_a_change_keeps_the_status_and_comes_after_it(road: Road) -> None:
    row = road.row()
    road.report(row)
    road.until_quiet()
    road.report(step(row, "暂扣"))
    road.report(row | {"confirm_organization": "济南市第二建设职业技能鉴定站"})
    road.until_quiet()
    assert road.held() == ("02", 3)
    assert road.deliveries()[2:] == [("status_change", 2, "accepted"), ("certificate", 3, "accepted")]


def test_a_change_of_what_never_arrived_is_contained_in_the_newest_version(road: Road) -> None:
    row = road.row()
    road.report(row)
    road.report(step(row, "暂扣"))
    road.report(row | {"confirm_organization": "济南市第二建设职业技能鉴定站"})
    road.until_quiet()
    assert road.deliveries()[1:] == [
        ("certificate", 1, "superseded"),
        ("status_change", 2, "superseded"),
        ("certificate", 3, "accepted"),
    ]
    assert road.held() == ("02", 3)


def test_a_certificate_filed_again_after_its_withdrawal_stands_there_again(road: Road) -> None:
    row = road.row()
    road.report(row)
    road.report(step(row, "暂扣"))
    road.until_quiet()
    road.report(withdrawal(row))
    road.report(row)
    road.until_quiet()
    assert road.held() == ("01", 4)


def test_both_sides_agree_after_a_change_and_after_a_withdrawal(road: Road) -> None:
    assert isinstance(road.connector, ListsHoldings)
    first, second = road.row(), road.row()
    road.report(first, second)
    road.until_quiet()
    road.report(step(first, "暂扣"), withdrawal(second))
    road.until_quiet()
    assert dict(road.reconciled().classes) == {"match": 3}
    road.report(step(first, "暂扣发还"))
    road.until_quiet()
    assert dict(road.reconciled().classes) == {"match": 3}


def test_a_lapsed_certificate_comes_back_by_a_renewal(build: Callable[..., Road]) -> None:
    road = build("T")
    row = road.row(valid_to="2019-05-01")
    road.report(row)
    road.report(step(row, "失效"))
    road.until_quiet()
    assert road.held() == ("06", 2)
    shown_again = {"reviewed_at": "2019-04-20 10:00", "notice_begin": "2019-04-21", "notice_end": "2019-04-29"}
    report = road.report(row | shown_again | {"reported_at": "2019-05-05 09:00", "valid_to": "2030-05-01"})
    assert (report.admitted, dict(report.gates)) == (1, {})
    road.until_quiet()
    assert road.deliveries()[-1] == ("certificate", 3, "accepted")
    assert road.held() == ("01", 3)
    ((_, kept),) = road.sandbox.books.items("certificates")
    assert etree.fromstring(kept["xml"]).findtext("{*}OperateType") == "02"


def test_a_platform_configured_later_is_told_the_whole_story(build: Callable[..., Road]) -> None:
    road = build("T")
    row, info = road.row(), road.connector.info
    nobody = type(info)(**{**{n: getattr(info, n) for n in info.__dataclass_fields__}, "kinds": {}})
    wanted, road.connector = road.connector, type("Deaf", (), {"info": nobody})()
    road.report(row)
    road.report(step(row, "暂扣"))
    road.report(step(row, "发还"))
    road.connector = wanted
    road.until_quiet()
    assert road.deliveries()[2:] == [("status_change", 2, "accepted"), ("status_change", 3, "accepted")]
    assert road.held() == ("01", 3)


@pytest.mark.parametrize(
    ("before", "word", "gate"),
    [(("失效",), "暂扣发还", "R-STATUS"), (("吊销",), "暂扣", "R-STATUS"), (None, "暂扣", "R-STATUS")],
)
def test_a_change_that_cannot_follow_goes_back_to_the_city(
    build: Callable[..., Road], before: tuple[str, ...] | None, word: str, gate: str
) -> None:
    road = build("T")
    row = road.row()
    if before is not None:
        road.report(row)
        for earlier in before:
            road.report(step(row, earlier))
    report = road.report(step(row, word))
    assert (report.refused, dict(report.gates)) == (1, {gate: 1})


@pytest.mark.parametrize("missing", ["status_reason", "status_date", "trade"])
def test_a_change_without_reason_day_or_trade_goes_back_to_the_city(build: Callable[..., Road], missing: str) -> None:
    road = build("T")
    row = road.row()
    road.report(row)
    assert road.report(step(row, "暂扣") | {missing: ""}).refused == 1


def test_the_same_platform_that_takes_no_changes_gets_the_certificate_as_it_became(build: Callable[..., Road]) -> None:
    road = build("T")
    row = road.row()
    road.report(row)
    road.report(step(row, "暂扣"))
    with road.store.read() as c:
        kinds = c.execute(select(record.c.kind, record.c.version).order_by(record.c.id)).all()
    assert [tuple(one) for one in kinds] == [
        ("person", 1),
        ("certificate", 1),
        ("certificate", 2),
        ("status_change", 2),
    ]
    assert isinstance(road.connector, LooksUp)


class CutTwoOfThree:
    """Of three requests the first is carried out and its answer cut, the second carried out late without an answer."""

    def __init__(self) -> None:
        self.drawn = 0

    def draw(self) -> str | None:
        self.drawn += 1
        return ("truncated", "late", None)[self.drawn % 3]


@pytest.mark.parametrize(
    "least",
    [60, pytest.param(1000, marks=[pytest.mark.soak])],
)
def test_of_pushes_cut_short_and_carried_out_late_each_counts_once(build: Callable[..., Road], least: int) -> None:
    road = build("T", batch_max="1", connections="2")
    rows = [road.row() for _ in range(least // 3)]
    road.report(*rows)
    road.sandbox.faults = CutTwoOfThree()
    for _ in range(20 * least):
        road.run(push, poll, resolve)
        if set(road.states()) == {State.ACCEPTED}:
            break
        road.now += timedelta(seconds=1)
    road.now += timedelta(seconds=road.sandbox.late_seconds)
    assert road.states() == Counter({State.ACCEPTED: len(rows) * 2})
    effects = road.sandbox.effects()
    requests = [entry for _, entry in road.sandbox.books.items("requests") if entry["operation"].startswith("Upsert")]
    cut = Counter(entry["fault"] for entry in requests)
    assert cut["truncated"] + cut["late"] >= least
    assert min(cut["truncated"], cut["late"]) >= least // 3
    assert (effects["counts"]["persons"], effects["counts"]["certificates"]) == (len(rows), len(rows))
    assert road.sandbox.books.items("late") == []
    assert road.promises() == []


def paused(road: Road) -> str | None:
    with road.store.read() as c:
        return c.execute(select(platform.c.code).where(platform.c.paused)).scalar()


def pushes(road: Road) -> int:
    return len([1 for _, e in road.sandbox.books.items("requests") if e["operation"].startswith("Upsert")])


def test_two_answers_against_the_schema_in_a_row_hold_the_platform(build: Callable[..., Road]) -> None:
    road = build("T", batch_max="1", connections="1")
    road.report(*(road.row() for _ in range(12)))
    road.sandbox.faults.set(rates={"off_schema": 1.0})
    road.run(push)
    assert paused(road) == "broken_replies"
    begun = pushes(road)
    assert 2 <= begun <= 4
    road.now += timedelta(hours=1)
    road.run(push, poll, resolve)
    assert pushes(road) == begun
    road.sandbox.faults.set(rates={})
    with road.store.write() as c:
        platforms.resume(c, PLATFORM, by="someone", reason=None, now=road.now)
    road.until_quiet()
    assert road.states() == Counter({State.ACCEPTED: 24})
    assert road.promises() == []


def test_the_second_of_them_may_come_in_another_run_and_a_good_one_between_them_counts(
    build: Callable[..., Road],
) -> None:
    road = build("T", batch_max="1", connections="1")
    row = road.row()
    road.report(row)
    for fault, held in (("off_schema", None), (None, None), ("off_schema", None), ("off_schema", "broken_replies")):
        if fault is None:
            road.until_quiet()
            road.report(step(row, "暂扣"))
        else:
            road.sandbox.faults.set(next_=(fault,))
            road.run(lambda e: push(e, limit=1))
        assert paused(road) == held
        road.now += timedelta(minutes=10)
    begun = len(road.sandbox.books.items("requests"))
    road.run(push)
    assert len(road.sandbox.books.items("requests")) == begun
