"""The value of a filing, and the table of its life."""

from __future__ import annotations

import random
from datetime import date

import pytest

from gateway.domain.errors import StoreError
from gateway.intake.rules.filing import STEPS, Filing, FilingState, Role, Step, missing, stands, take

_ROAD = (
    (Step.SUBMIT, Role.APPLICANT, FilingState.SUBMITTED),
    (Step.HAND_IN, Role.APPLICANT, FilingState.AT_POINT),
    (Step.VERIFY, Role.POINT, FilingState.VERIFIED),
    (Step.REVIEW, Role.CITY, FilingState.REVIEWED),
    (Step.PUBLISH, Role.CITY, FilingState.ON_NOTICE),
    (Step.CLOSE_NOTICE, Role.CITY, FilingState.NOTICE_DONE),
    (Step.REPORT, Role.CITY, FilingState.REPORTED),
    (Step.ENTER, Role.CENTRE, FilingState.ENTERED),
    (Step.PUSH, Role.GATEWAY, FilingState.PUSHED),
)


def test_the_main_road_leads_from_the_draft_to_the_platforms() -> None:
    state = FilingState.DRAFT
    for step, role, following in _ROAD:
        state = take(state, step, role)
        assert state is following


@pytest.mark.parametrize(("step", "role"), [(s, r) for s, r, _ in _ROAD])
def test_every_step_of_the_road_belongs_to_one_role(step: Step, role: Role) -> None:
    before = next(state for (state, known), (actor, _) in STEPS.items() if known is step and actor is role)
    for other in set(Role) - {role}:
        with pytest.raises(StoreError):
            take(before, step, other)


@pytest.mark.parametrize(
    "state",
    [FilingState.DRAFT, FilingState.SUBMITTED, FilingState.AT_POINT, FilingState.VERIFIED, FilingState.NOTICE_DONE],
)
def test_the_centre_enters_nothing_that_was_not_reported(state: FilingState) -> None:
    with pytest.raises(StoreError, match="does not allow enter"):
        take(state, Step.ENTER, Role.CENTRE)


def test_nothing_passes_the_city_review() -> None:
    reached = {FilingState.DRAFT}
    while (
        grown := {
            after for (before, step), (_, after) in STEPS.items() if before in reached and step is not Step.REVIEW
        }
        - reached
    ):
        reached |= grown
    assert FilingState.REVIEWED not in reached
    assert FilingState.ENTERED not in reached


def test_a_change_of_content_starts_the_notice_again() -> None:
    assert take(FilingState.ON_NOTICE, Step.AMEND, Role.CITY) is FilingState.REVIEWED
    assert take(FilingState.NOTICE_DONE, Step.AMEND, Role.CITY) is FilingState.REVIEWED


def test_an_objection_stops_the_way_until_it_is_decided() -> None:
    assert take(FilingState.ON_NOTICE, Step.OBJECT, Role.PUBLIC) is FilingState.OBJECTED
    with pytest.raises(StoreError):
        take(FilingState.OBJECTED, Step.CLOSE_NOTICE, Role.CITY)
    assert take(FilingState.OBJECTED, Step.DISMISS, Role.CITY) is FilingState.ON_NOTICE
    assert take(FilingState.OBJECTED, Step.UPHOLD, Role.CITY) is FilingState.REJECTED


@pytest.mark.parametrize("state", [FilingState.WITHDRAWN, FilingState.REJECTED, FilingState.VOIDED])
def test_ends_are_final(state: FilingState) -> None:
    assert not [step for before, step in STEPS if before is state]


def test_every_state_can_be_reached() -> None:
    assert {after for _, after in STEPS.values()} | {FilingState.DRAFT} == set(FilingState)


def test_random_walks_never_leave_the_table() -> None:
    rng = random.Random(1)
    for _ in range(200):
        state = FilingState.DRAFT
        while moves := [(step, actor) for (before, step), (actor, _) in STEPS.items() if before is state]:
            step, actor = rng.choice(moves)
            state = take(state, step, actor)
            if rng.random() < 0.1:
                break
        assert state in FilingState


def test_an_unreadable_field_does_not_count_as_missing() -> None:
    assert "issue_date" in set(missing(Filing()))
    assert "issue_date" not in set(missing(Filing(unread=frozenset({"issue_date"}))))
    assert "issue_date" not in set(missing(Filing(issue_date=date(2015, 1, 1))))


def test_only_resident_cards_need_an_ethnicity() -> None:
    assert "ethnicity" in set(missing(Filing(id_type="111")))
    assert "ethnicity" not in set(missing(Filing(id_type="414")))


def test_a_filing_never_shows_its_content() -> None:
    assert "示例" not in repr(Filing(name="示例", id_number="370000198001010018"))


@pytest.mark.parametrize(
    ("outcome", "pushed", "withdrawn", "expected"),
    [
        ("admit", False, False, FilingState.ENTERED),
        ("admit", True, False, FilingState.PUSHED),
        ("unchanged", True, False, FilingState.PUSHED),
        ("admit", True, True, FilingState.WITHDRAWN),
        ("withdraw", False, True, FilingState.WITHDRAWN),
        ("withdraw", True, False, FilingState.PUSHED),
        ("refuse", False, False, FilingState.RETURNED),
        ("hold", False, False, FilingState.REPORTED),
    ],
)
def test_where_a_reported_filing_stands_follows_from_its_row_and_its_certificate(
    outcome: str, pushed: bool, withdrawn: bool, expected: FilingState
) -> None:
    assert stands(outcome, pushed=pushed, withdrawn=withdrawn) is expected


@pytest.mark.parametrize("state", [FilingState.REPORTED, FilingState.ENTERED, FilingState.PUSHED])
def test_a_change_of_content_after_the_report_starts_the_public_notice_again(state: FilingState) -> None:
    city, centre = Role.CITY, Role.CENTRE
    for step, role in ((Step.AMEND, city), (Step.PUBLISH, city), (Step.CLOSE_NOTICE, city), (Step.REPORT, city)):
        state = take(state, step, role)
    assert take(state, Step.ENTER, centre) is FilingState.ENTERED
