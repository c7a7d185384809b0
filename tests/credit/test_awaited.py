"""What a platform still waits to hear: lost answers go again, skipped events are fetched, nothing goes on for ever."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gateway.contract.credit import Awaited, AwaitedPage, Gone
from gateway.contract.messages import FeedbackPage, Finding, FindingAck, Stamp, Verdict, WireRequest, WireResponse
from gateway.credit.feedback import FeedbackReport, pull
from gateway.credit.store.awaited import TIMES
from gateway.credit.store.tables import credit_ack, credit_event, credit_watch, ticket
from gateway.delivery.store import platforms
from gateway.delivery.store.tables import exchange
from gateway.delivery.system import System
from gateway.domain.names import plain_name
from gateway.domain.records import RecordKind, Worker
from gateway.domain.states import Event
from gateway.store import records
from gateway.store.engine import Store, open_engine
from gateway.store.records import IndexEntry
from gateway.store.thread import StoreThread
from gateway.store.vault import KeyRing, Vault
from gateway.testing import people
from gateway.testing.model import Model, ModelSandbox
from gateway.testing.serving import running
from gateway.transport.sender import Sender
from tests.support.findings import finding
from tests.support.killed_transactions import Dying, KilledError

NOW = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)
FINAL = ("APPLIED", "DUPLICATE", "STALE", "REJECTED_POLICY")
WORKER = people.worker(random.Random(1))


@dataclass(frozen=True, kw_only=True)
class Waiting(Model):
    """The model platform with a feed, records by id, and a list of what it still waits for in pages of two."""

    awaited_every: timedelta | None = timedelta(days=1)
    whole: bool = True

    def encode_feedback(self, cursor: str | None, stamp: Stamp, /) -> WireRequest:
        return self._request("changes", {"message": stamp.message_id, "cursor": cursor or "0"})

    def decode_feedback(self, response: WireResponse, stamp: Stamp, /) -> FeedbackPage | Verdict:
        answer = json.loads(response.body)
        found = tuple(_finding(event) for event in answer["events"])
        return FeedbackPage(findings=found, next_cursor=answer["next"], has_more=answer["more"])

    def encode_feedback_acks(self, acks: Sequence[FindingAck], stamp: Stamp, /) -> WireRequest:
        rows = [{"event": ack.event_id, "code": ack.code, "ticket": ack.ticket} for ack in acks]
        return self._request("acks", {"message": stamp.message_id, "acks": rows})

    def decode_feedback_acks(self, response: WireResponse, acks: Sequence[FindingAck], stamp: Stamp, /) -> Verdict:
        return Verdict(event=Event.ACCEPTED, code="x")

    def encode_record(self, record_id: str, stamp: Stamp, /) -> WireRequest:
        pytest.fail("what is awaited is asked for by its versions")

    def decode_record(self, response: WireResponse, record_id: str, stamp: Stamp, /) -> Finding | Gone | Verdict:
        pytest.fail("what is awaited is asked for by its versions")

    def encode_versions(self, record_id: str, stamp: Stamp, /) -> WireRequest:
        return self._request("versions", {"message": stamp.message_id, "record": record_id})

    def decode_versions(
        self, response: WireResponse, record_id: str, stamp: Stamp, /
    ) -> tuple[Finding, ...] | Gone | Verdict:
        answer = json.loads(response.body)
        if "refusal" in answer:
            return Verdict(event=Event(answer["refusal"]), code="refused")
        return tuple(_finding(event) for event in answer["events"]) or Gone(reason="UNKNOWN")

    def encode_awaited(self, cursor: str | None, stamp: Stamp, /) -> WireRequest:
        return self._request("awaited", {"message": stamp.message_id, "cursor": cursor or ""})

    def decode_awaited(self, response: WireResponse, stamp: Stamp, /) -> AwaitedPage | Verdict:
        answer = json.loads(response.body)
        if "refusal" in answer:
            return Verdict(event=Event(answer["refusal"]), code="refused")
        events = tuple(Awaited(**row) for row in answer["events"])
        return AwaitedPage(events=events, next_cursor=answer["next"], whole=self.whole)


def _finding(event: Mapping[str, Any]) -> Finding:
    return finding(WORKER, event["version"], record_id=event["record"], event_id=event["id"], stream_seq=event["seq"])


class WaitingSandbox(ModelSandbox):
    """Its side: events, the last code heard of each, and what goes wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []
        self.codes: dict[str, str] = {}
        self.heard: list[tuple[str, str]] = []
        self.tickets: dict[str, str | None] = {}
        self.forgets = False
        self.skipped: set[str] = set()
        self.withheld: set[str] = set()
        self.refusals: dict[str, str] = {}
        self.circles = False
        self.asked: list[str] = []

    def tell(self, *records: str) -> None:
        for record in records:
            seq = len(self.events) + 1
            version = 1 + sum(event["record"] == record for event in self.events)
            self.events.append({"id": f"EV-{seq:03d}", "record": record, "version": version, "seq": seq})

    def _changes(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        start = int(asked["cursor"])
        page = [event for event in self.events[start:] if event["id"] not in self.skipped]
        return {"events": page, "next": str(len(self.events)), "more": False}

    def _acks(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        for ack in asked["acks"]:
            self.heard.append((ack["event"], ack["code"]))
            self.tickets[ack["event"]] = ack["ticket"]
            if not self.forgets:
                self.codes[ack["event"]] = ack["code"]
        return {}

    def _versions(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        self.asked.append(asked["record"])
        if "versions" in self.refusals:
            return {"refusal": self.refusals["versions"]}
        known = [e for e in self.events if e["record"] == asked["record"] and e["id"] not in self.withheld]
        return {"events": known}

    def _awaited(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        if "awaited" in self.refusals:
            return {"refusal": self.refusals["awaited"]}
        waiting = [e for e in self.events if self.codes.get(e["id"]) not in FINAL and e["id"] > asked["cursor"]]
        rows = [
            {
                "event_id": e["id"],
                "record_id": e["record"],
                "version": e["version"],
                "last_code": self.codes.get(e["id"]),
            }
            for e in waiting[:2]
        ]
        more = self.circles or len(waiting) > 2
        return {"events": rows, "next": ("EV-000" if self.circles else rows[-1]["event_id"]) if more else None}


@dataclass
class World:
    """A store that knows one person, and the platform."""

    store: Store
    sandbox: WaitingSandbox
    url: str
    now: datetime = NOW
    rng: random.Random = field(default_factory=lambda: random.Random(5))
    every: timedelta | None = timedelta(days=1)
    whole: bool = True

    def pull(self, die_in: str | None = None, passes: int = 0, **passed: float) -> FeedbackReport:
        self.now += timedelta(**passed)

        async def sleep(seconds: float) -> None:
            self.now += timedelta(seconds=seconds)

        async def run() -> FeedbackReport:
            edge = System(
                now=lambda: self.now,
                new_id=lambda: people.ulid(self.rng),
                random_bytes=self.rng.randbytes,
                draw=self.rng.random,
                sleep=sleep,
            )
            model = Waiting(base_url=self.url, awaited_every=self.every, whole=self.whole)
            with StoreThread(self.store) as thread:
                async with Sender(model.endpoint) as sender:
                    exchanger = Dying(model, sender, thread, edge)
                    exchanger.die_in, exchanger.passes = die_in, passes
                    return await pull(exchanger)

        return asyncio.run(run())

    def rows(self, table: Any) -> list[Any]:
        with self.store.read() as connection:
            return list(connection.execute(select(table)).all())

    def asked(self) -> int:
        return sum(row.purpose == "feedback_awaited" for row in self.rows(exchange))


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    """One kind of store: what differs between the two is tested below the road."""
    made = Store(engine=open_engine(sqlite_url), vault=Vault(KeyRing.generate()))
    yield made
    made.close()


@pytest.fixture
def world(store: Store) -> Iterator[World]:
    record = replace(people.person_record(random.Random(5)), content=WORKER)
    assert isinstance(WORKER, Worker)
    said = [("id_number", f"{WORKER.id_type}:{WORKER.id_number}"), ("name", plain_name(WORKER.name))]
    with store.write() as connection:
        platforms.register(connection, ["model"])
        records.add(connection, store.vault, [record], batch_id=None, now=NOW)
        entries = [IndexEntry(kind=RecordKind.PERSON, key=record.key, what=w, value=v) for w, v in said]
        records.index(connection, store.vault, entries, NOW)
    sandbox = WaitingSandbox()
    with running(sandbox) as url:
        yield World(store, sandbox, url)


def test_an_acknowledgement_that_the_platform_took_and_forgot_goes_again(world: World) -> None:
    world.sandbox.tell("CR-1", "CR-2", "CR-3")
    world.sandbox.forgets = True
    first = world.pull()
    assert (first.applied, first.acks_sent, first.acks_again) == (3, 6, 3), "asked at once, it does not know them"
    world.sandbox.forgets = False
    again = world.pull(days=1)
    assert (again.pulled, again.acks_again, again.acks_sent, again.stopped) == (0, 3, 3, None)
    assert world.sandbox.codes == dict.fromkeys(("EV-001", "EV-002", "EV-003"), "APPLIED")
    assert world.pull(days=1).acks_again == 0
    assert len(world.rows(credit_ack)) == 3, "one final answer for each event"


def test_a_platform_that_never_keeps_an_answer_is_told_a_few_times_and_then_a_person(world: World) -> None:
    world.sandbox.tell("CR-1")
    world.sandbox.forgets = True
    reports = [world.pull(days=1) for _ in range(TIMES + 4)]
    assert [report.acks_again for report in reports] == [1] * TIMES + [0] * 4
    assert world.sandbox.heard == [("EV-001", "APPLIED")] * (1 + TIMES)
    assert [(row.record_id, row.kind) for row in world.rows(ticket)] == [("CR-1", "REVIEW")]


def test_an_answer_that_is_known_and_not_final_is_left_alone(world: World) -> None:
    world.sandbox.tell("CR-1", "CR-1")
    world.sandbox.skipped = world.sandbox.withheld = {"EV-001"}
    world.pull()
    told = len(world.sandbox.heard)
    assert world.sandbox.codes == {"EV-001": "DEFERRED", "EV-002": "VERSION_GAP"}
    report = world.pull(days=1)
    assert (report.acks_again, report.missed) == (0, 0)
    assert world.sandbox.heard[told:] == []


def test_an_event_that_the_feed_left_out_is_fetched_and_leaves_no_gap_behind(world: World) -> None:
    world.sandbox.tell("CR-1", "CR-2", "CR-3")
    world.sandbox.skipped = {"EV-002", "EV-003"}
    report = world.pull()
    assert (report.applied, report.fetched, report.missed, report.stopped) == (1, 2, 0, None)
    assert world.sandbox.codes == dict.fromkeys(("EV-001", "EV-002", "EV-003"), "APPLIED")
    world.sandbox.tell("CR-4")
    later = world.pull()
    assert (later.applied, later.stopped) == (1, None), "the numbers of what was fetched are no gap"


def test_a_gap_that_lasts_is_filled_by_asking_sooner(world: World) -> None:
    world.sandbox.tell("CR-1")
    world.pull()
    world.sandbox.tell("CR-2", "CR-3")
    world.sandbox.skipped = {"EV-002"}
    assert (world.pull(minutes=30).stopped or "").startswith("stream_gap")
    assert world.asked() == 1, "half an hour is too soon"
    assert world.pull(minutes=31).fetched == 1
    report = world.pull()
    assert (report.applied, report.stopped, world.asked()) == (1, None, 2)
    assert world.sandbox.codes == dict.fromkeys(("EV-001", "EV-002", "EV-003"), "APPLIED")


def test_an_event_that_cannot_be_had_is_put_off_with_a_ticket_once(world: World) -> None:
    world.sandbox.tell("CR-1", "CR-2")
    world.sandbox.skipped = world.sandbox.withheld = {"EV-002"}
    report = world.pull()
    assert (report.missed, report.acks_sent) == (1, 2)
    (opened,) = world.rows(ticket)
    assert (opened.record_id, opened.kind, opened.event_id) == ("CR-2", "GAP", "EV-002")
    assert (world.sandbox.codes["EV-002"], world.sandbox.tickets["EV-002"]) == ("DEFERRED", opened.number)
    assert (world.pull(days=1).missed, world.sandbox.asked) == (0, ["CR-2"])
    world.sandbox.skipped = set()
    world.sandbox.events.append({**world.sandbox.events[1]})
    world.pull()
    assert world.sandbox.codes["EV-002"] == "APPLIED", "it came after all"


def test_what_a_chosen_part_of_the_feed_does_not_tell_is_not_fetched(world: World) -> None:
    world.whole = False
    world.sandbox.tell("CR-1", "CR-2")
    world.sandbox.skipped = {"EV-002"}
    world.sandbox.forgets = True
    report = world.pull()
    assert (report.acks_again, report.fetched, report.missed, world.sandbox.asked) == (1, 0, 0, [])


@pytest.mark.parametrize(("every", "asked"), [(timedelta(days=1), 2), (timedelta(hours=1), 3), (None, 0)])
def test_the_list_is_read_at_its_own_spacing(world: World, every: timedelta | None, asked: int) -> None:
    world.every = every
    for hours in (0, 1, 23):
        world.pull(hours=hours)
    assert world.asked() == asked


def test_a_long_list_is_read_in_pieces_and_goes_on_where_it_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.sandbox.tell(*(f"CR-{number}" for number in range(5)))
    world.sandbox.forgets = True
    monkeypatch.setattr("gateway.credit.awaited._PAGES", 2)
    assert world.pull().acks_again == 4
    assert world.rows(credit_watch)[0].awaited_cursor == "EV-004"
    world.sandbox.forgets = False
    assert world.pull().acks_again == 1
    assert (world.rows(credit_watch)[0].awaited_cursor, world.asked()) == (None, 3)


def test_a_list_whose_cursor_comes_again_is_left(world: World) -> None:
    world.sandbox.tell("CR-1")
    world.sandbox.circles = True
    world.pull()
    assert world.asked() == 2


@pytest.mark.parametrize(("refusal", "asked"), [("retry", 2), ("unknown", 1), ("not_found", 1)])
def test_a_refused_question_is_said_and_asked_again_where_it_may_pass(world: World, refusal: str, asked: int) -> None:
    world.sandbox.refusals = {"awaited": refusal}
    assert world.pull().stopped == "refused: "
    world.pull()
    assert world.asked() == asked


def test_a_record_that_cannot_be_fetched_holds_the_list_up_for_a_few_pulls_only(world: World) -> None:
    world.sandbox.tell("CR-1", "CR-2")
    world.sandbox.skipped = {"EV-001", "EV-002"}
    world.sandbox.refusals = {"versions": "retry"}
    assert [world.pull().missed for _ in range(TIMES)] == [0] * (TIMES - 1) + [1]
    assert [row.record_id for row in world.rows(ticket)] == ["CR-1"]
    world.sandbox.refusals = {}
    report = world.pull()
    assert (report.fetched, report.stopped) == (1, None)
    assert world.sandbox.codes == {"EV-001": "DEFERRED", "EV-002": "APPLIED"}


@pytest.mark.parametrize(
    ("step", "passes"),
    [
        ("mark_sent", 0),
        ("resend_lost", 0),
        ("apply_fetched", 0),
        ("give_up", 0),
        ("keep_cursor", 0),
        ("resend_lost", 1),
        ("keep_cursor", 1),
        ("mark_sent", 1),
    ],
)
def test_a_crash_in_any_step_loses_nothing_and_applies_nothing_twice(world: World, step: str, passes: int) -> None:
    world.sandbox.tell("CR-1", "CR-2", "CR-3")
    world.sandbox.forgets = True
    world.sandbox.skipped = {"EV-002"}
    with pytest.raises(KilledError):
        world.pull(die_in=step, passes=passes)
    world.sandbox.forgets = False
    for _ in range(2):
        world.pull(days=1)
    assert world.sandbox.codes == dict.fromkeys(("EV-001", "EV-002", "EV-003"), "APPLIED")
    finals = [row.event_id for row in world.rows(credit_ack) if row.code in FINAL]
    assert sorted(finals) == sorted(row.event_id for row in world.rows(credit_event)) == ["EV-001", "EV-002", "EV-003"]
    assert world.rows(ticket) == []
