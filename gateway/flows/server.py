"""Prefect's own server, with one repair: ``python -m gateway.flows.server --host 127.0.0.1 --port 4200``.

Prefect 3.8 and 3.9 fill flow runs in bulk through a mapped property that SQLAlchemy 2.1 refuses unless it is told how;
their scheduler then makes no run at all. The property is derived, and its columns are given beside it, so there is
nothing to fill. A server that runs with SQLAlchemy 2.0 needs no repair.
"""

from __future__ import annotations

import sys


def repair() -> None:
    """Let SQLAlchemy 2.1 pass over the derived property ``state`` of runs in bulk inserts."""
    from prefect.server.database import orm_models

    for model in (orm_models.FlowRun, orm_models.TaskRun):
        hybrid = vars(model)["state"]
        if getattr(hybrid, "bulk_dml_setter", hybrid) is None:
            hybrid.bulk_dml_setter = _pass_over


def _pass_over(_model: object, _mapping: object, _value: object) -> None:
    """The columns behind the property have their own values in the same mapping."""


def main() -> None:
    """Run ``prefect server start`` with the options given, in this process."""
    repair()
    from prefect.cli import app

    sys.argv = ["prefect", "server", "start", *sys.argv[1:]]
    app()


if __name__ == "__main__":
    main()
