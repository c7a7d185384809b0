"""The audit trail: who did what, when and why; append-only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, insert

from gateway.codec.redact import clean
from gateway.store.engine import VAULT
from gateway.store.tables import audit
from gateway.store.vault import Vault


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
    """Write one line of the audit trail; ``subject`` and ``detail`` name keys and counts.

    Whoever the reason names is masked; what was typed is sealed beside it, where it differs.
    """
    row = {"at": at, "actor": actor, "action": action, "object": clean(subject)[:120], "detail": dict(detail)}
    row["reason"] = None if reason is None else clean(reason)
    vault: Vault | None = connection.info.get(VAULT)
    if reason is not None and vault is not None and row["reason"] != reason:
        row["original"] = vault.seal(reason.encode("utf-8", "surrogatepass"), original_place(row))
    connection.execute(insert(audit), row)


def original_place(row: Mapping[str, Any]) -> str:
    """Where what was typed is sealed to."""
    return f"audit.original:{row['actor']}/{row['action']}/{row['object']}"
