"""The bytes behind the evidence: whether they are there, open and fit their digests; and all about one delivery."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Table, select

from gateway.credit.store import tables as credit_tables
from gateway.credit.store.events import CENTRE
from gateway.delivery.store import tables as delivery_tables
from gateway.delivery.store.exchanges import item, open_body
from gateway.domain.errors import StoreError
from gateway.operations.store import delivery_accounts
from gateway.operations.store import tables as operations_tables
from gateway.operations.store.evidence_books import BOOKS
from gateway.operations.store.sealed_columns import SEALED, Sealed, sealed_column
from gateway.store import tables
from gateway.store.attachments import attachment_place
from gateway.store.records import payload_place
from gateway.store.vault import Vault

_MOST_BODIES = 200
_X, _P, _EARLIER = delivery_tables.exchange, delivery_tables.payload, delivery_tables.earlier_payload


def altered_bytes(connection: Connection, vault: Vault) -> Iterator[tuple[str, int]]:
    """(book, id) of requests, answers and scans that do not open, or are not those whose digest stands beside them."""
    after = 0
    while True:
        part = connection.execute(select(_X).where(_X.c.id > after).order_by(_X.c.id).limit(_MOST_BODIES)).all()
        for row in part:
            for book, sealed_bytes, place in _kept(row):
                if not _is(vault, sealed_bytes, place, row.request_digest if book == "sent" else row.response_digest):
                    yield book, row.id
        if not part:
            break
        after = part[-1].id
    for scan in _values(connection, sealed_column("attachment.content")):
        if hashlib.sha256(_opened(vault, scan)).hexdigest() != scan["digest"]:
            yield "attachment", scan["id"]


def _opened(vault: Vault, scan: Any) -> bytes:
    """The bytes of a scan; none where they do not open, which fits no digest."""
    try:
        return vault.open(scan["sealed_value"], attachment_place(scan["digest"]))
    except StoreError:
        return b""


def _is(vault: Vault, sealed_bytes: bytes, place: str, digest: str) -> bool:
    try:
        return hashlib.sha256(open_body(vault, sealed_bytes, place)).hexdigest() == digest
    except StoreError:
        return False


def lost_bytes(connection: Connection, gone: Mapping[str, Mapping[int, datetime]]) -> Iterator[tuple[str, int, str]]:
    """(book, id, what) of requests, answers, pages and scans whose bytes are not there, though no purge says so.

    A login is kept as its digest alone, and what the centre itself decided never travelled.
    """
    kept = select(_X.c.id, _X.c.request.is_(None).label("request"), _X.c.response.is_(None).label("response"))
    bare = _X.c.request.is_(None) | (_X.c.response.is_(None) & _X.c.response_digest.is_not(None))
    for row in connection.execute(
        kept.add_columns(_X.c.response_digest)
        .where(bare, _X.c.purpose != "login", _X.c.platform != CENTRE)
        .order_by(_X.c.id)
    ):
        all_gone = row.id in gone.get("exchange.*", {})
        if row.request and not all_gone:
            yield "sent", row.id, "the bytes of the request are missing, and no purge says so"
        if row.response and row.response_digest and not all_gone and row.id not in gone.get("exchange.response", {}):
            yield "answered", row.id, "the bytes of the answer are missing, and no purge says so"
    empty = select(credit_tables.inbox.c.id).where(credit_tables.inbox.c.raw == b"").order_by(credit_tables.inbox.c.id)
    for number in connection.execute(empty).scalars():
        if number not in gone.get("inbox.raw", {}):
            yield "inbox", number, "the bytes of the page are missing, and no purge says so"
    cleared = (
        select(tables.attachment.c.id).where(tables.attachment.c.content.is_(None)).order_by(tables.attachment.c.id)
    )
    for number in connection.execute(cleared).scalars():
        if number not in gone.get("attachment.content", {}):
            yield "attachment", number, "the bytes of the scan are missing, and no purge says so"


def closed_values(connection: Connection, vault: Vault) -> Iterator[tuple[str, Any]]:
    """(table.column, key) of sealed values that do not open: changed, moved, or of another key."""
    for column in SEALED:
        for row in _values(connection, column):
            try:
                vault.open(row["sealed_value"], column.place(row))
            except StoreError:
                yield column.name, row["sealed_key"]


def _values(connection: Connection, column: Sealed) -> Iterator[Any]:
    after: Any = None
    there = column.rows().where(column.value.is_not(None), column.value != b"").order_by(column.key)
    while True:
        wanted = there if after is None else there.where(column.key > after)
        part = connection.execute(wanted.limit(_MOST_BODIES)).mappings().all()
        yield from part
        if not part:
            return
        after = part[-1]["sealed_key"]


def rows_about(connection: Connection, vault: Vault, delivery_id: int) -> dict[str, list[dict[str, Any]]]:
    """Book -> rows about one delivery."""
    account = delivery_accounts.latest(connection, delivery_id)
    attempts = select(delivery_tables.attempt.c.id).where(delivery_tables.attempt.c.delivery_id == delivery_id)
    exchanges = select(delivery_tables.attempt.c.exchange_id).where(
        delivery_tables.attempt.c.delivery_id == delivery_id
    )
    record = select(delivery_tables.delivery.c.record_id).where(delivery_tables.delivery.c.id == delivery_id)
    wanted = {
        "record": tables.record.c.id.in_(record),
        "delivery": delivery_tables.delivery.c.id == delivery_id,
        "sent": _X.c.id.in_(exchanges),
        "answered": _X.c.id.in_(exchanges),
        "attempt": delivery_tables.attempt.c.delivery_id == delivery_id,
        "verdict": delivery_tables.verdict.c.attempt_id.in_(attempts),
        "account": operations_tables.evidence_account.c.id == (0 if account is None else account["id"]),
    }
    return {book.name: list(book.rows(connection, vault, wanted[book.name])) for book in BOOKS if book.name in wanted}


def items_of(connection: Connection, vault: Vault, delivery_id: int) -> list[dict[str, Any]]:
    """Of each push that carried a delivery: exchange, salt and payload, as far as what was sent then is still kept."""
    found: dict[int, dict[str, Any]] = {}
    for kept in (_P, _EARLIER):
        for row in connection.execute(_carried(kept).where(delivery_tables.delivery.c.id == delivery_id)):
            plain = vault.open(row.content, payload_place(row.business_key))
            salt, digest = item(vault, row.message_id, row.business_key, plain)
            if digest in row.item_digests.split():
                found[row.id] = {"exchange": row.id, "salt": salt, "plain": plain}
    return [found[number] for number in sorted(found)]


def _carried(kept: Table) -> Select[Any]:
    """Pushes beside the payloads of this table, and where in the message each would stand."""
    return (
        select(
            _X.c.id,
            _X.c.message_id,
            _X.c.item_digests,
            delivery_tables.attempt.c.position,
            delivery_tables.delivery.c.business_key,
            kept.c.content,
        )
        .join(delivery_tables.attempt, delivery_tables.attempt.c.exchange_id == _X.c.id)
        .join(delivery_tables.delivery, delivery_tables.delivery.c.id == delivery_tables.attempt.c.delivery_id)
        .join(kept, kept.c.delivery_id == delivery_tables.delivery.c.id)
        .where(_X.c.item_digests.is_not(None))
    )


def altered_items(connection: Connection, vault: Vault) -> Iterator[int]:
    """Exchanges of which an item is not the payload that was there when they were opened."""
    after = 0
    then = (
        _carried(_P).where(_P.c.made_at <= _X.c.opened_at),
        _carried(_EARLIER).where(_EARLIER.c.made_at <= _X.c.opened_at, _X.c.opened_at < _EARLIER.c.replaced_at),
    )
    while True:
        ids = (
            select(_X.c.id).where(_X.c.id > after, _X.c.item_digests.is_not(None)).order_by(_X.c.id).limit(_MOST_BODIES)
        )
        part = connection.execute(ids).scalars().all()
        if not part:
            return
        after, wrong = part[-1], set[int]()
        for wanted in then:
            for row in connection.execute(wanted.where(_X.c.id.in_(part))):
                items = row.item_digests.split()
                try:
                    plain = vault.open(row.content, payload_place(row.business_key))
                except StoreError:
                    continue  # named as a value that does not open
                _, digest = item(vault, row.message_id, row.business_key, plain)
                if row.position >= len(items) or items[row.position] != digest:
                    wrong.add(row.id)
        yield from sorted(wrong)


def carried_alone(connection: Connection, exchange_ids: Sequence[int], person_key: str) -> set[int]:
    """Which of these exchanges carried deliveries of one person only."""
    others = (
        select(delivery_tables.attempt.c.exchange_id)
        .join(delivery_tables.delivery, delivery_tables.delivery.c.id == delivery_tables.attempt.c.delivery_id)
        .where(
            delivery_tables.attempt.c.exchange_id.in_(exchange_ids), delivery_tables.delivery.c.person_key != person_key
        )
    )
    return set(exchange_ids) - set(connection.execute(others).scalars())


def bodies(connection: Connection, vault: Vault, exchange_ids: Sequence[int]) -> dict[tuple[str, int], bytes]:
    """(book, id) -> the bytes of requests and answers that are still kept."""
    found: dict[tuple[str, int], bytes] = {}
    for row in connection.execute(select(_X).where(_X.c.id.in_(exchange_ids)).order_by(_X.c.id)):
        for book, sealed_bytes, place in _kept(row):
            found[book, row.id] = open_body(vault, sealed_bytes, place)
    return found


def _kept(row: Any) -> Iterator[tuple[str, bytes, str]]:
    if row.request is not None:
        yield "sent", row.request, f"exchange.request:{row.message_id}/{row.request_digest}"
    if row.response is not None:
        yield "answered", row.response, f"exchange.response:{row.id}"
