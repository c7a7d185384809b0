"""A simulated national construction-worker platform: one URL, strict signature, real encryption, late results.

Written from the platform's side (README of this connector), not from the connector. The certificate upload
(``WorkerCredential.Add`` and ``.Update``) is an assumption; with ``dialect="national"`` it is not admitted.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors.worker_platform.sandbox_registry import CORP, PROJECT, TEAM, Outcome, Registry, later
from connectors.worker_platform.sandbox_rules import CALLS, faults_of
from gateway.testing.sandbox import Access, Sandbox

APPID = PROJECT["projectCode"]
SECRET = "SandboxSecret-0123456789-ABCDEFG"  # noqa: S105 - opens nothing but this simulation
CORPKEY = "SandboxCorpKey-0000000000000000x"
_COMMON = ("appid", "data", "format", "method", "nonce", "timestamp", "version")
_SEALED = frozenset(
    {"idCardNumber", "payRollBankCardNumber", "pmIDCardNumber", "responsiblePersonIDNumber", "teamLeaderIDNumber"}
)
_OPTIONAL = frozenset({"WorkerCredential.Add", "WorkerCredential.Update"})
_REFUSES_REPEATS = frozenset(
    {"WorkerCredential.Add", "ProjectWorker.Add", "Team.Add", "ProjectSubContractor.Add", "ProjectTraining.Add"}
)
_SERIAL_OBJECTS = {
    "ProjectSubContractor": "subcontractor",
    "WorkerAttendance": "workderattendance",  # spelled like this by the platform
}
_CHINA = ZoneInfo("Asia/Shanghai")
_OK, _PARAMETERS, _SIGNATURE, _PERMISSION, _ADDRESS, _TOO_MANY = 0, -1, -2, -3, -4, -5
_MESSAGES = {_OK: "成功", _SIGNATURE: "签名校验错误", _PERMISSION: "无API访问权限", _ADDRESS: "IP校验错误"}


class WorkerPlatformSandbox(Sandbox):
    """May be set: ``tolerance``, ``nonce_window``, ``delay_seconds``, ``admitted``, ``registry.update_creates``."""

    platform = "worker_platform"
    own_faults = {  # noqa: RUF012 - a constant of the class
        "busy": "code -5, nothing done",
        "duplicate": "carried out, then answered as if it had been there already",
        "forget_result": "a poll finds that the result is no longer kept",
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if self.dialect not in (None, "sandbox", "national"):
            raise ValueError("this sandbox speaks the dialects sandbox and national")
        self.tolerance = timedelta(minutes=10)
        self.nonce_window = timedelta(minutes=10)
        self.delay_seconds = (0.2, 0.8)
        self.admitted: frozenset[str] | None = None
        self.registry = Registry(self.books, self.clock)

    def access(self, base_url: str) -> Access:
        details = {
            "url": f"{base_url}/open.api",
            "appid": APPID,
            "appsecret": SECRET,
            "corpkey": CORPKEY,
            "project_code": PROJECT["projectCode"],
            "corp_code": CORP["corpCode"],
            "corp_name": CORP["corpName"],
            "team_sys_no": TEAM["teamSysNo"],
            "team_name": TEAM["teamName"],
        }
        given = {
            "ENDPOINT": base_url,
            "APPID": APPID,
            "APPSECRET": SECRET,
            "CORPKEY": CORPKEY,
            "DIALECT": self.dialect or "sandbox",
            "MIN_INTERVAL_SECONDS": "0",
            "CONNECTIONS": "4",
            "DEADLINE_SECONDS": "3",
            "RETRY_SECONDS": "[0.5, 0.5, 1, 1, 2]",
            "RETRY_THEN_SECONDS": "2",
            "SETTLING_SECONDS": "[0.5, 0.5]",
            "POLL_SECONDS": "[0.3]",
            "POLL_THEN_SECONDS": "0.3",
            "POLL_THEN_FOR_SECONDS": "60",
            "POLL_LATE_SECONDS": "2",
            "POLL_GIVE_UP_SECONDS": "600",
        }
        return Access(details=details, environment={f"GATEWAY_WORKER_PLATFORM__{k}": v for k, v in given.items()})

    def handle(self, request: Request, body: bytes, fault: str | None) -> Response:
        if request.url.path != "/open.api" or request.method != "POST":
            return Response("not found", status_code=404, media_type="text/plain")
        form = _form(request, body)
        self.operation = form.get("method", "")
        host = request.client.host if request.client else ""
        refusal = self._refuse(form, host)
        if refusal is not None:
            return refusal
        if fault == "busy":
            return _answer(_TOO_MANY, message="访问超过限制")
        method = form["method"]
        if method not in CALLS or (self.dialect == "national" and method in _OPTIONAL):
            return _answer(_PERMISSION)
        try:
            data = json.loads(form["data"])
        except ValueError:
            data = None
        if not isinstance(data, dict):
            return _answer(_PARAMETERS, message="[data]格式无效")
        if method.endswith(".Query"):
            return self._query(method, data, fault)
        return self._write(method, data, fault)

    def _refuse(self, form: Mapping[str, str], host: str) -> Response | None:
        """The checks of a call in their order: fields, account, signature, address, clock, nonce, version."""
        missing = next((name for name in (*_COMMON, "sign") if not form.get(name)), None)
        if missing:
            return _answer(_PARAMETERS, message=f"[{missing}]不能为空")
        if form["appid"] != APPID:
            return _answer(_PARAMETERS, message="appid无效")
        if not self._is_signed(form):
            return _answer(_SIGNATURE)
        if self.admitted is not None and host not in self.admitted:
            return _answer(_ADDRESS)
        now = self.clock()
        sent = _moment(form["timestamp"])
        if sent is None or abs(now - sent) > self.tolerance:
            return _answer(_PARAMETERS, message="[timestamp]值超出范围或无效")
        used = self.books.get("nonces", form["nonce"])
        if used is not None and now - datetime.fromisoformat(used) < self.nonce_window:
            return _answer(_PARAMETERS, message="[nonce]重复")
        self.books.put("nonces", form["nonce"], now.isoformat())
        versions = ("1.0", "1.1") if form["method"] == "CheckSign.Query" else ("1.0",)
        if form["format"] != "json" or form["version"] not in versions:
            return _answer(_PARAMETERS, message="[version]值超出范围或无效")
        return None

    def _is_signed(self, form: Mapping[str, str]) -> bool:
        names = sorted({*_COMMON, *({"corpsign"} & set(form))})
        text = "&".join(f"{name}={form[name]}" for name in names) + f"&appsecret={SECRET}"
        right = hashlib.sha256(text.lower().encode("utf-8")).hexdigest()
        if not hmac.compare_digest(right.encode(), form["sign"].encode()):
            return False
        return "corpsign" not in form or _unseal(form["corpsign"]) == CORPKEY + form["timestamp"]

    def _query(self, method: str, data: Mapping[str, Any], fault: str | None) -> Response:
        faults = faults_of(CALLS[method], data, _unseal)
        if faults:
            return _answer(_PARAMETERS, message=";".join(faults))
        if method == "CheckSign.Query":
            return _answer(_OK, data={})
        if method == "AsyncHandleResult.Query":
            return self._result(data["requestSerialCode"], fault)
        rows = self.registry.rows(method, _each(data, _unseal))
        index, size = int(data["pageIndex"]), int(data["pageSize"])
        page = [_each(row, _seal) for row in rows[index * size : (index + 1) * size]]
        return _answer(_OK, data={"pageIndex": index, "pageSize": size, "totalCount": len(rows), "rows": page})

    def _result(self, serial: str, fault: str | None) -> Response:
        if fault == "forget_result":
            self.books.remove("jobs", serial)
        job = self.books.get("jobs", serial)
        if job is None:
            return _answer(_PARAMETERS, message="[requestSerialCode]值超出范围或无效")
        status, result = (job["status"], job["result"])
        if datetime.fromisoformat(job["due"]) > self.clock():
            status, result = 0, None
        shown = str(status) if job["no"] % 2 else status
        return _answer(_OK, data={"requestSerialCode": serial, "status": shown, "result": result})

    def _write(self, method: str, data: Mapping[str, Any], fault: str | None) -> Response:
        number = self.books.bump("writes")
        lot = random.Random(f"{self.seed}/{number}")  # noqa: S311 - reproducible delays, no secret
        due = later(self.clock(), lot.uniform(*self.delay_seconds))
        faults = faults_of(CALLS[method], data, _unseal)
        outcome = (
            Outcome(refusal=";".join(faults)) if faults else self.registry.write(method, _each(data, _unseal), due)
        )
        if outcome.duplicate:
            self.books.bump("duplicates")
        elif fault == "duplicate" and not outcome.refusal and method in _REFUSES_REPEATS:
            again = self.registry.write(method, _each(data, _unseal), due)
            return _answer(_PARAMETERS, message=again.refusal)
        if outcome.refusal and (outcome.at_once or lot.random() < 0.5):
            return _answer(_PARAMETERS, message=outcome.refusal)
        serial = self._serial(method)
        status, result = (10, outcome.refusal) if outcome.refusal else (20, outcome.result)
        self.books.put("jobs", serial, {"no": number, "due": due.isoformat(), "status": status, "result": result})
        return _answer(_OK, data={"requestSerialCode": serial})

    def _serial(self, method: str) -> str:
        name, _, action = method.partition(".")
        start = f"{_SERIAL_OBJECTS.get(name, name.lower())}-{action.lower()}-{self.clock().astimezone(_CHINA):%Y%m%d%H}"
        number = self.books.bump(f"serials/{start}")
        return f"{start}-{1 + number // 10_000}-{number % 10_000:04d}"


build = WorkerPlatformSandbox


def _form(request: Request, body: bytes) -> dict[str, str]:
    if not request.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
        return {}
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict"))
    except ValueError:
        return {}


def _moment(text: str) -> datetime | None:
    if len(text) != 14 or not text.isdigit():
        return None
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=_CHINA)
    except ValueError:
        return None


def _answer(code: int, *, message: str | None = None, data: object = None) -> Response:
    return JSONResponse({"code": code, "message": message or _MESSAGES[code], "data": data})


def _each(value: Any, change: Callable[[str], str | None]) -> Any:
    """The same data with every encrypted field changed, at any depth."""
    if isinstance(value, Mapping):
        return {k: change(str(v)) if k in _SEALED and v else _each(v, change) for k, v in value.items()}
    return [_each(item, change) for item in value] if isinstance(value, list) else value


def _aes() -> Cipher[modes.CBC]:
    return Cipher(algorithms.AES256(SECRET.encode()), modes.CBC(SECRET.encode()[:16]))


def _seal(text: str) -> str:
    padder = PKCS7(128).padder()
    encryptor = _aes().encryptor()
    sealed = encryptor.update(padder.update(text.encode()) + padder.finalize()) + encryptor.finalize()
    return base64.standard_b64encode(sealed).decode()


def _unseal(text: str) -> str | None:
    try:
        decryptor = _aes().decryptor()
        padded = decryptor.update(base64.b64decode(text, validate=True)) + decryptor.finalize()
        unpadder = PKCS7(128).unpadder()
        return (unpadder.update(padded) + unpadder.finalize()).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
