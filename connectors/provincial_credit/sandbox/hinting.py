"""The simulated platform's hint: its newest events, signed, to the address a caller has named (W01)."""

from __future__ import annotations

import base64
import hashlib
import http.client
from datetime import datetime
from urllib.parse import urlsplit

import rfc8785

from connectors.provincial_credit.sandbox.door import GM_TYPE, Door
from connectors.provincial_credit.sandbox.office import CreditOffice
from connectors.provincial_credit.sandbox.reading import milliseconds

MOST = 50
"""most events in one hint"""


def hint(door: Door, office: CreditOffice, path: str, now: datetime, most: int) -> tuple[dict[str, str], bytes]:
    """Headers and body of one hint; each has a nonce of its own."""
    body = rfc8785.dumps(office.newest(most, now))
    kind = "application/json; charset=utf-8"
    if door.profile.encrypted:
        kind, body = GM_TYPE, door.wrapped(body, now)
    number = door.books.bump("hints")
    headers = {
        "content-type": kind,
        "x-app-key": door.credentials.app_key,
        "x-timestamp": str(milliseconds(now)),
        "x-nonce": hashlib.sha256(f"hint {number}".encode()).hexdigest()[:32],
        "x-signature-alg": door.profile.algorithm,
    }
    if door.profile.digest == "sm3":
        headers["x-content-sm3"] = door.digest(body)
    else:
        headers["content-digest"] = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    named = (headers["x-app-key"], headers["x-timestamp"], headers["x-nonce"])
    lines = ("POST", path, "", *named, door.digest(body), "")
    return {**headers, "x-signature": door.lasting("\n".join(lines).encode())}, body


def send(url: str, headers: dict[str, str], body: bytes) -> int:
    """Post to an address on loopback; gives the status."""
    place = urlsplit(url)
    if place.scheme != "http" or place.hostname != "127.0.0.1":
        raise ValueError("hints go to http://127.0.0.1 only")
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=10)
    try:
        connection.request("POST", place.path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()
