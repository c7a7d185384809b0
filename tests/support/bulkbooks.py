"""A ledger as it is after years: a great many deliveries, nearly all of them accepted, written in bulk.

Only for measuring and for query plans: contents are not sealed and cannot be opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from gateway.domain.states import State

PART = 1000
"""one delivery in so many stands in each of the states that are not the usual one"""
RARE = (
    State.QUEUED,
    State.SENDING,
    State.AWAITING_ACK,
    State.IN_DOUBT,
    State.HELD,
    State.PARKED,
    State.REJECTED,
    State.SUPERSEDED,
)
_NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)",
    "postgresql": "WITH n(i) AS (SELECT generate_series(1, :count))",
}


def clear(connection: Connection) -> None:
    """Empty every table that ``fill`` writes."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"TRUNCATE {', '.join(_TABLES)} RESTART IDENTITY CASCADE"))
        return
    for table in reversed(_TABLES):
        connection.execute(text(f"DELETE FROM {table}"))


_BESIDE = ("batch", "filing", "filing_subject", "evidence_link", "evidence_part")
_TABLES = ("platform", "owed", "record", "delivery", "exchange", "attempt", "verdict", "payload", *_BESIDE)
PER_LINK = 100
"""rows of a book in one link of the evidence chain"""


def fill(connection: Connection, platform: str, count: int, now: datetime) -> None:
    """Records, deliveries, exchanges, attempts, verdicts and payloads on an empty store, with fresh statistics."""
    kind = connection.dialect.name
    numbers = _NUMBERS[kind]
    pad = "printf('%08d', {})" if kind == "sqlite" else "lpad(({})::text, 8, '0')"
    blob = "x'00'" if kind == "sqlite" else r"'\x00'::bytea"
    false = "0" if kind == "sqlite" else "false"
    key, person = "'K' || " + pad.format("i"), "'P' || " + pad.format("i / 2")
    state = _state()
    given = {"count": count, "now": now.replace(tzinfo=None) if kind == "sqlite" else now, "platform": platform}
    connection.execute(text("INSERT INTO platform (name) VALUES (:platform)"), {"platform": platform})
    for table, columns, values in (
        (
            "record",
            "kind, key, version, person_key, fingerprint, content, effective_from, change, created_at",
            f"'person', {key}, 1, {person}, 'f', {blob}, :now, 'new', :now",
        ),
        (
            "delivery",
            "platform, kind, record_id, record_key, version, person_key, business_key, state, due_at, lease_owner,"
            " lease_until, code, created_at, updated_at, fence, blocked_by",
            f":platform, 'person', i, {key}, 1, {person}, 'B' || i, {state}, :now,"
            f" CASE WHEN {state} = 'sending' THEN 'm/b/1/1' END, CASE WHEN {state} = 'sending' THEN :now END, 'C',"
            f" :now, :now, 1, CASE WHEN i % {2 * PART} = 0 THEN i - 1 END",
        ),
        (
            "exchange",
            "platform, purpose, operation, message_id, opened_at, closed_at, status, request_digest, response",
            f":platform, 'push', 'push', 'M' || i, :now, :now, 200, 'd', {blob}",
        ),
        ("attempt", "delivery_id, exchange_id, position, fence", "i, i, 0, 1"),
        (
            "verdict",
            "attempt_id, event, code, reason, fields, applied, at",
            f"i, 'accepted', 'C', '', '[]', NOT {false}, :now",
        ),
        ("payload", "delivery_id, content, spec_version, made_at", f"i, {blob}, '1', :now"),
    ):
        connection.execute(
            text(f"INSERT INTO {table} ({columns}) {numbers} SELECT {values} FROM n")
            if kind == "postgresql"
            else text(f"{numbers} INSERT INTO {table} ({columns}) SELECT {values} FROM n"),
            given,
        )
    owed = text("INSERT INTO owed (platform, kind, up_to) VALUES (:platform, 'person', :count)")
    connection.execute(owed, {"platform": platform, "count": count})
    if kind == "postgresql":
        connection.execute(text("ANALYZE"))  # as its daemon does; SQLite plans without statistics unless told to


def fill_beside(connection: Connection, count: int, now: datetime) -> None:
    """The rows behind those records and the evidence chain over their exchanges, on what ``fill`` made."""
    kind = connection.dialect.name
    sqlite = kind == "sqlite"
    blob = "x'00'" if sqlite else r"'\x00'::bytea"
    pad = "printf('%08d', {})" if sqlite else "lpad(({})::text, 8, '0')"
    first = f"(i - 1) * {PER_LINK} + 1"
    moment = (
        "datetime(:now, '+' || (i * 600) || ' seconds')"
        if sqlite
        else "CAST(:now AS timestamptz) + i * interval '10 min'"
    )
    given = {"now": now.strftime("%Y-%m-%d %H:%M:%S") if sqlite else now}
    connection.execute(
        text(
            "INSERT INTO batch (id, name, digest, read_at, rows, admitted, refused, held, unchanged)"
            " VALUES (1, 'b', 'd', :now, 1, 1, 0, 0, 0)"
        ),
        given,
    )
    for table, columns, values, rows in (
        (
            "filing",
            "batch_id, row_no, outcome, cells, failures, person_key, certificate_key",
            f"1, i, 'admit', {blob}, '[]', 'P' || {pad.format('i / 2')}, 'K' || {pad.format('i')}",
            count,
        ),
        ("filing_subject", "filing_id, certificate, person", "i, 'C' || i, 'D' || i", count),
        ("evidence_link", "id, at, previous, digest, seal", f"i, {moment}, 'p', 'd', 's'", count // PER_LINK),
        (
            "evidence_part",
            "link_id, book, ranges, leaves, top",
            f"i, 'sent', {_json(sqlite, first)}, {blob}, i * {PER_LINK}",
            count // PER_LINK,
        ),
    ):
        numbers = _NUMBERS[kind]
        connection.execute(
            text(f"INSERT INTO {table} ({columns}) {numbers} SELECT {values} FROM n")
            if not sqlite
            else text(f"{numbers} INSERT INTO {table} ({columns}) SELECT {values} FROM n"),
            {"count": rows, **(given if ":now" in values else {})},
        )
    if not sqlite:
        connection.execute(text("ANALYZE"))


def _json(sqlite: bool, first: str) -> str:
    made = f"'[[' || ({first}) || ', ' || (i * {PER_LINK}) || ']]'"
    return made if sqlite else f"({made})::json"


def _state(rare: Sequence[State] = RARE) -> str:
    cases = " ".join(f"WHEN i % {PART} = {place} THEN '{state}'" for place, state in enumerate(rare))
    return f"CASE {cases} ELSE '{State.ACCEPTED}' END"
