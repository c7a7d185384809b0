"""Builds a credit record's statements on the axis of valid time from its events, one after the other.

A change holds from its date on, a correction holds wherever the corrected statement stood, and a record that was void
from the start leaves nothing but a mark. Time never orders events; their version does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime

from gateway.credit.rules.facts import CONTENT, Fact
from gateway.credit.rules.periods import Disclosure, DisclosureRule, disclosure
from gateway.credit.rules.statements import MOVES, EventType, Statement, Status
from gateway.domain.china import CHINA, day_start, end_of
from gateway.domain.ticket_kinds import TicketKind

PERIOD_END = "PERIOD_END"
"""reason of the statement that begins where disclosure ends by itself"""

_E = EventType
_RESTATED_PART = frozenset({_E.CORRECTED, _E.REASSIGNED, _E.PERIOD_CHANGED})
"""events that concern the statement last given, not those it had replaced before"""
_BESIDE = frozenset({_E.OBJECTION_OPENED, _E.OBJECTION_CLOSED, _E.REPAIR_REJECTED})
_UNDATED = frozenset({_E.CORRECTED, _E.REASSIGNED, _E.VOIDED, *_BESIDE})
"""events that speak of the statement as such, whatever date they carry"""
_UNDATED_UNLESS_STATED = frozenset({_E.REVOKED, _E.PERIOD_CHANGED, _E.REPAIR_REVOKED})
_VOIDING = frozenset({_E.REVOKED, _E.VOIDED})
_SEEN_AS = {_E.TOMBSTONE: Status.ACTIVE, _E.RETURNED: Status.WITHHELD}
"""what a record is when one of our own observations changes it"""


class Timeline:
    """The statements of one record while its events are replayed in order of version.

    Segments are contiguous and the last is open, or there is one void mark. The end of disclosure by the clock is drawn
    in by ``statements`` only, so that a changed period can still move it.
    """

    def __init__(self, rules: Iterable[DisclosureRule]) -> None:
        self.notes: dict[str, frozenset[TicketKind]] = {}
        """tickets an event asks for, by its reference"""
        self.refused: set[str] = set()
        """events that contradict what is held"""
        self.restated = 0
        """the highest version that stated the content anew"""
        self._segments: list[Statement] = []
        self._rules = tuple(rules)
        self._content: Fact | None = None
        self._objected = False

    def apply(self, fact: Fact) -> None:
        """Apply one event, or note that it contradicts what is held."""
        before = self._segments
        after: list[Statement] | None = before
        if not before:
            before = after = [self._state(fact, fact.kind)]
        if self._segments or fact.kind not in CONTENT | {_E.PERIOD_CHANGED}:
            after = self._next(before, fact)
        if after is None:
            self.refused.add(fact.ref)
            return
        self._segments = after
        self._note(fact, before)
        if fact.kind in (_E.OBJECTION_OPENED, _E.OBJECTION_CLOSED):
            self._objected = fact.kind is _E.OBJECTION_OPENED
        if self._content is None or fact.event_type in CONTENT:
            self._content, self.restated = fact, fact.version

    def statements(self) -> tuple[Statement, ...]:
        """The segments, each divided where its disclosure ends (F11)."""
        divided: list[Statement] = []
        for segment in self._segments:
            end = segment.publish_to
            if segment.status is not Status.ACTIVE or end is None or not _reaches(segment, end):
                divided.append(segment)
                continue
            if segment.valid_from < end:
                divided.append(replace(segment, valid_to=end))
            begin = max(end, segment.valid_from)
            divided.append(replace(segment, valid_from=begin, status=Status.EXPIRED, reason_code=PERIOD_END))
        return tuple(divided)

    def _next(self, segments: list[Statement], fact: Fact) -> list[Statement] | None:
        kind = fact.kind
        if segments[0].void:
            return segments if (segments[0].status, kind) in MOVES else None
        if kind is _E.CREATED:
            return self._overlay(segments, fact)
        if kind is _E.AMENDED and fact.effective_from is None:
            return self._update(segments, fact)
        undated = kind in _UNDATED or (kind in _UNDATED_UNLESS_STATED and fact.effective_from is None)
        after = self._spread(segments, fact, kind, None if undated else fact.moment)
        if after is not None and undated and kind in _VOIDING:
            start = segments[0].valid_from
            return [replace(after[-1], valid_from=start, valid_to=start)]
        return after

    def _update(self, segments: list[Statement], fact: Fact) -> list[Statement] | None:
        """An update without date: other key facts were an error, other circumstances are a change, both are both."""
        if not self._misstated(fact):
            return self._spread(segments, fact, _E.AMENDED, fact.moment)
        corrected = self._spread(segments, fact, _E.CORRECTED, None, keep_period=self._changed(fact))
        if corrected is None or not self._changed(fact):
            return corrected
        return self._spread(corrected, fact, _E.AMENDED, fact.moment)

    def _misstated(self, fact: Fact) -> bool:
        return self._content is not None and fact.key_facts != self._content.key_facts

    def _changed(self, fact: Fact) -> bool:
        return self._content is not None and fact.circumstances != self._content.circumstances

    def _overlay(self, segments: list[Statement], fact: Fact) -> list[Statement] | None:
        """A record told anew: it covers what was held from its own beginning on (F15 leaves the rest as history)."""
        status = _move(segments[-1], _E.CREATED)
        if status is None:
            return None
        stated = replace(self._state(fact, _E.CREATED), status=status)
        kept = [piece for piece in _cut(segments, stated.valid_from) if piece.valid_from < stated.valid_from]
        return [*kept, stated]

    def _spread(
        self,
        segments: list[Statement],
        fact: Fact,
        kind: EventType,
        since: datetime | None,
        *,
        keep_period: bool = False,
    ) -> list[Statement] | None:
        """Change the segments from ``since`` on, or all that the event concerns; None where one does not allow it."""
        since = segments[0].valid_from if since is None else max(since, segments[0].valid_from)
        after: list[Statement] = []
        for piece in _cut(segments, since):
            other = kind in _RESTATED_PART and self._content is not None and piece.content != self._content.ref
            if piece.valid_from < since or other:
                after.append(piece)
                continue
            status = _move(piece, kind)
            if status is None:
                return None
            after.append(self._altered(piece, fact, kind, status, keep_period=keep_period))
        return after

    def _altered(
        self, piece: Statement, fact: Fact, kind: EventType, status: Status, *, keep_period: bool
    ) -> Statement:
        if kind in CONTENT:
            stated = self._state(fact, kind)
            objection = stated.under_objection or (self._objected and piece.under_objection)
            stated = replace(
                stated,
                valid_from=piece.valid_from,
                valid_to=piece.valid_to,
                status=status,
                under_objection=objection,
            )
            reopens = kind is _E.AMENDED and _lapsed(piece) and _later(stated.publish_to, piece.publish_to)
            return _with_period(stated, _period_of(piece)) if keep_period or reopens else stated
        if kind is _E.PERIOD_CHANGED:
            altered = replace(_with_period(piece, self._period(fact)), status=status, disclosed=fact.disclosed)
        elif kind in (_E.OBJECTION_OPENED, _E.OBJECTION_CLOSED):
            altered = replace(piece, under_objection=kind is _E.OBJECTION_OPENED)
        else:
            altered = replace(piece, status=status)
        if altered == piece:
            return piece
        return replace(
            altered,
            event=fact.ref,
            source_version=fact.version,
            source_update_time=fact.event_time,
            reason_code=kind,
        )

    def _state(self, fact: Fact, kind: EventType) -> Statement:
        """The event's own statement, valid from the decision, or from the publication where that lies ahead (F31)."""
        happened = fact.event_time.astimezone(CHINA).date()
        begin = fact.publish_begin
        day = begin if begin is not None and begin > happened else fact.decision_date or begin or happened
        blank = Statement(
            valid_from=day_start(day),
            valid_to=None,
            status=Status.ACTIVE,
            under_objection=fact.status_code == "2",
            event=fact.ref,
            content=fact.ref,
            source_version=fact.version,
            source_update_time=fact.event_time,
            category=fact.category,
            usage_scope=fact.usage_scope,
            disclosed=fact.disclosed,
            happen_date=fact.happen_date,
            decision_date=fact.decision_date,
            effect_from=day_start(fact.decision_date) if fact.decision_date else None,
            effect_to=(end_of(fact.sanction_end) or day_start(date.max)) if fact.sanction_end else None,
            payload_digest=fact.digest,
            reason_code=fact.event_type if kind is _E.CREATED else kind,
        )
        return _with_period(blank, self._period(fact))

    def _period(self, fact: Fact) -> Disclosure:
        return disclosure(
            begin=fact.publish_begin,
            end=fact.publish_end,
            decided=fact.decision_date,
            category=fact.category,
            severities=fact.severities,
            sanction_end=fact.sanction_end,
            rules=self._rules,
        )

    def _note(self, fact: Fact, before: list[Statement]) -> None:
        kinds: set[TicketKind] = set()
        ended = before[-1] if before else None
        if fact.kind in CONTENT | {_E.PERIOD_CHANGED} and self._segments[-1].below_sanction:
            kinds.add(TicketKind.PERIOD_BELOW_SANCTION)
        if fact.kind is _E.AMENDED and fact.disclosed and ended is not None and _over(ended, fact.moment):
            kinds.add(TicketKind.PERIOD)
        if fact.kind is _E.AMENDED and fact.effective_from is None and self._misstated(fact) and self._changed(fact):
            kinds.add(TicketKind.REVIEW)
        if before and fact.kind in (_E.REVOKED, _E.REASSIGNED):
            kinds.add(TicketKind.NOTIFY)
        if fact.event_type is _E.CERT_INVALIDATED and fact.kind is not _E.REVOKED:
            kinds.add(TicketKind.CERTIFICATE)
        if fact.local and any(piece.status is _SEEN_AS[fact.kind] for piece in before):
            kinds.add(TicketKind.DISAPPEARED)
        if fact.kind is _E.REPAIR_REVOKED and any(piece.status is Status.REPAIRED for piece in before):
            kinds.add(TicketKind.REPAIR)
        if kinds:
            self.notes[fact.ref] = frozenset(kinds)


def _cut(segments: list[Statement], at: datetime) -> list[Statement]:
    pieces: list[Statement] = []
    for segment in segments:
        if segment.valid_from < at and (segment.valid_to is None or at < segment.valid_to):
            pieces += [replace(segment, valid_to=at), replace(segment, valid_from=at)]
        else:
            pieces.append(segment)
    return pieces


def _move(piece: Statement, kind: EventType) -> Status | None:
    """The piece's next status; one whose disclosure is over counts as expired, and stays so by its period."""
    if not _lapsed(piece):
        return MOVES.get((piece.status, kind))
    after = MOVES.get((Status.EXPIRED, kind))
    return piece.status if after is Status.EXPIRED else after


def _lapsed(piece: Statement) -> bool:
    return _over(piece, piece.valid_from)


def _over(piece: Statement, at: datetime) -> bool:
    return piece.status is Status.ACTIVE and piece.publish_to is not None and at >= piece.publish_to


def _later(end: datetime | None, other: datetime | None) -> bool:
    return other is not None and (end is None or end > other)


def _reaches(segment: Statement, moment: datetime) -> bool:
    return segment.valid_to is None or moment < segment.valid_to


def _period_of(piece: Statement) -> Disclosure:
    return Disclosure(begin=piece.publish_from, end=piece.publish_to, source=piece.period_source, rule_id=piece.rule_id)


def _with_period(statement: Statement, period: Disclosure) -> Statement:
    return replace(
        statement,
        publish_from=period.begin,
        publish_to=period.end,
        period_source=period.source,
        rule_id=period.rule_id,
    )
