"""Answers lost after the platform did the work, again and again: nothing is registered twice, and nothing gets lost.

And a run full of duplicates leaves no identity number in clear behind, in no log, store, error or command's answer.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from gateway.delivery.explain import explain
from gateway.delivery.store import views
from gateway.delivery.store.tables import verdict
from gateway.delivery.store.views import DeliveryFilter
from gateway.domain.records import Certificate, Worker
from gateway.domain.states import State
from gateway.testing import people
from tests.support.faultproxy import Cut

Make = Callable[..., Any]
_PUSHES = (b".Add", b".Update")
BOTH_FORMS = pytest.mark.parametrize("dialect", ["national", "sandbox"], ids=["by-project", "as-certificates"])


def trials(here: Any, count: int, rates: dict[Cut, float], late: float = 0) -> Counter[str]:
    """Cut the network at ``count`` registrations at least, a share of them seen there late; counts what was seen."""
    here.sandbox.faults.set(rates={"late": late})
    cut = here.proxy
    cut.chosen = lambda first: any(one in first for one in _PUSHES)
    cut.rates = rates
    by_project = here.connector.info.platform and len(here.connector.info.kinds) > 1
    filings = -(-count // 2) if by_project else count
    here.enqueue(*here.filings(filings, placed=by_project))
    here.until_quiet(rounds=600)
    effects = here.books("effects")
    kinds = {"person", "certificate"} if by_project else {"certificate"}
    held = [one for one in effects["holdings"].values() if one["kind"] in kinds]
    return Counter(
        registrations=len(held),
        doubled=sum(one["writes"] != 1 for one in held),
        lost=(2 if by_project else 1) * filings - len(held),
        refused_as_there_already=effects["counts"]["duplicates"],
        answers_lost=cut.done[Cut.COMMIT_THEN_CUT],
        requests_lost=cut.done[Cut.RESET],
        requests=effects["counts"]["requests"],
        applied_late=here.sandbox.books.counter("late"),
        not_seen_at_first=absences(here),
        accepted=sum(n for state, n in here.states().items() if state.endswith(State.ACCEPTED)),
    )


@BOTH_FORMS
def test_a_lost_answer_leads_neither_to_a_second_registration_nor_to_a_lost_one(world: Make, dialect: str) -> None:
    here = world(dialect)
    seen = trials(here, 24, {Cut.COMMIT_THEN_CUT: 1.0})
    assert (seen["registrations"], seen["doubled"], seen["lost"], seen["accepted"]) == (24, 0, 0, 24)
    assert seen["answers_lost"] == 24
    assert seen["refused_as_there_already"] == 0
    here.check()


@BOTH_FORMS
def test_a_lost_request_is_sent_again_and_a_lost_answer_is_not(world: Make, dialect: str) -> None:
    here = world(dialect)
    seen = trials(here, 12, {Cut.COMMIT_THEN_CUT: 0.5, Cut.RESET: 0.3})
    assert (seen["registrations"], seen["doubled"], seen["lost"], seen["accepted"]) == (12, 0, 0, 12)
    assert seen["requests_lost"]
    here.check()


@BOTH_FORMS
def test_a_platform_slower_than_our_patience_refuses_the_repeat_and_keeps_one(world: Make, dialect: str) -> None:
    here = world(dialect)
    here.sandbox.delay_seconds = (40.0, 90.0)
    seen = trials(here, 6, {Cut.COMMIT_THEN_CUT: 0.6})
    assert (seen["registrations"], seen["doubled"], seen["lost"], seen["accepted"]) == (6, 0, 0, 6)
    here.check()


def absences(here: Any) -> int:
    """Questions that the platform answered with "not there"."""
    with here.store.read() as c:
        counted = c.execute(select(func.count()).select_from(verdict).where(verdict.c.code == "absent"))
        return int(counted.scalar_one())


LATE = pytest.mark.parametrize("factor", [2, 6], ids=["after-the-first-question", "after-the-resend"])
"""seen there after so many times the wait before the first question; the second comes after 4, a resend follows"""


@BOTH_FORMS
@LATE
def test_half_of_the_lost_answers_applied_late_is_one_effect_each(world: Make, dialect: str, factor: int) -> None:
    _half_applied_late(world, dialect, factor, count=16, first_wait=20)


@pytest.mark.soak
@BOTH_FORMS
@LATE
def test_a_thousand_lost_answers_half_of_them_applied_late(world: Make, dialect: str, factor: int) -> None:
    """``SOAK_TRIALS`` says how many."""
    _half_applied_late(world, dialect, factor, count=int(os.environ.get("SOAK_TRIALS", "1000")), first_wait=900)


def _half_applied_late(world: Make, dialect: str, factor: int, *, count: int, first_wait: int) -> None:
    here = world(dialect, SETTLING_SECONDS=f"[{first_wait}, {3 * first_wait}]")
    here.sandbox.late_seconds = factor * first_wait
    seen = trials(here, count, {Cut.COMMIT_THEN_CUT: 1.0}, late=0.5)
    _one_effect_each(here, seen, count)


def _one_effect_each(here: Any, seen: Counter[str], count: int) -> None:
    assert (seen["registrations"], seen["doubled"], seen["lost"], seen["accepted"]) == (count, 0, 0, count)
    assert seen["answers_lost"] >= count
    assert seen["applied_late"] >= count / 4
    assert seen["not_seen_at_first"] >= seen["applied_late"]
    here.check()


@pytest.mark.soak
@BOTH_FORMS
def test_a_thousand_lost_answers(world: Make, dialect: str, capsys: pytest.CaptureFixture[str]) -> None:
    """``SOAK_TRIALS`` says how many."""
    count = int(os.environ.get("SOAK_TRIALS", "1000"))
    here = world(dialect)
    seen = trials(here, count, {Cut.COMMIT_THEN_CUT: 1.0})
    with capsys.disabled():
        print(f"\n{dialect}: {dict(seen)}")  # noqa: T201 - the counts are what a soak is run for
    assert (seen["registrations"], seen["doubled"], seen["lost"]) == (count, 0, 0)
    assert seen["accepted"] == count
    assert seen["answers_lost"] >= count
    here.check()


# --- nobody in clear ---


@BOTH_FORMS
def test_a_run_full_of_duplicates_shows_nobody(
    world: Make, dialect: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    here = world(dialect)
    filed = here.filings(6, placed=dialect == "national")
    register_first(here, filed)
    here.sandbox.faults.set(rates={"duplicate": 0.4})
    here.enqueue(*filed)
    here.until_quiet()
    assert here.books("effects")["counts"]["duplicates"] >= 6
    here.reconciled()
    known = {text for one in filed for text in personal(one.content)}
    here.check(*known)
    shown = caplog.text + json.dumps([vars(one) for one in caplog.records], default=str)
    with here.store.read() as c:
        _, rows = views.listed(c, DeliveryFilter(), 1000)
    shown += json.dumps([*rows, *(explain(here.store, row["id"]) for row in rows)], default=str, ensure_ascii=False)
    for text in known:
        assert text not in shown
    kept = [path for path in tmp_path.iterdir() if path.name.startswith("gateway.db")]
    assert kept
    for path in kept:
        stored = path.read_bytes()
        assert not [text for text in known if text.encode() in stored]
    assert not [path.name for path in tmp_path.rglob("*") if any(text in path.name for text in known)]


def register_first(here: Any, filed: list[Any]) -> None:
    """The same people, registered by somebody else before us, so that every push of ours is refused with a number."""
    from gateway.domain.records import Submission

    for record in filed:
        submission = Submission(platform="worker_platform", record=record)
        checked = here.connector.check(submission, here.connector.map(submission))
        fields: Any = dict(getattr(checked, "fields", {}))
        if "workerName" in fields and "trainingName" not in fields:
            here.sandbox.registry.write("ProjectWorker.Add", {**fields, "workerList": [fields]}, here.clock())
        elif "trainingName" in fields:
            here.sandbox.registry.write("ProjectTraining.Add", {**fields, "workers": [fields]}, here.clock())
        elif fields:
            here.sandbox.registry.write("WorkerCredential.Add", {"credentialList": [fields]}, here.clock())


def personal(content: object) -> tuple[str, ...]:
    """Numbers and the photo of a person, which must stand nowhere."""
    holder = content.holder if isinstance(content, Certificate) else content
    assert isinstance(holder, Worker)
    photo = people.PHOTO.partition(",")[2]
    return tuple(filter(None, (holder.id_number, holder.id_number.lower(), holder.mobile, photo)))
