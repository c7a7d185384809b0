"""Services that take a table name and an XML string, simulated: one row or several, strict about every part of it.

Written from what public code of city and provincial services shows (1.2.2 to 1.2.10 of the facts in the README's table
"How sure"); of the connector it reads the WSDL and the code tables only. POST ``/DataExchange.asmx``, description under
``?wsdl``. Natural keys in the effects: ``<IDCardTypeNum>/<IDCard>`` and ``<CertClass>/<IssuerCode>/<CertNum>``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

from lxml import etree
from lxml.builder import ElementMaker  # type: ignore[import-not-found]  # the stubs leave it out
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from connectors.national_market.sandbox.tables import NAMES, STYLES, Style, Tables, Unfit, rows_in, written
from connectors.national_market.sandbox.wire import Call, NotSoap, SoapFault, answer, fault, get, parser, read
from gateway.testing.sandbox import Access, Sandbox

__all__ = ["STYLES", "XmlStringSandbox"]

PATH = "/DataExchange.asmx"
SPACE = "http://tempuri.org/"
_REGION = "370000"
_PASSWORD = "sandbox-Vd4k8RzN1m"  # noqa: S105  # of a simulated platform on the loopback address
_CHINA = timezone(timedelta(hours=8))
_RESULTS = {
    "001": "用户名或密码错误",
    "002": "数据表名不正确",
    "003": "保存失败",
    "005": "未找到对应记录",
    "006": "内部错误",
    "007": "接口关闭",
}
_tns = ElementMaker(namespace=SPACE, nsmap={None: SPACE})


class XmlStringSandbox(Sandbox):
    """One simulated service. ``accounts`` maps a reporting region to its password; ``style`` says how it writes."""

    platform = "national_market"
    own_faults: ClassVar[Mapping[str, str]] = {
        "busy": "result 007, interface closed, nothing done",
        "internal_error": "result 006, nothing done",
        "silent": "carried out and stored, then an empty result string",
        "words": "an error text without a code, nothing done",
        "server_fault": "a Server fault, nothing done",
    }

    def __init__(
        self,
        *,
        dialect: str | None = "X",
        seed: int = 0,
        faults: str = "none",
        state: Path | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(dialect=dialect, seed=seed, faults=faults, state=state, clock=clock)
        self.style: Style = STYLES[dialect or "X"]
        self.accounts = {_REGION: _PASSWORD}

    def access(self, base_url: str) -> Access:
        """Address and account of a running instance, and settings fit for a loopback platform."""
        url = f"{base_url}{PATH}"
        settings = {
            "ENDPOINT": url,
            "SENDER_CODE": _REGION,
            "PASSWORD": _PASSWORD,
            "DIALECT": "X",
            "DIALECT_FILE": self.style.file,
            "MIN_INTERVAL_SECONDS": "0",
            "CONNECTIONS": "4",
            "DEADLINE_SECONDS": "10",
            "RETRY_SECONDS": json.dumps([0.2, 0.5, 1, 2]),
            "RETRY_THEN_SECONDS": "2",
            "RETRY_GIVE_UP_SECONDS": "120",
            "SETTLING_SECONDS": json.dumps([0.3] * 8),
        }
        return Access(
            details={"url": url, "wsdl": f"{url}?wsdl", "user": _REGION, "password": _PASSWORD},
            environment={f"GATEWAY_NATIONAL_MARKET__{name}": value for name, value in settings.items()},
        )

    def is_exempt(self, request: Request) -> bool:
        """The description is served without faults."""
        return request.method == "GET"

    def handle(self, request: Request, body: bytes, fault_name: str | None) -> Response:
        """Serve the description or answer one call."""
        if request.url.path != PATH:
            return PlainTextResponse("not found", status_code=404)
        if request.method == "GET":
            return self._description(request)
        try:
            call = read(request, body, self._schema, SPACE)
            self.operation = call.operation
            text = self._answer(call, fault_name)
        except NotSoap as page:
            return PlainTextResponse(str(page), status_code=page.status)
        except SoapFault as error:
            return fault(error)
        response = getattr(_tns, f"{call.operation}Response")(getattr(_tns, f"{call.operation}Result")(text))
        return answer(call, response)

    @cached_property
    def _wsdl(self) -> bytes:
        return files("connectors.national_market.dialects").joinpath("xmlstring.wsdl").read_bytes()

    @cached_property
    def _schema(self) -> etree.XMLSchema:
        held = etree.fromstring(self._wsdl, parser()).find(".//{http://www.w3.org/2001/XMLSchema}schema")
        assert held is not None
        return etree.XMLSchema(etree.fromstring(etree.tostring(held)))

    def _description(self, request: Request) -> Response:
        if "wsdl" not in {key.lower() for key in request.query_params}:
            return PlainTextResponse("DataExchange: add ?wsdl for its description")
        url = str(request.url.replace(query=""))
        text = self._wsdl.decode().replace("http://127.0.0.1/DataExchange.asmx", url)
        return Response(text, media_type="text/xml")

    def _answer(self, call: Call, fault_name: str | None) -> str:
        if fault_name == "server_fault":
            raise SoapFault("Server", "the service is out of order", soap12=call.soap12)
        if call.operation not in self.style.operations:
            text = "Server did not recognize the value of HTTP Header SOAPAction"
            raise SoapFault("Client", text, soap12=call.soap12)
        if call.operation == "ReadTBDataFromZx":
            return self._read(call.content)
        if fault_name in ("busy", "internal_error", "words"):
            return {"busy": _told("007"), "internal_error": _told("006")}.get(fault_name, "数据库连接失败")
        try:
            self._save(call.content)
        except Unfit as unfit:
            return _told(unfit.code, unfit.details)
        return "" if fault_name == "silent" else self.style.success

    def _save(self, call: etree._Element) -> None:
        user = get(call, "user")
        if not user or self.accounts.get(user) != get(call, "password"):
            raise Unfit("001")
        table = get(call, "tableName")
        if table not in NAMES:
            raise Unfit("002", table)
        data = call.findtext("{*}xmlData") or ""
        flag = get(call, "updateFlag")
        day = self.clock().astimezone(_CHINA).date().isoformat()
        tables = Tables(self.books)
        # several rows are stored one after another until the first bad one, as such services do
        for row in rows_in(data, self.style):
            tables.save(table, row, user, flag if "updateFlag" in self.style.parameters else None, day)

    def _read(self, call: etree._Element) -> str:
        """Rows that came in between two days; empty for a refused login, an unknown table and for no rows alike."""
        user, table = get(call, "user"), get(call, "tableName")
        if not user or self.accounts.get(user) != get(call, "password") or table not in NAMES:
            return ""
        begin, end = get(call, "beginDate"), get(call, "endDate")
        found = Tables(self.books).between(table, user, begin, end)
        return written(found, self.style) if found else ""


def _told(code: str, details: str = "") -> str:
    """Three digits, a space, the name, then a comma and details."""
    return f"{code} {_RESULTS[code]}" + (f", {details}" if details else "")
