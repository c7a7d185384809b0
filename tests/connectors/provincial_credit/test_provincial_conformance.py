"""The provincial credit connector keeps the contract that every connector keeps."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connectors.provincial_credit.adapter import ProvincialCredit
from gateway.contract.messages import Stamp, WireResponse
from gateway.domain.records import RecordKind
from gateway.domain.states import Event
from gateway.testing.conformance import ConnectorConformance, Recording, Reply, recorded

P, R = Event.PENDING, Event.RETRY


class TestProvincialCredit(ConnectorConformance):
    @pytest.fixture
    def connector(self, bench: Any) -> ProvincialCredit:
        connector: ProvincialCredit = bench.connector
        return connector

    @pytest.fixture
    def sealed(self, bench: Any) -> Stamp:
        stamp: Stamp = bench.stamp()
        return stamp

    @pytest.fixture
    def recordings(self, bench: Any) -> dict[str, Recording]:
        """Answers of the sandbox; time passes between them, so that what was taken is worked off."""

        def fresh() -> Stamp:
            bench.clock.pass_(seconds=1)
            stamp: Stamp = bench.stamp()
            return stamp

        def wait(span: timedelta) -> None:
            bench.clock.now += span
            bench.token = None

        (payload,) = self.payloads(bench.connector, RecordKind.CERTIFICATE, 1)
        return recorded(bench.connector, bench.send, fresh, payload, wait=wait)

    @pytest.fixture
    def replies(
        self, bench: Any, answer: Callable[..., WireResponse], refusal: Callable[..., dict[str, Any]]
    ) -> Mapping[str, Reply]:
        three = bench.payloads(3)
        stamp = bench.stamp()
        taken = bench.send(bench.connector.encode_push(three, stamp))
        other = {"requestSerialCode": "SC1", "receivedAt": "2019-04-02T09:30:00+08:00", "itemCount": 2}
        field = [{"code": "SCHEMA_INVALID", "pointer": "/items/1/person/workerName"}]
        made = {
            "taken": (taken, (P, P, P)),
            "other count": (answer(stamp, 202, other), (R, R, R)),
            "one item refused": (
                answer(stamp, 422, refusal("SCHEMA_INVALID", 422, errors=field)),
                (R, Event.REJECTED, R),
            ),
            "unsigned success": (
                replace(taken, headers={k: v for k, v in taken.headers.items() if k != "x-platform-signature"}),
                (R, R, R),
            ),
            "page instead of answer": (
                WireResponse(status=202, headers={"content-type": "application/json"}, body=b"<html></html>"),
                (R, R, R),
            ),
        }
        return {
            name: Reply(payloads=three, stamp=stamp, response=response, events=events)
            for name, (response, events) in made.items()
        }
