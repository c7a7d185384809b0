"""The simulated provincial credit platform, written from the contract alone (see the connector's README).

Strict and stateful: it checks in the contract's order, keeps idempotent answers, works batches off a moment later and
tells a seeded story of credit events about the people it holds. ``dialect="sm3"`` asks for the SM3 profile.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote

from starlette.requests import Request
from starlette.responses import Response

from connectors.provincial_credit.sandbox_certificates import Registry, Sealing
from connectors.provincial_credit.sandbox_credit import CreditOffice
from connectors.provincial_credit.sandbox_wire import (
    BASE,
    Credentials,
    Door,
    Limits,
    Refusal,
    china,
    openapi,
    read_json,
)
from gateway.testing.sandbox import Access, Sandbox

_KEPT = timedelta(days=7)
_ROUTES = tuple(
    (operation, method, re.compile(path), schema)
    for operation, method, path, schema in (
        ("createRequestSecret", "POST", r"/auth/request-secrets", "RequestSecretRequest"),
        ("createCertificateBatch", "POST", r"/skill-certificate-batches", "WorkerCertificateBatch"),
        ("getCertificateBatch", "GET", r"/skill-certificate-batches/([^/]+)", None),
        ("queryCertificates", "POST", r"/skill-certificates/queries", "WorkerCertificateQuery"),
        ("putCertificate", "PUT", r"/skill-certificates/([^/]+)", "WorkerCertificateItem"),
        ("getCertificate", "GET", r"/skill-certificates/([^/]+)", None),
        ("createStatusChange", "POST", r"/skill-certificates/([^/]+)/status-changes", "CertificateStatusChange"),
        ("getCreditChanges", "GET", r"/credit-records/changes", None),
        ("createAcks", "POST", r"/credit-records/acks", "AckBatch"),
        ("getPendingAcks", "GET", r"/credit-records/acks/pending", None),
        ("getCreditRecord", "GET", r"/credit-records/([^/]+)", None),
        ("getCreditVersions", "GET", r"/credit-records/([^/]+)/versions", None),
    )
)
_CHANGING = frozenset({"createCertificateBatch", "putCertificate", "createStatusChange", "createAcks"})
Answer = tuple[int, Any, dict[str, str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Call:
    """A request that found its way to an operation. ``key`` is the part of the path that varies."""

    request: Request
    body: bytes
    operation: str
    schema: str | None
    key: str
    now: datetime
    fault: str | None

    def read(self) -> dict[str, Any]:
        """The body as the schema wants it."""
        return {} if self.schema is None else read_json(self.request, self.body, self.schema)


class ProvincialCreditSandbox(Sandbox):
    """See the module. ``limits`` may be set to reach the platform's rate limits."""

    platform: ClassVar[str] = "provincial_credit"
    own_faults: ClassVar[dict[str, str]] = {
        "busy": "429 with Retry-After, nothing done",
        "duplicate": "carried out, then 409 as if a first copy were still being worked on",
        "page_repeat": "the feed gives the page before once more",
    }
    exempt: ClassVar[frozenset[str]] = frozenset({f"{BASE}/openapi.json", f"{BASE}/time", f"{BASE}/health"})

    def __init__(
        self,
        *,
        dialect: str | None = None,
        seed: int = 0,
        faults: str = "none",
        state: Path | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(dialect=dialect, seed=seed, faults=faults, state=state, clock=clock)
        if dialect not in (None, "sha256", "sm3"):
            raise ValueError(f"dialect {dialect!r} is not known; use sha256 or sm3")
        algorithm = "HMAC-SM3" if dialect == "sm3" else "HMAC-SHA256"
        self.credentials = Credentials(seed=seed)
        self.door = Door(self.books, self.credentials, algorithm)
        sealing = Sealing(self.credentials, self.door.prefix, self.door.digest)
        self.registry = Registry(self.books, sealing, Random(f"{seed} batches"))  # noqa: S311
        self.office = CreditOffice(self.books, self.registry, sealing, seed)

    @property
    def limits(self) -> Limits:
        """Rate limits in force."""
        return self.door.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self.door.limits = limits

    def handle(self, request: Request, body: bytes, fault: str | None) -> Response:
        """Answer one request of the platform's protocol."""
        now = self.clock()
        self.registry.work_off(now)
        path = request.url.path.removeprefix(BASE)
        if request.method == "GET" and path in ("/time", "/health", "/openapi.json"):
            return self._open_call(path, request, now)
        secret: str | None = None
        try:
            operation, schema, key = _route(request.method, path)
            self.operation = operation
            secret = self.door.enter(request, body, now, login=operation == "createRequestSecret")
            self._check_limits(operation, now, busy=fault == "busy")
            status, value, headers = self._once(
                _Call(request=request, body=body, operation=operation, schema=schema, key=key, now=now, fault=fault)
            )
        except Refusal as refusal:
            status, value = refusal.status, {**refusal.problem, "instance": path}
            headers = {} if refusal.wait is None else {"retry-after": str(refusal.wait)}
        return self.door.answer(value, status=status, request=request, now=now, secret=secret, more=headers)

    def effects(self) -> dict[str, Any]:
        """Also counts credit events and acknowledgements; batches whose time has come are worked off first."""
        self.registry.work_off(self.clock())
        found = super().effects()
        account = self.office.account()
        return {**found, "counts": {**found["counts"], "events": account.pop("events")}, **account}

    def access(self, base_url: str) -> Access:
        """Address, credentials, and times short enough to watch."""
        field_key = base64.b64encode(self.credentials.field_key).decode()
        environment = {
            "ENDPOINT": f"{base_url}{BASE}",
            "APP_KEY": self.credentials.app_key,
            "APP_SECRET": self.credentials.app_secret,
            "FIELD_KEY": field_key,
            "FIELD_KEY_ID": self.credentials.field_key_id,
            "SIGNATURE_ALG": self.door.algorithm,
            "MIN_INTERVAL_SECONDS": "0",
            "BATCH_MAX": "20",
            "CONNECTIONS": "4",
            "DEADLINE_SECONDS": "3",
            "RETRY_SECONDS": "[0.5, 0.5, 1, 1, 2, 2]",
            "RETRY_THEN_SECONDS": "2",
            "POLL_SECONDS": "[0.3, 0.3, 0.5, 0.5, 1]",
            "POLL_THEN_SECONDS": "1",
            "SETTLING_SECONDS": "[0.5, 0.5, 1, 1]",
        }
        return Access(
            details={
                "url": f"{base_url}{BASE}",
                "openapi": f"{base_url}{BASE}/openapi.json",
                "app_key": self.credentials.app_key,
                "app_secret": self.credentials.app_secret,
                "field_key": field_key,
                "field_key_id": self.credentials.field_key_id,
            },
            environment={f"GATEWAY_PROVINCIAL_CREDIT__{name}": value for name, value in environment.items()},
        )

    def _open_call(self, path: str, request: Request, now: datetime) -> Response:
        self.operation = {"/time": "getTime", "/health": "getHealth"}.get(path, "openapi")
        value: dict[str, Any] = {"/time": {"now": china(now)}, "/health": {"status": "UP"}}.get(path) or openapi()
        return self.door.answer(value, status=200, request=request, now=now, secret=None)

    def _check_limits(self, operation: str, now: datetime, *, busy: bool) -> None:
        if busy:
            raise Refusal("RATE_LIMITED", "busy on command", wait=1)
        limits = self.door.limits
        self.door.limit("requests", 1, limits.requests_per_second, now)
        if operation == "getCreditChanges":
            self.door.limit("feed", 1, limits.feed_per_second, now)
        if operation == "createRequestSecret":
            self.door.limit("logins", 60, limits.logins_per_minute, now)
        if operation == "createCertificateBatch":
            self.door.limit("batches", 3600, limits.batches_per_hour, now)

    def _once(self, call: _Call) -> Answer:
        """Carry out a call; one that changes something is carried out once for each idempotency key."""
        if call.operation not in _CHANGING:
            return self._carry_out(call, call.read())
        given = call.request.headers.get("idempotency-key", "")
        if not 16 <= len(given) <= 64:
            raise Refusal("PARAM_MISSING", "Idempotency-Key of 16 to 64 characters is asked for")
        name = f"{call.request.method} {call.request.url.path} {given}"
        digest = hashlib.sha256(call.body).hexdigest()
        kept = self.books.get("answers", name)
        if kept is not None and call.now.timestamp() - kept["at"] < _KEPT.total_seconds():
            if kept["digest"] != digest:
                raise Refusal("IDEMPOTENCY_MISMATCH", "the key was used with another body")
            return kept["status"], json.loads(kept["value"]), {**kept["headers"], "idempotency-replayed": "true"}
        status, value, headers = self._carry_out(call, call.read())
        answer = {"digest": digest, "status": status, "value": json.dumps(value), "headers": headers}
        self.books.put("answers", name, {**answer, "at": call.now.timestamp()})
        if call.fault == "duplicate":
            raise Refusal("IN_PROGRESS", "the same request is being worked on", wait=1)
        return status, value, headers

    def _carry_out(self, call: _Call, value: dict[str, Any]) -> Answer:
        key, now = call.key, call.now
        query = parse_qs(call.request.url.query, keep_blank_values=True)
        version = query.get("version", [None])[0]
        match call.operation:
            case "createRequestSecret":
                return 200, self._login(call.request, value, now), {}
            case "createCertificateBatch":
                answer = self.registry.take_batch(value, now)
                return 202, answer, {"location": f"{BASE}/skill-certificate-batches/{answer['requestSerialCode']}"}
            case "getCertificateBatch":
                result = self.registry.batch_result(key)
                return 200, result, {"retry-after": "1"} if result["status"] == "0" else {}
            case "putCertificate":
                return *self.registry.put(key, value, now, call.request.headers.get("if-match")), {}
            case "getCertificate":
                return 200, self.registry.view(key, version), {}
            case "createStatusChange":
                return 201, self.registry.change_status(key, value, now), {}
            case "queryCertificates":
                return 200, self.registry.page(value), {}
            case "getCreditChanges":
                page, empty = self.office.changes(query, now, repeat=call.fault == "page_repeat")
                return 200, page, {"retry-after": "1"} if empty else {}
            case "getCreditRecord":
                return 200, self.office.record(key, version), {}
            case "getCreditVersions":
                return 200, self.office.versions(key), {}
            case "getPendingAcks":
                return 200, self.office.pending(), {}
            case _:
                return 200, self.office.acknowledge(value), {}

    def _login(self, request: Request, value: dict[str, Any], now: datetime) -> dict[str, Any]:
        with_app_secret = request.headers.get("x-key-id") is None
        if value["appKey"] != self.credentials.app_key or (value["grant"] == "APP_SECRET") != with_app_secret:
            raise Refusal("ACCESS_DENIED", "grant, app key and signing secret do not belong together")
        return self.door.issue(now)


build = ProvincialCreditSandbox


def _route(method: str, path: str) -> tuple[str, str | None, str]:
    for operation, asked, pattern, schema in _ROUTES:
        found = pattern.fullmatch(path)
        if asked == method and found:
            return operation, schema, unquote(found.group(1)) if found.groups() else ""
    raise Refusal("NOT_FOUND", "no such call")
