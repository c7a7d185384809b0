"""Returns written again from the store: the same rows, under the city's own headers, fit to be reported as they are."""

from __future__ import annotations

import csv
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import openpyxl
import pytest
from sqlalchemy import update

from gateway.domain.errors import InputError
from gateway.domain.gate_rules import GateRules
from gateway.intake.reading.columns import COLUMNS
from gateway.intake.reading.returns import LEADING
from gateway.service.admit import IntakeReport, take_in
from gateway.service.handing_back import form_columns, hand_back
from gateway.store.engine import Store
from gateway.store.tables import filing
from gateway.testing import people
from gateway.testing.forms import CITIES, Cells, filed
from gateway.testing.model import Model

NOW = datetime(2019, 5, 6, 1, 0, tzinfo=UTC)
INFO = Model(base_url="http://unused.invalid").info
REPORT = "370100-201904-01"


def intake(path: Path, store: Store, day: int = 0, returns: Path | None = None) -> IntakeReport:
    now, rng = NOW + timedelta(days=day), random.Random(day)
    rules = GateRules(now=now)
    return take_in(path, store, [INFO], rules=rules, now=now, new_id=lambda: people.ulid(rng), returns=returns)


def write(path: Path, rows: list[Cells]) -> Path:
    """A sheet with a header of the city's own, and a column nobody knows."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["原行", *("身份证号" if c.field == "id_number" else c.title for c in COLUMNS)])
        writer.writerows([at, *(row.get(c.field, "") for c in COLUMNS)] for at, row in enumerate(rows, start=1))
    return path


@pytest.fixture
def told(tmp_path: Path) -> Path:
    rng, used = random.Random(2), set[str]()
    rows = [filed(rng, used, employed=True, city=CITIES[0]) | {"batch_no": REPORT} for _ in range(5)]
    rows[1] |= {"seal_stamped": "否", "level": "技师"}
    rows[2] |= {"objection": "处理中"}
    rows[3] |= {"mobile": "123"}
    rows[4] |= {"seal_stamped": "否", "batch_no": "370100-201904-02"}
    return write(tmp_path / "reported.csv", rows)


def lines(path: Path) -> list[list[str]]:
    return [[str(cell or "") for cell in line] for line in openpyxl.load_workbook(path)["退回表"].values]


def test_a_lost_workbook_comes_again_with_the_same_rows_reasons_and_colours(
    store: Store, told: Path, tmp_path: Path
) -> None:
    first, again = tmp_path / "first.xlsx", tmp_path / "again.xlsx"
    intake(told, store, returns=first)
    assert hand_back(store, "reported.csv", again) == 4
    before, after = lines(first), lines(again)
    assert [line[:4] for line in after] == [line[:4] for line in before]
    for name in ("身份证号", "原行", "加盖专用印章", "手机号码"):
        assert [line[after[0].index(name)] for line in after] == [line[before[0].index(name)] for line in before]
    colours = [
        [cell.fill.fgColor.rgb for cell in row]
        for path in (first, again)
        for row in openpyxl.load_workbook(path)["退回表"].iter_rows(min_row=2)
    ]
    assert [sorted(set(row)) for row in colours[:4]] == [sorted(set(row)) for row in colours[4:]]


def test_a_report_gives_its_own_rows_only(store: Store, told: Path, tmp_path: Path) -> None:
    intake(told, store)
    assert hand_back(store, REPORT, tmp_path / "a.xlsx") == 3
    assert hand_back(store, "370100-201904-02", tmp_path / "b.xlsx") == 1


def test_it_can_be_reported_as_it_is(store: Store, told: Path, tmp_path: Path) -> None:
    first = intake(told, store)
    hand_back(store, "reported.csv", tmp_path / "again.xlsx")
    again = intake(tmp_path / "again.xlsx", store, 1)
    assert again.gates == first.gates
    assert (again.rows, again.unchanged, again.warnings) == (4, 1, {"R-MOBILE": 1})


def test_rows_whose_cells_were_cleared_are_left_out(store: Store, told: Path, tmp_path: Path) -> None:
    intake(told, store)
    with store.write() as c:
        c.execute(update(filing).where(filing.c.row_no == 3).values(cells=b""))
    assert hand_back(store, "reported.csv", tmp_path / "again.xlsx") == 3


def test_a_name_that_nothing_has_is_told(store: Store, told: Path, tmp_path: Path) -> None:
    intake(told, store)
    with pytest.raises(InputError, match="no batch or report"):
        hand_back(store, "absent.csv", tmp_path / "again.xlsx")
    assert not (tmp_path / "again.xlsx").exists()


def test_columns_that_were_empty_throughout_are_there_to_be_filled_in() -> None:
    headers = form_columns(["备注", "身份证号", "姓名", *LEADING])
    assert headers[:3] == ("姓名", "证件类型", "身份证号")
    assert headers[-1] == "备注"
    assert len(headers) == len(COLUMNS) + 1
