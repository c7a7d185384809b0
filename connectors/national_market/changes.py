"""Changes in a certificate's life and withdrawals in the platform's words, and what its refusals of them mean.

Follows ``ChangeCertificateStatus`` and ``WithdrawRecord`` of the typed contract 1.0 (README, "Status changes and
withdrawals"). Both count as the next version of the record they speak of, and carry that record's key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from connectors.national_market.mapping import (
    Line,
    class_of,
    collapsed,
    dotted_name,
    moment,
    number_of,
    record_key,
    to_draft,
    write,
)
from connectors.national_market.settings import NationalMarketSettings
from gateway.contract.messages import JSON, Draft, Payload, Verdict
from gateway.domain.records import RecordKind, StatusChange, Submission, Withdrawal, Worker
from gateway.domain.states import Event

HOLDER = "Holder"
"""kept beside a withdrawal for the look-up of a person, who is asked for by document; never sent"""
_LAPSED, _CANCELLED = "06", "05"


def draft_of(submission: Submission, settings: NationalMarketSettings) -> Draft:
    """Write any kind of record in the platform's fields."""
    record = submission.record
    content = record.content
    if isinstance(content, StatusChange):
        fields, sources = write(_CHANGE, content, record, settings)
    elif isinstance(content, Withdrawal):
        fields, sources = write(_WITHDRAWAL, content, record, settings)
    else:
        return to_draft(submission, settings)
    return Draft(kind=record.kind, record_key=record.key, version=record.version, fields=fields, sources=sources)


def sent_fields(payload: Payload) -> Mapping[str, JSON]:
    """What of a payload stands in the message."""
    if payload.kind is not RecordKind.WITHDRAWAL:
        return payload.fields
    return {name: value for name, value in payload.fields.items() if name != HOLDER}


def in_its_light(verdict: Verdict, payload: Payload, again: Event = Event.RETRY) -> Verdict:
    """A refusal of a change or withdrawal, read by what it asked for; other verdicts as they are.

    again: what a refusal that may pass means here; that of a finished receipt is ``not_stored``

    Nothing is wrong with the data where the certificate to be changed is not there yet (401), or a person's
    certificates have not been withdrawn yet (305); and where nothing is left to withdraw, a look-up confirms it.
    """
    if payload.kind is RecordKind.STATUS_CHANGE and verdict.code == "401":
        return replace(verdict, event=again)
    if payload.kind is RecordKind.WITHDRAWAL and verdict.code == "401":
        return replace(verdict, event=Event.DUPLICATE)
    if payload.kind is RecordKind.WITHDRAWAL and verdict.code == "305" and payload.fields["RecordType"] == "PERSON":
        return replace(verdict, event=again)
    return verdict


def next_version(version: int | None) -> int | None:
    """The number under which the platform counts what happened to this version."""
    return None if version is None else version + 1


def status_of(change: StatusChange, settings: NationalMarketSettings) -> str:
    """The new status as this platform wants it: a lapse is a cancellation where it takes no other."""
    return settings.expired_status if change.new_status == _LAPSED else change.new_status


def _operate(change: StatusChange, settings: NationalMarketSettings) -> str:
    as_cancelled = change.new_status == _LAPSED and status_of(change, settings) == _CANCELLED
    return _CANCELLED if as_cancelled else change.operate_type


def _person(withdrawal: Withdrawal) -> Worker:
    content = withdrawal.content
    return content if isinstance(content, Worker) else content.holder


_CHANGE: tuple[Line[StatusChange], ...] = (
    Line("RecordKey", "certificate_key", lambda c, r, s: record_key(c.certificate_key)),
    Line("RecordVersion", "certificate_version", lambda c, r, s: next_version(c.certificate_version)),
    Line("CertClass", "certificate.cert_class", lambda c, r, s: class_of(c.certificate, s)),
    Line("CertNumber", "certificate.number", lambda c, r, s: number_of(c.certificate, s)),
    Line("Holder.PersonName", "certificate.holder.name", lambda c, r, s: dotted_name(c.certificate.holder.name)),
    Line("Holder.IdDocType", "certificate.holder.id_type", lambda c, r, s: c.certificate.holder.id_type),
    Line("Holder.IdDocNumber", "certificate.holder.id_number", lambda c, r, s: c.certificate.holder.id_number.upper()),
    Line("OperateType", "operate_type", lambda c, r, s: _operate(c, s)),
    Line("NewStatus", "new_status", lambda c, r, s: status_of(c, s)),
    Line("StatusText", "reason", lambda c, r, s: collapsed(c.reason) if c.new_status == "99" else None),
    Line("Reason", "reason", lambda c, r, s: collapsed(c.reason)),
    Line("EffectiveDate", "effective_date", lambda c, r, s: c.effective_date.isoformat()),
    Line("DocumentNo", "decision_no", lambda c, r, s: collapsed(c.decision_no)),
    Line("Checked.CheckDepartName", "decision_org", lambda c, r, s: collapsed(c.decision_org) or s.check_department),
    Line("Checked.CheckPersonName", "", lambda c, r, s: s.check_person),
    Line("Checked.CheckedAt", "effective_from", lambda c, r, s: moment(r.effective_from)),
    Line("Checked.DataLevel", "", lambda c, r, s: s.person_data_level),
    Line("Checked.DataSource", "", lambda c, r, s: s.data_source),
)

_WITHDRAWAL: tuple[Line[Withdrawal], ...] = (
    Line("RecordType", "withdrawn_kind", lambda w, r, s: "PERSON" if isinstance(w.content, Worker) else "CERT"),
    Line("RecordKey", "withdrawn_key", lambda w, r, s: record_key(w.withdrawn_key)),
    Line("RecordVersion", "withdrawn_version", lambda w, r, s: next_version(w.withdrawn_version)),
    Line("UpdateFlag", "", lambda w, r, s: "D"),
    Line("Reason", "reason", lambda w, r, s: collapsed(w.reason)),
    Line("Checked.CheckDepartName", "", lambda w, r, s: s.check_department),
    Line("Checked.CheckPersonName", "", lambda w, r, s: s.check_person),
    Line("Checked.CheckedAt", "effective_from", lambda w, r, s: moment(r.effective_from)),
    Line("Checked.DataLevel", "", lambda w, r, s: s.person_data_level),
    Line("Checked.DataSource", "", lambda w, r, s: s.data_source),
    Line(f"{HOLDER}.IdDocType", "content.id_type", lambda w, r, s: _person(w).id_type),
    Line(f"{HOLDER}.IdDocNumber", "content.id_number", lambda w, r, s: _person(w).id_number.upper()),
)
