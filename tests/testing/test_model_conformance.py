"""The model connector, which authors read first, passes the whole suite."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gateway.contract.messages import Payload, Stamp
from gateway.domain.records import RecordKind
from gateway.domain.states import Event
from gateway.testing import corpus
from gateway.testing.conformance import ConnectorConformance, Recording, Reply, recorded, stamp
from gateway.testing.inprocess import answer_of
from gateway.testing.model import Model, ModelSandbox

ADDRESS = "http://127.0.0.1:9"


def model_recordings(connector: Model) -> tuple[dict[str, Reply], dict[str, Recording]]:
    """Replies and answers of the model sandbox, for the first certificate and the first two persons of the suite."""
    suite = ConnectorConformance()
    sandbox = ModelSandbox(asynchronous=True)
    refusing = ModelSandbox()
    count = iter(range(2, 1000))

    def fresh() -> Stamp:
        return stamp(next(count))

    try:
        (payload,) = suite.payloads(Model(base_url=ADDRESS), RecordKind.CERTIFICATE, 1)
        persons = suite.payloads(Model(base_url=ADDRESS), RecordKind.PERSON, 2)

        def ask(request: object, to: ModelSandbox = sandbox) -> object:
            answer = answer_of(to, ADDRESS, request)  # type: ignore[arg-type]
            assert answer is not None
            return answer

        recordings = recorded(Model(base_url=ADDRESS), ask, fresh, payload)  # type: ignore[arg-type]
        replies = {}
        for name, fault, event in (("taken", None, Event.ACCEPTED), ("refused", "refuse", Event.REJECTED)):
            at = fresh()
            if fault is not None:
                refusing.faults.queue.append(fault)
            response = ask(Model(base_url=ADDRESS).encode_push(persons, at), refusing)
            replies[name] = Reply(payloads=persons, stamp=at, response=response, events=(event, event))  # type: ignore[arg-type]
        return replies, recordings
    finally:
        sandbox.books.close()
        refusing.books.close()


@pytest.fixture(scope="module")
def made() -> tuple[dict[str, Reply], dict[str, Recording]]:
    return model_recordings(Model(base_url=ADDRESS))


class TestModel(ConnectorConformance):
    @pytest.fixture
    def connector(self) -> Model:
        return Model(base_url=ADDRESS)

    @pytest.fixture
    def replies(self, made: tuple[dict[str, Reply], dict[str, Recording]]) -> Mapping[str, Reply]:
        return made[0]

    @pytest.fixture
    def recordings(self, made: tuple[dict[str, Reply], dict[str, Recording]]) -> Mapping[str, Recording]:
        return made[1]


def test_every_row_of_the_corpus_is_admitted_by_the_intake() -> None:
    assert corpus.refused_edges() == []


def test_the_corpus_has_every_kind_and_every_edge() -> None:
    for kind in RecordKind:
        made: list[Payload | object] = list(corpus.submissions("model", kind))
        assert len(made) == len(list(corpus.admitted())) > 250
