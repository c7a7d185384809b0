"""The gateway's conformance suite: each call of the connector means what it says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

import pytest
from gateway.contract.connector import Connector
from gateway.contract.messages import Stamp, WireRequest, WireResponse
from gateway.domain.records import RecordKind
from gateway.domain.states import Event
from gateway.settings import loader
from gateway.testing.conformance import ConnectorConformance, Recording, Reply, recorded, stamp
from gateway.testing.inprocess import answer_of

from example_platform.adapter import build
from example_platform.sandbox import ExamplePlatformSandbox

ADDRESS = "http://127.0.0.1:1"


def made(environment: Mapping[str, str]) -> Connector:
    return build(loader(environment))


class TestConformance(ConnectorConformance):
    """What the platform's nature makes impossible is said here: ``refused_rules``, ``unneeded``, ``binding`` …"""

    @pytest.fixture
    def sandbox(self) -> Iterator[ExamplePlatformSandbox]:
        sandbox = ExamplePlatformSandbox(seed=4)
        yield sandbox
        sandbox.books.close()

    @pytest.fixture
    def connector(self, sandbox: ExamplePlatformSandbox) -> Connector:
        return made(sandbox.access(ADDRESS).environment)

    def portable(self, connector: Connector) -> partial[Connector]:
        return partial(made, dict(ExamplePlatformSandbox().access(ADDRESS).environment))

    @pytest.fixture
    def recordings(self, sandbox: ExamplePlatformSandbox, connector: Connector) -> dict[str, Recording]:
        """Answers of the sandbox to everything that can be asked about one person."""
        count = itertools.count(2)
        (payload,) = self.payloads(connector, RecordKind.PERSON, 1)
        return recorded(connector, partial(ask, sandbox), lambda: stamp(next(count)), payload)

    @pytest.fixture
    def replies(self, sandbox: ExamplePlatformSandbox, connector: Connector) -> dict[str, Reply]:
        """Answers to pushes of two persons: taken, and refused in each of the platform's ways."""
        payloads = self.payloads(connector, RecordKind.PERSON, 2)
        events = {
            "": Event.ACCEPTED,
            "busy": Event.RETRY,
            "refuse": Event.REJECTED,
            "locked": Event.HOLD,
            "strange": Event.UNKNOWN,
        }
        found = {}
        for number, (fault, event) in enumerate(events.items(), start=50):
            at: Stamp = replace(stamp(number))
            sandbox.faults.set(next_=[fault] if fault else [])
            response = ask(sandbox, connector.encode_push(payloads, at))
            found[fault or "taken"] = Reply(payloads=payloads, stamp=at, response=response, events=(event, event))
        return found


def ask(sandbox: ExamplePlatformSandbox, request: WireRequest) -> WireResponse:
    response = answer_of(sandbox, ADDRESS, request)
    assert response is not None
    return response
