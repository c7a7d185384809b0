"""Records by version and the keyed index: found by what is known of them, whole, and by nothing else."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from gateway.domain.errors import StoreError
from gateway.domain.records import (
    Certificate,
    ChangeNature,
    Content,
    Record,
    RecordKind,
    StatusChange,
    Withdrawal,
    Worker,
)
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.records import IndexEntry, Known
from gateway.store.tables import record, search_index
from gateway.testing import people

NOW = datetime(2019, 4, 2, tzinfo=UTC)
P, C = RecordKind.PERSON, RecordKind.CERTIFICATE


def made(count: int, seed: int = 1) -> list[Record]:
    rng = random.Random(seed)
    return [people.person_record(rng) for _ in range(count)]


def add(store: Store, *versions: Record) -> list[tuple[int, Record]]:
    with store.write() as c:
        return records.add(c, store.vault, versions, batch_id=None, now=NOW)


def index(store: Store, *entries: tuple[Record, str, str], now: datetime = NOW) -> None:
    with store.write() as c:
        records.index(
            c, store.vault, [IndexEntry(kind=r.kind, key=r.key, what=what, value=v) for r, what, v in entries], now
        )


def contents() -> list[tuple[RecordKind, Content]]:
    rng = random.Random(9)
    worker = people.worker(rng, employed=False)
    certificate = people.certificate(rng, people.worker(rng))
    change = StatusChange(
        certificate_key="K" * 26,
        certificate=replace(certificate, valid_to=date(2025, 1, 1)),
        new_status="05",
        operate_type="05",
        reason="r",
        effective_date=date(2019, 5, 1),
        void_from_start=True,
    )
    return [
        (P, worker),
        (P, people.worker(rng)),
        (C, certificate),
        (RecordKind.STATUS_CHANGE, change),
        (RecordKind.WITHDRAWAL, Withdrawal(withdrawn_kind=P, withdrawn_key="K", content=worker, reason="r")),
        (RecordKind.WITHDRAWAL, Withdrawal(withdrawn_kind=C, withdrawn_key="K", content=certificate, reason="r")),
    ]


@pytest.mark.parametrize("at", range(6))
def test_every_content_comes_back_as_it_was(store: Store, at: int) -> None:
    kind, content = contents()[at]
    kept = replace(
        made(1)[0], kind=kind, content=content, change=ChangeNature.CORRECTION, change_reason="原因", version=3
    )
    add(store, kept)
    with store.read() as c:
        assert list(records.newest_records(c, store.vault, kind, [kept.key])) == [kept]


def test_row_ids_come_in_the_order_of_the_records(store: Store) -> None:
    versions = made(1203)
    added = add(store, *versions)
    assert [r for _, r in added] == versions
    with store.read() as c:
        keys = dict(tuple(row) for row in c.execute(select(record.c.id, record.c.key)))
    assert [keys[i] for i, _ in added] == [r.key for r in versions]


def test_a_version_exists_once(store: Store) -> None:
    [one] = made(1)
    add(store, one)
    with pytest.raises(IntegrityError):
        add(store, one)
    add(store, replace(one, kind=C, content=contents()[2][1]))


def test_the_newest_version_of_each_key_is_known(store: Store) -> None:
    one, two = made(2)
    newer = replace(one, version=2, content=made(1, seed=5)[0].content)
    add(store, one, newer, two)
    with store.read() as c:
        found = records.newest(c, P, [one.key, two.key, "Z" * 26])
        assert found == {
            r.key: Known(key=r.key, person_key=r.person_key, version=r.version, fingerprint=r.fingerprint)
            for r in (newer, two)
        }
        assert records.newest(c, C, [one.key]) == {}
        assert {r.version for r in records.newest_records(c, store.vault, P, [one.key, two.key])} == {1, 2}
        assert records.newest(c, P, []) == {}


def test_a_record_is_found_by_each_value_and_kind_of_value(store: Store) -> None:
    one, two = made(2)
    index(
        store,
        (one, "id_number", "111:A"),
        (one, "name", "王小明"),
        (two, "name", "王小明"),
        (two, "id_number", "111:B"),
    )
    with store.read() as c:
        assert records.find(c, store.vault, "id_number", ["111:A", "111:X"]) == {"111:A": [("person", one.key)]}
        found = records.find(c, store.vault, "name", ["王小明"])
        assert sorted(found["王小明"]) == sorted([("person", one.key), ("person", two.key)])
        assert records.find(c, store.vault, "name", ["111:A"]) == {}
        assert records.find(c, store.vault, "name", []) == {}


def test_indexing_again_adds_nothing_and_older_names_stay(store: Store) -> None:
    [one] = made(1)
    index(store, (one, "name", "旧名"), (one, "name", "旧名"))
    index(store, (one, "name", "旧名"), (one, "name", "新名"), now=datetime(2020, 1, 1, tzinfo=UTC))
    with store.read() as c:
        assert sorted(c.execute(select(search_index.c.since)).scalars()) == [NOW, datetime(2020, 1, 1, tzinfo=UTC)]
        assert set(records.find(c, store.vault, "name", ["旧名", "新名"])) == {"旧名", "新名"}


def test_many_values_are_looked_up_in_pieces(store: Store) -> None:
    many = made(1100)
    index(store, *((r, "id_number", r.key) for r in many))
    with store.read() as c:
        found = records.find(c, store.vault, "id_number", [r.key for r in many])
        assert {value: matches[0][1] for value, matches in found.items()} == {r.key: r.key for r in many}
        assert c.execute(select(func.count()).select_from(search_index)).scalar_one() == 1100


def test_neither_content_nor_index_shows_anybody(store: Store) -> None:
    [one] = made(1)
    assert isinstance(one.content, Worker)
    add(store, one)
    index(store, (one, "name", one.content.name))
    with store.read() as c:
        shown = repr([c.execute(select(table)).all() for table in (record, search_index)])
    assert one.content.name not in shown
    assert one.content.name.encode().hex() not in shown
    assert one.content.id_number not in shown


@pytest.mark.parametrize("column", ["key", "version", "kind"])
def test_a_content_does_not_open_under_another_name(store: Store, column: str) -> None:
    [one] = made(1)
    add(store, one)
    changes = {"key": "Z" * 26, "version": 9, "kind": "certificate"}
    with store.write() as c:
        c.execute(update(record).values({column: changes[column]}))
    kind = C if column == "kind" else P
    with store.read() as c, pytest.raises(StoreError, match=r"record\.content"):
        list(records.newest_records(c, store.vault, kind, [one.key, "Z" * 26]))


def test_a_content_of_another_release_is_refused_by_key_and_not_shown(store: Store) -> None:
    [one] = made(1)
    add(store, one)
    with store.write() as c:
        sealed = store.vault.seal('{"name": "王小明"}'.encode(), f"record.content:person/{one.key}/1")
        c.execute(update(record).values(content=sealed))
    with store.read() as c, pytest.raises(StoreError, match=f"person {one.key} version 1 is not readable") as caught:
        list(records.newest_records(c, store.vault, P, [one.key]))
    assert "王小明" not in f"{caught.value} {caught.value.__cause__}"
    assert isinstance(contents()[2][1], Certificate)
