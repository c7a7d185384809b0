"""The connector: certificates out in batches, results by serial code, credit events in by cursor.

The interface is this project's own proposal, built from public code of comparable platforms (see the README); the
platform's real document has not been read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from connectors.provincial_credit import checking, feedback, mapping, results
from connectors.provincial_credit.cipher import FieldCipher, total_digest
from connectors.provincial_credit.properties import properties
from connectors.provincial_credit.settings import ProvincialCreditSettings
from connectors.provincial_credit.verdicts import Refused
from connectors.provincial_credit.wire import Wire, request_key, request_secrets
from gateway.codec.jsonbody import JsonError, Row, moment, read_object, rows, text, whole
from gateway.codec.replies import for_each, not_understood, retry_after
from gateway.contract.connector import Endpoint
from gateway.contract.messages import (
    JSON,
    Draft,
    FeedbackPage,
    FindingAck,
    Health,
    Holding,
    HoldingsPage,
    Payload,
    Problems,
    Stamp,
    Token,
    Verdict,
    WireRequest,
    WireResponse,
)
from gateway.domain.delivery import Event
from gateway.domain.records import Submission
from gateway.settings import Loader

_OK = frozenset({200})
_TAKEN = frozenset({202})
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def build(load: Loader) -> ProvincialCredit:
    """Make the connector from its settings."""
    return ProvincialCredit(load(ProvincialCreditSettings))


class ProvincialCredit:
    """Connector of the provincial credit platform."""

    def __init__(self, settings: ProvincialCreditSettings) -> None:
        self._settings = settings
        self._wire = Wire(settings)
        self._cipher = FieldCipher(settings.field_key_bytes, settings.field_key_id)
        self._secret = settings.app_secret.get_secret_value()
        self.endpoint: Endpoint = settings.to_endpoint()
        self.info = properties(settings)

    # one push

    def map(self, submission: Submission, /) -> Draft:
        return mapping.to_draft(submission, self._settings)

    def check(self, submission: Submission, draft: Draft, /) -> Payload | Problems:
        return checking.check(submission, draft, self._cipher, self._settings.digest_alg)

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        items: list[JSON] = [{"itemNo": no, **payload.fields} for no, payload in enumerate(payloads, start=1)]
        digests = tuple(text(payload.fields, "payloadDigest") or "" for payload in payloads)
        batch: dict[str, JSON] = {
            "batchNo": stamp.message_id,
            "sourceSystem": self._settings.source_system,
            "createdAt": mapping.china_time(_born(stamp.message_id)),
            "itemCount": len(items),
            "items": items,
            "totalDigest": total_digest(digests, self._settings.digest_alg),
        }
        return self._wire.request(
            "createCertificateBatch",
            "/skill-certificate-batches",
            stamp,
            key=request_key(stamp),
            body=("WorkerCertificateBatch", batch),
            changes=True,
        )

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        answer = self._open(response, stamp, "BatchAccepted", statuses=_TAKEN)
        if isinstance(answer, Refused):
            return results.blame(answer, payloads)
        if whole(answer, "itemCount") != len(payloads):
            return for_each(_other("item_count", "the platform took another number of items"), payloads)
        receipt = text(answer, "requestSerialCode")
        return for_each(Verdict(event=Event.PENDING, code="202", receipt=receipt), payloads)

    # results by serial code

    def encode_ack(self, receipt: str, stamp: Stamp, /) -> WireRequest:
        path = f"/skill-certificate-batches/{quote(receipt, safe='-._~')}"
        return self._wire.request("getCertificateBatch", path, stamp, key=request_key(stamp))

    def decode_ack(
        self, response: WireResponse, receipt: str, payloads: Sequence[Payload], stamp: Stamp, /
    ) -> Sequence[Verdict]:
        answer = self._open(response, stamp, "BatchResult")
        if isinstance(answer, Refused):
            return for_each(answer.verdict, payloads)
        if text(answer, "requestSerialCode") != receipt:
            return for_each(_other("serial_code", "the result of another batch"), payloads)
        if text(answer, "status") == "0":
            wait = retry_after(response.headers, stamp.now)
            return for_each(Verdict(event=Event.PENDING, code="0", receipt=receipt, retry_after=wait), payloads)
        return results.by_item(answer, payloads)

    # is it there?

    def encode_lookup(self, payload: Payload, stamp: Stamp, /) -> WireRequest:
        path = f"/skill-certificates/{payload.record_key}"
        version = (("version", str(payload.version)),)
        return self._wire.request("getCertificate", path, stamp, key=request_key(stamp), query=version)

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        answer = self._open(response, stamp, "WorkerCertificateView")
        return answer.verdict if isinstance(answer, Refused) else results.compare(answer, payload)

    # their side

    def expected(self, payload: Payload, /) -> Holding:
        return results.to_holding(payload.fields)

    def encode_holdings(self, cursor: str | None, payload: Payload | None, stamp: Stamp, /) -> WireRequest:
        query: dict[str, JSON] = {"pageSize": self._settings.page_size}
        if cursor is not None:
            query["pageToken"] = cursor
        return self._wire.request(
            "queryCertificates",
            "/skill-certificates/queries",
            stamp,
            key=request_key(stamp),
            body=("WorkerCertificateQuery", query),
        )

    def decode_holdings(
        self, response: WireResponse, payload: Payload | None, stamp: Stamp, /
    ) -> HoldingsPage | Verdict:
        answer = self._open(response, stamp, "WorkerCertificatePage")
        if isinstance(answer, Refused):
            return answer.verdict
        held = tuple(results.to_holding(row) for row in rows(answer, "rows") or ())
        return HoldingsPage(holdings=held, next_cursor=text(answer, "nextPageToken"))

    # credit events

    def encode_feedback(self, cursor: str | None, stamp: Stamp, /) -> WireRequest:
        settings = self._settings
        start = ("from", settings.feedback_from) if cursor is None else ("cursor", cursor)
        query = [start, ("limit", str(settings.feedback_limit))]
        query += [("streams", stream) for stream in settings.feedback_streams]
        query += [("region", settings.feedback_region)] if settings.feedback_region else []
        return self._wire.request(
            "getCreditChanges", "/credit-records/changes", stamp, key=request_key(stamp), query=query
        )

    def decode_feedback(self, response: WireResponse, stamp: Stamp, /) -> FeedbackPage | Verdict:
        answer = self._open(response, stamp, "CreditEventPage")
        if isinstance(answer, Refused):
            return answer.verdict
        events = answer["events"]
        assert isinstance(events, list)
        return FeedbackPage(
            findings=tuple(feedback.to_finding(event, self._cipher) for event in events),
            next_cursor=text(answer, "nextCursor") or "",
            has_more=answer["hasMore"] is True,
            retry_after=retry_after(response.headers, stamp.now),
        )

    def encode_feedback_acks(self, acks: Sequence[FindingAck], stamp: Stamp, /) -> WireRequest:
        return self._wire.request(
            "createAcks",
            "/credit-records/acks",
            stamp,
            key=request_key(stamp),
            body=("AckBatch", feedback.ack_batch(stamp.message_id, acks)),
            changes=True,
        )

    def decode_feedback_acks(self, response: WireResponse, acks: Sequence[FindingAck], stamp: Stamp, /) -> Verdict:
        """Accepted when the platform took all; rejected names the refused event ids in ``fields``."""
        answer = self._open(response, stamp, "AckResult")
        if isinstance(answer, Refused):
            return answer.verdict
        refused = rows(answer, "rejected") or ()
        if (whole(answer, "accepted") or 0) + len(refused) != len(acks):
            return _other("item_count", "the platform answered for another number of acknowledgements")
        if not refused:
            return Verdict(event=Event.ACCEPTED, code="200")
        ids = tuple(text(row, "eventId") or "" for row in refused)
        return Verdict(
            event=Event.REJECTED,
            code=text(refused[0], "code") or "",
            reason=f"{len(refused)} of {len(acks)} acknowledgements refused",
            fields=ids,
        )

    # login

    def encode_login(self, previous: Token | None, stamp: Stamp, /) -> WireRequest:
        """Refresh with the previous token's refresh secret, else log in with the app secret.

        The answer is signed with the same secret, and ``decode_login`` sees only the stamp: a refresh is asked for
        where the stamp carries the previous token, so that the answer can be verified.
        """
        refresh = previous if previous is not None and previous == stamp.token else None
        if refresh is not None and stamp.now >= _moment(int(refresh.values["refreshSecretEndTime"])):
            refresh = None
        grant = "APP_SECRET" if refresh is None else "REFRESH_SECRET"
        key = (
            (self._secret, None)
            if refresh is None
            else (refresh.values["refreshSecret"], refresh.values["refreshSecretId"])
        )
        return self._wire.request(
            "createRequestSecret",
            "/auth/request-secrets",
            stamp,
            key=key,
            body=("RequestSecretRequest", {"grant": grant, "appKey": self._settings.app_key}),
        )

    def decode_login(self, response: WireResponse, stamp: Stamp, /) -> Token | Verdict:
        secrets = [self._secret] + ([stamp.token.values["refreshSecret"]] if stamp.token else [])
        answer = self._wire.open(response, stamp, secrets=secrets, expect="RequestSecret", statuses=_OK)
        if isinstance(answer, Refused):
            return answer.verdict
        ends = _moment(whole(answer, "requestSecretEndTime") or 0)
        margin = timedelta(seconds=self._settings.token_margin_seconds)
        return Token(
            values={name: str(answer[name]) for name in _TOKEN_FIELDS},
            expires_at=ends,
            renew_at=max(ends - margin, stamp.now),
        )

    # health

    def encode_health(self, stamp: Stamp, /) -> WireRequest:
        """The platform's clock; an open call, unsigned both ways."""
        return WireRequest(operation="getTime", method="GET", path="/time", headers={"accept": "application/json"})

    def decode_health(self, response: WireResponse, stamp: Stamp, /) -> Health:
        try:
            now = moment(read_object(response.body, response.headers.get("content-type", "")), "now")
        except JsonError:
            now = None
        if response.status not in _OK or now is None:
            return Health(ok=False, detail="the clock call gave no time")
        skew = now - stamp.now
        tolerated = abs(skew) < timedelta(seconds=self._settings.clock_tolerance_seconds)
        detail = "clock within tolerance" if tolerated else "our clock is too far off: every request will be refused"
        return Health(ok=tolerated, detail=detail, clock_skew=skew)

    def _open(
        self, response: WireResponse, stamp: Stamp, expect: str, *, statuses: frozenset[int] = _OK
    ) -> Row | Refused:
        return self._wire.open(response, stamp, secrets=request_secrets(stamp), expect=expect, statuses=statuses)


_TOKEN_FIELDS = (
    "requestSecret",
    "requestSecretId",
    "requestSecretEndTime",
    "refreshSecret",
    "refreshSecretId",
    "refreshSecretEndTime",
)


def _other(code: str, reason: str) -> Verdict:
    return not_understood(code, reason, replay_safe=True)


def _moment(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def _born(message_id: str) -> datetime:
    """The time inside a ULID: its first ten characters count milliseconds."""
    count = 0
    for character in message_id[:10]:
        count = count * 32 + _CROCKFORD.index(character)
    return _moment(count)
