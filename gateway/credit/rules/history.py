"""What a platform's events come to for one record, and what the archive has to write when more of them arrive.

The same set of events gives the same history in whatever order they came: versions above a missing one wait, as do
versions whose subject is not surely ours, and everything below is replayed. Where two events carry one version and
differ, the first that arrived counts (or the one a person prefers), and the record is out of use until a later version
states its content anew. Only the authority that decided a record, or who supplied it, may change it (R11, F34).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.credit.rules.facts import Fact
from gateway.credit.rules.matching import Match
from gateway.credit.rules.periods import DisclosureRule
from gateway.credit.rules.statements import EFFECTS, AckCode, Effect, EventType, Statement, StatementRow
from gateway.credit.rules.timeline import Timeline
from gateway.domain.ticket_kinds import TicketKind

_TICKETS = {
    AckCode.VERSION_FORK: TicketKind.FORK,
    AckCode.IDENTITY_CONFLICT: TicketKind.IDENTITY,
    AckCode.UNAUTHORISED_SOURCE: TicketKind.OWNER,
}
_SETTLED = {
    AckCode.VERSION_FORK: TicketKind.FORK,
    AckCode.IDENTITY_CONFLICT: TicketKind.IDENTITY,
    AckCode.VERSION_GAP: TicketKind.GAP,
}
"""tickets that close by themselves once no event stands so any more; a gap gets its ticket only when it lasts"""


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """A record's statements, how each of its events stands, and who it is about.

    notes:   tickets that an event asks for once it is applied
    subject: the event that names the subject; None where nothing is in force
    """

    statements: tuple[Statement, ...]
    standing: Mapping[str, AckCode]
    notes: Mapping[str, frozenset[TicketKind]]
    subject: Fact | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What to answer about one event. ``tickets`` are to be opened, unless one of the kind is open for the record."""

    fact: Fact
    code: AckCode
    effect: Effect = Effect.NONE
    tickets: frozenset[TicketKind] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveChange:
    """What the archive writes: rows whose recorded time ends, statements to add, answers, tickets that are settled."""

    close: tuple[StatementRow, ...] = ()
    insert: tuple[Statement, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    settled: frozenset[TicketKind] = frozenset()
    subject: Fact | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldRecord:
    """What the archive holds of a record: its events in order of arrival, and the rows it believes now."""

    facts: tuple[Fact, ...] = ()
    rows: tuple[StatementRow, ...] = ()
    rules: tuple[DisclosureRule, ...] = field(default=(), repr=False)


def decide(held: HeldRecord, arrived: Sequence[Fact]) -> ArchiveChange:
    """Decide what follows from new events of one record, or from held ones whose match has become known.

    A final answer is never given twice; every other one is followed by the final one as soon as there is one (P6).
    """
    fresh, repeats = _without_repeats(held.facts, arrived)
    facts = (*held.facts, *fresh)
    history = replay(facts, held.rules)
    before = max((fact.version for fact in held.facts if fact.outcome is AckCode.APPLIED), default=0)
    outcomes = [
        _outcome(fact, code, history)
        for fact in facts
        if (code := _code(fact, history.standing[fact.ref], before)) is not fact.outcome
    ]
    outcomes += [Outcome(fact=fact, code=AckCode.DUPLICATE) for fact in repeats]
    believed = {row.statement for row in held.rows}
    wanted = frozenset(history.statements)
    standing = frozenset(history.standing.values())
    return ArchiveChange(
        close=tuple(row for row in held.rows if row.statement not in wanted),
        insert=tuple(statement for statement in history.statements if statement not in believed),
        outcomes=tuple(outcomes),
        settled=frozenset(kind for code, kind in _SETTLED.items() if code not in standing),
        subject=history.subject,
    )


def replay(facts: Sequence[Fact], rules: Iterable[DisclosureRule] = ()) -> History:
    """Rebuild a record from its events, given in order of arrival and without repeats."""
    given = [fact for fact in facts if not fact.local]
    foreign = _foreign(given)
    first: dict[int, Fact] = {}
    for fact in sorted(given, key=lambda fact: not fact.preferred):
        if fact.ref not in foreign:
            first.setdefault(fact.version, fact)
    reached = _reached(first, {fact.version for fact in given if fact.ref in foreign})
    settled = max((version for version in reached if first[version].match.applies), default=0)
    timeline = Timeline(rules)
    for version in sorted(version for version in first if version <= settled):
        timeline.apply(first[version])
        for fact in facts:
            if fact.local and fact.version == version:
                timeline.apply(fact)
    # A record that moved to someone we do not know is cleared from the one it was on, at once (F25).
    gone = any(version > settled and first[version].event_type is EventType.REASSIGNED for version in reached)
    return History(
        statements=() if gone else timeline.statements(),
        standing={
            fact.ref: AckCode.UNAUTHORISED_SOURCE
            if fact.ref in foreign
            else _standing(fact, first, reached, settled, timeline)
            for fact in facts
        },
        notes=timeline.notes,
        subject=first[settled] if settled and not gone else None,
    )


def _reached(first: Mapping[int, Fact], passed: Collection[int]) -> frozenset[int]:
    """The versions with everything below them known; one that came from a stranger only is known, and passed over."""
    reached: set[int] = set()
    for version in sorted({*first, *passed}):
        needed = first[version].needs if version in first else None
        if needed is None or needed in reached:
            reached.add(version)
    return frozenset(reached.intersection(first))


def _foreign(facts: Sequence[Fact]) -> frozenset[str]:
    """The events by which somebody else than its owner would change the record."""
    origin = min(facts, key=lambda fact: fact.version, default=None)
    if origin is None or origin.owner is None:
        return frozenset()
    return frozenset(
        fact.ref
        for fact in facts
        if fact.version > origin.version
        and fact.owner not in (None, origin.owner)
        and (fact.sender is None or fact.sender not in (origin.owner, origin.sender))
    )


def _standing(
    fact: Fact, first: Mapping[int, Fact], reached: frozenset[int], settled: int, timeline: Timeline
) -> AckCode:
    if fact.local:
        return AckCode.APPLIED
    if first[fact.version] is not fact:
        if first[fact.version].preferred:
            return AckCode.STALE
        return AckCode.STALE if timeline.restated > fact.version else AckCode.VERSION_FORK
    if fact.version <= settled:
        return AckCode.VERSION_FORK if fact.ref in timeline.refused else AckCode.APPLIED
    if fact.version not in reached:
        return AckCode.VERSION_GAP
    if fact.match in (Match.ID_ONLY, Match.CERT_NAME):
        return AckCode.IDENTITY_CONFLICT
    return AckCode.ACCEPTED_UNMATCHED


def _code(fact: Fact, standing: AckCode, before: int) -> AckCode:
    if fact.outcome is not None and fact.outcome.final:
        return fact.outcome
    return AckCode.STALE if standing is AckCode.APPLIED and fact.version < before else standing


def _outcome(fact: Fact, code: AckCode, history: History) -> Outcome:
    if code is AckCode.APPLIED:
        void = fact.event_type is EventType.CERT_INVALIDATED and fact.kind is EventType.CREATED
        effect = Effect.INVALIDATE if void else EFFECTS.get(fact.kind, Effect.NONE)
        return Outcome(fact=fact, code=code, effect=effect, tickets=history.notes.get(fact.ref, frozenset()))
    ticket = _TICKETS.get(code)
    return Outcome(fact=fact, code=code, tickets=frozenset({ticket}) if ticket else frozenset())


def _without_repeats(held: Sequence[Fact], arrived: Sequence[Fact]) -> tuple[list[Fact], list[Fact]]:
    known = {(fact.version, fact.digest) for fact in held}
    fresh: list[Fact] = []
    repeats: list[Fact] = []
    for fact in arrived:
        (repeats if (fact.version, fact.digest) in known else fresh).append(fact)
        known.add((fact.version, fact.digest))
    return fresh, repeats
