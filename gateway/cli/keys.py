"""``gateway keys``: which keys seal what, a new one, everything sealed anew with it, and the old one taken away."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.output import FAILURES, AsJson, columns, emit, opened, say, table
from gateway.domain.errors import ConfigurationError, InputError
from gateway.locale import tr

if TYPE_CHECKING:
    from gateway.bootstrap import Gateway

keys = typer.Typer(no_args_is_help=True, help="The key ring: what is sealed with which key, and how to change keys.")

_REST = timedelta(minutes=5)
"""how long a key must have been out of use before it may be retired: as long as a transaction may last"""


@keys.command("status")
def status(as_json: AsJson = False) -> None:
    """Count what is sealed with each key of the ring."""
    from gateway.operations.store.resealing import usage

    with opened() as gateway:
        ring = gateway.store.vault.ring
        with gateway.store.read() as connection:
            used = usage(connection)
    totals = {name: sum(counts.get(name, 0) for counts in used.values()) for name in ring.keys}
    if as_json:
        emit({"active": ring.active, "keys": totals, "columns": used})
        return
    say(tr("active: {active}", active=ring.active))
    rows = [{"column": column, **counts} for column, counts in used.items() if counts]
    table(tr("sealed values by key"), columns("column", *ring.keys), [*rows, {"column": "all", **totals}])


@keys.command("rotate")
def rotate(reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")], as_json: AsJson = False) -> None:
    """Add a new key to the ring, which seals from now on; running processes take it within a second."""
    from gateway.operations.store.key_checks import prove_keys
    from gateway.store.vault import Vault, write_keys

    with opened() as gateway:
        path = _ring_file(gateway)
        ring = gateway.store.vault.ring
        taken = [int(found[1]) for name in ring.keys if (found := re.fullmatch(r"k(\d+)", name))]
        name = f"k{max(taken, default=0) + 1}"
        fresh = replace(ring, active=name, keys={**ring.keys, name: secrets.token_bytes(32)})
        fresh.verify()
        write_keys(path, fresh)
        prove_keys(replace(gateway.store, vault=Vault(fresh, path)), gateway.edge.now())
        gateway.note("rotate_key", f"key {name}", reason=reason, detail={"before": ring.active})
        gateway.seal()
    if as_json:
        emit({"active": name, "before": ring.active})
    else:
        say(
            tr(
                "{name} seals from now on; keep a copy of {file}, then run `gateway keys reseal`",
                name=name,
                file=path.name,
            )
        )


@keys.command("reseal")
def reseal(as_json: AsJson = False) -> None:
    """Seal everything anew with the active key, while work goes on; after a kill it simply goes on."""
    from gateway.operations.store.resealing import reseal as run

    with opened() as gateway:
        done = {name: vars(report) for name, report in run(gateway.store).items()}
        counted = {name: sum(report[name] for report in done.values()) for name in ("resealed", "moved", "closed")}
        active = gateway.store.vault.ring.active
        gateway.note("reseal", f"key {active}", detail=counted)
        gateway.seal()
    if as_json:
        emit({"active": active, **counted, "columns": done})
    else:
        rows = [{"column": name, **report} for name, report in done.items() if any(report.values())]
        table(tr("sealed with {active}", active=active), columns("column", "resealed", "moved", "closed"), rows)
        if counted["closed"]:
            say(tr("what is closed opens with no key of the ring: put the key back with which it was sealed"))
    if counted["closed"]:
        raise typer.Exit(FAILURES)


@keys.command("retire")
def retire(
    name: Annotated[str, typer.Argument(help="Name of the key, as `gateway keys status` gives it.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")],
    as_json: AsJson = False,
) -> None:
    """Take a key out of the ring, once nothing in the store is sealed with it. Older backups still need it."""
    from gateway.operations.store import resealing
    from gateway.store.vault import write_keys

    with opened() as gateway:
        path = _ring_file(gateway)
        ring, now = gateway.store.vault.ring, gateway.edge.now()
        if name not in ring.keys or name == ring.active:
            raise InputError(
                tr("{name} is the active key", name=name)
                if name == ring.active
                else tr("{name} is not in the ring", name=name)
            )
        with gateway.store.write() as connection:
            active_since = resealing.since(connection, ring.active)
            if active_since is None or now - active_since < _REST:
                raise InputError(
                    tr(
                        "{active} seals for less than five minutes: something may still be on its way",
                        active=ring.active,
                    )
                )
            resealing.retire(connection, name, now)
        write_keys(path, replace(ring, keys={k: v for k, v in ring.keys.items() if k != name}))
        gateway.note("retire_key", f"key {name}", reason=reason)
        gateway.seal()
    if as_json:
        emit({"retired": name})
    else:
        say(tr("{name} is out of the ring; backups made before it was resealed cannot be read without it", name=name))


def _ring_file(gateway: Gateway) -> Any:
    if gateway.settings.keys is not None:
        raise ConfigurationError(
            tr("the ring is in GATEWAY_KEYS: change it there, restart every process, then `gateway keys reseal`")
        )
    return gateway.settings.key_file
