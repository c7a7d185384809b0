"""Tables of the operations wing: the evidence chain, legal holds, approvals and what retention removed."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from gateway.store.metadata import Id, Moment, metadata

evidence_link = Table(
    "evidence_link",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("seal", String(64), nullable=False),
    Column("anchored", Boolean, nullable=False, server_default=text("false")),
    Column("signature", String(88)),
)
"""The chain: each link's digest covers its parts and the link before. Numbered without gaps, so two cannot fork it.

``anchored``: its digest was noted outside the store; ``signature``: Ed25519 over the digest, in Base64.
"""

evidence_part = Table(
    "evidence_part",
    metadata,
    Column("link_id", Id, ForeignKey("evidence_link.id"), primary_key=True, autoincrement=False),
    Column("book", String(16), primary_key=True),
    Column("ranges", JSON, nullable=False),
    Column("leaves", LargeBinary, nullable=False),
    Column("top", BigInteger, nullable=False),
    Index("ix_evidence_part_top", "book", "top", "link_id"),
)
"""Which rows of a book a link covers, as ranges of ids, their leaf digests in that order, and the highest id so far.

Of a book of decisions the rows are named one by one, and ``top`` is the latest moment so far (microseconds, UTC).
"""

evidence_account = Table(
    "evidence_account",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("delivery_id", Id, ForeignKey("delivery.id"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("code", String(80)),
    Column("reason", Text),
    Column("platform_ref", String(80)),
    Column("payload", String(64)),
    Column("attempts", Integer, nullable=False),
    Column("verdicts", Integer, nullable=False),
    Column("members", String(64), nullable=False),
    Index("ix_evidence_account_delivery_id", "delivery_id"),
)
"""What a delivery came to at the moment a link was made: append-only, covered by that very link.

``payload``: mark of the payload; ``members``: digest of the ids of its exchanges, attempts and verdicts, so that none
can be left out of a pack.
"""

key_check = Table(
    "key_check",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("value", String(64), nullable=False),
    Column("since", Moment, nullable=False),
    Column("retired_at", Moment),
)
"""Check values of the keys this store was written with, by name; the nameless one is that of the index."""

incarnation = Table(
    "incarnation",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("restored", BigInteger, nullable=False, server_default="0"),
    Column("links", Id, nullable=False, server_default="0"),
)
"""One row. ``number`` grows with each process that sends, and each home keeps the highest it has met: a store below
that is an older one. ``restored`` is the number under which that was found last, ``links`` the head of the chain then.
"""

legal_hold = Table(
    "legal_hold",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("person_key", String(26)),
    Column("reason", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("by", String(80), nullable=False),
    Column("ended_at", Moment),
    Column("ended_by", String(80)),
)
"""What must not be deleted: a person's, or everything where ``person_key`` is empty."""

purge = Table(
    "purge",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("by", String(80), nullable=False),
    Column("rule", String(24), nullable=False),
    Column("before", Moment, nullable=False),
    Column("what", String(40), nullable=False),
    Column("ranges", JSON, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("seal", String(64), nullable=False, server_default=""),
)
"""What retention cleared or removed: ``what`` is a table, or a table and column; written in the same commit.

``seal``: mark of the row, which who can only write the tables cannot make.
"""

four_eyes = Table(
    "four_eyes",
    metadata,
    Column("act", String(24), primary_key=True),
    Column("since", Moment, nullable=False),
    Column("by", String(80), nullable=False),
    Column("above", BigInteger, nullable=False, server_default="0"),
)
"""Acts for which a second person is asked, and above how many transmissions, where it is one that is counted.

Once noted, settings that ask less change nothing.
"""

approval = Table(
    "approval",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("asked_at", Moment, nullable=False),
    Column("asked_by", String(80), nullable=False),
    Column("asked_uid", BigInteger, nullable=False),
    Column("act", String(24), nullable=False),
    Column("subject", String(120), nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("decided_at", Moment),
    Column("decided_by", String(80)),
    Column("decided_uid", BigInteger),
    Column("decision", String(12)),
    Column("note", Text),
    Column("used_at", Moment),
    Column("seal", String(64), nullable=False, server_default=""),
    Index("ix_approval_digest", "digest"),
)
"""Requests for a second person. ``digest`` is of the act and its parameters; ``seal`` marks the decision."""
