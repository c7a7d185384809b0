"""Steps in the life of a certificate: suspended, given back, lapsed, revoked, rescinded, cancelled. Pure.

Each step has the operation and the status it leads to, as codes of ``cert_operate_type`` and ``cert_status``. Codes as
in the special-operation interface (C0304); that they hold for skill certificates is our reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from gateway.domain.errors import InputError
from gateway.domain.records import Certificate, ChangeNature, Content, Record, RecordKind, StatusChange
from gateway.locale import tr


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


def operation_back_to(status: str) -> str:
    """The operation by which a certificate comes to a status that is no end, whatever it was before."""
    return _BACK[status]


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


def is_void(content: Content) -> bool:
    """Whether a version says that the certificate has come to its end: revoked, rescinded or cancelled."""
    if isinstance(content, StatusChange):
        return content.new_status in FINAL
    return isinstance(content, Certificate) and content.status in FINAL


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a person, a city or a credit record decides about a certificate."""

    new_status: str
    operate_type: str
    reason: str = field(repr=False)
    """what the platforms are told"""
    since: date
    decision_no: str | None = None
    decision_org: str | None = None
    void_from_start: bool = False
    """it never was what it said; the version corrects, it does not change"""
    status_reason: str | None = field(default=None, repr=False)
    """the reason that stands with the status afterwards"""
    correction: bool = False
    """an earlier decision was wrong from the start"""
    why: str
    """kept with the versions, in clear"""

    @classmethod
    def of_step(cls, step: StatusStep, *, reason: str, **given: Any) -> Decision:
        """The decision by which a certificate takes this step; ``given`` are the other fields."""
        operate, new = CODES[step]
        kept = None if new == VALID else reason
        return cls(new_status=new, operate_type=operate, reason=reason, status_reason=kept, **given)


def decided(held: Record, decision: Decision, *, version: int, at: datetime) -> tuple[Record, Record]:
    """The next version of a certificate in its two forms: the certificate as it is from then on, and the change.

    The one maker of such versions: a city's row, a credit record and a person's reinstatement all come here.

    held:    the newest version of the certificate
    version: one more than the newest version under the key, of whatever kind
    """
    certificate = held.content
    if not isinstance(certificate, Certificate):
        raise InputError(tr("only a certificate has a status"))
    after = replace(certificate, status=decision.new_status, status_reason=decision.status_reason)
    change = StatusChange(
        certificate_key=held.key,
        certificate=certificate,
        new_status=decision.new_status,
        operate_type=decision.operate_type,
        reason=decision.reason,
        effective_date=decision.since,
        decision_no=decision.decision_no,
        decision_org=decision.decision_org,
        void_from_start=decision.void_from_start,
        certificate_version=held.version,
    )
    corrects = decision.void_from_start or decision.correction
    first = Record(
        kind=RecordKind.CERTIFICATE,
        key=held.key,
        version=version,
        person_key=held.person_key,
        content=after,
        effective_from=at,
        change=ChangeNature.CORRECTION if corrects else ChangeNature.CHANGE,
        change_reason=decision.why,
    )
    return first, replace(first, kind=RecordKind.STATUS_CHANGE, content=change)


def as_certificate(record: Record) -> Record:
    """The version of the certificate that a change of status made, from the record of the change."""
    change = record.content
    if not isinstance(change, StatusChange):
        raise InputError(tr("only a change of status makes a certificate"))
    reason = None if change.new_status == VALID else change.reason
    after = replace(change.certificate, status=change.new_status, status_reason=reason)
    return replace(record, kind=RecordKind.CERTIFICATE, content=after)
