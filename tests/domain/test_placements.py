"""A filing may name the project a person works on; content that names none is as it always was."""

from __future__ import annotations

import dataclasses
import random
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter

from gateway.domain.admission import admit
from gateway.domain.changes import differences, nature
from gateway.domain.filing import Filing
from gateway.domain.records import Certificate, ChangeNature, Placement, Training, Worker, fingerprint, project_of
from gateway.intake.reading.rows import read_row
from gateway.intake.reading.template import EXAMPLES, choices
from gateway.testing import people

PLACE = people.placement("P1", "91370000MA0000000P", "示例建设有限公司", "7", "一班")


def pair() -> tuple[Worker, Certificate]:
    rng = random.Random(1)
    worker = people.worker(rng)
    return worker, people.certificate(rng, worker)


def example(**change: Any) -> Filing:
    """The example row of the form, with a project; fields by name."""
    from gateway.intake.reading.columns import COLUMNS

    cells: dict[str, Any] = {c.field: EXAMPLES.get(c.field) or choices(c.field)[0] for c in COLUMNS}
    regions = dict.fromkeys(("assessment_region", "issuer_region", "review_region"), "济南市")
    taken_back = dict.fromkeys(("withdrawn", "withdrawal_reason"), "")
    filing = read_row(2, {}, cells | regions | taken_back | change).filing
    assert filing is not None
    return filing


def test_content_without_a_project_has_the_fingerprint_it_had_before_projects_were_known() -> None:
    worker, certificate = pair()
    assert fingerprint(worker) == "06373283a10175fe31a9a0af3d29319b01700b727551d2a7942451e6c2e24fac"
    assert fingerprint(certificate) == "0aa98a32b4bce17f5cfad83d03e12e7233f8bb2274e1ba82e2a9705fbea10123"
    assert fingerprint(dataclasses.replace(worker, placement=PLACE)) != fingerprint(worker)
    assert fingerprint(dataclasses.replace(certificate, training=Training(project_code="P1"))) != fingerprint(
        certificate
    )


def test_content_stored_before_projects_were_known_is_readable() -> None:
    for content, name in zip(pair(), ("placement", "training"), strict=True):
        adapter: TypeAdapter[Any] = TypeAdapter(type(content))
        plain = adapter.dump_python(content, mode="json")
        del plain[name]
        assert adapter.validate_python(plain) == content


def test_an_admitted_filing_carries_its_project_to_person_and_certificate() -> None:
    admitted = admit(example(), datetime(2019, 3, 12, tzinfo=UTC))
    place = admitted.worker.placement
    assert isinstance(place, Placement)
    assert (place.project_code, place.team_no, place.team_name) == ("000000300101010001", "100001", "钢筋一班")
    assert (place.since, place.politics, place.card_issuer) == (date(2018, 3, 5), "01", "示例市公安局")
    assert place.photo is not None
    assert place.photo.startswith("data:image/png;base64,")
    assert not place.team_leader
    assert admitted.certificate.training == Training(project_code="000000300101010001", hours="24", score="86.5")
    assert admitted.certificate.holder.placement is None
    assert [project_of(one) for one in (admitted.worker, admitted.certificate)] == ["000000300101010001"] * 2


def test_a_filing_without_a_project_carries_none() -> None:
    silent = dict.fromkeys(
        ("project_code", "team_corp_code", "team_corp_name", "team_no", "team_name", "site_trade"), ""
    )
    admitted = admit(example(**silent), datetime(2019, 3, 12, tzinfo=UTC))
    assert (admitted.worker.placement, admitted.certificate.training) == (None, None)


@pytest.mark.parametrize("change", [{"team_no": "8"}, {"trade": "010"}, {"team_name": "二班"}, {"photo": None}])
def test_another_team_is_a_change_of_the_world_and_no_correction(change: dict[str, Any]) -> None:
    worker, _ = pair()
    old = dataclasses.replace(worker, placement=PLACE)
    new = dataclasses.replace(worker, placement=dataclasses.replace(PLACE, **change))
    assert nature(differences(old, new)) is ChangeNature.CHANGE


def test_a_photo_stands_in_no_representation() -> None:
    assert people.PHOTO not in repr(PLACE)
