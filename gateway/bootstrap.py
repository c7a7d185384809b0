"""The composition root: settings become an open gateway. Nothing is opened at import, nothing is global."""

from __future__ import annotations

import random
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Self

from gateway import registry
from gateway.contract.connector import Connector
from gateway.domain.errors import ConfigurationError
from gateway.service.exchange import Edge, Exchanger
from gateway.settings import GatewaySettings, Loader, load
from gateway.store import control
from gateway.store.engine import Store, migrate, open_engine, verify_schema
from gateway.store.thread import StoreThread
from gateway.store.vault import KeyRing, Vault, read_or_make_keys
from gateway.transport.sender import Sender


def _ulid() -> str:
    from ulid import ULID

    return str(ULID())


def system_edge() -> Edge:
    """The real clock and random numbers."""
    return Edge(
        now=lambda: datetime.now(UTC),
        new_id=_ulid,
        random_bytes=secrets.token_bytes,
        draw=random.SystemRandom().random,
    )


@dataclass(kw_only=True)
class Gateway:
    """An open gateway: settings, store and connectors. Use it as a context manager."""

    settings: GatewaySettings
    store: Store
    loader: Loader = load
    edge: Edge = field(default_factory=system_edge)
    _connectors: dict[str, Connector] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    @cached_property
    def lease(self) -> timedelta:
        """How long a claimed delivery may stay with a worker that says nothing."""
        return timedelta(seconds=self.settings.lease_seconds)

    @property
    def platforms(self) -> list[str]:
        """Installed platforms."""
        return registry.names()

    def connector(self, platform: str) -> Connector:
        """The connector of a platform, built once."""
        if platform not in self._connectors:
            connector = registry.build_connector(platform, self.loader)
            if connector.endpoint.deadline >= self.lease:
                raise ConfigurationError(f"{platform}: the deadline must be shorter than GATEWAY_LEASE_SECONDS")
            self._connectors[platform] = connector
        return self._connectors[platform]

    def configured(self, chosen: Sequence[str] = ()) -> list[str]:
        """The platforms named, or all that have an endpoint; a named one that is not configured is an error."""
        if chosen:
            return [self.connector(name).info.platform for name in dict.fromkeys(chosen)]
        ready = []
        for name in self.platforms:
            try:
                self.connector(name)
            except ConfigurationError as error:
                if "ENDPOINT" not in str(error):
                    raise
                continue
            ready.append(name)
        return ready

    @asynccontextmanager
    async def exchanger(self, platform: str) -> AsyncIterator[Exchanger]:
        """The one door to a platform, open for the time of a task."""
        connector = self.connector(platform)
        with StoreThread(self.store) as thread:
            async with Sender(connector.endpoint) as sender:
                yield Exchanger(connector, sender, thread, self.edge)


def open_gateway(
    settings: GatewaySettings | None = None, *, loader: Loader = load, create: bool = False, edge: Edge | None = None
) -> Gateway:
    """Open store and keys; with ``create`` they are made or upgraded, else a store of another release is refused."""
    settings = settings or load(GatewaySettings)
    ring = _keys(settings, create=create)
    engine = open_engine(settings.url)
    if create:
        migrate(engine)
    else:
        verify_schema(engine)
    store = Store(engine=engine, vault=Vault(ring))
    gateway = Gateway(settings=settings, store=store, loader=loader, edge=edge or system_edge())
    if create:
        with store.write() as connection:
            control.register(connection, gateway.platforms)
    return gateway


def _keys(settings: GatewaySettings, *, create: bool) -> KeyRing:
    if settings.keys is not None:
        return KeyRing.parse(settings.keys.get_secret_value())
    return read_or_make_keys(Path(settings.home) / "keys.json", make=create)


def unread_variables(environment: Mapping[str, str], known: Sequence[type]) -> list[str]:
    """GATEWAY_ variables that no settings class reads: misspellings, most often."""
    readable: set[str] = set()
    for settings in known:
        prefix = str(settings.model_config.get("env_prefix", ""))  # type: ignore[attr-defined]
        readable |= {f"{prefix}{name}".upper() for name in settings.model_fields}  # type: ignore[attr-defined]
    return sorted(name for name in environment if name.upper().startswith("GATEWAY_") and name.upper() not in readable)
