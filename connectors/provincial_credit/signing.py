"""What the parts of the connector share: settings, the wire, the cipher, and how a call is signed and opened."""

from __future__ import annotations

from connectors.provincial_credit.cipher import FieldCipher
from connectors.provincial_credit.keys import (
    HmacKey,
    HmacVerifier,
    Key,
    Sm2Key,
    Sm2Verifier,
    Verifier,
    request_key,
    request_secrets,
)
from connectors.provincial_credit.settings import ProvincialCreditSettings
from connectors.provincial_credit.verdicts import Refused, unclear
from connectors.provincial_credit.wire import Query, Wire
from gateway.codec.jsonbody import Row
from gateway.contract.messages import JSON, Stamp, WireRequest, WireResponse

OK = frozenset({200})
MADE = frozenset({201})


class SignedCalls:
    """Makes signed requests and opens signed answers; the parts of the connector are built on it."""

    def __init__(self, settings: ProvincialCreditSettings) -> None:
        self._settings = settings
        self._wire = Wire(settings)
        self._cipher = FieldCipher(
            settings.field_key_bytes, settings.field_key_id, settings.field_alg, settings.other_field_keys
        )
        self._sm2: tuple[Sm2Key, Sm2Verifier] | None = None
        if settings.signature_alg == "SM2-SM3":
            self._sm2 = settings.sm2_key, Sm2Verifier(public=settings.platform_sm2, der=settings.sm2_der)

    def _request(
        self,
        operation: str,
        path: str,
        stamp: Stamp,
        *,
        body: tuple[str, JSON] | None = None,
        query: Query = (),
        changes: bool = False,
        raw: tuple[str, bytes] | None = None,
        method: str | None = None,
        state: str = "",
    ) -> WireRequest:
        """A request signed with the token's secret, or with our SM2 key."""
        return self._wire.request(
            operation,
            path,
            stamp,
            key=self._key(stamp),
            body=body,
            query=query,
            changes=changes,
            raw=raw,
            method=method,
            state=state,
        )

    def _key(self, stamp: Stamp) -> Key:
        if self._sm2 is not None:
            return self._sm2[0]
        secret, key_id = request_key(stamp)
        return HmacKey(secret=secret, digest=self._settings.digest_alg, key_id=key_id)

    def _verifier(self, stamp: Stamp) -> Verifier:
        if self._sm2 is not None:
            return self._sm2[1]
        return HmacVerifier(secrets=request_secrets(stamp), digest=self._settings.digest_alg)

    def _open(
        self, response: WireResponse, stamp: Stamp, expect: str, *, statuses: frozenset[int] = OK
    ) -> Row | Refused:
        """The answer as an object that fits the schema ``expect``, or what the refusal means."""
        answer = self._wire.open(response, stamp, verifier=self._verifier(stamp), expect=expect, statuses=statuses)
        if isinstance(answer, Refused | dict):
            return answer
        return unclear("answer_schema", "the answer is not an object")
