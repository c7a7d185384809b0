"""Records by version: what is already known of a person or certificate, and the insertion of new versions."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, and_, func, insert, select

from gateway.contract.messages import Payload
from gateway.domain.changes import Difference
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
    project_of,
)
from gateway.domain.status import is_void
from gateway.locale import tr
from gateway.store.attachments import with_bytes, without_bytes
from gateway.store.batch_sql import adding, next_ids
from gateway.store.metadata import CHUNK, chunks
from gateway.store.tables import record, record_change, record_project, search_index
from gateway.store.vault import Vault


def keep(connection: Connection, vault: Vault, added: Iterable[tuple[int, Record]]) -> None:
    """Note which of the new records name a project."""
    rows = [
        {"record_id": record_id, "project": vault.mark("project", project.encode())}
        for record_id, one in added
        for project in (project_of(one.content),)
        if project is not None
    ]
    for part in chunks(rows):
        connection.execute(insert(record_project), list(part))


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
        raise StoreError(
            tr(
                "the content of {kind} {key} version {version} is not readable",
                kind=kind,
                key=row["key"],
                version=row["version"],
            )
        ) from None
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


def seal_payload(payload: Payload, record: Record, vault: Vault) -> bytes:
    """The sealed form of a payload's fields."""
    return vault.seal(plain_payload(payload, record), payload_place(payload.key))


def plain_payload(payload: Payload, record: Record) -> bytes:
    """A payload's fields as they are kept; the bytes of scans stand in it by their digests."""
    with_scans = isinstance(record.content, Certificate) and record.content.files
    fields = without_bytes(payload.fields, record) if with_scans else payload.fields
    return orjson.dumps(fields, default=dict)


def to_payload(sealed: bytes, record: Record, business_key: str, vault: Vault, *, replaces: bool) -> Payload:
    """The payload kept for a delivery."""
    return Payload(
        key=business_key,
        kind=record.kind,
        record_key=record.key,
        version=record.version,
        fields=with_bytes(json.loads(vault.open(sealed, payload_place(business_key))), record),
        replaces=replaces,
    )


_ADD_RECORDS = adding(
    record,
    *("id", "kind", "key", "version", "person_key", "fingerprint", "content", "void"),
    *("effective_from", "change", "change_reason", "created_at", "batch_id"),
)
_ADD_ENTRIES = adding(search_index, "digest", "kind", "key", "what", "since")


@dataclass(frozen=True, kw_only=True)
class Known:
    """The newest version we hold under a key."""

    key: str
    person_key: str
    version: int
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class IndexEntry:
    """One way by which a record is found: ``what`` (identity, certificate, name …) and the plain value."""

    kind: RecordKind
    key: str
    what: str
    value: str


def find(connection: Connection, vault: Vault, what: str, values: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
    """(kind, key) of the records found by each value; values without a match are left out."""
    by_digest = {digest: value for value in values for digest in vault.indexes(what, value)}
    found: dict[str, list[tuple[str, str]]] = {}
    for part in chunks(by_digest):
        rows = connection.execute(
            select(search_index.c.digest, search_index.c.kind, search_index.c.key).where(
                search_index.c.digest.in_(part)
            )
        )
        for row in rows:
            match = row.kind, row.key
            matches = found.setdefault(by_digest[row.digest], [])
            if match not in matches:
                matches.append(match)
    return found


def keys_of(connection: Connection, kind: RecordKind, person_keys: Collection[str]) -> set[str]:
    """Keys of all records of a kind that belong to these persons."""
    found: set[str] = set()
    for part in chunks(person_keys):
        wanted = select(record.c.key).where(record.c.person_key.in_(part), record.c.kind == kind)
        found.update(connection.execute(wanted.distinct()).scalars())
    return found


def newest(connection: Connection, kind: RecordKind, keys: Collection[str]) -> dict[str, Known]:
    """The newest version of each key that exists."""
    found: dict[str, Known] = {}
    for part in chunks(keys):
        last = (
            select(record.c.key, func.max(record.c.version).label("version"))
            .where(record.c.kind == kind, record.c.key.in_(part))
            .group_by(record.c.key)
            .subquery()
        )
        rows = connection.execute(
            select(record.c.key, record.c.person_key, record.c.version, record.c.fingerprint)
            .join(last, and_(record.c.key == last.c.key, record.c.version == last.c.version))
            .where(record.c.kind == kind)
        )
        found |= {row.key: Known(**row._mapping) for row in rows}
    return found


def newest_records(connection: Connection, vault: Vault, kind: RecordKind, keys: Collection[str]) -> Iterator[Record]:
    """The newest version of each key, opened."""
    for part in chunks(keys):
        later = record.alias("later")
        rows = connection.execute(
            select(record).where(
                record.c.kind == kind,
                record.c.key.in_(part),
                ~select(later.c.id)
                .where(later.c.kind == record.c.kind, later.c.key == record.c.key, later.c.version > record.c.version)
                .exists(),
            )
        ).mappings()
        for row in rows:
            yield to_record(dict(row), vault)


def last_id(connection: Connection) -> int:
    """The row id of the record that was added last; 0 where there is none."""
    return int(connection.execute(select(func.max(record.c.id))).scalar() or 0)


def add(
    connection: Connection,
    vault: Vault,
    records: Sequence[Record],
    *,
    batch_id: int | None,
    now: datetime,
    fingerprints: Mapping[tuple[str, str, int], str] = MappingProxyType({}),
) -> list[tuple[int, Record]]:
    """Insert new versions; gives their row ids, in order.

    fingerprints: those that are known already, by kind, key and version
    """
    added: list[tuple[int, Record]] = []
    for part in chunks(records):
        ids = list(next_ids(connection, {"record": len(part)})["record"])
        rows = [
            {
                "id": record_id,
                "kind": r.kind,
                "key": r.key,
                "version": r.version,
                "person_key": r.person_key,
                "fingerprint": fingerprints.get((r.kind, r.key, r.version)) or r.fingerprint,
                "content": seal_content(r, vault),
                "void": is_void(r.content),
                "effective_from": r.effective_from,
                "change": r.change,
                "change_reason": r.change_reason,
                "created_at": now,
                "batch_id": batch_id,
            }
            for record_id, r in zip(ids, part, strict=True)
        ]
        _ADD_RECORDS(connection, rows)
        added += zip(ids, part, strict=True)
    keep(connection, vault, added)
    return added


def add_changes(
    connection: Connection,
    vault: Vault,
    added: Iterable[tuple[int, Record]],
    changes: Mapping[tuple[str, str, int], Mapping[str, Difference]],
) -> None:
    """Keep what differs from the version before: names of fields in clear, old and new values sealed to the version."""
    rows: list[Mapping[str, object]] = []
    for record_id, one in added:
        fields = changes.get((one.kind, one.key, one.version))
        if fields is not None:
            plain = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
            place = changes_place(one.kind, one.key, one.version)
            rows.append({"record_id": record_id, "fields": list(fields), "differences": vault.seal(plain, place)})
    for part in chunks(rows):
        connection.execute(insert(record_change), part)


def changed_fields(connection: Connection, record_id: int) -> list[str] | None:
    """Names of the fields in which a version differs from the one before; None where there was none before."""
    fields: list[str] | None = connection.execute(
        select(record_change.c.fields).where(record_change.c.record_id == record_id)
    ).scalar()
    return fields


def changes_place(kind: str, key: str, version: int) -> str:
    """Where the differences of a version are sealed to."""
    return f"record_change.differences:{kind}/{key}/{version}"


def index(connection: Connection, vault: Vault, entries: Iterable[IndexEntry], now: datetime) -> None:
    """Make records findable; what is already indexed stays as it is (older names remain aliases)."""
    rows = {
        (digest, entry.kind, entry.key): entry.what
        for entry in entries
        for digest in vault.indexes(entry.what, entry.value)
    }
    known: set[tuple[str, str, str]] = set()
    for part in chunks({digest for digest, _, _ in rows}):
        known |= {
            (row.digest, row.kind, row.key)
            for row in connection.execute(
                select(search_index.c.digest, search_index.c.kind, search_index.c.key).where(
                    search_index.c.digest.in_(part)
                )
            )
        }
    fresh: list[Mapping[str, object]] = [
        {"digest": digest, "kind": kind, "key": key, "what": what, "since": now}
        for (digest, kind, key), what in rows.items()
        if (digest, kind, key) not in known
    ]
    for rows_part in chunks(fresh, 4 * CHUNK):
        _ADD_ENTRIES(connection, rows_part)
