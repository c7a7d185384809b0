"""``gateway template``: the empty form for those who report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.output import AsJson, emit, reported, say


def template(
    out: Annotated[Path, typer.Argument(help="Where to write the form (.xlsx); an existing file is left alone.")],
    as_json: AsJson = False,
) -> None:
    """Write the empty summary form: every column with its rules as a comment, and drop-down lists."""
    with reported():
        from gateway.intake.reading.template import write_template

        columns = write_template(out)
    if as_json:
        emit({"template": str(out), "columns": columns})
    else:
        say(f"form: {out} ({columns} columns)")
