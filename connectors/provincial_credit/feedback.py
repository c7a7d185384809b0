"""Credit events (CreditEvent) as findings, and acknowledgements back.

No event is dropped: one that cannot be applied as it stands becomes a finding with a flaw and as many of its own ids
as could be read. Order of judging: digest, schema, code tables, decryption.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from connectors.provincial_credit import schema
from connectors.provincial_credit.cipher import CipherError, FieldCipher, payload_digest
from connectors.provincial_credit.mapping import china_time
from gateway.codec import signing
from gateway.codec.codes import CodeTable, table
from gateway.codec.jsonbody import JsonError, Row, canonical, day, moment, part, rows, text, whole, without_nulls
from gateway.contract.messages import JSON, Finding, FindingAck, Subject, SubjectType
from gateway.domain.identifiers import permit_type

SCHEMA_INVALID = "SCHEMA_INVALID"
SIGNATURE_INVALID = "SIGNATURE_INVALID"
PAGES = "PAGES"
"""stream of findings that were read by update time; it has no numbers"""
_TABLES = "connectors.provincial_credit.codes"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_NO_TYPE = "99"
_OTHER_DOCUMENT = "990"
_CARRIED = frozenset(
    {
        *("eventId", "stream", "streamSeq", "eventType", "eventTime", "platformRecordId", "recordVersion"),
        *("prevVersion", "effectiveFrom", "changeReason", "subjectType", "subject", "category", "creditType"),
        *("creditCode", "content", "happenDate", "punishDate", "punishEDate", "fileNum", "departName"),
        *("severityScheme", "severityCode", "usageScope", "statusCode", "isPublic", "publishBeginDate"),
        *("publishEndDate", "dataSourceOrg", "certificationCode", "payloadDigest"),
    }
)
"""Members that have a place of their own in a finding; all others are kept in ``extra``."""
_ONLY_IN_THE_FEED = frozenset({"eventId", "stream", "streamSeq"})


def to_finding(event: JSON, cipher: FieldCipher, document: str = "CreditEvent") -> Finding:
    """Read one event of a page; total."""
    row = event if isinstance(event, dict) else {}
    flaw = _flaw(row, document)
    subject = None
    if flaw is None:
        try:
            subject = _subject(row, cipher)
        except CipherError:
            flaw = SIGNATURE_INVALID
    return _read(row, event, subject, flaw)


def row_to_finding(row: JSON, cipher: FieldCipher) -> Finding:
    """Read one row of a listing by update time; total.

    Such a row has no event id and no place in a stream: its id is made of record, version and digest, so that the same
    row read again is the same event.
    """
    known = {name: value for name, value in row.items() if name != "updateTime"} if isinstance(row, dict) else row
    found = to_finding(known, cipher, "CreditRecordRow")
    seed = f"{found.record_id}|{found.version}|{found.digest}".encode()
    return replace(found, event_id=signing.digest("sha-256", seed).hex(), stream=PAGES, stream_seq=0)


def by_id_to_finding(event: JSON, cipher: FieldCipher, *, listed: bool) -> Finding:
    """Read an event that was asked for by its record or subject; total.

    listed: this archive is read by update time; the event is then told as its row would be, so that it is the same one
    """
    found = to_finding(event, cipher)
    if not listed or found.flaw is not None or not isinstance(event, dict):
        return found
    row = {name: value for name, value in event.items() if name not in _ONLY_IN_THE_FEED}
    algorithm = found.digest.partition(":")[0]
    return row_to_finding({**row, "payloadDigest": payload_digest(row, algorithm)}, cipher)


def to_ack(ack: FindingAck) -> dict[str, JSON]:
    """One acknowledgement as the platform takes it.

    A conflict needs a ticket number; where the core opened none, the event's own id is the number our side files it
    under. It stands for the record too where the event named none that could be read: the document asks for one.
    """
    made: dict[str, JSON] = {
        "eventId": ack.event_id,
        "platformRecordId": ack.record_id or ack.event_id,
        "recordVersion": max(ack.version, 1),
        "ackCode": ack.code,
        "ackTime": china_time(ack.at),
    }
    ticket = ack.ticket or (ack.event_id if ack.code in ("IDENTITY_CONFLICT", "VERSION_FORK") else None)
    for name, value in (("localRecordKey", ack.local_key), ("ticketNo", ticket), ("message", ack.message)):
        if value:
            made[name] = value
    return made


def _flaw(row: Row, document: str) -> str | None:
    stated = text(row, "payloadDigest") or ""
    algorithm = stated.partition(":")[0]
    if algorithm not in ("sha-256", "sm3"):
        return SCHEMA_INVALID
    try:
        if not signing.same(payload_digest(row, algorithm), stated):
            return SIGNATURE_INVALID
    except JsonError:
        return SCHEMA_INVALID
    timed = {"updateTime": "1970-01-01T00:00:00Z"} if document == "CreditRecordRow" else {}
    checked = without_nulls({**row, **timed})
    if schema.violations(document, checked) or not all(_codes_known(row)):
        return SCHEMA_INVALID
    return None


def _codes_known(row: Row) -> Iterator[bool]:
    yield row["eventType"] in _table("credit_event_type") and row["eventType"] != "TOMBSTONE"
    yield row["category"] in _table("credit_category")
    yield row.get("creditCode") is None or row["creditCode"] in _table("credit_behaviour")
    for sanction in rows(row, "sanctions") or ():
        yield sanction["type"] in _table("credit_sanction_type")
    if text(row, "severityScheme") is not None:
        pairs = {(known["scheme"], known["scheme_code"]) for known in _table("credit_severity").rows}
        yield (text(row, "severityScheme"), text(row, "severityCode")) in pairs
    document = text(part(row, "subject"), "idCardType")
    yield document is None or table("id_document_type").code_of(document, "worker_platform_code") is not None


def _subject(row: Row, cipher: FieldCipher) -> Subject:
    subject = part(row, "subject")
    sealed = part(subject, "idCardNumber")
    number = None
    if sealed:
        number = cipher.open(
            sealed,
            schema="CreditEvent",
            field="subject.idCardNumber",
            business_key=text(row, "platformRecordId") or "",
        ).upper()
    return Subject(
        type=SubjectType(text(row, "subjectType") or ""),
        name=text(subject, "name") or "",
        id_type=_document_type(text(subject, "idCardType"), number or ""),
        id_number=number,
        corp_code=text(subject, "corpCode"),
        legacy_codes={name: str(value) for name, value in part(subject, "legacyCodes").items()},
        corp_code_at_event=text(subject, "corpCodeAtEvent"),
        corp_name_at_event=text(subject, "corpNameAtEvent"),
    )


def _document_type(theirs: str | None, number: str) -> str | None:
    """Canonical type; 99 stands for residence permits, told by their number, and for everything else."""
    if theirs == _NO_TYPE:
        return permit_type(number) or _OTHER_DOCUMENT
    return (theirs and table("id_document_type").code_of(theirs, "worker_platform_code")) or None


def _read(row: Row, event: JSON, subject: Subject | None, flaw: str | None) -> Finding:
    """Take over what can be read; a flawed event keeps its ids and nothing about a person."""
    readable = flaw is None
    return Finding(
        event_id=text(row, "eventId") or _stand_in(event),
        stream=text(row, "stream") or "",
        stream_seq=whole(row, "streamSeq") or 0,
        event_type=text(row, "eventType") or "",
        event_time=moment(row, "eventTime") or _LONG_AGO,
        record_id=text(row, "platformRecordId") or "",
        version=whole(row, "recordVersion") or 0,
        digest=text(row, "payloadDigest") or "",
        subject=subject,
        prev_version=whole(row, "prevVersion"),
        effective_from=moment(row, "effectiveFrom"),
        change_reason=text(row, "changeReason") if readable else None,
        category=text(row, "category") or "",
        credit_type=text(row, "creditType"),
        credit_code=text(row, "creditCode"),
        content=(text(row, "content") or "") if readable else "",
        happen_date=day(row, "happenDate"),
        decision_date=day(row, "punishDate"),
        sanction_end=day(row, "punishEDate"),
        decision_no=text(row, "fileNum") if readable else None,
        authority=text(row, "departName"),
        severity_scheme=text(row, "severityScheme"),
        severity=text(row, "severityCode"),
        usage_scope=text(row, "usageScope") or "",
        status_code=text(row, "statusCode") or "",
        is_public=text(row, "isPublic") == "1",
        publish_begin=day(row, "publishBeginDate"),
        publish_end=day(row, "publishEndDate"),
        source_org=text(row, "dataSourceOrg"),
        certificate_number=text(row, "certificationCode") if readable else None,
        extra={name: value for name, value in row.items() if name not in _CARRIED} if readable else {},
        flaw=flaw,
    )


def _stand_in(event: JSON) -> str:
    """An id for an event without a readable one: the digest of what came, so that a repeat has the same."""
    try:
        return signing.digest("sha-256", canonical(event)).hex()
    except JsonError:
        return signing.digest("sha-256", repr(event).encode("utf-8", "surrogatepass")).hex()


def _table(name: str) -> CodeTable:
    return table(name, _TABLES)


def ack_batch(message_id: str, acks: Sequence[FindingAck]) -> dict[str, JSON]:
    """The body of one acknowledgement call."""
    return {"ackBatchNo": message_id, "acks": [to_ack(ack) for ack in acks]}
