"""The model connector, which authors read first, passes the whole suite."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gateway.contract.messages import Payload, Stamp
from gateway.contract.shape import abilities, members
from gateway.domain.records import RecordKind
from gateway.domain.states import Event
from gateway.testing import corpus
from gateway.testing.conformance import ConnectorConformance, Recording, Reply, recorded, stamp
from gateway.testing.credit_model import CreditModel, CreditModelSandbox
from gateway.testing.inprocess import answer_of
from gateway.testing.model import Model, ModelSandbox
from gateway.testing.recordings import WANTED

ADDRESS = "http://127.0.0.1:9"


def model_recordings(connector: Model) -> tuple[dict[str, Reply], dict[str, Recording]]:
    """Replies and answers of the model's sandbox, for the first certificate and the first two persons of the suite."""
    suite = ConnectorConformance()
    made = CreditModelSandbox if isinstance(connector, CreditModel) else ModelSandbox
    sandbox, refusing = made(asynchronous=True), made()
    count = iter(range(2, 1000))

    def fresh() -> Stamp:
        return stamp(next(count))

    try:
        (payload,) = suite.payloads(connector, RecordKind.CERTIFICATE, 1)
        persons = suite.payloads(connector, RecordKind.PERSON, 2)

        def ask(request: object, to: ModelSandbox = sandbox) -> object:
            answer = answer_of(to, ADDRESS, request)  # type: ignore[arg-type]
            assert answer is not None
            return answer

        recordings = recorded(connector, ask, fresh, payload)  # type: ignore[arg-type]
        replies = {}
        for name, fault, event in (("taken", None, Event.ACCEPTED), ("refused", "refuse", Event.REJECTED)):
            at = fresh()
            if fault is not None:
                refusing.faults.queue.append(fault)
            response = ask(connector.encode_push(persons, at), refusing)
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


@pytest.fixture(scope="module")
def credit_made() -> tuple[dict[str, Reply], dict[str, Recording]]:
    return model_recordings(CreditModel(base_url=ADDRESS))


class TestCreditModel(ConnectorConformance):
    """Every ability of the contract."""

    @pytest.fixture
    def connector(self) -> CreditModel:
        return CreditModel(base_url=ADDRESS)

    @pytest.fixture
    def replies(self, credit_made: tuple[dict[str, Reply], dict[str, Recording]]) -> Mapping[str, Reply]:
        return credit_made[0]

    @pytest.fixture
    def recordings(self, credit_made: tuple[dict[str, Reply], dict[str, Recording]]) -> Mapping[str, Recording]:
        return credit_made[1]


def test_the_models_have_every_ability_of_the_contract_that_the_suite_calls() -> None:
    model = CreditModel(base_url=ADDRESS)
    lacking = {
        name
        for name, ability in abilities().items()
        if name not in ("Connector", "HasDesk") and not isinstance(model, ability)
    }
    assert lacking == set()


def test_every_decoder_of_the_contract_has_a_recorded_answer() -> None:
    """A new ability is recorded and judged by the suite, or it stands here."""
    decoders = {name.removeprefix("decode_") for name in members() if name.startswith("decode_")}
    assert decoders == {call for _, call, _ in WANTED} | {"push"}


def test_every_row_of_the_corpus_is_admitted_by_the_intake() -> None:
    assert corpus.refused_edges() == []


def test_the_corpus_has_every_kind_and_every_edge() -> None:
    for kind in RecordKind:
        made: list[Payload | object] = list(corpus.submissions("model", kind))
        assert len(made) == len(list(corpus.admitted())) > 250
