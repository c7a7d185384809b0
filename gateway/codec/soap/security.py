"""WS-Security UsernameToken with password digest: zeep's own, and the same header as text for the hot path.

The text is written without zeep; the first one of each account is compared with zeep's, which writes on where the two
differ.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC
from typing import Any

from lxml import etree

from gateway.codec.soap.compiled_writer import escaped
from gateway.contract.messages import Stamp

_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
_WSSE, _WSU = f"{_WSS}wssecurity-secext-1.0.xsd", f"{_WSS}wssecurity-utility-1.0.xsd"
_PROFILE = f"{_WSS}username-token-profile-1.0"
_BASE64 = f"{_WSS}soap-message-security-1.0#Base64Binary"
_NONCE_BYTES = 12


def username_token(username: str, password: str, stamp: Stamp) -> Any:
    """zeep's UsernameToken with password digest, reproducible: nonce and creation time come from the stamp.

    zeep takes the nonce as text, so 12 of the stamp's 16 random bytes are written as 16 characters of base64.
    """
    from zeep.wsse.username import UsernameToken

    return UsernameToken(  # type: ignore[no-untyped-call]  # zeep has no types
        username,
        password,
        use_digest=True,
        nonce=_nonce(stamp).decode(),
        # zeep overwrites the zone without converting, so the moment must be in UTC already
        created=stamp.now.astimezone(UTC),
        zulu_timestamp=True,
    )


def sign(envelope: etree._Element, token: Any) -> etree._Element:
    """Add the header of a token of ``username_token`` and return it; the receiver must understand it."""
    token.apply(envelope, {})
    security = envelope.find(f"{{*}}Header/{{{_WSSE}}}Security")
    assert security is not None
    security.set(f"{{{etree.QName(envelope).namespace}}}mustUnderstand", "1")
    return security


class UsernameHeader:
    """The header of one account as text, for envelopes of one namespace with the prefix ``soap-env``."""

    def __init__(self, username: str, password: str, space: str) -> None:
        self._username, self._password, self._space = username, password, space
        self._is_zeeps: bool | None = None

    def text(self, stamp: Stamp) -> str:
        """The security header of one message."""
        if self._is_zeeps is False:
            return self._by_zeep(stamp)
        written = self._written(stamp)
        if self._is_zeeps is None:
            reference = self._by_zeep(stamp)
            self._is_zeeps = self._canonical(written) == self._canonical(reference)
            return written if self._is_zeeps else reference
        return written

    def _written(self, stamp: Stamp) -> str:
        nonce = _nonce(stamp)
        created = f"{stamp.now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        secret = nonce + created.encode() + self._password.encode()
        digest = base64.b64encode(hashlib.sha1(secret, usedforsecurity=False).digest()).decode()
        return (
            f'<wsse:Security xmlns:wsse="{_WSSE}" soap-env:mustUnderstand="1"><wsse:UsernameToken>'
            f"<wsse:Username>{escaped(self._username)}</wsse:Username>"
            f'<wsse:Password Type="{_PROFILE}#PasswordDigest">{digest}</wsse:Password>'
            f'<wsse:Nonce EncodingType="{_BASE64}">{base64.b64encode(nonce).decode()}</wsse:Nonce>'
            f'<wsu:Created xmlns:wsu="{_WSU}">{created}</wsu:Created></wsse:UsernameToken></wsse:Security>'
        )

    def _by_zeep(self, stamp: Stamp) -> str:
        envelope = etree.Element(f"{{{self._space}}}Envelope", nsmap={"soap-env": self._space})
        return etree.tostring(sign(envelope, username_token(self._username, self._password, stamp)), encoding="unicode")

    def _canonical(self, header: str) -> bytes:
        around = f'<soap-env:Header xmlns:soap-env="{self._space}">{header}</soap-env:Header>'
        return etree.tostring(etree.fromstring(around.encode()), method="c14n", exclusive=True)


def _nonce(stamp: Stamp) -> bytes:
    return base64.urlsafe_b64encode(stamp.nonce[:_NONCE_BYTES])
