"""``gateway overdue``: which answers are late, which are due soon, and what fetches or sends them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.output import FAILURES, LARGEST, AsJson, Platforms, columns, emit, in_language, opened, say, table
from gateway.domain.china import CHINA
from gateway.domain.promises import PromiseKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.operations.overdue import DueAnswer, PromiseClock

_TITLES = {
    PromiseKind.RESULT: ("平台对推送的回执", "the platform's result of a push"),
    PromiseKind.CREDIT: ("接收后的信用反馈", "credit feedback after acceptance"),
    PromiseKind.ANSWER: ("本方对信用事件的答复", "our answer to credit events"),
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
            in_language(f"等待 {one.waiting}", f"{one.waiting} waited for"),
            in_language(f"已超期 {one.late}", f"{one.late} late") if one.late else "",
            in_language(f"即将到期 {one.soon}", f"{one.soon} due soon") if one.soon else "",
            "" if one.oldest_due is None else in_language("最早应于 ", "the first due ") + _moment(one.oldest_due),
        ]
        say(f"{one.platform}  {in_language(*_TITLES[one.promise])}（{one.within}）  " + "  ".join(filter(None, counts)))
        if one.late or one.soon:
            say(in_language("  下一步：", "  do: ") + _ACTS[one.promise].format(one.platform))
    rows = [
        {
            "platform": one.platform,
            "what": in_language(*_TITLES[one.promise]),
            "since": _moment(one.since),
            "due": _moment(one.due),
            "state": in_language("已超期", "late") if one.late else in_language("即将到期", "soon"),
            "delivery": one.delivery or one.event,
            "row": None if one.batch is None else f"{one.batch} {one.row}",
        }
        for one in answers
    ]
    if rows:
        names = ("platform", "what", "delivery", "row", "since", "due", "state")
        table(in_language(f"共 {total} 条", f"{len(rows)} of {total}"), columns(*names), rows)
    else:
        say(in_language("没有超期或即将到期的答复", "no answer is late or due soon"))


def _moment(moment: Any) -> str:
    return f"{moment.astimezone(CHINA):%Y-%m-%d %H:%M}"
