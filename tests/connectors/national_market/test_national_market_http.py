"""Over real HTTP: our connector in both SOAP versions, and plain zeep from the served description."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import zeep
from zeep.wsse.username import UsernameToken

from connectors.national_market.adapter import build as build_connector
from connectors.national_market.messages import fill_content_hash
from connectors.national_market.sandbox import NationalMarketSandbox, build
from connectors.national_market.settings import NationalMarketSettings
from gateway.contract.messages import Payload, Stamp, WireRequest, WireResponse
from gateway.domain.records import RecordKind
from gateway.domain.states import Event
from gateway.settings import loader
from gateway.testing import people
from gateway.testing.sandbox import Access
from gateway.testing.serving import running


@pytest.fixture
def sandbox() -> NationalMarketSandbox:
    made = build(seed=1)
    assert isinstance(made, NationalMarketSandbox)
    made.async_share = 0
    return made


@pytest.fixture
def access(sandbox: NationalMarketSandbox) -> Iterator[Access]:
    with running(sandbox) as base:
        yield sandbox.access(base)


def fresh(seed: int) -> Stamp:
    rng = random.Random(seed)
    return Stamp(message_id=people.ulid(rng), now=datetime.now(UTC), nonce=rng.randbytes(16))


def send(url: str, request: WireRequest) -> WireResponse:
    answer = httpx.post(url + request.path, content=request.body, headers=dict(request.headers), trust_env=False)
    return WireResponse(status=answer.status_code, headers=dict(answer.headers), body=answer.content)


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a_batch_arrives_and_is_found_in_both_soap_versions(
    sandbox: NationalMarketSandbox, access: Access, version: str
) -> None:
    settings = {**access.environment, "GATEWAY_NATIONAL_MARKET__SOAP_VERSION": version}
    connector: Any = build_connector(loader(settings))
    submissions = people.submissions("national_market", RecordKind.PERSON, 50)
    payloads = [p for p in (connector.check(s, connector.map(s)) for s in submissions) if isinstance(p, Payload)]
    sealed = fresh(1)
    response = send(connector.endpoint.base_url, connector.encode_push(payloads, sealed))
    assert response.headers["content-type"].startswith("text/xml" if version == "1.1" else "application/soap+xml")
    assert {v.event for v in connector.decode_push(response, payloads, sealed)} == {Event.ACCEPTED}
    sealed = fresh(2)
    response = send(connector.endpoint.base_url, connector.encode_lookup(payloads[7], sealed))
    assert connector.decode_lookup(response, payloads[7], sealed).event is Event.ACCEPTED
    assert sandbox.effects()["counts"]["persons"] == 50


@pytest.mark.parametrize(("version", "status"), [("1.1", 500), ("1.2", 400)])
def test_a_wrong_password_is_a_fault_that_holds_the_platform(access: Access, version: str, status: int) -> None:
    settings = {
        **access.environment,
        "GATEWAY_NATIONAL_MARKET__SOAP_VERSION": version,
        "GATEWAY_NATIONAL_MARKET__PASSWORD": "wrong",
    }
    connector: Any = build_connector(loader(settings))
    (submission,) = people.submissions("national_market", RecordKind.PERSON)
    payload = connector.check(submission, connector.map(submission))
    response = send(connector.endpoint.base_url, connector.encode_push([payload], fresh(1)))
    (verdict,) = connector.decode_push(response, [payload], fresh(1))
    assert (response.status, verdict.event, verdict.code) == (status, Event.HOLD, "fault_FailedAuthentication")


@pytest.fixture
def client(access: Access) -> Iterator[zeep.Client]:
    """A third party's client that knows the platform from its description alone."""
    details = access.details
    token = UsernameToken(details["username"], details["password"], use_digest=True, zulu_timestamp=True)  # type: ignore[no-untyped-call]
    made = zeep.Client(details["wsdl"], wsse=token)  # type: ignore[no-untyped-call]
    yield made
    made.transport.session.close()


@pytest.fixture
def person() -> dict[str, Any]:
    """A person in the platform's fields, as any client could write it."""
    connector: Any = build_connector(
        loader(
            {"GATEWAY_NATIONAL_MARKET__ENDPOINT": "https://market.example", "GATEWAY_NATIONAL_MARKET__PASSWORD": "x"}
        )
    )
    (submission,) = people.submissions("national_market", RecordKind.PERSON)
    return dict(connector.map(submission).fields)


def push(client: zeep.Client, person: dict[str, Any], serial: str) -> Any:
    head = {
        "SenderCode": "370000",
        "SerialNo": serial,
        "SchemaVersion": "1.0",
        "SentAt": datetime.now(UTC),
        "RecordCount": 1,
        "ContentHash": "0" * 64,
    }
    settings = NationalMarketSettings(endpoint="https://market.example", password="unused")  # type: ignore[arg-type]
    unsigned: Any = client.create_message(client.service, "UpsertPersonBatch", Head=head, Person=[person])  # type: ignore[no-untyped-call]
    fill_content_hash(unsigned, settings)
    head["ContentHash"] = unsigned.findtext(".//{*}ContentHash")
    return client.service.UpsertPersonBatch(Head=head, Person=[person])


def test_a_third_partys_client_can_push_ask_and_read_the_time(client: zeep.Client, person: dict[str, Any]) -> None:
    serial = f"37000020190402093000{'A' * 12}"
    ack = push(client, person, serial)
    assert (ack.ResultCode, ack.AcceptedCount, ack.Item[0].RecordKey) == ("000", 1, person["RecordKey"])
    again = push(client, person, serial)
    assert (again.ResultCode, again.Duplicate) == ("013", True)
    document = {"IdDocType": person["IdDocType"], "IdDocNumber": person["IdDocNumber"]}
    found = client.service.QueryPerson(SenderCode="370000", **document)
    assert found.Person.PersonName == person["PersonName"]
    assert client.service.QueryReceipt(SenderCode="370000", SerialNo=serial).State == "20"
    assert client.service.GetServiceTime().SchemaVersion == "1.0"


def test_a_third_partys_client_gets_a_typed_fault(client: zeep.Client, person: dict[str, Any]) -> None:
    with pytest.raises(zeep.exceptions.Fault) as caught:
        push(client, {**person, "Gender": "7"}, f"37000020190402093000{'B' * 12}")
    detail: Any = caught.value.detail
    assert detail.findtext(".//{*}FaultCode") == "Client"


def test_a_third_partys_client_can_use_the_other_port(client: zeep.Client, person: dict[str, Any]) -> None:
    port: Any = client.bind("PersonCertDataService", "PersonCertDataServiceSoap12")
    document = {"IdDocType": person["IdDocType"], "IdDocNumber": person["IdDocNumber"]}
    assert port.QueryPerson(SenderCode="370000", **document).ResultCode == "401"


def test_books_in_a_folder_survive_a_restart(tmp_path: Any, person: dict[str, Any]) -> None:
    for effects in (1, 1):
        sandbox = build(state=tmp_path)
        assert isinstance(sandbox, NationalMarketSandbox)
        sandbox.async_share = 0
        with running(sandbox) as base:
            details = sandbox.access(base).details
            token = UsernameToken(details["username"], details["password"], use_digest=True, zulu_timestamp=True)  # type: ignore[no-untyped-call]
            client = zeep.Client(details["wsdl"], wsse=token)  # type: ignore[no-untyped-call]
            push(client, person, f"37000020190402093000{'C' * 12}")
            client.transport.session.close()
            assert sandbox.effects()["counts"]["persons"] == effects


def test_importing_the_adapter_loads_no_zeep() -> None:
    code = "import sys, connectors.national_market.adapter; sys.exit('zeep' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
