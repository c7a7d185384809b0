"""Alembic's entry: runs on the connection that ``gateway.store.engine.migrate`` hands over."""

from __future__ import annotations

from alembic import context

from gateway.store import change_tables, credit_tables, source_tables, traffic_tables
from gateway.store.tables import metadata

for table in (
    credit_tables.credit_event,
    change_tables.record_change,
    source_tables.source_row,
    traffic_tables.slot,
):
    assert table.metadata is metadata, "one set of tables"
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
