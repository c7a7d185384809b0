"""One cell to one value: dates and times in the forms cities write them, identifiers without lost digits, flags, words.

A reader returns the value, None for an empty cell, or the ``Rule`` the cell breaks. It never guesses: a two-digit year,
a day and month in unclear order or a number in scientific notation is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache

from gateway.domain.identifiers import (
    half_width,
    is_credit_code,
    is_mobile,
    is_name,
    normal_certificate_number,
    normal_identifier,
    normal_name,
    normal_text,
)
from gateway.intake.reading import words
from gateway.intake.reading.rules import (
    CODE,
    CREDIT_CODE,
    DATE,
    DIGITS_LOST,
    ERROR_VALUE,
    FORMULA,
    LENGTH,
    MOBILE,
    NAME,
    TIME,
    Rule,
)
from gateway.intake.rules.gate_rules import CHINA, china_date


@dataclass(frozen=True, slots=True)
class Broken:
    """A cell that has no value: its text for the city, and the rule it breaks."""

    text: str = field(repr=False)
    rule: Rule


Cell = str | int | float | bool | date | datetime | time | timedelta | Broken
"""what a workbook or CSV holds in one cell"""
Value = object
"""what a field of a filing holds; ``gateway.intake.rules.filing.Filing`` gives the type of each"""
Reader = Callable[[Cell], Value | Rule | None]

_BLANK = frozenset({"", "/", "\\", "-", "--", "—", "——", "无", "N/A", "NULL"})
_LONGEST_BLANK = max(map(len, _BLANK))
_ENDLESS = _BLANK | {"长期", "长期有效", "永久", "永久有效", "无固定期限", "无期限"}
_ERRORS = frozenset({"#N/A", "#VALUE!", "#REF!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"})
_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - the workbook's own day zero, zone added afterwards
_SERIALS = (10_000, 73_051)  # 1927-05-18 to 2099-12-31: the days a bare serial number is believed to mean
_YEARS = (1900, 2100)
_QUOTED = re.compile(r'="([^"]*)"')
_SCIENTIFIC = re.compile(r"[0-9](\.[0-9]+)?E\+?[0-9]+", re.IGNORECASE)
_WRITTEN = re.compile(
    r"(?P<year>[0-9]{4})\s*[-./年]\s*(?P<month>[0-9]{1,2})\s*[-./月]\s*(?P<day>[0-9]{1,2})\s*日?"
    r"(?:[T\s]*(?P<hour>[0-9]{1,2})\s*[:时点]\s*(?P<minute>[0-9]{1,2})\s*分?"
    r"(?::?\s*(?P<second>[0-9]{1,2})(?:\.[0-9]+)?\s*秒?)?)?\s*(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_COMPACT = re.compile(
    r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})"
    r"(?:(?P<hour>[0-9]{2})(?P<minute>[0-9]{2})(?P<second>[0-9]{2}))?(?P<zone>)"
)


def original_text(cell: Cell) -> str:
    """The cell as text, as it is shown to the city again."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    return cell.text if isinstance(cell, Broken) else str(cell)


def as_meant(cell: Cell) -> Cell:
    """A text cell without the ``="…"`` of exports; an error or a formula that came as text is a broken cell.

    ``####`` stands where a column was too narrow to be exported.
    """
    if not isinstance(cell, str) or cell[:1] not in "=# \u3000\xa0":
        return cell
    text = cell.strip()
    if text.upper() in _ERRORS or (len(text) > 2 and not text.strip("#")):
        return Broken(cell, ERROR_VALUE)
    if not text.startswith("="):
        return cell
    quoted = _QUOTED.fullmatch(text)
    return quoted[1] if quoted else Broken(cell, FORMULA)


def is_blank(cell: Cell) -> bool:
    """Whether a cell holds nothing, or one of the signs that stand for nothing."""
    if not isinstance(cell, str):
        return isinstance(cell, Broken) and not cell.text
    bare = cell.strip()
    return len(bare) <= _LONGEST_BLANK and half_width(bare).strip().upper() in _BLANK


def has_lost_digits(cell: Cell) -> bool:
    """Whether a number has more digits than a spreadsheet keeps (15), or is written in scientific notation."""
    if isinstance(cell, (int, float)):
        return abs(cell) >= 1e15
    return isinstance(cell, str) and _SCIENTIFIC.fullmatch(half_width(cell).strip()) is not None


def read_text(limit: int) -> Reader:
    """Free text of at most ``limit`` characters."""

    def read(cell: Cell) -> Value | Rule | None:
        if is_blank(cell):
            return None
        text = normal_text(original_text(cell))
        return text if len(text) <= limit else LENGTH

    return read


def read_identifier(limit: int) -> Reader:
    """An identifier without rules of its own: a batch, a form, a verification point."""

    def read(cell: Cell) -> Value | Rule | None:
        if is_blank(cell):
            return None
        if has_lost_digits(cell):
            return DIGITS_LOST
        text = normal_identifier(original_text(cell))
        return text if len(text) <= limit else LENGTH

    return read


def read_certificate_number(cell: Cell) -> Value | Rule | None:
    """A certificate number in normal form; whether it is plausible is a gate."""
    value = read_identifier(100)(cell)
    return normal_certificate_number(value) if isinstance(value, str) else value


def read_name(cell: Cell) -> Value | Rule | None:
    """A person's name."""
    if is_blank(cell):
        return None
    name = normal_name(original_text(cell))
    return name if is_name(name) else NAME


def read_credit_code(cell: Cell) -> Value | Rule | None:
    """A unified social credit code with its check character."""
    value = read_identifier(100)(cell)
    return value if not isinstance(value, str) or is_credit_code(value) else CREDIT_CODE


def read_mobile(cell: Cell) -> Value | Rule | None:
    """A mobile number."""
    value = read_identifier(100)(cell)
    return value if not isinstance(value, str) or is_mobile(value) else MOBILE


def read_flag(cell: Cell) -> Value | Rule | None:
    """Yes or no."""
    if isinstance(cell, bool):
        return cell
    return read_word(words.YES)(cell)


def read_word(meanings: Mapping[str, object]) -> Reader:
    """One of a few words."""
    return read_with(lambda text: meanings.get(words.plain(text)))


def read_with(meaning: Callable[[str], object]) -> Reader:
    """A word that ``meaning`` knows. Here 无 may be a word, so only a really empty cell is blank."""
    remembered = lru_cache(maxsize=4096)(meaning)

    def read(cell: Cell) -> Value | Rule | None:
        text = original_text(cell).strip()
        if not text:
            return None
        found = remembered(text)
        return CODE if found is None else found

    return read


def read_date(cell: Cell) -> date | Rule | None:
    """A calendar day."""
    if is_blank(cell):
        return None
    moment = _moment(cell)
    return china_date(moment) if moment else DATE


def read_end_date(cell: Cell) -> date | Rule | None:
    """A last day; words for "without end" are as good as an empty cell."""
    if isinstance(cell, str) and half_width(cell).strip().upper() in _ENDLESS:
        return None
    return read_date(cell)


def read_moment(cell: Cell) -> datetime | Rule | None:
    """A moment at +08:00; a day without time is its first moment."""
    return None if is_blank(cell) else (_moment(cell) or TIME)


def _moment(cell: Cell) -> datetime | None:
    if isinstance(cell, datetime):
        moment: datetime | None = cell if cell.tzinfo else cell.replace(tzinfo=CHINA)
    elif isinstance(cell, date):
        moment = datetime(cell.year, cell.month, cell.day, tzinfo=CHINA)
    elif isinstance(cell, (bool, time, timedelta, Broken)):
        return None
    elif isinstance(cell, str):
        moment = _written_moment(half_width(cell).strip())
    else:
        moment = _serial_moment(float(cell)) or _written_moment(original_text(cell))
    return moment if moment and _YEARS[0] <= moment.year < _YEARS[1] else None


def _serial_moment(number: float) -> datetime | None:
    """A workbook's day number, days since 1899-12-30 with the time as fraction."""
    if not _SERIALS[0] <= number < _SERIALS[1]:
        return None
    return (_EPOCH + timedelta(seconds=round(number * 86_400))).replace(tzinfo=CHINA)


@lru_cache(maxsize=4096)
def _written_moment(text: str) -> datetime | None:
    found = _WRITTEN.fullmatch(text) or _COMPACT.fullmatch(text)
    if found is None:
        return _serial_moment(float(text)) if re.fullmatch(r"[0-9]{5}(\.[0-9]+)?", text) else None
    parts = {k: int(v) for k, v in found.groupdict(default="0").items() if k != "zone"}
    try:
        return datetime(**parts, tzinfo=_zone(found["zone"]))
    except ValueError:
        return None


def _zone(text: str | None) -> timezone:
    if not text:
        return CHINA
    if text == "Z":
        return timezone(timedelta())
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)
