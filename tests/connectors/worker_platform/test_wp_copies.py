"""The simulated copies, called as public clients of 2018 to 2023 call them: their names, shapes, codes and states."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from connectors.worker_platform.sandbox import WorkerPlatformSandbox, build
from gateway.testing import people

Serve = Callable[[WorkerPlatformSandbox], str]
PERSON = people.id_number(random.Random(5), date(1980, 1, 1))
OTHER = people.id_number(random.Random(6), date(1981, 1, 1))
BARE = base64.b64encode(b"photo").decode()
PHOTO = f"data:image/jpeg;base64,{BARE}"
NOBODY = "91370000MA3X00000X"


class Caller:
    """A vendor's script for one copy: own signature, own encryption, form or JSON."""

    def __init__(self, sandbox: WorkerPlatformSandbox, url: str) -> None:
        self.sandbox, self.base = sandbox, url
        self.at = dict(sandbox.access(url).details)
        self.key = self.at["appsecret"].encode()

    def aes(self, text: str) -> str:
        padding = 16 - len(text.encode()) % 16
        encryptor = Cipher(algorithms.AES(self.key), modes.CBC(self.key[:16])).encryptor()
        return base64.b64encode(encryptor.update(text.encode() + bytes([padding]) * padding)).decode()

    def call(
        self,
        method: str,
        data: object,
        *,
        version: str = "1.0",
        stamp: str = "%Y%m%d%H%M%S",
        appid: str = "appid",
        path: str = "",
        nonce: str = "",
        json_body: bool = False,
        **more: str,
    ) -> Any:
        fields = {
            **{"method": method, "format": "json", "version": version, appid: self.at["appid"]},
            **{
                "timestamp": (datetime.now(UTC) + timedelta(hours=8)).strftime(stamp),
                "nonce": nonce or uuid.uuid4().hex,
            },
            **{"data": json.dumps(data, ensure_ascii=False), **more},
        }
        text = "&".join(f"{name}={fields[name]}" for name in sorted(fields)) + "&appsecret=" + self.key.decode()
        fields["sign"] = hashlib.sha256(text.lower().encode()).hexdigest()
        body = json.dumps(fields).encode() if json_body else urllib.parse.urlencode(fields).encode()
        kind = "application/json" if json_body else "application/x-www-form-urlencoded"
        url = self.base + path if path else self.at["url"]
        request = urllib.request.Request(url, data=body, headers={"content-type": kind})
        with urllib.request.urlopen(request, timeout=5) as reply:
            return json.load(reply)


@pytest.fixture
def caller(serve: Serve) -> Callable[[str], Caller]:
    def make(dialect: str) -> Caller:
        sandbox = build(dialect=dialect, seed=3)
        sandbox.delay_seconds = (0.0, 0.0)
        return Caller(sandbox, serve(sandbox))

    return make


Make = Callable[[str], Caller]


def national_worker(c: Caller, number: str, **change: Any) -> dict[str, Any]:
    outer = {"projectCode": c.at["project_code"], "corpCode": c.at["corp_code"], "corpName": c.at["corp_name"]}
    team = {"teamSysNo": c.at["team_sys_no"], "teamName": c.at["team_name"]}
    item = {
        **{"workerName": "赵建国", "isTeamLeader": "0", "idCardType": "01", "idCardNumber": c.aes(number)},
        **{"workType": "010", "workRole": "20", "nation": "汉", "address": "示例路1号", "headImage": PHOTO},
        **{"politicsType": "13", "cellPhone": "13800000000", "cultureLevelType": "02", "grantOrg": "示例市公安局"},
    }
    return {**outer, **team, "workerList": [item | change]}


# --- national: filters, numbers as text, company upload ---


@pytest.mark.parametrize(
    ("method", "asked", "rows"),
    [
        ("ProjectWorker.Query", {}, 1),
        ("ProjectWorker.Query", {"idCardNumber": "", "corpCode": "", "corpName": "", "teamSysNo": ""}, 1),
        ("ProjectWorker.Query", {"corpCode": NOBODY}, 0),
        ("ProjectWorker.Query", {"corpName": "别的公司"}, 0),
        ("ProjectWorker.Query", {"corpCode": "own", "corpName": "own"}, 1),
        ("ProjectWorker.Query", {"teamSysNo": "1"}, 0),
        ("ProjectWorker.Query", {"idCardNumber": "other"}, 0),
        ("Team.Query", {"teamName": "", "teamSysNo": "", "corpCode": "", "corpName": ""}, 1),
        ("Team.Query", {"corpCode": NOBODY}, 0),
        ("Team.Query", {"corpName": "别的公司"}, 0),
        ("Team.Query", {"corpCode": "own", "corpName": "own"}, 1),
        ("ProjectSubContractor.Query", {"corpCode": "", "corpName": ""}, 1),
        ("ProjectSubContractor.Query", {"corpCode": NOBODY}, 0),
        ("ProjectSubContractor.Query", {"corpName": "别的公司"}, 0),
        ("ProjectTraining.Query", {"trainingDate": "", "typeCode": ""}, 0),
        ("Project.Query", {"projectCode": ""}, 1),
    ],
)
def test_an_empty_filter_is_none_and_every_filter_counts(
    caller: Make, method: str, asked: dict[str, str], rows: int
) -> None:
    c = caller("national")
    assert c.call("ProjectWorker.Add", national_worker(c, PERSON))["code"] == 0
    own = {"corpCode": c.at["corp_code"], "corpName": c.at["corp_name"], "idCardNumber": c.aes(OTHER)}
    filters = {name: own[name] if value in ("own", "other") else value for name, value in asked.items()}
    page = {"pageIndex": "0", "pageSize": "50", "projectCode": c.at["project_code"]}
    answer = c.call(method, page | filters)
    assert (answer["code"], answer["data"]["totalCount"]) == (0, rows)


@pytest.mark.parametrize("as_text", [True, False])
def test_numbers_are_taken_as_numbers_and_as_text(caller: Make, as_text: bool) -> None:
    c = caller("national")

    def number(value: float) -> object:
        return str(value) if as_text else value

    assert c.call("ProjectWorker.Add", national_worker(c, PERSON))["code"] == 0
    who = {"idCardType": "01", "idCardNumber": c.aes(PERSON)}
    project = {"projectCode": c.at["project_code"]}
    training = {"trainingDate": "2019-03-02", "trainingName": "安全", "trainingTypeCode": "003001"}
    people_ = [who | {"isPass": number(1), "trainingScore": number(95.5)}]
    training |= {"trainingDuration": number(5), "workers": people_}
    pay = {"totalPayAmount": number(6500), "actualAmount": number(6500.5), "isBackPay": number(0)}
    pay |= {"balanceDate": "2019-03-31", "thirdPayRollCode": "1"}
    outer = national_worker(c, PERSON)
    payroll = {k: v for k, v in outer.items() if k != "workerList"}
    payroll |= {"payMonth": "2019-03", "detailList": [who | pay]}
    corp = {"corpCode": c.at["corp_code"], "corpName": c.at["corp_name"]}
    contract = who | corp | {"contractPeriodType": "01" if as_text else 1}
    contract |= {"startDate": "2019-01-01", "endDate": "2020-01-01"}
    for method, data in (
        ("ProjectTraining.Add", project | training),
        ("Payroll.Add", payroll),
        ("WorkerContract.Add", project | {"contractList": [contract]}),
    ):
        answer = c.call(method, data)
        assert answer["code"] == 0, answer
        serial = {"requestSerialCode": answer["data"]["requestSerialCode"]}
        assert int(c.call("AsyncHandleResult.Query", serial)["data"]["status"]) == 20


def test_no_text_is_taken_for_a_number(caller: Make) -> None:
    c = caller("national")
    training = {"projectCode": c.at["project_code"], "trainingDate": "2019-03-02", "trainingName": "安全"}
    for value in ("五", "5h", "", "NaN", "1" * 16, True, [5]):
        data = training | {"trainingTypeCode": "003001", "trainingDuration": value}
        answer = c.call("ProjectTraining.Add", data)
        result = answer
        if answer["code"] == 0:
            serial = {"requestSerialCode": answer["data"]["requestSerialCode"]}
            result = c.call("AsyncHandleResult.Query", serial)["data"]
            assert int(result["status"]) == 10
        assert "trainingDuration" in str(result)


def test_numbers_of_teams_have_ten_digits_and_can_be_cut_out_of_the_refusal(caller: Make) -> None:
    c = caller("national")
    team = {"projectCode": c.at["project_code"], "corpCode": c.at["corp_code"], "corpName": c.at["corp_name"]}
    team |= {"teamName": c.at["team_name"]}
    assert len(c.at["team_sys_no"]) == 10
    answer = c.call("Team.Add", team)
    text = answer["message"]
    if answer["code"] == 0:
        serial = {"requestSerialCode": answer["data"]["requestSerialCode"]}
        text = c.call("AsyncHandleResult.Query", serial)["data"]["result"]
    assert text.partition("已存在班组编号为:")[2][:10] == c.at["team_sys_no"]


def test_a_company_is_uploaded_and_uploaded_again(caller: Make) -> None:
    c = caller("national")
    corp = {"corpCode": NOBODY, "corpName": "示例劳务", "areaCode": "370000", "registerDate": "2010-01-01"}
    for name in ("示例劳务", "示例劳务二"):
        answer = c.call("Corp.Upload", corp | {"corpName": name})
        serial = answer["data"]["requestSerialCode"]
        assert serial.startswith("corp-upload-")
        assert int(c.call("AsyncHandleResult.Query", {"requestSerialCode": serial})["data"]["status"]) == 20
    rows = c.call("Corp.Query", {"pageIndex": 0, "pageSize": 50, "corpCode": NOBODY})["data"]["rows"]
    assert [row["corpName"] for row in rows] == ["示例劳务二"]
    page = {"pageIndex": 0, "pageSize": 50}
    assert c.call("ProjectSubContractor.Query", page | {"projectCode": c.at["project_code"]})["data"]["totalCount"] == 1
    assert c.call("CorpCredential.Query", page | {"corpCode": NOBODY})["data"]["rows"] == []


@pytest.mark.parametrize("dialect", ["national", "hangzhou"])
def test_calls_of_other_copies_are_not_offered(caller: Make, dialect: str) -> None:
    c = caller(dialect)
    for method in ("Project.Add", "Team.SysNo", "Team.Upload", "Attendance.Query"):
        assert c.call(method, {})["code"] == -3


# --- cities of Zhejiang and Fujian ---


@pytest.mark.parametrize(("rows", "size", "pages"), [(0, 50, 0), (1, 50, 1), (3, 2, 2), (4, 2, 2)])
def test_hangzhou_says_how_many_pages_there_are(caller: Make, rows: int, size: int, pages: int) -> None:
    c = caller("hangzhou")
    for n in range(rows):
        number = people.id_number(random.Random(n), date(1980, 1, 1))
        assert c.call("ProjectWorker.Add", national_worker(c, number))["code"] == 0
    page = {"pageIndex": 0, "pageSize": size, "projectCode": c.at["project_code"], "idCardNumber": "", "teamSysNo": ""}
    data = c.call("ProjectWorker.Query", page)["data"]
    assert (data["totalCount"], data["pageCount"]) == (rows, pages)


def test_huzhou_answers_its_four_queries(caller: Make) -> None:
    c = caller("huzhou")

    def ask(method: str, data: object) -> Any:
        return c.call(method, data, version="1.3", json_body=True)

    worker = national_worker(c, PERSON)
    assert ask("ProjectWorkerAdd", worker)["code"] == 0
    page = {"pageIndex": 0, "pageSize": 50, "projectCode": c.at["project_code"], "providerId": "1"}
    for method, more in (
        ("ProjectWorkerQuery", {"teamSysNo": None, "idCardNumber": None}),
        ("TeamQuery", {"teamSysNo": None, "teamName": None}),
        ("ProjectSubContractorQuery", {}),
    ):
        answer = ask(method, page | more)
        assert (answer["code"], answer["data"]["totalCount"]) == (0, 1), method
    answer = ask("AttendanceQuery", page | {"date": "2019-03-02", "idCardNumber": None})
    assert (answer["code"], answer["data"]["rows"]) == (0, [])
    assert ask("AttendanceQuery", page)["message"] == "[date]不能为空"
    assert ask("ProjectSubContractor.Query", page)["code"] == 0


def test_jinhua_adds_a_team_by_its_name_alone(caller: Make) -> None:
    c = caller("jinhua")
    answer = c.call("Team.Add", {"teamName": "木工班"})
    assert answer["code"] == 0
    serial = {"requestSerialCode": answer["data"]["requestSerialCode"]}
    result = c.call("AsyncHandleResult.Query", serial)["data"]
    number = json.loads(result["result"])["teamSysNo"]
    assert len(str(number)) == 10
    item = national_worker(c, PERSON)["workerList"][0]
    item |= {"teamSysNo": number, "gender": "0", "inDate": "2019-03-01", "headImageSuffix": "jpg", "nation": "01"}
    item |= {"headImage": BARE}
    answer = c.call("ProjectWorker.Add", {"workerList": [item]})
    serial = {"requestSerialCode": answer["data"]["requestSerialCode"]}
    assert int(c.call("AsyncHandleResult.Query", serial)["data"]["status"]) == 20
    page = {"pageIndex": 0, "pageSize": 50, "projectCode": c.at["project_code"]}
    (row,) = c.call("ProjectWorker.Query", page)["data"]["rows"]
    assert (row["teamName"], row["corpCode"]) == ("木工班", c.at["corp_code"])


@pytest.mark.parametrize("zone", ["local", "utc"])
def test_fujian_takes_a_hundred_rows_and_utc_where_its_window_is_set(caller: Make, zone: str) -> None:
    c = caller("fujian")
    hours = 8 if zone == "local" else 0
    if zone == "utc":
        c.sandbox.tolerance = timedelta(hours=9)
    at = (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y%m%d%H%M%S")
    sealed = c.aes(c.at["corpkey"] + at)
    page = {"pageIndex": 0, "pageSize": 100, "projectCode": c.at["project_code"]}
    assert c.call("ProjectWorker.Query", page, stamp=at, corpsign=sealed)["code"] == 0
    day = page | {"date": "2019-03-02"}
    assert c.call("Attendance.Query", day, stamp=at, corpsign=sealed)["data"]["rows"] == []
    assert c.call("ProjectWorker.Query", page | {"pageSize": 101}, stamp=at, corpsign=sealed)["code"] == -1
    assert c.call("ProjectWorker.Query", page)["message"] == "[corpsign]不能为空"


def test_fujian_gives_a_gate_its_workers_in_one_list_and_takes_the_direction_as_a_number(caller: Make) -> None:
    """A device server asks by ``projectId`` without pages and reads rows at the top level, faces included."""
    c = caller("fujian")
    at = (datetime.now(UTC) + timedelta(hours=8)).strftime("%Y%m%d%H%M%S")

    def ask(method: str, data: object) -> Any:
        return c.call(method, data, stamp=at, corpsign=c.aes(c.at["corpkey"] + at))

    for number in (PERSON, OTHER):
        assert ask("ProjectWorker.Add", national_worker(c, number))["code"] == 0
    marked = {"projectId": c.at["project_code"], "sendTime": None, "att_mark": "mark"}
    answer = ask("ProjectWorker.Query", marked)
    assert (answer["code"], answer["data"]) == (0, None)
    assert [row["seqNo"] for row in answer["rows"]] == [1, 2]
    one = {"idCardNumber": c.aes(f"{NOBODY},{OTHER}"), "status": 1}
    (row,) = ask("ProjectWorker.Query", marked | one)["rows"]
    assert (row["idCardNumber"], row["seqNo"], row["status"]) == (c.aes(OTHER), 2, 1)
    assert (row["birthDate"], row["featureFile"]) == ("1981-01-01 00:00:00", BARE)
    assert row["teamSysNo"] == int(c.at["team_sys_no"])
    assert ask("ProjectWorker.Query", marked | {"projectId": "another"})["rows"] == []
    assert ask("ProjectWorker.Query", {"projectId": c.at["project_code"]})["code"] == -1
    stamp = {"idCardType": "01", "idCardNumber": c.aes(PERSON), "date": "2019-03-02 08:00:00", "direction": 1}
    answer = ask(
        "WorkerAttendance.Add",
        {"projectCode": c.at["project_code"], "teamSysNo": int(c.at["team_sys_no"]), "dataList": [stamp]},
    )
    assert c.call(
        "AsyncHandleResult.Query",
        {"requestSerialCode": answer["data"]["requestSerialCode"]},
        stamp=at,
        corpsign=c.aes(c.at["corpkey"] + at),
    )["data"]["status"] in (20, "20")


def test_only_fujian_takes_a_temporary_exit_whose_fields_nobody_has_published(caller: Make) -> None:
    c = caller("fujian")
    at = (datetime.now(UTC) + timedelta(hours=8)).strftime("%Y%m%d%H%M%S")
    given = {"projectCode": c.at["project_code"], "whatever": [1, 2]}
    answer = c.call("TempExit.Add", given, stamp=at, corpsign=c.aes(c.at["corpkey"] + at))
    assert (answer["code"], answer["data"]["requestSerialCode"].startswith("tempexit-add-")) == (0, True)
    for dialect in ("national", "hangzhou"):
        assert caller(dialect).call("TempExit.Add", given)["code"] == -3


# --- Henan ---


def henan(c: Caller, method: str, data: dict[str, Any], **more: Any) -> Any:
    return c.call(method, [data], version="1.1", stamp="%Y%m%d%H", iscompany="1", **more)


def henan_result(c: Caller, answer: Any) -> Any:
    assert answer["code"] == 0, answer
    return henan(c, "AsyncHandleResult", {"REQUESTCODE": answer["requestcode"]})


def henan_worker(c: Caller, number: str = PERSON) -> dict[str, Any]:
    return {
        **{"PROJECTCODE": c.at["project_code"], "SOCIALCREDITCODE": c.at["corp_code"]},
        **{"TEAMSYSNO": c.at["team_sys_no"], "COMPANYCODE": c.at["corp_code"], "NAME": "赵建国"},
        **{"IDNUMBER": c.aes(number), "WORKCLASSES": "210401", "BIRTHDAY": "1980-01-01", "STARTTIME": "2019-03-01"},
        **{"SIGNDATE": "2019-03-01", "TYPEID": "88", "WAGE": "200.00", "PAYCALCULATIONWAY": "43", "PAYDATE": "15"},
        **{"EDUCATIONLEVELS": "120", "POLITICALSTATUS": "117", "ADDRESS": "示例路1号", "NATION": "01"},
        **{"PHONE": "13800000000", "PIC": PHOTO, "PICFRONT": PHOTO, "PICBACK": PHOTO},
    }


def test_henan_takes_a_site_from_its_company_to_an_attendance(caller: Make) -> None:
    c = caller("henan")
    project = {"NAME": "示例项目", "BUILDERLICENSENUM": "1", "MONEYSOURCE": "2", "PROJECTTYPE": "14", "GCPROCESS": "1"}
    done = henan_result(c, henan(c, "Project.Add", project))["data"]["DEALRESULT"]
    assert (int(done["code"]), done["data"]["PROJECTCODE"]) == (0, c.at["project_code"])
    corp = {"SOCIALCREDITCODE": NOBODY, "NAME": "示例劳务", "PROJECTCODE": c.at["project_code"]}
    corp |= {"REGISTEREDAREA": "410100", "BUILDERTYPE": "97"}
    for method in ("Corp.Upload", "ProjectSubContractor.Add"):
        done = henan_result(c, henan(c, method, corp | {"COMPANYTYPE": "2"}))["data"]["DEALRESULT"]
        assert int(done["code"]) == 0, method
    team = {"PROJECTCODE": c.at["project_code"], "SOCIALCREDITCODE": NOBODY, "MONITORNAME": "木工班"}
    done = henan_result(c, henan(c, "Team.Add", team))["data"]["DEALRESULT"]
    number = str(done["data"]["TEAMSYSNO"])
    renamed = henan(c, "Team.Add", team | {"TEAMSYSNO": number, "MONITORNAME": "木工二班"})
    assert int(henan_result(c, renamed)["data"]["DEALRESULT"]["code"]) == 0
    worker = henan_worker(c) | {"SOCIALCREDITCODE": NOBODY, "TEAMSYSNO": number}
    done = henan_result(c, henan(c, "ProjectWorker.Add", worker))["data"]["DEALRESULT"]
    contract = done["data"]["CONTRACTTYPE"]
    assert (int(done["code"]), bool(contract)) == (0, True)
    stamp = {"PROJECTCODE": c.at["project_code"], "TEAMSYSNO": number, "SOCIALCREDITCODE": NOBODY}
    stamp |= {"CONTRACTTYPE": contract, "IDNUMBER": c.aes(PERSON)}
    stamp |= {"STARTTIME": "2019-03-02 08:00:00", "SIGNDATE": "2019-03-02"}
    done = henan_result(c, henan(c, "WorkerAttendance.Add", stamp))["data"]["DEALRESULT"]
    assert int(done["code"]) == 0
    counts = c.sandbox.effects()["counts"]
    assert (counts["persons"], counts["duplicates"]) == (1, 0)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"NAME": ""}, "[NAME]不能为空"),
        ({"WORKCLASSES": "9999"}, "[WORKCLASSES]值超出范围或无效"),
        ({"PIC": BARE}, "[PIC]格式无效"),
        ({"IDNUMBER": PERSON}, "[IDNUMBER]格式无效"),
        ({"STARTTIME": ""}, "[STARTTIME]不能为空"),
        ({"TEAMSYSNO": "7"}, "[TEAMSYSNO]值超出范围或无效"),
    ],
)
def test_henan_names_its_own_fields_in_the_top_level_message(caller: Make, change: dict[str, str], text: str) -> None:
    c = caller("henan")
    answer = henan(c, "ProjectWorker.Add", henan_worker(c) | change)
    if answer["code"] == 0:
        answer = henan_result(c, answer)
        assert int(answer["data"]["DEALRESULT"]["code"]) == -1
    assert answer["message"] == text


def test_henan_takes_a_nonce_again_within_the_hour(caller: Make) -> None:
    c = caller("henan")
    page = {"pageIndex": 0, "pageSize": 50, "PROJECTCODE": c.at["project_code"]}
    assert [henan(c, "ProjectWorker.Query", page, nonce="203001010907")["code"] for _ in range(3)] == [0, 0, 0]


def test_henan_does_not_know_a_call_in_the_national_shape(caller: Make) -> None:
    c = caller("henan")
    given = {"version": "1.1", "stamp": "%Y%m%d%H"}
    listed = c.call("ProjectWorker.Add", national_worker(c, PERSON), iscompany="1", **given)
    assert listed["message"] == "[data]格式无效"
    unsigned = c.call("ProjectWorker.Add", [henan_worker(c)], **given)
    assert unsigned["message"] == "[iscompany]不能为空"


# --- 会基 ---


def huiji(c: Caller, method: str, data: dict[str, Any], **more: Any) -> Any:
    given = {"version": "2.1", "appid": "appId", **more}
    return c.call(method, data, **given)


def huiji_worker(c: Caller, number: str = PERSON) -> dict[str, Any]:
    outer = {k: v for k, v in national_worker(c, number).items() if k != "workerList"}
    item = {"workerName": "赵建国", "idcard": c.aes(number), "sex": "0", "birthday": "1980-01-01", "workType": "010"}
    item |= {"workRole": "20", "nation": "01", "address": "示例路1号", "headImage": BARE, "facePic": BARE, "tel": ""}
    item |= {"politicsType": "13", "cultureLevelType": "02", "startDate": "2019-03-01", "endDate": "2020-03-01"}
    return outer | {"workerList": [item]}


def huiji_result(c: Caller, answer: Any) -> Any:
    assert str(answer["code"]) == "0", answer
    asked = {"requestSerialCode": answer["data"]["requestSerialCode"]}
    return huiji(c, "Async", asked, path="/open/api/async")["data"]


def test_huiji_takes_team_worker_and_attendance(caller: Make) -> None:
    c = caller("huiji")
    team = {"projectCode": c.at["project_code"], "corpCode": c.at["corp_code"], "corpName": c.at["corp_name"]}
    uploaded = huiji(c, "Team.Upload", team | {"teamName": "土方四队", "type": "1000", "remark": ""})
    done = huiji_result(c, uploaded)
    assert done["status"] == "03"
    asked = {"projectCode": c.at["project_code"], "teamName": "土方四队"}
    number = huiji(c, "Team.SysNo", asked, version="1.0")["data"]["teamSysNo"]
    assert str(json.loads(done["result"])["teamSysNo"]) == number
    assert huiji(c, "Team.SysNo", asked | {"teamName": "没有"}, version="1.0")["data"] is None
    worker = huiji_worker(c) | {"teamSysNo": number, "teamName": "土方四队"}
    assert huiji_result(c, huiji(c, "ProjectWorker.Upload", worker))["status"] == "03"
    gate = {"id": 1, "idcard": c.aes(PERSON), "date": "2021-04-04 08:00:00", "direction": "01"}
    attendance = {"projectCode": c.at["project_code"], "teamSysNo": number, "dataList": [gate]}
    assert huiji_result(c, huiji(c, "WorkerAttendance.Upload", attendance))["status"] == "03"
    page = {"pageIndex": 0, "pageSize": 50, "projectCode": c.at["project_code"]}
    assert huiji(c, "Team.Query", page)["data"]["totalCount"] == 2


@pytest.mark.parametrize(
    ("code", "change"),
    [
        (1003, {"sign": "0" * 64}),
        (2001, {"nonce": ""}),
    ],
)
def test_huiji_has_codes_of_its_own_for_the_call(caller: Make, code: int, change: dict[str, str]) -> None:
    c = caller("huiji")
    fields = {"method": "Team.Query", "format": "json", "version": "2.1", "appId": c.at["appid"], "data": "{}"}
    fields |= {"timestamp": "20300101000000", "nonce": "1", "sign": "1"} | change
    body = urllib.parse.urlencode(fields).encode()
    request = urllib.request.Request(
        c.at["url"], data=body, headers={"content-type": "application/x-www-form-urlencoded"}
    )
    with urllib.request.urlopen(request, timeout=5) as reply:
        assert json.load(reply)["code"] == code


def test_huiji_has_codes_of_its_own_for_data_and_repeats(caller: Make) -> None:
    c = caller("huiji")
    page = {"pageIndex": 0, "pageSize": 50}
    assert huiji(c, "Team.Query", page)["code"] == 2001
    assert huiji(c, "Team.Query", {"pageIndex": 0, "pageSize": 999, "projectCode": "1"})["code"] == 2003
    assert huiji(c, "Team.Query", page, stamp="20300101000000")["code"] == 2003
    assert huiji(c, "Nothing.Upload", {})["code"] == 1001
    assert huiji(c, "Async", {"requestSerialCode": "x"}, path="/open/api/async")["code"] == 2006
    c.sandbox.faults.set(next_=["busy"])
    assert huiji(c, "Team.Query", page)["code"] == 2005
    c.at["appid"] = "1"
    assert huiji(c, "Team.Query", page)["code"] == 1001


@pytest.mark.parametrize(("method", "code"), [("ProjectWorker.Upload", 1086), ("Team.Upload", 2007)])
def test_huiji_refuses_a_person_and_anything_else_that_is_there_by_different_codes(
    caller: Make, method: str, code: int
) -> None:
    c = caller("huiji")
    team = {"projectCode": c.at["project_code"], "corpCode": c.at["corp_code"], "corpName": c.at["corp_name"]}
    data = huiji_worker(c) if method.startswith("ProjectWorker") else team | {"teamName": c.at["team_name"]}
    huiji(c, method, data)
    codes, states = set(), set()
    for _ in range(8):
        answer = huiji(c, method, data)
        codes.add(answer["code"])
        if answer["code"] == 0:
            states.add(huiji_result(c, answer)["status"])
    assert codes == {0, code}
    assert states == {"02"}
