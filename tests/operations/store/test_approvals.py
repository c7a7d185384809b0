"""Four eyes in the store: asked once, decided once by another, used once, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from gateway.actor import Person
from gateway.domain.approvals import GuardedAct, Standing
from gateway.domain.errors import StoreError
from gateway.operations import evidence
from gateway.operations.approvals import FourEyes, Permit, digest_of, permit
from gateway.operations.store import approvals
from gateway.operations.store.tables import approval
from gateway.store.audit import note
from gateway.store.engine import Store
from gateway.store.tables import audit

NOW = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)
WANG, LI = Person(uid=1001, name="wang"), Person(uid=1002, name="li")
RULES = FourEyes(named=frozenset(GuardedAct), most=20, lasts=timedelta(hours=72))
EXACTLY = {"key": "K", "version": 1, "digest": "0" * 64}


@pytest.fixture
def asked(store: Store) -> Store:
    """A store that asks, with bystanders: another person's and another act's request."""
    with store.write() as c:
        approvals.demand(c, GuardedAct, above=20, by="keeper", now=NOW)
    run(store, person=Person(uid=1003, name="zhao"))
    run(store, act=GuardedAct.BYTES)
    return store


def run(store: Store, person: Person = WANG, now: datetime = NOW, **changes: Any) -> Permit:
    given: dict[str, Any] = {
        "act": GuardedAct.PUBLISH,
        "parameters": EXACTLY,
        "subject": "K/1",
        "reason": "signed",
    }
    return permit(store, changes.pop("rules", RULES), person, now, **(given | changes))


def number(store: Store, **changes: Any) -> int:
    found = run(store, **changes)
    assert not found.granted
    assert found.request is not None
    return found.request.id


def decide(store: Store, one: int, person: Person = LI, *, approve: bool = True, now: datetime = NOW) -> Any:
    with store.write() as c:
        return approvals.decide(c, store.vault, one, person, now, approve=approve, reason="looked at it")


def test_what_is_asked_is_approved_by_another_and_runs_once(asked: Store) -> None:
    one = number(asked)
    assert number(asked) == one  # asked again, it is the same request
    assert decide(asked, one, WANG) is None
    done = decide(asked, one)
    assert (done.standing(NOW), done.asked_by, done.decided_by) == (Standing.APPROVED, "wang", "li")
    later = NOW + timedelta(hours=71)
    used = run(asked, now=later)
    assert used.granted
    assert used.as_of(later) == NOW
    assert number(asked, now=later) not in (one, None)


@pytest.mark.parametrize(
    "other",
    [
        {"parameters": {**EXACTLY, "version": 2}},
        {"parameters": {**EXACTLY, "digest": "1" * 64}},
        {"reason": "another reason"},
        {"act": GuardedAct.REINSTATE},
        {"person": Person(uid=1004, name="wang")},
        {"person": LI},
    ],
)
def test_an_approval_is_for_exactly_what_was_asked_by_whom(asked: Store, other: dict[str, Any]) -> None:
    one = number(asked)
    decide(asked, one)
    assert number(asked, **other) != one
    assert run(asked).granted


def test_what_was_declined_or_has_expired_does_not_run_and_may_be_asked_again(asked: Store) -> None:
    one = number(asked)
    assert decide(asked, one, approve=False).standing(NOW) is Standing.DECLINED
    assert decide(asked, one) is None
    two = number(asked)
    assert two != one
    late = NOW + timedelta(hours=72)
    assert decide(asked, two, now=late) is None
    decide(asked, two, now=late - timedelta(seconds=1))
    assert number(asked, now=late) > two


def test_a_store_that_asked_once_goes_on_asking_when_the_setting_is_gone(asked: Store) -> None:
    number(asked, rules=replace(RULES, named=frozenset()))
    with asked.write() as c:
        assert approvals.waive(c, GuardedAct.PUBLISH)
        assert not approvals.waive(c, GuardedAct.PUBLISH)
    assert run(asked, rules=replace(RULES, named=frozenset())).granted
    number(asked)  # a setting that names it still counts


def test_settings_that_ask_less_change_nothing_and_those_that_ask_more_do(asked: Store) -> None:
    some = {"act": GuardedAct.RELEASE, "parameters": {}, "size": 21}
    number(asked, **some, rules=replace(RULES, most=1000))
    assert run(asked, **(some | {"size": 6})).granted
    with asked.write() as c:
        approvals.demand(c, [GuardedAct.RELEASE], above=50, by="keeper", now=NOW)
        assert approvals.demanded(c)[GuardedAct.RELEASE] == 20
        approvals.demand(c, [GuardedAct.RELEASE], above=5, by="keeper", now=NOW)
        assert approvals.demanded(c) == {**dict.fromkeys(GuardedAct, 0), GuardedAct.RELEASE: 5, GuardedAct.REPLAY: 20}
    number(asked, **(some | {"size": 6}))


def test_small_parts_of_a_day_count_together_but_not_what_was_approved(asked: Store) -> None:
    def release(count: int, at: datetime, by: str = "wang") -> None:
        with asked.write() as c:
            note(c, at=at, actor=by, action="release", subject="deliveries", detail={"deliveries": [*range(count)]})

    some = {"act": GuardedAct.RELEASE, "parameters": {}}
    release(50, NOW, by="li")
    release(50, NOW - timedelta(days=2))
    release(15, NOW - timedelta(hours=1))
    assert run(asked, **some, size=5).granted
    one = number(asked, **some, size=6, about=lambda: {"deliveries": [1]})
    decide(asked, one)
    with asked.read() as c:
        found = approvals.find(c, one)
    assert found is not None
    assert found.detail == {"deliveries": [1], "transmissions": 6}
    assert run(asked, **some, size=6).granted
    release(6, NOW)
    assert run(asked, **some, size=5).granted


def test_an_approval_written_into_the_table_is_refused(asked: Store) -> None:
    one = number(asked)
    values = {"decided_at": NOW, "decided_by": "li", "decided_uid": 1002, "decision": "approved"}
    with asked.write() as c:
        c.execute(update(approval).where(approval.c.id == one).values(values))
    with pytest.raises(StoreError, match="lacks the mark of the key"):
        run(asked)
    two = number(asked, parameters={"key": "other"})
    decide(asked, two)
    with asked.write() as c:  # moved to another act's digest
        digest = digest_of(GuardedAct.PUBLISH, {"key": "third", "reason": "signed"})
        c.execute(update(approval).where(approval.c.id == two).values(digest=digest))
    with pytest.raises(StoreError, match="lacks the mark of the key"):
        run(asked, parameters={"key": "third"})


def test_both_names_are_in_the_audit_trail_and_the_chain_covers_each_step(asked: Store) -> None:
    one = number(asked)
    decide(asked, one)
    assert run(asked).granted
    with asked.read() as c:
        rows = c.execute(select(audit).where(audit.c.object == f"approval {one}").order_by(audit.c.id)).mappings().all()
    assert [(row["actor"], row["action"]) for row in rows] == [
        ("wang", "ask_approval"),
        ("li", "approve"),
        ("wang", "use_approval"),
    ]
    assert rows[1]["detail"]["asked_by"] == "wang"
    assert rows[2]["detail"]["approved_by"] == "li"
    evidence.seal(asked, NOW + timedelta(minutes=1), None)
    assert evidence.verify(asked, None).faults == []
    with asked.write() as c:
        c.execute(update(approval).where(approval.c.id == one).values(decided_by="zhao", used_at=None))
    assert {(fault.book, fault.row) for fault in evidence.verify(asked, None).faults} == {
        ("approval_decided", one),
        ("approval_used", one),
    }


def test_a_person_in_a_reason_is_masked(asked: Store) -> None:
    one = number(asked, reason="asked by 370000199001011234")
    with asked.read() as c:
        found = approvals.find(c, one)
        kept = c.execute(select(audit.c.reason).where(audit.c.object == f"approval {one}")).scalar_one()
    assert found is not None
    assert "19900101" not in found.reason + kept


@pytest.fixture
def at_once() -> Callable[[Callable[[int], Any]], list[Any]]:
    """Run the same in eight threads."""

    def each(work: Callable[[int], Any]) -> list[Any]:
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(work, range(8)))

    return each


def test_of_many_at_once_one_asks_one_decides_and_one_runs(
    asked: Store, at_once: Callable[[Callable[[int], Any]], list[Any]]
) -> None:
    numbers = at_once(lambda _: number(asked))
    assert len(set(numbers)) == 1
    decided = at_once(lambda n: decide(asked, numbers[0], Person(uid=2000 + n, name=f"p{n}"), approve=n % 2 == 0))
    assert sum(one is not None for one in decided) == 1
    [outcome] = [one for one in decided if one is not None]
    ran = at_once(lambda _: run(asked).granted)
    assert sum(ran) == (outcome.decision == Standing.APPROVED)
    with asked.read() as c:
        used = c.execute(select(func.count()).where(approval.c.used_at.is_not(None))).scalar_one()
        bystanders = c.execute(select(func.count()).where(approval.c.id < numbers[0], approval.c.decision.is_(None)))
        assert (used, bystanders.scalar_one()) == (sum(ran), 2)


def test_requests_are_listed_the_newest_first(asked: Store) -> None:
    one = number(asked)
    with asked.read() as c:
        assert [found.id for found in approvals.listed(c, 2)] == [one, one - 1]
        assert approvals.find(c, one + 1) is None
        assert set(approvals.demanded(c)) == set(GuardedAct)


def test_the_approver_cannot_turn_the_approval_to_an_own_act(asked: Store) -> None:
    one = number(asked)
    decide(asked, one)
    with asked.write() as c:
        row = c.execute(select(approval).where(approval.c.id == one)).mappings().one()
        copy = {**row, "id": one + 1, "asked_uid": LI.uid, "asked_by": "li"}
        c.execute(insert(approval).values(copy))
    assert not run(asked, person=LI).granted
