"""Handing over instead of sending: files in folders that both sides reach, or rows in a front-end table (前置库).

A platform without an interface of its own is reached in this way. The connector stays pure: it makes requests with the
functions below and reads the answers that the core's own transports give. Such an answer tells what the *hand-over*
came to; what the platform made of it stands in a returned file or in a column of the table, which is read later.

Every answer is one JSON object under ``application/json``. Status 200: done, or there; 404: not there; 409: something
else is there under the same name or key. ``name`` repeats the file's name, ``digest`` is the SHA-256 (hex) of the
request's body, ``sha256`` that of the content, or of a list in JSON (``seal_of``).

| request | answer under 200 |
| --- | --- |
| ``hand_over_file`` | name, digest: the file is whole under its name, put there once, however often it is asked |
| ``ask_record`` | record, names of the files put there with it, sha256; an attempt still under way is stopped |
| ``read_file`` | name (of the file that was found), modified (ISO 8601), sha256, content (Base64) |
| ``hand_over_rows`` | digest: all rows are there, none twice |
| ``read_rows`` | digest, table, rows (objects of texts and null), next (text, or null at the end), sha256 |
| ``ask_place`` | ok, detail: whether folders or database can be used |
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from gateway.contract.messages import WireRequest, WireResponse

MEDIA_TYPE = "application/json"
STATUSES = frozenset({200, 404, 409})
"""statuses under which a transport of this kind answers: a connector's ``reply_statuses``"""
FILES, RECORDS, RETURNED, ROWS, PLACE = "/files/", "/records/", "/returned/", "/rows", "/place"
RECORDS_HEADER = "x-records"
_NAME = re.compile(r"[^\x00-\x1f/\\:*?\"<>|.][^\x00-\x1f/\\:*?\"<>|]{0,119}")

_LONGEST_NAME = 240
"""bytes; file systems take 255"""


@dataclass(frozen=True, kw_only=True, slots=True)
class HandOver:
    """Where things are handed over. Either the two folders are given or the database.

    outbox:   folder in which our files appear, each whole from its first moment; its file system must rename atomically
    inbox:    folder in which the platform leaves its own files; read only
    database: SQLAlchemy URL of the front-end database, password included
    """

    outbox: str | None = None
    inbox: str | None = None
    database: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReturnedFile:
    """A file the platform left for us. ``modified`` is aware."""

    name: str
    """as it stands in the inbox"""
    modified: datetime
    content: bytes = field(repr=False)
    """exact bytes"""


@dataclass(frozen=True, kw_only=True, slots=True)
class RowsPage:
    """Rows as they stand in a table, all values as text. ``next_after`` None ends the listing."""

    rows: tuple[Mapping[str, str | None], ...] = field(repr=False)
    """column -> text; None for NULL"""
    next_after: str | None = None


def is_file_name(name: str) -> bool:
    """Whether a name can be a file's on every system, and leads out of no folder."""
    if _NAME.fullmatch(name) is None or len(name.encode("utf-8", "replace")) > _LONGEST_NAME:
        return False
    return name == name.strip() and not name.endswith((".", ".part"))


def hand_over_file(operation: str, name: str, content: bytes, records: Sequence[str]) -> WireRequest:
    """Put a file into the outbox. Asked again with the same name and content, it is not put there a second time.

    records: our keys of what the file carries, without a space; remembered, so that ``ask_record`` finds it
    """
    headers = {RECORDS_HEADER: " ".join(records)}
    return WireRequest(
        operation=operation, method="PUT", path=FILES + quote(name, safe=""), headers=headers, body=content
    )


def ask_record(operation: str, record: str) -> WireRequest:
    """Ask which files with a record were put into the outbox; what was only prepared is taken back."""
    return WireRequest(operation=operation, method="GET", path=RECORDS + quote(record, safe=""))


def read_file(operation: str, name: str) -> WireRequest:
    """Read a file of the inbox. ``*`` stands for any characters: of several files the last by name is read."""
    return WireRequest(operation=operation, method="GET", path=RETURNED + quote(name, safe="*"))


def hand_over_rows(
    operation: str, table: str, key: Sequence[str], rows: Sequence[Mapping[str, str | None]]
) -> WireRequest:
    """Write rows in one transaction. A row whose ``key`` columns are there already is left as it stands there.

    table: name, or schema and name with a dot
    """
    return _json(operation, "PUT", {"table": table, "key": list(key), "rows": [dict(row) for row in rows]})


def read_rows(
    operation: str,
    table: str,
    columns: Sequence[str],
    where: Mapping[str, str],
    *,
    order: str,
    after: str | None = None,
    limit: int = 500,
) -> WireRequest:
    """Read rows whose columns equal ``where``, by the column ``order`` from beyond ``after``, at most ``limit``.

    The values of ``order`` must be unique among them, or ``limit`` must hold them all.
    """
    asked = {"table": table, "columns": list(columns), "where": dict(where), "order": order}
    return _json(operation, "POST", {**asked, "after": after, "limit": limit})


def ask_place(operation: str) -> WireRequest:
    """Ask whether folders or database can be used; changes nothing."""
    return WireRequest(operation=operation, method="GET", path=PLACE)


def digest_of(request: WireRequest) -> str:
    """What the answer to a request repeats as ``digest``."""
    return hashlib.sha256(request.body).hexdigest()


def document_of(response: WireResponse) -> Mapping[str, Any] | None:
    """The object an answer consists of; None for anything else."""
    try:
        found = json.loads(response.body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def seal_of(listed: object) -> str:
    """SHA-256 (hex) of a list in an answer, so that no changed byte of it goes unnoticed."""
    return hashlib.sha256(json.dumps(listed, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def files_with(response: WireResponse, record: str) -> tuple[str, ...] | None:
    """Names of the files in an answer to ``ask_record``; None where it is none."""
    found = document_of(response)
    if found is None or found.get("record") != record or response.status not in (200, 404):
        return None
    names = found.get("names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    if found.get("sha256") != seal_of(names) or bool(names) != (response.status == 200):
        return None
    return tuple(names)


def returned_file(response: WireResponse) -> ReturnedFile | None:
    """The file in an answer under 200; None where there is none, or where its bytes are not those that were read."""
    found = document_of(response) if response.status == 200 else None
    if found is None:
        return None
    try:
        content = base64.b64decode(found["content"], validate=True)
        modified = datetime.fromisoformat(found["modified"])
        name, told = found["name"], found["sha256"]
    except (KeyError, TypeError, ValueError, binascii.Error):
        return None
    if not isinstance(name, str) or modified.tzinfo is None or hashlib.sha256(content).hexdigest() != told:
        return None
    return ReturnedFile(name=name, modified=modified, content=content)


def rows_page(response: WireResponse, asked: WireRequest | None) -> RowsPage | None:
    """The rows in an answer under 200 to ``asked`` (None: to any question); None where it is none."""
    found = document_of(response) if response.status == 200 else None
    if found is None or (asked is not None and found.get("digest") != digest_of(asked)):
        return None
    rows, following = found.get("rows"), found.get("next")
    if not isinstance(rows, list) or not (following is None or isinstance(following, str)):
        return None
    if found.get("sha256") != seal_of([rows, following]):
        return None
    if not all(isinstance(row, dict) and all(v is None or isinstance(v, str) for v in row.values()) for row in rows):
        return None
    return RowsPage(rows=tuple(rows), next_after=following)


def _json(operation: str, method: str, document: Mapping[str, Any]) -> WireRequest:
    body = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return WireRequest(operation=operation, method=method, path=ROWS, headers={"content-type": MEDIA_TYPE}, body=body)
