"""Certificates as the platform shows them: rows of a query, decrypted, tied to ours by number, compared by field."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from connectors.worker_platform.answers import Answer
from connectors.worker_platform.cipher import decrypt
from connectors.worker_platform.dialect import Dialect, whole_number
from gateway.contract.messages import Holding, Payload
from gateway.domain.records import RecordKind

_DOTS = str.maketrans(dict.fromkeys("•・‧∙．.", "·"))
"""middle dots in names of minorities are typed in many ways"""
_NUMBERS = frozenset({"certificationCategoriesType", "credentialLevelType", "certificationStatus", "jobType"})
"""compared as numbers: the platform shows 2 and 02"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """What a query said about one certificate.

    ours:     the rows under our identity number and certificate number, by our field names
    complete: whether the absence of a row proves anything (all rows were shown, all belong to the person asked for)
    """

    ours: tuple[Mapping[str, object], ...]
    complete: bool


def find(answer: Answer, payload: Payload, dialect: Dialect, secret: str) -> Rows | None:
    """Look for the payload's certificate among the rows; None where the answer holds no list of rows.

    The identity number is decrypted and compared, because the platform might ignore a filter.
    """
    listed = answer.at("data.rows")
    if not isinstance(listed, list) or not all(isinstance(row, dict) for row in listed):
        return None
    wire = dialect.credential.wire
    mine = [row for row in listed if _same_person(row.get(wire("idCardNumber")), payload, secret)]
    number = plain(payload.fields.get("certificationCode"))
    ours = [row for row in mine if plain(row.get(wire("certificationCode"))) == number]
    total = whole_number(answer.at("data.totalCount"))
    return Rows(
        ours=tuple({name: row[wire(name)] for name in _readable(dialect) if wire(name) in row} for row in ours),
        complete=len(mine) == len(listed) and (total is None or int(total) <= len(listed)),
    )


def differences(payload: Payload, row: Mapping[str, object], dialect: Dialect) -> tuple[str, ...]:
    """Names of the fields that the row shows and that are not ours. A field the row does not show is not compared."""
    return tuple(
        name
        for name in dialect.credential.compare
        if name in row and normalised(name, payload.fields.get(name)) != normalised(name, row[name])
    )


def expected(payload: Payload, dialect: Dialect) -> Holding:
    """What the platform should show once the payload is accepted."""
    return _holding({name: payload.fields.get(name) for name in dialect.credential.compare}, payload, dialect)


def held(payload: Payload, row: Mapping[str, object], dialect: Dialect) -> Holding:
    """What the platform shows. A field missing in its rows counts as ours: it cannot be compared."""
    return _holding(
        {name: row.get(name, payload.fields.get(name)) for name in dialect.credential.compare}, payload, dialect
    )


def plain(value: object) -> str:
    """Text without blanks, full-width forms and case."""
    return "" if value is None else "".join(unicodedata.normalize("NFKC", str(value)).upper().split())


def normalised(name: str, value: object) -> str:
    """A field's value in comparable form: numbers without zeros, days without a time of day, dots all alike."""
    if name in _NUMBERS:
        return whole_number(value) or plain(value)
    if name.endswith("Date"):
        return "" if value is None else str(value).strip()[:10]
    return plain(value).translate(_DOTS) if name == "name" else plain(value)


def _holding(fields: Mapping[str, object], payload: Payload, dialect: Dialect) -> Holding:
    return Holding(
        kind=RecordKind.CERTIFICATE,
        key=payload.record_key,
        fields={name: normalised(name, value) for name, value in fields.items()},
    )


def _same_person(text: object, payload: Payload, secret: str) -> bool:
    clear = decrypt(text, secret) if isinstance(text, str) else None
    return clear is not None and plain(clear) == plain(payload.fields.get("idCardNumber"))


def _readable(dialect: Dialect) -> tuple[str, ...]:
    return tuple(name for name in dialect.credential.compare if dialect.credential.wire(name))
