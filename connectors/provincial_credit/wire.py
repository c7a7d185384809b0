"""Signed requests and verified answers (this contract, section "Signature" of the connector's README).

Both directions are signed with one key. The answer repeats our request id, which is new for every request on the
wire, so an answer belongs to exactly one request. An answer that is not signed can delay a record, never settle it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

from connectors.provincial_credit import schema
from connectors.provincial_credit.envelope import (
    ENVELOPE_TYPE,
    GM_TYPE,
    EnvelopeError,
    Envelopes,
    unwrap,
)
from connectors.provincial_credit.keys import Key, Verifier
from connectors.provincial_credit.settings import ProvincialCreditSettings
from connectors.provincial_credit.verdicts import DELAYS, Refused, refused, unclear
from gateway.codec import signing
from gateway.codec.jsonbody import Bounds, JsonError, canonical, is_readable, read, without_nulls
from gateway.codec.replies import media_type
from gateway.contract.messages import JSON, Stamp, WireRequest, WireResponse
from gateway.domain.errors import ContractError

_IN_PARTS = frozenset({None, "CreditEventVersions", "CreditEventPage", "CreditRecordPage", "CreditRecordList"})
"""answers of which each event is judged by itself, so that one that cannot be read does not spoil the others"""
_JUDGED_ALONE = {"CreditEventPage": "events", "CreditRecordPage": "rows", "CreditRecordList": "rows"}
Query = Sequence[tuple[str, str]]
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Wire:
    """Builds requests and opens answers for one app key."""

    def __init__(self, settings: ProvincialCreditSettings) -> None:
        self._settings = settings
        self._digest = settings.digest_alg
        self._bounds = Bounds(size=settings.answer_bytes, items=settings.answer_items, depth=settings.answer_depth)
        self._prefix = urlsplit(settings.endpoint.rstrip("/")).path
        self._envelopes = _envelopes(settings) if settings.encrypted_bodies else None

    def request(
        self,
        operation: str,
        path: str,
        stamp: Stamp,
        *,
        key: Key,
        body: tuple[str, JSON] | None = None,
        query: Query = (),
        changes: bool = False,
        raw: tuple[str, bytes] | None = None,
        method: str | None = None,
        state: str = "",
    ) -> WireRequest:
        """One signed request; POST with a body, else GET, unless ``method`` says otherwise.

        body:     schema name and value; ContractError where the value does not fit the document
        raw:      media type and bytes of a body that is no JSON
        changes:  the call changes the platform's state and carries an idempotency key, the message id
        state:    goes into the request id, which the answer repeats
        """
        kind, content = raw or ("", b"")
        if body is not None:
            kind = GM_TYPE if self._envelopes else "application/json; charset=utf-8"
            content = self._body(operation, stamp, *body)
        method = method or ("POST" if kind else "GET")
        asked = canonical_query(query)
        headers = {
            "accept": self._accepted,
            "x-app-key": self._settings.app_key,
            "x-timestamp": str(round(stamp.now.timestamp() * 1000)),
            "x-nonce": stamp.nonce.hex(),
            "x-signature-alg": self._settings.signature_alg,
            "x-request-id": request_id(stamp) + state,
        }
        if key.key_id is not None:
            headers["x-key-id"] = key.key_id
        if kind:
            headers["content-type"] = kind
            if self._digest == "sm3":
                headers["x-content-sm3"] = signing.digest("sm3", content).hex()
            else:
                headers["content-digest"] = signing.content_digest(self._digest, content)
        if changes:
            headers["idempotency-key"] = stamp.message_id
        lines = (
            method,
            self._prefix + path,
            asked,
            headers["x-app-key"],
            headers["x-timestamp"],
            headers["x-nonce"],
            signing.digest(self._digest, content).hex(),
            headers.get("idempotency-key", ""),
        )
        headers["x-signature"] = key.sign("\n".join(lines).encode())
        full = f"{path}?{asked}" if asked else path
        return WireRequest(operation=operation, method=method, path=full, headers=headers, body=content)

    def open(
        self, response: WireResponse, stamp: Stamp, *, verifier: Verifier, expect: str | None, statuses: frozenset[int]
    ) -> JSON | Refused:
        """The answer, which fits the schema ``expect``, or what the refusal means.

        verifier: what the platform may have signed with; nulls are judged as if they were not there
        expect: None where the caller judges the content itself
        """
        signed = self._signed(response, stamp, verifier)
        if signed is None:
            return unclear("answer_signature", "the answer's signature, digest or request id is wrong")
        good = response.status in statuses
        try:
            found = self._unsealed(response, in_parts=good and expect in _IN_PARTS)
        except (JsonError, EnvelopeError) as error:
            return unclear("answer_json", str(error))
        if self._settings.answers != "problem" and response.status == 200:
            inside = unwrap(found, self._settings.answers) if isinstance(found, dict) else None
            if inside is None:
                return unclear("answer_schema", "the answer is not in the envelope that was agreed")
            good, found = inside.good, inside.value
        clean = without_nulls(found)
        name = expect if good else "Problem"
        judged = _shallow(clean, name) if name else None
        if not is_readable(judged):
            return unclear("answer_json", "not valid UTF-8 (a half surrogate), or a number beyond every range")
        broken = schema.violations(name, judged) if name else ()
        if broken:
            return unclear("answer_schema", f"the answer breaks the document at {broken[0].path or 'its root'}")
        if good:
            return found if signed else unclear("answer_unsigned", "a success that is not signed")
        assert isinstance(found, dict)
        return self._refused(found, response, stamp, signed=signed)

    def open_file(self, response: WireResponse, stamp: Stamp, *, verifier: Verifier) -> bytes | Refused:
        """The bytes of a file, or what the refusal means."""
        if response.status != 200 or media_type(response.headers) != "application/gzip":
            refusal = self.open(response, stamp, verifier=verifier, expect="Problem", statuses=frozenset())
            return refusal if isinstance(refusal, Refused) else unclear("answer_form", "not a file")
        if not self._signed(response, stamp, verifier):
            return unclear("answer_signature", "the file's signature or request id is missing or wrong")
        return response.body

    @property
    def _accepted(self) -> str:
        if self._envelopes:
            return f"{GM_TYPE}, application/gzip, application/problem+json"
        if self._settings.answers != "problem":
            return f"{ENVELOPE_TYPE}, application/gzip"
        return "application/json, application/gzip, application/problem+json"

    def _refused(self, problem: dict[str, JSON], response: WireResponse, stamp: Stamp, *, signed: bool) -> Refused:
        refusal = refused(problem, response, stamp.now)
        if not signed and refusal.verdict.event not in DELAYS:
            return unclear("answer_unsigned", f"a refusal ({refusal.verdict.code}) that is not signed")
        return replace(refusal, signed=signed)

    def _unsealed(self, response: WireResponse, *, in_parts: bool) -> JSON:
        """The JSON of an answer; a refusal may come outside the encrypted profile, a success may not."""
        kind = response.headers.get("content-type", "")
        if self._envelopes and (media_type(response.headers) == GM_TYPE or response.status < 400):
            inner = self._envelopes.open(response.body, kind)
            return read(inner, bounds=self._bounds, in_parts=in_parts)
        return read(response.body, kind, bounds=self._bounds, in_parts=in_parts)

    def _body(self, operation: str, stamp: Stamp, name: str, value: JSON) -> bytes:
        broken = schema.violations(name, value)
        if broken:
            raise ContractError(
                f"{operation}: the built body breaks the document at {broken[0].path}: {broken[0].rule}"
            )
        plain = canonical(value)
        return self._envelopes.seal(plain, stamp.message_id, born(stamp.message_id)) if self._envelopes else plain

    def _signed(self, response: WireResponse, stamp: Stamp, verifier: Verifier) -> bool | None:
        """True: signed and right; False: not signed; None: wrong. Without the duty to verify, always True."""
        if not self._settings.verify_answers:
            return True
        headers = response.headers
        given = headers.get("x-platform-signature")
        echoed = headers.get("x-request-id", request_id(stamp) if given is None else "")
        if not echoed.startswith(request_id(stamp)):
            return None
        if given is None:
            return False
        lines = (
            str(response.status),
            echoed,
            headers.get("x-platform-timestamp", ""),
            signing.digest(self._digest, response.body).hex(),
        )
        return True if verifier.holds("\n".join(lines).encode(), given) else None


def request_id(stamp: Stamp) -> str:
    """Our id of one request on the wire: the message and the first half of its nonce."""
    return f"{stamp.message_id}-{stamp.nonce.hex()[:16]}"


def canonical_query(query: Query) -> str:
    """Names and values percent-encoded (RFC 3986, unreserved kept), sorted by name then value."""
    encoded = sorted((quote(name, safe="-._~"), quote(value, safe="-._~")) for name, value in query)
    return "&".join(f"{name}={value}" for name, value in encoded)


def born(message_id: str) -> datetime:
    """The time inside a ULID: its first ten characters count milliseconds."""
    count = 0
    for character in message_id[:10]:
        count = count * 32 + _CROCKFORD.index(character)
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=count)


def _envelopes(settings: ProvincialCreditSettings) -> Envelopes:
    return Envelopes(
        app_code=settings.app_key,
        ours=settings.sm2_key,
        theirs=settings.platform_sm2,
        their_id=settings.platform_key_id,
    )


def _shallow(value: JSON, expect: str) -> JSON:
    """A page or list without its events, which are judged one by one."""
    if expect == "CreditEventVersions" and isinstance(value, list):
        return []
    member = _JUDGED_ALONE.get(expect)
    if member and isinstance(value, dict) and isinstance(value.get(member), list):
        return {**value, member: []}
    return value
