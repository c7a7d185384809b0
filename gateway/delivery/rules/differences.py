"""Compare what we owe with what a platform holds: pure, and every difference gets exactly one class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from gateway.domain.states import State

if TYPE_CHECKING:
    from gateway.contract.messages import Holding
    from gateway.domain.records import RecordKind


class Difference(StrEnum):
    """Classes of a reconciliation; together they cover every key on either side once."""

    MATCH = "match"
    LAG = "lag"
    """still on its way, or not yet to be expected there; of a new version, the one before may be there"""
    HELD_THERE = "held_there"
    """there as we would send it, and still queued here: a ledger that is older than what it sent, or a second sender"""
    OUTDATED = "outdated"
    """rejected or parked here, and the platform still holds the version before; the fields are named"""
    NEVER_SENT = "never_sent"
    """rejected or parked here, and not there"""
    LOST = "lost"
    """accepted by the platform, and not there"""
    ALTERED = "altered"
    """there, with other content; the fields are named"""
    DOUBLED = "doubled"
    """there more than once"""
    UNEXPECTED = "unexpected"
    """rejected or parked here, and there all the same"""
    UNKNOWN_HERE = "unknown_here"
    """there, and nothing we ever sent"""
    NOT_OWED = "not_owed"
    """the platform does not take it from us, and it is not there"""
    NOT_ASKED = "not_asked"
    """the platform gave no usable answer about it"""


QUIET = frozenset({Difference.MATCH, Difference.LAG, Difference.NEVER_SENT, Difference.NOT_OWED})
"""classes that need nobody"""
REPAIRED_BY_SENDING = (Difference.LOST, Difference.ALTERED)
"""classes of what was accepted that sending ours again mends"""


@dataclass(frozen=True, kw_only=True)
class Ours:
    """One record on our side: its newest delivery and what the platform should hold.

    state: None for a record that the platform is not owed; it may have come there on another way
    """

    delivery_id: int | None
    kind: RecordKind
    state: State | None
    expected: Holding | None
    """None where the record does not pass the connector's check"""
    asked: bool = True
    replaces: bool = False
    """whether the platform accepted an earlier version, so that something else may be there under the key"""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One key with its class; ``fields`` names what differs.

    theirs: the platform's key, and its own number, of what we know nothing of
    sides:  of a difference that needs somebody, each field that differs with what we and what the platform have;
            personal, so it is kept sealed and shown masked
    """

    difference: Difference
    kind: RecordKind
    delivery_id: int | None = None
    fields: tuple[str, ...] = ()
    theirs: tuple[str, str | None] | None = field(default=None, repr=False)
    sides: tuple[tuple[str, str, str], ...] = field(default=(), repr=False, compare=False)


def classify(ours: Iterable[Ours], theirs: Mapping[tuple[RecordKind, str], Sequence[Holding]]) -> list[Item]:
    """One item for each of ours and for each key that only the platform has."""
    items: list[Item] = []
    met: set[tuple[RecordKind, str]] = set()
    for own in ours:
        key = None if own.expected is None else (own.kind, own.expected.key)
        there = theirs.get(key, ()) if key else ()
        if key and there:
            met.add(key)
        difference, fields = _compare(own, there)
        sides = () if own.expected is None or difference in QUIET else _sides(own.expected, there, fields)
        items.append(
            Item(difference=difference, kind=own.kind, delivery_id=own.delivery_id, fields=fields, sides=sides)
        )
    items += [
        Item(difference=Difference.UNKNOWN_HERE, kind=kind, theirs=(key, there[0].platform_id if there else None))
        for (kind, key), there in theirs.items()
        if (kind, key) not in met
    ]
    return items


def _compare(own: Ours, there: Sequence[Holding]) -> tuple[Difference, tuple[str, ...]]:
    if not own.asked:
        return Difference.NOT_ASKED, ()
    if len(there) > 1:
        return Difference.DOUBLED, ()
    stopped = own.state in (State.REJECTED, State.PARKED)
    if not there:
        if own.state is None:
            return Difference.NOT_OWED, ()
        if own.state is State.ACCEPTED:
            return Difference.LOST, ()
        return (Difference.NEVER_SENT if stopped else Difference.LAG), ()
    assert own.expected is not None
    fields = differing(own.expected, there[0])
    if own.state in (State.ACCEPTED, None):
        return (Difference.ALTERED, fields) if fields else (Difference.MATCH, ())
    if stopped:
        return (Difference.OUTDATED if fields and own.replaces else Difference.UNEXPECTED), fields
    if own.state is State.QUEUED and not (fields and own.replaces):
        return Difference.HELD_THERE, fields
    return Difference.LAG, fields


def _sides(expected: Holding, there: Sequence[Holding], fields: Sequence[str]) -> tuple[tuple[str, str, str], ...]:
    def of(one: Holding, name: str) -> str:
        return one.fields.get(name, str(one.version or "") if name == "version" else "")

    return tuple((name, of(expected, name), of(there[0], name)) for name in fields) if there else ()


def differing(expected: Holding, held: Holding) -> tuple[str, ...]:
    """Names of fields in which a holding is not as expected; a field the platform does not show is no difference."""
    names = [name for name, value in expected.fields.items() if name in held.fields and held.fields[name] != value]
    if expected.version is not None and held.version is not None and expected.version != held.version:
        names.append("version")
    return tuple(names)
