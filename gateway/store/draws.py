"""What can be drawn for a check, and the draws that were made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from gateway.domain.credit import TicketKind
from gateway.domain.records import Certificate, RecordKind
from gateway.domain.supervision import Drawn
from gateway.store import archive_answers as answers
from gateway.store.archive_answers import Scope
from gateway.store.archive_subjects import ENTERPRISE
from gateway.store.chunks import MOST
from gateway.store.credit_desk_tables import credit_party, supervision_draw
from gateway.store.tables import record
from gateway.store.translate import to_record
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


def enterprises(connection: Connection) -> dict[str, frozenset[str]]:
    """Enterprises we know, by key."""
    keys = connection.execute(select(credit_party.c.key).where(credit_party.c.kind == ENTERPRISE)).scalars()
    return {key: frozenset[str]() for key in keys}


def certificates(connection: Connection, vault: Vault) -> dict[str, frozenset[str]]:
    """Certificates we hold, by key, with the divisions, verification point and enterprise they go back to."""
    found: dict[str, frozenset[str]] = {}
    after = 0
    while True:
        rows = (
            connection.execute(
                select(record)
                .where(record.c.id > after, record.c.kind == RecordKind.CERTIFICATE)
                .order_by(record.c.id)
                .limit(MOST)
            )
            .mappings()
            .all()
        )
        if not rows:
            return found
        for row in rows:
            content = to_record(dict(row), vault).content
            assert isinstance(content, Certificate)
            employer = content.holder.employer
            around = {content.verification.point_code, content.verification.review_region, content.assessment_region}
            found[row["key"]] = frozenset(around | ({employer.code} if employer else set()))
        after = rows[-1]["id"]


def keep(scope: Scope, draw: Draw) -> None:
    """Keep a draw and give each of its objects to a person as a ticket."""
    values = {name: getattr(draw, name) for name in Draw.__dataclass_fields__ if name not in ("of", "drawn")}
    drawn = {"of": draw.of, "pairs": [[one.object, one.checker] for one in draw.drawn]}
    scope.connection.execute(insert(supervision_draw).values({**values, "drawn": drawn}))
    kind = str(TicketKind.CHECK)
    wanted: dict[tuple[str, str], str | None] = {(one.object, kind): draw.number for one in draw.drawn}
    known = answers.open_tickets(scope, [one.object for one in draw.drawn])
    answers.open_new(scope, wanted, known)


def one(connection: Connection, number: str) -> Draw | None:
    """The draw of that number."""
    row = connection.execute(select(supervision_draw).where(supervision_draw.c.number == number)).mappings().first()
    return None if row is None else _to_draw(dict(row))


def listed(connection: Connection, limit: int) -> list[Draw]:
    """The draws, the newest first."""
    rows = connection.execute(select(supervision_draw).order_by(supervision_draw.c.at.desc()).limit(limit)).mappings()
    return [_to_draw(dict(row)) for row in rows]


def _to_draw(row: dict[str, Any]) -> Draw:
    told = row.pop("drawn")
    pairs = tuple(Drawn(object=name, checker=checker) for name, checker in told["pairs"])
    return Draw(**row, of=told["of"], drawn=pairs)
