"""Makes a certificate valid again whose voiding has lost its ground. A person decides; nothing here runs by itself.

It becomes what it was before, as a version of its own in both forms. What the platforms have to be told of it follows
from what each of them had been told (``reinstated``).
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import insert, select, update

from gateway.codec.redact import clean
from gateway.credit.rules.tickets import Act
from gateway.credit.store.case_tables import reinstatement
from gateway.credit.store.tables import ticket
from gateway.credit.store.void import keep_decision, last_version, rely, statement_in_force
from gateway.credit.store.void_grounds import Ground, GroundStanding, Rests, resting_on, rests, standing_of
from gateway.delivery.store import owing
from gateway.delivery.store.void_versions import cancel_end
from gateway.domain.china import CHINA
from gateway.domain.errors import InputError
from gateway.domain.records import Certificate, Record, RecordKind, StatusChange
from gateway.domain.status import RESCINDED, Decision, operation_back_to
from gateway.domain.ticket_kinds import TicketKind
from gateway.locale import tr
from gateway.store import records
from gateway.store.audit import note
from gateway.store.scope import Scope
from gateway.store.tables import record

REINSTATEMENT = "reinstatement"
"""purpose under which a certificate is valid again on the strength of a credit record that fell"""
BACK = "撤销证书的决定已不成立，恢复原状态"
"""what the platforms are told"""
CHANGED = "reinstated: the ground of its end fell"


@dataclass(frozen=True, kw_only=True)
class Reinstated:
    """A certificate and the version and status it has now; ``done`` is False where it had been made valid before."""

    key: str
    version: int
    status: str
    done: bool


def reinstate_all(scope: Scope, ground: Ground, *, reason: str, by: str) -> list[Reinstated]:
    """Make valid again what rests on this record; raises InputError where nothing does, or something else stands."""
    resting = [rests.key for rests in resting_on(scope.connection, ground.platform, [ground.record_id])]
    if not resting:
        raise InputError(tr("no void certificate rests on this record"))
    return [reinstate(scope, key, reason=reason, by=by) for key in dict.fromkeys(resting)]


def reinstate(scope: Scope, key: str, *, reason: str, by: str) -> Reinstated:
    """Make one certificate valid again; raises InputError where there is no way, or a ground for its end stands.

    A certificate that was made valid again before stays as it is.
    """
    owing.lock_records(scope.connection)
    held = next(records.newest_records(scope.connection, scope.vault, RecordKind.CERTIFICATE, [key]), None)
    if held is None or not isinstance(held.content, Certificate):
        raise InputError(tr("there is no such certificate"))
    if _is_back(scope, held):
        return Reinstated(key=key, version=held.version, status=held.content.status, done=False)
    if last_version(scope, key) != held.version:
        raise InputError(tr("the certificate was withdrawn: it has to be filed again"))
    void = rests(scope.connection, key, held.version)
    if held.content.status != RESCINDED or void is None:
        raise InputError(tr("no credit record or own decision made this certificate void"))
    _refuse_where_one_stands(scope, void)
    after, version = _bring_back(scope, held, void)
    fell = statement_in_force(scope, void.ground.record_id, void.ground.platform) or void.version_id
    rely(scope, REINSTATEMENT, ("platforms", f"{key}/{version}"), [fell], by)
    values = {"at": scope.at, "certificate_key": key, "void_version": held.version, "version": version, "actor": by}
    scope.connection.execute(
        insert(reinstatement).values(**values, platform=void.ground.platform, record_id=void.ground.record_id)
    )
    cancel_end(scope.connection, key, held.version, scope.at)
    _close_tickets(scope, key, reason=reason, by=by)
    note(scope.connection, at=scope.at, actor=by, action="reinstate", subject=f"{key}/{version}", reason=reason)
    return Reinstated(key=key, version=version, status=after.status, done=True)


def ground_of(scope: Scope, key: str) -> Ground | None:
    """The record on which the end of a certificate rests; None where none does."""
    void = rests(scope.connection, key, last_version(scope, key))
    return None if void is None else void.ground


def certificate_named(scope: Scope, text: str) -> str:
    """The key of a certificate named by key or number; raises InputError where there is none, or are several."""
    known = select(record.c.key).where(record.c.kind == RecordKind.CERTIFICATE, record.c.key == text)
    if scope.connection.execute(known.limit(1)).first() is not None:
        return text
    matches = records.find(scope.connection, scope.vault, "certificate_number", [text.strip().upper()])
    keys = {key for found in matches.values() for kind, key in found if kind == RecordKind.CERTIFICATE}
    if len(keys) != 1:
        raise InputError(
            tr("several certificates have this number: name its key") if keys else tr("there is no such certificate")
        )
    return keys.pop()


def _is_back(scope: Scope, held: Record) -> bool:
    """Whether the certificate was made valid again and nothing has voided it since."""
    assert isinstance(held.content, Certificate)
    ever = select(reinstatement.c.id).where(
        reinstatement.c.certificate_key == held.key, reinstatement.c.version <= held.version
    )
    return held.content.status != RESCINDED and scope.connection.execute(ever.limit(1)).first() is not None


def _refuse_where_one_stands(scope: Scope, void: Rests) -> None:
    """A ground that was altered is for a person to read; of another one nobody has said that it does not count."""
    for ground, standing in sorted(standing_of(scope.connection, void.key, scope.at).items()):
        if standing is GroundStanding.STANDS or (standing is GroundStanding.ALTERED and ground != void.ground):
            raise InputError(
                tr(
                    "a ground for the end of the certificate stands: {platform} {record_id}",
                    platform=ground.platform,
                    record_id=ground.record_id,
                )
            )


def _bring_back(scope: Scope, held: Record, void: Rests) -> tuple[Certificate, int]:
    """Keep both forms of the version in which the certificate is again what it was before its end."""
    [change] = [
        form.content
        for form in records.newest_records(scope.connection, scope.vault, RecordKind.STATUS_CHANGE, [void.key])
    ]
    assert isinstance(change, StatusChange)
    before = change.certificate
    wrong = change.void_from_start
    decision = Decision(
        new_status=before.status,
        operate_type=operation_back_to(before.status),
        reason=BACK,
        status_reason=before.status_reason,
        since=change.effective_date if wrong else scope.at.astimezone(CHINA).date(),
        decision_no=change.decision_no,
        decision_org=change.decision_org,
        correction=wrong,
        why=CHANGED,
    )
    return keep_decision(scope, held, decision, held.version + 1), held.version + 1


def _close_tickets(scope: Scope, key: str, *, reason: str, by: str) -> None:
    """Nothing is left to be decided about this certificate, whichever of its grounds asked."""
    for ground in standing_of(scope.connection, key, scope.at):
        scope.connection.execute(
            update(ticket)
            .where(
                ticket.c.platform == ground.platform,
                ticket.c.record_id == ground.record_id,
                ticket.c.kind == TicketKind.REINSTATE,
                ticket.c.closed_at.is_(None),
            )
            .values(closed_at=scope.at, closed_by=by, act=str(Act.REINSTATE), note=clean(reason))
        )
