"""JSON bodies: one canonical form out (RFC 8785), strict reading in, and typed access to what was read.

Reading refuses what two parties could understand differently: duplicate names, NaN and infinities, another charset
than UTF-8, half surrogates. Errors name the rule, never the content.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
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


def read(body: bytes, content_type: str = "") -> JSON:
    """Read a body strictly; JsonError names the broken rule."""
    header = Message()
    header["content-type"] = content_type or "application/json"
    charset = str(header.get_param("charset", "utf-8")).lower()
    if charset not in ("utf-8", "utf8"):
        raise JsonError("charset is not utf-8")
    try:
        text = body.decode("utf-8")
        value: JSON = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        if "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except JsonError:
        raise
    except UnicodeError:
        raise JsonError("not valid UTF-8") from None
    except (ValueError, RecursionError):
        raise JsonError("not well-formed JSON") from None
    return value


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
    """The member where it is a whole number (true and false are not)."""
    value = row.get(name)
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
        return date.fromisoformat(value) if len(value) == 10 else None
    except ValueError:
        return None


def moment(row: Row, name: str) -> datetime | None:
    """The member where it is a date-time with an offset (RFC 3339)."""
    try:
        value = datetime.fromisoformat(text(row, name) or "")
    except ValueError:
        return None
    return value if value.tzinfo else None


def _unique(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise JsonError("a name occurs twice in one object")
    return made


def _no_constant(_: str) -> NoReturn:
    raise JsonError("NaN and infinities are not JSON")
