"""``gateway pause``, ``resume`` and ``check``: hold a destination, let it go on, ask whether it is well."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.codes import platform_named
from gateway.cli.contract import Codes, Wsdl, check_codes, check_contract
from gateway.cli.output import (
    FAILURES,
    MISUSE,
    AsJson,
    Platforms,
    actor,
    columns,
    complain,
    emit,
    known_platform,
    opened,
    say,
    table,
)
from gateway.domain.china import CHINA
from gateway.domain.errors import StoreError
from gateway.locale import tr

if TYPE_CHECKING:
    from gateway.bootstrap import Gateway
    from gateway.delivery.exchanger import Exchanger

Platform = Annotated[str, typer.Argument(help="The platform.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit trail.")]
_MOMENTS = ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%H:%M"]
_NO_DATE = 1900


def pause(
    platform: Platform,
    reason: Reason,
    until: Annotated[
        datetime | None,
        typer.Option(formats=_MOMENTS, help="When it goes on by itself; without a zone, or as a mere time, in +08:00."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Hold a platform: nothing is sent or asked until it is resumed, or its time is over."""
    with opened() as gateway:
        from gateway.delivery.store import platforms as delivery_platforms

        known_platform(gateway, platform)
        now = gateway.edge.now()
        end = None if until is None else _moment(until, now)
        if end is not None and end <= now:
            complain(tr("--until lies in the past"))
            raise typer.Exit(MISUSE)
        with gateway.store.write() as connection:
            before = delivery_platforms.pause_of(connection, platform, now)
            delivery_platforms.pause(
                connection, platform, code="operator", reason=reason, by=actor(), now=now, until=end
            )
            held = delivery_platforms.pause_of(connection, platform, now)
    last = None if held is None else held.until
    first = reason if held is None else held.reason
    document = {"platform": platform, "paused": True, "reason": first, "until": last, "was_paused": before is not None}
    name = platform_named(gateway, platform)
    text = tr("{platform} is held", platform=name)
    if before is not None:
        about = {"since": before.since, "code": before.code, "reason": before.reason}
        text = tr("{platform} is held since {since} ({code}: {reason}); that reason stays", platform=name, **about)
    if last is not None:
        text = tr("{text}; goes on by itself at {until}", text=text, until=last)
    _told(document, text, as_json=as_json)


def _moment(given: datetime, now: datetime) -> datetime:
    """A moment of an operator; a mere time of day, which is read as one of 1900, is the next one."""
    whole = given if given.tzinfo else given.replace(tzinfo=CHINA)
    if whole.year > _NO_DATE:
        return whole
    today = now.astimezone(CHINA)
    next_ = today.replace(hour=whole.hour, minute=whole.minute, second=0, microsecond=0)
    return next_ if next_ > today else next_ + timedelta(days=1)


def resume(
    platform: Platform,
    reason: Annotated[str | None, typer.Option(help="Why; kept in the audit trail.")] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Although a restored store was not recovered; needs --reason.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let a platform go on, and queue again what it held. Exit code 1 where it must be recovered first."""
    with opened() as gateway:
        from gateway.delivery.store import ledger
        from gateway.delivery.store import platforms as delivery_platforms
        from gateway.delivery.store.recovering import not_recovered
        from gateway.domain.states import Event

        known_platform(gateway, platform)
        if anyway and not (reason or "").strip():
            complain(tr("--anyway needs a --reason"))
            raise typer.Exit(MISUSE)
        now = gateway.edge.now()
        with gateway.store.read() as connection:
            missing = None if anyway else not_recovered(connection, platform, now)
        if missing is not None:
            raise StoreError(missing)
        with gateway.store.write() as connection:
            was = delivery_platforms.resume(connection, platform, by=actor(), reason=reason, now=now)
            freed = ledger.let_go(connection, Event.RESUMED, now, platform=platform)
    name = platform_named(gateway, platform)
    goes_on = tr("{platform} goes on; {count} deliveries are queued again", platform=name, count=freed)
    text = goes_on if was else tr("{platform} was not held", platform=name)
    _told({"platform": platform, "paused": False, "was_paused": was, "queued": freed}, text, as_json=as_json)


def check(platforms: Platforms = None, wsdl: Wsdl = None, codes: Codes = False, as_json: AsJson = False) -> None:
    """Check settings, store and each platform's health call. Exit code 1 where something is not well."""
    if wsdl is not None:
        check_contract(platforms or (), wsdl, as_json=as_json)
        return
    if codes:
        check_codes(platforms or (), as_json=as_json)
        return
    import asyncio

    with opened() as gateway:
        from gateway.bootstrap import across
        from gateway.operations.store.approvals import demanded

        chosen = gateway.configured(platforms or ())
        older = gateway.older()
        gateway.proven = True  # health calls change nothing anywhere
        health = asyncio.run(across(gateway, chosen, _probe)) if chosen else []
        exposed = exposed_platforms(gateway)
        gateway.demand_four_eyes()
        with gateway.store.read() as connection:
            four_eyes = sorted(demanded(connection))
        unread = gateway.unread_variables(os.environ)
        missing = [name for name in gateway.platforms if name not in chosen] if not platforms else []
        broken = {name: why for name, why in gateway.broken.items() if not platforms or name in platforms}
        missing = [name for name in missing if name not in broken]
    document = {
        "restored": older,
        "platforms": {one["platform"]: {k: v for k, v in one.items() if k != "platform"} for one in health},
        "not_configured": missing,
        "broken": broken,
        "unread_variables": unread,
        "exposed": exposed,
        "four_eyes": four_eyes,
    }
    if as_json:
        emit(document)
    else:
        if older:
            say(tr("restored: {older}", older=older))
        table(tr("platforms"), columns("platform", "ok", "detail", "clock_skew_seconds", "spec_version"), health)
        for name, how in exposed.items():
            say(f"{name}: {how}")
        for name in missing:
            say(
                tr(
                    "{name}: not configured ({setting} is not set)",
                    name=name,
                    setting=f"GATEWAY_{name.upper()}__ENDPOINT",
                )
            )
        for why in broken.values():
            say(tr("broken: {why}", why=why))
        if not four_eyes:
            say(tr("no act asks for a second person; GATEWAY_FOUR_EYES is recommended (gateway approvals list)"))
        for name in unread:
            say(tr("{name}: a variable nobody reads; misspelt?", name=name))
    if older or unread or broken or any(not one["ok"] for one in health):
        raise typer.Exit(FAILURES)


def exposed_platforms(gateway: Gateway) -> dict[str, str]:
    """Platforms whose traffic is less well protected than usual, by setting, and how."""
    told: dict[str, str] = {}
    for name, description in gateway.descriptions().items():
        endpoint = description.endpoint
        if endpoint.in_clear:
            told[name] = tr("plain http: what is sent can be read and changed on its way (ALLOW_PLAIN_HTTP)")
        elif endpoint.tls.is_weakened:
            told[name] = tr("encryption is weakened for this peer (TLS_MINIMUM, TLS_CIPHERS, TLS_LEGACY_RENEGOTIATION)")
    return told


async def _probe(exchanger: Exchanger) -> dict[str, Any]:
    from gateway.contract.connector import ProbesHealth

    connector = exchanger.connector
    row: dict[str, Any] = {
        "platform": exchanger.platform,
        "spec_version": exchanger.info.spec_version,
        "clock_skew_seconds": None,
    }
    if not isinstance(connector, ProbesHealth):
        return row | {"ok": True, "detail": tr("the platform has no health call")}
    answer = await exchanger.ask("health", connector.encode_health, anyway=True)
    if answer.verdict is not None or answer.response is None:
        verdict = answer.verdict
        return row | {"ok": False, "detail": f"{verdict.code}: {verdict.reason}" if verdict else "no answer"}
    health = connector.decode_health(answer.response, answer.stamp)
    skew = None if health.clock_skew is None else round(health.clock_skew.total_seconds(), 1)
    return row | {"ok": health.ok, "detail": health.detail, "clock_skew_seconds": skew}


def _told(document: dict[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        emit(document)
    else:
        say(text)
