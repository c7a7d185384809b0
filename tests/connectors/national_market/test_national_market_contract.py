"""The pinned contract, the compiled writer on it, and the content hash as the specification words it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from connectors.national_market import contract
from connectors.national_market.typed import NationalMarket
from gateway.codec.wsdl.comparison import compare
from gateway.codec.wsdl.reader import Contract
from gateway.contract.connector import PublishesContract
from gateway.contract.messages import JSON, Payload
from gateway.domain.errors import ContractError
from gateway.domain.records import RecordKind
from gateway.testing.conformance import stamp

Payloads = Callable[..., tuple[Payload, ...]]
OPERATIONS = {
    "UpsertPersonBatch",
    "UpsertCertificateBatch",
    "QueryReceipt",
    "QueryPerson",
    "QueryCertificate",
    "GetServiceTime",
}


def test_the_documents_are_those_that_were_pinned(connector: NationalMarket) -> None:
    assert isinstance(connector, PublishesContract)
    published = connector.contract_files()
    assert {name: hashlib.sha256(content).hexdigest() for name, content in published.items()} == contract.PINNED
    assert compare(published, published) == ()
    operations = [path for path in Contract(published).nodes if path[1:] and path[1].startswith("operation ")]
    assert len([path for path in operations if len(path) == 2]) == 2 * 13


def test_an_edited_document_is_named(tmp_path: Path) -> None:
    for name in contract.PINNED:
        shutil.copy(Path(contract.__file__).parent / name, tmp_path)
    with (tmp_path / "types.xsd").open("a", encoding="utf-8") as file:
        file.write("<!-- edited -->")
    with pytest.raises(ContractError, match=r"types\.xsd is not"):
        contract.files(tmp_path)


def test_every_call_of_the_connector_is_compiled(connector: NationalMarket) -> None:
    assert {name for name in OPERATIONS if connector._port._writers.is_compiled(name)} == OPERATIONS


@pytest.mark.parametrize("kind", [RecordKind.PERSON, RecordKind.CERTIFICATE])
@pytest.mark.parametrize("seed", range(5))
def test_batches_are_written_as_zeep_writes_them(
    connector: NationalMarket, payloads: Payloads, kind: RecordKind, seed: int
) -> None:
    record = {RecordKind.PERSON: "Person", RecordKind.CERTIFICATE: "Certificate"}[kind]
    port, operation = connector._port, f"Upsert{record}Batch"
    head: dict[str, JSON] = {
        "SenderCode": "370000",
        "SerialNo": "x",
        "SchemaVersion": "1.0",
        "SentAt": "x",
        "RecordCount": 9,
        "ContentHash": "0",
    }
    for number in (1, 9):
        values: dict[str, JSON] = {"Head": head, record: [p.fields for p in payloads(kind, number, seed)]}
        ours, by_zeep = port.envelope(operation, values), port._by_zeep(operation, values)
        assert etree.tostring(ours, method="c14n") == etree.tostring(by_zeep, method="c14n")
    assert port._writers.is_compiled(operation)


def test_the_content_hash_is_over_every_leaf_line(connector: NationalMarket, payloads: Payloads) -> None:
    body = etree.fromstring(connector.encode_push(payloads(RecordKind.PERSON, 3), stamp()).body)

    def lines(element: etree._Element, path: str) -> str:
        if not len(element):
            return f"{path}={element.text or ''}\n"
        return "".join(lines(child, f"{path}/{etree.QName(child).localname}") for child in element)

    people = body.findall(".//{*}Person")
    text = "".join(lines(person, f"Person[{number}]") for number, person in enumerate(people, start=1))
    assert body.findtext(".//{*}ContentHash") == hashlib.sha256(text.encode()).hexdigest()
