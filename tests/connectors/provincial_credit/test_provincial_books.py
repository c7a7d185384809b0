"""The daily books: published, signed, chained, read, refused where anything is wrong, and answered."""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from gateway.contract.credit import BookFile, BookItem, BookKind, BookResult, BookRow, Manifest, PublishesBooks
from gateway.contract.messages import FindingAck, Verdict
from gateway.domain.states import Event

DAY = date(2019, 4, 2)
Make = Callable[..., Any]


def _filled(bench: Any) -> Any:
    """A day on which certificates were pushed, every case was told and a few events were acknowledged."""
    bench.hold(4)
    found = bench.ask("feedback", None).findings
    acks = [
        FindingAck(event_id=f.event_id, record_id=f.record_id, version=f.version, code="APPLIED", at=bench.clock.now)
        for f in found[:5]
        if f.flaw is None
    ]
    bench.ask("feedback_acks", acks)
    return bench


def _next_day(bench: Any, hours: float = 20) -> None:
    bench.clock.pass_(hours=hours)
    bench.token = None


def _rows(bench: Any, manifest: Manifest, kind: BookKind) -> list[BookRow]:
    found: list[BookRow] = []
    for file in manifest.files:
        if file.kind is kind:
            stamp = bench.stamp()
            rows = bench.connector.decode_book(
                bench.send(bench.connector.encode_book(manifest, file, stamp)), manifest, file, stamp
            )
            assert isinstance(rows, tuple), rows
            assert len(rows) == file.rows
            found += rows
    return found


@pytest.mark.parametrize("dialect", ["sha256", "gm-envelope", "national"])
def test_a_day_s_books_are_read_and_are_what_happened(make_bench: Make, dialect: str) -> None:
    bench = _filled(make_bench(dialect))
    assert isinstance(bench.connector, PublishesBooks)
    assert bench.ask("manifest", DAY).event is Event.NOT_FOUND, "before 02:30 of the next day"
    _next_day(bench)
    manifest = bench.ask("manifest", DAY)
    assert isinstance(manifest, Manifest), manifest
    assert (manifest.day, manifest.previous) == (DAY, None)
    assert manifest.cutoff == datetime(2019, 4, 2, 16, 0, tzinfo=UTC)
    changes = _rows(bench, manifest, BookKind.CHANGES)
    books = bench.sandbox.books
    assert len(changes) == books.count("events")
    told = {event["payloadDigest"]: event for _, event in books.items("events")}
    assert {row.digest for row in changes} == set(told)
    assert all(told[row.digest]["recordVersion"] == row.version for row in changes)
    pushed = _rows(bench, manifest, BookKind.PUSHED)
    assert {(row.version, row.code) for row in pushed} == {(1, "20")}
    assert len(pushed) == 4
    assert {row.code for row in _rows(bench, manifest, BookKind.ACKNOWLEDGED)} == {"APPLIED"}
    assert bench.ask("manifest", DAY) == manifest, "a day never changes"


def test_manifests_form_a_chain_and_the_first_of_a_month_lists_all_that_is_in_force(bench: Any) -> None:
    _filled(bench)
    _next_day(bench, 24 * 30)
    manifests = [bench.ask("manifest", date(2019, 4, day)) for day in (2, 3, 7)]
    assert manifests[1].previous == manifests[0].digest
    assert [file.kind for file in manifests[1].files] == [BookKind.PUSHED, BookKind.ACKNOWLEDGED]
    active = _rows(bench, manifests[2], BookKind.ACTIVE)
    shown = {row.key: row for row in active}
    cases = dict(bench.sandbox.books.items("cases"))
    assert cases["F01"][0] in shown
    assert shown[cases["F40"][0]].version == 3
    assert not {cases[name][0] for name in ("F07", "F08", "F09", "F11", "F12", "F27")} & set(shown)


def test_a_snapshot_gives_what_is_in_force_and_the_cursor_to_go_on_from(bench: Any) -> None:
    _filled(bench)
    snapshot = bench.ask("manifest", None)
    assert {file.kind for file in snapshot.files} == {BookKind.ACTIVE}
    assert _rows(bench, snapshot, BookKind.ACTIVE)
    page = bench.ask("feedback", snapshot.cursor)
    assert (page.findings, page.has_more) == ((), False)
    bench.sandbox.command(tell=("F01",))
    assert len(bench.ask("feedback", snapshot.cursor).findings) == 2


@pytest.mark.parametrize(("dialect", "code"), [("sha256", "manifest_signature"), ("gm", "manifest_signature")])
@pytest.mark.parametrize("member", ["cutoffTime", "counts", "files", "appKey"])
def test_a_manifest_that_was_changed_is_not_used(make_bench: Make, dialect: str, code: str, member: str) -> None:
    """Even by somebody who can sign answers: a manifest is signed for itself."""
    bench = _filled(make_bench(dialect, verify_answers="false"))
    _next_day(bench)
    stamp = bench.stamp()
    response = bench.send(bench.connector.encode_manifest(DAY, stamp))
    manifest = json.loads(response.body)
    other = {"cutoffTime": "2019-04-03T00:00:00.001+08:00", "counts": {}, "files": [], "appKey": "another-key"}
    manifest[member] = other[member]
    spoilt = replace(response, body=json.dumps(manifest).encode())
    verdict = bench.connector.decode_manifest(spoilt, DAY, stamp)
    assert (verdict.event, verdict.code) == (Event.CONFLICT, code)


def test_a_manifest_of_another_day_is_no_answer(bench: Any) -> None:
    _filled(bench)
    _next_day(bench, 48)
    stamp = bench.stamp()
    response = bench.send(bench.connector.encode_manifest(DAY, stamp))
    verdict = bench.connector.decode_manifest(response, date(2019, 4, 3), stamp)
    assert (verdict.event, verdict.code) == (Event.RETRY, "other_day")


def _spoilt(content: bytes) -> dict[str, bytes]:
    plain = gzip.decompress(content).decode()
    lines = list(csv.reader(io.StringIO(plain)))

    def packed(rows: list[list[str]], end: bytes = b"") -> bytes:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        return gzip.compress(text.getvalue().encode(), mtime=0) + end

    return {
        "cut": content[:-4],
        "not gzip": plain.encode(),
        "something behind": packed(lines, b"x"),
        "another header": packed([["x", *lines[0][1:]], *lines[1:]]),
        "a column too few": packed([lines[0], lines[1][:-1]]),
        "a version that is no number": packed([lines[0], [lines[1][0], "one", *lines[1][2:]]]),
        "a version beyond all": packed([lines[0], [lines[1][0], "9" * 5000, *lines[1][2:]]]),
        "a version of nought": packed([lines[0], [lines[1][0], "0", *lines[1][2:]]]),
        "a key too long": packed([lines[0], ["k" * 65, *lines[1][1:]]]),
        "a key with NUL": packed([lines[0], ["k\0", *lines[1][1:]]]),
        "a field too long": packed([lines[0], ["k" * 200_000, *lines[1][1:]]]),
        "not utf-8": gzip.compress(b"\xff\xfe", mtime=0),
        "empty": gzip.compress(b"", mtime=0),
    }


@pytest.mark.parametrize(
    "how",
    [
        *("cut", "not gzip", "something behind", "another header", "a column too few"),
        *("a version that is no number", "not utf-8", "empty"),
        *("a version beyond all", "a version of nought", "a key too long", "a key with NUL", "a field too long"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(bench: Any, how: str) -> None:
    """Its digest is right here, so that only its form is to blame."""
    bench.connector._settings.verify_answers = False
    _filled(bench)
    _next_day(bench)
    manifest = bench.ask("manifest", DAY)
    file = next(f for f in manifest.files if f.kind is BookKind.PUSHED)
    stamp = bench.stamp()
    response = bench.send(bench.connector.encode_book(manifest, file, stamp))
    content = _spoilt(response.body)[how]
    named = replace(file, digest=hashlib.sha256(content).hexdigest())
    verdict = bench.connector.decode_book(replace(response, body=content), manifest, named, stamp)
    assert (verdict.event, verdict.code) == (Event.CONFLICT, "COUNT_DIFF")


def test_a_file_other_than_the_manifest_s_is_refused(bench: Any) -> None:
    _filled(bench)
    _next_day(bench)
    manifest = bench.ask("manifest", DAY)
    bench.sandbox.faults.set(next_=["book_altered"])
    verdict = bench.ask("book", manifest, manifest.files[0])
    assert (verdict.event, verdict.code) == (Event.CONFLICT, "COUNT_DIFF")
    missing: BookFile = replace(manifest.files[0], name="SDCREDIT_none_20190402_ALL_P_009.csv.gz")
    assert bench.ask("book", manifest, missing).event is Event.NOT_FOUND


def test_a_file_whose_signature_is_wrong_is_not_read(bench: Any) -> None:
    _filled(bench)
    _next_day(bench)
    manifest = bench.ask("manifest", DAY)
    stamp = bench.stamp()
    response = bench.send(bench.connector.encode_book(manifest, manifest.files[0], stamp))
    spoilt = replace(response, headers={**response.headers, "x-platform-signature": "AAAA"})
    verdict = bench.connector.decode_book(spoilt, manifest, manifest.files[0], stamp)
    assert isinstance(verdict, Verdict)
    assert (verdict.event, verdict.code) == (Event.RETRY, "answer_signature")


def test_a_result_is_taken_where_its_totals_fit_its_items(bench: Any) -> None:
    _filled(bench)
    _next_day(bench)
    bench.ask("manifest", DAY)
    item = BookItem(key="CR1", outcome="BEHIND", local_version=1, remote_version=2, ticket="T1")
    result = BookResult(
        day=DAY,
        started_at=bench.clock.now,
        finished_at=bench.clock.now,
        totals={"MATCH": 40, "BEHIND": 1},
        items=(item,),
        closed=False,
    )
    assert [bench.ask("result", result).receipt for _ in range(2)] == ["1", "2"]
    wrong = replace(result, totals={"MATCH": 40, "BEHIND": 2})
    assert bench.ask("result", wrong).code == "RULE_VIOLATION"
    early = replace(result, day=date(2019, 4, 9))
    assert bench.ask("result", early).event is Event.NOT_FOUND


def test_a_part_of_a_file_can_be_asked_for(bench: Any) -> None:
    _filled(bench)
    _next_day(bench)
    manifest = bench.ask("manifest", DAY)
    request = bench.connector.encode_book(manifest, manifest.files[0], bench.stamp())
    whole = bench.send(request)
    parts = []
    for wanted in ("bytes=0-9", "bytes=10-"):
        again = bench.connector.encode_book(manifest, manifest.files[0], bench.stamp())
        parts.append(bench.send(replace(again, headers={**again.headers, "range": wanted})))
    assert [part.status for part in parts] == [206, 206]
    assert parts[0].body + parts[1].body == whole.body
    beyond = bench.connector.encode_book(manifest, manifest.files[0], bench.stamp())
    assert bench.send(replace(beyond, headers={**beyond.headers, "range": "bytes=999999-"})).status == 416
