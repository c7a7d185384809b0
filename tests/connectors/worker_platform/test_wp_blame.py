"""A refusal that names a field of the call itself concerns no record: it holds the platform, in every dialect."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from connectors.worker_platform.adapter import WorkerPlatform
from connectors.worker_platform.dialect import Kind
from connectors.worker_platform.dialect_file import load_dialect
from gateway.contract.messages import Payload, WireResponse
from gateway.delivery.acknowledge import poll
from gateway.delivery.push import push
from gateway.delivery.store import ledger, platforms
from gateway.domain.states import Event, State
from gateway.testing.conformance import stamp

Answer = Callable[..., WireResponse]
Build = Callable[..., WorkerPlatform]
Payloads = tuple[Payload, ...]

DIALECTS = ("national", "sandbox", "hangzhou", "huzhou", "jinhua", "fujian", "henan", "huiji")
ENVELOPE = ("appid", "data", "format", "method", "nonce", "timestamp", "version", "sign", "corpsign")
FORMS = (
    "[{}]不能为空",
    "[{}]值超出范围或无效",
    "［{}］值超出范围或无效",
    "【{}】无效",
    "参数[ {} ]格式错误",
    "“{}”错误",
    "{}无效",
    "参数{}不能为空",
    "[{}]值超出范围或无效;[workerList][0][workerName]不能为空",
    "[workerList][0][workerName]不能为空;[{}]值超出范围或无效",
    "[nonce][{}]不能为空",
)


def settings(dialect: str) -> dict[str, str]:
    more = {"CORPKEY": "ExampleCorpKey-0000000000000000x"} if dialect == "fujian" else {}
    return {"DIALECT": dialect, **more}


def result(dialect: str, text: str, answer: Answer, receipt: str) -> WireResponse:
    """A result that failed, as the copy of this dialect writes it."""
    if dialect == "henan":
        return answer(0, text, {"DEALRESULT": {"code": -1}}, requestcode=receipt)
    state = "02" if dialect == "huiji" else 10
    return answer(0, "", {"requestSerialCode": receipt, "status": state, "result": text})


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ENVELOPE)
def test_every_field_of_the_call_in_every_form_holds(name: str, form: str) -> None:
    for dialect in map(load_dialect, DIALECTS):
        wire = getattr(dialect.names, name)
        for shown in {wire, wire.upper(), wire.lower()}:
            assert dialect.kind_of(form.format(shown)) is Kind.CONFIGURATION, (dialect.title_zh, shown)


@pytest.mark.parametrize(
    "text",
    [
        *("时间戳已过期", "签名校验错误", "验签失败", "非法凭证", "随机数重复", "无API访问权限", "IP校验错误"),
        *("Invalid timestamp.", "timestamp is expired", "nonce already used", "invalid sign", "sign error"),
        *("unsupported version", "unknown method", "Invalid signature", "appId not found"),
    ],
)
def test_other_words_about_the_call_hold_too(text: str) -> None:
    assert {load_dialect(name).kind_of(text) for name in DIALECTS} == {Kind.CONFIGURATION}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[workerList][0][version]不能为空", None),
        ("[attachments][0][data]大小超过限制1MB", Kind.DATA),
        ("[data][0][workerName]不能为空", None),
        ("[data]大小超过限制", Kind.DATA),
        ("[headImage]格式无效", Kind.DATA),
        ("[headImage] invalid format", None),
        ("date format error", None),
        ("请求data中存在重复记录", None),
        ("date.format错误", None),
        ("workerList.timestamp错误", None),
        ("[workerName]不能为空", None),
        ("[signDate]值超出范围或无效", None),
        ("the method of payment is required", None),
    ],
)
def test_a_field_of_a_record_is_not_taken_for_one_of_the_call(text: str, kind: Kind | None) -> None:
    assert load_dialect("national").kind_of(text) is kind


def test_a_signed_field_of_one_dialect_is_a_field_of_its_calls() -> None:
    assert load_dialect("henan").kind_of("[iscompany]值超出范围或无效") is Kind.CONFIGURATION
    assert load_dialect("national").kind_of("[iscompany]值超出范围或无效") is None


@pytest.mark.parametrize("code", [-1, "-1", 1001, 9999, 4711, 2001, 2003, 2006, 1086])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_answer_to_any_call_blames_a_record_for_it(
    built: Build, payloads: Payloads, answer: Answer, dialect: str, code: object
) -> None:
    connector, text = built(**settings(dialect)), "[timestamp]值超出范围或无效"
    refused = answer(code, text)
    for count in (1, 3):
        verdicts = [
            *connector.decode_push(refused, payloads[:count], stamp()),
            *connector.decode_ack(refused, "r-1", payloads[:count], stamp()),
            *connector.decode_ack(result(dialect, text, answer, "r-1"), "r-1", payloads[:count], stamp()),
            connector.decode_lookup(refused, payloads[0], stamp()),
        ]
        assert {v.event for v in verdicts} == {Event.HOLD}
    assert not connector.decode_health(refused, stamp()).ok


def test_the_rest_after_too_many_calls_is_no_hold(built: Build, payloads: Payloads, answer: Answer) -> None:
    refused = answer(-5, "[appid]访问超过限制")
    assert built().decode_push(refused, payloads[:1], stamp())[0].event is Event.RETRY


@pytest.mark.parametrize("dialect", ["national", "henan"])
def test_a_clock_that_is_wrong_holds_the_platform_and_costs_no_record(world: Any, dialect: str) -> None:
    here = world(dialect)
    here.enqueue(*here.filings(2))
    usual, here.sandbox.tolerance = here.sandbox.tolerance, timedelta(hours=-3)
    here.run(push)
    assert not any(State.REJECTED in state or State.PARKED in state for state in here.states())
    assert paused(here)
    here.sandbox.tolerance = usual
    resume(here)
    here.until_quiet()
    assert set(state.split()[1] for state in here.states()) == {State.ACCEPTED}
    here.check()


def test_a_result_that_failed_for_the_call_is_sent_again_and_not_read_for_ever(world: Any) -> None:
    here = world("national")
    here.enqueue(*here.filings(1))
    here.sandbox.faults.set(next_=["blame_call"])
    here.run(push)
    here.clock.forward(5)
    here.run(poll)
    assert paused(here)
    assert here.states()["person queued"] == 1
    resume(here)
    here.until_quiet()
    assert set(state.split()[1] for state in here.states()) == {State.ACCEPTED}
    here.check()


def paused(here: Any) -> bool:
    with here.store.read() as c:
        return platforms.pause_of(c, here.connector.info.platform, here.clock()) is not None


def resume(here: Any) -> None:
    name, now = here.connector.info.platform, here.clock()
    with here.store.write() as c:
        platforms.resume(c, name, by="test", reason="mended", now=now)
        ledger.let_go(c, Event.RESUMED, now, platform=name)
