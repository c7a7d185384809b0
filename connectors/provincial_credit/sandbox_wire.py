"""The simulated platform's door: who calls, is the signature right, is there room; and how answers are signed.

Written from the contract alone. It shares no code with the connector, so that a misreading shows.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, quote

import rfc8785
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import hmac as keyed
from jsonschema import Draft202012Validator, FormatChecker
from starlette.requests import Request
from starlette.responses import Response

from gateway.codec.codes import table
from gateway.testing.books import Books

CHINA = timezone(timedelta(hours=8))
BASE = "/credit-platform/api/v1"
_TOLERANCE_MS = 300_000
_NONCE_MS = 900_000
_OVERLAP_MS = 60_000
_LIFE_MS = 900_000
_REFRESH_MS = 48 * 3_600_000
_BODY_MAX = 2 * 1024 * 1024


class Refusal(Exception):
    """A request the platform refuses; ``code`` is of the platform's error table."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        status: int | None = None,
        errors: list[dict[str, Any]] | None = None,
        wait: int | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        row = table("credit_error_code", "connectors.provincial_credit.codes")
        self.status = status or int(row.get(code, "http") or 500)
        self.wait = wait
        self.problem: dict[str, Any] = {
            "type": f"https://errors.sdcredit.example/{row.get(code, 'type_slug') or 'unknown'}",
            "title": row.get(code, "title_en") or code,
            "titleZh": row.get(code, "title_zh") or code,
            "status": self.status,
            "detail": detail,
            "code": code,
            "retryable": (row.get(code, "retryable") or "no").startswith("yes"),
        }
        if errors:
            self.problem["errors"] = errors
        if wait is not None:
            self.problem["retryAfterSeconds"] = wait
        if reason is not None:
            self.problem["reason"] = reason


@dataclass
class Limits:
    """What one app key may do. The contract's own values are ``Limits.specified()``; the default sets no limit."""

    requests_per_second: int | None = None
    feed_per_second: int | None = None
    logins_per_minute: int | None = None
    batches_per_hour: int | None = None

    @classmethod
    def specified(cls) -> Limits:
        """Bursts of 40 requests are allowed by the contract and are the window used here."""
        return cls(requests_per_second=40, feed_per_second=2, logins_per_minute=10, batches_per_hour=60)


@dataclass
class Credentials:
    """What the platform and the caller share; reproducible from the sandbox's seed."""

    seed: int
    app_key: str = "sd-edu-centre-demo"
    field_key_id: str = "field-1"
    app_secret: str = field(init=False)
    field_key: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.app_secret = hashlib.sha256(f"provincial credit sandbox {self.seed}: app".encode()).hexdigest()
        self.field_key = hashlib.sha256(f"provincial credit sandbox {self.seed}: field".encode()).digest()


@dataclass
class Door:
    """Checks requests in the contract's order: app key, timestamp, signature, nonce, right, limits."""

    books: Books
    credentials: Credentials
    algorithm: str
    limits: Limits = field(default_factory=Limits)

    def digest(self, data: bytes) -> str:
        """Hex digest of the profile: SHA-256, or SM3."""
        if self.algorithm == "HMAC-SM3":
            context = hashes.Hash(hashes.SM3())
            context.update(data)
            return context.finalize().hex()
        return hashlib.sha256(data).hexdigest()

    @property
    def prefix(self) -> str:
        """Name of the profile's digest in front of record digests."""
        return "sm3" if self.algorithm == "HMAC-SM3" else "sha-256"

    def sign(self, secret: str, *lines: str) -> str:
        """Base64 of the keyed digest over lines joined by LF."""
        text = "\n".join(lines).encode()
        if self.algorithm == "HMAC-SM3":
            context = keyed.HMAC(secret.encode(), hashes.SM3())
            context.update(text)
            return base64.b64encode(context.finalize()).decode()
        return base64.b64encode(hmac.digest(secret.encode(), text, "sha256")).decode()

    def enter(self, request: Request, body: bytes, now: datetime, *, login: bool) -> str:
        """Return the secret the request was signed with, or raise Refusal."""
        headers = request.headers
        moment = _milliseconds(now)
        if headers.get("x-app-key") != self.credentials.app_key:
            raise Refusal("ACCESS_DENIED", "unknown app key")
        stated = headers.get("x-timestamp", "")
        if not stated.isdigit() or abs(int(stated) - moment) > _TOLERANCE_MS:
            raise Refusal("TIMESTAMP_SKEW", "the timestamp is missing or out of tolerance")
        secret = self._secret(headers.get("x-key-id"), moment, login=login)
        self._check_signature(request, body, secret)
        nonce = headers.get("x-nonce", "")
        if len(nonce) != 32 or set(nonce) - set("0123456789abcdef"):
            raise Refusal("PARAM_INVALID", "X-Nonce is not 32 hex characters")
        used = self.books.get("nonces", nonce)
        if used is not None and moment - used < _NONCE_MS:
            raise Refusal("NONCE_REPLAYED", "nonce used before")
        self.books.put("nonces", nonce, moment)
        return secret

    def limit(self, name: str, per: int, allowed: int | None, now: datetime) -> None:
        """Count one use in the current window of ``per`` seconds; raise Refusal beyond ``allowed``."""
        if allowed is None:
            return
        window = int(now.timestamp()) // per
        at, used = self.books.get("limits", name) or (window, 0)
        used = used + 1 if at == window else 1
        self.books.put("limits", name, (window, used))
        if used > allowed:
            raise Refusal("RATE_LIMITED", "too many requests", wait=max(1, (window + 1) * per - int(now.timestamp())))

    def issue(self, now: datetime) -> dict[str, Any]:
        """A new pair of secrets; older request secrets live on for a minute at most."""
        moment = _milliseconds(now)
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

    def answer(
        self,
        value: Any,
        *,
        status: int,
        request: Request,
        now: datetime,
        secret: str | None,
        more: Mapping[str, str] | None = None,
    ) -> Response:
        """The answer as JSON, signed where the caller is known."""
        body = rfc8785.dumps(value)
        stamp = str(_milliseconds(now))
        request_id = request.headers.get("x-request-id") or f"server-{stamp}"
        headers = {"x-request-id": request_id, "x-platform-timestamp": stamp, **(more or {})}
        if self.algorithm == "HMAC-SM3":
            headers["x-content-sm3"] = self.digest(body)
        else:
            headers["content-digest"] = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
        if secret is not None:
            headers["x-platform-signature-alg"] = self.algorithm
            headers["x-platform-signature"] = self.sign(secret, str(status), request_id, stamp, self.digest(body))
        kind = "application/problem+json" if status >= 400 else "application/json; charset=utf-8"
        return Response(body, status, headers, media_type=kind)

    def _secret(self, key_id: str | None, moment: int, *, login: bool) -> str:
        if login and key_id is None:
            return self.credentials.app_secret
        held = self.books.get("secrets", key_id or "")
        if held is None or held["ends"] <= moment or held["kind"] != ("refresh" if login else "request"):
            raise Refusal("TOKEN_EXPIRED", "the request secret is unknown or over")
        return str(held["secret"])

    def _check_signature(self, request: Request, body: bytes, secret: str) -> None:
        headers = request.headers
        if headers.get("x-signature-alg") != self.algorithm:
            raise Refusal("SIGNATURE_INVALID", "another signature algorithm was agreed")
        if body:
            right = base64.b64encode(hashlib.sha256(body).digest()).decode()
            if self.algorithm == "HMAC-SM3":
                stated = headers.get("x-content-sm3") == self.digest(body)
            else:
                stated = headers.get("content-digest") == f"sha-256=:{right}:"
            if not stated:
                raise Refusal("SIGNATURE_INVALID", "the digest header is missing or wrong")
        raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
        lines = (
            request.method,
            raw.decode("ascii"),
            _canonical_query(request.url.query),
            headers["x-app-key"],
            headers["x-timestamp"],
            headers.get("x-nonce", ""),
            self.digest(body),
            headers.get("idempotency-key", ""),
        )
        if not hmac.compare_digest(self.sign(secret, *lines).encode(), headers.get("x-signature", "").encode()):
            raise Refusal("SIGNATURE_INVALID", "signature check failed")


def read_json(request: Request, body: bytes, schema: str) -> dict[str, Any]:
    """The body as the document's schema wants it, or Refusal with a pointer for each broken rule."""
    if len(body) > _BODY_MAX:
        raise Refusal("PAYLOAD_TOO_LARGE")
    kind = request.headers.get("content-type", "").replace(" ", "").lower()
    if kind != "application/json;charset=utf-8":
        raise Refusal("UNSUPPORTED_MEDIA", "application/json; charset=utf-8 is asked for")
    try:
        value = without_nulls(json.loads(body.decode("utf-8")))
    except ValueError:
        raise Refusal("PARAM_INVALID", "the body is not JSON") from None
    errors = [
        {"code": "PARAM_MISSING" if e.validator == "required" else "SCHEMA_INVALID", "pointer": _pointer(e)}
        for e in validator(schema).iter_errors(value)
    ]
    if errors:
        raise Refusal("SCHEMA_INVALID", f"{len(errors)} rules of the schema are broken", errors=errors[:50])
    assert isinstance(value, dict)
    return value


@cache
def validator(schema: str) -> Draft202012Validator:
    """Validator of one schema of the published document."""
    root = {"$ref": f"#/components/schemas/{schema}", "components": openapi()["components"]}
    return Draft202012Validator(root, format_checker=FormatChecker(formats=("date",)))


@cache
def openapi() -> dict[str, Any]:
    """The published document."""
    text = files("connectors.provincial_credit").joinpath("openapi.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def without_nulls(value: Any) -> Any:
    """Absent and null mean the same."""
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def china(now: datetime) -> str:
    """A moment as the platform writes it."""
    return now.astimezone(CHINA).isoformat(timespec="milliseconds")


def _pointer(error: Any) -> str:
    steps = [str(step) for step in error.absolute_path]
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        steps += missing[:1]
    return "".join(f"/{step}" for step in steps)


def _canonical_query(query: str) -> str:
    pairs = sorted(
        (quote(name, safe="-._~"), quote(value, safe="-._~"))
        for name, value in parse_qsl(query, keep_blank_values=True)
    )
    return "&".join(f"{name}={value}" for name, value in pairs)


def _milliseconds(now: datetime) -> int:
    return round(now.timestamp() * 1000)
