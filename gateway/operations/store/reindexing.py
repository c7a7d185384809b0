"""Change the key of the search index, a piece at a time, while work goes on and everybody stays to be found.

1. ``rotate`` puts a second key into the ring: whoever becomes known from now on is found by both.
2. ``fill_index`` makes everybody else found by both, from what is kept of them.
3. Then the new key leads: rows and events take it. ``move_rows`` moves those that stand under the old one; each of them
   is found at any moment, because the index has both.
4. ``unused`` proves that nothing stands under the old key; ``drop_index`` takes its digests out of the index.

The name of its key stands in front of each digest (none for the first), so nothing else notes how far it has come: what
is under another key is what is left, and a killed run simply goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, String, and_, case, cast, delete, func, or_, select, update

from gateway.credit.store.case_tables import credit_alias
from gateway.credit.store.events import SUBJECT_DIGESTS, named_in_payload, payload_place
from gateway.credit.store.parties import CODES, read
from gateway.credit.store.subject_changes import alias_place
from gateway.credit.store.tables import credit_event
from gateway.domain.errors import StoreError
from gateway.domain.names import plain_name, variant_name
from gateway.domain.records import Certificate, StatusChange, Withdrawal, Worker
from gateway.intake.identity import certificate_identity, identity, named_by
from gateway.intake.reading.columns import field_of
from gateway.intake.reading.rows import read_row
from gateway.intake.store.batches import unpack
from gateway.intake.store.tables import filing, filing_subject
from gateway.locale import tr
from gateway.store.engine import Store
from gateway.store.metadata import insert_into, is_postgresql
from gateway.store.records import to_record
from gateway.store.tables import record, search_index
from gateway.store.vault import FIRST_INDEX, Vault

Named = tuple[str, str]
"""what a digest is of (``id_number``), and the plain value"""
_MOST = 200
"""rows of one commit"""
_FILING_DIGESTS = ("certificate", "person", "certificate_number", "id_written")


@dataclass(kw_only=True)
class Reindexed:
    """What a run did with one table.

    left: stands under another key, and nothing is kept from which it could be made anew
    """

    moved: int = 0
    left: int = 0


def usage(connection: Connection) -> dict[str, dict[str, int]]:
    """Table and column -> index key -> how many digests are made with it."""
    found: dict[str, dict[str, int]] = {}
    for column in _columns():
        name = _key_name(connection, column)
        wanted = select(name, func.count()).where(column.is_not(None)).group_by(name).order_by(name)
        found[f"{column.table.name}.{column.name}"] = {row[0]: row[1] for row in connection.execute(wanted)}
    return found


def _columns() -> list[Column[Any]]:
    return [
        search_index.c.digest,
        *(filing_subject.c[name] for name in _FILING_DIGESTS),
        *(credit_event.c[name] for name in SUBJECT_DIGESTS),
    ]


def _key_name(connection: Connection, column: Column[Any]) -> ColumnElement[str]:
    end = func.strpos(column, ":") if is_postgresql(connection) else func.instr(column, ":")
    return case((end == 0, FIRST_INDEX), else_=cast(func.substr(column, 1, end - 1), String))


def _under(name: str, column: Column[Any]) -> ColumnElement[bool]:
    return and_(column.is_not(None), column.not_like("%:%") if name == FIRST_INDEX else column.like(f"{name}:%"))


def fill_index(store: Store, old: str, new: str, progress: Callable[[int], None] = lambda _: None) -> Reindexed:
    """Let everybody who is found by the key ``old`` be found by ``new`` as well."""
    report = Reindexed()
    after: tuple[str, str] | None = None
    while True:
        with store.read() as connection:
            owners = _lacking(connection, old, new, after)
            rows = [row for owner in owners for row in _made_anew(connection, store.vault, owner, (old, new), report)]
        if not owners:
            return report
        after = owners[-1]
        if rows:
            with store.write() as connection:
                added = insert_into(connection, search_index).values(rows).on_conflict_do_nothing()
                report.moved += len(connection.execute(added.returning(search_index.c.digest)).all())
        progress(len(owners))


def _lacking(connection: Connection, old: str, new: str, after: tuple[str, str] | None) -> list[tuple[str, str]]:
    """(kind, key) of the next who have fewer digests under the new key than under the old one."""
    kind, key, digest = search_index.c.kind, search_index.c.key, search_index.c.digest
    counted = func.sum(case((_under(old, digest), 1), (_under(new, digest), -1), else_=0))
    wanted = select(kind, key).group_by(kind, key).having(counted > 0).order_by(kind, key).limit(_MOST)
    if after is not None:
        wanted = wanted.where(or_(kind > after[0], and_(kind == after[0], key > after[1])))
    return [(row.kind, row.key) for row in connection.execute(wanted)]


def _made_anew(
    connection: Connection, vault: Vault, owner: tuple[str, str], keys: tuple[str, str], report: Reindexed
) -> Iterator[dict[str, Any]]:
    """Rows of the index under the new key, for each that stands under the old one."""
    old, new = keys
    kind, key = owner
    values = {vault.index_under(old, *named): named for named in _values(connection, vault, kind, key)}
    here = (search_index.c.kind == kind, search_index.c.key == key, _under(old, search_index.c.digest))
    for row in connection.execute(select(search_index).where(*here)).mappings():
        named = values.get(row["digest"])
        if named is None:
            report.left += 1
        else:
            yield {**row, "digest": vault.index_under(new, *named)}


def _values(connection: Connection, vault: Vault, kind: str, key: str) -> Iterator[Named]:
    """All by which a subject may be found, from what is kept of it."""
    if kind in CODES:
        for party in read(connection, vault, [key]).values():
            yield CODES[kind], party.code.upper()
        return
    wanted = select(record).where(or_(record.c.person_key == key, record.c.key == key))
    for row in connection.execute(wanted).mappings():
        content: Any = to_record(dict(row), vault).content
        while isinstance(content, (StatusChange, Withdrawal)):
            content = content.certificate if isinstance(content, StatusChange) else content.content
        worker = content if isinstance(content, Worker) else content.holder
        if isinstance(content, Certificate):
            yield "certificate", certificate_identity(content.number, content.trade)
            yield "certificate_number", content.number
        yield "id_number", identity(worker.id_type, worker.id_number)
        yield from _names(worker.name)
    for row in connection.execute(select(credit_alias).where(credit_alias.c.key == key)).mappings():
        value = vault.open(row["value"], alias_place(key, row["digest"])).decode()
        if row["what"] == "name":
            yield from _names(value)
        else:
            yield row["what"], value


def _names(name: str) -> Iterator[Named]:
    yield "name", plain_name(name)
    yield "name", variant_name(name)


def move_rows(store: Store, old: str, progress: Callable[[int], None] = lambda _: None) -> dict[str, Reindexed]:
    """Move reported rows and events that stand under the key ``old`` to the one in use; gives what was done."""
    return {
        filing_subject.name: _move(store, old, _filings, progress),
        credit_event.name: _move(store, old, _events, progress),
    }


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A row with digests, and what they are of as far as it is kept."""

    key: Column[Any]
    id: int
    digests: Mapping[str, str | None]
    named: Mapping[str, Named]


_Read = Callable[[Connection, Vault, str, int], list[_Row]]


def _filings(connection: Connection, vault: Vault, old: str, after: int) -> list[_Row]:
    digests = [filing_subject.c[name] for name in _FILING_DIGESTS]
    wanted = (
        select(filing_subject, filing.c.batch_id, filing.c.row_no, filing.c.cells)
        .join(filing, filing.c.id == filing_subject.c.filing_id)
        .where(filing_subject.c.filing_id > after, or_(*(_under(old, column) for column in digests)))
        .order_by(filing_subject.c.filing_id)
        .limit(_MOST)
    )
    found = []
    for row in connection.execute(wanted).mappings():
        named: Mapping[str, Named] = {}
        if row["cells"]:
            cells = unpack(vault.open(row["cells"], f"filing.cells:{row['batch_id']}/{row['row_no']}"))
            given = {name: text for header, text in cells.items() if (name := field_of(header)) is not None}
            named = named_by(read_row(row["row_no"], cells, given).filing, cells)
        told = {name: row[name] for name in _FILING_DIGESTS}
        found.append(_Row(key=filing_subject.c.filing_id, id=row["filing_id"], digests=told, named=named))
    return found


def _events(connection: Connection, vault: Vault, old: str, after: int) -> list[_Row]:
    digests = [credit_event.c[name] for name in SUBJECT_DIGESTS]
    wanted = (
        select(credit_event)
        .where(credit_event.c.id > after, or_(*(_under(old, column) for column in digests)))
        .order_by(credit_event.c.id)
        .limit(_MOST)
    )
    found = []
    for row in connection.execute(wanted).mappings():
        named: Mapping[str, Named] = {}
        if row["payload"]:
            place = payload_place(row["platform"], row["event_id"], row["digest"])
            named = named_in_payload(vault.open(row["payload"], place))
        told = {name: row[name] for name in SUBJECT_DIGESTS}
        found.append(_Row(key=credit_event.c.id, id=row["id"], digests=told, named=named))
    return found


def _move(store: Store, old: str, read: _Read, progress: Callable[[int], None]) -> Reindexed:
    report, vault, after = Reindexed(), store.vault, 0
    while True:
        with store.read() as connection:
            rows = read(connection, vault, old, after)
            known = _in_index(connection, vault, rows, old)
        if not rows:
            return report
        after = rows[-1].id
        with store.write() as connection:
            for row in rows:
                fresh, left = _fresh(vault, row, old, known)
                report.left += left
                for name, digest in fresh.items():
                    column = row.key.table.c[name]
                    here = (row.key == row.id, column == row.digests[name])
                    report.moved += connection.execute(
                        update(row.key.table).where(*here).values({name: digest})
                    ).rowcount
        progress(len(rows))


def _fresh(vault: Vault, row: _Row, old: str, known: Mapping[str, str]) -> tuple[dict[str, str], int]:
    """The digests of a row under the key in use, and how many cannot be made."""
    fresh: dict[str, str] = {}
    left = 0
    for name, digest in row.digests.items():
        if digest is None or not _is_under(old, digest):
            continue
        named = row.named.get(name)
        if named is not None and vault.index_under(old, *named) == digest:
            fresh[name] = vault.index(*named)
        elif digest in known:
            fresh[name] = known[digest]
        else:
            left += 1
    return fresh, left


def _is_under(name: str, digest: str) -> bool:
    front, colon, _ = digest.partition(":")
    return name == (front if colon else FIRST_INDEX)


def _in_index(connection: Connection, vault: Vault, rows: Iterable[_Row], old: str) -> dict[str, str]:
    """Digest -> the same under the key in use, of those whose words were cleared and who are held."""
    cleared = {
        digest
        for row in rows
        for name, digest in row.digests.items()
        if digest is not None and name not in row.named and _is_under(old, digest)
    }
    found: dict[str, str] = {}
    if cleared:
        wanted = select(search_index.c.digest, search_index.c.kind, search_index.c.key)
        for row in connection.execute(wanted.where(search_index.c.digest.in_(cleared))):
            for named in _values(connection, vault, row.kind, row.key):
                if vault.index_under(old, *named) == row.digest:
                    found[row.digest] = vault.index(*named)
    return found


def still_under(connection: Connection, name: str) -> dict[str, int]:
    """Table and column -> how many rows and events stand under a key; the index itself is left out."""
    found: dict[str, int] = {}
    for column in _columns()[1:]:
        count = connection.execute(select(func.count()).where(_under(name, column))).scalar_one()
        if count:
            found[f"{column.table.name}.{column.name}"] = count
    return found


def forget(connection: Connection, name: str) -> int:
    """Empty the digests of rows and events that stand under a key; they are found by number no more."""
    return sum(
        connection.execute(update(column.table).where(_under(name, column)).values({column.name: None})).rowcount
        for column in _columns()[1:]
    )


def drop_index(store: Store, name: str) -> int:
    """Take the digests of a key out of the index, a piece at a time; gives how many."""
    dropped = 0
    while True:
        some = select(search_index.c.digest).where(_under(name, search_index.c.digest)).distinct().limit(_MOST * 10)
        with store.write() as connection:
            digests = connection.execute(some).scalars().all()
            if not digests:
                return dropped
            for start in range(0, len(digests), _MOST):
                here = search_index.c.digest.in_(digests[start : start + _MOST])
                dropped += connection.execute(delete(search_index).where(here)).rowcount


def refuse_unfilled(connection: Connection, old: str, new: str) -> None:
    """StoreError where somebody is found by the old key only."""
    if _lacking(connection, old, new, None):
        raise StoreError(
            tr("not everybody is found by the index key {new} yet: run `gateway keys reseal` again", new=new)
        )
