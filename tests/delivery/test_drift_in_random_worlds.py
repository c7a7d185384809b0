"""Reconciliation in random worlds with planted drift: all of it is found, nothing else is, and nothing is moved by it.

Every record gets a fate that is drawn by the seed and planted in one of the two books. What a run says must be the list
of what was planted, name by name: that is a precision and a recall of one.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from gateway.delivery.push import push
from gateway.delivery.reconcile import ReconcileReport, reconcile
from gateway.delivery.rules.differences import Difference
from gateway.delivery.store import reconciliations
from gateway.delivery.store.tables import delivery
from gateway.domain.records import Record, Worker
from gateway.store.engine import Store
from gateway.testing import people
from gateway.testing.checker.soundness import differences_add_up
from gateway.testing.model import Model, ModelSandbox
from tests.support.oneplatform import URL, OnePlatform

D = Difference
Finding = tuple[str, str, tuple[str, ...]]
"""class, record key and the fields that differ"""


class ListsSomeTwice(ModelSandbox):
    """Shows a row twice where the books say so."""

    def _list(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        shown = super()._list(asked, fault)
        shown["rows"] = [row for row in shown["rows"] for _ in range(1 + bool(self.books.get("twice", row["key"])))]
        return shown


def row_of(one: Record, **changes: Any) -> dict[str, Any]:
    assert isinstance(one.content, Worker)
    fields = {"number": one.content.id_number, "name": one.content.name}
    return {"key": one.key, "version": one.version, "kind": "person", **fields, **changes}


class Drifting:
    """One world: fates of three kinds of records, and what a run must say of each."""

    def __init__(self, store: Store, seed: int, size: int) -> None:
        self.rng = random.Random(seed)
        sandbox = ListsSomeTwice(replay_safe=True, seed=seed, clock=lambda: self.here.now)
        model = Model(base_url=URL, replay_safe=True, batch_max=self.rng.choice((1, 3, 10)))
        self.here = OnePlatform(store=store, sandbox=sandbox, connector=model)
        self.books = sandbox.books
        self.planted: list[Finding] = []
        self.matches = 0
        fates = [self.rng.choice(FATES) for _ in range(size)]
        for state in ("accepted", "rejected", "queued"):
            mine = [fate for fate in fates if fate[0] == state]
            made = [people.person_record(self.rng) for _ in mine]
            self._bring(state, made, mine)

    def _bring(self, state: str, made: list[Record], fates: list[Any]) -> None:
        here = self.here
        first = [one for one, (_, _, corrected, _) in zip(made, fates, strict=True) if corrected]
        here.take(first)
        here.run(push)
        now = [replace(one, version=2) if one in first else one for one in made]
        here.take(now)
        if state != "queued":
            here.sandbox.faults.set(rates={"refuse": 1.0} if state == "rejected" else {})
            here.run(push)
            here.sandbox.faults.set(rates={})
        for one, (_, plant, _, expected) in zip(now, fates, strict=True):
            fields = plant(self, one)
            if expected is D.MATCH:
                self.matches += 1
            else:
                self.planted.append((str(expected), one.key, fields))

    def strangers(self, count: int) -> None:
        for _ in range(count):
            one = people.person_record(self.rng)
            self.books.put("held", one.key, row_of(one))
            self.planted.append((str(D.UNKNOWN_HERE), one.key, ()))

    def reconciled(self) -> ReconcileReport:
        (report,) = self.here.run(reconcile)
        assert isinstance(report, ReconcileReport)
        assert report.stopped is None
        return report

    def found(self, run: int) -> list[Finding]:
        with self.here.store.read() as c:
            total, items = reconciliations.found_differences(c, self.here.store.vault, run, (), None)
            assert list(differences_add_up(c, "model")) == []
        assert total == len(items)
        return [
            (
                one.difference,
                one.record.key if one.record is not None else str(one.theirs[0] if one.theirs else None),
                tuple(one.fields),
            )
            for one in items
        ]

    def ledger(self) -> list[Any]:
        with self.here.store.read() as c:
            return [tuple(row) for row in c.execute(select(delivery).order_by(delivery.c.id))]


def _nothing(_: Drifting, __: Record) -> tuple[str, ...]:
    return ()


def _removed(world: Drifting, one: Record) -> tuple[str, ...]:
    world.books.remove("held", one.key)
    return ()


def _altered(world: Drifting, one: Record) -> tuple[str, ...]:
    held, changed = world.books.get("held", one.key), world.rng.choice((("name",), ("number",), ("number", "name")))
    world.books.put("held", one.key, held | {field: f"{held[field]}乙" for field in changed})
    return changed


def _older(world: Drifting, one: Record) -> tuple[str, ...]:
    held = world.books.get("held", one.key)
    world.books.put("held", one.key, held | {"version": one.version + 7})
    return ("version",)


def _twice(world: Drifting, one: Record) -> tuple[str, ...]:
    world.books.put("twice", one.key, True)
    return ()


def _there(world: Drifting, one: Record) -> tuple[str, ...]:
    world.books.put("held", one.key, row_of(one))
    return ()


def _there_otherwise(world: Drifting, one: Record) -> tuple[str, ...]:
    world.books.put("held", one.key, row_of(one, name="别人"))
    return ("name",)


def _version(_: Drifting, __: Record) -> tuple[str, ...]:
    return ("version",)


FATES: tuple[tuple[str, Callable[[Drifting, Record], tuple[str, ...]], bool, Difference], ...] = (
    ("accepted", _nothing, False, D.MATCH),
    ("accepted", _nothing, True, D.MATCH),
    ("accepted", _removed, False, D.LOST),
    ("accepted", _removed, True, D.LOST),
    ("accepted", _altered, False, D.ALTERED),
    ("accepted", _older, True, D.ALTERED),
    ("accepted", _twice, False, D.DOUBLED),
    ("rejected", _nothing, False, D.NEVER_SENT),
    ("rejected", _there, False, D.UNEXPECTED),
    ("rejected", _there_otherwise, False, D.UNEXPECTED),
    ("rejected", _version, True, D.OUTDATED),
    ("rejected", _removed, True, D.NEVER_SENT),
    ("queued", _nothing, False, D.LAG),
    ("queued", _there, False, D.HELD_THERE),
    ("queued", _there_otherwise, False, D.HELD_THERE),
    ("queued", _version, True, D.LAG),
    ("queued", _there, True, D.HELD_THERE),
)
"""state with us, what is done to the platform's book, whether a version before was accepted, and what that is"""


def check(store: Store, seed: int, size: int) -> Counter[str]:
    world = Drifting(store, seed, size)
    world.strangers(world.rng.randrange(4))
    before, effects = world.ledger(), world.here.sandbox.effects()["holdings"]
    report = world.reconciled()
    assert report.run is not None
    assert sorted(world.found(report.run)) == sorted(world.planted)
    expected = Counter(difference for difference, _, _ in world.planted)
    expected.update({str(D.MATCH): world.matches} if world.matches else {})
    assert report.classes == expected
    # every key of both books counts once
    assert report.classes.total() == size + sum(1 for one in world.planted if one[0] == D.UNKNOWN_HERE)
    again = world.reconciled()
    assert again.run is not None
    assert (again.classes, sorted(world.found(again.run))) == (report.classes, sorted(world.planted))
    assert (world.ledger(), world.here.sandbox.effects()["holdings"]) == (before, effects)
    return report.classes


@pytest.mark.parametrize("seed", range(6))
def test_all_planted_drift_is_found_and_nothing_else(store: Store, seed: int) -> None:
    check(store, seed, 40)


def test_every_class_of_drift_was_among_them(sqlite_url: str, make_store: Callable[[str], Store]) -> None:
    met = check(make_store(sqlite_url), 99, 200)
    never = {D.NOT_OWED, D.NOT_ASKED}  # of a platform that is not owed a kind, or cannot be asked about a record
    assert {str(one) for one in D if one not in never} <= met.keys()


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_many_worlds(sqlite_url: str, make_store: Callable[[str], Store], seed: int) -> None:
    check(make_store(sqlite_url), seed, 300)
