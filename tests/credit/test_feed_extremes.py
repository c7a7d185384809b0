"""The smallest and largest of every day, moment, number and text of a credit event, from the platform to the store.

An event that cannot be read is that event's own flaw: it is kept, has a ticket and is answered, the events round it are
applied, and the cursor moves on.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from connectors.provincial_credit.adapter import build
from connectors.provincial_credit.sandbox import ProvincialCreditSandbox
from connectors.provincial_credit.sandbox.cursors import pack
from connectors.provincial_credit.sandbox.handlers import Answer, Asked
from connectors.provincial_credit.sandbox.scenario import Maker, follow
from gateway.contract.messages import WireResponse
from gateway.credit.feedback import FeedbackReport, pull
from gateway.credit.rules.statements import AckCode
from gateway.credit.search import Purpose, search_subject
from gateway.credit.store import pages
from gateway.credit.store.tables import credit_ack, credit_event, credit_version, ticket
from gateway.credit.views import Who
from gateway.delivery.acknowledge import poll
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.reconcile import reconcile
from gateway.delivery.rules.paging import CURSOR_REPEATED, PAGES_ENDLESS
from gateway.delivery.store import owing, platforms
from gateway.delivery.system import System
from gateway.domain.records import Certificate, Record, Worker
from gateway.domain.ticket_kinds import TicketKind
from gateway.intake.identity import index_entries
from gateway.settings import loader
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.records import IndexEntry
from gateway.store.scope import Scope
from gateway.store.thread import StoreThread
from gateway.testing import people
from gateway.testing.serving import running
from gateway.transport.sender import Sender

PLATFORM = "provincial_credit"
START = datetime(2019, 4, 2, 1, 30, tzinfo=UTC)
APPLIED, FLAWED = AckCode.APPLIED, AckCode.SCHEMA_INVALID


@dataclass
class World:
    """A store with one pushed certificate, and the platform that tells of its holder."""

    store: Store
    connector: Any
    sandbox: ProvincialCreditSandbox
    moved: list[timedelta]

    def clock(self) -> datetime:
        return START + sum(self.moved, timedelta())

    def run(self, *works: Callable[[Exchanger], Any]) -> Any:
        async def sleep(seconds: float) -> None:
            self.moved.append(timedelta(seconds=seconds))

        async def within() -> Any:
            rng = random.Random(len(self.moved))
            edge = System(
                now=self.clock,
                new_id=lambda: people.ulid(rng),
                random_bytes=rng.randbytes,
                draw=rng.random,
                sleep=sleep,
            )
            with StoreThread(self.store) as thread:
                async with Sender(self.connector.endpoint) as sender:
                    exchanger = Exchanger(self.connector, sender, thread, edge)
                    for work in works:
                        done = await work(exchanger)
                        self.moved.append(timedelta(minutes=10))
                    return done

        return asyncio.run(within())

    def pull(self) -> FeedbackReport:
        report: FeedbackReport = self.run(pull)
        return report

    def maker(self) -> Maker:
        held = [row for _, row in self.sandbox.books.items("certificates")]
        return Maker(self.sandbox.registry, random.Random(1), held, START, lambda: self.sandbox.books.bump("records"))

    def tell(self, *events: dict[str, Any], digest: bool = True) -> list[str]:
        """Publish events as they are, also where the platform's own clock would write another time."""
        told = []
        for given in events:
            event = self.sandbox.office.publish(given, START)
            event |= {name: value for name, value in given.items() if name in ("eventTime", "streamSeq")}
            event = {name: value for name, value in event.items() if value is not None}
            if digest:
                event["payloadDigest"] = self.sandbox.office.sealing.of(event)
            self.sandbox.books.put("events", event["eventId"], event)
            told.append(event["eventId"])
        return told

    def codes(self) -> dict[str, str]:
        with self.store.read() as c:
            rows = c.execute(select(credit_event.c.event_id, credit_event.c.outcome)).all()
        return {row.event_id: row.outcome for row in rows}

    def column(self, of: Any) -> list[Any]:
        with self.store.read() as c:
            return list(c.execute(select(of)).scalars())

    def cursor(self) -> str | None:
        with self.store.read() as c:
            return pages.cursor_of(Scope(connection=c, vault=self.store.vault, platform=PLATFORM, at=self.clock()))


@pytest.fixture
def world(store_url: str, make_store: Callable[[str], Store]) -> Iterator[World]:
    moved: list[timedelta] = []
    store = make_store(store_url)
    sandbox = ProvincialCreditSandbox(seed=5, clock=lambda: START + sum(moved, timedelta()))
    # only what the tests tell is told
    sandbox.books.bump("tellings")
    with running(sandbox) as address:
        connector = build(loader(dict(sandbox.access(address).environment)))
        made = World(store=store, connector=connector, sandbox=sandbox, moved=moved)
        _fill(made)
        lease = timedelta(minutes=5)
        made.run(lambda e: push(e, claim_limit=100, lease=lease), lambda e: poll(e, claim_limit=100, lease=lease))
        yield made
    sandbox.books.close()


def _fill(world: World) -> str:
    rng = random.Random(21)
    person = people.person_record(rng)
    paper: Record = people.certificate_record(rng, person)
    assert isinstance(person.content, Worker)
    assert isinstance(paper.content, Certificate)
    entries: list[IndexEntry] = list(index_entries(person.content, paper.content, person.key, paper.key))
    with world.store.write() as c:
        platforms.register(c, [PLATFORM])
        owing.lock_records(c)
        records.add(c, world.store.vault, [person, paper], batch_id=None, now=START)
        records.index(c, world.store.vault, entries, START)
        owing.owe(c, world.connector.info, START)
    return person.key


DAYS = ("happenDate", "punishDate", "punishEDate", "publishBeginDate", "publishEndDate", "createDate")
BEGINS = frozenset({"punishDate", "publishBeginDate"})
MOMENTS = ("eventTime", "effectiveFrom")
CASES: list[tuple[dict[str, Any], AckCode]] = [
    *(({name: "9999-12-31"}, APPLIED) for name in DAYS),
    *(({name: "9999-12-30"}, APPLIED) for name in DAYS),
    *(({name: "0001-01-01"}, FLAWED if name in BEGINS else APPLIED) for name in DAYS),
    *(({name: "0001-01-02"}, APPLIED) for name in DAYS),
    *(({name: "0000-01-01"}, FLAWED) for name in DAYS),
    *(({name: "2019-02-30"}, FLAWED) for name in DAYS),
    *(({name: "2019-W01-1"}, FLAWED) for name in DAYS),
    *(({name: "0001-01-01T00:00:00+08:00"}, FLAWED) for name in MOMENTS),
    *(({name: "0001-01-01T00:00:00Z"}, APPLIED) for name in MOMENTS),
    *(({name: "9999-12-31T23:59:59-08:00"}, FLAWED) for name in MOMENTS),
    *(({name: "9999-12-31T23:59:59Z"}, FLAWED) for name in MOMENTS),
    *(({name: "9999-12-31T23:59:59.999999+08:00"}, APPLIED) for name in MOMENTS),
    *(({name: "2019-03-01T24:00:00+08:00"}, FLAWED) for name in MOMENTS),
    *(({name: "2017-01-01T07:59:60+08:00"}, APPLIED) for name in MOMENTS),
    *(({name: "2017-01-01T12:34:60+08:00"}, FLAWED) for name in MOMENTS),
    *(({name: "2019-03-01T00:00:00+23:59"}, APPLIED) for name in MOMENTS),
    *(({name: "2019-03-01T00:00:00"}, FLAWED) for name in MOMENTS),
    ({"publishEndDate": "9999-12-31", "punishEDate": "9999-12-31", "effectiveFrom": "2019-03-01T00:00:00Z"}, APPLIED),
    ({"publishEndDate": None, "punishEDate": "9999-12-31", "isPublic": "0"}, APPLIED),
    ({"publishEndDate": None, "punishDate": "9999-12-31", "publishBeginDate": None, "isPublic": "0"}, APPLIED),
    ({"publishEndDate": "0001-01-01", "publishBeginDate": "9999-12-31"}, APPLIED),
    ({"punishMoney": "9" * 5000}, APPLIED),
    ({"punishMoney": "0"}, APPLIED),
    ({"content": "a\0b", "mark": "\0", "changeReason": "\0", "departName": "\0", "fileNum": "\0\x01"}, APPLIED),
    ({"dataSourceOrg": "\0", "projectCode": "\0", "punishEvidence": "\0\uffff\ufffe\u202e"}, APPLIED),
    ({"content": "𠮷" * 2000, "mark": "\U0010ffff" * 2000}, APPLIED),
]
"""what is changed of a good event -> how it is answered"""


def test_an_event_that_cannot_be_read_is_its_own_flaw_and_the_feed_goes_on(world: World) -> None:
    make = world.maker()
    person = make.person()
    told: list[tuple[dict[str, Any], AckCode, str]] = []
    before = world.tell(make.bad(person))
    for changes, code in CASES:
        [event_id] = world.tell({**make.bad(person), **changes})
        told.append((changes, code, event_id))
    after = world.tell(make.good(person))
    report = world.pull()
    assert report.stopped is None
    found = world.codes()
    assert {str(changes): found.get(event_id) for changes, _, event_id in told} == {
        str(changes): code for changes, code, _ in told
    }
    assert [found[event_id] for event_id in (*before, *after)] == [APPLIED, APPLIED]
    flawed = [event_id for _, code, event_id in told if code is FLAWED]
    assert (report.applied, report.quarantined) == (len(CASES) + 2 - len(flawed), len(flawed))
    assert world.column(ticket.c.kind).count(TicketKind.UNREADABLE) == len(flawed)
    acks = {event_id: world.sandbox.books.get("acks", event_id)["code"] for _, _, event_id in told}
    assert acks == {event_id: code for _, code, event_id in told}
    assert None not in world.column(credit_ack.c.sent_at)
    again = world.pull()
    assert (again.pulled, again.stopped) == (0, None)


def test_a_record_with_no_end_changes_with_later_events_as_any_other(world: World) -> None:
    make = world.maker()
    first = make.bad(make.person(), publishEndDate="9999-12-31", punishEDate="9999-12-31")
    world.tell(first)
    world.pull()
    assert world.column(credit_version.c.publish_to) == [None]
    assert TicketKind.PERIOD_BELOW_SANCTION not in world.column(ticket.c.kind)
    world.tell(follow(first, "PERIOD_CHANGED", publishEndDate=make.day(100), effectiveFrom=make.moment(0)))
    report = world.pull()
    assert (report.applied, report.stopped) == (1, None)
    assert TicketKind.PERIOD_BELOW_SANCTION in world.column(ticket.c.kind), "its sanction has no end"


NUMBERS = [
    *((name, number, APPLIED) for name in ("recordVersion", "prevVersion") for number in ("1", "1.0", "1e0", "10E-1")),
    ("recordVersion", "2147483647", APPLIED),
    ("prevVersion", "2147483647", APPLIED),
    *((name, number, FLAWED) for name in ("recordVersion", "prevVersion") for number in ("2147483648", "0", "-1")),
    *((name, "0.5", FLAWED) for name in ("recordVersion", "prevVersion", "streamSeq")),
    *(
        (name, number, FLAWED)
        for name in ("recordVersion", "prevVersion", "streamSeq")
        for number in ("9007199254740993", "9" * 4300, "9" * 4301, "-" + "9" * 5000, "1e999", "-1e999", "1e308")
    ),
    *(("streamSeq", number, FLAWED) for number in ("0", "-1", "-9007199254740991")),
]
"""a field, a number as it is written, and how the event is answered"""


@pytest.mark.parametrize("name", ["recordVersion", "prevVersion", "streamSeq"])
def test_a_number_of_any_size_stops_nothing(world: World, name: str) -> None:
    make = world.maker()
    person = make.person()
    told = []
    for at, (_, number, code) in enumerate(case for case in NUMBERS if case[0] == name):
        value = float(number)
        exact = int(value) if value.is_integer() and abs(value) < 2**53 else value
        event = make.bad(person)
        event["recordVersion" if name != "prevVersion" else "prevVersion"] = 2 if name == "prevVersion" else 1
        if name == "prevVersion":
            event |= {"recordVersion": 2, "eventType": "CORRECTED"}
            first = world.tell({**event, "recordVersion": 1, "prevVersion": None, "eventType": "CREATED"})
            assert first
        [event_id] = world.tell(event)
        held = world.sandbox.books.get("events", event_id)
        fits = math.isfinite(value)
        if fits:
            held["payloadDigest"] = world.sandbox.office.sealing.of({**held, name: exact})
        held[name] = 7000 + at
        world.sandbox.books.put("events", event_id, held)
        world.sandbox.security.rewritten[f'"{name}":{7000 + at},'.encode()] = f'"{name}":{number},'.encode()
        told.append((number, code, event_id))
    good = world.tell(make.good(person))
    assert world.pull().stopped is None
    found = world.codes()
    assert {number: found.get(event_id) for number, _, event_id in told} == {number: code for number, code, _ in told}
    assert found[good[0]] == APPLIED
    assert None not in world.column(credit_ack.c.sent_at)
    assert world.pull().pulled == 0


TEXTS = ("eventId", "eventType", "eventTime", "platformRecordId", "category", "creditCode", "content")
MORE = ("fileNum", "departName", "severityCode", "usageScope", "payloadDigest", "dataSourceOrg", "punishDate")


def test_half_a_surrogate_in_any_text_is_that_events_flaw(world: World) -> None:
    make = world.maker()
    person = make.person()
    spoilt = []
    for name in (*TEXTS, *MORE, "subject", "extra"):
        event = make.bad(person)
        [event_id] = world.tell(event)
        held = world.sandbox.books.get("events", event_id)
        mark = f"spoilt-{name}"
        if name == "subject":
            held["subject"]["name"] = mark
        else:
            held[name] = mark
        world.sandbox.books.put("events", event_id, held)
        world.sandbox.security.rewritten[mark.encode()] = rb"\ud800\u0000x"
        spoilt.append(event_id)
    spoilt += world.tell(make.bad(person, stream="CORP_GOOD"))
    world.sandbox.security.rewritten[b'"stream":"CORP_GOOD"'] = rb'"stream":"\ud800\u0000x"'
    good = world.tell(make.good(person))
    report = world.pull()
    assert (report.pulled, report.quarantined, report.applied) == (len(spoilt) + 1, len(spoilt), 1)
    assert world.codes()[good[0]] == APPLIED
    assert None not in world.column(credit_ack.c.sent_at)
    assert world.pull().pulled == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[" * 10_000 + b"]" * 10_000, "nested deeper than 64 levels"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "nested deeper than 64 levels"),
        (b'"' + b"x" * (6 * 1024 * 1024) + b'"', "larger than 4194304 bytes"),
        (b"[" + b"0," * 250_000 + b"0]", "more than 200000 values"),
    ],
)
def test_an_answer_too_deep_or_too_large_is_refused_with_its_reason(world: World, text: bytes, reason: str) -> None:
    make = world.maker()
    world.tell(make.bad(make.person(), mark="here"))
    world.sandbox.security.rewritten[b'"here"'] = text
    report = world.pull()
    assert report.stopped is not None
    assert reason in report.stopped
    assert world.cursor() is None
    del world.sandbox.security.rewritten[b'"here"']
    assert world.pull().applied == 1


async def longest_stop(until: asyncio.Task[Any]) -> float:
    """Seconds of this process's own work for which the event loop came to nothing else."""
    longest, before = 0.0, time.process_time()
    while not until.done():
        await asyncio.sleep(0.001)
        now = time.process_time()
        longest, before = max(longest, now - before), now
    return longest


def test_a_page_of_events_is_decoded_beside_the_event_loop(world: World) -> None:
    make = world.maker()
    person = make.person()
    world.tell(*(make.bad(person) for _ in range(300)))
    bodies: list[WireResponse] = []

    async def read(exchanger: Exchanger) -> float:
        connector: Any = exchanger.connector
        answer = await exchanger.ask("feedback", partial(connector.encode_feedback, None))
        assert answer.response is not None
        bodies.append(answer.response)
        task = asyncio.ensure_future(
            exchanger.decoded(answer.response, connector.decode_feedback, answer.response, answer.stamp)
        )
        stopped = await longest_stop(task)
        assert len(task.result().findings) == 200
        return stopped

    assert world.run(read) < 0.1
    assert len(bodies[0].body) > 100_000


class Circling(ProvincialCreditSandbox):
    """The platform with one list whose pages lead nowhere: ``numbers`` say what comes next."""

    circling: str = ""
    numbers: Iterator[int] = iter(())
    asked = 0

    def _answer(self, asked: Asked) -> Answer:
        status, value, headers = super()._answer(asked)
        if asked.call.operation != self.circling or status != 200:
            return status, value, headers
        self.asked += 1
        number = next(self.numbers)
        match self.circling:
            case "getCreditChanges":
                more = {"nextCursor": self.office.cursors.at(number, START), "hasMore": True}
            case "getPendingAcks":
                more = {"nextCursor": pack(str(number))}
            case "queryCertificates":
                more = {"nextPageToken": self.registry._pack(str(number))}
            case _:
                more = {"nextPageToken": pack(str(number))}
        return status, {**value, **more}, headers


@pytest.mark.parametrize(
    ("numbers", "code", "requests"),
    [
        (lambda: itertools.repeat(7), CURSOR_REPEATED, 2),
        (lambda: itertools.cycle((1, 2, 3)), CURSOR_REPEATED, 4),
        (itertools.count, PAGES_ENDLESS, 12),
    ],
)
@pytest.mark.parametrize("circling", ["getCreditChanges", "getPendingAcks", "queryCertificates", "queryCreditRecords"])
def test_a_list_whose_pages_lead_nowhere_is_left_and_said(
    store_url: str,
    make_store: Callable[[str], Store],
    circling: str,
    numbers: Callable[[], Iterator[int]],
    code: str,
    requests: int,
) -> None:
    sandbox = Circling(seed=5, clock=lambda: START)
    sandbox.books.bump("tellings")
    sandbox.circling, sandbox.numbers = circling, numbers()
    with running(sandbox) as address:
        environment = {**sandbox.access(address).environment, "GATEWAY_PROVINCIAL_CREDIT__MAX_PAGES": "12"}
        world = World(store=make_store(store_url), connector=build(loader(environment)), sandbox=sandbox, moved=[])
        key = _fill(world)
        if circling == "queryCertificates":
            stopped = world.run(reconcile).stopped
        elif circling == "queryCreditRecords":
            who, purpose = Who(kind="PERSON", key=key), Purpose(by="tester", reason="paging")
            stopped = world.run(lambda e: search_subject(e, who, purpose)).stopped
        else:
            stopped = world.pull().stopped
    assert stopped is not None
    assert stopped.partition(":")[0] == code
    assert sandbox.asked == requests
