"""Profile T as the platform checks it: logins by digest, tokens that run out, logouts."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import datetime, timedelta

from lxml import etree

from connectors.national_market.sandbox.wire import get, ws
from gateway.codec.moments import read_moment
from gateway.testing.books import Books

_WINDOW = timedelta(seconds=300)
_NONCE_LIFE = timedelta(minutes=10)


def login(
    content: etree._Element, books: Books, now: datetime, account: tuple[str, str], life: timedelta
) -> tuple[str, list[etree._Element]]:
    """Result code of a login, and token and life where it is good: 001 wrong account, 104 clock or repeated nonce."""
    app_id, nonce, created = (get(content, name) for name in ("AppId", "Nonce", "Created"))
    wanted = hashlib.sha256(f"{nonce}{created}{account[1]}".encode()).digest()
    try:
        given = base64.b64decode(get(content, "PasswordDigest"), validate=True)
    except binascii.Error:
        given = b""
    if app_id != account[0] or not hmac.compare_digest(given, wanted):
        return "001", []
    seen, at = books.get("nonces", nonce), read_moment(created)
    if at is None or abs(now - at) > _WINDOW or (seen is not None and now - datetime.fromisoformat(seen) < _NONCE_LIFE):
        return "104", []
    books.put("nonces", nonce, now.isoformat())
    token = hashlib.sha256(f"{nonce}{books.bump('logins')}{account[1]}".encode()).hexdigest()
    books.put("tokens", token, (now + life).isoformat())
    return "000", [ws.Token(token), ws.ExpiresInSeconds(str(int(life.total_seconds())))]


def is_good(token: str | None, books: Books, now: datetime) -> bool:
    """Whether a token was given out, not taken back, and has not run out."""
    until = books.get("tokens", token) if token else None
    return until is not None and now < datetime.fromisoformat(until)


def logout(token: str | None, books: Books) -> None:
    """Forget a token."""
    books.remove("tokens", token or "")
