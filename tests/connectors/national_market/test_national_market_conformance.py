"""The shipped conformance suite on this connector."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connectors.national_market.adapter import NationalMarket
from connectors.national_market.messages import serial_number
from gateway.contract.connector import ListsHoldings, LooksUp, PollsAcks, ProbesHealth
from gateway.contract.messages import Payload, WireResponse
from gateway.domain.delivery import Event
from gateway.domain.records import RecordKind
from gateway.testing.conformance import ConnectorConformance, Reply, stamp


class TestNationalMarketConformance(ConnectorConformance):
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
