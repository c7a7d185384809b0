"""Requests for a second person: asked once, decided once by another, used once; each step is one statement.

A decision carries a mark of the key ring: who can only write the tables cannot approve.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from gateway.actor import Person
from gateway.codec.redact import clean
from gateway.domain.approvals import COUNTED, GuardedAct, Request, Standing, refusal
from gateway.domain.errors import StoreError
from gateway.locale import tr
from gateway.operations.rules.evidence import canonical
from gateway.operations.store.tables import approval, four_eyes
from gateway.store.audit import note
from gateway.store.metadata import insert_into
from gateway.store.tables import audit
from gateway.store.vault import Vault

_MARKED = ("id", "digest", "asked_at", "asked_uid", "expires_at", "decided_at", "decided_by", "decided_uid", "decision")


def demanded(connection: Connection) -> dict[GuardedAct, int]:
    """Acts for which this store asks for a second person, whatever the settings say now; above how many."""
    return {GuardedAct(row.act): row.above for row in connection.execute(select(four_eyes.c.act, four_eyes.c.above))}


def demand(connection: Connection, acts: Iterable[GuardedAct], *, above: int, by: str, now: datetime) -> None:
    """Note that acts ask for a second person from now on, those that are counted above so many; never more loosely."""
    for act in sorted(acts):
        row = {"act": act, "since": now, "by": by, "above": above if act in COUNTED else 0}
        added = insert_into(connection, four_eyes).values(row).on_conflict_do_nothing().returning(four_eyes.c.act)
        tighter = update(four_eyes).where(four_eyes.c.act == act, four_eyes.c.above > row["above"])
        if connection.execute(added).first() or connection.execute(tighter.values(above=row["above"])).rowcount:
            note(connection, at=now, actor=by, action="four_eyes", subject=act, detail={"above": row["above"]})


def waive(connection: Connection, act: GuardedAct) -> bool:
    """Ask for nobody any longer; False where nobody was asked for."""
    return bool(connection.execute(delete(four_eyes).where(four_eyes.c.act == act)).rowcount)


def touched_before(connection: Connection, act: GuardedAct, person: Person, since: datetime) -> int:
    """How many transmissions this person released or replayed since then without anybody's consent."""
    wanted = select(audit.c.detail).where(audit.c.action == act, audit.c.actor == person.name, audit.c.at >= since)
    touched = sum(len(detail.get("deliveries", ())) for detail in connection.execute(wanted).scalars())
    mine = (approval.c.act == act, approval.c.asked_uid == person.uid, approval.c.used_at >= since)
    allowed = connection.execute(select(approval.c.detail).where(*mine)).scalars()
    return int(max(0, touched - sum(detail.get("transmissions", 0) for detail in allowed)))


def ask(
    connection: Connection,
    act: GuardedAct,
    digest: str,
    person: Person,
    now: datetime,
    *,
    subject: str,
    reason: str,
    detail: Mapping[str, Any],
    lasts: timedelta,
) -> Request:
    """The request of this person for exactly this act: the one that stands, or a new one.

    Asked twice in the same moment it is one: whoever asks holds these rows until the commit.
    """
    connection.execute(select(four_eyes.c.act).order_by(four_eyes.c.act).with_for_update()).all()
    for found in _of(connection, approval.c.digest == digest, approval.c.asked_uid == person.uid):
        if found.standing(now) in (Standing.WAITS, Standing.APPROVED):
            return found
    row = {
        "asked_at": now,
        "asked_by": person.name,
        "asked_uid": person.uid,
        "act": act,
        "subject": clean(subject)[:120],
        "reason": clean(reason),
        "detail": dict(detail),
        "digest": digest,
        "expires_at": now + lasts,
    }
    number = connection.execute(insert(approval).values(row).returning(approval.c.id)).scalar_one()
    told = {"act": act, "of": row["subject"], "digest": digest}
    note(
        connection,
        at=now,
        actor=person.name,
        action="ask_approval",
        subject=f"approval {number}",
        reason=reason,
        detail=told,
    )
    return _one(connection, number)


def decide(
    connection: Connection,
    vault: Vault,
    number: int,
    person: Person,
    now: datetime,
    *,
    approve: bool,
    reason: str,
) -> Request | None:
    """Approve or decline a request, where ``refusal`` allows it and nobody was quicker; None where not."""
    found = find(connection, number)
    if found is None or refusal(found, person.uid, now) is not None:
        return None
    values = {
        "decided_at": now,
        "decided_by": person.name,
        "decided_uid": person.uid,
        "decision": Standing.APPROVED if approve else Standing.DECLINED,
        "note": clean(reason),
    }
    here = (approval.c.id == number, approval.c.decision.is_(None), approval.c.asked_uid != person.uid)
    seal = _mark(vault, {**vars(found), **values})
    if not connection.execute(update(approval).where(*here).values(**values, seal=seal)).rowcount:
        return None
    told = {"act": found.act, "of": found.subject, "asked_by": found.asked_by, "digest": found.digest}
    action = "approve" if approve else "decline"
    note(
        connection,
        at=now,
        actor=person.name,
        action=action,
        subject=f"approval {number}",
        reason=reason,
        detail=told,
    )
    return _one(connection, number)


def use(connection: Connection, vault: Vault, number: int, now: datetime) -> bool:
    """Use an approval up, once; False where it is none any longer. StoreError where its mark is not of our key."""
    here = (
        approval.c.id == number,
        approval.c.decision == Standing.APPROVED,
        approval.c.used_at.is_(None),
        approval.c.expires_at > now,
        approval.c.decided_uid != approval.c.asked_uid,
    )
    if not connection.execute(update(approval).where(*here).values(used_at=now)).rowcount:
        return False
    row = connection.execute(select(approval).where(approval.c.id == number)).mappings().one()
    if row["seal"] != _mark(vault, dict(row)):
        raise StoreError(
            tr(
                "approval {number} was not given by `gateway approvals approve`: it lacks the mark of the key",
                number=number,
            )
        )
    told = {"act": row["act"], "of": row["subject"], "approved_by": row["decided_by"], "digest": row["digest"]}
    note(
        connection,
        at=now,
        actor=row["asked_by"],
        action="use_approval",
        subject=f"approval {number}",
        reason=row["reason"],
        detail=told,
    )
    return True


def _mark(vault: Vault, row: Mapping[str, Any]) -> str:
    return vault.mark("approval", canonical({name: row[name] for name in _MARKED}).encode())


def find(connection: Connection, number: int) -> Request | None:
    """One request."""
    return next(iter(_of(connection, approval.c.id == number)), None)


def listed(connection: Connection, limit: int) -> list[Request]:
    """Requests, the newest first."""
    return _of(connection)[:limit]


def _one(connection: Connection, number: int) -> Request:
    [found] = _of(connection, approval.c.id == number)
    return found


def _of(connection: Connection, *where: Any) -> list[Request]:
    columns = [column for column in approval.c if column.name != "seal"]
    rows = connection.execute(select(*columns).where(*where).order_by(approval.c.id.desc())).mappings()
    return [Request(**{**row, "act": GuardedAct(row["act"])}) for row in rows]
