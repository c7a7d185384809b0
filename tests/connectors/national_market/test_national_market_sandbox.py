"""The simulated platform: what it stores, refuses and repeats, and what the connector makes of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from connectors.national_market.typed import NationalMarket
from gateway.contract.messages import HoldingsPage, Payload, Verdict
from gateway.domain.records import Certificate, ChangeNature, Record, Submission, Worker
from gateway.domain.states import Event
from gateway.testing import people


def of(record: Record) -> Submission:
    return Submission(platform="national_market", record=record)


def lookup(bench: Any, payload: Payload) -> Verdict:
    sealed = bench.stamp()
    verdict = bench.connector.decode_lookup(bench.send(bench.connector.encode_lookup(payload, sealed)), payload, sealed)
    assert isinstance(verdict, Verdict)
    return verdict


def counts(bench: Any) -> dict[str, int]:
    return dict(bench.sandbox.effects()["counts"])


def writes(bench: Any) -> list[tuple[str, int, int]]:
    held = bench.sandbox.effects()["holdings"].values()
    return sorted((h["kind"], h["version"], h["writes"]) for h in held)


def test_person_then_certificate_are_stored_once_each(bench: Any, person: Record, certificate: Record) -> None:
    (p,), (c,) = bench.checked(of(person)), bench.checked(of(certificate))
    assert bench.push(c) == [("retry", "402")]
    assert bench.push(p) == [("accepted", "000")]
    assert bench.push(c) == [("accepted", "000")]
    assert writes(bench) == [("certificate", 1, 1), ("person", 1, 1)]
    assert lookup(bench, p).event is Event.ACCEPTED
    assert lookup(bench, c).event is Event.ACCEPTED


def test_what_the_platform_holds_equals_what_we_expect(bench: Any, person: Record, certificate: Record) -> None:
    for record in (person, certificate):
        (payload,) = bench.checked(of(record))
        bench.push(payload)
        sealed = bench.stamp()
        answer = bench.send(bench.connector.encode_holdings(None, payload, sealed))
        page = bench.connector.decode_holdings(answer, payload, sealed)
        assert page == HoldingsPage(holdings=(bench.connector.expected(payload),))


def test_the_same_message_again_gives_the_first_answer_and_no_second_effect(bench: Any, person: Record) -> None:
    (payload,) = bench.checked(of(person))
    sealed = bench.stamp()
    assert bench.push(payload, stamp=sealed) == [("accepted", "000")]
    again = replace(sealed, nonce=bytes(16))
    assert bench.push(payload, stamp=again) == [("accepted", "000")]
    assert counts(bench)["duplicates"] == 1
    assert writes(bench) == [("person", 1, 1)]


def test_the_same_record_in_a_new_message_is_no_second_effect(bench: Any, person: Record, certificate: Record) -> None:
    for record in (person, certificate):
        (payload,) = bench.checked(of(record))
        assert bench.push(payload) == bench.push(payload) == [("accepted", "000")]
    assert counts(bench)["duplicates"] == 2
    assert writes(bench) == [("certificate", 1, 1), ("person", 1, 1)]


def test_a_serial_number_with_other_content_is_refused(bench: Any, person: Record) -> None:
    (payload,) = bench.checked(of(person))
    (other,) = bench.checked(of(people.person_record(random.Random(80))))
    sealed = bench.stamp()
    bench.push(payload, stamp=sealed)
    assert bench.push(other, stamp=replace(sealed, nonce=bytes(16))) == [("unknown", "201")]
    assert counts(bench)["persons"] == 1


def version(record: Record, number: int, **changes: Any) -> Record:
    assert isinstance(record.content, Worker | Certificate)
    content = replace(record.content, **changes)
    return replace(record, version=number, content=content, change=ChangeNature.CHANGE)


def test_the_newest_version_wins_and_an_older_one_is_a_conflict(bench: Any, person: Record) -> None:
    (first,), (second,) = bench.checked(of(person)), bench.checked(of(version(person, 2, mobile="13800009999")))
    assert bench.push(second) == [("accepted", "000")]
    assert bench.push(first) == [("conflict", "406")]
    assert writes(bench) == [("person", 2, 1)]
    assert (lookup(bench, first).event, lookup(bench, first).fields) == (Event.CONFLICT, ("Mobile", "RecordVersion"))


def test_our_newer_version_that_has_not_arrived_is_not_found(bench: Any, person: Record) -> None:
    (first,), (second,) = bench.checked(of(person)), bench.checked(of(version(person, 2, mobile="13800009999")))
    bench.push(first)
    assert (lookup(bench, second).event, lookup(bench, second).code) == (Event.NOT_FOUND, "older_version")


def test_one_version_with_two_contents_is_a_conflict_that_names_the_field(bench: Any, person: Record) -> None:
    (first,), (other,) = bench.checked(of(person)), bench.checked(of(version(person, 1, mobile="13800009999")))
    bench.push(first)
    assert bench.push(other) == [("conflict", "406")]
    assert (lookup(bench, other).event, lookup(bench, other).fields) == (Event.CONFLICT, ("Mobile",))


def test_a_changed_identity_number_leaves_nothing_under_the_old_one(bench: Any, person: Record) -> None:
    (first,) = bench.checked(of(person))
    born = person.content.birth_date  # type: ignore[union-attr]
    (second,) = bench.checked(of(version(person, 2, id_number=people.id_number(random.Random(4), born))))
    bench.push(first)
    assert bench.push(second) == [("accepted", "000")]
    assert lookup(bench, first).code == "401"
    assert lookup(bench, second).event is Event.ACCEPTED


def test_a_second_person_under_the_same_document_is_stored_with_a_warning(bench: Any, person: Record) -> None:
    (first,) = bench.checked(of(person))
    (second,) = bench.checked(of(replace(person, key=people.ulid(random.Random(3)))))
    bench.push(first)
    assert bench.push(second) == [("accepted", "011")]
    assert (lookup(bench, first).event, lookup(bench, first).code) == (Event.CONFLICT, "other_record")


def test_a_certificate_number_of_another_record_is_a_conflict(bench: Any, person: Record, certificate: Record) -> None:
    bench.push(*bench.checked(of(person)))
    bench.push(*bench.checked(of(certificate)))
    other = replace(certificate, key=people.ulid(random.Random(3)))
    assert bench.push(*bench.checked(of(other))) == [("conflict", "404")]
    assert counts(bench)["certificates"] == 1


def test_a_training_certificate_is_found_as_it_was_sent(bench: Any, person: Record, certificate: Record) -> None:
    bench.push(*bench.checked(of(person)))
    (c,) = bench.checked(of(version(certificate, 1, cert_class="TRAIN")))
    assert bench.push(c) == [("accepted", "000")]
    assert lookup(bench, c).event is Event.ACCEPTED


def raw_push(bench: Any, payload: Payload, changes: dict[str, str | None]) -> list[tuple[str, str]]:
    """Push a payload with fields changed behind the check's back."""
    fields = {k: v for k, v in {**payload.fields, **changes}.items() if v is not None}
    pushed: list[tuple[str, str]] = bench.push(replace(payload, fields=fields))
    return pushed


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"IdDocNumber": "370000198104067033"}, "304"),
        ({"BirthDate": "1990-01-01"}, "305"),
        ({"Ethnicity": None}, "301"),
        ({"Ethnicity": "99"}, "303"),
        ({"Education": "00"}, "303"),
        ({"HomeRegion": "379999"}, "303"),
        ({"UpdateFlag": "D"}, "302"),
    ],
)
def test_a_person_is_checked_by_the_platform_too(
    bench: Any, person: Record, changes: dict[str, str | None], code: str
) -> None:
    (payload,) = bench.checked(of(person))
    assert raw_push(bench, payload, changes) == [("rejected", code)]
    assert counts(bench)["persons"] == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Trade": "999"}, "303"),
        ({"Trade": None, "Post": "P01"}, "305"),
        ({"Trade": "000"}, "301"),
        ({"Level": None}, "301"),
        ({"Status": "77"}, "303"),
        ({"Status": "99"}, "301"),
        ({"FirstIssueDate": "2030-01-01"}, "305"),
        ({"ValidTo": "1999-01-01"}, "305"),
        ({"IssuerRegion": "379999"}, "303"),
        ({"CertClass": "TRAIN"}, "301"),
        ({"OperateType": "08", "LicenceId": "1.2.156.3005.2.A.B.C.D.E"}, "301"),
        ({"CertClass": "SAFETY", "Trade": None, "SafetyCategory": "A", "Employment": None}, "301"),
    ],
)
def test_a_certificate_is_checked_by_the_platform_too(
    bench: Any, person: Record, certificate: Record, changes: dict[str, str | None], code: str
) -> None:
    bench.push(*bench.checked(of(person)))
    (payload,) = bench.checked(of(certificate))
    assert raw_push(bench, payload, changes) == [("rejected", code)]
    assert counts(bench)["certificates"] == 0


def test_one_bad_item_does_not_stop_the_others(bench: Any) -> None:
    good = bench.checked(*(of(people.person_record(random.Random(n))) for n in range(3)))
    bad = replace(good[1], fields={**good[1].fields, "Ethnicity": "99"})
    assert bench.push(good[0], bad, good[2]) == [("accepted", "000"), ("rejected", "303"), ("accepted", "000")]


def test_a_slow_batch_waits_and_is_fetched_by_its_receipt(bench: Any, person: Record) -> None:
    bench.sandbox.async_share = 1
    payloads = bench.checked(of(person))
    sealed = bench.stamp()
    response = bench.send(bench.connector.encode_push(payloads, sealed))
    (waiting,) = bench.connector.decode_push(response, payloads, sealed)
    assert waiting.event is Event.PENDING
    assert bench.push(*payloads, stamp=replace(sealed, nonce=bytes(16))) == [("pending", "010")]

    def poll() -> Verdict:
        asked = bench.stamp()
        answer = bench.send(bench.connector.encode_ack(waiting.receipt, asked))
        (verdict,) = bench.connector.decode_ack(answer, waiting.receipt, payloads, asked)
        assert isinstance(verdict, Verdict)
        return verdict

    assert poll().event is Event.PENDING
    assert counts(bench)["persons"] == 0
    bench.clock.forward(0.3)
    assert poll().event is Event.ACCEPTED
    assert writes(bench) == [("person", 1, 1)]


def test_a_receipt_nobody_gave_is_not_found(bench: Any, person: Record) -> None:
    sealed = bench.stamp()
    serial = "370000" + "20190402093000" + "0" * 12
    answer = bench.send(bench.connector.encode_ack(serial, sealed))
    (verdict,) = bench.connector.decode_ack(answer, serial, bench.checked(of(person)), sealed)
    assert (verdict.event, verdict.code) == (Event.NOT_FOUND, "202")


def test_about_the_set_share_of_batches_is_slow_and_the_seed_decides_which(bench: Any) -> None:
    bench.sandbox.async_share = 0.25
    payloads = bench.checked(*(of(people.person_record(random.Random(n))) for n in range(80)))
    slow = [bench.push(p)[0][0] == "pending" for p in payloads]
    assert 8 < sum(slow) < 36


@pytest.mark.parametrize(
    ("fault", "answer", "persons"),
    [
        ("busy", ("retry", "103"), 0),
        ("duplicate", ("accepted", "000"), 1),
        ("server_fault", ("retry", "fault_Server"), 0),
    ],
)
def test_own_faults_do_what_they_say(
    bench: Any, person: Record, fault: str, answer: tuple[str, str], persons: int
) -> None:
    bench.sandbox.faults.set(next_=[fault])
    payloads = bench.checked(of(person))
    sealed = bench.stamp()
    assert bench.push(*payloads, stamp=sealed) == [answer]
    assert counts(bench)["persons"] == persons
    assert bench.push(*payloads, stamp=replace(sealed, nonce=bytes(16))) == [("accepted", "000")]
    assert writes(bench) == [("person", 1, 1)]


@pytest.mark.parametrize("fault", ["truncated", "empty", "login_page", "gateway_error", "unavailable"])
def test_after_a_common_fault_the_same_message_settles_the_matter(bench: Any, person: Record, fault: str) -> None:
    bench.sandbox.faults.set(next_=[fault])
    payloads = bench.checked(of(person))
    sealed = bench.stamp()
    assert bench.push(*payloads, stamp=sealed)[0][0] != "accepted"
    assert bench.push(*payloads, stamp=replace(sealed, nonce=bytes(16))) == [("accepted", "000")]
    assert writes(bench) == [("person", 1, 1)]


def test_health_is_good_and_a_wrong_password_shows(bench: Any, make: Callable[..., NationalMarket]) -> None:
    for connector, ok in ((bench.connector, True), (make(password="wrong"), False)):
        sealed = bench.stamp()
        assert connector.decode_health(bench.send(connector.encode_health(sealed)), sealed).ok is ok
