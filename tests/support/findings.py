"""Synthetic credit events, as a platform sends them and as the archive's core sees them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from gateway.contract.messages import Finding, Subject, SubjectType
from gateway.credit.rules.facts import Fact
from gateway.credit.rules.history import ArchiveChange, HeldRecord, decide
from gateway.credit.rules.matching import Match
from gateway.credit.rules.periods import DisclosureRule
from gateway.credit.rules.statements import AckCode, EventType, Statement, StatementRow
from gateway.domain.records import Worker
from gateway.domain.ticket_kinds import TicketKind
from gateway.testing.people import CHINA

RECEIVED = datetime(2019, 12, 31, 16, 0, tzinfo=UTC)


def happened(version: int) -> datetime:
    """The moment a platform gives to version n of a record: noon of the 10th of the n-th month of 2019."""
    return datetime(2019 + (version - 1) // 12, (version - 1) % 12 + 1, 10, 12, 0, tzinfo=CHINA)


def fact(version: int = 1, event_type: EventType = EventType.CREATED, **changes: Any) -> Fact:
    """A bad record decided on 2019-01-08 and disclosed from 2019-01-10 to 2020-01-09, its subject surely ours."""
    values: dict[str, Any] = {
        "ref": f"{version}-{event_type}",
        "event_type": event_type,
        "version": version,
        "prev_version": version - 1 if version > 1 else None,
        "digest": f"sha-256:{version}-{event_type}",
        "event_time": happened(version),
        "received_at": RECEIVED,
        "decision_date": date(2019, 1, 8),
        "publish_begin": date(2019, 1, 10),
        "publish_end": date(2020, 1, 9),
        "category": "BAD",
        "disclosed": True,
        "key_facts": "facts",
        "match": Match.EXACT,
        "subject": "P1",
    }
    return Fact(**{**values, **changes})


def finding(worker: Worker, version: int = 1, event_type: str = "CREATED", **changes: Any) -> Finding:
    """The event that says the same of ``worker``; number it by ``stream_seq``."""
    record = changes.get("record_id", "CR370000-2019-000001")
    values: dict[str, Any] = {
        "event_id": f"EV-{record}-{version}",
        "stream": "PERSON_BAD",
        "stream_seq": version,
        "event_type": event_type,
        "event_time": happened(version),
        "record_id": record,
        "version": version,
        "prev_version": version - 1 if version > 1 else None,
        "digest": f"sha-256:{record}-{version}-{event_type}",
        "subject": Subject(
            type=SubjectType.PERSON, name=worker.name, id_type=worker.id_type, id_number=worker.id_number
        ),
        "category": "BAD",
        "credit_type": "D1-1",
        "credit_code": "D1-1-06",
        "content": "示例行为描述",
        "decision_date": date(2019, 1, 8),
        "decision_no": f"示例罚字〔2019〕{record}号",
        "is_public": True,
        "publish_begin": date(2019, 1, 10),
        "publish_end": date(2020, 1, 9),
    }
    return Finding(**{**values, **changes})


class Shelf:
    """An archive of one record in memory: carries out decisions as the store does, and checks its own rules."""

    def __init__(self, rules: tuple[DisclosureRule, ...] = ()) -> None:
        self.facts: list[Fact] = []
        self.rows: list[StatementRow] = []
        self.tickets: set[TicketKind] = set()
        self._rules = rules

    @property
    def believed(self) -> tuple[StatementRow, ...]:
        """The rows of which recorded time is open."""
        return tuple(row for row in self.rows if row.sys_to is None)

    @property
    def current(self) -> set[Statement]:
        """What the archive believes now."""
        return {row.statement for row in self.believed}

    def apply(self, at: datetime, *arrived: Fact) -> ArchiveChange:
        """Decide about the events and carry it out at ``at``."""
        known = {fact.ref for fact in self.facts}
        held = HeldRecord(facts=tuple(self.facts), rows=self.believed, rules=self._rules)
        decision = decide(held, [fact for fact in arrived if fact.ref not in known])
        self._settle(decision)
        self.rows = [replace(row, sys_to=at) if row in decision.close else row for row in self.rows]
        self.rows += [
            StatementRow(id=len(self.rows) + i, statement=statement, sys_from=at)
            for i, statement in enumerate(decision.insert)
        ]
        return decision

    def _settle(self, decision: ArchiveChange) -> None:
        for outcome in decision.outcomes:
            if outcome.code is AckCode.DUPLICATE:
                continue
            self.tickets |= outcome.tickets
            settled = replace(outcome.fact, outcome=outcome.code)
            places = [i for i, fact in enumerate(self.facts) if fact.ref == settled.ref]
            if places:
                self.facts[places[0]] = settled
            else:
                self.facts.append(settled)
        self.tickets -= decision.settled
