"""Dialect files, rows and results of dialect X: forms, character sets and quirks of real services."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from connectors.national_market.adapter import build
from connectors.national_market.dialect import load_dialect
from connectors.national_market.rows import rows_in, text_of
from gateway.codec.soap.envelope import Unreadable
from gateway.contract.messages import Payload, Problems, WireResponse
from gateway.domain.errors import ConfigurationError
from gateway.domain.records import Record, Submission
from gateway.domain.states import Event
from gateway.settings import loader
from gateway.testing.conformance import stamp

Extend = Callable[..., str]


def connector(**given: str) -> Any:
    values = {"endpoint": "https://market.example/x", "password": "example-only", "dialect": "X", **given}
    return build(loader({f"GATEWAY_NATIONAL_MARKET__{name.upper()}": value for name, value in values.items()}))


def altered(record: Record, **fields: Any) -> Record:
    """The record with other content."""
    content: Any = record.content
    return replace(record, content=replace(content, **fields))


@pytest.fixture
def extend(tmp_path: Path) -> Extend:
    """Write a dialect that extends the packaged one; gives its path."""

    def write(text: str, base: str = "wuxi") -> str:
        file = tmp_path / "mine.toml"
        file.write_text(f'extends = "{base}"\n{text}', "utf-8")
        return str(file)

    return write


def checked(made: Any, record: Record) -> Payload | Problems:
    submission = Submission(platform="national_market", record=record)
    result: Payload | Problems = made.check(submission, made.map(submission))
    return result


def string_sent(made: Any, record: Record) -> tuple[str, bytes]:
    """The string parameter, and the whole body."""
    payload = checked(made, record)
    assert isinstance(payload, Payload)
    body = made.encode_push([payload], stamp()).body
    return etree.fromstring(body).findtext(".//{*}xmlData") or "", body


def named(record: Record, name: str) -> Record:
    return altered(record, name=name)


def answered(text: str, operation: str = "SaveTBData") -> WireResponse:
    space = "http://schemas.xmlsoap.org/soap/envelope/"
    answer = etree.Element(f"{{http://tempuri.org/}}{operation}Response")
    etree.SubElement(answer, f"{{http://tempuri.org/}}{operation}Result").text = text
    envelope = etree.Element(f"{{{space}}}Envelope")
    etree.SubElement(envelope, f"{{{space}}}Body").append(answer)
    return WireResponse(status=200, headers={"content-type": "text/xml"}, body=etree.tostring(envelope))


def test_one_row_stands_under_a_root_with_base64_values_and_empty_nulls(person: Record) -> None:
    without = altered(person, employer=None, mobile=None)
    text, _ = string_sent(connector(), without)
    (row,) = etree.fromstring(text)
    cells = {cell.tag: base64.b64decode(cell.text or "").decode() for cell in row}
    assert (cells["PersonName"], cells["IDCardTypeNum"]) == (without.content.name, "1")  # type: ignore[union-attr]
    assert (cells["CorpName"], cells["Mobile"]) == ("", "")
    assert "<Mobile/>" in text


def test_all_columns_go_out_even_where_nothing_is_known(person: Record, certificate: Record) -> None:
    dialect = load_dialect("wuxi")
    for record, columns in ((person, dialect.columns.person), (certificate, dialect.columns.certificate)):
        payload = checked(connector(), record)
        assert isinstance(payload, Payload)
        assert set(payload.fields) == {*columns, "sbdqbm"}


def test_a_single_row_has_no_root_and_a_declaration_of_gb2312(person: Record) -> None:
    text, body = string_sent(connector(dialect_file="jiangsu"), person)
    assert text.startswith('<?xml version="1.0" encoding="GB2312"?><PKID>')
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(text.partition("?>")[2])
    flag = etree.fromstring(body).findtext(".//{*}updateFlag")
    assert flag == "U"


@pytest.mark.parametrize("charset", ["GBK", "GB2312"])
@pytest.mark.parametrize(
    ("name", "fits"), [("阿卜杜拉·买买提", {"GBK", "GB2312"}), ("王喆", {"GBK"}), ("李𠮷", set()), ("王㛃", set())]
)
def test_a_character_outside_the_charset_is_refused_with_302_and_never_sent_as_a_question_mark(
    extend: Extend, person: Record, charset: str, name: str, fits: set[str]
) -> None:
    made = connector(dialect_file=extend(f'[text]\ncharset = "{charset}"\n'))
    result = checked(made, named(person, name))
    if charset in fits:
        text, _ = string_sent(made, named(person, name))
        assert base64.b64encode(name.encode("gbk")).decode() in text
    else:
        assert isinstance(result, Problems)
        assert [(p.field, p.rule) for p in result.items] == [("name", f"302:{charset}")]
        assert name not in repr(result)
    assert isinstance(checked(connector(), named(person, name)), Payload)


def test_escaped_and_cdata_strings_read_the_same(extend: Extend, person: Record) -> None:
    odd = named(person, "甲]]>&<乙")
    plain, cdata = (
        connector(dialect_file=extend(f'[text]\nvalues = "plain"\ncdata = {switch}\n')) for switch in ("false", "true")
    )
    (one, escaped), (two, wrapped) = string_sent(plain, odd), string_sent(cdata, odd)
    assert one == two
    assert b"<![CDATA[" in wrapped
    assert b"<![CDATA[" not in escaped
    (row,) = etree.fromstring(one)
    assert row.findtext("PersonName") == "甲]]>&<乙"


def test_dates_take_the_dialects_form_and_moments_are_days(extend: Extend, person: Record) -> None:
    payload = checked(connector(dialect_file=extend('[text]\ndate_format = "%Y/%m/%d"\n')), person)
    assert isinstance(payload, Payload)
    for column in ("Birthday", "CheckedAt"):
        assert re.fullmatch(r"\d{4}/\d{2}/\d{2}", str(payload.fields[column]))


def test_a_code_without_a_counterpart_is_a_problem_of_our_field(person: Record, extend: Extend) -> None:
    made = connector(dialect_file=extend('[codes]\nGender = "gender.name_en"\nEducation = "education_gbt4658.basis"\n'))
    payload = checked(made, person)
    assert isinstance(payload, Payload)
    assert payload.fields["SexNum"] in ("male", "female")
    none = connector(dialect_file=extend('[codes]\nIdDocType = "id_document_type.tb_idcardtype_code"\n'))
    foreign = altered(person, id_type="000")
    result = checked(none, foreign)
    assert isinstance(result, Problems)
    assert {p.field for p in result.items} == {"id_type"}


def test_the_nine_character_code_goes_out_where_the_dialect_wants_it(person: Record, extend: Extend) -> None:
    file = extend('[columns.person]\nCorpCode = "Employment.CorpOrgCode"\n')
    payload = checked(connector(dialect_file=file, corp_code_form="uscc_and_org"), person)
    assert isinstance(payload, Payload)
    assert re.fullmatch("[0-9A-Z]{8}-[0-9A-Z]", str(payload.fields["CorpCode"]))


@pytest.mark.parametrize(
    ("text", "event", "code"),
    [
        ("OK", Event.ACCEPTED, "000"),
        ("  OK\n", Event.ACCEPTED, "000"),
        ("000 数据保存成功", Event.ACCEPTED, "000"),
        ("000", Event.ACCEPTED, "000"),
        ("011 有警告", Event.ACCEPTED, "011"),
        ("001 用户名或密码错误", Event.HOLD, "001"),
        ("002，表名", Event.HOLD, "002"),
        ("003：保存失败", Event.REJECTED, "003"),
        ("003,保存失败", Event.REJECTED, "003"),
        ("005:未找到", Event.RETRY, "005"),
        ("007 接口关闭", Event.RETRY, "007"),
        ("010 已接收", Event.UNKNOWN, "010"),
        ("013 重复请求", Event.UNKNOWN, "013"),
        ("599 ?", Event.UNKNOWN, "599"),
        ("OK!", Event.REJECTED, "003"),
        ("ok", Event.REJECTED, "003"),
        ("0000", Event.REJECTED, "003"),
        ("未将对象引用设置到对象的实例", Event.REJECTED, "003"),
        ("", Event.RETRY, "empty_result"),
        ("   ", Event.RETRY, "empty_result"),
        ("<html>登录</html>", Event.RETRY, "markup"),
    ],
)
def test_a_result_text_is_read_as_the_services_write_it(person: Record, text: str, event: Event, code: str) -> None:
    payload = checked(connector(), person)
    assert isinstance(payload, Payload)
    (verdict,) = connector().decode_push(answered(text), [payload], stamp())
    assert (verdict.event, verdict.code) == (event, code)


def test_an_answer_without_a_result_or_under_an_error_status_is_no_answer(person: Record) -> None:
    payload = checked(connector(), person)
    assert isinstance(payload, Payload)
    bare = answered("OK").body.replace(b"<ns0:SaveTBDataResult>OK</ns0:SaveTBDataResult>", b"")
    for response, code in (
        (replace(answered("OK"), body=bare), "empty_result"),
        (replace(answered("OK"), status=500), "error_status"),
        (replace(answered("OK"), body=answered("OK").body.replace(b"tempuri.org", b"other.org")), "other_answer"),
    ):
        (verdict,) = connector().decode_push(response, [payload], stamp())
        assert (verdict.event, verdict.code) == (Event.RETRY, code)


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ('<?xml version="1.0" encoding="gb2312"?><body></body>', Event.NOT_FOUND),
        ("<body/>", Event.NOT_FOUND),
        ("", Event.RETRY),
        ("<body>", Event.RETRY),
        ('<!DOCTYPE x [<!ENTITY e "v">]><body>&e;</body>', Event.RETRY),
        ("<body><row><PKID>!</PKID></row></body>", Event.RETRY),
        ("001 用户名或密码错误", Event.HOLD),
        ("003 保存失败", Event.UNKNOWN),
        ("OK", Event.UNKNOWN),
    ],
)
def test_what_a_reading_call_answers_is_never_taken_for_more_than_it_says(
    person: Record, text: str, event: Event
) -> None:
    payload = checked(connector(), person)
    assert isinstance(payload, Payload)
    verdict = connector().decode_lookup(answered(text, "ReadTBDataFromZx"), payload, stamp())
    assert verdict.event is event


def test_rows_come_back_as_they_went_in_every_form() -> None:
    row = {"PKID": "1", "PersonName": "阿·卜", "Mobile": ""}
    for charset in ("UTF-8", "GBK", "GB2312"):
        for values in ("base64", "plain"):
            for form in ("X1", "X2"):
                text = load_dialect("wuxi").text.model_copy(
                    update={"charset": charset, "values": values, "form": form, "declaration": True}
                )
                written = text_of(row, text)
                if form == "X2":
                    head, _, cells = written.partition("?>")
                    written = f"{head}?><row>{cells}</row>"
                assert rows_in(written, text) == [row]
    assert isinstance(rows_in("<a><b><c>%</c></b></a>", load_dialect("wuxi").text), Unreadable)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("wsdl = 'none.wsdl'", "wsdl"),
        ("[text]\ndate_format = '%m-%d'", "text.date_format"),
        ("[text]\ncharset = 'BIG5'", "text.charset"),
        ("[columns.person]\nPKID = 'RecordVersion'", "columns.person"),
        ("[columns.person]\nsbdqbm = 'HomeRegion'", "columns.person"),
        ("[codes]\nGender = 'gender.nothing'", "codes.Gender"),
        ("[codes]\nGender = 'nothing.code'", "codes.Gender"),
        ("surprise = 1", "surprise"),
        ("[text", "the file cannot be read"),
    ],
)
def test_a_dialect_that_contradicts_itself_is_refused_with_its_key(extend: Extend, text: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        load_dialect(extend(text))


def test_unknown_and_circular_dialects_are_refused(extend: Extend, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="jiangsu, suzhou, wuxi"):
        load_dialect("atlantis")
    with pytest.raises(ConfigurationError, match="circle"):
        load_dialect(extend("", base=str(tmp_path / "mine.toml")))


def test_a_wsdl_of_ones_own_gives_namespace_and_action_to_the_letter(
    extend: Extend, tmp_path: Path, person: Record
) -> None:
    packaged = Path(load_dialect("wuxi").folder / "xmlstring.wsdl").read_text("utf-8")
    address = "http://10.1.2.3:8080/Data"
    (tmp_path / "own.wsdl").write_text(packaged.replace("http://tempuri.org/", address), "utf-8")
    made = connector(dialect_file=extend('wsdl = "own.wsdl"\n'))
    payload = checked(made, person)
    assert isinstance(payload, Payload)
    request = made.encode_push([payload], stamp())
    assert etree.fromstring(request.body).find(f".//{{{address}}}SaveTBData") is not None
    assert request.headers["soapaction"] == f'"{address}SaveTBData"'
    (tmp_path / "bare.wsdl").write_text("<definitions/>", "utf-8")
    with pytest.raises(ConfigurationError, match="no schema"):
        _ = connector(dialect_file=extend('wsdl = "bare.wsdl"\n'))._port.schema
