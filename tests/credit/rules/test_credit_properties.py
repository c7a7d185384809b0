"""Properties of the archive that hold for any record (P1 to P4)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.credit.rules.facts import Fact
from gateway.credit.rules.matching import Match
from gateway.credit.rules.statements import AckCode, EventType, StatementRow, Status, as_of, is_public, is_usable
from gateway.domain.china import CHINA
from tests.support.findings import Shelf, fact

E = EventType
TYPES = [kind for kind in EventType if not kind.startswith("SUBJECT") and kind is not E.CERT_INVALIDATED]
T0 = datetime(2020, 1, 1, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(2018, 12, 1), datetime(2021, 12, 31)).map(lambda m: m.replace(tzinfo=CHINA))
DAYS = st.dates(date(2018, 12, 1), date(2021, 12, 31))
MATCHES = st.sampled_from([Match.EXACT] * 5 + [Match.NAME_VARIANT, Match.ID_ONLY, Match.NONE])


@st.composite
def records(draw: st.DrawFn) -> list[Fact]:
    """The events of one record, by version, without gaps and forks."""
    facts = []
    for version in range(1, draw(st.integers(1, 7)) + 1):
        event_type = draw(st.sampled_from(TYPES)) if version > 1 else draw(st.sampled_from([E.CREATED, *TYPES]))
        alone = event_type is E.CREATED and draw(st.booleans())
        facts.append(
            fact(
                version,
                event_type,
                prev_version=None if alone or version == 1 else version - 1,
                effective_from=draw(st.none() | MOMENTS),
                event_time=draw(MOMENTS),
                decision_date=draw(st.none() | DAYS),
                sanction_end=draw(st.none() | DAYS),
                publish_begin=draw(st.none() | DAYS),
                publish_end=draw(st.none() | DAYS),
                status_code=draw(st.sampled_from("000012")),
                key_facts=draw(st.sampled_from("ab")),
                match=draw(MATCHES),
                received_at=datetime(2021, 12, 31, tzinfo=UTC),
            )
        )
    return facts


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[Fact], list[list[Fact]]]:
    """The events of a record and pages in which they arrive: any order, some of them again."""
    facts = draw(records())
    order = draw(st.permutations(facts + draw(st.lists(st.sampled_from(facts), max_size=5))))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=4)))
    return facts, [order[a:b] for a, b in pairwise([0, *cuts, len(order)])]


def _filled(pages: list[list[Fact]]) -> Shelf:
    shelf = Shelf()
    for number, page in enumerate(pages):
        shelf.apply(T0 + timedelta(hours=number), *page)
    return shelf


@given(arrivals())
@settings(max_examples=300, deadline=None)
def test_p1_any_order_and_repetition_gives_the_same_current_view(arrived: tuple[list[Fact], list[list[Fact]]]) -> None:
    facts, pages = arrived
    assert _filled(pages).current == _filled([facts]).current


@given(arrivals(), MOMENTS)
@settings(max_examples=150, deadline=None)
def test_p2_what_was_known_then_never_changes_afterwards(
    arrived: tuple[list[Fact], list[list[Fact]]], valid_at: datetime
) -> None:
    shelf, told = Shelf(), {}
    for number, page in enumerate(arrived[1]):
        shelf.apply(T0 + timedelta(hours=number), *page)
        known_at = T0 + timedelta(hours=number, minutes=1)
        told[known_at] = as_of(shelf.rows, valid_at, known_at)
    assert {known_at: as_of(shelf.rows, valid_at, known_at) for known_at in told} == told


@given(arrivals(), MOMENTS)
@settings(max_examples=300, deadline=None)
def test_p3_nothing_ended_or_stopped_is_usable_or_public(
    arrived: tuple[list[Fact], list[list[Fact]]], at: datetime
) -> None:
    shelf = _filled(arrived[1])
    for statement in as_of(shelf.rows, at, T0 + timedelta(days=1)):
        if is_usable(statement, at) or is_public(statement, at):
            assert statement.status is Status.ACTIVE
            assert statement.publish_from is not None
            assert statement.publish_from <= at
            assert statement.publish_to is None or at < statement.publish_to


@given(arrivals())
@settings(max_examples=300, deadline=None)
def test_p4_no_two_rows_overlap_on_both_axes_and_valid_time_has_no_hole(
    arrived: tuple[list[Fact], list[list[Fact]]],
) -> None:
    rows = _filled(arrived[1]).rows
    for one, other in combinations(rows, 2):
        assert not (_meet(_recorded(one), _recorded(other)) and _meet(_valid(one), _valid(other)))
    for moment in {row.sys_from for row in rows}:
        believed = sorted((row for row in rows if _within(_recorded(row), moment)), key=lambda row: _valid(row)[0])
        assert all(_valid(one)[1] == _valid(other)[0] for one, other in pairwise(believed))


@given(arrivals())
@settings(max_examples=150, deadline=None)
def test_p6_every_event_gets_one_final_answer_at_most_and_it_is_the_last(
    arrived: tuple[list[Fact], list[list[Fact]]],
) -> None:
    shelf = Shelf()
    answers: dict[str, list[AckCode]] = {}
    for number, page in enumerate(arrived[1]):
        for outcome in shelf.apply(T0 + timedelta(hours=number), *page).outcomes:
            answers.setdefault(outcome.fact.ref, []).append(outcome.code)
    assert set(answers) == {fact.ref for fact in arrived[0]}
    for codes in answers.values():
        first_answers = [code for code in codes if code != "DUPLICATE"]
        assert not any(code.final for code in first_answers[:-1])


@pytest.mark.parametrize("match", [Match.ID_ONLY, Match.NONE])
def test_p3_a_quarantined_record_is_in_no_view(match: Match) -> None:
    assert _filled([[fact(match=match)]]).rows == []


def _recorded(row: StatementRow) -> tuple[datetime, datetime | None]:
    return row.sys_from, row.sys_to


def _valid(row: StatementRow) -> tuple[datetime, datetime | None]:
    return row.statement.valid_from, row.statement.valid_to


def _within(span: tuple[datetime, datetime | None], at: datetime) -> bool:
    return span[0] <= at and (span[1] is None or at < span[1])


def _meet(one: tuple[datetime, datetime | None], other: tuple[datetime, datetime | None]) -> bool:
    never = datetime.max.replace(tzinfo=UTC)
    return max(one[0], other[0]) < min(one[1] or never, other[1] or never)
