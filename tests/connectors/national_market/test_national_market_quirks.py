"""Habits of services of this family that no other file tests: one test each, both dialects where both are concerned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from connectors.national_market.dialect import load_dialect
from connectors.national_market.rows import row_of
from connectors.national_market.settings import NationalMarketSettings
from gateway.codec.codes import table
from gateway.contract.messages import Payload, Problems, WireResponse
from gateway.domain.records import Certificate, Placement, Record, Submission, Worker
from gateway.domain.states import Event

HERE = Path(__file__).parents[3] / "connectors" / "national_market"
PLATFORM = "national_market"


def of(record: Record, **changes: Any) -> Submission:
    assert isinstance(record.content, Worker | Certificate)
    return Submission(platform=PLATFORM, record=replace(record, content=replace(record.content, **changes)))


@pytest.mark.parametrize("dot", "·•．‧")
def test_every_middle_dot_of_a_name_becomes_the_one_the_platform_knows(
    connector: Any, person: Record, dot: str
) -> None:
    assert connector.map(of(person, name=f"阿力木{dot}吐尔逊")).fields["PersonName"] == "阿力木·吐尔逊"


def test_nothing_unknown_goes_out_empty_or_nil_in_the_typed_dialect(bench: Any, person: Record) -> None:
    (payload,) = bench.checked(of(person, education=None, mobile=None, address=None, employer=None))
    body = etree.fromstring(bench.connector.encode_push([payload], bench.stamp()).body)
    sent = body.find(".//{*}Person")
    assert sent is not None
    assert [e.tag for e in sent.iter() if not len(e) and not (e.text or "").strip()] == []
    assert b"nillable" not in (HERE / "types.xsd").read_bytes() + (HERE / "service.xsd").read_bytes()


@pytest.mark.parametrize(
    ("number", "printed", "level", "fits"),
    [
        ("Y000037000001{}123456", "1", "6", True),
        ("S123437000001{}123456", "5", "2", True),
        ("S123437000001{}123456", "1", "2", False),
        ("鲁A2014{}688936", "1", "2", True),
    ],
)
def test_the_level_inside_a_22_character_number_counts_from_the_other_end(
    connector: Any, certificate: Record, number: str, printed: str, level: str, fits: bool
) -> None:
    written = number.format(f"21{printed}") if number[0] in "YS" else number.format(printed)
    submission = of(certificate, number=written, level=level)
    found = connector.check(submission, connector.map(submission))
    assert isinstance(found, Payload) is fits
    if isinstance(found, Problems):
        assert [(p.field, p.rule) for p in found.items] == [("number", "level")]


def test_safety_numbers_get_full_width_brackets(make: Callable[..., Any], certificate: Record) -> None:
    draft = make().map(of(certificate, cert_class="SAFETY", number="鲁建安A(2019)0000001"))
    assert draft.fields["CertNumber"] == "鲁建安A（2019）0000001"


def test_document_types_differ_from_receiver_to_receiver(make: Callable[..., Any], person: Record) -> None:
    typed = make().map(of(person)).fields["IdDocType"]
    types = table("id_document_type")
    assert (typed, types.get("111", "worker_platform_code"), types.get("111", "tb_idcardtype_code")) == (
        "111",
        "01",
        "1",
    )


def test_a_revocation_has_another_code_for_each_certificate_system() -> None:
    row = next(r for r in table("cert_status").rows if r["name_zh"] == "撤销")
    assert (row["canonical"], row["special_operation_C0304"], row["safety_C0317"]) == ("04", "04", "03")


def test_trade_codes_stay_text(connector: Any, certificate: Record) -> None:
    (draft,) = (connector.map(of(certificate, trade="010", trade_name="砌筑工")),)
    assert draft.fields["Trade"] == "010"
    assert connector.map(of(certificate, trade="1000", trade_name="装配式施工员")).fields["Trade"] == "000"


def test_the_address_inside_the_description_is_never_used(make: Callable[..., Any]) -> None:
    assert b"http://127.0.0.1/PersonCertDataService" in (HERE / "service.wsdl").read_bytes()
    assert make(endpoint="https://market.example/other").endpoint.base_url == "https://market.example/other"


@pytest.mark.parametrize("dialect", ["T", "X"])
@pytest.mark.parametrize("page", [b"<html><body>Maximum request length exceeded.</body></html>", b"", b"runtime error"])
def test_a_plain_page_in_place_of_an_answer_leaves_the_outcome_open(
    road: Callable[..., Any], person: Record, dialect: str, page: bytes
) -> None:
    bench = road(dialect)
    (payload,) = bench.checked(of(person))
    sealed = bench.stamp()
    (verdict,) = bench.connector.decode_push(WireResponse(status=200, body=page), [payload], sealed)
    assert (verdict.event, verdict.same_message) == (Event.RETRY, True)


def test_a_section_end_inside_a_value_survives_the_string_in_a_section(
    road: Callable[..., Any], person: Record, tmp_path: Path
) -> None:
    file = tmp_path / "cdata.toml"
    file.write_text('extends = "suzhou"\n[text]\ncdata = true\n', encoding="utf-8")
    bench = road("X-suzhou", dialect_file=str(file))
    (payload,) = bench.checked(of(person, address="一号]]>二号"))
    request = bench.connector.encode_push([payload], bench.stamp())
    assert b"<![CDATA[" in request.body
    text = etree.fromstring(request.body).findtext(".//{*}xmlData") or ""
    assert etree.fromstring(text).findtext(".//Address") == "一号]]>二号"


@pytest.mark.parametrize(
    ("prefix", "before"), [("", ""), ("data:{media};base64, ", "data:image/png;base64, "), ("base64,", "base64,")]
)
def test_a_photo_gets_the_prefix_that_a_receiver_of_strings_wants(
    tmp_path: Path, person: Record, prefix: str, before: str
) -> None:
    placement = Placement(
        project_code="1",
        corp_code="1",
        corp_name="示例",
        team_no="1",
        team_name="一班",
        trade="010",
        photo="data:image/png;base64,iVBORw0KGgo=",
    )
    file = tmp_path / "photos.toml"
    told = f'extends = "wuxi"\n[text]\nphoto_prefix = "{prefix}"\n[columns.person]\nPhoto = "Photo.Content"\n'
    file.write_text(told, encoding="utf-8")
    dialect = load_dialect(str(file))
    settings = NationalMarketSettings(endpoint="https://market.example", password="unused")  # type: ignore[arg-type]
    row = row_of(of(person, placement=placement), dialect, settings)
    assert row.fields["Photo"] == f"{before}iVBORw0KGgo="


def test_a_password_goes_by_the_message_and_only_over_tls(road: Callable[..., Any], person: Record) -> None:
    bench = road("X")
    (payload,) = bench.checked(of(person))
    request = bench.connector.encode_push([payload], bench.stamp())
    password = bench.sandbox.access("").details["password"]
    assert password.encode() in request.body
    assert password not in repr(request)
    with pytest.raises(ValueError, match="https is required"):
        NationalMarketSettings(endpoint="http://market.example", password="x", dialect="X")  # type: ignore[arg-type]
