"""``gateway source`` and ``gateway batches`` as an operator types them."""

from __future__ import annotations

import csv
import json
import os
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from gateway.intake.reading.columns import COLUMNS
from gateway.testing.batch import HEADERS, sample_rows, write_sample
from gateway.testing.forms import CITIES, filed

Run = Callable[..., Result]
FIELDS = [column.field for column in COLUMNS]


@pytest.fixture
def view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An information system with three rows, and the settings that lead to it."""
    path, rng, used = tmp_path / "centre.db", random.Random(3), set[str]()
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE v_filing (id INTEGER, seq INTEGER, {', '.join(FIELDS)})")
        for number in range(3):
            row = filed(rng, used, city=CITIES[0]) | {"batch_no": "370100-201903-01"}
            values = [number, number, *(str(row[name]) if name in row else None for name in FIELDS)]
            connection.execute(f"INSERT INTO v_filing VALUES ({', '.join('?' * len(values))})", values)
    connection.close()
    mapping = tmp_path / "source.toml"
    top = 'name = "centre"\nview = "v_filing"\nkey = ["id"]\nwatermark = "seq"\noverlap_steps = 1\n[columns]\n'
    mapping.write_text(top + "\n".join(f'{name} = "{name}"' for name in FIELDS), encoding="utf-8")
    monkeypatch.setenv("GATEWAY_SOURCE__URL", f"sqlite:///{path}")
    monkeypatch.setenv("GATEWAY_SOURCE__MAPPING", str(mapping))
    return path


def document(result: Result) -> Any:
    return json.loads(result.stdout)


def test_a_pull_takes_rows_in_and_a_second_one_finds_them_seen(run: Run, view: Path) -> None:
    judged = document(run("source", "pull", "--dry-run", "--json"))
    assert (judged["dry_run"], judged["read"], judged["seen"]) == (True, 3, 0)
    first = document(run("source", "pull", "--json"))
    [one] = first["batches"]
    assert (one["name"], one["rows"], one["admitted"]) == ("centre 370100-201903-01", 3, 3)
    again = document(run("source", "pull", "--json"))
    assert (again["read"], again["seen"], again["batches"], again["watermark"]) == (2, 2, [], "2")
    assert document(run("source", "pull", "--everything", "--json"))["read"] == 3
    assert "2 rows read, 2 of them seen before" in run("source", "pull").stdout
    trail = document(run("audit", "list", "--json"))["entries"]
    assert [one["action"] for one in trail] == [*["source_pull"] * 4, "source_dry_run"]


def test_a_row_that_is_refused_makes_the_pull_end_with_a_failure(run: Run, view: Path) -> None:
    with sqlite3.connect(view) as connection:
        connection.execute("UPDATE v_filing SET level = '技师' WHERE id = 1")
    connection.close()
    assert "1 refused" in run("source", "pull", code=1).stdout


def test_without_a_source_a_pull_is_misuse(run: Run) -> None:
    assert "GATEWAY_SOURCE__URL" in run("source", "pull", code=2).stderr


def test_batches_are_listed_and_shown(run: Run, tmp_path: Path) -> None:
    assert document(run("batches", "list", "--json"))["batches"] == []
    assert "no batch" in run("batches", "list").stdout
    run("intake", str(write_sample(tmp_path / "sample.xlsx", rows=60)), code=1)
    listed = document(run("batches", "list", "--json"))["batches"]
    assert sum(one["rows"] for one in listed) == 60
    told = ("admitted", "unchanged", "withdrawn", "held", "returned")
    assert all(one["rows"] == sum(one[name] for name in told) == sum(one["states"].values()) for one in listed)
    report = next(one["report_no"] for one in listed if one["report_no"])
    shown = document(run("batches", "show", report, "--json"))
    assert {one["report_no"] for one in shown["batches"]} == {report}
    assert shown["changed"] == {}
    whole = document(run("batches", "show", "sample.xlsx", "--json"))
    assert sum(one["rows"] for one in whole["batches"]) == 60
    assert "sample.xlsx" in run("batches", "list").stdout
    assert report in run("batches", "show", "sample.xlsx").stdout


def test_a_batch_that_is_not_there_is_misuse(run: Run) -> None:
    assert "no batch" in run("batches", "show", "nothing.xlsx", code=2).stderr


def test_warnings_are_told_and_returns_come_again(run: Run, tmp_path: Path) -> None:
    rows = list(sample_rows(20))
    path = tmp_path / "told.csv"
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, HEADERS)
        writer.writeheader()
        for place, row in enumerate(rows):
            writer.writerow(row.cells | ({"手机号码": "12"} if place == 0 else {}))
    told = run("intake", str(path), "--dry-run", code=1).stdout
    assert "1 with a warning" in told
    assert "R-MOBILE" in told
    one = document(run("intake", str(path), "--returns", str(tmp_path / "first.xlsx"), "--json", code=1))["batches"][0]
    assert (one["warned"], one["warnings"]["R-MOBILE"]) == (1, 1)
    assert one["returned"] == one["refused"] + one["held"] + 1
    again = document(run("batches", "returns", "told.csv", str(tmp_path / "again.xlsx"), "--json"))
    assert again["rows"] == one["returned"]
    assert "written back" in run("batches", "returns", "told.csv", str(tmp_path / "third.xlsx")).stdout
    assert "no batch" in run("batches", "returns", "absent.csv", str(tmp_path / "none.xlsx"), code=2).stderr
    listed = document(run("batches", "list", "--json"))["batches"]
    assert sum(one["warned"] for one in listed) == 1
    assert all(one["open"] == one["rows"] and one["closed_at"] is None and one["open_days"] == 0 for one in listed)


def test_a_held_row_is_decided_by_a_person_once(run: Run, tmp_path: Path) -> None:
    row = filed(random.Random(4), set(), employed=True, city=CITIES[0])
    path = tmp_path / "held.csv"
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, FIELDS)
        writer.writerow({column.field: column.title for column in COLUMNS})
        writer.writerow(row | {"contract_term": "以完成一定工作任务为期限", "contract_end": ""})
    assert "1 held" in run("intake", str(path), code=1).stdout
    told = ("batches", "decide", "held.csv", "2", "admit", "--reason", "the contract was seen")
    decided = document(run(*told, "--json"))
    assert (decided["decision"], decided["records"]) == ("admit", {"person": 1, "certificate": 1})
    assert "decided before" in run(*told, code=2).stderr
    assert "waits for a person" in run("batches", "decide", "held.csv", "3", "refuse", "--reason", "x", code=2).stderr


def test_cities_that_reported_nothing_are_listed(run: Run, view: Path) -> None:
    run("source", "pull")
    listed = document(run("batches", "missing", "--json", code=1))
    assert (listed["since"], listed["until"], listed["missing"]) == ("2019-01-25", "2019-03-31", 16)
    assert [city["city"] for city in listed["cities"] if not city["missing"]] == ["370100"]
    assert "days are left" in run("batches", "missing", "--until", "2999-12-31").stdout


def test_a_report_is_closed_by_hand_once(run: Run, view: Path) -> None:
    run("source", "pull")
    name = "370100-201903-01"
    closed = document(run("batches", "close", name, "--reason", "given up", "--json"))
    assert closed == {"report_no": name, "closed": True, "reason": "given up"}
    [part] = document(run("batches", "show", name, "--json"))["batches"]
    assert part["closed_because"] == "given up"
    assert part["closed_at"] is not None
    assert "before" in run("batches", "close", name, "--reason", "again", code=1).stderr
    assert "no report" in run("batches", "close", "370100-201903-09", "--reason", "x", code=2).stderr


def test_a_pull_writes_its_returns_and_never_over_others(run: Run, view: Path, tmp_path: Path) -> None:
    out = tmp_path / "returns.xlsx"
    with sqlite3.connect(view) as connection:
        connection.execute("UPDATE v_filing SET level = '技师' WHERE id = 1")
    connection.close()
    assert "1 rows written back" in run("source", "pull", "--returns", str(out), code=1).stdout
    assert out.stat().st_size > 0
    assert "is there already" in run("source", "pull", "--returns", str(out), code=2).stderr


def test_each_file_has_a_result_whatever_becomes_of_the_others(run: Run, tmp_path: Path) -> None:
    good = write_sample(tmp_path / "good.xlsx", rows=3)
    bad, gbk = tmp_path / "bad.xls", Path(os.fsdecode(os.fsencode(tmp_path) + "/花名册[red].csv".encode("gb18030")))
    bad.write_bytes(b"%PDF-1.7")
    write_sample(tmp_path / "other.csv", rows=2, seed=9).rename(gbk)
    told = document(run("intake", str(bad), str(good), str(gbk), str(tmp_path / "absent.xlsx"), "--json", code=2))
    assert [one["name"] for one in told["batches"]] == ["good.xlsx", "花名册[red].csv"]
    assert [one["name"] for one in told["failed"]] == ["bad.xls", "absent.xlsx"]
    assert "PDF" in told["failed"][0]["failure"]
    assert "内容是PDF" in told["failed"][0]["failure_zh"]
    kept = document(run("batches", "list", "--json"))["batches"]
    assert {one["name"] for one in kept} == {"good.xlsx", "花名册[red].csv"}
    again = run("intake", str(good), str(bad), code=2)
    assert "read before" in again.stdout
    assert "bad.xls" in again.stderr


def test_returns_are_written_over_only_when_asked_for_and_other_files_never(run: Run, tmp_path: Path) -> None:
    batch, out = write_sample(tmp_path / "batch.xlsx", rows=60), tmp_path / "out.xlsx"
    before = batch.read_bytes()
    for extra in ([], ["--force"], ["--dry-run"], ["--dry-run", "--force"]):
        told = run("intake", str(batch), "--returns", str(batch), *extra, code=2)
        assert "batch.xlsx" in told.stderr
        assert "would overwrite the reported file" in told.stderr
    assert batch.read_bytes() == before
    assert document(run("batches", "list", "--json"))["batches"] == []
    run("intake", str(batch), "--dry-run", "--returns", str(out), code=1)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["batch.xlsx", "out.xlsx"]
    run("intake", str(batch), "--returns", str(out), code=2)
    run("intake", str(batch), "--returns", str(out), "--force", code=1)
    assert "is there already" in run("batches", "returns", "batch.xlsx", str(out), code=2).stderr
    assert "written back" in run("batches", "returns", "batch.xlsx", str(out), "--force").stdout
    assert "no returns workbook" in run("batches", "returns", "batch.xlsx", str(batch), "--force", code=2).stderr
    corrected = out.read_bytes()
    run("intake", str(out), "--returns", str(out), "--force", code=2)
    assert out.read_bytes() == corrected
