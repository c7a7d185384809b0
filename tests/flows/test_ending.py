"""How a run ends: the state tells the truth, the sentence names every platform, and nobody's words reach Prefect."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.domain.traffic import MAINTENANCE, Stop
from gateway.flows.ending import Mark, Part, ending, failed, merged

HELD = Stop(code="operator", reason="ask 张三 first", until=None, paused=True)
CLOSED = Stop(code=MAINTENANCE, reason="closed", until=datetime(2026, 3, 2, 15, 30, tzinfo=UTC))
SENT = {"sent": 5}


@pytest.mark.parametrize(
    ("part", "mark"),
    [
        (Part(platform="a"), Mark.COMPLETED),
        (Part(platform="a", counts=SENT), Mark.COMPLETED),
        (Part(platform="a", skipped="another run"), Mark.SKIPPED),
        (Part(platform="a", counts=SENT, skipped="another run is at push"), Mark.COMPLETED),
        (Part(platform="a", stop=CLOSED), Mark.WAITING),
        (Part(platform="a", counts=SENT, troubles={"rejected": 1}), Mark.ATTENTION),
        (Part(platform="a", counts=SENT, troubles={"rejected": 1}, stop=CLOSED), Mark.ATTENTION),
        (Part(platform="a", counts=SENT, troubles={"rejected": 1}, stop=HELD), Mark.HELD),
        (Part(platform="a", counts=SENT, stop=HELD, error="the store cannot do this now"), Mark.FAILED),
    ],
)
def test_a_platforms_end_has_one_mark(part: Part, mark: Mark) -> None:
    assert part.mark is mark


@pytest.mark.parametrize(
    ("marks", "mark", "code"),
    [
        ([Part(platform="a"), Part(platform="b", skipped="x")], Mark.COMPLETED, 0),
        ([Part(platform="a", skipped="x")], Mark.SKIPPED, 0),
        ([Part(platform="a"), Part(platform="b", stop=CLOSED)], Mark.WAITING, 1),
        ([Part(platform="a", stop=HELD), Part(platform="b", troubles={"conflict": 1})], Mark.HELD, 1),
        ([Part(platform="a", stop=HELD), Part(platform="b", error="x")], Mark.FAILED, 1),
    ],
)
def test_the_heaviest_mark_names_the_run(marks: list[Part], mark: Mark, code: int) -> None:
    end = ending(marks)
    assert (end.mark, end.exit, end.data["exit"]) == (mark, code, code)
    assert end.message.endswith(f"(exit {code})")
    assert all(f"{part.platform}: " in end.message for part in marks)


def test_the_sentence_says_counts_troubles_and_until_when() -> None:
    part = Part(platform="a", counts={"sent": 5, "not_found": 2, "swept": 0}, troubles={"rejected": 1}, stop=CLOSED)
    said = "a: 5 sent, 2 not found, to be seen: 1 rejected, waits (maintenance) until 2026-03-02 23:30 +08:00"
    assert part.text == said


def test_what_a_person_typed_and_what_looks_like_a_person_stays_out() -> None:
    assert "张三" not in ending([Part(platform="a", stop=HELD)]).message
    number = "370000199001011234"
    assert number not in ending([Part(platform="a", error=f"row of {number}")]).message
    assert number not in failed(f"no {number}").message


def test_steps_of_a_platform_become_one_part() -> None:
    part = merged(
        [
            Part(platform="a", counts={"sent": 2, "exchanges": 1}, skipped="x", reports={"feedback": {"pulled": 1}}),
            Part(platform="a", counts={"exchanges": 3}, troubles={"rejected": 1}, skipped="x", error="late"),
        ]
    )
    assert part.counts == {"sent": 2, "exchanges": 4}
    assert (part.troubles, part.skipped, part.error) == ({"rejected": 1}, "x", "late")
    assert part.reports == {"feedback": {"pulled": 1}}
