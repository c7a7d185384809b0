"""Credit events as findings: read, decrypted, and never dropped."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from connectors.provincial_credit.cipher import FieldCipher, payload_digest
from connectors.provincial_credit.feedback import to_ack, to_finding
from gateway.contract.messages import FeedbackPage, FindingAck, SubjectType, Verdict, WireResponse
from gateway.domain.records import Certificate, RecordKind
from gateway.domain.states import Event
from gateway.testing import people

Answer = Callable[..., WireResponse]
AT = datetime(2019, 4, 3, 2, 0, tzinfo=UTC)


@pytest.fixture
def page(bench: Any) -> dict[str, Any]:
    """The sandbox's first page, as JSON."""
    bench.hold(20)
    stamp = bench.stamp()
    made: dict[str, Any] = json.loads(bench.send(bench.connector.encode_feedback(None, stamp)).body)
    return made


@pytest.fixture
def cipher(bench: Any) -> FieldCipher:
    return FieldCipher(bench.sandbox.credentials.field_key, "field-1")


def _again(event: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The event with changes and a right digest."""
    made = {**copy.deepcopy(event), **changes}
    return {**made, "payloadDigest": payload_digest(made, "sha-256")}


def test_an_event_is_read_decrypted_and_keeps_its_digest(page: dict[str, Any], cipher: FieldCipher) -> None:
    event = page["events"][0]
    finding = to_finding(event, cipher)
    holders = {
        s.record.content.holder.id_number: s.record.content.holder
        for s in people.submissions("provincial_credit", RecordKind.CERTIFICATE, 20)
        if isinstance(s.record.content, Certificate)
    }
    assert finding.flaw is None
    assert finding.subject is not None
    assert finding.subject.id_number is not None
    holder = holders[finding.subject.id_number]
    assert (finding.subject.type, finding.subject.id_type) == (SubjectType.PERSON, "111")
    assert finding.subject.name == holder.name
    assert holder.employer is not None
    assert finding.subject.corp_code_at_event == holder.employer.code
    assert (finding.stream, finding.stream_seq, finding.event_type) == ("PERSON_BAD", 1, "CREATED")
    assert (finding.version, finding.prev_version, finding.digest) == (1, None, event["payloadDigest"])
    assert (finding.category, finding.credit_type, finding.credit_code) == ("BAD", "SD-P", "SD-P-01")
    assert (finding.happen_date, finding.decision_date) == (date(2019, 2, 1), date(2019, 3, 3))
    assert (finding.publish_begin, finding.publish_end) == (date(2019, 3, 8), date(2020, 3, 2))
    assert (finding.usage_scope, finding.status_code, finding.is_public) == ("0", "0", True)
    assert finding.event_time == datetime(2019, 4, 2, 0, 30, 2, tzinfo=UTC)
    assert finding.extra["sanctions"] == event["sanctions"]
    assert "subject" not in finding.extra


def test_no_finding_shows_a_person(page: dict[str, Any], cipher: FieldCipher) -> None:
    for event in page["events"]:
        finding = to_finding(event, cipher)
        assert event["subject"]["name"] not in repr(finding) or finding.subject is None
        number = finding.subject.id_number if finding.subject else None
        assert number is None or number not in repr(finding)


@pytest.mark.parametrize(
    ("changes", "flaw"),
    [
        ({"creditCode": "D9-9-99"}, "SCHEMA_INVALID"),
        ({"category": "ODD"}, "SCHEMA_INVALID"),
        ({"eventType": "EXPLODED"}, "SCHEMA_INVALID"),
        ({"eventType": "TOMBSTONE"}, "SCHEMA_INVALID"),
        ({"sanctions": [{"type": "Z99"}]}, "SCHEMA_INVALID"),
        ({"severityCode": "HUGE"}, "SCHEMA_INVALID"),
        ({"content": None}, "SCHEMA_INVALID"),
        ({"punishDate": "2019-02-30"}, "SCHEMA_INVALID"),
        ({"eventTime": "2019-04-02T09:30:00"}, "SCHEMA_INVALID"),
        ({"publishEndDate": None}, "SCHEMA_INVALID"),
        ({"sanctions": None}, "SCHEMA_INVALID"),
        ({"eventType": "AMENDED", "prevVersion": 1}, "SCHEMA_INVALID"),
        ({"eventType": "CORRECTED"}, "SCHEMA_INVALID"),
        ({"extra": 2**60}, "SCHEMA_INVALID"),
    ],
)
def test_an_event_that_breaks_a_rule_keeps_its_ids_and_says_so(
    page: dict[str, Any], cipher: FieldCipher, changes: dict[str, Any], flaw: str
) -> None:
    event = {**page["events"][0], **changes}
    if "extra" not in changes:
        event = _again(event)
    finding = to_finding(event, cipher)
    assert finding.flaw == flaw
    assert finding.subject is None
    assert not finding.content
    assert (finding.event_id, finding.record_id, finding.version) == (
        event["eventId"],
        event["platformRecordId"],
        event["recordVersion"],
    )


def test_a_changed_event_is_a_signature_flaw(page: dict[str, Any], cipher: FieldCipher) -> None:
    event = {**page["events"][0], "content": "其他"}
    assert to_finding(event, cipher).flaw == "SIGNATURE_INVALID"


def test_a_number_sealed_for_another_record_is_a_signature_flaw(page: dict[str, Any], cipher: FieldCipher) -> None:
    event = _again(page["events"][0], subject=page["events"][1]["subject"])
    assert to_finding(event, cipher).flaw == "SIGNATURE_INVALID"


def test_an_sm3_digest_is_checked_by_its_name(page: dict[str, Any], cipher: FieldCipher) -> None:
    event = copy.deepcopy(page["events"][0])
    event["payloadDigest"] = payload_digest(event, "sm3")
    assert to_finding(event, cipher).flaw is None


@pytest.mark.parametrize("event", [{}, [], None, 7, "x", {"eventId": 7}, {"payloadDigest": "md5:00"}])
def test_an_unreadable_event_is_still_a_finding_with_a_stable_id(event: Any, cipher: FieldCipher) -> None:
    first, again = to_finding(event, cipher), to_finding(copy.deepcopy(event), cipher)
    assert first == again
    assert first.flaw == "SCHEMA_INVALID"
    assert len(first.event_id) == 64
    assert first.stream_seq == 0


@pytest.mark.parametrize(
    ("theirs", "number", "ours"),
    [
        ("01", "370000199001010017", "111"),
        ("08", "E12345678", "414"),
        ("99", "810000199001010011", "C01"),
        ("99", "OTHER1234", "990"),
        ("04", "SOLDIER12", None),
    ],
)
def test_document_types_become_canonical(
    page: dict[str, Any], cipher: FieldCipher, theirs: str, number: str, ours: str | None
) -> None:
    event = page["events"][0]
    sealed = cipher.seal(
        number, schema="CreditEvent", field="subject.idCardNumber", business_key=event["platformRecordId"]
    )
    subject = {**event["subject"], "idCardType": theirs, "idCardNumber": sealed}
    finding = to_finding(_again(event, subject=subject), cipher)
    assert finding.subject is not None
    assert (finding.subject.id_type, finding.subject.id_number) == (ours, number)


def test_an_enterprise_is_named_by_its_code(page: dict[str, Any], cipher: FieldCipher) -> None:
    event = next(e for e in page["events"] if e["stream"] == "CORP_BAD")
    finding = to_finding(event, cipher)
    assert finding.subject is not None
    assert (finding.subject.type, finding.subject.corp_code) == (SubjectType.ENTERPRISE, event["subject"]["corpCode"])
    assert finding.subject.id_number is None


def test_null_and_absent_mean_the_same(page: dict[str, Any], cipher: FieldCipher) -> None:
    event = _again(page["events"][0], projectCode=None, prevVersion=None)
    assert to_finding(event, cipher).flaw is None


def _page(listed: list[Any], **more: Any) -> dict[str, Any]:
    return {"events": listed, "nextCursor": "c2", "hasMore": True, "watermark": {}, **more}


def test_a_page_keeps_order_and_flawed_events(bench: Any, page: dict[str, Any], answer: Answer) -> None:
    stamp = bench.stamp()
    events = [page["events"][1], 7, {**page["events"][0], "content": "其他"}, page["events"][0]]
    read = bench.connector.decode_feedback(answer(stamp, 200, _page(events), **{"retry-after": "60"}), stamp)
    assert isinstance(read, FeedbackPage)
    assert [f.flaw for f in read.findings] == [None, "SCHEMA_INVALID", "SIGNATURE_INVALID", None]
    assert (read.next_cursor, read.has_more, read.retry_after) == ("c2", True, timedelta(seconds=60))


def test_a_page_with_a_wrong_signature_gives_no_finding(bench: Any, page: dict[str, Any], answer: Answer) -> None:
    stamp = bench.stamp()
    forged = answer(stamp, 200, _page(page["events"]), secret="z" * 32)
    verdict = bench.connector.decode_feedback(forged, stamp)
    assert isinstance(verdict, Verdict)
    assert (verdict.event, verdict.code) == (Event.RETRY, "answer_signature")


@pytest.mark.parametrize("broken", [{"nextCursor": None}, {"hasMore": "yes"}, {"events": {}}, {"watermark": None}])
def test_a_page_that_breaks_the_document_is_not_understood(bench: Any, answer: Answer, broken: dict[str, Any]) -> None:
    stamp = bench.stamp()
    verdict = bench.connector.decode_feedback(answer(stamp, 200, _page([], **broken)), stamp)
    assert isinstance(verdict, Verdict)
    assert verdict.code == "answer_schema"


def test_the_feed_starts_at_the_beginning_and_goes_on_from_a_cursor(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(feedback_streams='["PERSON_BAD","CORP_BAD"]', feedback_region="370100", feedback_limit="50")
    asked = "limit=50&region=370100&streams=CORP_BAD&streams=PERSON_BAD"
    first = bench.connector.encode_feedback(None, bench.stamp())
    later = bench.connector.encode_feedback("a/b=", bench.stamp())
    assert first.path == f"/credit-records/changes?from=BEGIN&{asked}"
    assert later.path == f"/credit-records/changes?cursor=a%2Fb%3D&{asked}"


def _ack(**changes: Any) -> FindingAck:
    return replace(FindingAck(event_id="EV1", record_id="CR1", version=1, code="APPLIED", at=AT), **changes)


def test_an_acknowledgement_has_the_platforms_form() -> None:
    key = "01D7EN6Q00000000000000ABCD"
    assert to_ack(_ack(local_key=key, message="已入账")) == {
        "eventId": "EV1",
        "platformRecordId": "CR1",
        "recordVersion": 1,
        "ackCode": "APPLIED",
        "ackTime": "2019-04-03T10:00:00+08:00",
        "localRecordKey": key,
        "message": "已入账",
    }


@pytest.mark.parametrize(
    ("code", "ticket", "sent"),
    [("IDENTITY_CONFLICT", None, "EV1"), ("VERSION_FORK", "T-9", "T-9"), ("STALE", None, None)],
)
def test_a_conflict_is_acknowledged_with_a_ticket(code: str, ticket: str | None, sent: str | None) -> None:
    assert to_ack(_ack(code=code, ticket=ticket)).get("ticketNo") == sent


@pytest.mark.parametrize(
    ("value", "event", "fields"),
    [
        ({"accepted": 2, "rejected": []}, Event.ACCEPTED, ()),
        ({"accepted": 1, "rejected": [{"eventId": "EV1", "code": "NOT_FOUND"}]}, Event.REJECTED, ("EV1",)),
        ({"accepted": 1, "rejected": []}, Event.RETRY, ()),
        ({"accepted": True, "rejected": []}, Event.RETRY, ()),
    ],
)
def test_answers_to_acknowledgements(
    bench: Any, answer: Answer, value: Any, event: Event, fields: tuple[str, ...]
) -> None:
    stamp, acks = bench.stamp(), [_ack(), _ack(event_id="EV2")]
    request = bench.connector.encode_feedback_acks(acks, stamp)
    assert request.headers["idempotency-key"] == stamp.message_id
    verdict = bench.connector.decode_feedback_acks(answer(stamp, 200, value), acks, stamp)
    assert (verdict.event, verdict.fields) == (event, fields)
