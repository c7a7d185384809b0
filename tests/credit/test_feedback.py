"""Pulling and acknowledging feedback against a small platform over real HTTP, on both stores."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gateway.contract.credit import CURSOR_EXPIRED, BookFile, BookKind, BookResult, BookRow, Manifest
from gateway.contract.messages import (
    FeedbackPage,
    Finding,
    FindingAck,
    Stamp,
    Subject,
    SubjectType,
    Verdict,
    WireRequest,
    WireResponse,
)
from gateway.credit.feedback import FeedbackReport, pull
from gateway.credit.store import pages
from gateway.credit.store.tables import credit_ack, credit_event, feed, inbox, ticket
from gateway.delivery.store import platforms
from gateway.delivery.store.tables import exchange
from gateway.delivery.system import System
from gateway.domain.errors import ContractError
from gateway.domain.names import plain_name
from gateway.domain.records import Record, RecordKind, Worker
from gateway.domain.states import Event
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.records import IndexEntry
from gateway.store.scope import Scope
from gateway.store.thread import StoreThread
from gateway.testing import people
from gateway.testing.model import Model, ModelSandbox
from gateway.testing.serving import running
from gateway.transport.sender import Sender
from tests.support.findings import finding
from tests.support.killed_transactions import Dying, KilledError

NOW = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Telling(Model):
    """The model platform with a feed of events in pages of two."""

    def encode_feedback(self, cursor: str | None, stamp: Stamp, /) -> WireRequest:
        return self._request("changes", {"message": stamp.message_id, "cursor": cursor or "0"})

    def decode_feedback(self, response: WireResponse, stamp: Stamp, /) -> FeedbackPage | Verdict:
        try:
            answer = json.loads(response.body)
        except ValueError:
            return Verdict(event=Event.RETRY, code="not_json")
        if "refusal" in answer:
            return Verdict(event=Event(answer["refusal"]), code=answer.get("code", "refused"))
        events = tuple(_to_finding(event) for event in answer["events"])
        return FeedbackPage(findings=events, next_cursor=answer["next"], has_more=answer["more"])

    def encode_feedback_acks(self, acks: Sequence[FindingAck], stamp: Stamp, /) -> WireRequest:
        rows = [{"event": ack.event_id, "code": ack.code} for ack in acks]
        return self._request("acks", {"message": stamp.message_id, "acks": rows})

    def decode_feedback_acks(self, response: WireResponse, acks: Sequence[FindingAck], stamp: Stamp, /) -> Verdict:
        answer = json.loads(response.body)
        if "refusal" in answer:
            return Verdict(event=Event(answer["refusal"]), code="acks_refused")
        refused = tuple(answer["refused"])
        return Verdict(event=Event.REJECTED if refused else Event.ACCEPTED, code="x", fields=refused)


@dataclass(frozen=True, kw_only=True)
class Publishing(Telling):
    """The same platform, which publishes a snapshot of what is in force in one file."""

    def encode_manifest(self, day: date | None, stamp: Stamp, /) -> WireRequest:
        return self._request("manifest", {"message": stamp.message_id})

    def decode_manifest(self, response: WireResponse, day: date | None, stamp: Stamp, /) -> Manifest | Verdict:
        answer = json.loads(response.body)
        if "refusal" in answer:
            return Verdict(event=Event(answer["refusal"]), code="snapshot_refused")
        file = BookFile(name="active", stream="PERSON_BAD", kind=BookKind.ACTIVE, rows=answer["rows"], digest="0")
        return Manifest(day=NOW.date(), cutoff=NOW, files=(file,), cursor=answer["cursor"], digest="0")

    def encode_book(self, manifest: Manifest, file: BookFile, stamp: Stamp, /) -> WireRequest:
        return self._request("book", {"message": stamp.message_id})

    def decode_book(
        self, response: WireResponse, manifest: Manifest, file: BookFile, stamp: Stamp, /
    ) -> tuple[BookRow, ...] | Verdict:
        answer = json.loads(response.body)
        if "refusal" in answer:
            return Verdict(event=Event(answer["refusal"]), code="snapshot_refused")
        return tuple(BookRow(kind=BookKind.ACTIVE, code="ACTIVE", **row) for row in answer["rows"])

    def encode_result(self, result: BookResult, stamp: Stamp, /) -> WireRequest:
        raise NotImplementedError

    def decode_result(self, response: WireResponse, result: BookResult, stamp: Stamp, /) -> Verdict:
        raise NotImplementedError


class TellingSandbox(ModelSandbox):
    """The platform behind it: a list of events, pages of two, and the last acknowledgement of each event."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.events: list[dict[str, Any]] = []
        self.acks: dict[str, list[str]] = {}
        self.refuses: set[str] = set()
        self.refusal: str | None = None
        self.stuck = False
        self.expired = False
        self.refuses_call: dict[str, str] = {}
        self.meanwhile: Callable[[], None] | None = None

    def tell(self, *findings: Finding) -> None:
        for one in findings:
            assert one.subject is not None
            plain = {name: getattr(one, name) for name in ("record_id", "version", "event_type", "event_id", "digest")}
            subject = {"name": one.subject.name, "id_number": one.subject.id_number}
            self.events.append({**plain, "seq": len(self.events) + 1, "subject": subject})

    def _changes(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        if self.refusal:
            return {"refusal": self.refusal}
        if self.expired and asked["cursor"] != "snapshot":
            return {"refusal": "rejected", "code": CURSOR_EXPIRED}
        if self.meanwhile is not None:
            self.meanwhile()
        asked = {"cursor": len(self.events) - 1} if asked["cursor"] == "snapshot" else asked
        start = int(asked["cursor"])
        reached = start if self.stuck else min(start + 2, len(self.events))
        more = self.stuck or reached < len(self.events)
        return {"events": self.events[start : start + 2], "next": str(reached), "more": more}

    def _acks(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        if "acks" in self.refuses_call:
            return {"refusal": self.refuses_call["acks"]}
        for ack in asked["acks"]:
            self.acks.setdefault(ack["event"], []).append(ack["code"])
        return {"refused": [ack["event"] for ack in asked["acks"] if ack["event"] in self.refuses]}

    def _manifest(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        if "manifest" in self.refuses_call:
            return {"refusal": self.refuses_call["manifest"]}
        return {"rows": len(self.events) - 1, "cursor": "snapshot"}

    def _book(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        if "book" in self.refuses_call:
            return {"refusal": self.refuses_call["book"]}
        names = ("version", "digest")
        rows = [{"key": event["record_id"], **{name: event[name] for name in names}} for event in self.events[:-1]]
        return {"rows": rows}


def _to_finding(event: Mapping[str, Any]) -> Finding:
    person = event["subject"]
    worker = replace(people.worker(random.Random(1)), name=person["name"], id_number=person["id_number"])
    told = finding(worker, event["version"], event["event_type"], record_id=event["record_id"])
    subject = Subject(type=SubjectType.PERSON, name=worker.name, id_type="111", id_number=worker.id_number)
    return replace(told, stream_seq=event["seq"], event_id=event["event_id"], digest=event["digest"], subject=subject)


@dataclass
class World:
    """A store with one person, and the platform that tells about them."""

    store: Store
    sandbox: TellingSandbox
    url: str
    now: datetime
    worker: Worker
    rng: random.Random

    def tell(self, record: str = "CR-1", version: int = 1, event_type: str = "CREATED", **changes: Any) -> None:
        self.sandbox.tell(finding(changes.pop("worker", self.worker), version, event_type, record_id=record, **changes))

    def pull(self, times: int = 1, connector: Model | None = None, die_in: str | None = None) -> FeedbackReport:
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
            model = connector or Telling(base_url=self.url)
            with StoreThread(self.store) as thread:
                async with Sender(model.endpoint) as sender:
                    exchanger = Dying(model, sender, thread, edge)
                    exchanger.die_in = die_in
                    for _ in range(times - 1):
                        await pull(exchanger)
                    return await pull(exchanger)

        return asyncio.run(run())

    @property
    def hurried(self) -> Model:
        """The connector with a short deadline, for an answer that will not come."""
        return Telling(base_url=self.url, deadline=timedelta(seconds=1))

    def rows(self, table: Any) -> list[Any]:
        with self.store.read() as connection:
            return list(connection.execute(select(table)).all())


@pytest.fixture
def world(store: Store) -> Iterator[World]:
    rng = random.Random(5)
    record: Record = people.person_record(rng)
    worker = record.content
    assert isinstance(worker, Worker)
    entries = [("id_number", f"{worker.id_type}:{worker.id_number}"), ("name", plain_name(worker.name))]
    with store.write() as connection:
        platforms.register(connection, ["model"])
        records.add(connection, store.vault, [record], batch_id=None, now=NOW)
        indexed = [IndexEntry(kind=RecordKind.PERSON, key=record.key, what=w, value=v) for w, v in entries]
        records.index(connection, store.vault, indexed, NOW)
    sandbox = TellingSandbox()
    with running(sandbox) as url:
        yield World(store, sandbox, url, NOW, worker, rng)


def test_all_pages_are_applied_and_every_event_is_acknowledged(world: World) -> None:
    for number in range(5):
        world.tell(f"CR-{number}")
    world.tell("CR-0", 2, "REPAIRED")
    report = world.pull()
    assert (report.pulled, report.applied, report.acks_sent, report.stopped) == (6, 6, 6, None)
    assert world.sandbox.acks == {event["event_id"]: ["APPLIED"] for event in world.sandbox.events}
    assert len(world.rows(inbox)) == 3
    assert {row.purpose for row in world.rows(exchange)} == {"feedback", "feedback_ack"}


def test_a_second_pull_finds_nothing_and_sends_nothing(world: World) -> None:
    world.tell()
    report = world.pull(times=2)
    assert (report.pulled, report.acks_sent) == (0, 0)
    assert len(world.rows(inbox)) == 1


def test_every_finding_is_counted_once(world: World) -> None:
    stranger = people.worker(world.rng)
    world.tell()
    world.tell(event_id="EV-again", digest="sha-256:CR-1-1-CREATED")
    world.tell("CR-2", 3, "REPAIRED")
    world.tell("CR-3", worker=stranger)
    world.tell("CR-4", worker=replace(world.worker, name="某某某"))
    report = world.pull()
    parts = (report.applied, report.duplicates, report.quarantined, report.unmatched, report.conflicts)
    assert parts == (1, 1, 1, 1, 1)
    assert report.pulled == sum(parts) + report.stale + report.deferred


def test_a_parked_event_is_acknowledged_again_when_it_comes_into_force(world: World) -> None:
    world.tell("CR-1", 2, "REPAIRED")
    assert world.pull().quarantined == 1
    world.tell("CR-1", 1)
    report = world.pull()
    assert (report.applied, report.released) == (1, 1)
    assert world.sandbox.acks["EV-CR-1-2"] == ["VERSION_GAP", "APPLIED"]


def test_a_stranger_who_becomes_known_is_matched_by_the_next_pull(world: World) -> None:
    stranger = people.worker(world.rng)
    world.tell(worker=stranger)
    assert world.pull().unmatched == 1
    record = replace(people.person_record(world.rng), content=stranger)
    with world.store.write() as connection:
        entries = [("id_number", f"{stranger.id_type}:{stranger.id_number}"), ("name", plain_name(stranger.name))]
        indexed = [IndexEntry(kind=RecordKind.PERSON, key=record.key, what=w, value=v) for w, v in entries]
        records.index(connection, world.store.vault, indexed, world.now)
    assert world.pull().released == 1
    assert world.sandbox.acks["EV-CR-1-1"] == ["ACCEPTED_UNMATCHED", "APPLIED"]


def test_a_feed_counts_as_read_through_only_where_its_end_was_reached(world: World) -> None:
    def read_through() -> Any:
        rows = world.rows(feed)
        return rows[0].read_through_at if rows else None

    world.tell()
    world.sandbox.faults.set(next_=["login_page"])
    assert world.pull(connector=world.hurried).stopped is not None
    assert read_through() is None
    assert world.pull().stopped is None
    first = read_through()
    assert first is not None
    world.now += timedelta(hours=1)
    assert world.pull().pulled == 0
    assert read_through() == first + timedelta(hours=1), "a feed with nothing new was read through all the same"


@pytest.mark.parametrize("fault", ["timeout_after_commit", "empty", "truncated", "gateway_error", "login_page"])
def test_a_page_that_is_lost_on_the_way_comes_again(world: World, fault: str) -> None:
    world.tell()
    world.sandbox.faults.set(next_=[fault])
    assert world.pull(connector=world.hurried).stopped is not None
    report = world.pull()
    assert (report.applied, report.stopped) == (1, None)


@pytest.mark.parametrize("fault", ["timeout_after_commit", "empty", "gateway_error", "unavailable"])
def test_acknowledgements_whose_answer_is_lost_are_sent_again(world: World, fault: str) -> None:
    world.tell()
    world.sandbox.faults.queue.extend(["slow", fault])
    world.sandbox.slow_seconds = 0
    report = world.pull(connector=world.hurried)
    assert (report.applied, report.acks_sent) == (1, 0)
    assert report.stopped is not None
    assert world.pull().acks_sent == 1
    assert set(world.sandbox.acks["EV-CR-1-1"]) == {"APPLIED"}


@pytest.mark.parametrize("step", ["learn_employers", "rematch", "apply_page", "watch_gaps", "mark_sent"])
def test_a_crash_in_any_step_loses_and_doubles_nothing(world: World, step: str) -> None:
    world.tell("CR-1")
    world.tell("CR-2")
    with pytest.raises(KilledError):
        world.pull(die_in=step)
    report = world.pull()
    assert report.stopped is None
    assert {event: set(codes) for event, codes in world.sandbox.acks.items()} == {
        "EV-CR-1-1": {"APPLIED"},
        "EV-CR-2-1": {"APPLIED"},
    }
    assert len(world.rows(credit_event)) == len(world.rows(credit_ack)) == 2


def test_a_missing_event_stops_the_feed_and_the_acknowledgements_still_go(world: World) -> None:
    world.tell("CR-1")
    world.tell("CR-2")
    world.tell("CR-3")
    world.sandbox.events[2]["seq"] = 9
    report = world.pull()
    assert report.stopped is not None
    assert (report.stopped.partition(":")[0], report.deferred, report.acks_sent) == ("stream_gap", 1, 3)
    assert world.sandbox.acks["EV-CR-3-1"] == ["DEFERRED"]
    world.sandbox.events[2]["seq"] = 3
    assert world.pull().stopped is None
    assert world.sandbox.acks["EV-CR-3-1"] == ["DEFERRED", "APPLIED"]


def test_a_feed_that_never_moves_on_is_left(world: World) -> None:
    world.tell()
    world.sandbox.stuck = True
    report = world.pull()
    assert report.stopped is not None
    assert (report.stopped.partition(":")[0], report.applied, report.duplicates) == ("cursor_repeated", 1, 1)


def test_a_refused_acknowledgement_gets_a_ticket_and_holds_up_no_other(world: World) -> None:
    world.tell("CR-1")
    world.tell("CR-2")
    world.sandbox.refuses = {"EV-CR-1-1"}
    report = world.pull(times=2)
    assert report.acks_sent == 0
    assert [row.record_id for row in world.rows(ticket)] == ["CR-1"]
    assert {row.sent_at is None for row in world.rows(credit_ack)} == {False}


def test_an_answer_that_asks_for_a_person_holds_the_platform(world: World) -> None:
    world.sandbox.refusal = "hold"
    report = world.pull()
    assert report.stopped is not None
    with world.store.read() as connection:
        assert platforms.pause_of(connection, "model", world.now) is not None


def test_a_platform_that_is_held_is_not_asked(world: World) -> None:
    with world.store.write() as connection:
        platforms.pause(connection, "model", code="login", reason="locked", by="test", now=world.now)
    assert world.pull().stopped == "login: locked"
    assert world.rows(exchange) == []


def test_a_platform_without_feedback_is_a_mistake_of_the_caller(world: World) -> None:
    with pytest.raises(ContractError, match="model gives no feedback"):
        world.pull(connector=Model(base_url=world.url))


@pytest.mark.parametrize("call", ["manifest", "book"])
@pytest.mark.parametrize(("refusal", "held"), [("retry", False), ("rejected", False), ("hold", True)])
def test_a_refused_snapshot_moves_no_cursor_and_the_next_pull_goes_on(
    world: World, call: str, refusal: str, held: bool
) -> None:
    publishing = Publishing(base_url=world.url)
    world.tell("CR-1")
    assert world.pull(connector=publishing).applied == 1
    before = [row.cursor for row in world.rows(feed)]
    world.tell("CR-2")
    world.sandbox.expired, world.sandbox.refuses_call = True, {call: refusal}
    report = world.pull(connector=publishing)
    assert (report.stopped, report.pulled, report.acks_sent) == ("snapshot_refused: ", 0, 0)
    assert [row.cursor for row in world.rows(feed)] == before
    assert len(world.rows(credit_event)) == 1
    with world.store.write() as connection:
        assert (platforms.pause_of(connection, "model", world.now) is not None) is held
        platforms.resume(connection, "model", by="test", reason="mended", now=world.now)
    world.sandbox.refuses_call = {}
    report = world.pull(connector=publishing)
    assert (report.stopped, report.applied) == (None, 1)
    assert world.sandbox.acks == {"EV-CR-1-1": ["APPLIED"], "EV-CR-2-1": ["APPLIED"]}


def test_a_cursor_that_has_run_out_is_said_where_there_is_no_snapshot(world: World) -> None:
    world.tell("CR-1")
    world.pull()
    world.sandbox.expired = True
    assert world.pull().stopped == f"{CURSOR_EXPIRED}: "


def test_a_page_of_a_cursor_that_another_pull_moved_is_dropped_and_older_answers_still_go(world: World) -> None:
    def move() -> None:
        world.sandbox.meanwhile = None
        with world.store.write() as connection:
            scope = Scope(connection=connection, vault=world.store.vault, platform="model", at=world.now)
            pages.move_cursor(scope, "0")

    world.sandbox.refuses_call = {"acks": "retry"}
    world.tell("CR-1")
    world.pull()
    world.sandbox.refuses_call = {}
    world.tell("CR-2")
    with world.store.read() as connection:
        assert connection.execute(select(feed.c.cursor)).scalar_one() == "1"
    world.sandbox.meanwhile = move
    report = world.pull()
    assert report.stopped == "cursor_moved: another process pulls this feed"
    assert (report.pulled, report.acks_sent) == (0, 1)
    assert world.sandbox.acks == {"EV-CR-1-1": ["APPLIED"]}
    assert [row.event_id for row in world.rows(credit_event)] == ["EV-CR-1-1"]
    after = world.pull()
    assert (after.stopped, after.pulled, after.applied, after.duplicates) == (None, 2, 1, 1)
    assert world.sandbox.acks["EV-CR-2-1"] == ["APPLIED"]


@pytest.mark.parametrize(("refusal", "held"), [("retry", False), ("rejected", False), ("hold", True)])
def test_a_refused_call_of_acknowledgements_leaves_them_waiting_without_a_ticket(
    world: World, refusal: str, held: bool
) -> None:
    world.tell("CR-1")
    world.tell("CR-2", worker=people.worker(world.rng))
    world.sandbox.refuses_call = {"acks": refusal}
    report = world.pull()
    assert (report.stopped, report.applied, report.unmatched) == ("acks_refused: ", 1, 1)
    assert (report.acks_sent, report.acks_refused) == (0, 0)
    assert world.rows(ticket) == []
    assert {row.sent_at for row in world.rows(credit_ack)} == {None}
    with world.store.write() as connection:
        assert (platforms.pause_of(connection, "model", world.now) is not None) is held
        platforms.resume(connection, "model", by="test", reason="mended", now=world.now)
    world.sandbox.refuses_call = {}
    assert world.pull().acks_sent == 2
    assert world.sandbox.acks == {"EV-CR-1-1": ["APPLIED"], "EV-CR-2-1": ["ACCEPTED_UNMATCHED"]}
