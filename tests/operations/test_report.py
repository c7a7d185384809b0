"""The report's numbers are the ledger's, its page stands alone, and nobody can be recognised in it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from lxml import html as markup
from sqlalchemy import func, insert, select

from gateway.credit.store.tables import credit_ack, credit_event, credit_version, inbox, ticket
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.reconcile import reconcile
from gateway.delivery.store import owing, platforms
from gateway.delivery.store.tables import delivery, exchange
from gateway.delivery.system import System
from gateway.domain.errors import InputError
from gateway.domain.records import Record, Worker
from gateway.domain.states import TERMINAL, State
from gateway.intake.admit import IntakeReport, take_in
from gateway.intake.rules.gate_rules import GateRules
from gateway.intake.store.tables import filing
from gateway.operations.report import AGES, ReportSettings, write_report
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.records import to_record
from gateway.store.tables import batch, record
from gateway.store.thread import StoreThread
from gateway.testing import people
from gateway.testing.batch import write_sample
from gateway.testing.model import Model, ModelSandbox
from gateway.testing.serving import running
from gateway.transport.sender import Sender

NOW = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)


@dataclass
class Place:
    """A store with the model platform, at a moment that a test moves."""

    store: Store
    sandbox: ModelSandbox
    model: Model
    folder: Path
    now: datetime = NOW

    def take_in(self, rows: int = 40) -> IntakeReport:
        path = write_sample(self.folder / "370100-201904-01.csv", rows=rows)
        rng = random.Random(1)
        return take_in(
            path, self.store, [self.model.info], rules=GateRules(now=NOW), now=NOW, new_id=lambda: people.ulid(rng)
        )

    def enqueue(self, *versions: Record) -> None:
        with self.store.write() as c:
            platforms.register(c, ["model"])
            records.add(c, self.store.vault, versions, batch_id=None, now=self.now)
            owing.owe(c, self.model.info, self.now)

    def run(self, step: Callable[[Exchanger], Awaitable[Any]], *faults: str) -> Any:
        self.sandbox.faults.set(next_=faults)
        rng = random.Random(2)

        async def once() -> Any:
            edge = System(
                now=lambda: self.now, new_id=lambda: people.ulid(rng), random_bytes=rng.randbytes, draw=rng.random
            )
            with StoreThread(self.store) as thread:
                async with Sender(self.model.endpoint) as sender:
                    return await step(Exchanger(self.model, sender, thread, edge))

        return asyncio.run(once())

    def report(self, *, chinese: bool = False) -> tuple[dict[str, Any], str]:
        out = self.folder / "report.html"
        summary = write_report(self.store, out, ReportSettings(chinese=chinese), now=self.now)
        return summary, out.read_text(encoding="utf-8")

    def model_part(self) -> dict[str, Any]:
        [part] = self.report()[0]["platforms"]
        assert isinstance(part, dict)
        return part


@pytest.fixture
def place(store: Store, tmp_path: Path) -> Iterator[Place]:
    sandbox = ModelSandbox()
    with running(sandbox) as url:
        model = Model(base_url=url, connections=1, batch_max=3, deadline=timedelta(seconds=1))
        yield Place(store, sandbox, model, tmp_path)


def persons(count: int) -> list[Record]:
    rng = random.Random(4)
    return [people.person_record(rng) for _ in range(count)]


@pytest.fixture
def busy(place: Place) -> Place:
    """A batch read, and a push in which much goes wrong."""
    place.enqueue()
    place.take_in()
    place.run(push, "refuse", "strange", "timeout_after_commit", "busy", "locked")
    return place


def test_an_empty_store_gives_an_empty_page(place: Place) -> None:
    summary, page = place.report()
    assert (summary["batches"], summary["rules"], summary["platforms"]) == ([], [], [])
    assert "No batch has been read yet." in page


def test_rows_of_a_batch_add_up_and_every_refusal_has_its_rule(place: Place) -> None:
    read = place.take_in(rows=150)
    summary, _ = place.report()
    totals = summary["totals"]
    assert totals == {
        "batches": 1,
        "rows": 150,
        "admitted": read.admitted,
        "refused": read.refused,
        "held": read.held,
        "unchanged": read.unchanged,
    }
    assert sum(totals[name] for name in ("admitted", "refused", "held", "unchanged")) == totals["rows"]
    with place.store.read() as c:
        kept = c.execute(select(filing.c.failures).where(filing.c.outcome.in_(("refuse", "hold")))).scalars().all()
    assert len(kept) == read.refused + read.held
    expected = Counter((f["gate"], f["field"], f["message"]) for failures in kept for f in failures)
    assert {(r["rule"], r["field"], r["message"]): r["refused"] + r["held"] for r in summary["rules"]} == expected
    assert {rule["rule"] for rule in summary["rules"]} == set(read.gates)


def test_states_failures_and_waiting_are_those_of_the_ledger(busy: Place) -> None:
    part = busy.model_part()
    with busy.store.read() as c:
        ledger = Counter(c.execute(select(delivery.c.state)).scalars())
        requests = c.execute(select(func.count()).select_from(exchange)).scalar_one()
    assert part["states"] == ledger
    assert part["deliveries"] == sum(ledger.values())
    assert set(ledger) >= {State.REJECTED, State.PARKED, State.IN_DOUBT, State.HELD, State.QUEUED}
    failed = Counter[str]()
    for row in part["failures"]:
        failed[row["state"]] += row["count"]
    assert failed == {state: ledger[state] for state in (State.REJECTED, State.PARKED, State.HELD)}
    assert {(row["state"], row["code"]) for row in part["failures"]} >= {("parked", "E-77"), ("held", "LOCKED")}
    assert {state: sum(counts) for state, counts in part["waiting"].items()} == {
        state: count for state, count in ledger.items() if state not in TERMINAL
    }
    assert sum(row["count"] for row in part["exchanges"]) == requests
    assert {row["result"] for row in part["exchanges"]} == {"HTTP 200", "deadline", "held"}


@pytest.mark.parametrize(
    ("later", "bucket"), [(timedelta(), 0), *((limit, n + 1) for n, limit in enumerate(AGES.values()))], ids=str
)
def test_what_is_in_doubt_ages_from_its_last_push(place: Place, later: timedelta, bucket: int) -> None:
    place.enqueue(*persons(2))
    place.now += timedelta(days=30)
    place.run(push, "timeout_before_commit")
    place.now += later
    [ages] = place.model_part()["waiting"].values()
    assert ages == [2 if n == bucket else 0 for n in range(len(AGES) + 1)]


def test_what_ended_is_shown_by_day_in_china_and_adds_up_to_the_states(place: Place) -> None:
    place.now = datetime(2019, 4, 1, 15, 59, tzinfo=UTC)  # a minute before midnight in China
    place.enqueue(*persons(4))
    place.run(push, "partial")
    place.enqueue(*(people.person_record(random.Random(9)) for _ in range(1)))
    place.now = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)
    place.run(push)
    trend = place.model_part()["trend"]
    assert len(trend) == 14
    shown = [(str(day["day"]), day["accepted"], day["rejected"]) for day in trend[-2:]]
    assert shown == [("2019-04-01", 3, 1), ("2019-04-02", 1, 0)]
    assert sum(day["accepted"] + day["rejected"] for day in trend) == 5
    place.now += timedelta(days=13)
    assert next(day["accepted"] for day in place.model_part()["trend"]) == 1
    place.now += timedelta(days=1)
    assert place.model_part()["trend"] == []


def test_what_is_acknowledged_is_shown_by_city_and_report(busy: Place) -> None:
    summary, page = busy.report(chinese=True)
    cities = summary["cities"]
    assert sum(part["rows"] for part in cities) == summary["totals"]["rows"]
    owed = sum(part["platforms"].get("model", {}).get("owed", 0) for part in cities)
    with busy.store.read() as c:
        certificates = select(func.count()).select_from(delivery).where(delivery.c.kind == "certificate")
        assert owed == c.execute(certificates).scalar() > 0
    assert "济南市" in page


def test_the_newest_reconciliation_of_a_platform_is_shown_and_its_classes_add_up(place: Place) -> None:
    place.enqueue(*persons(4))
    place.run(push)
    place.run(reconcile)
    lost = next(key for key, _ in place.sandbox.books.items("held"))
    place.sandbox.books.remove("held", lost)
    place.run(reconcile)
    run = place.model_part()["reconciliation"]
    assert (run["run"], run["classes"], run["total"], run["to_be_seen"]) == (2, {"match": 3, "lost": 1}, 4, 1)


def test_a_pause_is_shown_with_its_reason_until_it_is_over(busy: Place) -> None:
    pause = busy.model_part()["pause"]
    assert (pause["code"], pause["since"]) == ("LOCKED", busy.now)
    with busy.store.write() as c:
        platforms.resume(c, "model", by="tester", reason=None, now=busy.now)
        until = busy.now + timedelta(hours=1)
        platforms.pause(
            c, "model", code="operator", reason="ask 13800000001 <b>", by="tester", now=busy.now, until=until
        )
    summary, page = busy.report()
    assert summary["platforms"][0]["pause"]["reason"] == "ask *** <b>"
    assert "ask *** &lt;b&gt;" in page
    busy.now = until
    assert busy.model_part()["pause"] is None


def test_feedback_is_counted_by_answer_status_and_ticket(place: Place) -> None:
    place.enqueue(*persons(1))
    place.run(push)
    with place.store.write() as c:
        for platform, codes in (("model", ("APPLIED", "APPLIED", "DEFERRED")), ("other", ("STALE",))):
            platforms.register(c, [platform])
            for number, code in enumerate(codes):
                event_id = add_event(c, platform, number, code)
                add_version(c, platform, event_id, ended=number == 1)
    summary, page = place.report(chinese=True)
    model, other = summary["platforms"]
    assert model["feedback"] == {
        "events": {"APPLIED": 2, "DEFERRED": 1},
        "acks": {"APPLIED": {"sent": 1, "unsent": 1}, "DEFERRED": {"sent": 0, "unsent": 1}},
        "records": {"ACTIVE": 2},
        "tickets": {"GAP": 2},
    }
    assert other["feedback"]["events"] == {"STALE": 1}
    assert "已入账" in page
    assert "有效" in page


def add_event(c: Any, platform: str, number: int, code: str) -> int:
    known = c.execute(select(exchange.c.id)).scalars().first()
    kept = {
        "platform": platform,
        "exchange_id": known,
        "received_at": NOW,
        "digest": "d",
        "raw": b"",
        "cursor_after": "",
    }
    inbox_id = c.execute(insert(inbox).values(kept).returning(inbox.c.id)).scalar_one()
    event = {
        "platform": platform,
        "event_id": f"E{number}",
        "stream": "s",
        "stream_seq": number,
        "event_type": "CREATED",
        "event_time": NOW,
        "received_at": NOW,
        "inbox_id": inbox_id,
        "record_id": f"R{number}",
        "version": 1,
        "digest": "d",
        "category": "BAD",
        "severities": [],
        "usage_scope": "0",
        "status_code": "0",
        "disclosed": True,
        "key_facts": "",
        "clock_ahead": False,
        "match": "EXACT",
        "outcome": code,
        "effect": "NONE",
    }
    ack = {"platform": platform, "event_id": f"E{number}", "record_id": f"R{number}", "version": 1, "code": code}
    c.execute(insert(credit_ack).values(ack | {"at": NOW, "sent_at": NOW if number == 0 else None}))
    opened = {"number": f"T{platform}{number}", "platform": platform, "record_id": f"R{number}", "kind": "GAP"}
    c.execute(insert(ticket).values(opened | {"opened_at": NOW, "closed_at": NOW if number == 0 else None}))
    return int(c.execute(insert(credit_event).values(event).returning(credit_event.c.id)).scalar_one())


def add_version(c: Any, platform: str, event_id: int, *, ended: bool) -> None:
    row = {
        "platform": platform,
        "record_id": f"R{event_id}",
        "version_no": 1,
        "valid_from": NOW - timedelta(days=1),
        "valid_to": NOW if ended else None,
        "sys_from": NOW,
        "event_id": event_id,
        "content_id": event_id,
        "source_version": 1,
        "source_update_time": NOW,
        "status": "ACTIVE",
        "under_objection": False,
        "category": "BAD",
        "usage_scope": "0",
        "disclosed": True,
        "period_source": "NONE",
        "payload_digest": "d",
        "reason_code": "CREATED",
        "actor": "gateway",
    }
    c.execute(insert(credit_version).values(row))


@pytest.mark.parametrize("chinese", [True, False], ids=["zh", "en"])
def test_the_page_is_whole_and_shows_the_numbers_of_the_summary(busy: Place, chinese: bool) -> None:
    summary, page = busy.report(chinese=chinese)
    parser = etree.HTMLParser(encoding="utf-8")
    root = markup.document_fromstring(page)
    etree.fromstring(page.encode(), parser)
    newer_tags = ("Tag header invalid", "Tag section invalid")
    assert [entry.message for entry in parser.error_log if not entry.message.startswith(newer_tags)] == []
    assert root.get("lang") == ("zh-CN" if chinese else "en")
    tiles = [element.text for element in root.iterfind(".//div[@class='tile']/b")]
    [part] = summary["platforms"]
    totals = summary["totals"]
    shown = [totals[name] for name in ("rows", "admitted", "refused", "held", "unchanged")] + [part["deliveries"]]
    assert tiles == [str(number) for number in shown]
    bars = root.iterfind(".//div[@class='bar']/i")
    widths = [float((bar.get("style") or "").removeprefix("width:").rstrip("%")) for bar in bars]
    assert sum(widths) == pytest.approx(100, abs=0.1)
    assert page.count("退回和暂缓行的原因") == int(chinese)


def test_the_page_refers_to_nothing_outside_itself(busy: Place) -> None:
    page = busy.report()[1]
    assert "://" not in page
    for word in ("src=", "href=", "@import", "url(", "<script", "<link"):
        assert word not in page


def test_nobody_can_be_recognised_in_the_page_or_its_numbers(busy: Place) -> None:
    with busy.store.write() as c:
        c.execute(batch.update().values(name="370000199001010017.xlsx"))
    summary, page = busy.report()
    with busy.store.read() as c:
        kept = [to_record(dict(row), busy.store.vault) for row in c.execute(select(record)).mappings()]
    workers = [one.content for one in kept if isinstance(one.content, Worker)]
    assert workers
    assert "370000199001010017" not in page
    for worker in workers:
        for value in filter(None, (worker.name, worker.id_number, worker.mobile, worker.address)):
            assert value not in page
            assert value not in str(summary)


def test_markup_in_a_code_of_a_platform_stays_text(place: Place) -> None:
    place.enqueue(*persons(1))
    place.run(push, "refuse")
    with place.store.write() as c:
        c.execute(delivery.update().values(code="<script>1</script>"))
    assert "&lt;script&gt;1&lt;/script&gt;" in place.report()[1]


def test_a_place_that_cannot_be_written_is_named(place: Place) -> None:
    with pytest.raises(InputError, match=r"nowhere.*cannot be written"):
        write_report(place.store, place.folder / "nowhere" / "report.html", ReportSettings(chinese=False), now=NOW)
