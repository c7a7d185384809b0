"""The command line: one file for each noun. Heavy libraries are imported by the verb that needs them."""

from __future__ import annotations


def main() -> None:
    """Entry point ``gateway``."""
    from gateway.cli.app import app
    from gateway.private_files import set_umask

    set_umask()
    app()
