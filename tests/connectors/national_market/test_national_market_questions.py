"""What receipts, look-ups, faults and health answers mean, and that nothing hostile is believed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from connectors.national_market.messages import serial_number
from connectors.national_market.typed import NationalMarket
from gateway.contract.messages import HoldingsPage, Payload, Verdict, WireResponse
from gateway.domain.errors import ContractError
from gateway.domain.records import RecordKind
from gateway.domain.states import Event
from gateway.testing.conformance import stamp

Build = Callable[..., WireResponse]
Payloads = Callable[..., tuple[Payload, ...]]
SERIAL = serial_number("370000", stamp().message_id)
OTHER = serial_number("370000", stamp(2).message_id)


def key(payload: Payload) -> str:
    return str(payload.fields["RecordKey"])


def events(verdicts: object) -> list[Event]:
    return [v.event for v in verdicts]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("state", "code", "item", "event"),
    [
        ("0", "010", None, Event.PENDING),
        ("0", "000", None, Event.PENDING),
        ("0", "103", None, Event.RETRY),
        ("0", "102", None, Event.HOLD),
        ("0", "302", None, Event.UNKNOWN),
        ("20", "000", "000", Event.ACCEPTED),
        ("15", "012", "304", Event.REJECTED),
        ("10", "003", "404", Event.CONFLICT),
        ("15", "012", "402", Event.NOT_STORED),
        ("10", "006", None, Event.NOT_STORED),
        ("20", "000", None, Event.IN_DOUBT),
        ("20", "013", None, Event.IN_DOUBT),
        ("10", "202", None, Event.NOT_FOUND),
    ],
)
def test_a_receipt_is_read_by_state_code_and_item(
    connector: NationalMarket, payloads: Payloads, receipt: Build, state: str, code: str, item: str | None, event: Event
) -> None:
    sent = payloads()
    others = [("f" * 32, "000")] if item else []
    items = [*others, *([(key(sent[0]), item)] if item else [])]
    verdicts = connector.decode_ack(receipt(SERIAL, code, state, items), SERIAL, sent, stamp(7))
    assert events(verdicts) == [event]


def test_a_receipt_of_another_request_is_no_answer(
    connector: NationalMarket, payloads: Payloads, receipt: Build
) -> None:
    sent = payloads()
    verdicts = connector.decode_ack(receipt(OTHER, "000", "20", [(key(sent[0]), "000")]), SERIAL, sent, stamp(7))
    assert [(v.event, v.code) for v in verdicts] == [(Event.RETRY, "other_serial")]


@pytest.mark.parametrize(
    ("code", "event"),
    [
        ("401", Event.NOT_FOUND),
        ("103", Event.RETRY),
        ("102", Event.HOLD),
        ("302", Event.UNKNOWN),
        ("404", Event.UNKNOWN),
        ("000", Event.RETRY),
    ],
)
def test_a_lookup_that_gives_no_record_never_rejects_one(
    connector: NationalMarket, payloads: Payloads, reply: Build, code: str, event: Event
) -> None:
    name = "QueryPersonResponse"
    answer = reply(f"<ws:{name}><ws:ResultCode>{code}</ws:ResultCode><ws:ResultMessage/></ws:{name}>")
    assert connector.decode_lookup(answer, payloads()[0], stamp()).event is event
    page = connector.decode_holdings(answer, payloads()[0], stamp())
    assert page == HoldingsPage(holdings=()) if code == "401" else isinstance(page, Verdict)


def stored(payload: Payload, reply: Build, **changed: str) -> WireResponse:
    """A QueryPerson answer that returns the payload, with fields changed or added."""

    def elements(fields: object) -> str:
        assert isinstance(fields, dict)
        made = ""
        for name, value in fields.items():
            inner = elements(value) if isinstance(value, dict) else value
            made += f"<t:{name}>{inner}</t:{name}>"
            made += changed.get(f"after_{name}", "")
        return made

    fields = {**payload.fields, **{k: v for k, v in changed.items() if not k.startswith("after_")}}
    checked = fields["Checked"]
    assert isinstance(checked, dict)
    fields["Checked"] = {**checked, "CheckedAt": changed.get("CheckedAt", checked["CheckedAt"])}
    fields.pop("CheckedAt", None)
    name = "QueryPersonResponse"
    record = f"<ws:Person>{elements(fields)}</ws:Person>"
    return reply(f"<ws:{name}><ws:ResultCode>000</ws:ResultCode><ws:ResultMessage/>{record}</ws:{name}>")


PHOTO = (
    "<t:Photo><t:Kind>PHOTO</t:Kind><t:FileName>a.jpg</t:FileName><t:MediaType>image/jpeg</t:MediaType>"
    f"<t:ByteSize>1</t:ByteSize><t:Sha256>{'0' * 64}</t:Sha256><t:Url>https://market.example/a.jpg</t:Url></t:Photo>"
)


@pytest.mark.parametrize(
    ("changed", "differing"),
    [
        ({}, ()),
        ({"CheckedAt": "2019-03-12T01:00:00Z"}, ()),
        ({"CheckedAt": "2019-03-12T01:00:01Z"}, ("Checked.CheckedAt",)),
        ({"CheckedAt": "2019-03-11T24:00:00Z"}, ("Checked.CheckedAt",)),
        ({"RecordVersion": "+01"}, ()),
        ({"after_Ethnicity": "<t:Nationality>CHN</t:Nationality>"}, ()),
        ({"after_Employment": PHOTO}, ()),
        ({"after_Checked": "<t:Remark>x</t:Remark>"}, ("Remark",)),
        ({"Mobile": "13800009999", "Gender": "9"}, ("Gender", "Mobile")),
    ],
)
def test_a_lookup_compares_every_field_by_meaning(
    connector: NationalMarket, payloads: Payloads, reply: Build, changed: dict[str, str], differing: tuple[str, ...]
) -> None:
    (sent,) = payloads()
    verdict = connector.decode_lookup(stored(sent, reply, **changed), sent, stamp())
    assert (verdict.event, verdict.fields) == (Event.CONFLICT if differing else Event.ACCEPTED, differing)


def test_holdings_are_read_record_by_record_only(connector: NationalMarket, reply: Build) -> None:
    with pytest.raises(ContractError):
        connector.encode_holdings(None, None, stamp())
    with pytest.raises(ContractError):
        connector.decode_holdings(reply("<x/>"), None, stamp())


FAULTS = {
    "client": ("s:Client", Event.UNKNOWN),
    "client with a finer code": ("s:Client.Schema", Event.UNKNOWN),
    "server": ("s:Server", Event.RETRY),
    "version": ("s:VersionMismatch", Event.HOLD),
    "header": ("s:MustUnderstand", Event.HOLD),
    "credentials": ("wsse:FailedAuthentication", Event.HOLD),
    "unheard of": ("s:Weather", Event.UNKNOWN),
}


@pytest.mark.parametrize(("code", "event"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_read_by_its_code(
    connector: NationalMarket, payloads: Payloads, reply: Build, code: str, event: Event
) -> None:
    detail = (
        "<detail><ws:ServiceFault><t:FaultCode>X</t:FaultCode><t:Reason>why</t:Reason>"
        "<t:RetryAfterSeconds>30</t:RetryAfterSeconds></ws:ServiceFault></detail>"
    )
    fault = f"<s:Fault><faultcode>{code}</faultcode><faultstring>text</faultstring>{detail}</s:Fault>"
    verdicts = connector.decode_push(reply(fault, 500), payloads(count=2), stamp())
    assert [(v.event, v.reason, v.retry_after) for v in verdicts] == [(event, "why", timedelta(seconds=30))] * 2
    assert verdicts[0].same_message is (event is Event.RETRY)


def test_an_answer_under_an_error_status_is_not_believed(
    connector: NationalMarket, payloads: Payloads, ack: Build
) -> None:
    sent = payloads()
    response = replace(ack(SERIAL, "000", [(key(sent[0]), "000")]), status=500)
    assert [v.code for v in connector.decode_push(response, sent, stamp())] == ["error_status"]


def test_an_answer_to_another_operation_is_not_believed(
    connector: NationalMarket, payloads: Payloads, ack: Build
) -> None:
    sent = payloads()
    response = ack(SERIAL, "000", [(key(sent[0]), "000")], record="Certificate")
    assert [v.code for v in connector.decode_push(response, sent, stamp())] == ["other_answer"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<t:SerialNo>", "<t:Serial>"),
        ("</t:SerialNo>", "</t:SerialNo><t:Surprise/>"),
        ("<t:ItemCode>000", "<t:ItemCode>OK"),
        ("<t:AcceptedCount>0", "<t:AcceptedCount>OK"),
        ("<t:ReceivedAt>2019-04-02T09:30:01+08:00", "<t:ReceivedAt>2019-04-02T09:30:01"),
        ("urn:jzsc:personcert:types:1", "urn:jzsc:personcert:types:2"),
        ("</s:Body>", "</s:Body><s:Body/>"),
        ("<s:Body>", "<s:Body><x/>"),
        ("<s:Envelope", "<s:Umschlag"),
    ],
)
def test_a_reply_that_breaks_envelope_or_schema_is_not_believed(
    connector: NationalMarket, payloads: Payloads, ack: Build, old: str, new: str
) -> None:
    sent = payloads()
    good = ack(SERIAL, "000", [(key(sent[0]), "000")])
    text = good.body.decode()
    assert old in text
    spoiled = text.replace(old, new)
    if new.startswith("<t:Serial>") or new == "<s:Umschlag":
        spoiled = spoiled.replace(old.replace("<", "</"), new.replace("<", "</")).replace(
            "</s:Envelope", "</s:Umschlag"
        )
    (verdict,) = connector.decode_push(replace(good, body=spoiled.encode()), sent, stamp())
    assert (verdict.event, verdict.same_message) == (Event.RETRY, True)


def test_health_tells_version_and_clock(connector: NationalMarket, reply: Build) -> None:
    def answer(time: str) -> WireResponse:
        name = "GetServiceTimeResponse"
        return reply(
            f"<ws:{name}><ws:ServerTime>{time}</ws:ServerTime><ws:SchemaVersion>1.0</ws:SchemaVersion></ws:{name}>"
        )

    good = connector.decode_health(answer("2019-04-02T09:30:02+08:00"), stamp())
    assert (good.ok, good.clock_skew) == (True, timedelta(seconds=2))
    late = connector.decode_health(answer("2019-04-02T09:36:00+08:00"), stamp())
    assert (late.ok, late.clock_skew) == (False, timedelta(minutes=6))
    assert not connector.decode_health(answer("2019-04-02T24:00:00+08:00"), stamp()).ok


def test_health_tells_refused_credentials_and_the_clock_from_the_date_header(
    connector: NationalMarket, reply: Build
) -> None:
    fault = "<s:Fault><faultcode>wsse:FailedAuthentication</faultcode><faultstring>no</faultstring></s:Fault>"
    answer = reply(fault, 500)
    health = connector.decode_health(replace(answer, headers={"date": "Tue, 02 Apr 2019 01:40:00 GMT"}), stamp())
    assert (health.ok, health.detail, health.clock_skew) == (
        False,
        "no",
        timedelta(minutes=10),
    )
    assert connector.decode_health(answer, stamp()).clock_skew is None


def test_kinds_and_order_are_those_of_the_contract(connector: NationalMarket) -> None:
    kinds = connector.info.kinds
    assert kinds[RecordKind.CERTIFICATE].after == (RecordKind.PERSON,)
    assert {(k, v.batch_max, v.replay_safe) for k, v in kinds.items()} == {
        (RecordKind.PERSON, 200, True),
        (RecordKind.CERTIFICATE, 200, True),
        (RecordKind.STATUS_CHANGE, 1, True),
        (RecordKind.WITHDRAWAL, 1, True),
    }
