"""Scanned files of certificates, contracts and objections: each held once by its digest, sealed, for whoever names it.

A record names its scans by digest; their bytes are put beside it where it is sent (``with_contents``). Retention clears
bytes only: the digest goes on to say which file it was.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, RowMapping, insert, select, update

from gateway.domain.records import Certificate, Record
from gateway.store.metadata import chunks
from gateway.store.tables import attachment
from gateway.store.vault import Vault

T = TypeVar("T")


def attachment_place(digest: str) -> str:
    """Where a file's bytes are sealed to."""
    return f"attachment.content:{digest}"


def keep_attachment(
    connection: Connection,
    vault: Vault,
    *,
    digest: str,
    media_type: str,
    size: int,
    read: Callable[[], bytes],
    now: datetime,
) -> int:
    """The row of a file, kept anew, or only its bytes where these are gone; ``read`` is called where they are needed.

    digest: SHA-256 (hex) of the bytes
    """
    held = connection.execute(
        select(attachment.c.id, attachment.c.content.is_(None).label("gone")).where(attachment.c.digest == digest)
    ).first()
    if held is not None and not held.gone:
        return int(held.id)
    content = vault.seal(read(), attachment_place(digest))
    if held is not None:
        connection.execute(update(attachment).where(attachment.c.id == held.id).values(content=content))
        return int(held.id)
    values = {"digest": digest, "media_type": media_type, "size": size, "content": content, "created_at": now}
    return int(connection.execute(insert(attachment).values(values).returning(attachment.c.id)).scalar_one())


def open_attachment(row: RowMapping, vault: Vault) -> bytes | None:
    """The bytes of a row of table ``attachment``; None where they were cleared."""
    return None if row["content"] is None else vault.open(row["content"], attachment_place(row["digest"]))


def contents(connection: Connection, vault: Vault, digests: Iterable[str]) -> dict[str, str]:
    """Digest -> bytes in Base64 of the files that are still there."""
    found: dict[str, str] = {}
    for part in chunks(dict.fromkeys(digests)):
        wanted = select(attachment).where(attachment.c.digest.in_(part), attachment.c.content.is_not(None))
        for row in connection.execute(wanted).mappings():
            opened = open_attachment(row, vault)
            found[row["digest"]] = base64.b64encode(opened or b"").decode()
    return found


def named_digests(records: Iterable[Record]) -> set[str]:
    """Digests of the scans that certificates name without bytes and without an address."""
    certificates = (one.content for one in records if isinstance(one.content, Certificate))
    return {
        scan.sha256
        for certificate in certificates
        for scan in certificate.files or ()
        if scan.content is None and scan.url is None
    }


def with_contents(record: Record, held: Mapping[str, str]) -> Record:
    """A certificate's record with the bytes of its scans, to be sent; those that are gone stay without."""
    content = record.content
    if not isinstance(content, Certificate) or not content.files:
        return record
    files = tuple(
        replace(scan, content=held[scan.sha256]) if scan.content is None and scan.sha256 in held else scan
        for scan in content.files
    )
    return replace(record, content=replace(content, files=files))


_MARK = "@attachment:"
"""stands in a stored payload for the bytes of a scan, which are kept once only; no Base64 text begins with it"""


def without_bytes(fields: Any, record: Record) -> Any:
    """Fields of a payload as they are stored: the bytes of the record's scans by their digests."""
    return _replaced(fields, {scan.content: f"{_MARK}{scan.sha256}" for scan in _files(record) if scan.content})


def with_bytes(fields: Any, record: Record) -> Any:
    """Fields of a stored payload with the bytes of the record's scans; one that is gone is empty."""
    return _replaced(fields, {f"{_MARK}{scan.sha256}": scan.content or "" for scan in _files(record)})


def _files(record: Record) -> Sequence[Any]:
    return (record.content.files or ()) if isinstance(record.content, Certificate) else ()


def _replaced(value: Any, texts: Mapping[str, str]) -> Any:
    if not texts:
        return value
    if isinstance(value, str):
        return texts.get(value, value)
    if isinstance(value, Mapping):
        return {name: _replaced(one, texts) for name, one in value.items()}
    return [_replaced(one, texts) for one in value] if isinstance(value, (list, tuple)) else value
