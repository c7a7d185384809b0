"""The simulated provincial credit platform: strict, stateful, written from the contract alone (see the README).

It checks in the contract's order, keeps idempotent answers, works batches off a moment later, tells forty cases of
credit events about the people it holds, and publishes books of each day. The dialect names the profile agreed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any, ClassVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.provincial_credit.sandbox import calls
from connectors.provincial_credit.sandbox.environment import environment
from connectors.provincial_credit.sandbox.handlers import Answer, Asked, Handlers
from connectors.provincial_credit.sandbox.http import BASE, GM_TYPE, PROFILES, Credentials, Sign, WireSecurity
from connectors.provincial_credit.sandbox.limits import Limits, Meter
from connectors.provincial_credit.sandbox.office import CreditOffice
from connectors.provincial_credit.sandbox.reading import CHINA, check_parameters, check_path, check_size, china, openapi
from connectors.provincial_credit.sandbox.refusal import Refusal
from connectors.provincial_credit.sandbox.registry import Registry
from connectors.provincial_credit.sandbox.sealing import Sealing
from gateway.testing.sandbox import Access, Sandbox

_KEPT = timedelta(days=7)


class ProvincialCreditSandbox(Sandbox):
    """See the module. ``limits`` may be set to reach the platform's rate limits."""

    platform: ClassVar[str] = "provincial_credit"
    own_faults: ClassVar[dict[str, str]] = {
        "busy": "429 with Retry-After, nothing done",
        "duplicate": "carried out, then 409 as if a first copy were still being worked on",
        "page_repeat": "the feed gives the page before once more",
        "page_lost": "the feed leaves out a page",
        "cursor_back": "the feed's next cursor points to the beginning",
        "acks_lost": "acknowledgements are answered as taken and forgotten",
        "book_altered": "a file of the daily books is not the one its manifest tells of",
    }
    exempt: ClassVar[frozenset[str]] = frozenset({f"{BASE}{path}" for path in calls.OPEN})

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
        if dialect is not None and dialect not in PROFILES:
            raise ValueError(f"dialect {dialect!r} is not known; use {', '.join(PROFILES)}")
        profile = PROFILES[dialect or "sha256"]
        self.credentials = Credentials(
            seed=seed, key_bytes=16 if profile.field_alg == "SM4-GCM" else 32, der=profile.der
        )
        self.security = WireSecurity(self.books, self.credentials, profile)
        sealing = Sealing(
            self.credentials,
            profile,
            self.security.digest,
            lambda: str(self.books.get("settings", "field_key") or "field-1"),
        )
        self.registry = Registry(self.books, sealing, Random(f"{seed} batches"))  # noqa: S311
        self.office = CreditOffice(self.books, self.registry, sealing, seed)
        self.handlers = Handlers(self.security, self.registry, self.office)
        self.meter = Meter(self.books, Limits(), {})

    @property
    def limits(self) -> Limits:
        """Rate limits in force."""
        return self.meter.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self.meter.limits = limits

    def handle(self, request: Request, body: bytes, fault: str | None) -> Response:
        """Answer one request of the platform's protocol."""
        now = self.clock()
        if self.books.get("settings", "first_day") is None:
            self.books.put("settings", "first_day", now.astimezone(CHINA).date().isoformat())
        self.registry.work_off(now)
        self.handlers.objections.work_off(now)
        path = request.url.path.removeprefix(BASE)
        if request.method == "GET" and path in calls.OPEN:
            return self._open_call(path, request, now)
        sign: Sign | None = None
        self.meter.told = {}
        try:
            call, key = calls.find(request.method, path)
            self.operation = call.operation
            check_size(body, scan=call.operation == "createAttachment")
            login = call.operation == "createRequestSecret"
            sign = self.security.enter(request, body, now, login=login)
            asked = Asked(request=request, body=body, call=call, key=key, now=now, fault=fault)
            status, value, headers = self._answer(asked)
        except Refusal as refusal:
            status, value, headers = self._refused(refusal, request, path)
        if self.security.profile.envelope and status < 400 and not isinstance(value, bytes) and status != 304:
            status, value = 200, self._enveloped(value, request)
        more = {**headers, **self.meter.told}
        return self.security.answer(value, status=status, request=request, now=now, sign=sign, more=more)

    def app(self) -> Starlette:
        """Also POST ``/__sandbox/credit``: tell cases, hide and show records, change keys."""
        app = super().app()
        everything = app.router.routes[-1]
        assert isinstance(everything, Route)
        app.router.default = everything.app  # a path with a line break fits no route
        app.router.routes.insert(0, Route("/__sandbox/credit", self._credit, methods=["POST"]))
        return app

    def command(
        self,
        *,
        tell: tuple[str, ...] = (),
        hide: tuple[str, ...] = (),
        show: tuple[str, ...] = (),
        answer: Mapping[str, str] = MappingProxyType({}),
        close: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Tell cases (F01 to F40), let records disappear without a word, or come back; in one transaction.

        answer: REJECTED, UPHELD, CHANGED or REVOKED by the number of an objection
        close:  the outcome by the number of a ticket
        """
        self.books.begin()
        try:
            self.registry.work_off(self.clock())
            if tell:
                self.office.tell(tell, self.clock())
            for record_id in hide:
                self.office.hide(record_id, self.clock())
            for record_id in show:
                self.office.show(record_id)
            for number, what in answer.items():
                self.handlers.objections.answer(number, what, self.clock())
            for number, outcome in close.items():
                self.handlers.objections.close_ticket(number, outcome)
        except BaseException:
            self.books.roll_back()
            raise
        self.books.commit()

    def effects(self) -> dict[str, Any]:
        """Also counts events, acknowledgements and what the desk took; batches whose time has come are worked off."""
        self.registry.work_off(self.clock())
        found = super().effects()
        account, counts = self.office.account(), self.handlers.objections.account()
        return {**found, "counts": {**found["counts"], "events": account.pop("events"), **counts}, **account}

    def access(self, base_url: str) -> Access:
        """Address, credentials, and times short enough to watch."""
        credentials = self.credentials
        settings = environment(f"{base_url}{BASE}", credentials, self.security.profile)
        return Access(
            details={
                "url": f"{base_url}{BASE}",
                "openapi": f"{base_url}{BASE}/openapi.json",
                "app_key": credentials.app_key,
                "app_secret": credentials.app_secret,
                "field_key": base64.b64encode(credentials.field_key).decode(),
                "field_key_id": credentials.field_key_id,
            },
            environment={f"GATEWAY_PROVINCIAL_CREDIT__{name}": value for name, value in settings.items()},
        )

    def _open_call(self, path: str, request: Request, now: datetime) -> Response:
        self.operation = calls.OPEN[path]
        value: dict[str, Any] = {"/time": {"now": china(now)}, "/health": {"status": "UP"}}.get(path) or openapi()
        return self.security.answer(value, status=200, request=request, now=now, sign=None, more={}, plain=True)

    def _refused(self, refusal: Refusal, request: Request, path: str) -> Answer:
        problem = {**refusal.problem, "instance": path[:200]}
        headers = {} if refusal.wait is None else {"retry-after": str(refusal.wait)}
        if refusal.status == 405:
            headers["allow"] = str(refusal.problem["detail"]).partition(": ")[2]
        if self.security.profile.envelope:
            request_id = self.security.request_id(request, "0")
            refusal.problem = problem
            return 200, refusal.in_envelope(self.security.profile.envelope, request_id), headers
        return refusal.status, problem, headers

    def _enveloped(self, value: Any, request: Request) -> Any:
        if _is_refusal(value):
            return value
        if self.security.profile.envelope == "national":
            return {"code": 0, "message": "成功", "requestId": self.security.request_id(request, "0"), "data": value}
        return {"code": "00", "msg": "成功", "data": value}

    def _answer(self, asked: Asked) -> Answer:
        if asked.call.scope is not None and asked.call.scope not in self.security.scopes:
            raise Refusal("ACCESS_DENIED", f"the right {asked.call.scope} is not given")
        if asked.fault == "busy":
            raise Refusal("RATE_LIMITED", "busy on command", wait=1)
        self.meter.count(asked.call.operation, asked.body.count(b'"itemNo"'), asked.now)
        check_path(asked.call.operation, asked.key)
        check_parameters(asked.call.operation, asked.request)
        return self._once(asked) if asked.call.changing else self.handlers.carry_out(asked)

    def _once(self, asked: Asked) -> Answer:
        """Carry out a call that changes something, once for each idempotency key."""
        given = asked.request.headers.get("idempotency-key", "")
        if not re.fullmatch(r"[A-Za-z0-9-]{16,64}", given):
            raise Refusal("PARAM_MISSING", "Idempotency-Key of 16 to 64 letters, digits and hyphens is asked for")
        name = f"{asked.request.method} {asked.request.url.path} {given}"
        digest = hashlib.sha256(self._opened(asked)).hexdigest()
        kept = self.books.get("answers", name)
        if kept is not None and asked.now.timestamp() - kept["at"] < _KEPT.total_seconds():
            if kept["digest"] != digest:
                raise Refusal("IDEMPOTENCY_MISMATCH", "the key was used with another body")
            return kept["status"], json.loads(kept["value"]), {**kept["headers"], "idempotency-replayed": "true"}
        status, value, headers = self.handlers.carry_out(asked)
        answer = {"digest": digest, "status": status, "value": json.dumps(value), "headers": headers}
        self.books.put("answers", name, {**answer, "at": asked.now.timestamp()})
        if asked.fault == "duplicate":
            raise Refusal("IN_PROGRESS", "the same request is being worked on", wait=1)
        return status, value, headers

    def _opened(self, asked: Asked) -> bytes:
        """The body as it was before it was encrypted, which makes other bytes of it each time."""
        kind = asked.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        return self.security.opened(asked.body) if kind == GM_TYPE else asked.body

    async def _credit(self, request: Request) -> Response:
        """What ``command`` takes, as JSON, besides ``field_key`` and ``sm2_key``: {"tell": ["F07"]}."""
        try:
            wanted = await request.json()
            unknown = [name for name, known in self._keys.items() if name in wanted and wanted[name] not in known]
            if unknown:
                return JSONResponse({"error": f"no such {unknown[0]}"}, status_code=400)
            lists = {name: tuple(wanted.get(name, ())) for name in ("tell", "hide", "show")}
            self.command(**lists, answer=dict(wanted.get("answer", {})), close=dict(wanted.get("close", {})))
        except Refusal as refusal:
            return JSONResponse({"error": refusal.problem["detail"]}, status_code=409)
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        for name in self._keys.keys() & wanted.keys():
            self.books.put("settings", name, wanted[name])
        return JSONResponse({"cases": dict(self.books.items("cases"))})

    @property
    def _keys(self) -> dict[str, Iterable[str]]:
        """Keys the platform can change to, by the setting that names the one in use."""
        return {"field_key": self.credentials.field_keys, "sm2_key": self.credentials.platform}


def _is_refusal(value: Any) -> bool:
    """Whether a value is an answer envelope that refuses already."""
    return isinstance(value, dict) and value.get("code") in (-1, -2, -3, -4, -5, "96", "97", "98", "99")
