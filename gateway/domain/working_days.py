"""Working days: weekdays but for the yearly holidays and make-up days, which the State Council's office announces.

A year whose announcement is not loaded is refused (R06): weekends alone would give wrong dates around every holiday.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

from gateway.domain.errors import ConfigurationError
from gateway.locale import tr

_SATURDAY = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkCalendar:
    """``off``: weekdays without work; ``worked``: weekend days with work; a year is loaded where it has any of them."""

    off: frozenset[date]
    worked: frozenset[date]

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, str]]) -> Self:
        """Read rows with ``day`` (ISO 8601) and ``kind`` (OFF or WORK); raises ValueError for anything else."""
        days: dict[str, set[date]] = {"OFF": set(), "WORK": set()}
        for row in rows:
            if row["kind"] not in days:
                raise ValueError(f"kind is OFF or WORK, not {row['kind']!r}")
            days[row["kind"]].add(date.fromisoformat(row["day"]))
        return cls(off=frozenset(days["OFF"]), worked=frozenset(days["WORK"]))

    @property
    def years(self) -> frozenset[int]:
        """The years that are loaded."""
        return frozenset(day.year for day in self.off | self.worked)

    def ends(self, day: date) -> date:
        """The last day before the first year, from that of ``day`` on, that is not loaded."""
        year = day.year
        while year in self.years:
            year += 1
        return date(year - 1, 12, 31)

    def is_working(self, day: date) -> bool:
        """Whether work is done on that day; raises ConfigurationError for a year that is not loaded."""
        if day.year not in self.years:
            raise ConfigurationError(
                tr("the working days of {year} are not loaded: add them (GATEWAY_CALENDAR)", year=day.year)
            )
        return day in self.worked or (day.weekday() < _SATURDAY and day not in self.off)

    def after(self, day: date, count: int) -> date:
        """The last of ``count`` working days after ``day``, which is not counted itself."""
        while count > 0:
            day += timedelta(days=1)
            count -= self.is_working(day)
        return day

    def due(self, day: date, count: int) -> date | None:
        """As ``after``, or None where a year on the way is not loaded: work that has to be done is not kept back."""
        try:
            return self.after(day, count)
        except ConfigurationError:
            return None
