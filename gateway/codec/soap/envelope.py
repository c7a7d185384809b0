"""SOAP for connectors: build envelopes from a local WSDL, sign them, and read replies on the bytes first.

zeep is the authority on operations, types, ports and SOAPAction; it is loaded on the first encoding, reads local files
only and never opens a connection. Because zeep sends and accepts values that break the schema, every outgoing body and
every incoming one is checked here against the schema documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from lxml import etree

from gateway.codec.soap import MULTIPART
from gateway.codec.soap.compiled_writer import BODY, Writers, Written
from gateway.codec.soap.multipart import NotOneRootError, root_part
from gateway.codec.soap.security import sign, username_token
from gateway.contract.messages import JSON
from gateway.domain.errors import ConfigurationError, ContractError
from gateway.locale import tr

__all__ = [
    "ENVELOPE_11",
    "ENVELOPE_12",
    "REPLY_SCHEMA",
    "Fault",
    "FaultKind",
    "Port",
    "Unreadable",
    "body_element",
    "parse",
    "safe_parser",
    "username_token",
]

ENVELOPE_11 = "http://schemas.xmlsoap.org/soap/envelope/"
ENVELOPE_12 = "http://www.w3.org/2003/05/soap-envelope"
_MOST_TAGS = 1_000_000
"""start and end tags; the largest reply that any schema here allows has some 40,000 elements"""
_XOP_INCLUDE = "{http://www.w3.org/2004/08/xop/include}Include"
_BLANK = b" \t\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DECLARATION = b"<?xml version='1.0' encoding='UTF-8'?>\n"
_BODY = BODY.encode()
_WSS_FAULTS = frozenset(
    {
        "UnsupportedSecurityToken",
        "UnsupportedAlgorithm",
        "InvalidSecurity",
        "InvalidSecurityToken",
        "FailedAuthentication",
        "FailedCheck",
        "SecurityTokenUnavailable",
        "MessageExpired",
    }
)
"""Fault codes of WS-Security SOAP Message Security 1.1, section 12, and the later MessageExpired"""


class FaultKind(StrEnum):
    """Who is to blame for a fault."""

    SECURITY = "security"
    """credentials, signature or clock; no record is to blame"""
    PROTOCOL = "protocol"
    """version, encoding or header not understood; no record is to blame"""
    CLIENT = "client"
    """the message as sent cannot be processed; sending it again will not help"""
    SERVER = "server"
    """the server could not do it now"""
    OTHER = "other"


_KINDS = {
    "Client": FaultKind.CLIENT,
    "Sender": FaultKind.CLIENT,
    "Server": FaultKind.SERVER,
    "Receiver": FaultKind.SERVER,
    "VersionMismatch": FaultKind.PROTOCOL,
    "MustUnderstand": FaultKind.PROTOCOL,
    "DataEncodingUnknown": FaultKind.PROTOCOL,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """A SOAP fault. ``code`` is the most exact local name given; ``detail`` has the leaves of its first entry."""

    kind: FaultKind
    code: str
    reason: str = field(repr=False)
    detail: Mapping[str, str] = field(default_factory=dict, repr=False)


REPLY_SCHEMA = "reply_schema"
"""code of a reply in the platform's own form that breaks its schema"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unreadable:
    """A reply that is not an answer to the operation. ``code`` is stable; ``reason`` holds names, never values."""

    code: str
    reason: str


class Port:
    """One port of a local WSDL: gives envelopes, requests' bytes and checked replies.

    wsdl, schema:  files of the connector; ``schema`` is the document that declares the operations' elements
    service, port: names as the WSDL spells them; the port decides between SOAP 1.1 and 1.2
    prefixes:     prefix -> namespace, declared once on the envelope; without them zeep declares one on every element
    """

    def __init__(
        self, *, wsdl: Path, schema: Path, service: str, port: str, prefixes: Mapping[str, str] | None = None
    ) -> None:
        self._wsdl, self._schema_file, self._service, self._port = wsdl, schema, service, port
        self._prefixes = prefixes or {}

    @cached_property
    def schema(self) -> etree.XMLSchema:
        """The compiled schema of requests and replies."""
        return etree.XMLSchema(etree.parse(str(self._schema_file), safe_parser()))

    @cached_property
    def _client(self) -> Any:
        from zeep import Client, Settings, Transport

        folder = self._wsdl.parent.resolve()

        class Offline(Transport):
            def load(self, url: str) -> bytes:
                file = Path(url).resolve()
                if "://" in url or folder not in file.parents:
                    raise ConfigurationError(tr("the WSDL names a document outside its own folder: {url}", url=url))
                return file.read_bytes()

        settings = Settings(strict=True, forbid_dtd=True, forbid_external=False)
        # zeep is annotated in part only
        client: Any = Client(str(self._wsdl), transport=Offline(), settings=settings)  # type: ignore[no-untyped-call]
        for prefix, namespace in self._prefixes.items():
            client.set_ns_prefix(prefix, namespace)
        return client

    @cached_property
    def _binding(self) -> Any:
        try:
            return self._client.wsdl.services[self._service].ports[self._port].binding
        except KeyError as missing:
            raise ConfigurationError(tr("the WSDL has no service or port {missing}", missing=missing)) from None

    @cached_property
    def _proxy(self) -> Any:
        return self._client.bind(self._service, self._port)

    @cached_property
    def _writers(self) -> Writers:
        return Writers(self._binding, self._prefixes, self._by_zeep)

    def envelope(self, operation: str, values: Mapping[str, JSON]) -> etree._Element:
        """An unsigned envelope; ContractError where names or structure do not fit the operation's type."""
        return self._writers.envelope(operation, values)

    def written(self, operation: str, values: Mapping[str, JSON]) -> Written | None:
        """The same envelope as text with its leaves, or None where it is left to ``envelope``."""
        return self._writers.written(operation, values)

    def _by_zeep(self, operation: str, values: Mapping[str, JSON]) -> etree._Element:
        from zeep.exceptions import Error

        try:
            built = self._client.create_message(self._proxy, operation, **values)
        except (Error, TypeError, ValueError) as error:
            raise ContractError(f"{operation}: the payload does not fit the WSDL ({type(error).__name__})") from None
        assert isinstance(built, etree._Element)
        return built

    def seal(self, operation: str, envelope: etree._Element, token: Any = None) -> tuple[bytes, dict[str, str]]:
        """Check the body against the schema, sign with a token of ``username_token``, and return bytes and headers."""
        self._judge(operation, envelope)
        if token is not None:
            sign(envelope, token)
        body = etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")
        return body, self._headers(operation)

    def seal_text(self, operation: str, text: str, header: str) -> tuple[bytes, dict[str, str]]:
        """As ``seal``, for the text of ``written``: what is sent is that text, not what a parser makes of it.

        header: content of the header as text, with the envelope's prefixes; see ``username_header``
        """
        plain = text.encode()
        self._judge(operation, etree.fromstring(plain, safe_parser()))
        front, mark, rest = plain.partition(_BODY)
        parts = (_DECLARATION, front, b"<soap-env:Header>", header.encode(), b"</soap-env:Header>", mark, rest)
        return b"".join(parts), self._headers(operation)

    def _judge(self, operation: str, envelope: etree._Element) -> None:
        (content,) = envelope[-1]
        if not self.schema.validate(content):
            raise ContractError(f"{operation}: the built message breaks its schema at {_complaint(self.schema)}")

    @cached_property
    def envelope_namespace(self) -> str:
        """The namespace of the port's envelopes, by its SOAP version."""
        return str(self._binding.nsmap["soap-env"])

    def _headers(self, operation: str) -> dict[str, str]:
        action = self._binding.get(operation).soapaction
        if self.envelope_namespace == ENVELOPE_12:
            return {"content-type": f'application/soap+xml; charset=utf-8; action="{action}"'}
        return {"content-type": "text/xml; charset=utf-8", "soapaction": f'"{action}"'}

    def open(self, body: bytes, expected: str, content_type: str = "text/xml") -> etree._Element | Fault | Unreadable:
        """Return the reply's only body element named ``expected`` ({namespace}name), schema-valid; else what it is."""
        content = body_element(body, content_type)
        if not isinstance(content, etree._Element):
            return content
        if content.tag != expected:
            return Unreadable(code="other_answer", reason="the reply answers another operation")
        if not self.schema.validate(content):
            return Unreadable(code=REPLY_SCHEMA, reason=f"the reply breaks its schema at {_complaint(self.schema)}")
        return content


def safe_parser() -> etree.XMLParser:
    """A parser for bytes from outside: no entities, no DTD, no network, no huge trees; comments and PIs dropped."""
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def parse(body: bytes) -> etree._Element | Unreadable:
    """The root of a well-formed document without a document type declaration; white space may stand before it."""
    text = body.lstrip(_BLANK)
    if text.startswith(_BYTE_ORDER_MARK):
        text = text.removeprefix(_BYTE_ORDER_MARK).lstrip(_BLANK)
    try:
        root = etree.fromstring(text, safe_parser())
    except (etree.XMLSyntaxError, ValueError):
        return Unreadable(code="not_xml", reason="the reply is not well-formed XML")
    if root is None or root.getroottree().docinfo.doctype:  # type: ignore[union-attr]  # the stubs do not know DocInfo
        return Unreadable(code="doctype", reason="the reply carries a document type declaration")
    return root


def body_element(body: bytes, content_type: str = "text/xml") -> etree._Element | Fault | Unreadable:
    """The only element of a SOAP 1.1 or 1.2 body, a fault, or why it is neither."""
    if content_type.partition(";")[0].strip().lower() == MULTIPART:
        try:
            body = root_part(body, content_type)
        except NotOneRootError as reason:
            return Unreadable(code="multipart", reason=str(reason))
    if body.count(b"<") > _MOST_TAGS:
        return Unreadable(code="too_many", reason="the reply has more elements than any answer may have")
    root = parse(body)
    if isinstance(root, Unreadable):
        return root
    if next(root.iter(_XOP_INCLUDE), None) is not None:
        return Unreadable(code="xop", reason="a value of the reply stands in another part of a multipart message")
    space = etree.QName(root).namespace
    if space not in (ENVELOPE_11, ENVELOPE_12) or etree.QName(root).localname != "Envelope":
        return Unreadable(code="not_soap", reason="the reply is XML, but no SOAP envelope")
    parts = [child.tag for child in root]
    if parts not in ([f"{{{space}}}Body"], [f"{{{space}}}Header", f"{{{space}}}Body"]) or len(root[-1]) != 1:
        return Unreadable(code="not_soap", reason="the envelope has not exactly one body with one element")
    content = root[-1][0]
    return _fault(content, space) if content.tag == f"{{{space}}}Fault" else content


def _fault(element: etree._Element, space: str) -> Fault:
    if space == ENVELOPE_11:
        codes = [_local(element.findtext("faultcode"))]
        reason, detail = element.findtext("faultstring"), element.find("detail")
    else:
        env = {"e": space}
        codes = [_local(value.text) for value in element.iterfind("e:Code//e:Value", env)]
        reason, detail = element.findtext("e:Reason/e:Text", namespaces=env), element.find("e:Detail", env)
    # SOAP 1.1 allows Client.Authentication: the first part names the class
    codes = [part for code in codes for part in code.split(".") if part]
    entry = detail[0] if detail is not None and len(detail) else None
    leaves = {etree.QName(c).localname: (c.text or "").strip() for c in entry} if entry is not None else {}
    named = [*codes, _local(leaves.get("FaultCode"))]
    security = next((code for code in reversed(named) if code in _WSS_FAULTS), None)
    kind = FaultKind.SECURITY if security else _KINDS.get(codes[0] if codes else "", FaultKind.OTHER)
    return Fault(
        kind=kind,
        code=security or (codes[-1] if codes else "fault"),
        reason=(leaves.get("Reason") or reason or "").strip(),
        detail=leaves,
    )


def _local(name: str | None) -> str:
    return (name or "").strip().rpartition(":")[2]


def _complaint(schema: etree.XMLSchema) -> str:
    """Element names and the broken rule of the schema's last validation; never the value."""
    log: Any = schema.error_log  # the stubs know no entries
    entry = log[0]
    path = "/".join(step.rpartition(":")[2] for step in (entry.path or "").split("/") if step)
    return f"{path} ({entry.type_name.removeprefix('SCHEMAV_').lower()})"
