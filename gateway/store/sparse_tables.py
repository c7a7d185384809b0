"""What is left to do is little beside what is done. It has indexes of its own, and these are the words to reach them.

SQLite uses a partial index only where a query says its condition in the very same words; a bound value does not count.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Index, literal_column, text

from gateway.store.tables import delivery

_CONDITION = text("state <> 'accepted'")
Index("ix_delivery_open", delivery.c.platform, delivery.c.state, sqlite_where=_CONDITION, postgresql_where=_CONDITION)

MAY_BE_DUE: ColumnElement[bool] = literal_column("delivery.state IN ('queued', 'awaiting_ack', 'in_doubt')")
"""beside ``blocked_by IS NULL``: the index of what is due"""
OPEN: ColumnElement[bool] = literal_column("delivery.state <> 'accepted'")
"""the index of what is not accepted, whatever else is asked of it"""
