"""The 国密 algorithms against the values published with the standards, and against another implementation."""

import base64
from collections.abc import Callable

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from connectors.provincial_credit.envelope import sm4_open, sm4_seal
from connectors.provincial_credit.gm import PrivateKey, PublicKey, Sm2Error
from connectors.provincial_credit.keys import Sm2Verifier
from connectors.provincial_credit.sandbox.gm import Pair
from gateway.codec import signing

D = "3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8"
P = (
    "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
    "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
)
R = "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3"
S = "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA"
SEALED = (
    "04EBFC718E8D1798620432268E77FEB6415E2EDE0E073C0F4F640ECD2E149A73"
    "E858F9D81E5430A57B36DAAB8F950A3C64E6EE6A63094D99283AFF767E124DF0"
    "59983C18F809E262923C53AEC295D30383B54E39D609D160AFCB1908D0BD8766"
    "21886CA989CA9C7D58087307CA93092D651EFA"
)
SM4 = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
ORDER = int("FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123", 16)


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
        (b"", "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b"),
    ],
)
def test_sm3_gives_the_digests_of_gbt_32905(message: bytes, digest: str) -> None:
    assert signing.digest("sm3", message).hex() == digest


@pytest.mark.parametrize(
    ("rounds", "sealed"),
    [
        (1, "681edf34d206965e86b3e94f536e4246"),
        (1_000_000, "595298c7c6fd271f0402f804c33d3f66"),
    ],
)
def test_sm4_gives_the_block_of_gbt_32907(rounds: int, sealed: str) -> None:
    block = Cipher(algorithms.SM4(SM4), modes.ECB()).encryptor()  # the standard's example is one block
    text = SM4
    for _ in range(rounds):
        text = block.update(text)
    assert text.hex() == sealed


def test_sm4_gcm_gives_the_values_of_rfc_8998() -> None:
    iv = bytes.fromhex("00001234567800000000ABCD")
    bound = bytes.fromhex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2")
    plain = b"".join(bytes([byte]) * 8 for byte in (0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF, 0xEE, 0xAA))
    sealed, tag = sm4_seal(SM4, iv, plain, bound)
    assert sealed.hex() == (
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
    )
    assert tag.hex() == "83de3541e4c2b58177e065a9bf7b62ec"
    assert sm4_open(SM4, iv, sealed, tag, bound) == plain
    with pytest.raises(InvalidTag):
        sm4_open(SM4, iv, sealed, tag, b"elsewhere")


def test_sm2_believes_the_key_and_signature_of_gbt_32918() -> None:
    assert PrivateKey(D).public.point.hex().upper() == P
    for key in (PublicKey(f"04{P}"), PublicKey(P)):
        assert key.verify(b"message digest", bytes.fromhex(R + S))
        assert key.verify(b"message digest", encode_dss_signature(int(R, 16), int(S, 16)), der=True)
        assert not key.verify(b"message digest.", bytes.fromhex(R + S))


def test_sm2_opens_the_ciphertext_of_gbt_32918() -> None:
    assert PrivateKey(D).decrypt(bytes.fromhex("04" + SEALED)) == b"encryption standard"


def test_the_published_request_has_a_signature_that_verifies() -> None:
    body = "23b84f1d12511ecba84eafdb46b2dc148b410d5afc4d915bc294891a3dcee1e4"
    lines = (
        "POST",
        "/credit-platform/api/v1/credit-records/acks",
        "",
        "demo-app",
        "1554168600000",
        "0" * 31 + "1",
        body,
        "7f9c24e8-3b1a-4d2e-9a51-0c6f2b7d8e90",
    )
    given = "tXySL2JZwgIEJvHnCizopE+DyNQ0OTBpbPNoa/bc/TCv4xQvoBhO7ClL3C6tON8KftLHU6mEzE6RU8PwdeqsNw=="
    verifier = Sm2Verifier(public={"another": PublicKey(Pair("another").public), "published": PublicKey(P)})
    assert verifier.holds("\n".join(lines).encode(), given)
    assert not verifier.holds("\n".join(lines[:-1]).encode(), given)
    assert not verifier.holds(b"", "not base64!")


@pytest.mark.parametrize("der", [False, True])
def test_a_signature_differs_each_time_and_has_the_form_agreed(der: bool) -> None:
    key = PrivateKey(D)
    made = [key.sign(b"one", der=der) for _ in range(50)]
    assert len(set(made)) == 50
    assert all(key.public.verify(b"one", signature, der=der) for signature in made)
    assert not any(key.public.verify(b"one", signature, der=not der) for signature in made)
    assert {len(signature) for signature in made} <= (set(range(66, 73)) if der else {64})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: s + b"\0",
        lambda s: s[:-1],
        lambda s: b"\x30\x81" + s[1:],
        lambda s: s[:2] + b"\x02\x22\0" + s[3:],
        lambda _: b"",
        lambda _: b"\x30\x06\x02\x01\0\x02\x01\0",
    ],
)
def test_a_signature_in_der_has_one_form_only(spoil: Callable[[bytes], bytes]) -> None:
    key = PrivateKey(D)
    assert not key.public.verify(b"text", spoil(key.sign(b"text", der=True)), der=True)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: s[:63],
        lambda s: bytes(32) + s[32:],
        lambda s: s[:32] + bytes(32),
        lambda s: s[:32] + ORDER.to_bytes(32),
        lambda s: s[:32] + (ORDER - int.from_bytes(s[:32])).to_bytes(32),
        lambda s: s[:40] + bytes([s[40] ^ 1]) + s[41:],
    ],
)
def test_a_signature_out_of_range_or_changed_does_not_verify(spoil: object) -> None:
    assert callable(spoil)
    key = PrivateKey(D)
    assert not key.public.verify(b"text", spoil(key.sign(b"text")))


@pytest.mark.parametrize("place", [0, 1, 40, 70, 98])
def test_a_changed_ciphertext_does_not_open(place: int) -> None:
    key = PrivateKey(D)
    sealed = key.public.encrypt(b"0123456789abcdef")
    assert key.decrypt(sealed) == b"0123456789abcdef"
    with pytest.raises(Sm2Error):
        key.decrypt(sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :])


@pytest.mark.parametrize("text", ["", "xy", "00" * 32, f"{ORDER - 1:064x}", "01" * 31])
def test_a_number_that_is_no_private_key_is_refused(text: str) -> None:
    with pytest.raises(Sm2Error):
        PrivateKey(text)


@pytest.mark.parametrize("text", ["", "xy", P[:-2] + "14", "05" + P, "FF" * 64])
def test_a_point_off_the_curve_is_refused(text: str) -> None:
    with pytest.raises(Sm2Error):
        PublicKey(text)


@pytest.mark.parametrize("size", [1, 16, 127, 128, 255])
def test_what_is_encrypted_opens_again(size: int) -> None:
    key = PrivateKey(D)
    assert key.decrypt(key.public.encrypt(b"x" * size)) == b"x" * size


@pytest.mark.parametrize("size", [0, 256])
def test_only_what_gmssl_takes_is_encrypted(size: int) -> None:
    with pytest.raises(Sm2Error):
        PublicKey(P).encrypt(b"x" * size)


@pytest.mark.parametrize("number", [9, 1116, 3, 4])
@pytest.mark.parametrize("der", [False, True])
def test_connector_and_sandbox_understand_each_other(number: int, der: bool) -> None:
    """The public keys of 9 and 1116 begin with 0 and 04."""
    pair = Pair(f"pair {number}", der=der)
    ours = PrivateKey(pair.private)
    assert ours.public.point.hex() == pair.public
    assert ours.public.verify(b"theirs", base64.b64decode(pair.sign(b"theirs")), der=der)
    assert pair.verifies(b"ours", signing.base64_text(ours.sign(b"ours", der=der)))
    for _ in range(40):  # coordinates of C1 with leading zeros come about once in a hundred
        assert ours.decrypt(pair.encrypt(b"0123456789abcdef")) == b"0123456789abcdef"
        assert pair.decrypt(ours.public.encrypt(b"fedcba9876543210")) == b"fedcba9876543210"
