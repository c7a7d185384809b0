"""The simulated platform's credit events: a seeded story about the people it holds, a feed, and acknowledgements.

The story is written once, when the feed is first read and certificates are held.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from connectors.provincial_credit.sandbox_certificates import Registry, Sealing
from connectors.provincial_credit.sandbox_story import Event, Story
from connectors.provincial_credit.sandbox_wire import CHINA, Refusal, china
from gateway.codec.codes import table
from gateway.testing.books import Books

STREAMS = ("PERSON_BAD", "PERSON_GOOD", "CORP_BAD", "CORP_GOOD", "BLACKLIST", "CERT", "SUBJECT")
_LIFE_DAYS = 90
_GONE = {"REPAIRED": "REPAIRED", "REVOKED": "REVOKED", "VOIDED": "VOIDED"}


@dataclass
class CreditOffice:
    """Feed, single records and acknowledgements."""

    books: Books
    registry: Registry
    sealing: Sealing
    seed: int

    def changes(self, query: dict[str, list[str]], now: datetime, *, repeat: bool) -> tuple[dict[str, Any], bool]:
        """A page of events from the cursor on, and whether it is empty. ``repeat`` gives the page before once more."""
        self.write_story(now)
        limit = _number(query, "limit", 200)
        streams = set(query.get("streams", STREAMS))
        if not streams <= set(STREAMS):
            raise Refusal("PARAM_INVALID", "unknown stream")
        log = list(self.books.items("feed"))
        position = self._position(query, now, log)
        start = max(0, position - limit) if repeat else position
        stop = position if repeat and position else len(log)
        events: list[Event] = []
        reached = start
        for number, event_id in ((int(key), value) for key, value in log[start:stop]):
            if len(events) == limit:
                break
            reached = number
            event = self.books.get("events", event_id)
            if event["stream"] in streams and query.get("region", [event["regionNo"]])[0] == event["regionNo"]:
                events.append(event)
        page = {
            "events": events,
            "nextCursor": self._cursor(reached, now),
            "hasMore": reached < len(log),
            "watermark": self._watermark(now),
        }
        return page, not events

    def record(self, record_id: str, version: str | None) -> Event:
        """The newest or the asked version; 410 with the reason where sharing has ended."""
        versions = self.versions(record_id)
        if version is not None:
            found = [event for event in versions if str(event["recordVersion"]) == version]
            if not found:
                raise Refusal("NOT_FOUND", "no such version")
            return found[0]
        newest = max(versions, key=lambda event: int(event["recordVersion"]))
        if newest["eventType"] in _GONE:
            raise Refusal("NOT_FOUND", "no longer shared", status=410, reason=_GONE[newest["eventType"]])
        return newest

    def versions(self, record_id: str) -> list[Event]:
        """All versions of a record in order."""
        found = [event for _, event in self.books.items("events") if event["platformRecordId"] == record_id]
        if not found:
            raise Refusal("NOT_FOUND", "no such record")
        return sorted(found, key=lambda event: int(event["recordVersion"]))

    def acknowledge(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Store each acknowledgement once; a later code replaces one that was not final."""
        rejected = []
        for ack in batch["acks"]:
            refusal = self._acknowledge(ack)
            if refusal:
                rejected.append({"eventId": ack["eventId"], "code": refusal, "message": "acknowledgement refused"})
        return {"accepted": len(batch["acks"]) - len(rejected), "rejected": rejected}

    def pending(self) -> dict[str, Any]:
        """Events that still wait for a final acknowledgement."""
        waiting = []
        for event_id, event in self.books.items("events"):
            held = self.books.get("acks", event_id)
            if held is None or not held["final"]:
                row = {name: event[name] for name in ("eventId", "platformRecordId", "recordVersion")}
                waiting.append(row | ({"lastAckCode": held["code"]} if held else {}))
        return {"pending": waiting}

    def account(self) -> dict[str, Any]:
        """Counts for the sandbox's effects: events told, acknowledgements by code."""
        return {
            "events": self.books.count("events"),
            "acks": dict(sorted(Counter(held["code"] for _, held in self.books.items("acks")).items())),
            "ack_repeats": self.books.counter("ack_repeats"),
        }

    def write_story(self, now: datetime) -> None:
        """Write the events once, when something is held and no batch waits; the same holdings give the same story."""
        if self.books.count("events") or not self.books.count("certificates") or self.books.count("pending"):
            return
        held = [row for _, row in self.books.items("certificates")]
        story = Story(self.sealing, self.registry, Random(f"{self.seed} credit"), held, now)  # noqa: S311
        sequence: Counter[str] = Counter()
        for number, event in enumerate(story.tell(), start=1):
            if "payloadDigest" not in event:
                sequence[event["stream"]] += 1
                event["eventId"] = f"EV{number:010d}"
                event["streamSeq"] = sequence[event["stream"]]
                event["eventTime"] = china(now - timedelta(minutes=60) + timedelta(seconds=number))
                event["payloadDigest"] = self.sealing.of(event)
                self.books.put("events", event["eventId"], event)
            self.books.put("feed", f"{number:010d}", event["eventId"])

    def _acknowledge(self, ack: dict[str, Any]) -> str | None:
        event = self.books.get("events", ack["eventId"])
        if event is None:
            return "NOT_FOUND"
        if (event["platformRecordId"], event["recordVersion"]) != (ack["platformRecordId"], ack["recordVersion"]):
            return "PARAM_INVALID"
        held = self.books.get("acks", ack["eventId"])
        if held is not None and held["final"]:
            if held["code"] != ack["ackCode"]:
                return "RULE_VIOLATION"
            self.books.bump("ack_repeats")
            return None
        final = table("credit_ack_code", "connectors.provincial_credit.codes").get(ack["ackCode"], "final") == "yes"
        self.books.put("acks", ack["eventId"], {"code": ack["ackCode"], "final": final, "at": ack["ackTime"]})
        return None

    def _position(self, query: dict[str, list[str]], now: datetime, log: list[tuple[str, Any]]) -> int:
        cursor, start = query.get("cursor"), query.get("from")
        if cursor:
            return self._read_cursor(cursor[0], now)
        match start and start[0]:
            case None:
                raise Refusal("PARAM_MISSING", "cursor or from is asked for")
            case "BEGIN":
                return 0
            case "NOW":
                return len(log)
            case text:
                try:
                    since = datetime.fromisoformat(str(text))
                except ValueError:
                    raise Refusal("PARAM_INVALID", "from is BEGIN, NOW or a date-time") from None
        times = [datetime.fromisoformat(self.books.get("events", event_id)["eventTime"]) for _, event_id in log]
        return sum(1 for time in times if time < since.astimezone(CHINA))

    def _cursor(self, position: int, now: datetime) -> str:
        plain = json.dumps({"p": position, "t": int(now.timestamp())}).encode()
        return base64.urlsafe_b64encode(plain + b"." + self._mac(plain)).decode()

    def _read_cursor(self, cursor: str, now: datetime) -> int:
        try:
            plain, _, mac = base64.urlsafe_b64decode(cursor).rpartition(b".")
            if not hmac.compare_digest(mac, self._mac(plain)):
                raise Refusal("PARAM_INVALID", "the cursor is not one of ours")
            value = json.loads(plain)
        except ValueError:
            raise Refusal("PARAM_INVALID", "the cursor is not one of ours") from None
        if now.timestamp() - value["t"] > _LIFE_DAYS * 86400:
            raise Refusal("CURSOR_EXPIRED", "load the snapshot and start from its cursor")
        return int(value["p"])

    def _mac(self, plain: bytes) -> bytes:
        return hmac.digest(self.sealing.credentials.field_key, b"cursor" + plain, "sha256").hex().encode()

    def _watermark(self, now: datetime) -> dict[str, Any]:
        last: dict[str, int] = {}
        for _, event in self.books.items("events"):
            last[event["stream"]] = max(last.get(event["stream"], 0), event["streamSeq"])
        return {stream: {"streamSeq": number, "time": china(now)} for stream, number in last.items()}


def _number(query: dict[str, list[str]], name: str, default: int) -> int:
    text = query.get(name, [str(default)])[0]
    if not text.isdigit() or not 1 <= int(text) <= 500:
        raise Refusal("PARAM_INVALID", f"{name} is a number from 1 to 500")
    return int(text)
