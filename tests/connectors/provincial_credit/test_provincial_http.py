"""The connector against the sandbox over real HTTP on loopback, each exchange checked against the document."""

import http.client
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest
from openapi_spec_validator import validate

from connectors.provincial_credit import schema
from connectors.provincial_credit.adapter import ProvincialCredit, build
from connectors.provincial_credit.sandbox import ProvincialCreditSandbox
from gateway.codec.replies import judge_reply
from gateway.contract.connector import (
    Connector,
    GivesFeedback,
    ListsHoldings,
    LooksUp,
    NeedsToken,
    PollsAcks,
    ProbesHealth,
)
from gateway.contract.messages import (
    FeedbackPage,
    FindingAck,
    HoldingsPage,
    Payload,
    Stamp,
    Token,
    WireRequest,
    WireResponse,
)
from gateway.domain.records import RecordKind
from gateway.domain.states import Event
from gateway.settings import loader
from gateway.testing import people
from gateway.testing.serving import running

DOCUMENT: Any = schema.document()


class Time:
    """The clock of both sides, moved by the test."""

    def __init__(self) -> None:
        self.now = datetime(2019, 4, 2, 1, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Line:
    """A connector and a socket."""

    connector: ProvincialCredit
    time: Time
    rng: Random = field(default_factory=lambda: Random(11))
    token: Token | None = None
    seen: list[tuple[WireRequest, WireResponse]] = field(default_factory=list)

    def stamp(self) -> Stamp:
        return Stamp(
            message_id=people.ulid(self.rng), now=self.time.now, nonce=self.rng.randbytes(16), token=self.token
        )

    def send(self, request: WireRequest, timeout: float = 5) -> WireResponse:
        url = urlsplit(self.connector.endpoint.base_url + request.path)
        assert url.hostname is not None
        line = http.client.HTTPConnection(url.hostname, url.port, timeout=timeout)
        try:
            target = f"{url.path}?{url.query}" if url.query else url.path
            line.request(request.method, target, body=request.body or None, headers=dict(request.headers))
            got = line.getresponse()
            headers = {name.lower(): value for name, value in got.getheaders()}
            response = WireResponse(status=got.status, headers=headers, body=got.read())
        finally:
            line.close()
        self.seen.append((request, response))
        return response

    def login(self) -> None:
        stamp = self.stamp()
        token = self.connector.decode_login(self.send(self.connector.encode_login(None, stamp)), stamp)
        assert isinstance(token, Token)
        self.token = token


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def sandbox(time: Time) -> ProvincialCreditSandbox:
    return ProvincialCreditSandbox(seed=5, clock=time)


@pytest.fixture
def line(sandbox: ProvincialCreditSandbox, time: Time) -> Iterator[Line]:
    with running(sandbox) as address:
        made = Line(connector=build(loader(sandbox.access(address).environment)), time=time)
        made.login()
        yield made


def _payloads(connector: ProvincialCredit, count: int) -> tuple[Payload, ...]:
    made = people.submissions("provincial_credit", RecordKind.CERTIFICATE, count)
    checked = [connector.check(s, connector.map(s)) for s in made]
    return tuple(c for c in checked if isinstance(c, Payload))


def test_the_connector_has_every_ability_the_core_looks_for(line: Line) -> None:
    connector: Connector = line.connector
    for ability in (PollsAcks, LooksUp, ListsHoldings, GivesFeedback, NeedsToken, ProbesHealth):
        assert isinstance(connector, ability)


def test_push_poll_look_up_list_feedback_and_acknowledge(line: Line, sandbox: ProvincialCreditSandbox) -> None:
    connector = line.connector
    stamp = line.stamp()
    assert connector.decode_health(line.send(connector.encode_health(stamp)), stamp).ok
    payloads = _payloads(connector, 4)
    stamp = line.stamp()
    taken = connector.decode_push(line.send(connector.encode_push(payloads, stamp)), payloads, stamp)
    assert {v.event for v in taken} == {Event.PENDING}
    receipt = taken[0].receipt or ""
    line.time.pass_(1)
    stamp = line.stamp()
    verdicts = connector.decode_ack(line.send(connector.encode_ack(receipt, stamp)), receipt, payloads, stamp)
    assert {v.event for v in verdicts} == {Event.ACCEPTED}
    stamp = line.stamp()
    found = connector.decode_lookup(line.send(connector.encode_lookup(payloads[0], stamp)), payloads[0], stamp)
    assert found.event is Event.ACCEPTED
    stamp = line.stamp()
    held = connector.decode_holdings(line.send(connector.encode_holdings(None, None, stamp)), None, stamp)
    assert isinstance(held, HoldingsPage)
    assert len(held.holdings) == 4
    stamp = line.stamp()
    page = connector.decode_feedback(line.send(connector.encode_feedback(None, stamp)), stamp)
    assert isinstance(page, FeedbackPage)
    acks = [
        FindingAck(event_id=f.event_id, record_id=f.record_id, version=f.version, code="APPLIED", at=stamp.now)
        for f in page.findings
        if f.flaw is None
    ]
    stamp = line.stamp()
    told = connector.decode_feedback_acks(line.send(connector.encode_feedback_acks(acks, stamp)), acks, stamp)
    assert told.event is Event.ACCEPTED
    assert sandbox.effects()["counts"]["certificates"] == 4
    _fits_the_document(line.seen)


def test_an_answer_that_never_came_is_asked_for_with_the_same_message(
    line: Line, sandbox: ProvincialCreditSandbox
) -> None:
    payloads, stamp = _payloads(line.connector, 2), line.stamp()
    sandbox.faults.set(next_=["timeout_after_commit"])
    with pytest.raises(TimeoutError):
        line.send(line.connector.encode_push(payloads, stamp), timeout=0.3)
    again = Stamp(message_id=stamp.message_id, now=stamp.now, nonce=b"\x09" * 16, token=stamp.token)
    response = line.send(line.connector.encode_push(payloads, again))
    assert response.headers["idempotency-replayed"] == "true"
    assert judge_reply(response, line.connector.info, replay_safe=True, now=again.now) is None
    assert line.connector.decode_push(response, payloads, again)[0].event is Event.PENDING


def test_refusals_fit_the_document_too(line: Line, sandbox: ProvincialCreditSandbox) -> None:
    stamp = line.stamp()
    line.send(line.connector.encode_ack("SC404", stamp))
    line.send(line.connector.encode_ack("SC404", stamp))
    line.send(line.connector.encode_lookup(_payloads(line.connector, 1)[0], line.stamp()))
    sandbox.faults.set(next_=["busy"])
    line.send(line.connector.encode_feedback(None, line.stamp()))
    assert [response.status for _, response in line.seen[1:]] == [404, 401, 404, 429]
    _fits_the_document(line.seen)


def test_the_document_is_a_valid_openapi_3_1_document() -> None:
    validate(DOCUMENT)


def _fits_the_document(seen: list[tuple[WireRequest, WireResponse]]) -> None:
    """Path, method, required headers, body and answer of each exchange are those of the document."""
    assert seen
    for request, response in seen:
        path = request.path.partition("?")[0]
        fitting = (t for t in DOCUMENT["paths"] if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", t), path))
        template = min(fitting, key=lambda t: t.count("{"))
        operation = DOCUMENT["paths"][template][request.method.lower()]
        assert operation["operationId"] == request.operation
        for listed in operation.get("parameters", ()):
            parameter = _resolved(listed)
            if parameter["in"] == "header" and parameter["required"]:
                assert parameter["name"].lower() in request.headers, parameter["name"]
        if "requestBody" in operation:
            _fits(operation["requestBody"], request.body)
        answer = _resolved(operation["responses"][str(response.status)])
        _fits(answer, response.body)
        assert response.headers["content-type"].partition(";")[0] in answer["content"]


def _resolved(value: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in value:
        return value
    found: Any = DOCUMENT
    for step in value["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    made: dict[str, Any] = found
    return made


def _fits(described: dict[str, Any], body: bytes) -> None:
    content = next(c for kind, c in described["content"].items() if not kind.startswith("application/vnd."))
    name = content["schema"]["$ref"].rpartition("/")[2]
    assert not schema.violations(name, json.loads(body))
