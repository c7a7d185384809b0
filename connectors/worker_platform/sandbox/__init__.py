"""A simulated national construction-worker platform: one URL, strict signature, real encryption, late results.

Written from the platform's side (README of this connector), not from the connector. The certificate upload
(``WorkerCredential.Add`` and ``.Update``) is an assumption; only ``dialect="sandbox"`` admits it.
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

from connectors.worker_platform.sandbox.registry import CORP, PROJECT, TEAM, Outcome, Registry, later
from connectors.worker_platform.sandbox.rules import CALLS, faults_of
from connectors.worker_platform.sandbox.wire import WIRE_DIALECTS
from gateway.testing.sandbox import Access, Sandbox

APPID = PROJECT["projectCode"]
SECRET = "SandboxSecret-0123456789-ABCDEFG"  # noqa: S105 - opens nothing but this simulation
CORPKEY = "SandboxCorpKey-0000000000000000x"
_SEALED = frozenset(
    {
        *("idCardNumber", "payRollBankCardNumber", "payBankCardNumber", "bankNumber", "pmIDCardNumber"),
        *("responsiblePersonIDNumber", "teamLeaderIDNumber"),
    }
)
_OPTIONAL = frozenset({"WorkerCredential.Add", "WorkerCredential.Update"})
_REFUSES_REPEATS = frozenset(
    {"WorkerCredential.Add", "ProjectWorker.Add", "Team.Add", "ProjectSubContractor.Add", "ProjectTraining.Add"}
)
_BY_LIST = ("ProjectWorker.Add", "ProjectWorker.Update")
"""one worker may come flat or in a list of one, whichever call it is"""
_SERIAL_OBJECTS = {
    "ProjectSubContractor": "subcontractor",
    "WorkerAttendance": "workderattendance",  # spelled like this by the platform
}
_CHINA = ZoneInfo("Asia/Shanghai")
_OK, _PARAMETERS, _SIGNATURE, _PERMISSION, _ADDRESS, _TOO_MANY = 0, -1, -2, -3, -4, -5
_WAITING, _FAILED, _DONE = range(3)
_LARGEST_PAGE = 50
_WHOLE_STAMP = 14
_MESSAGES = {_OK: "成功", _SIGNATURE: "签名校验错误", _PERMISSION: "无API访问权限", _ADDRESS: "IP校验错误"}


class WorkerPlatformSandbox(Sandbox):
    """May be set: ``tolerance``, ``nonce_window``, ``delay_seconds``, ``admitted``, ``registry.update_creates``."""

    platform = "worker_platform"
    own_faults = {  # noqa: RUF012 - a constant of the class
        "busy": "code -5, nothing done",
        "duplicate": "carried out, then answered as if it had been there already",
        "forget_result": "a poll finds that the result is no longer kept",
        "grow": "somebody else registers a worker and a training just before a page of a query is shown",
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if (self.dialect or "sandbox") not in WIRE_DIALECTS:
            raise ValueError(f"this sandbox speaks the dialects {', '.join(sorted(WIRE_DIALECTS))}")
        self.wire = WIRE_DIALECTS[self.dialect or "sandbox"]
        self.tolerance = timedelta(minutes=10)
        self.nonce_window = timedelta(minutes=10)
        self.delay_seconds = (0.2, 0.8)
        self.admitted: frozenset[str] | None = None
        self.registry = Registry(self.books, self.clock)

    def access(self, base_url: str) -> Access:
        details = {
            "url": f"{base_url}{self.wire.path}",
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
            **({"CORPKEY": CORPKEY} if self.wire.enterprise is not False else {}),
            "DIALECT": self.dialect or "sandbox",
            "MIN_INTERVAL_SECONDS": "0",
            "CONNECTIONS": "4",
            "DEADLINE_SECONDS": "10",
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
        wire = self.wire
        if request.url.path not in (wire.path, wire.result_path) or request.method != "POST":
            return Response("not found", status_code=404, media_type="text/plain")
        form = _form(request, body, json_body=wire.json_body)
        self.operation = form.get("method", "")
        host = request.client.host if request.client else ""
        refusal = self._refuse(form, host)
        if refusal is not None:
            return refusal
        if fault == "busy":
            return self._answer(_TOO_MANY, message="访问超过限制")
        method = wire.method(form["method"])
        asks_result = method == "AsyncHandleResult.Query" and wire.result_path
        admitted = method in CALLS and (self.dialect in (None, "sandbox") or method not in _OPTIONAL)
        if not admitted or request.url.path != (wire.result_path if asks_result else wire.path):
            return self._answer(_PERMISSION)
        data = wire.decode_data(form["data"], PROJECT, lambda number: self.books.get("team", number))
        if data is None:
            return self._answer(_PARAMETERS, message="[data]格式无效")
        if method in _BY_LIST:
            method, data = _in_its_shape(method, data)
        if method.endswith(".Query"):
            return self._query(method, data, fault)
        return self._write(method, data, fault)

    def _refuse(self, form: Mapping[str, str], host: str) -> Response | None:
        """The checks of a call in their order: fields, account, signature, address, clock, nonce, version."""
        wire = self.wire
        wanted = (*wire.common, "sign", *(("corpsign",) if wire.enterprise else ()))
        missing = next((name for name in wanted if not form.get(name)), None)
        if missing:
            return self._answer(_PARAMETERS, message=f"[{missing}]不能为空")
        if form[wire.appid] != APPID:
            return self._answer(_PARAMETERS, message="appid无效")
        if not self._is_signed(form):
            return self._answer(_SIGNATURE)
        if self.admitted is not None and host not in self.admitted:
            return self._answer(_ADDRESS)
        now = self.clock()
        sent = _moment(form["timestamp"], wire.stamp)
        coarse = timedelta(hours=1) if len(form["timestamp"]) < _WHOLE_STAMP else timedelta()
        if sent is None or abs(now - sent) > self.tolerance + coarse:
            return self._answer(_PARAMETERS, message="[timestamp]值超出范围或无效")
        used = self.books.get("nonces", form["nonce"])
        if used is not None and now - datetime.fromisoformat(used) < self.nonce_window:
            return self._answer(_PARAMETERS, message="[nonce]重复")
        self.books.put("nonces", form["nonce"], now.isoformat())
        versions = (*wire.versions, "1.1") if form["method"] == "CheckSign.Query" else wire.versions
        extra = all(form[name] == value for name, value in wire.extra.items())
        if form["format"] != "json" or form["version"] not in versions or not extra:
            return self._answer(_PARAMETERS, message="[version]值超出范围或无效")
        return None

    def _is_signed(self, form: Mapping[str, str]) -> bool:
        sealed = {"corpsign"} & set(form) if self.wire.enterprise is not False else set()
        text = "&".join(f"{name}={form[name]}" for name in sorted({*self.wire.common, *sealed}))
        right = hashlib.sha256(f"{text}&appsecret={SECRET}".lower().encode("utf-8")).hexdigest()
        if not hmac.compare_digest(right.encode(), form["sign"].encode()):
            return False
        return not sealed or _unseal(form["corpsign"]) == CORPKEY + form["timestamp"]

    def _query(self, method: str, data: Mapping[str, Any], fault: str | None) -> Response:
        faults = faults_of(CALLS[method], data, _unseal, self.wire)
        if faults:
            return self._answer(_PARAMETERS, message=";".join(faults))
        if method == "CheckSign.Query":
            return self._answer(_OK, data={})
        if method == "AsyncHandleResult.Query":
            return self._result(data["requestSerialCode"], fault)
        if fault == "grow":
            self.registry.grow()
        rows = self.wire.encode_rows([_each(row, _seal) for row in self.registry.rows(method, _each(data, _unseal))])
        if method == "Payroll.Query":  # one object without rows
            return self._answer(_OK, data=rows[0] if rows else None)
        index, size = int(data.get("pageIndex") or 0), int(data.get("pageSize") or _LARGEST_PAGE)
        page = rows[index * size : (index + 1) * size]
        return self._answer(_OK, data={"pageIndex": index, "pageSize": size, "totalCount": len(rows), "rows": page})

    def _result(self, serial: str, fault: str | None) -> Response:
        if fault == "forget_result":
            self.books.remove("jobs", serial)
        job = self.books.get("jobs", serial)
        if job is None:
            code = self.wire.unknown_serial_code
            return self._answer(_PARAMETERS, number=code, message="[requestSerialCode]值超出范围或无效")
        state, result = job["state"], job["result"]
        if datetime.fromisoformat(job["due"]) > self.clock():
            state, result = _WAITING, None
        shown: Any = self.wire.states[state]
        shown = str(shown) if job["no"] % 2 else shown
        if self.wire.flat_result:
            dealt = None if state == _WAITING else {"DEALRESULT": {"code": shown, "message": result}}
            return self._answer(_OK, data=dealt, requestcode=serial)
        return self._answer(_OK, data={"requestSerialCode": serial, "status": shown, "result": result})

    def _write(self, method: str, data: Mapping[str, Any], fault: str | None) -> Response:
        number = self.books.bump("writes")
        lot = random.Random(f"{self.seed}/{number}")  # noqa: S311 - reproducible delays, no secret
        due = later(self.clock(), lot.uniform(*self.delay_seconds))
        faults = faults_of(CALLS[method], data, _unseal, self.wire)
        outcome = (
            Outcome(refusal=";".join(faults)) if faults else self.registry.write(method, _each(data, _unseal), due)
        )
        if outcome.duplicate:
            self.books.bump("duplicates")
        elif fault == "duplicate" and not outcome.refusal and method in _REFUSES_REPEATS:
            again = self.registry.write(method, _each(data, _unseal), due)
            return self._answer(_PARAMETERS, number=self.wire.duplicate_code, message=again.refusal)
        if outcome.refusal and (outcome.at_once or lot.random() < 0.5):
            code = self.wire.duplicate_code if outcome.duplicate else None
            return self._answer(_PARAMETERS, number=code, message=outcome.refusal)
        serial = self._serial(method)
        state, result = (_FAILED, outcome.refusal) if outcome.refusal else (_DONE, outcome.result)
        self.books.put("jobs", serial, {"no": number, "due": due.isoformat(), "state": state, "result": result})
        if self.wire.flat_result:
            return self._answer(_OK, requestcode=serial)
        return self._answer(_OK, data={"requestSerialCode": serial})

    def _answer(
        self, code: int, *, number: int | None = None, message: str | None = None, data: object = None, **more: object
    ) -> Response:
        """An answer in the platform's envelope; ``number`` stands for this copy's own code."""
        shown = number if number is not None else self.wire.codes.get(code, code)
        if number == _PARAMETERS:
            shown = self.wire.codes.get(code, code)
        return JSONResponse({"code": shown, "message": message or _MESSAGES[code], "data": data, **more})

    def _serial(self, method: str) -> str:
        name, _, action = method.partition(".")
        start = f"{_SERIAL_OBJECTS.get(name, name.lower())}-{action.lower()}-{self.clock().astimezone(_CHINA):%Y%m%d%H}"
        number = self.books.bump(f"serials/{start}")
        return f"{start}-{1 + number // 10_000}-{number % 10_000:04d}"


build = WorkerPlatformSandbox


def _form(request: Request, body: bytes, *, json_body: bool) -> dict[str, str]:
    kind = request.headers.get("content-type", "").lower()
    try:
        if json_body:
            fields = json.loads(body) if kind.startswith("application/json") else {}
            return {k: v for k, v in fields.items() if isinstance(v, str)} if isinstance(fields, dict) else {}
        if not kind.startswith("application/x-www-form-urlencoded"):
            return {}
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict"))
    except ValueError:
        return {}


def _in_its_shape(method: str, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """An Add in a list, a change flat. Copies with one upload for both tell them apart by this alone."""
    items = data.get("workerList")
    if method == "ProjectWorker.Add":
        return ("ProjectWorker.Update" if items is None and "idCardNumber" in data else method), data
    if isinstance(items, list) and len(items) == 1 and isinstance(items[0], dict):
        return method, {**{k: v for k, v in data.items() if k != "workerList"}, **items[0]}
    return method, data


def _moment(text: str, form: str) -> datetime | None:
    if not text.isdigit():
        return None
    try:
        moment = datetime.strptime(text, form).replace(tzinfo=_CHINA)
    except ValueError:
        return None
    return moment if moment.strftime(form) == text else None


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
