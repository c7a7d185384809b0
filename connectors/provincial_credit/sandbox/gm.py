"""SM2 and SM4 for the simulated platform, on gmssl and cryptography directly: no code is shared with the connector."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from gmssl.sm2 import CryptSM2, default_ecc_table

_ORDER = int(default_ecc_table["n"], 16)


@dataclass
class Pair:
    """An SM2 key pair made from a label, so that a seed gives the same pair."""

    label: str
    private: str = field(init=False)
    public: str = field(init=False)

    def __post_init__(self) -> None:
        number = int.from_bytes(hashlib.sha512(self.label.encode()).digest()) % (_ORDER - 2) + 1
        self.private = f"{number:064x}"
        self.public = CryptSM2(private_key="", public_key="")._kg(number, default_ecc_table["g"])

    def engine(self) -> CryptSM2:
        """gmssl with both keys; its constructor would strip leading zeros and fours of a public key."""
        made = CryptSM2(private_key=self.private, public_key="", mode=1)
        made.public_key = self.public
        return made

    def sign(self, text: bytes) -> str:
        """Base64 of r and s, under a fresh random number."""
        number = secrets.randbelow(_ORDER - 1) + 1
        return base64.b64encode(bytes.fromhex(self.engine().sign_with_sm3(text, f"{number:064x}"))).decode()

    def verifies(self, text: bytes, signature: str) -> bool:
        """Whether the owner of this pair signed."""
        try:
            given = base64.b64decode(signature, validate=True)
            return len(given) == 64 and bool(self.engine().verify_with_sm3(given.hex(), text))
        except (ValueError, TypeError, IndexError):
            return False


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
        "encKey": base64.b64encode(b"\x04" + theirs.engine().encrypt(key)).decode(),
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
    return sm4_open(ours.engine().decrypt(wrapped[1:]), iv, sealed, tag)
