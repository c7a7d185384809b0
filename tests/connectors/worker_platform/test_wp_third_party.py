"""A program written for the real platform, by somebody who never saw ours, against ``gateway sandbox --json``.

It is made of requests, hashlib and an AES library, in the manner of the public clients: raw UTF-8 JSON, a form post,
nonces of every kind, numbers as text. Nothing of the gateway is imported: address and credentials are all it gets.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from Cryptodome.Cipher import AES
from Cryptodome.Util.Padding import pad, unpad

PHOTO = "data:image/jpeg;base64," + base64.b64encode(b"\xff\xd8\xff" + bytes(200)).decode()
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def identity(order: int) -> str:
    first = f"37000019880808{order:03d}"
    return first + "10X98765432"[sum(int(c) * w for c, w in zip(first, WEIGHTS, strict=True)) % 11]


class Vendor:
    """What a device maker's uploader does."""

    def __init__(self, at: dict[str, Any]) -> None:
        self.at = at
        # six digits drawn by chance would meet again among so many questions, and a nonce must not
        six = itertools.count(random.randrange(10**5))
        self.nonces = itertools.cycle(
            (
                lambda: str(uuid.uuid4()),
                lambda: uuid.uuid4().hex,
                lambda: f"{next(six):06d}",
                lambda: "".join(random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=20)),
            )
        )

    def aes(self, text: str) -> str:
        key = self.at["appsecret"].encode()
        return base64.b64encode(AES.new(key, AES.MODE_CBC, key[:16]).encrypt(pad(text.encode(), 16))).decode()

    def clear(self, text: str) -> str:
        key = self.at["appsecret"].encode()
        return unpad(AES.new(key, AES.MODE_CBC, key[:16]).decrypt(base64.b64decode(text)), 16).decode()

    def call(self, method: str, data: dict[str, Any], *, enterprise: bool = False, **change: str) -> Any:
        form = {
            "method": method,
            "version": "1.0",
            "appid": self.at["appid"],
            "format": "json",
            "timestamp": (datetime.now(UTC) + timedelta(hours=8)).strftime("%Y%m%d%H%M%S"),
            "nonce": next(self.nonces)(),
            "data": json.dumps(data, ensure_ascii=False),
            **change,
        }
        if enterprise:
            form["corpsign"] = self.aes(self.at["corpkey"] + form["timestamp"])
        text = "&".join(f"{name}={form[name]}" for name in sorted(form)) + f"&appsecret={self.at['appsecret']}"
        form["sign"] = hashlib.sha256(text.lower().encode("utf-8")).hexdigest()
        answer = requests.post(self.at["url"], data=form, timeout=(5, 30))
        assert answer.status_code == 200
        return answer.json()

    def wait(self, answer: Any) -> tuple[int, str]:
        if int(answer["code"]) != 0:
            return 10, answer["message"]
        asked = {"requestSerialCode": answer["data"]["requestSerialCode"]}
        end = time.monotonic() + 10
        while time.monotonic() < end:
            result = self.call("AsyncHandleResult.Query", asked)["data"]
            if str(result["status"]) != "0":
                return int(result["status"]), result["result"]
        raise AssertionError("no result")


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    command = [sys.executable, "-m", "gateway", "sandbox", "--platform", "worker_platform", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean) as process:
        assert process.stdout is not None
        try:
            yield Vendor(json.loads(process.stdout.readline())["worker_platform"])
        finally:
            process.terminate()


def test_the_document_says_all_a_program_needs(vendor: Vendor) -> None:
    wanted = (
        "url",
        "appid",
        "appsecret",
        "corpkey",
        "project_code",
        "corp_code",
        "corp_name",
        "team_sys_no",
        "team_name",
    )
    assert set(wanted) <= set(vendor.at)
    assert all(isinstance(vendor.at[name], str) and vendor.at[name] for name in wanted)


def test_credentials_are_tried_first(vendor: Vendor) -> None:
    assert vendor.call("CheckSign.Query", {}, version="1.1")["code"] == 0
    assert vendor.call("CheckSign.Query", {}, version="1.1", enterprise=True)["code"] == 0
    assert vendor.call("CheckSign.Query", {}, appid="1")["message"] == "appid无效"
    assert [vendor.call("Nothing.Add", {})["code"], vendor.call("Team.Query", {})["code"]] == [-3, -1]


def test_a_site_is_set_up_and_run_from_company_to_payroll(vendor: Vendor) -> None:
    at, numbers = vendor.at, [identity(n) for n in (101, 102)]
    corp = {"projectCode": at["project_code"], "corpCode": "91370000MA3Y000002", "corpName": "示例劳务有限公司"}
    assert vendor.wait(vendor.call("ProjectSubContractor.Add", {**corp, "corpType": "006"}))[0] == 20
    done, text = vendor.wait(vendor.call("ProjectSubContractor.Add", {**corp, "corpType": "006"}))
    assert (done, "参建单位已存在" in text) == (10, True)
    team = {**corp, "teamName": "木工一班", "responsiblePersonName": "王五", "remark": "一期"}
    done, result = vendor.wait(vendor.call("Team.Add", team))
    assert done == 20
    outer = {**corp, "teamSysNo": json.loads(result)["teamSysNo"], "teamName": "木工一班"}
    assert "已存在班组编号为:" in vendor.wait(vendor.call("Team.Add", team))[1]

    def worker(number: str) -> dict[str, Any]:
        return {
            **{"workerName": "李四", "isTeamLeader": "0", "idCardType": "01", "idCardNumber": vendor.aes(number)},
            **{"workType": "240", "workRole": "20", "nation": "汉", "address": "示例路1号", "headImage": PHOTO},
            **{"politicsType": "13", "cellPhone": "13800000000", "cultureLevelType": "02", "grantOrg": "示例市公安局"},
            **{"hasBuyInsurance": 1, "Specialty": "木工", "startDate": "2015-01-01", "expiryDate": "2035-01-01"},
        }

    both = {**outer, "workerList": [worker(number) for number in numbers]}
    assert vendor.wait(vendor.call("ProjectWorker.Add", both, enterprise=True))[0] == 20
    done, text = vendor.wait(vendor.call("ProjectWorker.Add", both))
    assert (done, text.count("\r\n"), numbers[1] in text) == (10, 1, True)
    assert "项目中已存在身份证为" in text
    assert vendor.wait(vendor.call("ProjectWorker.Update", {**outer, **worker(numbers[0]), "workType": "010"}))[0] == 20
    listed = {**outer, "workerList": [{**worker(numbers[1]), "workType": "010"}]}
    assert vendor.wait(vendor.call("ProjectWorker.Update", listed))[0] == 20
    page = {"pageIndex": 0, "pageSize": 50, "projectCode": at["project_code"]}
    rows = vendor.call("ProjectWorker.Query", {**page, "teamSysNo": str(outer["teamSysNo"])})["data"]["rows"]
    assert sorted(vendor.clear(row["idCardNumber"]) for row in rows) == numbers
    assert {row["workType"] for row in rows} == {"010"}
    run(vendor, outer, page, vendor.aes(numbers[0]))


def run(vendor: Vendor, outer: dict[str, Any], page: dict[str, Any], sealed: str) -> None:
    """Entry, contract, attendance, training and pay of one worker."""
    who = {"idCardType": "01", "idCardNumber": sealed}
    project = {"projectCode": outer["projectCode"]}
    corp = {"corpCode": outer["corpCode"], "corpName": outer["corpName"]}
    today = (datetime.now(UTC) + timedelta(hours=8)).strftime("%Y-%m-%d")
    terms = {"contractPeriodType": 0, "startDate": today, "endDate": "2099-01-01", "unit": 80, "unitPrice": 260.5}
    training = {
        "trainingDate": today,
        "trainingDuration": 2.0,
        "trainingName": "入场教育",
        "trainingTypeCode": "003002",
    }
    pay = {"days": 22, "totalPayAmount": 6000.0, "actualAmount": 6000.0, "isBackPay": 0, "balanceDate": today}
    cards = {"payRollBankCardNumber": vendor.aes("6200000000000000000"), "thirdPayRollCode": uuid.uuid4().hex}
    calls: dict[str, dict[str, Any]] = {
        "WorkerEntryExit": {**outer, "workerList": [{**who, "date": today, "type": "1"}]},
        "WorkerContract": {**project, "contractList": [{**who, **corp, **terms}]},
        "WorkerAttendance": {**outer, "dataList": [{**who, "date": f"{today} 07:30:00.123", "direction": "01"}]},
        "ProjectTraining": {**project, **training, "workers": [{**who, "isPass": 1, "trainingScore": 95.5}]},
        "Payroll": {**outer, "payMonth": today[:7], "detailList": [{**who, **pay, **cards}]},
    }
    for name, data in calls.items():
        done, result = vendor.wait(vendor.call(f"{name}.Add", data))
        assert done == 20, (name, result)
    assert vendor.call("Payroll.Query", project)["data"]["payrollCode"]
    for name, more in (
        *(("WorkerEntryExit", {}), ("WorkerContract", {"IdCardNumber": sealed}), ("ProjectTraining", {})),
        *(("WorkerAttendance", {"date": today}), ("Team", {}), ("ProjectSubContractor", {})),
    ):
        found = vendor.call(f"{name}.Query", {**page, **more})["data"]
        assert found["totalCount"] >= 1, name
    assert vendor.call("WorkerCredential.Query", {**page, **who})["data"]["rows"] == []


@pytest.mark.parametrize(
    ("change", "code"),
    [({"sign": "0" * 64}, -2), ({"data": "{"}, -2), ({"nonce": ""}, -1)],
    ids=["wrong signature", "changed after signing", "no nonce"],
)
def test_a_mistake_is_answered_with_its_code(vendor: Vendor, change: dict[str, str], code: int) -> None:
    form = {"method": "CheckSign.Query", "version": "1.1", "appid": vendor.at["appid"], "format": "json"}
    form |= {"timestamp": (datetime.now(UTC) + timedelta(hours=8)).strftime("%Y%m%d%H%M%S")}
    form |= {"nonce": uuid.uuid4().hex, "data": "{}"}
    text = "&".join(f"{name}={form[name]}" for name in sorted(form)) + f"&appsecret={vendor.at['appsecret']}"
    form |= {"sign": hashlib.sha256(text.lower().encode()).hexdigest()} | change
    assert requests.post(vendor.at["url"], data=form, timeout=5).json()["code"] == code


def test_a_form_field_nobody_knows_is_ignored(vendor: Vendor) -> None:
    form = {"method": "CheckSign.Query", "version": "1.0", "appid": vendor.at["appid"], "format": "json", "data": "{}"}
    form |= {"timestamp": (datetime.now(UTC) + timedelta(hours=8)).strftime("%Y%m%d%H%M%S"), "nonce": uuid.uuid4().hex}
    text = "&".join(f"{name}={form[name]}" for name in sorted(form)) + f"&appsecret={vendor.at['appsecret']}"
    form |= {"sign": hashlib.sha256(text.lower().encode()).hexdigest(), "remark": "x"}
    assert requests.post(vendor.at["url"], data=form, timeout=5).json()["code"] == 0
