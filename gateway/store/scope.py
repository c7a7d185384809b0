"""What a function of the store works with: its transaction, the vault, the platform it is about, and the moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from gateway.store.engine import Connection, Store
from gateway.store.vault import Vault


@dataclass(frozen=True, kw_only=True)
class Scope:
    """One transaction's work for one platform; ``at`` is the moment that is written down for it."""

    connection: Connection
    vault: Vault
    platform: str
    at: datetime


@contextmanager
def write_scope(store: Store, platform: str, at: datetime) -> Iterator[Scope]:
    """One write transaction, committed at the end of the block."""
    with store.write() as connection:
        yield Scope(connection=connection, vault=store.vault, platform=platform, at=at)
