"""Encrypted fields stay at their place and have one ciphertext; digests have one value."""

import base64
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from connectors.provincial_credit.cipher import CipherError, FieldCipher, payload_digest, total_digest
from gateway.codec import signing
from gateway.contract.messages import JSON
from gateway.domain.records import Submission

KEY = bytes(range(32))
PLACE = {"schema": "WorkerCertificateItem", "field": "person.idCardNumber", "business_key": "K" * 26}
NUMBER = "370000199001010017"


@pytest.fixture
def cipher() -> FieldCipher:
    return FieldCipher(KEY, "k1")


def test_what_is_sealed_opens_at_its_place(cipher: FieldCipher) -> None:
    assert cipher.open(cipher.seal(NUMBER, **PLACE), **PLACE) == NUMBER


@pytest.mark.parametrize(
    "other", [{"schema": "CreditEvent"}, {"field": "subject.idCardNumber"}, {"business_key": "L" * 26}]
)
def test_a_cipher_moved_to_another_place_does_not_open(cipher: FieldCipher, other: dict[str, str]) -> None:
    with pytest.raises(CipherError):
        cipher.open(cipher.seal(NUMBER, **PLACE), **{**PLACE, **other})


@pytest.mark.parametrize(
    "change", [{"keyId": "k2"}, {"alg": "SM4-GCM"}, {"iv": "AAAAAAAAAAAAAAAA"}, {"tag": "*"}, {"ciphertext": ""}]
)
def test_a_changed_cipher_does_not_open(cipher: FieldCipher, change: dict[str, str]) -> None:
    with pytest.raises(CipherError) as error:
        cipher.open({**cipher.seal(NUMBER, **PLACE), **change}, **PLACE)
    assert NUMBER not in str(error.value)


def test_equal_input_has_one_ciphertext_and_other_input_another_vector(cipher: FieldCipher) -> None:
    first = cipher.seal(NUMBER, **PLACE)
    assert cipher.seal(NUMBER, **PLACE) == first
    assert FieldCipher(KEY, "k1").seal(NUMBER, **PLACE) == first
    others = [
        cipher.seal(NUMBER[:-1] + "X", **PLACE),
        cipher.seal(NUMBER, **{**PLACE, "business_key": "L" * 26}),
        FieldCipher(bytes(32), "k1").seal(NUMBER, **PLACE),
    ]
    assert len({first["iv"], *(other["iv"] for other in others)}) == 4


def test_any_holder_of_the_key_opens_it_with_plain_gcm(cipher: FieldCipher) -> None:
    sealed = {name: str(value) for name, value in cipher.seal(NUMBER, **PLACE).items()}
    iv, body, tag = (base64.b64decode(sealed[name]) for name in ("iv", "ciphertext", "tag"))
    bound = f"WorkerCertificateItem|person.idCardNumber|{'K' * 26}".encode()
    assert AESGCM(KEY).decrypt(iv, body + tag, bound).decode() == NUMBER


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("sha-256", "eb6a49980b7322b4d1b54eb71137313fa470811908863315c94cb41f8800caf1"),
        ("sm3", "6806311d5aa2e7ac81feaa27e3f29b5e358d551e76f861f75ad416a24acfe8c3"),
    ],
)
def test_the_published_record_has_the_published_digest(algorithm: str, expected: str) -> None:
    record: dict[str, JSON] = {"content": "示例", "creditCode": "D1-1-06", "punishMoney": "1.50", "recordVersion": 1}
    assert payload_digest(record, algorithm) == f"{algorithm}:{expected}"
    assert payload_digest({**record, "payloadDigest": "x", "itemNo": 7}, algorithm) == f"{algorithm}:{expected}"


def test_a_cipher_counts_by_key_and_ciphertext_only() -> None:
    row = {"alg": "AES-256-GCM", "keyId": "k1", "iv": "a", "ciphertext": "b", "tag": "c"}
    expected = payload_digest({"list": [{"n": "k1:b"}]}, "sha-256")
    assert payload_digest({"list": [{"n": row}]}, "sha-256") == expected
    assert payload_digest({"list": [{"n": {**row, "iv": "z"}}]}, "sha-256") == expected
    assert payload_digest({"list": [{"n": {**row, "ciphertext": "z"}}]}, "sha-256") != expected


def test_a_batch_digest_joins_by_line_feeds() -> None:
    assert (
        total_digest(("a", "b"), "sha-256") == f"sha-256:{signing.digest('sha-256', b'a' + bytes([10]) + b'b').hex()}"
    )


def test_a_version_checked_again_has_the_same_payload(bench: Any) -> None:
    first, again = bench.payloads(3), bench.payloads(3)
    assert first == again


def test_another_version_has_another_digest(bench: Any, submission: Submission) -> None:
    connector = bench.connector
    newer = replace(submission, record=replace(submission.record, version=2, change_reason="更正"))
    digests = [connector.check(s, connector.map(s)).fields["payloadDigest"] for s in (submission, newer)]
    assert len(set(digests)) == 2
