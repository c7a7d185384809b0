"""Digests and keyed digests against published vectors."""

import pytest

from gateway.codec import signing
from gateway.domain.errors import ConfigurationError


@pytest.mark.parametrize(
    ("algorithm", "data", "expected"),
    [
        ("sha-256", b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("SHA256", b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("sm3", b"", "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b"),
        ("SM3", b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
    ],
)
def test_digests_equal_the_published_vectors(algorithm: str, data: bytes, expected: str) -> None:
    assert signing.digest(algorithm, data).hex() == expected


def test_keyed_digest_equals_rfc_4231_case_2() -> None:
    made = signing.keyed_digest("sha-256", b"Jefe", b"what do ya want for nothing?")
    assert made.hex() == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def test_content_digest_has_the_form_of_rfc_9530() -> None:
    assert (
        signing.content_digest("sha-256", b'{"hello": "world"}\n')
        == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    )


def test_an_unknown_algorithm_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="md5"):
        signing.digest("md5", b"")


def test_comparison_takes_text_beyond_ascii() -> None:
    assert not signing.same("abc", "äbc")
    assert signing.same("abc", "abc")
