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
from gateway.locale import tr


def read_points(path: Path) -> Mapping[str, Point]:
    """Point by its code; ``since`` and ``until`` may be empty. ConfigurationError names the line that is wrong."""
    found: dict[str, Point] = {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            tr("GATEWAY_POINTS: {name} is no text in UTF-8 ({kind})", name=path.name, kind=type(error).__name__)
        ) from None
    rows = csv.DictReader(text.splitlines())
    absent = {"point", "city"} - set(rows.fieldnames or ())
    if absent:
        raise ConfigurationError(
            tr("GATEWAY_POINTS: {name} has no column {names}", name=path.name, names=" and ".join(sorted(absent)))
        )
    for row in rows:
        where = f"GATEWAY_POINTS: {path.name}, line {rows.line_num}"
        code, city = normal_identifier(row["point"] or ""), (row["city"] or "").strip()
        if not code or code in found:
            raise ConfigurationError(
                tr("{where}: point {flaw}", where=where, flaw=tr("stands twice") if code else tr("is empty"))
            )
        if city not in table("division_shandong_history"):
            raise ConfigurationError(tr("{where}: city is no division code of the province", where=where))
        try:
            since, until = (row.get(name) or "" for name in ("since", "until"))
            found[code] = Point(
                city=city,
                since=date.fromisoformat(since.strip()) if since.strip() else date.min,
                until=date.fromisoformat(until.strip()) if until.strip() else date.max,
            )
        except ValueError:
            raise ConfigurationError(
                tr("{where}: since and until are days written as 2019-03-01, or empty", where=where)
            ) from None
    return found
