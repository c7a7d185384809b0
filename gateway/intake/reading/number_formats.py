"""Number formats of workbooks: whether a stored number is shown as a day, a time, a percentage or padded digits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

from gateway.intake.reading.cells import Broken, Cell
from gateway.intake.reading.rules import ERROR_VALUE

_DAY_FORMATS = frozenset({*range(14, 23), *range(27, 37), 45, 47, *range(50, 59)})
"""built-in formats of days and times, those of East Asian languages included"""
_SPAN_FORMAT = 46
_PERCENT_FORMATS = {9: 0, 10: 2}
_LONGEST_CODE = 255
_QUIET = re.compile(r'"[^"]*"|\\.|[_*].|\[(?!h+\]|m+\]|s+\])[^\[\]]*\]', re.IGNORECASE)
"""parts of a format that are shown as they stand, and colours, conditions and languages"""
_SPAN = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_TOKEN = re.compile(r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|[_*].|\[[^\[\]]*\]|(?P<digit>[0#?])|(?P<plain>.)')
_PLAIN = frozenset(" -/()+:")
_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001 - the workbook's own day zero; readers add the zone
_LAST_DAY = 2_958_466
_OLD_DAYS = 1462
"""days between the two beginnings that workbooks count from"""


@dataclass(frozen=True, slots=True)
class ShownNumber:
    """How a cell format shows numbers that are more than numbers.

    kind:     ``day``, ``span``, ``percent`` or ``digits``
    decimals: of a percentage
    pattern:  of digits: literal texts, and None for each place of a digit
    """

    kind: str
    decimals: int = 0
    pattern: tuple[str | None, ...] = ()


_DAY, _SPAN_OF_TIME = ShownNumber("day"), ShownNumber("span")


def shown_as(number: int, own: Mapping[int, str]) -> ShownNumber | None:
    """How the number format shows; ``own`` holds the format codes of the workbook. None for plain numbers."""
    if number not in own:
        if number in _PERCENT_FORMATS:
            return ShownNumber("percent", decimals=_PERCENT_FORMATS[number])
        return _SPAN_OF_TIME if number == _SPAN_FORMAT else _DAY if number in _DAY_FORMATS else None
    return of_code(own[number])


def of_code(code: str) -> ShownNumber | None:
    """How a format code shows numbers."""
    code = code[:_LONGEST_CODE]
    plain = _QUIET.sub("", code)
    if _SPAN.search(plain):
        return _SPAN_OF_TIME
    if any(letter in plain.lower() for letter in "dmyhs"):
        return _DAY
    if "%" in plain:
        return ShownNumber("percent", decimals=len(re.split(r"[;%]", plain)[0].partition(".")[2]))
    return _digits(code)


def _digits(code: str) -> ShownNumber | None:
    """Padded digits, or digits behind a literal text; None where the format shows a plain number."""
    pattern: list[str | None] = []
    zeros = 0
    for found in _TOKEN.finditer(code.partition(";")[0]):
        if found["digit"]:
            zeros += found["digit"] == "0"
            pattern.append(None)
        elif found["plain"] is not None and found["plain"] not in _PLAIN and found["plain"].isascii():
            return None
        else:
            pattern.append(found["quoted"] or found["escaped"] or found["plain"] or "")
    is_text_in_front = bool(pattern) and bool((pattern[0] or "").strip())
    return ShownNumber("digits", pattern=tuple(pattern)) if zeros > 1 or (zeros and is_text_in_front) else None


def number_cell(number: float, shown: ShownNumber | None, *, old_days: bool) -> Cell:
    """The cell that a stored number stands for."""
    if number - number != 0:  # infinite, or no number
        return Broken(str(number), ERROR_VALUE)
    if shown is None:
        return number
    if shown.kind == "percent":
        share = (Decimal(repr(number)) * 100).quantize(Decimal(1).scaleb(-min(shown.decimals, 15)), ROUND_HALF_UP)
        return f"{share}%"
    if shown.kind == "digits":
        return _with_digits(number, shown.pattern)
    if not 0 <= number < _LAST_DAY - (_OLD_DAYS if old_days else 0):
        return number
    part = timedelta(days=int(number), milliseconds=round(number % 1 * 86_400_000))
    if shown.kind == "span":
        return part
    if number < 1:
        return (_ZERO + part).time()
    return day_or_moment(_ZERO + part + timedelta(days=_OLD_DAYS if old_days else 0))


def _with_digits(number: float, pattern: tuple[str | None, ...]) -> Cell:
    """The digits put into the places of the pattern from the right; what has no place stands before the first."""
    if not number.is_integer() or not 0 <= number < 1e15:
        return number
    places = sum(part is None for part in pattern)
    digits = str(int(number)).zfill(places)
    rest = iter(digits[len(digits) - places :])
    front = digits[: len(digits) - places]
    shown: list[str] = []
    for part in pattern:
        if part is None:
            shown.append(front + next(rest))
            front = ""
        else:
            shown.append(part)
    return "".join(shown).strip()


def day_or_moment(moment: datetime) -> date | datetime:
    """A moment at the first instant of a day is that day."""
    return moment if moment.time() != time() else moment.date()


def iso_cell(text: str) -> Cell:
    """A cell that holds a day, moment or time in ISO form; any other text is a text."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            return time.fromisoformat(text)
        except ValueError:
            return text
    return moment if moment.tzinfo else day_or_moment(moment)
