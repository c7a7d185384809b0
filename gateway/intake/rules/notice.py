"""The public notice shows what was true of a filing; a change of it asks for a new one (五(四), our reading of N22)."""

from __future__ import annotations

from gateway.domain.records import Certificate
from gateway.intake.rules.filing import Filing
from gateway.intake.rules.gate_rules import GateRules, china_date
from gateway.intake.rules.gate_table import GateFailure

NOT_SHOWN_AGAIN = GateFailure(
    gate="N22",
    field="notice_begin",
    message="what the public notice showed has changed since: it must be shown again",
    message_zh="公示内容已变更，须重新公示满七日后再报送",
)


def must_be_shown_again(filing: Filing, held: Certificate, rules: GateRules) -> bool:
    """Whether a certificate that was reported before comes with other content and the old notice.

    What was reported was true on the day of that report, so the change is younger; a notice that began before that day
    cannot have shown it. Who it is, the employer and what stands in the certificate count; contact data, contract,
    project and the way of verification are not shown to the public.
    """
    if not rules.notice_restarts or filing.notice_begin is None:
        return False
    return filing.notice_begin < china_date(held.verification.reported_at) and _shown(filing) != _shown_before(held)


def _shown(filing: Filing) -> tuple[object, ...]:
    return (
        filing.name,
        filing.gender,
        filing.birth_date,
        filing.employer_name,
        filing.employer_code,
        filing.certificate_name,
        filing.level,
        filing.issuer_name,
        filing.issue_date,
        filing.valid_to,
    )


def _shown_before(held: Certificate) -> tuple[object, ...]:
    employer = held.holder.employer
    return (
        held.holder.name,
        held.holder.gender,
        held.holder.birth_date,
        employer.name if employer else None,
        employer.code if employer else None,
        held.name,
        held.level,
        held.issuer_name,
        held.issue_date,
        held.valid_to,
    )
