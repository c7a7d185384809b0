"""SM2 signatures and encryption (GB/T 32918.2 and .4, curve of .5), for the 国密 profile, on GmSSL's C code.

GmSSL draws the secret number of a signature or encryption itself, so neither has the same bytes twice. It speaks ASN.1
DER; this module speaks the plain forms too: r and s, and C1 C3 C2. A production key belongs in a cryptographic device
or service: it takes the place of ``PrivateKey``, which is why nothing else of the connector touches the number.
"""

from __future__ import annotations

import gmssl_pyx
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from gateway.codec import signing

_P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
_N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
_A = _P - 3
_BASE = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)
_SIZE = 32
_LONGEST = 255
"""bytes that GmSSL encrypts at once; only keys of 16 are"""


class Sm2Error(ValueError):
    """A key, point, or ciphertext is not what the standard asks for. Never shows content."""


class PublicKey:
    """A point on the curve: x and y, 64 bytes, in hex with or without the leading 04."""

    def __init__(self, text: str) -> None:
        try:
            self.point: bytes = gmssl_pyx.normalize_sm2_public_key(bytes.fromhex(text))
        except (ValueError, gmssl_pyx.InvalidValueError):
            raise Sm2Error("not a point on the SM2 curve in hex") from None

    def verify(self, message: bytes, signature: bytes, *, der: bool = False) -> bool:
        """Whether ``signature`` (r and s, 64 bytes, or their DER form) was made over ``message`` by the owner."""
        try:
            given = signature if der else encode_dss_signature(*_numbers(signature))
            # the one DER form of its numbers, so that a signature cannot be written in two ways
            if encode_dss_signature(*decode_dss_signature(given)) != given:
                return False
            return bool(gmssl_pyx.sm2_verify(self.point, message, given))
        except (ValueError, gmssl_pyx.GmsslInnerError):
            return False

    def encrypt(self, plain: bytes) -> bytes:
        """C1, C3 and C2, the point C1 with its leading 04."""
        if not 0 < len(plain) <= _LONGEST:
            raise Sm2Error(f"between 1 and {_LONGEST} bytes can be encrypted")
        x, y, check, sealed = _der_values(gmssl_pyx.sm2_encrypt(self.point, plain))
        return b"\x04" + b"".join(int.from_bytes(part).to_bytes(_SIZE) for part in (x, y)) + check + sealed


class PrivateKey:
    """A number from 1 to n - 2, 32 bytes in hex, and the public key that belongs to it."""

    def __init__(self, text: str) -> None:
        try:
            self._bytes = bytes.fromhex(text)
        except ValueError:
            raise Sm2Error("a private key is hex") from None
        if len(self._bytes) != _SIZE or not 0 < int.from_bytes(self._bytes) < _N - 1:
            raise Sm2Error("a private key is a number of 32 bytes below the order of the curve")
        self.public = PublicKey(_public(int.from_bytes(self._bytes)).hex())

    def sign(self, message: bytes, *, der: bool = False) -> bytes:
        """r and s, 64 bytes, or their DER form; another signature each time."""
        made: bytes = gmssl_pyx.sm2_sign(self._bytes, self.public.point, message)
        return made if der else b"".join(number.to_bytes(_SIZE) for number in decode_dss_signature(made))

    def decrypt(self, sealed: bytes) -> bytes:
        """What was encrypted for this key; Sm2Error where it was not, or was changed."""
        c1, c3, c2 = sealed[1:65], sealed[65:97], sealed[97:]
        if sealed[:1] != b"\x04" or not 0 < len(c2) <= _LONGEST:
            raise Sm2Error("not an SM2 ciphertext")
        numbers = encode_dss_signature(*_numbers(c1))
        _, content = _tag(numbers)
        der = _written(0x30, content + _written(0x04, c3) + _written(0x04, c2))
        try:
            return bytes(gmssl_pyx.sm2_decrypt(self._bytes, der))
        except gmssl_pyx.GmsslInnerError:
            raise Sm2Error("encrypted for another key, or changed") from None

    def derive(self, label: bytes, *parts: bytes) -> bytes:
        """32 secret bytes that only the owner of this key can make, the same for the same parts."""
        text = b"".join(len(part).to_bytes(4) + part for part in (label, *parts))
        return signing.keyed_digest("sm3", self._bytes, text)


def _numbers(both: bytes) -> tuple[int, int]:
    if len(both) != 2 * _SIZE:
        raise ValueError("not two numbers of 32 bytes")
    return int.from_bytes(both[:_SIZE]), int.from_bytes(both[_SIZE:])


def _public(private: int) -> bytes:
    """x and y of the private number times the base point, once for each key; the library offers no call for it."""
    found: tuple[int, int] | None = None
    for bit in f"{private:b}":
        found = _sum(found, found)
        if bit == "1":
            found = _sum(found, _BASE)
    assert found is not None
    return b"".join(number.to_bytes(_SIZE) for number in found)


def _sum(one: tuple[int, int] | None, other: tuple[int, int] | None) -> tuple[int, int] | None:
    """Of two points of the curve; None is the point at infinity."""
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if x1 == x2 and (y1 + y2) % _P == 0:
        return None
    slope = (3 * x1 * x1 + _A) * pow(2 * y1, -1, _P) if one == other else (y2 - y1) * pow(x2 - x1, -1, _P)
    x3 = (slope * slope - x1 - x2) % _P
    return x3, (slope * (x1 - x3) - y1) % _P


def _written(tag: int, content: bytes) -> bytes:
    """One DER element of less than 65536 bytes."""
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x81, size]) if size < 256 else b"\x82" + size.to_bytes(2)
    return bytes([tag]) + length + content


def _tag(der: bytes) -> tuple[bytes, bytes]:
    """What stands behind the first DER element, and its content."""
    more = der[1] & 0x7F if der[1] & 0x80 else 0
    begin = 2 + more
    end = begin + (int.from_bytes(der[2:begin]) if more else der[1])
    return der[end:], der[begin:end]


def _der_values(der: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """The four values of a ciphertext (GB/T 35276): x, y, C3, C2."""
    _, rest = _tag(der)
    rest, x = _tag(rest)
    rest, y = _tag(rest)
    rest, check = _tag(rest)
    _, sealed = _tag(rest)
    return x, y, check, sealed
