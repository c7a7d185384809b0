"""Who is at which work on which platform, in the same metadata as the other tables."""

from __future__ import annotations

from sqlalchemy import Column, Integer, String, Table

from gateway.store.tables import Moment, metadata

run_lease = Table(
    "run_lease",
    metadata,
    Column("work", String(24), primary_key=True),
    Column("platform", String(40), primary_key=True),
    Column("lane", Integer, primary_key=True, autoincrement=False),
    Column("run", String(40), nullable=False),
    Column("owner", String(120), nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment, nullable=False),
)
"""One row for each run that is at work: ``run`` names it to the scheduler, ``owner`` is its process."""
