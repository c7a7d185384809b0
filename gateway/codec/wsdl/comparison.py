"""What has changed between the contract a connector was written for and the one a platform publishes now.

The rule behind "breaking": every request we may send by the old contract must be allowed by the new one, and every
reply the new one allows must be one that the old contract's schema lets through. So a narrower type breaks requests, a
wider one replies, and what cannot be decided (another pattern, another order) breaks both. A declaration that no
message reaches breaks nothing, nor does a type's name, nor white space around values, which neither side relies on.

A stack that writes its description from code (JAX-WS) states no facets, no greatest numbers and no alternatives at all.
Where the new contract has none anywhere and the old one had, their absence is told once and breaks nothing: the
platform need not have changed, and every reply is checked against the old schema before anything is concluded from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.codec.wsdl.reader import ELEMENTS, Contract, Path, Shift

_LOWER = ("minLength", "minInclusive", "minExclusive")
_UPPER = ("maxLength", "maxInclusive", "maxExclusive", "totalDigits", "fractionDigits")
_LIMITS = ("enumeration", "pattern", "length", *_LOWER, *_UPPER)
_WIDE_TO_NARROW = (
    "double decimal integer long int short byte",
    "double float",
    "integer nonPositiveInteger negativeInteger",
    "integer nonNegativeInteger unsignedLong unsignedInt unsignedShort unsignedByte",
    "nonNegativeInteger positiveInteger",
    "normalizedString token Name NCName ID",
    "NCName IDREF",
    "NCName ENTITY",
    "token language",
    "token NMTOKEN",
)
"""Built-in types of which each allows every text of the next (XML Schema part 2, section 3)"""
_ANY_TEXT = ("string", "anySimpleType", "anyType")
_OTHER_VALUE = {
    "version": Shift.OTHER,
    "transport": Shift.OTHER,
    "address": Shift.NONE,
    "SOAPAction": Shift.NARROWER,
    "style": Shift.NARROWER,
    "request": Shift.NARROWER,
    "reply": Shift.WIDER,
    "request use": Shift.NARROWER,
    "reply use": Shift.WIDER,
    "default": Shift.NONE,
    "whiteSpace": Shift.NONE,
    "namespace": Shift.OTHER,
    "wildcard": Shift.OTHER,
}
"""what another value of a property means, whatever the values"""
_OF_THE_PLACE = ("occurs", "namespace", "nil", "default", "fixed", "optional", "wildcard")
"""properties of an element or attribute; the others are of its type"""
_ALLOWED = {
    "nil": ("may no longer be nil", "may be nil"),
    "mixed": ("text between elements no longer allowed", "text between elements allowed"),
    "any_attribute": ("further attributes no longer allowed", "further attributes allowed"),
    "optional": ("required", "no longer required"),
}
"""properties that are on or off: what is said when one goes, and when it comes"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One difference. ``breaks`` says which messages no longer fit; empty where none."""

    place: str
    what: str
    breaks: tuple[str, ...]

    @property
    def is_breaking(self) -> bool:
        """Whether messages made or read by the old contract are at risk."""
        return bool(self.breaks)


def compare(pinned: Mapping[str, bytes], offered: Mapping[str, bytes]) -> tuple[Change, ...]:
    """All changes from ``pinned`` to ``offered``, breaking ones first; both as ``Contract`` takes them."""
    old, new = Contract(pinned), Contract(offered)
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    is_from_code = old.states_limits and not new.states_limits
    if is_from_code:
        old, new = Contract(pinned, loose=True), Contract(offered, loose=True)
        found["all types", "facets, greatest numbers and alternatives are no longer stated"] = set()
    for path, place, what, shift in _differences(old, new, is_from_code=is_from_code):
        reached = old.reached.get(path[0], set())
        found[place, what] |= reached & ({"requests"} if shift in (Shift.NARROWER, Shift.OTHER) else set())
        found[place, what] |= reached & ({"replies"} if shift in (Shift.WIDER, Shift.OTHER) else set())
    changes = [Change(place=p, what=w, breaks=tuple(sorted(b, reverse=True))) for (p, w), b in found.items()]
    return tuple(sorted(changes, key=lambda c: (not c.is_breaking, c.place, c.what)))


def _differences(old: Contract, new: Contract, *, is_from_code: bool) -> Iterator[tuple[Path, str, str, Shift]]:
    """Path, place for people, what, and which way; nothing from below what only one side has."""
    passed: set[Path] = set()
    for path in sorted(old.nodes.keys() | new.nodes.keys()):
        was, now = old.nodes.get(path), new.nodes.get(path)
        if path[:-1] in passed:
            passed.add(path)
        elif now is None and was is not None:
            passed.add(path)
            yield path, was.place, f"{was.presence.what}removed", was.presence.went
        elif was is None and now is not None:
            passed.add(path)
            above = old.nodes.get(path[:-1])
            is_inside = above is not None and " / " in now.place
            place = f"{above.inner} / {now.place.rpartition(' / ')[2]}" if above and is_inside else now.place
            yield path, place, f"{now.presence.what}added", now.presence.came
        elif was is not None and now is not None:
            bases = was.facts.get("base"), now.facts.get("base")
            if bases[0] != bases[1] and ELEMENTS in bases:
                passed.add(path)
                yield path, was.inner, f"type {bases[0]} -> {bases[1]}", Shift.OTHER
                continue
            for name in (*was.facts, *(n for n in now.facts if n not in was.facts)):
                left, right = was.facts.get(name), now.facts.get(name)
                if left != right and not (is_from_code and name in _LIMITS and right is None):
                    place = was.place if name in _OF_THE_PLACE else was.inner
                    for what, shift in _compared(name, left, right, is_from_code=is_from_code):
                        yield path, place, what, shift


def _compared(name: str, old: Any, new: Any, *, is_from_code: bool) -> Iterator[tuple[str, Shift]]:
    """What two different values of a property mean; None where one side does not have it."""
    arrow = f"{old or 'none'} -> {new or 'none'}"
    if name in ("request", "reply"):
        yield f"{name} {_elements(old, new)}", _OTHER_VALUE[name]
    elif name in _ALLOWED:
        yield _ALLOWED[name][bool(new)], _wider(bool(new))
    elif name == "fixed":
        yield f"fixed value {arrow}", Shift.OTHER if None not in (old, new) else _wider(new is None)
    elif name == "base":
        takes, taken = _takes(new, old), _takes(old, new)
        if not (is_from_code and new in _ANY_TEXT):
            yield f"base {arrow}", _wider(takes) if takes or taken else Shift.OTHER
    elif name == "enumeration":
        yield from _values(old, new)
    elif name == "pattern":
        texts = (" and ".join(" or ".join(step) for step in steps or ()) or "none" for steps in (old, new))
        yield f"pattern {' -> '.join(texts)}", _patterns(*({*map(frozenset, steps or ())} for steps in (old, new)))
    elif name in (
        "group",
        "order",
        "occurs",
        "group occurs",
        "request use",
        "reply use",
        "request parts",
        "reply parts",
    ):
        if old is not None and new is not None:
            yield from _structure(name, old, new, is_from_code=is_from_code)
    elif name in _OTHER_VALUE:
        yield f"{name} {arrow}", _OTHER_VALUE[name]
    elif (shift := _facet(name, old, new)) is not None:
        yield f"{name} {arrow}", shift


def _wider(is_wider: bool) -> Shift:
    return Shift.WIDER if is_wider else Shift.NARROWER


def _elements(old: list[str] | None, new: list[str] | None) -> str:
    if old is None or new is None:
        return "added" if old is None else "removed"
    before, after = (" ".join(element.rpartition("}")[2] for element in each) or "nothing" for each in (old, new))
    return f"{'namespace of ' if before == after else ''}{before} -> {after}"


def _structure(name: str, old: Any, new: Any, *, is_from_code: bool) -> Iterator[tuple[str, Shift]]:
    """What another kind, order or number of parts means."""
    if name == "group":
        shifts = {("sequence", "all"): Shift.WIDER, ("all", "sequence"): Shift.NARROWER}
        yield f"{old} -> {new}", shifts.get((old, new), Shift.OTHER)
    elif name == "order":
        if [key for key in old if key in new] != [key for key in new if key in old]:
            yield "order of elements changed", Shift.OTHER
    elif name.endswith("parts"):
        yield f"{name.removesuffix('s')} renamed", Shift.NONE
    elif name.endswith("use"):
        yield f"{name} {old} -> {new}", _OTHER_VALUE[name]
    else:
        (low, high), (least, most) = old, new
        high = None if is_from_code and most is None else high
        fewer = least > low or (most is not None and (high is None or most < high))
        more = least < low or (high is not None and (most is None or most > high))
        if fewer or more:
            ranges = (f"{a}..{'n' if b is None else b}" for a, b in (old, new))
            yield f"occurs {' -> '.join(ranges)}", Shift.OTHER if fewer and more else _wider(more)


def _takes(wide: str, narrow: str) -> bool:
    """Whether every text of the second built-in type is one of the first."""
    if wide == narrow or wide in _ANY_TEXT:
        return True
    chains = [chain.split() for chain in _WIDE_TO_NARROW]
    return any(_takes(chain[chain.index(wide) + 1], narrow) for chain in chains if wide in chain[:-1])


def _values(old: tuple[str, ...] | None, new: tuple[str, ...] | None) -> Iterator[tuple[str, Shift]]:
    if old is None:
        yield f"limited to the values {', '.join(new or ())}", Shift.NARROWER
    elif new is None:
        yield "no longer limited to listed values", Shift.WIDER
    else:
        yield from ((f"value {value} added", Shift.WIDER) for value in new if value not in old)
        yield from ((f"value {value} removed", Shift.NARROWER) for value in old if value not in new)


def _patterns(old: set[frozenset[str]], new: set[frozenset[str]]) -> Shift:
    if len(old) == len(new) == 1:
        ((one,), (other,)) = (old, new)
        return _wider(one < other) if one < other or other < one else Shift.OTHER
    # whether one regular expression allows more than another is not worked out
    return Shift.NARROWER if old < new else Shift.WIDER if new < old else Shift.OTHER


def _facet(name: str, old: str | None, new: str | None) -> Shift | None:
    """Which way a bound moved; None where it is the same number in another form."""
    if name not in (*_LOWER, *_UPPER) or old is None or new is None:
        return Shift.OTHER if None not in (old, new) else _wider(new is None)
    try:
        left, right = Decimal(old), Decimal(new)
        grew = right > left
    except InvalidOperation:
        # dates and times of one form are in order as texts
        return _wider((new > old) == (name in _UPPER)) if len(old) == len(new) else Shift.OTHER
    return None if left == right else _wider(grew == (name in _UPPER))
