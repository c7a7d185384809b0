"""What a workbook or text file holds in one cell, before anybody reads a meaning into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from gateway.intake.reading.rules import Rule


@dataclass(frozen=True, slots=True)
class Broken:
    """A cell that has no value: its text for the city, and the rule it breaks."""

    text: str = field(repr=False)
    rule: Rule


Cell = str | int | float | bool | date | datetime | time | timedelta | Broken
"""what a workbook or CSV holds in one cell"""
