"""What the simulated worker platform holds: projects, companies, teams, workers, certificates, by natural key.

A change is booked when it is taken and becomes visible when its result is due, as if a queue stood between.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.testing.books import Books

PROJECT = {"projectCode": "000000300101010001", "name": "示例项目一期", "prjStatus": "003"}
CORP = {"corpCode": "91370000MA3X000005", "corpName": "示例建设有限公司", "corpType": "009"}
TEAM = {"teamSysNo": "1000100001", "teamName": "钢筋一班"}
"""numbers of teams have nine or ten digits"""
_EXAMINATION = "003004"
"""a skill training: the nearest that the national catalogue has to a certificate"""
_SECTIONS = {
    "ProjectWorker.Query": "worker",
    "Worker.Query": "worker",
    "Payroll.Query": "payroll",
    "ProjectTraining.Query": "training",
    "WorkerEntryExit.Query": "entry",
    "WorkerContract.Query": "contract",
    "WorkerAttendance.Query": "attendance",
}
_FILTERS = ("projectCode", "corpCode", "corpName", "teamSysNo", "teamName", "idCardNumber")
"""an empty one is no filter"""
_PICTURES = frozenset({"headImage", "issueCardPic", "headImageSuffix", "positiveIDCardImage", "negativeIDCardImage"})
_CHINA = ZoneInfo("Asia/Shanghai")

Data = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a write ended: the result's text, or why not. ``at_once`` refusals never wait for the result."""

    refusal: str = ""
    result: str = ""
    at_once: bool = False
    duplicate: bool = False
    person: bool = False
    """the duplicate is a person"""
    contract: str = ""
    """number of the contract that some copies make of a worker"""


def refused(*texts: str, at_once: bool = False, duplicate: bool = False, person: bool = False) -> Outcome:
    """A refusal; several sentences are parted by CR LF."""
    return Outcome(refusal="\r\n".join(texts), at_once=at_once, duplicate=duplicate, person=person)


def person_text(item: Data) -> str:
    """How the platform names a person in its texts, in clear."""
    return f"证件类型为{item['idCardType']},证件号码为{item['idCardNumber']}"


class Registry:
    """The platform's books. ``data`` of every call has its encrypted fields in clear."""

    def __init__(self, books: Books, clock: Callable[[], datetime]) -> None:
        self._books = books
        self._clock = clock
        self._due = clock()
        self.update_creates = True
        if books.get("team", TEAM["teamSysNo"]) is None:
            books.put("corp", CORP["corpCode"], {**PROJECT, **CORP})
            books.put("team", TEAM["teamSysNo"], {**PROJECT, **CORP, **TEAM})
            books.put("counters", "teams", int(TEAM["teamSysNo"]))

    def write(self, method: str, data: Data, due: datetime) -> Outcome:
        """Carry out a write whose fields are right; its changes can be seen from ``due`` on."""
        self._due = due
        doers: Mapping[str, Callable[[Data], Outcome]] = {
            "WorkerCredential.Add": self._add_credentials,
            "WorkerCredential.Update": self._update_credentials,
            "Team.Add": self._add_team,
            "Team.Update": self._update_team,
            "Project.PartUpdate": lambda _: Outcome(),
            "Project.Add": lambda _: Outcome(result=json.dumps({"projectCode": PROJECT["projectCode"]})),
            "Corp.Upload": self._upload_corp,
            "ProjectSubContractor.Add": self._add_corp,
            "ProjectSubContractor.Update": self._update_corp,
            "Payroll.Add": self._add_payroll,
            "ProjectWorker.Add": self._add_workers,
            "ProjectWorker.Update": self._update_worker,
            "ProjectTraining.Add": self._add_training,
            "WorkerEntryExit.Add": self._add_entries,
            "WorkerContract.Add": self._add_contracts,
            "WorkerAttendance.Add": self._add_attendance,
            "TempExit.Add": lambda _: Outcome(),
        }
        if "projectCode" in data and data["projectCode"] != PROJECT["projectCode"]:
            return refused("[projectCode]值超出范围或无效", at_once=True)
        corp_must_be_there = "corpCode" in data and method not in ("ProjectSubContractor.Add", "Corp.Upload")
        if corp_must_be_there and not self._books.get("corp", data["corpCode"]):
            return refused("[corpCode]值超出范围或无效")
        team = self._books.get("team", str(data["teamSysNo"])) if "teamSysNo" in data else {}
        if team is None or ("corpCode" in data and team and team["corpCode"] != data["corpCode"]):
            return refused("[teamSysNo]值超出范围或无效")
        return doers[method](data)

    def rows(self, method: str, data: Data) -> list[dict[str, Any]]:
        """Everything a query may show, in a stable order, before paging."""
        person = data.get("idCardNumber")
        if method == "WorkerCredential.Query":
            return [_as_shown(fields) for fields in self._visible(f"credential/{person}")]
        if method == "Project.Query":
            return [dict(PROJECT)]
        if method == "CorpCredential.Query":
            return []
        if method in ("Team.Query", "Team.SysNo", "ProjectSubContractor.Query", "Corp.Query"):
            sections = {"Team": ("team",), "Corp": ("corp", "company")}.get(method.partition(".")[0], ("corp",))
            found = [row for section in sections for _, row in self._books.items(section)]
        else:
            found = list(self._visible(_SECTIONS[method]))
        asked = {name: str(data[name]) for name in _FILTERS if data.get(name) not in (None, "")}
        found = [row for row in found if all(str(row.get(name, value)) == value for name, value in asked.items())]
        if method.endswith("Worker.Query"):
            found = [{k: v for k, v in r.items() if k not in _PICTURES} for r in found]
        if method == "WorkerAttendance.Query":
            found = [r for r in found if r["date"].startswith(data["date"])]
        if method == "ProjectTraining.Query":
            wanted = {"trainingDate": data.get("trainingDate"), "trainingTypeCode": data.get("typeCode")}
            found = [r for r in found if all(v in (None, "", r[k]) for k, v in wanted.items())]
        return found

    def known_to_gates(self, project: str, numbers: Collection[str] | None) -> list[dict[str, Any]]:
        """The workers of a project with their faces, as a gate is told them; those of some identity numbers, or all."""
        found = [w for w in self._visible("worker") if project in ("", w["projectCode"])]
        return [
            {
                **{n: w.get(n) for n in ("workerName", "idCardNumber", "nation", "address", "grantOrg", "workRole")},
                **{"seqNo": order, "teamSysNo": int(w["teamSysNo"]), "status": 1},
                "gender": w.get("gender"),
                "birthDate": f"{date.fromisoformat(w['idCardNumber'][6:14])} 00:00:00",
                "featureFile": str(w.get("headImage", "")).rpartition(",")[2],
            }
            for order, w in enumerate(found, start=1)
            if numbers is None or w["idCardNumber"] in numbers
        ]

    def grow(self) -> None:
        """Somebody else registers one more worker and one more training, first in the order of rows."""
        number = self._books.bump("strangers")
        self._due = self._clock()
        worker = {**PROJECT, **CORP, **TEAM, "workerName": "他人", "idCardNumber": f"0{number:017d}"}
        self._keep("worker", worker["idCardNumber"], worker)
        named = {"trainingName": f"他人的培训{number}", "trainingDate": "2019-01-01", "trainingTypeCode": _EXAMINATION}
        self._keep("training", f"0/{number:06d}", {**PROJECT, **named, "trainingDuration": 1.0, "workers": []})

    def _add_credentials(self, data: Data) -> Outcome:
        items = [{**i, "certificationCode": i["certificationCode"].upper()} for i in data["credentialList"]]
        known = [i for i in items if self._books.get(f"credential/{i['idCardNumber']}", i["certificationCode"])]
        if known:
            return refused(
                *(f"已存在身份证为{i['idCardNumber']}、证书编号为{i['certificationCode']}的证书" for i in known),
                duplicate=True,
            )
        for item in items:
            self._keep_credential(item)
        return Outcome()

    def _update_credentials(self, data: Data) -> Outcome:
        items = [{**i, "certificationCode": i["certificationCode"].upper()} for i in data["credentialList"]]
        missing = [i for i in items if not self._books.get(f"credential/{i['idCardNumber']}", i["certificationCode"])]
        if missing and not self.update_creates:
            return refused(*(f"没有找到{person_text(i)}的对应信息" for i in missing))
        for item in items:
            self._keep_credential(item)
        return Outcome()

    def _keep_credential(self, item: Data) -> None:
        person, number = item["idCardNumber"], item["certificationCode"]
        version = self._keep(f"credential/{person}", number, item)
        self._books.wrote("certificate", f"{person}/{number}", version)
        self._meet(person)

    def _add_team(self, data: Data) -> Outcome:
        if data.get("teamSysNo"):  # some copies change a team by the call that adds one
            return self._update_team(data)
        corp = self._books.get("corp", data["corpCode"]) or {}
        data = {"corpName": corp.get("corpName", ""), **data}
        same = [n for n, t in self._books.items("team") if t["teamName"] == data["teamName"]]
        if same:
            return refused(f"班组已存在,已存在班组编号为:{same[0]}", duplicate=True)
        number = str(self._books.bump("teams"))
        self._books.put("team", number, {**data, "teamSysNo": number})
        self._books.wrote("team", number, 1)
        return Outcome(result=json.dumps({"teamSysNo": int(number)}))

    def _update_team(self, data: Data) -> Outcome:
        number = str(data["teamSysNo"])
        self._books.put("team", number, {**self._books.get("team", number), **data, "teamSysNo": number})
        return Outcome()

    def _add_corp(self, data: Data) -> Outcome:
        if self._books.get("corp", data["corpCode"]):
            return refused("参建单位已存在", duplicate=True)
        self._books.put("corp", data["corpCode"], dict(data))
        self._books.wrote("corp", data["corpCode"], 1)
        return Outcome()

    def _upload_corp(self, data: Data) -> Outcome:
        """A company of the whole country; uploading it again changes it."""
        version = self._books.bump(f"company/{data['corpCode']}")
        self._books.put("company", data["corpCode"], dict(data))
        self._books.wrote("company", data["corpCode"], version)
        return Outcome()

    def _update_corp(self, data: Data) -> Outcome:
        self._books.put("corp", data["corpCode"], {**self._books.get("corp", data["corpCode"]), **data})
        return Outcome()

    def _add_payroll(self, data: Data) -> Outcome:
        if self._strangers(data["detailList"]):
            return refused("不允许上传该工人的工资发放信息")
        if any(self._books.get("payline", line["thirdPayRollCode"]) for line in data["detailList"]):
            return refused("[thirdPayRollCode]已存在", duplicate=True)
        for line in data["detailList"]:
            self._books.put("payline", line["thirdPayRollCode"], True)
            self._books.wrote("payroll", line["thirdPayRollCode"], 1)
        number = str(self._books.bump("payrolls"))
        self._keep("payroll", number, {**data, "payrollCode": number})
        return Outcome(result=json.dumps([{"payrollCode": number}]))

    def _add_workers(self, data: Data) -> Outcome:
        known = [w for w in data["workerList"] if self._books.get("worker", w["idCardNumber"])]
        if known:
            texts = (f"项目中已存在身份证为{w['idCardNumber']}的工人" for w in known)
            return refused(*texts, duplicate=True, person=True)
        for worker in data["workerList"]:
            self._keep_worker(data, worker)
        return Outcome(contract=f"HT{self._books.bump('contracts'):08d}")

    def _update_worker(self, data: Data) -> Outcome:
        if not self._books.get("worker", data["idCardNumber"]):
            return refused(f"没有找到{person_text(data)}的对应信息")
        self._keep_worker(data, data)
        return Outcome()

    def _keep_worker(self, data: Data, worker: Data) -> None:
        team = self._books.get("team", str(data["teamSysNo"])) or {}
        known = {name: team[name] for name in ("corpName", "teamName") if name in team}
        outer = {**known, **{k: v for k, v in data.items() if k != "workerList"}}
        version = self._keep("worker", worker["idCardNumber"], {**outer, **worker})
        self._books.wrote("worker", f"{data['projectCode']}/{worker['idCardNumber']}", version)
        self._books.put("met", worker["idCardNumber"], True)
        self._books.wrote("person", worker["idCardNumber"], version)

    def _add_training(self, data: Data) -> Outcome:
        if missing := self._strangers(data.get("workers") or ()):
            return refused(*missing, at_once=True)
        key = "/".join(data[k] for k in ("projectCode", "trainingDate", "trainingName", "trainingTypeCode"))
        if self._books.get("training", key):
            return refused("培训记录已存在", duplicate=True)
        self._keep("training", key, data)
        self._books.wrote("certificate" if data["trainingTypeCode"] == _EXAMINATION else "training", key, 1)
        return Outcome()

    def _add_entries(self, data: Data) -> Outcome:
        if missing := self._strangers(data["workerList"]):
            return refused(*missing)
        today = self._clock().astimezone(_CHINA).date().isoformat()
        for index, item in enumerate(data["workerList"]):
            last = self._books.get("last_entry", item["idCardNumber"]) or ""
            if item["date"] > today:
                return refused(f"[workerList][{index}][date]不能大于当天")
            if item["date"] < last:
                return refused(f"[workerList][{index}][date]不能小于历史进退场时间")
        for item in data["workerList"]:
            key = f"{item['idCardNumber']}/{item['date']}/{item['type']}"
            self._keep("entry", key, {**_beside(data), **item})
            self._books.put("last_entry", item["idCardNumber"], item["date"])
            self._books.wrote("entry", key, 1)
        return Outcome()

    def _add_contracts(self, data: Data) -> Outcome:
        if missing := self._strangers(data["contractList"]):
            return refused(*missing)
        if any(self._books.get("contract", c["idCardNumber"]) for c in data["contractList"]):
            return refused("该工人的合同已存在", duplicate=True)
        for contract in data["contractList"]:
            self._keep("contract", contract["idCardNumber"], {**_beside(data), **contract})
            self._books.wrote("contract", f"{data['projectCode']}/{contract['idCardNumber']}", 1)
        return Outcome()

    def _add_attendance(self, data: Data) -> Outcome:
        """Repeats are stored again: nothing says that the platform drops them."""
        if missing := self._strangers(data["dataList"]):
            return refused(*missing)
        for item in data["dataList"]:
            number = self._books.bump("attendance")
            self._keep("attendance", f"{number:010d}", {**_beside(data), **item})
            key = f"{item['idCardNumber']}/{item['date']}/{item.get('direction', '')}"
            self._books.wrote("attendance", key, number)
        return Outcome()

    def _strangers(self, items: Any) -> list[str]:
        unknown = [i for i in items if not self._books.get("worker", i["idCardNumber"])]
        return [f"没有找到{person_text(i)}的对应信息" for i in unknown]

    def _meet(self, person: str) -> None:
        if not self._books.get("met", person):
            self._books.put("met", person, True)
            self._books.wrote("person", person, 1)

    def _keep(self, section: str, key: str, fields: Data) -> int:
        versions = self._books.get(section, key) or []
        versions.append({"at": self._due.isoformat(), "fields": dict(fields)})
        self._books.put(section, key, versions)
        return len(versions)

    def _visible(self, section: str) -> Iterator[dict[str, Any]]:
        now = self._clock()
        for _, versions in self._books.items(section):
            due = [v["fields"] for v in versions if datetime.fromisoformat(v["at"]) <= now]
            if due:
                yield due[-1]


def _beside(data: Data) -> dict[str, Any]:
    """What stands beside the list of a call: project, company, team."""
    return {name: value for name, value in data.items() if not isinstance(value, list)}


def _as_shown(fields: Data) -> dict[str, Any]:
    """A certificate as the platform's screens write it: levels with two digits, days with a time, null for nothing."""
    shown = {**dict.fromkeys(("validEndDate", "jobTitle", "certificationType")), **fields}
    shown["credentialLevelType"] = str(fields["credentialLevelType"]).zfill(2)
    shown["validBeginDate"] = f"{fields['validBeginDate']} 00:00:00"
    return shown


def later(moment: datetime, seconds: float) -> datetime:
    """A moment some seconds on."""
    return moment + timedelta(seconds=seconds)
