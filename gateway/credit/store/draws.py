"""Draws for random checks as rows: the objects that can be drawn, draws that were made, and checks still owed."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from gateway.credit.rules.draws import Drawn
from gateway.credit.store import acknowledgements as answers
from gateway.credit.store.case_tables import check_owed, credit_party, supervision_draw
from gateway.credit.store.subjects import ENTERPRISE
from gateway.domain.records import RecordKind
from gateway.domain.ticket_kinds import TicketKind
from gateway.store.metadata import CHUNK
from gateway.store.records import record_place
from gateway.store.scope import Scope
from gateway.store.tables import record
from gateway.store.vault import Vault


@dataclass(frozen=True, kw_only=True)
class Draw:
    """A draw with everything needed to make it again."""

    number: str
    at: datetime
    actor: str
    reason: str
    seed: str
    method: str
    of: str
    population_digest: str
    population: int
    ratio: str
    excluded: Mapping[str, str]
    checkers: Mapping[str, list[str]]
    drawn: tuple[Drawn, ...]
    due_on: date | None


@dataclass(frozen=True, kw_only=True)
class Owed:
    """A check that a void certificate asks for; ``platform`` and ``record_id`` are its ground."""

    id: int
    platform: str
    record_id: str
    certificate_key: str


def enterprises(connection: Connection) -> dict[str, frozenset[str]]:
    """Enterprises we know, by key."""
    keys = connection.execute(select(credit_party.c.key).where(credit_party.c.kind == ENTERPRISE)).scalars()
    return {key: frozenset[str]() for key in keys}


def certificates(
    connection: Connection, vault: Vault, around: Collection[str] | None = None
) -> dict[str, frozenset[str]]:
    """Certificates we hold, by key, with the divisions, verification point and enterprise they go back to.

    around: only those of one of these groups, or with one of these keys; no more than that is kept in memory
    """
    found: dict[str, frozenset[str]] = {}
    after = 0
    while True:
        rows = connection.execute(
            select(record.c.id, record.c.key, record.c.version, record.c.content)
            .where(record.c.id > after, record.c.kind == RecordKind.CERTIFICATE)
            .order_by(record.c.id)
            .limit(CHUNK)
        ).all()
        if not rows:
            return found
        for row in rows:
            # three fields of each: making the whole value of it would take several times as long
            plain = json.loads(vault.open(row.content, record_place(RecordKind.CERTIFICATE, row.key, row.version)))
            employer, verified = plain["holder"].get("employer"), plain["verification"]
            groups = {verified["point_code"], verified["review_region"], plain["assessment_region"]}
            groups |= {employer["code"]} if employer else set()
            if around is None or not groups.union({row.key}).isdisjoint(around):
                found[row.key] = frozenset(groups)
            else:
                found.pop(row.key, None)
        after = rows[-1].id


def keep(scope: Scope, draw: Draw) -> None:
    """Keep a draw and give each of its objects to a person as a ticket."""
    values = {name: getattr(draw, name) for name in Draw.__dataclass_fields__ if name not in ("of", "drawn")}
    drawn = {"of": draw.of, "pairs": [[pair.object, pair.checker] for pair in draw.drawn]}
    scope.connection.execute(insert(supervision_draw).values({**values, "drawn": drawn}))
    kind = str(TicketKind.CHECK)
    wanted: dict[tuple[str, str], str | None] = {(pair.object, kind): draw.number for pair in draw.drawn}
    known = answers.open_tickets(scope, [pair.object for pair in draw.drawn])
    answers.open_new(scope, wanted, known)


def owed(connection: Connection, limit: int) -> list[Owed]:
    """The checks that void certificates ask for and that were not drawn yet, the oldest first."""
    rows = connection.execute(
        select(check_owed).where(check_owed.c.drawn_at.is_(None)).order_by(check_owed.c.id).limit(limit)
    ).mappings()
    return [Owed(**{name: row[name] for name in Owed.__dataclass_fields__}) for row in rows]


def keep_owed(scope: Scope, owed: Owed, made: Sequence[Draw]) -> bool:
    """Keep the draws that one void certificate asked for; False where another process has kept others."""
    changed = scope.connection.execute(
        update(check_owed)
        .where(check_owed.c.id == owed.id, check_owed.c.drawn_at.is_(None))
        .values(drawn_at=scope.at, draws=[draw.number for draw in made])
    )
    if changed.rowcount:
        for draw in made:
            keep(scope, draw)
    return bool(changed.rowcount)


def drawn_for(connection: Connection, platform: str, record_id: str) -> list[str]:
    """Numbers of the draws that the void certificate of a credit record brought about."""
    here = (check_owed.c.platform == platform, check_owed.c.record_id == record_id)
    return list(connection.execute(select(check_owed.c.draws).where(*here)).scalar() or ())


def draw_by_number(connection: Connection, number: str) -> Draw | None:
    """The draw of that number."""
    row = connection.execute(select(supervision_draw).where(supervision_draw.c.number == number)).mappings().first()
    return None if row is None else _to_draw(dict(row))


def listed(connection: Connection, limit: int) -> list[Draw]:
    """The draws, the newest first."""
    rows = connection.execute(select(supervision_draw).order_by(supervision_draw.c.at.desc()).limit(limit)).mappings()
    return [_to_draw(dict(row)) for row in rows]


def _to_draw(row: dict[str, Any]) -> Draw:
    kept = row.pop("drawn")
    pairs = tuple(Drawn(object=name, checker=checker) for name, checker in kept["pairs"])
    return Draw(**row, of=kept["of"], drawn=pairs)
