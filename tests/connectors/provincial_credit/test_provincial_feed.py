"""The simulated platform's credit events: the story, the cursor, acknowledgements."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from connectors.provincial_credit.sandbox import build
from connectors.provincial_credit.sandbox.http import BASE
from gateway.codec.codes import table
from gateway.contract.credit import CURSOR_EXPIRED
from gateway.contract.messages import FeedbackPage, FindingAck, WireResponse
from gateway.domain.states import Event


def _count(bench: Any, name: str) -> int:
    return int(bench.sandbox.effects()["counts"][name])


def _page(bench: Any, cursor: str | None) -> FeedbackPage:
    stamp = bench.stamp()
    page = bench.connector.decode_feedback(bench.send(bench.connector.encode_feedback(cursor, stamp)), stamp)
    assert isinstance(page, FeedbackPage), page
    return page


def test_the_feed_is_empty_until_something_is_held(bench: Any) -> None:
    empty = _page(bench, None)
    assert (empty.findings, empty.has_more, empty.retry_after) == ((), False, timedelta(seconds=1))
    bench.hold(2)
    assert _page(bench, empty.next_cursor).findings


def test_the_story_has_every_case_and_is_the_same_from_one_seed(make_bench: Callable[..., Any]) -> None:
    one, two = make_bench(), make_bench()
    stories = []
    for bench in (one, two):
        bench.hold(20)
        stories.append(_page(bench, None).findings)
    assert stories[0] == stories[1]
    story = stories[0]
    codes = {row["code"] for row in table("credit_event_type", "connectors.provincial_credit.codes").rows}
    assert {f.event_type for f in story} == codes - {"TOMBSTONE", "REPAIR_REJECTED"} | {"SUSPENDED"}
    assert len(story) == len({f.event_id for f in story}) + 1
    assert [f.flaw for f in story if f.flaw] == ["SCHEMA_INVALID"] * 2 + ["SIGNATURE_INVALID"] * 2
    for stream in {f.stream for f in story}:
        numbers = sorted({f.stream_seq for f in story if f.stream == stream})
        assert numbers == list(range(1, len(numbers) + 1))


def test_pages_follow_the_cursor_and_can_be_repeated_on_command(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(feedback_limit="7")
    bench.hold(20)
    first = _page(bench, None)
    assert first.has_more
    bench.sandbox.faults.set(next_=["page_repeat"])
    repeated = _page(bench, first.next_cursor)
    assert repeated.findings == first.findings
    seen, cursor = list(first.findings), repeated.next_cursor
    while True:
        page = _page(bench, cursor)
        seen += page.findings
        cursor = page.next_cursor
        if not page.has_more:
            break
    assert len({f.event_id for f in seen}) == _count(bench, "events")


def test_streams_filter_the_feed(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(feedback_streams='["CORP_BAD", "BLACKLIST"]', feedback_region="370100")
    bench.hold(3)
    assert {f.stream for f in _page(bench, None).findings} == {"CORP_BAD", "BLACKLIST"}


@pytest.mark.parametrize(("cursor", "days", "code"), [("forged", 0, "PARAM_INVALID"), (None, 91, CURSOR_EXPIRED)])
def test_a_forged_or_old_cursor_is_refused(bench: Any, cursor: str | None, days: int, code: str) -> None:
    given = cursor or _page(bench, None).next_cursor
    bench.clock.pass_(days=days)
    bench.token = None
    stamp = bench.stamp()
    verdict = bench.connector.decode_feedback(bench.send(bench.connector.encode_feedback(given, stamp)), stamp)
    event = Event.NOT_FOUND if code == CURSOR_EXPIRED else Event.UNKNOWN
    assert (verdict.event, verdict.code) == (event, code)


def _acknowledge(bench: Any, *acks: FindingAck) -> Any:
    stamp = bench.stamp()
    response = bench.send(bench.connector.encode_feedback_acks(acks, stamp))
    return bench.connector.decode_feedback_acks(response, acks, stamp)


def test_acknowledgements_are_kept_and_a_final_one_stays(bench: Any) -> None:
    bench.hold(20)
    first, second, *_ = _page(bench, None).findings

    def ack(finding: Any, code: str, **changes: Any) -> FindingAck:
        made = FindingAck(
            event_id=finding.event_id,
            record_id=finding.record_id,
            version=finding.version,
            code=code,
            at=bench.clock.now,
        )
        return replace(made, **changes)

    both = (ack(first, "APPLIED"), ack(second, "ACCEPTED_UNMATCHED"))
    assert _acknowledge(bench, *both).event is Event.ACCEPTED
    assert _acknowledge(bench, ack(second, "APPLIED")).event is Event.ACCEPTED
    assert _acknowledge(bench, ack(first, "APPLIED")).event is Event.ACCEPTED
    assert _acknowledge(bench, ack(first, "STALE")).code == "RULE_VIOLATION"
    assert _acknowledge(bench, ack(first, "APPLIED", version=9)).code == "PARAM_INVALID"
    unknown = _acknowledge(bench, ack(first, "APPLIED", event_id="EV0"), ack(second, "APPLIED"))
    assert (unknown.event, unknown.fields) == (Event.REJECTED, ("EV0",))
    effects = bench.sandbox.effects()
    assert effects["acks"] == {"APPLIED": 2}
    assert effects["ack_repeats"] == 2


def _ask(bench: Any, path: str) -> WireResponse:
    stamp = bench.stamp()
    response: WireResponse = bench.send(bench.connector._request("ask", path, stamp))
    return response


def test_single_records_versions_and_pending_acknowledgements_can_be_asked_for(bench: Any) -> None:
    bench.hold(20)
    story = _page(bench, None).findings
    gapped = next(f for f in story if f.version == 3 and f.event_type == "AMENDED")
    versions = json.loads(_ask(bench, f"/credit-records/{gapped.record_id}/versions").body)
    assert [event["recordVersion"] for event in versions] == [1, 2, 3]
    assert json.loads(_ask(bench, f"/credit-records/{gapped.record_id}").body)["recordVersion"] == 3
    revoked = next(f for f in story if f.event_type == "REVOKED")
    gone = _ask(bench, f"/credit-records/{revoked.record_id}")
    assert (gone.status, json.loads(gone.body)["reason"]) == (410, "REVOKED")
    pending = json.loads(_ask(bench, "/credit-records/acks/pending").body)["pending"]
    assert len(pending) == _count(bench, "events")
    assert _ask(bench, "/nothing").status == 404


def test_the_books_survive_a_kill(tmp_path: Any, bench: Any) -> None:
    async def health(app: Any) -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x.invalid") as client:
            return (await client.get(f"{BASE}/health")).status_code

    first = build(seed=3, state=tmp_path, clock=bench.clock)
    bench.sandbox.books.close()
    bench.sandbox = first
    bench.hold(2)
    first.books.close()
    second = build(seed=3, state=tmp_path, clock=bench.clock)
    bench.sandbox = second
    assert asyncio.run(health(second.app())) == 200
    assert _count(bench, "certificates") == 2
    assert _page(bench, None).findings
