"""Batches: rows with what became of them, cells sealed to their place, and one entry for each file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from gateway.domain.errors import StoreError
from gateway.intake.store import batches
from gateway.intake.store.batches import BatchCounts, FilingRow, pack, unpack
from gateway.intake.store.tables import filing
from gateway.store.engine import Store

NOW = datetime(2019, 4, 2, tzinfo=UTC)
COUNTS: dict[str, Any] = {
    "name": "济南.xlsx",
    "digest": "d" * 64,
    "rows": 9,
    "admitted": 4,
    "refused": 3,
    "held": 1,
    "unchanged": 1,
}


def add(store: Store, **changes: object) -> int:
    told = COUNTS | changes
    with store.write() as c:
        number = batches.add_batch(c, str(told.pop("name")), str(told.pop("digest")), read_at=NOW)
        batches.count_batch(c, number, told)
        return number


@given(cells=st.dictionaries(st.text(max_size=10), st.text(max_size=30), max_size=8))
def test_cells_survive_packing(cells: dict[str, str]) -> None:
    encodable = {k: v for k, v in cells.items() if not any("\ud800" <= c <= "\udfff" for c in k + v)}
    assert unpack(pack(encodable)) == encodable


def test_a_file_is_known_by_its_digest_only(store: Store) -> None:
    number = add(store)
    with store.read() as c:
        assert batches.known(c, "d" * 64) == BatchCounts(id=number, **COUNTS)
        assert batches.known(c, "e" * 64) is None


def test_a_file_has_one_batch(store: Store) -> None:
    add(store)
    with pytest.raises(IntegrityError):
        add(store, name="another name.xlsx")


def test_cells_are_sealed_to_their_row(store: Store) -> None:
    number = add(store)
    rows = [
        FilingRow(row_no=n, outcome="refuse", packed=pack({"姓名": f"王{n}"}), failures=[{"gate": "N04", "field": "x"}])
        for n in range(4, 610)
    ]
    with store.write() as c:
        batches.add_filings(c, store.vault, number, rows)
        kept = c.execute(select(filing).order_by(filing.c.id)).mappings().all()
    assert [r["row_no"] for r in kept] == list(range(4, 610))
    assert kept[0]["failures"] == [{"gate": "N04", "field": "x"}]
    assert unpack(store.vault.open(kept[0]["cells"], f"filing.cells:{number}/4")) == {"姓名": "王4"}
    with pytest.raises(StoreError, match=r"filing\.cells"):
        store.vault.open(kept[0]["cells"], f"filing.cells:{number}/5")
    assert "王" not in repr(kept)
    assert "王" not in repr(rows[0])


def test_a_row_is_kept_once(store: Store) -> None:
    number = add(store)
    row = FilingRow(row_no=4, outcome="admit", packed=pack({}), failures=[], person_key="P", certificate_key="C")
    with pytest.raises(IntegrityError), store.write() as c:
        batches.add_filings(c, store.vault, number, [row, row])
