"""Read the documents of a WSDL 1.1 service and its schemas into the plain data of ``wsdlmodel``, from bytes only.

Types are read when they are asked for. ``xs:redefine`` and ``xs:override`` are refused; substitution groups, identity
constraints and the order of attributes are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypedDict
from urllib.parse import urljoin

from lxml import etree

from gateway.codec.soap.envelope import Unreadable, parse
from gateway.codec.wsdlmodel import (
    XSD,
    Attribute,
    Complex,
    Element,
    Group,
    Simple,
    TypeRef,
    Wildcard,
)
from gateway.domain.errors import InputError

_X, _W = f"{{{XSD}}}", "{http://schemas.xmlsoap.org/wsdl/}"
_LINKS = (f"{_W}import", f"{_X}import", f"{_X}include")
_GROUPS = {f"{_X}{kind}": kind for kind in ("sequence", "choice", "all")}


def references(document: bytes) -> tuple[str, ...]:
    """Where a WSDL or schema document says that further ones are; InputError where it is not XML."""
    found = (node.get("location") or node.get("schemaLocation") for node in _root(document, "document").iter(*_LINKS))
    return tuple(dict.fromkeys(place for place in found if place))


def _root(document: bytes, name: str) -> etree._Element:
    root = parse(document)
    if isinstance(root, Unreadable):
        raise InputError(f"{name}: not a WSDL or schema document ({root.code})")
    return root


class Documents:
    """Global elements and types, and the parts of the WSDL as they stand.

    files: name -> bytes, the WSDL first; a document is looked for under its location relative to the one that names it
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._raw: dict[tuple[str, str], etree._Element] = {}
        self._types: dict[str, Simple | Complex] = {}
        self._read: set[tuple[str, str | None]] = set()
        start = next(iter(files), "")
        if not start or _root(files[start], start).tag != f"{_W}definitions":
            raise InputError(f"{start or 'nothing'}: not a WSDL 1.1 document")
        self._definitions(start)

    def elements(self) -> Iterator[str]:
        """Names of the global elements."""
        return (name for kind, name in self._raw if kind == "element")

    def types(self) -> Iterator[str]:
        """Names of the global types."""
        return (name for kind, name in self._raw if kind in ("complexType", "simpleType"))

    def element(self, name: str) -> Element | None:
        """A global element."""
        node = self._raw.get(("element", name))
        return None if node is None else self._element(node)

    def type(self, name: str) -> Simple | Complex | None:
        """A named type; None for built-in ones, InputError for one that is not there."""
        if name.startswith(_X):
            return None
        if name not in self._types:
            if name.startswith("#"):
                node = next(self._raw["element", name[1:]].iterchildren(f"{_X}complexType", f"{_X}simpleType"))
            else:
                found = self._raw.get(("complexType", name))
                node = found if found is not None else self._raw.get(("simpleType", name))  # type: ignore[assignment]
            if node is None:
                raise InputError(f"the type {name} is not declared in the documents given")
            self._types[name] = self._complex(node) if node.tag == f"{_X}complexType" else self._simple(node)
        return self._types[name]

    def wsdl(self, kind: str) -> Iterator[etree._Element]:
        """All services, bindings, port types or messages."""
        return (node for (found, _), node in self._raw.items() if found == f"wsdl:{kind}")

    def named(self, kind: str, node: etree._Element, attribute: str) -> etree._Element:
        """The binding, port type or message that an attribute names; InputError where it is not there."""
        name = qualified(node, node.get(attribute, ""))
        found = self._raw.get((f"wsdl:{kind}", name))
        if found is None:
            raise InputError(f"the {kind} {name} is not declared in the documents given")
        return found

    # reading documents

    def _definitions(self, name: str) -> None:
        if (name, None) in self._read:
            return
        self._read.add((name, None))
        root = _root(self._files[name], name)
        if root.tag == f"{_X}schema":
            self._schema(root, name)
            return
        space = root.get("targetNamespace", "")
        for child in root:
            kind = etree.QName(child).localname
            if child.tag == f"{_W}import":
                self._definitions(self._place(name, child.get("location", "")))
            elif child.tag == f"{_W}types":
                for schema in child.iterchildren(f"{_X}schema"):
                    self._schema(schema, name)
            elif child.get("name"):
                self._raw[f"wsdl:{kind}", f"{{{space}}}{child.get('name')}"] = child

    def _schema(self, root: etree._Element, name: str, chameleon: str | None = None) -> None:
        space = root.get("targetNamespace") or chameleon
        if root.get("targetNamespace") is None and chameleon:
            root.set("targetNamespace", chameleon)
        for child in root.iterchildren(f"{_X}*"):
            kind = etree.QName(child).localname
            if kind in ("redefine", "override"):
                raise InputError(f"{name}: xs:{kind} is not compared")
            if kind in ("import", "include") and child.get("schemaLocation"):
                place = self._place(name, child.get("schemaLocation", ""))
                inherited = space if kind == "include" else None
                if (place, inherited or "") not in self._read:
                    self._read.add((place, inherited or ""))
                    self._schema(_root(self._files[place], place), place, inherited)
            elif child.get("name"):
                self._raw[kind, f"{{{space or ''}}}{child.get('name')}"] = child

    def _place(self, document: str, location: str) -> str:
        place = urljoin(document, location)
        if place not in self._files:
            raise InputError(f"{document} names {location}, which is not among the documents given")
        return place

    # reading components

    def _type_of(self, node: etree._Element) -> TypeRef:
        """The type an element, attribute or list names or holds."""
        for child in node.iterchildren(f"{_X}complexType", f"{_X}simpleType"):
            return self._complex(child) if child.tag == f"{_X}complexType" else self._simple(child)
        named = node.get("type")
        return qualified(node, named) if named else f"{_X}anyType"

    def _element(self, node: etree._Element) -> Element:
        least, most = _occurs(node)
        if node.get("ref"):
            found = self.element(qualified(node, node.get("ref", "")))
            if found is None:
                raise InputError(f"the element {node.get('ref')} is not declared in the documents given")
            return Element(
                name=found.name,
                namespace=found.namespace,
                type=found.type,
                least=least,
                most=most,
                nillable=found.nillable,
                default=found.default,
                fixed=found.fixed,
            )
        schema = _schema_of(node)
        is_global = node.getparent() is schema
        in_namespace = is_global or node.get("form", schema.get("elementFormDefault")) == "qualified"
        space = schema.get("targetNamespace") if in_namespace else None
        inline = node.get("type") is None and is_global and len(list(node.iterchildren(f"{_X}complexType")))
        return Element(
            name=node.get("name", ""),
            namespace=space,
            type=f"#{{{space or ''}}}{node.get('name')}" if inline else self._type_of(node),
            least=least,
            most=most,
            nillable=node.get("nillable") in ("true", "1"),
            default=node.get("default"),
            fixed=node.get("fixed"),
        )

    def _simple(self, node: etree._Element) -> Simple:
        (step,) = node.iterchildren(f"{_X}restriction", f"{_X}list", f"{_X}union")
        kind = etree.QName(step).localname
        inner = tuple(self._simple(child) for child in step.iterchildren(f"{_X}simpleType"))
        if kind == "restriction":
            return Simple(base=inner[0] if inner else qualified(step, step.get("base", "")), facets=_facets(step))
        named = step.get("itemType" if kind == "list" else "memberTypes", "").split()
        members: tuple[str | Simple, ...] = (*(qualified(step, name) for name in named), *inner)
        return Simple(variety="list" if kind == "list" else "union", members=members)

    def _complex(self, node: etree._Element) -> Complex:
        derived = next(node.iterchildren(f"{_X}complexContent", f"{_X}simpleContent"), None)
        mixed = "true" in (node.get("mixed"), derived.get("mixed") if derived is not None else None)
        if derived is None:
            return Complex(content=self._content(node), mixed=mixed, **self._attributes(node))
        (step,) = derived.iterchildren(f"{_X}extension", f"{_X}restriction")
        name, extends = qualified(step, step.get("base", "")), step.tag == f"{_X}extension"
        base = self.type(name)
        inherited = base if isinstance(base, Complex) else Complex()
        own = self._attributes(step)
        prohibited = {a.get("name") for a in step.iterchildren(f"{_X}attribute") if a.get("use") == "prohibited"}
        kept = {key: value for key, value in inherited.attributes.items() if key not in prohibited}
        both: _Attributes = {
            "attributes": {**kept, **own["attributes"]},
            "any_attribute": own["any_attribute"] or (extends and inherited.any_attribute),
        }
        if derived.tag == f"{_X}simpleContent":
            text: TypeRef = inherited.simple if isinstance(base, Complex) and inherited.simple is not None else name
            if not extends and not isinstance(text, Complex):
                text = Simple(base=text, facets=_facets(step))
            return Complex(simple=text, **both)
        content = self._content(step)
        if extends and inherited.content is not None:
            content = _flat("sequence", [part for part in (inherited.content, content) if part is not None], 1, 1)
        return Complex(content=content, mixed=mixed or (extends and inherited.mixed), **both)

    def _content(self, node: etree._Element) -> Group | None:
        for child in node.iterchildren(*_GROUPS, f"{_X}group"):
            group = self._group(child)
            return group if group.parts else None
        return None

    def _group(self, node: etree._Element) -> Group:
        least, most = _occurs(node)
        if node.tag == f"{_X}group":
            found = self._raw.get(("group", qualified(node, node.get("ref", ""))))
            if found is None:
                raise InputError(f"the group {node.get('ref')} is not declared in the documents given")
            inner = self._group(next(found.iterchildren(*_GROUPS)))
            return inner if (least, most) == (1, 1) else _flat("sequence", [inner], least, most)
        parts: list[Element | Group | Wildcard] = []
        for child in node.iterchildren(f"{_X}element", f"{_X}any", f"{_X}group", *_GROUPS):
            if child.tag == f"{_X}element":
                parts.append(self._element(child))
            elif child.tag == f"{_X}any":
                low, high = _occurs(child)
                space, process = child.get("namespace", "##any"), child.get("processContents", "strict")
                parts.append(Wildcard(namespace=space, process=process, least=low, most=high))
            else:
                parts.append(self._group(child))
        return _flat(_GROUPS[str(node.tag)], parts, least, most)

    def _attributes(self, node: etree._Element) -> _Attributes:
        found: dict[str, Attribute] = {}
        any_attribute = next(node.iterchildren(f"{_X}anyAttribute"), None) is not None
        for child in node.iterchildren(f"{_X}attribute", f"{_X}attributeGroup"):
            reference = qualified(child, child.get("ref", "")) if child.get("ref") else None
            kind = etree.QName(child).localname
            target = self._raw.get((str(kind), reference)) if reference else child
            if kind == "attributeGroup" and target is not None:
                inner = self._attributes(target)
                found |= inner["attributes"]
                any_attribute = any_attribute or inner["any_attribute"]
            elif kind == "attribute" and child.get("use") != "prohibited":
                found[reference or str(child.get("name"))] = Attribute(
                    required=child.get("use") == "required",
                    type=f"{_X}anySimpleType" if target is None else self._attribute_type(target),
                    fixed=child.get("fixed"),
                )
        return {"attributes": found, "any_attribute": any_attribute}

    def _attribute_type(self, node: etree._Element) -> TypeRef:
        type_ = self._type_of(node)
        return f"{_X}anySimpleType" if type_ == f"{_X}anyType" else type_


class _Attributes(TypedDict):
    attributes: dict[str, Attribute]
    any_attribute: bool


def _schema_of(node: etree._Element) -> etree._Element:
    return next(node.iterancestors(f"{_X}schema"))


def qualified(node: etree._Element, name: str) -> str:
    """``prefix:name`` where it stands, as ``{namespace}name``; InputError for a prefix nobody declared."""
    prefix, _, local = name.rpartition(":")
    space = node.nsmap.get(prefix or None)
    if prefix and space is None:
        raise InputError(f"the prefix of {name} is not declared")
    if space is None and (schema := next(node.iterancestors(f"{_X}schema"), None)) is not None:
        # a document without namespace takes that of the one which includes it
        space = schema.get("targetNamespace")
    return f"{{{space or ''}}}{local}"


def _occurs(node: etree._Element) -> tuple[int, int | None]:
    least, most = node.get("minOccurs", "1"), node.get("maxOccurs", "1")
    try:
        return int(least), None if most == "unbounded" else int(most)
    except ValueError:
        raise InputError(f"{node.get('name') or etree.QName(node).localname}: occurrences are not numbers") from None


def _facets(step: etree._Element) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for child in step.iterchildren(f"{_X}*"):
        if child.get("value") is not None:
            name = etree.QName(child).localname
            found[name] = (*found.get(name, ()), child.get("value", ""))
    return found


def _flat(kind: str, parts: list[Element | Group | Wildcard], least: int, most: int | None) -> Group:
    """A group; a plain sequence inside a sequence makes no difference, nor does an empty group."""
    flat: list[Element | Group | Wildcard] = []
    for part in parts:
        if isinstance(part, Group) and not part.parts:
            continue
        if isinstance(part, Group) and part.kind == kind == "sequence" and (part.least, part.most) == (1, 1):
            flat.extend(part.parts)
        else:
            flat.append(part)
    return Group(kind=kind, parts=tuple(flat), least=least, most=most)
