"""Words, states and predicates of credit records."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from gateway.codec.codes import table
from gateway.credit.rules.periods import PeriodSource
from gateway.credit.rules.statements import (
    EFFECTS,
    MOVES,
    PUBLIC_CATEGORIES,
    AckCode,
    Effect,
    EventType,
    Statement,
    StatementRow,
    Status,
    as_of,
    is_public,
    is_usable,
)
from gateway.domain.china import CHINA, day_start
from gateway.domain.ticket_kinds import TicketKind

NOON = datetime(2019, 6, 1, 12, tzinfo=CHINA)


def _statement(**changes: object) -> Statement:
    values: dict[str, object] = {
        "valid_from": day_start(date(2019, 1, 8)),
        "valid_to": None,
        "status": Status.ACTIVE,
        "event": "e",
        "content": "e",
        "source_version": 1,
        "source_update_time": NOON,
        "category": "BAD",
        "usage_scope": "0",
        "disclosed": True,
        "publish_from": day_start(date(2019, 1, 10)),
        "publish_to": day_start(date(2020, 1, 10)),
        "period_source": PeriodSource.RECEIVED,
        "payload_digest": "d",
        "reason_code": "CREATED",
    }
    return Statement(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "words"),
    [("credit_record_status", Status), ("credit_event_type", EventType), ("credit_ack_code", AckCode)],
)
def test_words_are_those_of_the_code_table(name: str, words: type[Status | EventType | AckCode]) -> None:
    assert {row["code"] for row in table(name).rows} == set(words)


def test_the_final_acknowledgements_are_those_of_the_code_table() -> None:
    assert {row["code"] for row in table("credit_ack_code").rows if row["final"] == "yes"} == {
        code for code in AckCode if code.final
    }


def test_states_move_only_as_the_rules_allow() -> None:
    seen = {(status, after) for (status, _), after in MOVES.items() if after is not status}
    assert seen == {
        *((Status.ACTIVE, after) for after in ("EXPIRED", "REPAIRED", "REVOKED", "VOIDED", "DELISTED", "WITHHELD")),
        *((Status.EXPIRED, after) for after in ("REVOKED", "VOIDED", "ACTIVE")),
        *((Status.REPAIRED, after) for after in ("ACTIVE", "REVOKED", "VOIDED")),
        *((Status.WITHHELD, after) for after in ("ACTIVE", "EXPIRED", "REPAIRED", "REVOKED", "VOIDED", "DELISTED")),
    }


@pytest.mark.parametrize(
    ("status", "event"),
    [(Status.EXPIRED, EventType.PERIOD_CHANGED), (Status.REPAIRED, EventType.REPAIR_REVOKED)],
)
def test_one_event_only_brings_a_record_back(status: Status, event: EventType) -> None:
    assert [e for (s, e), after in MOVES.items() if s is status and after is Status.ACTIVE] == [event]


def test_every_event_that_ends_use_has_the_effect_of_a_stop() -> None:
    assert {event for event, effect in EFFECTS.items() if effect is Effect.STOP} == {
        EventType(row["code"])
        for row in table("credit_event_type").rows
        if row["changes_status_to"] in {"REPAIRED", "REVOKED", "VOIDED", "EXPIRED", "DELISTED", "WITHHELD"}
    }


@pytest.mark.parametrize(
    ("changes", "at", "usable", "public"),
    [
        ({}, NOON, True, True),
        ({}, datetime(2019, 1, 9, 23, 59, 59, tzinfo=CHINA), False, False),
        ({}, datetime(2019, 1, 10, tzinfo=CHINA), True, True),
        ({}, datetime(2020, 1, 9, 23, 59, 59, tzinfo=CHINA), True, True),
        ({}, datetime(2020, 1, 10, tzinfo=CHINA), False, False),
        ({"disclosed": False}, NOON, True, False),
        ({"usage_scope": "1"}, NOON, True, False),
        ({"category": "SUPERVISION"}, NOON, True, False),
        ({"under_objection": True}, NOON, True, True),
        ({"publish_to": None}, NOON, True, True),
        ({"publish_from": None, "publish_to": None}, NOON, False, False),
        ({"valid_from": day_start(date(2019, 6, 2))}, NOON, False, False),
        ({"valid_to": day_start(date(2019, 6, 1))}, NOON, False, False),
    ],
)
def test_a_record_is_usable_and_public_inside_its_periods_only(
    changes: dict[str, object], at: datetime, usable: bool, public: bool
) -> None:
    statement = _statement(**changes)
    assert (is_usable(statement, at), is_public(statement, at)) == (usable, public)


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.ACTIVE])
def test_only_an_active_record_is_usable_or_public(status: Status) -> None:
    statement = _statement(status=status)
    assert not is_usable(statement, NOON)
    assert not is_public(statement, NOON)


@pytest.mark.parametrize(
    ("hold", "usable", "public"),
    [
        (TicketKind.FORK, False, True),
        (TicketKind.REPAIR, False, False),
        (TicketKind.PERIOD, True, True),
        (TicketKind.IDENTITY, True, True),
    ],
)
def test_an_open_ticket_stops_what_its_kind_says(hold: TicketKind, usable: bool, public: bool) -> None:
    assert (is_usable(_statement(), NOON, {hold}), is_public(_statement(), NOON, {hold})) == (usable, public)


def test_a_source_can_be_set_to_hide_records_under_objection() -> None:
    assert not is_public(_statement(under_objection=True), NOON, hide_objected=True)


def test_the_public_kinds_are_of_the_catalogue() -> None:
    assert {"COMMITMENT", "SUPERVISION", "EVALUATION"}.isdisjoint(PUBLIC_CATEGORIES)


def test_disclosure_that_ends_before_the_sanction_is_seen() -> None:
    assert _statement(effect_to=day_start(date(2020, 1, 11))).below_sanction
    assert not _statement(effect_to=day_start(date(2020, 1, 10))).below_sanction
    assert not _statement(effect_to=day_start(date(2020, 1, 11)), category="GOOD").below_sanction


def test_the_archive_answers_what_it_knew_then_about_any_day() -> None:
    first, second = _statement(), _statement(status=Status.REPAIRED)
    learnt = NOON + timedelta(days=30)
    rows = [
        StatementRow(id=1, statement=first, sys_from=NOON, sys_to=learnt),
        StatementRow(id=2, statement=second, sys_from=learnt),
    ]
    assert as_of(rows, NOON, NOON) == (first,)
    assert as_of(rows, NOON, learnt) == (second,)
    assert as_of(rows, NOON, NOON - timedelta(seconds=1)) == ()
    assert as_of(rows, datetime(2018, 1, 1, tzinfo=CHINA), learnt) == ()
