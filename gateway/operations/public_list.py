"""The public list of checks as one page of HTML that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from gateway.domain.errors import InputError
from gateway.locale import tr

TITLE = "建设从业人员岗位证书监督检查结果公示"


def write_page(out: Path, columns: Sequence[str], rows: Sequence[Sequence[str]], day: date) -> None:
    """Write the page, for anyone to read; InputError where the file cannot be written."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    source = files("gateway.operations").joinpath("public_list.html.j2").read_text(encoding="utf-8")
    page = environment.from_string(source).render(title=TITLE, columns=columns, rows=rows, day=day.isoformat())
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(
            tr("{out}: the page cannot be written: {strerror}", out=out, strerror=error.strerror)
        ) from error
