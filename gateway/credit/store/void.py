"""Changes a certificate's status once a credit record declares it void (F26), in the same commit as the event.

Where the record no longer says so, a person is asked whether the certificate is valid after all; nothing brings it back
by itself.

The certificate loses its status, what waits of it is cancelled, and the change is kept as a version of its own, so that
every platform that has the certificate is told with the next push. The ground is written down beside it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import insert, select

from gateway.credit.rules.history import Outcome
from gateway.credit.rules.statements import AckCode, Effect
from gateway.credit.store import acknowledgements as answers
from gateway.credit.store import void_grounds
from gateway.credit.store.acknowledgements import event_id_of
from gateway.credit.store.case_tables import check_owed, credit_reliance
from gateway.credit.store.events import payload_place
from gateway.credit.store.tables import credit_event, credit_link, credit_version
from gateway.credit.store.void_grounds import STATUS_CHANGE, GroundStanding
from gateway.delivery.store import owing, void_versions
from gateway.domain.changes import differences
from gateway.domain.china import CHINA
from gateway.domain.records import Certificate, Record, RecordKind
from gateway.domain.status import CODES, Decision, StatusStep, decided, is_void
from gateway.domain.ticket_kinds import TicketKind
from gateway.store import records
from gateway.store.metadata import chunks
from gateway.store.scope import Scope
from gateway.store.tables import record

VOID = "证书被宣布无效"
"""what the platforms are told; the decision's own words may name people"""
_KINDS = (RecordKind.CERTIFICATE, RecordKind.STATUS_CHANGE, RecordKind.WITHDRAWAL)
_UNDERMINES = frozenset({Effect.STOP, Effect.REEVALUATE, Effect.RECOMPUTE})
"""effects of events after which a record may no longer say what it said"""


@dataclass(frozen=True, kw_only=True)
class VoidReason:
    """Why a certificate changes its status. ``void_from_start``: it never was valid (fraud)."""

    reason: str
    since: date
    decision_no: str | None
    decision_org: str | None
    void_from_start: bool


def follow(scope: Scope, outcomes: Collection[Outcome], judged: Iterable[tuple[str, str]] = ()) -> int:
    """Carry out what newly applied events ask for; gives how many certificates lost their status.

    judged: platform and record of those that were judged again without an event of their own
    """
    applied = [o for o in outcomes if o.code is AckCode.APPLIED]
    void = [_invalidate(scope, outcome) for outcome in applied if outcome.effect is Effect.INVALIDATE]
    changed = [event_id_of(outcome) for outcome in applied if outcome.effect in _UNDERMINES]
    _ask_whether_void(scope, judged, changed)
    return sum(void)


def _ask_whether_void(scope: Scope, judged: Iterable[tuple[str, str]], events: Sequence[str]) -> None:
    """Let a person decide where the record that made a certificate void does not say so any more.

    One that a platform merely stopped telling has a ticket already, which asks why (F27).
    """
    touched: dict[tuple[str, str], str | None] = dict.fromkeys(judged)
    if not (touched or events) or not void_grounds.any_void(scope.connection):
        return
    for part in chunks(events):
        here = (credit_event.c.platform == scope.platform, credit_event.c.event_id.in_(part))
        rows = scope.connection.execute(select(credit_event.c.record_id, credit_event.c.event_id).where(*here))
        touched |= {(scope.platform, row.record_id): row.event_id for row in rows}
    for platform in {platform for platform, _ in touched}:
        records_here = [record_id for place, record_id in touched if place == platform]
        there = replace(scope, platform=platform)
        for void in void_grounds.resting_on(scope.connection, platform, records_here):
            says = void_grounds.says_now(scope.connection, void.key, void.ground, scope.at)
            if says is GroundStanding.STANDS or void_grounds.withheld(scope.connection, void.ground):
                continue
            place = (void.ground.record_id, str(TicketKind.REINSTATE))
            known = answers.open_tickets(there, [place[0]])
            answers.open_new(there, {place: touched[platform, place[0]]}, known)


def change_status(
    scope: Scope, key: str, step: StatusStep, ground: VoidReason, *, version_id: int | None, actor: str
) -> bool:
    """Keep both forms of the version that a decision makes of a certificate; False where it says nothing new.

    version_id: the archive's statement on which the change rests
    """
    owing.lock_records(scope.connection)
    held = next(records.newest_records(scope.connection, scope.vault, RecordKind.CERTIFICATE, [key]), None)
    if held is None or not isinstance(held.content, Certificate) or held.content.status == CODES[step][1]:
        return False
    decision = Decision.of_step(
        step,
        reason=ground.reason,
        since=ground.since,
        decision_no=ground.decision_no,
        decision_org=ground.decision_org,
        void_from_start=ground.void_from_start,
        why=f"{step.lower()} by decision",
    )
    version = 1 + last_version(scope, key)
    keep_decision(scope, held, decision, version)
    if version_id is not None:
        rely(scope, STATUS_CHANGE, ("platforms", f"{key}/{version}"), [version_id], actor)
    return True


def keep_decision(scope: Scope, held: Record, decision: Decision, version: int) -> Certificate:
    """Keep the version of a certificate that a decision makes, with what it changes; gives the certificate after it.

    Where that is its end, what waits of it is cancelled on every platform at once.
    """
    pair = decided(held, decision, version=version, at=scope.at)
    after = pair[0].content
    assert isinstance(after, Certificate)
    added = records.add(scope.connection, scope.vault, pair, batch_id=None, now=scope.at)
    place = (str(RecordKind.CERTIFICATE), held.key, version)
    records.add_changes(scope.connection, scope.vault, added, {place: differences(held.content, after)})
    if is_void(after):
        void_versions.cancel_overtaken(scope.connection, [held.key], scope.at)
    return after


def rely(scope: Scope, purpose: str, to: tuple[str, str], version_ids: Iterable[int], actor: str) -> None:
    """Write down that something left the house on the ground of these statements (R14).

    to: who got it, and under which reference
    """
    common = {"at": scope.at, "purpose": purpose, "recipient": to[0], "reference": to[1], "actor": actor}
    rows = [{**common, "version_id": number} for number in version_ids]
    if rows:
        scope.connection.execute(insert(credit_reliance), rows)


def statement_in_force(scope: Scope, record_id: str, platform: str | None = None) -> int | None:
    """The row of the newest statement believed about a record."""
    row: int | None = scope.connection.execute(
        select(credit_version.c.id)
        .where(
            credit_version.c.platform == (platform or scope.platform),
            credit_version.c.record_id == record_id,
            credit_version.c.sys_to.is_(None),
        )
        .order_by(credit_version.c.valid_from, credit_version.c.id)
        .limit(1)
    ).scalar()
    return row


def certificate_of(scope: Scope, record_id: str) -> str | None:
    """The certificate a record is linked to."""
    key: str | None = scope.connection.execute(
        select(credit_link.c.key).where(
            credit_link.c.platform == scope.platform,
            credit_link.c.record_id == record_id,
            credit_link.c.kind == str(RecordKind.CERTIFICATE),
            credit_link.c.sys_to.is_(None),
        )
    ).scalar()
    return key


def _invalidate(scope: Scope, outcome: Outcome) -> bool:
    event = _event(scope, outcome)
    key = certificate_of(scope, event["record_id"])
    plain = json.loads(
        scope.vault.open(event["payload"], payload_place(scope.platform, event["event_id"], event["digest"]))
    )
    since = _day(plain, event)
    ground_of_it = void_grounds.Ground(platform=scope.platform, record_id=event["record_id"])
    says = (
        GroundStanding.STANDS if key is None else void_grounds.says_now(scope.connection, key, ground_of_it, scope.at)
    )
    if says is GroundStanding.FELL:
        return False  # revoked by an event that came with it: the final state counts (F40)
    if key is None or not plain["decision_no"] or not plain["authority"] or says is GroundStanding.ALTERED:
        # an officer decides where the decision is not named, was stated anew or is not about ours (no machine alone)
        place = (event["record_id"], str(TicketKind.REVIEW))
        answers.open_new(scope, {place: event["event_id"]}, answers.open_tickets(scope, [place[0]]))
        return False
    ground = VoidReason(
        reason=VOID,
        since=since,
        decision_no=plain["decision_no"],
        decision_org=plain["authority"],
        void_from_start=event["effective_from"] is None,
    )
    row = statement_in_force(scope, event["record_id"])
    done = change_status(scope, key, StatusStep.RESCIND, ground, version_id=row, actor=scope.platform)
    if done:
        _owe_check(scope, event["record_id"], key)
    return done


def _owe_check(scope: Scope, record_id: str, key: str) -> None:
    """Note that other filings of the same enterprise and verification point are to be drawn for a check, once."""
    here = {"platform": scope.platform, "record_id": record_id}
    known = select(check_owed.c.id).where(*(check_owed.c[name] == value for name, value in here.items()))
    if scope.connection.execute(known).first() is None:
        values = {**here, "certificate_key": key, "at": scope.at, "draws": []}
        scope.connection.execute(insert(check_owed).values(values))


def _event(scope: Scope, outcome: Outcome) -> Mapping[str, Any]:
    row = (
        scope.connection.execute(
            select(credit_event).where(
                credit_event.c.platform == scope.platform,
                credit_event.c.event_id == event_id_of(outcome),
                credit_event.c.digest == outcome.fact.digest,
            )
        )
        .mappings()
        .one()
    )
    return dict(row)


def _day(plain: Mapping[str, Any], event: Mapping[str, Any]) -> date:
    moment: datetime | None = event["effective_from"]
    if moment is not None:
        return moment.astimezone(CHINA).date()
    happened: datetime = event["event_time"]
    return date.fromisoformat(plain["decision_date"]) if plain["decision_date"] else happened.astimezone(CHINA).date()


def last_version(scope: Scope, key: str) -> int:
    """The highest version of a certificate, in whatever form; 0 where there is none."""
    rows = scope.connection.execute(select(record.c.version).where(record.c.kind.in_(_KINDS), record.c.key == key))
    return max((int(version) for version in rows.scalars()), default=0)
