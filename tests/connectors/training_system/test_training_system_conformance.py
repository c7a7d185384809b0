"""The shipped conformance suite over files and over a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import pytest

from connectors.training_system.adapter import build
from gateway.contract.handover import digest_of
from gateway.contract.messages import Health, HoldingsPage, WireResponse
from gateway.domain.records import RecordKind
from gateway.domain.states import Event
from gateway.settings import loader
from gateway.testing.conformance import ConnectorConformance, Recording, Reply


class _Conformance(ConnectorConformance):
    dialect: ClassVar[str]
    receipt = page = "certificate/01ARZ3NDEKTSV4RRFFQ69G5FAV"
    unneeded: ClassVar[Mapping[str, str]] = {
        "lookup accepted": "it goes by our number of record and version; the owner repeats no content"
    }

    @pytest.fixture
    def bench(self, make: Callable[..., Any]) -> Any:
        return make(self.dialect)

    @pytest.fixture
    def connector(self, bench: Any) -> Any:
        return bench.connector

    def portable(self, connector: Any) -> Any:
        return partial(_built, {k: str(v) for k, v in self._environment.items()})

    @pytest.fixture(autouse=True)
    def _remember(self, bench: Any) -> None:
        type(self)._environment = bench.environment

    _environment: ClassVar[dict[str, str]] = {}

    def binding(self, reply: Reply) -> Mapping[str, tuple[int, ...]]:
        """The digest of what was handed over stands for all of it."""
        return {self._digests[reply.stamp.message_id]: tuple(range(len(reply.payloads)))}

    _digests: ClassVar[dict[str, str]] = {}

    @pytest.fixture
    def replies(self, bench: Any, connector: Any) -> dict[str, Reply]:
        made = {}
        for kind in (RecordKind.PERSON, RecordKind.CERTIFICATE):
            payloads, at = self.payloads(connector, kind, 2), bench.stamp()
            request = connector.encode_push(payloads, at)
            self._digests[at.message_id] = digest_of(request)
            made[kind.value] = Reply(
                payloads=payloads, stamp=at, response=bench.ask(request), events=(Event.PENDING, Event.PENDING)
            )
        return made

    @pytest.fixture
    def recordings(self, bench: Any, connector: Any) -> dict[str, Recording]:
        (payload,) = self.payloads(connector, RecordKind.PERSON, 1)
        made: dict[str, Recording] = {}

        def record(name: str, call: str, request: Any, at: Any, means: Any, *given: Any) -> None:
            response = bench.ask(request)
            made[name] = Recording(call=call, given=given, stamp=at, response=response, means=means)

        pushed = bench.stamp()
        receipt = f"person/{pushed.message_id}"
        at = bench.stamp()
        record("health", "health", connector.encode_health(at), at, Health)
        asked = bench.stamp(about=pushed.message_id)
        record("not there", "lookup", connector.encode_lookup(payload, asked), asked, Event.NOT_FOUND, payload)
        bench.ask(connector.encode_push([payload], pushed))
        record("there", "lookup", connector.encode_lookup(payload, asked), asked, Event.PENDING, payload)
        at = bench.stamp()
        record("not yet", "ack", connector.encode_ack(receipt, at), at, Event.PENDING, receipt, [payload])
        bench.owner.work()
        bench.owner.work()
        at = bench.stamp()
        record("result", "ack", connector.encode_ack(receipt, at), at, Event.ACCEPTED, receipt, [payload])
        at = bench.stamp()
        record("held", "holdings", connector.encode_holdings(None, None, at), at, HoldingsPage, None)
        return made

    def test_what_is_expected_is_what_the_list_shows(self, connector: Any, recordings: Mapping[str, Recording]) -> None:
        held = recordings["held"]
        page = connector.decode_holdings(held.response, None, held.stamp)
        (payload,) = self.payloads(connector, RecordKind.PERSON, 1)
        (shown,) = page.holdings
        expected = connector.expected(payload)
        assert (shown.kind, shown.key) == (expected.kind, expected.key)
        assert shown.fields == {name: expected.fields[name] for name in shown.fields}

    def test_an_answer_without_content_is_never_success(
        self, connector: Any, recordings: Mapping[str, Recording]
    ) -> None:
        result = recordings["result"]
        empty = replace(result.response, body=b"{}")
        assert isinstance(empty, WireResponse)
        (verdict,) = connector.decode_ack(empty, *result.given, result.stamp)
        assert verdict.event is Event.RETRY


def _built(environment: Mapping[str, str]) -> Any:
    return build(loader(environment))


class TestConformanceOverFiles(_Conformance):
    dialect = "files"


class TestConformanceOverATable(_Conformance):
    dialect = "table"
