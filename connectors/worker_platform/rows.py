"""Rows of the platform's queries: one page of them, whose they are, and their values in comparable form."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.worker_platform.answers import Answer
from connectors.worker_platform.cipher import decrypt
from connectors.worker_platform.dialect import Paging, whole_number
from gateway.domain.names import folded_name

Row = Mapping[str, object]

_NUMBERS = frozenset(
    {
        *("certificationCategoriesType", "credentialLevelType", "certificationStatus", "jobType"),
        *("teamSysNo", "workType", "workRole", "isPass"),
    }
)
"""compared as numbers: the platform shows 2 and 02"""
_NAMES = frozenset({"name", "workerName"})
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
    """The page in an answer; None where it holds no list of rows."""
    listed = answer.at("data.rows")
    if not isinstance(listed, list) or not all(isinstance(row, dict) for row in listed):
        return None
    index, total = (_whole(answer.at(f"data.{name}")) for name in ("pageIndex", "totalCount"))
    size = _whole(answer.at("data.pageSize")) or paging.max_size
    if total is None:
        last = len(listed) < size
    else:
        before = (index - paging.first_index) * size if index is not None else 0
        last = before + len(listed) >= total
    return Page(rows=tuple(listed), index=index, total=total, last=last, short=not last and len(listed) < size)


def number_of(text: object, secret: str) -> str | None:
    """An identity number of a row, decrypted; None where it was not encrypted with this secret."""
    clear = decrypt(text, secret) if isinstance(text, str) else None
    return None if clear is None else plain(clear)


def key_of(*parts: object) -> str:
    """A match key: a digest, so that no number of a person stands in it."""
    return hashlib.sha256("|".join(map(plain, parts)).encode()).hexdigest()


def plain(value: object) -> str:
    """Text without blanks, full-width forms and case."""
    return "" if value is None else "".join(unicodedata.normalize("NFKC", str(value)).upper().split())


def normalised(name: str, value: object) -> str:
    """A field's value in comparable form: numbers without zeros, days without a time of day, dots all alike."""
    if name in _NUMBERS:
        return whole_number(_as_number(value)) or plain(value)
    if name in _DECIMALS:
        return _decimal(value)
    if name.endswith("Date"):
        return "" if value is None else str(value).strip()[:10]
    return folded_name(str(value or "")) if name in _NAMES else plain(value)


def _whole(value: object) -> int | None:
    text = whole_number(value)
    return None if text is None else int(text)


def _as_number(value: object) -> object:
    """Some platforms show 0 and 1 as false and true."""
    return int(value) if isinstance(value, bool) else value


def _decimal(value: object) -> str:
    try:
        return "" if value is None else f"{float(str(value)):g}"
    except ValueError:
        return plain(value)
