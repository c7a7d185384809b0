"""The centre's own credit records: drafts, versions that were published, and what platforms have taken of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from gateway.contract.messages import Finding
from gateway.credit.rules.decisions import OwnState
from gateway.credit.store import acknowledgements as answers
from gateway.credit.store.case_tables import credit_own, credit_ruling
from gateway.credit.store.events import CENTRE, to_event
from gateway.credit.store.histories import apply_events
from gateway.credit.store.streams import lock_feed
from gateway.credit.store.tables import inbox
from gateway.credit.store.void import follow
from gateway.delivery.store.tables import exchange
from gateway.domain.ticket_kinds import TicketKind
from gateway.store.metadata import chunks
from gateway.store.scope import Scope
from gateway.store.vault import Vault


@dataclass(frozen=True, kw_only=True)
class OwnRow:
    """One version of an own record; ``plain`` is its opened content."""

    key: str
    version: int
    state: OwnState
    event_type: str
    plain: Mapping[str, Any] = field(repr=False)
    created_at: datetime
    created_by: str
    decided_on: date | None
    warn_on: date | None
    due_on: date | None
    published_at: datetime | None
    platform: str | None
    platform_record_id: str | None
    sent_at: datetime | None
    code: str | None


def keep_draft(
    scope: Scope, key: str, plain: Mapping[str, Any], *, due: tuple[date | None, date | None], by: str
) -> int:
    """Keep a draft of the next version, or the draft again; gives its version.

    due: the days on which to warn, and by which it has to be published and pushed
    """
    last = scope.connection.execute(
        select(credit_own.c.version, credit_own.c.state)
        .where(credit_own.c.key == key)
        .order_by(credit_own.c.version.desc())
        .limit(1)
    ).first()
    again = last is not None and last.state == OwnState.DRAFT
    version = 1 if last is None else last.version + (not again)
    decided = date.fromisoformat(plain["decided"]) if plain.get("decided") else None
    values = {
        "event_type": plain["event_type"],
        "content": scope.vault.seal(json.dumps(plain, ensure_ascii=False).encode(), _place(key, version)),
        "created_at": scope.at,
        "created_by": by,
        "decided_on": decided,
        "warn_on": due[0],
        "due_on": due[1],
    }
    if again:
        here = (credit_own.c.key == key, credit_own.c.version == version)
        scope.connection.execute(update(credit_own).where(*here).values(values))
    else:
        scope.connection.execute(
            insert(credit_own).values(**values, key=key, version=version, state=str(OwnState.DRAFT))
        )
    if decided is not None:
        place = (key, str(TicketKind.DEADLINE))
        answers.open_new(scope, {place: None}, answers.open_tickets(scope, [key]))
    return version


def publish(scope: Scope, row: OwnRow, finding: Finding, subject: str, *, platform: str | None, by: str) -> None:
    """Bring a version into the archive, and queue it for the platform that takes such records."""
    values = {"key": subject, "platform": CENTRE, "record_id": row.key, "sys_from": scope.at}
    ruled = select(credit_ruling.c.id).where(
        credit_ruling.c.platform == CENTRE, credit_ruling.c.record_id == row.key, credit_ruling.c.sys_to.is_(None)
    )
    if scope.connection.execute(ruled).first() is None:
        scope.connection.execute(insert(credit_ruling).values(**values, actor=by, ticket="own decision"))
    event = to_event(finding, scope.vault, platform=CENTRE, inbox_id=_page(scope, row), received_at=scope.at)
    follow(scope, apply_events(scope, [event]))
    scope.connection.execute(
        update(credit_own)
        .where(credit_own.c.key == row.key, credit_own.c.version == row.version)
        .values(state=str(OwnState.PUBLISHED), published_at=scope.at, published_by=by, platform=platform)
    )
    if platform is None:
        _in_time(scope, row.key)


def rows(connection: Connection, vault: Vault, *, key: str | None = None, limit: int = 500) -> list[OwnRow]:
    """Own records by version, the newest first."""
    query = select(credit_own).order_by(credit_own.c.id.desc()).limit(limit)
    if key is not None:
        query = query.where(credit_own.c.key == key)
    return [_to_row(dict(row), vault) for row in connection.execute(query).mappings()]


def unsent(scope: Scope, limit: int) -> list[OwnRow]:
    """Published versions that the platform has not taken, each record's oldest first and only that."""
    older = credit_own.alias("older")
    waits = (
        select(older.c.id)
        .where(older.c.key == credit_own.c.key, older.c.version < credit_own.c.version, older.c.sent_at.is_(None))
        .exists()
    )
    query = (
        select(credit_own)
        .where(
            credit_own.c.state == OwnState.PUBLISHED,
            credit_own.c.platform == scope.platform,
            credit_own.c.sent_at.is_(None),
            credit_own.c.code.is_(None),
            ~waits,
        )
        .order_by(credit_own.c.id)
        .limit(limit)
    )
    return [_to_row(dict(row), scope.vault) for row in scope.connection.execute(query).mappings()]


def platform_record(connection: Connection, key: str) -> str | None:
    """The platform's id of an own record, once it took a version."""
    found: str | None = connection.execute(
        select(credit_own.c.platform_record_id)
        .where(credit_own.c.key == key, credit_own.c.platform_record_id.is_not(None))
        .limit(1)
    ).scalar()
    return found


def mark_sent(scope: Scope, row: OwnRow, record_id: str) -> None:
    """Note that the platform has taken a version; the deadline is met."""
    _, scope = lock_feed(replace(scope, platform=CENTRE))
    here = (credit_own.c.key == row.key, credit_own.c.version == row.version)
    scope.connection.execute(
        update(credit_own).where(*here).values(sent_at=scope.at, platform_record_id=record_id[:64], code=None)
    )
    _in_time(scope, row.key)


def mark_refused(scope: Scope, row: OwnRow, code: str) -> None:
    """Note that the platform would not take a version; a person looks at it."""
    _, scope = lock_feed(replace(scope, platform=CENTRE))
    here = (credit_own.c.key == row.key, credit_own.c.version == row.version)
    scope.connection.execute(update(credit_own).where(*here).values(code=code[:80]))
    place = (row.key, str(TicketKind.REVIEW))
    answers.open_new(scope, {place: None}, answers.open_tickets(scope, [row.key]))


def deadlines(connection: Connection, keys: Collection[str]) -> dict[str, tuple[date | None, date | None]]:
    """By key of an own record: the day to warn after, and the last day to publish and push it (R09)."""
    found: dict[str, tuple[date | None, date | None]] = {}
    for part in chunks(keys):
        rows = connection.execute(
            select(credit_own.c.key, credit_own.c.warn_on, credit_own.c.due_on)
            .where(credit_own.c.key.in_(part))
            .order_by(credit_own.c.version)
        )
        found |= {row.key: (row.warn_on, row.due_on) for row in rows}
    return found


def send_again(connection: Connection, platform: str, record_id: str) -> bool:
    """Let the newest version of an own record be sent once more; False where it is none of ours (F38)."""
    newest = (
        select(func.max(credit_own.c.id))
        .where(
            credit_own.c.platform == platform,
            credit_own.c.state == OwnState.PUBLISHED,
            (credit_own.c.platform_record_id == record_id) | (credit_own.c.key == record_id),
        )
        .scalar_subquery()
    )
    changed = connection.execute(update(credit_own).where(credit_own.c.id == newest).values(sent_at=None, code=None))
    return bool(changed.rowcount)


def versions_taken(connection: Connection, platform: str, records: list[str], at: datetime | None) -> dict[str, int]:
    """The newest version of own records that the platform had taken up to ``at``, by the platform's ids."""
    found: dict[str, int] = {}
    for part in chunks(records):
        query = (
            select(credit_own.c.platform_record_id, func.max(credit_own.c.version).label("version"))
            .where(credit_own.c.platform == platform, credit_own.c.platform_record_id.in_(part))
            .group_by(credit_own.c.platform_record_id)
        )
        query = query if at is None else query.where(credit_own.c.published_at <= at)
        found |= {row.platform_record_id: row.version for row in connection.execute(query)}
    return found


def _in_time(scope: Scope, key: str) -> None:
    centre = replace(scope, platform=CENTRE)
    number = answers.open_tickets(centre, [key]).get((key, str(TicketKind.DEADLINE)))
    answers.close_tickets(centre, [number] if number else [])


def _page(scope: Scope, row: OwnRow) -> int:
    """The decision as it was entered, kept as what a platform sends is: an own record has its page too."""
    raw = json.dumps(row.plain, ensure_ascii=False, sort_keys=True).encode()
    opened = {
        "platform": CENTRE,
        "purpose": "decision",
        "operation": "decision",
        "message_id": row.key,
        "opened_at": scope.at,
        "closed_at": scope.at,
        "request_digest": sha256(raw).hexdigest(),
    }
    number = scope.connection.execute(insert(exchange).values(opened).returning(exchange.c.id)).scalar_one()
    page = {
        "platform": CENTRE,
        "exchange_id": number,
        "received_at": scope.at,
        "digest": sha256(raw).hexdigest(),
        "raw": scope.vault.seal(raw, f"inbox.raw:{number}"),
        "cursor_after": "",
    }
    return int(scope.connection.execute(insert(inbox).values(page).returning(inbox.c.id)).scalar_one())


def _to_row(row: Mapping[str, Any], vault: Vault) -> OwnRow:
    plain = json.loads(vault.open(row["content"], _place(row["key"], row["version"])))
    names = set(OwnRow.__dataclass_fields__) - {"plain", "state"}
    return OwnRow(**{name: row[name] for name in names}, plain=plain, state=OwnState(row["state"]))


def _place(key: str, version: int) -> str:
    return f"credit_own.content:{key}/{version}"
