"""A WSDL 1.1 service and its schemas as plain data: what ``wsdlreader`` reads and ``wsdldiff`` compares.

Types are named ``{namespace}name``; the unnamed type of a global element has that element's name with ``#`` in front,
so that structures that hold themselves have an end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

XSD = "http://www.w3.org/2001/XMLSchema"


class Shift(Enum):
    """Which way a set of allowed documents moved."""

    NONE = "none"
    WIDER = "wider"
    NARROWER = "narrower"
    OTHER = "other"
    """neither holds the other, or it cannot be told"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Simple:
    """A simple type: one step of a derivation. ``facets`` has lists of values; ``members`` those of a list or union."""

    base: str | Simple | None = None
    facets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    variety: Literal["atomic", "list", "union"] = "atomic"
    members: tuple[str | Simple, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Element:
    """An element in its place. ``most`` None: unbounded."""

    name: str
    namespace: str | None
    type: TypeRef
    least: int = 1
    most: int | None = 1
    nillable: bool = False
    default: str | None = None
    fixed: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Wildcard:
    """``xs:any``."""

    namespace: str
    process: str
    least: int
    most: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Sequence, choice or all."""

    kind: str
    parts: tuple[Element | Group | Wildcard, ...]
    least: int = 1
    most: int | None = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Attribute:
    """An attribute of a complex type."""

    required: bool
    type: TypeRef
    fixed: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Complex:
    """A complex type with everything it inherits. ``simple``: the type of its text where it has no elements."""

    content: Group | None = None
    simple: TypeRef | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    any_attribute: bool = False
    mixed: bool = False


TypeRef = str | Simple | Complex


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One direction of an operation: (part, element or type) of the body, and the header elements."""

    parts: tuple[tuple[str, str], ...]
    headers: frozenset[str]
    use: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """An operation of a port; ``faults`` maps a name to its element."""

    action: str
    style: str
    request: Message | None
    reply: Message | None
    faults: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Port:
    """A SOAP port."""

    version: str
    transport: str
    address: str
    operations: Mapping[str, Operation]
