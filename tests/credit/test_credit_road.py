"""The whole way of credit with the provincial platform: pushed, told about, compared, decided, and told again."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import func, select

from connectors.provincial_credit.adapter import build
from connectors.provincial_credit.sandbox import ProvincialCreditSandbox
from gateway.credit.books import BooksReport, reconcile_books
from gateway.credit.decisions import Officer, draft, publish
from gateway.credit.feedback import FeedbackReport, pull
from gateway.credit.rules.books import BookDifference
from gateway.credit.rules.statements import AckCode
from gateway.credit.store import views as archive_views
from gateway.credit.store.books import active_at
from gateway.credit.store.case_tables import credit_own
from gateway.credit.store.events import CENTRE
from gateway.credit.store.tables import credit_ack, credit_event, credit_link, credit_version, ticket
from gateway.credit.tickets import read_calendar
from gateway.delivery.acknowledge import poll
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.store import owing, platforms
from gateway.delivery.system import System
from gateway.domain.records import Certificate, Record, RecordKind, Worker
from gateway.domain.ticket_kinds import TicketKind
from gateway.intake.identity import index_entries
from gateway.settings import loader
from gateway.store import records
from gateway.store.engine import Store, open_engine
from gateway.store.records import IndexEntry
from gateway.store.tables import record as record_table
from gateway.store.thread import StoreThread
from gateway.store.vault import KeyRing, Vault
from gateway.testing import people
from gateway.testing.serving import running
from gateway.transport.sender import Sender

PLATFORM = "provincial_credit"
T = TypeVar("T")


@dataclass
class Road:
    """A store with certificates the platform has, and the platform over real HTTP."""

    store: Store
    connector: Any
    sandbox: ProvincialCreditSandbox
    clock: Callable[[], datetime]
    environment: dict[str, str]
    moved: list[timedelta] = field(default_factory=list)
    rng: random.Random = field(default_factory=lambda: random.Random(21))
    held: list[Record] = field(default_factory=list)
    entries: list[IndexEntry] = field(default_factory=list)

    def run(self, work: Callable[[Exchanger], Awaitable[T]]) -> T:
        async def sleep(seconds: float) -> None:
            self.moved.append(timedelta(seconds=seconds))

        async def within() -> T:
            edge = System(
                now=self.clock,
                new_id=lambda: people.ulid(self.rng),
                random_bytes=self.rng.randbytes,
                draw=self.rng.random,
                sleep=sleep,
            )
            with StoreThread(self.store) as thread:
                async with Sender(self.connector.endpoint) as sender:
                    return await work(Exchanger(self.connector, sender, thread, edge))

        return asyncio.run(within())

    def pass_(self, **parts: float) -> None:
        self.moved.append(timedelta(**parts))

    def pull(self) -> FeedbackReport:
        return self.run(pull)

    def books(self, day: date) -> BooksReport:
        report = self.run(lambda e: reconcile_books(e, day))
        assert report is not None
        return report

    def statuses(self, record_id: str) -> list[str]:
        query = select(credit_version.c.status).where(
            credit_version.c.record_id == record_id, credit_version.c.sys_to.is_(None)
        )
        with self.store.read() as connection:
            return list(connection.execute(query.order_by(credit_version.c.valid_from)).scalars())

    def count(self, table: Any, column: Any) -> dict[Any, int]:
        with self.store.read() as connection:
            return dict(Counter(connection.execute(select(column).select_from(table)).scalars().all()))


@pytest.fixture
def ring() -> KeyRing:
    """One ring for all stores of a test, so that digests compare."""
    return KeyRing.generate()


@pytest.fixture
def store(sqlite_url: str, ring: KeyRing) -> Iterator[Store]:
    """One kind of store: what differs between the two is tested below the road."""
    made = Store(engine=open_engine(sqlite_url), vault=Vault(ring))
    yield made
    made.close()


@pytest.fixture
def road(store: Store) -> Iterator[Road]:
    moved: list[timedelta] = []

    def clock() -> datetime:
        return datetime(2019, 4, 2, 1, 30, tzinfo=UTC) + sum(moved, timedelta())

    sandbox = ProvincialCreditSandbox(seed=5, clock=clock)
    with running(sandbox) as address:
        environment = dict(sandbox.access(address).environment)
        connector = build(loader(environment))
        made = Road(
            store=store, connector=connector, sandbox=sandbox, clock=clock, environment=environment, moved=moved
        )
        _fill(made)
        made.run(lambda e: push(e, claim_limit=100, lease=timedelta(minutes=5)))
        for _ in range(5):
            made.pass_(minutes=10)
            made.run(lambda e: poll(e, claim_limit=100, lease=timedelta(minutes=5)))
        yield made
    sandbox.books.close()


def _fill(road: Road) -> None:
    held: list[Record] = []
    entries: list[IndexEntry] = []
    for _ in range(12):
        person = people.person_record(road.rng)
        paper = people.certificate_record(road.rng, person)
        assert isinstance(person.content, Worker)
        assert isinstance(paper.content, Certificate)
        held += [person, paper]
        entries += index_entries(person.content, paper.content, person.key, paper.key)
    road.held, road.entries = held, entries
    _keep(road, road.store)


def _keep(road: Road, store: Store) -> None:
    with store.write() as connection:
        platforms.register(connection, [PLATFORM])
        owing.lock_records(connection)
        records.add(connection, store.vault, road.held, batch_id=None, now=road.clock())
        records.index(connection, store.vault, road.entries, road.clock())
        owing.owe(connection, road.connector.info, road.clock())


def test_every_event_is_answered_gaps_are_filled_by_id_and_books_agree(road: Road) -> None:
    reports = [road.pull() for _ in range(4)]
    assert [report.stopped for report in reports] == [None] * 4
    assert sum(report.voided for report in reports) == 1
    outcomes = road.count(credit_event, credit_event.c.outcome)
    assert AckCode.VERSION_GAP not in outcomes, "what was missing was asked for by id"
    unfinal = {AckCode.ACCEPTED_UNMATCHED, AckCode.IDENTITY_CONFLICT, AckCode.SCHEMA_INVALID}
    assert set(outcomes) <= unfinal | {AckCode.APPLIED, AckCode.UNAUTHORISED_SOURCE, AckCode.VERSION_FORK}
    assert road.count(credit_ack, credit_ack.c.sent_at.is_(None)) == {False: _rows(road, credit_ack)}
    assert _kinds_of(road.store) == {RecordKind.PERSON: 12, RecordKind.CERTIFICATE: 13, RecordKind.STATUS_CHANGE: 1}
    day = road.clock().date()
    road.pass_(days=1, hours=4)
    books = road.books(day)
    assert books.totals.keys() <= {BookDifference.MATCH, BookDifference.MISSING_LOCAL}
    refused = road.count(credit_ack, credit_ack.c.code)[AckCode.SIGNATURE_INVALID]
    assert books.totals[BookDifference.MISSING_LOCAL] == refused, (
        "what came with a wrong signature is no record of ours"
    )
    assert (books.stopped, books.closed, road.count(ticket, ticket.c.kind)["BOOKS"]) == (None, True, refused)
    assert books.rows == sum(count for kind, count in books.totals.items() if kind != "MISSING_REMOTE")
    again = road.books(day)
    assert again.totals == books.totals, "comparing a day again gives the same"


def test_a_record_that_disappears_without_a_word_is_withheld_and_comes_back(road: Road) -> None:
    while road.pull().pulled:
        pass
    with road.store.read() as connection:
        lost = active_at(connection, PLATFORM, ["PERSON_BAD"], road.clock())
    record_id = min(lost)
    road.sandbox.office.hide(record_id, road.clock())
    road.pass_(days=6)  # the books of a Sunday list all that is in force
    books = road.books(date(2019, 4, 7))
    assert books.totals[BookDifference.MISSING_REMOTE] == 2, "the platform's own story loses one too"
    assert road.statuses(record_id)[-1] == "WITHHELD"
    assert road.count(ticket, ticket.c.kind)["DISAPPEARED"] == 2
    road.sandbox.office.show(record_id)
    road.pass_(days=7)
    assert BookDifference.STATUS_DIFF in road.books(date(2019, 4, 14)).totals
    assert "ACTIVE" in road.statuses(record_id)[1:]


def test_a_cursor_that_has_run_out_is_replaced_by_the_snapshot(road: Road) -> None:
    while road.pull().pulled:
        pass
    told = road.count(credit_event, credit_event.c.local)
    road.pass_(days=120)
    assert road.pull().stopped is None
    assert road.count(credit_event, credit_event.c.local) == {**told, True: 1}, "one record was lost without a word"
    assert road.pull().stopped is None


def _said(road: Road, **changes: Any) -> dict[str, Any]:
    """A complete decision about somebody who is held."""
    with road.store.read() as connection:
        persons = select(record_table.c.key).where(record_table.c.kind == RecordKind.PERSON)
        key = connection.execute(persons.limit(1)).scalar_one()
    return {
        "subject": key,
        "category": "BAD",
        "credit_type": "SD-P",
        "credit_code": "SD-P-01",
        "content": "申报时提供虚假劳动合同",
        "region": "370000",
        "authority": "山东省建设从业人员教育中心",
        "legal_basis": "鲁建教函〔2019〕1号 六(三)",
        "decision": "记入诚信档案并公布",
        "decision_no": "鲁教决字〔2019〕1号",
        "decided": date(2019, 4, 1),
        "proof": {
            "noticed": date(2019, 3, 20),
            "heard": True,
            "delivered": date(2019, 4, 2),
            "digest": "sha-256:" + "0" * 64,
        },
    } | changes


def test_an_own_decision_goes_out_and_its_echo_counts_once(road: Road) -> None:
    officer, said = Officer(by="officer", now=road.clock(), calendar=read_calendar()), _said(road)
    key = said["subject"]
    kept = draft(road.store, said, officer, new_key=lambda: people.ulid(road.rng))
    assert (kept.lacking, kept.warn_on, kept.due_on) == ((), date(2019, 4, 9), date(2019, 4, 11))
    publish(road.store, kept.key, officer, reason="signed", platform=PLATFORM)
    report = road.pull()
    assert (report.decisions, report.stopped) == (1, None)
    while road.pull().pulled:
        pass
    with road.store.read() as connection:
        held = archive_views.current(connection, key, road.clock())
    mine = [one for one in held if one.platform == CENTRE]
    echoes = [one for one in held if one.same_as == mine[0].record_id]
    assert [(one.usable, one.public, one.statement.rule_id) for one in mine] == [(True, True, "R-SD-LOCAL")]
    assert [(one.platform, one.usable, one.public) for one in echoes] == [(PLATFORM, False, False)]
    assert mine[0].tickets == frozenset(), "the deadline is met"


@pytest.mark.parametrize("event_type", ["AMENDED", "PERIOD_CHANGED", "REPAIRED"])
def test_a_later_version_that_names_no_day_holds_from_its_publication(road: Road, event_type: str) -> None:
    officer, said = Officer(by="officer", now=road.clock(), calendar=read_calendar()), _said(road)
    first = draft(road.store, said, officer, new_key=lambda: people.ulid(road.rng))
    publish(road.store, first.key, officer, reason="signed", platform=PLATFORM)
    assert road.pull().decisions == 1
    draft(road.store, said | {"record": first.key, "event_type": event_type}, officer, new_key=lambda: first.key)
    publish(road.store, first.key, officer, reason="signed", platform=PLATFORM)
    report = road.pull()
    assert (report.decisions, report.stopped) == (1, None)


def test_a_decision_that_does_not_fit_the_platform_is_for_a_person_and_keeps_nothing_else_back(road: Road) -> None:
    officer = Officer(by="officer", now=road.clock(), calendar=read_calendar())
    for changes in ({"credit_type": None, "decision_no": "甲"}, {"decision_no": "乙"}):
        kept = draft(road.store, _said(road, **changes), officer, new_key=lambda: people.ulid(road.rng))
        publish(road.store, kept.key, officer, reason="signed", platform=PLATFORM)
    report = road.pull()
    assert (report.decisions, report.stopped) == (1, None)
    assert report.pulled > 0
    with road.store.read() as connection:
        codes = connection.execute(select(credit_own.c.code).order_by(credit_own.c.code)).scalars().all()
        reviews = connection.execute(select(ticket.c.number).where(ticket.c.kind == TicketKind.REVIEW)).scalars().all()
    assert set(codes) == {None, "unfit"}
    assert len(reviews) == 1


WORKER = Path(__file__).with_name("creditworker.py")
KILLS = (("received", 2), ("written", 1), ("committed", 2))
"""at which place, and at which of the pages this process pulls"""


@pytest.mark.slow
def test_pulls_killed_between_page_and_cursor_lose_and_double_nothing(
    road: Road, postgres_url: str, ring: KeyRing
) -> None:
    """Real processes and SIGKILL; in the end the archive is the one of a pull that nobody disturbed."""
    while road.pull().pulled:
        pass
    killed = Store(engine=open_engine(postgres_url), vault=Vault(ring))
    _keep(road, killed)
    order = {
        "environment": road.environment | {"GATEWAY_PROVINCIAL_CREDIT__FEEDBACK_LIMIT": "10"},
        "store_url": postgres_url,
        "keys": ring.to_text(),
        "now": road.clock().isoformat(),
    }
    ends = [_work({**order, "die": die, "at": at, "seed": seed}) for seed, (die, at) in enumerate(KILLS)]
    assert ends == [-signal.SIGKILL] * len(KILLS)
    assert _work({**order, "die": "", "at": 0, "seed": 77}) == 0
    assert _archive(killed) == _archive(road.store)
    with killed.read() as connection:
        events = connection.execute(select(credit_event.c.event_id).where(~credit_event.c.local)).scalars().all()
    assert len(events) == len(set(events))
    killed.close()


def _work(order: dict[str, Any]) -> int:
    done = subprocess.run(
        [sys.executable, str(WORKER)], input=json.dumps(order), text=True, capture_output=True, check=False, timeout=60
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr[-2000:]
    assert "stopped" not in done.stdout or json.loads(done.stdout)["stopped"] is None, done.stdout
    return done.returncode


def _archive(store: Store) -> dict[str, list[Any]]:
    """What the archive holds, without its clock: events, statements believed, links, answers and tickets."""
    with store.read() as connection:

        def rows(*columns: Any, where: Any = None) -> list[Any]:
            query = select(*columns) if where is None else select(*columns).where(where)
            return sorted(map(repr, connection.execute(query).all()))

        event, version, link = credit_event.c, credit_version.c, credit_link.c
        return {
            "events": rows(event.event_id, event.digest, event.outcome, event.effect, event.match, event.subject_key),
            "versions": rows(version.record_id, version.status, version.valid_from, where=version.sys_to.is_(None)),
            "links": rows(link.record_id, link.kind, link.key, link.match, where=link.sys_to.is_(None)),
            "tickets": rows(ticket.c.record_id, ticket.c.kind, where=ticket.c.closed_at.is_(None)),
            "records": rows(record_table.c.kind, record_table.c.key, record_table.c.version),
        }


def _rows(road: Road, table: Any) -> int:
    with road.store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _kinds_of(store: Store) -> dict[str, int]:
    with store.read() as connection:
        return dict(Counter(connection.execute(select(record_table.c.kind)).scalars().all()))


def test_what_the_platform_forgot_and_what_its_feed_left_out_is_found_by_asking_what_it_waits_for(road: Road) -> None:
    while road.pull().pulled:
        pass
    road.sandbox.command(tell=("F01", "F04"))
    road.sandbox.faults.set(rates={"acks_lost": 1.0})
    told = road.pull()
    road.sandbox.faults.set(rates={})
    road.sandbox.command(tell=("F01",))
    road.sandbox.faults.set(rates={"page_lost": 1.0})
    assert road.pull().pulled == 0, "the newest page is lost, and no number shows it"
    road.sandbox.faults.set(rates={})
    road.pass_(days=1)
    found = road.pull()
    assert (found.pulled, found.acks_again, found.missed, found.stopped) == (0, told.pulled, 0, None)
    assert found.fetched > 0
    road.pass_(days=1)
    after = road.pull()
    assert (after.acks_again, after.fetched, after.acks_sent) == (0, 0, 0)
    road.sandbox.command(tell=("F01",))
    assert (road.pull().pulled, road.pull().stopped) == (2, None), "what was fetched is no gap of its stream"
