"""The command line: one file for each noun. Heavy libraries are imported by the verb that needs them."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point ``gateway``. What nobody has foreseen is one line as well, with its place and no text of its own."""
    from gateway.cli.app import app
    from gateway.cli.output import FAILURES, emit, tolerate_any_locale, unforeseen
    from gateway.private_files import set_umask

    set_umask()
    tolerate_any_locale()
    try:
        app()
    except Exception as error:  # noqa: BLE001 - the last guard before a person
        text = unforeseen(error)
        if "--json" in sys.argv:
            emit({"error": {"message": text, "exit_code": FAILURES}})
        sys.exit(FAILURES)
