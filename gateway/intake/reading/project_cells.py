"""Cells about the project a person works on: photo, political affiliation, hours and score. One cell to one value.

Everything here is optional; what cannot be read is left out with a warning.
"""

from __future__ import annotations

import base64
import re

from gateway.codec.codes import table
from gateway.domain.identifiers import half_width
from gateway.intake.reading import values as v
from gateway.intake.reading import words
from gateway.intake.reading.cells import Cell
from gateway.intake.reading.rules import NUMBER, PHOTO, Rule

LONGEST_PHOTO = 50_000
"""characters; platforms take photos of at most 50 KB, and some may count the text"""
_PICTURE = re.compile(r"(?:data:image/(?:jpeg|jpg|png);base64,)?(?P<text>[A-Za-z0-9+/]+={0,2})")
_FORMS = {b"\xff\xd8\xff": "jpeg", b"\x89PNG": "png"}
_DECIMAL = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,2})?")
_HIGHEST_SCORE = 100


def read_photo(cell: Cell) -> v.Value | Rule | None:
    """A JPEG or PNG as Base64, with or without ``data:`` in front; the form is taken from the picture itself."""
    if v.is_blank(cell):
        return None
    found = _PICTURE.fullmatch("".join(v.original_text(cell).split()))
    if found is None:
        return PHOTO
    try:
        picture = base64.b64decode(found["text"], validate=True)
    except ValueError:
        return PHOTO
    form = next((name for start, name in _FORMS.items() if picture.startswith(start)), None)
    photo = f"data:image/{form};base64,{found['text']}"
    return photo if form and len(photo) < LONGEST_PHOTO else PHOTO


def read_hours(cell: Cell) -> v.Value | Rule | None:
    """Hours of training above zero, as canonical text."""
    number = _number(cell)
    return NUMBER if number == "0" else number


def read_score(cell: Cell) -> v.Value | Rule | None:
    """A score from 0 to 100 with at most one decimal place, as canonical text."""
    number = _number(cell)
    if not isinstance(number, str):
        return number
    whole, _, rest = number.partition(".")
    return number if len(rest) <= 1 and float(number) <= _HIGHEST_SCORE and whole else NUMBER


def politics_of(text: str) -> str | None:
    """GB/T 4762 code by code, name or short name."""
    word, codes = words.plain(text), table("politics_gbt4762")
    if word.isdigit():
        return word.zfill(2) if word.zfill(2) in codes else None
    return codes.code_of(word) or codes.code_of(word, "short_zh")


def trade_of(text: str) -> str | None:
    """The worker platform's trade code."""
    found = words.trade_of(text)
    return None if found is None else found[0]


def _number(cell: Cell) -> str | Rule | None:
    if v.is_blank(cell):
        return None
    text = half_width(v.original_text(cell)).strip()
    if isinstance(cell, bool) or not _DECIMAL.fullmatch(text):
        return NUMBER
    whole, _, rest = text.partition(".")
    rest = rest.rstrip("0")
    return f"{int(whole)}.{rest}" if rest else str(int(whole))
