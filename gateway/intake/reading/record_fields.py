"""Which cell of the form a field of a record came from, so that what is said of the one is said at the other."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.domain.records import RecordKind
from gateway.intake.reading.columns import FIELDS

_OF_WORKER: Mapping[str, str] = {
    "employer.name": "employer_name",
    "employer.code": "employer_code",
    "employer.region": "employer_region",
    "employer": "employed",
    "placement.corp_code": "team_corp_code",
    "placement.corp_name": "team_corp_name",
    "placement.trade": "site_trade",
    "placement.since": "site_since",
    "placement": "project_code",
}
_OF_CERTIFICATE: Mapping[str, str] = {
    "name": "certificate_name",
    "cert_class": "certificate_name",
    "number": "certificate_number",
    "trade_name": "trade",
    "first_issue_date": "issue_date",
    "valid_from": "issue_date",
    "training.project_code": "project_code",
    "training.hours": "training_hours",
}
_OF_CHANGE: Mapping[str, str] = {
    "new_status": "status_step",
    "operate_type": "status_step",
    "reason": "status_reason",
    "effective_date": "status_date",
}


def cell_of(kind: RecordKind, path: str) -> str:
    """The field of the form behind a field path of a record; empty where no cell holds it."""
    whole, _, inner = path.partition(".")
    if kind is RecordKind.STATUS_CHANGE:
        known = _OF_CHANGE.get(path)
        return known or (cell_of(RecordKind.CERTIFICATE, inner) if whole == "certificate" else _plain(path))
    if kind is RecordKind.WITHDRAWAL:
        return cell_of(RecordKind.CERTIFICATE, inner) if whole == "content" else "withdrawal_reason"
    if kind is RecordKind.CERTIFICATE and whole != "holder":
        return _OF_CERTIFICATE.get(path) or _plain(path)
    of_worker = inner if kind is RecordKind.CERTIFICATE else path
    return _OF_WORKER.get(of_worker) or _plain(of_worker)


def _plain(path: str) -> str:
    """A field that is called the same on the form, wherever the record keeps it."""
    name = path.rpartition(".")[2]
    return name if name in FIELDS else ""
