"""How the values of XML Schema's simple types are written, as zeep writes them."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

Text = Callable[[Any], str]
_SPECIAL = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]").search
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]").search
"""no character of XML 1.0 (section 2.2), whatever the escaping"""
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})


class NotCompiledError(Exception):
    """The type has a part that is left to zeep; the text names the part."""


class NotPlainError(Exception):
    """The values do not fit plainly; whether they fit at all is for zeep to say."""


def text_of(type_: Any) -> Text:
    """How a simple type's values are written. Derived types follow their base, as in zeep."""
    from zeep.xsd.types import builtins

    for base, text in (
        (builtins.String, _string),
        (builtins.AnyURI, _string),
        (builtins.Boolean, boolean),
        (builtins.Integer, _integer),
        (builtins.Decimal, _decimal),
        (builtins.DateTime, _moment),
        (builtins.Date, _day),
        (builtins.Base64Binary, _binary),
    ):
        if isinstance(type_, base):
            return text
    raise NotCompiledError(f"the simple type {type(type_).__name__}")


def _string(value: Any) -> str:
    if type(value) is not str:
        raise NotPlainError
    return value if value.isalnum() or _SPECIAL(value) is None else escaped(value)


def escaped(text: str) -> str:
    """Text as it may stand between tags or in an attribute; NotPlainError where no escaping helps."""
    if _FORBIDDEN(text):
        raise NotPlainError
    return text.translate(_ESCAPES)


def boolean(value: Any) -> str:
    """A truth value; the one type whose texts do not stand for themselves."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    raise NotPlainError


def _integer(value: Any) -> str:
    return str(value) if type(value) is int else _string(value)


def _decimal(value: Any) -> str:
    if type(value) is Decimal:
        return f"{value:f}"
    return str(value) if type(value) in (int, float) else _string(value)


def _moment(value: Any) -> str:
    return value.isoformat().replace("+00:00", "Z") if type(value) is datetime else _string(value)


def _day(value: Any) -> str:
    # before the year 1000 the platform's C library decides how zeep's date looks
    return value.isoformat() if type(value) is date and value.year >= 1000 else _string(value)


def _binary(value: Any) -> str:
    return base64.b64encode(value).decode() if type(value) is bytes else _string(value)
