"""Logging: to stderr, one JSON line for each event, with people masked whatever a library puts into its message."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from gateway.codec.redact import clean

_NOISY = ("alembic", "httpx", "httpcore", "aiohttp", "zeep", "urllib3", "sqlalchemy", "asyncio")
"""libraries that log addresses, bodies or parameters below WARNING"""
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLine(logging.Formatter):
    """One JSON object a line: time, level, logger, event and the ids given as ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        """Render, with identity, card and mobile numbers replaced everywhere."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            **{name: str(value) for name, value in vars(record).items() if name not in _OWN},
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return clean(json.dumps(line, ensure_ascii=False))


def set_up(level: str = "WARNING") -> None:
    """Send our logs to stderr and quieten libraries that would print requests."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLine())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
