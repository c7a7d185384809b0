"""Connectors that are wrong on purpose in what only some can do, each with the check of the suite that must find it.

They are the model of a credit platform, or one that hands files over, with one method changed.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from gateway.codec.replies import not_understood
from gateway.contract import handover
from gateway.contract.codes import CodeDrift
from gateway.contract.connector import ConnectorInfo, Endpoint, Pace
from gateway.contract.credit import (
    AwaitedPage,
    BookFile,
    BookResult,
    BookRow,
    Gone,
    Manifest,
    OwnDecision,
    SearchTerms,
)
from gateway.contract.desk import Conflict, ConflictState, DeskTerms, Objection, ObjectionState, Scan
from gateway.contract.messages import (
    FeedbackPage,
    Finding,
    FindingAck,
    HoldingsPage,
    Payload,
    Stamp,
    Token,
    Verdict,
    WireRequest,
    WireResponse,
)
from gateway.domain.records import Submission
from gateway.domain.states import Event
from gateway.testing.credit_model import CreditModel
from gateway.testing.model import Model, read_answer
from gateway.testing.wrong_connectors import Wrong

_LOST = not_understood("unreadable", "the answer cannot be read", replay_safe=True)


def _about(response: WireResponse) -> Any:
    return (read_answer(response) or {}).get("about")


def _says_taken(response: WireResponse, **more: str) -> Verdict:
    return Verdict(event=Event.ACCEPTED, code="TAKEN", **more) if b'"TAKEN"' in response.body else _LOST  # type: ignore[arg-type]


# --- login, feed, records and searches ---


class LoginOfAnything(CreditModel):
    """Takes what it cannot read for a token."""

    def decode_login(self, response: WireResponse, stamp: Stamp, /) -> Token | Verdict:
        found, ends = super().decode_login(response, stamp), stamp.now + timedelta(hours=1)
        if isinstance(found, Token):
            return found
        return Token(values={"token": response.body.decode("latin-1")}, expires_at=ends, renew_at=ends)


class LoginWithoutAZone(CreditModel):
    """Gives the end of a login in local time without saying whose."""

    def decode_login(self, response: WireResponse, stamp: Stamp, /) -> Token | Verdict:
        found = super().decode_login(response, stamp)
        return replace(found, expires_at=found.expires_at.replace(tzinfo=None)) if isinstance(found, Token) else found


class LoginForEver(CreditModel):
    """Adds up whatever the platform says a login lasts."""

    def decode_login(self, response: WireResponse, stamp: Stamp, /) -> Token | Verdict:
        answer = read_answer(response)
        if answer is not None:
            stamp.now + timedelta(seconds=int(answer.get("seconds") or 0))
        return super().decode_login(response, stamp)


class FeedRaises(CreditModel):
    """Takes for granted that a page has rows."""

    def decode_feedback(self, response: WireResponse, stamp: Stamp, /) -> FeedbackPage | Verdict:
        answer: Mapping[str, Any] = orjson.loads(response.body)
        len(answer["rows"])
        return super().decode_feedback(response, stamp)


class FeedOfNothing(CreditModel):
    """Takes anything it cannot read for an empty page."""

    def decode_feedback(self, response: WireResponse, stamp: Stamp, /) -> FeedbackPage | Verdict:
        found = super().decode_feedback(response, stamp)
        empty = FeedbackPage(findings=(), next_cursor="C3", has_more=False)
        return found if isinstance(found, FeedbackPage) else empty


class FeedFromTheBeginning(CreditModel):
    """Leaves the cursor out of its question."""

    def encode_feedback(self, cursor: str | None, stamp: Stamp, /) -> WireRequest:
        return super().encode_feedback(None, stamp)


class FeedWithoutACursor(CreditModel):
    """Gives no cursor where nothing follows yet."""

    def decode_feedback(self, response: WireResponse, stamp: Stamp, /) -> FeedbackPage | Verdict:
        found = super().decode_feedback(response, stamp)
        return replace(found, next_cursor="") if isinstance(found, FeedbackPage) else found


class AnyAnswerTakesTheAcks(CreditModel):
    """Does not look which acknowledgements an answer is about."""

    def decode_feedback_acks(self, response: WireResponse, acks: Sequence[FindingAck], stamp: Stamp, /) -> Verdict:
        return _says_taken(response)


class VersionsOfAnotherDigest(CreditModel):
    """Makes the digest of a version otherwise than that of an event."""

    def decode_versions(
        self, response: WireResponse, record_id: str, stamp: Stamp, /
    ) -> tuple[Finding, ...] | Gone | Verdict:
        found = super().decode_versions(response, record_id, stamp)
        if not isinstance(found, tuple):
            return found
        return tuple(replace(f, digest=hashlib.sha256(f.event_id.encode()).hexdigest()) for f in found)


class RecordOfAnother(CreditModel):
    """Does not look which record an answer is about."""

    def decode_record(self, response: WireResponse, record_id: str, stamp: Stamp, /) -> Finding | Gone | Verdict:
        return super().decode_record(response, str(_about(response)), stamp)


class GoneForAnyFault(CreditModel):
    """Takes every answer without a record for "the platform no longer has it"."""

    def decode_record(self, response: WireResponse, record_id: str, stamp: Stamp, /) -> Finding | Gone | Verdict:
        found = super().decode_record(response, record_id, stamp)
        return Gone(reason="UNKNOWN") if isinstance(found, Verdict) else found


class AwaitedRaises(CreditModel):
    """Takes for granted that every row names its event."""

    def decode_awaited(self, response: WireResponse, stamp: Stamp, /) -> AwaitedPage | Verdict:
        answer = read_answer(response)
        if answer is not None:
            len([row["event"] for row in answer["rows"]])
        return super().decode_awaited(response, stamp)


class SearchInThePath(CreditModel):
    """Names the person it searches for in the path."""

    def encode_search(self, terms: SearchTerms, page: str | None, stamp: Stamp, /) -> WireRequest:
        return replace(super().encode_search(terms, page, stamp), path=f"/search?number={terms.id_number}")


class SearchesOnePage(CreditModel):
    """Leaves the page out of its question."""

    def encode_search(self, terms: SearchTerms, page: str | None, stamp: Stamp, /) -> WireRequest:
        return super().encode_search(terms, None, stamp)


# --- books and decisions ---


class ManifestRaises(CreditModel):
    """Takes for granted that a manifest has a day."""

    def decode_manifest(self, response: WireResponse, day: Any, stamp: Stamp, /) -> Manifest | Verdict:
        answer = read_answer(response)
        if answer is not None and answer.get("message") == stamp.message_id:
            datetime.fromisoformat(answer["day"])
        return super().decode_manifest(response, day, stamp)


class ManifestWithoutAZone(CreditModel):
    """Gives the cut-off in local time without saying whose."""

    def decode_manifest(self, response: WireResponse, day: Any, stamp: Stamp, /) -> Manifest | Verdict:
        found = super().decode_manifest(response, day, stamp)
        return replace(found, cutoff=found.cutoff.replace(tzinfo=None)) if isinstance(found, Manifest) else found


class BookUnchecked(CreditModel):
    """Does not compare a book's digest with that of its manifest."""

    def decode_book(
        self, response: WireResponse, manifest: Manifest, file: BookFile, stamp: Stamp, /
    ) -> tuple[BookRow, ...] | Verdict:
        digest = hashlib.sha256(response.body).hexdigest()
        try:
            return super().decode_book(response, manifest, replace(file, digest=digest), stamp)
        except ValueError:
            return _LOST


class BookRaises(CreditModel):
    """Reads a book before it compares its digest."""

    def decode_book(
        self, response: WireResponse, manifest: Manifest, file: BookFile, stamp: Stamp, /
    ) -> tuple[BookRow, ...] | Verdict:
        response.body.decode("ascii")
        return super().decode_book(response, manifest, file, stamp)


class BookLosesRows(CreditModel):
    """Takes the first row of a book for its titles."""

    def decode_book(
        self, response: WireResponse, manifest: Manifest, file: BookFile, stamp: Stamp, /
    ) -> tuple[BookRow, ...] | Verdict:
        found = super().decode_book(response, manifest, file, stamp)
        return found[1:] if isinstance(found, tuple) else found


class ResultOfAnotherDay(CreditModel):
    """Does not look which day's result was taken."""

    def decode_result(self, response: WireResponse, result: BookResult, stamp: Stamp, /) -> Verdict:
        return _says_taken(response)


class DecisionOfAnotherVersion(CreditModel):
    """Does not look which version of a decision was taken."""

    def decode_decision(self, response: WireResponse, decision: OwnDecision, stamp: Stamp, /) -> Verdict:
        return _says_taken(response, platform_id="R9")


class DecisionWithoutItsRecord(CreditModel):
    """Forgets the id that the platform gave a decision."""

    def decode_decision(self, response: WireResponse, decision: OwnDecision, stamp: Stamp, /) -> Verdict:
        return replace(super().decode_decision(response, decision, stamp), platform_id=None)


class SubjectInAHeader(CreditModel):
    """Names the subject of a decision where it is logged."""

    def encode_decision(self, decision: OwnDecision, stamp: Stamp, /) -> WireRequest:
        made = super().encode_decision(decision, stamp)
        return replace(made, headers={**made.headers, "x-subject": str(decision.subject.id_number)})


# --- the desk ---


class ScanOfAnother(CreditModel):
    """Does not look which scan was taken."""

    def decode_scan(self, response: WireResponse, scan: Scan, stamp: Stamp, /) -> Verdict:
        return _says_taken(response, receipt="S1")


class ScanWithoutANumber(CreditModel):
    """Forgets the number that the platform gave a scan."""

    def decode_scan(self, response: WireResponse, scan: Scan, stamp: Stamp, /) -> Verdict:
        return replace(super().decode_scan(response, scan, stamp), receipt=None)


class ObjectionUntied(CreditModel):
    """Takes the answer to any message for the one to this."""

    def decode_objection(self, response: WireResponse, objection: Objection, stamp: Stamp, /) -> Verdict:
        return _says_taken(response, receipt="O1")


class ObjectorInTheOperation(CreditModel):
    """Names the call after whoever objects."""

    def encode_objection(self, objection: Objection, stamp: Stamp, /) -> WireRequest:
        return replace(super().encode_objection(objection, stamp), operation=f"object {objection.objector}")


class ObjectionStateOfAnother(CreditModel):
    """Does not look which objection an answer is about."""

    def decode_objection_state(self, response: WireResponse, number: str, stamp: Stamp, /) -> ObjectionState | Verdict:
        return super().decode_objection_state(response, str(_about(response)), stamp)


class ObjectionWithoutANumber(CreditModel):
    """Forgets the number by which an objection is asked about."""

    def decode_objection(self, response: WireResponse, objection: Objection, stamp: Stamp, /) -> Verdict:
        return replace(super().decode_objection(response, objection, stamp), receipt=None)


class TicketStateOfAnother(CreditModel):
    """Does not look which ticket an answer is about."""

    def decode_ticket_state(self, response: WireResponse, number: str, stamp: Stamp, /) -> ConflictState | Verdict:
        return super().decode_ticket_state(response, str(_about(response)), stamp)


class TicketStateRaises(CreditModel):
    """Takes for granted that a state is text."""

    def decode_ticket_state(self, response: WireResponse, number: str, stamp: Stamp, /) -> ConflictState | Verdict:
        answer = read_answer(response)
        if answer is not None and "status" in answer:
            answer["status"].upper()
        return super().decode_ticket_state(response, number, stamp)


class TicketOfItsOwnNumber(CreditModel):
    """Draws a number for a ticket, so that a repeat is another ticket."""

    def encode_ticket(self, conflict: Conflict, stamp: Stamp, /) -> WireRequest:
        made = super().encode_ticket(conflict, stamp)
        return replace(made, headers={**made.headers, "x-request": str(uuid.uuid4())})


class ClockInAResult(CreditModel):
    """Says when it was sent by the machine's clock."""

    def encode_result(self, result: BookResult, stamp: Stamp, /) -> WireRequest:
        made = super().encode_result(result, stamp)
        return replace(made, headers={**made.headers, "x-sent": f"{time.time():.0f}"})


@dataclass(frozen=True, kw_only=True)
class DeskWithoutDays(CreditModel):
    """Promises an answer within no day at all."""

    desk: DeskTerms = field(default_factory=lambda: DeskTerms(answer_days=0))


# --- codes, parts, sizes, numbers ---


class CodesOfAnyTable(CreditModel):
    """Does not look which table an answer shows."""

    def decode_code_table(self, response: WireResponse, name: str, stamp: Stamp, /) -> CodeDrift | Verdict:
        about = _about(response)
        return super().decode_code_table(response, about if about in self.code_tables() else name, stamp)


class CodesWithoutAName(CreditModel):
    """Leaves the table's name out of its question."""

    def encode_code_table(self, name: str, stamp: Stamp, /) -> WireRequest:
        return super().encode_code_table("trade", stamp)


class CodesRaise(CreditModel):
    """Takes for granted that a table has codes."""

    def decode_code_table(self, response: WireResponse, name: str, stamp: Stamp, /) -> CodeDrift | Verdict:
        answer: Mapping[str, Any] = orjson.loads(response.body)
        iter(answer["codes"])
        return super().decode_code_table(response, name, stamp)


class MisspeltCodes(CreditModel):
    """Gives half of an ability another name."""

    decode_code_table: Any = None

    def decode_codes_table(self, response: WireResponse, name: str, stamp: Stamp, /) -> CodeDrift | Verdict:
        return CreditModel.decode_code_table(self, response, name, stamp)


class PartWithoutRows(CreditModel):
    """Reads the rows of a part under the name they have elsewhere, and finds none."""

    def decode_part(self, response: WireResponse, cursor: str, stamp: Stamp, /) -> HoldingsPage | Verdict:
        found = super().decode_part(response, cursor, stamp)
        return HoldingsPage(holdings=()) if isinstance(found, HoldingsPage) else found


class PartRaises(CreditModel):
    """Takes for granted that a part has rows."""

    def decode_part(self, response: WireResponse, cursor: str, stamp: Stamp, /) -> HoldingsPage | Verdict:
        answer: Mapping[str, Any] = orjson.loads(response.body)
        len(answer["rows"])
        return super().decode_part(response, cursor, stamp)


class CannotVerify(CreditModel):
    """Names kinds it can be asked about, and cannot."""

    def verifiable(self, submission: Submission, /) -> Payload | None:
        raise NotImplementedError


class NothingFits(CreditModel):
    """Counts a message as full before anything is in it."""

    def most_together(self, payload: Payload, /) -> int:
        return 0


class OneNumberForAll(CreditModel):
    """Numbers messages by their day alone."""

    def message_number(self, message_id: str, /) -> str:
        return f"N{message_id[:4]}"


class EveryTextIsANumber(CreditModel):
    """Takes any text for the number of a message."""

    def message_made(self, number: str, /) -> datetime | None:
        return datetime(2019, 4, 2, tzinfo=UTC)


class NotAWholeContract(CreditModel):
    """Ships a contract file that is cut off."""

    def contract_files(self) -> Mapping[str, bytes]:
        return {"service.wsdl": b"<definitions><types>"}


# --- hand-over ---


class HandsOver(Model):
    """Right: puts each message into a folder as a file of its own."""

    @property
    def info(self) -> ConnectorInfo:
        return replace(super().info, reply_statuses=handover.STATUSES)

    @property
    def endpoint(self) -> Endpoint:
        place = handover.HandOver(outbox="outbox", inbox="inbox")
        return Endpoint(base_url="outbox", pace=Pace(interval=self.interval, connections=1), hand_over=place)

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        content = super().encode_push(payloads, stamp).body
        return handover.hand_over_file(
            "push", self.file_name(payloads, stamp), content, [payload.record_key for payload in payloads]
        )

    def decode_ack(
        self, response: WireResponse, receipt: str, payloads: Sequence[Payload], stamp: Stamp, /
    ) -> Sequence[Verdict]:
        if response.status != 200:
            return [_LOST] * len(payloads)
        return super().decode_ack(response, receipt, payloads, stamp)

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        return super().decode_lookup(response, payload, stamp) if response.status == 200 else _LOST

    def file_name(self, payloads: Sequence[Payload], stamp: Stamp) -> str:
        """Another for every message."""
        return f"{payloads[0].kind}-{stamp.message_id}.json"


class OneFileName(HandsOver):
    """Writes over the file of yesterday."""

    def file_name(self, payloads: Sequence[Payload], stamp: Stamp) -> str:
        return f"{payloads[0].kind}.json"


class FileNameWithAPath(HandsOver):
    """Names a file that leads out of its folder."""

    def file_name(self, payloads: Sequence[Payload], stamp: Stamp) -> str:
        return f"../{stamp.message_id}.json"


class FileWithoutKeys(HandsOver):
    """Does not say which records a file carries, so that no look-up finds it."""

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        return replace(super().encode_push(payloads, stamp), headers={handover.RECORDS_HEADER: ""})


class StatusesOfHttp(HandsOver):
    """Reads what no hand-over answers."""

    @property
    def info(self) -> ConnectorInfo:
        return replace(super().info, reply_statuses=frozenset({200}))


class PostsAFile(HandsOver):
    """Makes a request of its own where the contract has a function."""

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        return replace(super().encode_push(payloads, stamp), path="/upload")


class TakesWhatIsThere(HandsOver):
    """Takes something else under our name for ours."""

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        return Verdict(event=Event.ACCEPTED, code="THERE")


class WithoutRecordings(CreditModel):
    """Has abilities of which no answer of the platform was recorded."""


WRONG_ABILITIES: tuple[Wrong, ...] = tuple(
    Wrong(connector=connector, check=f"test_{check}", right=right)
    for right, connector, check in (
        (CreditModel, LoginOfAnything, "no_call_is_answered_by_garbage"),
        (CreditModel, LoginWithoutAZone, "recorded_answers_mean_what_they_say"),
        (CreditModel, LoginForEver, "values_of_other_types_are_read"),
        (CreditModel, FeedRaises, "values_of_other_types_are_read"),
        (CreditModel, FeedOfNothing, "no_call_is_answered_by_garbage"),
        (CreditModel, FeedFromTheBeginning, "a_cursor_is_passed_on"),
        (CreditModel, FeedWithoutACursor, "findings_are_told_the_same_everywhere"),
        (CreditModel, AnyAnswerTakesTheAcks, "what_is_handed_in_is_acknowledged_by_its_own_answer"),
        (CreditModel, VersionsOfAnotherDigest, "findings_are_told_the_same_everywhere"),
        (CreditModel, RecordOfAnother, "an_answer_about_another_is_no_answer"),
        (CreditModel, GoneForAnyFault, "no_call_is_answered_by_garbage"),
        (CreditModel, AwaitedRaises, "values_of_other_types_are_read"),
        (CreditModel, SearchInThePath, "no_request_of_the_desk_shows_a_person"),
        (CreditModel, SearchesOnePage, "a_cursor_is_passed_on"),
        (CreditModel, ManifestRaises, "values_of_other_types_are_read"),
        (CreditModel, ManifestWithoutAZone, "recorded_answers_mean_what_they_say"),
        (CreditModel, BookUnchecked, "a_book_is_the_file_its_manifest_tells_of"),
        (CreditModel, BookRaises, "no_call_is_answered_by_garbage"),
        (CreditModel, BookLosesRows, "a_book_is_the_file_its_manifest_tells_of"),
        (CreditModel, ResultOfAnotherDay, "an_answer_about_another_is_no_answer"),
        (CreditModel, DecisionOfAnotherVersion, "an_answer_about_another_is_no_answer"),
        (CreditModel, DecisionWithoutItsRecord, "what_is_taken_is_named"),
        (CreditModel, SubjectInAHeader, "no_request_of_the_desk_shows_a_person"),
        (CreditModel, ScanOfAnother, "an_answer_about_another_is_no_answer"),
        (CreditModel, ScanWithoutANumber, "what_is_taken_is_named"),
        (CreditModel, ObjectionUntied, "what_is_handed_in_is_acknowledged_by_its_own_answer"),
        (CreditModel, ObjectorInTheOperation, "no_request_of_the_desk_shows_a_person"),
        (CreditModel, ObjectionStateOfAnother, "an_answer_about_another_is_no_answer"),
        (CreditModel, ObjectionWithoutANumber, "what_is_taken_is_named"),
        (CreditModel, TicketStateOfAnother, "an_answer_about_another_is_no_answer"),
        (CreditModel, TicketStateRaises, "values_of_other_types_are_read"),
        (CreditModel, TicketOfItsOwnNumber, "every_request_is_the_same_again"),
        (CreditModel, ClockInAResult, "nothing_but_the_stamp_varies_a_request"),
        (CreditModel, DeskWithoutDays, "the_connector_has_the_form_of_the_contract"),
        (CreditModel, CodesOfAnyTable, "an_answer_about_another_is_no_answer"),
        (CreditModel, CodesWithoutAName, "code_tables_are_those_that_are_sent"),
        (CreditModel, CodesRaise, "values_of_other_types_are_read"),
        (CreditModel, MisspeltCodes, "the_connector_has_the_form_of_the_contract"),
        (CreditModel, PartWithoutRows, "a_part_shows_what_belongs_to_it"),
        (CreditModel, PartRaises, "no_call_is_answered_by_garbage"),
        (CreditModel, CannotVerify, "what_is_not_owed_can_be_asked_about"),
        (CreditModel, NothingFits, "sizes_and_numbers_are_possible"),
        (CreditModel, OneNumberForAll, "sizes_and_numbers_are_possible"),
        (CreditModel, EveryTextIsANumber, "sizes_and_numbers_are_possible"),
        (CreditModel, NotAWholeContract, "contract_files_can_be_read"),
        (Model, WithoutRecordings, "every_ability_has_a_recorded_answer"),
        (HandsOver, OneFileName, "what_is_handed_over_keeps_the_form"),
        (HandsOver, FileNameWithAPath, "what_is_handed_over_keeps_the_form"),
        (HandsOver, FileWithoutKeys, "what_is_handed_over_keeps_the_form"),
        (HandsOver, StatusesOfHttp, "what_is_handed_over_keeps_the_form"),
        (HandsOver, PostsAFile, "what_is_handed_over_keeps_the_form"),
        (HandsOver, TakesWhatIsThere, "something_else_under_our_name_is_no_success"),
    )
)
