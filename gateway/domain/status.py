"""Steps in the life of a certificate: suspended, given back, lapsed, revoked, rescinded, cancelled. Pure.

Each step has the operation and the status it leads to, as codes of ``cert_operate_type`` and ``cert_status``. Codes as
in the special-operation interface (C0304); that they hold for skill certificates is our reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gateway.domain.errors import InputError
from gateway.domain.filing import Filing, StatusStep
from gateway.domain.gates import GateFailure, required
from gateway.domain.records import Certificate, Record, RecordKind, StatusChange

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


_SAYS = ("id_type", "id_number", "certificate_number", "trade", "status_reason", "status_date")
"""what a row must say to change the status of a certificate: whose, which one, why and since when"""
NOT_HELD = GateFailure(
    gate="R-STATUS",
    field="certificate_number",
    message="there is no such certificate whose status could change",
    message_zh="没有可变更状态的该证书",
)
NOT_POSSIBLE = GateFailure(
    gate="R-STATUS",
    field="status_step",
    message="does not follow on the status the certificate has",
    message_zh="证书现有状态不允许该变更",
)


BEFORE_ISSUE = GateFailure(
    gate="R-STATUS",
    field="status_date",
    message="the status changes before the certificate was issued",
    message_zh="状态变更日期早于发证日期",
)
DECLARED_VOID = GateFailure(
    gate="N33",
    field="certificate_number",
    message="the certificate was declared void from the start: nothing can be filed on it",
    message_zh="证书已被宣布自始无效，不得申报",
)


def judge_status(filing: Filing, read: tuple[GateFailure, ...]) -> tuple[GateFailure, ...]:
    """What speaks against a row that changes a certificate's status; of the gates none counts.

    read: the failures of reading the row; those of fields such a row need not have do not count
    """
    broken = [
        failure for failure in read if failure.field in (*_SAYS, "status_step", "decision_no", "decision_org", "")
    ]
    told = {failure.field for failure in broken}
    return (*broken, *(required(field) for field in _SAYS if filing.lacks(field) and field not in told))


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


def changed(key: str, certificate: Certificate, version: int, filing: Filing) -> tuple[Certificate, StatusChange]:
    """The certificate after the step that a row tells of, and the step itself."""
    if filing.status_step is None or filing.status_date is None or not filing.status_reason:
        raise InputError("a change of status without step, day or reason")
    operate, new = CODES[filing.status_step]
    change = StatusChange(
        certificate_key=key,
        certificate=certificate,
        new_status=new,
        operate_type=operate,
        reason=filing.status_reason,
        effective_date=filing.status_date,
        decision_no=filing.decision_no,
        decision_org=filing.decision_org,
        certificate_version=version,
    )
    return _after(certificate, new, filing.status_reason), change
