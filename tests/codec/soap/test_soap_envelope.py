"""The SOAP codec on a small service of its own: offline WSDL, reproducible signature, faults, hostile bytes."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from lxml import etree

from gateway.codec.soap import envelope as soap
from gateway.codec.soap.envelope import ENVELOPE_11, ENVELOPE_12, Fault, FaultKind, Port, Unreadable
from gateway.contract.messages import Stamp
from gateway.domain.errors import ConfigurationError, ContractError

SCHEMA = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t" xmlns="urn:t"
 elementFormDefault="qualified">
 <xs:element name="Add"><xs:complexType><xs:sequence>
  <xs:element name="Number" type="xs:int"/></xs:sequence></xs:complexType></xs:element>
 <xs:element name="AddResponse"><xs:complexType><xs:sequence>
  <xs:element name="Sum" type="xs:int"/></xs:sequence></xs:complexType></xs:element>
</xs:schema>"""
BINDING = """<w:binding name="{name}" type="t:Port"><{p}:binding transport="http://schemas.xmlsoap.org/soap/http"/>
 <w:operation name="Add"><{p}:operation soapAction="urn:t/Add"/><w:input><{p}:body use="literal"/></w:input>
 <w:output><{p}:body use="literal"/></w:output></w:operation></w:binding>"""
WSDL = (
    """<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:t" targetNamespace="urn:t"
 xmlns:s11="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:s12="http://schemas.xmlsoap.org/wsdl/soap12/">
 <w:types><xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:import namespace="urn:t" schemaLocation="LOCATION"/></xs:schema></w:types>
 <w:message name="In"><w:part name="p" element="t:Add"/></w:message>
 <w:message name="Out"><w:part name="p" element="t:AddResponse"/></w:message>
 <w:portType name="Port"><w:operation name="Add"><w:input message="t:In"/><w:output message="t:Out"/></w:operation>
 </w:portType>"""
    + BINDING.format(name="B11", p="s11")
    + BINDING.format(name="B12", p="s12")
    + """
 <w:service name="Service"><w:port name="Old" binding="t:B11"><s11:address location="http://inside.example/"/></w:port>
 <w:port name="New" binding="t:B12"><s12:address location="http://inside.example/"/></w:port></w:service>
</w:definitions>"""
)
STAMP = Stamp(
    message_id="01D7DY3M000000000000000000", now=datetime(2019, 4, 2, 1, 30, tzinfo=UTC), nonce=bytes(range(16))
)
BOMB = f"<!DOCTYPE s [<!ENTITY a '{'x' * 1000}'><!ENTITY b '{'&a;' * 1000}'><!ENTITY c '{'&b;' * 1000}'>]>"
EXPIRED = "<x><FaultCode>wsse:MessageExpired</FaultCode></x>"
WSSE = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}"
WSU = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}"


def port(folder: Path, name: str = "Old", *, location: str = "service.xsd") -> Port:
    (folder / "service.wsdl").write_text(WSDL.replace("LOCATION", location), encoding="utf-8")
    (folder / "service.xsd").write_text(SCHEMA, encoding="utf-8")
    return Port(wsdl=folder / "service.wsdl", schema=folder / "service.xsd", service="Service", port=name)


def wrapped(content: str, space: str = ENVELOPE_11, before: str = "") -> bytes:
    return f'{before}<s:Envelope xmlns:s="{space}"><s:Body>{content}</s:Body></s:Envelope>'.encode()


def test_headers_follow_the_version_of_the_port(tmp_path: Path) -> None:
    old, new = port(tmp_path), port(tmp_path, "New")
    body, headers = old.seal("Add", old.envelope("Add", {"Number": 1}))
    assert headers == {"content-type": "text/xml; charset=utf-8", "soapaction": '"urn:t/Add"'}
    assert etree.fromstring(body).tag == f"{{{ENVELOPE_11}}}Envelope"
    body, headers = new.seal("Add", new.envelope("Add", {"Number": 1}))
    assert headers == {"content-type": 'application/soap+xml; charset=utf-8; action="urn:t/Add"'}
    assert etree.fromstring(body).tag == f"{{{ENVELOPE_12}}}Envelope"


@pytest.mark.parametrize(("name", "space"), [("Old", ENVELOPE_11), ("New", ENVELOPE_12)])
def test_a_signed_request_is_reproducible_and_its_digest_is_right(tmp_path: Path, name: str, space: str) -> None:
    opened = port(tmp_path, name)

    def signed(stamp: Stamp) -> bytes:
        token = soap.username_token("centre", "example-only", stamp)
        return opened.seal("Add", opened.envelope("Add", {"Number": 1}), token)[0]

    first = signed(STAMP)
    assert signed(STAMP) == first
    assert signed(replace(STAMP, nonce=bytes(16))) != first
    security = etree.fromstring(first).find(f".//{WSSE}Security")
    assert security is not None
    assert security.get(f"{{{space}}}mustUnderstand") == "1"
    nonce = base64.b64decode(security.findtext(f".//{WSSE}Nonce") or "")
    created = security.findtext(f".//{WSU}Created") or ""
    digest = hashlib.sha1(nonce + created.encode() + b"example-only").digest()
    assert len(nonce) == 16
    assert created == "2019-04-02T01:30:00Z"
    assert security.findtext(f".//{WSSE}Password") == base64.b64encode(digest).decode()


def test_the_creation_time_is_the_same_moment_in_utc_whatever_the_stamps_zone() -> None:
    china = replace(STAMP, now=STAMP.now.astimezone(timezone(timedelta(hours=8))))
    assert soap.username_token("u", "p", china).created == STAMP.now


@pytest.mark.parametrize("values", [{}, {"Number": 1, "Surprise": 2}])
def test_a_payload_that_does_not_fit_the_operation_is_a_broken_contract(tmp_path: Path, values: dict[str, int]) -> None:
    with pytest.raises(ContractError, match="Add: the payload does not fit"):
        port(tmp_path).envelope("Add", values)


def test_a_value_that_breaks_the_schema_never_leaves_and_is_not_told(tmp_path: Path) -> None:
    opened = port(tmp_path)
    with pytest.raises(ContractError) as caught:
        opened.seal("Add", opened.envelope("Add", {"Number": "370000198104067032"}))
    assert str(caught.value).startswith("Add: the built message breaks its schema at Add/Number (")
    assert "370000198104067032" not in str(caught.value)


@pytest.mark.parametrize("location", ["http://127.0.0.1:9/service.xsd", "../outside.xsd", "file:///etc/hostname"])
def test_a_wsdl_that_points_outside_its_folder_is_refused(tmp_path: Path, location: str) -> None:
    with pytest.raises(ConfigurationError, match="outside its own folder"):
        port(tmp_path, location=location).envelope("Add", {"Number": 1})


def test_a_missing_port_is_named(tmp_path: Path) -> None:
    opened = port(tmp_path)
    envelope = opened.envelope("Add", {"Number": 1})
    other = Port(wsdl=tmp_path / "service.wsdl", schema=tmp_path / "service.xsd", service="Service", port="Third")
    with pytest.raises(ConfigurationError, match="Third"):
        other.seal("Add", envelope)


def test_importing_the_codec_does_not_load_zeep() -> None:
    code = "import sys, gateway.codec.soap.envelope; sys.exit('zeep' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_good_reply_is_opened(tmp_path: Path) -> None:
    body = wrapped('<t:AddResponse xmlns:t="urn:t"><t:Sum>1<!-- c -->2</t:Sum></t:AddResponse>')
    opened = port(tmp_path).open(body, "{urn:t}AddResponse")
    assert isinstance(opened, etree._Element)
    assert opened.findtext("{urn:t}Sum") == "12"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not_xml"),
        (b"OK", "not_xml"),
        (b"<a/>", "not_soap"),
        (wrapped(""), "not_soap"),
        (wrapped("<a/><b/>"), "not_soap"),
        (wrapped("<a/>", space="urn:other"), "not_soap"),
        (wrapped("<a/>"), "other_answer"),
        (wrapped('<t:Add xmlns:t="urn:t"><t:Number>1</t:Number></t:Add>'), "other_answer"),
        (wrapped('<t:AddResponse xmlns:t="urn:t"><t:Sum>OK</t:Sum></t:AddResponse>'), "reply_schema"),
        (wrapped('<t:AddResponse xmlns:t="urn:t"/>'), "reply_schema"),
        (wrapped("<a/>", before="<!DOCTYPE s>"), "doctype"),
        (wrapped("&x;", before='<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/hostname">]>'), "doctype"),
        (wrapped("<a b='&c;'/>", before=BOMB), "not_xml"),
        ("<a>成功</a>".encode("gbk"), "not_xml"),
        (b"<a>" * 5000, "not_xml"),
    ],
)  # fmt: skip
def test_whatever_is_not_the_answer_is_named_by_a_code(tmp_path: Path, body: bytes, code: str) -> None:
    opened = port(tmp_path).open(body, "{urn:t}AddResponse")
    assert isinstance(opened, Unreadable)
    assert opened.code == code


def fault_11(code: str, detail: str = "") -> bytes:
    return wrapped(f"<s:Fault><faultcode>{code}</faultcode><faultstring>why</faultstring>{detail}</s:Fault>")


def fault_12(code: str, sub: str = "") -> bytes:
    inner = f"<s:Subcode><s:Value>{sub}</s:Value></s:Subcode>" if sub else ""
    return wrapped(
        f"<s:Fault><s:Code><s:Value>{code}</s:Value>{inner}</s:Code>"
        "<s:Reason><s:Text xml:lang='en'>why</s:Text></s:Reason></s:Fault>",
        ENVELOPE_12,
    )


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (fault_11("s:Client"), FaultKind.CLIENT, "Client"),
        (fault_11("Server"), FaultKind.SERVER, "Server"),
        (fault_11("s:Client.Schema"), FaultKind.CLIENT, "Schema"),
        (fault_11("s:MustUnderstand"), FaultKind.PROTOCOL, "MustUnderstand"),
        (fault_11("wsse:FailedAuthentication"), FaultKind.SECURITY, "FailedAuthentication"),
        (fault_11("s:Client", f"<detail>{EXPIRED}</detail>"), FaultKind.SECURITY, "MessageExpired"),
        (fault_11("", "<detail/>"), FaultKind.OTHER, "fault"),
        (fault_12("s:Sender"), FaultKind.CLIENT, "Sender"),
        (fault_12("s:Receiver"), FaultKind.SERVER, "Receiver"),
        (fault_12("s:DataEncodingUnknown"), FaultKind.PROTOCOL, "DataEncodingUnknown"),
        (fault_12("s:Sender", "wsse:FailedAuthentication"), FaultKind.SECURITY, "FailedAuthentication"),
        (fault_12("s:Sender", "t:BadDate"), FaultKind.CLIENT, "BadDate"),
    ],
)  # fmt: skip
def test_faults_of_both_versions_say_who_is_to_blame(body: bytes, kind: FaultKind, code: str) -> None:
    fault = soap.body_element(body)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.code) == (kind, code)


def test_a_fault_keeps_its_text_and_detail_out_of_its_repr() -> None:
    fault = soap.body_element(fault_11("s:Client", "<detail><x><Reason>number 37</Reason></x></detail>"))
    assert isinstance(fault, Fault)
    assert fault.reason == "number 37"
    assert "37" not in repr(fault)
