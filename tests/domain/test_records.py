"""Records and their fingerprints: equal content has one mark, and every other content has another."""

from __future__ import annotations

import dataclasses
import random
import re
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.records import (
    Certificate,
    ChangeNature,
    ContractTerm,
    RecordKind,
    StatusChange,
    Submission,
    Withdrawal,
    Worker,
    fingerprint,
)
from gateway.testing import people

ZONES = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def certificate(seed: int = 1) -> Certificate:
    rng = random.Random(seed)
    return people.certificate(rng, people.worker(rng))


def paths(value: Any, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every field of a value that holds no further fields."""
    found = []
    for field in dataclasses.fields(value):
        inner = getattr(value, field.name)
        here = (*before, field.name)
        found += paths(inner, here) if dataclasses.is_dataclass(inner) else [here]
    return found


def changed(value: Any, path: tuple[str, ...]) -> Any:
    """The same value with one field different."""
    name, *rest = path
    old = getattr(value, name)
    return dataclasses.replace(value, **{name: changed(old, tuple(rest)) if rest else other(old)})


def other(value: Any) -> Any:
    match value:
        case None:
            return "x"
        case bool():
            return not value
        case Enum():
            return next(member for member in type(value) if member is not value)
        case datetime() | date():
            return value + timedelta(days=1)
        case tuple():
            return (*value, "x")
        case str():
            return value + "x"
    raise AssertionError(type(value))


CERTIFICATE = certificate()
COUNTED = [path for path in paths(CERTIFICATE) if path != ("verification", "entered_at")]


@pytest.mark.parametrize("path", COUNTED, ids=".".join)
def test_every_field_of_a_certificate_counts(path: tuple[str, ...]) -> None:
    assert fingerprint(changed(CERTIFICATE, path)) != fingerprint(CERTIFICATE)


def test_the_moment_of_entry_is_ours_and_does_not_count() -> None:
    later = changed(CERTIFICATE, ("verification", "entered_at"))
    assert fingerprint(later) == fingerprint(CERTIFICATE)


@pytest.mark.parametrize("field", ["entered_at", "reported_at"])
def test_inside_a_change_or_a_withdrawal_the_same_holds(field: str) -> None:
    def contents(inner: Certificate) -> tuple[StatusChange, Withdrawal]:
        return (
            StatusChange(
                certificate_key="K",
                certificate=inner,
                new_status="05",
                operate_type="02",
                reason="r",
                effective_date=date(2019, 5, 1),
            ),
            Withdrawal(withdrawn_kind=RecordKind.CERTIFICATE, withdrawn_key="K", content=inner, reason="wrong person"),
        )

    before = [fingerprint(c) for c in contents(CERTIFICATE)]
    after = [fingerprint(c) for c in contents(changed(CERTIFICATE, ("verification", field)))]
    assert [a == b for a, b in zip(before, after, strict=True)] == [field == "entered_at"] * 2


@given(zone=ZONES)
def test_a_moment_counts_as_a_point_in_time(zone: timezone) -> None:
    way = CERTIFICATE.verification
    moved = {
        field.name: getattr(way, field.name).astimezone(zone)
        for field in dataclasses.fields(way)
        if isinstance(getattr(way, field.name), datetime)
    }
    elsewhere = dataclasses.replace(CERTIFICATE, verification=dataclasses.replace(way, **moved))
    assert fingerprint(elsewhere) == fingerprint(CERTIFICATE)


@given(seed=st.integers(0, 10**6), names=st.tuples(st.text(max_size=20), st.text(max_size=20)))
def test_equal_contents_and_only_they_have_equal_marks(seed: int, names: tuple[str, str]) -> None:
    worker = people.worker(random.Random(seed))
    one, two = (dataclasses.replace(worker, name=name) for name in names)
    assert (fingerprint(one) == fingerprint(two)) is (one == two)


def test_absent_and_empty_are_two_contents() -> None:
    worker = people.worker(random.Random(1))
    assert fingerprint(dataclasses.replace(worker, mobile=None)) != fingerprint(dataclasses.replace(worker, mobile=""))


def test_a_mark_is_a_sha256_that_does_not_change_between_releases() -> None:
    worker = Worker(
        name="王小明",
        id_type="111",
        id_number="370000199001010011",
        gender="1",
        birth_date=date(1990, 1, 1),
    )
    assert re.fullmatch(r"[0-9a-f]{64}", fingerprint(worker))
    assert fingerprint(worker) == "1f6d347eead430557c3514a8d61367fa6d3be0b6782c64942b9c588fba3651f4"


def test_a_record_takes_its_mark_from_its_content_alone() -> None:
    record = people.person_record(random.Random(4))
    later = dataclasses.replace(
        record, version=9, change=ChangeNature.CORRECTION, effective_from=datetime(2020, 1, 1, tzinfo=UTC)
    )
    assert later.fingerprint == record.fingerprint == fingerprint(record.content)


def test_the_business_key_names_platform_kind_key_and_version() -> None:
    record = people.person_record(random.Random(4))
    assert Submission(platform="p", record=record).key == f"p/person/{record.key}/1"


def test_a_kind_without_canonical_form_is_a_fault_of_ours() -> None:
    worker = dataclasses.replace(people.worker(random.Random(1)), address=object())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no canonical form for object"):
        fingerprint(worker)


def test_the_open_contract_term_stays_apart_from_the_platforms_own() -> None:
    assert [term.value for term in ContractTerm] == ["0", "1", "2"]
