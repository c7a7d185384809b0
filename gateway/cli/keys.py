"""``gateway keys``: which keys seal and index what, a new one, everything moved to it, and the old one taken away."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.approvals import ask_second_person
from gateway.cli.output import FAILURES, AsJson, columns, emit, opened, say, table
from gateway.domain.approvals import GuardedAct
from gateway.domain.errors import ConfigurationError, InputError
from gateway.locale import tr

if TYPE_CHECKING:
    from gateway.bootstrap import Gateway
    from gateway.store.vault import KeyRing

keys = typer.Typer(no_args_is_help=True, help="The key ring: what is sealed with which key, and how to change keys.")

_REST = timedelta(minutes=5)
"""how long a key must have been out of use before it may be retired: as long as a transaction may last"""


@keys.command("status")
def status(as_json: AsJson = False) -> None:
    """Count what is sealed, and what is found, with each key of the ring."""
    from gateway.operations.store import reindexing, resealing

    with opened() as gateway:
        ring = gateway.store.vault.ring
        with gateway.store.read() as connection:
            used, found_by = resealing.usage(connection), reindexing.usage(connection)
    totals, index = _totals(used, ring.keys), _totals(found_by, ring.indexes)
    if as_json:
        document = {"active": ring.active, "keys": totals, "columns": used}
        emit({**document, "index": {"active": ring.index_name, "keys": index, "columns": found_by}})
        return
    say(tr("active: {active}, index {index}", active=ring.active, index=ring.index_name))
    rows = [{"column": column, **counts} for column, counts in used.items() if counts]
    table(tr("sealed values by key"), columns("column", *ring.keys), [*rows, {"column": "all", **totals}])
    rows = [{"column": column, **counts} for column, counts in found_by.items() if counts]
    table(tr("digests by index key"), columns("column", *ring.indexes), [*rows, {"column": "all", **index}])


def _totals(used: dict[str, dict[str, int]], names: Iterable[str]) -> dict[str, int]:
    return {name: sum(counts.get(name, 0) for counts in used.values()) for name in names}


@keys.command("rotate")
def rotate(
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")],
    index: Annotated[bool, typer.Option("--index", help="The key by which people are found, instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add a new key to the ring, which seals from now on; running processes take it within a second.

    With --index it finds beside the old one, and takes over with a `gateway keys reseal` after five minutes.
    """
    with opened() as gateway:
        path = _ring_file(gateway)
        ring = gateway.store.vault.ring
        if index:
            if ring.other_indexes:
                raise InputError(
                    tr("the index key is being changed already: `gateway keys reseal`, then `keys retire`")
                )
            name, before = _next_name("i", ring.indexes), ring.index_name
            # the first index key may have marked as well, and marks never change
            fresh = replace(ring, other_indexes={name: secrets.token_bytes(32)}, mark=ring.marking)
        else:
            name, before = _next_name("k", ring.keys), ring.active
            fresh = replace(ring, active=name, keys={**ring.keys, name: secrets.token_bytes(32)})
        _put(gateway, fresh)
        gateway.note("rotate_key", f"{'index ' if index else ''}key {name}", reason=reason, detail={"before": before})
        gateway.seal()
    if as_json:
        emit({"index" if index else "active": name, "before": before})
    elif index:
        say(
            tr(
                "{name} finds beside {before}; keep a copy of {file}, then run `gateway keys reseal` now and later",
                name=name,
                before=before,
                file=path.name,
            )
        )
    else:
        say(
            tr(
                "{name} seals from now on; keep a copy of {file}, then run `gateway keys reseal`",
                name=name,
                file=path.name,
            )
        )


def _next_name(letter: str, names: Iterable[str]) -> str:
    taken = [int(found[1]) for name in names if (found := re.fullmatch(rf"{letter}(\d+)", name))]
    return f"{letter}{max(taken, default=0) + 1}"


def _put(gateway: Gateway, fresh: KeyRing) -> None:
    """Put another ring into its file, and note its new keys."""
    from gateway.operations.store.key_checks import prove_keys
    from gateway.store.vault import Vault, write_keys

    path = _ring_file(gateway)
    fresh.verify()
    write_keys(path, fresh)
    prove_keys(replace(gateway.store, vault=Vault(fresh, path)), gateway.edge.now())


@keys.command("reseal")
def reseal(as_json: AsJson = False) -> None:
    """Seal everything anew with the active key, and find everybody by the new index key, while work goes on.

    After a kill it simply goes on.
    """
    from gateway.operations.store.resealing import reseal as run

    with opened() as gateway:
        done = {name: vars(report) for name, report in run(gateway.store).items()}
        counted = {name: sum(report[name] for report in done.values()) for name in ("resealed", "moved", "closed")}
        active = gateway.store.vault.ring.active
        index = _reindex(gateway)
        gateway.note("reseal", f"key {active}", detail={**counted, "index": index})
        gateway.seal()
    if as_json:
        emit({"active": active, **counted, "columns": done, "index": index})
    else:
        rows = [{"column": name, **report} for name, report in done.items() if any(report.values())]
        table(tr("sealed with {active}", active=active), columns("column", "resealed", "moved", "closed"), rows)
        if counted["closed"]:
            say(tr("what is closed opens with no key of the ring: put the key back with which it was sealed"))
        _tell_index(index)
    if counted["closed"] or (index or {}).get("unknown"):
        raise typer.Exit(FAILURES)


def _reindex(gateway: Gateway) -> dict[str, Any] | None:
    """Go on with a change of the index key as far as it may go now; what was done, None where none is under way."""
    from gateway.operations.store import reindexing, resealing
    from gateway.operations.store.key_checks import lead_from
    from gateway.store.vault import write_keys

    ring = gateway.store.vault.ring
    told: dict[str, Any] = {"index": ring.index_name}
    for other in ring.other_indexes:
        if _number(other) < _number(ring.index_name):
            continue
        path, old, new, now = _ring_file(gateway), ring.index_name, other, gateway.edge.now()
        filled = reindexing.fill_index(gateway.store, old, new)
        told |= {"filled": filled.moved, "unknown": filled.left, "next": new}
        with gateway.store.read() as connection:
            known_since = resealing.since(connection, f"index {new}")
        if filled.left or known_since is None or now - known_since < _REST:
            return told | {"waits": True}
        with gateway.store.write() as connection:
            reindexing.refuse_unfilled(connection, old, new)
            lead_from(connection, f"index {new}", now)
        rest = {name: key for name, key in ring.indexes.items() if name != new}
        write_keys(path, replace(ring, index=ring.indexes[new], index_name=new, other_indexes=rest))
        gateway.store.vault.renew()
        gateway.note("lead_key", f"index key {new}", detail={"before": old})
        told |= {"index": new}
    ring = gateway.store.vault.ring
    for old in ring.other_indexes:
        moved = reindexing.move_rows(gateway.store, old)
        told["rows"] = {name: vars(report) for name, report in moved.items()}
    with gateway.store.read() as connection:
        gone = set(reindexing.usage(connection)["search_index.digest"]) - set(ring.indexes)
    if gone:  # a retirement was killed, or somebody wrote in its last second
        told["dropped"] = sum(reindexing.drop_index(gateway.store, name) for name in sorted(gone))
    return told if len(told) > 1 else None


def _number(name: str) -> int:
    return int("".join(letter for letter in name if letter.isdigit()) or 0)


def _tell_index(index: dict[str, Any] | None) -> None:
    if index is None:
        return
    if "filled" in index:
        say(tr("found by {next} as well: {filled}", next=index["next"], filled=index["filled"]))
        if index["unknown"]:
            say(
                tr(
                    "{unknown} digests of the index are of nothing that is kept: the new key cannot take over",
                    unknown=index["unknown"],
                )
            )
        elif index.get("waits"):
            say(
                tr(
                    "{next} takes over with the first `gateway keys reseal` five minutes after `keys rotate`",
                    next=index["next"],
                )
            )
    for name, report in index.get("rows", {}).items():
        say(
            tr(
                "{name}: {moved} moved to {index}, {left} left: their words were cleared",
                name=name,
                moved=report["moved"],
                index=index["index"],
                left=report["left"],
            )
        )


@keys.command("retire")
def retire(
    name: Annotated[str, typer.Argument(help="Name of the key, as `gateway keys status` gives it.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")],
    forget: Annotated[
        bool, typer.Option("--forget", help="Of an index key: let rows go that are found by it alone.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take a key out of the ring, once nothing in the store is sealed or found with it. Older backups still need it."""
    with opened() as gateway:
        _ring_file(gateway)
        ring = gateway.store.vault.ring
        of_index = name in ring.indexes
        active = ring.index_name if of_index else ring.active
        if name == active or not (of_index or name in ring.keys):
            raise InputError(
                tr("{name} is the active key", name=name)
                if name == active
                else tr("{name} is not in the ring", name=name)
            )
        if of_index and _number(name) > _number(active):
            raise InputError(tr("{name} is to take over: `gateway keys reseal`", name=name))
        ask_second_person(gateway, GuardedAct.RETIRE_KEY, f"key {name}", {"key": name, "forget": forget}, reason=reason)
        if of_index:
            told = _retire_index(gateway, name, forget=forget)
        else:
            told = {}
            _retire_key(gateway, name)
        gateway.note("retire_key", f"{'index ' if of_index else ''}key {name}", reason=reason, detail=told)
        gateway.seal()
    if as_json:
        emit({"retired": name, **told})
    else:
        say(tr("{name} is out of the ring; backups made before it was resealed cannot be read without it", name=name))


def _retire_key(gateway: Gateway, name: str) -> None:
    from gateway.operations.store import resealing
    from gateway.store.vault import write_keys

    ring, now = gateway.store.vault.ring, gateway.edge.now()
    with gateway.store.write() as connection:
        _rested(resealing.since(connection, ring.active), gateway, ring.active)
        resealing.retire(connection, name, now)
    write_keys(_ring_file(gateway), replace(ring, keys={k: v for k, v in ring.keys.items() if k != name}))


def _retire_index(gateway: Gateway, name: str, *, forget: bool) -> dict[str, Any]:
    """Take an index key away; its digests go out of the index once nobody reads or writes them any more."""
    from gateway.operations.store import reindexing, resealing
    from gateway.operations.store.key_checks import retire_check
    from gateway.store.vault import write_keys

    ring, now, forgotten = gateway.store.vault.ring, gateway.edge.now(), 0
    with gateway.store.write() as connection:
        _rested(resealing.since(connection, f"index {ring.index_name}"), gateway, ring.index_name)
        if forget:
            forgotten = reindexing.forget(connection, name)
        used = reindexing.still_under(connection, name)
        if used:
            told = ", ".join(f"{column} {count}" for column, count in used.items())
            raise InputError(
                tr(
                    "the index key {name} is still needed: {told}; run `gateway keys reseal`; what it leaves was "
                    "cleared and is found by this key alone: --forget lets it go",
                    name=name,
                    told=told,
                )
            )
        retire_check(connection, f"index {name}", now)
    rest = {other: key for other, key in ring.other_indexes.items() if other != name}
    write_keys(_ring_file(gateway), replace(ring, other_indexes=rest))
    return {"forgotten": forgotten, "dropped": reindexing.drop_index(gateway.store, name)}


def _rested(since: Any, gateway: Gateway, name: str) -> None:
    if since is None or gateway.edge.now() - since < _REST:
        raise InputError(tr("{name} leads for less than five minutes: something may still be on its way", name=name))


def _ring_file(gateway: Gateway) -> Any:
    if gateway.settings.keys is not None:
        raise ConfigurationError(
            tr("the ring is in GATEWAY_KEYS: change it there, restart every process, then `gateway keys reseal`")
        )
    return gateway.settings.key_file
