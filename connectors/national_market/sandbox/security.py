"""WS-Security UsernameToken with password digest, as the platform checks it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta

from lxml import etree

from connectors.national_market.sandbox.wire import WSSE, SoapFault
from gateway.codec.moments import read_moment
from gateway.testing.books import Books

_WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
_DIGEST = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"
_WINDOW = timedelta(seconds=300)
_NONCE_LIFE = timedelta(minutes=10)


def check(
    header: etree._Element | None, books: Books, now: datetime, account: tuple[str, str], *, soap12: bool
) -> None:
    """Raise a FailedAuthentication fault unless user, digest, creation time and nonce are all good."""
    reason = _refusal(header, books, now, account)
    if reason:
        raise SoapFault("wsse:FailedAuthentication", reason, soap12=soap12)


def _refusal(header: etree._Element | None, books: Books, now: datetime, account: tuple[str, str]) -> str | None:
    token = header.find(f"{{{WSSE}}}UsernameToken") if header is not None else None
    if token is None:
        return "no UsernameToken"
    password = token.find(f"{{{WSSE}}}Password")
    nonce_text = token.findtext(f"{{{WSSE}}}Nonce") or ""
    created = token.findtext(f"{{{_WSU}}}Created") or ""
    if password is None or password.get("Type") != _DIGEST:
        return "the password must be a digest"
    try:
        nonce = base64.b64decode(nonce_text, validate=True)
    except ValueError:
        return "the nonce is not in Base64"
    at = read_moment(created)
    if at is None or at.utcoffset() != timedelta():
        return "the creation time cannot be read, or is not in UTC"
    if len(nonce) < 16:
        return "the nonce is shorter than 16 bytes"
    if abs(now - at) > _WINDOW:
        return "created outside the clock window of 300 s"
    digest = base64.b64encode(
        hashlib.sha1(nonce + created.encode() + account[1].encode(), usedforsecurity=False).digest()
    )
    user = (token.findtext(f"{{{WSSE}}}Username") or "").strip()
    if user != account[0] or not hmac.compare_digest((password.text or "").strip().encode(), digest):
        return "user name or password wrong"
    seen = books.get("nonces", nonce_text)
    if seen is not None and now - datetime.fromisoformat(seen) < _NONCE_LIFE:
        return "the nonce was used before"
    books.put("nonces", nonce_text, now.isoformat())
    return None
