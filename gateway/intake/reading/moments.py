"""Days and moments in the forms in which cities write them, and as a workbook counts them."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache

from gateway.domain.identifiers import half_width
from gateway.intake.reading.cells import Broken, Cell
from gateway.intake.rules.gate_rules import CHINA

YEAR_WITHOUT_END = 9999
_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - the workbook's own day zero, zone added afterwards
_SERIALS = (10_000, 73_051)  # 1927-05-18 to 2099-12-31: the days a bare serial number is believed to mean
_YEARS = (1900, 2100)
_BETWEEN = r"\s*[-./—–−‐‑‒―、]{1,2}\s*"
_WRITTEN = re.compile(
    rf"(?P<year>[0-9]{{4}})(?:{_BETWEEN}|\s*年\s*)(?P<month>[0-9]{{1,2}})(?:{_BETWEEN}|\s*月(?:份)?\s*)"
    r"(?P<day>[0-9]{1,2})\s*[日号]?"
    r"(?:[T\s]*(?P<half>上午|早上|凌晨|中午|下午|晚上|AM|PM)?\s*(?P<hour>[0-9]{1,2})\s*"
    r"(?:[:时点]\s*(?P<minute>[0-9]{1,2})\s*分?(?::?\s*(?P<second>[0-9]{1,2})(?:\.[0-9]+)?\s*秒?)?|[时点]整?)"
    r"\s*(?P<after>AM|PM)?)?\s*(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?",
    re.IGNORECASE,
)
_ISO_LENGTHS = frozenset({len("2012-06-01"), len("2012-06-01 09:30"), len("2012-06-01 09:30:00")})
_LATE = frozenset({"下午", "晚上", "PM"})
_HALF_HOURS = 12
_HAN_DATE = re.compile(
    r"([〇零○一二三四五六七八九0-9]{4})年([一二三四五六七八九十0-9]{1,3})月([一二三四五六七八九十廿卅0-9]{1,3})[日号](.*)"
)
_HAN_DIGITS = {**{digit: number for number, digit in enumerate("〇一二三四五六七八九")}, "零": 0, "○": 0}
_COMPACT = re.compile(
    r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})"
    r"(?:(?P<hour>[0-9]{2})(?P<minute>[0-9]{2})(?P<second>[0-9]{2}))?(?P<zone>)"
)


def moment_of(cell: Cell, text: str) -> datetime | None:
    """The moment a cell stands for, at +08:00 where it names no zone; ``text`` is the cell as it is shown."""
    if isinstance(cell, datetime):
        moment: datetime | None = cell if cell.tzinfo else cell.replace(tzinfo=CHINA)
    elif isinstance(cell, date):
        moment = datetime(cell.year, cell.month, cell.day, tzinfo=CHINA)
    elif isinstance(cell, (bool, time, timedelta, Broken)):
        return None
    elif isinstance(cell, str):
        moment = _written_moment(half_width(cell).strip())
    else:
        moment = _serial_moment(float(cell)) or _written_moment(text)
    return moment if moment and _YEARS[0] <= moment.year < _YEARS[1] else None


def _serial_moment(number: float) -> datetime | None:
    """A workbook's day number, days since 1899-12-30 with the time as fraction."""
    if not _SERIALS[0] <= number < _SERIALS[1]:
        return None
    return (_EPOCH + timedelta(seconds=round(number * 86_400))).replace(tzinfo=CHINA)


@lru_cache(maxsize=4096)
def _written_moment(text: str) -> datetime | None:
    if re.fullmatch(r"[0-9]{5}(\.[0-9]+)?", text):
        return _serial_moment(float(text))
    return written(text)


def written(text: str) -> datetime | None:
    """A day or moment in any form that cities write."""
    if text[4:5] == "-" and len(text) in _ISO_LENGTHS and (usual := _iso(text)) is not None:
        return usual
    if "年" in text and (han := _HAN_DATE.fullmatch("".join(text.split()))):
        year = "".join(str(_HAN_DIGITS.get(digit, digit)) for digit in han[1])
        text = f"{year}-{_han_number(han[2])}-{_han_number(han[3])} {han[4]}".strip()
    found = _WRITTEN.fullmatch(text) or _COMPACT.fullmatch(text)
    if found is None:
        return None
    given = found.groupdict(default="0")
    half = (given.pop("half", "0") + given.pop("after", "0")).upper().strip("0")
    zone = given.pop("zone")
    if zone not in ("", "0") and ":" not in zone + text[:-5] and zone.upper() != "Z":
        return None  # two days with a hyphen between them, no zone
    parts = {name: int(value) for name, value in given.items()}
    if half:
        if not 1 <= parts["hour"] <= _HALF_HOURS and half not in ("中午", "上午", "凌晨", "早上"):
            return None
        if half in _LATE and parts["hour"] < _HALF_HOURS:
            parts["hour"] += _HALF_HOURS
        elif half == "AM" and parts["hour"] == _HALF_HOURS:
            parts["hour"] = 0
    try:
        return datetime(**parts, tzinfo=_zone("" if zone == "0" else zone))
    except ValueError:
        return None


def _iso(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=CHINA)


def _han_number(text: str) -> int:
    """A number up to 39 in Chinese or in digits; 0 where it is none."""
    if text.isdigit() and text.isascii():
        return int(text)
    tens, ten, ones = text.replace("廿", "二十").replace("卅", "三十").rpartition("十")
    if not ten:
        return _HAN_DIGITS.get(text, 0)
    return 10 * (_HAN_DIGITS.get(tens, 0) if tens else 1) + (_HAN_DIGITS.get(ones, 0) if ones else 0)


def _zone(text: str | None) -> timezone:
    if not text:
        return CHINA
    if text in "Zz":
        return timezone(timedelta())
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)
