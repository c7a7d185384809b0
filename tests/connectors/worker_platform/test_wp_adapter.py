"""The contract's suite, and what each answer of the platform means."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from connectors.worker_platform.adapter import WorkerPlatform, build
from connectors.worker_platform.cipher import encrypt
from connectors.worker_platform.sandbox import WorkerPlatformSandbox
from connectors.worker_platform.sandbox import build as build_sandbox
from gateway.contract.connector import Connector, ListsHoldings, LooksUp, PollsAcks, ProbesHealth
from gateway.contract.messages import HoldingsPage, Payload, Stamp, Verdict, WireRequest, WireResponse
from gateway.delivery.rules.differences import differing
from gateway.domain.errors import ConfigurationError, ContractError
from gateway.domain.records import RecordKind
from gateway.domain.states import Event
from gateway.settings import loader
from gateway.testing.conformance import ConnectorConformance, Recording, Reply, recorded, stamp
from gateway.testing.inprocess import answer_of

SECRET = "TestSecret-0123456789-ABCDEFGHIJ"
SERIAL = "workercredential-add-2030010109-1-0001"
DUPLICATE = "已存在身份证为370000199001010010、证书编号为3701120000001的证书"
Answer = Callable[..., WireResponse]
Payloads = tuple[Payload, ...]
Build = Callable[..., WorkerPlatform]


def row(payload: Payload, **change: object) -> dict[str, object]:
    """The payload as the platform shows it."""
    shown: dict[str, object] = {**payload.fields, "idCardNumber": encrypt(str(payload.fields["idCardNumber"]), SECRET)}
    return shown | change


def listing(answer: Answer, *rows: Mapping[str, object], total: object = None) -> WireResponse:
    count = len(rows) if total is None else total
    return answer(0, "", {"pageIndex": 0, "pageSize": 50, "totalCount": count, "rows": list(rows)})


class TestConformance(ConnectorConformance):
    """With the dialect that takes certificates."""

    refused_rules: ClassVar[Mapping[str, str]] = {
        "id_card_types": "a passport or permit is no document of the platform"
    }

    bare_answers: ClassVar[Mapping[str, str]] = {"health": "a check of the signature answers by its code alone"}

    unneeded: ClassVar[Mapping[str, str]] = {
        "part HoldingsPage": "certificates are listed in no part; workers and trainings of a project are, in `national`"
    }

    @pytest.fixture
    def sandbox(self, built: Build) -> Iterator[WorkerPlatformSandbox]:
        made = build_sandbox(dialect="sandbox", seed=4)
        made.delay_seconds = (0.0, 0.0)
        yield made
        made.books.close()

    @pytest.fixture
    def connector(self, sandbox: WorkerPlatformSandbox) -> WorkerPlatform:
        return build(loader(dict(sandbox.access("http://127.0.0.1:1").environment)))

    @pytest.fixture
    def recordings(self, sandbox: WorkerPlatformSandbox, connector: WorkerPlatform) -> dict[str, Recording]:
        """Answers of the sandbox of the same dialect."""
        count = itertools.count(2)

        def fresh() -> Stamp:
            return replace(stamp(next(count)), now=datetime.now(UTC))

        def ask(request: WireRequest) -> WireResponse:
            response = answer_of(sandbox, connector.endpoint.base_url, request)
            assert response is not None
            return response

        (payload,) = self.payloads(connector, RecordKind.CERTIFICATE, 1)
        return recorded(connector, ask, fresh, payload)

    @pytest.fixture
    def replies(self, connector: WorkerPlatform, payloads: Payloads, answer: Answer) -> dict[str, Reply]:
        def reply(response: WireResponse, event: Event) -> Reply:
            return Reply(payloads=payloads[:1], stamp=stamp(), response=response, events=(event,))

        return {
            "taken": reply(answer(0, "成功", {"requestSerialCode": SERIAL}), Event.PENDING),
            "taken, code as text": reply(answer("0", None, {"requestSerialCode": SERIAL}), Event.PENDING),
            "taken without serial": reply(answer(0, "成功", {}), Event.IN_DOUBT),
            "data": reply(answer(-1, "[name]不能为空"), Event.REJECTED),
            "duplicate": reply(answer(-1, DUPLICATE), Event.DUPLICATE),
            "signature": reply(answer(-2, "签名校验错误"), Event.HOLD),
            "busy": reply(answer(-5, "访问超过限制"), Event.RETRY),
        }

    def test_an_answer_to_another_request_is_never_success(
        self, connector: Connector, replies: Mapping[str, Reply]
    ) -> None:
        """The answer to a push holds nothing of the request: only the exchange ties them, and the most it can say is
        ``pending``. Success comes from a poll that names the receipt, or a look-up whose row is ours; both are tied.
        """
        for reply in replies.values():
            others = self.payloads_like(connector, reply)
            verdicts = connector.decode_push(reply.response, others, stamp(99))
            assert len(verdicts) == len(others)
            assert Event.ACCEPTED not in {v.event for v in verdicts}


def test_the_connector_has_every_ability_of_the_platform(connector: WorkerPlatform) -> None:
    assert isinstance(connector, PollsAcks)
    assert isinstance(connector, LooksUp)
    assert isinstance(connector, ListsHoldings)
    assert isinstance(connector, ProbesHealth)


# --- the push ---


def data_of(body: bytes) -> Any:
    from urllib.parse import parse_qsl

    form = dict(parse_qsl(body.decode("ascii")))
    return form["method"], json.loads(form["data"])


FLAT = "extends='sandbox'\n[credential]\nupdate_shape='flat'\n"


def test_a_first_version_is_added_and_a_later_one_is_an_update(connector: WorkerPlatform, payloads: Payloads) -> None:
    method, data = data_of(connector.encode_push(payloads[:2], stamp()).body)
    assert (method, len(data["credentialList"])) == ("WorkerCredential.Add", 2)
    assert data["credentialList"][0]["idCardNumber"] == encrypt(str(payloads[0].fields["idCardNumber"]), SECRET)
    later = [replace(p, version=2, replaces=True) for p in payloads]
    method, data = data_of(connector.encode_push(later, stamp()).body)
    assert (method, len(data["credentialList"])) == ("WorkerCredential.Update", 3)


def test_an_update_is_flat_where_the_dialect_says_so(built: Build, payloads: Payloads, tmp_path: Any) -> None:
    path = tmp_path / "own.toml"
    path.write_text(FLAT, "utf-8")
    later = [replace(p, version=2, replaces=True) for p in payloads]
    method, data = data_of(built(DIALECT=str(path)).encode_push(later[:1], stamp()).body)
    assert (method, data["certificationCode"]) == ("WorkerCredential.Update", payloads[0].fields["certificationCode"])
    with pytest.raises(ContractError, match="takes one certificate"):
        built(DIALECT=str(path)).encode_push(later, stamp())
    with pytest.raises(ConfigurationError, match="BATCH_MAX: changes travel one by one"):
        built(DIALECT=str(path), BATCH_MAX="2")


def test_a_call_that_mixes_adding_and_changing_breaks_the_contract(
    connector: WorkerPlatform, payloads: Payloads
) -> None:
    with pytest.raises(ContractError, match="not both"):
        connector.encode_push((payloads[0], replace(payloads[1], version=2, replaces=True)), stamp())


def test_without_the_capability_nothing_can_be_encoded(built: Build, payloads: Payloads) -> None:
    with pytest.raises(ContractError, match="no method that takes a certificate"):
        built(DIALECT="national").encode_push(payloads[:1], stamp())


@pytest.mark.parametrize(
    ("code", "message", "event"),
    [
        (-1, "请求参数错误", Event.REJECTED),
        ("-1", "请求参数错误", Event.REJECTED),
        (1001, "", Event.REJECTED),
        (-2, "签名校验错误", Event.HOLD),
        ("-3", "无API访问权限", Event.HOLD),
        (-4, "IP校验错误", Event.HOLD),
        (-5, "访问超过限制", Event.RETRY),
        (9999, "错误", Event.UNKNOWN),
        ("9999", "Internal Error", Event.RETRY),
        (9999, DUPLICATE, Event.DUPLICATE),
        (-1, "项目中已存在身份证为370000199001010010的工人", Event.DUPLICATE),
        (-2, "项目中已存在身份证为370000199001010010的工人", Event.HOLD),
        (-1, "appid无效", Event.HOLD),
        (-1, "访问过于频繁，请稍后再试", Event.RETRY),
        (-1, "没有找到证件类型为01,证件号码为370000199001010010的对应信息", Event.RETRY),
        (-1, ["[name]不能为空"], Event.REJECTED),
        (-1, None, Event.REJECTED),
        (1, "", Event.UNKNOWN),
        (4711, "", Event.UNKNOWN),
        (True, "", Event.IN_DOUBT),
        (None, "", Event.IN_DOUBT),
        ("", "", Event.IN_DOUBT),
        (0.0, "", Event.IN_DOUBT),
        (10**12, "", Event.IN_DOUBT),
    ],
)
def test_every_code_and_text_has_one_meaning(
    connector: WorkerPlatform, payloads: Payloads, answer: Answer, code: object, message: object, event: Event
) -> None:
    verdicts = connector.decode_push(answer(code, message), payloads[:1], stamp())
    assert [v.event for v in verdicts] == [event]


@pytest.mark.parametrize("data", [None, {}, [], "x", {"requestSerialCode": None}, {"requestSerialCode": " "}])
def test_success_without_a_serial_is_in_doubt(
    connector: WorkerPlatform, payloads: Payloads, answer: Answer, data: object
) -> None:
    assert connector.decode_push(answer(0, "", data), payloads[:1], stamp())[0].event is Event.IN_DOUBT


@pytest.mark.parametrize("serial", ["x" * 65, "a\nb", True, 1.5])
def test_a_serial_that_cannot_be_one_is_in_doubt(
    connector: WorkerPlatform, payloads: Payloads, answer: Answer, serial: object
) -> None:
    response = answer(0, "", {"requestSerialCode": serial})
    assert connector.decode_push(response, payloads[:1], stamp())[0].event is Event.IN_DOUBT


def test_a_serial_is_the_receipt_of_every_record_of_the_call(
    connector: WorkerPlatform, payloads: Payloads, answer: Answer
) -> None:
    verdicts = connector.decode_push(answer(0, "", {"requestSerialCode": SERIAL}), payloads, stamp())
    assert [(v.event, v.receipt) for v in verdicts] == [(Event.PENDING, SERIAL)] * 3


def test_deeply_nested_json_is_no_answer(connector: WorkerPlatform, payloads: Payloads, answer: Answer) -> None:
    response = replace(answer(), body=b"[" * 100_000)
    assert connector.decode_push(response, payloads[:1], stamp())[0].event is Event.IN_DOUBT
    nested = answer(0, "", {"requestSerialCode": SERIAL, "status": 10, "result": "[" * 100_000})
    assert connector.decode_ack(nested, SERIAL, payloads[:1], stamp())[0].event is Event.REJECTED


def test_a_list_error_names_the_fields_of_the_record_to_blame(
    connector: WorkerPlatform, payloads: Payloads, answer: Answer
) -> None:
    text = "[credentialList][1][name]不能为空;[credentialList][1][jobType]值超出范围或无效"
    verdicts = connector.decode_push(answer(-1, text), payloads, stamp())
    assert [v.event for v in verdicts] == [Event.IN_DOUBT, Event.REJECTED, Event.IN_DOUBT]
    assert verdicts[1].fields == ("holder.name", "trade")
    alone = connector.decode_push(answer(-1, "[name]不能为空"), payloads[:1], stamp())
    assert alone[0].fields == ("holder.name",)


@pytest.mark.parametrize("text", ["请求参数错误", "[credentialList][9][name]不能为空"])
def test_a_batch_refused_without_a_name_waits_for_a_person(
    connector: WorkerPlatform, payloads: Payloads, answer: Answer, text: str
) -> None:
    verdicts = connector.decode_push(answer(-1, text), payloads, stamp())
    assert {v.event for v in verdicts} == {Event.UNKNOWN}


@pytest.mark.parametrize(
    "text",
    [
        "项目中已存在身份证为{0}的工人",
        "项目中已存在身份证为{0}的工人\r\n项目中已存在身份证为370000199001010010的工人",
        "没有找到证件类型为01,证件号码为{0}的对应信息",
        "无法识别{0}",
        "无法识别{1}",
    ],
)
def test_no_verdict_shows_a_person(connector: WorkerPlatform, payloads: Payloads, answer: Answer, text: str) -> None:
    number, name = str(payloads[0].fields["idCardNumber"]), str(payloads[0].fields["name"])
    said = text.format(number, name)
    verdicts: list[Verdict] = []
    verdicts += connector.decode_push(answer(-1, said), payloads[:1], stamp())
    verdicts += connector.decode_push(answer(9999, said.lower()), payloads[:1], stamp())
    failed = answer(0, "", {"requestSerialCode": SERIAL, "status": 10, "result": json.dumps([said])})
    verdicts += connector.decode_ack(failed, SERIAL, payloads[:1], stamp())
    verdicts.append(connector.decode_lookup(answer(-1, said), payloads[0], stamp()))
    shown = repr(verdicts)
    assert not [secret for secret in (number, number.lower(), name, "370000199001010010") if secret in shown]
    assert "***" in shown
    health = connector.decode_health(answer(-2, said.replace(name, "")), stamp())
    assert number not in health.detail


# --- the result ---


@pytest.mark.parametrize(
    ("status", "result", "event"),
    [
        (0, None, Event.PENDING),
        ("0", "", Event.PENDING),
        (20, "", Event.ACCEPTED),
        ("20", '{"teamSysNo":1}', Event.ACCEPTED),
        (20, {"projectCode": "x"}, Event.ACCEPTED),
        (20, '[{"payrollCode":"1"}]', Event.ACCEPTED),
        (20, None, Event.ACCEPTED),
        (10, json.dumps(json.dumps([DUPLICATE])), Event.DUPLICATE),
        (15, "", Event.PENDING),
        (None, "", Event.PENDING),
        (True, "", Event.PENDING),
        ("done", "", Event.PENDING),
        (10, DUPLICATE, Event.DUPLICATE),
        ("10", json.dumps({"message": DUPLICATE}), Event.DUPLICATE),
        (10, [DUPLICATE], Event.DUPLICATE),
        (10, "[credentialList][0][name]不能为空", Event.REJECTED),
        (10, "今天天气很好", Event.REJECTED),
        (10, None, Event.REJECTED),
        (10, "没有找到证件类型为01,证件号码为370000199001010010的对应信息", Event.NOT_STORED),
        (10, "Internal Error", Event.NOT_STORED),
        (10, "appid无效", Event.HOLD),
    ],
)
def test_every_state_of_a_result_has_one_meaning(
    connector: WorkerPlatform, payloads: Payloads, answer: Answer, status: object, result: object, event: Event
) -> None:
    response = answer(0, "", {"requestSerialCode": SERIAL, "status": status, "result": result})
    assert [v.event for v in connector.decode_ack(response, SERIAL, payloads, stamp())] != []
    assert connector.decode_ack(response, SERIAL, payloads[:1], stamp())[0].event is event


@pytest.mark.parametrize("echo", ["workercredential-add-2030010109-1-0002", "", None, 1, [SERIAL]])
def test_a_result_of_another_receipt_is_never_success(
    connector: WorkerPlatform, payloads: Payloads, answer: Answer, echo: object
) -> None:
    response = answer(0, "", {"requestSerialCode": echo, "status": 20, "result": ""})
    verdict = connector.decode_ack(response, SERIAL, payloads[:1], stamp())[0]
    assert (verdict.event, verdict.code) == (Event.RETRY, "other_receipt")


@pytest.mark.parametrize(
    ("code", "event"),
    [
        (-1, Event.NOT_FOUND),
        (-2, Event.HOLD),
        (-5, Event.RETRY),
        (9999, Event.UNKNOWN),
        (4711, Event.UNKNOWN),
    ],
)
def test_a_refused_poll_says_that_the_receipt_is_unknown_or_keeps_polling(
    connector: WorkerPlatform, payloads: Payloads, answer: Answer, code: int, event: Event
) -> None:
    assert connector.decode_ack(answer(code, "错误"), SERIAL, payloads[:1], stamp())[0].event is event


def test_the_poll_asks_for_the_receipt_and_nothing_else(connector: WorkerPlatform) -> None:
    method, data = data_of(connector.encode_ack(SERIAL, stamp()).body)
    assert (method, data) == ("AsyncHandleResult.Query", {"requestSerialCode": SERIAL})


# --- the look-up ---


def test_the_question_about_a_record_is_by_identity(connector: WorkerPlatform, payloads: Payloads) -> None:
    method, data = data_of(connector.encode_lookup(payloads[0], stamp()).body)
    assert method == "WorkerCredential.Query"
    assert data == {
        "pageIndex": 0,
        "pageSize": 50,
        "idCardType": "01",
        "idCardNumber": encrypt(str(payloads[0].fields["idCardNumber"]), SECRET),
    }


SAME: Sequence[Mapping[str, object]] = (
    {},
    {"credentialLevelType": 2},
    {"credentialLevelType": "02"},
    {"jobType": "10"},
    {"jobType": 10},
    {"validBeginDate": "2013-01-01 00:00:00"},
    {"validEndDate": None},
    {"certificationStatus": "01"},
    {"certificationCode": " a１ "},
    {"name": "阿·丽"},
    {"name": "阿•丽"},
    {"name": "阿 · 丽"},
    {"unknownField": 1},
)


@pytest.fixture
def mine(payloads: Payloads) -> Payload:
    """A payload with values that the platform writes in several ways."""
    fields = {
        **payloads[0].fields,
        "name": "阿·丽",
        "credentialLevelType": "2",
        "jobType": "010",
        "validBeginDate": "2013-01-01",
        "certificationCode": "A1",
    }
    return replace(payloads[0], fields=fields)


@pytest.mark.parametrize("shown", SAME)
def test_a_row_that_says_the_same_in_other_words_is_ours(
    connector: WorkerPlatform, mine: Payload, answer: Answer, shown: Mapping[str, object]
) -> None:
    assert connector.decode_lookup(listing(answer, row(mine, **shown)), mine, stamp()).event is Event.ACCEPTED


def test_a_field_the_platform_does_not_show_is_not_compared(
    connector: WorkerPlatform, mine: Payload, answer: Answer
) -> None:
    shown = row(mine)
    del shown["grantOrg"]
    assert connector.decode_lookup(listing(answer, shown), mine, stamp()).event is Event.ACCEPTED


@pytest.mark.parametrize(
    ("shown", "fields"),
    [
        ({"name": "阿丽"}, ("holder.name",)),
        ({"credentialLevelType": "03", "validEndDate": "2020-01-01"}, ("level", "valid_to")),
        ({"grantOrg": None}, ("issuer_name",)),
    ],
)
def test_a_row_with_other_content_is_a_conflict_or_for_a_change_not_yet_there(
    connector: WorkerPlatform, mine: Payload, answer: Answer, shown: Mapping[str, object], fields: tuple[str, ...]
) -> None:
    response = listing(answer, row(mine, **shown))
    verdict = connector.decode_lookup(response, mine, stamp())
    assert (verdict.event, verdict.fields) == (Event.CONFLICT, fields)
    changed = connector.decode_lookup(response, replace(mine, version=2, replaces=True), stamp())
    assert (changed.event, changed.code, changed.fields) == (Event.NOT_FOUND, "earlier_state", fields)


def test_nothing_there_is_said_only_when_the_platform_showed_everything(
    connector: WorkerPlatform, payloads: Payloads, answer: Answer
) -> None:
    first, second = payloads[:2]
    other_number = row(first, certificationCode="X-1")
    cases: list[tuple[WireResponse, Event]] = [
        (listing(answer), Event.NOT_FOUND),
        (listing(answer, other_number), Event.NOT_FOUND),
        (listing(answer, other_number, total=60), Event.IN_DOUBT),
        (listing(answer, total="3"), Event.IN_DOUBT),
        (listing(answer, row(second)), Event.IN_DOUBT),
        (listing(answer, row(first, idCardNumber="%%%")), Event.IN_DOUBT),
        (listing(answer, row(first, idCardNumber=first.fields["idCardNumber"])), Event.IN_DOUBT),
        (listing(answer, row(first, idCardNumber=None)), Event.IN_DOUBT),
        (listing(answer, row(second), row(first)), Event.ACCEPTED),
        (answer(-1, "没有找到证件类型为01,证件号码为370000199001010010的对应信息"), Event.NOT_FOUND),
        (answer(-1, "请求参数错误"), Event.UNKNOWN),
        (answer(-5, ""), Event.RETRY),
        (answer(-3, ""), Event.HOLD),
        (answer(0, "", None), Event.RETRY),
        (answer(0, "", {"totalCount": 1}), Event.RETRY),
        (answer(0, "", {"rows": ["x"], "totalCount": 1}), Event.RETRY),
    ]
    assert [connector.decode_lookup(r, first, stamp()).event for r, _ in cases] == [event for _, event in cases]


def full(payload: Payload, **change: object) -> list[dict[str, object]]:
    return [row(payload, certificationCode=f"X-{n}", **change) for n in range(50)]


def test_a_full_page_without_ours_leads_to_the_next_one(
    connector: WorkerPlatform, payloads: Payloads, answer: Answer
) -> None:
    first, second = payloads[:2]
    verdict = connector.decode_lookup(listing(answer, *full(first), total=60), first, stamp())
    assert (verdict.event, verdict.next_page) == (Event.IN_DOUBT, "1")
    _, asked = data_of(connector.encode_lookup_page(first, "1", stamp()).body)
    assert (asked["pageIndex"], asked["pageSize"]) == (1, 50)
    last = answer(0, "", {"pageIndex": 1, "pageSize": 50, "totalCount": 51, "rows": [row(first)]})
    assert connector.decode_lookup(last, first, stamp()).event is Event.ACCEPTED
    page = connector.decode_holdings(listing(answer, *full(first), total=60), first, stamp())
    assert page == HoldingsPage(holdings=(), next_cursor="1")
    unreadable = listing(answer, *full(first, idCardNumber="%%%"), total=60)
    assert connector.decode_lookup(unreadable, first, stamp()).next_page is None
    strangers = answer(0, "", {"pageIndex": 1, "pageSize": 50, "totalCount": 51, "rows": [row(second)]})
    assert connector.decode_lookup(strangers, first, stamp()).event is Event.IN_DOUBT


def test_the_row_of_another_person_never_answers_for_ours(
    connector: WorkerPlatform, payloads: Payloads, answer: Answer
) -> None:
    stranger = row(payloads[0], idCardNumber=encrypt(str(payloads[1].fields["idCardNumber"]), SECRET))
    assert connector.decode_lookup(listing(answer, stranger), payloads[0], stamp()).event is Event.IN_DOUBT


# --- holdings and health ---


def test_holdings_of_a_record_equal_what_is_expected(connector: WorkerPlatform, mine: Payload, answer: Answer) -> None:
    shown = row(mine, credentialLevelType="02", validBeginDate="2013-01-01 00:00:00", grantOrg="别处")
    page = connector.decode_holdings(listing(answer, shown), mine, stamp())
    assert isinstance(page, HoldingsPage)
    theirs, ours = page.holdings[0], connector.expected(mine)
    assert theirs.key == ours.key
    assert str(mine.fields["idCardNumber"]) not in theirs.key
    assert differing(ours, theirs) == ("grantOrg",)


def test_a_certificate_held_twice_is_shown_twice(connector: WorkerPlatform, mine: Payload, answer: Answer) -> None:
    page = connector.decode_holdings(listing(answer, row(mine), row(mine, grantOrg="别处")), mine, stamp())
    assert isinstance(page, HoldingsPage)
    assert [h.key for h in page.holdings] == [connector.expected(mine).key] * 2


def test_a_change_of_what_is_not_there_waits_for_a_person(
    connector: WorkerPlatform, payloads: Payloads, answer: Answer
) -> None:
    text = "没有找到证件类型为01,证件号码为370000199001010010的对应信息"
    later = (replace(payloads[0], version=2, replaces=True),)
    assert connector.decode_push(answer(-1, text), later, stamp())[0].event is Event.UNKNOWN
    failed = answer(0, "", {"requestSerialCode": SERIAL, "status": 10, "result": text})
    assert connector.decode_ack(failed, SERIAL, later, stamp())[0].event is Event.UNKNOWN


def test_holdings_that_prove_nothing_are_a_verdict(
    connector: WorkerPlatform, payloads: Payloads, answer: Answer
) -> None:
    first, second = payloads[:2]
    for response, event in (
        (listing(answer, row(second)), Event.RETRY),
        (listing(answer, row(first, certificationCode="X"), total=60), Event.RETRY),
        (listing(answer, row(first, certificationCode="X", idCardNumber="%%%")), Event.RETRY),
        (answer(0, "", {}), Event.RETRY),
        (answer(-2, ""), Event.HOLD),
        (replace(answer(), body=b"x"), Event.RETRY),
    ):
        verdict = connector.decode_holdings(response, first, stamp())
        assert isinstance(verdict, Verdict)
        assert verdict.event is event
    for nothing in (listing(answer), answer(-1, "没有找到证件类型为01,证件号码为1的对应信息")):
        assert connector.decode_holdings(nothing, first, stamp()) == HoldingsPage(holdings=())


def test_holdings_cannot_be_read_without_a_record(connector: WorkerPlatform) -> None:
    with pytest.raises(ContractError, match="record by record"):
        connector.encode_holdings(None, None, stamp())


def test_health_tells_refused_credentials_and_the_clock(connector: WorkerPlatform, answer: Answer) -> None:
    assert data_of(connector.encode_health(stamp()).body) == ("CheckSign.Query", {})
    dated = replace(answer(), headers={"date": "Tue, 02 Apr 2019 01:31:00 GMT"})
    good = connector.decode_health(dated, stamp())
    assert (good.ok, good.clock_skew) == (True, timedelta(minutes=1))
    refused = connector.decode_health(answer(-2, "签名校验错误"), stamp())
    assert (refused.ok, refused.code, refused.detail, refused.clock_skew) == (False, "-2", "签名校验错误", None)
    assert not connector.decode_health(replace(answer(), body=b"<html>"), stamp()).ok


def test_health_without_its_own_call_asks_for_a_serial_that_does_not_exist(built: Build, answer: Answer) -> None:
    jinhua = built(DIALECT="jinhua")
    assert data_of(jinhua.encode_health(stamp()).body)[0] == "AsyncHandleResult.Query"
    assert jinhua.decode_health(answer(-1, "流水号不存在"), stamp()).ok
    assert not jinhua.decode_health(answer(-3, ""), stamp()).ok


def test_the_result_of_another_dialect_is_read_by_its_own_paths(
    built: Build, payloads: Payloads, answer: Answer
) -> None:
    henan = built(DIALECT="henan")
    done = answer(0, "", {"DEALRESULT": {"code": "0"}}, requestcode="h-1")
    assert henan.decode_push(done, payloads[:1], stamp())[0].receipt == "h-1"
    assert henan.decode_ack(done, "h-1", payloads[:1], stamp())[0].event is Event.ACCEPTED
    huiji = built(DIALECT="huiji")
    assert huiji.encode_ack("x", stamp()).path == "/open/api/async"
    failed = answer(0, "", {"requestSerialCode": "x", "status": "02", "result": "不对"})
    assert huiji.decode_ack(failed, "x", payloads[:1], stamp())[0].event is Event.REJECTED


def test_a_field_can_be_renamed_or_left_out_by_the_dialect(
    built: Build, payloads: Payloads, answer: Answer, tmp_path: Any
) -> None:
    path = tmp_path / "own.toml"
    path.write_text("extends='sandbox'\n[credential]\nfields={grantOrg='issueBy', jobType=''}\n", "utf-8")
    connector = built(DIALECT=str(path))
    sent = data_of(connector.encode_push(payloads[:1], stamp()).body)[1]["credentialList"][0]
    assert sent["issueBy"] == payloads[0].fields["grantOrg"]
    assert not {"grantOrg", "jobType"} & set(sent)
    shown = listing(answer, row(payloads[0], issueBy="别处", jobType="999"))
    assert connector.decode_lookup(shown, payloads[0], stamp()).fields == ("issuer_name",)
