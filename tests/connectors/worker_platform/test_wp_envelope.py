"""The published rule of the signature and the encryption, checked against vectors calculated by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.worker_platform.cipher import decrypt, encrypt
from connectors.worker_platform.dialect import Dialect
from connectors.worker_platform.dialect_file import load_dialect
from connectors.worker_platform.envelope import (
    Credentials,
    encode,
    form_urlencoded,
    sign,
    signed_fields,
    text_to_sign,
    timestamp,
)
from gateway.contract.messages import Stamp

SECRET = "TestSecret-0123456789-ABCDEFGHIJ"
CREDENTIALS = Credentials(appid="000000300101010001", secret=SECRET)
ENTERPRISE = replace(CREDENTIALS, corpkey="ExampleCorpKey-0000000000000000x")
STAMP = Stamp(
    message_id="01J0000000000000000000000A",
    now=datetime(2030, 1, 1, 1, 30, tzinfo=UTC),
    nonce=bytes(15) + b"\x01",
)
WORKER: dict[str, Any] = {
    "pageIndex": 0,
    "pageSize": 50,
    "projectCode": "000000300101010001",
    "corpName": "示例建设有限公司",
    "idCardType": "01",
    "idCardNumber": "000000190001010000",
}
TRAINING: dict[str, Any] = {
    "projectCode": "000000300101010001",
    "trainingDate": "2030-01-01",
    "trainingDuration": 2.0,
    "trainingName": "Safety induction 001",
    "trainingTypeCode": "003001",
    "workers": [{"idCardType": "01", "idCardNumber": "000000190001010000", "isPass": 1, "trainingScore": 95.5}],
}
SIGNED: list[tuple[str, str, dict[str, Any], bool, Credentials, str]] = [
    (
        "T1",
        "CheckSign.Query",
        {},
        True,
        CREDENTIALS,
        "c42c99dae0b8c4d147426daec797d0b49a15a7b255af2806853fd8aadcac6b24",
    ),
    (
        "T2",
        "AsyncHandleResult.Query",
        {"requestSerialCode": "projectworker-add-2030010109-1-0001"},
        True,
        CREDENTIALS,
        "2b7b063a65048f123b1f6a9343860a0a171163ed14af4e44ad648be3ad4b310b",
    ),
    (
        "T3",
        "ProjectWorker.Query",
        WORKER,
        False,
        CREDENTIALS,
        "8d5140bc86415ac75a024353c2717076e9b5a04eaeeae9f4b0db4c84bd5ba643",
    ),
    (
        "T4",
        "ProjectWorker.Query",
        WORKER,
        True,
        CREDENTIALS,
        "efe7553cd708c9e55997484e7b5e355569dbe92a9dece252e591e770737f9840",
    ),
    (
        "T5",
        "ProjectWorker.Query",
        WORKER,
        True,
        ENTERPRISE,
        "72e374c5e6fac38c389089618ef9c31758627a06846ffc2143bd9c2bb0c0e5e8",
    ),
    (
        "T6",
        "ProjectTraining.Add",
        TRAINING,
        True,
        CREDENTIALS,
        "a57165ad3d4cf91518389045cc7ae21fc6e21be4569b420a9dddf29ad8d1debf",
    ),
]


@pytest.fixture
def national() -> Dialect:
    return load_dialect("national")


@pytest.mark.parametrize(("method", "data", "ascii_only", "credentials", "expected"), [v[1:] for v in SIGNED])
def test_every_vector_of_the_signature_comes_out(
    national: Dialect, method: str, data: dict[str, Any], ascii_only: bool, credentials: Credentials, expected: str
) -> None:
    dialect = national.model_copy(update={"ascii_json": ascii_only})
    request = encode(method, data, STAMP, dialect, credentials, path=dialect.path)
    form = dict(parse_qsl(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True))
    assert form["sign"] == expected


def test_the_body_of_the_first_vector_is_equal_byte_for_byte(national: Dialect) -> None:
    request = encode("CheckSign.Query", {}, STAMP, national, CREDENTIALS, path=national.path)
    assert request.path == "/open.api"
    assert request.body == (
        b"appid=000000300101010001&data=%7B%7D&format=json&method=CheckSign.Query"
        b"&nonce=00000000000000000000000000000001"
        b"&sign=c42c99dae0b8c4d147426daec797d0b49a15a7b255af2806853fd8aadcac6b24"
        b"&timestamp=20300101093000&version=1.1"
    )


def test_the_text_to_sign_is_lower_case_with_the_secret_at_its_end(national: Dialect) -> None:
    fields = signed_fields("CheckSign.Query", "{}", STAMP, national, CREDENTIALS)
    del fields["sign"]
    assert text_to_sign(fields, SECRET) == (
        "appid=000000300101010001&data={}&format=json&method=checksign.query"
        "&nonce=00000000000000000000000000000001&timestamp=20300101093000&version=1.1"
        "&appsecret=testsecret-0123456789-abcdefghij"
    )


def test_the_enterprise_signature_stands_second_and_its_plus_sign_survives(national: Dialect) -> None:
    expected = "+HBXW/N6zz/MbMYRPJ3jCjZH96oZIPB4qQGsppZxAtF0Y3OLVDDyKG6Fi0fWvctp"
    request = encode("ProjectWorker.Query", WORKER, STAMP, national, ENTERPRISE, path=national.path)
    assert b"&corpsign=%2BHBXW%2FN6zz" in request.body
    fields = dict(parse_qsl(request.body.decode()))
    assert fields["corpsign"] == expected
    del fields["sign"]
    start = f"appid=000000300101010001&corpsign={expected.lower()}&data={{" + '"pageindex":0,'
    assert text_to_sign(fields, SECRET).startswith(start)


def test_the_signed_json_is_the_sent_json(national: Dialect) -> None:
    request = encode("ProjectTraining.Add", TRAINING, STAMP, national, CREDENTIALS, path=national.path)
    fields = dict(parse_qsl(request.body.decode()))
    assert fields["data"] == (
        '{"projectCode":"000000300101010001","trainingDate":"2030-01-01","trainingDuration":2.0,'
        '"trainingName":"Safety induction 001","trainingTypeCode":"003001","workers":[{"idCardType":"01",'
        '"idCardNumber":"zitF29TDZ68XzssHBB7KwKpNqxrqtaC6UqbKMrT8TN0=","isPass":1,"trainingScore":95.5}]}'
    )
    given = fields.pop("sign")
    assert sign(fields, SECRET) == given


@pytest.mark.parametrize(
    ("clear", "sealed"),
    [
        ("000000190001010000", "zitF29TDZ68XzssHBB7KwKpNqxrqtaC6UqbKMrT8TN0="),
        ("00000019000101000X", "zitF29TDZ68XzssHBB7KwBxvBm91T3HWEd5oWCzxChI="),
        ("6200000000000000000", "nRSJfkdCN9Ta2hmQUQoPJPUQynavbPVepe1MInwlMqA="),
        ("", "kPRovqK/RnuYpFEPt05uaQ=="),
    ],
)
def test_every_vector_of_the_encryption_comes_out_and_back(clear: str, sealed: str) -> None:
    assert encrypt(clear, SECRET) == sealed
    assert decrypt(sealed, SECRET) == clear


@pytest.mark.parametrize("text", ["", "clear", "AAAA", "zitF29TDZ68XzssHBB7KwA==", "汉", "zitF29TDZ68X zssHBB7KwA=="])
def test_a_text_that_was_not_made_with_the_secret_decrypts_to_nothing(text: str) -> None:
    assert decrypt(text, SECRET) is None


def test_an_empty_encrypted_field_is_left_out(national: Dialect) -> None:
    request = encode("ProjectWorker.Query", {"idCardNumber": ""}, STAMP, national, CREDENTIALS, path="/x")
    assert dict(parse_qsl(request.body.decode()))["data"] == "{}"


def test_the_timestamp_is_local_time_of_the_dialect(national: Dialect) -> None:
    assert timestamp(STAMP.now, national) == "20300101093000"
    assert timestamp(STAMP.now, load_dialect("henan")) == "2030010109"


def test_a_json_dialect_sends_the_same_fields_as_an_object() -> None:
    dialect = load_dialect("huzhou")
    request = encode("TeamQuery", {"pageIndex": 0}, STAMP, dialect, CREDENTIALS, path=dialect.path)
    fields = json.loads(request.body)
    assert request.headers["content-type"].startswith("application/json")
    assert fields.pop("sign") == sign(fields, SECRET)
    assert (fields["version"], fields["data"]) == ("1.3", '{"pageIndex":0}')


def test_an_extra_field_and_a_renamed_one_take_part_in_the_signature() -> None:
    henan = signed_fields("X", "[{}]", STAMP, load_dialect("henan"), CREDENTIALS)
    assert henan["iscompany"] == "1"
    assert henan.pop("sign") == sign(henan, SECRET)
    huiji = signed_fields("Async", "{}", STAMP, load_dialect("huiji"), CREDENTIALS)
    assert huiji["appId"] == CREDENTIALS.appid
    assert huiji.pop("sign") == sign(huiji, SECRET)


def test_a_dialect_that_wraps_sends_a_list_with_one_object() -> None:
    dialect = load_dialect("henan")
    request = encode("AsyncHandleResult", {"requestcode": "a-1"}, STAMP, dialect, CREDENTIALS, path=dialect.path)
    assert dict(parse_qsl(request.body.decode()))["data"] == '[{"requestcode":"a-1"}]'


@given(fields=st.dictionaries(st.text(), st.text()))
def test_a_form_is_encoded_as_the_standard_library_does_it(fields: dict[str, str]) -> None:
    assert form_urlencoded(fields) == urlencode(fields, quote_via=quote, safe="").encode()


def test_secrets_do_not_show_in_repr() -> None:
    assert "TestSecret" not in repr(ENTERPRISE)
    assert "ExampleCorpKey" not in repr(ENTERPRISE)
