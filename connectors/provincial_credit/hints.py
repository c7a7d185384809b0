"""The platform's hint that its feed has moved (``creditEvents`` of the document): who says so, and is it of now.

Signed like a request of ours; with HMAC under the app secret, because a listener has no login (this contract, section
Hints of the README). Nothing of the events in it is used: the feed tells them.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

from connectors.provincial_credit import schema
from connectors.provincial_credit.envelope import EnvelopeError
from connectors.provincial_credit.keys import Belief, HmacBelief
from connectors.provincial_credit.speaker import Speaker
from connectors.provincial_credit.wire import canonical_query
from gateway.codec import signing
from gateway.codec.codes import table
from gateway.codec.jsonbody import JsonError, canonical, without_nulls
from gateway.contract.hints import Hint, HintRefusal, HintTerms
from gateway.contract.messages import JSON, WireRequest, WireResponse

_NONCE = re.compile(r"[0-9a-f]{32}")
_TIME = re.compile(r"[0-9]{1,15}")
_CODES = {
    HintRefusal.TOO_LARGE: "PAYLOAD_TOO_LARGE",
    HintRefusal.REPLAYED: "NONCE_REPLAYED",
    HintRefusal.BUSY: "RATE_LIMITED",
}


class Hinting(Speaker):
    """Hears hints, where they were agreed."""

    @property
    def hints(self) -> HintTerms | None:
        settings = self._settings
        if not settings.hints:
            return None
        return HintTerms(
            body_bytes=settings.hint_bytes,
            remembered=timedelta(seconds=max(900, 2 * settings.clock_tolerance_seconds)),
            spacing=timedelta(seconds=settings.hint_spacing_seconds),
        )

    def decode_hint(self, request: WireRequest, now: datetime, /) -> Hint | WireResponse:
        """Judged in the order of the contract: app key, time, signature, nonce, content."""
        headers = request.headers
        if headers.get("x-app-key") != self._settings.app_key:
            return _refused("ACCESS_DENIED")
        stated = headers.get("x-timestamp", "")
        tolerance = self._settings.clock_tolerance_seconds
        if not _TIME.fullmatch(stated) or abs(int(stated) / 1000 - now.timestamp()) > tolerance:
            return _refused("TIMESTAMP_SKEW")
        if not self._hint_is_theirs(request):
            return _refused("SIGNATURE_INVALID")
        nonce = headers.get("x-nonce", "")
        if not _NONCE.fullmatch(nonce):
            return _refused("PARAM_INVALID")
        return Hint(nonce=nonce) if self._hint_is_page(request) else _refused("SCHEMA_INVALID")

    def encode_hint_answer(self, refusal: HintRefusal | None, /) -> WireResponse:
        return WireResponse(status=202) if refusal is None else _refused(_CODES[refusal])

    def _hint_is_theirs(self, request: WireRequest) -> bool:
        """Whether digest and signature are right over the bytes as they came."""
        headers, digest = request.headers, self._settings.digest_alg
        if digest == "sm3":
            fits = signing.same(signing.digest("sm3", request.body).hex(), headers.get("x-content-sm3", ""))
        else:
            fits = signing.same(signing.content_digest(digest, request.body), headers.get("content-digest", ""))
        if not fits or headers.get("x-signature-alg") != self._settings.signature_alg:
            return False
        path, _, query = request.path.partition("?")
        lines = (
            request.method,
            path,
            canonical_query(parse_qsl(query, keep_blank_values=True)),
            self._settings.app_key,
            headers.get("x-timestamp", ""),
            headers.get("x-nonce", ""),
            signing.digest(digest, request.body).hex(),
            headers.get("idempotency-key", ""),
        )
        text = "\n".join(lines).encode("utf-8", "surrogateescape")
        return self._hint_belief().holds(text, headers.get("x-signature", ""))

    def _hint_belief(self) -> Belief:
        if self._sm2 is not None:
            return self._sm2[1]
        secret = self._settings.app_secret.get_secret_value()
        return HmacBelief(secrets=(secret,), digest=self._settings.digest_alg)

    def _hint_is_page(self, request: WireRequest) -> bool:
        """Whether the body is a page of the agreed form, with no more events than agreed; none is looked at."""
        kind = request.headers.get("content-type", "")
        try:
            page = self._wire.unsealed(request.body, kind)
        except (JsonError, EnvelopeError):
            return False
        events = page.get("events")
        if not isinstance(events, list) or len(events) > self._settings.hint_events:
            return False
        return not schema.violations("CreditEventPage", without_nulls({**page, "events": []}))


def _refused(code: str) -> WireResponse:
    """Problem details (RFC 9457) of a code of the contract's table."""
    known = table("credit_error_code", "connectors.provincial_credit.codes")
    status = int(known.get(code, "http") or 400)
    problem: dict[str, JSON] = {
        "type": f"https://errors.sdcredit.example/{known.get(code, 'type_slug')}",
        "title": known.get(code, "title_en") or code,
        "titleZh": known.get(code, "title_zh") or code,
        "status": status,
        "code": code,
        "retryable": code == "RATE_LIMITED",
    }
    return WireResponse(status=status, headers={"content-type": "application/problem+json"}, body=canonical(problem))
