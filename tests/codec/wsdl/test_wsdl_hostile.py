"""Whatever a platform publishes as its description: a comparison or one sentence, in bounded time."""

# ruff: noqa: E501  # one case to a line
from __future__ import annotations

import random
import time
from contextlib import suppress

import pytest
from lxml import etree

from gateway.codec.wsdl.comparison import compare
from gateway.domain.errors import InputError

WSDL = """<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:t" targetNamespace="urn:t"
 xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/"><w:types><xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"
 targetNamespace="urn:t" xmlns="urn:t" elementFormDefault="qualified">
 <xs:element name="In" type="Whole"/><xs:element name="Out"><xs:complexType><xs:sequence>
  <xs:element ref="In" minOccurs="0"/><xs:element ref="Out" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>
 <xs:complexType name="Whole"><xs:complexContent><xs:extension base="Base"><xs:sequence><xs:group ref="Pair"/>
  <xs:element name="Next" type="Whole" minOccurs="0"/><xs:any minOccurs="0"/></xs:sequence>
  <xs:attributeGroup ref="Marks"/></xs:extension></xs:complexContent></xs:complexType>
 <xs:complexType name="Base"><xs:choice><xs:element name="A" type="Code"/><xs:element name="B" type="Price"/>
  </xs:choice></xs:complexType>
 <xs:complexType name="Price"><xs:simpleContent><xs:extension base="Code"><xs:attribute name="x" type="xs:int"/>
  </xs:extension></xs:simpleContent></xs:complexType>
 <xs:group name="Pair"><xs:sequence><xs:element name="L" type="Either"/><xs:element name="R" type="Tags"/>
  </xs:sequence></xs:group>
 <xs:attributeGroup name="Marks"><xs:attribute name="m" type="Code" use="required"/></xs:attributeGroup>
 <xs:simpleType name="Code"><xs:restriction base="xs:string"><xs:pattern value="[0-9]{3}"/></xs:restriction>
 </xs:simpleType>
 <xs:simpleType name="Tags"><xs:list itemType="Code"/></xs:simpleType>
 <xs:simpleType name="Either"><xs:union memberTypes="Code xs:int"/></xs:simpleType>MORE</xs:schema></w:types>
 <w:message name="MIn"><w:part name="p" element="t:In"/></w:message>
 <w:message name="MOut"><w:part name="p" element="t:Out"/></w:message>
 <w:portType name="Port"><w:operation name="Do"><w:input message="t:MIn"/><w:output message="t:MOut"/>
  <w:fault name="F" message="t:MOut"/></w:operation></w:portType>
 <w:binding name="B" type="t:Port"><s:binding transport="http://schemas.xmlsoap.org/soap/http"/>
  <w:operation name="Do"><s:operation soapAction="urn:t/Do"/><w:input><s:header message="t:MOut" part="p"
  use="literal"/><s:body use="literal"/></w:input><w:output><s:body use="literal"/></w:output></w:operation></w:binding>
 <w:service name="S"><w:port name="P" binding="t:B"><s:address location="http://a.example/"/></w:port></w:service>
</w:definitions>"""
PINNED = {"service.wsdl": WSDL.replace("MORE", "").encode()}
SECONDS = 10


def offered(old: str, new: str) -> dict[str, bytes]:
    assert old in WSDL
    return {"service.wsdl": WSDL.replace(old, new).replace("MORE", "").encode()}


def used(more: str) -> dict[str, bytes]:
    """Further components, of which the type ``Odd`` is that of the request."""
    return {
        "service.wsdl": WSDL.replace('name="In" type="Whole"', 'name="In" type="Odd"').replace("MORE", more).encode()
    }


def complex_type(name: str, content: str) -> str:
    return f'<xs:complexType name="{name}">{content}</xs:complexType>'


def extended(name: str, base: str) -> str:
    return complex_type(name, f'<xs:complexContent><xs:extension base="{base}"/></xs:complexContent>')


def doubled(count: int, one: str) -> str:
    """Each of ``count`` components holds the next one twice."""
    return "".join(one.replace("HERE", f"G{n}").replace("NEXT", f"G{n + 1}") for n in range(count))


SEQUENCE = "<xs:sequence>{}</xs:sequence>"
GROUPS = '<xs:group name="HERE"><xs:sequence><xs:group ref="NEXT"/><xs:group ref="NEXT"/></xs:sequence></xs:group>'
TYPES = (
    '<xs:complexType name="HERE"><xs:sequence><xs:element name="a" type="NEXT"/><xs:element name="b" type="NEXT"/>'
    "</xs:sequence></xs:complexType>"
)
UNIONS = '<xs:simpleType name="HERE"><xs:union memberTypes="NEXT NEXT"/></xs:simpleType>'
MARKS = (
    '<xs:attributeGroup name="HERE"><xs:attributeGroup ref="NEXT"/><xs:attributeGroup ref="NEXT"/></xs:attributeGroup>'
)


@pytest.mark.parametrize(
    ("documents", "complaint"),
    [
        (used(extended("Odd", "Odd")), "Odd is made of itself"),
        (used(extended("Odd", "Two") + extended("Two", "Odd")), "is made of itself"),
        (used(complex_type("Odd", '<xs:simpleContent><xs:extension base="Odd"/></xs:simpleContent>')), "made of itself"),
        (used(complex_type("Odd", '<xs:group ref="G"/>') + '<xs:group name="G"><xs:sequence><xs:group ref="G"/></xs:sequence></xs:group>'), "group {urn:t}G is made of itself"),
        (used(complex_type("Odd", '<xs:attributeGroup ref="G"/>') + '<xs:attributeGroup name="G"><xs:attributeGroup ref="G"/></xs:attributeGroup>'), "attribute group {urn:t}G is made of itself"),
        (used('<xs:simpleType name="Odd"><xs:restriction base="Odd"/></xs:simpleType>'), "Odd is made of itself"),
        (used('<xs:simpleType name="Odd"><xs:list itemType="Odd"/></xs:simpleType>'), "Odd is made of itself"),
        (used('<xs:simpleType name="Odd"><xs:union memberTypes="xs:int Odd"/></xs:simpleType>'), "Odd is made of itself"),
        (used(complex_type("Odd", "<xs:complexContent/>")), "Odd: xs:complexContent without extension or restriction"),
        (used(complex_type("Odd", "<xs:simpleContent/>")), "Odd: xs:simpleContent without extension or restriction"),
        (used('<xs:simpleType name="Odd"/>'), "Odd: xs:simpleType without restriction"),
        (used(complex_type("Odd", '<xs:group ref="G"/>') + '<xs:group name="G"/>'), "G: xs:group without"),
        (used(complex_type("Odd", "<xs:group/>")), "is not declared"),
        (used(complex_type("Odd", "<xs:complexContent><xs:restriction/></xs:complexContent>")), None),
        (used('<xs:simpleType name="Odd"><xs:restriction/></xs:simpleType>'), "is not declared"),
        (used('<xs:import namespace="urn:x" schemaLocation="http://[x"/>' + complex_type("Odd", "")), "no address"),
        (used(complex_type("Odd", '<xs:group ref="G0"/>') + doubled(40, GROUPS) + '<xs:group name="G40"><xs:sequence><xs:any/></xs:sequence></xs:group>'), "than can be compared"),
        (used(complex_type("Odd", SEQUENCE.format('<xs:element name="a" type="G0"/>')) + doubled(40, TYPES) + complex_type("G40", "")), "than can be compared"),
        (used(complex_type("Odd", SEQUENCE.format('<xs:element name="a" type="G0"/>')) + doubled(40, UNIONS) + '<xs:simpleType name="G40"><xs:restriction base="xs:int"/></xs:simpleType>'), "than can be compared"),
        (used(complex_type("Odd", '<xs:attributeGroup ref="G0"/>') + doubled(40, MARKS) + '<xs:attributeGroup name="G40"/>'), "than can be compared"),
        (used(extended("Odd", "E0") + "".join(extended(f"E{n}", f"E{n + 1}") for n in range(3000)) + complex_type("E3000", "")), "than can be compared"),
        (used(complex_type("Odd", SEQUENCE.format('<xs:element name="a" type="E0"/>')) + "".join(complex_type(f"E{n}", SEQUENCE.format(f'<xs:element name="a" type="E{n + 1}"/>')) for n in range(3000)) + complex_type("E3000", "")), "than can be compared"),
        (used(complex_type("Odd", "<xs:sequence>" * 230 + '<xs:element name="a"/>' + "</xs:sequence>" * 230)), "than can be compared"),
        (used('<xs:simpleType name="Odd">' + '<xs:restriction><xs:simpleType>' * 100 + '<xs:restriction base="xs:int"/>' + "</xs:simpleType></xs:restriction>" * 100 + "</xs:simpleType>"), "than can be compared"),
        (used(complex_type("Odd", "<xs:sequence>" * 10_000)), "not_xml"),
        (used('<xs:element ref="In"/>' + complex_type("Odd", SEQUENCE.format("<xs:element/><xs:element/>"))), None),
        (offered('binding="t:B"', ""), "is not declared"),
        (offered(' message="t:MIn"', ""), "is not declared"),
        (offered('<w:part name="p" element="t:In"/>', "<w:part/>"), None),
        (offered('<w:part name="p" element="t:In"/>', '<w:part name="p" type="t:Nobody"/>'), None),
        (offered('element="t:In"', 'element="t:Nobody"'), None),
        (offered('type="t:Port"', 'type="t:Gone"'), "Gone is not declared"),
        (offered('<w:service name="S">', '<w:service name="S"><w:port/>'), "is not declared"),
        (offered('minOccurs="0"', f'minOccurs="{"9" * 5000}"'), "occurrences are not numbers"),
        ({"service.wsdl": b"\xff\xfe" + "<a".encode("utf-16-le")}, "not a WSDL"),
    ],
)  # fmt: skip
def test_a_strange_description_is_compared_or_refused_with_a_sentence(
    documents: dict[str, bytes], complaint: str | None
) -> None:
    begun = time.monotonic()
    if complaint is None:
        compare(PINNED, documents)
    else:
        with pytest.raises(InputError) as caught:
            compare(PINNED, documents)
        assert complaint in str(caught.value)
    assert time.monotonic() - begun < SECONDS


def test_documents_that_name_one_another_are_read_once() -> None:
    both = {
        "service.wsdl": WSDL.replace(
            "MORE", '<xs:include schemaLocation="a.xsd"/><xs:import namespace="urn:b" schemaLocation="b.xsd"/>'
        ).encode(),
        "a.xsd": b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">'
        b'<xs:include schemaLocation="a.xsd"/></xs:schema>',
        "b.xsd": b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:b">'
        b'<xs:import namespace="urn:t" schemaLocation="b.xsd"/><xs:include schemaLocation="b.xsd"/></xs:schema>',
    }
    assert compare(PINNED, both) == ()


@pytest.mark.parametrize("seed", range(300))
def test_a_damaged_description_is_compared_or_refused(seed: int) -> None:
    """Elements and attributes taken away, doubled or exchanged at random."""
    drawn = random.Random(seed)
    root = etree.fromstring(PINNED["service.wsdl"])
    for _ in range(drawn.randint(1, 4)):
        nodes = [node for node in root.iter() if node.getparent() is not None]
        node, other = drawn.choice(nodes), drawn.choice(nodes)
        match drawn.randrange(4):
            case 0:
                node.getparent().remove(node)
            case 1 if node.attrib:
                del node.attrib[drawn.choice(list(node.attrib))]
            case 2 if node.attrib:
                node.set(drawn.choice(list(node.attrib)), drawn.choice([*other.attrib.values(), "", "t:In", "x:y"]))
            case _ if node not in other.iterancestors() and node is not other:
                other.append(node)
    with suppress(InputError):
        compare(PINNED, {"service.wsdl": etree.tostring(root)})
