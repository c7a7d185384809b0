"""Reads a platform's events about subjects, not records: merged, split, renamed, succeeded (F21 to F24).

The keys in such an event are ours for persons (the platform has them from the push: ``person.personKey``) and unified
social credit codes for enterprises. This is an assumption of the proposed contract, see the connector's README.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from gateway.credit.rules.statements import EventType

SUBJECT_EVENTS = frozenset({EventType.SUBJECT_MERGED, EventType.SUBJECT_SPLIT, EventType.SUBJECT_RENAMED})


class How(StrEnum):
    """How one enterprise took the place of another."""

    RENAMED = "RENAMED"
    REPLACED = "REPLACED"
    """its code was replaced"""
    MERGED = "MERGED"
    SPLIT = "SPLIT"


@dataclass(frozen=True, kw_only=True, slots=True)
class SubjectChange:
    """One such event, readable from the finding and from its sealed payload alike.

    since:    the day it holds from; None: from the event on
    inherits: the source says that the successor takes over the records (F24); otherwise they are only shown with it
    """

    event_id: str
    event_type: EventType
    record_id: str
    version: int
    enterprise: bool
    name: str = field(repr=False)
    id_type: str | None = None
    id_number: str | None = field(default=None, repr=False)
    corp_code: str | None = None
    from_key: str | None = None
    to_key: str | None = None
    how: How | None = None
    since: date | None = None
    inherits: bool = False

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> SubjectChange:
        """Read the fields of a finding; what is not said or cannot be read is left blank."""
        subject = plain["subject"] or {}
        given = (plain.get("extra") or {}).get("succession")
        succession = given if isinstance(given, Mapping) else {}
        how = succession.get("kind")
        return cls(
            event_id=plain["event_id"],
            event_type=EventType(plain["event_type"]),
            record_id=plain["record_id"],
            version=plain["version"],
            enterprise=subject.get("type") == "ENTERPRISE",
            name=subject.get("name") or "",
            id_type=subject.get("id_type"),
            id_number=subject.get("id_number"),
            corp_code=subject.get("corp_code"),
            from_key=_text(succession.get("fromKey")),
            to_key=_text(succession.get("toKey")),
            how=How(how) if how in set(How) else None,
            since=_day(succession.get("date")),
            inherits=succession.get("inherits") is True,
        )

    @property
    def succeeds(self) -> bool:
        """Whether one enterprise takes the place of another, rather than only changing its name."""
        return self.enterprise and None not in (self.from_key, self.to_key) and self.from_key != self.to_key


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
