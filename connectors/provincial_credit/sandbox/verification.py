"""Verification of acknowledgements by the simulated platform, and the list of events that still wait for one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.provincial_credit.sandbox.reading import CHINA
from gateway.codec.codes import table
from gateway.testing.books import Books


@dataclass
class Acknowledgements:
    """Stores each acknowledgement once; a later code replaces one that was not final."""

    books: Books

    def acknowledge(self, batch: dict[str, Any], now: datetime) -> dict[str, Any]:
        """Take a batch; what is refused is named."""
        rejected = []
        for ack in batch["acks"]:
            refusal = self._one(ack, now)
            if refusal:
                rejected.append({"eventId": ack["eventId"], "code": refusal, "message": "acknowledgement refused"})
        return {"accepted": len(batch["acks"]) - len(rejected), "rejected": rejected}

    def pending(self, after: str, limit: int) -> tuple[list[dict[str, Any]], bool]:
        """Events beyond an id that still wait for a final acknowledgement, and whether there are more."""
        waiting: list[dict[str, Any]] = []
        for event_id, event in self.books.items("events", after=after):
            held = self.books.get("acks", event_id)
            if held is not None and held["final"]:
                continue
            if len(waiting) == limit:
                return waiting, True
            row = {name: event[name] for name in ("eventId", "platformRecordId", "recordVersion")}
            waiting.append(row | ({"lastAckCode": held["code"]} if held else {}))
        return waiting, False

    def _one(self, ack: dict[str, Any], now: datetime) -> str | None:
        event = self._event(ack)
        if event is None:
            return "NOT_FOUND"
        if (event["platformRecordId"], event["recordVersion"]) != (ack["platformRecordId"], ack["recordVersion"]):
            return "PARAM_INVALID"
        event_id = event["eventId"]
        held = self.books.get("acks", event_id)
        if held is not None and held["final"]:
            if held["code"] != ack["ackCode"]:
                return "RULE_VIOLATION"
            self.books.bump("ack_repeats")
            return None
        final = table("credit_ack_code", "connectors.provincial_credit.codes").get(ack["ackCode"], "final") == "yes"
        self.books.put("acks", event_id, {"code": ack["ackCode"], "final": final, "at": ack["ackTime"]})
        names = ("platformRecordId", "recordVersion", "ackCode", "ackTime")
        row = {"eventId": event_id, **{name: ack[name] for name in names}}
        self.books.put("acked", f"{now.astimezone(CHINA).date().isoformat()}/{event_id}", row)
        return None

    def _event(self, ack: dict[str, Any]) -> dict[str, Any] | None:
        """The event that is meant: by its id, or by the id a caller without the feed makes of a listed row."""
        known: dict[str, Any] | None = self.books.get("events", ack["eventId"])
        if known is not None:
            return known
        for event_id in self.books.get("records", ack["platformRecordId"]) or ():
            event: dict[str, Any] = self.books.get("events", event_id)
            if (
                event["recordVersion"] == ack["recordVersion"]
                and len(ack["eventId"]) == hashlib.sha256().digest_size * 2
            ):
                return event
        return None
