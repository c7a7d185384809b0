"""Rows of the platform's queries: one page of them, whose they are, and their values in comparable form."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation

from connectors.worker_platform.answers import Answer
from connectors.worker_platform.cipher import decrypt
from connectors.worker_platform.dialect import Paging, folded, whole_number

Row = Mapping[str, object]

_NUMBERS = frozenset(
    {
        *("certificationCategoriesType", "credentialLevelType", "certificationStatus", "jobType"),
        *("teamSysNo", "workType", "workRole", "isPass"),
    }
)
"""compared as numbers: the platform shows 2 and 02"""
_LONGEST_DECIMAL = 30
_DIGITS = re.compile(r"[0-9]+")
_NO_END = date.max.isoformat()
"""how the registry and some platforms write that something never ends"""
_DECIMALS = frozenset({"trainingDuration", "trainingScore"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One page of a query.

    index: its number, None where the answer does not say
    total: rows of all pages, None where the answer does not say
    last:  whether no page follows; without a total, a page that is not full is the last
    short: whether it has too few rows for what its total says
    """

    rows: tuple[Row, ...] = field(repr=False)
    index: int | None
    total: int | None
    last: bool
    short: bool

    @property
    def next(self) -> str | None:
        """The number of the page that follows, where it is known."""
        return None if self.last or self.index is None else str(self.index + 1)


def read_page(answer: Answer, paging: Paging) -> Page | None:
    """The page in an answer; None where it holds no list of rows, or says how many there are in no readable way."""
    listed = answer.at("data.rows")
    if not isinstance(listed, list) or not all(isinstance(row, dict) for row in listed):
        return None
    index, total = (_count(answer.at(f"data.{name}")) for name in ("pageIndex", "totalCount"))
    if total is None and answer.at("data.totalCount") is not None:
        return None
    size = _count(answer.at("data.pageSize")) or paging.max_size
    if total is None:
        last = len(listed) < size
    else:
        before = (index - paging.first_index) * size if index is not None else 0
        last = before + len(listed) >= total
    return Page(rows=tuple(listed), index=index, total=total, last=last, short=not last and len(listed) < size)


def number_of(text: object, secret: str) -> str | None:
    """An identity number of a row, decrypted; None where it was not encrypted with this secret."""
    clear = decrypt(text, secret) if isinstance(text, str) else None
    return None if clear is None else folded(clear)


def key_of(*parts: object) -> str:
    """A match key: a digest, so that no number of a person stands in it."""
    return hashlib.sha256("|".join(map(folded, parts)).encode("utf-8", "surrogatepass")).hexdigest()


def normalised(name: str, value: object) -> str:
    """A field's value in comparable form: numbers without zeros, days without a time of day, texts folded. Total."""
    if name in _NUMBERS:
        return _number(value)
    if name in _DECIMALS:
        return _decimal(value)
    if name.endswith("Date"):
        day = value.strip()[:10] if isinstance(value, str) else folded(value)
        return "" if day == _NO_END else day
    return folded(value)


def _count(value: object) -> int | None:
    """A number of rows or pages; None where it is none."""
    text = whole_number(value)
    return None if text is None or text.startswith("-") else int(text)


def _number(value: object) -> str:
    """Digits without leading zeros, however many; some platforms show 0 and 1 as false and true."""
    text = folded(int(value) if isinstance(value, bool) else value)
    return text.lstrip("0") or "0" if _DIGITS.fullmatch(text) else text


def _decimal(value: object) -> str:
    text = folded(value)
    try:
        number = Decimal(text.replace("·", "."))
    except InvalidOperation:
        return text
    if not number.is_finite() or abs(number.adjusted()) >= _LONGEST_DECIMAL:
        return text
    return f"{(number + 0).normalize():f}"
