"""``gateway overdue``: which answers are late, which are due soon, and what fetches or sends them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.language import say_in_language
from gateway.cli.output import FAILURES, LARGEST, AsJson, Platforms, columns, emit, opened, say, table
from gateway.domain.promises import PromiseKind
from gateway.locale import moment, tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.operations.overdue import DueAnswer, PromiseClock

_TITLES = {
    PromiseKind.RESULT: tr("the platform's result of a push"),
    PromiseKind.CREDIT: tr("credit feedback after acceptance"),
    PromiseKind.ANSWER: tr("our answer to credit events"),
}
_ACTS = {
    PromiseKind.RESULT: "gateway acks {0}; gateway resolve {0}",
    PromiseKind.CREDIT: "gateway feedback {0}",
    PromiseKind.ANSWER: "gateway feedback {0}",
}


def overdue(
    platforms: Platforms = None,
    soon: Annotated[
        int | None,
        typer.Option(min=1, max=8760, help="Due within so many hours counts as soon; else as befits each promise."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=LARGEST, help="List at most this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show which answers are late and which will be soon: results of pushes, credit feedback, our own answers.

    What is promised is set for each platform (RESULT_WITHIN, CREDIT_WITHIN, ANSWER_WITHIN), in hours or in working days
    of the calendar. Exit code 1 where one is late, 2 where the calendar lacks a year.
    """
    from gateway.operations.overdue import clocks, due_answers

    with opened() as gateway:
        watch = gateway.promise_watch(platforms or (), soon=None if soon is None else timedelta(hours=soon))
        with gateway.store.read() as connection:
            watched = clocks(connection, watch)
            answers = due_answers(connection, watch, limit)
    total = sum(one.late + one.soon for one in watched)
    if as_json:
        emit({"at": watch.now, "clocks": _by_platform(watched), "total": total, "answers": [vars(a) for a in answers]})
    else:
        _tell(watched, answers, total)
    if any(one.late for one in watched):
        raise typer.Exit(FAILURES)


def _by_platform(watched: Sequence[PromiseClock]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for one in watched:
        told = {name: value for name, value in vars(one).items() if name not in ("platform", "promise")}
        found.setdefault(one.platform, {})[one.promise] = told
    return found


def _tell(watched: Sequence[PromiseClock], answers: Sequence[DueAnswer], total: int) -> None:
    for one in watched:
        if not one.waiting:
            continue
        counts = [
            tr("{count} waited for", count=one.waiting),
            tr("{count} late", count=one.late) if one.late else None,
            tr("{count} due soon", count=one.soon) if one.soon else None,
            None if one.oldest_due is None else tr("the first due {at}", at=one.oldest_due),
        ]
        title = tr("{platform}  {what} ({within})", platform=one.platform, what=_TITLES[one.promise], within=one.within)
        say("  ".join(say_in_language(part) for part in (title, *counts) if part is not None))
        if one.late or one.soon:
            say(tr("  do: {act}", act=_ACTS[one.promise].format(one.platform)))
    rows = [
        {
            "platform": one.platform,
            "what": _TITLES[one.promise],
            "since": moment(one.since),
            "due": moment(one.due),
            "state": tr("late") if one.late else tr("soon"),
            "delivery": one.delivery or one.event,
            "row": None if one.batch is None else f"{one.batch} {one.row}",
        }
        for one in answers
    ]
    if rows:
        names = ("platform", "what", "delivery", "row", "since", "due", "state")
        table(tr("{count} of {total}", count=len(rows), total=total), columns(*names), rows)
    else:
        say(tr("no answer is late or due soon"))
