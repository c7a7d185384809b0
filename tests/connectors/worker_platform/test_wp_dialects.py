"""Dialects are data; one that contradicts itself is refused with the names of file and key."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from connectors.worker_platform.adapter import WorkerPlatform
from connectors.worker_platform.dialect import Kind
from connectors.worker_platform.dialect_file import load_dialect
from gateway.contract.messages import Payload, WireResponse
from gateway.domain.errors import ConfigurationError
from gateway.domain.records import RecordKind
from gateway.domain.states import Event
from gateway.testing import people
from gateway.testing.conformance import stamp

Build = Callable[..., WorkerPlatform]
Answer = Callable[..., WireResponse]

PACKAGED = ("national", "sandbox", "hangzhou", "huzhou", "jinhua", "fujian", "henan", "huiji")


@pytest.mark.parametrize("name", PACKAGED)
def test_every_packaged_dialect_loads_and_only_the_sandbox_takes_certificates(name: str) -> None:
    assert load_dialect(name).capabilities.credential_write is (name == "sandbox")


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        ("[result]\nwaiting = ['0', '20']", "result"),
        ("[result]\ndone = []", "result.done"),
        ("[result]\ndone = ['done']", "result.done.0"),
        ("[result]\ndone = ['1']\nwaiting = ['01']", "result"),
        ("[error_codes]\n0 = 'data'", "error_codes"),
        ("[error_codes]\n7 = 'misc'", "error_codes.7"),
        ("[names]\nsign = 'data'", "names"),
        ("[names]\nappid = ''", "names"),
        ("extra_fields = {nonce = '1'}", "extra_fields"),
        ("path = 'open.api'", "path"),
        ("result_path = 'async'", "result_path"),
        ("corpsign = 'maybe'", "corpsign"),
        ("[timestamp]\nformat = '%H'", "timestamp.format"),
        ("[timestamp]\nzone = 'Asia/Nowhere'", "timestamp.zone"),
        ("[timestamp]\nzone = '/etc/passwd'", "timestamp.zone"),
        ("[version]\nmethods = {login = '2.0'}", "version.methods"),
        ("[capabilities]\ncredential_write = true", "methods.credential_add"),
        ("[methods]\ncheck_sign = ''", "methods.check_sign"),
        ("[methods]\ncredential_query = ''", "methods.credential_query"),
        ("[batch_max]\ncredential = 2", "batch_max.credential"),
        ("[credential]\nupdate_shape = 'list'", "credential.update_shape"),
        ("[credential]\nfields = {certificationCode = ''}", "credential.fields"),
        ("[poll]\ngive_up = 1", "poll.give_up"),
        ("[poll]\nfirst = [0]", "poll.first.0"),
        ("[[patterns]]\nparts = ['']\nkind = 'data'", "patterns.0.parts.0"),
        ("colour = 'red'", "colour"),
        ("[methods]\nworker_query = ''", "methods.worker_query"),
        ("[methods]\ntraining_add = ''", "methods.training_add"),
        ("[worker]\nlist_field = ''\nupdate_shape = 'list'", "worker.update_shape"),
        ("[training]\nlist_field = ''", "training.list_field"),
        ("[worker.codes]\nshoeSize = {}", "worker.codes"),
        ("[worker]\ndictionaries = ['shoeSize']", "worker.dictionaries"),
        ("[worker.constants]\nworkType = '010'", "worker.constants"),
        ("[worker]\nrequired = ['shoeSize']", "worker.required"),
        ("[worker]\ncompare = ['shoeSize']", "worker.compare"),
        ("[worker.fields]\nshoeSize = 'shoe'", "worker.fields"),
        ("[worker.fields]\nteamName = 'corpName'", "worker.fields"),
        ("[worker.fields]\nidCardNumber = 'idcard'", "encrypted"),
        ("[worker.fields]\nidCardNumber = ''", "encrypted"),
        ("[worker]\nouter = ['idCardNumber']", "worker.outer"),
        ("[worker]\nphoto = 'link'", "worker.photo"),
        ("[worker]\nphoto_max = 0", "worker.photo_max"),
        ("[training]\nname = '岗位证书'", "training.name"),
        ("[training.fields]\ntrainingDate = ''", "training.fields"),
    ],
)
def test_a_contradiction_is_refused_with_file_and_key(tmp_path: Path, lines: str, key: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(f"extends = 'national'\n{lines}\n", "utf-8")
    with pytest.raises(ConfigurationError, match=rf"dialect .*own\.toml: {key}: "):
        load_dialect(str(path))


def test_a_write_dialect_must_encrypt_the_identity_number(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text("extends = 'sandbox'\nencrypted = ['bankNumber']\n", "utf-8")
    with pytest.raises(ConfigurationError, match="encrypted: the identity number would travel in clear"):
        load_dialect(str(path))


@pytest.mark.parametrize(
    ("content", "message"), [(b"= 1", "not TOML"), (b"\xff", "cannot be read"), (b"extends = 'lost'", "lost: unknown")]
)
def test_an_unreadable_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=message):
        load_dialect(str(path))


def test_a_missing_file_and_a_circle_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_dialect(str(path))
    path.write_text(f"extends = '{path}'\n", "utf-8")
    with pytest.raises(ConfigurationError, match="circle"):
        load_dialect(str(path))


def test_a_file_lays_tables_over_and_puts_its_patterns_first(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        "extends = 'national'\n[rate]\nmin_interval = 9\n[[patterns]]\nparts = ['参建单位已存在']\nkind = 'order'\n",
        "utf-8",
    )
    dialect = load_dialect(str(path))
    assert (dialect.rate.min_interval, dialect.rate.connections) == (9, 1)
    assert dialect.kind_of("参建单位已存在") is Kind.ORDER
    assert dialect.kind_of("班组已存在") is Kind.DUPLICATE


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (
            "项目中已存在身份证为370000199001010010的工人\r\n项目中已存在身份证为370000199001010029的工人",
            Kind.DUPLICATE,
        ),
        ("参建单位 已存在", Kind.DUPLICATE),
        ("班组已存在", Kind.DUPLICATE),
        ("已存在班组编号为：100001", Kind.DUPLICATE),
        ("appid无效", Kind.CONFIGURATION),
        ("访问过于频繁", Kind.RATE),
        ("［teamSysNo］值超出范围或无效", Kind.ORDER),
        ("[headImage]不能为空", Kind.DATA),
        ("[headImage]大小超过限制 50kb", Kind.DATA),
        ("[headImage]格式无效", Kind.DATA),
        ("[workerList][0][idCardType]目前只支持身份证类型的证件", Kind.DATA),
        ("没有找到证件类型为01,证件号码为370000199001010010的对应信息", Kind.ORDER),
        ("请参见[培训类型]字典表", Kind.DATA),
        ("请参见行政区划字典表", Kind.DATA),
        ("日期不能大于当天", Kind.DATA),
        ("日期不能大于今天", Kind.DATA),
        ("不能小于历史进退场时间", Kind.DATA),
        ("培训记录已存在", Kind.DUPLICATE),
        ("不允许上传该工人的工资发放信息", Kind.ORDER),
        ("InternalError", Kind.PLATFORM),
        ("今天天气很好", None),
        ("", None),
    ],
)
def test_every_known_failure_text_has_its_kind(text: str, kind: Kind | None) -> None:
    assert load_dialect("national").kind_of(text) is kind


def test_a_dictionary_of_the_platforms_own_translates_or_refuses(built: Build, tmp_path: Path, answer: Answer) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        "extends = 'henan'\n[worker.codes]\nworkType = {010 = '210401'}\ncultureLevelType = {}\n"
        "[worker.constants]\nTYPEID = '88'\nPAYDATE = '15'\n",
        "utf-8",
    )
    connector = built(DIALECT=str(path))
    (made,) = people.submissions("worker_platform", RecordKind.PERSON, 1)
    place = people.placement("1", "91370000MA3X000005", "示例建设有限公司", "1000100001", "钢筋一班")
    draft = connector.map(replace(made, record=people.placed(made.record, replace(place, trade="010"))))
    assert draft.fields["workType"] == "210401"
    assert [(p.field, p.rule) for p in draft.problems] == [("education", "code:worker.codes.cultureLevelType")]
    detail = connector.decode_health(answer(-1, "流水号不存在"), stamp()).detail
    assert "its own codes for politicsType, fill worker.codes" in detail
    payload = Payload(key="k", kind=RecordKind.PERSON, record_key="r", version=1, fields=draft.fields)
    form = dict(parse_qsl(connector.encode_push([payload], stamp()).body.decode()))
    (sent,) = json.loads(form["data"])
    assert (sent["WORKCLASSES"], sent["TYPEID"], sent["PAYDATE"]) == ("210401", "88", "15")


def test_the_contract_of_a_worker_is_the_platforms_id(built: Build, answer: Answer, payloads: Any) -> None:
    done = answer(0, None, {"DEALRESULT": {"code": 0, "data": {"CONTRACTTYPE": "HT1"}}}, requestcode="h-1")
    (verdict,) = built(DIALECT="henan").decode_ack(done, "h-1", payloads[:1], stamp())
    assert (verdict.event, verdict.platform_id) == (Event.ACCEPTED, "HT1")


@pytest.mark.parametrize(
    ("code", "push", "poll"),
    [
        *((code, Event.HOLD, Event.HOLD) for code in (1001, 1002, 1003)),
        *((code, Event.REJECTED, Event.NOT_FOUND) for code in (2001, 2003, 2006)),
        *((code, Event.DUPLICATE, Event.UNKNOWN) for code in (2007, 1086)),
        (2002, Event.RETRY, Event.RETRY),
        (2005, Event.RETRY, Event.RETRY),
        (2004, Event.UNKNOWN, Event.UNKNOWN),
    ],
)
def test_every_code_of_huiji_has_its_kind(
    built: Build, answer: Answer, payloads: Any, code: int, push: Event, poll: Event
) -> None:
    connector = built(DIALECT="huiji")
    for shown in (code, str(code)):
        assert connector.decode_push(answer(shown, ""), payloads[:1], stamp())[0].event is push
        assert connector.decode_ack(answer(shown, ""), "r", payloads[:1], stamp())[0].event is poll


@pytest.mark.parametrize(("state", "event"), [("01", Event.PENDING), ("02", Event.REJECTED), ("03", Event.ACCEPTED)])
def test_every_state_of_huiji_has_its_event(
    built: Build, answer: Answer, payloads: Any, state: str, event: Event
) -> None:
    for shown in (state, int(state)):
        result = answer(0, "", {"requestSerialCode": "r", "status": shown, "result": "不对"})
        assert built(DIALECT="huiji").decode_ack(result, "r", payloads[:1], stamp())[0].event is event


def test_a_result_that_names_no_serial_is_confirmed_by_a_question(
    built: Build, answer: Answer, payloads: Any, tmp_path: Path
) -> None:
    path = tmp_path / "own.toml"
    path.write_text("extends = 'henan'\n[result]\necho_path = ''\n", "utf-8")
    done = answer(0, None, {"DEALRESULT": {"code": 0}})
    assert built(DIALECT=str(path)).decode_ack(done, "h-1", payloads[:1], stamp())[0].event is Event.DUPLICATE
    assert built(DIALECT="henan").decode_ack(done, "h-1", payloads[:1], stamp())[0].event is Event.RETRY


@pytest.mark.parametrize("code", [0, -1, 9999])
def test_a_failed_result_of_henan_blames_what_its_top_level_message_says(
    built: Build, answer: Answer, payloads: Any, code: int
) -> None:
    connector = built(DIALECT="henan")
    for text, event in (("[NAME]不能为空", Event.REJECTED), ("[timestamp]值超出范围或无效", Event.HOLD)):
        failed = answer(code, text, {"DEALRESULT": {"code": -1}}, requestcode="h-1")
        (verdict,) = connector.decode_ack(failed, "h-1", payloads[:1], stamp())
        assert (verdict.event, verdict.spent) == (event, event is Event.HOLD)
        (other,) = connector.decode_ack(failed, "h-2", payloads[:1], stamp())
        assert other.event is not Event.REJECTED
