"""From an admissible filing to worker and certificate."""

from __future__ import annotations

import dataclasses
import random
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from gateway.domain.errors import InputError
from gateway.domain.records import Certificate, ContractTerm, Worker, fingerprint
from gateway.intake.rules.admission import admit
from gateway.intake.rules.filing import Channel, Filing, Origin
from gateway.intake.rules.gate_rules import GateRules
from gateway.testing import people

ENTERED = datetime(2019, 3, 12, 9, 0, tzinfo=timezone(timedelta(hours=8)))


def _filing(worker: Worker, certificate: Certificate) -> Filing:
    """The filing that says what a synthetic certificate says."""
    way, employer = certificate.verification, worker.employer
    return Filing(
        name=worker.name,
        id_type=worker.id_type,
        id_number=worker.id_number,
        gender=worker.gender,
        birth_date=worker.birth_date,
        ethnicity=worker.ethnicity,
        education=worker.education,
        mobile=worker.mobile,
        home_region=worker.home_region,
        address=worker.address,
        employed=employer is not None,
        employer_name=employer and employer.name,
        employer_code=employer and employer.code,
        employer_region=employer and employer.region,
        contract_term=employer and employer.contract_term,
        contract_start=employer and employer.contract_start,
        contract_end=employer and employer.contract_end,
        certificate_name=certificate.name,
        certificate_number=certificate.number,
        trade=certificate.trade,
        trade_name=certificate.trade_name,
        level=certificate.level,
        issuer_name=certificate.issuer_name,
        issuer_code=certificate.issuer_code,
        confirm_organization=certificate.confirm_organization,
        assessment_origin=Origin(certificate.assessment_origin),
        assessment_region=certificate.assessment_region,
        application_date=certificate.application_date,
        issue_date=certificate.issue_date,
        promise_signed_at=way.promise_signed_at,
        promise_version=way.promise_version,
        point_code=way.point_code,
        verifier=way.verifier,
        verified_at=way.verified_at,
        originals=way.originals,
        summary_form_no=way.summary_form_no,
        seal_stamped=way.seal_stamped,
        review_department=way.review_department,
        review_region=way.review_region,
        reviewer=way.reviewer,
        reviewed_at=way.reviewed_at,
        notice_begin=way.notice_begin,
        notice_end=way.notice_end,
        notice_medium=way.notice_medium,
        reported_at=way.reported_at,
        batch_no=way.batch_no,
        channel=Channel(way.channel),
    )


@pytest.mark.parametrize("employed", [True, False], ids=["with employer", "without employer"])
def test_admission_gives_back_what_the_filing_says(employed: bool) -> None:
    rng = random.Random(7)
    worker = people.worker(rng, employed=employed)
    certificate = people.certificate(rng, worker)
    admitted = admit(_filing(worker, certificate), certificate.verification.entered_at)
    assert admitted.worker == worker
    assert admitted.certificate == certificate
    assert admitted.certificate.holder is admitted.worker


def _one() -> Filing:
    rng = random.Random(8)
    worker = people.worker(rng)
    return _filing(worker, people.certificate(rng, worker))


def test_the_phase_is_that_of_the_report() -> None:
    late = dataclasses.replace(_one(), reported_at=datetime(2019, 3, 31, 16, 0, tzinfo=UTC))
    assert admit(late, ENTERED).certificate.verification.accept_phase == "BATCH"
    assert admit(_one(), ENTERED).certificate.verification.accept_phase == "CONCENTRATED"


def test_the_issuer_of_a_provincial_certificate_belongs_to_the_province() -> None:
    direct = dataclasses.replace(_one(), assessment_origin=Origin.PROVINCE)
    assert admit(direct, ENTERED).certificate.issuer_region == "370000"
    named = dataclasses.replace(direct, issuer_region="370200")
    assert admit(named, ENTERED).certificate.issuer_region == "370200"


def test_an_open_contract_has_no_end() -> None:
    filing = dataclasses.replace(_one(), contract_term=ContractTerm.OPEN, contract_end=None)
    employer = admit(filing, ENTERED).worker.employer
    assert employer is not None
    assert employer.contract_end is None


def test_the_end_of_validity_is_kept() -> None:
    filing = dataclasses.replace(_one(), valid_to=date(2022, 6, 1))
    assert admit(filing, ENTERED).certificate.valid_to == date(2022, 6, 1)


def test_equal_filings_have_equal_fingerprints() -> None:
    assert fingerprint(admit(_one(), ENTERED).certificate) == fingerprint(admit(_one(), ENTERED).certificate)


@pytest.mark.parametrize("field", ["name", "employed", "issue_date", "trade_name", "reviewer", "seal_stamped"])
def test_a_filing_that_was_not_judged_is_a_broken_promise(field: str) -> None:
    with pytest.raises(InputError, match=field):
        admit(dataclasses.replace(_one(), **{field: None}), ENTERED)  # type: ignore[arg-type]  # field by name


def test_a_report_before_the_notice_cannot_be_admitted() -> None:
    with pytest.raises(InputError, match="reported_at"):
        admit(_one(), ENTERED, GateRules(notice_start=date(2019, 5, 1)))
