"""A simulated national construction-worker platform: one URL, strict signature, real encryption, late results.

Written from the platform's side (README of this connector), not from the connector. The certificate upload
(``WorkerCredential.Add`` and ``.Update``) is an assumption; only ``dialect="sandbox"`` admits it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors.worker_platform.sandbox.encryption import SECRET, each, seal, unseal
from connectors.worker_platform.sandbox.registry import CORP, PROJECT, TEAM, Outcome, Registry, later
from connectors.worker_platform.sandbox.rules import CALLS, faults_of
from connectors.worker_platform.sandbox.wire import WIRE_DIALECTS
from gateway.testing.sandbox import Access, Sandbox

APPID = PROJECT["projectCode"]
CORPKEY = "SandboxCorpKey-0000000000000000x"
_CERTIFICATES = frozenset({"WorkerCredential.Add", "WorkerCredential.Update"})
_COPIES_ONLY = frozenset({"Project.Add", "Team.SysNo", "TempExit.Add"})
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
_NO_SUCH_ACCOUNT = "appid无效"
_WHOLE_STAMP = 14
_MESSAGES = {_OK: "成功", _SIGNATURE: "签名校验错误", _PERMISSION: "无API访问权限", _ADDRESS: "IP校验错误"}


class WorkerPlatformSandbox(Sandbox):
    """May be set: ``tolerance``, ``nonce_window``, ``delay_seconds``, ``late_seconds``, ``admitted`` (addresses),
    ``retired`` (field -> codes that its table holds no longer) and ``registry.update_creates``.
    """

    platform = "worker_platform"
    own_faults = {  # noqa: RUF012 - a constant of the class
        "busy": "code -5, nothing done",
        "duplicate": "carried out, then answered as if it had been there already",
        "forget_result": "a poll finds that the result is no longer kept",
        "late": "carried out, but nobody sees it for ``late_seconds``",
        "blame_call": "not carried out; the result that comes later names a field of the call, not of a record",
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
        self.late_seconds = 90.0
        self.retired: dict[str, frozenset[str]] = {}
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
        admitted = (
            method in CALLS
            and (self.dialect in (None, "sandbox") or method not in _CERTIFICATES)
            and (method in wire.own_methods or method not in _COPIES_ONLY)
        )
        if not admitted or request.url.path != (wire.result_path if asks_result else wire.path):
            return self._answer(_PERMISSION)
        data = wire.decode_data(method, form["data"], {**PROJECT, **CORP}, lambda no: self.books.get("team", no))
        if data is None:
            return self._answer(_PARAMETERS, message="[data]格式无效")
        if method in _BY_LIST:
            method, data = _in_its_shape(method, data)
        if method.endswith((".Query", ".SysNo")):
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
            return self._answer(_PARAMETERS, message=_NO_SUCH_ACCOUNT)
        if not self._is_signed(form):
            return self._answer(_SIGNATURE)
        if self.admitted is not None and host not in self.admitted:
            return self._answer(_ADDRESS)
        now = self.clock()
        sent = _moment(form["timestamp"], wire.stamp)
        coarse = timedelta(hours=1) if len(form["timestamp"]) < _WHOLE_STAMP else timedelta()
        if sent is None or abs(now - sent) > self.tolerance + coarse:
            return self._answer(_PARAMETERS, message="[timestamp]值超出范围或无效")
        used = None if wire.nonce_repeats else self.books.get("nonces", form["nonce"])
        if used is not None and now - datetime.fromisoformat(used) < self.nonce_window:
            return self._answer(_PARAMETERS, message="[nonce]重复")
        self.books.put("nonces", form["nonce"], now.isoformat())
        versions = (*wire.versions, "1.1") if form["method"] == "CheckSign.Query" else wire.versions
        fixed = {"format": ("json",), "version": versions, **{name: (value,) for name, value in wire.extra.items()}}
        wrong = next((name for name, known in fixed.items() if form[name] not in known), None)
        return None if wrong is None else self._answer(_PARAMETERS, message=f"[{wrong}]值超出范围或无效")

    def _is_signed(self, form: Mapping[str, str]) -> bool:
        sealed = {"corpsign"} & set(form) if self.wire.enterprise is not False else set()
        text = "&".join(f"{name}={form[name]}" for name in sorted({*self.wire.common, *sealed}))
        right = hashlib.sha256(f"{text}&appsecret={SECRET}".lower().encode("utf-8")).hexdigest()
        if not hmac.compare_digest(right.encode(), form["sign"].encode()):
            return False
        return not sealed or unseal(form["corpsign"]) == CORPKEY + form["timestamp"]

    def _retired_in(self, method: str, data: Mapping[str, Any]) -> list[str]:
        """Fields of a list's items with a value that their code table holds no longer."""
        name = CALLS[method].list_name
        items = data.get(name) if name else None
        return [
            f"[{name}][{index}][{field}]值超出范围或无效"
            for index, item in enumerate(items if isinstance(items, list) else ())
            for field, values in self.retired.items()
            if str(item.get(field)) in values
        ]

    def _query(self, method: str, data: Mapping[str, Any], fault: str | None) -> Response:
        wire = self.wire
        if wire.device_list and method == "ProjectWorker.Query" and data.get("att_mark"):
            return self._for_gates(data)
        faults = faults_of(CALLS[method], data, unseal, wire)
        if faults:
            return self._answer(_PARAMETERS, message=wire.encode_text(method, ";".join(faults)))
        if method == "CheckSign.Query":
            return self._answer(_OK, data={})
        if method == "AsyncHandleResult.Query":
            return self._result(str(data["requestSerialCode"]), fault)
        if fault == "grow":
            self.registry.grow()
        found = [each(row, seal) for row in self.registry.rows(method, each(data, unseal))]
        rows = wire.encode_rows(method, found)
        if method == "Team.SysNo":
            return self._answer(_OK, data={"teamSysNo": found[0]["teamSysNo"]} if found else None)
        if method == "Payroll.Query":  # one object without rows
            return self._answer(_OK, data=rows[0] if rows else None)
        index, size = int(data.get("pageIndex") or 0), int(data.get("pageSize") or wire.largest_page)
        page = rows[index * size : (index + 1) * size]
        shown = {"pageIndex": index, "pageSize": size, "totalCount": len(rows), "rows": page}
        if wire.page_count:
            shown["pageCount"] = -(-len(rows) // size)
        return self._answer(_OK, data=shown)

    def _for_gates(self, data: Mapping[str, Any]) -> Response:
        """Workers for a gate: all rows at the top level; several identity numbers come in one, joined by commas."""
        asked = data.get("idCardNumber")
        numbers = None if not asked else (unseal(str(asked)) or "").split(",")
        project = str(data.get("projectId") or data.get("projectCode") or "")
        return self._answer(_OK, rows=[each(row, seal) for row in self.registry.known_to_gates(project, numbers)])

    def _result(self, serial: str, fault: str | None) -> Response:
        if fault == "forget_result":
            self.books.remove("jobs", serial)
        job = self.books.get("jobs", serial)
        if job is None:
            text = self.wire.encode_text("AsyncHandleResult.Query", "[requestSerialCode]值超出范围或无效")
            return self._answer(_PARAMETERS, number=self.wire.unknown_serial_code, message=text)
        state, result = job["state"], job["result"]
        if datetime.fromisoformat(job["due"]) > self.clock():
            state, result = _WAITING, None
        shown: Any = self.wire.states[state]
        shown = str(shown) if job["no"] % 2 else shown
        if self.wire.flat_result:
            message = result if state == _FAILED else None
            dealt = None if state == _WAITING else {"DEALRESULT": {"code": shown, "data": job["made"]}}
            return self._answer(_OK, data=dealt, message=message, requestcode=serial)
        return self._answer(_OK, data={"requestSerialCode": serial, "status": shown, "result": result})

    def _write(self, method: str, data: Mapping[str, Any], fault: str | None) -> Response:
        wire = self.wire
        number = self.books.bump("writes")
        lot = random.Random(f"{self.seed}/{number}")  # noqa: S311 - reproducible delays, no secret
        due = later(self.clock(), lot.uniform(*self.delay_seconds))
        if fault == "late":
            self.books.bump("late")
            due = later(self.clock(), self.late_seconds)
        faults = [*faults_of(CALLS[method], data, unseal, wire), *self._retired_in(method, data)]
        if fault == "blame_call":
            faults, lot = ["[timestamp]值超出范围或无效"], _Never()
        outcome = Outcome(refusal=";".join(faults)) if faults else self.registry.write(method, each(data, unseal), due)
        if outcome.duplicate:
            self.books.bump("duplicates")
        elif fault == "duplicate" and not outcome.refusal and method in _REFUSES_REPEATS:
            outcome = replace(self.registry.write(method, each(data, unseal), due), at_once=True)
        refusal = wire.encode_text(method, outcome.refusal)
        if refusal and (outcome.at_once or lot.random() < 0.5):
            return self._answer(_PARAMETERS, number=self._code_of(outcome), message=refusal)
        serial = self._serial(method)
        state, result = (_FAILED, refusal) if refusal else (_DONE, outcome.result)
        made = _made(method, outcome) if state == _DONE else None
        job = {"no": number, "due": due.isoformat(), "state": state, "result": result, "made": made}
        self.books.put("jobs", serial, job)
        if wire.flat_result:
            return self._answer(_OK, requestcode=serial)
        return self._answer(_OK, data={"requestSerialCode": serial})

    def _code_of(self, outcome: Outcome) -> int | None:
        """This copy's own code of a refusal, where it has one for it."""
        if not outcome.duplicate:
            return None
        return self.wire.person_exists_code if outcome.person else self.wire.duplicate_code

    def _answer(
        self, code: int, *, number: int | None = None, message: str | None = None, data: object = None, **more: object
    ) -> Response:
        """An answer in the platform's envelope; ``number`` stands for this copy's own code."""
        shown = self.wire.codes.get(code, code)
        if number not in (None, _PARAMETERS):
            shown = number
        elif code == _PARAMETERS and message == _NO_SUCH_ACCOUNT:
            shown = self.wire.codes.get(_PERMISSION, code) if self.wire.codes else code
        elif code == _PARAMETERS and "不能为空" in (message or ""):
            shown = self.wire.missing_code
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
            texts = {k: v for k, v in fields.items() if isinstance(v, str)} if isinstance(fields, dict) else {}
            "".join(texts.values()).encode("utf-8")
            return texts
        if not kind.startswith("application/x-www-form-urlencoded"):
            return {}
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict"))
    except (ValueError, RecursionError):
        return {}


def _made(method: str, outcome: Outcome) -> dict[str, Any]:
    """What copies with ``DEALRESULT`` say that they made: a project, a team, or a worker's contract."""
    if outcome.contract:
        return {"CONTRACTTYPE": outcome.contract}
    made = json.loads(outcome.result) if outcome.result and method in ("Project.Add", "Team.Add") else {}
    return {name.upper(): value for name, value in made.items()}


class _Never(random.Random):
    """A lot that refuses nothing at once."""

    def random(self) -> float:
        return 1.0


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
