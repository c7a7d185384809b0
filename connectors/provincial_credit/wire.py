"""Signed requests and verified answers (this contract, section "Signature" of the connector's README).

Both directions are signed with one key. The answer repeats our request id, which is new for every request on the
wire, so an answer belongs to exactly one request. An answer that is not signed can delay a record, never settle it.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from connectors.provincial_credit import schema
from connectors.provincial_credit.settings import ProvincialCreditSettings
from connectors.provincial_credit.verdicts import DELAYS, Refused, refused, unclear
from gateway.codec import signing
from gateway.codec.jsonbody import JsonError, Row, canonical, read_object, without_nulls
from gateway.contract.messages import JSON, Stamp, WireRequest, WireResponse
from gateway.domain.errors import ContractError

Query = Sequence[tuple[str, str]]


class Wire:
    """Builds requests and opens answers for one app key."""

    def __init__(self, settings: ProvincialCreditSettings) -> None:
        self._settings = settings
        self._digest = settings.digest_alg
        self._prefix = urlsplit(settings.endpoint.rstrip("/")).path

    def request(
        self,
        operation: str,
        path: str,
        stamp: Stamp,
        *,
        key: tuple[str, str | None],
        body: tuple[str, JSON] | None = None,
        query: Query = (),
        changes: bool = False,
    ) -> WireRequest:
        """One signed request; POST with a body, else GET.

        key:      the secret and, where it has one, its id
        body:     schema name and value; ContractError where the value does not fit the document
        changes:  the call changes the platform's state and carries an idempotency key, the message id
        """
        content = b"" if body is None else self._body(operation, *body)
        method = "GET" if body is None else "POST"
        asked = canonical_query(query)
        headers = {
            "accept": "application/json, application/problem+json",
            "x-app-key": self._settings.app_key,
            "x-timestamp": str(round(stamp.now.timestamp() * 1000)),
            "x-nonce": stamp.nonce.hex(),
            "x-signature-alg": self._settings.signature_alg,
            "x-request-id": request_id(stamp),
        }
        if key[1] is not None:
            headers["x-key-id"] = key[1]
        if body is not None:
            headers["content-type"] = "application/json; charset=utf-8"
            if self._digest == "sm3":
                headers["x-content-sm3"] = signing.digest("sm3", content).hex()
            else:
                headers["content-digest"] = signing.content_digest(self._digest, content)
        if changes:
            headers["idempotency-key"] = stamp.message_id
        headers["x-signature"] = self._sign(
            key[0],
            method,
            self._prefix + path,
            asked,
            headers["x-app-key"],
            headers["x-timestamp"],
            headers["x-nonce"],
            signing.digest(self._digest, content).hex(),
            headers.get("idempotency-key", ""),
        )
        full = f"{path}?{asked}" if asked else path
        return WireRequest(operation=operation, method=method, path=full, headers=headers, body=content)

    def open(
        self, response: WireResponse, stamp: Stamp, *, secrets: Sequence[str], expect: str, statuses: frozenset[int]
    ) -> Row | Refused:
        """The answer as an object that fits the schema ``expect``, or what the refusal means.

        secrets: those the platform may have signed with; nulls are taken out, because absent and null mean the same
        """
        signed = self._signed(response, stamp, secrets)
        if signed is None:
            return unclear("answer_signature", "the answer's signature, digest or request id is wrong")
        try:
            found = read_object(response.body, response.headers.get("content-type", ""))
        except JsonError as error:
            return unclear("answer_json", str(error))
        clean = without_nulls(found)
        good = response.status in statuses
        broken = schema.violations(expect if good else "Problem", _shallow(clean) if good else clean)
        if broken:
            return unclear("answer_schema", f"the answer breaks the document at {broken[0].path or 'its root'}")
        if good:
            return found if signed else unclear("answer_unsigned", "a success that is not signed")
        refusal = refused(found, response, stamp.now)
        if not signed and refusal.verdict.event not in DELAYS:
            return unclear("answer_unsigned", f"a refusal ({refusal.verdict.code}) that is not signed")
        return refusal

    def _body(self, operation: str, name: str, value: JSON) -> bytes:
        broken = schema.violations(name, value)
        if broken:
            raise ContractError(
                f"{operation}: the built body breaks the document at {broken[0].path}: {broken[0].rule}"
            )
        return canonical(value)

    def _sign(self, secret: str, *lines: str) -> str:
        return signing.base64_text(signing.keyed_digest(self._digest, secret.encode(), "\n".join(lines).encode()))

    def _signed(self, response: WireResponse, stamp: Stamp, secrets: Sequence[str]) -> bool | None:
        """True: signed and right; False: not signed; None: wrong. Without the duty to verify, always True."""
        if not self._settings.verify_answers:
            return True
        headers = response.headers
        given = headers.get("x-platform-signature")
        echoed = headers.get("x-request-id", request_id(stamp) if given is None else "")
        if echoed != request_id(stamp):
            return None
        if given is None:
            return False
        lines = (
            str(response.status),
            echoed,
            headers.get("x-platform-timestamp", ""),
            signing.digest(self._digest, response.body).hex(),
        )
        return True if any(signing.same(self._sign(secret, *lines), given) for secret in secrets) else None


def request_id(stamp: Stamp) -> str:
    """Our id of one request on the wire: the message and the first half of its nonce."""
    return f"{stamp.message_id}-{stamp.nonce.hex()[:16]}"


def canonical_query(query: Query) -> str:
    """Names and values percent-encoded (RFC 3986, unreserved kept), sorted by name then value."""
    encoded = sorted((quote(name, safe="-._~"), quote(value, safe="-._~")) for name, value in query)
    return "&".join(f"{name}={value}" for name, value in encoded)


def request_key(stamp: Stamp) -> tuple[str, str]:
    """The short-lived secret of the stamp's token and its id."""
    if stamp.token is None:
        raise ContractError("the provincial credit platform needs a token in the stamp")
    return stamp.token.values["requestSecret"], stamp.token.values["requestSecretId"]


def request_secrets(stamp: Stamp) -> tuple[str, ...]:
    """Secrets an answer may be signed with; none without a token, so that such an answer is not believed."""
    return () if stamp.token is None else (stamp.token.values["requestSecret"],)


def _shallow(value: JSON) -> JSON:
    """A page without its events, which are judged one by one."""
    if isinstance(value, dict) and "nextCursor" in value and isinstance(value.get("events"), list):
        return {**value, "events": []}
    return value
