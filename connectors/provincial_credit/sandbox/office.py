"""The simulated platform's credit events: what it has told, in streams and by update time, and what it hears back.

A story of all forty cases is written once, when the feed is first read and certificates are held; each case can also be
told on command. Records can disappear without a word and come back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from connectors.provincial_credit.sandbox import cases
from connectors.provincial_credit.sandbox.cursors import Cursors, pack, unpack
from connectors.provincial_credit.sandbox.reading import CHINA, china, milliseconds
from connectors.provincial_credit.sandbox.refusal import Refusal
from connectors.provincial_credit.sandbox.registry import Registry
from connectors.provincial_credit.sandbox.scenario import Event, Maker
from connectors.provincial_credit.sandbox.sealing import Sealing
from gateway.testing.books import Books

STREAMS = ("PERSON_BAD", "PERSON_GOOD", "CORP_BAD", "CORP_GOOD", "BLACKLIST", "CERT", "SUBJECT")
_GONE = {"REPAIRED", "REVOKED", "VOIDED"}
_ENDED = _GONE | {"EXPIRED", "DELISTED"}


@dataclass
class CreditOffice:
    """Feed, listings and single records."""

    books: Books
    registry: Registry
    sealing: Sealing
    seed: int

    def __post_init__(self) -> None:
        self.cursors = Cursors(self.books, self.sealing.credentials.field_key)

    # what is told

    def write_scenario(self, now: datetime) -> None:
        """Tell every case once, when something is held and no batch waits; the same holdings give the same story.

        Once a case was told on command, only commands tell more.
        """
        if self.books.counter("tellings") or not self.books.count("certificates") or self.books.count("pending"):
            return
        self.tell(cases.STORY, now)

    def tell(self, names: Sequence[str], now: datetime) -> None:
        """Tell cases; KeyError for one that does not exist, Refusal where nobody is held to tell it about."""
        unknown = [name for name in names if name not in cases.EVENTS and name not in cases.BESIDE]
        if unknown:
            raise KeyError(unknown[0])
        held = [row for _, row in self.books.items("certificates")]
        rng = Random(f"{self.seed} credit {self.books.bump('tellings')}")  # noqa: S311
        make = Maker(self.registry, rng, held, now, lambda: self.books.bump("records"))
        if not make.cast:
            raise Refusal("RULE_VIOLATION", "no certificate is held that a case could be about")
        for name in names:
            if name in cases.EVENTS:
                told = list(cases.EVENTS[name](make))
                self._write_all(told, now)
                self.books.put("cases", name, list(dict.fromkeys(event["platformRecordId"] for event in told)))
            self._beside(name, make, now)

    def hide(self, record_id: str, now: datetime) -> None:
        """From now on the platform knows nothing of a record and says nothing about it (F27)."""
        self.books.put("hidden", record_id, now.timestamp())

    def show(self, record_id: str) -> None:
        """The record is there again."""
        self.books.remove("hidden", record_id)

    def publish(self, event: Event, now: datetime) -> Event:
        """Write one event, such as one about a decision of the caller's own; gives it with its place and digest."""
        self._write_all([event], now)
        newest: Event = self.books.get("events", f"EV{self.books.counter('event_ids'):010d}")
        return newest

    def _beside(self, name: str, make: Maker, now: datetime) -> None:
        match name:
            case "F27":
                for record_id in self.books.get("cases", "F27"):
                    self.hide(record_id, now)
            case "F28":
                for record_id in self.books.get("cases", "F27") or ():
                    self.show(record_id)
                    before = self.versions(record_id)[-1]
                    again = make.after(before, "AMENDED", mark="重新公布", effectiveFrom=make.moment(0))
                    self._write_all([again], now)
            case "F36":
                self.books.put("settings", "feed_troubles", ["page_lost", "page_repeat", "cursor_back"])
            case "F38":
                self._forget()

    def _forget(self) -> None:
        """Lose the newest version of every record of the caller's own that has more than one."""
        for key, own in self.books.items("own"):
            if len(own["versions"]) < 2:
                continue
            own["versions"].pop(str(max(int(version) for version in own["versions"])))
            self.books.put("own", key, own)
            ids = self.books.get("records", own["record_id"])
            self.books.put("records", own["record_id"], ids[:-1])
            for place, event_id in [*self.books.items("updates")]:
                if event_id == ids[-1]:
                    self.books.remove("updates", place)

    def _write_all(self, told: Sequence[Event], now: datetime) -> None:
        written: dict[int, str] = {}
        for event in told:
            if id(event) not in written:
                written[id(event)] = self._write(event, now)
            self.books.put("feed", f"{self.books.bump('feed'):010d}", [written[id(event)], now.timestamp()])

    def _write(self, told: Event, now: datetime) -> str:
        event = {name: value for name, value in told.items() if not name.startswith("_")}
        event_id = f"EV{self.books.bump('event_ids'):010d}"
        number = self.books.bump("event_seconds")
        event |= {"eventId": event_id, "streamSeq": self.books.bump(f"stream {event['stream']}")}
        late = timedelta(seconds=told.get("_late", number - 3600))
        event["eventTime"] = china(now + late)
        event["payloadDigest"] = self.sealing.of({**event, "content": "?"} if "_digest" in told else event)
        record_id = event["platformRecordId"]
        self.books.put("events", event_id, event)
        self.books.put("records", record_id, [*(self.books.get("records", record_id) or ()), event_id])
        place = f"{record_id}/{event['recordVersion']:09d}/{event_id}"
        self.books.put("updates", f"{milliseconds(now):015d}/{place}", event_id)
        self.books.put("changed", f"{now.astimezone(CHINA).date().isoformat()}/{place}", event_id)
        return event_id

    # what is read

    def changes(self, query: dict[str, list[str]], now: datetime, trouble: str | None) -> tuple[dict[str, Any], bool]:
        """A page of events from the cursor on, and whether it is empty.

        trouble: page_repeat gives the page before once more, page_lost leaves the page's events out,
                 cursor_back gives a cursor that points to the beginning
        """
        self.write_scenario(now)
        limit = int(query.get("limit", ["200"])[0])
        total = self.books.counter("feed")
        position = self.cursors.position(query, now, total)
        if trouble is None and position < total:
            trouble = self._own_trouble()
        start = max(0, position - limit) if trouble == "page_repeat" else position
        stop = position if trouble == "page_repeat" and position else min(total, start + limit)
        if trouble == "page_lost":
            start, stop = stop, min(total, stop + limit)
        events = self._between(start, stop, query)
        page = {
            "events": events,
            "nextCursor": self.cursors.at(0 if trouble == "cursor_back" else stop, now),
            "hasMore": stop < total or trouble == "cursor_back",
            "watermark": {
                stream: {"streamSeq": self.books.counter(f"stream {stream}"), "time": china(now)}
                for stream in STREAMS
                if self.books.counter(f"stream {stream}")
            },
        }
        return page, not events

    def pages(self, query: dict[str, Any], now: datetime) -> dict[str, Any]:
        """Every version of every record by the time it was written, for callers without a cursor."""
        self.write_scenario(now)
        first, last = (milliseconds(datetime.fromisoformat(query[n])) for n in ("updateTimeFrom", "updateTimeTo"))
        found = []
        for key, event_id in self.books.items("updates", after=f"{max(first, 0):015d}"):
            if int(key[:15]) >= last:
                break
            event = self.books.get("events", event_id)
            if self._is_listed(query, event):
                found.append((int(key[:15]), event))
        size, start = query["pageSize"], query["pageIndex"] * query["pageSize"]
        rows = [self._row(event, at) for at, event in found[start : start + size]]
        return {"total": len(found), "pageIndex": query["pageIndex"], "pageSize": size, "rows": rows}

    def queries(self, query: dict[str, Any], app_key: str) -> dict[str, Any]:
        """Newest versions of the records of a subject or certificate."""
        sealed = query.get("idCardNumber")
        number = None if sealed is None else self.sealing.open(sealed, "SubjectQuery", "idCardNumber", app_key)
        after, size = unpack(query.get("pageToken")), query["pageSize"]
        found = []
        for record_id, ids in self.books.items("records", after=after):
            event = max((self.books.get("events", one) for one in ids), key=lambda e: int(e["recordVersion"]))
            ended = event["eventType"] in _ENDED
            if self._is_hidden(record_id) or (ended and not query.get("includeEnded", False)):
                continue
            if self._is_about(query, number, event):
                found.append(event)
        answer: dict[str, Any] = {"rows": found[:size]}
        if len(found) > size:
            answer["nextPageToken"] = pack(found[size - 1]["platformRecordId"])
        return answer

    def record(self, record_id: str, version: str | None) -> Event:
        """The newest or the asked version; 410 with the reason where sharing has ended."""
        versions = self.versions(record_id)
        if version is not None:
            found = [event for event in versions if str(event["recordVersion"]) == version]
            if not found:
                raise Refusal("NOT_FOUND", "no such version")
            return found[0]
        newest = versions[-1]
        if newest["eventType"] in _GONE:
            raise Refusal("NOT_FOUND", "no longer shared", status=410, reason=newest["eventType"])
        return newest

    def versions(self, record_id: str) -> list[Event]:
        """All versions of a record in order."""
        ids = self.books.get("records", record_id)
        if ids is None or self._is_hidden(record_id):
            raise Refusal("NOT_FOUND", "no such record")
        found = [self.books.get("events", event_id) for event_id in ids]
        return sorted(found, key=lambda event: int(event["recordVersion"]))

    def cursor_at(self, moment: datetime, now: datetime) -> str:
        """Where the feed stood at a moment."""
        told = sum(1 for _, (_, at) in self.books.items("feed") if at < moment.timestamp())
        return self.cursors.at(told, now)

    def active_at(self, moment: datetime) -> list[Event]:
        """The newest version of each record in force at a moment."""
        until, newest = f"{milliseconds(moment):015d}", dict[str, Event]()
        for key, event_id in self.books.items("updates"):
            if key >= until:
                break
            event = self.books.get("events", event_id)
            known = newest.get(event["platformRecordId"])
            if known is None or known["recordVersion"] < event["recordVersion"]:
                newest[event["platformRecordId"]] = event
        hidden = dict(self.books.items("hidden"))
        return [
            event
            for record_id, event in sorted(newest.items())
            if event["eventType"] not in _ENDED and hidden.get(record_id, float("inf")) >= moment.timestamp()
        ]

    def _between(self, start: int, stop: int, query: dict[str, list[str]]) -> list[Event]:
        if stop <= start:
            return []
        streams, region = set(query.get("streams", STREAMS)), query.get("region")
        entries = self.books.items("feed", after=f"{start:010d}", limit=stop - start)
        events = [self.books.get("events", event_id) for _, (event_id, _) in entries]
        return [e for e in events if e["stream"] in streams and (region is None or e["regionNo"] == region[0])]

    def _own_trouble(self) -> str | None:
        left = self.books.get("settings", "feed_troubles") or []
        self.books.put("settings", "feed_troubles", left[1:])
        return left[0] if left else None

    def _is_hidden(self, record_id: str) -> bool:
        return self.books.get("hidden", record_id) is not None

    def _is_listed(self, query: dict[str, Any], event: Event) -> bool:
        asked = (("subjectType", "subjectType"), ("category", "category"), ("region", "regionNo"))
        fits = all(query.get(name, event[field]) == event[field] for name, field in asked)
        return fits and not self._is_hidden(event["platformRecordId"])

    def _row(self, event: Event, at: int) -> Event:
        row = {name: value for name, value in event.items() if name not in ("eventId", "stream", "streamSeq")}
        row["payloadDigest"] = self.sealing.of(row)
        return {**row, "updateTime": china(datetime.fromtimestamp(at / 1000, CHINA))}

    def _is_about(self, query: dict[str, Any], number: str | None, event: Event) -> bool:
        subject = event["subject"]
        if event["subjectType"] != query["subjectType"]:
            return False
        if query.get("corpCode", subject.get("corpCode")) != subject.get("corpCode"):
            return False
        if query.get("certificationCode", event.get("certificationCode")) != event.get("certificationCode"):
            return False
        if number is None:
            return True
        if subject.get("idCardType") != query["idCardType"]:
            return False
        bound = ("CreditEvent", "subject.idCardNumber", event["platformRecordId"])
        try:
            return self.sealing.open(subject["idCardNumber"], *bound) == number
        except Refusal:
            return False

    def account(self) -> dict[str, Any]:
        """Counts for the sandbox's effects: events told, acknowledgements by code."""
        return {
            "events": self.books.count("events"),
            "acks": dict(sorted(Counter(held["code"] for _, held in self.books.items("acks")).items())),
            "ack_repeats": self.books.counter("ack_repeats"),
        }
