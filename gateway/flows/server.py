"""Prefect's own server on a listening socket that the caller has opened: ``python -m gateway.flows.server DESCRIPTOR``.

The caller keeps the socket. The port stays ours while a server that ended is started again, callers wait meanwhile
instead of being refused, and no other process can take its place and be told the secret.

One repair: on Python 3.11 and 3.12 Prefect 3.9.1 hands time zones of pendulum to whenever, which takes none but plain
ones (pendulum 3.3.0, whenever 0.10.5: "tzinfo must be of type ZoneInfo (exactly)"). No cron line would ever make a run.
"""

from __future__ import annotations

import socket
import sys
from datetime import datetime
from importlib import import_module
from typing import Any
from zoneinfo import ZoneInfo

_ENDS_WITHIN_SECONDS = 3
"""open connections have so long when the server is asked to end"""


def repair_cron() -> None:
    """Let cron schedules convert moments whose time zone is a kind of ``ZoneInfo``."""
    schedules: Any = import_module("prefect.server.schemas.schedules")
    convert = schedules._whenever_zdt_from_py

    def with_plain_zone(moment: datetime) -> Any:
        zone = moment.tzinfo
        return convert(moment.replace(tzinfo=ZoneInfo(zone.key)) if isinstance(zone, ZoneInfo) else moment)

    schedules._whenever_zdt_from_py = with_plain_zone


def main(descriptor: int) -> None:
    """Serve Prefect's interface and page, with its services, until asked to end."""
    import uvicorn
    from prefect.server.api.server import create_app

    repair_cron()
    config = uvicorn.Config(
        create_app(final=True), log_level="error", timeout_graceful_shutdown=_ENDS_WITHIN_SECONDS, server_header=False
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(int(sys.argv[1]))
