"""``gateway backup`` and ``restore``: the whole store in one file, into a store of either kind."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.output import AsJson, actor, emit, opened, say
from gateway.cli.progress import adding
from gateway.domain.errors import InputError
from gateway.locale import tr


def backup(
    to: Annotated[Path, typer.Argument(help="File to write, or a folder for a file named by the moment.")],
    as_json: AsJson = False,
) -> None:
    """Write the whole store to one file while work goes on. The keys are not in it: keep them elsewhere."""
    with opened() as gateway:
        from gateway.operations.store.backup import write
        from gateway.operations.store.metrics import BACKUP_DONE

        now = gateway.edge.now()
        if to.is_dir():
            to /= f"gateway-{now:%Y%m%dT%H%M%SZ}.backup"
        gateway.note("backup", "everything")
        gateway.seal()
        with adding(tr("rows"), quiet=as_json) as progress:
            contents = write(gateway.store, to, now, progress)
        gateway.note(BACKUP_DONE, "everything", detail={"rows": contents.total})
    if as_json:
        emit({"file": str(to), "schema": contents.schema, "rows": contents.rows, "total": contents.total})
    else:
        say(tr("{total} rows written to {to}", total=contents.total, to=to))


def restore(
    source: Annotated[Path, typer.Argument(help="A file that `gateway backup` wrote.")], as_json: AsJson = False
) -> None:
    """Read a backup into the empty store of the current settings, whichever kind it is; `gateway init` makes one."""
    with opened() as gateway:
        from gateway.operations.incarnation import hold_restored
        from gateway.operations.store.backup import restore as read

        if not source.is_file():
            raise InputError(tr("{name}: there is no such file", name=source.name))
        with adding(tr("rows"), quiet=as_json) as progress:
            contents = read(gateway.store, source, progress)
        gateway.note("restore", "everything", detail={"rows": contents.total, "of": contents.at.isoformat()})
        why = f"the store was read from a backup of {contents.at.isoformat()}"
        hold_restored(gateway.store, gateway.memory, gateway.platforms, reason=why, by=actor(), now=gateway.edge.now())
    if as_json:
        emit({"schema": contents.schema, "at": contents.at, "rows": contents.rows, "total": contents.total})
    else:
        say(
            tr(
                "{total} rows of {at} read; `gateway evidence verify --bytes` verifies it",
                total=contents.total,
                at=contents.at,
            )
        )
        say(
            tr("all platforms are held: take in what was reported since, then `gateway recover`, then `gateway resume`")
        )


def init(as_json: AsJson = False) -> None:
    """Create or upgrade the store; without GATEWAY_KEYS a key ring is made in GATEWAY_HOME."""
    with opened(create=True) as gateway:
        url = gateway.store.engine.url.render_as_string(hide_password=True)
        keys = "GATEWAY_KEYS" if gateway.settings.keys else str(gateway.settings.home / "keys.json")
        document = {"store": url, "keys": keys, "platforms": gateway.platforms}
        if as_json:
            emit(document)
            return
        say(tr("store ready: {url}", url=url))
        say(
            tr(
                "keys:        {keys} (keep a copy apart from the store; without them nothing personal can be read)",
                keys=keys,
            )
        )
        say(tr("platforms:   {names}", names=", ".join(gateway.platforms)))
