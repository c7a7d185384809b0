"""A model of a platform that also has a login, credit events, books, a desk and code tables: every ability there is.

The suite's own tests use it, and an author reads in it how little each of these abilities needs. Every answer repeats
the message's id, and what the question was about.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, ClassVar, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from gateway.codec.replies import not_understood
from gateway.contract.codes import CodeDrift
from gateway.contract.connector import ConnectorInfo, HoldingsBy
from gateway.contract.credit import (
    Awaited,
    AwaitedPage,
    BookFile,
    BookKind,
    BookResult,
    BookRow,
    Gone,
    Manifest,
    OwnDecision,
    SearchPage,
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
    Subject,
    SubjectType,
    Token,
    Verdict,
    WireRequest,
    WireResponse,
)
from gateway.domain.records import RecordKind, Submission
from gateway.domain.states import Event
from gateway.testing.model import Model, ModelSandbox, read_answer

T = TypeVar("T")
_CODES: Mapping[str, tuple[str, ...]] = {"trade": ("010", "020"), "level": ("2", "3", "4")}
"""tables that the connector writes from"""
_LONGEST_LOGIN = 86_400


@dataclass(frozen=True, kw_only=True)
class CreditModel(Model):
    """The connector."""

    platform: str = "credit_model"
    desk: DeskTerms = field(default_factory=DeskTerms)
    awaited_every: timedelta | None = timedelta(hours=1)

    @property
    def info(self) -> ConnectorInfo:
        """As the model's, but that holdings are listed in parts."""
        return replace(super().info, title_zh="样板信用平台", holdings_by=HoldingsBy.RECORD)

    # --- the login ---

    def encode_login(self, previous: Token | None, stamp: Stamp, /) -> WireRequest:
        return self._ask("login", stamp, account="model")

    def decode_login(self, response: WireResponse, stamp: Stamp, /) -> Token | Verdict:
        def token(answer: Mapping[str, Any]) -> Token:
            seconds = answer["seconds"]
            if type(seconds) is not int or not 0 < seconds <= _LONGEST_LOGIN:
                raise ValueError("no time that a login can last")
            ends = stamp.now + timedelta(seconds=seconds)
            return Token(values={"token": _text(answer, "token")}, expires_at=ends, renew_at=ends)

        return _read(response, stamp, token)

    # --- the feed ---

    def encode_feedback(self, cursor: str | None, stamp: Stamp, /) -> WireRequest:
        return self._ask("feed", stamp, after=cursor or "")

    def decode_feedback(self, response: WireResponse, stamp: Stamp, /) -> FeedbackPage | Verdict:
        def page(answer: Mapping[str, Any]) -> FeedbackPage:
            following, more = _text(answer, "next"), answer["more"]
            if not isinstance(more, bool):
                raise TypeError("more is no truth value")
            return FeedbackPage(findings=_findings(answer), next_cursor=following, has_more=more)

        return _read(response, stamp, page)

    def encode_feedback_acks(self, acks: Sequence[FindingAck], stamp: Stamp, /) -> WireRequest:
        return self._ask("acks", stamp, acks=[{"event": ack.event_id, "code": ack.code} for ack in acks])

    def decode_feedback_acks(self, response: WireResponse, acks: Sequence[FindingAck], stamp: Stamp, /) -> Verdict:
        return _taken(response, stamp, about=[ack.event_id for ack in acks])

    def encode_record(self, record_id: str, stamp: Stamp, /) -> WireRequest:
        return self._ask("record", stamp, record=record_id)

    def decode_record(self, response: WireResponse, record_id: str, stamp: Stamp, /) -> Finding | Gone | Verdict:
        def newest(answer: Mapping[str, Any]) -> Finding | Gone:
            found = _of(answer, record_id)
            return found[-1] if isinstance(found, tuple) else found

        return _read(response, stamp, newest, about=record_id)

    def encode_versions(self, record_id: str, stamp: Stamp, /) -> WireRequest:
        return self._ask("versions", stamp, record=record_id)

    def decode_versions(
        self, response: WireResponse, record_id: str, stamp: Stamp, /
    ) -> tuple[Finding, ...] | Gone | Verdict:
        return _read(response, stamp, lambda answer: _of(answer, record_id), about=record_id)

    def encode_awaited(self, cursor: str | None, stamp: Stamp, /) -> WireRequest:
        return self._ask("awaited", stamp, after=cursor or "")

    def decode_awaited(self, response: WireResponse, stamp: Stamp, /) -> AwaitedPage | Verdict:
        def page(answer: Mapping[str, Any]) -> AwaitedPage:
            found = (_finding(row) for row in answer["rows"])
            events = tuple(Awaited(event_id=f.event_id, record_id=f.record_id, version=f.version) for f in found)
            return AwaitedPage(events=events, next_cursor=_optional(answer, "next"))

        return _read(response, stamp, page)

    def encode_search(self, terms: SearchTerms, page: str | None, stamp: Stamp, /) -> WireRequest:
        asked = {"number": terms.id_number, "corp": terms.corp_code, "certificate": terms.certificate_number}
        return self._ask("search", stamp, page=page or "", **asked)

    def decode_search(self, response: WireResponse, stamp: Stamp, /) -> SearchPage | Verdict:
        return _read(
            response,
            stamp,
            lambda answer: SearchPage(findings=_findings(answer), next_page=_optional(answer, "next")),
        )

    # --- books ---

    def encode_manifest(self, day: date | None, stamp: Stamp, /) -> WireRequest:
        return self._ask("manifest", stamp, day="" if day is None else day.isoformat())

    def decode_manifest(self, response: WireResponse, day: date | None, stamp: Stamp, /) -> Manifest | Verdict:
        def told(answer: Mapping[str, Any]) -> Manifest:
            of = date.fromisoformat(_text(answer, "day"))
            cutoff = datetime.fromisoformat(_text(answer, "cutoff"))
            rows = answer["rows"]
            if (day is not None and of != day) or cutoff.tzinfo is None or type(rows) is not int:
                raise ValueError("another day, or no manifest")
            file = BookFile(
                name=_text(answer, "name"),
                stream="ALL",
                kind=BookKind.PUSHED,
                rows=rows,
                digest=_text(answer, "digest"),
            )
            digest = hashlib.sha256(response.body).hexdigest()
            return Manifest(day=of, cutoff=cutoff, files=(file,), cursor=_text(answer, "cursor"), digest=digest)

        return _read(response, stamp, told, about="" if day is None else day.isoformat())

    def encode_book(self, manifest: Manifest, file: BookFile, stamp: Stamp, /) -> WireRequest:
        return self._ask("book", stamp, name=file.name)

    def decode_book(
        self, response: WireResponse, manifest: Manifest, file: BookFile, stamp: Stamp, /
    ) -> tuple[BookRow, ...] | Verdict:
        if hashlib.sha256(response.body).hexdigest() != file.digest:
            return Verdict(event=Event.CONFLICT, code="COUNT_DIFF", reason="not the file of the manifest")
        lines = csv.reader(io.StringIO(response.body.decode()))
        return tuple(BookRow(kind=file.kind, key=key, version=int(version), code="OK") for key, version in lines)

    def encode_result(self, result: BookResult, stamp: Stamp, /) -> WireRequest:
        return self._ask("compared", stamp, day=result.day.isoformat(), totals=dict(result.totals))

    def decode_result(self, response: WireResponse, result: BookResult, stamp: Stamp, /) -> Verdict:
        return _taken(response, stamp, about=result.day.isoformat())

    # --- decisions and the desk ---

    def encode_decision(self, decision: OwnDecision, stamp: Stamp, /) -> WireRequest:
        asked = {"key": decision.key, "version": decision.version, "subject": decision.subject.id_number}
        return self._ask("decide", stamp, **asked, words=decision.decision)

    def decode_decision(self, response: WireResponse, decision: OwnDecision, stamp: Stamp, /) -> Verdict:
        return _taken(response, stamp, about=[decision.key, decision.version], named="platform_id")

    def encode_scan(self, scan: Scan, stamp: Stamp, /) -> WireRequest:
        return self._ask("scan", stamp, digest=scan.digest, content=b64encode(scan.content).decode())

    def decode_scan(self, response: WireResponse, scan: Scan, stamp: Stamp, /) -> Verdict:
        return _taken(response, stamp, about=scan.digest, named="receipt")

    def encode_objection(self, objection: Objection, stamp: Stamp, /) -> WireRequest:
        asked = {"record": objection.record_id, "who": objection.objector, "contact": objection.contact}
        return self._ask("object", stamp, **asked, ground=objection.ground, scans=list(objection.scans))

    def decode_objection(self, response: WireResponse, objection: Objection, stamp: Stamp, /) -> Verdict:
        return _taken(response, stamp, about=objection.record_id, named="receipt")

    def encode_objection_state(self, number: str, stamp: Stamp, /) -> WireRequest:
        return self._ask("objection", stamp, number=number)

    def decode_objection_state(self, response: WireResponse, number: str, stamp: Stamp, /) -> ObjectionState | Verdict:
        def state(answer: Mapping[str, Any]) -> ObjectionState:
            return ObjectionState(number=number, status=_text(answer, "status"))

        return _read(response, stamp, state, about=number)

    def encode_ticket(self, conflict: Conflict, stamp: Stamp, /) -> WireRequest:
        return self._ask("ticket", stamp, record=conflict.record_id, words=conflict.description)

    def decode_ticket(self, response: WireResponse, conflict: Conflict, stamp: Stamp, /) -> Verdict:
        return _taken(response, stamp, about=conflict.record_id, named="receipt")

    def encode_ticket_state(self, number: str, stamp: Stamp, /) -> WireRequest:
        return self._ask("ticket_state", stamp, number=number)

    def decode_ticket_state(self, response: WireResponse, number: str, stamp: Stamp, /) -> ConflictState | Verdict:
        def state(answer: Mapping[str, Any]) -> ConflictState:
            status = _text(answer, "status")
            return ConflictState(number=number, status=status, closed=status == "CLOSED")

        return _read(response, stamp, state, about=number)

    # --- codes, parts, numbers, sizes, pages ---

    def code_tables(self) -> Sequence[str]:
        return tuple(_CODES)

    def encode_code_table(self, name: str, stamp: Stamp, /) -> WireRequest:
        return self._ask("codes", stamp, table=name)

    def decode_code_table(self, response: WireResponse, name: str, stamp: Stamp, /) -> CodeDrift | Verdict:
        def drift(answer: Mapping[str, Any]) -> CodeDrift:
            theirs, ours = {str(code) for code in answer["codes"]}, set(_CODES[name])
            missing, added = tuple(sorted(ours - theirs)), tuple(sorted(theirs - ours))
            return CodeDrift(table=name, version=None, since=None, missing=missing, closed=(), added=added, renamed=())

        return _read(response, stamp, drift, about=name)

    def part_of(self, payload: Payload, /) -> str | None:
        return f"kind:{payload.kind}"

    def encode_holdings(self, cursor: str | None, payload: Payload | None, stamp: Stamp, /) -> WireRequest:
        """A part by its name; a record in the page that shows it."""
        part = cursor if payload is None else self.part_of(payload)
        return self._ask("part", stamp, part=part or "")

    def parts(self) -> Sequence[str]:
        return [f"kind:{kind}" for kind in self.info.kinds]

    def decode_part(self, response: WireResponse, cursor: str, stamp: Stamp, /) -> HoldingsPage | Verdict:
        return self.decode_holdings(response, None, stamp)

    def verifies(self) -> frozenset[RecordKind]:
        return frozenset({RecordKind.CERTIFICATE})

    def verifiable(self, submission: Submission, /) -> Payload | None:
        checked = self.check(submission, self.map(submission))
        return checked if isinstance(checked, Payload) else None

    def most_together(self, payload: Payload, /) -> int:
        return self.batch_max

    def message_number(self, message_id: str, /) -> str:
        return f"N{message_id}"

    def message_made(self, number: str, /) -> datetime | None:
        return None

    def contract_files(self) -> Mapping[str, bytes]:
        return {"service.wsdl": b'<definitions xmlns="http://schemas.xmlsoap.org/wsdl/"/>'}

    def encode_lookup_page(self, payload: Payload, page: str, stamp: Stamp, /) -> WireRequest:
        return self._ask("find", stamp, key=payload.record_key, page=page)

    def _ask(self, operation: str, stamp: Stamp, **asked: Any) -> WireRequest:
        return self._request(operation, {"message": stamp.message_id, **asked})


def _read(
    response: WireResponse, stamp: Stamp, meaning: Callable[[Mapping[str, Any]], T], *, about: Any = None
) -> T | Verdict:
    """What an answer means that repeats our message and what was asked about; a verdict for any other."""
    answer = read_answer(response)
    if answer is None or answer.get("message") != stamp.message_id or answer.get("about") != about:
        return not_understood("not_tied", "not an answer to this question", replay_safe=True)
    try:
        return meaning(answer)
    except (KeyError, TypeError, ValueError, AttributeError):
        return not_understood("unreadable", "the answer cannot be read", replay_safe=True)


def _taken(response: WireResponse, stamp: Stamp, *, about: Any, named: str = "") -> Verdict:
    """Whether something that was handed in is taken; its number or id goes where ``named`` says."""

    def verdict(answer: Mapping[str, Any]) -> Verdict:
        if answer.get("code") != "TAKEN":
            return Verdict(event=Event.REJECTED, code="REFUSED", reason="the platform did not take it")
        number = _text(answer, "number") if named else None
        return Verdict(
            event=Event.ACCEPTED,
            code="TAKEN",
            receipt=number if named == "receipt" else None,
            platform_id=number if named == "platform_id" else None,
        )

    return _read(response, stamp, verdict, about=about)


def _text(answer: Mapping[str, Any], name: str) -> str:
    """A text that must be there; TypeError for anything else."""
    value = answer[name]
    if not isinstance(value, str) or not value:
        raise TypeError(f"{name} is no text")
    return value


def _optional(answer: Mapping[str, Any], name: str) -> str | None:
    return None if answer[name] is None else _text(answer, name)


def _of(answer: Mapping[str, Any], record_id: str) -> tuple[Finding, ...] | Gone:
    if "gone" in answer:
        return Gone(reason=_text(answer, "gone"))
    found = _findings(answer)
    if not found or {finding.record_id for finding in found} != {record_id}:
        raise ValueError("versions of another record")
    return found


def _findings(answer: Mapping[str, Any]) -> tuple[Finding, ...]:
    return tuple(_finding(row) for row in answer["rows"])


def _finding(row: Mapping[str, Any]) -> Finding:
    """One event; KeyError, TypeError or ValueError where it is none."""
    version, at = row["version"], datetime.fromisoformat(_text(row, "at"))
    if type(version) is not int or at.tzinfo is None:
        raise TypeError("no version, or no moment")
    return Finding(
        event_id=_text(row, "event"),
        stream="ALL",
        stream_seq=version,
        event_type=_text(row, "type"),
        event_time=at,
        record_id=_text(row, "record"),
        version=version,
        digest=hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest(),
        subject=Subject(
            type=SubjectType.PERSON, name=_text(row, "name"), id_type="111", id_number=_text(row, "number")
        ),
        category=_text(row, "category"),
    )


def _event(record: str, version: int, kind: str) -> dict[str, Any]:
    return {
        "event": f"E-{record}-{version}",
        "record": record,
        "version": version,
        "type": kind,
        "at": "2019-04-01T09:00:00+08:00",
        "name": "示例人员",
        "number": "370000198606186576",
        "category": "BAD",
    }


_FEED = (_event("R1", 1, "CREATED"), _event("R1", 2, "AMENDED"), _event("R2", 1, "CREATED"))
_GONE = {"R2": "REVOKED"}
_BOOK = b"01ARZ3NDEKTSV4RRFFQ69G5FAV,1\n01ARZ3NDEKTSV4RRFFQ69G5FAW,2\n"


class CreditModelSandbox(ModelSandbox):
    """The platform behind ``CreditModel``: three events, one book, and a desk that takes everything."""

    platform: ClassVar[str] = "credit_model"

    def handle(self, request: Request, body: bytes, fault: str | None) -> Response:
        """A book is a file; everything else is one object."""
        if request.url.path == "/book":
            return Response(_BOOK, media_type="application/json")
        return super().handle(request, body, fault)

    def _login(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        return {"token": f"T{self.books.bump('logins')}", "seconds": 3600}

    def _feed(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        return {"about": None, "rows": [] if asked["after"] else list(_FEED), "next": "C3", "more": False}

    def _acks(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        return {"about": [ack["event"] for ack in asked["acks"]], "code": "TAKEN"}

    def _versions(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        about = asked["record"]
        return {"about": about, "rows": [event for event in _FEED if event["record"] == about]}

    def _record(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        about = asked["record"]
        return {"about": about, "gone": _GONE[about]} if about in _GONE else self._versions(asked, fault)

    def _awaited(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        return {"about": None, "rows": list(_FEED), "next": None}

    _search = _awaited

    def _manifest(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        return {
            "about": asked["day"],
            "day": asked["day"] or "2019-04-01",
            "cutoff": "2019-04-02T00:00:00+08:00",
            "name": "BOOK_001",
            "rows": _BOOK.count(b"\n"),
            "digest": hashlib.sha256(_BOOK).hexdigest(),
            "cursor": "C3",
        }

    def _compared(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        return {"about": asked["day"], "code": "TAKEN"}

    def _decide(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        return {"about": [asked["key"], asked["version"]], "code": "TAKEN", "number": "R9"}

    def _scan(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        digest = hashlib.sha256(b64decode(asked["content"])).hexdigest()
        return {"about": digest, "code": "TAKEN", "number": f"S{self.books.bump('scans')}"}

    def _object(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        return {"about": asked["record"], "code": "TAKEN", "number": f"O{self.books.bump('objections')}"}

    _ticket = _object

    def _objection(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        return {"about": asked["number"], "status": "SUBMITTED"}

    _ticket_state = _objection

    def _codes(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        return {"about": asked["table"], "codes": [*_CODES[asked["table"]], "999"]}

    def _part(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        rows = [value for _, value in self.books.items("held") if asked["part"] == f"kind:{value['kind']}"]
        return {"rows": rows, "next": None}
