"""The server's side of SOAP 1.1 and 1.2: reads a call strictly, writes answers and faults."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from lxml import etree
from lxml.builder import ElementMaker  # type: ignore[import-not-found]  # the stubs leave it out
from starlette.requests import Request
from starlette.responses import Response

WS = "urn:jzsc:personcert:ws:1"
T = "urn:jzsc:personcert:types:1"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
ENVELOPES = {False: "http://schemas.xmlsoap.org/soap/envelope/", True: "http://www.w3.org/2003/05/soap-envelope"}
LARGEST_REQUEST = 4 * 1024 * 1024
_OURS = (
    "",
    "http://schemas.xmlsoap.org/soap/actor/next",
    f"{ENVELOPES[True]}/role/next",
    f"{ENVELOPES[True]}/role/ultimateReceiver",
)
"""Actors and roles in which a service takes part (SOAP 1.1, section 4.2.2; SOAP 1.2 part 1, section 2.2)"""
_NAMES_12 = {"Client": "Sender", "Server": "Receiver"}
ws = ElementMaker(namespace=WS, nsmap={"ws": WS, "t": T})
t = ElementMaker(namespace=T, nsmap={"t": T})


class SoapFault(Exception):
    """A message that cannot be processed as a message. ``code``: Client, Server, MustUnderstand …, or a wsse name."""

    def __init__(self, code: str, reason: str, *, soap12: bool = False, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.code, self.reason, self.soap12, self.retry_after = code, reason, soap12, retry_after


class NotSoap(Exception):
    """Not even SOAP: answered with a plain page, as web servers do."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Call:
    """One well-formed, schema-valid call."""

    soap12: bool
    operation: str
    content: etree._Element
    security: etree._Element | None
    token: str | None


def read(request: Request, body: bytes, schema: etree.XMLSchema, service: str = WS) -> Call:
    """Check size, media type, XML, envelope, headers, action and schema, in this order.

    service: namespace of the service; an action is that namespace, a slash where it does not end in one, and the name
    """
    if len(body) > LARGEST_REQUEST:
        raise NotSoap(413, "Maximum request length exceeded.")
    media, _, parameters = request.headers.get("content-type", "").partition(";")
    media = media.strip().lower()
    if media not in ("text/xml", "application/soap+xml"):
        raise NotSoap(415, "Unsupported Media Type")
    soap12 = media == "application/soap+xml"
    envelope = _envelope(body, soap12)
    space = ENVELOPES[soap12]
    security, token = _headers(envelope, space, soap12)
    bodies = envelope.findall(f"{{{space}}}Body")
    if len(bodies) != 1 or len(bodies[0]) != 1:
        raise SoapFault("Client", "the envelope must have one Body with one element", soap12=soap12)
    content = bodies[0][0]
    name = etree.QName(content)
    action = _action(parameters) if soap12 else request.headers.get("soapaction", "")
    wanted = f"{service.removesuffix('/')}/{name.localname}"
    if action != (wanted if soap12 else f'"{wanted}"'):
        raise SoapFault(
            "Client",
            "Server did not recognize the value of HTTP Header SOAPAction or of the action parameter",
            soap12=soap12,
        )
    if name.namespace != service or name.localname.endswith("Response") or not schema.validate(content):
        log: Any = schema.error_log  # the stubs know no entries
        place = re.sub(r"\w+:|\*", "", log[0].path or "") if len(log) else ""
        raise SoapFault("Client", f"the message breaks the schema at {place}", soap12=soap12)
    return Call(soap12=soap12, operation=name.localname, content=content, security=security, token=token)


def answer(call: Call, content: etree._Element) -> Response:
    """A 200 with ``content`` as the only body element."""
    return _send(call.soap12, content, 200)


def fault(error: SoapFault) -> Response:
    """A SOAP fault with ServiceFault in its detail: 500, and 400 for a sender fault of SOAP 1.2."""
    space = ENVELOPES[error.soap12]
    soap = ElementMaker(namespace=space, nsmap={"soap": space, "wsse": WSSE})
    security = error.code.startswith("wsse:")
    leaves = [t.FaultCode(error.code), t.Reason(error.reason)]
    if error.retry_after is not None:
        leaves.append(t.RetryAfterSeconds(str(error.retry_after)))
    detail = ws.ServiceFault(*leaves)
    if not error.soap12:
        plain = ElementMaker()
        code = error.code if security else f"soap:{error.code}"
        content = soap.Fault(plain.faultcode(code), plain.faultstring(error.reason), plain.detail(detail))
        return _send(False, content, 500)
    name = "Sender" if security else _NAMES_12.get(error.code, error.code)
    code_element = soap.Code(soap.Value(f"soap:{name}"))
    if security:
        code_element.append(soap.Subcode(soap.Value(error.code)))
    text = soap.Text(error.reason, {"{http://www.w3.org/XML/1998/namespace}lang": "en"})
    content = soap.Fault(code_element, soap.Reason(text), soap.Detail(detail))
    return _send(True, content, 400 if name == "Sender" else 500)


def get(element: etree._Element, path: str) -> str:
    """Text at a path of local names, collapsed; empty where there is none."""
    return " ".join((element.findtext("/".join(f"{{*}}{step}" for step in path.split("/"))) or "").split())


def parser() -> etree.XMLParser:
    """A parser that resolves nothing."""
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )


def _envelope(body: bytes, soap12: bool) -> etree._Element:
    try:
        envelope = etree.fromstring(body, parser())
    except (etree.XMLSyntaxError, ValueError):
        raise SoapFault("Client", "the message is not well-formed", soap12=soap12) from None
    if b"<!DOCTYPE" in body:
        raise SoapFault("Client", "a document type declaration is not allowed", soap12=soap12)
    if envelope.tag != f"{{{ENVELOPES[soap12]}}}Envelope":
        raise SoapFault("VersionMismatch", "the envelope is not of the version of its media type", soap12=soap12)
    return envelope


def _headers(envelope: etree._Element, space: str, soap12: bool) -> tuple[etree._Element | None, str | None]:
    """The security header and the token of an AuthHeader; headers for another actor or role are none of ours."""
    security, token = None, None
    for header in envelope.iterfind(f"{{{space}}}Header/*"):
        if header.get(f"{{{space}}}{'role' if soap12 else 'actor'}", "").strip() not in _OURS:
            continue
        if header.tag == f"{{{WSSE}}}Security":
            security = header
        elif header.tag == f"{{{WS}}}AuthHeader":
            token = (header.findtext(f"{{{WS}}}Token") or "").strip()
        elif must_understand(header):
            raise SoapFault("MustUnderstand", "a header that must be understood is not", soap12=soap12)
    return security, token


def must_understand(header: etree._Element) -> bool:
    """Whether a header says that its receiver must understand it; SOAP 1.1 and 1.2 alike."""
    return any(header.get(f"{{{space}}}mustUnderstand") in ("1", "true") for space in ENVELOPES.values())


def _action(parameters: str) -> str:
    found = re.search(r'action="?([^";]*)"?', parameters)
    return found.group(1) if found else ""


def _send(soap12: bool, content: etree._Element, status: int) -> Response:
    space = ENVELOPES[soap12]
    soap = ElementMaker(namespace=space, nsmap={"soap": space})
    body = etree.tostring(soap.Envelope(soap.Body(content)), xml_declaration=True, encoding="utf-8")
    media = "application/soap+xml; charset=utf-8" if soap12 else "text/xml; charset=utf-8"
    return Response(body, status, media_type=media)
