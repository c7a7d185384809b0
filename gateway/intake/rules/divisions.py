"""Which prefecture does the work of a Shandong division today: derived from the history table of division codes.

A code that ended names its successor in the table; the chain ends at a code of today, whose prefecture it is. A few
codes stood for two places in turn (379006 was 威海 in 1986 and 胶州 from 1987), so a code may belong to several.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files

Row = Mapping[str, str]


@lru_cache(maxsize=1024)
def cities(region: str) -> tuple[str, ...]:
    """The prefectures that do the work of a division code, that of its latest place first; the province is its own.

    A code that the table does not know belongs where its first four digits point.
    """
    return _cities().get(region) or _cities().get(prefecture := region[:4] + "00") or (prefecture,)


@cache
def _cities() -> Mapping[str, tuple[str, ...]]:
    rows: dict[str, list[Row]] = {}
    text = files("gateway").joinpath("codec/tables/division_shandong_history.csv").read_text(encoding="utf-8")
    for row in sorted(csv.DictReader(text.splitlines()), key=lambda row: row["last_year"], reverse=True):
        rows.setdefault(row["code"], []).append(row)
    latest = {code: places[0] for code, places in rows.items()}
    return {code: tuple(dict.fromkeys(_city(place, latest) for place in places)) for code, places in rows.items()}


def _city(row: Row, latest: Mapping[str, Row]) -> str:
    passed = {row["code"]}
    while row["current"] == "no":
        prefecture = row["code"][:4] + "00"
        following = next((code for code in (row["successor_code"], prefecture) if code not in passed), prefecture)
        if following in passed or following not in latest:
            return following
        passed.add(following)
        row = latest[following]
    return row["code"][:4] + "00"
