"""What the platform holds compared with what we sent: look-ups and holdings, for every kind of record.

A record is compared field by field. A status change has arrived where the certificate stands under its version with the
new status; a withdrawal where nothing stands under its key any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from connectors.national_market import messages, schema
from connectors.national_market.changes import HOLDER
from gateway.contract.messages import JSON, Holding, Payload, Verdict
from gateway.domain.records import RecordKind
from gateway.domain.states import Event

Stored = dict[str, str]
"""one record as the platform returns it: dotted path -> text"""


def asks_for_person(payload: Payload) -> bool:
    """Whether the question about a payload is one for a person; else it is one for a certificate."""
    return payload.kind is RecordKind.PERSON or payload.fields.get("RecordType") == "PERSON"


def question(payload: Payload) -> dict[str, JSON]:
    """A person is asked for by document, a certificate by its record key."""
    if not asks_for_person(payload):
        return {"RecordKey": payload.fields["RecordKey"]}
    source = payload.fields[HOLDER] if payload.kind is RecordKind.WITHDRAWAL else payload.fields
    assert isinstance(source, Mapping)
    return {name: source[name] for name in ("IdDocType", "IdDocNumber")}


def verdict_on(payload: Payload, stored: Sequence[Stored]) -> Verdict:
    """What the platform's records say about a payload. Our key with a lower version: this one has not arrived."""
    ours = _sent(payload)
    held = next((s for s in stored if s.get("RecordKey") == ours["RecordKey"]), None)
    if payload.kind is RecordKind.WITHDRAWAL and not stored:
        return Verdict(event=Event.ACCEPTED, code="401", reason="nothing stands under this key any more")
    if not stored:
        return Verdict(event=Event.NOT_FOUND, code="401", reason="no such record")
    if held is None:
        return _conflict("other_record", "another record stands under this key", "RecordKey")
    if payload.kind is RecordKind.WITHDRAWAL:
        return Verdict(event=Event.NOT_FOUND, code="still_stored", reason="the record has not been withdrawn")
    theirs = messages.normal(held, ours)
    if _version(theirs) < _version(ours):
        return Verdict(event=Event.NOT_FOUND, code="older_version", reason="an earlier version is stored")
    if payload.kind is RecordKind.STATUS_CHANGE:
        ours, theirs = _state(ours, "NewStatus"), _state(theirs, "Status")
    differing = tuple(sorted(path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path)))
    if differing:
        return _conflict("other_content", "stored with other content", *differing)
    return Verdict(event=Event.ACCEPTED, code="000", reason="stored as sent")


def expected(payload: Payload) -> Holding:
    """The record as the platform should return it."""
    ours = _sent(payload)
    if payload.kind is RecordKind.STATUS_CHANGE:
        return _holding(payload.kind, _state(ours, "NewStatus") | {"RecordKey": ours["RecordKey"]})
    if payload.kind is RecordKind.WITHDRAWAL:
        return _withdrawn(payload, stored=False)
    return _holding(payload.kind, ours)


def holdings(payload: Payload, stored: Sequence[Stored]) -> tuple[Holding, ...]:
    """All records the platform returned for the question about a payload."""
    ours = _sent(payload)
    if payload.kind is RecordKind.WITHDRAWAL:
        return (_withdrawn(payload, stored=any(s.get("RecordKey") == ours["RecordKey"] for s in stored)),)
    found = [messages.normal(s, ours) for s in stored]
    if payload.kind is RecordKind.STATUS_CHANGE:
        found = [_state(s, "Status") | {"RecordKey": s.get("RecordKey", "")} for s in found]
    return tuple(_holding(payload.kind, s) for s in found)


def _sent(payload: Payload) -> Stored:
    shown = {name: value for name, value in payload.fields.items() if name not in messages.ATTACHMENTS}
    flat = dict(schema.leaves(shown))
    return messages.normal(flat, flat)


def _state(fields: Mapping[str, str], status: str) -> Stored:
    return {"NewStatus": fields.get(status, ""), "RecordVersion": fields.get("RecordVersion", "")}


def _withdrawn(payload: Payload, *, stored: bool) -> Holding:
    key = str(payload.fields["RecordKey"])
    return Holding(kind=payload.kind, key=key, fields={"Stored": "true" if stored else "false"})


def _holding(kind: RecordKind, fields: Mapping[str, str]) -> Holding:
    rest = {path: text for path, text in fields.items() if path not in ("RecordKey", "RecordVersion")}
    return Holding(kind=kind, key=fields.get("RecordKey", ""), version=_version(fields), fields=rest)


def _conflict(code: str, reason: str, *fields: str) -> Verdict:
    return Verdict(event=Event.CONFLICT, code=code, reason=reason, fields=fields)


def _version(fields: Mapping[str, str]) -> int:
    return messages.version_of(fields.get("RecordVersion", "0"))
