"""Steps in the life of a certificate: suspended, given back, lapsed, revoked, rescinded, cancelled. Pure.

Each step has the operation and the status it leads to, as codes of ``cert_operate_type`` and ``cert_status``. Codes as
in the special-operation interface (C0304); that they hold for skill certificates is our reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from gateway.domain.errors import InputError
from gateway.domain.records import Certificate, Record, RecordKind, StatusChange
from gateway.intake.rules.gate_table import GateFailure


class StatusStep(StrEnum):
    """What a decision does to a certificate (状态变更)."""

    SUSPEND = "SUSPEND"
    """暂扣"""
    GIVE_BACK = "GIVE_BACK"
    """暂扣发还"""
    LAPSE = "LAPSE"
    """失效"""
    REVOKE = "REVOKE"
    """吊销"""
    RESCIND = "RESCIND"
    """撤销"""
    CANCEL = "CANCEL"
    """注销"""
    OTHER = "OTHER"
    """其他"""


RENEWED = "renewed after its lapse"
"""why there is a version of a certificate that lapsed and was filed again with a later end"""
FINAL = frozenset({"03", "04", "05"})
"""revoked, rescinded, cancelled: nothing follows"""
RESCINDED, LAPSED, SUSPENDED, VALID = "04", "06", "02", "01"


CODES: Mapping[StatusStep, tuple[str, str]] = {
    StatusStep.SUSPEND: ("03", SUSPENDED),
    StatusStep.GIVE_BACK: ("06", VALID),
    StatusStep.LAPSE: ("04", LAPSED),
    StatusStep.REVOKE: ("05", "03"),
    StatusStep.RESCIND: ("05", "04"),
    StatusStep.CANCEL: ("05", "05"),
    StatusStep.OTHER: ("07", "99"),
}
"""step -> operate type and new status"""

_BACK: Mapping[str, str] = {new: operate for operate, new in CODES.values() if new not in FINAL}


def way_back(status: str) -> str:
    """The operation by which a certificate comes to a status that is no end, whatever it was before."""
    return _BACK[status]


BEFORE_ISSUE = GateFailure(
    gate="R-STATUS",
    field="status_date",
    message="the status changes before the certificate was issued",
    message_zh="状态变更日期早于发证日期",
)


def is_done(status: str, step: StatusStep) -> bool:
    """Whether the certificate has the status already to which a step leads; "other" may happen again."""
    return step is not StatusStep.OTHER and status == CODES[step][1]


def may_follow(status: str, step: StatusStep) -> bool:
    """Whether a step is possible: nothing follows on an end, and what has lapsed ends with a renewal only.

    Given back is what was suspended.
    """
    if status in FINAL:
        return False
    return status == SUSPENDED if step is StatusStep.GIVE_BACK else True


def is_renewed(held: Certificate, filed: Certificate) -> bool:
    """Whether a certificate that lapsed comes again with a later end of validity, or with none."""
    if held.status != LAPSED:
        return False
    return filed.valid_to is None or (held.valid_to is not None and filed.valid_to > held.valid_to)


def as_certificate(record: Record) -> Record:
    """The version of the certificate that a change of status made, from the record of the change."""
    change = record.content
    if not isinstance(change, StatusChange):
        raise InputError("only a change of status makes a certificate")
    after = _after(change.certificate, change.new_status, change.reason)
    return replace(record, kind=RecordKind.CERTIFICATE, content=after)


def _after(certificate: Certificate, status: str, reason: str) -> Certificate:
    return replace(certificate, status=status, status_reason=None if status == VALID else reason)
