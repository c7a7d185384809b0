"""Questions beside the daily traffic: the platform's code tables, what it still waits to hear, a subject's records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import quote

from connectors.provincial_credit import dictionaries, feedback
from connectors.provincial_credit.mapping import CHINA
from connectors.provincial_credit.signing import SignedCalls
from connectors.provincial_credit.verdicts import Refused
from gateway.codec.codes import table
from gateway.codec.jsonbody import rows, text, whole
from gateway.codec.replies import not_understood
from gateway.contract.codes import CodeDrift
from gateway.contract.credit import Awaited, AwaitedPage, SearchPage, SearchTerms
from gateway.contract.messages import JSON, Stamp, Verdict, WireRequest, WireResponse


class Looking(SignedCalls):
    """Asks, and changes nothing."""

    def code_tables(self) -> Sequence[str]:
        """The list of the platform's tables, then each whose codes are written or judged by."""
        return dictionaries.LISTING, *dictionaries.PINNED

    def encode_code_table(self, name: str, stamp: Stamp, /) -> WireRequest:
        if name == dictionaries.LISTING:
            return self._request("getDictionaries", "/dictionaries", stamp)
        return self._request("getDictionary", f"/dictionaries/{quote(name, safe='-._~')}", stamp)

    def decode_code_table(self, response: WireResponse, name: str, stamp: Stamp, /) -> CodeDrift | Verdict:
        listing = name == dictionaries.LISTING
        answer = self._open(response, stamp, "Dictionaries" if listing else "DictionaryTable")
        if isinstance(answer, Refused):
            return answer.verdict
        if listing:
            return dictionaries.of_listing(answer)
        if text(answer, "table") != name:
            return not_understood("other_table", "the answer is another table", replay_safe=True)
        return dictionaries.of_table(answer, name, stamp.now.astimezone(CHINA).date())

    @property
    def awaited_every(self) -> timedelta | None:
        """Read by update time, events have ids of our own making, which the platform's list does not know."""
        hours = self._settings.awaited_hours
        return timedelta(hours=hours) if hours and self._settings.feedback_by == "cursor" else None

    def encode_awaited(self, cursor: str | None, stamp: Stamp, /) -> WireRequest:
        query = [("limit", "500")] + ([("cursor", cursor)] if cursor else [])
        return self._request("getPendingAcks", "/credit-records/acks/pending", stamp, query=query)

    def decode_awaited(self, response: WireResponse, stamp: Stamp, /) -> AwaitedPage | Verdict:
        answer = self._open(response, stamp, "PendingAcks")
        if isinstance(answer, Refused):
            return answer.verdict
        events = tuple(
            Awaited(
                event_id=text(row, "eventId") or "",
                record_id=text(row, "platformRecordId") or "",
                version=whole(row, "recordVersion") or 0,
                last_code=text(row, "lastAckCode"),
            )
            for row in rows(answer, "pending") or ()
        )
        settings = self._settings
        chosen = settings.feedback_streams or settings.feedback_region or settings.feedback_from != "BEGIN"
        return AwaitedPage(events=events, next_cursor=text(answer, "nextCursor"), whole=not chosen)

    def encode_search(self, terms: SearchTerms, page: str | None, stamp: Stamp, /) -> WireRequest:
        """Records that have ended are asked for too: that one was repaired or revoked is what must not be missed."""
        query: dict[str, JSON] = {
            "subjectType": terms.subject_type,
            "includeEnded": True,
            "pageSize": self._settings.page_size,
        }
        if terms.id_number is not None:
            query["idCardType"] = table("id_document_type").get(terms.id_type, "worker_platform_code")
            query["idCardNumber"] = self._cipher.seal(
                terms.id_number, schema="SubjectQuery", field="idCardNumber", business_key=self._settings.app_key
            )
        known = (("corpCode", terms.corp_code), ("certificationCode", terms.certificate_number), ("pageToken", page))
        query |= {name: value for name, value in known if value is not None}
        return self._request("queryCreditRecords", "/credit-records/queries", stamp, body=("SubjectQuery", query))

    def decode_search(self, response: WireResponse, stamp: Stamp, /) -> SearchPage | Verdict:
        answer = self._open(response, stamp, "CreditRecordList")
        if isinstance(answer, Refused):
            return answer.verdict
        listed = self._settings.feedback_by == "pages"
        told = rows(answer, "rows") or ()
        findings = tuple(feedback.by_id_to_finding(event, self._cipher, listed=listed) for event in told)
        return SearchPage(findings=findings, next_page=text(answer, "nextPageToken"))
