"""``gateway push``, ``acks``, ``resolve``, ``feedback`` and ``reconcile``: everything that talks to a platform."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.codes import act_said, code_said, counted, platform_named
from gateway.cli.language import say_in_language
from gateway.cli.output import (
    FAILURES,
    LARGEST,
    AsJson,
    Platforms,
    complain,
    emit,
    opened,
    say,
    tell,
)
from gateway.cli.status import brief
from gateway.domain.errors import GatewayError
from gateway.domain.states import State
from gateway.domain.traffic import ASKED_TO_WAIT, BREAKER_OPEN, OURS
from gateway.domain.words import STATES, STOPS
from gateway.locale import Text, tr

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
        following = _Following("sent", tr("sent"), quiet=as_json)
        reports = _across(
            gateway, "push", platforms, lambda e: gateway.push(e, limit=limit, progress=following), following
        )
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
        _finish(gateway, documents, as_json, failed=failed)
    elif failed:
        raise typer.Exit(FAILURES)


def _waiting(gateway: Gateway, platforms: Sequence[str]) -> dict[str, list[WaitingGroup]]:
    from gateway.delivery.store.views import waiting_groups

    with gateway.store.read() as connection:
        return {name: waiting_groups(connection, name) for name in platforms}


def _tell_push(gateway: Gateway, report: PushReport, waits: Sequence[WaitingGroup]) -> None:
    """What went to one platform, what waits and why, and what to do where nothing arrived."""
    connector, name = gateway.connector(report.platform), platform_named(gateway, report.platform)
    counts = {str(event): count for event, count in report.outcomes.items() if count}
    if not report.claimed:
        tell(tr("{platform}  nothing was due", platform=name))
    elif counts:
        tell(tr("{platform}  sent {sent}: {counts}", platform=name, sent=report.sent, counts=counted(counts)))
    else:
        tell(tr("{platform}  sent {sent}", platform=name, sent=report.sent))
    for one in waits:
        about = {"state": STATES[one.state].word, "count": one.count, "due": brief(one.next_due, gateway.edge.now())}
        about["why"] = code_said(gateway, report.platform, one.code, one.reason) if one.code else Text("")
        if one.state in (State.QUEUED, State.AWAITING_ACK, State.IN_DOUBT):
            tell(
                tr("  {state} {count}  {why}, next {due}", **about)
                if one.code
                else tr("  {state} {count}, next {due}", **about)
            )
        else:
            tell(tr("  {state} {count}  {why}", **about))
    if report.swept:
        tell(tr("  {count} were taken over from a worker that vanished", count=report.swept))
    if report.stopped:
        tell(tr("  not all was sent: {why}", why=stopped_said(gateway, report.platform, report.stopped)))
    act = _act(gateway, report, waits)
    if act is not None:
        tell(tr("  to do: {act}", act=act))
    if report.nothing_arrived and (act is None or "__ENDPOINT" in act):
        place, setting = connector.endpoint.base_url, f"GATEWAY_{report.platform.upper()}__ENDPOINT"
        text = tr(
            "  nothing arrived: {url}. Look at {setting} and the network, then gateway check",
            url=place,
            setting=setting,
        )
        tell(text)
    if _is_paused(gateway, report.platform):
        tell(tr("  when the cause is mended: {act}", act=f"gateway resume {report.platform}"))
    if any(one.state is State.PARKED for one in waits) or counts.get("rejected"):
        tell(tr("  look: {act}", act=f"gateway failures --platform {report.platform}"))


def _act(gateway: Gateway, report: PushReport, waits: Sequence[WaitingGroup]) -> Text | None:
    """What helps where a platform is stopped or nothing arrived: about the stop, or the most common answer."""
    stop = (report.stopped or "").partition(": ")[0]
    codes = [one.code for one in waits if one.code and one.code not in OURS]
    if stop in (BREAKER_OPEN, ASKED_TO_WAIT):
        codes = [*codes, stop]
    elif report.stopped:
        codes = [stop]
    elif not report.nothing_arrived:
        return None
    acts = (act_said(gateway, report.platform, code) for code in codes)
    return next((act for act in acts if act is not None), None)


def _is_paused(gateway: Gateway, platform: str) -> bool:
    from gateway.delivery.store.platforms import pause_of

    with gateway.store.read() as connection:
        return pause_of(connection, platform, gateway.edge.now()) is not None


def stopped_said(gateway: Gateway, platform: str, stopped: str) -> Text:
    """Why a run ended early, which is told as ``code: reason``, in the words for the code."""
    values = stopped.values if isinstance(stopped, Text) else {}
    code, _, rest = stopped.partition(": ")
    reason = values.get("reason", rest)
    if code not in STOPS:
        return code_said(gateway, platform, code, str(reason))
    why = tr("{word}: {reason}", word=STOPS[code].word, reason=reason)
    return tr("{why}, until {until}", why=why, until=values["until"]) if "until" in values else why


def acks(platforms: Platforms = None, as_json: AsJson = False) -> None:
    """Fetch the results that are due by receipt."""
    from gateway.delivery.acknowledge import poll

    with opened() as gateway:
        limit = gateway.settings.claim_limit
        following = _Following("asked", tr("asked"), quiet=as_json)
        reports = _across(
            gateway,
            "acks",
            platforms,
            lambda e: poll(e, claim_limit=limit, lease=gateway.lease, progress=following),
            following,
        )
    _finish(
        gateway,
        reports,
        as_json,
        failed=bool(gateway.broken) or any(r.stopped or r.outcomes["rejected"] for r in reports),
    )


def resolve(platforms: Platforms = None, as_json: AsJson = False) -> None:
    """Settle what is in doubt by asking the platform."""
    from gateway.delivery.acknowledge import resolve as run

    with opened() as gateway:
        limit = gateway.settings.claim_limit
        following = _Following("asked", tr("asked"), quiet=as_json)
        reports = _across(
            gateway,
            "resolve",
            platforms,
            lambda e: run(e, claim_limit=limit, lease=gateway.lease, progress=following),
            following,
        )
    _finish(
        gateway,
        reports,
        as_json,
        failed=bool(gateway.broken) or any(r.stopped or r.outcomes["conflict"] for r in reports),
    )


def feedback(platforms: Platforms = None, as_json: AsJson = False) -> None:
    """Pull credit findings, apply them and acknowledge them, and draw the checks that void certificates ask for."""
    from gateway.contract.connector import GivesFeedback
    from gateway.credit.feedback import pull

    with opened() as gateway:
        giving = [p for p in gateway.configured(platforms or ()) if isinstance(gateway.connector(p), GivesFeedback)]
        reports = _across(gateway, "feedback", giving, pull) if giving else []
        if gateway.draw_checks():
            gateway.seal()
    documents = [{"platform": platform, **_plain(report)} for platform, report in zip(giving, reports, strict=True)]
    if not as_json and any(d["unmatched"] for d in documents):
        tell(tr("about nobody we hold: {act}", act="gateway credit unmatched"))
    _finish(gateway, documents, as_json, failed=bool(gateway.broken) or any(d["stopped"] for d in documents))


def reconcile(platforms: Platforms = None, as_json: AsJson = False) -> None:
    """Compare ours with theirs, and the books of the day before. Exit code 1 where a difference needs a person."""
    from gateway.contract.credit import PublishesBooks
    from gateway.credit.books import reconcile_yesterday
    from gateway.delivery.reconcile import reconcile as run

    with opened() as gateway:
        following = _Following("ours", tr("compared"), quiet=as_json)
        reports = _across(gateway, "reconcile", platforms, lambda e: run(e, progress=following), following)
        keeping = [p for p in gateway.configured(platforms or ()) if isinstance(gateway.connector(p), PublishesBooks)]
        books = _across(gateway, "reconcile_books", keeping, reconcile_yesterday) if keeping else []
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
            tell(tr("the differences: {act}", act=f"gateway differences {name}"))
    _finish(gateway, documents, as_json, failed=failed)


class _Following:
    """How far each platform is: shown while the work runs, and told where it is interrupted."""

    def __init__(self, counted: str, word: Text, *, quiet: bool) -> None:
        self.quiet = quiet
        self._counted, self._word = counted, say_in_language(word)
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
    act: str,
    platforms: Sequence[str] | None,
    work: Callable[[Exchanger], Awaitable[Any]],
    following: _Following | None = None,
) -> list[Any]:
    """Do the work on each platform, with a row in the audit trail before it begins."""
    import asyncio

    from gateway.bootstrap import across
    from gateway.cli.progress import side_by_side

    following = following or _Following("", tr("done"), quiet=True)
    try:
        names = gateway.configured(platforms or ())
        if names:
            gateway.note(act, ", ".join(names))
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
        complain(tr("what was written is not sealed yet: {error}", error=error))
    except OSError as error:
        complain(tr("what was written is not sealed yet: {name}", name=type(error).__name__))


def _plain(report: Any) -> dict[str, Any]:
    return dict(report) if isinstance(report, dict) else dict(vars(report))


def _finish(gateway: Gateway, reports: Sequence[Any], as_json: bool, *, failed: bool) -> None:
    documents = [_plain(report) for report in reports]
    if as_json:
        emit({"platforms": {document.pop("platform"): document for document in documents}})
    for document in () if as_json else documents:
        _tell_counts(gateway, document)
    if not documents and not as_json:
        say(tr("no platform is configured for this: set its GATEWAY_<PLATFORM>__ENDPOINT"))
    if failed:
        raise typer.Exit(FAILURES)


def _tell_counts(gateway: Gateway, document: dict[str, Any]) -> None:
    """What was done on a platform: counts that are not zero, in words."""
    numbers: dict[str, int] = {}
    for name, value in document.items():
        found = value if isinstance(value, Mapping) else {name: value}
        numbers |= {
            key: count for key, count in found.items() if isinstance(count, int) and count and key not in _UNSAID
        }
    platform = platform_named(gateway, document["platform"])
    counts = counted(numbers) if any(numbers.values()) else tr("nothing was due")
    tell(tr("{platform}  {counts}", platform=platform, counts=counts))
    if document.get("stopped"):
        tell(tr("  not all was done: {why}", why=stopped_said(gateway, document["platform"], document["stopped"])))
    books = document.get("books")
    if books:
        found = {key: count for key, count in books.items() if isinstance(count, int) and count}
        tell(tr("  books of {day}: {counts}", day=books["day"], counts=counted(found) if found else tr("equal")))


_UNSAID = frozenset({"run", "exchanges", "total", "open", "closed"})


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
        say(tr("{name}: {count} of what is due", name=name, count=len(payloads)))
        for one in payloads:
            say(
                tr(
                    "  {kind} {record_key} version {version}",
                    kind=one["kind"],
                    record_key=one["record_key"],
                    version=one["version"],
                )
            )
            say(f"    {one['payload'] or one['problems']}")
