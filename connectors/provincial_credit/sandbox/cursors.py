"""Cursors of the feed, opaque to callers (a position, the time it was given, a code against forgery); page tokens."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass
from datetime import datetime

from connectors.provincial_credit.sandbox.reading import CHINA
from connectors.provincial_credit.sandbox.refusal import Refusal
from gateway.testing.books import Books

_LIFE_DAYS = 90


@dataclass
class Cursors:
    """Makes and reads cursors; ``key`` is the platform's own."""

    books: Books
    key: bytes

    def position(self, query: dict[str, list[str]], now: datetime, total: int) -> int:
        """Where a request starts: at its cursor, at the beginning, now, or at a moment."""
        cursor, start = query.get("cursor"), query.get("from")
        if cursor:
            return min(self.read(cursor[0], now), total)
        match start and start[0]:
            case None:
                raise Refusal("PARAM_MISSING", "cursor or from is asked for")
            case "BEGIN":
                return 0
            case "NOW":
                return total
            case text:
                try:
                    since = datetime.fromisoformat(str(text)).astimezone(CHINA)
                except (ValueError, OverflowError):
                    raise Refusal("PARAM_INVALID", "from is BEGIN, NOW or a date-time") from None
        return sum(1 for _, (_, at) in self.books.items("feed") if at < since.timestamp())

    def at(self, position: int, now: datetime) -> str:
        """The cursor of a position."""
        plain = json.dumps({"p": position, "t": int(now.timestamp())}).encode()
        return base64.urlsafe_b64encode(plain + b"." + self._mac(plain)).decode()

    def read(self, cursor: str, now: datetime) -> int:
        """The position of a cursor; Refusal for one that is not ours, or too old."""
        try:
            plain, _, mac = base64.urlsafe_b64decode(cursor).rpartition(b".")
            if not hmac.compare_digest(mac, self._mac(plain)):
                raise Refusal("PARAM_INVALID", "the cursor is not one of ours")
            value = json.loads(plain)
        except ValueError:
            raise Refusal("PARAM_INVALID", "the cursor is not one of ours") from None
        if now.timestamp() - value["t"] > _LIFE_DAYS * 86400:
            raise Refusal("CURSOR_EXPIRED", "load the snapshot and start from its cursor")
        return int(value["p"])

    def _mac(self, plain: bytes) -> bytes:
        return hmac.digest(self.key, b"cursor" + plain, "sha256").hex().encode()


def pack(after: str) -> str:
    """A page token that goes on behind a key."""
    return base64.urlsafe_b64encode(json.dumps({"after": after}).encode()).decode()


def unpack(token: str | None) -> str:
    """The key behind which a page token goes on."""
    if token is None:
        return ""
    try:
        return str(json.loads(base64.urlsafe_b64decode(token))["after"])
    except (ValueError, KeyError, TypeError):
        raise Refusal("PARAM_INVALID", "the page token is not one of ours") from None
