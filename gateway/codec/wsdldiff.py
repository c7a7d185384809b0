"""What has changed between the contract a connector was written for and the one a platform publishes now.

The rule behind "breaking": every request we may send by the old contract must be allowed by the new one, and every
reply the new one allows must be one that the old contract's schema lets through. So a narrower type breaks requests, a
wider one replies, and what cannot be decided (another pattern, another order) breaks both. A declaration that no
operation reaches breaks nothing; a type that goes by another name is no change on the wire.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Flag, auto

from gateway.codec.wsdlfacets import builtin_of, simple_changes, spelled
from gateway.codec.wsdlmodel import (
    XSD,
    Attribute,
    Complex,
    Element,
    Group,
    Message,
    Operation,
    Port,
    Shift,
    TypeRef,
    Wildcard,
)
from gateway.codec.wsdlparts import Found, came_or_went, fixed, keyed, needed, occurrences, wider
from gateway.codec.wsdlports import Contract


class Direction(Flag):
    """Which messages hold a type."""

    NONE = 0
    REQUEST = auto()
    REPLY = auto()


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
    changes = _Comparison(Contract(pinned), Contract(offered)).changes()
    return tuple(sorted(dict.fromkeys(changes), key=lambda c: (not c.is_breaking, c.place, c.what)))


class _Comparison:
    """Walks both contracts side by side; each pair of types once, then tells which directions reach it."""

    def __init__(self, old: Contract, new: Contract) -> None:
        self._old, self._new = old, new
        self._found: dict[tuple[str, str], list[tuple[str, str, Shift]]] = {}
        self._below: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
        self._roots: list[tuple[tuple[str, str], Direction]] = []
        self._pair: tuple[str, str] = ("", "")

    def changes(self) -> Iterator[Change]:
        yield from self._ports()
        for name in self._old.types():
            if name in set(self._new.types()):
                self._types(name, name)
        reached = self._reach()
        for pair, found in self._found.items():
            for place, what, shift in found:
                yield Change(place=place, what=what, breaks=_broken(shift, reached[pair]))
        for kind, old, new in (
            ("element", set(self._old.elements()), set(self._new.elements())),
            ("type", set(self._old.types()), set(self._new.types())),
        ):
            for name in old ^ new:
                yield Change(place=f"{kind} {_local(name)}", what="removed" if name in old else "added", breaks=())

    def _reach(self) -> defaultdict[tuple[str, str], Direction]:
        reached: defaultdict[tuple[str, str], Direction] = defaultdict(lambda: Direction.NONE)
        waiting = list(self._roots)
        while waiting:
            pair, direction = waiting.pop()
            if direction not in reached[pair] or pair not in reached:
                reached[pair] |= direction
                waiting.extend((below, direction) for below in self._below[pair])
        return reached

    # ports and operations

    def _ports(self) -> Iterator[Change]:
        for name, old in self._old.ports.items():
            new = self._new.ports.get(name)
            if new is None:
                yield Change(place=f"port {name}", what="removed", breaks=("requests",))
                continue
            for what, before, after, breaks in (
                ("version", old.version, new.version, ("requests", "replies")),
                ("transport", old.transport, new.transport, ("requests", "replies")),
                ("address", old.address, new.address, ()),
            ):
                if before != after:
                    yield Change(place=f"port {name}", what=f"{what} {before} -> {after}", breaks=breaks)
            yield from self._operations(old, new)
        for name in self._new.ports.keys() - self._old.ports.keys():
            yield Change(place=f"port {name}", what="added", breaks=())

    def _operations(self, old: Port, new: Port) -> Iterator[Change]:
        for name, before in old.operations.items():
            place, after = f"operation {name}", new.operations.get(name)
            if after is None:
                yield Change(place=place, what="removed", breaks=("requests",))
                continue
            for what, was, now in (("SOAPAction", before.action, after.action), ("style", before.style, after.style)):
                if was != now:
                    yield Change(place=place, what=f"{what} {was} -> {now}", breaks=("requests",))
            yield from self._message(place, "request", before.request, after.request)
            yield from self._message(place, "reply", before.reply, after.reply)
            yield from self._faults(place, before, after)
        for name in new.operations.keys() - old.operations.keys():
            yield Change(place=f"operation {name}", what="added", breaks=())

    def _message(self, place: str, way: str, old: Message | None, new: Message | None) -> Iterator[Change]:
        direction, breaks = {
            "request": (Direction.REQUEST, ("requests",)),
            "reply": (Direction.REPLY, ("replies",)),
        }[way]
        if old is None or new is None:
            if old is not new:
                yield Change(place=place, what=f"{way} {'removed' if new is None else 'added'}", breaks=breaks)
            return
        if old.use != new.use:
            yield Change(place=place, what=f"{way} use {old.use} -> {new.use}", breaks=breaks)
        was, now = [element for _, element in old.parts], [element for _, element in new.parts]
        if was != now:
            text = f"{' '.join(map(_local, was)) or 'nothing'} -> {' '.join(map(_local, now)) or 'nothing'}"
            same = list(map(_local, was)) == list(map(_local, now))
            yield Change(place=place, what=f"{way} {'namespace of ' if same else ''}{text}", breaks=breaks)
        elif old.parts != new.parts:
            yield Change(place=place, what=f"{way} part renamed", breaks=())
        for header in old.headers ^ new.headers:
            added = header in new.headers
            needed = breaks if added and way == "request" else ()
            yield Change(
                place=place, what=f"{way} header {_local(header)} {'added' if added else 'removed'}", breaks=needed
            )
        for before, after in zip(was, now, strict=False):
            self._root(before, after, direction)

    def _faults(self, place: str, old: Operation, new: Operation) -> Iterator[Change]:
        for name in old.faults.keys() | new.faults.keys():
            before, after = old.faults.get(name), new.faults.get(name)
            if before is None or after is None:
                yield Change(place=place, what=f"fault {name} {'added' if before is None else 'removed'}", breaks=())
            elif before != after:
                what = f"fault {name} {_local(before)} -> {_local(after)}"
                yield Change(place=place, what=what, breaks=("replies",))
            else:
                self._root(before, after, Direction.REPLY)

    def _root(self, before: str, after: str, direction: Direction) -> None:
        old, new = self._old.element(before), self._new.element(after)
        if old is None or new is None:
            return
        pair = (f"element {before}", f"element {after}")
        self._roots.append((pair, direction))
        if pair not in self._found:
            outer, self._pair = self._pair, pair
            self._found[pair] = []
            self._found[pair] = list(self._elements(old, new, f"element {old.name}"))
            self._pair = outer

    # types

    def _types(self, old: str, new: str) -> None:
        pair = (old, new)
        if pair in self._found:
            return
        self._found[pair] = []
        outer, self._pair = self._pair, pair
        self._found[pair] = list(self._definitions(self._old.type(old), self._new.type(new), _title(old)))
        self._pair = outer

    def _refs(self, old: TypeRef, new: TypeRef, place: str) -> Found:
        """Two types in the same place: by name where both have one that is not built in, else in place."""
        if isinstance(old, str) and isinstance(new, str) and not (builtin_of(old) or builtin_of(new)):
            self._below[self._pair].append((old, new))
            self._types(old, new)
            if old != new:
                yield place, f"type {_local(old)} is now named {_local(new)}", Shift.NONE
            return
        before = self._old.type(old) or old if isinstance(old, str) else old
        after = self._new.type(new) or new if isinstance(new, str) else new
        yield from self._definitions(before, after, place)

    def _definitions(self, old: TypeRef | None, new: TypeRef | None, place: str) -> Found:
        assert old is not None
        assert new is not None
        if isinstance(old, Complex) and isinstance(new, Complex):
            yield from self._complex(old, new, place)
        elif isinstance(old, Complex) or isinstance(new, Complex):
            yield place, f"type {spelled(old)} -> {spelled(new)}", Shift.OTHER
        else:
            for what, shift in simple_changes(old, new, self._old, self._new):
                yield place, what, shift

    def _complex(self, old: Complex, new: Complex, place: str) -> Found:
        for what, before, after in (
            ("text between elements", old.mixed, new.mixed),
            ("further attributes", old.any_attribute, new.any_attribute),
        ):
            if before != after:
                yield place, f"{what} {'allowed' if after else 'no longer allowed'}", wider(after)
        if old.simple is not None and new.simple is not None:
            yield from self._refs(old.simple, new.simple, place)
        elif old.simple is not new.simple:
            yield place, "simple content added" if new.simple else "simple content removed", Shift.OTHER
        yield from self._attributes(old.attributes, new.attributes, place)
        empty = Group(kind="sequence", parts=())
        if old.content is not None or new.content is not None:
            yield from self._groups(old.content or empty, new.content or empty, place)

    def _attributes(self, old: Mapping[str, Attribute], new: Mapping[str, Attribute], place: str) -> Found:
        for name in sorted(old.keys() | new.keys()):
            where, before, after = f"{place} / @{_local(name)}", old.get(name), new.get(name)
            if before is None or after is None:
                present = before or after
                assert present is not None
                yield where, *came_or_went(present.required, came=before is None)
                continue
            if before.required != after.required:
                yield where, "required" if after.required else "no longer required", wider(not after.required)
            yield from fixed(where, before.fixed, after.fixed)
            yield from self._refs(before.type, after.type, where)

    # elements and groups

    def _groups(self, old: Group, new: Group, place: str) -> Found:
        if old.kind != new.kind and old.parts and new.parts:
            shift = {("sequence", "all"): Shift.WIDER, ("all", "sequence"): Shift.NARROWER}.get(
                (old.kind, new.kind), Shift.OTHER
            )
            yield place, f"{old.kind} -> {new.kind}", shift
        yield from occurrences(old, new, place)
        before, after = keyed(old.parts), keyed(new.parts)
        alternative = old.kind == "choice" and new.kind == "choice"
        for key in (*before, *(k for k in after if k not in before)):
            was, now = before.get(key), after.get(key)
            where = f"{place} / {key}"
            if was is None or now is None:
                present = was or now
                assert present is not None
                yield where, *came_or_went(needed(present) and not alternative, came=was is None)
            elif isinstance(was, Element) and isinstance(now, Element):
                yield from self._elements(was, now, where)
            elif isinstance(was, Group) and isinstance(now, Group):
                yield from self._groups(was, now, where)
            elif isinstance(was, Wildcard) and isinstance(now, Wildcard):
                yield from occurrences(was, now, where)
                if (was.namespace, was.process) != (now.namespace, now.process):
                    yield where, "wildcard changed", Shift.OTHER
        if old.kind == new.kind == "sequence" and [k for k in before if k in after] != [
            k for k in after if k in before
        ]:
            yield place, "order of elements changed", Shift.OTHER

    def _elements(self, old: Element, new: Element, place: str) -> Found:
        if old.namespace != new.namespace:
            yield place, f"namespace {old.namespace or 'none'} -> {new.namespace or 'none'}", Shift.OTHER
        yield from occurrences(old, new, place)
        if old.nillable != new.nillable:
            yield place, "may be nil" if new.nillable else "may no longer be nil", wider(new.nillable)
        if old.default != new.default:
            yield place, f"default {old.default or 'none'} -> {new.default or 'none'}", Shift.NONE
        yield from fixed(place, old.fixed, new.fixed)
        yield from self._refs(old.type, new.type, place)


def _broken(shift: Shift, reached: Direction) -> tuple[str, ...]:
    requests = shift in (Shift.NARROWER, Shift.OTHER) and Direction.REQUEST in reached
    replies = shift in (Shift.WIDER, Shift.OTHER) and Direction.REPLY in reached
    return ("requests",) * requests + ("replies",) * replies


def _title(name: str) -> str:
    return f"element {_local(name)}" if name.startswith("#") else f"type {_local(name)}"


def _local(name: str) -> str:
    return name.removeprefix(f"{{{XSD}}}").rpartition("}")[2]
