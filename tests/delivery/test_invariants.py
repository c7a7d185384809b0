"""The checker that every road test ends with: each lie in either book is found, and a true pair of books is not."""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from gateway.delivery.acknowledge import poll, resolve
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.store import owing, platforms
from gateway.delivery.store.tables import attempt, delivery, exchange, reconciliation, verdict
from gateway.delivery.system import System
from gateway.domain.records import RecordKind
from gateway.domain.states import State
from gateway.domain.traffic import Budget, Traffic
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.tables import record
from gateway.store.thread import StoreThread
from gateway.testing import people
from gateway.testing.checker.invariants import broken
from gateway.testing.model import Model, ModelSandbox
from gateway.testing.serving import running
from gateway.transport.sender import Sender

Lie = Callable[[Connection, dict[str, Any], list[dict[str, Any]]], Any]


def corrected(effects: dict[str, Any]) -> dict[str, Any]:
    return next(one for one in effects["holdings"].values() if one["version"] == 2)


def owed_twice(c: Connection, effects: Any, seen: Any) -> None:
    row = dict(c.execute(select(delivery).limit(1)).mappings().one())
    c.execute(insert(delivery), row | {"id": None, "business_key": "another"})


def forgotten(c: Connection, effects: Any, seen: Any) -> None:
    row = dict(c.execute(select(record).limit(1)).mappings().one())
    c.execute(insert(record), row | {"id": None, "version": 9})


def behind_the_ended(c: Connection, effects: Any, seen: Any) -> None:
    c.execute(update(delivery).where(delivery.c.id == 2).values(state=State.QUEUED, blocked_by=1))


def still_leased(c: Connection, effects: Any, seen: Any) -> None:
    c.execute(update(delivery).where(delivery.c.id == 1).values(lease_owner="somebody"))


def another_answer(c: Connection, effects: Any, seen: Any, *, store: Store) -> None:
    number = c.execute(select(exchange.c.id).where(exchange.c.purpose == "push").limit(1)).scalar_one()
    sealed = store.vault.seal(b'{"message": "another"}', f"exchange.response:{number}")
    c.execute(update(exchange).where(exchange.c.id == number).values(response=sealed))


def unapplied(c: Connection, effects: Any, seen: Any) -> None:
    c.execute(update(verdict).where(verdict.c.event == "accepted").values(applied=False))


def settled_twice(c: Connection, effects: Any, seen: Any) -> None:
    row = dict(c.execute(select(verdict).limit(1)).mappings().one())
    c.execute(insert(verdict), row | {"id": None})


def asked_after_the_end(c: Connection, effects: Any, seen: Any) -> None:
    c.execute(insert(attempt).values(delivery_id=1, exchange_id=1, position=9, fence=9))


def uncounted(c: Connection, effects: Any, seen: Any) -> None:
    now = datetime.now(UTC)
    c.execute(insert(reconciliation).values(platform="model", ours_at=now, theirs_at=now, counts={"lost": 2}))


LIES: dict[str, tuple[str, Lie]] = {
    "a record is owed twice": ("I1", owed_twice),
    "a record is owed and forgotten": ("I1", forgotten),
    "a delivery waits for one that ended": ("I1", behind_the_ended),
    "an ended delivery is leased": ("I1", still_leased),
    "an effect is gone": ("I2", lambda c, e, s: e["holdings"].popitem()),
    "a version was stored twice": ("I2", lambda c, e, s: corrected(e).update(writes=3, versions=[1, 2, 2])),
    "a version was never stored": ("I2", lambda c, e, s: corrected(e).update(versions=[1, 1])),
    "a reply is gone": ("I3", lambda c, e, s: c.execute(update(exchange).values(response=None))),
    "a reply reads otherwise": ("I3", another_answer),
    "an older version came last": ("I4", lambda c, e, s: corrected(e).update(versions=[2, 1])),
    "a certificate came before its person": (
        "I4",
        lambda c, e, s: [one.update(first=99) for one in e["holdings"].values() if one["kind"] == RecordKind.PERSON],
    ),
    "a try was made up": ("I5", lambda c, e, s: c.execute(update(delivery).values(tries=9))),
    "an answer was made up": ("I5", lambda c, e, s: s.pop()),
    "an attempt is gone": (
        "I5",
        lambda c, e, s: c.execute(update(attempt).where(attempt.c.id == 1).values(position=4)),
    ),
    "an attempt was made by nobody": ("I5", lambda c, e, s: c.execute(update(delivery).values(fence=0))),
    "a difference was counted and not kept": ("I7", uncounted),
    "requests came faster than the budget allows": (
        "I10",
        lambda c, e, s: s.extend(dict(s[0], at="2030-01-01T00:00:00+00:00") for _ in range(99)),
    ),
    "a number stands in clear": (
        "I8",
        lambda c, e, s: c.execute(
            update(delivery).values(reason=f"对方: {people.id_number(random.Random(1), date(1980, 1, 2))}")
        ),
    ),
    "a name stands in clear": ("I8", lambda c, e, s: c.execute(update(verdict).values(reason="查无此人: 王金丝雀"))),
    "a request has no exchange": ("I11", lambda c, e, s: s.append(dict(s[0], body_sha256="0" * 64))),
    "a request was sent twice under one exchange": ("I11", lambda c, e, s: s.append(dict(s[0]))),
    "a request came before its exchange": ("I11", lambda c, e, s: s[0].update(at="2018-01-01T00:00:00+00:00")),
    "an acceptance was not applied": ("I12", unapplied),
    "a lease settled twice": ("I12", settled_twice),
    "an accepted one was sent again": ("I12", asked_after_the_end),
    "an accepted one is something else": (
        "I12",
        lambda c, e, s: c.execute(update(delivery).where(delivery.c.id == 1).values(state=State.PARKED)),
    ),
}


class Undo(Exception):
    """Takes a lie back."""


@pytest.fixture
def told(make_store: Any, sqlite_url: str) -> Callable[[Lie], list[str]]:
    """Tell a lie on top of a true pair of books, and hear what the checker says; the store is as before then."""
    store: Store = make_store(sqlite_url)
    sandbox = ModelSandbox()
    with running(sandbox) as url:
        model = Model(base_url=url, traffic=Traffic(budget=Budget(requests=90, window=timedelta(seconds=5))))
        _fill(store, model)
        asyncio.run(_work(store, model))
        effects, seen = sandbox.effects(), [value for _, value in sandbox.books.items("requests")]

    def tell(lie: Lie) -> list[str]:
        theirs, requests = copy.deepcopy(effects), copy.deepcopy(seen)
        found: list[str] = []
        try:
            with store.write() as c:
                lie(c, theirs, requests, **({"store": store} if lie is another_answer else {}))
                canaries = ["王金丝雀"]
                found = broken(c, "model", theirs, requests, vault=store.vault, connector=model, canaries=canaries)
                raise Undo
        except Undo:
            return found

    return tell


def _fill(store: Store, model: Model) -> None:
    rng = random.Random(5)
    persons = [people.person_record(rng) for _ in range(3)]
    now = datetime.now(UTC)
    with store.write() as c:
        platforms.register(c, ["model"])
    for batch in ([*persons, people.certificate_record(rng, persons[0])], [replace(persons[1], version=2)]):
        with store.write() as c:
            records.add(c, store.vault, batch, batch_id=None, now=now)
            owing.owe(c, model.info, now)
        asyncio.run(_work(store, model))


async def _work(store: Store, model: Model) -> None:
    rng = random.Random(6)
    edge = System(
        now=lambda: datetime.now(UTC),
        new_id=lambda: people.ulid(rng),
        random_bytes=rng.randbytes,
        draw=rng.random,
    )
    with StoreThread(store) as thread:
        async with Sender(model.endpoint) as sender:
            exchanger = Exchanger(model, sender, thread, edge)
            for step in (push, poll, resolve):
                await step(exchanger)


def test_a_true_pair_of_books_is_sound_and_every_lie_is_found(told: Callable[[Lie], list[str]]) -> None:
    assert told(lambda c, effects, seen: None) == []
    heard = {name: (invariant, told(lie)) for name, (invariant, lie) in LIES.items()}
    missed = {
        name: found
        for name, (invariant, found) in heard.items()
        if not any(sentence.startswith(f"{invariant}:") for sentence in found)
    }
    assert missed == {}
