"""Steps in the life of a certificate: suspended, given back, lapsed, revoked, rescinded, cancelled. Pure.

Each step has the operation and the status it leads to, as codes of ``cert_operate_type`` and ``cert_status``. Codes as
in the special-operation interface (C0304); that they hold for skill certificates is our reading.
"""

from __future__ import annotations

from gateway.domain.errors import InputError
from gateway.domain.records import Certificate, StatusChange
from gateway.domain.status import CODES, _after
from gateway.intake.rules.filing import Filing
from gateway.intake.rules.gate_table import GateFailure
from gateway.intake.rules.gates import required

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
