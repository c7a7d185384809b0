"""Contracts compared: one published service and its mutants, each with what it does to requests and replies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from gateway.codec.wsdl.comparison import compare
from gateway.codec.wsdl.reader import references
from gateway.domain.errors import InputError

WSDL = """<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:t" targetNamespace="urn:t"
 xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/">
 <w:types><xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:import namespace="urn:t" schemaLocation="t.xsd"/></xs:schema></w:types>
 <w:message name="In"><w:part name="p" element="t:Save"/></w:message>
 <w:message name="Out"><w:part name="p" element="t:SaveResponse"/></w:message>
 <w:message name="Login"><w:part name="h" element="t:Login"/></w:message>
 <w:message name="Bad"><w:part name="f" element="t:Bad"/></w:message>
 <w:portType name="Port"><w:operation name="Save"><w:input message="t:In"/><w:output message="t:Out"/>
  <w:fault name="Bad" message="t:Bad"/></w:operation></w:portType>
 <w:binding name="B" type="t:Port"><s:binding transport="http://schemas.xmlsoap.org/soap/http"/>
  <w:operation name="Save"><s:operation soapAction="urn:t/Save" style="document"/>
   <w:input><s:body use="literal"/></w:input><w:output><s:body use="literal"/></w:output></w:operation></w:binding>
 <w:service name="Service"><w:port name="Soap" binding="t:B"><s:address location="http://a.example/"/></w:port></w:service>
</w:definitions>"""
XSD = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t" xmlns="urn:t"
 elementFormDefault="qualified">
 <xs:element name="Save"><xs:complexType><xs:sequence>
  <xs:element name="Head" type="Head"/>
  <xs:element name="Person" type="Person" maxOccurs="200"/></xs:sequence></xs:complexType></xs:element>
 <xs:element name="SaveResponse"><xs:complexType><xs:sequence>
  <xs:element name="Code" type="Code"/>
  <xs:element name="Item" type="Item" minOccurs="0" maxOccurs="200"/></xs:sequence></xs:complexType></xs:element>
 <xs:element name="Login" type="Code"/>
 <xs:element name="Bad"><xs:complexType><xs:sequence>
  <xs:element name="Reason" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
 <xs:complexType name="Head"><xs:sequence>
  <xs:element name="Sender" type="Sender"/>
  <xs:element name="Sent" type="xs:dateTime"/>
  <xs:element name="Test" type="xs:boolean" minOccurs="0" default="false"/></xs:sequence></xs:complexType>
 <xs:complexType name="Person"><xs:sequence>
  <xs:element name="Name" type="Name"/>
  <xs:element name="Level" type="Level" minOccurs="0"/>
  <xs:element name="Count" type="xs:int"/>
  <xs:choice><xs:element name="Trade" type="xs:string"/><xs:element name="Post" type="xs:string"/></xs:choice>
 </xs:sequence><xs:attribute name="lang" type="xs:string"/></xs:complexType>
 <xs:complexType name="Item"><xs:sequence>
  <xs:element name="Key" type="Name"/>
  <xs:element name="State" type="State"/>
  <xs:element name="Note" type="xs:string" minOccurs="0"/></xs:sequence></xs:complexType>
 <xs:simpleType name="Sender"><xs:restriction base="xs:string"><xs:length value="6"/></xs:restriction></xs:simpleType>
 <xs:simpleType name="Name"><xs:restriction base="xs:string">
  <xs:minLength value="1"/><xs:maxLength value="50"/></xs:restriction></xs:simpleType>
 <xs:simpleType name="Level"><xs:restriction base="xs:string">
  <xs:enumeration value="1"/><xs:enumeration value="2"/></xs:restriction></xs:simpleType>
 <xs:simpleType name="State"><xs:restriction base="xs:string">
  <xs:enumeration value="0"/><xs:enumeration value="20"/></xs:restriction></xs:simpleType>
 <xs:simpleType name="Code"><xs:restriction base="xs:string"><xs:pattern value="[0-9]{3}"/>
  </xs:restriction></xs:simpleType>
 <xs:simpleType name="Unused"><xs:restriction base="xs:string"><xs:length value="9"/></xs:restriction></xs:simpleType>
</xs:schema>"""
OPERATION = """<w:operation name="Save"><s:operation soapAction="urn:t/Save" style="document"/>
   <w:input><s:body use="literal"/></w:input><w:output><s:body use="literal"/></w:output></w:operation>"""
ABSTRACT = """<w:operation name="Save"><w:input message="t:In"/><w:output message="t:Out"/>
  <w:fault name="Bad" message="t:Bad"/></w:operation>"""
LEVEL = '<xs:element name="Level" type="Level" minOccurs="0"/>'
NOTE = '<xs:element name="Note" type="xs:string" minOccurs="0"/>'
REQUESTS, REPLIES = ("requests",), ("replies",)
BOTH, NONE = ("requests", "replies"), ()


@dataclass(frozen=True)
class Mutant:
    """One change of the text, and the changes that must be reported: (place, what, breaks)."""

    name: str
    old: str
    new: str
    found: tuple[tuple[str, str, tuple[str, ...]], ...]


def one(name: str, old: str, new: str, place: str, what: str, breaks: tuple[str, ...]) -> Mutant:
    return Mutant(name, old, new, ((place, what, breaks),))


ELEMENTS = [
    one(
        "optional request element added",
        LEVEL,
        LEVEL + '<xs:element name="X" minOccurs="0"/>',
        "type Person / X",
        "added",
        NONE,
    ),
    one(
        "required request element added",
        LEVEL,
        LEVEL + '<xs:element name="X"/>',
        "type Person / X",
        "required added",
        REQUESTS,
    ),
    one("optional request element removed", LEVEL, "", "type Person / Level", "removed", REQUESTS),
    one(
        "required request element removed",
        '<xs:element name="Count" type="xs:int"/>',
        "",
        "type Person / Count",
        "required removed",
        REQUESTS,
    ),
    one(
        "optional reply element added",
        NOTE,
        NOTE + '<xs:element name="X" minOccurs="0"/>',
        "type Item / X",
        "added",
        REPLIES,
    ),
    one(
        "required reply element added",
        NOTE,
        NOTE + '<xs:element name="X"/>',
        "type Item / X",
        "required added",
        REPLIES,
    ),
    one("optional reply element removed", NOTE, "", "type Item / Note", "removed", NONE),
    one(
        "required reply element removed",
        '<xs:element name="State" type="State"/>',
        "",
        "type Item / State",
        "required removed",
        REPLIES,
    ),
    one(
        "request element becomes required",
        LEVEL,
        LEVEL.replace(' minOccurs="0"', ""),
        "type Person / Level",
        "occurs 0..1 -> 1..1",
        REQUESTS,
    ),
    one(
        "request element becomes optional",
        '"Count" type="xs:int"',
        '"Count" type="xs:int" minOccurs="0"',
        "type Person / Count",
        "occurs 1..1 -> 0..1",
        NONE,
    ),
    one(
        "reply element becomes required",
        NOTE,
        NOTE.replace(' minOccurs="0"', ""),
        "type Item / Note",
        "occurs 0..1 -> 1..1",
        NONE,
    ),
    one(
        "reply element becomes optional",
        '"State" type="State"',
        '"State" type="State" minOccurs="0"',
        "type Item / State",
        "occurs 1..1 -> 0..1",
        REPLIES,
    ),
    one(
        "smaller batch",
        'type="Person" maxOccurs="200"',
        'type="Person" maxOccurs="50"',
        "element Save / Person",
        "occurs 1..200 -> 1..50",
        REQUESTS,
    ),
    one(
        "larger batch",
        'type="Person" maxOccurs="200"',
        'type="Person" maxOccurs="unbounded"',
        "element Save / Person",
        "occurs 1..200 -> 1..n",
        NONE,
    ),
    one(
        "more items in a reply",
        'minOccurs="0" maxOccurs="200"',
        'minOccurs="0" maxOccurs="300"',
        "element SaveResponse / Item",
        "occurs 0..200 -> 0..300",
        REPLIES,
    ),
    one(
        "alternative added",
        "<xs:choice>",
        '<xs:choice><xs:element name="X"/>',
        "type Person / choice / X",
        "added",
        NONE,
    ),
    one(
        "alternative removed",
        '<xs:element name="Post" type="xs:string"/>',
        "",
        "type Person / choice / Post",
        "removed",
        REQUESTS,
    ),
    one(
        "nillable",
        '"Count" type="xs:int"',
        '"Count" type="xs:int" nillable="true"',
        "type Person / Count",
        "may be nil",
        NONE,
    ),
    one(
        "fixed value",
        '"Count" type="xs:int"',
        '"Count" type="xs:int" fixed="1"',
        "type Person / Count",
        "fixed value none -> 1",
        REQUESTS,
    ),
    one("another default", 'default="false"', 'default="true"', "type Head / Test", "default false -> true", NONE),
    one(
        "unqualified element",
        '"Count" type="xs:int"',
        '"Count" type="xs:int" form="unqualified"',
        "type Person / Count",
        "namespace urn:t -> none",
        REQUESTS,
    ),
    one("wildcard in a request", LEVEL, LEVEL + '<xs:any minOccurs="0"/>', "type Person / any", "added", NONE),
    one(
        "wildcard in a reply",
        NOTE,
        NOTE + '<xs:any minOccurs="0" processContents="lax"/>',
        "type Item / any",
        "added",
        REPLIES,
    ),
    one(
        "required attribute",
        'name="lang" type="xs:string"',
        'name="lang" type="xs:string" use="required"',
        "type Person / @lang",
        "required",
        REQUESTS,
    ),
    one(
        "attribute removed",
        '<xs:attribute name="lang" type="xs:string"/>',
        "",
        "type Person / @lang",
        "removed",
        REQUESTS,
    ),
    one(
        "attribute added",
        '<xs:attribute name="lang"',
        '<xs:attribute name="x"/><xs:attribute name="lang"',
        "type Person / @x",
        "added",
        NONE,
    ),
    one(
        "mixed content",
        '<xs:complexType name="Item">',
        '<xs:complexType name="Item" mixed="true">',
        "type Item",
        "text between elements allowed",
        REPLIES,
    ),
    one("sequence becomes all", '"Head"><xs:sequence>', '"Head"><xs:all>', "type Head", "sequence -> all", NONE),
]
TYPES = [
    one(
        "shorter name, asked and answered",
        'maxLength value="50"',
        'maxLength value="40"',
        "type Name",
        "maxLength 50 -> 40",
        REQUESTS,
    ),
    one(
        "longer name, asked and answered",
        'maxLength value="50"',
        'maxLength value="60"',
        "type Name",
        "maxLength 50 -> 60",
        REPLIES,
    ),
    one("lower bound raised", 'minLength value="1"', 'minLength value="2"', "type Name", "minLength 1 -> 2", REQUESTS),
    one("lower bound dropped", '<xs:minLength value="1"/>', "", "type Name", "minLength 1 -> none", REPLIES),
    one("fixed length changed", 'length value="6"', 'length value="12"', "type Sender", "length 6 -> 12", REQUESTS),
    one(
        "request value added",
        '<xs:enumeration value="2"/>',
        '<xs:enumeration value="2"/><xs:enumeration value="3"/>',
        "type Level",
        "value 3 added",
        NONE,
    ),
    one("request value removed", '<xs:enumeration value="2"/>', "", "type Level", "value 2 removed", REQUESTS),
    one(
        "reply value added",
        '<xs:enumeration value="20"/>',
        '<xs:enumeration value="20"/><xs:enumeration value="15"/>',
        "type State",
        "value 15 added",
        REPLIES,
    ),
    one("reply value removed", '<xs:enumeration value="20"/>', "", "type State", "value 20 removed", NONE),
    one("pattern changed", "[0-9]{3}", "[0-9]{4}", "type Code", "pattern [0-9]{3} -> [0-9]{4}", REPLIES),
    one(
        "pattern alternative added",
        '<xs:pattern value="[0-9]{3}"/>',
        '<xs:pattern value="[0-9]{3}"/><xs:pattern value="X"/>',
        "type Code",
        "pattern [0-9]{3} -> X or [0-9]{3}",
        REPLIES,
    ),
    one(
        "wider number",
        '"Count" type="xs:int"',
        '"Count" type="xs:long"',
        "type Person / Count",
        "base int -> long",
        NONE,
    ),
    one(
        "narrower number",
        '"Count" type="xs:int"',
        '"Count" type="xs:short"',
        "type Person / Count",
        "base int -> short",
        REQUESTS,
    ),
    one(
        "another primitive",
        '"Count" type="xs:int"',
        '"Count" type="xs:date"',
        "type Person / Count",
        "base int -> date",
        REQUESTS,
    ),
    one(
        "text instead of a moment",
        '"Sent" type="xs:dateTime"',
        '"Sent" type="xs:string"',
        "type Head / Sent",
        "base dateTime -> string",
        NONE,
    ),
    one("a type nobody uses", 'length value="9"', 'length value="8"', "type Unused", "length 9 -> 8", NONE),
    one(
        "a type more",
        '<xs:simpleType name="Unused">',
        '<xs:simpleType name="More"><xs:restriction base="xs:int"/></xs:simpleType><xs:simpleType name="Unused">',
        "type More",
        "added",
        NONE,
    ),
    one(
        "elements instead of text",
        '"Count" type="xs:int"',
        '"Count" type="Head"',
        "type Person / Count",
        "type int -> elements",
        REQUESTS,
    ),
]
SERVICE = [
    one(
        "address",
        "http://a.example/",
        "http://b.example/",
        "port Soap",
        "address http://a.example/ -> http://b.example/",
        NONE,
    ),
    one(
        "action",
        'soapAction="urn:t/Save"',
        'soapAction="urn:t/Keep"',
        "operation Save",
        "SOAPAction urn:t/Save -> urn:t/Keep",
        REQUESTS,
    ),
    one("rpc", 'style="document"/>', 'style="rpc"/>', "operation Save", "style document -> rpc", REQUESTS),
    one(
        "encoded",
        '<w:input><s:body use="literal"/>',
        '<w:input><s:body use="encoded"/>',
        "operation Save",
        "request use literal -> encoded",
        REQUESTS,
    ),
    one(
        "header demanded",
        '<w:input><s:body use="literal"/>',
        '<w:input><s:header message="t:Login" part="h" use="literal"/><s:body use="literal"/>',
        "operation Save",
        "request header Login added",
        REQUESTS,
    ),
    one("port renamed", '<w:port name="Soap"', '<w:port name="Other"', "port Soap", "removed", REQUESTS),
    one("fault dropped", '<w:fault name="Bad" message="t:Bad"/>', "", "operation Save", "fault Bad removed", NONE),
    one(
        "fault detail",
        '"Reason" type="xs:string"',
        '"Reason" type="xs:string" minOccurs="0"',
        "element Bad / Reason",
        "occurs 1..1 -> 0..1",
        REPLIES,
    ),
    one("reply dropped", '<w:output message="t:Out"/>', "", "operation Save", "reply removed", REPLIES),
    one(
        "part renamed",
        '<w:part name="p" element="t:Save"/>',
        '<w:part name="q" element="t:Save"/>',
        "operation Save",
        "request part renamed",
        NONE,
    ),
    one(
        "SOAP 1.2",
        'xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/"',
        'xmlns:s="http://schemas.xmlsoap.org/wsdl/soap12/"',
        "port Soap",
        "version SOAP 1.1 -> SOAP 1.2",
        BOTH,
    ),
]


def documents(wsdl: str = WSDL, xsd: str = XSD) -> dict[str, bytes]:
    return {"service.wsdl": wsdl.encode(), "t.xsd": xsd.encode()}


def changes(offered: Mapping[str, bytes]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(c.place, c.what, c.breaks) for c in compare(documents(), offered)]


@pytest.mark.parametrize("mutant", [*ELEMENTS, *TYPES, *SERVICE], ids=lambda m: m.name)
def test_a_mutant_is_reported_with_what_it_breaks(mutant: Mutant) -> None:
    assert (mutant.old in WSDL) != (mutant.old in XSD)
    wsdl, xsd = WSDL.replace(mutant.old, mutant.new), XSD.replace(mutant.old, mutant.new)
    if mutant.name == "sequence becomes all":
        head, _, rest = xsd.partition("<xs:all>")
        xsd = f"{head}<xs:all>{rest.replace('</xs:sequence>', '</xs:all>', 1)}"
    found = changes(documents(wsdl, xsd))
    assert set(mutant.found) <= set(found)
    other = [c for c in found if c not in mutant.found]
    assert all(not breaks for _, _, breaks in other), other


def test_a_contract_does_not_differ_from_itself() -> None:
    assert changes(documents()) == []


def test_an_operation_that_goes_breaks_requests_and_one_that_comes_breaks_nothing() -> None:
    more = WSDL.replace(OPERATION, OPERATION + OPERATION.replace("Save", "Load"))
    more = more.replace(ABSTRACT, ABSTRACT + ABSTRACT.replace("Save", "Load"))
    assert changes(documents(more)) == [("operation Load", "added", ())]
    gone = compare(documents(more), documents())
    assert [(c.place, c.what, c.breaks) for c in gone] == [("operation Load", "removed", REQUESTS)]


def test_elements_in_another_order_break_what_holds_them() -> None:
    first, second = '<xs:element name="Sender" type="Sender"/>', '<xs:element name="Sent" type="xs:dateTime"/>'
    xsd = XSD.replace(first, "").replace(second, second + first)
    assert changes(documents(xsd=xsd)) == [("type Head", "order of elements changed", REQUESTS)]


def test_a_type_that_is_only_renamed_breaks_nothing_and_its_changes_are_still_found() -> None:
    renamed = XSD.replace('"Sender"/>', '"Region"/>').replace('simpleType name="Sender"', 'simpleType name="Region"')
    assert not any(breaks for _, _, breaks in changes(documents(xsd=renamed)))
    shorter = renamed.replace('length value="6"', 'length value="4"')
    assert ("type Sender", "length 6 -> 4", REQUESTS) in changes(documents(xsd=shorter))


def test_an_inherited_facet_and_an_inherited_element_count_like_own_ones() -> None:
    derived = XSD.replace('"Head" type="Head"', '"Head" type="Long"').replace(
        '<xs:complexType name="Person">',
        '<xs:complexType name="Long"><xs:complexContent><xs:extension base="Head"><xs:sequence>'
        '<xs:element name="More"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>'
        '<xs:complexType name="Person">',
    )
    assert ("type Head / More", "required added", REQUESTS) in changes(documents(xsd=derived))


def test_a_structure_that_holds_itself_is_compared() -> None:
    tree = XSD.replace(LEVEL, LEVEL + '<xs:element name="Person" type="Person" minOccurs="0"/>')
    assert changes(documents(xsd=tree)) == [("type Person / Person", "added", NONE)]
    assert not compare(documents(xsd=tree), documents(xsd=tree))


def test_the_same_contract_cut_into_other_documents_is_the_same() -> None:
    whole = WSDL.replace('schemaLocation="t.xsd"', 'schemaLocation="sub/all.xsd"')
    schema = (
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t" elementFormDefault="qualified">'
    )
    outer = f'{schema}<xs:include schemaLocation="../part.xsd"/></xs:schema>'
    part = XSD.replace(' targetNamespace="urn:t" xmlns="urn:t"', "", 1)
    offered = {"service.wsdl": whole.encode(), "sub/all.xsd": outer.encode(), "part.xsd": part.encode()}
    assert changes(offered) == []
    assert references(whole.encode()) == ("sub/all.xsd",)


@pytest.mark.parametrize(
    ("offered", "complaint"),
    [
        ({"service.wsdl": b"<html/>"}, "not a WSDL 1.1 document"),
        ({"service.wsdl": b"nothing"}, "not a WSDL or schema document"),
        ({"service.wsdl": b"<!DOCTYPE a><a/>"}, "doctype"),
        ({}, "not a WSDL 1.1 document"),
        ({"service.wsdl": WSDL.encode()}, "t.xsd, which is not among the documents"),
        (documents(xsd=XSD.replace('type="Sender"', 'type="Nobody"')), "Nobody is not declared"),
        (documents(xsd=XSD.replace('type="Sender"', 'type="q:Nobody"')), "prefix of q:Nobody"),
        (documents(xsd=XSD.replace('maxOccurs="200"', 'maxOccurs="many"')), "Person: occurrences are not numbers"),
        (documents(WSDL.replace('binding="t:B"', 'binding="t:C"')), "C is not declared"),
        (
            documents(
                xsd=XSD.replace('<xs:element name="Save">', '<xs:redefine schemaLocation="x"/><xs:element name="Save">')
            ),
            "xs:redefine is not compared",
        ),
    ],
)
def test_documents_that_cannot_be_compared_are_refused_with_the_reason(
    offered: dict[str, bytes], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        compare(documents(), offered)


RICH = XSD.replace(
    '<xs:element name="Head" type="Head"/>',
    '<xs:element name="Head" type="Head"/><xs:element ref="Bad" minOccurs="0"/><xs:group ref="Pair" minOccurs="0"/>'
    '<xs:element name="Tags" type="Tags"/><xs:element name="Either" type="Either"/>'
    '<xs:element name="Priced" type="Priced"/>'
    '<xs:element name="Cut" type="Cut"/>'
    '<xs:element name="Zip"><xs:simpleType><xs:restriction base="Code"/></xs:simpleType>'
    "</xs:element>",
).replace(
    "</xs:schema>",
    """<xs:group name="Pair"><xs:sequence><xs:element name="P1" type="xs:date"/>
  <xs:element name="P2" type="Day"/></xs:sequence>
 </xs:group>
 <xs:attributeGroup name="Marks"><xs:attribute name="m" type="Code"/><xs:attribute name="n"/><xs:anyAttribute/>
 </xs:attributeGroup>
 <xs:attribute name="global" type="xs:int"/>
 <xs:simpleType name="Tags"><xs:list itemType="Level"/></xs:simpleType>
 <xs:simpleType name="Either"><xs:union memberTypes="Level xs:int"><xs:simpleType><xs:restriction base="xs:string">
  <xs:pattern value="z+"/></xs:restriction></xs:simpleType></xs:union></xs:simpleType>
 <xs:simpleType name="Day"><xs:restriction base="xs:date"><xs:minInclusive value="1900-01-01"/>
  <xs:pattern value="[0-9-]+"/></xs:restriction></xs:simpleType>
 <xs:complexType name="Priced"><xs:simpleContent><xs:extension base="Code"><xs:attributeGroup ref="Marks"/>
  <xs:attribute ref="global" use="required"/></xs:extension></xs:simpleContent></xs:complexType>
 <xs:complexType name="Cut"><xs:complexContent><xs:restriction base="Person"><xs:sequence>
  <xs:element name="Name" type="Name"/></xs:sequence><xs:attribute name="lang" use="prohibited"/></xs:restriction>
 </xs:complexContent></xs:complexType>
</xs:schema>""",
)
FURTHER = [
    ("list of other items", '<xs:list itemType="Level"/>', '<xs:list itemType="State"/>', "type Tags", BOTH[:1]),
    ("union without a member", 'memberTypes="Level xs:int"', 'memberTypes="Level"', "type Either", BOTH[:1]),
    ("earliest day later", "1900-01-01", "1950-01-01", "type Day", REQUESTS),
    ("earliest day earlier", "1900-01-01", "1850-01-01", "type Day", NONE),
    ("earliest day in another form", "1900-01-01", "1900-01-01Z", "type Day", REQUESTS),
    ("second pattern step gone", '<xs:pattern value="[0-9-]+"/>', "", "type Day", NONE),
    (
        "pattern step added",
        '<xs:restriction base="Code"/>',
        '<xs:restriction base="Code"><xs:pattern value="2.."/></xs:restriction>',
        "element Save / Zip",
        REQUESTS,
    ),
    (
        "white space",
        '<xs:maxLength value="50"/>',
        '<xs:maxLength value="50"/><xs:whiteSpace value="collapse"/>',
        "type Name",
        NONE,
    ),
    ("group member", '<xs:element name="P1" type="xs:date"/>', "", "element Save / sequence / P1", REQUESTS),
    (
        "attribute of a group",
        '<xs:attribute name="n"/>',
        '<xs:attribute name="n" fixed="1"/>',
        "type Priced / @n",
        REQUESTS,
    ),
    (
        "type of a global attribute",
        '"global" type="xs:int"',
        '"global" type="xs:date"',
        "type Priced / @global",
        REQUESTS,
    ),
    ("any attribute", "<xs:anyAttribute/>", "", "type Priced", REQUESTS),
    ("text becomes elements", "<xs:simpleContent>", "<xs:complexContent>", "type Priced", REQUESTS),
    ("prohibited attribute allowed", ' use="prohibited"', "", "type Cut / @lang", NONE),
    ("no list of values", '<xs:enumeration value="1"/><xs:enumeration value="2"/>', "", "type Level", NONE),
    (
        "a list of values",
        '<xs:length value="6"/>',
        '<xs:length value="6"/><xs:enumeration value="370000"/>',
        "type Sender",
        REQUESTS,
    ),
    ("choice becomes sequence", "choice>", "sequence>", "type Person / choice", REQUESTS),
    ("fixed value gone", 'default="false"', 'fixed="false"', "type Head / Test", REQUESTS),
]


@pytest.mark.parametrize(
    ("old", "new", "place", "breaks"), [row[1:] for row in FURTHER], ids=[row[0] for row in FURTHER]
)
def test_rarer_constructs_are_compared_too(old: str, new: str, place: str, breaks: tuple[str, ...]) -> None:
    assert old in RICH
    assert not compare(documents(xsd=RICH), documents(xsd=RICH))
    spoilt = RICH.replace(old, new)
    if "complexContent>" in new:
        spoilt = spoilt.replace("</xs:simpleContent>", "</xs:complexContent>")
    found = compare(documents(xsd=RICH), documents(xsd=spoilt))
    assert (place, breaks) in {(c.place, c.breaks) for c in found}


@pytest.mark.parametrize("old", ['ref="Bad"', 'group ref="Pair"'])
def test_a_reference_to_nothing_is_named(old: str) -> None:
    spoilt = RICH.replace(old, old.replace("Bad", "Nowhere").replace("Pair", "Nowhere"))
    with pytest.raises(InputError, match="Nowhere is not declared"):
        compare(documents(xsd=RICH), documents(xsd=spoilt))
