"""The simulated platform's people: they answer objections, in time or on command, and close tickets on command.

An objection is accepted after two days and answered after seven more; both come as events of its record, but for a
record of the caller's own, whose versions only the caller writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connectors.provincial_credit.sandbox.office import CreditOffice
from connectors.provincial_credit.sandbox.reading import CHINA, china
from connectors.provincial_credit.sandbox.refusal import Refusal
from connectors.provincial_credit.sandbox.scenario import follow
from gateway.testing.books import Books

ANSWERS = {"REJECTED": "不予受理", "UPHELD": "维持", "CHANGED": "更正", "REVOKED": "撤销"}
_ACCEPT, _DECIDE = timedelta(days=2), timedelta(days=9)
_MEMBERS = ("objectionNo", "platformRecordId", "recordVersion", "ground", "attachmentIds")


@dataclass
class Objections:
    """Objections and tickets of callers."""

    books: Books
    office: CreditOffice

    def take(self, objection: dict[str, Any], now: datetime) -> dict[str, Any]:
        """Any number of objections to one record: only the idempotency key tells a repeat."""
        record_id = objection["platformRecordId"]
        held = self.office.versions(record_id)
        if objection["recordVersion"] > held[-1]["recordVersion"]:
            raise Refusal("VERSION_CONFLICT", "there is no such version yet")
        self.office.sealing.open(objection["objectorContact"], "Objection", "objectorContact", record_id)
        for scan in objection.get("attachmentIds", ()):
            if self.books.get("scans", scan) is None:
                raise Refusal("RULE_VIOLATION", "an attachment is not known")
        number = f"YY{now.astimezone(CHINA).year}{self.books.bump('objections'):06d}"
        kept = {name: objection[name] for name in _MEMBERS if name in objection}
        times = {"accept": (now + _ACCEPT).timestamp(), "decide": (now + _DECIDE).timestamp()}
        self.books.put("objections", number, {"objectionNo": number, **kept, **times, "answer": "UPHELD"})
        self.books.put("unanswered", number, "new")
        return {"objectionNo": number, "status": "SUBMITTED"}

    def state(self, number: str, now: datetime) -> dict[str, Any]:
        """As it stands: submitted, accepted, answered."""
        held = self.books.get("objections", number)
        if held is None:
            raise Refusal("NOT_FOUND", "no such objection")
        told = {name: held[name] for name in _MEMBERS if name in held}
        accepted, decided = _moment(held["accept"]), _moment(held["decide"])
        taken_up = held["answer"] != "REJECTED" and now >= accepted
        if taken_up:
            told["acceptedAt"] = china(accepted)
        if now < decided:
            return {**told, "status": "ACCEPTED" if taken_up else "SUBMITTED"}
        answer = held["answer"]
        return {
            **told,
            "status": answer,
            "decidedAt": china(decided),
            "result": answer,
            "resultText": ANSWERS[answer],
        }

    def answer(self, number: str, answer: str, now: datetime) -> None:
        """Decide now; KeyError for an objection that waits for nothing, or an answer that there is not."""
        held = self.books.get("objections", number)
        if held is None or self.books.get("unanswered", number) is None or answer not in ANSWERS:
            raise KeyError(number)
        times = {"accept": min(held["accept"], now.timestamp()), "decide": now.timestamp()}
        self.books.put("objections", number, {**held, **times, "answer": answer})
        self.work_off(now)

    def work_off(self, now: datetime) -> None:
        """Tell in the feed what has happened to objections since."""
        for number, told in self.books.items("unanswered"):
            held = self.books.get("objections", number)
            at, step = now.timestamp(), told
            if step == "new" and at >= held["accept"] and held["answer"] != "REJECTED":
                self._tell(held, "OBJECTION_OPENED", {"statusCode": "2"}, {"appliedDate": _day(held["accept"])}, now)
                step = "accepted"
            if at >= held["decide"]:
                self._close(held, now)
                self.books.remove("unanswered", number)
            elif step != told:
                self.books.put("unanswered", number, step)

    def open_ticket(self, ticket: dict[str, Any]) -> dict[str, Any]:
        """A contradiction a caller has found."""
        if self.books.get("records", ticket["platformRecordId"]) is None:
            raise Refusal("NOT_FOUND", "no such record")
        number = f"TK{self.books.bump('tickets'):08d}"
        self.books.put("tickets", number, {"ticketNo": number, **ticket, "status": "OPEN"})
        return {"ticketNo": number}

    def ticket(self, number: str) -> dict[str, Any]:
        """As it stands."""
        held: dict[str, Any] | None = self.books.get("tickets", number)
        if held is None:
            raise Refusal("NOT_FOUND", "no such ticket")
        return held

    def close_ticket(self, number: str, outcome: str) -> None:
        """Close it; KeyError where there is none."""
        held = self.books.get("tickets", number)
        if held is None:
            raise KeyError(number)
        self.books.put("tickets", number, {**held, "status": "CLOSED", "outcome": outcome})

    def account(self) -> dict[str, int]:
        """Counts for the sandbox's effects."""
        return {name: self.books.count(name) for name in ("objections", "tickets", "scans")}

    def _close(self, held: dict[str, Any], now: datetime) -> None:
        answer = held["answer"]
        if answer == "REJECTED":
            return
        closed = {"decidedDate": _day(held["decide"]), "result": answer}
        self._tell(held, "OBJECTION_CLOSED", {"statusCode": "0"}, closed, now)
        if answer == "CHANGED":
            self._tell(held, "CORRECTED", {"mark": "依异议处理决定更正", "changeReason": "异议成立，予以更正"}, {}, now)
        if answer == "REVOKED":
            self._tell(held, "REVOKED", {"statusCode": "1", "changeReason": "异议成立，决定撤销"}, {}, now)

    def _tell(
        self, held: dict[str, Any], kind: str, changes: dict[str, Any], about: dict[str, Any], now: datetime
    ) -> None:
        record_id = held["platformRecordId"]
        if self.books.get("hidden", record_id) is not None or self.books.get("own_ids", record_id) is not None:
            return
        said = {**changes, "objection": {"no": held["objectionNo"], **about}} if about else changes
        self.office.publish(follow(self.office.versions(record_id)[-1], kind, **said), now)


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, CHINA)


def _day(at: float) -> str:
    return _moment(at).date().isoformat()
