"""A batch is judged and kept in blocks: where one ends must not show, and other workers may write in between."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import func, select

from gateway.delivery.store.tables import delivery
from gateway.domain.errors import InputError
from gateway.domain.records import RecordKind, Worker
from gateway.intake import judged_rows
from gateway.intake.admit import IntakeContext, IntakeReport, admit_batch, take_in
from gateway.intake.reading.columns import COLUMNS
from gateway.intake.reading.reader import Row, read_batch
from gateway.intake.rules.gate_rules import GateRules
from gateway.intake.store import views
from gateway.intake.store.tables import filing
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.tables import batch, record
from gateway.testing import people
from gateway.testing.batch import write_sample
from gateway.testing.forms import CITIES, Cells, employer_code, filed
from gateway.testing.model import Model

NOW = datetime(2019, 5, 6, 1, 0, tzinfo=UTC)
INFO = Model(base_url="http://unused.invalid").info


def desk(store: Store, seed: int = 1) -> IntakeContext:
    rng = random.Random(seed)
    now = NOW + timedelta(days=seed)
    return IntakeContext(store=store, infos=[INFO], rules=GateRules(now=now), now=now, new_id=lambda: people.ulid(rng))


def intake(path: Path, store: Store, seed: int = 1, **given: Any) -> IntakeReport:
    at = desk(store, seed)
    return take_in(path, store, at.infos, rules=at.rules, now=at.now, new_id=at.new_id, **given)


def write(path: Path, rows: Sequence[Cells]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(column.title for column in COLUMNS)
        writer.writerows([row.get(column.field, "") for column in COLUMNS] for row in rows)
    return path


def pair(rng: random.Random, used: set[str]) -> tuple[Cells, Cells]:
    """Two certificates of one person, filed by one employer."""
    first, other = (filed(rng, used, employed=True, city=CITIES[0]) for _ in range(2))
    own = ("certificate_number", "level", "issue_date", "application_date", "valid_to")
    trade = "抹灰工" if first["trade"] != "抹灰工" else "钢筋工"
    return first, first | {name: other[name] for name in own} | {"trade": trade}


def newest(store: Store) -> list[tuple[Worker, int]]:
    with store.read() as c:
        keys = c.execute(select(record.c.key).where(record.c.kind == RecordKind.PERSON).distinct()).scalars().all()
        found = list(records.newest_records(c, store.vault, RecordKind.PERSON, keys))
    return [(one.content, one.version) for one in found if isinstance(one.content, Worker)]


@pytest.mark.parametrize("size", [1, 7])
def test_where_a_block_ends_does_not_show(
    store_url: str, make_store: Callable[[str], Store], tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_sample(tmp_path / "batch.xlsx", rows=90)
    whole = intake(path, make_store(store_url), dry_run=True)
    monkeypatch.setattr(judged_rows, "BLOCK", size)
    store = make_store(store_url)
    seen: list[int] = []
    kept = intake(path, store, returns=tmp_path / "returns.xlsx", progress=seen.append)
    assert seen == list(range(1, 91))
    for name in ("rows", "admitted", "refused", "held", "warned", "gates", "warnings"):
        assert getattr(kept, name) == getattr(whole, name), name
    numbers = [row[0] for row in openpyxl.load_workbook(tmp_path / "returns.xlsx")["退回表"].values][1:]
    assert len(numbers) == kept.returned
    assert numbers == sorted(numbers, key=int)
    again = intake(write_sample(tmp_path / "again.csv", rows=90), store, seed=2)
    assert (again.admitted, again.unchanged) == (0, kept.admitted)


@pytest.mark.parametrize("size", [1, 500])
def test_the_last_row_about_a_person_counts_however_often_the_file_comes(
    store: Store, tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judged_rows, "BLOCK", size)
    first, second = pair(random.Random(4), set())
    rows = [first | {"address": "示例路1号"}, second | {"address": "示例路2号"}]
    report = intake(write(tmp_path / "a.csv", rows), store)
    assert (report.admitted, report.warned, report.warnings) == (2, 1, {"R-PERSON": 1})
    assert report.records == {"person": 1, "certificate": 2}
    [(worker, version)] = newest(store)
    assert (worker.address, version) == ("示例路2号", 1)
    for seed in (2, 3):
        saved = write(tmp_path / f"saved {seed}.csv", [*rows, {"name": "合计"}, *[{}] * seed])
        again = intake(saved, store, seed)
        assert (again.admitted, again.unchanged, again.records) == (0, 2, {})
    turned = intake(write(tmp_path / "turned.csv", rows[::-1]), store, 4)
    assert turned.records == {"person": 1}, "another last row is another statement"
    assert newest(store)[0][0].address == "示例路1号"


def test_a_last_row_that_does_not_go_leaves_the_word_to_the_one_before(store: Store, tmp_path: Path) -> None:
    first, second = pair(random.Random(4), set())
    rows = [first | {"address": "示例路1号"}, second | {"address": "示例路2号", "seal_stamped": "否"}]
    report = intake(write(tmp_path / "a.csv", rows), store)
    assert (report.admitted, report.refused, report.warned) == (1, 1, 0)
    assert newest(store)[0][0].address == "示例路1号"


def test_rows_that_say_the_same_about_a_person_are_no_reason_for_a_warning(store: Store, tmp_path: Path) -> None:
    report = intake(write(tmp_path / "a.csv", pair(random.Random(4), set())), store)
    assert (report.admitted, report.warned) == (2, 0)


@pytest.mark.parametrize("between", [True, False])
def test_what_another_worker_keeps_meanwhile_is_compared_too(
    store: Store, tmp_path: Path, between: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judged_rows, "BLOCK", 1)
    rng, used = random.Random(6), set[str]()
    mine, second = pair(rng, used)
    other = {"employer_code": employer_code(9990), "filing_corp_code": employer_code(9990)}
    theirs = write(tmp_path / "theirs.csv", [second | other])
    batch_ = read_batch(write(tmp_path / "mine.csv", [mine, filed(rng, used, employed=True, city=CITIES[0])]))

    def rows() -> Iterator[Row]:
        yield from [row for row in batch_.rows][:1]
        if between:
            assert intake(theirs, store, 7).admitted == 1
        yield from [row for row in batch_.rows][1:]

    report = admit_batch(replace(batch_, rows=rows()), desk(store))
    assert report.gates == ({"N16": 1} if between else {})
    assert report.admitted == (1 if between else 2)


def test_another_enterprise_may_not_file_another_certificate_of_somebody_it_does_not_employ(
    store: Store, tmp_path: Path
) -> None:
    first, second = pair(random.Random(4), set())
    contract = {"contract_term": "固定期限", "contract_start": "2018-03-01", "contract_end": "2019-03-20"}
    shown = {"notice_begin": "2019-03-21", "notice_end": "2019-03-28", "reported_at": "2019-03-29"}
    other = {"employer_code": employer_code(9990), "filing_corp_code": employer_code(9990)}
    old = first | contract | {"reported_at": "2019-03-11", "notice_begin": "2019-03-01", "notice_end": "2019-03-08"}
    old |= {"promise_signed_at": "2019-02-20", "verified_at": "2019-02-26", "reviewed_at": "2019-02-28"}
    assert intake(write(tmp_path / "a.csv", [old]), store).admitted == 1
    moved = old | second | shown | other | {"contract_term": "无固定期限", "contract_end": ""}
    early = intake(write(tmp_path / "b.csv", [moved | {"contract_start": "2019-03-20"}]), store, 2)
    assert early.gates == {"N16": 1}
    late = intake(write(tmp_path / "c.csv", [moved | {"contract_start": "2019-03-21"}]), store, 3)
    assert (late.admitted, late.gates) == (1, {})
    again = intake(write(tmp_path / "again.csv", [old, {"name": "合计"}]), store, 4)
    assert again.gates == {}, "what the first enterprise filed then is no new claim"


def test_returns_that_cannot_be_written_are_told_before_anything_is_kept(store: Store, tmp_path: Path) -> None:
    path = write_sample(tmp_path / "batch.csv", rows=20)
    with pytest.raises(InputError, match=r"^returns\.xlsx: the returns cannot be written there"):
        intake(path, store, returns=tmp_path / "absent" / "returns.xlsx")
    with store.read() as c:
        assert [c.execute(select(func.count()).select_from(one)).scalar_one() for one in (batch, filing, delivery)] == [
            0,
            0,
            0,
        ]


def test_rows_with_a_warning_go_are_counted_and_come_back_with_a_comment(store: Store, tmp_path: Path) -> None:
    row = filed(random.Random(3), set(), employed=True, city=CITIES[0]) | {"mobile": "123"}
    out = tmp_path / "returns.xlsx"
    report = intake(write(tmp_path / "a.csv", [row]), store, returns=out)
    assert (report.admitted, report.refused, report.held, report.warned) == (1, 0, 0, 1)
    assert (report.gates, report.warnings, report.returned) == ({}, {"R-MOBILE": 1}, 1)
    sheet = openpyxl.load_workbook(out)["退回表"]
    header = [cell.value for cell in sheet[1]]
    assert sheet.cell(2, 2).value == "已接收，有提示"
    cell = sheet.cell(2, header.index("手机号码") + 1)
    assert cell.value == "123"
    assert "R-MOBILE" in cell.comment.text
    with store.read() as c:
        [part] = views.parts(c)
        kept = c.execute(select(filing.c.failures)).scalar_one()
    assert part.warned == 1
    assert [one["severity"] for one in kept] == ["warn"]
    cell.value = "13800000001"
    sheet.parent.save(tmp_path / "corrected.xlsx")
    corrected = intake(tmp_path / "corrected.xlsx", store, 2)
    assert (corrected.admitted, corrected.warned) == (1, 0)
    assert newest(store)[0] == (replace(newest(store)[0][0], mobile="13800000001"), 2)


@pytest.mark.parametrize(
    ("changes", "gates"),
    [
        ({"notice_begin": "2019-03-10", "notice_end": "2019-03-17"}, {"N22": 1}),
        ({"notice_begin": "2019-03-11", "notice_end": "2019-03-18"}, {}),
    ],
)
def test_a_changed_certificate_goes_with_a_new_notice_only(
    store: Store, tmp_path: Path, changes: dict[str, str], gates: dict[str, int]
) -> None:
    row = filed(random.Random(3), set(), employed=True, city=CITIES[0]) | {
        **{"promise_signed_at": "2019-02-20", "verified_at": "2019-02-26", "reviewed_at": "2019-02-28"},
        **{"notice_begin": "2019-03-01", "notice_end": "2019-03-08", "reported_at": "2019-03-11", "level": "初级"},
        **{"contract_term": "无固定期限", "contract_start": "2018-03-01", "contract_end": ""},
    }
    assert intake(write(tmp_path / "a.csv", [row]), store).admitted == 1
    changed = row | {"level": "中级", "reported_at": "2019-03-29"} | changes
    assert intake(write(tmp_path / "b.csv", [row | {"level": "中级"}]), store, 2).gates == {"N22": 1}
    report = intake(write(tmp_path / "c.csv", [changed]), store, 3)
    assert report.gates == gates
    stale = intake(write(tmp_path / "stale.csv", [row, {"name": "合计"}]), store, 4)
    assert (stale.unchanged, stale.gates) == ((1, {}) if gates else (0, {"N22": 1})), "an old file takes nothing back"
