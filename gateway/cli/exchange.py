"""``gateway push``, ``acks``, ``resolve``, ``feedback`` and ``reconcile``: everything that talks to a platform."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.output import (
    FAILURES,
    LARGEST,
    AsJson,
    Platforms,
    columns,
    complain,
    emit,
    in_language,
    opened,
    say,
    table,
)
from gateway.domain.china import CHINA
from gateway.domain.errors import GatewayError
from gateway.domain.states import State

if TYPE_CHECKING:
    from gateway.bootstrap import Gateway
    from gateway.delivery.exchanger import Exchanger
    from gateway.delivery.push import PushReport
    from gateway.delivery.store.views import WaitingGroup

Limit = Annotated[
    int | None, typer.Option(min=1, max=LARGEST, help="Send at most this many deliveries of each platform.")
]


def push(
    platforms: Platforms = None,
    limit: Limit = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the payloads, masked, and send nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send what is due, and say what waits and why.

    Exit code 1 where something was rejected, parked or a platform is held, or where nothing of what was due arrived.
    """
    with opened() as gateway:
        if dry_run:
            gateway.note("push_dry_run", ", ".join(gateway.configured(platforms or ())))
            _preview(gateway, platforms or (), limit, as_json=as_json)
            return
        following = _Following("sent", ("发出", "sent"), quiet=as_json)
        reports = _across(gateway, platforms, lambda e: gateway.push(e, limit=limit, progress=following), following)
        waits = _waiting(gateway, [report.platform for report in reports])
        if not as_json:
            for report in reports:
                _tell_push(gateway, report, waits[report.platform])
    bad = ("rejected", "unknown", "conflict", "exhausted", "hold")
    failed = bool(gateway.broken) or any(
        r.stopped or r.nothing_arrived or any(r.outcomes[name] for name in bad) for r in reports
    )
    if as_json or not reports:
        documents = [{**_plain(r), "waits": [vars(one) for one in waits[r.platform]]} for r in reports]
        _finish(documents, as_json, failed=failed)
    elif failed:
        raise typer.Exit(FAILURES)


def _waiting(gateway: Gateway, platforms: Sequence[str]) -> dict[str, list[WaitingGroup]]:
    from gateway.delivery.store.views import waiting_groups

    with gateway.store.read() as connection:
        return {name: waiting_groups(connection, name) for name in platforms}


_OUTCOMES = {
    "accepted": "接收",
    "pending": "等待回执",
    "rejected": "退回",
    "retry": "稍后重试",
    "in_doubt": "结果不明",
    "duplicate": "平台称已有，待核对",
    "conflict": "与平台已有数据冲突",
    "unknown": "答复无法识别",
    "hold": "前提不满足",
    "exhausted": "重试已用完",
}
_STATES = {
    State.QUEUED: "待发送",
    State.SENDING: "发送中",
    State.AWAITING_ACK: "等待回执",
    State.IN_DOUBT: "结果不明",
    State.HELD: "暂停中",
    State.PARKED: "待人工",
}


def _tell_push(gateway: Gateway, report: PushReport, waits: Sequence[WaitingGroup]) -> None:
    """What went to one platform, what waits and why, and what to do where nothing arrived."""
    connector = gateway.connector(report.platform)
    name = in_language(f"{connector.info.title_zh}（{report.platform}）", report.platform)
    counts = {str(event): count for event, count in report.outcomes.items() if count}
    zh = "，".join(f"{_OUTCOMES.get(event, event)} {count}" for event, count in counts.items())
    en = ", ".join(f"{event} {count}" for event, count in counts.items())
    if report.claimed:
        told = in_language(f"发出 {report.sent}" + (f"，{zh}" if zh else ""), f"sent {report.sent}: {en}".rstrip(": "))
    else:
        told = in_language("没有到期的任务", "nothing was due")
    say(f"{name}  {told}")
    for one in waits:
        words = f"{one.code or ''} {one.reason or ''}".strip()
        due = f"{one.next_due.astimezone(CHINA):%m-%d %H:%M}"
        state = in_language(_STATES.get(one.state, str(one.state)), str(one.state))
        later = one.state in (State.QUEUED, State.AWAITING_ACK, State.IN_DOUBT)
        when = in_language(f"，下次 {due}", f", next {due}") if later else ""
        say(f"  {state} {one.count}" + (f"  {words}" if words else "") + when)
    if report.stopped:
        say(in_language("  未全部发出：", "  stopped: ") + report.stopped)
    if report.nothing_arrived:
        place, setting = connector.endpoint.base_url, f"GATEWAY_{report.platform.upper()}__ENDPOINT"
        say(
            in_language(
                f"  没有送达：{place}。请核对 {setting} 和网络，再执行 gateway check",
                f"  nothing arrived: {place}. Look at {setting} and the network, then gateway check",
            )
        )
    if any(one.state is State.HELD for one in waits) or (report.stopped or "").startswith("operator"):
        say(in_language("  排除原因后：", "  when the cause is mended: ") + f"gateway resume {report.platform}")
    if any(one.state is State.PARKED for one in waits) or counts.get("rejected"):
        say(in_language("  查看：", "  look: ") + f"gateway failures --platform {report.platform}")


def acks(platforms: Platforms = None, as_json: AsJson = False) -> None:
    """Fetch the results that are due by receipt."""
    from gateway.delivery.acknowledge import poll

    with opened() as gateway:
        limit = gateway.settings.claim_limit
        following = _Following("asked", ("已查询", "asked"), quiet=as_json)
        reports = _across(
            gateway,
            platforms,
            lambda e: poll(e, claim_limit=limit, lease=gateway.lease, progress=following),
            following,
        )
    _finish(reports, as_json, failed=bool(gateway.broken) or any(r.stopped or r.outcomes["rejected"] for r in reports))


def resolve(platforms: Platforms = None, as_json: AsJson = False) -> None:
    """Settle what is in doubt by asking the platform."""
    from gateway.delivery.acknowledge import resolve as run

    with opened() as gateway:
        limit = gateway.settings.claim_limit
        following = _Following("asked", ("已查询", "asked"), quiet=as_json)
        reports = _across(
            gateway,
            platforms,
            lambda e: run(e, claim_limit=limit, lease=gateway.lease, progress=following),
            following,
        )
    _finish(reports, as_json, failed=bool(gateway.broken) or any(r.stopped or r.outcomes["conflict"] for r in reports))


def feedback(platforms: Platforms = None, as_json: AsJson = False) -> None:
    """Pull credit findings, apply them and acknowledge them, and draw the checks that void certificates ask for."""
    from gateway.contract.connector import GivesFeedback
    from gateway.credit.feedback import pull

    with opened() as gateway:
        giving = [p for p in gateway.configured(platforms or ()) if isinstance(gateway.connector(p), GivesFeedback)]
        reports = _across(gateway, giving, pull) if giving else []
        if gateway.draw_checks():
            gateway.seal()
    documents = [{"platform": platform, **_plain(report)} for platform, report in zip(giving, reports, strict=True)]
    _finish(documents, as_json, failed=bool(gateway.broken) or any(d["stopped"] for d in documents))


def reconcile(platforms: Platforms = None, as_json: AsJson = False) -> None:
    """Compare ours with theirs, and the books of the day before. Exit code 1 where a difference needs a person."""
    from gateway.contract.credit import PublishesBooks
    from gateway.credit.books import reconcile_yesterday
    from gateway.delivery.reconcile import reconcile as run

    with opened() as gateway:
        following = _Following("ours", ("已核对", "compared"), quiet=as_json)
        reports = _across(gateway, platforms, lambda e: run(e, progress=following), following)
        keeping = [p for p in gateway.configured(platforms or ()) if isinstance(gateway.connector(p), PublishesBooks)]
        books = _across(gateway, keeping, reconcile_yesterday) if keeping else []
    told = {one.platform: one.document() for one in books if one is not None}
    documents = [{**_plain(r), "total": r.total, "books": told.get(r.platform)} for r in reports]
    failed = (
        bool(gateway.broken)
        or any(r.stopped or r.open for r in reports)
        or any(b.open or b.stopped for b in books if b)
    )
    open_ones = [r.platform for r in reports if r.open]
    if not as_json:
        for name in open_ones:
            say(in_language(f"查看 {name} 的差异：", f"the differences of {name}: ") + f"gateway differences {name}")
    _finish(documents, as_json, failed=failed)


class _Following:
    """How far each platform is: shown while the work runs, and told where it is interrupted."""

    def __init__(self, counted: str, words: tuple[str, str], *, quiet: bool) -> None:
        self.quiet = quiet
        self._counted, self._word = counted, in_language(*words)
        self._done: dict[str, int] = {}
        self.show: Callable[[str, str, int], None] = lambda *_: None

    def __call__(self, report: Any) -> None:
        """Note a report that has grown."""
        self._done[report.platform] = getattr(report, self._counted)
        self.show(report.platform, self._word, self._done[report.platform])

    def tell(self) -> None:
        """Say what was done by now."""
        for name, done in self._done.items():
            complain(f"{name}: {self._word} {done}")


def _across(
    gateway: Gateway,
    platforms: Sequence[str] | None,
    work: Callable[[Exchanger], Awaitable[Any]],
    following: _Following | None = None,
) -> list[Any]:
    from gateway.bootstrap import across
    from gateway.cli.progress import side_by_side

    following = following or _Following("", ("", ""), quiet=True)
    try:
        names = gateway.configured(platforms or ())
        with side_by_side(names, quiet=following.quiet) as following.show:
            reports = asyncio.run(across(gateway, names, work))
    except KeyboardInterrupt:
        following.tell()
        _seal_besides(gateway)
        raise
    except BaseException:
        _seal_besides(gateway)
        raise
    gateway.seal()
    return reports


def _seal_besides(gateway: Gateway) -> None:
    """Seal what was written although the work failed; its error is the one to be told, and this one beside it."""
    try:
        gateway.seal()
    except GatewayError as error:
        complain(f"what was written is not sealed yet: {error}")
    except OSError as error:
        complain(f"what was written is not sealed yet: {type(error).__name__}")


def _plain(report: Any) -> dict[str, Any]:
    return dict(report) if isinstance(report, dict) else dict(vars(report))


def _finish(reports: Sequence[Any], as_json: bool, *, failed: bool) -> None:
    documents = [_plain(report) for report in reports]
    if as_json:
        emit({"platforms": {document.pop("platform"): document for document in documents}})
    elif documents:
        names = list(dict.fromkeys(name for document in documents for name in document))
        table("", columns(*names), documents)
    else:
        say("no platform is configured for this: set its GATEWAY_<PLATFORM>__ENDPOINT")
    if failed:
        raise typer.Exit(FAILURES)


def _preview(gateway: Gateway, platforms: Sequence[str], limit: int | None, *, as_json: bool) -> None:
    from gateway.delivery.explain import preview

    shown = {
        name: preview(gateway.store, gateway.connector(name), limit or 10, gateway.edge.now())
        for name in gateway.configured(platforms)
    }
    if as_json:
        emit({"platforms": shown})
        return
    for name, payloads in shown.items():
        say(f"{name}: {len(payloads)} of what is due")
        for one in payloads:
            say(f"  {one['kind']} {one['record_key']} version {one['version']}")
            say(f"    {one['payload'] or one['problems']}")
