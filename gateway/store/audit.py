"""The audit trail: who did what, when and why; append-only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, insert

from gateway.codec.redact import clean
from gateway.store.tables import audit


def note(
    connection: Connection,
    *,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    reason: str | None = None,
    detail: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write one line of the audit trail; ``subject`` and ``detail`` name keys and counts, and whoever the reason names
    is masked."""
    row = {"at": at, "actor": actor, "action": action, "object": clean(subject)[:120], "detail": dict(detail)}
    row["reason"] = None if reason is None else clean(reason)
    connection.execute(insert(audit), row)
