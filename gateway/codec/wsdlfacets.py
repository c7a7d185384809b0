"""Which way a simple type moved: its built-in base, enumeration, patterns, bounds and white space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from gateway.codec.wsdlmodel import XSD, Complex, Shift, Simple, TypeRef
from gateway.codec.wsdlreader import Documents

_LOWER = ("minLength", "minInclusive", "minExclusive")
_UPPER = ("maxLength", "maxInclusive", "maxExclusive", "totalDigits", "fractionDigits")
_BASES = {
    "decimal": "double",
    "integer": "decimal",
    "nonPositiveInteger": "integer",
    "negativeInteger": "nonPositiveInteger",
    "long": "integer",
    "int": "long",
    "short": "int",
    "byte": "short",
    "nonNegativeInteger": "integer",
    "unsignedLong": "nonNegativeInteger",
    "unsignedInt": "unsignedLong",
    "unsignedShort": "unsignedInt",
    "unsignedByte": "unsignedShort",
    "positiveInteger": "nonNegativeInteger",
    "normalizedString": "string",
    "token": "normalizedString",
    "language": "token",
    "NMTOKEN": "token",
    "Name": "token",
    "NCName": "Name",
    "ID": "NCName",
    "IDREF": "NCName",
    "ENTITY": "NCName",
    "float": "double",
}
"""Built-in type -> one that allows every text it allows (XML Schema part 2, section 3; a double takes any decimal)"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Effective:
    """A simple type with all it inherits. ``patterns``: each must match, by one of its alternatives."""

    base: str
    facets: dict[str, str]
    values: frozenset[str] | None
    patterns: tuple[frozenset[str], ...]


def builtin_of(name: TypeRef) -> str | None:
    """The name of a built-in type, without its namespace."""
    space = f"{{{XSD}}}"
    return name.removeprefix(space) if isinstance(name, str) and name.startswith(space) else None


def spelled(type_: TypeRef | None) -> str:
    """A type for people."""
    if isinstance(type_, str):
        return builtin_of(type_) or type_.rpartition("}")[2]
    return "elements" if isinstance(type_, Complex) else "text"


def simple_changes(old: TypeRef, new: TypeRef, before: Documents, after: Documents) -> Iterator[tuple[str, Shift]]:
    """What changed between two simple types of two contracts, and which way."""
    was, now = _effective(old, before), _effective(new, after)
    if was.base != now.base:
        wider, narrower = was.base in _taken_by(now.base), now.base in _taken_by(was.base)
        shift = Shift.WIDER if wider else Shift.NARROWER if narrower else Shift.OTHER
        yield f"base {was.base} -> {now.base}", shift
    yield from _values(was.values, now.values)
    yield from _patterns(was.patterns, now.patterns)
    for name in sorted(was.facets.keys() | now.facets.keys()):
        left, right = was.facets.get(name), now.facets.get(name)
        if left != right:
            yield f"{name} {left or 'none'} -> {right or 'none'}", _facet(name, left, right)


def _effective(type_: TypeRef, contract: Documents) -> _Effective:
    if isinstance(type_, str):
        named = contract.type(type_)
        if named is None:
            return _Effective(base=builtin_of(type_) or type_, facets={}, values=None, patterns=())
        type_ = named
    if not isinstance(type_, Simple):
        # the text of a complex type whose content is simple
        return _effective((type_.simple if isinstance(type_, Complex) else None) or f"{{{XSD}}}anyType", contract)
    if type_.variety != "atomic":
        members = [_effective(member, contract) for member in type_.members]
        text = ", ".join(sorted(_signature(member) for member in members))
        return _Effective(base=f"{type_.variety} of {text}", facets={}, values=None, patterns=())
    base = _effective(type_.base or f"{{{XSD}}}string", contract)
    facets = dict(base.facets)
    values, patterns = base.values, base.patterns
    for name, given in type_.facets.items():
        if name == "enumeration":
            values = frozenset(given)
        elif name == "pattern":
            patterns = (*patterns, frozenset(given))
        else:
            facets[name] = given[-1]
    return _Effective(base=base.base, facets=facets, values=values, patterns=patterns)


def _signature(type_: _Effective) -> str:
    patterns = [sorted(step) for step in type_.patterns]
    facets = [*sorted(type_.facets.items()), *([sorted(type_.values)] if type_.values is not None else []), *patterns]
    return f"{type_.base} {facets}" if facets else type_.base


def _taken_by(name: str) -> set[str]:
    """``name`` and all built-in types whose every text ``name`` takes."""
    if name in ("anySimpleType", "anyType", "string"):
        return {*_BASES, *_BASES.values(), "boolean", "date", "dateTime", "time", "anyURI", "base64Binary", "hexBinary"}
    taken = {name}
    while True:
        more = {one for one, base in _BASES.items() if base in taken} - taken
        if not more:
            return taken
        taken |= more


def _values(old: frozenset[str] | None, new: frozenset[str] | None) -> Iterator[tuple[str, Shift]]:
    if old is None and new is not None:
        yield f"limited to the values {', '.join(sorted(new))}", Shift.NARROWER
    elif old is not None and new is None:
        yield "no longer limited to listed values", Shift.WIDER
    elif old is not None and new is not None:
        for value in sorted(new - old):
            yield f"value {value} added", Shift.WIDER
        for value in sorted(old - new):
            yield f"value {value} removed", Shift.NARROWER


def _patterns(old: tuple[frozenset[str], ...], new: tuple[frozenset[str], ...]) -> Iterator[tuple[str, Shift]]:
    if set(old) == set(new):
        return
    if len(old) == len(new) == 1 and (old[0] < new[0] or new[0] < old[0]):
        shift = Shift.WIDER if old[0] < new[0] else Shift.NARROWER
    elif set(old) < set(new):
        shift = Shift.NARROWER
    elif set(new) < set(old):
        shift = Shift.WIDER
    else:
        # whether one regular expression allows more than another is not worked out
        shift = Shift.OTHER
    yield f"pattern {_alternatives(old)} -> {_alternatives(new)}", shift


def _alternatives(patterns: tuple[frozenset[str], ...]) -> str:
    return " and ".join(" or ".join(sorted(step)) for step in patterns) or "none"


def _facet(name: str, old: str | None, new: str | None) -> Shift:
    if name not in (*_LOWER, *_UPPER, "length"):
        return Shift.OTHER
    if old is None or new is None:
        return Shift.NARROWER if old is None else Shift.WIDER
    if name == "length":
        return Shift.OTHER
    try:
        grew = Decimal(new) > Decimal(old)
    except InvalidOperation:
        if len(old) != len(new):
            return Shift.OTHER
        # dates and times of one form are in order as texts
        grew = new > old
    return Shift.WIDER if grew == (name in _UPPER) else Shift.NARROWER
