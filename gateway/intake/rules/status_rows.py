"""Rows that change the status of a certificate: what speaks against them and what they make of it. Pure."""

from __future__ import annotations

from gateway.domain.errors import InputError
from gateway.domain.status import Decision
from gateway.intake.rules.filing import Filing
from gateway.intake.rules.gate_table import GateFailure
from gateway.intake.rules.gates import required
from gateway.locale import tr

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


BEFORE_ISSUE = GateFailure(
    gate="R-STATUS",
    field="status_date",
    message="the status changes before the certificate was issued",
    message_zh="状态变更日期早于发证日期",
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


def decision_of(filing: Filing) -> Decision:
    """What a row that changes a certificate's status decides."""
    if filing.status_step is None or filing.status_date is None or not filing.status_reason:
        raise InputError(tr("a change of status without step, day or reason"))
    return Decision.of_step(
        filing.status_step,
        reason=filing.status_reason,
        since=filing.status_date,
        decision_no=filing.decision_no,
        decision_org=filing.decision_org,
        why=f"{filing.status_step.lower()} by decision",
    )
