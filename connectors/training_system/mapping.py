"""What a mapping can write from: every field of a record by its dotted path, as text in the codes of the core.

A new field of the records is a source at once; nothing has to be added here.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from functools import cache

from gateway.domain.china import CHINA
from gateway.domain.records import Attachment, Certificate, RecordKind, StatusChange, Submission, Worker

KINDS: Mapping[RecordKind, type] = {
    RecordKind.PERSON: Worker,
    RecordKind.CERTIFICATE: Certificate,
    RecordKind.STATUS_CHANGE: StatusChange,
}
"""kinds that a mapping can describe, and what their records hold"""
OF_RECORD = ("record", "version", "change", "change_reason", "effective_from")
"""sources that every record has: our number of it and its version; new or changed; why; since when"""
OF_MESSAGE = ("message", "sent_on", "row")
"""sources known when it is handed over: number of the hand-over, its day, and the row's place from 1"""


def values_of(submission: Submission) -> dict[str, str]:
    """The sources of a record that are not blank: days as ISO dates, moments as ISO in +08:00, yes as true."""
    record = submission.record
    found = dict(_flat(record.content))
    found |= {
        "record": submission.key,
        "version": str(record.version),
        "change": "changed" if submission.replaces else "new",
        "effective_from": _text(record.effective_from),
    }
    if record.change_reason:
        found["change_reason"] = record.change_reason
    return found


@cache
def sources(kind: RecordKind) -> frozenset[str]:
    """Names of all sources of a kind."""
    return frozenset((*OF_RECORD, *OF_MESSAGE, *(path for path, _ in _paths(KINDS[kind]))))


@cache
def days(kind: RecordKind) -> frozenset[str]:
    """Sources that are days or moments, and can be written in a format of their own."""
    return frozenset(("sent_on", "effective_from", *(path for path, hint in _paths(KINDS[kind]) if date in hint)))


def _flat(value: object, above: str = "") -> Iterator[tuple[str, str]]:
    assert dataclasses.is_dataclass(value)
    for field in dataclasses.fields(value):
        inner, path = getattr(value, field.name), f"{above}{field.name}"
        if dataclasses.is_dataclass(inner):
            yield from _flat(inner, f"{path}.")
        elif isinstance(inner, tuple):
            if inner and not isinstance(inner[0], Attachment):
                yield path, ",".join(map(str, inner))
        elif inner is not None and inner != "":
            yield path, _text(inner)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(CHINA).replace(microsecond=0).isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else str(value)


def _paths(kind: type, above: str = "") -> Iterator[tuple[str, tuple[type, ...]]]:
    """Path and the classes on the way down to ``object`` of each field; attachments are no text and left out."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        hint, path = hints[field.name], f"{above}{field.name}"
        choices = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        inner = next((one for one in choices if one is not type(None)), str)
        if typing.get_origin(inner) is tuple:
            if typing.get_args(inner)[0] is not Attachment:
                yield path, ()
        elif dataclasses.is_dataclass(inner):
            assert isinstance(inner, type)
            yield from _paths(inner, f"{path}.")
        else:
            yield path, inner.__mro__
