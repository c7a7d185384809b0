"""The sandbox by the letter of SOAP and of the contract: zones, actors, questions, and what its answers say."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree

from gateway.codec.soap.envelope import Fault, body_element
from gateway.domain.records import Record, Submission

SOAP_11, SOAP_12 = "http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"
PLATFORM = "national_market"


def sent(bench: Any, edit: Callable[[bytes], bytes]) -> Any:
    """What the sandbox makes of an edited question for its time."""
    request = bench.connector.encode_health(bench.stamp())
    return body_element(bench.send(request, body=edit(request.body)).body)


def header(text: str) -> Callable[[bytes], bytes]:
    def add(body: bytes) -> bytes:
        front, mark, rest = body.partition(b"Header>")
        assert mark
        return front + mark + text.encode() + rest

    return add


@pytest.mark.parametrize(
    ("version", "attribute", "actor", "understood"),
    [
        ("1.1", "actor", None, False),
        ("1.1", "actor", "", False),
        ("1.1", "actor", "http://schemas.xmlsoap.org/soap/actor/next", False),
        ("1.1", "actor", "http://other.example/actor", True),
        ("1.2", "role", None, False),
        ("1.2", "role", f"{SOAP_12}/role/next", False),
        ("1.2", "role", f"{SOAP_12}/role/ultimateReceiver", False),
        ("1.2", "role", f"{SOAP_12}/role/none", True),
        ("1.2", "role", "http://other.example/role", True),
    ],
)
def test_a_header_must_be_understood_by_whom_it_addresses(
    road: Callable[..., Any], version: str, attribute: str, actor: str | None, understood: bool
) -> None:
    bench = road(soap_version=version)
    space = {"1.1": SOAP_11, "1.2": SOAP_12}[version]
    whom = "" if actor is None else f' s:{attribute}="{actor}"'
    found = sent(bench, header(f'<x xmlns="urn:x" xmlns:s="{space}" s:mustUnderstand="1"{whom}/>'))
    if understood:
        assert isinstance(found, etree._Element)
    else:
        assert isinstance(found, Fault)
        assert found.code == "MustUnderstand"


def test_a_header_that_need_not_be_understood_is_passed_over(bench: Any) -> None:
    assert isinstance(sent(bench, header('<x xmlns="urn:x"/>')), etree._Element)


@pytest.mark.parametrize(
    ("zone", "words"),
    [("Z", None), ("+00:00", None), ("-00:00", None), (".000Z", None), ("+08:00", "not in UTC"), ("", "not in UTC")],
)
def test_a_token_may_write_utc_in_any_way(bench: Any, zone: str, words: str | None) -> None:
    """The digest is over the text, so each is made anew here."""
    import base64
    import hashlib

    password = bench.sandbox.access("https://a.example").details["password"]
    created = f"2019-04-02T01:30:00{zone}"

    def edit(body: bytes) -> bytes:
        root = etree.fromstring(body)
        nonce = base64.b64decode(root.findtext(".//{*}Nonce") or "")
        digest = hashlib.sha1(nonce + created.encode() + password.encode(), usedforsecurity=False).digest()
        root.find(".//{*}Password").text = base64.b64encode(digest).decode()  # type: ignore[union-attr]
        root.find(".//{*}Created").text = created  # type: ignore[union-attr]
        return etree.tostring(root)

    found = sent(bench, edit)
    assert isinstance(found, etree._Element) == (words is None)
    if words:
        assert words in found.reason


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({}, "301"),
        ({"CertClass": "SKILL"}, "301"),
        ({"IdDocType": "111"}, "301"),
        ({"RecordKey": "0" * 32}, "401"),
        ({"CertNumber": "NOSUCHNUMBER"}, "401"),
        ({"IdDocType": "111", "IdDocNumber": "370000199001011234"}, "401"),
    ],
)
def test_a_question_for_certificates_names_one_of_three(
    call: Callable[..., etree._Element], asked: dict[str, str], code: str
) -> None:
    assert call("QueryCertificate", SenderCode="370000", **asked).findtext("{*}ResultCode") == code


def test_each_of_the_three_finds_it_and_all_together_must_hold(
    bench: Any, call: Callable[..., etree._Element], person: Record, certificate: Record
) -> None:
    person_payload, payload = bench.checked(*(Submission(platform=PLATFORM, record=r) for r in (person, certificate)))
    bench.push(person_payload)
    bench.push(payload)
    holder = payload.fields["Holder"]
    ways = (
        {"RecordKey": payload.fields["RecordKey"]},
        {"CertNumber": payload.fields["CertNumber"]},
        {name: holder[name] for name in ("IdDocType", "IdDocNumber")},
    )
    for asked in (*ways, {k: v for way in ways for k, v in way.items()}):
        assert len(call("QueryCertificate", SenderCode="370000", **asked).findall("{*}Certificate")) == 1
    other = {**ways[0], "CertNumber": "NOSUCHNUMBER"}
    assert call("QueryCertificate", SenderCode="370000", **other).findtext("{*}ResultCode") == "401"


def test_no_wrapper_holds_a_choice() -> None:
    """JAX-WS 2.2, section 2.3.1.2: a wrapper element holds a sequence of elements only."""
    from connectors.national_market import contract

    xsd = "{http://www.w3.org/2001/XMLSchema}"
    root = etree.fromstring(contract.files()["service.xsd"])
    for wrapper in root.iterfind(f"{xsd}element/{xsd}complexType"):
        assert {child.tag for child in wrapper} <= {f"{xsd}sequence"}
        assert all(part.tag == f"{xsd}element" for group in wrapper for part in group.iterchildren(f"{xsd}*"))


def message(bench: Any, record: Record, old: bytes, new: bytes) -> tuple[str, str]:
    """Code and words for a push whose bytes were edited."""
    [payload] = bench.checked(Submission(platform=PLATFORM, record=record))
    request = bench.connector.encode_push([payload], bench.stamp())
    assert re.search(old, request.body)
    answer = body_element(bench.send(request, body=re.sub(old, new, request.body, count=1)).body)
    assert isinstance(answer, etree._Element)
    return answer.findtext(".//{*}ResultCode") or "", answer.findtext(".//{*}ResultMessage") or ""


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        (rb"RecordCount>1<", b"RecordCount>2<", "RecordCount"),
        (rb"SerialNo>370000", b"SerialNo>371000", "SerialNo"),
        (rb"Address>[^<]*<", "Address>另一处<".encode(), "ContentHash"),
        (rb"\+08:00</t:CheckedAt", b".000+08:00</t:CheckedAt", "ContentHash"),
    ],
)
def test_302_says_what_does_not_agree(bench: Any, person: Record, old: bytes, new: bytes, word: str) -> None:
    code, words = message(bench, person, old, new)
    assert code == "302"
    assert word in words


def test_login_and_logout_say_what_they_did(road: Callable[..., Any], bench: Any) -> None:
    token_bench = road("T-token")
    sealed = token_bench.stamp()
    answer = token_bench.send(token_bench.connector.encode_login(None, sealed))
    assert "登录成功".encode() in answer.body
    token_bench.log_in()
    gone = token_bench.send(token_bench.connector.encode_logout(token_bench.stamp()))
    assert "已退出".encode() in gone.body
    refused = bench.connector._port.envelope("Logout", {})
    body, headers = bench.connector._seal("Logout", refused, bench.stamp())
    request = bench.connector.encode_health(bench.stamp())
    answer = bench.send(request, body=body, headers=headers)
    assert b">102<" in answer.body
    assert "不提供登录".encode() in answer.body
