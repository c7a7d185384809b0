"""The contract as other SOAP stacks publish it: rewritten in every way that means the same, and written from code."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lxml import etree

from connectors.national_market import contract
from gateway.codec.wsdl.comparison import Change, compare

XSD = "{http://www.w3.org/2001/XMLSchema}"
WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
SOAP = ("{http://schemas.xmlsoap.org/wsdl/soap/}", "{http://schemas.xmlsoap.org/wsdl/soap12/}")
NAMES = ("type", "base", "ref", "element", "message", "binding", "itemType", "memberTypes")
"""attributes whose values are qualified names"""
WS, T = "urn:jzsc:personcert:ws:1", "urn:jzsc:personcert:types:1"
Trees = dict[str, etree._Element]
FILES = {name: bytes(content) for name, content in contract.files().items()}


def parsed() -> Trees:
    parser = etree.XMLParser(remove_blank_text=True, remove_comments=True)
    return {name: etree.fromstring(content, parser) for name, content in FILES.items()}


def published(trees: Trees) -> dict[str, bytes]:
    return {name: etree.tostring(root, xml_declaration=True, encoding="UTF-8") for name, root in trees.items()}


def other_prefixes(trees: Trees) -> None:
    """Every namespace under a prefix of another name, also in the values that name components."""
    for name, root in trees.items():
        for node in root.iter(f"{XSD}*", f"{WSDL}*", *(f"{space}*" for space in SOAP)):
            for attribute in NAMES:
                if ":" in node.get(attribute, ""):
                    each = [value.partition(":") for value in node.get(attribute, "").split()]
                    spaces = [(node.nsmap[prefix], local) for prefix, _, local in each]
                    node.set(attribute, " ".join(f"ns{LETTERS[space]}:{local}" for space, local in spaces))
        renamed = etree.Element(root.tag, root.attrib, nsmap={f"ns{n}": space for space, n in LETTERS.items()})
        renamed.extend(list(root))
        etree.cleanup_namespaces(renamed, keep_ns_prefixes=[f"ns{n}" for n in LETTERS.values()])
        trees[name] = renamed


LETTERS = {
    space: number
    for number, space in enumerate(
        (WS, T, XSD[1:-1], WSDL[1:-1], SOAP[0][1:-1], SOAP[1][1:-1]),
        start=1,
    )
}


def other_order(trees: Trees) -> None:
    for root in trees.values():
        head = [child for child in root if child.tag in (f"{XSD}import", f"{WSDL}types")]
        rest = [child for child in root if child not in head]
        root[:] = [*head, *reversed(rest)]


def explicit_defaults(trees: Trees) -> None:
    defaults = {
        f"{XSD}element": {"nillable": "false", "minOccurs": "1", "maxOccurs": "1"},
        f"{XSD}complexType": {"mixed": "false", "abstract": "false"},
        f"{XSD}sequence": {"minOccurs": "1", "maxOccurs": "1"},
        f"{XSD}choice": {"minOccurs": "1", "maxOccurs": "1"},
        **{f"{space}operation": {"style": "document"} for space in SOAP},
        **{f"{space}body": {"use": "literal"} for space in SOAP},
    }
    for root in trees.values():
        for node in root.iter(*defaults):
            is_global = node.getparent() is not None and node.getparent().tag == f"{XSD}schema"
            for name, value in defaults[str(node.tag)].items():
                if not (is_global and "Occurs" in name) and node.get(name) is None:
                    node.set(name, value)


def qualified_one_by_one(trees: Trees) -> None:
    for name in ("service.xsd", "types.xsd"):
        del trees[name].attrib["elementFormDefault"]
        for node in trees[name].iter(f"{XSD}element"):
            if node.getparent() is not trees[name] and node.get("ref") is None:
                node.set("form", "qualified")


def white_space_written_out(trees: Trees) -> None:
    for node in trees["types.xsd"].iter(f"{XSD}restriction"):
        if node.find(f"{XSD}whiteSpace") is None:
            is_text = node.get("base", "").endswith(":string")
            etree.SubElement(node, f"{XSD}whiteSpace", value="preserve" if is_text else "collapse")


def white_space_left_out(trees: Trees) -> None:
    for facet in list(trees["types.xsd"].iter(f"{XSD}whiteSpace")):
        facet.getparent().remove(facet)


def wrappers_with_named_types(trees: Trees) -> None:
    """As JAX-WS writes them: a global element of a global type of the same name."""
    root = trees["service.xsd"]
    prefix = next(prefix for prefix, space in root.nsmap.items() if space == WS)
    for element in root.findall(f"{XSD}element"):
        held = element.find(f"{XSD}complexType")
        if held is not None:
            held.set("name", element.get("name", ""))
            element.set("type", f"{prefix}:{element.get('name')}" if prefix else element.get("name", ""))
            root.append(held)


def types_of_other_names(trees: Trees) -> None:
    names = {
        node.get("name"): f"{node.get('name')}Type1" for node in trees["types.xsd"].iterchildren(f"{XSD}simpleType")
    }
    for root in trees.values():
        for node in root.iter(f"{XSD}*"):
            for attribute in ("type", "base", "itemType"):
                prefix, colon, local = node.get(attribute, "").rpartition(":")
                if local in names and node.nsmap.get(prefix or None) == T:
                    node.set(attribute, f"{prefix}{colon}{names[local]}")
    for node in trees["types.xsd"].iterchildren(f"{XSD}simpleType"):
        node.set("name", names[node.get("name")])


def types_split(trees: Trees) -> None:
    """Half of the types in a document that the other one includes."""
    root = trees["types.xsd"]
    moved = etree.Element(root.tag, root.attrib, nsmap=root.nsmap)
    moved.extend([node for number, node in enumerate(root.iterchildren(f"{XSD}*")) if number % 2])
    root.insert(0, etree.Element(f"{XSD}include", schemaLocation="types2.xsd"))
    trees["types2.xsd"] = moved


def schema_inlined(trees: Trees) -> None:
    held = trees["service.wsdl"].find(f"{WSDL}types")
    assert held is not None
    held[:] = [trees.pop("service.xsd")]


def service_split(trees: Trees) -> None:
    """As JAX-WS publishes it: bindings and service in one document, messages and port type in another."""
    root = trees["service.wsdl"]
    abstract = etree.Element(root.tag, root.attrib, nsmap=root.nsmap)
    abstract.extend(root.findall(f"{WSDL}types") + root.findall(f"{WSDL}message") + root.findall(f"{WSDL}portType"))
    root.insert(0, etree.Element(f"{WSDL}import", namespace=WS, location="abstract.wsdl"))
    trees["abstract.wsdl"] = abstract


REWRITINGS: tuple[Callable[[Trees], None], ...] = (
    other_order,
    explicit_defaults,
    qualified_one_by_one,
    white_space_written_out,
    white_space_left_out,
    wrappers_with_named_types,
    types_of_other_names,
    types_split,
    schema_inlined,
    service_split,
    other_prefixes,
)


def changes(*rewritings: Callable[[Trees], None]) -> tuple[Change, ...]:
    trees = parsed()
    for rewrite in rewritings:
        rewrite(trees)
    offered = published(trees)
    assert offered != FILES
    return compare(FILES, offered)


@pytest.mark.parametrize("rewrite", REWRITINGS, ids=lambda r: r.__name__)
def test_a_way_of_writing_the_same_contract_breaks_nothing(rewrite: Callable[[Trees], None]) -> None:
    assert not [change for change in changes(rewrite) if change.is_breaking]


def test_all_ways_together_are_told_in_names_of_types_and_white_space_only() -> None:
    found = changes(*REWRITINGS)
    assert not [change for change in found if change.is_breaking]
    said = {change.what.partition(" ")[0] for change in found}
    assert said <= {"added", "removed", "whiteSpace"}


def test_a_change_is_found_through_all_rewriting() -> None:
    trees = parsed()
    for rewrite in REWRITINGS[:-1]:
        rewrite(trees)
    for root in trees.values():
        for node in root.iter(f"{XSD}element"):
            if node.get("name") == "Mobile":
                node.set("minOccurs", "1")
    other_prefixes(trees)
    [change] = [change for change in compare(FILES, published(trees)) if change.is_breaking]
    assert (change.place, change.what, change.breaks) == ("type Person / Mobile", "occurs 0..1 -> 1..1", ("requests",))


def from_code(trees: Trees) -> None:
    """No facets, no greatest numbers, no alternatives, no simple types of its own."""
    plain = {
        node.get("name"): str(next(node.iter(f"{XSD}restriction")).get("base"))
        for node in trees["types.xsd"].iterchildren(f"{XSD}simpleType")
    }
    for root in trees.values():
        for node in root.iter(f"{XSD}element", f"{XSD}attribute"):
            local = node.get("type", "").rpartition(":")[2]
            if local in plain and node.nsmap.get(node.get("type", "").rpartition(":")[0] or None) == T:
                node.set("type", plain[local])
            if node.get("maxOccurs", "1") != "1":
                node.set("maxOccurs", "unbounded")
        for step in list(root.iter(f"{XSD}restriction")):
            step[:] = []
        for choice in list(root.iter(f"{XSD}choice")):
            for inner in list(choice.iter(f"{XSD}element")):
                inner.set("minOccurs", "0")
            choice.tag = f"{XSD}sequence"


def test_a_description_written_from_code_breaks_nothing_and_says_what_it_lacks() -> None:
    found = changes(from_code, *REWRITINGS)
    assert not [change for change in found if change.is_breaking], found
    assert "facets, greatest numbers and alternatives are no longer stated" in {change.what for change in found}


def test_what_such_a_description_does_state_still_counts() -> None:
    def spoilt(trees: Trees) -> None:
        from_code(trees)
        for node in trees["types.xsd"].iter(f"{XSD}element"):
            if node.get("name") in ("Mobile", "RecordCount"):
                node.set(
                    "minOccurs" if node.get("name") == "Mobile" else "type",
                    "1" if node.get("name") == "Mobile" else "xs:date",
                )

    assert {change.what for change in changes(spoilt) if change.is_breaking} == {
        "occurs 0..1 -> 1..1",
        "base int -> date",
    }
