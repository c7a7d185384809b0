"""The shipped conformance suite on this connector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

import pytest

from connectors.national_market.adapter import build
from connectors.national_market.messages import serial_number
from connectors.national_market.typed import NationalMarket
from gateway.contract.connector import ListsHoldings, LooksUp, NeedsToken, PollsAcks, ProbesHealth
from gateway.contract.messages import Payload, Stamp, Token, WireResponse
from gateway.domain.records import RecordKind
from gateway.domain.states import Event
from gateway.settings import loader
from gateway.testing.conformance import ConnectorConformance, Recording, Reply, recorded, stamp

SERIAL = serial_number("370000", stamp().message_id)


class TestNationalMarketConformance(ConnectorConformance):
    receipt = SERIAL
    untied: ClassVar[Mapping[str, str]] = {"code_table": "the rows of a code table do not say of which"}
    settings: ClassVar[Mapping[str, str]] = {}

    def portable(self, connector: Any) -> Any:
        return partial(built, **self.settings)

    def binding(self, reply: Reply) -> Mapping[str, tuple[int, ...]]:
        """The serial number for all, and each record's key for its own."""
        keys = {str(payload.fields["RecordKey"]): (place,) for place, payload in enumerate(reply.payloads)}
        return {serial_number("370000", reply.stamp.message_id): tuple(range(len(reply.payloads))), **keys}

    @pytest.fixture
    def at_sandbox(self, bench: Any) -> Any:
        return bench

    @pytest.fixture
    def recordings(self, at_sandbox: Any) -> dict[str, Recording]:
        """Answers of the sandbox, to one person pushed at once and to one pushed with a receipt."""
        bench = at_sandbox
        (person,) = self.payloads(bench.connector, RecordKind.PERSON, 1)
        made = recorded(bench.connector, bench.send, bench.stamp, person)
        bench.sandbox.async_share = 1
        _, other = self.payloads(bench.connector, RecordKind.PERSON, 2)
        pushed = bench.stamp()
        (verdict,) = bench.connector.decode_push(
            bench.send(bench.connector.encode_push([other], pushed)), [other], pushed
        )
        assert verdict.receipt is not None
        bench.clock.forward(3600)
        at = bench.stamp()
        answer = bench.send(bench.connector.encode_ack(verdict.receipt, at))
        given = (verdict.receipt, [other])
        return {
            **made,
            "result": Recording(call="ack", given=given, stamp=at, response=answer, means=Event.ACCEPTED),
        }

    @pytest.fixture
    def replies(
        self, payloads: Callable[..., tuple[Payload, ...]], ack: Callable[..., WireResponse]
    ) -> dict[str, Reply]:
        persons, certificates = payloads(count=2), payloads(RecordKind.CERTIFICATE, 2)
        serial = serial_number("370000", stamp().message_id)

        def told(sent: tuple[Payload, ...], *codes: str) -> list[tuple[str, ...]]:
            return [(str(p.fields["RecordKey"]), code) for p, code in zip(sent, codes, strict=True)]

        def reply(sent: tuple[Payload, ...], response: WireResponse, *events: Event) -> Reply:
            return Reply(payloads=sent, stamp=stamp(), response=response, events=events)

        return {
            "stored": reply(persons, ack(serial, "000", told(persons, "000", "000")), *[Event.ACCEPTED] * 2),
            "certificates": reply(
                certificates,
                ack(serial, "012", told(certificates, "000", "302"), record="Certificate"),
                Event.ACCEPTED,
                Event.REJECTED,
            ),
            "waiting": reply(persons, ack(serial, "010"), *[Event.PENDING] * 2),
        }

    def test_it_offers_the_abilities_of_the_platform(self, connector: NationalMarket) -> None:
        for ability in (PollsAcks, LooksUp, ListsHoldings, ProbesHealth):
            assert isinstance(connector, ability)
        assert not isinstance(connector, NeedsToken)


def built(**given: str) -> Any:
    values = {"endpoint": "https://market.example/Service", "password": "example-only", **given}
    return build(loader({f"GATEWAY_NATIONAL_MARKET__{name.upper()}": value for name, value in values.items()}))


class TestNationalMarketTokenConformance(TestNationalMarketConformance):
    """Profile T answers as profile U does; only the way in differs."""

    settings: ClassVar[Mapping[str, str]] = {"profile": "T"}

    @pytest.fixture
    def connector(self) -> Any:
        return built(profile="T")

    @pytest.fixture
    def at_sandbox(self, road: Callable[..., Any]) -> Any:
        bench = road("T-token")
        assert isinstance(bench.log_in(), Token)
        return bench

    @pytest.fixture
    def sealed(self) -> Stamp:
        now = stamp().now
        values = {"token": "T" * 32}
        return stamp(token=Token(values=values, expires_at=now + timedelta(hours=1), renew_at=now + timedelta(hours=1)))

    def test_it_offers_the_abilities_of_the_platform(self, connector: NationalMarket) -> None:
        for ability in (PollsAcks, LooksUp, ListsHoldings, ProbesHealth, NeedsToken):
            assert isinstance(connector, ability)


class XmlStringConformance(ConnectorConformance):
    """What every dialect X must keep."""

    dialect_file: str
    operation: str
    can_ask: bool

    def portable(self, connector: Any) -> Any:
        return partial(built, dialect="X", dialect_file=self.dialect_file)

    @pytest.fixture
    def connector(self) -> Any:
        return built(dialect="X", dialect_file=self.dialect_file)

    @pytest.fixture
    def replies(self, connector: Any) -> dict[str, Reply]:
        (person,) = self.payloads(connector, RecordKind.PERSON, 1)

        def reply(text: str, event: Event) -> Reply:
            name = self.operation
            body = (
                '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
                f'<{name}Response xmlns="http://tempuri.org/"><{name}Result>{text}</{name}Result></{name}Response>'
                "</s:Body></s:Envelope>"
            )
            headers = {"content-type": "text/xml; charset=utf-8"}
            response = WireResponse(status=200, headers=headers, body=body.encode())
            return Reply(payloads=(person,), stamp=stamp(), response=response, events=(event,))

        return {
            "stored": reply("OK", Event.ACCEPTED),
            "stored by code": reply("000 数据保存成功", Event.ACCEPTED),
            "refused": reply("003 保存失败, SexNum的值9不在字典TBSEXDIC中", Event.REJECTED),
            "empty": reply("", Event.RETRY),
        }

    def test_an_answer_to_another_request_is_never_success(self, connector: Any, replies: Mapping[str, Reply]) -> None:
        """Not so here: the answer is one string and names no request. HTTP ties the two; a repeat does no harm."""
        assert all(kind.replay_safe and kind.batch_max == 1 for kind in connector.info.kinds.values())

    def test_what_binds_a_reply_is_found_in_it(self, connector: Any, replies: Mapping[str, Reply]) -> None:
        """Nothing does, for the same reason."""
        assert all(kind.replay_safe and kind.batch_max == 1 for kind in connector.info.kinds.values())

    def test_it_offers_the_abilities_of_the_platform(self, connector: Any) -> None:
        assert isinstance(connector, LooksUp) is self.can_ask
        assert isinstance(connector, ListsHoldings) is isinstance(connector, ProbesHealth) is self.can_ask
        for ability in (PollsAcks, NeedsToken):
            assert not isinstance(connector, ability)


class TestWuxiConformance(XmlStringConformance):
    dialect_file, operation, can_ask = "wuxi", "SaveTBData", True

    unneeded: ClassVar[Mapping[str, str]] = {
        "lookup not_found": "an empty answer may be a refused login as well, so that it never means not there"
    }

    @pytest.fixture
    def recordings(self, road: Callable[..., Any]) -> dict[str, Recording]:
        bench = road("X")
        (person,) = self.payloads(bench.connector, RecordKind.PERSON, 1)
        made = recorded(bench.connector, bench.send, bench.stamp, person)
        return {**made, "not there": replace(made["not there"], means=Event.RETRY)}


class TestSuzhouConformance(XmlStringConformance):
    dialect_file, operation, can_ask = "suzhou", "SaveTBData", False


class TestJiangsuConformance(XmlStringConformance):
    dialect_file, operation, can_ask = "jiangsu", "SaveStData", False
    refused_rules: ClassVar[Mapping[str, str]] = {
        "302:GB2312": "texts are sent in GB 2312, which has no rare characters"
    }
