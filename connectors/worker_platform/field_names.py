"""Which of our fields stands behind a field of the platform: read off the mapping itself, with a blank record.

Used where the platform names a field it refuses, so that the data owner hears of it in our words.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from connectors.worker_platform.dialect import Dialect
from connectors.worker_platform.mapping import draft_certificate, draft_training, draft_worker
from gateway.domain.records import Certificate, Placement, Record, RecordKind, Training, Verification, Worker

_DAY, _MOMENT = date(2000, 1, 1), datetime(2000, 1, 1, tzinfo=UTC)
_PLACE = Placement(project_code="", corp_code="", corp_name="", team_no="", team_name="", trade="")
_WORKER = Worker(name="", id_type="", id_number="", gender="", birth_date=_DAY, placement=_PLACE)
_VERIFICATION: dict[str, Any] = {
    **dict.fromkeys(("channel", "promise_version", "point_code", "verifier", "summary_form_no", "review_region"), ""),
    **dict.fromkeys(("review_department", "reviewer", "notice_medium", "accept_phase", "batch_no"), ""),
    **dict.fromkeys(("promise_signed_at", "verified_at", "reviewed_at", "reported_at", "entered_at"), _MOMENT),
    **dict.fromkeys(("notice_begin", "notice_end"), _DAY),
    **{"originals": (), "seal_stamped": False},
}
_PAPER: dict[str, Any] = {
    **dict.fromkeys(("cert_class", "name", "number", "trade", "trade_name", "level", "issuer_name", "issuer_code"), ""),
    **dict.fromkeys(("issuer_region", "confirm_organization", "assessment_origin", "assessment_region"), ""),
    **dict.fromkeys(("issue_date", "first_issue_date", "valid_from"), _DAY),
}
_CERTIFICATE = Certificate(holder=_WORKER, verification=Verification(**_VERIFICATION), **_PAPER)


def _record(kind: RecordKind, content: Worker | Certificate) -> Record:
    return Record(kind=kind, key="", version=1, person_key="", content=content, effective_from=_MOMENT)


def of_certificates(dialect: Dialect) -> Mapping[str, str]:
    """Our field behind each field of a certificate."""
    return draft_certificate(_record(RecordKind.CERTIFICATE, _CERTIFICATE), _CERTIFICATE, dialect.credential).sources


def of_workers(dialect: Dialect) -> Mapping[str, str]:
    """Our field behind each field of a worker."""
    record = _record(RecordKind.PERSON, _WORKER)
    return draft_worker(record, _WORKER, _PLACE, dialect.worker, dialect.credential).sources


def of_trainings(dialect: Dialect) -> Mapping[str, str]:
    """Our field behind each field of a training."""
    record, training = _record(RecordKind.CERTIFICATE, _CERTIFICATE), Training(project_code="")
    return draft_training(record, _CERTIFICATE, training, dialect.training).sources
