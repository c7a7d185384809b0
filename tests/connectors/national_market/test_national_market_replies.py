"""What the answer to a push means: every code, echoes, items that are missing, doubled or contradictory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from connectors.national_market.messages import serial_number
from connectors.national_market.results import event_of
from connectors.national_market.typed import NationalMarket
from gateway.codec.codes import table
from gateway.contract.messages import Payload, WireResponse
from gateway.domain.states import Event
from gateway.testing.conformance import stamp

Build = Callable[..., WireResponse]
Payloads = Callable[..., tuple[Payload, ...]]
SERIAL = serial_number("370000", stamp().message_id)
OTHER = serial_number("370000", stamp(2).message_id)
EVENTS = {
    "000": Event.ACCEPTED,
    "001": Event.HOLD,
    "002": Event.HOLD,
    "003": Event.REJECTED,
    "004": Event.UNKNOWN,
    "005": Event.RETRY,
    "006": Event.RETRY,
    "007": Event.RETRY,
    "010": Event.PENDING,
    "011": Event.ACCEPTED,
    "012": Event.IN_DOUBT,
    "013": Event.ACCEPTED,
    "101": Event.RETRY,
    "102": Event.HOLD,
    "103": Event.RETRY,
    "104": Event.HOLD,
    "201": Event.UNKNOWN,
    "202": Event.UNKNOWN,
    "203": Event.HOLD,
    "301": Event.REJECTED,
    "302": Event.REJECTED,
    "303": Event.REJECTED,
    "304": Event.REJECTED,
    "305": Event.REJECTED,
    "306": Event.REJECTED,
    "401": Event.REJECTED,
    "402": Event.RETRY,
    "403": Event.RETRY,
    "404": Event.CONFLICT,
    "405": Event.CONFLICT,
    "406": Event.CONFLICT,
    "501": Event.CONFLICT,
    "901": Event.RETRY,
}


def key(payload: Payload) -> str:
    return str(payload.fields["RecordKey"])


def events(verdicts: object) -> list[Event]:
    return [v.event for v in verdicts]  # type: ignore[attr-defined]


def test_every_code_of_the_table_has_its_event() -> None:
    codes = [row["code"] for row in table("result_code", "connectors.national_market.codes").rows]
    assert {code: event_of(code) for code in codes} == EVENTS


@pytest.mark.parametrize(("code", "event"), [("599", Event.UNKNOWN), ("777", Event.RETRY), ("099", Event.UNKNOWN)])
def test_an_unknown_code_stops_below_six_and_is_retried_above(code: str, event: Event) -> None:
    assert event_of(code) is event


@pytest.mark.parametrize("code", sorted(set(EVENTS) - {"000", "010", "011", "012", "013"}))
def test_a_single_record_gets_its_own_code_with_and_without_an_item(
    connector: NationalMarket, payloads: Payloads, ack: Build, code: str
) -> None:
    sent = payloads()
    for items in ([(key(sent[0]), code)], []):
        (verdict,) = connector.decode_push(ack(SERIAL, code, items), sent, stamp())
        assert (verdict.event, verdict.code) == (EVENTS[code], code)


def test_items_of_a_mixed_answer_are_judged_one_by_one_and_out_of_order(
    connector: NationalMarket, payloads: Payloads, ack: Build
) -> None:
    sent = payloads(count=4)
    codes = ["000", "011", "304", "402"]
    items = [(key(p), code) for p, code in zip(sent, codes, strict=True)][::-1]
    verdicts = connector.decode_push(ack(SERIAL, "012", items), sent, stamp())
    assert events(verdicts) == [Event.ACCEPTED, Event.ACCEPTED, Event.REJECTED, Event.RETRY]


def test_all_refused_is_read_from_the_items(connector: NationalMarket, payloads: Payloads, ack: Build) -> None:
    sent = payloads(count=2)
    verdicts = connector.decode_push(ack(SERIAL, "003", [(key(p), "301") for p in sent]), sent, stamp())
    assert [(v.event, v.code) for v in verdicts] == [(Event.REJECTED, "301")] * 2


@pytest.mark.parametrize("code", ["000", "011", "012"])
def test_a_record_the_answer_does_not_name_is_never_accepted(
    connector: NationalMarket, payloads: Payloads, ack: Build, code: str
) -> None:
    sent = payloads(count=2)
    verdicts = connector.decode_push(ack(SERIAL, code, [(key(sent[0]), "000")]), sent, stamp())
    assert events(verdicts) == [Event.ACCEPTED, Event.IN_DOUBT]


@pytest.mark.parametrize(
    ("whole", "item"),
    [
        ("003", ("000",)),
        ("302", ("000",)),
        ("000", ("000", "ERROR")),
        ("012", ("302", "OK")),
        ("012", ("013",)),
        ("012", ("012",)),
    ],
)
def test_an_answer_that_contradicts_itself_leaves_doubt(
    connector: NationalMarket, payloads: Payloads, ack: Build, whole: str, item: tuple[str, ...]
) -> None:
    sent = payloads()
    (verdict,) = connector.decode_push(ack(SERIAL, whole, [(key(sent[0]), *item)]), sent, stamp())
    assert verdict.event is Event.IN_DOUBT


def test_two_items_for_one_record_leave_doubt(connector: NationalMarket, payloads: Payloads, ack: Build) -> None:
    sent = payloads()
    items = [(key(sent[0]), "000"), (key(sent[0]), "304")]
    assert events(connector.decode_push(ack(SERIAL, "012", items), sent, stamp())) == [Event.IN_DOUBT]


def test_an_answer_that_names_other_records_is_no_answer(
    connector: NationalMarket, payloads: Payloads, ack: Build
) -> None:
    sent = payloads()
    items = [(key(sent[0]), "000"), ("f" * 32, "000")]
    (verdict,) = connector.decode_push(ack(SERIAL, "000", items), sent, stamp())
    assert (verdict.event, verdict.code) == (Event.RETRY, "other_items")


@pytest.mark.parametrize("echo", [{"serial": OTHER}, {"serial": SERIAL, "sender": "370100"}])
def test_an_echo_of_another_request_is_sent_again_under_the_same_number(
    connector: NationalMarket, payloads: Payloads, ack: Build, echo: dict[str, str]
) -> None:
    sent = payloads()
    response = ack(echo["serial"], "000", [(key(sent[0]), "000")], sender=echo.get("sender", "370000"))
    (verdict,) = connector.decode_push(response, sent, stamp())
    assert (verdict.event, verdict.code, verdict.same_message) == (Event.RETRY, "other_serial", True)


def test_pending_gives_the_serial_number_as_receipt(connector: NationalMarket, payloads: Payloads, ack: Build) -> None:
    verdicts = connector.decode_push(ack(SERIAL, "010"), payloads(count=2), stamp())
    assert [(v.event, v.receipt) for v in verdicts] == [(Event.PENDING, SERIAL)] * 2


def test_one_item_may_wait_while_another_is_done(connector: NationalMarket, payloads: Payloads, ack: Build) -> None:
    sent = payloads(count=2)
    items = [(key(sent[0]), "010"), (key(sent[1]), "000")]
    verdicts = connector.decode_push(ack(SERIAL, "012", items), sent, stamp())
    assert [(v.event, v.receipt) for v in verdicts] == [(Event.PENDING, SERIAL), (Event.ACCEPTED, None)]


def test_a_repeated_request_gives_the_first_answers_items(
    connector: NationalMarket, payloads: Payloads, ack: Build
) -> None:
    sent = payloads(count=2)
    verdicts = connector.decode_push(ack(SERIAL, "013", [(key(p), "000") for p in sent]), sent, stamp())
    assert events(verdicts) == [Event.ACCEPTED] * 2


def test_a_repeated_request_without_items_is_asked_for_by_receipt(
    connector: NationalMarket, payloads: Payloads, ack: Build
) -> None:
    (verdict,) = connector.decode_push(ack(SERIAL, "013"), payloads(), stamp())
    assert (verdict.event, verdict.receipt) == (Event.PENDING, SERIAL)


def test_a_refusal_of_the_whole_call_blames_no_record_in_particular(
    connector: NationalMarket, payloads: Payloads, ack: Build
) -> None:
    verdicts = connector.decode_push(ack(SERIAL, "302"), payloads(count=2), stamp())
    assert [(v.event, v.split) for v in verdicts] == [(Event.UNKNOWN, True)] * 2
    [alone] = connector.decode_push(ack(SERIAL, "302"), payloads(), stamp())
    assert (alone.event, alone.split) == (Event.REJECTED, False)


def _client_fault(text: str, *, soap12: bool = False, detail: str = "") -> bytes:
    space = "http://www.w3.org/2003/05/soap-envelope" if soap12 else "http://schemas.xmlsoap.org/soap/envelope/"
    told = f"<d><Reason>{detail}</Reason></d>" if detail else ""
    fault = (
        f"<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text xml:lang='zh'>{text}</s:Text>"
        f"</s:Reason><s:Detail>{told}</s:Detail></s:Fault>"
        if soap12
        else f"<s:Fault><faultcode>s:Client</faultcode><faultstring>{text}</faultstring>"
        f"<detail>{told}</detail></s:Fault>"
    )
    return f"<s:Envelope xmlns:s='{space}'><s:Body>{fault}</s:Body></s:Envelope>".encode()


OF_THE_CALL = [
    "the message breaks the schema at /UpsertPersonBatch/Head/SentAt",
    "the message breaks the schema at /UpsertPersonBatch/Head",
    "the message breaks the schema at /UpsertPersonBatch",
    "/soap:Envelope/soap:Header/wsse:Security/wsse:UsernameToken/wsu:Created is not in range",
    "Envelope/Body/UpsertPersonBatch/Head/SerialNo: pattern",
    "Element '{urn:jzsc:personcert:types:1}SenderCode': [facet 'pattern'] The value is not accepted.",
    "cvc-datatype-valid.1.2.1: '1' is not a valid value for 'dateTime' (element SentAt)",
    "Server did not recognize the value of HTTP Header SOAPAction: x.",
    "ContentHash不一致",
    "SchemaVersion无效; /UpsertPersonBatch/Person[2]/PersonName too long",
]
OF_A_RECORD = [
    "the message breaks the schema at /UpsertPersonBatch/Person[2]/PersonName",
    "the message breaks the schema at /UpsertPersonBatch/Person",
    "soap:Envelope/soap:Body/ws:UpsertPersonBatch/ws:Person[1]/t:BirthDate invalid",
    "IdDocNumber格式错误",
    "the record could not be created and/or changed",
    "N/A",
    "",
]


@pytest.mark.parametrize("soap12", [False, True])
@pytest.mark.parametrize("where", ["reason", "detail"])
@pytest.mark.parametrize(
    ("text", "event"), [*((t, Event.HOLD) for t in OF_THE_CALL), *((t, Event.UNKNOWN) for t in OF_A_RECORD)]
)
def test_a_client_fault_that_names_a_part_of_the_call_holds_the_platform(
    connector: NationalMarket, payloads: Payloads, text: str, event: Event, where: str, soap12: bool
) -> None:
    body = _client_fault(text, soap12=soap12) if where == "reason" else _client_fault("no", soap12=soap12, detail=text)
    kind = "application/soap+xml" if soap12 else "text/xml"
    reply = WireResponse(status=400 if soap12 else 500, headers={"content-type": kind}, body=body)
    for count in (3, 1):
        verdicts = connector.decode_push(reply, payloads(count=count), stamp())
        assert len(verdicts) == count
        assert {v.event for v in verdicts} == {event}
        # what names no part of the call is about a record: smaller calls find which
        assert {v.split for v in verdicts} == {event is Event.UNKNOWN and count > 1}


@pytest.mark.parametrize("field", ["Head/SentAt", "SerialNo", "Head.RecordCount"])
def test_an_item_refused_for_the_head_of_its_message_is_not_to_blame(
    connector: NationalMarket, payloads: Payloads, ack: Build, field: str
) -> None:
    sent = payloads(count=2)
    message = f"<t:Message><t:Code>302</t:Code><t:Field>{field}</t:Field><t:Text>x</t:Text></t:Message>"
    items = [(key(p), "302", "ERROR", message) for p in sent]
    assert events(connector.decode_push(ack(SERIAL, "012", items), sent, stamp())) == [Event.HOLD, Event.HOLD]


def test_busy_obeys_the_platforms_wish(connector: NationalMarket, payloads: Payloads, ack: Build) -> None:
    (verdict,) = connector.decode_push(ack(SERIAL, "103", after=90), payloads(), stamp())
    assert (verdict.event, verdict.retry_after) == (Event.RETRY, timedelta(seconds=90))


def test_a_refusal_names_fields_and_never_a_value(connector: NationalMarket, payloads: Payloads, ack: Build) -> None:
    sent = payloads()
    named = "".join(
        f"<t:Message><t:Code>304</t:Code><t:Field>{field}</t:Field><t:Text>校验失败</t:Text></t:Message>"
        for field in ("IdDocNumber", "Holder/IdDocNumber", "370000198104067032")
    )
    items = [(key(sent[0]), "304", "ERROR", "<t:PlatformId>P1</t:PlatformId>", named)]
    (verdict,) = connector.decode_push(ack(SERIAL, "304", items), sent, stamp())
    assert verdict.fields == ("IdDocNumber", "Holder/IdDocNumber")
    assert (verdict.reason, verdict.platform_id) == ("校验失败; 校验失败; 校验失败", "P1")
