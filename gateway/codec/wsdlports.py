"""Read the SOAP ports of a WSDL 1.1 service; ports of other protocols are passed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lxml import etree

from gateway.codec.wsdlmodel import Message, Operation, Port
from gateway.codec.wsdlreader import Documents, qualified
from gateway.domain.errors import InputError

_W = "{http://schemas.xmlsoap.org/wsdl/}"
_SOAP = {"http://schemas.xmlsoap.org/wsdl/soap/": "SOAP 1.1", "http://schemas.xmlsoap.org/wsdl/soap12/": "SOAP 1.2"}


class Contract(Documents):
    """Ports by name, with the elements and types behind them."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(files)
        self.ports = dict(self._ports())

    def _ports(self) -> Iterator[tuple[str, Port]]:
        for service in self.wsdl("service"):
            for port in service.iterchildren(f"{_W}port"):
                binding = self.named("binding", port, "binding")
                for protocol in binding:
                    space = etree.QName(protocol).namespace or ""
                    if space in _SOAP and etree.QName(protocol).localname == "binding":
                        yield port.get("name", ""), self._port(port, binding, protocol, space)

    def _port(self, port: etree._Element, binding: etree._Element, protocol: etree._Element, space: str) -> Port:
        kind = self.named("portType", binding, "type")
        abstract = {node.get("name"): node for node in kind.iterchildren(f"{_W}operation")}
        address = port.find(f"{{{space}}}address")
        operations = {}
        for node in binding.iterchildren(f"{_W}operation"):
            name = node.get("name", "")
            if name not in abstract:
                raise InputError(f"the operation {name} has a binding and no port type")
            soap = node.find(f"{{{space}}}operation")
            given: Mapping[str, str] = {} if soap is None else {str(k): str(v) for k, v in soap.attrib.items()}
            operations[name] = Operation(
                action=given.get("soapAction", ""),
                style=given.get("style", protocol.get("style", "document")),
                request=self._message(abstract[name], node, "input", space),
                reply=self._message(abstract[name], node, "output", space),
                faults={
                    fault.get("name", ""): part
                    for fault in abstract[name].iterchildren(f"{_W}fault")
                    for _, part in self._parts(fault)
                },
            )
        return Port(
            version=_SOAP[space],
            transport=protocol.get("transport", ""),
            address="" if address is None else address.get("location", ""),
            operations=operations,
        )

    def _message(self, abstract: etree._Element, bound: etree._Element, way: str, space: str) -> Message | None:
        node, binding = abstract.find(f"{_W}{way}"), bound.find(f"{_W}{way}")
        if node is None:
            return None
        body = None if binding is None else binding.find(f"{{{space}}}body")
        headers: list[tuple[str, str]] = []
        for header in () if binding is None else binding.iterchildren(f"{{{space}}}header"):
            parts = dict(self._parts(header))
            headers.append((header.get("part", ""), parts.get(header.get("part", ""), "")))
        carried = tuple(part for part in self._parts(node) if part not in headers)
        use = "literal" if body is None else body.get("use", "literal")
        return Message(parts=carried, headers=frozenset(element for _, element in headers), use=use)

    def _parts(self, node: etree._Element) -> list[tuple[str, str]]:
        message = self.named("message", node, "message")
        parts = []
        for part in message.iterchildren(f"{_W}part"):
            element = part.get("element")
            carried = qualified(part, element) if element else f"type {part.get('type')}"
            parts.append((part.get("name", ""), carried))
        return parts
