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
from gateway.domain.errors import GatewayError

if TYPE_CHECKING:
    from gateway.bootstrap import Gateway
    from gateway.delivery.exchanger import Exchanger

Limit = Annotated[
    int | None, typer.Option(min=1, max=LARGEST, help="Send at most this many deliveries of each platform.")
]


def push(
    platforms: Platforms = None,
    limit: Limit = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the payloads, masked, and send nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send what is due. Exit code 1 where something was rejected, parked or a platform is held."""
    with opened() as gateway:
        if dry_run:
            gateway.note("push_dry_run", ", ".join(gateway.configured(platforms or ())))
            _preview(gateway, platforms or (), limit, as_json=as_json)
            return
        reports = _across(gateway, platforms, lambda e: gateway.push(e, limit=limit))
    bad = ("rejected", "unknown", "conflict", "exhausted", "hold")
    _finish(
        reports,
        as_json,
        failed=bool(gateway.broken) or any(r.stopped or any(r.outcomes[name] for name in bad) for r in reports),
    )


def acks(platforms: Platforms = None, as_json: AsJson = False) -> None:
    """Fetch the results that are due by receipt."""
    from gateway.delivery.acknowledge import poll

    with opened() as gateway:
        limit = gateway.settings.claim_limit
        reports = _across(gateway, platforms, lambda e: poll(e, claim_limit=limit, lease=gateway.lease))
    _finish(reports, as_json, failed=bool(gateway.broken) or any(r.stopped or r.outcomes["rejected"] for r in reports))


def resolve(platforms: Platforms = None, as_json: AsJson = False) -> None:
    """Settle what is in doubt by asking the platform."""
    from gateway.delivery.acknowledge import resolve as run

    with opened() as gateway:
        limit = gateway.settings.claim_limit
        reports = _across(gateway, platforms, lambda e: run(e, claim_limit=limit, lease=gateway.lease))
    _finish(reports, as_json, failed=bool(gateway.broken) or any(r.stopped or r.outcomes["conflict"] for r in reports))


def feedback(platforms: Platforms = None, as_json: AsJson = False) -> None:
    """Pull credit findings, apply them and acknowledge them, and draw the checks that void certificates ask for."""
    from gateway.contract.connector import GivesFeedback
    from gateway.credit.feedback import pull

    with opened() as gateway:
        giving = [p for p in gateway.configured(platforms or ()) if isinstance(gateway.connector(p), GivesFeedback)]
        reports = _across(gateway, giving, lambda e: pull(e, gateway.store, gateway.edge.now)) if giving else []
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
        reports = _across(gateway, platforms, run)
        keeping = [p for p in gateway.configured(platforms or ()) if isinstance(gateway.connector(p), PublishesBooks)]
        books = (
            _across(gateway, keeping, lambda e: reconcile_yesterday(e, gateway.store, gateway.edge.now))
            if keeping
            else []
        )
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


def _across(
    gateway: Gateway, platforms: Sequence[str] | None, work: Callable[[Exchanger], Awaitable[Any]]
) -> list[Any]:
    from gateway.bootstrap import across

    try:
        reports = asyncio.run(across(gateway, gateway.configured(platforms or ()), work))
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
