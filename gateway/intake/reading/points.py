"""Reads the centre's register of verification points (审核点名录), a CSV with the columns point, city, since, until."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from gateway.codec.codes import table
from gateway.domain.errors import ConfigurationError
from gateway.domain.identifiers import normal_identifier
from gateway.intake.rules.gate_rules import Point


def read_points(path: Path) -> Mapping[str, Point]:
    """Point by its code; ``since`` and ``until`` may be empty. ConfigurationError names the line that is wrong."""
    found: dict[str, Point] = {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"GATEWAY_POINTS: {path.name} is no text in UTF-8 ({type(error).__name__})") from None
    rows = csv.DictReader(text.splitlines())
    absent = {"point", "city"} - set(rows.fieldnames or ())
    if absent:
        raise ConfigurationError(f"GATEWAY_POINTS: {path.name} has no column {' and '.join(sorted(absent))}")
    for row in rows:
        where = f"GATEWAY_POINTS: {path.name}, line {rows.line_num}"
        code, city = normal_identifier(row["point"] or ""), (row["city"] or "").strip()
        if not code or code in found:
            raise ConfigurationError(f"{where}: point {'stands twice' if code else 'is empty'}")
        if city not in table("division_shandong_history"):
            raise ConfigurationError(f"{where}: city is no division code of the province")
        try:
            since, until = (row.get(name) or "" for name in ("since", "until"))
            found[code] = Point(
                city=city,
                since=date.fromisoformat(since.strip()) if since.strip() else date.min,
                until=date.fromisoformat(until.strip()) if until.strip() else date.max,
            )
        except ValueError:
            raise ConfigurationError(f"{where}: since and until are days written as 2019-03-01, or empty") from None
    return found
