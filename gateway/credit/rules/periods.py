"""Days and periods of disclosure: month arithmetic, inclusive ends, and the dated rules that give a missing period."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from gateway.domain.china import day_start, end_of

_PERIOD = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?")
_OPEN = frozenset({"open", "long"})


class PeriodSource(StrEnum):
    """Where a disclosure period comes from; a received one always wins (R07)."""

    RECEIVED = "RECEIVED"
    COMPUTED = "COMPUTED"
    NONE = "NONE"
    """neither given nor covered by a rule: neither public nor usable"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Disclosure:
    """A disclosure period, half-open. ``begin`` None: there is none; ``end`` None beside a begin: without end."""

    begin: datetime | None
    end: datetime | None
    source: PeriodSource
    rule_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DisclosureRule:
    """One dated rule. ``severity`` is normalised (SERIOUS) or ``scheme:code``; empty covers every severity.

    from_publication: the period runs from the publication, otherwise from the decision
    shortest:         ISO 8601 period (``P6M``), or ``open``/``long`` for none; the default period where there is one
    """

    rule_id: str
    category: str
    severity: str
    in_force_from: date
    in_force_to: date | None
    from_publication: bool
    shortest: str

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> DisclosureRule:
        """Read a row of the table ``credit_disclosure_rule``."""
        return cls(
            rule_id=row["rule_id"],
            category=row["category"],
            severity=row["severity"],
            in_force_from=date.fromisoformat(row["in_force_from"]),
            in_force_to=date.fromisoformat(row["in_force_to"]) if row["in_force_to"] else None,
            from_publication=row["starts_at"] == "PUBLICATION",
            shortest=row["default_period"] or row["min_period"],
        )


def add_period(day: date, period: str) -> date:
    """Add ``PnYnMnD``: calendar years and months clamp to the end of the month (R05), then days are added.

    What lies beyond the calendar is 9999-12-31, no end.
    """
    parts = _PERIOD.fullmatch(period)
    if parts is None or period == "P":
        raise ValueError(f"not a period: {period}")
    years, months, days = (int(part or 0) for part in parts.groups())
    total = day.year * 12 + day.month - 1 + years * 12 + months
    year, month = divmod(total, 12)
    if year > date.max.year:
        return date.max
    last = calendar.monthrange(year, month + 1)[1]
    try:
        return date(year, month + 1, min(day.day, last)) + timedelta(days=days)
    except OverflowError:
        return date.max


def disclosure(
    *,
    begin: date | None,
    end: date | None,
    decided: date | None,
    category: str,
    severities: frozenset[str],
    sanction_end: date | None,
    rules: Iterable[DisclosureRule],
) -> Disclosure:
    """The period as received or, where its end is missing, by the rule in force on the decision date (R07).

    begin, end:  as the platform states them, ``end`` inclusive
    severities:  normalised severity and ``scheme:code``, both where both are known
    sanction_end: last day of the sanction; a computed period never ends before it (R08)
    A computed period is the rule's shortest: longer ones are for the determining department to say.
    """
    start = begin or decided
    if end is not None and start is not None:
        return Disclosure(begin=day_start(start), end=end_of(end), source=PeriodSource.RECEIVED)
    rule = _rule(rules, category, severities, decided or begin)
    if rule is None or start is None:
        return Disclosure(begin=None, end=None, source=PeriodSource.NONE)
    first = (begin or decided or start) if rule.from_publication else (decided or start)
    opening = day_start(max(first, start))
    if rule.shortest in _OPEN:
        return Disclosure(begin=opening, end=None, source=PeriodSource.COMPUTED, rule_id=rule.rule_id)
    after = add_period(first, rule.shortest)
    if day_start(after) <= opening:
        return Disclosure(begin=None, end=None, source=PeriodSource.COMPUTED, rule_id=rule.rule_id)
    if date.max in (after, sanction_end):
        return Disclosure(begin=opening, end=None, source=PeriodSource.COMPUTED, rule_id=rule.rule_id)
    closing = max(day_start(after), opening if sanction_end is None else day_start(sanction_end) + timedelta(days=1))
    return Disclosure(begin=opening, end=closing, source=PeriodSource.COMPUTED, rule_id=rule.rule_id)


def _rule(
    rules: Iterable[DisclosureRule], category: str, severities: frozenset[str], day: date | None
) -> DisclosureRule | None:
    if day is None:
        return None
    in_force = [
        rule
        for rule in rules
        if rule.category == category
        and rule.in_force_from <= day
        and (rule.in_force_to is None or day <= rule.in_force_to)
        and (not rule.severity or rule.severity in severities)
    ]
    return max(in_force, key=lambda rule: (bool(rule.severity), rule.in_force_from), default=None)
