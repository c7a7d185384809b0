"""Credit events in: the change feed by cursor, or pages by update time; single records; acknowledgements back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote

from connectors.provincial_credit import feedback, windows
from connectors.provincial_credit.signing import OK, SignedCalls
from connectors.provincial_credit.verdicts import Refused
from connectors.provincial_credit.wire import request_id
from gateway.codec.jsonbody import rows, text, whole
from gateway.codec.replies import not_understood, retry_after
from gateway.contract.credit import CURSOR_EXPIRED, Gone
from gateway.contract.messages import JSON, FeedbackPage, Finding, FindingAck, Stamp, Verdict, WireRequest, WireResponse
from gateway.domain.states import Event


class Feeding(SignedCalls):
    """What the platform tells about credit records, and what we answer."""

    def encode_feedback(self, cursor: str | None, stamp: Stamp, /) -> WireRequest:
        settings = self._settings
        if self._listed:
            window = windows.next_window(cursor, stamp.now, settings)
            body: tuple[str, JSON] = ("PageQuery", window.query(settings))
            return self._request("getCreditPages", "/credit-records/pages", stamp, body=body, state=window.state)
        start = ("from", settings.feedback_from) if cursor is None else ("cursor", cursor)
        query = [start, ("limit", str(settings.feedback_limit))]
        query += [("streams", stream) for stream in settings.feedback_streams]
        query += [("region", settings.feedback_region)] if settings.feedback_region else []
        return self._request("getCreditChanges", "/credit-records/changes", stamp, query=query)

    @property
    def _listed(self) -> bool:
        return self._settings.feedback_by == "pages"

    def decode_feedback(self, response: WireResponse, stamp: Stamp, /) -> FeedbackPage | Verdict:
        """A cursor that is too old gives ``not_found`` with the code ``cursor_expired``."""
        if self._listed:
            return self._page(response, stamp)
        answer = self._open(response, stamp, "CreditEventPage")
        if isinstance(answer, Refused):
            if answer.verdict.code == "CURSOR_EXPIRED":
                return replace(answer.verdict, event=Event.NOT_FOUND, code=CURSOR_EXPIRED)
            return answer.verdict
        events = answer["events"]
        assert isinstance(events, list)
        return FeedbackPage(
            findings=tuple(feedback.to_finding(event, self._cipher) for event in events),
            next_cursor=text(answer, "nextCursor") or "",
            has_more=answer["hasMore"] is True,
            retry_after=retry_after(response.headers, stamp.now),
        )

    def _page(self, response: WireResponse, stamp: Stamp) -> FeedbackPage | Verdict:
        answer = self._open(response, stamp, "CreditRecordPage")
        if isinstance(answer, Refused):
            return answer.verdict
        window = windows.read(response.headers.get("x-request-id", "").removeprefix(request_id(stamp)))
        if window is None or whole(answer, "pageIndex") != window.index:
            return not_understood(
                "other_page", "the answer is not tied to the page that was asked for", replay_safe=True
            )
        found = answer["rows"]
        assert isinstance(found, list)
        after = window.after(whole(answer, "total") or 0, whole(answer, "pageSize") or 1, self._settings)
        return FeedbackPage(
            findings=tuple(feedback.row_to_finding(row, self._cipher) for row in found),
            next_cursor=after.cursor,
            has_more=after.has_more,
            retry_after=retry_after(response.headers, stamp.now),
        )

    def encode_feedback_acks(self, acks: Sequence[FindingAck], stamp: Stamp, /) -> WireRequest:
        body: tuple[str, JSON] = ("AckBatch", feedback.ack_batch(stamp.message_id, acks))
        return self._request("createAcks", "/credit-records/acks", stamp, body=body, changes=True)

    def decode_feedback_acks(self, response: WireResponse, acks: Sequence[FindingAck], stamp: Stamp, /) -> Verdict:
        """Accepted when the platform took all; rejected names the refused event ids in ``fields``."""
        answer = self._open(response, stamp, "AckResult")
        if isinstance(answer, Refused):
            return answer.verdict
        refused = rows(answer, "rejected") or ()
        if (whole(answer, "accepted") or 0) + len(refused) != len(acks):
            reason = "the platform answered for another number of acknowledgements"
            return not_understood("item_count", reason, replay_safe=True)
        if not refused:
            return Verdict(event=Event.ACCEPTED, code="200")
        return Verdict(
            event=Event.REJECTED,
            code=text(refused[0], "code") or "",
            reason=f"{len(refused)} of {len(acks)} acknowledgements refused",
            fields=tuple(text(row, "eventId") or "" for row in refused),
        )

    def encode_record(self, record_id: str, stamp: Stamp, /) -> WireRequest:
        return self._request("getCreditRecord", _path(record_id), stamp)

    def decode_record(self, response: WireResponse, record_id: str, stamp: Stamp, /) -> Finding | Gone | Verdict:
        answer = self._wire.open(
            response, stamp, verifier=self._verifier(stamp), expect=None, statuses=frozenset({200})
        )
        if isinstance(answer, Refused):
            return _gone(answer)
        finding = feedback.by_id_to_finding(answer, self._cipher, listed=self._listed)
        return finding if finding.record_id == record_id else _other_record()

    def encode_versions(self, record_id: str, stamp: Stamp, /) -> WireRequest:
        return self._request("getCreditVersions", f"{_path(record_id)}/versions", stamp)

    def decode_versions(
        self, response: WireResponse, record_id: str, stamp: Stamp, /
    ) -> tuple[Finding, ...] | Gone | Verdict:
        answer = self._wire.open(
            response, stamp, verifier=self._verifier(stamp), expect="CreditEventVersions", statuses=OK
        )
        if isinstance(answer, Refused):
            return _gone(answer)
        assert isinstance(answer, list)
        found = tuple(feedback.by_id_to_finding(event, self._cipher, listed=self._listed) for event in answer)
        return found if all(finding.record_id == record_id for finding in found) else _other_record()


def _path(record_id: str) -> str:
    return f"/credit-records/{quote(record_id, safe='-._~')}"


def _gone(answer: Refused) -> Gone | Verdict:
    """A clear "not here" with its reason; everything else is a refusal or a fault."""
    if answer.verdict.event is not Event.NOT_FOUND:
        return answer.verdict
    return Gone(reason=text(answer.problem, "reason") or "UNKNOWN")


def _other_record() -> Verdict:
    return not_understood("other_record", "the answer speaks of another record", replay_safe=True)
