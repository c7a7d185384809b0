"""Wire formats of the simulated copies of the platform: envelope, field names, methods, codes and states of each.

Calls are decoded into the national shape, so that one set of rules and one set of books serves them all.
Written from the platform's side (README, section "Dialects"); shares nothing with the connector but the code tables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.codec.codes import table

_CODES = "connectors.worker_platform.codes"
CAPITALS = (
    *("projectCode", "corpName", "teamSysNo", "teamName", "workerName", "isTeamLeader", "idCardType", "workType"),
    *("workRole", "nation", "address", "headImage", "politicsType", "cellPhone", "cultureLevelType", "grantOrg"),
    *("trainingDate", "trainingDuration", "trainingName", "trainingTypeCode", "trainingOrg", "description"),
    *("isPass", "trainingScore", "workerList", "workers"),
)


@dataclass(frozen=True, kw_only=True)
class WireDialect:
    """One copy of the platform.

    stamp:     format of the time, of which only so many digits are compared
    enterprise: whether the enterprise signature is demanded (True), known (None) or unknown (False)
    names:     national field name -> its name here
    methods:   method here -> national method; what is not named here is as on the national platform
    optional:  national fields that may be absent here
    demanded:  fields of a worker that must be there beside the national ones
    states:    waiting, failed, done
    codes:     national code -> its number here
    own_project: whether project and company are known from the account, and the team stands in each worker
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
    methods: Mapping[str, str] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    demanded: frozenset[str] = frozenset()
    states: tuple[int | str, int | str, int | str] = (0, 10, 20)
    codes: Mapping[int, int] = field(default_factory=dict)
    duplicate_code: int = -1
    unknown_serial_code: int = -1
    nation_codes: bool = False
    bare_photos: bool = False
    own_project: bool = False
    flat_result: bool = False
    """serial at the top level, result under ``DEALRESULT``"""

    @property
    def common(self) -> tuple[str, ...]:
        """The common fields that take part in the signature."""
        return (self.appid, "data", "format", "method", "nonce", "timestamp", "version", *self.extra)

    def method(self, name: str) -> str:
        """The national name of a method."""
        return self.methods.get(name, name)

    def decode_data(self, text: str, project: Mapping[str, str], teams: Any) -> dict[str, Any] | None:
        """The data of a call in the national shape, or None where it is no object of this copy."""
        try:
            data = json.loads(text)
        except ValueError:
            return None
        if self.wrapped:
            data = data[0] if isinstance(data, list) and len(data) == 1 else None
        if not isinstance(data, dict):
            return None
        national = {here.lower(): name for name, here in self.names.items()}
        whole: dict[str, Any] = _renamed(data, national | _spellings())
        if self.own_project:
            whole = _placed(whole, project, teams)
        for item in (whole, *_items(whole)):
            self._translate(item)
        return whole

    def encode_rows(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Rows as this copy shows them."""
        shown: list[dict[str, Any]] = _renamed(rows, {name.lower(): here for name, here in self.names.items()})
        return shown

    def _translate(self, item: dict[str, Any]) -> None:
        if self.nation_codes and "nation" in item:
            item["nation"] = table("wp_nation", _CODES).code_of(str(item["nation"]), "code") or ""
        photo = item.get("headImage")
        if self.bare_photos and isinstance(photo, str):
            item["headImage"] = f"data:image/{item.get('headImageSuffix', 'jpeg')};base64,{photo}"


WIRE_DIALECTS: Mapping[str, WireDialect] = {
    "national": WireDialect(),
    "sandbox": WireDialect(),
    "hangzhou": WireDialect(),
    "huzhou": WireDialect(
        path="/citywso/open/api",
        json_body=True,
        versions=("1.3",),
        enterprise=False,
        methods={
            "AsyncHandleResultQuery": "AsyncHandleResult.Query",
            **{f"{name}{what}": f"{name}.{what}" for name in ("ProjectWorker", "Team") for what in ("Add", "Update")},
            **{f"{name}Query": f"{name}.Query" for name in ("ProjectWorker", "Team", "ProjectTraining")},
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
    "fujian": WireDialect(path="/smjk/service/HrssOpenREST/biz/execProcess", enterprise=True),
    "henan": WireDialect(
        path="/foreign/upload/check",
        versions=("1.1",),
        stamp="%Y%m%d%H",
        enterprise=False,
        extra={"iscompany": "1"},
        wrapped=True,
        names={
            "idCardNumber": "IDNUMBER",
            "corpCode": "SOCIALCREDITCODE",
            "requestSerialCode": "requestcode",
            **{name: name.upper() for name in CAPITALS},
        },
        methods={"AsyncHandleResult": "AsyncHandleResult.Query"},
        states=("", -1, 0),
        flat_result=True,
    ),
    "huiji": WireDialect(
        path="/open/api/get",
        result_path="/open/api/async",
        appid="appId",
        versions=("2.1", "1.0"),
        enterprise=False,
        names={"idCardNumber": "idcard", "cellPhone": "tel", "gender": "sex", "inDate": "startDate"},
        methods={
            "Async": "AsyncHandleResult.Query",
            "ProjectWorker.Upload": "ProjectWorker.Add",
            "ProjectTraining.Upload": "ProjectTraining.Add",
        },
        states=("01", "02", "03"),
        codes={-1: 2001, -2: 1002, -3: 1003, -4: 1001, -5: 2005},
        duplicate_code=1086,
        unknown_serial_code=2006,
        nation_codes=True,
        bare_photos=True,
        optional=frozenset({"politicsType", "cultureLevelType", "isTeamLeader", "grantOrg", "workRole", "idCardType"}),
        demanded=frozenset({"gender", "birthday", "inDate"}),
    ),
}


def _spellings() -> dict[str, str]:
    """Field names are matched without regard to case: clients write ``IdCardNumber`` and ``Specialty``."""
    return {"idcardnumber": "idCardNumber", "specialty": "specialty", "paybankcardnumber": "payBankCardNumber"}


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """The same data with fields renamed, at any depth; ``names`` is keyed in lower case."""
    if isinstance(value, Mapping):
        return {names.get(key.lower(), key): _renamed(one, names) for key, one in value.items()}
    return [_renamed(one, names) for one in value] if isinstance(value, list) else value


def _items(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [one for value in data.values() if isinstance(value, list) for one in value if isinstance(one, dict)]


def _placed(data: dict[str, Any], project: Mapping[str, str], teams: Any) -> dict[str, Any]:
    """What a copy knows from the account and from its team: project, company, kind of document."""
    placed = {"projectCode": project["projectCode"], **data}
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
