"""What each operation of the simulated platform does, once the request has passed authentication."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request

from connectors.provincial_credit.sandbox.calls import Call
from connectors.provincial_credit.sandbox.cursors import pack, unpack
from connectors.provincial_credit.sandbox.daily import Daily
from connectors.provincial_credit.sandbox.desk import Desk
from connectors.provincial_credit.sandbox.dictionaries import Dictionaries
from connectors.provincial_credit.sandbox.http import BASE, GM_TYPE, WireSecurity
from connectors.provincial_credit.sandbox.objections import Objections
from connectors.provincial_credit.sandbox.office import CreditOffice
from connectors.provincial_credit.sandbox.reading import check_type, read_form, read_json
from connectors.provincial_credit.sandbox.refusal import Refusal
from connectors.provincial_credit.sandbox.registry import Registry
from connectors.provincial_credit.sandbox.verification import Acknowledgements

Answer = tuple[int, Any, dict[str, str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A request that found its way to an operation. ``key`` holds the parts of the path that vary."""

    request: Request
    body: bytes
    call: Call
    key: tuple[str, ...]
    now: datetime
    fault: str | None

    @property
    def query(self) -> dict[str, list[str]]:
        """The query's parameters."""
        return parse_qs(self.request.url.query, keep_blank_values=True)

    def asked_for(self, name: str, default: str | None = None) -> str | None:
        """One parameter of the query."""
        return self.query.get(name, [default])[0]


class Handlers:
    """Carries out calls."""

    def __init__(self, security: WireSecurity, registry: Registry, office: CreditOffice) -> None:
        self.security = security
        self.registry = registry
        self.office = office
        self.acknowledgements = Acknowledgements(security.books)
        self.desk = Desk(security.books, office)
        self.objections = Objections(security.books, office)
        self.dictionaries = Dictionaries()
        self.daily = Daily(security.books, security, office)

    def carry_out(self, asked: Asked) -> Answer:
        """Status, value and headers, or Refusal."""
        value = self._read(asked)
        for side in (self._certificates, self._credit, self._written, self._kept):
            answer = side(asked, value, (*asked.key, "")[0])
            if answer is not None:
                return answer
        raise KeyError(asked.call.operation)

    def _read(self, asked: Asked) -> dict[str, Any]:
        """The body as the schema wants it, taken out of its envelope where that was agreed."""
        if asked.call.schema is None:
            return {}
        if self.security.profile.encrypted:
            check_type(asked.request, GM_TYPE)
            return read_json(self.security.opened(asked.body), asked.call.schema)
        check_type(asked.request, "application/json")
        return read_json(asked.body, asked.call.schema)

    def _certificates(self, asked: Asked, value: dict[str, Any], key: str) -> Answer | None:
        match asked.call.operation:
            case "createCertificateBatch":
                answer = self.registry.take_batch(value, asked.now)
                return 202, answer, {"location": f"{BASE}/skill-certificate-batches/{answer['requestSerialCode']}"}
            case "getCertificateBatch":
                result = self.registry.batch_result(key)
                return 200, result, {"retry-after": "1"} if result["status"] == "0" else {}
            case "putCertificate":
                return *self.registry.put(key, value, asked.now, asked.request.headers.get("if-match")), {}
            case "getCertificate":
                return 200, self.registry.view(key, asked.asked_for("version")), {}
            case "createStatusChange":
                return 201, self.registry.change_status(key, value, asked.now), {}
            case "queryCertificates":
                return 200, self.registry.page(value, self.security.credentials.app_key), {}
        return None

    def _credit(self, asked: Asked, value: dict[str, Any], key: str) -> Answer | None:
        match asked.call.operation:
            case "getCreditChanges":
                if not self.security.profile.feed:
                    raise Refusal("NOT_FOUND", "this platform has no feed")
                page, empty = self.office.changes(asked.query, asked.now, asked.fault)
                return 200, page, {"retry-after": "1"} if empty else {}
            case "getCreditPages":
                return 200, self.office.pages(value, asked.now), {}
            case "queryCreditRecords":
                return 200, self.office.queries(value, self.security.credentials.app_key), {}
            case "getCreditRecord":
                return 200, self.office.record(key, asked.asked_for("version")), {}
            case "getCreditVersions":
                return 200, self.office.versions(key), {}
            case "createAcks":
                if asked.fault == "acks_lost":
                    return 200, {"accepted": len(value["acks"]), "rejected": []}, {}
                return 200, self.acknowledgements.acknowledge(value, asked.now), {}
            case "getPendingAcks":
                limit = int(asked.asked_for("limit", "500") or "500")
                waiting, more = self.acknowledgements.pending(unpack(asked.asked_for("cursor")), limit)
                return 200, {"pending": waiting} | ({"nextCursor": pack(waiting[-1]["eventId"])} if more else {}), {}
        return None

    def _written(self, asked: Asked, value: dict[str, Any], key: str) -> Answer | None:
        match asked.call.operation:
            case "createCreditRecord":
                made = self.desk.decide(value, asked.now)
                return 201, made, {"location": f"{BASE}/credit-records/{made['platformRecordId']}"}
            case "createCreditVersion":
                return 201, self.desk.decide_again(key, value, asked.now), {}
            case "createObjection":
                made = self.objections.take(value, asked.now)
                return 201, made, {"location": f"{BASE}/objections/{made['objectionNo']}"}
            case "getObjection":
                return 200, self.objections.state(key, asked.now), {}
            case "createConflictTicket":
                made = self.objections.open_ticket(value)
                return 201, made, {"location": f"{BASE}/conflict-tickets/{made['ticketNo']}"}
            case "getConflictTicket":
                return 200, self.objections.ticket(key), {}
            case "createAttachment":
                parts = read_form(asked.request, asked.body)
                digest = f"{self.security.prefix}:{self.security.digest(parts['file'][0])}"
                return 201, self.desk.take_scan(parts, digest), {}
        return None

    def _kept(self, asked: Asked, value: dict[str, Any], key: str) -> Answer | None:
        match asked.call.operation:
            case "createRequestSecret":
                return 200, self._login(asked, value), {}
            case "getDictionaries":
                return 200, self.dictionaries.listing(), {}
            case "getDictionary":
                return self._dictionary(asked, key)
            case "getReconciliation":
                return 200, self.daily.manifest(date.fromisoformat(key), asked.now), {}
            case "getReconciliationFile":
                return self._file(asked, date.fromisoformat(key), asked.key[1])
            case "createReconciliationResult":
                return 201, self.daily.result(date.fromisoformat(key), value, asked.now), {}
            case "getSnapshot":
                return 200, self.daily.snapshot(asked.now), {}
        return None

    def _login(self, asked: Asked, value: dict[str, Any]) -> dict[str, Any]:
        with_app_secret = asked.request.headers.get("x-key-id") is None
        if self.security.profile.algorithm == "SM2-SM3":
            raise Refusal("ACCESS_DENIED", "with SM2 keys there is no login")
        if value["appKey"] != self.security.credentials.app_key or (value["grant"] == "APP_SECRET") != with_app_secret:
            raise Refusal("ACCESS_DENIED", "grant, app key and signing secret do not belong together")
        return self.security.issue(asked.now)

    def _dictionary(self, asked: Asked, name: str) -> Answer:
        found = self.dictionaries.whole(name, asked.asked_for("version"))
        tag = f'"{found["digest"]}"'
        if asked.request.headers.get("if-none-match") == tag:
            return 304, None, {"etag": tag}
        return 200, found, {"etag": tag}

    def _file(self, asked: Asked, day: date, name: str) -> Answer:
        """The file, or the part of it that is asked for."""
        content = self.daily.file(day, name)
        if asked.fault == "book_altered":
            content = content[:-1] + bytes([content[-1] ^ 1])
        wanted = asked.request.headers.get("range")
        if wanted is None:
            return 200, content, {}
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, stop = int(first[:12]), min(int(last[:12] or len(content)), len(content) - 1)
        if start > stop:
            raise Refusal("PARAM_INVALID", "the range lies outside the file", status=416)
        return 206, content[start : stop + 1], {"content-range": f"bytes {start}-{stop}/{len(content)}"}
