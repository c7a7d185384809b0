"""A new code table from its day on, by a file in a folder: what is sent, what is refused, on both dialects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.national_market.adapter import build
from connectors.national_market.tables import in_force
from gateway.codec.codes import table
from gateway.contract.messages import Payload, Problems
from gateway.domain.errors import ConfigurationError
from gateway.domain.records import Certificate, Record, Submission, Worker
from gateway.settings import loader

FIRST_DAY = date(2019, 3, 1)
BEFORE = datetime(2019, 2, 28, 15, 59, 59, tzinfo=UTC)
"""the last second of the day before in China"""
AFTER = datetime(2019, 2, 28, 16, 0, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """From the first day on trade 010 is 0101, and 020 is no longer there."""
    rows = [(row["code"], row["name_zh"], "") for row in table("trade").rows if row["code"] not in ("010", "020")]
    rows.append(("0101", "砌筑工", "010"))
    text = "code,name_zh,ours\n" + "".join(f"{code},{name},{ours}\n" for code, name, ours in rows)
    (tmp_path / f"trade.{FIRST_DAY}.csv").write_text(text, encoding="utf-8")
    return tmp_path


def submitted(record: Record, since: datetime, **changes: Any) -> Submission:
    assert isinstance(record.content, Certificate)
    content = replace(record.content, **changes)
    return Submission(platform="national_market", record=replace(record, effective_from=since, content=content))


@pytest.mark.parametrize(("since", "sent"), [(BEFORE, "010"), (AFTER, "0101")])
def test_the_table_of_the_records_day_is_used(
    make: Callable[..., Any], certificate: Record, folder: Path, since: datetime, sent: str
) -> None:
    connector = make(code_folder=str(folder))
    submission = submitted(certificate, since, trade="010", trade_name="砌筑工")
    payload = connector.check(submission, connector.map(submission))
    assert isinstance(payload, Payload)
    assert payload.fields["Trade"] == sent


def test_a_code_that_is_no_longer_there_is_a_problem_that_names_the_table(
    make: Callable[..., Any], certificate: Record, folder: Path
) -> None:
    connector = make(code_folder=str(folder))
    before, after = (submitted(certificate, since, trade="020", trade_name="没有这个工种") for since in (BEFORE, AFTER))
    assert isinstance(connector.check(before, connector.map(before)), Payload)
    refused = connector.check(after, connector.map(after))
    assert isinstance(refused, Problems)
    assert [(p.field, p.rule) for p in refused.items] == [("trade", "code:trade")]


def test_a_code_that_means_something_else_now_is_never_sent(
    make: Callable[..., Any], person: Record, tmp_path: Path
) -> None:
    swapped = {"01": "02", "02": "01"}
    rows = [(row["code"], row["name_zh"], swapped.get(row["code"], "")) for row in table("ethnicity_gbt3304").rows]
    rows = [row for row in rows if row[0] != "02"]
    text = "code,name_zh,ours\n" + "".join(f"{code},{name},{ours}\n" for code, name, ours in rows)
    (tmp_path / "ethnicity_gbt3304.2019-01-01.csv").write_text(text, encoding="utf-8")
    found = in_force("ethnicity_gbt3304", FIRST_DAY, str(tmp_path))
    assert (found.code("02"), found.code("01")) == ("01", None)
    connector = make(code_folder=str(tmp_path))
    for ours, fits in (("02", True), ("01", False)):
        assert isinstance(person.content, Worker)
        record = replace(person, effective_from=AFTER, content=replace(person.content, ethnicity=ours))
        submission = Submission(platform="national_market", record=record)
        assert isinstance(connector.check(submission, connector.map(submission)), Payload) is fits


def test_single_rows_begin_and_end_on_their_days(tmp_path: Path) -> None:
    text = "code,name_zh,valid_from,valid_to\nP01,甲,,2020-06-30\nP01,乙,2020-07-01,\n"
    (tmp_path / "post_category.2020-01-01.csv").write_text(text, encoding="utf-8")
    names = [in_force("post_category", date(2020, month, day), str(tmp_path)).names for month, day in ((6, 30), (7, 1))]
    assert names == [{"P01": "甲"}, {"P01": "乙"}]
    assert in_force("post_category", date(2019, 12, 31), str(tmp_path)).since is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("trade.csv", "code,name_zh\n010,砌筑工\n"),
        ("trade.2020-13-01.csv", "code,name_zh\n010,砌筑工\n"),
        ("no_such.2020-01-01.csv", "code,name_zh\n010,砌筑工\n"),
        ("trade.2020-01-01.csv", "code,name\n010,砌筑工\n"),
        ("trade.2020-01-01.csv", "code,name_zh\n"),
        ("trade.2020-01-01.csv", "code,name_zh\n010\n"),
        ("trade.2020-01-01.csv", "code,name_zh,valid_from\n010,砌筑工,soon\n"),
        ("trade.2020-01-01.csv", "code,name_zh\n010,砌筑工\n010,瓦工\n"),
    ],
)
def test_a_file_that_is_no_table_is_told_when_the_platform_is_configured(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    prefix = "GATEWAY_NATIONAL_MARKET__"
    settings = {f"{prefix}ENDPOINT": "https://market.example", f"{prefix}PASSWORD": "example-only"}
    with pytest.raises(ConfigurationError, match="code_folder"):
        build(loader({**settings, f"{prefix}CODE_FOLDER": str(tmp_path)}))


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such folder"):
        in_force("trade", FIRST_DAY, str(tmp_path / "none"))


@pytest.mark.parametrize(("since", "sent"), [(BEFORE, "010"), (AFTER, "0101")])
def test_the_switch_holds_for_the_other_dialect_too(
    road: Callable[..., Any], certificate: Record, folder: Path, since: datetime, sent: str
) -> None:
    connector = road("X", code_folder=str(folder)).connector
    submission = submitted(certificate, since, trade="010", trade_name="砌筑工")
    assert connector.map(submission).fields["WorkTypeNum"] == sent


def test_the_platform_takes_the_new_code_from_its_day_on_and_not_the_old_one(
    road: Callable[..., Any], person: Record, certificate: Record, folder: Path
) -> None:
    names = {row["code"]: row["name_zh"] for row in table("trade").rows if row["code"] != "010"}
    outcomes = {}
    for name, given in (("old", {}), ("new", {"code_folder": str(folder)})):
        bench = road("T", **given)
        bench.sandbox.dictionaries.newer["trade"] = (FIRST_DAY, {**names, "0101": "砌筑工"})
        bench.push(*bench.checked(Submission(platform="national_market", record=person)))
        sent = bench.checked(submitted(certificate, AFTER, trade="010", trade_name="砌筑工"))
        outcomes[name] = bench.push(*sent)
    assert outcomes == {"old": [("rejected", "303")], "new": [("accepted", "000")]}
