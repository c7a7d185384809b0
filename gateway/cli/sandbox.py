"""``gateway sandbox``: the simulated platforms on loopback ports, until interrupted."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.output import AsJson, complain, reported, say
from gateway.locale import tr

FOLLOW_PARENT = "GATEWAY_SANDBOX_FOLLOWS_STDIN"
"""set by a parent that holds our stdin: we end when it ends, even by SIGKILL"""


def sandbox(
    platform: Annotated[str | None, typer.Option(help="Only this platform; all of them where none is named.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the first platform; 0 takes free ones.")] = 0,
    dialect: Annotated[str | None, typer.Option(help="Dialect of the platform, where it has several.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 0,
    faults: Annotated[str, typer.Option(help="Faults: none, demo or rough.")] = "none",
    state: Annotated[Path | None, typer.Option(help="Folder for the books; in memory where none is named.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run the simulated platforms on 127.0.0.1; with --json the first line on stdout says how to reach them."""
    import asyncio

    from gateway import registry
    from gateway.testing import serving
    from gateway.testing.sandbox import PROFILES

    if faults not in PROFILES:
        complain(tr("unknown fault profile {faults!r}; known: {names}", faults=faults, names=", ".join(PROFILES)))
        raise typer.Exit(2)
    with reported():
        names = [platform] if platform else registry.names(registry.SANDBOXES)
        made = [registry.build_sandbox(name, dialect=dialect, seed=seed, faults=faults, state=state) for name in names]
        try:
            pairs = [(one, serving.bind(port + i if port else 0)) for i, one in enumerate(made)]
        except OSError as error:
            complain(tr("port {port}: {strerror}", port=port, strerror=error.strerror))
            raise typer.Exit(2) from None
        access = {one.platform: one.access(serving.address(listener)) for one, listener in pairs}
        _announce(access, as_json=as_json)
        asyncio.run(_serve(pairs))


def _announce(access: dict[str, Any], *, as_json: bool) -> None:
    import json

    if as_json:
        document = {name: {**one.details, "environment": dict(one.environment)} for name, one in access.items()}
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
        sys.stdout.flush()
        return
    for name, one in access.items():
        say(f"{name}")
        for key, value in one.details.items():
            say(f"  {key:14} {value}")
    say(tr("\n# point a gateway at them:"))
    for one in access.values():
        for key, value in one.environment.items():
            say(f"export {key}='{value}'")
    say(tr("\nCtrl-C ends"))


async def _serve(pairs: list[Any]) -> None:
    import asyncio

    from gateway.testing import serving

    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if os.environ.get(FOLLOW_PARENT):
        loop.add_reader(sys.stdin.fileno(), lambda: None if os.read(sys.stdin.fileno(), 1024) else stop.set())
    await serving.serve(pairs, stop)
