"""One cell to one value: dates and times in the forms cities write them, identifiers without lost digits, flags, words.

A reader returns the value, None for an empty cell, or the ``Rule`` the cell breaks. It never guesses: a two-digit year,
a day and month in unclear order or a number in scientific notation is refused.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, datetime, time, timedelta
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
from gateway.intake.reading import vocabulary, words
from gateway.intake.reading.cells import Broken, Cell
from gateway.intake.reading.moments import YEAR_WITHOUT_END, moment_of, written
from gateway.intake.reading.rules import (
    CHARACTERS,
    CODE,
    CREDIT_CODE,
    DATE,
    DIGITS_LOST,
    DITTO,
    ERROR_VALUE,
    FORMULA,
    IS_DAY,
    IS_SHARE,
    LENGTH,
    MOBILE,
    NAME,
    PARTY,
    TIME,
    Rule,
)
from gateway.intake.rules.gate_rules import china_date

Value = object
"""what a field of a filing holds; ``gateway.intake.rules.filing.Filing`` gives the type of each"""
Reader = Callable[[Cell], Value | Rule | None]

_BLANK = frozenset({"", "/", "\\", "-", "--", "—", "——", "无", "N/A", "NULL"})
_LONGEST_BLANK = max(map(len, _BLANK))
_ENDLESS = _BLANK | vocabulary.ENDLESS
_ERRORS = frozenset({"#N/A", "#VALUE!", "#REF!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"})
_QUOTED = re.compile(r'="([^"]*)"')
_SCIENTIFIC = re.compile(r"[0-9](\.[0-9]+)?E\+?[0-9]+", re.IGNORECASE)
_LOST = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff\ufdd0-\ufdef\U000f0000-\U0010ffff]")
"""controls, lost characters and private ones: what no platform takes in a text"""
_LEFTOVER = re.compile(r"&(?:nbsp|amp|lt|gt|quot|#[0-9]{1,6}|#x[0-9a-f]{1,6});|</?[a-z][a-z0-9]*[\s/>]", re.IGNORECASE)
_QUESTIONS = re.compile(r"[?？]{2}|锟斤拷|烫烫|屯屯")
_LATIN = re.compile("[\x80-\xff]")
_SEVERAL = re.compile(r"[、，,;；/／|\\＋+]")
_BETWEEN_NAMES = re.compile(r"[、，,;；/／\n]+|(?<=[\u4e00-\u9fff]{2})[ \u3000]+(?=[\u4e00-\u9fff]{2})")
_USUAL_DAY = re.compile("(?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}")
"""the usual spelling of a day in the years in which one is believed"""
_HAN_WORD = re.compile("[\u3400-\u9fff\U00020000-\U0003ffff]{2,}")
_LETTER = re.compile(r"[^\W\d_]")
_PREFIX = re.compile(r"^(?:(?:\+|00)86(?=1)|86(?=1[0-9]{10}$))")


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
        if text in vocabulary.DITTO:
            return DITTO
        if _LOST.search(text) or _LEFTOVER.search(text):
            return CHARACTERS
        return text if len(text) <= limit else LENGTH

    return read


def read_party(limit: int) -> Reader:
    """The name of an organisation."""
    read_any = read_text(limit)

    def read(cell: Cell) -> Value | Rule | None:
        if not isinstance(cell, str):
            return PARTY
        text = read_any(cell)
        if not isinstance(text, str):
            return text
        is_name_of_one = len(_LETTER.findall(text)) > 1 and not _QUESTIONS.search(text) and not is_garbled(text)
        return text if is_name_of_one and moment_of(text, text) is None else PARTY

    return read


def is_garbled(text: str) -> bool:
    """Whether a text is another one read in the wrong encoding: UTF-8 as GBK or Latin, or GBK as Latin."""
    if len(_LATIN.findall(text)) > 1:
        for wrong, right in (("cp1252", "utf-8"), ("latin-1", "utf-8"), ("latin-1", "gb18030")):
            if _HAN_WORD.search(_read_again(text, wrong, right)):
                return True
    return _HAN_WORD.search(_read_again(text, "gb18030", "utf-8")) is not None


def _read_again(text: str, wrong: str, right: str) -> str:
    """What a text says in its right encoding; empty where it was not written in that."""
    try:
        return codecs.getincrementaldecoder(right)().decode(text.encode(wrong))  # the last character may be cut
    except UnicodeError:
        return ""


def read_certificate_name(limit: int) -> Reader:
    """The name of a certificate, without book marks; a name that the notice uses for short is written in full."""
    read_any = read_text(limit)

    def read(cell: Cell) -> Value | Rule | None:
        text = read_any(cell)
        if not isinstance(text, str):
            return text
        bare = text.strip("《》〈〉“”\"' ")
        return vocabulary.CERTIFICATE_NAMES.get(bare, bare)

    return read


def read_identifier(limit: int) -> Reader:
    """An identifier without rules of its own: a batch, a form, a verification point."""

    def read(cell: Cell) -> Value | Rule | None:
        if is_blank(cell):
            return None
        if has_lost_digits(cell):
            return DIGITS_LOST
        if isinstance(cell, (date, time, timedelta)):
            return IS_DAY
        if isinstance(cell, bool) or (isinstance(cell, float) and not cell.is_integer()):
            return IS_SHARE
        text = normal_identifier(original_text(cell))
        if text in vocabulary.DITTO:
            return DITTO
        if "%" in text:
            return IS_SHARE
        if _LOST.search(text) or _LEFTOVER.search(text):
            return CHARACTERS
        return text if len(text) <= limit else LENGTH

    return read


def read_certificate_number(cell: Cell) -> Value | Rule | None:
    """A certificate number in normal form; whether it is plausible is a gate."""
    value = read_identifier(100)(cell)
    return normal_certificate_number(value) if isinstance(value, str) else value


def read_name(cell: Cell) -> Value | Rule | None:
    """The name of one person."""
    if is_blank(cell):
        return None
    if not isinstance(cell, str) or _SEVERAL.search(cell) or _is_list(cell):
        return NAME
    name = normal_name(cell)
    if name in vocabulary.DITTO:
        return DITTO
    return name if is_name(name) and name not in vocabulary.NO_NAMES and not is_garbled(name) else NAME


def read_names(cell: Cell) -> Value | Rule | None:
    """The names of those who acted, one or several; kept with the sign of a list between them."""
    if not isinstance(cell, str) or is_blank(cell):
        return read_name(cell)
    names = [read_name(part) for part in _BETWEEN_NAMES.split(half_width(cell).strip()) if part.strip()]
    wrong = next((name for name in names if not isinstance(name, str)), None)
    return wrong or ("、".join(map(str, names)) if names else NAME)


def _is_list(text: str) -> bool:
    """Whether blanks or line breaks keep several Chinese names apart; 王 小明 and 欧阳 小明 are one."""
    parts = half_width(text).split()
    if len(parts) < 2 or not all(_HAN_WORD.fullmatch(part) for part in parts):
        return False
    return len(parts) > 2 or parts[0] not in vocabulary.LONG_SURNAMES


def read_credit_code(cell: Cell) -> Value | Rule | None:
    """A unified social credit code with its check character."""
    value = read_identifier(100)(cell)
    return value if not isinstance(value, str) or is_credit_code(value) else CREDIT_CODE


def read_mobile(cell: Cell) -> Value | Rule | None:
    """A mobile number, with or without the country's code and hyphens."""
    value = read_identifier(100)(cell)
    if not isinstance(value, str):
        return value
    number = _PREFIX.sub("", value.translate(vocabulary.PHONE_MARKS), count=1)
    return number if is_mobile(number) else MOBILE


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
    if isinstance(cell, str) and _USUAL_DAY.fullmatch(cell):
        with suppress(ValueError):
            return date.fromisoformat(cell)
    if is_blank(cell):
        return None
    moment = moment_of(cell, original_text(cell))
    return china_date(moment) if moment else DATE


def read_end_date(cell: Cell) -> date | Rule | None:
    """A last day; words for "without end" are as good as an empty cell."""
    if isinstance(cell, str) and half_width(cell).strip().upper() in _ENDLESS:
        return None
    if isinstance(cell, date) and cell.year == YEAR_WITHOUT_END:
        return None
    if isinstance(cell, (str, float, int)) and half_width(original_text(cell)).strip().startswith("9999"):
        moment = written(half_width(original_text(cell)).strip())
        if moment is not None and moment.year == YEAR_WITHOUT_END:
            return None
    return read_date(cell)


def read_moment(cell: Cell) -> datetime | Rule | None:
    """A moment at +08:00; a day without time is its first moment."""
    return None if is_blank(cell) else (moment_of(cell, original_text(cell)) or TIME)
