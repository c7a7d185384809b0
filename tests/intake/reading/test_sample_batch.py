"""The synthetic batch: every flaw is found, and nothing else; messages hold nobody's data; the sheet loses nothing."""

from __future__ import annotations

import tempfile
from collections import Counter
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.records import fingerprint
from gateway.intake.reading.reader import Row, read_batch
from gateway.intake.reading.rules import RULES
from gateway.intake.rules.admission import admit
from gateway.intake.rules.filing import Filing
from gateway.intake.rules.gate_rules import GateRules
from gateway.intake.rules.gate_table import GATES, GateFailure
from gateway.intake.rules.gates import RowOutcome, claims, cross_check, judge, outcome
from gateway.testing.batch import SampleRow, sample_rows, write_sample
from gateway.testing.flaws import FLAWS, PAIRS

ROWS = 330
Judged = tuple[tuple[Row, tuple[GateFailure, ...]], ...]


@cache
def _shipped() -> Judged:
    with as_file(files("gateway.testing") / "data" / "sample_batch.xlsx") as path:
        return _judge(path)


def _judge(path: Path) -> Judged:
    rows = list(read_batch(path).rows)
    crossed = cross_check([claims(row.filing) for row in rows], {})
    rules = GateRules()
    return tuple(
        (row, (*row.failures, *(judge(row.filing, rules) if row.filing else ()), *crossed.get(index, ())))
        for index, row in enumerate(rows)
    )


def _expected(sample: SampleRow) -> set[str]:
    return {sample.expected} if sample.expected else set()


def test_the_shipped_sample_is_what_the_generator_makes(tmp_path: Path) -> None:
    fresh = _judge(write_sample(tmp_path / "fresh.xlsx"))
    assert [row for row, _ in fresh] == [row for row, _ in _shipped()]


def test_each_flawed_row_breaks_exactly_its_rule_and_good_rows_none() -> None:
    samples = list(sample_rows(ROWS))
    assert len(samples) == len(_shipped()) == ROWS
    for sample, (row, failures) in zip(samples, _shipped(), strict=True):
        assert {failure.gate for failure in failures} == _expected(sample), row.number


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_the_sample_as_csv_is_judged_like_the_workbook(tmp_path: Path, encoding: str) -> None:
    as_csv = _judge(write_sample(tmp_path / "batch.csv", encoding=encoding))
    assert [row.filing for row, _ in as_csv] == [row.filing for row, _ in _shipped()]
    assert [failures for _, failures in as_csv] == [failures for _, failures in _shipped()]


def test_most_rows_go_and_the_others_are_refused_or_held() -> None:
    counts = Counter(outcome(failures) for _, failures in _shipped())
    assert counts[RowOutcome.ADMIT] >= 260
    assert counts[RowOutcome.REFUSE] >= 20
    assert counts[RowOutcome.HOLD] >= 3


def test_the_flaws_reach_nearly_every_rule_of_gates_and_reading() -> None:
    known = {gate.id for gate in GATES} | {rule.id for rule in RULES}
    reached = {flaw.rule for flaw in FLAWS} | {pair.rule for pair in PAIRS}
    # a row cannot show these: the moment of intake, warnings, shifted cells of a text file, marks of a spreadsheet;
    # and no row of the sample names a project
    marks = {"R-ERROR-VALUE", "R-FORMULA", "R-MERGED", "R-HIDDEN", "R-IS-DAY", "R-IS-SHARE"}
    marks |= {"R-PARTY", "R-DITTO", "R-CHARACTERS", "R-INVISIBLE"}  # shown by the files in ``cases``
    assert known - reached == {"N12", "R-EARLY", "R-MOBILE", "R-WIDTH", "R-PHOTO", "R-NUMBER", "R-PLACE", *marks}
    assert {sample.expected for sample in sample_rows(ROWS)} - {None} == reached


def test_the_sample_has_second_certificates_people_without_employer_and_minority_names() -> None:
    filings = [row.filing for row, failures in _shipped() if row.filing and not failures]
    people = {filing.id_number for filing in filings}
    assert len(people) < len(filings)
    assert sum(filing.employed is False for filing in filings) > 30
    assert any("·" in (filing.name or "") for filing in filings)
    assert any(filing.id_alias for filing in filings)
    assert len({filing.point_code and filing.point_code[:6] for filing in filings}) == 5
    assert {filing.assessment_region for filing in filings} >= {"370000", "370100", "370200", "371200"}


def test_only_unissued_numbers_are_used() -> None:
    assert all((row.filing.id_number or "370000").startswith("370000") for row, _ in _shipped() if row.filing)


def test_every_admissible_row_becomes_a_worker_and_a_certificate() -> None:
    moment = max(row.filing.reported_at for row, f in _shipped() if row.filing and not f and row.filing.reported_at)
    admitted = [admit(row.filing, moment) for row, failures in _shipped() if row.filing and not failures]
    assert {a.certificate.verification.accept_phase for a in admitted} == {"CONCENTRATED", "BATCH"}
    assert len({fingerprint(a.certificate) for a in admitted}) == len(admitted)
    assert len({fingerprint(a.worker) for a in admitted}) < len(admitted)


def test_no_message_holds_a_name_or_a_number_of_anybody() -> None:
    messages = {text for _, failures in _shipped() for f in failures for text in (f.message, f.message_zh, f.field)}
    secret_columns = (
        "姓名",
        "身份证号码",
        "手机号码",
        "证书编号",
        "统一社会信用代码",
        "企业名称",
        "家庭住址",
        "审核人",
    )
    secrets = {row.cells.get(name, "").strip() for row, _ in _shipped() for name in secret_columns} - {"", "/"}
    assert len(secrets) > 1000
    leaks = [text for text in messages for secret in secrets if secret in text]
    assert leaks == []


def test_no_repr_holds_a_name_or_a_number_of_anybody() -> None:
    for row, _ in _shipped():
        shown = repr(row)
        for name in ("姓名", "身份证号码", "证书编号"):
            value = row.cells.get(name, "").strip()
            assert len(value) < 2 or value not in shown


@pytest.mark.parametrize("rows", [0, 1, 4, 5, 6, 37, 331])
def test_the_generator_gives_exactly_as_many_rows_as_asked(rows: int) -> None:
    assert len(list(sample_rows(rows))) == rows


def test_equal_seeds_give_equal_rows_and_others_do_not() -> None:
    assert list(sample_rows(50, seed=1)) == list(sample_rows(50, seed=1))
    assert list(sample_rows(50, seed=1)) != list(sample_rows(50, seed=2))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), suffix=st.sampled_from(["xlsx", "csv"]))
def test_any_seed_survives_the_way_through_the_sheet(seed: int, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        judged = _judge(write_sample(Path(folder) / f"batch.{suffix}", rows=60, seed=seed))
    filings: list[Filing | None] = [row.filing for row, _ in judged]
    assert len(filings) == 60
    for sample, (row, failures) in zip(sample_rows(60, seed), judged, strict=True):
        assert {failure.gate for failure in failures} == _expected(sample), row.number
