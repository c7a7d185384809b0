"""SM2 and SM4 for the simulated platform, on gmssl_pyx and cryptography; no code is shared with the connector."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from gmssl_pyx import GmsslInnerError, sm2_decrypt, sm2_encrypt, sm2_sign, sm2_verify

_ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
_PRIME = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
_GENERATOR = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)


@dataclass
class Pair:
    """An SM2 key pair made from a label, so that a seed gives the same pair. ``der``: how it signs and is signed to."""

    label: str
    der: bool = False
    private: str = field(init=False)
    public: str = field(init=False)

    def __post_init__(self) -> None:
        number = int.from_bytes(hashlib.sha512(self.label.encode()).digest()) % (_ORDER - 2) + 1
        self.private = f"{number:064x}"
        x, y = _multiple(number)
        self.public = f"{x:064x}{y:064x}"

    def sign(self, text: bytes) -> str:
        """Base64 of the signature, under a fresh random number."""
        made: bytes = sm2_sign(bytes.fromhex(self.private), bytes.fromhex(self.public), text)
        if not self.der:
            r, s = decode_dss_signature(made)
            made = bytes.fromhex(f"{r:064x}{s:064x}")
        return base64.b64encode(made).decode()

    def verifies(self, text: bytes, signature: str) -> bool:
        """Whether the owner of this pair signed."""
        try:
            given = base64.b64decode(signature, validate=True)
            if not self.der:
                if len(given) != 64:
                    return False
                given = encode_dss_signature(int.from_bytes(given[:32]), int.from_bytes(given[32:]))
            return bool(sm2_verify(bytes.fromhex(self.public), text, given))
        except (ValueError, GmsslInnerError):
            return False

    def encrypt(self, key: bytes) -> bytes:
        """A key of 16 bytes for the owner: C1 with its 04, C3, C2."""
        der: bytes = sm2_encrypt(bytes.fromhex(self.public), key)
        # two integers, then octet strings of 32 and 16 bytes: their sizes are known from the end
        content = der[-52:]
        x, y = decode_dss_signature(_sequence(der[2 if der[1] < 128 else 3 : -52]))
        return bytes.fromhex(f"04{x:064x}{y:064x}") + content[2:34] + content[36:]

    def decrypt(self, sealed: bytes) -> bytes:
        """The key inside; ValueError where it was not made for the owner."""
        numbers = encode_dss_signature(int.from_bytes(sealed[1:33]), int.from_bytes(sealed[33:65]))
        octets = b"\x04\x20" + sealed[65:97] + bytes([4, len(sealed) - 97]) + sealed[97:]
        try:
            return bytes(sm2_decrypt(bytes.fromhex(self.private), _sequence(numbers[2:] + octets)))
        except GmsslInnerError:
            raise ValueError("does not open") from None


def _sequence(content: bytes) -> bytes:
    """A DER sequence of less than 256 bytes."""
    return b"\x30" + (bytes([len(content)]) if len(content) < 128 else bytes([0x81, len(content)])) + content


def _multiple(number: int) -> tuple[int, int]:
    """The generator times a number, in projective coordinates (x : y : z) with x/z^2 and y/z^3."""
    x, y, z = 0, 1, 0
    for bit in range(number.bit_length() - 1, -1, -1):
        if z:
            s, m = 4 * x * y * y % _PRIME, 3 * (x - z * z) * (x + z * z) % _PRIME
            fresh = (m * m - 2 * s) % _PRIME
            x, y, z = fresh, (m * (s - fresh) - 8 * pow(y, 4, _PRIME)) % _PRIME, 2 * y * z % _PRIME
        if number >> bit & 1:
            gx, gy = _GENERATOR
            if not z:
                x, y, z = gx, gy, 1
                continue
            h, r = (gx * z * z - x) % _PRIME, (gy * z * z * z - y) % _PRIME
            v = x * h * h % _PRIME
            fresh = (r * r - h * h * h - 2 * v) % _PRIME
            x, y, z = fresh, (r * (v - fresh) - y * h * h * h) % _PRIME, z * h % _PRIME
    inverse = pow(z, -1, _PRIME)
    return x * inverse**2 % _PRIME, y * inverse**3 % _PRIME


def sm4_seal(key: bytes, iv: bytes, plain: bytes, bound: bytes = b"") -> tuple[bytes, bytes]:
    """SM4-GCM: ciphertext and tag."""
    made = Cipher(algorithms.SM4(key), modes.GCM(iv)).encryptor()
    made.authenticate_additional_data(bound)
    return made.update(plain) + made.finalize(), made.tag


def sm4_open(key: bytes, iv: bytes, sealed: bytes, tag: bytes, bound: bytes = b"") -> bytes:
    """Reverse; ValueError where it does not open."""
    try:
        opened = Cipher(algorithms.SM4(key), modes.GCM(iv, tag)).decryptor()
        opened.authenticate_additional_data(bound)
        return opened.update(sealed) + opened.finalize()
    except InvalidTag:
        raise ValueError("does not open") from None


def wrap(plain: bytes, *, ours: Pair, theirs: Pair, their_id: str, app_code: str, milliseconds: int) -> bytes:
    """A body inside a GmEnvelope for the caller."""
    key, iv = secrets.token_bytes(16), secrets.token_bytes(12)
    sealed, tag = sm4_seal(key, iv, plain)
    made: dict[str, Any] = {
        "appCode": app_code,
        "version": "1.0.0",
        "encType": "SM4",
        "signType": "SM2",
        "timestamp": milliseconds,
        "keyId": their_id,
        "encKey": base64.b64encode(theirs.encrypt(key)).decode(),
        "iv": base64.b64encode(iv).decode(),
        "encData": base64.b64encode(sealed).decode(),
        "tag": base64.b64encode(tag).decode(),
    }
    made["signData"] = ours.sign(rfc8785.dumps(made))
    return rfc8785.dumps(made)


def unwrap(body: bytes, *, ours: Pair, our_id: str, theirs: Pair, app_code: str) -> bytes:
    """The body inside a caller's GmEnvelope; ValueError where it is not one for us."""
    envelope = json.loads(body)
    known = {"version": "1.0.0", "encType": "SM4", "signType": "SM2", "appCode": app_code, "keyId": our_id}
    if not isinstance(envelope, dict) or any(envelope.get(name) != value for name, value in known.items()):
        raise ValueError("not an envelope for us")
    signed = rfc8785.dumps({name: value for name, value in envelope.items() if name != "signData"})
    if not theirs.verifies(signed, str(envelope.get("signData"))):
        raise ValueError("the envelope is not signed by the caller")
    wrapped, iv, sealed, tag = (
        base64.b64decode(str(envelope.get(name)), validate=True) for name in ("encKey", "iv", "encData", "tag")
    )
    if wrapped[:1] != b"\x04" or len(wrapped) != 1 + 64 + 32 + 16:
        raise ValueError("not a wrapped SM4 key")
    return sm4_open(ours.decrypt(wrapped), iv, sealed, tag)
