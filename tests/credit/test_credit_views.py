"""What the archive shows to whom, and what it answers about the past, on both stores."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gateway.credit.rules.statements import EventType
from gateway.credit.store import as_of as credit_as_of
from gateway.credit.views import View, Who, as_of, find_subject, mask, public, share, show
from gateway.store.engine import Store
from gateway.store.tables import audit
from gateway.testing.people import CHINA
from tests.support.creditfeed import Feed
from tests.support.findings import finding

RECORD = "CR370000-2019-000001"
JUNE = datetime(2019, 6, 1, tzinfo=CHINA)


@pytest.fixture
def source(store: Store) -> Feed:
    return Feed(store)


def rows(source: Feed, key: str, view: View, at: datetime = JUNE) -> list[dict[str, Any]]:
    with source.store.read() as connection:
        return show(connection, source.store.vault, Who(kind="person", key=key), view, at)


def given(source: Feed, now: datetime = JUNE) -> tuple[list[str], list[str]]:
    """Records that a partner gets and has to take back."""
    told = share(source.store, "partner", by="officer", now=now, limit=100)
    return [row["record_id"] for row in told["records"]], [row["record_id"] for row in told["withdrawn"]]


@pytest.mark.parametrize(
    ("changes", "views"),
    [
        ({}, {"internal", "usable", "public", "partner"}),
        ({"usage_scope": "1"}, {"internal", "usable", "partner"}),
        ({"usage_scope": "2"}, {"internal", "usable"}),
        ({"is_public": False}, {"internal", "usable", "partner"}),
        ({"category": "SUPERVISION"}, {"internal", "usable"}),
        ({"publish_end": date(2019, 5, 1)}, {"internal"}),
    ],
)
def test_each_view_has_the_records_it_may_have(source: Feed, changes: dict[str, Any], views: set[str]) -> None:
    person, worker = source.person()
    source.apply(finding(worker, **changes))
    assert {str(view) for view in View if rows(source, person.key, view)} == views


def test_views_carry_no_more_than_their_purpose_needs(source: Feed) -> None:
    person, worker = source.person()
    source.apply(finding(worker, content=f"{worker.name}({worker.id_number})提供虚假合同"))
    [inside], [outside] = rows(source, person.key, View.INTERNAL), rows(source, person.key, View.PUBLIC)
    assert worker.name not in repr(inside)
    assert worker.id_number not in repr((inside, outside))
    assert (outside["name"], outside["number"]) == (worker.name, mask(worker.id_number))
    assert "content" not in outside
    for private in (worker.mobile, worker.address, str(worker.birth_date)):
        assert private is None or private not in repr((inside, outside))
    assert rows(source, person.key, View.USABLE)[0].keys().isdisjoint({"name", "number", "content"})


def test_masking_leaves_three_in_front_and_two_at_the_end() -> None:
    assert mask("370000198001010019") == "370*************19"
    assert mask("12345") == "*****"


def test_the_past_is_answered_on_both_axes(source: Feed) -> None:
    person, worker = source.person()
    source.apply(finding(worker))
    first_known = source.now
    source.apply(finding(worker, 2, "CORRECTED", decision_no="示例罚字〔2019〕更正1号"))
    source.apply(finding(worker, 3, "REPAIRED"))
    who = Who(kind="person", key=person.key)
    february, may = datetime(2019, 2, 1, tzinfo=CHINA), datetime(2019, 5, 1, tzinfo=CHINA)
    later = source.now + timedelta(days=1)
    with source.store.read() as connection:
        asked = {
            (day, known): as_of(connection, source.store.vault, who, day, known)
            for day in (february, may)
            for known in (first_known, later)
        }
        before = as_of(connection, source.store.vault, who, february, first_known - timedelta(days=1))
    told = {key: [(row["status"], row["decision_no"]) for row in found] for key, found in asked.items()}
    wrong, right = f"示例罚字〔2019〕{RECORD}号", "示例罚字〔2019〕更正1号"
    assert told == {
        (february, first_known): [("ACTIVE", wrong)],
        (may, first_known): [("ACTIVE", wrong)],
        (february, later): [("ACTIVE", right)],
        (may, later): [("REPAIRED", right)],
    }
    assert before == []


def test_a_merge_does_not_change_what_was_known_before(source: Feed) -> None:
    (one, first), (two, _) = source.person("张伟"), source.person("李娜")
    source.apply(finding(first))
    then = source.now
    told = finding(first, event_type="SUBJECT_MERGED", record_id="SU-1", stream="SUBJECT")
    source.apply(Feed.with_succession(told, fromKey=one.key, toKey=two.key))
    with source.store.read() as connection:
        known = [
            [one.record_id for one in credit_as_of.as_of(connection, "person", key, JUNE, at)]
            for key in (one.key, two.key)
            for at in (then, source.now + timedelta(days=1))
        ]
        who = find_subject(connection, source.store.vault, one.key)
    assert known == [[RECORD], [], [], [RECORD]]
    assert who == Who(kind="person", key=two.key, redirected=True)


@pytest.mark.parametrize("ending", ["REPAIRED", "REVOKED", "VOIDED"])
def test_what_ended_is_not_shown_used_or_shared_from_that_day_on(source: Feed, ending: str) -> None:
    person, worker = source.person()
    source.apply(finding(worker))
    assert given(source) == ([RECORD], [])
    assert given(source, JUNE + timedelta(minutes=1)) == ([], []), "nothing new"
    source.apply(finding(worker, 2, ending, event_time=source.now))
    today = source.now
    assert [rows(source, person.key, view, today) for view in (View.USABLE, View.PUBLIC, View.PARTNER)] == [[], [], []]
    assert given(source, today) == ([], [RECORD])
    assert given(source, today + timedelta(minutes=1)) == ([], []), "told once"


def test_what_disappeared_is_taken_back_from_partners_and_given_again_when_it_is_back(source: Feed) -> None:
    _, worker = source.person()
    source.apply(finding(worker))
    given(source)
    source.observe(RECORD, EventType.TOMBSTONE)
    assert given(source, source.now) == ([], [RECORD])


def test_what_relied_on_a_statement_corrected_later_is_listed(source: Feed) -> None:
    _, worker = source.person()
    source.apply(finding(worker))
    given(source)
    with source.store.read() as connection:
        assert credit_as_of.relied(connection) == []
    source.apply(finding(worker, 2, "CORRECTED", decision_no="示例罚字〔2019〕更正1号"))
    with source.store.read() as connection:
        (row,) = credit_as_of.relied(connection, purpose="partner")
        trail = connection.execute(select(audit.c.action, audit.c.detail)).all()
    assert (row["recipient"], row["record_id"]) == ("partner", RECORD)
    assert [tuple(one) for one in trail] == [("share", {"given": 1, "withdrawn": 0})]
    assert given(source, JUNE + timedelta(days=1)) == ([RECORD], []), "the corrected statement is given anew"


def test_public_counts_below_ten_are_suppressed(source: Feed) -> None:
    _, worker = source.person()
    source.apply(*(finding(worker, record_id=f"CR-{n}", stream_seq=n) for n in range(1, 11)))
    good = finding(worker, record_id="CR-good", stream="PERSON_GOOD", category="GOOD", stream_seq=1)
    source.apply(good)
    with source.store.read() as connection:
        told = public(connection, source.store.vault, JUNE, 100)
    assert told["counts"] == {"BAD": 10, "GOOD": None}
    assert len(told["records"]) == 11
