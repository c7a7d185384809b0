"""The UsernameToken written as text: zeep's own header, byte for byte in meaning, and zeep's where the two differ."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from lxml import etree

from gateway.codec.soap.envelope import ENVELOPE_11, ENVELOPE_12
from gateway.codec.soap.security import UsernameHeader, sign, username_token
from gateway.contract.messages import Stamp

STAMP = Stamp(
    message_id="01D7DY3M000000000000000001",
    now=datetime(2019, 4, 2, 1, 30, 59, 999_999, tzinfo=UTC),
    nonce=bytes(range(16)),
)
SPACES = (ENVELOPE_11, ENVELOPE_12)


def canonical(header: str, space: str) -> bytes:
    around = f'<soap-env:Header xmlns:soap-env="{space}">{header}</soap-env:Header>'
    return etree.tostring(etree.fromstring(around.encode()), method="c14n", exclusive=True)


def by_zeep(space: str, username: str, password: str, stamp: Stamp) -> bytes:
    envelope = etree.Element(f"{{{space}}}Envelope", nsmap={"soap-env": space})
    return canonical(
        etree.tostring(sign(envelope, username_token(username, password, stamp)), encoding="unicode"), space
    )


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(("username", "password"), [("370000", "plain"), ("a&b<c>", "密码 & more"), ("u", "p" * 200)])
def test_it_is_the_header_that_zeep_writes(space: str, username: str, password: str) -> None:
    header = UsernameHeader(username, password, space)
    china = replace(STAMP, now=STAMP.now.astimezone(timezone(timedelta(hours=8))))
    for stamp in (STAMP, replace(STAMP, nonce=bytes(16)), china):
        assert canonical(header.text(stamp), space) == by_zeep(space, username, password, stamp)


def test_the_same_stamp_gives_the_same_bytes_from_the_first_message_on() -> None:
    header = UsernameHeader("370000", "example-only", ENVELOPE_11)
    assert len({header.text(STAMP) for _ in range(3)}) == 1


def test_the_digest_is_over_nonce_moment_and_password() -> None:
    root = etree.fromstring(canonical(UsernameHeader("370000", "example-only", ENVELOPE_11).text(STAMP), ENVELOPE_11))
    nonce = base64.b64decode(root.findtext(".//{*}Nonce") or "")
    secret = nonce + (root.findtext(".//{*}Created") or "").encode() + b"example-only"
    digest = hashlib.sha1(secret, usedforsecurity=False).digest()
    assert root.findtext(".//{*}Password") == base64.b64encode(digest).decode()
    assert root.findtext(".//{*}Created") == "2019-04-02T01:30:59Z"


def test_where_zeep_writes_another_header_zeep_goes_on_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a change of the library; only zeep itself is changed here."""
    from zeep.wsse import username

    calls: list[Any] = []
    original: Any = username.UsernameToken.apply

    def otherwise(self: Any, envelope: Any, headers: Any) -> Any:
        calls.append(self)
        signed = original(self, envelope, headers)  # zeep's own
        envelope.find(".//{*}Username").text = "changed"
        return signed

    monkeypatch.setattr(username.UsernameToken, "apply", otherwise)
    header = UsernameHeader("370000", "example-only", ENVELOPE_11)
    assert all("changed" in header.text(STAMP) for _ in range(3))
    assert len(calls) == 3
