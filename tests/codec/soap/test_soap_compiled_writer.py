"""The compiled writer against zeep itself: the same document where zeep takes it, zeep's own answer for the rest."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.codec.soap import compiled_writer, envelope, security
from gateway.codec.soap.compiled_writer import Writers
from gateway.codec.soap.envelope import Port
from gateway.domain.errors import ContractError

OWN, OTHER = "urn:own", "urn:other"
PREFIXES = {"o": OWN, "x": OTHER}
OTHER_XSD = f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{OTHER}" xmlns="{OTHER}"
 elementFormDefault="qualified">
 <xs:complexType name="Node"><xs:sequence><xs:element name="Label" type="Short"/>
  <xs:element name="Node" type="Node" minOccurs="0" maxOccurs="3"/></xs:sequence></xs:complexType>
 <xs:complexType name="Base"><xs:sequence><xs:element name="Id" type="xs:long"/></xs:sequence></xs:complexType>
 <xs:complexType name="Derived"><xs:complexContent><xs:extension base="Base"><xs:sequence>
  <xs:element name="More" type="xs:string" minOccurs="0"/></xs:sequence></xs:extension>
 </xs:complexContent></xs:complexType>
 <xs:simpleType name="Short"><xs:restriction base="xs:string"><xs:maxLength value="9"/></xs:restriction></xs:simpleType>
</xs:schema>"""
OWN_XSD = f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{OWN}" xmlns="{OWN}"
 xmlns:x="{OTHER}">
 <xs:import namespace="{OTHER}" schemaLocation="other.xsd"/>
 <xs:element name="Save"><xs:complexType><xs:sequence>
  <xs:element name="Text" type="xs:string"/>
  <xs:element name="Qualified" type="x:Short" form="qualified" minOccurs="0"/>
  <xs:element name="Number" type="xs:int"/>
  <xs:element name="Flag" type="xs:boolean" minOccurs="0" default="false"/>
  <xs:element name="Day" type="xs:date" minOccurs="0"/>
  <xs:element name="At" type="xs:dateTime" minOccurs="0"/>
  <xs:element name="Sum" type="xs:decimal" minOccurs="0"/>
  <xs:element name="File" type="xs:base64Binary" minOccurs="0"/>
  <xs:element name="Link" type="xs:anyURI" minOccurs="0"/>
  <xs:choice>
   <xs:element name="Trade" type="xs:string"/>
   <xs:sequence><xs:element name="Post" type="xs:string"/>
     <xs:element name="Rank" type="xs:int" minOccurs="0"/></xs:sequence>
   <xs:element name="Titles" type="xs:string" maxOccurs="2"/>
  </xs:choice>
  <xs:choice minOccurs="0"><xs:element name="Left" type="xs:string"/>
   <xs:element name="Right" type="xs:int"/></xs:choice>
  <xs:element name="Tree" type="x:Node" minOccurs="0"/>
  <xs:element name="Derived" type="x:Derived" minOccurs="0"/>
  <xs:element name="Many" minOccurs="0" maxOccurs="4"><xs:complexType><xs:all>
   <xs:element name="A" type="xs:string"/><xs:element name="B" type="xs:string" minOccurs="0"/></xs:all>
  </xs:complexType></xs:element>
 </xs:sequence></xs:complexType></xs:element>
 <xs:element name="Empty"><xs:complexType/></xs:element>
 <xs:element name="Out"><xs:complexType><xs:sequence/></xs:complexType></xs:element>
OPERATIONS</xs:schema>"""
LEFT_TO_ZEEP = {
    "Attribute": '<xs:sequence/><xs:attribute name="a"/>',
    "Any": "<xs:sequence><xs:any/></xs:sequence>",
    "Nillable": '<xs:sequence><xs:element name="N" type="xs:string" nillable="true"/></xs:sequence>',
    "RepeatedGroup": '<xs:sequence maxOccurs="2"><xs:element name="N" type="xs:string"/></xs:sequence>',
    "Twice": '<xs:sequence><xs:element name="N" type="xs:string"/><xs:element name="M" type="xs:string"/>'
    '<xs:element name="N" type="xs:string"/></xs:sequence>',
    "Duration": '<xs:sequence><xs:element name="N" type="xs:duration"/></xs:sequence>',
    "List": '<xs:sequence><xs:element name="N" type="xs:anyType"/></xs:sequence>',
    "Text": '<xs:simpleContent><xs:extension base="xs:string"/></xs:simpleContent>',
}


def write_wsdl(folder: Path) -> None:
    names = ["Save", "Empty", *LEFT_TO_ZEEP]
    further = "".join(
        f'<xs:element name="{name}"><xs:complexType>{content}</xs:complexType></xs:element>'
        for name, content in LEFT_TO_ZEEP.items()
    )
    messages = "".join(f'<w:message name="{n}"><w:part name="p" element="o:{n}"/></w:message>' for n in [*names, "Out"])
    messages += (
        '<w:message name="Both"><w:part name="a" element="o:Empty"/><w:part name="b" element="o:Out"/></w:message>'
    )
    names.append("Both")
    abstract = "".join(
        f'<w:operation name="{n}"><w:input message="o:{n}"/><w:output message="o:Out"/></w:operation>' for n in names
    )
    bound = "".join(
        f'<w:operation name="{n}"><s:operation soapAction="urn:{n}"/><w:input><s:body use="literal"/></w:input>'
        '<w:output><s:body use="literal"/></w:output></w:operation>'
        for n in names
    )
    (folder / "service.wsdl").write_text(
        f"""<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/"
        xmlns:o="{OWN}" targetNamespace="{OWN}"><w:types><xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
        <xs:import namespace="{OWN}" schemaLocation="own.xsd"/></xs:schema></w:types>{messages}
        <w:portType name="Port">{abstract}</w:portType><w:binding name="B" type="o:Port">
        <s:binding transport="http://schemas.xmlsoap.org/soap/http"/>{bound}</w:binding><w:service name="Service">
        <w:port name="Soap" binding="o:B"><s:address location="http://a.example/"/></w:port></w:service></w:definitions>""",
        encoding="utf-8",
    )
    (folder / "own.xsd").write_text(OWN_XSD.replace("OPERATIONS", further), encoding="utf-8")
    (folder / "other.xsd").write_text(OTHER_XSD, encoding="utf-8")


def open_port(folder: Path, prefixes: Mapping[str, str] = PREFIXES) -> Port:
    return Port(
        wsdl=folder / "service.wsdl", schema=folder / "own.xsd", service="Service", port="Soap", prefixes=prefixes
    )


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Port:
    folder = tmp_path_factory.mktemp("soapwriter")
    write_wsdl(folder)
    return open_port(folder)


def canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n")


def outcome(work: Any, *arguments: Any) -> object:
    """The canonical document, or the error's text."""
    try:
        return canonical(work(*arguments))
    except ContractError as error:
        return str(error)


BAD = ("\x00", "\x0b", "a\x1f", "\ud800", "\ufffe", "\uffff")


def texts() -> st.SearchStrategy[str]:
    odd = st.sampled_from(
        [
            "",
            " ",
            "a&b<c>d\"e'f",
            "]]>",
            "<![CDATA[x]]>",
            "&amp;",
            "𠮷𡃁",
            "e\u0301",
            "\t\r\n",
            "\x85\u2028",
            "\U0001fffe",
        ]
    )
    plain = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=12)
    return st.one_of(odd, plain, st.builds(str.__add__, plain, odd))


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


MOMENTS = st.one_of(
    st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=8)), timezone(timedelta(minutes=-90))])),
    st.datetimes(),
    st.just("2019-04-02T09:30:00+08:00"),
)
TREES: st.SearchStrategy[Any] = st.deferred(
    lambda: st.fixed_dictionaries({"Label": texts()}, optional={"Node": maybe(st.lists(TREES, max_size=4))})
)
VALUES = st.fixed_dictionaries(
    {"Text": texts(), "Number": st.one_of(st.integers(), st.just("12"))},
    optional={
        "Qualified": maybe(texts()),
        "Flag": maybe(st.one_of(st.booleans(), st.sampled_from(["true", "0", 1]))),
        "Day": maybe(st.one_of(st.dates(), st.datetimes(), st.just("2019-01-25"))),
        "At": maybe(MOMENTS),
        "Sum": maybe(
            st.one_of(st.decimals(allow_nan=False, allow_infinity=False), st.floats(), st.integers(), st.just("1.50"))
        ),
        "File": maybe(st.one_of(st.binary(max_size=9), st.just("YWJj"))),
        "Link": maybe(st.just("https://a.example/?b=1&c=2")),
        "Tree": maybe(TREES),
        "Derived": maybe(st.fixed_dictionaries({"Id": st.integers()}, optional={"More": texts()})),
        "Many": maybe(st.lists(st.fixed_dictionaries({"A": texts()}, optional={"B": maybe(texts())}), max_size=5)),
    },
)
KINDS = st.one_of(
    st.fixed_dictionaries({"Trade": texts()}),
    st.fixed_dictionaries({"Post": texts()}, optional={"Rank": maybe(st.integers(0, 3)), "Trade": st.none()}),
    st.fixed_dictionaries({"Titles": st.lists(texts(), max_size=3)}),
)
SIDES = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"Left": maybe(texts())}),
    st.fixed_dictionaries({"Right": maybe(st.integers(0, 2))}),
)
STRANGE = st.one_of(
    *(st.just({}) for _ in range(6)),
    st.sampled_from([{"Unknown": 1}, {"Trade": "both"}, {"Right": 1}, {"Text": None}, {"Post": None}, {"Text": 1}]),
    st.builds(lambda bad: {"Text": bad}, st.sampled_from(BAD)),
)
RECORDS = st.builds(lambda *parts: {k: v for part in parts for k, v in part.items()}, VALUES, KINDS, SIDES, STRANGE)


@settings(max_examples=400, deadline=None)
@given(values=RECORDS)
def test_every_record_gives_the_document_or_the_refusal_of_zeep(port: Port, values: dict[str, Any]) -> None:
    by_zeep = outcome(port._by_zeep, "Save", values)
    assert outcome(port.envelope, "Save", values) == by_zeep
    assert port._writers.is_compiled("Save")


REPEATED = ("Titles", "Many", "Node")


def leaves(element: etree._Element, path: str = "") -> list[str]:
    """The leaves of a document as ``written`` must list them."""
    found: list[str] = []
    seen: dict[str, int] = {}
    for child in element:
        name = etree.QName(child).localname
        seen[name] = seen.get(name, 0) + 1
        # the outer Node of a tree stands once, those inside it may repeat
        step = f"{path}{name}[{seen[name]}]" if name in REPEATED else f"{path}{name}"
        found += leaves(child, f"{step}/") if len(child) else [f"{step}={child.text or ''}\n"]
    return found


@settings(max_examples=300, deadline=None)
@given(values=RECORDS)
def test_the_text_is_the_same_document_and_its_leaves_are_those_of_the_document(
    port: Port, values: dict[str, Any]
) -> None:
    written = port.written("Save", values)
    if written is None:
        return
    parsed = etree.fromstring(written.text.encode())
    assert canonical(parsed) == canonical(port.envelope("Save", values))
    # whole elements without content have no leaf of their own in a document, and none is written
    assert list(written.leaves) == [line for line in leaves(parsed[-1][0])]


PLAIN: dict[str, Any] = {
    "Text": "王小明 𠮷 & ]]> <x>",
    "Qualified": "short",
    "Number": 3,
    "Flag": False,
    "Day": date(2019, 1, 25),
    "At": datetime(2019, 4, 2, 1, 30, tzinfo=UTC),
    "Sum": Decimal("1E+2"),
    "File": b"abc",
    "Post": "P",
    "Rank": 1,
    "Tree": {"Label": "a", "Node": [{"Label": "b"}, {"Label": "c", "Node": [{"Label": "d"}]}]},
    "Derived": {"Id": 1, "More": "m"},
    "Many": [{"A": "1"}, {"A": "2", "B": "3"}],
}


class Asked:
    """zeep's way, counted; ``wrong`` makes its documents differ."""

    def __init__(self, port: Port, *, wrong: bool = False) -> None:
        self._port, self._wrong, self.calls = port, wrong, 0

    def __call__(self, operation: str, values: Mapping[str, Any]) -> etree._Element:
        self.calls += 1
        built = self._port._by_zeep(operation, values)
        if self._wrong:
            built.set("other", "1")
        return built


def test_zeep_is_asked_once_for_comparison_and_then_no_more(port: Port) -> None:
    asked = Asked(port)
    writers = Writers(port._binding, PREFIXES, asked)
    first, second = (canonical(writers.envelope("Save", PLAIN)) for _ in range(2))
    assert (asked.calls, first) == (1, second)
    writers.envelope("Empty", {})
    assert asked.calls == 2


def test_an_operation_that_comes_out_differently_is_left_to_zeep_with_a_warning(
    port: Port, caplog: pytest.LogCaptureFixture
) -> None:
    asked = Asked(port, wrong=True)
    writers = Writers(port._binding, PREFIXES, asked)
    with caplog.at_level(logging.WARNING):
        built = [writers.envelope("Save", PLAIN) for _ in range(3)]
    assert [one.get("other") for one in built] == ["1", "1", "1"]
    # the first is written for the comparison, and once more for the answer
    assert asked.calls == 4
    [warning] = caplog.records
    assert (warning.getMessage(), warning.__dict__["operation"]) == ("compiled_writer_differs", "Save")
    assert "王小明" not in str(warning.__dict__)


def test_text_that_comes_out_differently_is_not_given_out(port: Port, caplog: pytest.LogCaptureFixture) -> None:
    asked = Asked(port, wrong=True)
    writers = Writers(port._binding, PREFIXES, asked)
    with caplog.at_level(logging.WARNING):
        assert [writers.written("Save", PLAIN) for _ in range(2)] == [None, None]
    assert asked.calls == 1
    good = Asked(port)
    again = Writers(port._binding, PREFIXES, good)
    assert all(again.written("Save", PLAIN) is not None for _ in range(3))
    assert good.calls == 1


@pytest.mark.parametrize(
    ("operation", "values"), [("Save", {"Text": "x"}), ("Save", PLAIN | {"Text": "a" * 10_000_001}), ("List", {})]
)
def test_what_is_left_to_zeep_is_not_given_as_text(port: Port, operation: str, values: dict[str, Any]) -> None:
    assert port.written(operation, values) is None


def test_a_body_of_several_parts_is_left_to_zeep(port: Port) -> None:
    assert not port._writers.is_compiled("Both")
    body = port.envelope("Both", {"a": {}, "b": {}})[-1]
    assert [etree.QName(child).localname for child in body] == ["Empty", "Out"]


def test_nothing_private_of_zeep_is_used() -> None:
    """What begins with one underscore there may change with any release."""
    for module in (compiled_writer, envelope, security):
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        of_others = re.findall(r"(?<!self)(?<!etree)\.(_[a-z]\w+)", source)
        assert of_others == [], module.__name__


@pytest.mark.parametrize("operation", sorted(LEFT_TO_ZEEP))
def test_what_is_not_compiled_is_left_to_zeep(port: Port, operation: str) -> None:
    assert not port._writers.is_compiled(operation)


def test_a_namespace_without_prefix_is_left_to_zeep(port: Port, tmp_path: Path) -> None:
    write_wsdl(tmp_path)
    bare = open_port(tmp_path, {"o": OWN})
    assert not bare._writers.is_compiled("Save")
    assert canonical(bare.envelope("Save", PLAIN)) == canonical(bare._by_zeep("Save", PLAIN))


@pytest.mark.parametrize(
    "spoilt",
    [
        {"Text": None},
        {"Text": "a\x0bb"},
        {"Text": "\ud800"},
        {"Trade": "both"},
        {"Many": [{"A": str(n)} for n in range(5)]},
        {"Many": [{"B": "no A"}]},
        {"Tree": {"Label": "a", "Extra": "b"}},
    ],
)
def test_values_that_do_not_fit_are_refused_as_by_zeep(port: Port, spoilt: dict[str, Any]) -> None:
    values = PLAIN | spoilt
    assert outcome(port.envelope, "Save", values) == outcome(port._by_zeep, "Save", values)


def test_a_text_longer_than_the_parser_takes_still_goes_out(port: Port) -> None:
    values = PLAIN | {"Text": "a" * 10_000_001}
    assert len(port.envelope("Save", values).findtext(".//Text") or "") == 10_000_001


def test_an_unknown_operation_is_refused_as_by_zeep(port: Port) -> None:
    assert outcome(port.envelope, "Nothing", {}) == outcome(port._by_zeep, "Nothing", {})
