"""Status changes and withdrawals: allowed pairs, versions, order, doubt and the platform's rules of state."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from gateway.contract.messages import HoldingsPage, Payload, Problems, Verdict
from gateway.domain.records import Certificate, ChangeNature, Record, RecordKind, StatusChange, Submission, Withdrawal
from gateway.domain.states import Event
from gateway.testing import people

PAIRS = {("03", "02"), ("06", "01"), ("04", "06"), ("05", "03"), ("05", "04"), ("05", "05"), ("07", "99")}


def of(record: Record) -> Submission:
    return Submission(platform="national_market", record=record)


def altered(record: Record, **fields: Any) -> Record:
    """The record with other content."""
    content: Any = record.content
    return replace(record, content=replace(content, **fields))


def change(certificate: Record, status: str, operate: str, on: int | None = 1, **more: Any) -> Record:
    """A status change of the certificate's version ``on``."""
    assert isinstance(certificate.content, Certificate)
    content = StatusChange(
        certificate_key=certificate.key,
        certificate=certificate.content,
        new_status=status,
        operate_type=operate,
        reason="违规操作",
        effective_date=date(2019, 4, 1),
        certificate_version=on,
        **more,
    )
    return replace(certificate, kind=RecordKind.STATUS_CHANGE, version=(on or 0) + 1, content=content)


def withdrawal(record: Record, on: int | None = 1) -> Record:
    """A withdrawal of a person's or certificate's version ``on``."""
    content = Withdrawal(
        withdrawn_kind=record.kind,
        withdrawn_key=record.key,
        content=record.content,  # type: ignore[arg-type]  # a person or certificate
        reason="误报",
        withdrawn_version=on,
    )
    return replace(record, kind=RecordKind.WITHDRAWAL, version=(on or 0) + 1, content=content)


def problems(connector: Any, record: Record) -> set[tuple[str, str]]:
    checked = connector.check(of(record), connector.map(of(record)))
    return {(p.field, p.rule) for p in checked.items} if isinstance(checked, Problems) else set()


@pytest.fixture
def stored(bench: Any, person: Record, certificate: Record) -> Any:
    """A bench whose platform holds the person and the certificate."""
    for record in (person, certificate):
        assert bench.push(*bench.checked(of(record))) == [("accepted", "000")]
    return bench


@pytest.mark.parametrize("operate", ["01", "02", "03", "04", "05", "06", "07", "08"])
@pytest.mark.parametrize("status", ["01", "02", "03", "04", "05", "06", "99"])
def test_only_the_allowed_pairs_of_operation_and_status_pass(
    connector: Any, certificate: Record, operate: str, status: str
) -> None:
    found = problems(connector, change(certificate, status, operate))
    assert found == (set() if (operate, status) in PAIRS else {("new_status", "pair")})


@pytest.mark.parametrize("before", ["03", "04", "05"])
def test_a_final_state_knows_no_way_back(connector: Any, certificate: Record, before: str) -> None:
    ended = altered(certificate, status=before)
    assert problems(connector, change(ended, "01", "06")) == {("new_status", "no_way_back")}


def test_a_lapse_ends_with_a_renewal_only(connector: Any, certificate: Record) -> None:
    lapsed = altered(certificate, status="06")
    assert problems(connector, change(lapsed, "01", "06")) == {("new_status", "final")}
    assert problems(connector, change(lapsed, "05", "05")) == set()


def test_a_change_without_the_certificates_version_is_refused_here(connector: Any, certificate: Record) -> None:
    assert problems(connector, change(certificate, "02", "03", on=None)) == {("certificate_version", "required")}
    assert problems(connector, withdrawal(certificate, on=None)) == {("withdrawn_version", "required")}


def test_a_change_of_a_class_that_goes_elsewhere_is_refused_here(connector: Any, certificate: Record) -> None:
    safety = altered(certificate, cert_class="SAFETY")
    assert problems(connector, change(safety, "02", "03")) == {("certificate.cert_class", "route")}


def test_a_lapse_is_a_cancellation_where_the_platform_takes_no_other(
    make: Callable[..., Any], certificate: Record
) -> None:
    record = change(certificate, "06", "04")
    for expired, sent in (("06", ("04", "06")), ("05", ("05", "05"))):
        fields = make(expired_status=expired).map(of(record)).fields
        assert (fields["OperateType"], fields["NewStatus"]) == sent


def test_another_state_is_told_in_words(connector: Any, certificate: Record) -> None:
    fields = connector.map(of(change(certificate, "99", "07", decision_no="鲁建决〔2019〕1号"))).fields
    assert (fields["StatusText"], fields["DocumentNo"]) == ("违规操作", "鲁建决〔2019〕1号")
    assert "StatusText" not in connector.map(of(change(certificate, "02", "03"))).fields


def test_changes_follow_each_other_as_versions_of_the_certificate(stored: Any, certificate: Record) -> None:
    steps = [("02", "03", 1), ("01", "06", 2), ("05", "05", 3)]
    for status, operate, on in steps:
        (payload,) = stored.checked(of(change(certificate, status, operate, on)))
        assert stored.push(payload) == [("accepted", "000")]
        assert stored.look_up(payload).event is Event.ACCEPTED
    (late,) = stored.checked(of(change(certificate, "02", "03", 2)))
    assert stored.push(late) == [("conflict", "406")]
    (after,) = stored.checked(of(change(certificate, "02", "03", 4)))
    assert stored.push(after) == [("conflict", "405")]


def test_a_change_sent_again_in_a_new_message_is_no_second_effect(stored: Any, certificate: Record) -> None:
    (payload,) = stored.checked(of(change(certificate, "02", "03")))
    assert stored.push(payload) == stored.push(payload) == [("accepted", "000")]
    held = stored.sandbox.effects()
    assert held["counts"]["duplicates"] == 1
    assert sorted((h["kind"], h["version"], h["writes"]) for h in held["holdings"].values()) == [
        ("certificate", 2, 2),
        ("person", 1, 1),
    ]


def test_a_change_before_its_certificate_waits(bench: Any, person: Record, certificate: Record) -> None:
    (payload,) = bench.checked(of(change(certificate, "02", "03")))
    assert bench.push(payload) == [("retry", "401")]
    assert bench.look_up(payload).event is Event.NOT_FOUND
    bench.push(*bench.checked(of(person)))
    bench.push(*bench.checked(of(certificate)))
    assert (bench.look_up(payload).event, bench.look_up(payload).code) == (Event.NOT_FOUND, "older_version")
    assert bench.push(payload) == [("accepted", "000")]


def test_a_change_of_another_certificate_than_named_is_refused(stored: Any, certificate: Record) -> None:
    (payload,) = stored.checked(of(change(certificate, "02", "03")))
    wrong = replace(payload, fields={**payload.fields, "CertNumber": "别的证书0001"})
    assert stored.push(wrong) == [("rejected", "305")]


def test_another_change_under_the_same_version_is_a_conflict_that_names_the_status(
    stored: Any, certificate: Record
) -> None:
    (first,), (other,) = (stored.checked(of(change(certificate, *pair))) for pair in (("02", "03"), ("05", "05")))
    stored.push(first)
    assert stored.push(other) == [("conflict", "406")]
    verdict = stored.look_up(other)
    assert (verdict.event, verdict.fields) == (Event.CONFLICT, ("NewStatus",))


def test_a_revoked_certificate_does_not_come_back_by_an_upload(stored: Any, certificate: Record) -> None:
    stored.push(*stored.checked(of(change(certificate, "03", "05"))))
    again = replace(certificate, version=3, change=ChangeNature.CORRECTION)
    assert stored.push(*stored.checked(of(again))) == [("conflict", "405")]


def test_withdrawals_take_back_the_certificate_and_then_the_person(
    stored: Any, person: Record, certificate: Record
) -> None:
    (of_person,), (of_paper,) = stored.checked(of(withdrawal(person))), stored.checked(of(withdrawal(certificate)))
    assert stored.push(of_person) == [("retry", "305")]
    assert stored.look_up(of_paper).code == "still_stored"
    for payload in (of_paper, of_person):
        assert stored.push(payload) == [("accepted", "000")]
        assert stored.look_up(payload).event is Event.ACCEPTED
        assert stored.push(payload) == [("accepted", "000")]
    assert stored.sandbox.effects()["counts"]["duplicates"] == 2


def test_a_withdrawal_with_nothing_to_withdraw_is_confirmed_by_a_look_up(bench: Any, certificate: Record) -> None:
    (payload,) = bench.checked(of(withdrawal(certificate)))
    assert bench.push(payload) == [("duplicate", "401")]
    assert bench.look_up(payload).event is Event.ACCEPTED


def test_another_person_under_the_document_leaves_a_withdrawal_in_conflict(bench: Any, person: Record) -> None:
    bench.push(*bench.checked(of(replace(person, key=people.ulid(random.Random(3))))))
    (payload,) = bench.checked(of(withdrawal(person)))
    assert (bench.look_up(payload).event, bench.look_up(payload).code) == (Event.CONFLICT, "other_record")


def test_the_lookup_aid_of_a_withdrawal_is_never_sent(bench: Any, person: Record) -> None:
    (payload,) = bench.checked(of(withdrawal(person)))
    assert "Holder" in payload.fields
    assert b"Holder" not in bench.connector.encode_push([payload], bench.stamp()).body


def read(bench: Any, payload: Payload) -> HoldingsPage | Verdict:
    sealed = bench.stamp()
    answer = bench.send(bench.connector.encode_holdings(None, payload, sealed))
    page = bench.connector.decode_holdings(answer, payload, sealed)
    assert isinstance(page, HoldingsPage | Verdict)
    return page


def test_holdings_tell_the_state_and_the_absence(stored: Any, certificate: Record) -> None:
    (changed,) = stored.checked(of(change(certificate, "02", "03")))
    (gone,) = stored.checked(of(withdrawal(certificate, on=2)))
    for payload in (changed, gone):
        assert read(stored, payload) != HoldingsPage(holdings=(stored.connector.expected(payload),))
        stored.push(payload)
        assert read(stored, payload) == HoldingsPage(holdings=(stored.connector.expected(payload),))


def test_a_finished_receipt_that_found_no_certificate_means_not_stored(
    bench: Any, certificate: Record, receipt: Callable[..., Any]
) -> None:
    (payload,) = bench.checked(of(change(certificate, "02", "03")))
    serial = "370000" + "20190402093000" + "0" * 12
    answer = receipt(serial, "401", "10", [(str(payload.fields["RecordKey"]), "401")])
    (verdict,) = bench.connector.decode_ack(answer, serial, [payload], bench.stamp())
    assert (verdict.event, verdict.code) == (Event.NOT_STORED, "401")


def test_one_travels_at_a_time_and_the_core_keeps_their_order_by_the_records_key(connector: Any) -> None:
    for kind in (RecordKind.STATUS_CHANGE, RecordKind.WITHDRAWAL):
        info = connector.info.kinds[kind]
        assert (info.batch_max, info.replay_safe, info.after) == (1, True, ())
