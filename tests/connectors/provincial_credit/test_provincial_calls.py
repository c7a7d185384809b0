"""Single records, own decisions, objections, tickets and scans: each call there and back."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from gateway.contract.credit import Awaited, AwaitedPage, Gone, ListsAwaited, OwnDecision, Sanction
from gateway.contract.messages import Finding, FindingAck, Subject, SubjectType, WireResponse
from gateway.domain.errors import ContractError
from gateway.domain.records import Certificate, RecordKind
from gateway.domain.states import Event
from gateway.testing import people

Answer = Callable[..., WireResponse]


@pytest.fixture
def told(bench: Any) -> dict[str, list[str]]:
    """Every case told; case -> record ids."""
    bench.hold(4)
    bench.ask("feedback", None)
    return dict(bench.sandbox.books.items("cases"))


def _decision(**changes: Any) -> OwnDecision:
    worker = people.submissions("provincial_credit", RecordKind.CERTIFICATE)[0].record.content
    assert isinstance(worker, Certificate)
    values: dict[str, Any] = {
        "key": "01D7EN6Q00000000000000ABCD",
        "version": 1,
        "platform_record_id": None,
        "event_type": "CREATED",
        "subject": Subject(
            type=SubjectType.PERSON, name=worker.holder.name, id_type="111", id_number=worker.holder.id_number
        ),
        "category": "BAD",
        "credit_type": "SD-P",
        "credit_code": "SD-P-03",
        "content": "买卖职业技能岗位证书",
        "happen_date": date(2019, 2, 1),
        "region": "370100",
        "authority": "山东省建设从业人员教育中心",
        "legal_basis": "鲁建教函〔2019〕1号 六(三)",
        "sanctions": (Sanction(type="M02", begin=date(2019, 4, 1), end=date(2020, 3, 31)),),
        "decision": "记入诚信档案",
        "decision_no": "鲁建教决〔2019〕7号",
        "decision_date": date(2019, 4, 1),
        "publish_begin": date(2019, 4, 2),
        "publish_end": date(2020, 4, 1),
        "notice_date": date(2019, 3, 20),
        "heard": True,
        "delivered_date": date(2019, 4, 1),
        "decision_digest": "ab" * 32,
    }
    return OwnDecision(**{**values, **changes})


def _later(decision: OwnDecision, record_id: str, **changes: Any) -> OwnDecision:
    return replace(decision, version=2, platform_record_id=record_id, **changes)


# records by id


def test_a_record_and_its_versions_are_as_the_feed_told_them(bench: Any, told: dict[str, list[str]]) -> None:
    (record_id,) = told["F40"]
    feed = [f for f in _feed(bench) if f.record_id == record_id]
    assert [f.version for f in feed] == [1, 2, 3]
    assert bench.ask("versions", record_id) == tuple(feed)
    assert bench.ask("record", record_id) == feed[-1]


def _feed(bench: Any) -> list[Finding]:
    return list(bench.ask("feedback", None).findings)


@pytest.mark.parametrize(("case", "reason"), [("F07", "REVOKED"), ("F08", "VOIDED"), ("F09", "REPAIRED")])
def test_a_record_that_is_shared_no_more_is_gone_with_its_reason(
    bench: Any, told: dict[str, list[str]], case: str, reason: str
) -> None:
    assert bench.ask("record", told[case][0]) == Gone(reason=reason)
    assert len(bench.ask("versions", told[case][0])) == 2


def test_a_record_that_disappeared_is_gone_without_a_reason_and_can_come_back(
    bench: Any, told: dict[str, list[str]]
) -> None:
    (record_id,) = told["F27"]
    assert bench.ask("record", record_id) == bench.ask("versions", record_id) == Gone(reason="UNKNOWN")
    bench.sandbox.command(tell=("F28",))
    assert [f.version for f in bench.ask("versions", record_id)] == [1, 2]


@pytest.mark.parametrize("call", ["record", "versions"])
def test_no_fault_and_no_unsigned_refusal_makes_a_record_gone(
    bench: Any, answer: Answer, refusal: Callable[..., Any], call: str
) -> None:
    stamp = bench.stamp()
    decode = getattr(bench.connector, f"decode_{call}")
    signed = answer(stamp, 404, refusal("NOT_FOUND", 404))
    assert decode(signed, "CR1", stamp) == Gone(reason="UNKNOWN")
    unsigned = replace(signed, headers={"content-type": "application/problem+json"})
    assert decode(unsigned, "CR1", stamp).code == "answer_unsigned"
    assert decode(answer(stamp, 503, refusal("UPSTREAM_UNAVAILABLE", 503)), "CR1", stamp).event is Event.RETRY
    assert decode(replace(signed, body=b"<html>"), "CR1", stamp).event is Event.RETRY


def test_another_record_than_the_one_asked_for_is_no_answer(bench: Any, told: dict[str, list[str]]) -> None:
    for call in ("record", "versions"):
        stamp = bench.stamp()
        response = bench.send(getattr(bench.connector, f"encode_{call}")(told["F01"][0], stamp))
        verdict = getattr(bench.connector, f"decode_{call}")(response, told["F02"][0], stamp)
        assert (verdict.event, verdict.code) == (Event.RETRY, "other_record")


def test_a_record_that_breaks_the_document_is_a_finding_with_a_flaw(bench: Any, answer: Answer) -> None:
    stamp = bench.stamp()
    odd = {"eventId": "EV1", "platformRecordId": "CR1", "recordVersion": 1, "payloadDigest": "x"}
    finding = bench.connector.decode_record(answer(stamp, 200, odd), "CR1", stamp)
    assert (finding.flaw, finding.event_id) == ("SCHEMA_INVALID", "EV1")


# own decisions


def test_an_own_decision_is_taken_once_told_in_the_feed_and_followed_by_its_versions(bench: Any) -> None:
    bench.hold(2)
    _feed(bench)
    decision = _decision()
    taken = bench.ask("decision", decision)
    assert taken.event is Event.ACCEPTED
    assert bench.ask("decision", decision).platform_id == taken.platform_id
    assert bench.sandbox.books.counter("own_repeats") == 1
    revoked = _later(decision, taken.platform_id, event_type="REVOKED", change_reason="复议撤销")
    assert bench.ask("decision", revoked).event is Event.ACCEPTED
    found = [f for f in _feed(bench) if f.record_id == taken.platform_id]
    assert [(f.event_type, f.flaw) for f in found] == [("CREATED", None), ("REVOKED", None)]
    assert found[0].subject is not None
    assert found[0].subject.id_number == decision.subject.id_number
    assert bench.ask("record", taken.platform_id) == Gone(reason="REVOKED")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"heard": False}, "proof.statementHeard"),
        ({"notice_date": date(2019, 4, 2)}, "proof"),
        ({"delivered_date": date(2019, 3, 30)}, "proof"),
        ({"publish_end": date(2019, 12, 31)}, "publishEndDate"),
        ({"credit_code": "D9-9-99"}, "creditCode"),
        ({"category": "ODD"}, "category"),
        ({"sanctions": (Sanction(type="Z9"),)}, "sanctions"),
    ],
)
def test_a_decision_against_the_rules_is_rejected_with_the_field_named(
    bench: Any, changes: dict[str, Any], field: str
) -> None:
    verdict = bench.ask("decision", _decision(**changes))
    assert (verdict.event, verdict.code) == (Event.REJECTED, "RULE_VIOLATION")
    assert field in verdict.fields


def test_only_the_owner_changes_a_record_and_versions_rise_by_one(bench: Any) -> None:
    bench.hold(2)
    theirs = _feed(bench)[0].record_id
    decision = _decision()
    taken = bench.ask("decision", decision)
    amended = _later(decision, theirs, event_type="VOIDED")
    assert bench.ask("decision", amended).event is Event.HOLD
    assert bench.ask("decision", _later(decision, "CR-none", event_type="VOIDED")).event is Event.NOT_FOUND
    skipping = replace(_later(decision, taken.platform_id, event_type="VOIDED"), version=3)
    assert bench.ask("decision", skipping).event is Event.CONFLICT
    assert bench.ask("decision", _decision(content="另一内容")).event is Event.CONFLICT


def test_an_enterprise_is_decided_about_by_its_code(bench: Any) -> None:
    bench.hold(1)
    _feed(bench)
    enterprise = Subject(type=SubjectType.ENTERPRISE, name="山东示例建筑有限公司", corp_code="91370000MA3ABCDE0X")
    taken = bench.ask("decision", _decision(subject=enterprise, credit_type="SD-E", credit_code="SD-E-01"))
    assert taken.event is Event.ACCEPTED
    assert bench.ask("record", taken.platform_id).subject.corp_code == "91370000MA3ABCDE0X"


def test_a_decision_that_does_not_fit_the_document_never_leaves_and_is_not_shown(bench: Any) -> None:
    with pytest.raises(ContractError, match="breaks the document at content") as error:
        bench.connector.encode_decision(_decision(content=""), bench.stamp())
    assert "鲁建教决" not in str(error.value)


def test_the_platform_may_forget_our_newest_version(bench: Any) -> None:
    bench.hold(1)
    _feed(bench)
    decision = _decision()
    taken = bench.ask("decision", decision)
    bench.ask("decision", _later(decision, taken.platform_id, event_type="CORRECTED", change_reason="x"))
    assert bench.ask("record", taken.platform_id).version == 2
    bench.sandbox.command(tell=("F38",))
    assert bench.ask("record", taken.platform_id).version == 1
    again = _later(decision, taken.platform_id, event_type="CORRECTED", change_reason="x")
    assert bench.ask("decision", again).event is Event.ACCEPTED


# what is awaited


def test_what_the_platform_still_waits_for_shrinks_with_final_acknowledgements(
    bench: Any, told: dict[str, list[str]]
) -> None:
    feed = _feed(bench)
    waiting = _awaited(bench)
    assert set(waiting) == {f.event_id for f in feed}
    assert {(one.record_id, one.version) for one in waiting.values()} == {(f.record_id, f.version) for f in feed}
    first, second = feed[0], feed[2]
    acks = [
        FindingAck(event_id=f.event_id, record_id=f.record_id, version=f.version, code=code, at=bench.clock.now)
        for f, code in ((first, "APPLIED"), (second, "DEFERRED"))
    ]
    bench.ask("feedback_acks", acks)
    waiting = _awaited(bench)
    assert first.event_id not in waiting
    assert waiting[second.event_id].last_code == "DEFERRED"


def _awaited(bench: Any) -> dict[str, Awaited]:
    page: AwaitedPage = bench.ask("awaited", None)
    assert page.next_cursor is None
    return {one.event_id: one for one in page.events}


@pytest.mark.parametrize(
    ("settings", "whole"),
    [
        ({}, True),
        ({"feedback_streams": '["PERSON_BAD"]'}, False),
        ({"feedback_region": "370100"}, False),
        ({"feedback_from": "NOW"}, False),
    ],
)
def test_only_a_feed_that_is_read_whole_lacks_what_it_never_told(
    make_bench: Any, settings: dict[str, str], whole: bool
) -> None:
    assert make_bench(**settings).ask("awaited", None).whole is whole


@pytest.mark.parametrize(
    ("settings", "every"),
    [({}, 24), ({"awaited_hours": "6"}, 6), ({"awaited_hours": "0"}, None), ({"feedback_by": "pages"}, None)],
)
def test_what_is_awaited_is_asked_for_as_often_as_is_set(
    make_bench: Any, settings: dict[str, str], every: int | None
) -> None:
    connector = make_bench(**settings).connector
    assert isinstance(connector, ListsAwaited)
    assert connector.awaited_every == (None if every is None else timedelta(hours=every))


# reading by update time


def test_pages_repeat_a_window_until_two_reads_agree_and_the_next_reaches_back(make_bench: Any) -> None:
    bench = make_bench("pages", feedback_limit="30", page_overlap_seconds="600", page_distance_seconds="0")
    bench.hold(4)
    bench.ask("feedback", None)
    bench.clock.pass_(seconds=5)
    cursor, reads, found = None, [], []
    while True:
        page = bench.ask("feedback", cursor)
        reads.append(len(page.findings))
        found += page.findings
        cursor = page.next_cursor
        if not page.has_more:
            break
    events = bench.sandbox.effects()["counts"]["events"] - 1  # the one of the record that is hidden
    assert reads == [30, 30, events - 60] * 2
    assert len({f.event_id for f in found}) == events, "the same row read again is the same event"
    assert {(f.stream, f.stream_seq) for f in found} == {("PAGES", 0)}
    bench.clock.pass_(seconds=60)
    again = bench.ask("feedback", cursor)
    assert {f.event_id for f in again.findings} <= {f.event_id for f in found}
    assert again.findings


def test_a_window_that_grows_while_it_is_read_is_read_once_more(make_bench: Any) -> None:
    bench = make_bench("pages", feedback_limit="200")
    bench.hold(3)
    bench.sandbox.command(tell=("F01",))
    bench.clock.pass_(seconds=2)
    first = bench.ask("feedback", None)
    late = bench.sandbox.clock() - timedelta(seconds=2)
    bench.sandbox.books.begin()
    bench.sandbox.office.tell(("F09",), late)
    bench.sandbox.books.commit()
    second = bench.ask("feedback", first.next_cursor)
    third = bench.ask("feedback", second.next_cursor)
    assert [len(page.findings) for page in (first, second, third)] == [2, 4, 4]
    assert [page.has_more for page in (first, second, third)] == [True, True, False]


@pytest.mark.parametrize(("begin", "first"), [("BEGIN", 1970), ("NOW", 2019), ("2018-06-01T00:00:00+08:00", 2018)])
def test_the_first_window_starts_where_the_settings_say(make_bench: Any, begin: str, first: int) -> None:
    bench = make_bench("pages", feedback_from=begin)
    request = bench.connector.encode_feedback(None, bench.stamp())
    asked = request.body.decode()
    assert f'"updateTimeFrom":"{first}-' in asked
    assert bench.connector.encode_feedback("a cursor of the feed", bench.stamp()).body.decode() == asked


def test_a_page_that_is_not_tied_to_its_window_is_no_page(make_bench: Any) -> None:
    bench = make_bench("pages", verify_answers="false")
    stamp = bench.stamp()
    response = bench.send(bench.connector.encode_feedback(None, stamp))
    headers = {name: value for name, value in response.headers.items() if name != "x-request-id"}
    verdict = bench.connector.decode_feedback(replace(response, headers=headers), stamp)
    assert (verdict.event, verdict.code) == (Event.RETRY, "other_page")
    refused = bench.connector.decode_feedback(replace(response, body=b"{}"), stamp)
    assert refused.code == "answer_schema"


def test_acknowledgements_know_rows_that_were_read_by_update_time(make_bench: Any) -> None:
    bench = make_bench("pages")
    bench.hold(3)
    bench.ask("feedback", None)
    bench.clock.pass_(seconds=2)
    finding = bench.ask("feedback", None).findings[0]
    at = datetime(2019, 4, 2, tzinfo=UTC)
    ack = FindingAck(event_id=finding.event_id, record_id=finding.record_id, version=1, code="APPLIED", at=at)
    assert bench.ask("feedback_acks", [ack]).event is Event.ACCEPTED
    assert bench.sandbox.effects()["acks"] == {"APPLIED": 1}


def test_what_is_asked_for_by_id_is_the_row_that_was_read_by_update_time(make_bench: Any) -> None:
    bench = make_bench("pages", page_distance_seconds="0")
    bench.hold(3)
    bench.sandbox.command(tell=("F01", "F09"))
    bench.clock.pass_(seconds=2)
    read = {(f.record_id, f.version): f for f in bench.ask("feedback", None).findings}
    for record_id in {record_id for record_id, _ in read}:
        for found in bench.ask("versions", record_id):
            assert found == read[found.record_id, found.version]
