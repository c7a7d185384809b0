"""Tell whether a key ring is that of the store, by check values that the store keeps of its keys."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from sqlalchemy import Connection, Engine, func, insert, inspect, select, update
from sqlalchemy.exc import IntegrityError

from gateway.domain.errors import ConfigurationError, StoreError
from gateway.locale import tr
from gateway.operations.store.sealed_columns import SEALED
from gateway.operations.store.tables import key_check
from gateway.store.engine import Store, reached
from gateway.store.tables import record, search_index
from gateway.store.vault import Vault

FOREIGN = tr(
    "the keys are not those of this store: put back the keys.json (or GATEWAY_KEYS) that it was written with; with "
    "others nothing can be read, and everybody would be taken for new"
)


def holds_anything(engine: Engine) -> bool:
    """Whether a store was ever written to: then keys must not be made for it."""
    with reached(engine), engine.connect() as connection:
        names = set(inspect(connection).get_table_names())
        if key_check.name in names and connection.execute(select(func.count()).select_from(key_check)).scalar_one():
            return True
        return any(
            table.name in names
            and connection.execute(select(table.primary_key.columns[0]).limit(1)).first() is not None
            for table in {column.table for column in SEALED} | {record}
        )


def prove_keys(store: Store, now: datetime) -> None:
    """Refuse a ring that is not the store's; a store that knows none yet, or not a new key of the ring, notes it."""
    with store.read() as connection:
        known = _known(connection)
        refuse_others(known, store.vault)
        noted = set(connection.execute(select(key_check.c.name)).scalars())
        if not known and not _opens_something(connection, store.vault):
            raise ConfigurationError(FOREIGN)
    fresh = {name: value for name, value in store.vault.checks().items() if name not in noted}
    if fresh:
        rows = [{"name": name, "value": value, "since": now} for name, value in fresh.items()]
        with suppress(IntegrityError), store.write() as connection:  # another process notes them at the same time
            connection.execute(insert(key_check), rows)
        with store.read() as connection:
            refuse_others(_known(connection), store.vault)


def refuse_others(known: dict[str, str], vault: Vault) -> None:
    """Raise ConfigurationError where check values are not those of a ring."""
    own = vault.checks()
    lost = sorted(name for name in known if name and name not in own)
    if any(own[name] != value for name, value in known.items() if name in own):
        raise ConfigurationError(FOREIGN)
    if lost:
        raise ConfigurationError(
            tr("the ring lacks the key {names}, with which values of this store are sealed", names=", ".join(lost))
        )


def _known(connection: Connection) -> dict[str, str]:
    in_use = select(key_check.c.name, key_check.c.value).where(key_check.c.retired_at.is_(None))
    return {row.name: row.value for row in connection.execute(in_use)}


def lead_from(connection: Connection, name: str, now: datetime) -> None:
    """Note that a key leads from now on."""
    connection.execute(update(key_check).where(key_check.c.name == name).values(since=now))


def retire_check(connection: Connection, name: str, now: datetime) -> None:
    """Note that a key is no longer needed."""
    connection.execute(update(key_check).where(key_check.c.name == name).values(retired_at=now))


def known_checks(connection: Connection) -> dict[str, str]:
    """Check values of the keys in use, by name."""
    return _known(connection)


def _opens_something(connection: Connection, vault: Vault) -> bool:
    """Whether the first sealed value there is opens; True where there is none, and nothing to be found either."""
    for column in SEALED:
        wanted = column.rows().where(column.value.is_not(None), func.length(column.value) > 0).limit(1)
        row = connection.execute(wanted).mappings().first()
        if row is not None:
            try:
                vault.open(row["sealed_value"], column.place(dict(row)))
            except StoreError:
                return False
            return True
    return connection.execute(select(search_index.c.digest).limit(1)).first() is None
