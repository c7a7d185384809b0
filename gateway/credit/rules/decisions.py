"""The centre's own decisions: what one has to prove before it may be published, and by when it must be (R09, R10).

The proof follows the procedure of order 31 (人社部令第31号, article 17) by reference: notice of the subject's rights,
statement and defence recorded, a signed decision, delivery. A complaint is a clue and never a decision (R15).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

PUBLISH_DAYS, WARN_DAYS = 7, 5
"""working days after the decision to publish and push it, and to warn"""


class OwnState(StrEnum):
    """A decision is a draft until its proof is complete and an officer publishes it."""

    DRAFT = "DRAFT"
    PUBLISHED = "PUBLISHED"


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """That a decision was made by the rules.

    noticed:   the day the subject was told facts, reason, basis and rights
    heard:     statement and defence are recorded, or that the subject gave none
    delivered: the day the decision reached the subject
    digest:    SHA-256 of the signed decision, ``sha-256:`` and hex
    """

    noticed: date | None = None
    heard: bool = False
    delivered: date | None = None
    digest: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnRecord:
    """One version of an own record. Texts may name people; ``subject`` is our key, ``kind`` that of the subject.

    published_to: last day of disclosure as the decision fixes it; None leaves it to the rules
    """

    kind: str
    subject: str
    event_type: str = "CREATED"
    category: str
    credit_type: str | None = None
    credit_code: str | None = None
    content: str = field(repr=False)
    happened: date | None = None
    region: str
    authority: str
    legal_basis: str
    decision: str = field(repr=False)
    decision_no: str | None = None
    decided: date | None = None
    sanction: str | None = None
    """type of the sanction, with its term in ``sanction_to``"""
    sanction_to: date | None = None
    published_to: date | None = None
    severity: str | None = None
    usage_scope: str = "0"
    change_reason: str | None = None
    certificate: str | None = None
    """number of the certificate that the decision is about; with the event CERT_INVALIDATED it becomes void"""
    effective: date | None = None
    proof: Proof = field(default_factory=Proof)


def lacking(record: OwnRecord) -> tuple[str, ...]:
    """The fields for want of which a record stays a draft, in the order of the procedure (R10)."""
    proof = record.proof
    lacks = [
        name
        for name, there in (
            ("proof.noticed", proof.noticed is not None),
            ("proof.heard", proof.heard),
            ("decision_no", bool(record.decision_no)),
            ("decided", record.decided is not None),
            ("proof.digest", bool(proof.digest) and str(proof.digest).startswith("sha-256:")),
            ("proof.delivered", proof.delivered is not None),
        )
        if not there
    ]
    days = [day for day in (proof.noticed, record.decided, proof.delivered) if day is not None]
    if days != sorted(days):
        lacks.append("proof.order")
    return tuple(lacks)
