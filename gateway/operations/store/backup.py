"""A backup of the whole store as one file, and its way back into an empty store of either kind.

The file holds every table in one snapshot, sealed values as they are: without the keys, which are not in it, it says
nothing. Each line is JSON; the first has the check values of the keys, so that others are refused at once; the last has
the number of rows, their digest and its mark, which cannot be made without the keys: an altered file is refused.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Date, LargeBinary, Table, bindparam, delete, func, insert, select, text, update
from sqlalchemy.exc import DataError, IntegrityError

from gateway.delivery.store.tables import platform, recovery
from gateway.domain.errors import InputError, StoreError
from gateway.locale import tr
from gateway.operations.store.key_checks import known_checks, refuse_others
from gateway.operations.store.tables import incarnation, key_check
from gateway.private_files import open_private
from gateway.store.engine import Store, head_revision
from gateway.store.metadata import Moment, is_postgresql, metadata
from gateway.store.vault import Vault

FORMAT = "gateway-backup-2"
_ROWS = 200

Progress = Callable[[int], None]


@dataclass(kw_only=True)
class Contents:
    """What a backup holds: rows by table, and the schema it fits."""

    schema: str
    at: datetime
    rows: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.rows.values())


def write(store: Store, path: Path, now: datetime, progress: Progress = lambda _: None) -> Contents:
    """Write a backup; the file appears whole or not at all, readable by its owner only. Work may go on beside it."""
    contents = Contents(schema=head_revision(), at=now)
    fresh = path.with_name(f"{path.name}.part")
    with open_private(fresh) as raw:
        with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1, filename="") as file:
            digest = hashlib.sha256()
            for line in _lines(store, contents, progress):
                digest.update(line)
                file.write(line)
            mark = store.vault.mark("backup", digest.digest())
            file.write(_line({"end": contents.rows, "digest": digest.hexdigest(), "mark": mark}))
        raw.flush()
        os.fsync(raw.fileno())
    fresh.replace(path)
    return contents


def _lines(store: Store, contents: Contents, progress: Progress) -> Iterator[bytes]:
    with store.read() as connection:
        keys = known_checks(connection) or store.vault.checks()
        yield _line({"format": FORMAT, "schema": contents.schema, "at": contents.at.isoformat(), "keys": keys})
        for table in metadata.sorted_tables:
            yield _line({"table": table.name, "columns": [column.name for column in table.columns]})
            count = 0
            rows = connection.execution_options(yield_per=_ROWS).execute(
                select(table).order_by(*table.primary_key.columns)
            )
            for part in rows.partitions():
                yield from (_line([_plain(value) for value in row]) for row in part)
                count += len(part)
                progress(len(part))
            contents.rows[table.name] = count


def _line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, date) else value


def restore(store: Store, path: Path, progress: Progress = lambda _: None) -> Contents:
    """Read a backup into an empty store, all of it in one commit.

    Raises InputError where the file is torn, changed or of another release, ConfigurationError where the keys are not
    its own, and StoreError where the store holds anything; then nothing is kept.
    """
    with store.write() as connection:
        _must_be_empty(connection)
        for table in _OWN:
            connection.execute(delete(table))
        try:
            with gzip.open(path, "rb") as file:
                contents = _read(connection, store.vault, file, progress)
        except (OSError, EOFError, ValueError, KeyError, TypeError, DataError, IntegrityError) as error:
            raise InputError(
                tr("{name}: not a whole backup of the gateway ({kind})", name=path.name, kind=type(error).__name__)
            ) from None
        if is_postgresql(connection):
            _go_on_counting(connection)
    return contents


def _must_be_empty(connection: Connection) -> None:
    for table in metadata.sorted_tables:
        if table not in _OWN and connection.execute(select(func.count()).select_from(table)).scalar_one():
            raise StoreError(tr("the store is not empty: a backup is read into a fresh one only"))


_OWN = (recovery, platform, key_check, incarnation)
"""what a fresh store has already"""


def _read(connection: Connection, vault: Vault, lines: Iterable[bytes], progress: Progress) -> Contents:
    digest, contents, end = hashlib.sha256(), None, None
    loading: _Loading | None = None
    for line in lines:
        value = json.loads(line)
        if isinstance(value, dict) and "end" in value:
            end = value
            break
        digest.update(line)
        if contents is None:
            contents = _head(value, vault)
        elif isinstance(value, dict):
            if loading is not None:
                loading.finish()
            loading = _Loading(connection, metadata.tables[value["table"]], value["columns"], contents.rows, progress)
        elif loading is not None:
            loading.add(value)
    if contents is None or loading is None or end is None:
        raise ValueError("torn")
    loading.finish()
    marked = end["mark"] == vault.mark("backup", digest.digest())
    if end["digest"] != digest.hexdigest() or end["end"] != contents.rows or not marked:
        raise ValueError("changed")
    return contents


def _head(value: dict[str, Any], vault: Vault) -> Contents:
    if value["format"] != FORMAT:
        raise ValueError("another format")
    if value["schema"] != head_revision():
        raise InputError(
            tr(
                "the backup has schema {schema}, this release has {head_revision}",
                schema=value["schema"],
                head_revision=head_revision(),
            )
        )
    refuse_others(value["keys"], vault)
    return Contents(schema=value["schema"], at=datetime.fromisoformat(value["at"]))


class _Loading:
    """One table on its way in, some hundred rows at a time."""

    def __init__(
        self, connection: Connection, table: Table, columns: list[str], counts: dict[str, int], progress: Progress
    ) -> None:
        self._connection, self._table, self._counts, self._progress = connection, table, counts, progress
        self._readers = [(name, _reader(table.c[name].type)) for name in columns]
        self._own = [c.name for c in table.columns if any(key.column.table is table for key in c.foreign_keys)]
        self._rows: list[dict[str, Any]] = []
        self._later: list[dict[str, Any]] = []
        self._counts[table.name] = 0

    def add(self, values: list[Any]) -> None:
        """Take one row."""
        pairs = zip(self._readers, values, strict=True)
        self._rows.append({name: None if value is None else read(value) for (name, read), value in pairs})
        if len(self._rows) == _ROWS:
            self._flush()

    def finish(self) -> None:
        """Write the rest. A row may refer to one that comes after it in its table, so such columns are filled last."""
        self._flush()
        if self._later:
            values: dict[str, Any] = {name: bindparam(f"b_{name}") for name in self._own}
            statement = update(self._table).where(self._table.c.id == bindparam("b_id")).values(values)
            self._connection.execute(statement, self._later)

    def _flush(self) -> None:
        if not self._rows:
            return
        for row in self._rows:
            refers = {f"b_{name}": row[name] for name in self._own}
            if any(value is not None for value in refers.values()):
                self._later.append({"b_id": row["id"], **refers})
                row.update(dict.fromkeys(self._own))
        self._connection.execute(insert(self._table), self._rows)
        self._counts[self._table.name] += len(self._rows)
        self._progress(len(self._rows))
        self._rows = []


def _reader(kind: Any) -> Callable[[Any], Any]:
    if isinstance(kind, Moment):
        return datetime.fromisoformat
    if isinstance(kind, Date):
        return date.fromisoformat
    return base64.b64decode if isinstance(kind, LargeBinary) else _same


def _same(value: Any) -> Any:
    return value


def _go_on_counting(connection: Connection) -> None:
    """Let PostgreSQL's sequences begin above what was read."""
    for table in metadata.sorted_tables:
        if "id" in table.c and connection.execute(_SEQUENCE, {"table": table.name}).scalar() is not None:
            top = connection.execute(select(func.max(table.c.id))).scalar()
            if top is not None:
                connection.execute(_SET, {"table": table.name, "top": top})


_SEQUENCE = text("SELECT pg_get_serial_sequence(:table, 'id')")
_SET = text("SELECT setval(pg_get_serial_sequence(:table, 'id'), :top)")
