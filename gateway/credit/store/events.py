"""Credit events and statements as rows and back. Nothing personal leaves the sealed payload but as a keyed digest."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cache
from typing import Any, TypeVar

from gateway.codec.codes import table
from gateway.contract.messages import Finding, Subject, SubjectType
from gateway.credit.rules.facts import CLOCK_TOLERANCE, Fact
from gateway.credit.rules.matching import Match, plain_number
from gateway.credit.rules.periods import DisclosureRule, PeriodSource
from gateway.credit.rules.statements import AckCode, EventType, Statement, StatementRow, Status
from gateway.domain.identifiers import mask
from gateway.domain.names import plain_name, variant_name
from gateway.store.vault import Vault

_Texts = TypeVar("_Texts", Finding, Subject)
CENTRE = "centre"
"""under which name the centre's own records stand in the archive"""
_MOST = 2**31 - 1
_BRACKETS = str.maketrans("[]【】〖〗（）「」", "〔〕〔〕〔〕〔〕〔〕") | str.maketrans("()", "〔〕")


@dataclass(frozen=True, kw_only=True)
class EventRow:
    """A credit event as the archive handles it: the values of its row, without id until it is inserted."""

    values: Mapping[str, Any] = field(repr=False)
    id: int | None = None

    @property
    def ref(self) -> str:
        """What identifies the event among those of its platform."""
        return reference(self.values["event_id"], self.values["digest"])

    @property
    def fact(self) -> Fact:
        """What the core needs to know of it; there is one only for events of a record."""
        values = self.values
        return Fact(
            ref=self.ref,
            event_type=EventType(values["event_type"]),
            version=values["version"],
            prev_version=values["prev_version"],
            digest=values["digest"],
            event_time=values["event_time"],
            received_at=values["received_at"],
            effective_from=values["effective_from"],
            happen_date=values["happen_date"],
            decision_date=values["decision_date"],
            sanction_end=values["sanction_end"],
            publish_begin=values["publish_begin"],
            publish_end=values["publish_end"],
            category=values["category"],
            severities=frozenset(values["severities"]),
            usage_scope=values["usage_scope"],
            status_code=values["status_code"],
            disclosed=values["disclosed"],
            key_facts=values["key_facts"],
            match=Match(values["match"]),
            subject=values["subject_key"],
            outcome=AckCode(values["outcome"]) if values["outcome"] else None,
            local=values["local"],
            preferred=values["preferred"],
            owner=values["owner_digest"],
            sender=values["sender_digest"],
        )


def reference(event_id: str, digest: str) -> str:
    """What identifies an event: its id and its digest, since an id may come back with other content."""
    return f"{event_id}#{digest}"


def to_event(finding: Finding, vault: Vault, *, platform: str, inbox_id: int, received_at: datetime) -> EventRow:
    """A finding as it is stored, texts and numbers cut to what a column holds: a flawed event may carry anything."""
    finding = _storable(finding)
    event_id, digest = fit(finding.event_id, 64), fit(finding.digest, 80)
    severities = _severities(finding)
    return EventRow(
        values={
            "platform": platform,
            "event_id": event_id,
            "stream": fit(finding.stream, 24),
            "stream_seq": max(0, min(finding.stream_seq, 2**63 - 1)),
            "event_type": fit(finding.event_type, 24),
            "event_time": finding.event_time,
            "received_at": received_at,
            "inbox_id": inbox_id,
            "record_id": fit(finding.record_id, 64),
            "version": fit_number(finding.version),
            "prev_version": None if finding.prev_version is None else fit_number(finding.prev_version),
            "digest": digest,
            "effective_from": finding.effective_from,
            "happen_date": finding.happen_date,
            "decision_date": finding.decision_date,
            "sanction_end": finding.sanction_end,
            "publish_begin": finding.publish_begin,
            "publish_end": finding.publish_end,
            "category": fit(finding.category, 20),
            "severities": sorted(severities),
            "usage_scope": fit(finding.usage_scope, 1),
            "status_code": fit(finding.status_code, 1),
            "disclosed": finding.is_public,
            "key_facts": vault.mark("key_facts", _key_facts(finding).encode("utf-8", "surrogatepass")),
            "clock_ahead": finding.event_time - received_at > CLOCK_TOLERANCE,
            **_subject_digests(finding, vault),
            "match": Match.NONE,
            "subject_key": None,
            "certificate_key": None,
            "outcome": None,
            "effect": "NONE",
            "local": False,
            "preferred": False,
            "flawed": False,
            "credit_code": fit(finding.credit_code, 20) if finding.credit_code else None,
            "decision_digest": _digest(vault, "decision", plain_decision(finding.decision_no or "")),
            "owner_digest": _digest(vault, "authority", plain_name(finding.authority or "")),
            "sender_digest": _digest(vault, "authority", plain_name(finding.source_org or "")),
            "payload": vault.seal(_plain(finding), payload_place(platform, event_id, digest)),
        }
    )


def payload_place(platform: str, event_id: str, digest: str) -> str:
    """Where an event's payload is sealed to."""
    return f"credit_event.payload:{platform}/{event_id}/{digest}"


_NOT_AS_IT_STANDS = frozenset({"status", "event", "content", "period_source"})


def to_statement(row: Mapping[str, Any], refs: Mapping[int, str]) -> Statement:
    """The statement of a row of ``credit_version``; ``refs`` names its events by their row ids."""
    return Statement(
        **{name: row[name] for name in _names(Statement) if name not in _NOT_AS_IT_STANDS},
        status=Status(row["status"]),
        event=refs[row["event_id"]],
        content=refs[row["content_id"]],
        period_source=PeriodSource(row["period_source"]),
    )


def from_statement(statement: Statement, ids: Mapping[str, int]) -> dict[str, Any]:
    """The columns of ``credit_version`` that a statement fills."""
    values = {name: getattr(statement, name) for name in _names(Statement)}
    return {**values, "event_id": ids[values.pop("event")], "content_id": ids[values.pop("content")]}


def to_row(row: Mapping[str, Any], refs: Mapping[int, str]) -> StatementRow:
    """A believed or formerly believed statement."""
    return StatementRow(id=row["id"], statement=to_statement(row, refs), sys_from=row["sys_from"], sys_to=row["sys_to"])


@cache
def disclosure_rules(platform: str) -> tuple[DisclosureRule, ...]:
    """The dated rules for records that a platform sends, or for our own; those of examinations hold for both."""
    uses = ("OWN",) if platform == CENTRE else ("PLATFORM",)
    return tuple(
        DisclosureRule.from_row(row)
        for row in table("credit_disclosure_rule").rows
        if row["used_for"] in uses or row["category"] == "EXAM_INTEGRITY"
    )


def number_value(id_type: str | None, number: str) -> str:
    """A document number as the search index has it."""
    return f"{id_type}:{plain_number(number, id_type or '')}"


def plain_decision(number: str) -> str:
    """The number of a decision as it is compared: one width, no blanks, one form of brackets."""
    return plain_name(number).translate(_BRACKETS)


def _digest(vault: Vault, what: str, value: str) -> str | None:
    return vault.mark(what, value.encode()) if value else None


def fit(text: str, length: int) -> str:
    """Text as a column of that length holds it."""
    if text.isascii() and "\0" not in text:
        return text[:length]
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:length]


def _storable(finding: Finding) -> Finding:
    """The finding with texts that every database can hold: without NUL and half surrogates."""
    subject = finding.subject and _fitting(finding.subject)
    return replace(_fitting(finding), subject=subject)


def _fitting(value: _Texts) -> _Texts:
    kind: Any = type(value)
    texts = {name: text for name in _names(kind) if isinstance(text := getattr(value, name), str)}
    if _storable_text("".join(texts.values())):
        return value
    fitting: dict[str, Any] = {name: fit(text, len(text)) for name, text in texts.items()}
    return value if fitting == texts else replace(value, **fitting)


def _storable_text(text: str) -> bool:
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def fit_number(number: int) -> int:
    """A number as an integer column holds it."""
    return max(-_MOST, min(number, _MOST))


def _severities(finding: Finding) -> set[str]:
    if not finding.severity:
        return set()
    code = f"{finding.severity_scheme}:{finding.severity}" if finding.severity_scheme else finding.severity
    return {code, table("credit_severity").get(code, "normalised") or finding.severity}


def _subject_digests(finding: Finding, vault: Vault) -> dict[str, str | None]:
    named = _named(finding.subject, finding.certificate_number)
    digests: dict[str, str | None] = {
        name: vault.index(*named[name]) if name in named else None for name in SUBJECT_DIGESTS
    }
    return {"subject_type": None if finding.subject is None else finding.subject.type, **digests}


SUBJECT_DIGESTS = ("number_digest", "name_digest", "variant_digest", "certificate_digest")
"""columns by which an event is matched with whom it is about"""


def _named(subject: Subject | None, certificate_number: str | None) -> dict[str, tuple[str, str]]:
    """Column -> what it is a digest of, and of which value; without those that are not said."""
    named: dict[str, tuple[str, str]] = {}
    if certificate_number:
        named["certificate_digest"] = "certificate_number", plain_number(certificate_number, "")
    if subject is None:
        return named
    named["name_digest"] = "name", plain_name(subject.name)
    named["variant_digest"] = "name", variant_name(subject.name)
    if subject.type is SubjectType.ENTERPRISE and subject.corp_code:
        named["number_digest"] = "corp_code", subject.corp_code.upper()
    elif subject.type is SubjectType.PERSON and subject.id_number:
        named["number_digest"] = "id_number", number_value(subject.id_type, subject.id_number)
    return named


def named_in_payload(plain: bytes) -> dict[str, tuple[str, str]]:
    """The same of an event's payload as it was kept."""
    values = json.loads(plain)
    told = values.get("subject")
    known = {part.name for part in dataclasses.fields(Subject)}
    subject = None
    if told is not None:
        kept = {name: value for name, value in told.items() if name in known}
        subject = Subject(**{**kept, "type": SubjectType(kept["type"])})
    return _named(subject, values.get("certificate_number"))


def _key_facts(finding: Finding) -> str:
    """Facts of which a difference means that the earlier statement was wrong."""
    subject = finding.subject or Subject(type=SubjectType.PERSON, name="")
    facts = (
        plain_name(subject.name),
        number_value(subject.id_type, subject.id_number or ""),
        subject.corp_code,
        finding.decision_no,
        finding.decision_date,
        finding.credit_code,
    )
    return "\n".join(str(fact or "") for fact in facts)


def _plain(finding: Finding) -> bytes:
    values = {name: getattr(finding, name) for name in _names(Finding)}
    if finding.subject is not None:
        values["subject"] = {name: getattr(finding.subject, name) for name in _names(Subject)}
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"), default=_text).encode("utf-8", "surrogatepass")


def _text(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"no JSON form for {type(value).__name__}")


def subject_of(vault: Vault, row: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """What an event calls its subject: name, and identity number or code; both empty where its words were cleared."""
    if row["payload"] is None:
        return None, None
    plain = json.loads(vault.open(row["payload"], payload_place(row["platform"], row["event_id"], row["digest"])))
    subject = plain.get("subject") or {}
    return subject.get("name"), subject.get("id_number")


def masked_subject(vault: Vault, row: Mapping[str, Any]) -> str | None:
    """The same as operators see it."""
    name, number = subject_of(vault, row)
    shown = [f"{name[:1]}*" if name else "", mask(number) if number else ""]
    return " ".join(part for part in shown if part) or None
