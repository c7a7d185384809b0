"""Sealing anew: every sealed column is known, every value is moved to the active key, and none that others changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import LargeBinary, select, update

from gateway.delivery.rules.work import Closing
from gateway.delivery.store.exchanges import closed
from gateway.delivery.store.tables import exchange
from gateway.domain.errors import InputError
from gateway.domain.states import Event
from gateway.operations import evidence
from gateway.operations.store import resealing
from gateway.operations.store.sealed_columns import SEALED
from gateway.store.engine import Store
from gateway.store.metadata import metadata
from gateway.store.tables import record
from gateway.store.vault import KeyRing, Vault

NOT_SEALED = {"exchange.nonce", "evidence_part.leaves"}
"""bytes that are no ciphertext"""


@pytest.fixture
def rotated(book: Any) -> tuple[Store, Store]:
    """A store with sealed values of several tables: as it was written, and with a new active key."""
    book.add(*book.persons(5))
    claimed = book.send(book.claim())
    with book.store.write() as c:
        closed(book.store.vault, [Closing(exchange_id=1, closed_at=book.now, status=200, body=b"answer")])(c)
    book.settle(claimed, Event.ACCEPTED)
    evidence.seal(book.store, book.now, None)
    old = book.store.vault.ring
    fresh = replace(old, active="k2", keys={**old.keys, "k2": KeyRing.generate().index})
    return book.store, replace(book.store, vault=Vault(fresh))


def test_every_column_of_bytes_is_a_sealed_one_or_known_not_to_be() -> None:
    columns = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    assert {column.name for column in SEALED} == columns - NOT_SEALED


def test_everything_moves_to_the_new_key_and_the_evidence_goes_on_to_fit(
    rotated: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "_MOST", 2)
    _, new = rotated
    with new.read() as c:
        before = {name: names for name, names in resealing.usage(c).items() if names}
    assert before == {"record.content": {"k1": 5}, "exchange.request": {"k1": 1}, "exchange.response": {"k1": 1}}
    done = resealing.reseal(new)
    assert {name: report.resealed for name, report in done.items() if report.resealed} == {
        "record.content": 5,
        "exchange.request": 1,
        "exchange.response": 1,
    }
    with new.write() as c:
        assert {tuple(names) for names in resealing.usage(c).values() if names} == {("k2",)}
        resealing.retire(c, "k1", c.execute(select(exchange.c.opened_at)).scalar_one())
    alone = replace(new, vault=Vault(replace(new.vault.ring, keys={"k2": new.vault.ring.keys["k2"]})))
    assert evidence.verify(alone, None, every_byte=True).faults == []
    assert not any(report.resealed for report in resealing.reseal(new).values())


def test_a_key_that_is_needed_cannot_be_retired(rotated: tuple[Store, Store]) -> None:
    _, new = rotated
    with (
        new.write() as c,
        pytest.raises(InputError, match=r"k1 is still needed: record\.content 5, exchange\.request 1"),
    ):
        resealing.retire(c, "k1", c.execute(select(exchange.c.opened_at)).scalar_one())


def test_a_value_that_opens_with_no_key_is_counted_and_left_as_it_is(rotated: tuple[Store, Store]) -> None:
    _, new = rotated
    with new.write() as c:
        c.execute(update(record).where(record.c.id == 2).values(content=b"k1:torn"))
    done = resealing.reseal(new)["record.content"]
    assert (done.resealed, done.closed) == (4, 1)
    with new.read() as c:
        assert c.execute(select(record.c.content).where(record.c.id == 2)).scalar_one() == b"k1:torn"


def test_a_value_that_was_changed_in_the_same_moment_is_left_to_whoever_changed_it(
    rotated: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is cleared between the reading and the writing of its piece."""
    _, new = rotated
    real = Vault.open

    def overtaken(vault: Vault, sealed: bytes, place: str) -> bytes:
        plain = real(vault, sealed, place)
        if place.startswith("exchange.response:"):
            with new.write() as c:
                c.execute(update(exchange).values(response=None))
        return plain

    monkeypatch.setattr(Vault, "open", overtaken)
    done = resealing.reseal(new)["exchange.response"]
    assert (done.resealed, done.moved) == (0, 1)
    with new.read() as c:
        assert c.execute(select(exchange.c.response)).scalar_one() is None
