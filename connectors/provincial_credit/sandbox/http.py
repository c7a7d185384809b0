"""HTTP authentication of the simulated platform: checks who calls and what is signed, signs and wraps answers.

Written from the contract alone. It shares no code with the connector, so that a misreading shows.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, quote

import rfc8785
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import hmac as keyed
from starlette.requests import Request
from starlette.responses import Response

from connectors.provincial_credit.sandbox.gm import Pair, unwrap, wrap
from connectors.provincial_credit.sandbox.reading import milliseconds
from connectors.provincial_credit.sandbox.refusal import Refusal
from gateway.testing.books import Books

BASE = "/credit-platform/api/v1"
GM_TYPE = "application/vnd.sdcredit.gm+json"
ENVELOPE_TYPE = "application/vnd.sdcredit.envelope+json"
_TOLERANCE_MS = 300_000
_NONCE_MS = 900_000
_OVERLAP_MS = 60_000
_LIFE_MS = 900_000
_REFRESH_MS = 48 * 3_600_000
SCOPES = frozenset(
    {
        *("cert.write", "cert.read", "credit.read", "credit.ack"),
        *("credit.write", "recon.read", "recon.write", "objection.write"),
    }
)
Sign = Callable[[bytes], str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """What was agreed with the caller. ``envelope``: national or zhejiang, where answers travel in one; ``der``: how
    SM2 signatures are written."""

    algorithm: str = "HMAC-SHA256"
    field_alg: str = "AES-256-GCM"
    encrypted: bool = False
    der: bool = False
    envelope: str | None = None
    feed: bool = True

    @property
    def digest(self) -> str:
        """Name of the digest that belongs to the signature."""
        return "sha-256" if self.algorithm == "HMAC-SHA256" else "sm3"


PROFILES = {
    "sha256": Profile(),
    "sm3": Profile(algorithm="HMAC-SM3"),
    "gm": Profile(algorithm="SM2-SM3", field_alg="SM4-GCM"),
    "gm-der": Profile(algorithm="SM2-SM3", field_alg="SM4-GCM", der=True),
    "gm-envelope": Profile(algorithm="SM2-SM3", field_alg="SM4-GCM", encrypted=True),
    "national": Profile(envelope="national"),
    "zhejiang": Profile(envelope="zhejiang"),
    "pages": Profile(feed=False),
}
"""Dialects by name."""


@dataclass
class Credentials:
    """What the platform and the caller share; reproducible from the sandbox's seed."""

    seed: int
    key_bytes: int = 32
    der: bool = False
    app_key: str = "sd-edu-centre-demo"
    field_key_id: str = "field-1"
    app_secret: str = field(init=False)
    field_keys: dict[str, bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.app_secret = hashlib.sha256(self._label("app")).hexdigest()
        self.field_keys = {
            "field-1": hashlib.sha256(self._label("field")).digest()[: self.key_bytes],
            "field-2": hashlib.sha256(self._label("next field")).digest()[: self.key_bytes],
        }

    @cached_property
    def caller(self) -> Pair:
        """The caller's SM2 keys."""
        return Pair(self._label("caller").decode(), der=self.der)

    @cached_property
    def platform(self) -> dict[str, Pair]:
        """The platform's SM2 keys by id: the one of today and the next."""
        return {f"platform-{no}": Pair(self._label(f"platform {no}").decode(), der=self.der) for no in (1, 2)}

    @property
    def field_key(self) -> bytes:
        """The key agreed first."""
        return self.field_keys["field-1"]

    def _label(self, name: str) -> bytes:
        return f"provincial credit sandbox {self.seed}: {name}".encode()


@dataclass
class WireSecurity:
    """Checks requests in the contract's order: address, app key, timestamp, signature, nonce, right."""

    books: Books
    credentials: Credentials
    profile: Profile
    addresses: frozenset[str] | None = None
    """addresses that may call; any where it is not set"""
    scopes: frozenset[str] = SCOPES
    """rights of the caller"""
    rewritten: dict[bytes, bytes] = field(default_factory=dict)
    """what a careless writer makes of the bytes of an answer, before it is signed"""

    def digest(self, data: bytes) -> str:
        """Hex digest of the profile: SHA-256, or SM3."""
        if self.profile.digest == "sm3":
            context = hashes.Hash(hashes.SM3())
            context.update(data)
            return context.finalize().hex()
        return hashlib.sha256(data).hexdigest()

    @property
    def prefix(self) -> str:
        """Name of the profile's digest in front of record digests."""
        return self.profile.digest

    def sign(self, secret: str, *lines: str) -> str:
        """Base64 of the keyed digest over lines joined by LF."""
        return self.keyed(secret)("\n".join(lines).encode())

    def keyed(self, secret: str) -> Sign:
        """Signs with a secret."""

        def make(text: bytes) -> str:
            if self.profile.digest == "sm3":
                context = keyed.HMAC(secret.encode(), hashes.SM3())
                context.update(text)
                return base64.b64encode(context.finalize()).decode()
            return base64.b64encode(hmac.digest(secret.encode(), text, "sha256")).decode()

        return make

    @property
    def durable_sign(self) -> Sign:
        """Signs what is kept: with the app secret, or the platform's SM2 key of the day."""
        if self.profile.algorithm == "SM2-SM3":
            return self._pair.sign
        return self.keyed(self.credentials.app_secret)

    @property
    def _pair(self) -> Pair:
        return self.credentials.platform[self.books.get("settings", "sm2_key") or "platform-1"]

    def enter(self, request: Request, body: bytes, now: datetime, *, login: bool) -> Sign:
        """What the answer is signed with, or Refusal."""
        headers, moment = request.headers, milliseconds(now)
        if self.addresses is not None and (request.client is None or request.client.host not in self.addresses):
            raise Refusal("IP_DENIED", "the address is not on the list")
        if headers.get("x-app-key") != self.credentials.app_key:
            raise Refusal("ACCESS_DENIED", "unknown app key")
        stated = headers.get("x-timestamp", "")
        if not (stated.isascii() and stated.isdigit()) or abs(int(stated[:15]) - moment) > _TOLERANCE_MS:
            raise Refusal("TIMESTAMP_SKEW", "the timestamp is missing or out of tolerance")
        sign = self._checked(request, body, moment, login=login)
        nonce = headers.get("x-nonce", "")
        if len(nonce) != 32 or set(nonce) - set("0123456789abcdef"):
            raise Refusal("PARAM_INVALID", "X-Nonce is not 32 hex characters")
        used = self.books.get("nonces", nonce)
        if used is not None and moment - used < _NONCE_MS:
            raise Refusal("NONCE_REPLAYED", "nonce used before")
        self.books.put("nonces", nonce, moment)
        return sign

    def issue(self, now: datetime) -> dict[str, Any]:
        """A new pair of secrets; older request secrets live on for a minute at most."""
        moment = milliseconds(now)
        for key, held in self.books.items("secrets"):
            if held["kind"] == "request" and held["ends"] > moment + _OVERLAP_MS:
                self.books.put("secrets", key, {**held, "ends": moment + _OVERLAP_MS})
        number = self.books.bump("logins")
        answer: dict[str, Any] = {}
        for kind, life in (("request", _LIFE_MS), ("refresh", _REFRESH_MS)):
            secret = hmac.digest(self.credentials.field_key, f"{kind} {number}".encode(), "sha256").hex()
            key_id = f"{kind}-{number}"
            self.books.put("secrets", key_id, {"kind": kind, "secret": secret, "ends": moment + life})
            answer |= {f"{kind}SecretId": key_id, f"{kind}Secret": secret, f"{kind}SecretEndTime": moment + life}
        return answer

    def opened(self, body: bytes) -> bytes:
        """The JSON of a body in the encrypted profile."""
        try:
            return unwrap(
                body,
                ours=self._pair,
                our_id=self.books.get("settings", "sm2_key") or "platform-1",
                theirs=self.credentials.caller,
                app_code=self.credentials.app_key,
            )
        except (ValueError, RecursionError):
            raise Refusal("PARAM_INVALID", "the envelope cannot be opened") from None

    def answer(
        self,
        value: Any,
        *,
        status: int,
        request: Request,
        now: datetime,
        sign: Sign | None,
        more: Mapping[str, str],
        plain: bool = False,
    ) -> Response:
        """The answer as JSON (bytes as they are), wrapped as agreed unless ``plain``, signed for a known caller."""
        kind = "application/problem+json" if status >= 400 else "application/json; charset=utf-8"
        if isinstance(value, bytes):
            kind, body = "application/gzip", value
        elif status == 304:
            kind, body = "", b""
        else:
            body = rfc8785.dumps(value)
            for written in self.rewritten.items():
                body = body.replace(*written)
        if self.profile.encrypted and sign is not None and kind.startswith("application/json"):
            kind, body = GM_TYPE, self.wrapped(body, now)
        if self.profile.envelope and kind.startswith("application/json") and not plain:
            kind = ENVELOPE_TYPE
        stamp = str(milliseconds(now))
        request_id = self.request_id(request, stamp)
        headers = {"x-request-id": request_id, "x-platform-timestamp": stamp, **more, **self._digest_header(body)}
        if sign is not None:
            lines = "\n".join((str(status), request_id, stamp, self.digest(body)))
            headers["x-platform-signature-alg"] = self.profile.algorithm
            headers["x-platform-signature"] = sign(lines.encode())
        if kind:
            headers["content-type"] = kind
        return Response(body, status, headers)

    @staticmethod
    def request_id(request: Request, stamp: str) -> str:
        """The caller's, where it can be repeated, else one of ours."""
        given = request.headers.get("x-request-id", "")
        good = 0 < len(given) <= 200 and all("!" <= character <= "~" for character in given)
        return given if good else f"server-{stamp}"

    def wrapped(self, body: bytes, now: datetime) -> bytes:
        """A body for the caller, in the encrypted profile."""
        return wrap(
            body,
            ours=self._pair,
            theirs=self.credentials.caller,
            their_id="caller-1",
            app_code=self.credentials.app_key,
            milliseconds=milliseconds(now),
        )

    def _checked(self, request: Request, body: bytes, moment: int, *, login: bool) -> Sign:
        """Check key id, digest header and signature; what the answer is signed with."""
        headers = request.headers
        by_key = self.profile.algorithm == "SM2-SM3"
        sign: Sign = (
            self._pair.sign if by_key else self.keyed(self._secret(headers.get("x-key-id"), moment, login=login))
        )
        if headers.get("x-signature-alg") != self.profile.algorithm:
            raise Refusal("SIGNATURE_INVALID", "another signature algorithm was agreed")
        if by_key and headers.get("x-key-id") != "caller-1":
            raise Refusal("SIGNATURE_INVALID", "X-Key-Id names no key of the caller")
        if body and not self._digest_fits(headers, body):
            raise Refusal("SIGNATURE_INVALID", "the digest header is missing or wrong")
        text = self._lines(request, body)
        given = headers.get("x-signature", "")
        right = hmac.compare_digest(sign(text).encode(), given.encode("latin-1", "replace"))
        if not (self.credentials.caller.verifies(text, given) if by_key else right):
            raise Refusal("SIGNATURE_INVALID", "signature check failed")
        return sign

    def _digest_fits(self, headers: Mapping[str, str], body: bytes) -> bool:
        return all(headers.get(name) == value for name, value in self._digest_header(body).items())

    def _digest_header(self, body: bytes) -> dict[str, str]:
        if self.profile.digest == "sm3":
            return {"x-content-sm3": self.digest(body)}
        return {"content-digest": f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"}

    def _lines(self, request: Request, body: bytes) -> bytes:
        headers = request.headers
        raw: bytes = request.scope.get("raw_path") or quote(request.url.path).encode()
        lines = (
            request.method,
            raw.decode("latin-1"),
            _canonical_query(request.url.query),
            headers.get("x-app-key", ""),
            headers.get("x-timestamp", ""),
            headers.get("x-nonce", ""),
            self.digest(body),
            headers.get("idempotency-key", ""),
        )
        return "\n".join(lines).encode()

    def _secret(self, key_id: str | None, moment: int, *, login: bool) -> str:
        if login and key_id is None:
            return self.credentials.app_secret
        held = self.books.get("secrets", key_id or "")
        if held is None or held["ends"] <= moment or held["kind"] != ("refresh" if login else "request"):
            raise Refusal("TOKEN_EXPIRED", "the request secret is unknown or over")
        return str(held["secret"])


def _canonical_query(query: str) -> str:
    pairs = sorted(
        (quote(name, safe="-._~"), quote(value, safe="-._~"))
        for name, value in parse_qsl(query, keep_blank_values=True)
    )
    return "&".join(f"{name}={value}" for name, value in pairs)
