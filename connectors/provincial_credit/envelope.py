"""The two wrappings that can be agreed: the encrypted profile (GmEnvelope) and the field's answer envelopes.

Encrypted profile: a JSON body under SM4-GCM with a key of its own, that key under the receiver's SM2 key, the whole
signed by the sender (this contract, section "国密" of the connector's README). Answer envelopes: every answer has
HTTP status 200 and a number inside, as older platforms have it (section "Envelopes").
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from connectors.provincial_credit import schema
from connectors.provincial_credit.gm import PrivateKey, PublicKey, Sm2Error
from connectors.provincial_credit.keys import Sm2Key, Sm2Verifier
from gateway.codec.codes import table
from gateway.codec.jsonbody import JsonError, Row, canonical, read_object, text
from gateway.codec.signing import base64_text
from gateway.contract.messages import JSON

GM_TYPE = "application/vnd.sdcredit.gm+json"
ENVELOPE_TYPE = "application/vnd.sdcredit.envelope+json"
Style = Literal["national", "zhejiang"]
_VERSION = "1.0.0"


class EnvelopeError(ValueError):
    """A body cannot be taken out of its envelope. Never shows content."""


def sm4_seal(key: bytes, iv: bytes, plain: bytes, bound: bytes = b"") -> tuple[bytes, bytes]:
    """SM4-GCM (RFC 8998 form): ciphertext and 128-bit tag."""
    made = Cipher(algorithms.SM4(key), modes.GCM(iv)).encryptor()
    made.authenticate_additional_data(bound)
    return made.update(plain) + made.finalize(), made.tag


def sm4_open(key: bytes, iv: bytes, sealed: bytes, tag: bytes, bound: bytes = b"") -> bytes:
    """Reverse; InvalidTag where key, vector or bytes are not the ones it was sealed with, ValueError for a bad size."""
    opened = Cipher(algorithms.SM4(key), modes.GCM(iv, tag)).decryptor()
    opened.authenticate_additional_data(bound)
    return opened.update(sealed) + opened.finalize()


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelopes:
    """Wraps what we send and unwraps what comes, in the encrypted profile.

    theirs: the platform's public keys by id; ``their_id`` names the one we encrypt for
    """

    app_code: str
    ours: Sm2Key
    theirs: Mapping[str, PublicKey] = field(repr=False)
    their_id: str

    def seal(self, plain: bytes, message_id: str, born: datetime) -> bytes:
        """The envelope in canonical form.

        The same message with the same content has the same SM4 key, vector and text; what SM2 makes (``encKey``,
        ``signData``) differs each time.
        """
        private: PrivateKey = self.ours.private
        seed = (message_id.encode(), plain)
        key = private.derive(b"envelope key", *seed)[:16]
        iv = private.derive(b"envelope iv", *seed)[:12]
        sealed, tag = sm4_seal(key, iv, plain)
        made: dict[str, JSON] = {
            "appCode": self.app_code,
            "version": _VERSION,
            "encType": "SM4",
            "signType": "SM2",
            "timestamp": round(born.timestamp() * 1000),
            "keyId": self.their_id,
            "encKey": base64_text(self.theirs[self.their_id].encrypt(key)),
            "iv": base64_text(iv),
            "encData": base64_text(sealed),
            "tag": base64_text(tag),
        }
        return canonical({**made, "signData": self.ours.sign(canonical(made))})

    def open(self, body: bytes, content_type: str) -> bytes:
        """The JSON inside; EnvelopeError where it is not the platform's, not for us, or changed."""
        try:
            envelope = read_object(body, content_type)
        except JsonError:
            raise EnvelopeError("not a JSON envelope") from None
        if schema.violations("GmEnvelope", envelope) or envelope["appCode"] != self.app_code:
            raise EnvelopeError("not an envelope for us as the document describes it")
        signed = canonical({name: value for name, value in envelope.items() if name != "signData"})
        if not Sm2Verifier(public=self.theirs, der=self.ours.der).holds(signed, str(envelope["signData"])):
            raise EnvelopeError("the signature of the envelope is wrong")
        if text(envelope, "keyId") != self.ours.key_id:
            raise EnvelopeError("encrypted for another key")
        try:
            wrapped, iv, sealed, tag = (
                base64.b64decode(str(envelope[name]), validate=True) for name in ("encKey", "iv", "encData", "tag")
            )
            return sm4_open(self.ours.private.decrypt(wrapped), iv, sealed, tag)
        except (Sm2Error, InvalidTag, binascii.Error, ValueError):
            raise EnvelopeError("cannot be decrypted") from None


@dataclass(frozen=True, kw_only=True, slots=True)
class Unwrapped:
    """What an answer envelope holds: the data of a success, or problem details of a refusal."""

    good: bool
    value: JSON


def unwrap(envelope: Row, style: Style) -> Unwrapped | None:
    """Take an answer out of its envelope; None where it is not one.

    A refusal's data should hold the problem details, which say more than the number. Where it does not, the number
    alone is turned into a code: the first of the error table that has it.
    """
    name = "NationalEnvelope" if style == "national" else "ZhejiangEnvelope"
    if schema.violations(name, envelope):
        return None
    if envelope["code"] in (0, "00"):
        return Unwrapped(good=True, value=envelope.get("data"))
    data = envelope.get("data")
    if isinstance(data, Mapping) and not schema.violations("Problem", data):
        return Unwrapped(good=False, value=data)
    column = "legacy_national" if style == "national" else "legacy_zhejiang"
    return Unwrapped(good=False, value=_problem(str(envelope["code"]), column))


def _problem(number: str, column: str) -> dict[str, JSON]:
    """Problem details that claim no more than the number says.

    -1 and 96 to 99 stand for everything from a wrong field to "not there", so they become a code nobody knows and a
    person reads them; -2 covers a secret that is over, so it asks for a new login first.
    """
    code = {"-2": "TOKEN_EXPIRED", "-3": "ACCESS_DENIED", "-4": "IP_DENIED", "-5": "RATE_LIMITED"}.get(number)
    row = table("credit_error_code", "connectors.provincial_credit.codes")
    title = (code and row.get(code, "title_zh")) or "平台拒绝"
    return {
        "type": f"https://errors.sdcredit.example/{column}/{number}",
        "title": "refused",
        "titleZh": title,
        "status": int((code and row.get(code, "http")) or 400),
        "code": code or f"number_{number}",
    }
