"""``gateway new-connector``: a connector to begin with, as a distribution of its own that is green at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.output import AsJson, emit, reported, say
from gateway.locale import tr


def new_connector(
    name: Annotated[str, typer.Argument(help="Name of the platform: lower-case letters, digits, underscores.")],
    into: Annotated[Path | None, typer.Option(help="New folder for it; the name where none is given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the folder of a new connector: settings, mapping, adapter, sandbox, tests and README."""
    with reported():
        from gateway import registry
        from gateway.domain.errors import ConfigurationError
        from gateway.testing.scaffold import write

        if name in registry.names():
            raise ConfigurationError(tr("a platform {name} is installed already: choose another name", name=name))
        folder = into or Path(name)
        written = write(name, folder)
    if as_json:
        emit({"platform": name, "folder": str(folder), "files": [str(path) for path in written]})
        return
    for path in written:
        say(str(path))
    install, check = f"pip install -e {folder}", f"make -C {folder} check"
    say(
        tr(
            "\ninstall it: {install}; check it: {check}; what to do next: {readme}",
            install=install,
            check=check,
            readme=folder / "README.md",
        )
    )
