"""The national market platform, simulated: SOAP 1.1 and 1.2, strict, stateful, counting effects.

Written from the typed contract 1.0; of the connector it reads the WSDL, the schema documents and the code tables only.
Beside the paths every sandbox has: POST ``/PersonCertDataService`` and GET ``/PersonCertDataService?wsdl`` with the
schema documents under ``?xsd=…``. Natural keys in the effects: ``<IdDocType>/<IdDocNumber>`` for persons and
``<CertClass>/<IssuerCode>/<CertNumber>`` for certificates. Dialects: ``T`` (UsernameToken digest; ``Login`` and
``Logout`` answer 102), ``T-token`` (token login), and those of ``xmlstring``: ``X``, ``X-suzhou``, ``X-jiangsu``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, ClassVar

from lxml import etree
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from connectors.national_market.sandbox import logins, queries, security
from connectors.national_market.sandbox.dictionaries import Dictionaries
from connectors.national_market.sandbox.records import Registry
from connectors.national_market.sandbox.saving import TITLES, Saving
from connectors.national_market.sandbox.wire import (
    WS,
    Call,
    NotSoap,
    SoapFault,
    answer,
    fault,
    must_understand,
    parser,
    read,
    ws,
)
from connectors.national_market.sandbox.xmlstring import STYLES, XmlStringSandbox
from gateway.domain.errors import ConfigurationError
from gateway.testing.sandbox import Access, Sandbox

PATH = "/PersonCertDataService"
_SENDER = "370000"
_PASSWORD = "sandbox-Tq7m2LxW9c"  # noqa: S105  # of a simulated platform on the loopback address
_DOCUMENTS = files("connectors.national_market")
_TOKEN_DIALECT = "T-token"  # noqa: S105  # a name of a dialect
_FREE = frozenset({"GetServiceTime", "Login"})
"""operations that need no token"""
_REFUSALS = ("004", "005", "006", "007", "403", "501", "901")
"""codes whose cause a simulated platform does not have; each can be asked for as a fault"""
_SAVES = frozenset(
    {
        "UpsertPerson",
        "UpsertPersonBatch",
        "UpsertCertificate",
        "UpsertCertificateBatch",
        "ChangeCertificateStatus",
        "WithdrawRecord",
    }
)


class NationalMarketSandbox(Sandbox):
    """One simulated platform. ``async_share`` of the batch calls are answered 010 and done ``async_seconds`` later."""

    platform = "national_market"
    own_faults: ClassVar[Mapping[str, str]] = {
        "busy": "result code 103 with RetryAfterSeconds, nothing done",
        "duplicate": "carried out and stored, then answered as a repeated request (013)",
        "late": "502 at once; carried out within ``late_seconds``, as from a queue, unless it came again meanwhile",
        "off_schema": "carried out and stored, then an answer with elements in the wrong namespace",
        "server_fault": "a Server fault with RetryAfterSeconds, nothing done",
        **{f"code_{code}": f"result code {code} for the whole call, nothing done" for code in _REFUSALS},
    }

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
        self.async_share = 0.25
        self.async_seconds = 0.2
        self.late_seconds = 2.0
        self.token_seconds = 7200
        self.dictionaries = Dictionaries()

    @property
    def has_login(self) -> bool:
        """Whether this deployment authenticates by token."""
        return self.dialect == _TOKEN_DIALECT

    def access(self, base_url: str) -> Access:
        """Address and account of a running instance, and settings fit for a loopback platform."""
        url = f"{base_url}{PATH}"
        settings = {
            "ENDPOINT": url,
            "SENDER_CODE": _SENDER,
            "USERNAME": _SENDER,
            "PASSWORD": _PASSWORD,
            "PROFILE": "T" if self.has_login else "U",
            "MIN_INTERVAL_SECONDS": "0",
            "BATCH_MAX": "20",
            "CONNECTIONS": "4",
            "CONNECT_TIMEOUT_SECONDS": "2",
            "DEADLINE_SECONDS": "10",
            "RETRY_SECONDS": json.dumps([0.2, 0.5, 1, 2]),
            "RETRY_THEN_SECONDS": "2",
            "RETRY_GIVE_UP_SECONDS": "120",
            "SETTLING_SECONDS": json.dumps([0.3] * 8),
            "POLL_SECONDS": json.dumps([0.3] * 6),
            "POLL_THEN_SECONDS": "0.5",
            "POLL_GIVE_UP_SECONDS": "60",
        }
        return Access(
            details={
                "url": url,
                "wsdl": f"{url}?wsdl",
                "sender_code": _SENDER,
                "username": _SENDER,
                "password": _PASSWORD,
            },
            environment={f"GATEWAY_NATIONAL_MARKET__{name}": value for name, value in settings.items()},
        )

    def is_exempt(self, request: Request) -> bool:
        """Documents are served without faults."""
        return request.method == "GET"

    def effects(self) -> dict[str, Any]:
        """Effects so far, waiting batches whose moment has come included."""
        self._saving.settle(self.clock())
        return super().effects()

    def handle(self, request: Request, body: bytes, fault_name: str | None) -> Response:
        """Serve a document or answer one SOAP call."""
        if request.url.path != PATH:
            return PlainTextResponse("not found", status_code=404)
        if request.method == "GET":
            return self._document(request)
        if request.method != "POST":
            return PlainTextResponse("method not allowed", status_code=405)
        now = self.clock()
        self._saving.settle(now)
        try:
            call = read(request, body, self._schema)
            self.operation = call.operation
            refusal = self._authenticate(call, now)
            content = refusal if refusal is not None else self._dispatch(call, now, fault_name)
            if fault_name == "off_schema" and len(content):
                for child in content[0]:
                    child.tag = f"{{{WS}}}{etree.QName(child).localname}"
            return answer(call, content)
        except NotSoap as page:
            return PlainTextResponse(str(page), status_code=page.status)
        except SoapFault as error:
            return fault(error)

    @property
    def _saving(self) -> Saving:
        return Saving(
            books=self.books,
            sender=_SENDER,
            seed=self.seed,
            async_share=self.async_share,
            async_time=timedelta(seconds=self.async_seconds),
            dictionaries=self.dictionaries,
        )

    @cached_property
    def _schema(self) -> etree.XMLSchema:
        with as_file(_DOCUMENTS) as folder:
            return etree.XMLSchema(etree.parse(str(folder / "service.xsd"), parser()))

    def _authenticate(self, call: Call, now: datetime) -> etree._Element | None:
        """None for a good call; a refusal by result code where the deployment has a login, else a fault."""
        if not self.has_login:
            if call.security is not None or call.operation != "GetServiceTime":
                security.check(call.security, self.books, now, (_SENDER, _PASSWORD), soap12=call.soap12)
            return None
        if call.security is not None and must_understand(call.security):
            raise SoapFault("MustUnderstand", "this deployment knows no UsernameToken", soap12=call.soap12)
        if call.operation in _FREE or logins.is_good(call.token, self.books, now):
            return None
        return self._refusal(call, "101", now)

    def _refusal(self, call: Call, code: str, now: datetime) -> etree._Element:
        """An answer with one code for the whole call."""
        if call.operation in _SAVES or call.operation == "QueryReceipt":
            return self._saving.refused(call.operation, call.content, code, now)
        return queries.answer(call.operation, code, TITLES[code])

    def _log(self, call: Call, now: datetime) -> etree._Element:
        """Answer ``Login`` or ``Logout``."""
        if not self.has_login:
            return queries.answer(call.operation, "102", "本平台以UsernameToken验证每次调用，不提供登录和退出")
        if call.operation == "Logout":
            logins.logout(call.token, self.books)
            return queries.answer("Logout", "000", "已退出，令牌失效")
        life = timedelta(seconds=self.token_seconds)
        code, found = logins.login(call.content, self.books, now, (_SENDER, _PASSWORD), life)
        return queries.answer("Login", code, "登录成功" if code == "000" else TITLES[code], *found)

    def _dispatch(self, call: Call, now: datetime, fault_name: str | None) -> etree._Element:
        name, content = call.operation, call.content
        if fault_name == "server_fault":
            raise SoapFault("Server", "the service is out of order", soap12=call.soap12, retry_after=1)
        if fault_name == "late" and name in _SAVES:
            self._saving.postpone(content, now, timedelta(seconds=self.late_seconds))
            raise NotSoap(502, "Bad Gateway")
        if name in ("Login", "Logout"):
            return self._log(call, now)
        if fault_name is not None and fault_name.startswith("code_") and name != "GetServiceTime":
            return self._refusal(call, fault_name.removeprefix("code_"), now)
        if name in _SAVES:
            return self._saving.save(name, content, now, fault_name)
        if name == "QueryReceipt":
            return self._saving.receipt(content, now, fault_name)
        if name == "GetServiceTime":
            time: etree._Element = ws.GetServiceTimeResponse(ws.ServerTime(now.isoformat(timespec="milliseconds")))
            time.append(ws.SchemaVersion("1.0"))
            return time
        if fault_name == "busy":
            return queries.answer(name, "103", TITLES["103"])
        if name == "GetCodeTable":
            return queries.code_table(content, self.dictionaries, now)
        return queries.stored(name, content, Registry(self.books, lambda *_: True), _SENDER)

    def _document(self, request: Request) -> Response:
        query = {key.lower(): value for key, value in request.query_params.items()}
        url = str(request.url.replace(query=""))
        if "wsdl" in query:
            text = _read("service.wsdl").replace("http://127.0.0.1/PersonCertDataService", url)
            return Response(text.replace('"service.xsd"', f'"{url}?xsd=service.xsd"'), media_type="text/xml")
        if query.get("xsd") in ("service.xsd", "types.xsd"):
            text = _read(query["xsd"]).replace('"types.xsd"', f'"{url}?xsd=types.xsd"')
            return Response(text, media_type="text/xml")
        return PlainTextResponse("PersonCertDataService: add ?wsdl for its description")


def build(
    *,
    dialect: str | None = None,
    seed: int = 0,
    faults: str = "none",
    state: Path | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Sandbox:
    """Return a simulated platform of a dialect, ``T`` where none is named; ConfigurationError for an unknown one."""
    if dialect in STYLES:
        return XmlStringSandbox(dialect=dialect, seed=seed, faults=faults, state=state, clock=clock)
    if dialect not in (None, "T", _TOKEN_DIALECT):
        known = ", ".join(("T", _TOKEN_DIALECT, *STYLES))
        raise ConfigurationError(f"national_market has no dialect {dialect!r}; known: {known}")
    return NationalMarketSandbox(dialect=dialect, seed=seed, faults=faults, state=state, clock=clock)


def _read(name: str) -> str:
    return _DOCUMENTS.joinpath(name).read_text(encoding="utf-8")
