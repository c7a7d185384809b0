"""One call of ``open.api`` as bytes: common fields, signature, enterprise signature, percent-encoding.

The JSON text is made once and is the same in the signature and in the body; percent-encoding comes after signing, so
that the plus signs of Base64 survive. Source: README, sections "Transport" and "Signature".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

from connectors.worker_platform.cipher import encrypt
from connectors.worker_platform.dialect import Dialect
from gateway.contract.messages import JSON, Stamp, WireRequest

_QUOTED = [quote(bytes([byte]), safe="") for byte in range(256)]
_SPECIAL = [(chr(byte), _QUOTED[byte]) for byte in range(32, 127) if len(_QUOTED[byte]) > 1 and chr(byte) != "%"]
FORM = "application/x-www-form-urlencoded; charset=utf-8"


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """What the platform gave the caller: id, secret of 32 characters and, for some, an enterprise key."""

    appid: str
    secret: str = field(repr=False)
    corpkey: str | None = field(default=None, repr=False)


def text_to_sign(fields: Mapping[str, str], secret: str) -> str:
    """All fields sorted by name, joined raw, the secret at the end, the whole in lower case."""
    joined = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
    return f"{joined}&appsecret={secret}".lower()


def sign(fields: Mapping[str, str], secret: str) -> str:
    """SHA-256 of the text to sign, in lower-case hex."""
    return hashlib.sha256(text_to_sign(fields, secret).encode()).hexdigest()


def to_json(data: JSON, *, ascii_only: bool) -> str:
    """The business parameters as compact JSON in the order given; ASCII-escaped unless the dialect wants raw UTF-8."""
    return json.dumps(data, ensure_ascii=ascii_only, separators=(",", ":"))


def timestamp(moment: datetime, dialect: Dialect) -> str:
    """The moment in the dialect's zone and format."""
    return moment.astimezone(ZoneInfo(dialect.timestamp.zone)).strftime(dialect.timestamp.format)


def signed_fields(method: str, data: str, stamp: Stamp, dialect: Dialect, credentials: Credentials) -> dict[str, str]:
    """The form fields of one call with their signature; ``data`` is the JSON text as it will be sent."""
    names = dialect.names
    at = timestamp(stamp.now, dialect)
    fields = {
        names.appid: credentials.appid,
        names.data: data,
        names.format: "json",
        names.method: method,
        names.nonce: stamp.nonce.hex(),
        names.timestamp: at,
        names.version: dialect.version_of(method),
        **dialect.extra_fields,
    }
    if credentials.corpkey is not None and dialect.corpsign != "off":
        fields[names.corpsign] = encrypt(credentials.corpkey + at, credentials.secret)
    fields[names.sign] = sign(fields, credentials.secret)
    return fields


def encrypt_fields(data: JSON, dialect: Dialect, secret: str) -> JSON:
    """Encrypt the dialect's encrypted fields at any depth; an empty one is left out instead (README, "Encryption")."""
    if isinstance(data, Mapping):
        sealed: dict[str, JSON] = {}
        for name, value in data.items():
            if name not in dialect.encrypted:
                sealed[name] = value if type(value) is str else encrypt_fields(value, dialect, secret)
            elif value:
                sealed[name] = encrypt(str(value), secret)
        return sealed
    if isinstance(data, list | tuple):
        return [encrypt_fields(item, dialect, secret) for item in data]
    return data


def form_urlencoded(fields: Mapping[str, str]) -> bytes:
    """As ``urlencode(fields, quote_via=quote, safe="")``, which takes longer than all the rest of a request."""
    return "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in fields.items()]).encode("ascii")


def _quoted(text: str) -> str:
    if not text.isascii() or not text.isprintable():
        return "".join([_QUOTED[byte] for byte in text.encode()])
    if text.isalnum():
        return text
    text = text.replace("%", "%25")
    for character, quoted in _SPECIAL:
        if character in text:
            text = text.replace(character, quoted)
    return text


def encode(
    method: str, data: Mapping[str, JSON], stamp: Stamp, dialect: Dialect, credentials: Credentials, *, path: str
) -> WireRequest:
    """One complete request; the same input gives the same bytes."""
    sealed = encrypt_fields(data, dialect, credentials.secret)
    text = to_json([sealed] if dialect.wrap == "list" else sealed, ascii_only=dialect.ascii_json)
    fields = signed_fields(method, text, stamp, dialect, credentials)
    ordered = {name: fields[name] for name in sorted(fields)}
    if dialect.body == "json":
        body, content_type = to_json(ordered, ascii_only=True).encode("ascii"), "application/json; charset=utf-8"
    else:
        body, content_type = form_urlencoded(ordered), FORM
    return WireRequest(
        operation=method,
        path=path,
        headers={"content-type": content_type, "accept": "application/json"},
        body=body,
    )
