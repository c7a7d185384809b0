"""The shipped conformance suite with the dialect that registers workers and trainings within a project."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from connectors.worker_platform.adapter import WorkerPlatform, build
from connectors.worker_platform.sandbox import WorkerPlatformSandbox
from connectors.worker_platform.sandbox import build as build_sandbox
from connectors.worker_platform.sandbox.registry import CORP, PROJECT, TEAM
from gateway.contract.connector import Connector
from gateway.contract.messages import Payload, Stamp, WireRequest, WireResponse
from gateway.domain.records import RecordKind, Submission
from gateway.domain.states import Event
from gateway.settings import loader
from gateway.testing import people
from gateway.testing.conformance import ConnectorConformance, Recording, Reply, recorded, stamp
from gateway.testing.inprocess import answer_of

PLACE = people.placement(
    PROJECT["projectCode"], CORP["corpCode"], CORP["corpName"], TEAM["teamSysNo"], TEAM["teamName"]
)


def on_site(made: Submission) -> Submission:
    """The same record within the sandbox's project."""
    return replace(made, record=people.placed(made.record, PLACE))


class TestNational(ConnectorConformance):
    """Persons are workers of a project here, which its list shows."""

    refused_rules: ClassVar[Mapping[str, str]] = {
        "id_card_types": "a passport or permit is no document of the platform",
        "required": "a worker is registered with ethnicity, education, mobile and address, which may be blank here",
    }
    bare_answers: ClassVar[Mapping[str, str]] = {"health": "a check of the signature answers by its code alone"}

    @pytest.fixture
    def kinds(self, connector: Connector) -> tuple[RecordKind, ...]:
        return (RecordKind.PERSON, RecordKind.CERTIFICATE)

    def submissions(self, connector: Connector, kind: RecordKind, count: int) -> tuple[Submission, ...]:
        return tuple(map(on_site, super().submissions(connector, kind, count)))

    def admitted(self, connector: Connector, kind: RecordKind, count: int | None = None) -> tuple[Submission, ...]:
        return tuple(map(on_site, super().admitted(connector, kind, count)))

    @pytest.fixture
    def sandbox(self) -> Iterator[WorkerPlatformSandbox]:
        made = build_sandbox(dialect="national", seed=4)
        made.delay_seconds = (0.0, 0.0)
        yield made
        made.books.close()

    @pytest.fixture
    def connector(self, sandbox: WorkerPlatformSandbox) -> WorkerPlatform:
        return build(loader(dict(sandbox.access("http://127.0.0.1:1").environment)))

    def _ask(self, sandbox: WorkerPlatformSandbox, connector: Connector, request: WireRequest) -> WireResponse:
        response = answer_of(sandbox, connector.endpoint.base_url, request)
        assert response is not None
        return response

    @pytest.fixture
    def recordings(self, sandbox: WorkerPlatformSandbox, connector: WorkerPlatform) -> dict[str, Recording]:
        count = itertools.count(2)

        def fresh() -> Stamp:
            return replace(stamp(next(count)), now=datetime.now(UTC))

        (payload,) = self.payloads(connector, RecordKind.PERSON, 1)
        return recorded(connector, lambda request: self._ask(sandbox, connector, request), fresh, payload)

    @pytest.fixture
    def replies(self, sandbox: WorkerPlatformSandbox, connector: WorkerPlatform) -> dict[str, Reply]:
        payloads: tuple[Payload, ...] = self.payloads(connector, RecordKind.PERSON, 1)
        at = replace(stamp(90), now=datetime.now(UTC))
        response = self._ask(sandbox, connector, connector.encode_push(payloads, at))
        return {"taken": Reply(payloads=payloads, stamp=at, response=response, events=(Event.PENDING,))}

    def test_an_answer_to_another_request_is_never_success(
        self, connector: Connector, replies: Mapping[str, Reply]
    ) -> None:
        """As with the other dialects: an answer to a push names nothing of the request, and says pending at most."""
        for reply in replies.values():
            others = self.payloads(connector, RecordKind.PERSON, 2)[1:]
            verdicts = connector.decode_push(reply.response, others, stamp(99))
            assert Event.ACCEPTED not in {verdict.event for verdict in verdicts}
