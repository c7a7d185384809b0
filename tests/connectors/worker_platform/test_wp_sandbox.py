"""The simulated platform over real HTTP, spoken to by a small client of its own, written like the public ones."""

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
Until = Callable[[Callable[[], Any]], Any]
PERSON = people.id_number(random.Random(5), date(1980, 1, 1))
OTHER = people.id_number(random.Random(6), date(1981, 1, 1))
PHOTO = "data:image/jpeg;base64," + base64.b64encode(b"photo").decode()


class Client:
    """What a vendor's script does: own signature, own encryption, a form post."""

    def __init__(self, details: dict[str, str]) -> None:
        self.details = details
        self.key = details["appsecret"].encode()

    def aes(self, text: str) -> str:
        padding = 16 - len(text.encode()) % 16
        encryptor = Cipher(algorithms.AES(self.key), modes.CBC(self.key[:16])).encryptor()
        return base64.b64encode(encryptor.update(text.encode() + bytes([padding]) * padding)).decode()

    def fields(self, method: str, data: object, raw: bool = False, **change: Any) -> dict[str, str]:
        china = datetime.now(UTC) + timedelta(hours=8)
        fields = {
            "method": method,
            "format": "json",
            "version": "1.0",
            "appid": self.details["appid"],
            "timestamp": china.strftime("%Y%m%d%H%M%S"),
            "nonce": str(uuid.uuid4()),
            "data": str(data) if raw else json.dumps(data, ensure_ascii=False),
        } | change
        text = "&".join(sorted(f"{k}={v}" for k, v in fields.items())) + "&appsecret=" + self.key.decode()
        return fields | {"sign": hashlib.sha256(text.lower().encode()).hexdigest()}

    def post(self, fields: dict[str, str], **headers: str) -> Any:
        body = urllib.parse.urlencode(fields).encode()
        request = urllib.request.Request(self.details["url"], data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=5) as reply:
            return json.load(reply)

    def call(self, method: str, data: object, **change: Any) -> Any:
        return self.post(self.fields(method, data, **change))

    def finish(self, answer: Any, until: Until) -> tuple[int, str]:
        """Poll until the result is there; a refusal at once counts as failed."""
        if answer["code"] != 0:
            return 10, answer["message"]
        serial = {"requestSerialCode": answer["data"]["requestSerialCode"]}

        def ask() -> tuple[int, str] | None:
            result = self.call("AsyncHandleResult.Query", serial)["data"]
            return None if int(result["status"]) == 0 else (int(result["status"]), result["result"])

        done = until(ask)
        assert isinstance(done, tuple)
        return done


@pytest.fixture
def sandbox() -> WorkerPlatformSandbox:
    made = build(seed=3)
    made.delay_seconds = (0.0, 0.05)
    return made


@pytest.fixture
def client(sandbox: WorkerPlatformSandbox, serve: Serve) -> Client:
    return Client(dict(sandbox.access(serve(sandbox)).details))


def credential(client: Client, number: str = "3701120000001", person: str = PERSON, **change: Any) -> dict[str, Any]:
    return {
        "name": "赵建国",
        "idCardType": "01",
        "idCardNumber": client.aes(person),
        "certificationCategoriesType": "1",
        "credentialLevelType": "2",
        "certificationName": "岗位证书",
        "certificationCode": number,
        "jobType": "010",
        "validBeginDate": "2013-01-01",
        "grantOrg": "济南市城乡建设委员会",
        "certificationStatus": "1",
    } | change


def worker(client: Client, person: str = PERSON, **change: Any) -> dict[str, Any]:
    return {
        "workerName": "赵建国",
        "isTeamLeader": 0,
        "idCardType": "01",
        "idCardNumber": client.aes(person),
        "workType": "010",
        "workRole": 20,
        "nation": "汉",
        "address": "济南市示例路1号",
        "headImage": PHOTO,
        "politicsType": "13",
        "cellPhone": "13800000000",
        "cultureLevelType": "02",
        "grantOrg": "济南市公安局",
    } | change


def outer(client: Client) -> dict[str, Any]:
    d = client.details
    return {
        "projectCode": d["project_code"],
        "corpCode": d["corp_code"],
        "corpName": d["corp_name"],
        "teamSysNo": int(d["team_sys_no"]),
        "teamName": d["team_name"],
    }


def test_check_sign_accepts_a_right_signature_in_either_version(client: Client) -> None:
    assert client.call("CheckSign.Query", {}) == {"code": 0, "message": "成功", "data": {}}
    assert client.call("CheckSign.Query", {}, version="1.1")["code"] == 0


def test_only_the_one_path_takes_posts(client: Client, sandbox: WorkerPlatformSandbox) -> None:
    for url, data in ((client.details["url"], None), (client.details["url"] + "x", b"a=1")):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=5)
        assert refused.value.code == 404
        refused.value.close()


@pytest.mark.parametrize("field", ["appid", "data", "format", "method", "nonce", "timestamp", "version", "sign"])
def test_every_common_field_is_required(client: Client, field: str) -> None:
    fields = client.fields("CheckSign.Query", {})
    del fields[field]
    assert client.post(fields) == {"code": -1, "message": f"[{field}]不能为空", "data": None}


def test_an_unknown_account_is_told_so(client: Client) -> None:
    assert client.call("CheckSign.Query", {}, appid="1")["message"] == "appid无效"


def test_a_body_that_is_no_text_is_not_read(client: Client) -> None:
    with urllib.request.urlopen(urllib.request.Request(client.details["url"], data=b"appid=%FF"), timeout=5) as reply:
        assert json.load(reply)["message"] == "[appid]不能为空"


def test_a_version_of_another_method_is_refused(client: Client) -> None:
    assert client.call("Project.Query", {}, version="1.1")["message"] == "[version]值超出范围或无效"


def test_a_form_of_another_type_is_not_read(client: Client) -> None:
    answer = client.post(client.fields("CheckSign.Query", {}), **{"Content-Type": "text/plain"})
    assert answer["code"] == -1


@pytest.mark.parametrize(
    "change", [{"data": '{"a":1}'}, {"nonce": "other"}, {"sign": "0" * 64}, {"version": "1.1"}, {"sign": "汉"}]
)
def test_a_change_after_signing_breaks_the_signature(client: Client, change: dict[str, str]) -> None:
    assert client.post(client.fields("CheckSign.Query", {}) | change)["code"] == -2


def test_an_unescaped_plus_sign_breaks_the_signature(client: Client) -> None:
    fields = client.fields("CheckSign.Query", {"a": "+"})
    raw = "&".join(f"{k}={v}" for k, v in fields.items()).encode()
    with urllib.request.urlopen(urllib.request.Request(client.details["url"], data=raw), timeout=5) as reply:
        assert json.load(reply)["code"] == -2


def test_an_enterprise_signature_is_checked_where_it_is_sent(client: Client) -> None:
    fields = client.fields("CheckSign.Query", {})
    right = client.aes(client.details["corpkey"] + fields["timestamp"])
    assert client.call("CheckSign.Query", {}, timestamp=fields["timestamp"], corpsign=right)["code"] == 0
    assert client.call("CheckSign.Query", {}, corpsign=client.aes("x"))["code"] == -2


def test_a_nonce_is_good_for_one_call(client: Client) -> None:
    assert client.call("CheckSign.Query", {}, nonce="once")["code"] == 0
    assert client.call("CheckSign.Query", {}, nonce="once")["code"] == -1


@pytest.mark.parametrize("hours", [0, 7, 9])
def test_a_clock_in_another_zone_is_refused(client: Client, hours: int) -> None:
    wrong = (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y%m%d%H%M%S")
    assert client.call("CheckSign.Query", {}, timestamp=wrong)["message"] == "[timestamp]值超出范围或无效"


def test_the_tolerance_of_the_clock_can_be_set(client: Client, sandbox: WorkerPlatformSandbox) -> None:
    sandbox.tolerance = timedelta(hours=9)
    utc = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
    assert client.call("CheckSign.Query", {}, timestamp=utc)["code"] == 0
    for wrong in ("20300199093000", "2030-01-01", "203001010930"):
        assert client.call("CheckSign.Query", {}, timestamp=wrong)["code"] == -1


def test_an_address_that_is_not_admitted_is_refused(client: Client, sandbox: WorkerPlatformSandbox) -> None:
    sandbox.admitted = frozenset({"192.0.2.1"})
    assert client.call("CheckSign.Query", {})["code"] == -4


def test_a_method_that_does_not_exist_is_not_permitted(client: Client) -> None:
    assert client.call("Worker.Delete", {})["code"] == -3


def test_data_must_be_an_object(client: Client) -> None:
    assert client.call("CheckSign.Query", [])["code"] == -1
    assert client.post(client.fields("CheckSign.Query", "{", raw=True))["code"] == -1


def test_the_national_dialect_has_no_certificate_upload(serve: Serve) -> None:
    sandbox = build(dialect="national")
    client = Client(dict(sandbox.access(serve(sandbox)).details))
    assert client.call("WorkerCredential.Add", {"credentialList": [credential(client)]})["code"] == -3
    with pytest.raises(ValueError, match="dialects"):
        build(dialect="atlantis")


def test_a_certificate_is_added_late_and_shown_encrypted(
    client: Client, sandbox: WorkerPlatformSandbox, until: Until
) -> None:
    answer = client.call("WorkerCredential.Add", {"credentialList": [credential(client)]})
    serial = answer["data"]["requestSerialCode"]
    assert serial.startswith("workercredential-add-20")
    assert serial.endswith("-1-0001")
    assert client.finish(answer, until) == (20, "")
    question = {"pageIndex": 0, "pageSize": 50, "idCardType": "01", "idCardNumber": client.aes(PERSON)}
    data = client.call("WorkerCredential.Query", question)["data"]
    assert (data["totalCount"], len(data["rows"])) == (1, 1)
    assert data["rows"][0]["idCardNumber"] == client.aes(PERSON)
    assert data["rows"][0]["credentialLevelType"] == "02"
    counts = sandbox.effects()["counts"]
    assert (counts["persons"], counts["certificates"], counts["duplicates"]) == (1, 1, 0)
    held = sandbox.effects()["holdings"][hashlib.sha256(f"{PERSON}/3701120000001".encode()).hexdigest()]
    assert (held["kind"], held["version"], held["writes"]) == ("certificate", 1, 1)


def test_a_result_is_not_there_before_its_time(client: Client, sandbox: WorkerPlatformSandbox) -> None:
    sandbox.delay_seconds = (60, 60)
    answer = client.call("WorkerCredential.Add", {"credentialList": [credential(client)]})
    serial = {"requestSerialCode": answer["data"]["requestSerialCode"]}
    assert int(client.call("AsyncHandleResult.Query", serial)["data"]["status"]) == 0
    question = {"pageIndex": 0, "pageSize": 50, "idCardType": "01", "idCardNumber": client.aes(PERSON)}
    assert client.call("WorkerCredential.Query", question)["data"]["rows"] == []


def test_a_second_registration_of_a_certificate_is_refused_and_named_in_clear(
    client: Client, sandbox: WorkerPlatformSandbox, until: Until
) -> None:
    assert client.finish(client.call("WorkerCredential.Add", {"credentialList": [credential(client)]}), until)[0] == 20
    kinds = set()
    for _ in range(8):
        answer = client.call("WorkerCredential.Add", {"credentialList": [credential(client)]})
        kinds.add(answer["code"])
        status, text = client.finish(answer, until)
        assert status == 10
        assert f"已存在身份证为{PERSON}、证书编号为3701120000001的证书" in text
    assert kinds == {0, -1}
    assert sandbox.effects()["counts"] | {"requests": 0} == {
        "persons": 1,
        "certificates": 1,
        "duplicates": 8,
        "requests": 0,
    }


def test_an_update_changes_what_is_there_and_nothing_else(
    client: Client, sandbox: WorkerPlatformSandbox, until: Until
) -> None:
    sandbox.registry.update_creates = False
    missing = client.finish(client.call("WorkerCredential.Update", {"credentialList": [credential(client)]}), until)
    assert missing == (10, f"没有找到证件类型为01,证件号码为{PERSON}的对应信息")
    client.finish(client.call("WorkerCredential.Add", {"credentialList": [credential(client)]}), until)
    changed = credential(client, certificationStatus="2")
    assert client.finish(client.call("WorkerCredential.Update", {"credentialList": [changed]}), until)[0] == 20
    question = {"pageIndex": 0, "pageSize": 50, "idCardType": "01", "idCardNumber": client.aes(PERSON)}
    assert client.call("WorkerCredential.Query", question)["data"]["rows"][0]["certificationStatus"] == "2"
    held = sandbox.effects()["holdings"][hashlib.sha256(f"{PERSON}/3701120000001".encode()).hexdigest()]
    assert (held["version"], held["writes"]) == (2, 2)


def test_an_update_of_what_is_not_there_creates_it_unless_told_otherwise(
    client: Client, sandbox: WorkerPlatformSandbox, until: Until
) -> None:
    assert (
        client.finish(client.call("WorkerCredential.Update", {"credentialList": [credential(client)]}), until)[0] == 20
    )
    assert sandbox.effects()["counts"]["certificates"] == 1


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": ""}, "[credentialList][0][name]不能为空"),
        ({"idCardType": "02"}, "[credentialList][0][idCardType]目前只支持身份证类型的证件"),
        ({"idCardNumber": PERSON}, "[credentialList][0][idCardNumber]格式无效"),
        ({"jobType": "999"}, "[credentialList][0][jobType]值超出范围或无效"),
        ({"credentialLevelType": "7"}, "[credentialList][0][credentialLevelType]值超出范围或无效"),
        ({"validBeginDate": "2013-02-30"}, "[credentialList][0][validBeginDate]值超出范围或无效"),
        ({"validBeginDate": "2013-1-1"}, "[credentialList][0][validBeginDate]值超出范围或无效"),
        ({"grantOrg": 5}, "[credentialList][0][grantOrg]值超出范围或无效"),
    ],
)
def test_a_wrong_field_is_named_with_its_place_in_the_list(
    client: Client, sandbox: WorkerPlatformSandbox, until: Until, change: dict[str, Any], text: str
) -> None:
    answer = client.call("WorkerCredential.Add", {"credentialList": [credential(client, **change)]})
    assert client.finish(answer, until) == (10, text)
    assert sandbox.effects()["counts"]["certificates"] == 0


def test_a_lower_case_check_letter_is_refused(client: Client, until: Until) -> None:
    lower = credential(client, person="37000019800101001x")
    assert client.finish(client.call("WorkerCredential.Add", {"credentialList": [lower]}), until)[0] == 10


def test_a_list_has_a_longest_length_and_must_be_one(client: Client, until: Until) -> None:
    six = [credential(client, number=str(i)) for i in range(6)]
    for items, text in ((six, "[credentialList]数量超过限制5"), ([], "[credentialList]不能为空"), ("x", None)):
        status, said = client.finish(client.call("WorkerCredential.Add", {"credentialList": items}), until)
        assert (status, said if text else None) == (10, text)


def test_a_query_needs_its_page_and_gives_no_more_than_fifty(client: Client) -> None:
    question = {"idCardType": "01", "idCardNumber": client.aes(PERSON)}
    assert client.call("WorkerCredential.Query", question)["message"] == "[pageIndex]不能为空;[pageSize]不能为空"
    assert client.call("WorkerCredential.Query", question | {"pageIndex": 0, "pageSize": 51})["code"] == -1


def test_a_serial_nobody_gave_out_is_unknown(client: Client) -> None:
    assert client.call("AsyncHandleResult.Query", {"requestSerialCode": "x"})["code"] == -1


# --- projects, teams, workers ---


def test_the_order_of_registration_is_company_team_worker_entry_training(client: Client, until: Until) -> None:
    base, d = outer(client), client.details
    page = {"pageIndex": 0, "pageSize": 50, "projectCode": d["project_code"]}
    corp = {
        "projectCode": d["project_code"],
        "corpCode": "91370000MA3X000002",
        "corpName": "示例劳务",
        "corpType": "006",
    }
    assert client.finish(client.call("ProjectSubContractor.Add", corp), until)[0] == 20
    assert "参建单位已存在" in client.finish(client.call("ProjectSubContractor.Add", corp), until)[1]
    team = {k: base[k] for k in ("projectCode", "corpCode", "corpName")} | {"teamName": "木工班"}
    status, result = client.finish(client.call("Team.Add", team), until)
    number = json.loads(result)["teamSysNo"]
    assert (status, number) == (20, int(d["team_sys_no"]) + 1)
    assert f"已存在班组编号为:{number}" in client.finish(client.call("Team.Add", team), until)[1]
    renamed = {"teamSysNo": number, "teamName": "木工二班"}
    assert client.finish(client.call("Team.Update", renamed), until)[0] == 20
    assert client.call("Team.Query", page | {"teamName": "木工二班"})["data"]["totalCount"] == 1
    workers = base | {"workerList": [worker(client)]}
    assert client.finish(client.call("ProjectWorker.Add", workers), until) == (20, "")
    assert client.finish(client.call("ProjectWorker.Add", workers), until) == (
        10,
        f"项目中已存在身份证为{PERSON}的工人",
    )
    moved = base | worker(client, address="新地址")
    assert client.finish(client.call("ProjectWorker.Update", moved), until)[0] == 20
    rows = client.call("ProjectWorker.Query", page | {"idCardNumber": client.aes(PERSON)})["data"]["rows"]
    assert [r["address"] for r in rows] == ["新地址"]
    assert client.call("ProjectSubContractor.Query", page)["data"]["totalCount"] == 2
    assert client.call("Project.Query", page)["data"]["rows"][0]["projectCode"] == d["project_code"]


def test_workers_unknown_to_the_project_cannot_do_anything(client: Client, until: Until) -> None:
    base, who = outer(client), {"idCardType": "01", "idCardNumber": client.aes(OTHER)}
    missing = f"没有找到证件类型为01,证件号码为{OTHER}的对应信息"
    today = (datetime.now(UTC) + timedelta(hours=8)).date().isoformat()
    contract = who | {k: base[k] for k in ("corpCode", "corpName")}
    contract |= {"contractPeriodType": 0, "startDate": "2019-01-01", "endDate": "2020-01-01"}
    training = {
        "projectCode": base["projectCode"],
        "trainingDate": "2019-01-01",
        "trainingDuration": 2.0,
        "trainingName": "入场",
        "trainingTypeCode": "003002",
        "workers": [who | {"isPass": 1}],
    }
    for method, data in (
        ("WorkerEntryExit.Add", base | {"workerList": [who | {"date": today, "type": 1}]}),
        ("WorkerContract.Add", {"projectCode": base["projectCode"], "contractList": [contract]}),
        ("WorkerAttendance.Add", base | {"dataList": [who | {"date": f"{today} 08:00:00", "direction": "01"}]}),
        ("ProjectTraining.Add", training),
        ("ProjectWorker.Update", base | worker(client, OTHER)),
    ):
        assert client.finish(client.call(method, data), until) == (10, missing), method
    assert client.call("ProjectTraining.Add", training)["code"] == -1
    assert client.finish(client.call("ProjectTraining.Add", training | {"trainingTypeCode": "9"}), until)[1].startswith(
        "请参见[培训类型]字典表"
    )


def test_a_registered_worker_enters_signs_attends_and_is_trained(client: Client, until: Until) -> None:
    base, who = outer(client), {"idCardType": "01", "idCardNumber": client.aes(PERSON)}
    client.finish(client.call("ProjectWorker.Add", base | {"workerList": [worker(client)]}), until)
    entry = {**base, "workerList": [who | {"date": "2019-03-02", "type": 1}]}
    assert client.finish(client.call("WorkerEntryExit.Add", entry), until)[0] == 20
    for day, text in (("2019-03-01", "不能小于历史进退场时间"), ("2999-01-01", "不能大于当天")):
        late = {**base, "workerList": [who | {"date": day, "type": 0}]}
        assert text in client.finish(client.call("WorkerEntryExit.Add", late), until)[1]
    contract = who | {k: base[k] for k in ("corpCode", "corpName")}
    contract |= {"contractPeriodType": 0, "startDate": "2019-01-01", "endDate": "2020-01-01"}
    contracts = {"projectCode": base["projectCode"], "contractList": [contract]}
    assert client.finish(client.call("WorkerContract.Add", contracts), until)[0] == 20
    assert client.finish(client.call("WorkerContract.Add", contracts), until)[0] == 10
    stamp = who | {"date": "2019-03-02 08:00:00", "direction": "01", "image": PHOTO}
    for _ in range(2):
        assert client.finish(client.call("WorkerAttendance.Add", base | {"dataList": [stamp]}), until)[0] == 20
    page = {"pageIndex": 0, "pageSize": 1, "projectCode": base["projectCode"]}
    day = client.call("WorkerAttendance.Query", page | {"date": "2019-03-02"})["data"]
    assert (day["totalCount"], len(day["rows"])) == (2, 1)
    training = {
        "projectCode": base["projectCode"],
        "trainingDate": "2019-03-02",
        "trainingDuration": 2.0,
        "trainingName": "安全",
        "trainingTypeCode": "003001",
    }
    assert client.finish(client.call("ProjectTraining.Add", training), until)[0] == 20
    assert client.finish(client.call("ProjectTraining.Add", training), until) == (10, "培训记录已存在")
    for method, wanted in (("ProjectTraining.Query", 1), ("WorkerEntryExit.Query", 1), ("WorkerContract.Query", 1)):
        assert client.call(method, page)["data"]["totalCount"] == wanted
    assert client.call("ProjectTraining.Query", page | {"typeCode": "003004"})["data"]["totalCount"] == 0


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"headImage": ""}, "[headImage]不能为空"),
        ({"headImage": "data:image/png;base64," + "A" * 50_000}, "[headImage]大小超过限制50KB"),
        ({"headImage": base64.b64encode(b"photo").decode()}, "[headImage]格式无效"),
        ({"headImage": "data:image/bmp;base64,AAAA"}, "[headImage]格式无效"),
        ({"nation": "汉族"}, "[nation]值超出范围或无效"),
        ({"payRollBankCardNumber": "clear"}, "[payRollBankCardNumber]格式无效"),
    ],
)
def test_a_worker_with_a_wrong_field_is_refused_in_the_words_of_the_platform(
    client: Client, until: Until, change: dict[str, Any], text: str
) -> None:
    data = outer(client) | {"workerList": [worker(client, **change)]}
    assert client.finish(client.call("ProjectWorker.Add", data), until) == (10, f"[workerList][0]{text}")


@pytest.mark.parametrize(
    ("field", "value"), [("projectCode", "1"), ("corpCode", "1"), ("teamSysNo", 1), ("teamSysNo", "x")]
)
def test_a_project_company_or_team_that_is_not_there_is_refused(
    client: Client, until: Until, field: str, value: object
) -> None:
    data = outer(client) | {"workerList": [worker(client)], field: value}
    assert client.finish(client.call("ProjectWorker.Add", data), until) == (10, f"[{field}]值超出范围或无效")


# --- faults ---


def test_a_busy_platform_does_nothing(client: Client, sandbox: WorkerPlatformSandbox) -> None:
    sandbox.faults.set(next_=["busy"])
    assert client.call("WorkerCredential.Add", {"credentialList": [credential(client)]})["code"] == -5
    assert sandbox.effects()["counts"]["certificates"] == 0


def test_a_false_duplicate_is_carried_out_once(client: Client, sandbox: WorkerPlatformSandbox) -> None:
    sandbox.faults.set(next_=["duplicate", "duplicate"])
    answer = client.call("WorkerCredential.Add", {"credentialList": [credential(client)]})
    assert (answer["code"], "已存在" in answer["message"]) == (-1, True)
    counts = sandbox.effects()["counts"]
    assert (counts["certificates"], counts["duplicates"]) == (1, 0)
    assert client.call("CheckSign.Query", {})["code"] == 0


def test_a_forgotten_result_is_an_unknown_serial(client: Client, sandbox: WorkerPlatformSandbox) -> None:
    answer = client.call("WorkerCredential.Add", {"credentialList": [credential(client)]})
    sandbox.faults.set(next_=["forget_result"])
    serial = {"requestSerialCode": answer["data"]["requestSerialCode"]}
    assert [client.call("AsyncHandleResult.Query", serial)["code"] for _ in range(2)] == [-1, -1]


def test_a_restarted_platform_remembers(tmp_path: Any, serve: Serve) -> None:
    first = build(state=tmp_path)
    first.delay_seconds = (0.0, 0.0)
    client = Client(dict(first.access(serve(first)).details))
    answer = client.call("WorkerCredential.Add", {"credentialList": [credential(client)]})
    second = build(state=tmp_path)
    client = Client(dict(second.access(serve(second)).details))
    serial = {"requestSerialCode": answer["data"]["requestSerialCode"]}
    assert int(client.call("AsyncHandleResult.Query", serial)["data"]["status"]) == 20
    assert second.effects()["counts"]["certificates"] == 1
