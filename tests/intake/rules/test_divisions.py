"""Which prefecture does the work of a division: every code of the history table, and what no table knows."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from importlib.resources import files

import pytest

from gateway.intake.rules.divisions import cities
from gateway.intake.rules.gate_rules import GateRules

_TEXT = files("gateway.codec.tables").joinpath("division_shandong_history.csv").read_text(encoding="utf-8")
ROWS: tuple[Mapping[str, str], ...] = tuple(csv.DictReader(_TEXT.splitlines()))
TODAY = {row["code"] for row in ROWS if row["current"] == "yes"}
FORMER = tuple(row for row in ROWS if row["current"] == "no")
_TWO_PLACES = {"379006", "372602", "372621", "372622"}


@pytest.mark.parametrize("row", FORMER, ids=lambda row: f"{row['code']} {row['name_zh']} {row['last_year']}")
def test_a_former_code_belongs_to_the_city_of_its_successor(row: Mapping[str, str]) -> None:
    found = cities(row["code"])
    assert set(found) <= TODAY
    assert all(code == "370000" or code.endswith("00") for code in found)
    assert len(found) == (2 if row["code"] in _TWO_PLACES else 1)
    successor = row["successor_code"]
    if successor in TODAY:
        assert successor[:4] + "00" in found
        assert GateRules().same_city(row["code"], successor)


@pytest.mark.parametrize("row", [row for row in ROWS if row["current"] == "yes"], ids=lambda row: row["code"])
def test_a_code_of_today_belongs_to_its_own_prefecture(row: Mapping[str, str]) -> None:
    assert cities(row["code"]) == (row["code"][:4] + "00",)


@pytest.mark.parametrize(
    ("code", "city"),
    [
        ("370000", "370000"),
        ("371200", "370100"),
        ("371202", "370100"),
        ("370981", "370100"),
        ("379004", "370100"),
        ("370620", "371000"),
        ("370632", "371000"),
        ("372102", "371000"),
        ("372130", "371000"),
        ("372825", "371100"),
        ("372828", "370300"),
        ("372101", "370600"),
        ("379013", "370200"),
        ("370199", "370100"),
        ("372899", "371300"),
        ("370634", "370600"),
    ],
)
def test_places_whose_county_changed_its_prefecture(code: str, city: str) -> None:
    assert GateRules().city(code) == city


def test_a_code_of_two_places_belongs_to_the_latest_and_is_the_same_city_as_both() -> None:
    rules = GateRules()
    assert rules.city("379006") == "370200"
    assert rules.same_city("379006", "370281")
    assert rules.same_city("371000", "379006")
    assert not rules.same_city("379006", "370100")


@pytest.mark.parametrize("code", ["", "1", "999999", "379030"])
def test_an_unknown_code_stays_where_its_digits_point(code: str) -> None:
    assert cities(code) == (code[:4] + "00",)
