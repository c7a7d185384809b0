"""Sentences for people in English and Chinese: gettext catalogues keyed by the English sentence.

A ``Text`` is the English sentence, so whatever is compared, logged or written as JSON stays neutral. It remembers what
it was made of; who shows it to a person asks ``shown`` for it in that person's language. ``make texts`` brings the
catalogue up to date with the code.
"""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from enum import Enum
from functools import cache
from importlib.resources import files

DOMAIN = "gateway"
_CHINA = timezone(timedelta(hours=8))


class Text(str):
    """An English sentence that can be said in Chinese. ``msgid`` may hold names in braces, as ``format`` does."""

    __slots__ = ("msgid", "values")
    msgid: str
    values: Mapping[str, object]

    def __new__(cls, msgid: str, values: Mapping[str, object] | None = None) -> Text:
        given = dict(values or {})
        made = super().__new__(cls, msgid.format(**_spoken(given, chinese=False)) if given else msgid)
        made.msgid, made.values = msgid, given
        return made

    def __str__(self) -> str:
        return self

    def __reduce__(self) -> tuple[type[Text], tuple[str, Mapping[str, object]]]:
        return Text, (self.msgid, self.values)


def tr(msgid: str, /, **values: object) -> Text:
    """A sentence of the catalogue. Values may be texts themselves; moments are told in +08:00."""
    return Text(msgid, values)


def shown(text: str, *, chinese: bool) -> str:
    """A text as a person reads it; what the catalogue does not have (a platform's, a file's words) stays as it is."""
    if not chinese:
        return str.__str__(text)
    if isinstance(text, Text):
        sentence = _catalogue().gettext(text.msgid) if text.msgid else ""
        return sentence.format(**_spoken(text.values, chinese=True)) if text.values else sentence
    return _catalogue().gettext(text) if text else ""


def in_chinese(language: str | None, environment: Mapping[str, str]) -> bool:
    """Whether people are addressed in Chinese: by the setting, or by the locale where none is given."""
    for name in (language, environment.get("LC_ALL"), environment.get("LC_MESSAGES"), environment.get("LANG")):
        if name:
            return name.lower().startswith("zh")
    return False


def moment(value: datetime) -> str:
    """A moment as people read it: ``2026-12-01 09:30``, at +08:00."""
    return f"{value.astimezone(_CHINA):%Y-%m-%d %H:%M}"


def _spoken(values: Mapping[str, object], *, chinese: bool) -> dict[str, object]:
    return {name: _say(value, chinese=chinese) for name, value in values.items()}


def _say(value: object, *, chinese: bool) -> object:
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, Text):
        return shown(value, chinese=chinese)
    if isinstance(value, (list, tuple)):
        return ("、" if chinese else ", ").join(str(_say(one, chinese=chinese)) for one in value)
    return value.value if isinstance(value, Enum) else value


@cache
def _catalogue() -> gettext.NullTranslations:
    place = files(__name__) / "zh" / "LC_MESSAGES" / f"{DOMAIN}.mo"
    if not place.is_file():
        return gettext.NullTranslations()
    with place.open("rb") as file:
        return gettext.GNUTranslations(file)
