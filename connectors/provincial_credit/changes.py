"""A change in a certificate's life in the platform's words (CertificateStatusChange), and taking a certificate back.

A change has a call of its own and no digest. A withdrawal is an ordinary item with the operation VOID: the platform
keeps its versions and lists the certificate no more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time

from connectors.provincial_credit.mapping import CHINA, china_time, item_draft
from connectors.provincial_credit.settings import ProvincialCreditSettings
from gateway.codec.codes import table
from gateway.contract.messages import JSON, Draft, Problem
from gateway.domain.records import Certificate, Record, StatusChange, Submission, Withdrawal

_REASON_MAX = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    theirs: str
    ours: str
    value: Callable[[Record, StatusChange], JSON]


def to_draft(submission: Submission, settings: ProvincialCreditSettings) -> Draft:
    """Map a submission of any kind; total. What the platform does not take alone becomes a problem."""
    record = submission.record
    match record.content:
        case Certificate() as certificate:
            return item_draft(record, certificate, settings)
        case Withdrawal(content=Certificate() as certificate, reason=reason):
            return item_draft(record, certificate, settings, operation="VOID", change_reason=reason)
        case StatusChange() as change:
            return _change_draft(record, change)
    problem = Problem(
        field="kind",
        rule="kind",
        message="only certificates are sent to this platform, each with its holder",
        message_zh="本平台只接收证书（含持证人）",
    )
    return Draft(kind=record.kind, record_key=record.key, version=record.version, fields={}, problems=(problem,))


def _change_draft(record: Record, change: StatusChange) -> Draft:
    values = {line.theirs: line.value(record, change) for line in _LINES}
    problems = []
    if change.new_status not in table("cert_status"):
        problems.append(
            Problem(
                field="new_status",
                rule="code:cert_status",
                message="has no counterpart in the platform's table",
                message_zh="在平台代码表中无对应代码",
            )
        )
    return Draft(
        kind=record.kind,
        record_key=record.key,
        version=record.version,
        fields={name: value for name, value in values.items() if value is not None},
        sources={line.theirs: line.ours for line in _LINES},
        problems=tuple(problems),
    )


def _reason(change: StatusChange) -> str | None:
    """The reason, or where it is too long for the platform the name of the operation, which says the same in brief."""
    if len(change.reason) <= _REASON_MAX:
        return change.reason or None
    return table("cert_operate_type").get(change.operate_type)


def _status(change: StatusChange) -> str | None:
    return change.new_status if change.new_status in table("cert_status") else None


_LINES = tuple(
    _Line(theirs=theirs, ours=ours, value=value)
    for theirs, ours, value in (
        ("certificateKey", "certificate_key", lambda r, c: c.certificate_key),
        ("recordVersion", "version", lambda r, c: r.version),
        ("certificationStatus", "new_status", lambda r, c: _status(c)),
        ("statusReason", "reason", lambda r, c: _reason(c)),
        ("decisionNo", "decision_no", lambda r, c: c.decision_no),
        ("decisionOrg", "decision_org", lambda r, c: c.decision_org),
        (
            "effectiveFrom",
            "effective_date",
            lambda r, c: china_time(datetime.combine(c.effective_date, time(), CHINA)),
        ),
        ("voidFromStart", "void_from_start", lambda r, c: c.void_from_start),
    )
)
SOURCES = {line.theirs: line.ours for line in _LINES}
