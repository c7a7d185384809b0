"""Clients nobody here wrote, from ``?wsdl``: all thirteen operations by plain zeep, and envelopes typed by hand."""

from __future__ import annotations

import base64
import hashlib
import random
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import uvicorn
import zeep
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from lxml import etree
from zeep.wsse.username import UsernameToken

from connectors.national_market.sandbox import build as build_sandbox
from gateway.contract.messages import WireResponse
from gateway.domain.errors import TransportFailure
from gateway.registry import build_connector
from gateway.settings import loader
from gateway.testing import people
from gateway.testing.conformance import stamp
from gateway.testing.serving import HOST, address, bind, running
from gateway.transport.sender import Sender

SERVICE = "urn:jzsc:personcert:ws:1"
SENDER = "370000"


@contextmanager
def served(dialect: str) -> Iterator[dict[str, str]]:
    sandbox = build_sandbox(dialect=dialect)
    sandbox.async_share = 0  # type: ignore[attr-defined]  # of dialect T
    with running(sandbox) as url:
        yield dict(sandbox.access(url).details)


class Caller:
    """What a stranger writes on top of zeep: heads with their hash, from the published contract."""

    def __init__(self, client: Any) -> None:
        self.client, self.count = client, 0
        rng = random.Random(3)
        # the records' fields are data like any other; only the calls matter here
        connector = build_connector("national_market", loader(ACCOUNT))
        worker = people.person_record(rng)
        kept = people.certificate_record(rng, worker)
        self.person, self.certificate = (
            dict(connector.map(people_submission(record)).fields) for record in (worker, kept)
        )
        self.key = {"RecordKey": self.certificate["RecordKey"], "Checked": self.certificate["Checked"]}
        self.number = {name: self.certificate[name] for name in ("CertClass", "CertNumber", "Holder")}

    def save(self, operation: str, element: str, record: dict[str, Any]) -> str:
        """The result code of a save call with one record."""
        self.count += 1
        single = operation in ("UpsertPerson", "UpsertCertificate")
        digest = hashlib.sha256("".join(lines(record, element if single else f"{element}[1]")).encode()).hexdigest()
        head = {
            "SenderCode": SENDER,
            "SerialNo": f"{SENDER}20190402093000{self.count:012X}",
            "SchemaVersion": "1.0",
            "SentAt": datetime.now(UTC),
            "RecordCount": 1,
            "ContentHash": digest,
        }
        body = {element: record if single else [record]}
        answer = self.client.service[operation](Head=head, **body)
        return str(answer.ResultCode)


ACCOUNT = {
    "GATEWAY_NATIONAL_MARKET__ENDPOINT": "https://market.example",
    "GATEWAY_NATIONAL_MARKET__PASSWORD": "example-only",
}


def people_submission(record: Any) -> Any:
    from gateway.domain.records import Submission

    return Submission(platform="national_market", record=record)


def lines(fields: dict[str, Any], path: str) -> Iterator[str]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from lines(value, f"{path}/{name}")
        else:
            yield f"{path}/{name}={str(value).lower() if isinstance(value, bool) else value}\n"


def test_all_operations_can_be_called_from_the_description_alone() -> None:
    with served("T") as access:
        token = UsernameToken(SENDER, access["password"], use_digest=True, zulu_timestamp=True)  # type: ignore[no-untyped-call]
        caller = Caller(zeep.Client(access["wsdl"], wsse=token))  # type: ignore[no-untyped-call]
        call = caller.client.service
        person, certificate, later = caller.person, caller.certificate, caller.certificate | {"RecordVersion": 2}
        assert call.GetServiceTime().SchemaVersion == "1.0"
        assert caller.save("UpsertPerson", "Person", person) == "000"
        assert caller.save("UpsertPersonBatch", "Person", person) == "000"
        assert caller.save("UpsertCertificate", "Certificate", certificate) == "000"
        assert caller.save("UpsertCertificateBatch", "Certificate", later) == "000"
        change = {"RecordKey": caller.key["RecordKey"], "RecordVersion": 3, **caller.number, "OperateType": "03"}
        change |= {"NewStatus": "02", "Reason": "违章作业", "EffectiveDate": "2019-05-05"}
        assert (
            caller.save("ChangeCertificateStatus", "StatusChange", change | {"Checked": caller.key["Checked"]}) == "000"
        )
        serial = f"{SENDER}20190402093000{caller.count:012X}"
        assert call.QueryReceipt(SenderCode=SENDER, SerialNo=serial).State == "20"
        found = call.QueryCertificate(SenderCode=SENDER, RecordKey=caller.key["RecordKey"])
        assert [one.Status for one in found.Certificate] == ["02"]
        asked = {name: person[name] for name in ("IdDocType", "IdDocNumber")}
        assert call.QueryPerson(SenderCode=SENDER, **asked).Person.PersonName == person["PersonName"]
        assert len(call.GetCodeTable(TableName="gender").CodeItem) == 4
        withdrawal = {"RecordType": "CERT", "RecordKey": caller.key["RecordKey"], "RecordVersion": 4, "UpdateFlag": "D"}
        withdrawal |= {"Reason": "测试数据", "Checked": caller.key["Checked"]}
        assert caller.save("WithdrawRecord", "Withdrawal", withdrawal) == "000"


def test_a_login_and_a_logout_can_be_made_from_the_description_alone() -> None:
    with served("T-token") as access:
        client: Any = zeep.Client(access["wsdl"])  # type: ignore[no-untyped-call]
        nonce, created = "n" * 16, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        digest = hashlib.sha256(f"{nonce}{created}{access['password']}".encode()).digest()
        given = client.service.Login(AppId=SENDER, Nonce=nonce, Created=created, PasswordDigest=digest)
        assert (given.ResultCode, given.ExpiresInSeconds) == ("000", 7200)
        header = {"AuthHeader": {"Token": given.Token}}
        assert client.service.GetCodeTable(TableName="gender", _soapheaders=header).ResultCode == "000"
        assert client.service.Logout(_soapheaders=header).ResultCode == "000"
        assert client.service.GetCodeTable(TableName="gender", _soapheaders=header).ResultCode == "101"


BY_HAND = """<?xml version="1.0"?>
<e:Envelope xmlns:e="{space}">
  <e:Header>
    <w:Security xmlns:w="{wss}wssecurity-secext-1.0.xsd" e:mustUnderstand="1">
      <w:UsernameToken>
        <w:Username>370000</w:Username>
        <w:Password Type="{wss}username-token-profile-1.0#PasswordDigest">{digest}</w:Password>
        <w:Nonce>{nonce}</w:Nonce>
        <u:Created xmlns:u="{wss}wssecurity-utility-1.0.xsd">{created}</u:Created>
      </w:UsernameToken>
    </w:Security>
  </e:Header>
  <e:Body>
    <GetCodeTable xmlns="urn:jzsc:personcert:ws:1">
      <TableName>gender</TableName>
    </GetCodeTable>
  </e:Body>
</e:Envelope>"""
VERSIONS = {
    "1.1": (
        "http://schemas.xmlsoap.org/soap/envelope/",
        {"Content-Type": "text/xml", "SOAPAction": f'"{SERVICE}/GetCodeTable"'},
    ),
    "1.2": (
        "http://www.w3.org/2003/05/soap-envelope",
        {"Content-Type": f'application/soap+xml; charset=utf-8; action="{SERVICE}/GetCodeTable"'},
    ),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("password", "status"), [(None, 200), ("wrong", 500)])
def test_an_envelope_typed_by_hand_is_answered_in_its_own_version(
    version: str, password: str | None, status: int
) -> None:
    space, headers = VERSIONS[version]
    with served("T") as access:
        nonce, created = b"0123456789abcdef", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        secret = nonce + created.encode() + (password or access["password"]).encode()
        text = BY_HAND.format(
            space=space,
            wss="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-",
            digest=base64.b64encode(hashlib.sha1(secret, usedforsecurity=False).digest()).decode(),
            nonce=base64.b64encode(nonce).decode(),
            created=created,
        )
        request = urllib.request.Request(access["url"], text.encode(), headers)
        try:
            with urllib.request.urlopen(request) as answer:
                found, body = answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            found, body = refused.code, refused.read()
            refused.close()
    assert found == (400 if (version, status) == ("1.2", 500) else status)
    root = etree.fromstring(body)
    assert root.tag == f"{{{space}}}Envelope"
    assert len(root.findall(f".//{{{SERVICE}}}CodeItem")) == (4 if status == 200 else 0)


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and with its certificate a server's and a client's."""
    folder = tmp_path_factory.mktemp("tls")
    now = datetime.now(UTC)
    authority_key, authority = ec.generate_private_key(ec.SECP256R1()), _name("authority")
    for name in ("ca", "server", "client"):
        key = authority_key if name == "ca" else ec.generate_private_key(ec.SECP256R1())
        paper = (
            x509.CertificateBuilder()
            .subject_name(authority if name == "ca" else _name(name))
            .issuer_name(authority)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=name == "ca", path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(HOST))]), critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        (folder / f"{name}.pem").write_bytes(paper.public_bytes(serialization.Encoding.PEM))
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / f"{name}.key").write_bytes(secret)
    return folder


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@pytest.mark.parametrize("shows_paper", [True, False])
def test_a_platform_that_wants_our_certificate_gets_it(papers: Path, shows_paper: bool) -> None:
    import asyncio

    sandbox = build_sandbox(dialect="T")
    listener = bind()
    config = uvicorn.Config(
        sandbox.app(),
        log_config=None,
        lifespan="off",
        ws="none",
        ssl_certfile=papers / "server.pem",
        ssl_keyfile=papers / "server.key",
        ssl_ca_certs=str(papers / "ca.pem"),
        ssl_cert_reqs=ssl.CERT_REQUIRED,
    )
    server = uvicorn.Server(config)
    thread = Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    given = dict(sandbox.access(address(listener).replace("http:", "https:")).environment)
    given["GATEWAY_NATIONAL_MARKET__VERIFY"] = str(papers / "ca.pem")
    if shows_paper:
        given["GATEWAY_NATIONAL_MARKET__CLIENT_CERTIFICATE"] = str(papers / "client.pem")
        given["GATEWAY_NATIONAL_MARKET__CLIENT_KEY"] = str(papers / "client.key")
    connector: Any = build_connector("national_market", loader(given))
    sealed = stamp()

    async def ask() -> WireResponse | TransportFailure:
        async with Sender(connector.endpoint) as sender:
            try:
                return await sender.send(connector.encode_health(sealed))
            except TransportFailure as failure:
                return failure

    try:
        found = asyncio.run(ask())
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()
        sandbox.books.close()
    assert isinstance(found, WireResponse) is shows_paper
