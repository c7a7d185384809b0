"""What requests are signed with and answers are believed by: a shared secret (HMAC), or a pair of SM2 keys."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from connectors.provincial_credit.gm import PrivateKey, PublicKey
from gateway.codec import signing
from gateway.contract.messages import Stamp
from gateway.domain.errors import ContractError


class Key(Protocol):
    """Signs what we send; ``key_id`` goes into X-Key-Id where there is one."""

    @property
    def key_id(self) -> str | None: ...

    def sign(self, text: bytes) -> str:
        """Base64 of the signature."""
        ...


class Verifier(Protocol):
    """Tells whether what came was signed by the platform."""

    def holds(self, text: bytes, signature: str) -> bool: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class HmacKey:
    """HMAC with SHA-256 or SM3 under a secret's text."""

    secret: str = field(repr=False)
    digest: str
    key_id: str | None = None

    def sign(self, text: bytes) -> str:
        return signing.base64_text(signing.keyed_digest(self.digest, self.secret.encode(), text))


@dataclass(frozen=True, kw_only=True, slots=True)
class HmacVerifier:
    """One of these secrets was used; with none, nothing is believed."""

    secrets: Sequence[str] = field(repr=False)
    digest: str

    def holds(self, text: bytes, signature: str) -> bool:
        made = [HmacKey(secret=secret, digest=self.digest).sign(text) for secret in self.secrets]
        return any([signing.same(right, signature) for right in made])


@dataclass(frozen=True, kw_only=True, slots=True)
class Sm2Key:
    """SM2 with SM3 under our private key; ``der``: in ASN.1 DER instead of r and s."""

    private: PrivateKey = field(repr=False)
    key_id: str
    der: bool = False

    def sign(self, text: bytes) -> str:
        return signing.base64_text(self.private.sign(text, der=self.der))


@dataclass(frozen=True, kw_only=True, slots=True)
class Sm2Verifier:
    """One of the platform's public keys, by id; several while it changes them."""

    public: Mapping[str, PublicKey]
    der: bool = False

    def holds(self, text: bytes, signature: str) -> bool:
        try:
            given = base64.b64decode(signature, validate=True)
        except binascii.Error:
            return False
        return any(key.verify(text, given, der=self.der) for key in self.public.values())


def request_key(stamp: Stamp) -> tuple[str, str]:
    """The short-lived secret of the stamp's token and its id."""
    if stamp.token is None:
        raise ContractError("the provincial credit platform needs a token in the stamp")
    return stamp.token.values["requestSecret"], stamp.token.values["requestSecretId"]


def request_secrets(stamp: Stamp) -> tuple[str, ...]:
    """Secrets an answer may be signed with; none without a token, so that such an answer is not believed."""
    if stamp.token is None:
        return ()
    secret = stamp.token.values.get("requestSecret") or stamp.token.proof.get("requestSecret")
    return () if secret is None else (secret,)
