"""Photos and scans: written with size and digest, refused here or by the platform where they do not fit."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from lxml import etree

from connectors.national_market.messages import fill_content_hash, with_content_hash
from gateway.contract.messages import Payload, Problems
from gateway.delivery.rules.work import messages
from gateway.domain.changes import differences
from gateway.domain.records import Attachment, Certificate, Placement, Record, Submission, Worker
from gateway.store.records import seal_content, to_record
from gateway.store.vault import KeyRing, Vault
from gateway.testing.people import credit_code

JPEG = b"\xff\xd8\xff\xe0" + b"j" * 60
PDF = b"%PDF-1.7 " + b"p" * 90
NS = "{urn:jzsc:personcert:types:1}"


def scan(data: bytes = PDF, kind: str = "CERT_PDF", media: str = "application/pdf", **changes: Any) -> Attachment:
    made = Attachment(
        kind=kind,
        media_type=media,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        content=base64.b64encode(data).decode(),
    )
    return replace(made, **changes)


def pictured(record: Record, picture: bytes = JPEG, front: str = "data:image/jpeg;base64,") -> Submission:
    assert isinstance(record.content, Worker)
    code = credit_code(__import__("random").Random(1))
    placement = Placement(
        project_code="1",
        corp_code=code,
        corp_name="示例",
        team_no="1",
        team_name="一班",
        trade="010",
        photo=f"{front}{base64.b64encode(picture).decode()}",
    )
    return Submission(
        platform="national_market", record=replace(record, content=replace(record.content, placement=placement))
    )


def scanned(record: Record, *scans: Attachment) -> Submission:
    assert isinstance(record.content, Certificate)
    return Submission(platform="national_market", record=replace(record, content=replace(record.content, files=scans)))


def sent(bench: Any, payload: Payload) -> etree._Element:
    body = bench.connector.encode_push([payload], bench.stamp()).body
    return etree.fromstring(body)


@pytest.mark.parametrize("front", ["data:image/jpeg;base64,", "data:image/jpeg;base64, "])
def test_a_photo_goes_out_with_size_and_digest_and_without_what_stands_before_it(
    bench: Any, person: Record, front: str
) -> None:
    (payload,) = bench.checked(pictured(person, front=front))
    photo = sent(bench, payload).find(f".//{NS}Photo")
    assert photo is not None
    assert {etree.QName(e).localname: e.text for e in photo} == {
        "Kind": "PHOTO",
        "FileName": "photo.jpg",
        "MediaType": "image/jpeg",
        "ByteSize": str(len(JPEG)),
        "Sha256": hashlib.sha256(JPEG).hexdigest(),
        "Content": base64.b64encode(JPEG).decode(),
    }
    assert bench.push(payload) == [("accepted", "000")]
    assert bench.look_up(payload).event == "accepted"


def test_scans_go_out_by_content_or_address_and_are_taken(bench: Any, person: Record, certificate: Record) -> None:
    away = scan(content=None, url="https://files.example/1")
    (holder,) = bench.checked(Submission(platform="national_market", record=person))
    (payload,) = bench.checked(scanned(certificate, scan(), away))
    assert bench.push(holder) == [("accepted", "000")]
    assert bench.push(payload) == [("accepted", "000")]
    assert bench.look_up(payload).event == "accepted"


def test_the_content_hash_leaves_the_bytes_out_and_is_the_same_on_both_ways_of_writing(
    bench: Any, certificate: Record
) -> None:
    (payload,) = bench.checked(scanned(certificate, scan(), scan(PDF + b"2")))
    connector, serial = bench.connector, "3700002019040209300000000000000A"
    head = {"SenderCode": "370000", "SerialNo": serial, "SchemaVersion": "1.0", "RecordCount": 1}
    head |= {"SentAt": "2019-04-02T09:30:00+08:00", "ContentHash": "0" * 64}
    values = {"Head": head, "Certificate": [payload.fields]}
    written = connector._port.written("UpsertCertificateBatch", values)
    text = with_content_hash(written, connector._settings)
    envelope = connector._port.envelope("UpsertCertificateBatch", values)
    fill_content_hash(envelope, connector._settings)
    assert etree.fromstring(text.encode()).findtext(f".//{NS}ContentHash") == envelope.findtext(f".//{NS}ContentHash")
    lines = [line for line in written.leaves if "CertFile[2]/" in line]
    assert [line.partition("=")[0].rpartition("/")[2] for line in lines][-2:] == ["Sha256", "Content"]


BAD_SCANS = {
    "other media": (scan(media="image/png"), "attachment:form"),
    "a photo among scans of unknown kind": (scan(kind="CERT_PDF", media="image/jpeg"), "attachment:form"),
    "other bytes than the media says": (scan(JPEG), "attachment:content"),
    "no Base64": (scan(content="***"), "attachment:content"),
    "other size": (scan(size=5), "attachment:size"),
    "other digest": (scan(sha256="0" * 64), "attachment:digest"),
    "no digest": (scan(sha256="x"), "attachment:digest"),
    "empty": (scan(content=None, url="https://files.example/1", size=0), "attachment:size"),
    "address without encryption": (scan(content=None, url="http://files.example/1"), "attachment:address"),
    "too large": (scan(PDF + b"x" * 1_048_576), "attachment:size"),
}


@pytest.mark.parametrize(("bad", "rule"), BAD_SCANS.values(), ids=BAD_SCANS.keys())
def test_a_scan_that_would_be_refused_is_refused_here(
    connector: Any, certificate: Record, bad: Attachment, rule: str
) -> None:
    submission = scanned(certificate, scan(), bad)
    found = connector.check(submission, connector.map(submission))
    assert isinstance(found, Problems)
    assert ("files[2]", rule) in [(p.field, p.rule) for p in found.items]


def test_four_scans_or_more_than_a_request_holds_are_refused_here(connector: Any, certificate: Record) -> None:
    large = scan(PDF + b"x" * (1_048_576 - len(PDF)))
    for scans, rule in (((scan(),) * 4, "attachment:count"), ((large,) * 3, "attachment:message")):
        submission = scanned(certificate, *scans)
        found = connector.check(submission, connector.map(submission))
        assert isinstance(found, Problems)
        assert [(p.field, p.rule) for p in found.items] == [("files", rule)]


def test_contracts_and_scans_whose_bytes_are_gone_do_not_go(bench: Any, certificate: Record) -> None:
    gone, contract = scan(content=None), scan(PDF + b"2", kind="CONTRACT_PDF")
    (payload,) = bench.checked(scanned(certificate, scan(), contract, gone))
    assert [one["Sha256"] for one in payload.fields["CertFile"]] == [hashlib.sha256(PDF).hexdigest()]
    (bare,) = bench.checked(scanned(certificate, contract))
    assert "CertFile" not in bare.fields


def test_a_photo_above_50_kilobytes_is_refused_here_and_there(bench: Any, person: Record) -> None:
    submission = pictured(person, JPEG + b"x" * 51_200)
    found = bench.connector.check(submission, bench.connector.map(submission))
    assert isinstance(found, Problems)
    assert [(p.field, p.rule) for p in found.items] == [("placement.photo", "attachment:size")]
    (good,) = bench.checked(pictured(person))
    forced = replace(good, fields=dict(bench.connector.map(submission).fields))
    assert bench.push(forced) == [("rejected", "306")]


@pytest.mark.parametrize(
    "change", [{"ByteSize": 5}, {"Sha256": "0" * 64}, {"MediaType": "application/pdf"}, {"Kind": "CERT_IMAGE"}]
)
def test_the_platform_counts_the_bytes_and_their_digest_itself(bench: Any, person: Record, change: Any) -> None:
    (good,) = bench.checked(pictured(person))
    photo = good.fields["Photo"]
    assert isinstance(photo, dict)
    broken = replace(good, fields={**good.fields, "Photo": photo | change})
    assert bench.push(broken) == [("rejected", "306")]


def test_a_scan_whose_digest_differs_is_refused_there_by_its_number(
    bench: Any, person: Record, certificate: Record
) -> None:
    (holder,) = bench.checked(Submission(platform="national_market", record=person))
    (good,) = bench.checked(scanned(certificate, scan(), scan()))
    first, second = good.fields["CertFile"]
    broken = replace(good, fields={**good.fields, "CertFile": [first, second | {"Sha256": "0" * 64}]})
    bench.push(holder)
    sealed = bench.stamp()
    (verdict,) = bench.connector.decode_push(
        bench.send(bench.connector.encode_push([broken], sealed)), [broken], sealed
    )
    assert (verdict.event, verdict.code) == ("rejected", "306")


def test_more_than_forty_with_photos_are_too_many_there_and_never_sent_together(
    bench: Any, people_with: Callable[[int], list[Payload]]
) -> None:
    payloads = people_with(41)
    assert {code for _, code in bench.push(*payloads)} == {"203"}
    claimed = [type("Claimed", (), {"id": n, "message_id": None, "message_limit": None})() for n in range(41)]
    pairs: Any = list(zip(claimed, payloads, strict=True))
    sizes = [len(one.payloads) for one in messages(bench.connector.info, pairs, most=bench.connector.most_together)]
    assert sizes == [40, 1]


@pytest.fixture
def people_with(bench: Any, payloads: Callable[..., tuple[Payload, ...]], person: Record) -> Callable[..., Any]:
    """Persons with photos."""

    def build(count: int) -> list[Payload]:
        (pattern,) = bench.checked(pictured(person))
        return [replace(p, fields={**p.fields, "Photo": pattern.fields["Photo"]}) for p in payloads(count=count)]

    return build


def test_large_scans_travel_in_smaller_messages(connector: Any, certificate: Record) -> None:
    submission = scanned(certificate, scan(PDF + b"x" * 900_000))
    payload = connector.check(submission, connector.map(submission))
    assert (connector.most_together(payload), connector.info.kinds[payload.kind].batch_max) == (3, 200)


@pytest.mark.parametrize(("setting", "element"), [("send_photos", "Photo"), ("send_files", "CertFile")])
def test_each_kind_of_attachment_can_be_switched_off(
    make: Callable[..., Any], person: Record, certificate: Record, setting: str, element: str
) -> None:
    submission = pictured(person) if element == "Photo" else scanned(certificate, scan())
    assert element in make().map(submission).fields
    assert element not in make(**{setting: "false"}).map(submission).fields


def test_scans_are_kept_with_the_record_and_content_from_before_is_read_as_ever(certificate: Record) -> None:
    vault = Vault(KeyRing.generate())
    row = {
        "kind": "certificate",
        "key": certificate.key,
        "version": certificate.version,
        "person_key": certificate.person_key,
        "effective_from": certificate.effective_from,
        "change": certificate.change,
        "change_reason": None,
    }
    withscan = scanned(certificate, scan()).record
    assert to_record({**row, "content": seal_content(withscan, vault)}, vault).content == withscan.content
    assert withscan.fingerprint != certificate.fingerprint
    assert differences(certificate.content, withscan.content) == {
        "files[1]": (None, f"CERT_PDF {hashlib.sha256(PDF).hexdigest()}")
    }
    place = f"record.content:certificate/{certificate.key}/{certificate.version}"
    plain = vault.open(seal_content(certificate, vault), place)
    before = plain.replace(b',"files":null', b"")
    assert before != plain
    assert to_record({**row, "content": vault.seal(before, place)}, vault).content == certificate.content
