"""Backups: everything comes back, into either kind of store; a torn or foreign file leaves nothing behind."""

from __future__ import annotations

import gzip
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from gateway.delivery.rules.work import Closing
from gateway.delivery.store.exchanges import closed
from gateway.delivery.store.tables import delivery, exchange
from gateway.domain.errors import InputError, StoreError
from gateway.domain.states import Event
from gateway.operations import evidence
from gateway.operations.store import backup
from gateway.schema import metadata
from gateway.store.engine import Store, migrate, open_engine
from gateway.store.tables import audit
from gateway.testing import ground


@pytest.fixture
def full(book: Any) -> Any:
    """Persons and certificates, some sent and answered, one behind one with a higher number, sealed."""
    persons = book.persons(3)
    book.add(*persons, *(book.certificate(person) for person in persons))
    claimed = book.send(book.claim())
    with book.store.write() as c:
        closing = Closing(exchange_id=1, closed_at=book.now, status=200, body=b"answer")
        closed(book.store.vault, [closing])(c)
        c.execute(update(delivery).where(delivery.c.id == 4).values(blocked_by=6))
    book.settle(claimed[:2], Event.ACCEPTED)
    evidence.seal(book.store, book.now, None)
    return book


def contents(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    with store.read() as c:
        return {
            table.name: [tuple(row) for row in c.execute(select(table).order_by(*table.primary_key.columns))]
            for table in metadata.sorted_tables
        }


def other(store: Store, url: str) -> Store:
    """An empty store with the same keys."""
    engine = open_engine(url)
    migrate(engine)
    return Store(engine=engine, vault=store.vault)


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, full: Any, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind, beside the full one and with the same keys."""
    url = f"sqlite:///{tmp_path}/full.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with ground.beside(url, "restored") as place:
        store = Store(engine=open_engine(place), vault=full.store.vault)
        yield store
        store.close()


def test_everything_comes_back_in_either_kind_of_store(full: Any, target: Store, tmp_path: Path) -> None:
    file = tmp_path / "one.backup"
    written = backup.write(full.store, file, full.now)
    read = backup.restore(target, file)
    assert contents(target) == contents(full.store)
    assert (read.rows, read.at) == (written.rows, full.now)
    assert evidence.verify(target, None, every_byte=True).faults == []


def test_a_restored_store_goes_on_where_it_stood(full: Any, target: Store, tmp_path: Path) -> None:
    file = tmp_path / "one.backup"
    backup.write(full.store, file, full.now)
    backup.restore(target, file)
    note = {"at": full.now, "actor": "t", "action": "test", "object": "x", "detail": {}}
    with target.write() as c:
        before = [row.id for row in c.execute(select(exchange.c.id))]
        c.execute(insert(audit), note)
        values = {name: "x" for name in ("platform", "purpose", "operation", "message_id", "request_digest")}
        new = c.execute(insert(exchange).values(**values, opened_at=full.now).returning(exchange.c.id)).scalar_one()
    assert new == max(before) + 1


def test_a_backup_is_its_owners_and_nobody_is_in_it_in_clear(full: Any, tmp_path: Path) -> None:
    file = tmp_path / "one.backup"
    backup.write(full.store, file, full.now)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not list(tmp_path.glob("*.part"))
    assert b"370000" not in gzip.decompress(file.read_bytes())


def lines(file: Path) -> list[bytes]:
    return gzip.decompress(file.read_bytes()).splitlines(keepends=True)


def rewrite(file: Path, kept: list[bytes]) -> None:
    file.write_bytes(gzip.compress(b"".join(kept)))


def other_schema(kept: list[bytes]) -> list[bytes]:
    head = json.loads(kept[0])
    return [json.dumps({**head, "schema": "0001"}).encode() + b"\n", *kept[1:]]


DAMAGE: dict[str, Any] = {
    "its end is gone": lambda kept: kept[:-1],
    "a row is gone": lambda kept: (
        [line for line in kept if b'"model/' not in line or b"/1" not in line][:-1] + kept[-1:]
    ),
    "rows were moved": lambda kept: [*kept[:-3], kept[-2], kept[-3], kept[-1]],
    "it is of another release": other_schema,
    "it is another kind of file": lambda _: [b'{"some": "json"}\n'],
    "it is empty": lambda _: [],
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_file_that_is_no_whole_backup_is_refused_and_leaves_nothing(full: Any, tmp_path: Path, name: str) -> None:
    file = tmp_path / "one.backup"
    backup.write(full.store, file, full.now)
    rewrite(file, DAMAGE[name](lines(file)))
    target = other(full.store, f"sqlite:///{tmp_path}/other.db")
    with pytest.raises(InputError, match=r"one\.backup|schema"):
        backup.restore(target, file)
    assert not any(contents(target).values())
    target.close()


def test_a_torn_gzip_and_no_gzip_are_refused(full: Any, tmp_path: Path) -> None:
    file = tmp_path / "one.backup"
    backup.write(full.store, file, full.now)
    target = other(full.store, f"sqlite:///{tmp_path}/other.db")
    for content in (file.read_bytes()[:-20], b"no gzip"):
        file.write_bytes(content)
        with pytest.raises(InputError, match="not a whole backup"):
            backup.restore(target, file)
    target.close()


def test_a_store_that_holds_anything_is_not_written_over(full: Any, tmp_path: Path) -> None:
    file = tmp_path / "one.backup"
    backup.write(full.store, file, full.now)
    with pytest.raises(StoreError, match="not empty"):
        backup.restore(full.store, file)
