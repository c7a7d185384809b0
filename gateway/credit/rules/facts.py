"""One event of a credit record as the core sees it: what it says and when, and nothing personal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from gateway.credit.rules.matching import Match
from gateway.credit.rules.statements import AckCode, EventType
from gateway.domain.china import CHINA, day_start

CLOCK_TOLERANCE = timedelta(minutes=5)
CONTENT = frozenset(
    {EventType.CREATED, EventType.AMENDED, EventType.CORRECTED, EventType.REASSIGNED, EventType.CERT_INVALIDATED}
)
"""events that state the whole content anew; the others change only what their name says"""

_ALONE = frozenset({EventType.CREATED, EventType.CERT_INVALIDATED})
"""events that need no earlier version unless they name one"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """One event of a record, with nothing personal in it.

    ref:        identifies the event in the archive
    severities: normalised severity and ``scheme:code``
    key_facts:  digest over name, identifier, document number, decision date, amount and conduct code
    subject:    key of the local subject that was matched
    outcome:    how it was acknowledged; None for one that has just arrived
    local:      made by the gateway itself about the version it then held; never acknowledged, never orders events
    preferred:  chosen by a person among different events under one version
    owner:      who made the decision, and ``sender`` who supplied it, as digests; None where it is not said
    """

    ref: str
    event_type: EventType
    version: int
    prev_version: int | None = None
    digest: str
    event_time: datetime
    received_at: datetime
    effective_from: datetime | None = None
    happen_date: date | None = None
    decision_date: date | None = None
    sanction_end: date | None = None
    publish_begin: date | None = None
    publish_end: date | None = None
    category: str
    severities: frozenset[str] = frozenset()
    usage_scope: str = "0"
    status_code: str = "0"
    disclosed: bool = False
    key_facts: str = ""
    match: Match = Match.NONE
    subject: str | None = None
    outcome: AckCode | None = None
    local: bool = False
    preferred: bool = False
    owner: str | None = None
    sender: str | None = None

    @property
    def kind(self) -> EventType:
        """What the event does to the record.

        A full statement with status 1 (撤销) is a revocation whatever it is called (F07). A certificate declared
        void is a record like any other; what else follows from it stands elsewhere (F26).
        """
        if self.event_type in CONTENT and self.status_code == "1":
            return EventType.REVOKED
        return EventType.CREATED if self.event_type is EventType.CERT_INVALIDATED else self.event_type

    @property
    def needs(self) -> int | None:
        """The version that must be known first; None where the event stands alone."""
        if self.prev_version is not None and self.prev_version < self.version:
            return self.prev_version if self.prev_version > 0 else None
        return self.version - 1 if self.event_type not in _ALONE and self.version > 1 else None

    @property
    def clock_ahead(self) -> bool:
        """Whether the platform's clock ran ahead of ours by more than five minutes (F37)."""
        return self.event_time - self.received_at > CLOCK_TOLERANCE

    @property
    def moment(self) -> datetime:
        """From when the event counts: as stated, else from the start of its day, since a stop holds the same day."""
        if self.effective_from is not None:
            return self.effective_from
        happened = self.received_at if self.clock_ahead else self.event_time
        return day_start(happened.astimezone(CHINA).date())

    @property
    def circumstances(self) -> tuple[object, ...]:
        """What may change in the world without the record having been wrong: period, status, severity, term."""
        period = (self.publish_begin, self.publish_end, self.sanction_end)
        return (*period, self.status_code, self.severities, self.usage_scope, self.disclosed)
