"""The cases of feedback, one by one (F01 to F40): what the archive writes and what it answers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from gateway.credit.rules.facts import Fact
from gateway.credit.rules.matching import Match
from gateway.credit.rules.statements import AckCode, Effect, EventType, Status, as_of, is_public, is_usable
from gateway.domain.china import CHINA, day_start
from gateway.domain.ticket_kinds import TicketKind
from tests.support.findings import Shelf, fact, happened

E = EventType
START = day_start(date(2019, 1, 8))
END = day_start(date(2020, 1, 10))
EFFECTIVE = datetime(2019, 2, 20, tzinfo=CHINA)
FIRST = datetime(2019, 3, 1, tzinfo=UTC)
LATER = datetime(2019, 4, 1, tzinfo=UTC)
JUNE = datetime(2019, 6, 1, tzinfo=CHINA)


def _held(*facts: Fact) -> Shelf:
    shelf = Shelf()
    shelf.apply(FIRST, *(facts or (fact(),)))
    return shelf


def _spans(shelf: Shelf) -> list[tuple[datetime, datetime | None, Status]]:
    statements = sorted(shelf.current, key=lambda s: s.valid_from)
    return [(s.valid_from, s.valid_to, s.status) for s in statements]


def _codes(shelf: Shelf, *facts: Fact) -> list[AckCode]:
    return [outcome.code for outcome in shelf.apply(LATER, *facts).outcomes]


def _change(event_type: EventType, **changes: Any) -> Fact:
    return fact(2, event_type, **changes)


DAY = day_start(happened(2).date())


def test_f01_a_new_record_holds_from_the_decision_and_expires_with_its_period() -> None:
    shelf = Shelf()
    decision = shelf.apply(FIRST, fact())
    assert [outcome.code for outcome in decision.outcomes] == [AckCode.APPLIED]
    assert _spans(shelf) == [(START, END, Status.ACTIVE), (END, None, Status.EXPIRED)]
    assert decision.subject is not None
    assert decision.subject.subject == "P1"


def test_f01_without_a_decision_date_it_holds_from_the_publication() -> None:
    shelf = _held(fact(decision_date=None))
    assert _spans(shelf)[0][0] == day_start(date(2019, 1, 10))


def test_f02_an_exact_repeat_is_counted_and_changes_nothing() -> None:
    shelf = _held()
    decision = shelf.apply(LATER, fact(ref="again"))
    assert [outcome.code for outcome in decision.outcomes] == [AckCode.DUPLICATE]
    assert (decision.close, decision.insert) == ((), ())


def test_f03_other_content_under_the_same_version_stops_use_and_keeps_disclosure() -> None:
    shelf = _held()
    held = shelf.current
    decision = shelf.apply(LATER, fact(ref="fork", digest="other"))
    assert [(o.code, o.tickets) for o in decision.outcomes] == [(AckCode.VERSION_FORK, {TicketKind.FORK})]
    assert shelf.current == held
    (statement,) = as_of(shelf.rows, JUNE, LATER)
    assert not is_usable(statement, JUNE, shelf.tickets)
    assert is_public(statement, JUNE, shelf.tickets)


def test_f03_a_later_version_that_states_the_content_settles_the_fork() -> None:
    shelf = _held(fact(), fact(ref="fork", digest="other"))
    assert shelf.tickets == {TicketKind.FORK}
    assert _codes(shelf, _change(E.CORRECTED)) == [AckCode.STALE, AckCode.APPLIED]
    assert shelf.tickets == set()


def test_f04_an_amendment_divides_the_record_at_its_date() -> None:
    shelf = _held()
    assert _codes(shelf, _change(E.AMENDED, effective_from=EFFECTIVE, severities=frozenset({"SERIOUS"}))) == ["APPLIED"]
    assert _spans(shelf) == [
        (START, EFFECTIVE, Status.ACTIVE),
        (EFFECTIVE, END, Status.ACTIVE),
        (END, None, Status.EXPIRED),
    ]
    assert [s.source_version for s in sorted(shelf.current, key=lambda s: s.valid_from)] == [1, 2, 2]


def test_f05_a_correction_keeps_the_span_and_what_was_believed_before() -> None:
    shelf = _held()
    decision = shelf.apply(LATER, _change(E.CORRECTED, key_facts="other"))
    assert decision.outcomes[0].effect is Effect.REEVALUATE
    assert _spans(shelf) == [(START, END, Status.ACTIVE), (END, None, Status.EXPIRED)]
    assert {s.source_version for s in shelf.current} == {2}
    assert [s.source_version for s in as_of(shelf.rows, JUNE, FIRST)] == [1]


@pytest.mark.parametrize(
    ("changes", "versions", "tickets"),
    [
        ({"key_facts": "other"}, [2], set()),
        ({"severities": frozenset({"SERIOUS"})}, [1, 2], set()),
        ({"key_facts": "other", "severities": frozenset({"SERIOUS"})}, [2, 2], {TicketKind.REVIEW}),
    ],
)
def test_f05_an_update_without_date_is_told_apart_by_what_differs(
    changes: dict[str, Any], versions: list[int], tickets: set[TicketKind]
) -> None:
    shelf = _held()
    shelf.apply(LATER, _change(E.AMENDED, **changes))
    in_force = sorted((s for s in shelf.current if s.status is Status.ACTIVE), key=lambda s: s.valid_from)
    assert [s.source_version for s in in_force] == versions
    assert shelf.tickets == tickets


@pytest.mark.parametrize("last_day", [date(2019, 6, 30), date(2021, 1, 9)])
def test_f06_a_changed_period_moves_the_end_of_disclosure_only(last_day: date) -> None:
    shelf = _held()
    decision = shelf.apply(LATER, _change(E.PERIOD_CHANGED, publish_end=last_day))
    end = day_start(last_day + timedelta(days=1))
    assert decision.outcomes[0].effect is Effect.RECOMPUTE
    assert _spans(shelf) == [(START, end, Status.ACTIVE), (end, None, Status.EXPIRED)]
    assert {s.content for s in shelf.current} == {fact().ref}


def test_f06_a_period_lengthened_after_its_end_brings_the_record_back() -> None:
    since = datetime(2020, 2, 1, tzinfo=CHINA)
    shelf = _held()
    shelf.apply(LATER, _change(E.PERIOD_CHANGED, publish_end=date(2020, 6, 30), effective_from=since))
    assert _spans(shelf) == [
        (START, END, Status.ACTIVE),
        (END, since, Status.EXPIRED),
        (since, day_start(date(2020, 7, 1)), Status.ACTIVE),
        (day_start(date(2020, 7, 1)), None, Status.EXPIRED),
    ]


def test_f07_a_revocation_leaves_only_a_mark_with_the_reason() -> None:
    shelf = _held()
    decision = shelf.apply(LATER, _change(E.REVOKED))
    assert decision.outcomes[0].effect is Effect.STOP
    assert _spans(shelf) == [(START, START, Status.REVOKED)]
    assert as_of(shelf.rows, JUNE, LATER) == ()
    assert as_of(shelf.rows, JUNE, FIRST) != ()


def test_f07_a_dated_revocation_holds_from_its_date() -> None:
    shelf = _held()
    shelf.apply(LATER, _change(E.REVOKED, effective_from=EFFECTIVE))
    assert _spans(shelf) == [(START, EFFECTIVE, Status.ACTIVE), (EFFECTIVE, None, Status.REVOKED)]


def test_f07_status_1_is_a_revocation_whatever_the_event_is_called() -> None:
    shelf = _held()
    shelf.apply(LATER, _change(E.AMENDED, status_code="1"))
    assert _spans(shelf) == [(START, START, Status.REVOKED)]


def test_f08_a_record_entered_in_error_never_was() -> None:
    shelf = _held()
    shelf.apply(LATER, _change(E.VOIDED, effective_from=EFFECTIVE))
    assert _spans(shelf) == [(START, START, Status.VOIDED)]


def test_f09_a_repair_stops_use_and_disclosure_from_the_start_of_its_day() -> None:
    shelf = _held()
    shelf.apply(LATER, _change(E.REPAIRED))
    assert _spans(shelf) == [(START, DAY, Status.ACTIVE), (DAY, None, Status.REPAIRED)]


def test_f10_a_cancelled_repair_resumes_disclosure_after_a_review() -> None:
    shelf = _held(fact(), _change(E.REPAIRED))
    decision = shelf.apply(LATER, fact(3, E.REPAIR_REVOKED))
    assert decision.outcomes[0].effect is Effect.RESUME
    assert _spans(shelf) == [
        (START, DAY, Status.ACTIVE),
        (DAY, END, Status.ACTIVE),
        (END, None, Status.EXPIRED),
    ]
    (statement,) = as_of(shelf.rows, JUNE, LATER)
    assert shelf.tickets == {TicketKind.REPAIR}
    assert not is_public(statement, JUNE, shelf.tickets)
    assert is_public(statement, JUNE)


def test_f10_a_stated_date_leaves_the_repair_in_force_until_then() -> None:
    since = datetime(2019, 3, 20, tzinfo=CHINA)
    shelf = _held(fact(), _change(E.REPAIRED))
    shelf.apply(LATER, fact(3, E.REPAIR_REVOKED, effective_from=since))
    assert _spans(shelf)[1:3] == [(DAY, since, Status.REPAIRED), (since, END, Status.ACTIVE)]


def test_f11_an_expiry_told_by_the_platform_holds_from_its_day() -> None:
    shelf = _held()
    shelf.apply(LATER, _change(E.EXPIRED))
    assert _spans(shelf) == [(START, DAY, Status.ACTIVE), (DAY, None, Status.EXPIRED)]


def test_f11_an_expiry_told_after_our_own_changes_nothing() -> None:
    shelf = _held()
    held = shelf.current
    assert _codes(shelf, _change(E.EXPIRED, effective_from=END)) == ["APPLIED"]
    assert shelf.current == held


def test_f11_an_amendment_does_not_bring_an_expired_record_back() -> None:
    shelf = _held()
    since = datetime(2020, 3, 1, tzinfo=CHINA)
    shelf.apply(LATER, _change(E.AMENDED, effective_from=since, publish_end=date(2021, 1, 9)))
    assert [status for *_, status in _spans(shelf)] == [Status.ACTIVE, Status.EXPIRED, Status.EXPIRED]
    assert shelf.tickets == {TicketKind.PERIOD}


def test_f12_a_removal_closes_the_entry_of_a_list() -> None:
    shelf = _held(fact(category="BLACKLIST"))
    shelf.apply(LATER, _change(E.DELISTED, category="BLACKLIST"))
    assert _spans(shelf) == [(START, DAY, Status.ACTIVE), (DAY, None, Status.DELISTED)]


def test_f13_an_objection_sets_a_flag_that_its_end_takes_away() -> None:
    shelf = _held()
    shelf.apply(LATER, _change(E.OBJECTION_OPENED))
    assert {s.under_objection for s in shelf.current} == {True}
    shelf.apply(LATER, fact(3, E.AMENDED, effective_from=EFFECTIVE))
    assert {s.under_objection for s in shelf.current} == {True}
    shelf.apply(LATER, fact(4, E.OBJECTION_CLOSED))
    assert {s.under_objection for s in shelf.current} == {False}


def test_f13_an_objection_told_by_status_2_ends_with_status_0() -> None:
    shelf = _held()
    shelf.apply(LATER, _change(E.AMENDED, status_code="2", effective_from=START))
    assert {s.under_objection for s in shelf.current} == {True}
    shelf.apply(LATER, fact(3, E.AMENDED, effective_from=START))
    assert {s.under_objection for s in shelf.current} == {False}


def test_f14_a_version_above_a_missing_one_waits_and_is_released_by_it() -> None:
    shelf = _held()
    held = shelf.current
    assert _codes(shelf, fact(3, E.REPAIRED)) == [AckCode.VERSION_GAP]
    assert shelf.current == held
    assert _codes(shelf, _change(E.AMENDED, effective_from=EFFECTIVE)) == [AckCode.APPLIED, AckCode.APPLIED]
    assert _spans(shelf)[-1][2] is Status.REPAIRED


def test_f14_a_first_event_with_a_later_version_waits_too() -> None:
    shelf = Shelf()
    assert _codes(shelf, _change(E.AMENDED)) == [AckCode.VERSION_GAP]
    assert shelf.rows == []


def test_f15_a_late_older_version_fills_only_what_no_newer_statement_covers() -> None:
    shelf = _held(fact(3, E.CREATED, prev_version=None, decision_date=date(2019, 2, 1)))
    assert _codes(shelf, fact()) == [AckCode.STALE]
    assert _spans(shelf)[0] == (START, day_start(date(2019, 2, 1)), Status.ACTIVE)
    assert _spans(shelf)[1][0] == day_start(date(2019, 2, 1))


@pytest.mark.parametrize(
    ("match", "code", "tickets"),
    [
        (Match.NONE, AckCode.ACCEPTED_UNMATCHED, set()),
        (Match.ID_ONLY, AckCode.IDENTITY_CONFLICT, {TicketKind.IDENTITY}),
        (Match.CERT_NAME, AckCode.IDENTITY_CONFLICT, {TicketKind.IDENTITY}),
    ],
    ids=["F16", "F19", "F20"],
)
def test_f16_f19_f20_a_record_that_is_not_surely_ours_stays_out(
    match: Match, code: AckCode, tickets: set[TicketKind]
) -> None:
    shelf = Shelf()
    decision = shelf.apply(FIRST, fact(match=match, subject=None))
    assert [outcome.code for outcome in decision.outcomes] == [code]
    assert (shelf.rows, decision.subject, shelf.tickets) == ([], None, tickets)


def test_f18_a_variant_of_the_name_applies() -> None:
    assert _codes(Shelf(), fact(match=Match.NAME_VARIANT)) == [AckCode.APPLIED]


def test_f19_a_later_version_with_the_right_name_releases_the_record() -> None:
    shelf = _held(fact(match=Match.ID_ONLY))
    assert shelf.tickets == {TicketKind.IDENTITY}
    assert _codes(shelf, _change(E.CORRECTED)) == [AckCode.APPLIED, AckCode.APPLIED]
    assert shelf.tickets == set()


def test_f25_a_record_that_moved_to_a_stranger_is_cleared_from_the_one_it_was_on() -> None:
    shelf = _held()
    decision = shelf.apply(LATER, _change(E.REASSIGNED, match=Match.NONE, subject=None))
    assert (shelf.current, decision.subject) == (set(), None)


def test_f31_a_future_record_holds_from_its_publication() -> None:
    shelf = _held(fact(publish_begin=date(2019, 5, 1)))
    assert _spans(shelf)[0][0] == day_start(date(2019, 5, 1))
    assert as_of(shelf.rows, day_start(date(2019, 4, 30)), LATER) == ()


def test_f32_an_old_record_is_over_at_once() -> None:
    shelf = _held(fact(decision_date=date(2016, 1, 1), publish_begin=date(2016, 1, 1), publish_end=date(2016, 12, 31)))
    assert [s.status for s in as_of(shelf.rows, JUNE, LATER)] == [Status.EXPIRED]


def test_f37_a_clock_that_runs_ahead_does_not_delay_a_stop() -> None:
    received = datetime(2019, 2, 10, 3, 0, tzinfo=UTC)
    ahead = _change(E.REPAIRED, event_time=received + timedelta(days=2), received_at=received)
    assert ahead.clock_ahead
    shelf = _held()
    shelf.apply(LATER, ahead)
    assert _spans(shelf)[-1] == (DAY, None, Status.REPAIRED)


def test_f40_several_changes_in_one_page_leave_the_final_state_and_one_answer_each() -> None:
    shelf = Shelf()
    codes = _codes(shelf, fact(3, E.REPAIRED), fact(), _change(E.PERIOD_CHANGED, publish_end=date(2019, 12, 31)))
    assert codes == [AckCode.APPLIED] * 3
    assert [row.sys_to for row in shelf.rows] == [None, None]
    assert _spans(shelf)[-1][2] is Status.REPAIRED


def test_an_event_that_contradicts_a_final_state_is_kept_out_and_asked_about() -> None:
    shelf = _held(fact(), _change(E.REVOKED))
    held = shelf.current
    assert _codes(shelf, fact(3, E.AMENDED)) == [AckCode.VERSION_FORK]
    assert (shelf.current, shelf.tickets) == (held, {TicketKind.FORK, TicketKind.NOTIFY})


def test_a_disclosure_shorter_than_the_sanction_is_accepted_and_flagged() -> None:
    shelf = _held(fact(sanction_end=date(2020, 6, 30)))
    assert shelf.tickets == {TicketKind.PERIOD_BELOW_SANCTION}


@pytest.mark.parametrize("event_type", [E.REPAIR_REJECTED, E.OBJECTION_CLOSED])
def test_a_mere_fact_of_procedure_changes_nothing(event_type: EventType) -> None:
    shelf = _held()
    held = shelf.current
    assert _codes(shelf, _change(event_type)) == ["APPLIED"]
    assert shelf.current == held


def test_a_withheld_record_comes_back_with_the_state_its_explanation_names() -> None:
    shelf = _held(fact(), _change(E.TOMBSTONE))
    assert _spans(shelf)[-1] == (DAY, None, Status.WITHHELD)
    shelf.apply(LATER, fact(3, E.REPAIRED))
    assert _spans(shelf)[-1][2] is Status.REPAIRED
