"""SM2 signatures and encryption (GB/T 32918.2 and .4, curve of .5), for the 国密 profile.

gmssl does the arithmetic on the curve; what it leaves out is done here: ranges of r and s, points off the curve, and
the check of C3 when decrypting. Every secret number of a signature or encryption is derived from the key and the
message (in the manner of RFC 6979, with HMAC-SM3), so that a resend has the same bytes and no random source can fail.

Arithmetic in Python takes a time that depends on the numbers. A production key belongs in a cryptographic device or
service: it takes the place of ``PrivateKey``, which is why nothing else of the connector touches the number.
"""

from __future__ import annotations

from typing import cast

from gmssl.sm2 import CryptSM2, default_ecc_table

from gateway.codec import signing

USER_ID = b"1234567812345678"
"""the identity every signer of this profile uses, the standard's own default"""
_P, _N, _A, _B = (int(default_ecc_table[name], 16) for name in ("p", "n", "a", "b"))
_BASE = bytes.fromhex(default_ecc_table["g"])
_SIZE = 32


class Sm2Error(ValueError):
    """A key, point, or ciphertext is not what the standard asks for. Never shows content."""


class PublicKey:
    """A point on the curve: x and y, 64 bytes, in hex with or without the leading 04."""

    def __init__(self, text: str) -> None:
        try:
            point = bytes.fromhex(text)
        except ValueError:
            raise Sm2Error("a public key is hex") from None
        self.point = point[1:] if len(point) == 2 * _SIZE + 1 and point[0] == 4 else point
        if not _is_on_curve(self.point):
            raise Sm2Error("not a point on the SM2 curve")

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether ``signature`` (r and s, 64 bytes) was made over ``message`` by the owner of this key."""
        if len(signature) != 2 * _SIZE:
            return False
        r, s = int.from_bytes(signature[:_SIZE]), int.from_bytes(signature[_SIZE:])
        if not 0 < r < _N or not 0 < s < _N or (r + s) % _N == 0:
            return False
        return bool(_engine(self.point).verify(signature.hex(), _hashed(message, self.point)))

    def encrypt(self, plain: bytes, secret: bytes) -> bytes:
        """C1, C3 and C2, the point C1 with its leading 04. The same ``secret`` must never serve two plain texts."""
        for round_no in range(256 if plain else 0):
            k = _number(secret, b"encrypt", bytes([round_no]), plain)
            shared = _times(k, self.point)
            stream = _stream(shared, len(plain))
            if any(stream):
                c2 = _xor(plain, stream)
                return b"\x04" + _times(k, _BASE) + _check(shared, plain) + c2
        raise Sm2Error("nothing to encrypt")


class PrivateKey:
    """A number from 1 to n - 2, 32 bytes in hex, and the public key that belongs to it."""

    def __init__(self, text: str) -> None:
        try:
            self._bytes = bytes.fromhex(text)
        except ValueError:
            raise Sm2Error("a private key is hex") from None
        if len(self._bytes) != _SIZE or not 0 < int.from_bytes(self._bytes) < _N - 1:
            raise Sm2Error("a private key is a number of 32 bytes below the order of the curve")
        self.public = PublicKey(_times(int.from_bytes(self._bytes), _BASE).hex())

    def sign(self, message: bytes) -> bytes:
        """r and s, 64 bytes."""
        for round_no in range(256):
            k = _number(self._bytes, b"sign", bytes([round_no]), message)
            made = self.sign_with(message, k)
            if made is not None:
                return made
        raise Sm2Error("no signature found")

    def sign_with(self, message: bytes, k: int) -> bytes | None:
        """The signature under a given secret number; None where the standard asks for another one."""
        made = _engine(self.public.point, self._bytes).sign(_hashed(message, self.public.point), f"{k:064x}")
        return None if made is None else bytes.fromhex(made)

    def decrypt(self, sealed: bytes) -> bytes:
        """What was encrypted for this key; Sm2Error where it was not, or was changed."""
        c1, c3, c2 = sealed[1:65], sealed[65:97], sealed[97:]
        if sealed[:1] != b"\x04" or not c2 or not _is_on_curve(c1):
            raise Sm2Error("not an SM2 ciphertext")
        shared = _times(int.from_bytes(self._bytes), c1)
        plain = _xor(c2, _stream(shared, len(c2)))
        if not signing.same(_check(shared, plain).hex(), c3.hex()):
            raise Sm2Error("encrypted for another key, or changed")
        return plain

    def derive(self, label: bytes, *parts: bytes) -> bytes:
        """32 secret bytes that only the owner of this key can make, the same for the same parts."""
        return _keyed(self._bytes, label, *parts)


def _engine(point: bytes, private: bytes = b"") -> CryptSM2:
    engine = CryptSM2(private_key=private.hex(), public_key="")
    engine.public_key = point.hex()  # its constructor would strip leading zeros and fours of x
    return engine


def _times(k: int, point: bytes) -> bytes:
    return bytes.fromhex(cast(str, _engine(_BASE)._kg(k, point.hex())))


def _is_on_curve(point: bytes) -> bool:
    if len(point) != 2 * _SIZE:
        return False
    x, y = int.from_bytes(point[:_SIZE]), int.from_bytes(point[_SIZE:])
    return x < _P and y < _P and (y * y - (x * x * x + _A * x + _B)) % _P == 0


def _hashed(message: bytes, point: bytes) -> bytes:
    """SM3 over the signer's identity, the curve, the public key, and the message (GB/T 32918.2, 5.5 and 6.1)."""
    curve = b"".join(number.to_bytes(_SIZE) for number in (_A, _B)) + _BASE
    identity = (8 * len(USER_ID)).to_bytes(2) + USER_ID
    return signing.digest("sm3", signing.digest("sm3", identity + curve + point) + message)


def _stream(shared: bytes, length: int) -> bytes:
    """Key derivation of GB/T 32918.4, 5.4.3."""
    blocks = (length + 31) // 32
    return b"".join(signing.digest("sm3", shared + (no + 1).to_bytes(4)) for no in range(blocks))[:length]


def _check(shared: bytes, plain: bytes) -> bytes:
    return signing.digest("sm3", shared[:_SIZE] + plain + shared[_SIZE:])


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _keyed(key: bytes, *parts: bytes) -> bytes:
    text = b"".join(len(part).to_bytes(4) + part for part in parts)
    return signing.keyed_digest("sm3", key, text)


def _number(key: bytes, *parts: bytes) -> int:
    """A number from 1 to n - 1, evenly spread: 512 bits are taken modulo n - 1."""
    wide = _keyed(key, b"high", *parts) + _keyed(key, b"low", *parts)
    return int.from_bytes(wide) % (_N - 1) + 1
