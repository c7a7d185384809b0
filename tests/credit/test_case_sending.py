"""At the platform's desk over real HTTP: objections with scans until they end, tickets told once, and lost answers."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from sqlalchemy import and_, or_, select

from connectors.provincial_credit.adapter import build
from connectors.provincial_credit.sandbox import ProvincialCreditSandbox
from connectors.provincial_credit.sandbox.http import BASE
from gateway.contract.messages import Token
from gateway.credit.case_sending import SentCases, send_cases
from gateway.credit.feedback import FeedbackReport, pull
from gateway.credit.fetch import look_for
from gateway.credit.objections import Entered, enter, listing
from gateway.credit.rules.objections import ObjectionPhase
from gateway.credit.rules.tickets import Act
from gateway.credit.store.case_tables import objection, scan, told_ticket
from gateway.credit.store.objections import EnteringOfficer
from gateway.credit.store.tables import credit_ack, credit_version, ticket
from gateway.credit.store.tickets import Filter
from gateway.credit.tickets import TicketAct, look_up, read_calendar, settle, work_list
from gateway.delivery.acknowledge import poll
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.store import owing, platforms
from gateway.delivery.store.exchanges import open_body
from gateway.delivery.store.tables import exchange
from gateway.delivery.system import System
from gateway.domain.records import Certificate, Record, Worker
from gateway.intake.identity import index_entries
from gateway.schema import metadata
from gateway.settings import loader
from gateway.store import records
from gateway.store.engine import Store, open_engine
from gateway.store.records import IndexEntry
from gateway.store.thread import StoreThread
from gateway.store.vault import KeyRing, Vault
from gateway.testing import people, scans
from gateway.testing.serving import running
from gateway.transport.sender import Sender

PLATFORM = "provincial_credit"
PDF = scans.pdf()
T = TypeVar("T")


class Platform(ProvincialCreditSandbox):
    """Logins are spared from faults, so that a fault meets the call it is meant for."""

    exempt: ClassVar[frozenset[str]] = ProvincialCreditSandbox.exempt | {f"{BASE}/auth/request-secrets"}


@dataclass
class Road:
    """A store with certificates the platform has, a folder with files, and the platform over real HTTP."""

    store: Store
    sandbox: Platform
    folder: Path
    environment: dict[str, str]
    moved: list[timedelta]
    rng: random.Random = field(default_factory=lambda: random.Random(21))
    tokens: dict[str, Token] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.connector = build(loader(self.environment))

    def clock(self) -> datetime:
        return self.sandbox.clock()

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
                    return await work(Exchanger(self.connector, sender, thread, edge, self.tokens))

        return asyncio.run(within())

    def pass_(self, **parts: float) -> None:
        self.moved.append(timedelta(**parts))

    def pull(self) -> FeedbackReport:
        report = self.run(pull)
        assert report.stopped is None, report
        return report

    def visit(self, fault: str | None = None) -> SentCases:
        """Only the desk, where every call but the login meets the fault."""
        patient = self.connector
        if fault == "timeout_after_commit":
            self.connector = build(loader({**self.environment, "GATEWAY_PROVINCIAL_CREDIT__DEADLINE_SECONDS": "1"}))
        self.sandbox.faults.set(rates={fault: 1.0} if fault else {})
        try:
            return self.run(send_cases)
        finally:
            self.sandbox.faults.set(rates={})
            self.connector = patient

    def told(self, case: str) -> str:
        """Tell a case; gives the id of its first record once it was pulled."""
        self.sandbox.command(tell=(case,))
        self.pull()
        record_id: str = self.sandbox.books.get("cases", case)[0]
        return record_id

    def object(self, record_id: str, **changes: Any) -> Entered:
        said = {"record": record_id, "objector": "示例申诉人", "contact": "13800000000", "ground": "合同真实有效"}
        officer = EnteringOfficer(by="officer", now=self.clock(), new_id=lambda: people.ulid(self.rng))
        terms = self.connector.desk
        done = enter(self.store, {**said, **changes}, self.folder, officer, platform=PLATFORM, terms=terms)
        assert isinstance(done, Entered), done
        return done

    def counts(self) -> dict[str, int]:
        counts = self.sandbox.effects()["counts"]
        return {name: counts[name] for name in ("objections", "scans", "tickets")}

    def states(self) -> list[tuple[str, str | None]]:
        return [(row.state, row.code) for row in self.rows(objection)]

    def rows(self, table: Any) -> list[Any]:
        with self.store.read() as connection:
            return list(connection.execute(select(table)))

    def stands(self, record_id: str) -> tuple[str, bool]:
        """Status of a record now, and whether it is objected to."""
        version, now = credit_version.c, self.clock()
        in_force = and_(version.valid_from <= now, or_(version.valid_to.is_(None), version.valid_to > now))
        void = version.valid_from == version.valid_to
        query = select(version.status, version.under_objection).where(
            version.record_id == record_id, version.sys_to.is_(None), or_(in_force, void)
        )
        with self.store.read() as connection:
            [row] = connection.execute(query).all()
        return row.status, row.under_objection


@pytest.fixture
def ring() -> KeyRing:
    """The keys of a store that several processes open."""
    return KeyRing.generate()


@pytest.fixture
def store_url(request: pytest.FixtureRequest) -> str:
    """One kind of store unless a test asks for another: what differs between the two is tested below the road."""
    return str(request.getfixturevalue(getattr(request, "param", "sqlite_url")))


@pytest.fixture
def store(store_url: str, ring: KeyRing) -> Iterator[Store]:
    made = Store(engine=open_engine(store_url), vault=Vault(ring))
    yield made
    made.close()


@pytest.fixture
def road(store: Store, tmp_path: Path) -> Iterator[Road]:
    moved: list[timedelta] = []

    def clock() -> datetime:
        return datetime(2019, 4, 2, 1, 30, tzinfo=UTC) + sum(moved, timedelta())

    sandbox = Platform(seed=5, clock=clock)
    with running(sandbox) as address:
        environment = dict(sandbox.access(address).environment)
        made = Road(store=store, sandbox=sandbox, folder=tmp_path, environment=environment, moved=moved)
        (tmp_path / "letter.pdf").write_bytes(PDF)
        _fill(made)
        made.run(lambda e: push(e, claim_limit=100, lease=timedelta(minutes=5)))
        made.pass_(minutes=10)
        made.run(lambda e: poll(e, claim_limit=100, lease=timedelta(minutes=5)))
        yield made
    sandbox.books.close()


def _fill(road: Road) -> None:
    held: list[Record] = []
    entries: list[IndexEntry] = []
    for _ in range(3):
        person = people.person_record(road.rng)
        paper = people.certificate_record(road.rng, person)
        assert isinstance(person.content, Worker)
        assert isinstance(paper.content, Certificate)
        held += [person, paper]
        entries += index_entries(person.content, paper.content, person.key, paper.key)
    with road.store.write() as connection:
        platforms.register(connection, [PLATFORM])
        owing.lock_records(connection)
        records.add(connection, road.store.vault, held, batch_id=None, now=road.clock())
        records.index(connection, road.store.vault, entries, road.clock())
        owing.owe(connection, road.connector.info, road.clock())


# objections


@pytest.mark.parametrize("store_url", ["sqlite_url", "postgres_url"], indirect=True)
def test_an_objection_goes_out_with_its_scan_is_accepted_and_upheld_and_the_flag_goes(road: Road) -> None:
    record_id = road.told("F01")
    road.object(record_id, scans=["letter.pdf"])
    assert road.pull().objections == 1
    [held] = road.rows(objection)
    assert (held.state, held.number) == ("SUBMITTED", "YY2019000001")
    [attachment] = road.sandbox.books.get("objections", held.number)["attachmentIds"]
    assert road.rows(scan)[0].number == attachment
    assert road.stands(record_id) == ("ACTIVE", False)
    road.pass_(days=2, hours=1)
    road.pull()
    assert (road.states(), road.stands(record_id)) == ([("ACCEPTED", None)], ("ACTIVE", True))
    road.pass_(days=8)
    road.pull()
    assert road.states() == [("UPHELD", None)]
    assert road.stands(record_id) == ("ACTIVE", False)
    [shown] = listing(road.store, read_calendar(), {}, road.clock(), everything=True, limit=9)[1]
    assert (shown["state"], shown["overdue"]) == ("UPHELD", False)
    assert road.counts() == {"objections": 1, "scans": 1, "tickets": 0}
    everything = repr([road.rows(table) for table in metadata.sorted_tables])
    assert not any(word in everything for word in ("示例申诉人", "13800000000", "合同真实有效", "%PDF", "letter"))
    asked = [row.purpose for row in road.rows(exchange)].count("objection_state")
    road.pass_(days=30)
    road.pull()
    assert [row.purpose for row in road.rows(exchange)].count("objection_state") == asked, "what has ended is not asked"


@pytest.mark.parametrize("answer", ["REJECTED", "CHANGED", "REVOKED"])
def test_record_and_objection_tell_one_story_whatever_the_answer(road: Road, answer: str) -> None:
    record_id = road.told("F01")
    road.object(record_id)
    road.pull()
    road.sandbox.command(answer={"YY2019000001": answer})
    road.pass_(hours=7)
    road.pull()
    assert road.states() == [(answer, None)]
    assert road.stands(record_id) == ("REVOKED" if answer == "REVOKED" else "ACTIVE", False)
    assert {row.kind for row in road.rows(ticket)} <= {"NOTIFY"}


def test_an_end_that_only_the_answer_told_is_looked_up_in_the_record(road: Road) -> None:
    record_id = road.told("F01")
    road.object(record_id)
    road.pull()
    road.sandbox.command(answer={"YY2019000001": "CHANGED"})
    road.pass_(hours=7)
    assert road.visit().trouble is None
    [held] = road.rows(objection)
    assert held.state == "CHANGED"
    assert held.event_id is not None, "its event was fetched by the record's id"
    assert road.stands(record_id) == ("ACTIVE", False)


def test_a_scan_is_handed_in_once_however_many_objections_it_goes_with(road: Road) -> None:
    record_id = road.told("F01")
    road.object(record_id, scans=["letter.pdf"])
    road.object(record_id, scans=["letter.pdf"], ground="另一理由")
    assert road.visit().taken == 2
    assert road.counts() == {"objections": 2, "scans": 1, "tickets": 0}


@pytest.mark.parametrize("fault", ["timeout_after_commit", "truncated", "duplicate"])
def test_after_a_lost_answer_the_same_message_goes_again_and_the_platform_has_it_once(road: Road, fault: str) -> None:
    record_id = road.told("F01")
    road.object(record_id, scans=["letter.pdf"])
    assert road.visit(fault).trouble is not None
    road.pass_(hours=1)
    assert road.visit(fault).taken == 0
    road.pass_(hours=1)
    while not road.visit().taken:
        road.pass_(hours=1)
    assert road.states() == [("SUBMITTED", None)]
    assert road.counts() == {"objections": 1, "scans": 1, "tickets": 0}


def test_what_the_platform_could_take_twice_is_not_sent_again(road: Road) -> None:
    record_id = road.told("F01")
    road.object(record_id)
    road.visit("empty")
    road.pass_(days=7, hours=1)
    assert road.visit().refused == 1
    assert road.states() == [("UNCLEAR", "too_old")]
    assert road.counts()["objections"] == 1


def test_an_objection_whose_bytes_are_others_than_before_is_unclear_and_no_second_one(road: Road) -> None:
    record_id = road.told("F01")
    road.object(record_id)
    road.visit("empty")
    [(key_id, key)] = json.loads(road.environment["GATEWAY_PROVINCIAL_CREDIT__FIELD_KEYS"]).items()
    changed = {"FIELD_KEY_ID": key_id, "FIELD_KEY": key, "FIELD_KEYS": "{}"}
    named = {f"GATEWAY_PROVINCIAL_CREDIT__{name}": value for name, value in changed.items()}
    road.connector = build(loader({**road.environment, **named}))
    road.pass_(hours=1)
    while not (done := road.visit()).refused:
        assert done.taken == 0
        road.pass_(hours=1)
    assert road.states() == [("UNCLEAR", "IDEMPOTENCY_MISMATCH")]
    assert road.counts()["objections"] == 1


def test_a_refusal_is_seen_with_its_reason_and_goes_again_when_it_is_entered_again(road: Road) -> None:
    record_id = road.told("F01")
    road.object(record_id)
    road.sandbox.command(hide=(record_id,))
    assert road.visit().refused == 1
    [held] = road.rows(objection)
    assert (held.state, held.code, bool(held.reason)) == (ObjectionPhase.REFUSED, "NOT_FOUND", True)
    assert road.visit().taken == 0, "not by itself"
    road.sandbox.command(show=(record_id,))
    assert road.object(record_id).new
    assert road.visit().taken == 1
    assert road.counts()["objections"] == 1


def test_an_account_without_the_right_to_object_goes_on_pulling(road: Road) -> None:
    record_id = road.told("F01")
    road.object(record_id)
    road.sandbox.security.scopes = frozenset({"credit.read", "credit.ack"})
    road.sandbox.command(tell=("F01", "F19"))
    report = road.pull()
    assert (report.pulled, report.acks_sent, report.objections_refused, report.tickets_told) == (3, 3, 1, 1)
    assert road.states() == [("REFUSED", "ACCESS_DENIED")]
    assert road.pull().objections_refused == 0


def test_one_that_has_to_wait_does_not_keep_the_others_back(road: Road) -> None:
    record_id = road.told("F01")
    for ground in ("甲", "乙", "丙"):
        road.object(record_id, ground=ground)
    road.sandbox.faults.set(next_=("empty",))
    done = road.visit()
    assert (done.taken, done.trouble is not None) == (2, True)
    road.pass_(hours=1)
    assert road.visit().taken == 1
    assert road.counts()["objections"] == 3


WORKER = Path(__file__).with_name("caseworker.py")
KILLS = (("open.after", 2), ("send.after", 2), ("settle.after", 2), ("send.after", 3), ("settle.after", 2))
"""the first request of a process is its login, the second the scan or, once that is settled, the objection"""


@pytest.mark.slow
@pytest.mark.parametrize("store_url", ["postgres_url"], indirect=True)
def test_a_visit_killed_around_every_commit_leaves_one_scan_and_one_objection(
    road: Road, store_url: str, ring: KeyRing
) -> None:
    record_id = road.told("F01")
    road.object(record_id, scans=["letter.pdf"])
    order = {
        "environment": road.environment,
        "store_url": store_url,
        "keys": ring.to_text(),
        "now": road.clock().isoformat(),
    }
    ends = [_work({**order, "die": die, "at": at, "seed": seed}) for seed, (die, at) in enumerate(KILLS)]
    assert ends == [-signal.SIGKILL] * len(KILLS)
    assert _work({**order, "die": "", "at": 0, "seed": 77}) == 0
    assert road.states() == [("SUBMITTED", None)]
    assert road.counts() == {"objections": 1, "scans": 1, "tickets": 0}


def _work(order: dict[str, Any]) -> int:
    done = subprocess.run(
        [sys.executable, str(WORKER)], input=json.dumps(order), text=True, capture_output=True, check=False, timeout=60
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr[-2000:]
    return done.returncode


# tickets


@pytest.mark.parametrize("store_url", ["sqlite_url", "postgres_url"], indirect=True)
def test_tickets_are_told_once_named_in_acknowledgements_and_shown_as_they_stand_there(road: Road) -> None:
    road.sandbox.command(tell=("F03", "F19"))
    assert road.pull().tickets_told == 2
    assert road.pull().tickets_told == 0
    assert road.counts()["tickets"] == 2
    told = {row.ticket: row.number for row in road.rows(told_ticket)}
    conflicts = [row for row in road.rows(credit_ack) if row.code in ("IDENTITY_CONFLICT", "VERSION_FORK")]
    assert {row.ticket for row in conflicts} == set(told)
    shown = {one.ticket.number: one for one in _listed(road)}
    assert {number: one.document()["platform_number"] for number, one in shown.items()} == told
    theirs = [value for _, value in road.sandbox.books.items("tickets")]
    assert {one["kind"] for one in theirs} == {"FORK", "IDENTITY"}
    assert all(number in str(theirs) for number in told)
    names = [one["item"]["person"]["workerName"] for _, one in road.sandbox.books.items("certificates")]
    assert not any(name in str(theirs) for name in names)


def test_acknowledgements_carry_the_platforms_number_of_the_ticket(road: Road) -> None:
    road.sandbox.command(tell=("F19",))
    road.pull()
    body = _last_body(road, "feedback_ack")
    assert body["acks"][0]["ticketNo"] == road.rows(told_ticket)[0].number


def test_a_ticket_closed_at_the_platform_is_shown_so_and_settled_here_by_a_person(road: Road) -> None:
    road.sandbox.command(tell=("F19",))
    road.pull()
    [row] = road.rows(told_ticket)
    subject = road.sandbox.books.get("events", "EV0000000001")["subject"]["name"]
    road.sandbox.command(close={row.number: f"{subject} 的号码已更正，电话13800000000"})
    road.pull()
    assert road.rows(told_ticket)[0].status == "OPEN", "it is too early to ask"
    road.pass_(hours=7)
    road.pull()
    found = look_up(road.store, read_calendar(), row.ticket, road.clock())
    assert found is not None
    document = found.document()
    assert (document["platform_status"], document["closed_at"]) == ("CLOSED", None)
    assert document["platform_outcome"] == "*** 的号码已更正，电话***"
    assert _listed(road)[0].document()["platform_outcome"] is None
    assert subject not in str(road.rows(told_ticket))
    settle(road.store, TicketAct(number=row.ticket, act=Act.REFUSE, reason="r", by="head"), road.clock())
    asked = len(road.rows(exchange))
    road.pass_(days=1)
    assert road.visit().trouble is None
    assert len(road.rows(exchange)) == asked


def test_a_ticket_that_is_settled_here_is_neither_told_nor_asked_about(road: Road) -> None:
    road.sandbox.command(tell=("F19", "F19"))
    road.pull()
    for row in road.rows(told_ticket):
        settle(road.store, TicketAct(number=row.ticket, act=Act.REFUSE, reason="r", by="head"), road.clock())
    asked = len(road.rows(exchange))
    road.pass_(days=1)
    road.visit()
    assert len(road.rows(exchange)) == asked


@pytest.mark.parametrize("fault", ["timeout_after_commit", "duplicate"])
def test_a_ticket_whose_answer_is_lost_is_told_once(road: Road, fault: str) -> None:
    with_tickets, road.connector = road.connector, _without_tickets(road)
    road.sandbox.command(tell=("F19",))
    road.pull()
    assert road.counts()["tickets"] == 0, "which kinds are told is a setting"
    road.connector = with_tickets
    road.visit(fault)
    road.pass_(hours=1)
    while not road.visit().tickets:
        road.pass_(hours=1)
    assert road.counts()["tickets"] == len(road.rows(told_ticket)) == 1


def test_a_ticket_the_platform_will_not_take_stays_ours(road: Road) -> None:
    with_tickets, road.connector = road.connector, _without_tickets(road)
    record_id = road.told("F19")
    road.connector = with_tickets
    road.sandbox.books.remove("records", record_id)
    assert (road.visit().tickets, road.visit().trouble) == (0, None)
    document = _listed(road)[0].document()
    assert (document["platform_number"], document["platform_code"]) == (None, "NOT_FOUND")


def test_our_own_sighting_is_no_event_of_the_platform(road: Road) -> None:
    record_id = road.told("F27")
    road.pass_(days=1)
    road.run(lambda e: look_for(e, [record_id]))
    assert road.visit().tickets == 1
    [(_, there)] = road.sandbox.books.items("tickets")
    assert (there["kind"], "eventId" in there) == ("DISAPPEARED", False)


async def _look(exchanger: Exchanger, record_id: str) -> None:
    await look_for(exchanger, [record_id])


def _without_tickets(road: Road) -> Any:
    return build(loader({**road.environment, "GATEWAY_PROVINCIAL_CREDIT__TICKETS": "[]"}))


def _listed(road: Road) -> list[Any]:
    return work_list(road.store, read_calendar(), Filter(), 10, road.clock())[1]


def _last_body(road: Road, purpose: str) -> dict[str, Any]:
    with road.store.read() as connection:
        row = connection.execute(
            select(exchange).where(exchange.c.purpose == purpose).order_by(exchange.c.id.desc()).limit(1)
        ).one()
        body: dict[str, Any] = json.loads(
            open_body(road.store.vault, row.request, f"exchange.request:{row.message_id}/{row.request_digest}")
        )
    return body
