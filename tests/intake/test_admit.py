"""A reported batch taken in: once, whole or not at all, and with nobody in clear."""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError

from gateway.delivery.store.tables import delivery
from gateway.domain.errors import InputError
from gateway.intake.admit import IntakeReport, take_in
from gateway.intake.rules.gate_rules import GateRules
from gateway.intake.store.tables import filing
from gateway.schema import metadata
from gateway.store.engine import Store
from gateway.store.tables import batch, record, search_index
from gateway.testing import people
from gateway.testing.batch import sample_rows, write_sample
from gateway.testing.model import Model

NOW = datetime(2019, 5, 6, 1, 0, tzinfo=UTC)
INFO = Model(base_url="http://unused.invalid").info
ROWS = 45


class Crash(Exception):
    """What a test lets happen in the middle."""


def intake(path: Path, store: Store, **changes: Any) -> IntakeReport:
    rng = random.Random(f"{path.name} {changes.get('now', NOW)}")
    given: dict[str, Any] = {
        "rules": GateRules(now=changes.get("now", NOW)),
        "now": NOW,
        "new_id": lambda: people.ulid(rng),
    }
    return take_in(path, store, [INFO], **(given | changes))


def counts(store: Store) -> dict[str, int]:
    with store.read() as c:
        return {
            table.name: c.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (batch, filing, record, search_index, delivery)
        }


def edited(path: Path, into: Path, changes: dict[str, Any]) -> Path:
    """The same workbook with some cells of one good row changed, of a person with one certificate."""
    rows = list(sample_rows(ROWS))
    numbers = Counter(row.cells["身份证号码"] for row in rows)
    at = next(n for n, r in enumerate(rows) if r.expected is None and numbers[r.cells["身份证号码"]] == 1)
    book = openpyxl.load_workbook(path)
    sheet = book.active
    titles = [cell.value for cell in sheet[3]]
    for title, value in changes.items():
        sheet.cell(4 + at, titles.index(title) + 1, value)
    book.save(into)
    return into


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("batch") / "batch.xlsx", rows=ROWS)


@pytest.fixture(scope="module")
def expected() -> dict[str, int]:
    flaws = [row.expected for row in sample_rows(ROWS)]
    return {"admitted": flaws.count(None), "others": ROWS - flaws.count(None)}


def test_every_row_is_counted_once_and_what_is_admitted_is_owed(
    store: Store, sample: Path, expected: dict[str, int]
) -> None:
    report = intake(sample, store)
    assert report.rows == ROWS == report.admitted + report.refused + report.held
    assert report.admitted == expected["admitted"]
    assert sum(report.gates.values()) == expected["others"]
    assert report.records["certificate"] == report.admitted
    assert 0 < report.records["person"] <= report.admitted
    assert report.deliveries["model"] == sum(report.records.values())
    assert counts(store) == {
        "batch": 1,
        "filing": ROWS,
        "record": sum(report.records.values()),
        "delivery": sum(report.records.values()),
        "search_index": counts(store)["search_index"],
    }


def test_the_same_file_again_changes_nothing(store: Store, sample: Path, tmp_path: Path) -> None:
    first = intake(sample, store)
    before = counts(store)
    renamed = tmp_path / "sent again.xlsx"
    renamed.write_bytes(sample.read_bytes())
    again = intake(renamed, store, now=NOW + timedelta(days=1))
    assert again.repeated
    assert (again.admitted, again.unchanged) == (0, first.admitted)
    assert counts(store) == before


def test_the_same_rows_in_another_file_are_no_news(store: Store, sample: Path, tmp_path: Path) -> None:
    first = intake(sample, store)
    before = counts(store)
    saved = edited(sample, tmp_path / "saved again.xlsx", {})
    assert saved.read_bytes() != sample.read_bytes()
    again = intake(saved, store, now=NOW + timedelta(days=1))
    assert not again.repeated
    assert (again.admitted, again.unchanged) == (0, first.admitted)
    after = counts(store)
    assert after == before | {"batch": 2, "filing": 2 * ROWS}


def test_a_corrected_row_is_a_new_version_and_the_others_stay(store: Store, sample: Path, tmp_path: Path) -> None:
    first = intake(sample, store)
    corrected = edited(sample, tmp_path / "corrected.xlsx", {"家庭住址": "山东省济南市示例路2号"})
    again = intake(corrected, store, now=NOW + timedelta(days=1))
    assert (again.admitted, again.unchanged) == (1, first.admitted - 1)
    assert again.records == {"person": 1, "certificate": 1}
    with store.read() as c:
        newer = c.execute(select(record).where(record.c.version > 1)).mappings().all()
        assert {(r["kind"], r["version"], r["change"]) for r in newer} == {
            ("person", 2, "CORRECTION"),
            ("certificate", 2, "CORRECTION"),
        }
        states = c.execute(select(delivery.c.version, delivery.c.state).order_by(delivery.c.id)).all()
    assert sorted(tuple(s) for s in states if s.state != "queued") == [(1, "superseded")] * 2


def test_a_correction_of_the_certificate_alone_leaves_the_person(store: Store, sample: Path, tmp_path: Path) -> None:
    intake(sample, store)
    corrected = edited(sample, tmp_path / "corrected.xlsx", {"认定部门": "济南市第二建设职业技能鉴定站"})
    assert intake(corrected, store).records == {"certificate": 1}


def test_a_dry_run_judges_and_keeps_nothing(store: Store, sample: Path, expected: dict[str, int]) -> None:
    report = intake(sample, store, dry_run=True)
    assert report.admitted == expected["admitted"]
    assert set(counts(store).values()) == {0}


@pytest.mark.parametrize(
    ("name", "content"), [("x.xlsx", b"no workbook"), ("x.csv", b"a,b\n1,2\n"), ("x.csv", b""), ("x.pdf", b"%PDF")]
)
def test_a_file_that_is_no_batch_is_refused_and_keeps_nothing(
    store: Store, tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match="x"):
        intake(path, store)
    assert set(counts(store).values()) == {0}


@pytest.mark.parametrize("after", [0, 1, 7, 30])
def test_a_crash_in_the_middle_leaves_nothing_half_imported(store: Store, sample: Path, after: int) -> None:
    rng, made = random.Random(5), itertools.count()

    def new_id() -> str:
        if next(made) == after:
            raise Crash
        return people.ulid(rng)

    with pytest.raises(Crash):
        intake(sample, store, new_id=new_id)
    assert set(counts(store).values()) == {0}
    assert intake(sample, store).admitted > after


def test_a_crash_after_the_last_row_leaves_nothing_half_imported(store: Store, sample: Path) -> None:
    # the second platform cannot be owed anything: it has no name
    nameless = replace(INFO, platform=None)  # type: ignore[arg-type]
    rng = random.Random(1)
    with pytest.raises(IntegrityError):
        take_in(
            sample,
            store,
            [INFO, nameless],
            rules=GateRules(now=NOW),
            now=NOW,
            new_id=lambda: people.ulid(rng),
        )
    assert set(counts(store).values()) == {0}


def test_what_does_not_go_is_written_back_with_its_reasons(
    store: Store, sample: Path, tmp_path: Path, expected: dict[str, int]
) -> None:
    out = tmp_path / "returns.xlsx"
    report = intake(sample, store, returns=out)
    assert report.returned == expected["others"] == report.refused + report.held
    rows = list(openpyxl.load_workbook(out).active.values)
    assert len(rows) == 1 + report.returned
    assert all(row[2] and row[3] for row in rows[1:]), "rule and reason"


def test_progress_counts_every_row(store: Store, sample: Path) -> None:
    seen: list[int] = []
    intake(sample, store, dry_run=True, progress=seen.append)
    assert seen == list(range(1, ROWS + 1))


def test_nothing_personal_stands_in_clear_in_any_table(store: Store, sample: Path) -> None:
    report = intake(sample, store)
    assert report.refused > 0
    book = openpyxl.load_workbook(sample).active
    rows = list(book.iter_rows(min_row=3, values_only=True))
    titles = list(rows[0])
    columns = [titles.index(t) for t in ("姓名", "身份证号码", "手机号码", "证书编号", "家庭住址")]
    secrets = {str(row[at]).strip() for row in rows[1:] for at in columns if row[at]}
    secrets = {s for s in secrets if len(s) > 2}
    assert len(secrets) > 60
    with store.read() as c:
        everything = "".join(
            text_of for table in metadata.sorted_tables for text_of in map(repr, c.execute(select(table)).all())
        )
    assert len(everything) > 10_000
    assert [s for s in secrets if s in everything or repr(s.encode())[2:-1] in everything] == []


def test_two_that_take_in_the_same_file_at_once_keep_it_once(
    store_url: str, make_store: Callable[[str], Store], sample: Path
) -> None:
    stores = [make_store(store_url) for _ in range(2)]
    reports: list[IntakeReport] = []
    start = threading.Barrier(2)

    def work(own: Store, seed: int) -> None:
        rng = random.Random(seed)
        start.wait()
        reports.append(intake(sample, own, new_id=lambda: people.ulid(rng)))

    threads = [threading.Thread(target=work, args=(own, seed)) for seed, own in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(r.repeated for r in reports) == [False, True]
    assert len({r.admitted + r.unchanged for r in reports}) == 1
    kept = counts(stores[0])
    assert (kept["batch"], kept["filing"]) == (1, ROWS)


def test_rows_are_kept_in_order_and_admitted_ones_name_their_records(store: Store, sample: Path) -> None:
    intake(sample, store)
    with store.read() as c:
        numbers = c.execute(select(filing.c.row_no).order_by(filing.c.id)).scalars().all()
        nameless = or_(filing.c.person_key.is_(None), filing.c.certificate_key.is_(None))
        orphans = c.execute(
            select(func.count()).select_from(filing).where(filing.c.outcome == "admit", nameless)
        ).scalar_one()
    assert numbers == sorted(numbers)
    assert orphans == 0
