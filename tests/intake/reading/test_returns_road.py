"""The way of refused rows: written back, corrected by the city in that same workbook, and reported again."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from sqlalchemy import func, select

from gateway.delivery.store.tables import delivery
from gateway.intake.admit import IntakeReport, take_in
from gateway.intake.reading.columns import COLUMNS, title
from gateway.intake.reading.returns import LEADING
from gateway.intake.rules.gate_rules import GateRules
from gateway.store.engine import Store
from gateway.store.tables import record
from gateway.testing import people
from gateway.testing.flaws import FLAWS, PAIRS
from gateway.testing.forms import CITIES, Cells, filed
from gateway.testing.model import Model

NOW = datetime(2019, 5, 6, 1, 0, tzinfo=UTC)
INFO = Model(base_url="http://unused.invalid").info
TITLES = [column.title for column in COLUMNS]
NUMBER = TITLES.index("证书编号")


def intake(path: Path, store: Store, day: int, returns: Path) -> IntakeReport:
    now, rng = NOW + timedelta(days=day), random.Random(day)
    return take_in(
        path, store, [INFO], rules=GateRules(now=now), now=now, new_id=lambda: people.ulid(rng), returns=returns
    )


def spoilt() -> Iterator[tuple[Cells, Cells]]:
    """Every flaw of the synthetic batch once: the row as reported and as it should have been."""
    rng, used = random.Random(8), set[str]()
    for flaw in FLAWS:
        good = filed(rng, used, employed=flaw.employed, city=CITIES[0])
        yield flaw.spoil(rng, good), good
    for pair in PAIRS:
        if pair.rule != "R-REPEAT":
            first, other = (filed(rng, used, employed=True, city=CITIES[0]) for _ in range(2))
            own = {name: other[name] for name in ("certificate_number", "level", "issue_date", "application_date")}
            again = first | own | {"valid_to": ""}
            wrong = pair.contradict(rng, first, again, other)
            yield first, first
            yield wrong, other if pair.rule == "N06" else again


def write(path: Path, rows: Sequence[Cells]) -> Path:
    book = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ("原行", *TITLES))
    for at, row in enumerate(rows, start=1):
        sheet.write_string(at, 0, str(at))
        for column in COLUMNS:
            value = row.get(column.field, "")
            if value != "":
                text = value.isoformat(" ") if isinstance(value, datetime) else value
                sheet.write(at, 1 + TITLES.index(column.title), str(text) if isinstance(text, date) else text)
    book.close()
    return path


def correct(returns: Path, into: Path, rows: Mapping[str, Cells]) -> int:
    """Type the right cells over the wrong ones, as the city would; gives how many cells were wrong."""
    book = openpyxl.load_workbook(returns)
    sheet = book["退回表"]
    header = [cell.value for cell in sheet[1]]
    typed = 0
    for line in sheet.iter_rows(min_row=2):
        right = rows[str(line[header.index("原行")].value)]
        for cell, name in zip(line, header, strict=True):
            field = next((column.field for column in COLUMNS if title(column.field) == name), None)
            wanted: Any = right.get(field, "") if field else cell.value
            if field and str(cell.value or "") != str(wanted):
                cell.value = str(wanted) or None
                typed += 1
    book.save(into)
    return typed


def counts(store: Store) -> dict[str, int]:
    with store.read() as c:
        return {
            "records": c.execute(select(func.count()).select_from(record)).scalar_one(),
            "keys": c.execute(select(func.count(record.c.key.distinct()))).scalar_one(),
            "deliveries": c.execute(select(func.count()).select_from(delivery)).scalar_one(),
        }


@pytest.fixture
def told(tmp_path: Path) -> tuple[Path, dict[str, Cells]]:
    """A workbook with every flaw, and what each row should have said by its number in it."""
    pairs = list(spoilt())
    return write(tmp_path / "reported.xlsx", [wrong for wrong, _ in pairs]), {
        str(at): right for at, (_, right) in enumerate(pairs, start=1)
    }


def test_corrected_returns_are_admitted_whole_and_nothing_doubles(
    store: Store, told: tuple[Path, dict[str, Cells]], tmp_path: Path
) -> None:
    path, right = told
    first = intake(path, store, 0, tmp_path / "returns.xlsx")
    assert first.returned == first.refused + first.held == len(right)
    assert correct(tmp_path / "returns.xlsx", tmp_path / "corrected.xlsx", right) >= len(FLAWS)
    again = intake(tmp_path / "corrected.xlsx", store, 1, tmp_path / "returns2.xlsx")
    assert (again.refused, again.held, again.returned) == (0, 0, 0), again.gates
    assert first.admitted + again.admitted == len(right)
    certificates = len({str(row["certificate_number"]) for row in right.values()})
    assert again.records["certificate"] == certificates == len(right)
    after = counts(store)
    assert after["records"] == after["keys"] == after["deliveries"] == sum(again.records.values())
    last = intake(tmp_path / "corrected.xlsx", store, 2, tmp_path / "returns3.xlsx")
    assert last.repeated
    assert counts(store) == after


def test_a_row_that_is_still_wrong_comes_back_once_more_in_the_same_form(
    store: Store, told: tuple[Path, dict[str, Cells]], tmp_path: Path
) -> None:
    path, right = told
    first = intake(path, store, 0, tmp_path / "returns.xlsx")
    second = intake(tmp_path / "returns.xlsx", store, 1, tmp_path / "returns2.xlsx")
    assert (second.admitted, second.returned) == (0, first.returned)
    sheet = openpyxl.load_workbook(tmp_path / "returns2.xlsx")["退回表"]
    assert [cell.value for cell in sheet[1]] == [*LEADING, "原行", *TITLES]
    correct(tmp_path / "returns2.xlsx", tmp_path / "corrected.xlsx", right)
    third = intake(tmp_path / "corrected.xlsx", store, 2, tmp_path / "returns3.xlsx")
    assert (third.admitted, third.returned) == (len(right), 0)


def test_rows_that_went_are_not_in_the_way_of_those_that_follow(
    store: Store, told: tuple[Path, dict[str, Cells]], tmp_path: Path
) -> None:
    path, right = told
    whole = write(tmp_path / "right.xlsx", list(right.values()))
    assert intake(whole, store, 0, tmp_path / "returns.xlsx").admitted == len(right)
    before = counts(store)
    intake(path, store, 1, tmp_path / "returns1.xlsx")
    assert counts(store) == before
    correct(tmp_path / "returns1.xlsx", tmp_path / "corrected.xlsx", right)
    again = intake(tmp_path / "corrected.xlsx", store, 2, tmp_path / "returns2.xlsx")
    assert (again.admitted, again.unchanged, again.refused + again.held) == (0, again.rows, 0)
    assert counts(store) == before
