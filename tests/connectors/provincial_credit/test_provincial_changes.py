"""Changes of status, withdrawals and single items: mapped, checked, sent, judged, and held by the platform."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from connectors.provincial_credit.cipher import payload_digest
from gateway.contract.messages import Payload, Problems, WireResponse
from gateway.domain.records import (
    Certificate,
    ChangeNature,
    RecordKind,
    StatusChange,
    Submission,
    Withdrawal,
    Worker,
)
from gateway.domain.states import Event
from gateway.testing import people

SUBMITTED = people.submissions("provincial_credit", RecordKind.CERTIFICATE, 3)


def changed(number: int = 0, version: int = 2, **changes: Any) -> Submission:
    """A certificate's revocation for fraud, as the next version of its record."""
    record = SUBMITTED[number].record
    assert isinstance(record.content, Certificate)
    content = StatusChange(
        certificate_key=record.key,
        certificate=record.content,
        new_status=changes.pop("new_status", "04"),
        operate_type="05",
        reason=changes.pop("reason", "以不正当手段取得证书"),
        effective_date=date(2019, 4, 2),
        decision_no="鲁建教决〔2019〕1号",
        decision_org="山东省建设从业人员教育中心",
        void_from_start=True,
        certificate_version=1,
    )
    made = replace(record, kind=RecordKind.STATUS_CHANGE, version=version, content=replace(content, **changes))
    return replace(SUBMITTED[number], record=made, replaces=True)


def taken_back(number: int = 0, version: int = 2) -> Submission:
    """A certificate pushed in error, as the next version of its record."""
    record = SUBMITTED[number].record
    assert isinstance(record.content, Certificate)
    content = Withdrawal(
        withdrawn_kind=RecordKind.CERTIFICATE,
        withdrawn_key=record.key,
        content=record.content,
        reason="误推送",
        withdrawn_version=1,
    )
    made = replace(record, kind=RecordKind.WITHDRAWAL, version=version, content=content, change=ChangeNature.CORRECTION)
    return replace(SUBMITTED[number], record=made, replaces=True)


def _send(bench: Any, payload: Payload) -> Any:
    stamp = bench.stamp()
    response = bench.send(bench.connector.encode_push([payload], stamp))
    return bench.connector.decode_push(response, [payload], stamp)[0]


def test_a_change_says_what_the_platform_asks_for_and_nothing_of_a_person(bench: Any) -> None:
    submission = changed()
    (payload,) = bench.checked(submission)
    assert payload.fields == {
        "certificateKey": submission.record.key,
        "recordVersion": 2,
        "certificationStatus": "04",
        "statusReason": "以不正当手段取得证书",
        "decisionNo": "鲁建教决〔2019〕1号",
        "decisionOrg": "山东省建设从业人员教育中心",
        "effectiveFrom": "2019-04-02T00:00:00+08:00",
        "voidFromStart": True,
    }


def test_a_reason_that_is_too_long_gives_way_to_the_name_of_the_operation(bench: Any) -> None:
    (payload,) = bench.checked(
        changed(reason="经查，该人员在申报时提供的劳动合同、社会保险缴纳证明均系伪造，依照有关规定处理")
    )
    assert payload.fields["statusReason"] == "办理注销（撤销、吊销）"


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"new_status": "77"}, "new_status", "code:cert_status"),
        ({"reason": ""}, "reason", "required"),
        ({"reason": "有\n换行"}, "reason", "pattern"),
        ({"decision_no": "号" * 101}, "decision_no", "maxLength"),
        ({"certificate_key": "short"}, "certificate_key", "minLength"),
    ],
)
def test_a_change_that_breaks_a_rule_is_a_problem_in_our_words(
    bench: Any, changes: dict[str, Any], field: str, rule: str
) -> None:
    submission = changed(**changes)
    checked = bench.connector.check(submission, bench.connector.map(submission))
    assert isinstance(checked, Problems)
    assert (field, rule) in {(problem.field, problem.rule) for problem in checked.items}


def test_a_withdrawal_of_a_person_is_a_problem_because_persons_are_not_taken_alone(bench: Any) -> None:
    person = people.submissions("provincial_credit", RecordKind.PERSON)[0].record
    assert isinstance(person.content, Worker)
    content = Withdrawal(withdrawn_kind=RecordKind.PERSON, withdrawn_key=person.key, content=person.content, reason="x")
    record = replace(person, kind=RecordKind.WITHDRAWAL, content=content)
    submission = Submission(platform="provincial_credit", record=record)
    checked = bench.connector.check(submission, bench.connector.map(submission))
    assert isinstance(checked, Problems)
    assert checked.items[0].field == "kind"


def test_a_change_is_taken_once_and_found_again(bench: Any) -> None:
    bench.push(bench.checked(*SUBMITTED[:1]))
    (payload,) = bench.checked(changed())
    assert bench.ask("lookup", payload).event is Event.NOT_FOUND
    verdict = _send(bench, payload)
    assert (verdict.event, verdict.platform_id) == (Event.ACCEPTED, "C370000000000001")
    assert _send(bench, payload).event is Event.ACCEPTED
    assert bench.sandbox.effects()["counts"]["duplicates"] == 1
    assert bench.ask("lookup", payload).event is Event.ACCEPTED
    other = replace(payload, fields={**payload.fields, "certificationStatus": "02", "statusReason": "暂扣"})
    found = bench.ask("lookup", other)
    assert (found.event, found.fields) == (Event.CONFLICT, ("new_status", "reason"))
    assert _send(bench, other).event is Event.CONFLICT


def test_a_change_of_a_certificate_that_is_not_there_yet_is_tried_again(bench: Any) -> None:
    (payload,) = bench.checked(changed())
    verdict = _send(bench, payload)
    assert (verdict.event, verdict.code) == (Event.RETRY, "NOT_FOUND")


def test_a_refused_change_names_our_field(
    bench: Any, answer: Callable[..., WireResponse], refusal: Callable[..., dict[str, Any]]
) -> None:
    (payload,) = bench.checked(changed())
    stamp = bench.stamp()
    errors = [
        {"code": "SCHEMA_INVALID", "pointer": "/statusReason"},
        {"code": "PARAM_MISSING", "pointer": "/decisionNo"},
    ]
    response = answer(stamp, 422, refusal("SCHEMA_INVALID", 422, errors=errors))
    (verdict,) = bench.connector.decode_push(response, [payload], stamp)
    assert (verdict.event, verdict.fields) == (Event.REJECTED, ("reason", "decision_no"))


@pytest.mark.parametrize("change", [{"certificateKey": "0" * 26}, {"recordVersion": 9}])
def test_a_receipt_for_another_record_or_version_is_no_success(
    bench: Any, answer: Callable[..., WireResponse], change: dict[str, Any]
) -> None:
    (payload,) = bench.checked(changed())
    stamp = bench.stamp()
    receipt = {
        "certificateKey": payload.record_key,
        "recordVersion": 2,
        "platformPersonId": "P1",
        "platformCertificateId": "C1",
        "platformVersion": 2,
        "receivedAt": "2019-04-02T09:30:00+08:00",
    }
    (verdict,) = bench.connector.decode_push(answer(stamp, 201, {**receipt, **change}), [payload], stamp)
    assert (verdict.event, verdict.code) == (Event.RETRY, "other_record")


def test_a_withdrawn_certificate_is_listed_no_more_and_its_number_is_free(bench: Any) -> None:
    held = bench.checked(*SUBMITTED)
    bench.push(held)
    (payload,) = bench.checked(taken_back())
    assert (payload.fields["operation"], payload.fields["changeReason"]) == ("VOID", "误推送")
    assert bench.results((payload,))[0].event is Event.ACCEPTED
    assert bench.ask("lookup", payload).event is Event.ACCEPTED
    listed = {holding.key for holding in bench.ask("holdings", None, payload).holdings}
    assert listed == {one.record_key for one in held[1:]}
    assert bench.results((payload,))[0].event is Event.ACCEPTED, "a repeat is no second effect"
    again = bench.checked(
        replace(SUBMITTED[0], record=replace(SUBMITTED[0].record, version=3, change_reason="重新申报"))
    )
    assert bench.results(again)[0].event is Event.ACCEPTED
    assert len(bench.ask("holdings", None, payload).holdings) == 3


@pytest.mark.parametrize("push_by", ["batch", "item"])
def test_a_withdrawal_of_what_the_platform_does_not_hold_has_what_it_wants(
    make_bench: Callable[..., Any], push_by: str
) -> None:
    bench = make_bench(push_by=push_by)
    (payload,) = bench.checked(taken_back())
    verdict = _send(bench, payload) if push_by == "item" else bench.results((payload,))[0]
    assert (verdict.event, verdict.code) == (Event.ACCEPTED, "NOT_FOUND")


def test_after_a_change_the_listing_shows_the_change(bench: Any) -> None:
    (item,) = bench.checked(SUBMITTED[0])
    bench.push((item,))
    (change,) = bench.checked(changed())
    _send(bench, change)
    (holding,) = bench.ask("holdings", None, item).holdings
    expected = bench.connector.expected(change)
    assert (holding.kind, holding.key, holding.version) == (expected.kind, expected.key, expected.version)
    assert expected.fields == {"certificationStatus": "04"}
    assert expected.fields.items() <= holding.fields.items()
    assert "payloadDigest" not in holding.fields


def test_an_amendment_replaces_what_is_held(bench: Any) -> None:
    bench.push(bench.checked(SUBMITTED[0]))
    record = SUBMITTED[0].record
    assert isinstance(record.content, Certificate)
    content = replace(record.content, issuer_name="山东省住房和城乡建设厅")
    second = replace(record, version=2, content=content, change=ChangeNature.CORRECTION, change_reason="发证机关有误")
    (payload,) = bench.checked(replace(SUBMITTED[0], record=second, replaces=True))
    assert payload.fields["changeNature"] == "CORRECTION"
    assert bench.results((payload,))[0].event is Event.ACCEPTED
    (holding,) = bench.ask("holdings", None, payload).holdings
    assert replace(holding, platform_id=None) == bench.connector.expected(payload)


# one certificate a call


def test_single_items_are_answered_at_once(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(push_by="item")
    assert bench.connector.info.kinds[RecordKind.CERTIFICATE].batch_max == 1
    (payload,) = bench.checked(SUBMITTED[0])
    for _ in range(2):
        assert _send(bench, payload).event is Event.ACCEPTED
    assert bench.seen[-1][0].method == "PUT"
    assert bench.sandbox.effects()["counts"]["certificates"] == 1
    (void,) = bench.checked(taken_back())
    assert _send(bench, void).event is Event.ACCEPTED
    assert bench.ask("holdings", None, void).holdings == ()


def test_a_refused_single_item_names_our_fields(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(push_by="item")
    (payload,) = bench.checked(SUBMITTED[0])
    person: Any = payload.fields["person"]
    fields: Any = {**payload.fields, "person": {**person, "birthDate": "1970-01-01"}}
    fields["payloadDigest"] = payload_digest(fields, "sha-256")
    verdict = _send(bench, replace(payload, fields=fields))
    assert (verdict.event, verdict.fields) == (Event.REJECTED, ("holder.birth_date",))
