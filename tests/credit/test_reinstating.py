"""A certificate voided and made valid again, over real HTTP to three platforms that count the effects themselves."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import select

from gateway import registry
from gateway.contract.connector import Connector
from gateway.credit.decisions import Officer, draft, publish
from gateway.credit.feedback import FeedbackReport, pull
from gateway.credit.rules.tickets import Act
from gateway.credit.store.case_tables import reinstatement
from gateway.credit.store.tables import ticket
from gateway.credit.store.way_back import open_way_back_tickets, way_back
from gateway.credit.tickets import TicketAct, read_calendar, settle
from gateway.delivery.acknowledge import poll, resolve
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.reconcile import reconcile
from gateway.delivery.store import owing, platforms
from gateway.delivery.store.tables import delivery
from gateway.delivery.system import CrashPoint, System
from gateway.domain.records import Certificate, ChangeNature, RecordKind
from gateway.settings import loader
from gateway.store import records
from gateway.store.engine import Store, open_engine
from gateway.store.records import IndexEntry
from gateway.store.thread import StoreThread
from gateway.store.vault import KeyRing, Vault
from gateway.testing import people
from gateway.testing.checker.proofs import unproven
from gateway.testing.sandbox import Sandbox
from gateway.testing.serving import running
from gateway.transport.sender import Sender
from tests.support.creditfeed import person_entries

T = TypeVar("T")
NATIONAL, PROVINCE, WORKERS = "national_market", "provincial_credit", "worker_platform"
DECISION: dict[str, Any] = {
    "category": "BAD",
    "credit_type": "SD-P",
    "credit_code": "SD-P-01",
    "content": "以虚假材料取得证书",
    "region": "370000",
    "authority": "山东省建设从业人员教育中心",
    "legal_basis": "鲁建教函〔2019〕1号 六(三)",
    "decision": "宣布证书无效",
    "decision_no": "鲁教决字〔2019〕1号",
    "decided": date(2019, 4, 1),
    "proof": {
        "noticed": date(2019, 3, 20),
        "heard": True,
        "delivered": date(2019, 4, 2),
        "digest": "sha-256:" + "0" * 64,
    },
}


@dataclass
class World:
    """One store, the three platforms over HTTP, and a person with a certificate."""

    store: Store
    stack: ExitStack
    now: datetime = datetime(2019, 4, 2, 1, 30, tzinfo=UTC)
    rng: random.Random = field(default_factory=lambda: random.Random(8))
    sandboxes: dict[str, Sandbox] = field(default_factory=dict)
    connectors: dict[str, Connector] = field(default_factory=dict)
    environments: dict[str, dict[str, str]] = field(default_factory=dict)
    decision: str = ""

    def __post_init__(self) -> None:
        for name in (NATIONAL, PROVINCE, WORKERS):
            sandbox = registry.build_sandbox(name, seed=3, clock=lambda: self.now)
            url = self.stack.enter_context(running(sandbox))
            self.sandboxes[name] = sandbox
            self.environments[name] = dict(sandbox.access(url).environment)
            self.connectors[name] = registry.build_connector(name, loader(self.environments[name]))
        person = people.person_record(self.rng)
        self.record = people.certificate_record(self.rng, person)
        self.person, self.key = person.key, self.record.key
        assert isinstance(self.record.content, Certificate)
        number = self.record.content.number
        entries = person_entries(person.key, self.record.content.holder)
        entries.append(IndexEntry(kind=RecordKind.CERTIFICATE, key=self.key, what="certificate_number", value=number))
        with self.store.write() as connection:
            platforms.register(connection, list(self.sandboxes))
            records.add(connection, self.store.vault, [person, self.record], batch_id=None, now=self.now)
            records.index(connection, self.store.vault, entries, self.now)
            for connector in self.connectors.values():
                owing.owe(connection, connector.info, self.now)

    async def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=max(seconds, 0.001))

    def bring(self, *names: str) -> None:
        """Push, poll and ask until these platforms are at rest."""

        async def steps(exchanger: Exchanger) -> None:
            for _ in range(12):
                for step in (push, _note_way_back, poll, resolve):
                    await step(exchanger)
                if not self.waiting(exchanger.platform):
                    return
                await self.sleep(600)
            raise AssertionError(f"{exchanger.platform} did not come to rest")

        for name in names or self.connectors:
            asyncio.run(self.within(name, steps))

    async def within(self, name: str, work: Callable[[Exchanger], Awaitable[T]]) -> T:
        """Work through the door to one platform."""
        edge = System(
            now=lambda: self.now,
            new_id=lambda: people.ulid(self.rng),
            random_bytes=self.rng.randbytes,
            draw=self.rng.random,
            sleep=self.sleep,
        )
        with StoreThread(self.store) as thread:
            async with Sender(self.connectors[name].endpoint) as sender:
                return await work(Exchanger(self.connectors[name], sender, thread, edge))

    def waiting(self, name: str) -> bool:
        return any(
            state not in ("accepted", "rejected", "superseded", "parked") for state in self.states(name).values()
        )

    def states(self, name: str) -> dict[tuple[str, int], str]:
        """Kind and version of the certificate's deliveries, with their states."""
        with self.store.read() as connection:
            rows = connection.execute(
                select(delivery.c.kind, delivery.c.version, delivery.c.state).where(
                    delivery.c.platform == name, delivery.c.record_key == self.key
                )
            )
            return {(row.kind, row.version): row.state for row in rows}

    def effects(self, name: str) -> list[int]:
        """The versions that the platform wrote of the certificate, as often as it did."""
        held = [one for one in self.sandboxes[name].books.items("effects") if one[1]["kind"] == "certificate"]
        return [version for _, one in held for version in one["versions"]]

    def pull(self) -> FeedbackReport:
        """Send what was published and pull what the province tells."""
        exchanging = self.within(PROVINCE, pull)
        report = asyncio.run(exchanging)
        self.now += timedelta(minutes=5)
        return report

    def differences(self, name: str) -> dict[str, int]:
        """What a reconciliation finds of the certificate and its person."""
        report = asyncio.run(self.within(name, reconcile))
        assert report.stopped is None
        return {str(one): count for one, count in report.classes.items()}

    def decide(self, *, to: str | None = None, **changes: Any) -> None:
        """Draft and publish an own decision, or the next version of it."""
        officer = Officer(by="officer", now=self.now, calendar=read_calendar())
        again = {"record": self.decision} if self.decision else {}
        assert isinstance(self.record.content, Certificate)
        said = {"subject": self.person, "certificate": self.record.content.number, **DECISION, **again, **changes}
        self.decision = draft(self.store, said, officer, new_key=lambda: people.ulid(self.rng)).key
        publish(self.store, self.decision, officer, reason="signed", platform=to)
        self.now += timedelta(minutes=5)

    def tickets(self, kind: str) -> list[Any]:
        with self.store.read() as connection:
            where = (ticket.c.kind == kind, ticket.c.closed_at.is_(None))
            return list(connection.execute(select(ticket).where(*where)).all())

    def come_back(self) -> None:
        """Settle the ticket that asks."""
        [asked] = self.tickets("REINSTATE")
        settle(self.store, TicketAct(number=asked.number, act=Act.REINSTATE, reason="复议撤销", by="head"), self.now)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def test_every_platform_that_was_told_learns_that_the_certificate_is_valid_again(
    store: Store, stack: ExitStack
) -> None:
    world = World(store=store, stack=stack)
    world.bring()
    world.decide(event_type="CERT_INVALIDATED")
    world.bring()
    assert {name: world.effects(name) for name in world.sandboxes} == {
        NATIONAL: [1, 2],
        PROVINCE: [1, 2],
        WORKERS: [1, 2],
    }
    world.decide(event_type="REVOKED", change_reason="复议撤销")
    world.come_back()
    world.bring()
    requests = {name: sandbox.books.counter("requests") for name, sandbox in world.sandboxes.items()}
    world.bring()
    assert {name: world.effects(name) for name in world.sandboxes} == {
        NATIONAL: [1, 2],
        PROVINCE: [1, 2, 3],
        WORKERS: [1, 2, 3],
    }
    assert {name: sandbox.books.counter("requests") for name, sandbox in world.sandboxes.items()} == requests
    assert world.states(NATIONAL)["status_change", 3] == "rejected"
    assert [(one.platform, one.record_id) for one in world.tickets("WAY_BACK")] == [(NATIONAL, world.key)]
    held = dict(world.sandboxes[PROVINCE].books.items("certificates"))[world.key]["item"]["certificate"]
    assert held["certificationStatus"] == "01"
    [(_, versions)] = world.sandboxes[WORKERS].books.items(f"credential/{_number(world)}")
    assert [str(row["fields"]["certificationStatus"]) for row in versions] == ["1", "2", "1"]
    assert {name: world.differences(name) for name in world.sandboxes} == {
        NATIONAL: {"match": 1, "outdated": 1},
        PROVINCE: {"match": 1},
        WORKERS: {"match": 1},
    }
    with store.read() as connection:
        for connector in world.connectors.values():
            assert list(unproven(connection, store.vault, connector)) == []


def test_who_never_got_it_gets_the_certificate_and_who_was_not_told_gets_nothing(
    store: Store, stack: ExitStack
) -> None:
    world = World(store=store, stack=stack)
    world.bring(NATIONAL)
    world.decide(event_type="CERT_INVALIDATED")
    world.decide(event_type="VOIDED", change_reason="误报")
    world.come_back()
    world.bring()
    assert {name: world.effects(name) for name in world.sandboxes} == {NATIONAL: [1], PROVINCE: [3], WORKERS: [1]}
    assert world.states(NATIONAL) == {
        **{("certificate", 1): "accepted", ("status_change", 2): "superseded"},
        ("status_change", 3): "superseded",
    }
    assert world.tickets("WAY_BACK") == []
    for name, matching in ((NATIONAL, 2), (PROVINCE, 1), (WORKERS, 1)):
        assert world.differences(name) == {"match": matching}


def test_a_correction_that_the_voiding_had_cancelled_goes_with_the_way_back(store: Store, stack: ExitStack) -> None:
    world = World(store=store, stack=stack)
    world.bring()
    assert isinstance(world.record.content, Certificate)
    corrected = replace(world.record.content, confirm_organization="山东省建设执业资格注册中心")
    newer = replace(world.record, version=2, content=corrected, change=ChangeNature.CORRECTION, change_reason="更正")
    with store.write() as connection:
        records.add(connection, store.vault, [newer], batch_id=None, now=world.now)
        for connector in world.connectors.values():
            owing.owe(connection, connector.info, world.now)
    world.decide(event_type="CERT_INVALIDATED")
    world.bring()
    world.decide(event_type="REVOKED", change_reason="复议撤销")
    world.come_back()
    world.bring()
    assert {name: world.effects(name) for name in world.sandboxes} == {
        NATIONAL: [1, 3],
        PROVINCE: [1, 3, 4],
        WORKERS: [1, 2, 3],
    }
    held = dict(world.sandboxes[PROVINCE].books.items("certificates"))[world.key]["item"]["certificate"]
    assert (held["certificationStatus"], held["confirmOrganization"]) == ("01", corrected.confirm_organization)
    assert world.states(NATIONAL)["certificate", 4] in ("rejected", "parked")
    assert [one.platform for one in world.tickets("WAY_BACK")] == [NATIONAL]


def test_a_decision_that_voids_goes_out_as_a_record_of_its_own_and_so_do_its_later_versions(
    store: Store, stack: ExitStack
) -> None:
    world = World(store=store, stack=stack)
    for event in ("CERT_INVALIDATED", "CERT_INVALIDATED", "REVOKED"):
        world.decide(event_type=event, change_reason="复议撤销", to=PROVINCE)
        report = world.pull()
        assert (report.decisions, report.stopped) == (1, None)


async def _note_way_back(exchanger: Exchanger) -> None:
    """What the gateway does after each push."""
    if await exchanger.query(way_back):
        await exchanger.transact(open_way_back_tickets)


def _number(world: World) -> str:
    assert isinstance(world.record.content, Certificate)
    return world.record.content.holder.id_number


WORKER = Path(__file__).with_name("reinstateworker.py")
PLACES = ("reinstate.before", *(str(p) for p in (CrashPoint.BEFORE_OWE, CrashPoint.AFTER_OPEN, CrashPoint.AFTER_SEND)))


@pytest.mark.slow
def test_killed_anywhere_between_the_act_and_its_end_it_is_whole_and_told_once(
    sqlite_url: str, stack: ExitStack
) -> None:
    """Real processes and SIGKILL: what was not committed did not happen, and what happened is told to the end."""
    ring = KeyRing.generate()
    store = Store(engine=open_engine(sqlite_url), vault=Vault(ring))
    stack.callback(store.close)
    world = World(store=store, stack=stack)
    world.bring(PROVINCE)
    world.decide(event_type="CERT_INVALIDATED")
    world.bring(PROVINCE)
    world.decide(event_type="REVOKED", change_reason="复议撤销")
    order = {"environment": world.environments[PROVINCE], "store_url": sqlite_url, "keys": ring.to_text()}
    for seed, die in enumerate((*PLACES, "")):
        world.now += timedelta(minutes=10)
        given = {**order, "now": world.now.isoformat(), "key": world.key, "die": die, "seed": seed}
        done = subprocess.run(
            [sys.executable, str(WORKER)],
            input=json.dumps(given),
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == (-signal.SIGKILL if die else 0), done.stderr[-2000:]
        back = ("status_change", 3) in world.states(PROVINCE) or _reinstated(store) == 1
        assert back == (die != "reinstate.before")
    world.bring(PROVINCE)
    assert (world.effects(PROVINCE), _reinstated(store)) == ([1, 2, 3], 1)
    assert world.states(PROVINCE)["status_change", 3] == "accepted"
    assert world.tickets("REINSTATE") == []


def _reinstated(store: Store) -> int:
    with store.read() as connection:
        return len(connection.execute(select(reinstatement.c.id)).all())
