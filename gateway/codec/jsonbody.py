"""JSON bodies: one canonical form out (RFC 8785), strict reading in, and typed access to what was read.

Reading refuses what two parties could understand differently: duplicate names, NaN and infinities, another charset
than UTF-8, half surrogates, numbers beyond every range; and what is larger or deeper than agreed, before it is parsed.
Errors name the rule, never the content.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from email.message import Message
from typing import NoReturn

import rfc8785

from gateway.contract.messages import JSON

Row = Mapping[str, JSON]


class JsonError(ValueError):
    """A body is not the strict JSON that was asked for, or a value has no canonical form."""


def canonical(value: JSON) -> bytes:
    """RFC 8785 form: sorted names, shortest numbers, UTF-8; JsonError where there is none (integer beyond 2**53)."""
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeError, RecursionError) as error:
        raise JsonError(f"no canonical form: {type(error).__name__}") from None


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """What is parsed at all, because parsing holds up everything else in the process (about 50 ms at these bounds).

    size:  bytes of a body
    items: commas in it, about the number of values
    depth: how deep objects and lists may lie in one another
    """

    size: int = 4 * 1024 * 1024
    items: int = 200_000
    depth: int = 64


BOUNDS = Bounds()


def read(body: bytes, content_type: str = "", *, bounds: Bounds = BOUNDS, in_parts: bool = False) -> JSON:
    """Read a body strictly; JsonError names the broken rule.

    in_parts: the caller judges each part of the body by ``is_readable``, so that one bad text or number spoils its own
              part alone: half surrogates stay, and numbers beyond every range become infinities
    """
    header = Message()
    header["content-type"] = content_type or "application/json"
    charset = str(header.get_param("charset", "utf-8")).lower()
    if charset not in ("utf-8", "utf8"):
        raise JsonError("charset is not utf-8")
    check_bounds(body, bounds)
    try:
        value: JSON = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_integer if _LONG_NUMBER.search(body) else None,
        )
    except JsonError:
        raise
    except UnicodeError:
        raise JsonError("not valid UTF-8") from None
    except (ValueError, RecursionError):
        raise JsonError("not well-formed JSON") from None
    if not in_parts and _may_be_unreadable(body) and not is_readable(value):
        raise JsonError("not valid UTF-8 (a half surrogate), or a number beyond every range")
    return value


def check_bounds(body: bytes, bounds: Bounds = BOUNDS) -> None:
    """JsonError where a body is not to be parsed at all, because it is too large or too deep."""
    if len(body) > bounds.size:
        raise JsonError(f"larger than {bounds.size} bytes")
    if body.count(b",") > bounds.items or body.count(b'"') > 4 * bounds.items:
        raise JsonError(f"more than {bounds.items} values")
    if _deeper(body, bounds.depth):
        raise JsonError(f"nested deeper than {bounds.depth} levels, or not well-formed JSON")


def is_readable(value: JSON) -> bool:
    """Whether every text of a value can be encoded and every number is finite."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError):
        return False
    return True


def read_object(body: bytes, content_type: str = "") -> Row:
    """Read a body that must be an object."""
    value = read(body, content_type)
    if not isinstance(value, Mapping):
        raise JsonError("not a JSON object")
    return value


def without_nulls(value: JSON) -> JSON:
    """The value with every null member left out, for protocols in which absent and null mean the same."""
    if isinstance(value, Mapping):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [without_nulls(inner) for inner in value]
    return value


def text(row: Row, name: str) -> str | None:
    """The member where it is a string."""
    value = row.get(name)
    return value if isinstance(value, str) else None


def whole(row: Row, name: str) -> int | None:
    """The member where it is a whole number, ``1.0`` included (true and false are not)."""
    value = row.get(name)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def part(row: Row, name: str) -> Row:
    """The member where it is an object, else an empty one."""
    value = row.get(name)
    return value if isinstance(value, Mapping) else {}


def rows(row: Row, name: str) -> tuple[Row, ...] | None:
    """The member where it is a list of objects."""
    value = row.get(name)
    if not isinstance(value, list | tuple) or not all(isinstance(v, Mapping) for v in value):
        return None
    return tuple(v for v in value if isinstance(v, Mapping))


def day(row: Row, name: str) -> date | None:
    """The member where it is a date in the form ``YYYY-MM-DD``."""
    value = text(row, name) or ""
    try:
        return date.fromisoformat(value) if _DAY.fullmatch(value) else None
    except ValueError:
        return None


def moment(row: Row, name: str) -> datetime | None:
    """The member where it is a date-time of RFC 3339."""
    return rfc3339(text(row, name) or "")


def rfc3339(value: str) -> datetime | None:
    """A date-time of RFC 3339; its second 60, which ends a day of UTC, is read as the first of the next day.

    It may have no form in UTC or +08:00 (``in_calendar``).
    """
    if not _RFC3339.fullmatch(value):
        return None
    leap = value[17:19] == "60"
    try:
        read = datetime.fromisoformat(f"{value[:17]}59{value[19:]}" if leap else value)
        if not leap:
            return read
        after = read.replace(microsecond=0) + timedelta(seconds=1)
        return after if after.astimezone(UTC).time() == time() else None
    except (ValueError, OverflowError):
        return None


def _unique(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise JsonError("a name occurs twice in one object")
    return made


def _no_constant(_: str) -> NoReturn:
    raise JsonError("NaN and infinities are not JSON")


_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt](?!24)\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DIGITS = 400
"""a number with more of them is beyond the range of every number type there is"""
_LONG_NUMBER = re.compile(rb"[0-9]{%d}" % _DIGITS)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS else math.copysign(math.inf, -1 if digits[0] == "-" else 1)


_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_SQUARE = bytes.maketrans(b"{}", b"[]")


def _deeper(body: bytes, depth: int) -> bool:
    """Whether brackets outside of strings lie deeper in one another; without parsing, which would recurse.

    Each turn takes the innermost pairs away, so that as many turns as levels leave nothing.
    """
    outside = b"".join(body.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2])
    left = outside.translate(_SQUARE, _NO_BRACKETS)
    for _ in range(depth):
        inner = left.replace(b"[]", b"")
        if len(inner) == len(left):
            break
        left = inner
    return bool(left)


_DOUBTFUL = re.compile(rb"\\u[dD]|[0-9][eE]|[0-9]{300}")


def _may_be_unreadable(body: bytes) -> bool:
    """Whether it holds what could be a half surrogate or a number too large, so that not every body is walked again."""
    return _DOUBTFUL.search(body) is not None
