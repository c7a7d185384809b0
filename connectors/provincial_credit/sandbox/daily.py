"""The simulated platform's daily books: manifests in a chain, files with digests, snapshots, and the results it hears.

Books of a day are made once, when they are first asked for after 02:30 of the next day, and never change.
"""

from __future__ import annotations

import base64
import csv
import gzip
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import rfc8785

from connectors.provincial_credit.sandbox.http import WireSecurity
from connectors.provincial_credit.sandbox.office import STREAMS, CreditOffice
from connectors.provincial_credit.sandbox.reading import CHINA, china
from connectors.provincial_credit.sandbox.refusal import Refusal
from connectors.provincial_credit.sandbox.scenario import Event
from gateway.testing.books import Books

_READY = timedelta(hours=2, minutes=30)
COLUMNS = {
    "D": (
        *("platformRecordId", "recordVersion", "streamSeq", "eventId", "eventType", "statusCode", "subjectType"),
        *("publishBeginDate", "publishEndDate", "payloadDigest"),
    ),
    "S": ("platformRecordId", "recordVersion", "statusCode", "subjectType", "publishEndDate", "payloadDigest"),
    "P": (
        *("certificateKey", "recordVersion", "requestSerialCode", "itemStatus", "platformCertificateId"),
        *("platformVersion", "payloadDigest"),
    ),
    "A": ("eventId", "platformRecordId", "recordVersion", "ackCode", "ackTime"),
}
Row = dict[str, Any]


@dataclass
class Daily:
    """Makes and keeps the books of each day."""

    books: Books
    security: WireSecurity
    office: CreditOffice

    def manifest(self, day: date, now: datetime) -> dict[str, Any]:
        """The manifest of a day; those of all days before it are made first, so that the chain has no hole."""
        first = date.fromisoformat(self.books.get("settings", "first_day"))
        if day < first or now < _midnight(day) + _READY:
            raise Refusal("NOT_FOUND", "not published: before the first day, or not yet")
        made: dict[str, Any] | None = None
        for number in range((day - first).days + 1):
            made = self._manifest(first + timedelta(days=number), now)
        assert made is not None
        return made

    def snapshot(self, now: datetime) -> dict[str, Any]:
        """All that is in force now, and the cursor to go on from."""
        day, cutoff = now.astimezone(CHINA).date(), now + timedelta(milliseconds=1)
        files = self._active(day, cutoff, self.books.bump("snapshots"))
        made = self._head(day, cutoff, now, files) | {"cursor": self.office.cursor_at(cutoff, now)}
        return self._signed(made)

    def file(self, day: date, name: str) -> bytes:
        """One file as it was made."""
        kept = self.books.get("files", f"{day.isoformat()}/{name}")
        if kept is None:
            raise Refusal("NOT_FOUND", "no such file")
        return base64.b64decode(kept)

    def result(self, day: date, result: dict[str, Any], now: datetime) -> dict[str, Any]:
        """Keep a result; totals and items must fit each other."""
        if self.books.get("manifests", day.isoformat()) is None:
            raise Refusal("NOT_FOUND", "no books of that day")
        told = Counter(item["class"] for item in result["items"])
        totals = {name: count for name, count in result["totals"].items() if name != "MATCH" and count}
        if result["date"] != day.isoformat() or dict(told) != totals:
            raise Refusal("RULE_VIOLATION", "date, totals and items do not fit each other")
        results = [*(self.books.get("results", day.isoformat()) or ()), result]
        self.books.put("results", day.isoformat(), results)
        return {"date": day.isoformat(), "resultNo": len(results), "receivedAt": china(now)}

    def _manifest(self, day: date, now: datetime) -> dict[str, Any]:
        kept: dict[str, Any] | None = self.books.get("manifests", day.isoformat())
        if kept is not None:
            return kept
        cutoff = _midnight(day)
        files = [*self._changes(day)]
        if day.weekday() == 6 or day.day == 1:
            files += self._active(day, cutoff, 1)
        pushed = [row for _, row in self.books.items("pushed") if _.startswith(day.isoformat())]
        acked = [row for _, row in self.books.items("acked") if _.startswith(day.isoformat())]
        files += [self._file(day, "ALL", "P", 1, pushed), self._file(day, "ALL", "A", 1, acked)]
        made = self._head(day, cutoff, now, files) | {"cursorAtCutoff": self.office.cursor_at(cutoff, now)}
        before = self.books.get("manifests", (day - timedelta(days=1)).isoformat())
        if before is not None:
            made["previousManifestDigest"] = f"{self.security.prefix}:{self.security.digest(rfc8785.dumps(before))}"
        made = self._signed(made)
        self.books.put("manifests", day.isoformat(), made)
        return made

    def _head(self, day: date, cutoff: datetime, now: datetime, files: Sequence[Row]) -> dict[str, Any]:
        counts: dict[str, Counter[str]] = {}
        for event in self.office.active_at(cutoff):
            counts.setdefault(event["stream"], Counter())[event["statusCode"]] += 1
        return {
            "date": day.isoformat(),
            "appKey": self.security.credentials.app_key,
            "cutoffTime": china(cutoff.astimezone(CHINA)),
            "files": list(files),
            "counts": {stream: dict(sorted(count.items())) for stream, count in sorted(counts.items())},
            "generatedAt": china(now),
        }

    def _signed(self, made: dict[str, Any]) -> dict[str, Any]:
        made["signatureAlg"] = self.security.profile.algorithm
        return {**made, "signature": self.security.durable_sign(rfc8785.dumps(made))}

    def _changes(self, day: date) -> list[Row]:
        found = [
            self.books.get("events", i) for key, i in self.books.items("changed") if key.startswith(day.isoformat())
        ]
        return self._by_stream(day, "D", 1, found)

    def _active(self, day: date, moment: datetime, number: int) -> list[Row]:
        return self._by_stream(day, "S", number, self.office.active_at(moment))

    def _by_stream(self, day: date, kind: str, number: int, events: Sequence[Event]) -> list[Row]:
        return [
            self._file(day, stream, kind, number, rows)
            for stream in STREAMS
            if (rows := [event for event in events if event["stream"] == stream])
        ]

    def _file(self, day: date, stream: str, kind: str, number: int, rows: Sequence[Row]) -> Row:
        columns = COLUMNS[kind]
        ordered = sorted(rows, key=lambda row: (str(row[columns[0]]), int(row["recordVersion"])))
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([row.get(column, "") for column in columns] for row in ordered)
        packed = gzip.compress(text.getvalue().encode(), mtime=0)
        name = f"SDCREDIT_{self.security.credentials.app_key}_{day:%Y%m%d}_{stream}_{kind}_{number:03d}.csv.gz"
        self.books.put("files", f"{day.isoformat()}/{name}", base64.b64encode(packed).decode())
        numbers = [row["streamSeq"] for row in rows] if kind in "DS" else []
        return {
            "name": name,
            "stream": stream,
            "kind": kind,
            "rows": len(ordered),
            "bytes": len(packed),
            "digestAlg": self.security.prefix,
            "digest": self.security.digest(packed),
            **({"firstSeq": min(numbers), "lastSeq": max(numbers)} if numbers else {}),
        }


def _midnight(day: date) -> datetime:
    """24:00 of a day."""
    return datetime.combine(day, time(), CHINA) + timedelta(days=1)
