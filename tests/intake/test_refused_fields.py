"""Whatever field a platform means, the city reads it at its own cell: every field of every connector has one."""

from __future__ import annotations

import pytest

from gateway import registry
from gateway.delivery.refusals import our_field
from gateway.domain.records import RecordKind
from gateway.intake.reading.columns import FIELDS
from gateway.intake.reading.record_fields import cell_of
from gateway.settings import loader
from gateway.testing import people

OURS = {
    "",
    "record",
    "key",
    "person_key",
    "kind",
    "version",
    "change",
    "change_reason",
    "effective_from",
    "files",
    "status",
}
"""fields that no cell holds: the centre itself gives them (``record``: its number of the version in a hand-over)"""
ENTERED = {"verification.accept_phase", "verification.entered_at"}


@pytest.mark.parametrize("platform", registry.names())
def test_every_field_of_a_connector_comes_from_a_cell(platform: str) -> None:
    access = registry.build_sandbox(platform).access("http://127.0.0.1:9")
    connector = registry.build_connector(platform, loader(dict(access.environment)))
    for kind in {RecordKind.PERSON, RecordKind.CERTIFICATE} & connector.info.kinds.keys():
        [submission] = people.submissions(platform, kind, 1)
        fields = set(connector.map(submission).sources.values()) - OURS - ENTERED
        assert fields
        assert {field for field in fields if cell_of(kind, field) not in FIELDS} == set()


@pytest.mark.parametrize(
    ("kind", "field", "cell"),
    [
        (RecordKind.PERSON, "name", "name"),
        (RecordKind.PERSON, "employer.code", "employer_code"),
        (RecordKind.PERSON, "placement.trade", "site_trade"),
        (RecordKind.CERTIFICATE, "name", "certificate_name"),
        (RecordKind.CERTIFICATE, "holder.name", "name"),
        (RecordKind.CERTIFICATE, "holder.employer.name", "employer_name"),
        (RecordKind.CERTIFICATE, "first_issue_date", "issue_date"),
        (RecordKind.CERTIFICATE, "verification.notice_end", "notice_end"),
        (RecordKind.STATUS_CHANGE, "certificate.number", "certificate_number"),
        (RecordKind.STATUS_CHANGE, "reason", "status_reason"),
        (RecordKind.WITHDRAWAL, "content.holder.id_number", "id_number"),
        (RecordKind.WITHDRAWAL, "reason", "withdrawal_reason"),
        (RecordKind.CERTIFICATE, "verification.entered_at", ""),
        (RecordKind.CERTIFICATE, "nothing.of.ours", ""),
    ],
)
def test_one_word_means_what_its_record_says(kind: RecordKind, field: str, cell: str) -> None:
    assert cell_of(kind, field) == cell


@pytest.mark.parametrize(
    ("named", "ours"),
    [
        ("Holder.BirthDate", "holder.birth_date"),
        ("Holder/BirthDate", "holder.birth_date"),
        ("Certificate.Holder.BirthDate", "holder.birth_date"),
        ("BirthDate", "holder.birth_date"),
        ("holder.birth_date", "holder.birth_date"),
        ("Code", "Code"),
        ("", ""),
    ],
)
def test_a_platform_may_name_more_or_less_of_a_path_and_never_the_wrong_field(named: str, ours: str) -> None:
    sources = {"Holder.BirthDate": "holder.birth_date", "Holder.Code": "holder.id_number", "Issuer.Code": "issuer_code"}
    assert our_field(named, sources) == ours
