"""The command line: one file for each noun. Heavy libraries are imported by the verb that needs them."""

from __future__ import annotations

import gc
import sys

_YOUNG = 50_000
"""objects made before Python looks for cycles among them: what a command loads stays until it ends"""


def main() -> None:
    """Entry point ``gateway``. What nobody has foreseen is one line as well, with its place and no text of its own."""
    gc.set_threshold(_YOUNG)
    from gateway.cli.app import build
    from gateway.cli.output import FAILURES, emit, tolerate_any_locale, unforeseen
    from gateway.private_files import set_umask

    set_umask()
    tolerate_any_locale()
    try:
        build(next(iter(sys.argv[1:]), None))()
    except Exception as error:  # noqa: BLE001 - the last guard before a person
        text = unforeseen(error)
        if "--json" in sys.argv:
            emit({"error": {"message": text, "exit_code": FAILURES}})
        sys.exit(FAILURES)
