"""Read a WSDL 1.1 service and its schemas into facts by path, the same for all documents of the same meaning.

Names of types, prefixes, the order of components, the cut into documents, attributes that repeat a default and groups
that make no difference leave no trace. ``xs:redefine`` and ``xs:override`` are refused; substitution groups, identity
constraints and ports of other protocols are passed over. Whatever the bytes: facts or InputError.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, NamedTuple
from urllib.parse import urljoin

from lxml import etree

from gateway.codec.soap.envelope import Unreadable, parse
from gateway.domain.errors import InputError
from gateway.locale import tr

XSD = "{http://www.w3.org/2001/XMLSchema}"
_WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
_SOAP = {"http://schemas.xmlsoap.org/wsdl/soap/": "SOAP 1.1", "http://schemas.xmlsoap.org/wsdl/soap12/": "SOAP 1.2"}
_LINKS = (f"{_WSDL}import", f"{XSD}import", f"{XSD}include")
_TYPES = (f"{XSD}complexType", f"{XSD}simpleType")
_GROUPS = ("sequence", "choice", "all")
_INSIDE = ("element", "any", "group", *_GROUPS)
_MAX_DEPTH = 80
_MAX_PARTS = 30_000
"""elements, groups and types of one contract, counted wherever they are used"""

ELEMENTS = "elements"
"""the base of what holds no text"""
Path = tuple[str, ...]
_Text = tuple[str, dict[str, Any]]
"""The built-in base of a simple type and all its facets: a text each, all values, and for each step its patterns"""


class Shift(Enum):
    """Which way a set of allowed documents moved."""

    NONE = auto()
    WIDER = auto()
    NARROWER = auto()
    OTHER = auto()
    """neither holds the other, or it cannot be told"""


class Presence(NamedTuple):
    """What it means that only the new contract has something, or only the old one, and how it is called then."""

    came: Shift
    went: Shift
    what: str = ""


_NEEDED = Presence(Shift.OTHER, Shift.OTHER, "required ")
_OPTIONAL = Presence(Shift.WIDER, Shift.NARROWER)
_CALLED = Presence(Shift.NONE, Shift.NARROWER)
_DECLARED = Presence(Shift.NONE, Shift.NONE)


@dataclass(kw_only=True, slots=True)
class Node:
    """What is known at one path. ``inner``: the place of its type's facts, which is the name of a type that has one."""

    place: str
    presence: Presence
    inner: str
    facts: dict[str, Any] = field(default_factory=dict)


class _Part(NamedTuple):
    """An element, a wildcard (any) or a group in its place."""

    kind: str
    occurs: tuple[int, int | None]
    node: etree._Element
    parts: Sequence[_Part] = ()


def references(document: bytes) -> tuple[str, ...]:
    """Where a WSDL or schema document says that further ones are; InputError where it is not XML."""
    found = (node.get("location") or node.get("schemaLocation") for node in _root(document, "document").iter(*_LINKS))
    return tuple(dict.fromkeys(place for place in found if place))


def joined(document: str, location: str) -> str:
    """The name of a document that another one names by ``location``; InputError where that is no address."""
    try:
        return urljoin(document, location)
    except ValueError:
        raise InputError(
            tr("{document} names {location!r}, which is no address", document=document, location=location)
        ) from None


def _root(document: bytes, name: str) -> etree._Element:
    root = parse(document)
    if isinstance(root, Unreadable):
        raise InputError(tr("{name}: not a WSDL or schema document ({code})", name=name, code=root.code))
    return root


class Contract:
    """The facts of a service: its SOAP ports, and its global elements and types with all that is below them.

    files: name -> bytes, the WSDL first; a document is looked for under its location relative to the one that names it
    loose: alternatives count as optional elements
    nodes: path -> what is known there; ``reached``: first step of a path -> the messages that hold it
    """

    def __init__(self, files: Mapping[str, bytes], *, loose: bool = False) -> None:
        self._files, self._loose = files, loose
        self._raw: dict[tuple[str, str], etree._Element] = {}
        self._read: set[tuple[str, str]] = set()
        self._inside: dict[tuple[str, str], int] = {}
        self._count = 0
        self.nodes: dict[Path, Node] = {}
        self.reached: defaultdict[str, set[str]] = defaultdict(set)
        self.states_limits = False
        start = next(iter(files), "")
        if not start or _root(files[start], start).tag != f"{_WSDL}definitions":
            raise InputError(tr("{start}: not a WSDL 1.1 document", start=start or "–"))
        self._document(start)
        for service in [node for (kind, _), node in self._raw.items() if kind == f"{_WSDL}service"]:
            for port in service.iterchildren(f"{_WSDL}port"):
                self._port(port)
        for (kind, name), node in self._raw.items():
            title = "type" if kind in _TYPES else "element"
            if kind in (*_TYPES, f"{XSD}element"):
                path, place = (f"{title} {name}",), f"{title} {_local(name)}"
                self._add(path, place, _DECLARED)
                if title == "type":
                    self._named(name, path)
                else:
                    self._element(node, path)

    def _add(self, path: Path, place: str, presence: Presence, **facts: object) -> None:
        self._count += 1
        if self._count > _MAX_PARTS or len(path) > _MAX_DEPTH:
            raise InputError(
                tr("{place}: the documents describe more parts, or deeper ones, than can be compared", place=place)
            )
        self.nodes[path] = Node(place=place, presence=presence, inner=place, facts=facts)

    @contextmanager
    def _within(self, kind: str, name: str = "", depth: int = 0) -> Iterator[None]:
        """Around what holds further components: nothing is made of itself, nor of more than can be compared."""
        key = (kind, name or f"number {len(self._inside)}")
        if key in self._inside:
            raise InputError(tr("the {kind} {name} is made of itself", kind=kind, name=name))
        self._count += 1
        if len(self._inside) == _MAX_DEPTH or self._count > _MAX_PARTS:
            raise InputError(
                tr(
                    "the {kind} {name} is made of more parts, or deeper ones, than can be compared",
                    kind=kind,
                    name=name,
                )
            )
        self._inside[key] = depth
        yield
        del self._inside[key]

    def _global(self, kinds: Sequence[str], name: str) -> etree._Element:
        found = next((self._raw[kind, name] for kind in kinds if (kind, name) in self._raw), None)
        if found is None:
            kind = "type" if kinds == _TYPES else _local(kinds[0])
            raise InputError(tr("the {kind} {name} is not declared in the documents given", kind=kind, name=name))
        return found

    # documents

    def _document(self, name: str, root: etree._Element | None = None, chameleon: str = "") -> None:
        """Register the components of a WSDL or schema document, and those of the documents it names."""
        root = _root(self._files[name], name) if root is None else root
        if not root.get("targetNamespace") and chameleon:
            root.set("targetNamespace", chameleon)
        space = root.get("targetNamespace", "")
        for child in root.iterchildren(f"{XSD}*", f"{_WSDL}*"):
            if child.tag in (f"{XSD}redefine", f"{XSD}override"):
                raise InputError(tr("{name}: xs:{local} is not compared", name=name, local=_local(child.tag)))
            location = child.get("location") or child.get("schemaLocation")
            if child.tag == f"{_WSDL}types":
                for schema in child.iterchildren(f"{XSD}schema"):
                    self._document(name, schema)
            elif child.tag in _LINKS and location:
                place, inherited = joined(name, location), space if child.tag == f"{XSD}include" else ""
                if place not in self._files:
                    raise InputError(
                        tr(
                            "{name} names {location}, which is not among the documents given",
                            name=name,
                            location=location,
                        )
                    )
                if (place, inherited) not in self._read:
                    self._read.add((place, inherited))
                    with self._within("document", f"{place} {inherited}"):
                        self._document(place, chameleon=inherited)
            elif child.get("name"):
                self._raw[child.tag, f"{{{space}}}{child.get('name')}"] = child

    # ports

    def _port(self, port: etree._Element) -> None:
        binding = self._global((f"{_WSDL}binding",), _name(port, port.get("binding")))
        kind = self._global((f"{_WSDL}portType",), _name(binding, binding.get("type")))
        abstract = {node.get("name"): node for node in kind.iterchildren(f"{_WSDL}operation")}
        place = f"port {port.get('name')}"
        for space, version in _SOAP.items():
            if (protocol := binding.find(f"{{{space}}}binding")) is None:
                continue
            self.reached[place] = {"requests", "replies"}
            address = "".join(a.get("location", "") for a in port.iterchildren(f"{{{space}}}address"))
            transport = protocol.get("transport", "")
            self._add((place,), place, _CALLED, version=version, transport=transport, address=address)
            for node in binding.iterchildren(f"{_WSDL}operation"):
                if node.get("name") not in abstract:
                    raise InputError(tr("the operation {node} has a binding and no port type", node=node.get("name")))
                self._operation(place, abstract[node.get("name")], node, protocol.get("style", "document"), space)

    def _operation(self, port: str, abstract: etree._Element, bound: etree._Element, style: str, space: str) -> None:
        place = f"operation {bound.get('name')}"
        path = (port, place)
        given = {k: v for soap in bound.iterchildren(f"{{{space}}}operation") for k, v in soap.attrib.items()}
        self._add(path, place, _CALLED, SOAPAction=given.get("soapAction", ""), style=given.get("style", style))
        for tag, title, messages in (("input", "request", "requests"), ("output", "reply", "replies")):
            for node in abstract.iterchildren(f"{_WSDL}{tag}"):
                parts, use, headers = self._parts(node), "literal", set()
                for soap in bound.iterfind(f"{_WSDL}{tag}/{{{space}}}*"):
                    if _local(soap.tag) == "header":
                        headers |= {e for p, e in self._parts(soap).items() if p == soap.get("part")}
                        parts = {p: e for p, e in parts.items() if p != soap.get("part")}
                    elif _local(soap.tag) == "body":
                        use = soap.get("use", use)
                        listed = soap.get("parts", " ".join(parts)).split()
                        parts = {p: e for p, e in parts.items() if p in listed}
                facts = {title: [*parts.values()], f"{title} parts": [*parts], f"{title} use": use}
                self.nodes[path].facts |= facts
                came = Shift.NARROWER if tag == "input" else Shift.NONE
                for element in headers:
                    what = f"{title} header {_local(element)} "
                    self._add((*path, what + element), place, Presence(came, Shift.NONE, what))
                for element in (*parts.values(), *headers):
                    self.reached[element].add(messages)
        for element in (e for fault in abstract.iterchildren(f"{_WSDL}fault") for e in self._parts(fault).values()):
            what = f"fault {_local(element)} "
            self._add((*path, what + element), place, Presence(Shift.NONE, Shift.NONE, what))
            self.reached[element].add("replies")

    def _parts(self, node: etree._Element) -> dict[str, str]:
        """Part -> "element" or "type" and its name."""
        message = self._global((f"{_WSDL}message",), _name(node, node.get("message")))
        kinds = {part.get("name", ""): (part, "element" if part.get("element") else "type") for part in message}
        return {name: f"{kind} {_name(part, part.get(kind))}" for name, (part, kind) in kinds.items()}

    # elements and types

    def _element(self, node: etree._Element, path: Path) -> None:
        schema = next(node.iterancestors(f"{XSD}schema"))
        space, is_global = schema.get("targetNamespace"), schema is node.getparent()
        is_qualified = is_global or node.get("form", schema.get("elementFormDefault")) == "qualified"
        self.nodes[path].facts |= {
            "namespace": space if is_qualified else None,
            "nil": node.get("nillable") in ("true", "1"),
            "default": node.get("default"),
            "fixed": node.get("fixed"),
        }
        self._held(node, path, name=f"{{{space or ''}}}{node.get('name')}" if is_global else "")

    def _held(self, node: etree._Element, path: Path, *, otherwise: str = "anyType", name: str = "") -> None:
        """The type that an element or attribute names or holds; ``name``: that of a global element."""
        held = next(node.iterchildren(*_TYPES), None)
        if held is None:
            self._named(_name(node, node.get("type")) if node.get("type") else f"{XSD}{otherwise}", path)
        elif name:
            self._once("element", name, held, path)
        else:
            self._type(held, path)

    def _named(self, name: str, path: Path) -> None:
        if name.startswith(XSD):
            self._text(_builtin(name), path)
        else:
            self.nodes[path].inner = f"type {_local(name)}"
            self._once("type", name, self._global(_TYPES, name), path)

    def _once(self, kind: str, name: str, node: etree._Element, path: Path) -> None:
        """A type, unless the path is inside it already: what holds itself is described as that."""
        if (kind, name) in self._inside:
            self.nodes[path].facts["base"] = f"the type {len(path) - self._inside[kind, name]} steps up"
            return
        with self._within(kind, name, len(path)):
            self._type(node, path)

    def _text(self, text: _Text, path: Path) -> None:
        self.states_limits |= bool(text[1].keys() - {"whiteSpace", "enumeration"})
        self.nodes[path].facts |= {"base": text[0], **text[1]}

    def _type(self, node: etree._Element, path: Path) -> None:
        if node.tag == _TYPES[1]:
            self._text(self._simple(node), path)
            return
        here = self.nodes[path]
        steps = self._steps(node)
        parts: list[etree._Element] = []
        attributes: dict[str, etree._Element] = {}
        here.facts |= {"base": ELEMENTS, "mixed": False, "any_attribute": False}
        for step in steps:
            extends, parent = step.tag == f"{XSD}extension", step.getparent()
            is_mixed = any(n is not None and n.get("mixed") in ("true", "1") for n in (step, parent))
            own, any_attribute = self._attributes(step)
            here.facts["mixed"] = is_mixed or (extends and here.facts["mixed"])
            here.facts["any_attribute"] = any_attribute or (extends and here.facts["any_attribute"])
            attributes |= own
            inherited = parts if extends else []
            parts = [*inherited, *step.iterchildren(f"{XSD}group", *(f"{XSD}{kind}" for kind in _GROUPS))]
        if (text := self._content(steps)) is not None:
            self._text(text, path)
        else:
            found = self._items(parts, "sequence")
            is_group = len(found) == 1 and found[0].kind in _GROUPS
            self._group(found[0] if is_group else _Part("sequence", (1, 1), node, found), path)
        for name, attribute in attributes.items():
            if attribute.get("use") != "prohibited":
                below, is_needed = (*path, f"@{name}"), attribute.get("use") == "required"
                declared = self._raw.get((f"{XSD}attribute", name), attribute) if attribute.get("ref") else attribute
                fixed = attribute.get("fixed") or declared.get("fixed")
                presence = _NEEDED if is_needed else _OPTIONAL
                self._add(below, f"{here.inner} / @{_local(name)}", presence, optional=not is_needed, fixed=fixed)
                self._held(declared, below, otherwise="anySimpleType")

    def _steps(self, node: etree._Element) -> list[etree._Element]:
        """What a complex type adds and restricts, base first."""
        derived = next(node.iterchildren(f"{XSD}complexContent", f"{XSD}simpleContent"), None)
        if derived is None:
            return [node]
        step = _only(derived, "extension", "restriction")
        base = (_TYPES[0], _name(step, step.get("base")))
        if base not in self._raw:
            return [step]
        with self._within("base type", base[1]):
            return [*self._steps(self._raw[base]), step]

    def _content(self, steps: Sequence[etree._Element]) -> _Text | None:
        """The text of a complex type with simple content."""
        text: _Text | None = None
        for step in steps:
            if next(step.iterancestors()).tag != f"{XSD}simpleContent":
                text = None
                continue
            text = text or self._text_of(_name(step, step.get("base")))
            text = text if step.tag == f"{XSD}extension" else _restricted(text, step)
        return text

    def _attributes(self, node: etree._Element) -> tuple[dict[str, etree._Element], bool]:
        """By name, with those of groups; and whether further ones are allowed."""
        found: dict[str, etree._Element] = {}
        any_attribute = node.find(f"{XSD}anyAttribute") is not None
        for child in node.iterchildren(f"{XSD}attribute", f"{XSD}attributeGroup"):
            name = _name(child, child.get("ref")) if child.get("ref") else child.get("name", "")
            if child.tag == f"{XSD}attribute":
                found[name] = child
                continue
            with self._within("attribute group", name):
                inner, further = self._attributes(self._global((child.tag,), name))
            found, any_attribute = found | inner, any_attribute or further
        return found, any_attribute

    def _simple(self, node: etree._Element) -> _Text:
        step = _only(node, "restriction", "list", "union")
        with self._within("simple type"):
            inner = [self._simple(child) for child in step.iterchildren(_TYPES[1])]
            if step.tag == f"{XSD}restriction":
                return _restricted(inner[0] if inner else self._text_of(_name(step, step.get("base"))), step)
            named = f"{step.get('itemType', '')} {step.get('memberTypes', '')}".split()
            members = [*(self._text_of(_name(step, name)) for name in named), *inner]
        texts = sorted(f"{base} {sorted(facets.items())}" for base, facets in members)
        self._count += sum(map(len, texts))
        return f"{_local(step.tag)} of {', '.join(texts)}", {"whiteSpace": "collapse"}

    def _text_of(self, name: str) -> _Text:
        """The text of a simple type, or of a complex one with simple content."""
        if name.startswith(XSD):
            return _builtin(name)
        node = self._global(_TYPES, name)
        with self._within("base type", name):
            if node.tag == _TYPES[1]:
                return self._simple(node)
            return self._content(self._steps(node)) or ("anyType", {})

    # groups

    def _items(self, nodes: Iterable[etree._Element], kind: str) -> list[_Part]:
        """What stands in a group, without inner groups that make no difference: empty ones, equal ones, lone ones."""
        found: list[_Part] = []
        for node in nodes:
            inner, occurs = _local(node.tag), _occurs(node)
            self.states_limits |= occurs[1] is not None and occurs[1] > 1
            if inner in ("element", "any"):
                found.append(_Part(inner, occurs, node))
                continue
            name = _name(node, node.get("ref")) if inner == "group" else ""
            with self._within("group", name):
                children: Iterable[etree._Element] = node.iterchildren(*(f"{XSD}{k}" for k in _INSIDE))
                if name:
                    inner, children = "sequence", [_only(self._global((node.tag,), name), *_GROUPS)]
                parts = self._items(children, inner)
            if self._loose and inner == "choice" and occurs[1] == 1:
                loose = [each for part in parts for each in part.parts or (part,)]
                inner, occurs, parts = "sequence", (1, 1), [p._replace(occurs=(0, p.occurs[1])) for p in loose]
            is_lone = len(parts) == 1 and (inner != "choice" or parts[0].kind in _GROUPS)
            if not parts or (occurs == (1, 1) and (is_lone or inner == kind != "all")):
                found.extend(parts)
            else:
                found.append(_Part(inner, occurs, node, parts))
        return found

    def _group(self, group: _Part, path: Path) -> None:
        keys: list[str] = []
        here = self.nodes[path]
        for part in group.parts:
            node = part.node
            if part.kind == "element" and node.get("ref"):
                node = self._global((node.tag,), _name(node, node.get("ref")))
            name = node.get("name", "") if part.kind == "element" else part.kind
            count = sum(key.partition("#")[0] == name for key in keys)
            keys.append(f"{name}#{count + 1}" if count else name)
            below = (*path, keys[-1])
            is_needed = _needed(part) and group.kind != "choice"
            occurs = {} if part.kind in _GROUPS else {"occurs": part.occurs}
            self._add(below, f"{here.inner} / {keys[-1]}", _NEEDED if is_needed else _OPTIONAL, **occurs)
            if part.kind == "element":
                self._element(node, below)
            elif part.kind == "any":
                wildcard = (node.get("namespace", "##any"), node.get("processContents", "strict"))
                self.nodes[below].facts["wildcard"] = wildcard
            else:
                self._group(part, below)
        if keys:
            here.facts |= {"group": group.kind, "group occurs": group.occurs}
            here.facts["order"] = keys if group.kind == "sequence" else None


def _local(name: str) -> str:
    return name.rpartition("}")[2] or name


def _owner(node: etree._Element) -> str:
    """The next name around a node, for people."""
    return next((str(n.get("name")) for n in (node, *node.iterancestors()) if n.get("name")), "a schema")


def _only(node: etree._Element, *kinds: str) -> etree._Element:
    """The child that makes a component what it is."""
    found = next(node.iterchildren(*(f"{XSD}{kind}" for kind in kinds)), None)
    if found is None:
        raise InputError(
            tr(
                "{owner}: xs:{local} without {names}",
                owner=_owner(node),
                local=_local(node.tag),
                names=" or ".join(kinds),
            )
        )
    return found


def _name(node: etree._Element, given: str | None) -> str:
    """``prefix:name`` where it stands, as ``{namespace}name``; InputError for a prefix nobody declared."""
    prefix, _, local = (given or "").rpartition(":")
    space = node.nsmap.get(prefix or None)
    if prefix and space is None:
        raise InputError(tr("the prefix of {given} is not declared", given=given))
    if space is None and (schema := next(node.iterancestors(f"{XSD}schema"), None)) is not None:
        # a document without namespace takes that of the one which includes it
        space = schema.get("targetNamespace")
    return f"{{{space or ''}}}{local}"


def _occurs(node: etree._Element) -> tuple[int, int | None]:
    least, most = node.get("minOccurs", "1"), node.get("maxOccurs", "1")
    try:
        return int(least), None if most == "unbounded" else int(most)
    except ValueError:
        raise InputError(tr("{owner}: occurrences are not numbers", owner=_owner(node))) from None


def _builtin(name: str) -> _Text:
    base = _local(name)
    spaces = {"string": "preserve", "anySimpleType": "preserve", "anyType": "preserve", "normalizedString": "replace"}
    return base, {"whiteSpace": spaces.get(base, "collapse")}


def _restricted(text: _Text, step: etree._Element) -> _Text:
    """A type narrowed by the facets of a restriction; a least and a greatest length that are equal are its length."""
    base, facets = text[0], dict(text[1])
    found: defaultdict[str, list[str]] = defaultdict(list)
    for child in step.iterchildren(f"{XSD}*"):
        if child.get("value") is not None:
            found[_local(child.tag)].append(child.get("value", ""))
    for name, given in found.items():
        facets[name] = tuple(sorted(set(given))) if name in ("enumeration", "pattern") else given[-1]
    if "pattern" in found:
        inherited: Any = text[1].get("pattern", ())
        facets["pattern"] = tuple(sorted({*inherited, facets["pattern"]}))
    if facets.get("minLength", "") == facets.get("maxLength"):
        facets["length"] = facets.pop("maxLength")
        del facets["minLength"]
    return base, facets


def _needed(part: _Part) -> bool:
    """Whether every document holds something of the part."""
    if not part.occurs[0] or part.kind not in _GROUPS:
        return bool(part.occurs[0])
    each = [_needed(inner) for inner in part.parts]
    return all(each) if part.kind == "choice" else any(each)
