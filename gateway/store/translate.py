"""Row <-> value, both ways, and nothing else. Contents and payloads are JSON inside sealed columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from gateway.contract.messages import Payload
from gateway.domain.errors import StoreError
from gateway.domain.records import (
    Certificate,
    ChangeNature,
    Content,
    Record,
    RecordKind,
    StatusChange,
    Withdrawal,
    Worker,
)
from gateway.store.vault import Vault

_CONTENT: dict[RecordKind, type[Content]] = {
    RecordKind.PERSON: Worker,
    RecordKind.CERTIFICATE: Certificate,
    RecordKind.STATUS_CHANGE: StatusChange,
    RecordKind.WITHDRAWAL: Withdrawal,
}


@cache
def _adapter(kind: RecordKind) -> TypeAdapter[Any]:
    return TypeAdapter(_CONTENT[kind])


def record_place(kind: str, key: str, version: int) -> str:
    """Where a record's content is sealed to."""
    return f"record.content:{kind}/{key}/{version}"


def payload_place(business_key: str) -> str:
    """Where a payload is sealed to."""
    return f"payload.content:{business_key}"


def seal_content(record: Record, vault: Vault) -> bytes:
    """The sealed form of a record's content."""
    plain = _adapter(record.kind).dump_json(record.content)
    return vault.seal(plain, record_place(record.kind, record.key, record.version))


def to_record(row: Mapping[str, Any], vault: Vault) -> Record:
    """The record of a row of table ``record``."""
    kind = RecordKind(row["kind"])
    plain = vault.open(row["content"], record_place(kind, row["key"], row["version"]))
    try:
        content = _adapter(kind).validate_json(plain)
    except ValidationError:
        raise StoreError(f"the content of {kind} {row['key']} version {row['version']} is not readable") from None
    return Record(
        kind=kind,
        key=row["key"],
        version=row["version"],
        person_key=row["person_key"],
        content=content,
        effective_from=row["effective_from"],
        change=ChangeNature(row["change"]),
        change_reason=row["change_reason"],
    )


def seal_payload(payload: Payload, vault: Vault) -> bytes:
    """The sealed form of a payload's fields."""
    return vault.seal(orjson.dumps(payload.fields, default=dict), payload_place(payload.key))


def to_payload(sealed: bytes, record: Record, business_key: str, vault: Vault, *, replaces: bool) -> Payload:
    """The payload kept for a delivery."""
    return Payload(
        key=business_key,
        kind=record.kind,
        record_key=record.key,
        version=record.version,
        fields=json.loads(vault.open(sealed, payload_place(business_key))),
        replaces=replaces,
    )
