"""Wire formats of the simulated copies of the platform: envelope, field names, methods, codes and states of each.

Calls are decoded into the national shape, so that one set of rules and one set of books serves them all.
Written from the platform's side (README, section "Dialects"); shares nothing with the connector but the code tables.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.codec.codes import table

_CODES = "connectors.worker_platform.codes"
_CAPITALS = (
    *(
        "projectCode",
        "teamSysNo",
        "address",
        "nation",
        "birthday",
        "teamName",
        "corpName",
        "isTeamLeader",
        "idCardType",
    ),
    *("workRole", "grantOrg", "trainingDate", "trainingDuration", "trainingName", "trainingTypeCode", "trainingOrg"),
    *("description", "isPass", "trainingScore", "workers", "pageIndex", "pageSize", "typeCode"),
)
_FIELD = re.compile(r"(?:\[\w+\]\[\d+\])?\[(\w+)\]")


@dataclass(frozen=True, kw_only=True)
class WireDialect:
    """One copy of the platform.

    stamp:     format of the time, of which only so many digits are compared
    enterprise: whether the enterprise signature is demanded (True), known (None) or unknown (False)
    names:     national field name -> its name here, in every call
    own_names: the same for the calls of one object (``Team``), before ``names``
    methods:   method here -> national method; what is not named here is as on the national platform
    optional:  national fields that may be absent here
    demanded:  fields of a worker that must be there beside the national ones
    flat:      methods that carry one record beside the project instead of a list
    other_codes: field -> codes that this copy's own dictionary has beside the national ones
    states:    waiting, failed, done
    codes:     national code -> its number here
    own_project: whether project and company are known from the account, and the team stands in each worker
    page_count: whether queries say how many pages there are
    device_list: whether gates are given the workers whose faces they know: a question with ``att_mark``, not in pages
    nonce_repeats: whether a nonce may come again
    """

    path: str = "/open.api"
    result_path: str = ""
    json_body: bool = False
    appid: str = "appid"
    versions: tuple[str, ...] = ("1.0",)
    stamp: str = "%Y%m%d%H%M%S"
    enterprise: bool | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    wrapped: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    own_names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    methods: Mapping[str, str] = field(default_factory=dict)
    own_methods: frozenset[str] = frozenset()
    """methods that the national platform has not"""
    optional: frozenset[str] = frozenset()
    demanded: frozenset[str] = frozenset()
    flat: frozenset[str] = frozenset()
    other_codes: Mapping[str, str] = field(default_factory=dict)
    states: tuple[int | str, int | str, int | str] = (0, 10, 20)
    codes: Mapping[int, int] = field(default_factory=dict)
    missing_code: int = -1
    duplicate_code: int = -1
    person_exists_code: int = -1
    unknown_serial_code: int = -1
    largest_page: int = 50
    page_count: bool = False
    device_list: bool = False
    nonce_repeats: bool = False
    nation_codes: bool = False
    bare_photos: bool = False
    own_project: bool = False
    flat_result: bool = False
    """serial at the top level, result under ``DEALRESULT``, its text in the top-level message"""

    @property
    def common(self) -> tuple[str, ...]:
        """The common fields that take part in the signature."""
        return (self.appid, "data", "format", "method", "nonce", "timestamp", "version", *self.extra)

    def method(self, name: str) -> str:
        """The national name of a method."""
        return self.methods.get(name, name)

    def decode_data(
        self, method: str, text: str, account: Mapping[str, str], teams: Callable[[str], Mapping[str, Any] | None]
    ) -> dict[str, Any] | None:
        """The data of a call in the national shape, or None where it is no object of this copy.

        account: project and company of the caller, for copies that are not told them
        teams:   a team by its number
        """
        data = _object(text)
        if self.wrapped:
            data = data[0] if isinstance(data, list) and len(data) == 1 else None
        if not isinstance(data, dict):
            return None
        national = {here.lower(): name for name, here in self._names(method).items()}
        whole: dict[str, Any] = _renamed(data, _SPELLINGS | national)
        if method in self.flat:
            whole = _listed(method, whole)
        if self.own_project:
            whole = _placed(method, whole, account, teams)
        for item in (whole, *_items(whole)):
            self._translate(item)
        return whole

    def encode_rows(self, method: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Rows as this copy shows them."""
        here = {name.lower(): shown for name, shown in self._names(method).items()}
        shown: list[dict[str, Any]] = _renamed(rows, here)
        return shown

    def encode_text(self, method: str, text: str) -> str:
        """A text of the platform with the field names of this copy; a record that came flat has no place in a list."""
        here = self._names(method)

        def shown(found: re.Match[str]) -> str:
            name = f"[{here.get(found[1], found[1])}]"
            return name if method in self.flat else found[0].removesuffix(f"[{found[1]}]") + name

        return _FIELD.sub(shown, text)

    def _names(self, method: str) -> Mapping[str, str]:
        return {**self.names, **self.own_names.get(method.partition(".")[0], {})}

    def _translate(self, item: dict[str, Any]) -> None:
        if self.nation_codes and "nation" in item:
            item["nation"] = table("wp_nation", _CODES).code_of(str(item["nation"]), "code") or ""
        photo = item.get("headImage")
        if self.bare_photos and isinstance(photo, str) and photo:
            item["headImage"] = f"data:image/{item.get('headImageSuffix', 'jpeg')};base64,{photo}"


_HUIJI_ITEM = {"idCardNumber": "idcard", "cellPhone": "tel", "gender": "sex"}
_HENAN_COMPANY = {"corpName": "NAME", "areaCode": "REGISTEREDAREA", "corpType": "BUILDERTYPE"}
WIRE_DIALECTS: Mapping[str, WireDialect] = {
    "national": WireDialect(),
    "sandbox": WireDialect(),
    "hangzhou": WireDialect(page_count=True),
    "huzhou": WireDialect(
        path="/citywso/open/api",
        json_body=True,
        versions=("1.3",),
        enterprise=False,
        methods={
            "AsyncHandleResultQuery": "AsyncHandleResult.Query",
            **{f"{name}{what}": f"{name}.{what}" for name in ("ProjectWorker", "Team") for what in ("Add", "Update")},
            **{f"{name}Query": f"{name}.Query" for name in ("ProjectWorker", "Team", "ProjectTraining")},
            "ProjectSubContractorQuery": "ProjectSubContractor.Query",
            "AttendanceQuery": "WorkerAttendance.Query",
            "ProjectTrainingAdd": "ProjectTraining.Add",
        },
    ),
    "jinhua": WireDialect(
        enterprise=False,
        own_project=True,
        nation_codes=True,
        bare_photos=True,
        optional=frozenset({"politicsType", "cultureLevelType", "isTeamLeader"}),
        demanded=frozenset({"gender", "inDate", "headImageSuffix"}),
    ),
    "fujian": WireDialect(
        path="/smjk/service/HrssOpenREST/biz/execProcess",
        enterprise=True,
        largest_page=100,
        device_list=True,
        methods={"Attendance.Query": "WorkerAttendance.Query"},
        own_methods=frozenset({"TempExit.Add"}),
    ),
    "henan": WireDialect(
        path="/foreign/upload/check",
        versions=("1.1",),
        stamp="%Y%m%d%H",
        enterprise=False,
        extra={"iscompany": "1"},
        wrapped=True,
        nonce_repeats=True,
        names={
            "idCardNumber": "IDNUMBER",
            "corpCode": "SOCIALCREDITCODE",
            "requestSerialCode": "REQUESTCODE",
            **{name: name.upper() for name in _CAPITALS},
        },
        own_names={
            "ProjectWorker": {
                "workerName": "NAME",
                "employerCode": "COMPANYCODE",
                "workType": "WORKCLASSES",
                "inDate": "STARTTIME",
                "contractDate": "SIGNDATE",
                "contractType": "TYPEID",
                "wage": "WAGE",
                "payMethod": "PAYCALCULATIONWAY",
                "payDay": "PAYDATE",
                "cultureLevelType": "EDUCATIONLEVELS",
                "politicsType": "POLITICALSTATUS",
                "cellPhone": "PHONE",
                "headImage": "PIC",
                "positiveIDCardImage": "PICFRONT",
                "negativeIDCardImage": "PICBACK",
            },
            "Team": {"teamName": "MONITORNAME"},
            "Corp": _HENAN_COMPANY,
            "ProjectSubContractor": _HENAN_COMPANY,
            "Project": {"name": "NAME"},
            "WorkerAttendance": {"date": "STARTTIME", "day": "SIGNDATE", "contractNo": "CONTRACTTYPE"},
        },
        methods={"AsyncHandleResult": "AsyncHandleResult.Query"},
        own_methods=frozenset({"Project.Add"}),
        optional=frozenset(
            {"corpName", "teamName", "isTeamLeader", "idCardType", "workRole", "grantOrg", "registerDate", "direction"}
        ),
        demanded=frozenset({"birthday", "inDate"}),
        flat=frozenset({"ProjectWorker.Add", "WorkerAttendance.Add"}),
        other_codes={
            "workType": r"\d{6}",
            "cultureLevelType": r"\d{3}",
            "politicsType": r"\d{3}",
            "corpType": r"\d{2}",
        },
        nation_codes=True,
        states=("", -1, 0),
        flat_result=True,
    ),
    "huiji": WireDialect(
        path="/open/api/get",
        result_path="/open/api/async",
        appid="appId",
        versions=("2.1", "1.0"),
        enterprise=False,
        names={"idCardNumber": "idcard"},
        own_names={"ProjectWorker": {**_HUIJI_ITEM, "inDate": "startDate"}},
        methods={
            "Async": "AsyncHandleResult.Query",
            "ProjectWorker.Upload": "ProjectWorker.Add",
            "ProjectTraining.Upload": "ProjectTraining.Add",
            "Team.Upload": "Team.Add",
            "WorkerAttendance.Upload": "WorkerAttendance.Add",
        },
        own_methods=frozenset({"Team.SysNo"}),
        states=("01", "02", "03"),
        codes={-1: 2003, -2: 1003, -3: 1001, -4: 1001, -5: 2005},
        missing_code=2001,
        duplicate_code=2007,
        person_exists_code=1086,
        unknown_serial_code=2006,
        nation_codes=True,
        bare_photos=True,
        optional=frozenset(
            {"politicsType", "cultureLevelType", "isTeamLeader", "grantOrg", "workRole", "idCardType", "cellPhone"}
        ),
        demanded=frozenset({"gender", "birthday", "inDate"}),
    ),
}
_SPELLINGS = {"idcardnumber": "idCardNumber", "specialty": "specialty", "paybankcardnumber": "payBankCardNumber"}
"""field names are matched without regard to case: clients write ``IdCardNumber`` and ``Specialty``"""
_PROJECT_FIELDS = ("projectCode", "corpCode", "corpName", "teamSysNo", "teamName")
_LISTS = {"ProjectWorker.Add": "workerList", "WorkerAttendance.Add": "dataList"}


def _object(text: str) -> Any:
    """JSON, or None where it is none: nested too deeply, a number that is none, text that is no Unicode."""
    try:
        data = json.loads(text, parse_constant=_finite, parse_float=_finite)
        json.dumps(data, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        return None
    return data


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """The same data with fields renamed, at any depth; ``names`` is keyed in lower case."""
    if isinstance(value, Mapping):
        return {names.get(key.lower(), key): _renamed(one, names) for key, one in value.items()}
    return [_renamed(one, names) for one in value] if isinstance(value, list) else value


def _items(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [one for value in data.values() if isinstance(value, list) for one in value if isinstance(one, dict)]


def _listed(method: str, data: dict[str, Any]) -> dict[str, Any]:
    """One flat record as a list of one, beside its project, company and team."""
    outer = {name: value for name, value in data.items() if name in _PROJECT_FIELDS}
    item = {name: value for name, value in data.items() if name not in _PROJECT_FIELDS}
    return {**outer, _LISTS[method]: [{"idCardType": "01", **item}]}


def _placed(
    method: str, data: dict[str, Any], account: Mapping[str, str], teams: Callable[[str], Mapping[str, Any] | None]
) -> dict[str, Any]:
    """What a copy knows from the account and from its team: project, company, kind of document."""
    placed = {"projectCode": account["projectCode"], **data}
    if method == "Team.Add":
        placed = {"corpCode": account["corpCode"], "corpName": account["corpName"], **placed}
    for item in _items(data):
        item.setdefault("idCardType", "01")
        number = item.pop("teamSysNo", None)
        if number is not None:
            team = teams(str(number)) or {}
            placed |= {
                "teamSysNo": number,
                **{name: team.get(name, "") for name in ("teamName", "corpCode", "corpName")},
            }
    return placed
