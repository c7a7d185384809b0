"""Profile T: a login gives a token that every later call carries (README, "Transport and signing")."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from typing import cast
from xml.sax.saxutils import escape

from lxml import etree

from connectors.national_market import results
from connectors.national_market.typed import SERVICE, NationalMarket
from gateway.codec.replies import not_understood
from gateway.contract.codes import CodeDrift
from gateway.contract.connector import TOKEN_REFUSED
from gateway.contract.messages import JSON, HoldingsPage, Payload, Stamp, Token, Verdict, WireRequest, WireResponse
from gateway.domain.errors import ContractError
from gateway.domain.states import Event

_OPEN = frozenset({"GetServiceTime", "Login"})
"""operations without the header"""
_REFUSED = "101"


class TokenMarket(NationalMarket):
    """Dialect T with a login instead of a signature on each message: NeedsToken, and all that profile U has."""

    def encode_login(self, previous: Token | None, stamp: Stamp, /) -> WireRequest:
        """``PasswordDigest`` is SHA-256 over nonce, creation time and password, all as UTF-8 text."""
        nonce = stamp.nonce.hex()
        created = stamp.now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        secret = self._settings.password.get_secret_value()
        digest = hashlib.sha256(f"{nonce}{created}{secret}".encode()).digest()
        values: dict[str, JSON] = {"AppId": self._settings.account, "Nonce": nonce, "Created": created}
        # zeep writes bytes as base64; no JSON value is meant by it
        return self._call("Login", values | {"PasswordDigest": cast("JSON", digest)}, stamp)

    def decode_login(self, response: WireResponse, stamp: Stamp, /) -> Token | Verdict:
        """The token and its life. Renewed early, but not before half of a short life is over."""
        answer = self._open(response, "Login")
        if not isinstance(answer, etree._Element):
            return results.of_failure(answer)
        refusal = results.of_query(answer)
        if refusal is not None:
            return refusal
        text = (answer.findtext(f"{{{SERVICE}}}Token") or "").strip()
        given = (answer.findtext(f"{{{SERVICE}}}ExpiresInSeconds") or "").strip()
        seconds = int(given) if given else self._settings.token_seconds
        if not text or seconds <= 0:
            return not_understood("no_token", "a login that succeeded without a usable token", replay_safe=True)
        early = min(self._settings.token_renew_early_seconds, seconds / 2)
        expires = stamp.now + timedelta(seconds=seconds)
        return Token(values={"token": text}, expires_at=expires, renew_at=expires - timedelta(seconds=early))

    def encode_logout(self, stamp: Stamp, /) -> WireRequest:
        """End the login of the stamp's token. Nothing calls for it in daily work: a token simply runs out."""
        return self._call("Logout", {}, stamp)

    def decode_logout(self, response: WireResponse, stamp: Stamp, /) -> Verdict:
        """Accepted where the platform has forgotten the token."""
        answer = self._open(response, "Logout")
        if not isinstance(answer, etree._Element):
            return results.of_failure(answer)
        refusal = results.of_query(answer)
        return _told(refusal or Verdict(event=Event.ACCEPTED, code="000", reason="logged out"))

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        """As in profile U; a refused token asks for a new login."""
        return [_told(verdict) for verdict in super().decode_push(response, payloads, stamp)]

    def decode_ack(
        self, response: WireResponse, receipt: str, payloads: Sequence[Payload], stamp: Stamp, /
    ) -> Sequence[Verdict]:
        """As in profile U; a refused token asks for a new login."""
        return [_told(verdict) for verdict in super().decode_ack(response, receipt, payloads, stamp)]

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        """As in profile U; a refused token asks for a new login."""
        return _told(super().decode_lookup(response, payload, stamp))

    def decode_holdings(
        self, response: WireResponse, payload: Payload | None, stamp: Stamp, /
    ) -> HoldingsPage | Verdict:
        """As in profile U; a refused token asks for a new login."""
        page = super().decode_holdings(response, payload, stamp)
        return _told(page) if isinstance(page, Verdict) else page

    def decode_code_table(self, response: WireResponse, name: str, stamp: Stamp, /) -> CodeDrift | Verdict:
        """As in profile U; a refused token asks for a new login."""
        found = super().decode_code_table(response, name, stamp)
        return _told(found) if isinstance(found, Verdict) else found

    def _seal(self, operation: str, envelope: etree._Element, stamp: Stamp) -> tuple[bytes, dict[str, str]]:
        """Put the token into ``ws:AuthHeader``; the header stands before the body, whether or not zeep made one."""
        if operation not in _OPEN:
            if stamp.token is None:
                raise ContractError(f"{operation}: the stamp carries no token")
            space = etree.QName(envelope).namespace
            header = envelope.find(f"{{{space}}}Header")
            if header is None:
                header = etree.Element(f"{{{space}}}Header")
                envelope.insert(0, header)
            auth = etree.SubElement(header, f"{{{SERVICE}}}AuthHeader")
            etree.SubElement(auth, f"{{{SERVICE}}}Token").text = stamp.token.values["token"]
        return self._port.seal(operation, envelope)

    def _header(self, operation: str, stamp: Stamp) -> str:
        """The same for a message that was written as text: it has the prefix of the service."""
        if stamp.token is None:
            raise ContractError(f"{operation}: the stamp carries no token")
        token = escape(stamp.token.values["token"])
        return f"<ws:AuthHeader><ws:Token>{token}</ws:Token></ws:AuthHeader>"


def _told(verdict: Verdict) -> Verdict:
    """The platform's 101 in the core's word, which makes it log in again before the next try."""
    if verdict.code != _REFUSED:
        return verdict
    return replace(verdict, event=Event.RETRY, code=TOKEN_REFUSED)
