"""Which way the parts of a content model moved: whether they are there, how often, and with which fixed value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.codec.wsdlmodel import Element, Group, Shift, Wildcard

Found = Iterator[tuple[str, str, Shift]]
"""where, what, and which way the set of allowed documents moved"""
Part = Element | Group | Wildcard


def wider(is_wider: bool) -> Shift:
    """A move in one of the two directions."""
    return Shift.WIDER if is_wider else Shift.NARROWER


def came_or_went(needed: bool, *, came: bool) -> tuple[str, Shift]:
    """A part that one side must have and the other must not fits neither way."""
    what = f"{'required ' if needed else ''}{'added' if came else 'removed'}"
    return what, Shift.OTHER if needed else wider(came)


def occurrences(old: Part, new: Part, place: str) -> Found:
    """How often a part may stand."""
    if (old.least, old.most) == (new.least, new.most):
        return
    fewer = new.least > old.least or (new.most is not None and (old.most is None or new.most < old.most))
    more = new.least < old.least or (old.most is not None and (new.most is None or new.most > old.most))
    shift = Shift.OTHER if fewer and more else wider(more)
    yield place, f"occurs {_range(old)} -> {_range(new)}", shift


def _range(part: Part) -> str:
    return f"{part.least}..{'n' if part.most is None else part.most}"


def fixed(place: str, old: str | None, new: str | None) -> Found:
    """The only value an element or attribute may have."""
    if old != new:
        shift = Shift.OTHER if old is not None and new is not None else wider(new is None)
        yield place, f"fixed value {old or 'none'} -> {new or 'none'}", shift


def needed(part: Part) -> bool:
    """Whether every document holds something of the part."""
    if not part.least or not isinstance(part, Group):
        return bool(part.least)
    each = [needed(inner) for inner in part.parts]
    return all(each) if part.kind == "choice" else any(each)


def keyed(parts: Iterable[Part]) -> dict[str, Part]:
    """Parts by element name, groups and wildcards by kind; numbered where a name comes again."""
    keyed: dict[str, Part] = {}
    for part in parts:
        name = part.name if isinstance(part, Element) else part.kind if isinstance(part, Group) else "any"
        count = sum(1 for key in keyed if key.partition("#")[0] == name)
        keyed[f"{name}#{count + 1}" if count else name] = part
    return keyed
