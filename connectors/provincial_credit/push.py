"""Certificates out: batches with a result by serial code, single items, changes of status, look-ups, listings."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from connectors.provincial_credit import changes, checking, results
from connectors.provincial_credit.cipher import total_digest
from connectors.provincial_credit.mapping import china_time
from connectors.provincial_credit.signing import MADE, OK, SignedCalls
from connectors.provincial_credit.verdicts import Refused
from connectors.provincial_credit.wire import born
from gateway.codec.jsonbody import rows, text, whole
from gateway.codec.replies import for_each, not_understood, retry_after
from gateway.contract.messages import (
    JSON,
    Draft,
    Holding,
    HoldingsPage,
    Payload,
    Problems,
    Stamp,
    Verdict,
    WireRequest,
    WireResponse,
)
from gateway.domain.records import RecordKind, Submission
from gateway.domain.states import Event

_TAKEN = frozenset({202})


class Pushing(SignedCalls):
    """One push, its result, and what the platform holds."""

    def map(self, submission: Submission, /) -> Draft:
        return changes.to_draft(submission, self._settings)

    def check(self, submission: Submission, draft: Draft, /) -> Payload | Problems:
        return checking.check(submission, draft, self._cipher, self._settings.digest_alg)

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        if not self._one_by_one(payloads):
            return self._batch(payloads, stamp)
        (payload,) = payloads
        path = f"/skill-certificates/{payload.record_key}"
        if payload.kind is RecordKind.STATUS_CHANGE:
            body: tuple[str, JSON] = ("CertificateStatusChange", payload.fields)
            return self._request("createStatusChange", f"{path}/status-changes", stamp, body=body, changes=True)
        body = ("WorkerCertificateItem", {"itemNo": 1, **payload.fields})
        return self._request("putCertificate", path, stamp, body=body, changes=True, method="PUT")

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        if self._one_by_one(payloads):
            answer = self._open(response, stamp, "CertificateReceipt", statuses=OK | MADE)
            return (results.of_one(answer, payloads[0]), *(_other_count(),) * (len(payloads) - 1))
        answer = self._open(response, stamp, "BatchAccepted", statuses=_TAKEN)
        if isinstance(answer, Refused):
            return results.blame(answer, payloads)
        if whole(answer, "itemCount") != len(payloads):
            return for_each(_other_count(), payloads)
        receipt = text(answer, "requestSerialCode")
        return for_each(Verdict(event=Event.PENDING, code="202", receipt=receipt), payloads)

    def encode_ack(self, receipt: str, stamp: Stamp, /) -> WireRequest:
        return self._request("getCertificateBatch", f"/skill-certificate-batches/{quote(receipt, safe='-._~')}", stamp)

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

    def encode_lookup(self, payload: Payload, stamp: Stamp, /) -> WireRequest:
        version = (("version", str(payload.version)),)
        return self._request("getCertificate", f"/skill-certificates/{payload.record_key}", stamp, query=version)

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        answer = self._open(response, stamp, "WorkerCertificateView")
        return answer.verdict if isinstance(answer, Refused) else results.compare(answer, payload)

    def expected(self, payload: Payload, /) -> Holding:
        return results.expected(payload)

    def encode_holdings(self, cursor: str | None, payload: Payload | None, stamp: Stamp, /) -> WireRequest:
        query: dict[str, JSON] = {"pageSize": self._settings.page_size}
        if cursor is not None:
            query["pageToken"] = cursor
        body: tuple[str, JSON] = ("WorkerCertificateQuery", query)
        return self._request("queryCertificates", "/skill-certificates/queries", stamp, body=body)

    def decode_holdings(
        self, response: WireResponse, payload: Payload | None, stamp: Stamp, /
    ) -> HoldingsPage | Verdict:
        answer = self._open(response, stamp, "WorkerCertificatePage")
        if isinstance(answer, Refused):
            return answer.verdict
        held = tuple(results.to_holding(row) for row in rows(answer, "rows") or ())
        return HoldingsPage(holdings=held, next_cursor=text(answer, "nextPageToken"))

    def _one_by_one(self, payloads: Sequence[Payload]) -> bool:
        """Whether these payloads have a call each, which is answered at once."""
        return payloads[0].kind is RecordKind.STATUS_CHANGE or self._settings.push_by == "item"

    def _batch(self, payloads: Sequence[Payload], stamp: Stamp) -> WireRequest:
        items: list[JSON] = [{"itemNo": no, **payload.fields} for no, payload in enumerate(payloads, start=1)]
        digests = tuple(text(payload.fields, "payloadDigest") or "" for payload in payloads)
        batch: dict[str, JSON] = {
            "batchNo": stamp.message_id,
            "sourceSystem": self._settings.source_system,
            "createdAt": china_time(born(stamp.message_id)),
            "itemCount": len(items),
            "items": items,
            "totalDigest": total_digest(digests, self._settings.digest_alg),
        }
        body: tuple[str, JSON] = ("WorkerCertificateBatch", batch)
        return self._request("createCertificateBatch", "/skill-certificate-batches", stamp, body=body, changes=True)


def _other(code: str, reason: str) -> Verdict:
    return not_understood(code, reason, replay_safe=True)


def _other_count() -> Verdict:
    return _other("item_count", "the platform took another number of items")
