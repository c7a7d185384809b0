"""What the credit archive shows, and to whom: internally, for a decision, to the public, to a partner.

Each view carries the least that its purpose needs. Nobody is looked for by name. Names appear in the public and the
partners' view only, which are about decisions; numbers of documents are masked everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from gateway.codec.codes import table
from gateway.codec.redact import clean
from gateway.credit.rules.matching import plain_number
from gateway.credit.rules.statements import PUBLIC_CATEGORIES
from gateway.credit.store import as_of as credit_as_of
from gateway.credit.store import parties, views
from gateway.credit.store.as_of import Believed, Content
from gateway.credit.store.events import CENTRE
from gateway.credit.store.subjects import AUTHORITY, ENTERPRISE, survivors
from gateway.credit.store.views import RecordStanding
from gateway.credit.store.void import rely
from gateway.domain.china import CHINA
from gateway.domain.records import RecordKind
from gateway.store import records
from gateway.store.audit import note
from gateway.store.engine import Connection, Store
from gateway.store.scope import write_scope
from gateway.store.vault import Vault

PARTNER = "partner"
PERSON = str(RecordKind.PERSON)
SUPPRESS_BELOW = 10
"""counts below this are not shown to the public"""
_CODE, _DIVISION, _KEY = 18, 6, 26


class View(StrEnum):
    """For whom a subject's records are shown."""

    INTERNAL = "internal"
    USABLE = "usable"
    PUBLIC = "public"
    PARTNER = "partner"


@dataclass(frozen=True, kw_only=True)
class Who:
    """A subject that was found. ``redirected``: it was asked for under a key that another stands for now."""

    kind: str
    key: str
    redirected: bool = False


def find_subject(connection: Connection, vault: Vault, text: str) -> Who | None:
    """The subject meant: a person by key or certificate number, an enterprise or authority by its code."""
    text = text.strip().upper()
    if len(text) == _CODE:
        key = parties.party_key(vault, ENTERPRISE, text)
        if key in parties.read(connection, vault, [key]):
            return _who(connection, ENTERPRISE, key)
    if len(text) == _DIVISION and text in table("division_shandong"):
        return Who(kind=AUTHORITY, key=parties.party_key(vault, AUTHORITY, text))
    if len(text) == _KEY and records.newest(connection, RecordKind.PERSON, [text]):
        return _who(connection, PERSON, text)
    if len(text) == _KEY and (party := parties.read(connection, vault, [text]).get(text)) is not None:
        return _who(connection, party.kind, text)
    found = records.find(connection, vault, "certificate_number", [plain_number(text, "")])
    keys = {key for matches in found.values() for kind, key in matches if kind == RecordKind.CERTIFICATE}
    holders = {held.person_key for held in records.newest(connection, RecordKind.CERTIFICATE, sorted(keys)).values()}
    return _who(connection, PERSON, holders.pop()) if len(holders) == 1 else None


def _who(connection: Connection, kind: str, key: str) -> Who:
    survivor = survivors(connection, [key]).get(key, key)
    return Who(kind=kind, key=survivor, redirected=survivor != key)


def show(connection: Connection, vault: Vault, who: Who, view: View, at: datetime) -> list[dict[str, Any]]:
    """A subject's records in one view as they stand at ``at``."""
    found = views.current(connection, who.key, at, kind=who.kind)
    chosen = [standing for standing in found if _SHOWN_IN[view](standing)]
    contents = credit_as_of.contents(connection, vault, {standing.version_id for standing in chosen})
    return [_DOCUMENT[view](standing, contents.get(standing.version_id)) for standing in chosen]


def as_of(
    connection: Connection, vault: Vault, who: Who, valid_at: datetime, known_at: datetime
) -> list[dict[str, Any]]:
    """What was believed at ``known_at`` to hold at ``valid_at``, as operators see it."""
    found = credit_as_of.as_of(connection, who.kind, who.key, valid_at, known_at)
    contents = credit_as_of.contents(connection, vault, {standing.version_id for standing in found})
    return [
        {
            **_head(standing),
            **_facts(contents.get(standing.version_id)),
            **_spans(standing),
            "known_from": standing.sys_from,
            "known_to": standing.sys_to,
            "match": standing.match,
        }
        for standing in found
    ]


def public(connection: Connection, vault: Vault, at: datetime, limit: int) -> dict[str, Any]:
    """All records the public may see, with counts in which small numbers are suppressed."""
    found = [standing for standing in views.shown_now(connection, at, limit) if standing.public]
    contents = credit_as_of.contents(connection, vault, {standing.version_id for standing in found})
    counts = Counter(standing.statement.category for standing in found)
    return {
        "records": [_public(standing, contents.get(standing.version_id)) for standing in found],
        "counts": {name: count if count >= SUPPRESS_BELOW else None for name, count in sorted(counts.items())},
    }


def share(store: Store, recipient: str, *, by: str, now: datetime, limit: int) -> dict[str, Any]:
    """What a partner has to be given and to take back, since the last time; written down as given.

    A statement that replaced one that was given is given anew; what may be shared no longer is named as withdrawn.
    """
    with write_scope(store, CENTRE, now) as scope:
        connection = scope.connection
        before = credit_as_of.shared(connection, PARTNER, recipient)
        found = {(s.platform, s.record_id): s for s in views.shown_now(connection, now, limit) if is_shared(s)}
        fresh = [standing for place, standing in found.items() if before.get(place) != standing.version_id]
        contents = credit_as_of.contents(connection, store.vault, {standing.version_id for standing in fresh})
        gone = sorted(place for place, last in before.items() if last and place not in found)
        rely(scope, PARTNER, (recipient, now.isoformat()), [standing.version_id for standing in fresh], by)
        credit_as_of.take_back(scope, PARTNER, recipient, [before[place] for place in gone], by)
        note(
            connection,
            at=now,
            actor=by,
            action="share",
            subject=recipient[:120],
            detail={"given": len(fresh), "withdrawn": len(gone)},
        )
    return {
        "recipient": recipient,
        "records": [_partner(standing, contents.get(standing.version_id)) for standing in fresh],
        "withdrawn": [{"platform": platform, "record_id": record_id} for platform, record_id in gone],
    }


def is_shared(standing: RecordStanding) -> bool:
    """Whether a partner inside government may have it: usable, of the catalogue, of public or official scope (R18)."""
    statement = standing.statement
    return standing.usable and statement.usage_scope in ("0", "1") and statement.category in PUBLIC_CATEGORIES


def _internal(standing: RecordStanding, content: Content | None) -> dict[str, Any]:
    beside = {
        "usable": standing.usable,
        "public": standing.public,
        "tickets": sorted(standing.tickets),
        "same_as": standing.same_as,
        "group": standing.group,
        "of_predecessor": standing.of_predecessor,
    }
    return {**_head(standing), **_facts(content), **_spans(standing), **_texts(content), **beside}


def _usable(standing: RecordStanding, content: Content | None) -> dict[str, Any]:
    return {**_head(standing), **_facts(content), **_spans(standing)}


def _public(standing: RecordStanding, content: Content | None) -> dict[str, Any]:
    plain = content.plain if content else {}
    subject = plain.get("subject") or {}
    number = subject.get("corp_code") or mask(subject.get("id_number") or "")
    head = {
        name: value for name, value in _head(standing).items() if name in ("record_id", "category", "under_objection")
    }
    return {"name": subject.get("name"), "number": number, **head, **_facts(content), **_spans(standing)}


def _partner(standing: RecordStanding, content: Content | None) -> dict[str, Any]:
    return {"platform": standing.platform, **_public(standing, content), "usage_scope": standing.statement.usage_scope}


_SHOWN_IN: Mapping[View, Callable[[RecordStanding], bool]] = {
    View.INTERNAL: lambda standing: True,
    View.USABLE: lambda standing: standing.usable,
    View.PUBLIC: lambda standing: standing.public,
    View.PARTNER: is_shared,
}
_DOCUMENT: Mapping[View, Callable[[RecordStanding, Content | None], dict[str, Any]]] = {
    View.INTERNAL: _internal,
    View.USABLE: _usable,
    View.PUBLIC: _public,
    View.PARTNER: _partner,
}


def mask(number: str) -> str:
    """First three and last two characters; what is shorter is hidden altogether."""
    return f"{number[:3]}{'*' * (len(number) - 5)}{number[-2:]}" if len(number) > _DIVISION else "*" * len(number)


def _head(standing: RecordStanding | Believed) -> dict[str, Any]:
    statement = standing.statement
    return {
        "platform": standing.platform,
        "record_id": standing.record_id,
        "version": statement.source_version,
        "status": str(statement.status),
        "category": statement.category,
        "under_objection": statement.under_objection,
    }


def _facts(content: Content | None) -> dict[str, Any]:
    """What of a content is about the decision, and never about the person."""
    plain = content.plain if content else {}
    names = ("credit_type", "credit_code", "decision_no", "decision_date", "authority", "severity")
    return {name: plain.get(name) for name in names}


def _texts(content: Content | None) -> dict[str, Any]:
    """What was decided in words, with the subject's own name and number taken out."""
    if content is None:
        return {"content": None}
    subject = content.plain.get("subject") or {}
    known = [value for value in (subject.get("name"), subject.get("id_number")) if value]
    return {"content": clean(content.plain.get("content") or "", *known)}


def _spans(standing: RecordStanding | Believed) -> dict[str, Any]:
    statement = standing.statement
    return {
        "happened": statement.happen_date,
        "valid_from": _day(statement.valid_from),
        "valid_to": _day(statement.valid_to),
        "sanction_to": _day(statement.effect_to),
        "published_from": _day(statement.publish_from),
        "published_to": _day(statement.publish_to),
        "period_source": str(statement.period_source),
        "rule": statement.rule_id,
    }


def _day(moment: datetime | None) -> date | None:
    """The day of an exclusive or inclusive bound at 00:00 +08:00, as it stands in the archive."""
    return None if moment is None else moment.astimezone(CHINA).date()
