"""Every acceptance can be judged again from what is stored, on each installed platform, and a forged one cannot."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from gateway import registry
from gateway.contract.connector import Connector
from gateway.contract.messages import Token
from gateway.delivery.acknowledge import poll, resolve
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.explain import explain
from gateway.delivery.push import push
from gateway.delivery.store import owing, platforms
from gateway.delivery.store.exchanges import headers_of, keepable_headers, open_body, seal_headers
from gateway.delivery.store.tables import delivery, exchange
from gateway.delivery.system import System
from gateway.domain.states import Event, State
from gateway.settings import loader
from gateway.store import records
from gateway.store.engine import Store, open_engine
from gateway.store.thread import StoreThread
from gateway.store.vault import KeyRing, Vault
from gateway.testing import people
from gateway.testing.checker.proofs import carried_by, judge, reply_of, unproven
from gateway.testing.owner import OwnerSandbox
from gateway.testing.sandbox import Sandbox
from gateway.testing.serving import running
from gateway.transport.carrier import carrier_for
from tests.support.shipped import shipped


@dataclass
class Done:
    """A platform to which records were brought, whatever got in the way."""

    store: Store
    connector: Connector
    sandbox: Sandbox

    def unproven(self, change: Callable[[Connection], Any] = lambda _: None) -> list[str]:
        """What the judge says after a change, which is taken back."""
        with self.store.engine.connect() as c, c.begin() as transaction:
            change(c)
            found = list(unproven(c, self.store.vault, self.connector))
            transaction.rollback()
        return found

    def proofs(self, c: Connection) -> list[Any]:
        """The exchanges that were answered."""
        return list(c.execute(select(exchange).where(exchange.c.response.is_not(None))).mappings())


class Time:
    """A clock that waiting moves."""

    def __init__(self) -> None:
        self.now = datetime(2019, 4, 2, 1, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=max(seconds, 0.001))


async def bring(store: Store, connector: Connector, sandbox: Sandbox, time: Time) -> None:
    rng = random.Random(6)
    edge = System(
        now=time, new_id=lambda: people.ulid(rng), random_bytes=rng.randbytes, draw=rng.random, sleep=time.sleep
    )
    tokens: dict[str, Token] = {}
    with StoreThread(store) as thread:
        async with carrier_for(connector.endpoint) as carrier:
            for _ in range(30):
                for step in (push, poll, resolve):
                    await step(Exchanger(connector, carrier, thread, edge, tokens))
                if isinstance(sandbox, OwnerSandbox):
                    sandbox.work()
                with store.read() as c:
                    if set(c.execute(select(delivery.c.state)).scalars()) == {State.ACCEPTED}:
                        return
                await time.sleep(600)
    raise AssertionError("it did not come to rest")


WAYS = [
    ("national_market", None),
    ("national_market", "T-token"),
    ("national_market", "X"),
    ("national_market", "X-suzhou"),
    ("national_market", "X-jiangsu"),
    ("provincial_credit", None),
    ("worker_platform", None),
    ("training_system", "files"),
    ("training_system", "table"),
]


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: "-".join(filter(None, way)))
def done(
    request: pytest.FixtureRequest, _migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Done]:
    path = tmp_path_factory.mktemp("proofs") / "gateway.db"
    path.write_bytes(_migrated_sqlite.read_bytes())
    store = Store(engine=open_engine(f"sqlite:///{path}"), vault=Vault(KeyRing.generate()))
    rng, time = random.Random(5), Time()
    name, dialect = request.param
    state = tmp_path_factory.mktemp("platform")
    sandbox = registry.build_sandbox(name, dialect=dialect, seed=3, clock=time, state=state)
    sandbox.faults.set(next_=["gateway_error", "empty"])
    with running(sandbox) as url:
        connector = registry.build_connector(name, loader(sandbox.access(url).environment))
        persons = [people.person_record(rng) for _ in range(3)]
        made = [*persons, *(people.certificate_record(rng, one) for one in persons)]
        with store.write() as c:
            platforms.register(c, [name])
            records.add(c, store.vault, made, batch_id=None, now=time())
            owing.owe(c, connector.info, time())
        asyncio.run(bring(store, connector, sandbox, time))
        yield Done(store, connector, sandbox)
    store.close()


def test_what_was_accepted_is_accepted_when_it_is_read_again_and_nothing_else_is(done: Done) -> None:
    def other_body(c: Connection) -> None:
        for row in done.proofs(c):
            body = open_body(done.store.vault, row["response"], f"exchange.response:{row['id']}")
            changed = done.store.vault.seal(body[: len(body) // 2], f"exchange.response:{row['id']}")
            c.execute(update(exchange).where(exchange.c.id == row["id"]).values(response=changed))

    def other_headers(c: Connection) -> None:
        for row in done.proofs(c):
            sealed = seal_headers(done.store.vault, row["id"], {"content-type": "text/html"})
            c.execute(update(exchange).where(exchange.c.id == row["id"]).values(response_headers=sealed))

    assert done.unproven() == []
    assert done.unproven(other_body) != []
    assert done.unproven(other_headers) != []


def test_a_signature_in_a_header_is_checked_again_with_the_key_and_request_of_its_time(done: Done) -> None:
    signed = done.connector.info.platform == "provincial_credit"

    def other_signature(c: Connection) -> None:
        for row in done.proofs(c):
            kept = headers_of(dict(row), done.store.vault)
            assert kept is not None
            forged = seal_headers(done.store.vault, row["id"], {**kept.kept, "x-platform-signature": "AAAA"})
            c.execute(update(exchange).where(exchange.c.id == row["id"]).values(response_headers=forged))

    def no_key(c: Connection) -> None:
        c.execute(update(exchange).values(proof=None))

    def other_request(c: Connection) -> None:
        c.execute(update(exchange).values(nonce=bytes(16)))

    for change in (other_signature, no_key, other_request):
        assert bool(done.unproven(change)) is signed


def test_no_credential_and_no_secret_of_a_login_is_kept_in_clear_or_shown(done: Done) -> None:
    with done.store.read() as c:
        rows = list(c.execute(select(exchange)).mappings())
        numbers = list(c.execute(select(delivery.c.id)).scalars())
    shown = json.dumps([explain(done.store, number) for number in numbers], default=str)
    for row in rows:
        kept = headers_of(dict(row), done.store.vault)
        assert (kept is None) == (row["status"] is None or row["purpose"] == "login")
        if row["proof"] is not None:
            assert b"Secret" not in row["proof"]
    assert "content-type" in shown
    if done.connector.info.platform == "provincial_credit":
        assert "x-platform-signature: ***" in shown
    assert '"nonce"' not in shown
    assert '"proof"' not in shown


def test_no_prefix_and_no_changed_byte_of_a_kept_answer_is_taken_for_an_acceptance_that_it_was_not(done: Done) -> None:
    """One answer of each purpose and outcome. Bits are flipped at every place; bytes that bind must not be damaged."""
    rng = random.Random(1)
    tried = set()
    with done.store.read() as c:
        for row in map(dict, done.proofs(c)):
            carried = carried_by(c, done.store.vault, row["id"])
            kept = reply_of(row, done.store.vault, done.connector)
            if kept is None or not carried:
                continue

            def told(body: bytes, kept: Any = kept, row: Any = row, carried: Any = carried) -> list[Event]:
                answer = replace(kept, body=body)
                return [v.event for v in judge(answer, row, done.store.vault, done.connector, carried)]

            before = told(kept.body)
            if (row["purpose"], tuple(before)) in tried:
                continue
            tried.add((row["purpose"], tuple(before)))
            body = kept.body.rstrip()
            for cut in range(len(body) - 1):
                assert Event.ACCEPTED not in told(body[:cut]), (row["purpose"], cut)
            keys = {key for item in carried for key in (item.record.key, item.receipt or "")}
            bound = [place for key in keys - {""} for place in _places(body, key.encode())]
            for place, byte in enumerate(body):
                after = told(body[:place] + bytes([byte ^ 1 << rng.randrange(8)]) + body[place + 1 :])
                if place in bound and len(carried) == 1:
                    assert Event.ACCEPTED not in after, (row["purpose"], place)
                accepted = [was for was, now in zip(before, after, strict=False) if now is Event.ACCEPTED]
                assert set(accepted) <= {Event.ACCEPTED}, (row["purpose"], place)
    assert Event.ACCEPTED in {event for _, events in tried for event in events}


def _places(body: bytes, value: bytes) -> Iterator[int]:
    start = body.find(value)
    while start >= 0:
        yield from range(start, start + len(value))
        start = body.find(value, start + 1)


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("content-type", "text/xml", True),
        ("x-platform-signature", "c2ln", True),
        ("x-platform-timestamp", "1554167400000", True),
        ("set-cookie", "session=1", False),
        ("authorization", "Basic x", False),
        ("proxy-authorization", "Basic x", False),
        ("x-auth-token", "t", False),
        ("x-request-secret", "s", False),
        ("x-api-key", "k", False),
        ("x-long", "v" * 17_000, False),
    ],
)
def test_headers_are_kept_but_credentials_and_what_goes_beyond_all_bounds(name: str, value: str, kept: bool) -> None:
    chosen = keepable_headers({"server": "x", name: value, "last": "y"})
    assert chosen.left_out == (() if kept else (name,))
    assert chosen.kept == {"server": "x", "last": "y"} | ({name: value} if kept else {})


def test_an_answer_without_headers_is_judged_by_its_media_type_and_not_passed_over(done: Done) -> None:
    """Else whoever takes headers and nonce away would have made any answer an acceptance."""
    signed = done.connector.info.platform == "provincial_credit"

    def without(c: Connection) -> None:
        c.execute(update(exchange).values(response_headers=None, nonce=None, proof=None))

    assert bool(done.unproven(without)) is signed


def test_every_platform_that_is_installed_is_tried_here() -> None:
    assert {name for name, _ in WAYS} == set(shipped())
