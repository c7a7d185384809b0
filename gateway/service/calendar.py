"""The working days: those built in, and a file for years that were announced later."""

from __future__ import annotations

import csv
from pathlib import Path

from gateway.codec.codes import table
from gateway.domain.errors import ConfigurationError
from gateway.domain.working_days import WorkCalendar


def read_calendar(further: Path | None = None) -> WorkCalendar:
    """The calendar; ``further`` adds days and outweighs what is built in for its years."""
    built_in = WorkCalendar.from_rows(table("working_days").rows)
    if further is None:
        return built_in
    try:
        with further.open(encoding="utf-8-sig", newline="") as handle:
            given = WorkCalendar.from_rows(csv.DictReader(handle))
    except (OSError, ValueError, KeyError) as error:
        reason = type(error).__name__
        raise ConfigurationError(f"GATEWAY_CALENDAR: not a CSV with columns day and kind ({reason})") from None
    off = {day for day in built_in.off if day.year not in given.years} | given.off
    worked = {day for day in built_in.worked if day.year not in given.years} | given.worked
    return WorkCalendar(off=frozenset(off), worked=frozenset(worked))
