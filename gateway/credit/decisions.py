"""Own decisions: entered as drafts, and published once their proof is complete.

No machine publishes: each step is an officer's, named in the audit trail (R09, R10).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from gateway.contract.messages import Finding, Subject, SubjectType
from gateway.credit.rules.decisions import PUBLISH_DAYS, WARN_DAYS, OwnRecord, OwnState, Proof, lacking
from gateway.credit.rules.periods import add_period
from gateway.credit.rules.statements import EventType
from gateway.credit.store import decisions, parties
from gateway.credit.store.decisions import OwnRow
from gateway.credit.store.events import CENTRE
from gateway.credit.store.parties import Party
from gateway.credit.store.streams import archive_scope
from gateway.credit.store.subjects import AUTHORITY, ENTERPRISE
from gateway.credit.views import find_subject
from gateway.domain.china import CHINA, day_start
from gateway.domain.errors import InputError
from gateway.domain.records import RecordKind, Worker
from gateway.domain.working_days import WorkCalendar
from gateway.locale import tr
from gateway.store import records
from gateway.store.audit import note
from gateway.store.engine import Store
from gateway.store.scope import Scope

_DAYS = frozenset({"happened", "decided", "sanction_to", "published_to", "effective", "noticed", "delivered"})
_KINDS = {ENTERPRISE: SubjectType.ENTERPRISE, AUTHORITY: SubjectType.AUTHORITY}


@dataclass(frozen=True, kw_only=True)
class Officer:
    """Who acts, when, and by which calendar."""

    by: str
    now: datetime
    calendar: WorkCalendar


@dataclass(frozen=True, kw_only=True)
class Drafted:
    """A draft that was kept, and what it still lacks before it may be published."""

    key: str
    version: int
    lacking: tuple[str, ...]
    warn_on: date | None
    due_on: date | None


def read_decision(path: Path) -> Mapping[str, Any]:
    """The decision in a TOML file; raises InputError, which names fields and never repeats what they say."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            tr("{name}: not a TOML file in UTF-8 ({kind})", name=path.name, kind=type(error).__name__)
        ) from None


def draft(store: Store, given: Mapping[str, Any], officer: Officer, *, new_key: Callable[[], str]) -> Drafted:
    """Keep a draft. ``record`` in it names an own record of which this is the next version."""
    with archive_scope(store, CENTRE, officer.now) as scope:
        record = _record(scope, given)
        due = warn = None
        if record.decided is not None:
            warn, due = (officer.calendar.due(record.decided, days) for days in (WARN_DAYS, PUBLISH_DAYS))
        key = str(given.get("record") or new_key())
        if given.get("record") and not decisions.rows(scope.connection, scope.vault, key=key, limit=1):
            raise InputError(tr("record: there is no own record of this key"))
        version = decisions.keep_draft(scope, key, _plain(record), due=(warn, due), by=officer.by)
        note(scope.connection, at=scope.at, actor=officer.by, action="decision_draft", subject=f"{key}/{version}")
    return Drafted(key=key, version=version, lacking=lacking(record), warn_on=warn, due_on=due)


def publish(
    store: Store,
    key: str,
    officer: Officer,
    *,
    reason: str,
    platform: str | None,
    default_period: str | None = None,
    only: tuple[int, str] | None = None,
) -> OwnRow:
    """Publish the draft of an own record; raises InputError where its proof is not complete (R10).

    only:           version and digest of the draft as ``draft_to_publish`` gave it; another one is refused

    platform:       which platform is to have it; None where none takes such records
    default_period: ISO 8601 period of disclosure from the decision, where the decision itself fixes none
    """
    with archive_scope(store, CENTRE, officer.now) as scope:
        row = _draft(scope, key)
        record = _complete(row)
        if only not in (None, (row.version, _digest(row))):
            raise InputError(tr("the draft was changed in the meantime: look at it, and publish it again"))
        finding = _finding(scope, row, _fixed(record, default_period))
        decisions.publish(scope, row, finding, record.subject, platform=platform, by=officer.by)
        note(
            scope.connection,
            at=scope.at,
            actor=officer.by,
            action="decision_publish",
            subject=f"{key}/{row.version}",
            reason=reason,
        )
        return decisions.rows(scope.connection, scope.vault, key=key, limit=1)[0]


def draft_to_publish(store: Store, key: str, officer: Officer) -> tuple[int, str]:
    """Version and digest of a draft that can be published; raises InputError like ``publish``."""
    with archive_scope(store, CENTRE, officer.now) as scope:
        row = _draft(scope, key)
        _complete(row)
        return row.version, _digest(row)


def _draft(scope: Scope, key: str) -> OwnRow:
    row = next(iter(decisions.rows(scope.connection, scope.vault, key=key, limit=1)), None)
    if row is None or row.state is not OwnState.DRAFT:
        raise InputError(tr("there is no draft of this key"))
    return row


def _complete(row: OwnRow) -> OwnRecord:
    record = from_plain(row.plain)
    missing = lacking(record)
    if missing:
        raise InputError(tr("the record stays a draft for want of: {missing}", missing=list(missing)))
    return record


def _digest(row: OwnRow) -> str:
    return sha256(repr(sorted(row.plain.items(), key=str)).encode()).hexdigest()


def from_plain(plain: Mapping[str, Any]) -> OwnRecord:
    """An own record as it was kept."""
    values = {name: _value(name, value) for name, value in plain.items() if name != "proof"}
    proof = {name: _value(name, value) for name, value in (plain.get("proof") or {}).items()}
    return OwnRecord(**values, proof=Proof(**proof))


def _value(name: str, value: Any) -> Any:
    return date.fromisoformat(value) if name in _DAYS and isinstance(value, str) else value


def _plain(record: OwnRecord) -> dict[str, Any]:
    def plain(values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: plain(value) if isinstance(value, dict) else value.isoformat() if isinstance(value, date) else value
            for name, value in values.items()
        }

    return plain(asdict(record))


def _record(scope: Scope, given: Mapping[str, Any]) -> OwnRecord:
    known = {part.name for part in fields(OwnRecord)} | {"record", "subject_name"}
    unknown = sorted(set(given) - known)
    if unknown:
        raise InputError(tr("unknown fields: {names}", names=", ".join(unknown)))
    if given.get("event_type", "CREATED") not in set(EventType):
        raise InputError(tr("event_type: no such event"))
    kind, key = _subject_named(scope, given)
    values = {name: value for name, value in given.items() if name not in ("record", "subject_name", "kind", "subject")}
    try:
        proof = Proof(**{name: _value(name, value) for name, value in values.pop("proof", {}).items()})
        return OwnRecord(
            kind=kind, subject=key, proof=proof, **{name: _value(name, value) for name, value in values.items()}
        )
    except (TypeError, ValueError, AttributeError):
        required = ("subject", "category", "content", "region", "authority", "legal_basis", "decision")
        lacks = [name for name in required if not given.get(name)]
        raise InputError(tr("not a decision: {flaws}", flaws=lacks or tr("a field of another form"))) from None


def _subject_named(scope: Scope, given: Mapping[str, Any]) -> tuple[str, str]:
    """Kind and key of the subject; a person must be held (R17), an enterprise or authority may be named anew."""
    text = str(given.get("subject") or "")
    found = find_subject(scope.connection, scope.vault, text)
    name, kind = given.get("subject_name"), str(given.get("kind") or "")
    if found is not None and found.kind != AUTHORITY:
        return found.kind, found.key
    if kind in (ENTERPRISE, AUTHORITY) and name:
        party = Party(kind=kind, code=text, name=str(name))
        [key] = parties.hold(scope.connection, scope.vault, [party], parties.OWN, scope.at)
        return kind, key
    raise InputError(tr("subject: nobody we hold; an enterprise or authority is named with kind and subject_name"))


def _fixed(record: OwnRecord, default_period: str | None) -> OwnRecord:
    if record.published_to is not None or default_period is None or record.decided is None:
        return record
    end = add_period(record.decided, default_period)
    return replace(record, published_to=max(end, record.sanction_to or end))


def _finding(scope: Scope, row: OwnRow, record: OwnRecord) -> Finding:
    published = scope.at.astimezone(CHINA).date()
    return Finding(
        event_id=f"own-{row.key}-{row.version}",
        stream="OWN",
        stream_seq=0,
        event_type=record.event_type,
        event_time=scope.at,
        record_id=row.key,
        version=row.version,
        prev_version=row.version - 1 if row.version > 1 else None,
        digest=f"sha-256:{_digest(row)}",
        subject=subject_of(scope, record),
        effective_from=day_start(record.effective) if record.effective else None,
        change_reason=record.change_reason,
        category=record.category,
        credit_type=record.credit_type,
        credit_code=record.credit_code,
        content=record.content,
        happen_date=record.happened,
        decision_date=record.decided,
        sanction_end=record.sanction_to,
        decision_no=record.decision_no,
        authority=record.authority,
        severity=record.severity,
        usage_scope=record.usage_scope,
        is_public=record.usage_scope == "0",
        publish_begin=published,
        publish_end=record.published_to,
        source_org=record.authority,
        certificate_number=record.certificate,
    )


def subject_of(scope: Scope, record: OwnRecord) -> Subject:
    """Whom a decision is about, as a platform sees it."""
    if record.kind in _KINDS:
        party = parties.read(scope.connection, scope.vault, [record.subject])[record.subject]
        return Subject(type=_KINDS[record.kind], name=party.name, corp_code=party.code)
    person = next(records.newest_records(scope.connection, scope.vault, RecordKind.PERSON, [record.subject]))
    assert isinstance(person.content, Worker)
    worker = person.content
    return Subject(type=SubjectType.PERSON, name=worker.name, id_type=worker.id_type, id_number=worker.id_number)
