"""``gateway pause``, ``resume`` and ``check``: hold a destination, let it go on, ask whether it is well."""

from __future__ import annotations

import asyncio
import getpass
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.output import FAILURES, MISUSE, AsJson, Platforms, columns, complain, emit, opened, say, table

if TYPE_CHECKING:
    from gateway.service.exchange import Exchanger

Platform = Annotated[str, typer.Argument(help="The platform.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit trail.")]


def pause(platform: Platform, reason: Reason, as_json: AsJson = False) -> None:
    """Hold a platform: nothing is sent or asked until it is resumed."""
    with opened() as gateway:
        from gateway.store import control

        _known(gateway.platforms, platform)
        with gateway.store.write() as connection:
            control.pause(
                connection, platform, code="operator", reason=reason, by=getpass.getuser(), now=gateway.edge.now()
            )
    _told({"platform": platform, "paused": True, "reason": reason}, f"{platform} is held", as_json=as_json)


def resume(
    platform: Platform,
    reason: Annotated[str | None, typer.Option(help="Why; kept in the audit trail.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let a platform go on, and queue again what it held."""
    with opened() as gateway:
        from gateway.domain.delivery import Event
        from gateway.store import control, ledger

        _known(gateway.platforms, platform)
        now = gateway.edge.now()
        with gateway.store.write() as connection:
            was = control.resume(connection, platform, by=getpass.getuser(), reason=reason, now=now)
            freed = ledger.let_go(connection, Event.RESUMED, now, platform=platform)
    text = f"{platform} goes on; {freed} deliveries are queued again" if was else f"{platform} was not held"
    _told({"platform": platform, "paused": False, "was_paused": was, "queued": freed}, text, as_json=as_json)


def check(platforms: Platforms = None, as_json: AsJson = False) -> None:
    """Check settings, store and each platform's health call. Exit code 1 where something is not well."""
    with opened() as gateway:
        from gateway.bootstrap import across

        chosen = gateway.configured(platforms or ())
        health = asyncio.run(across(gateway, chosen, _probe)) if chosen else []
        unread = gateway.unread_variables(os.environ)
        missing = [name for name in gateway.platforms if name not in chosen] if not platforms else []
    document = {"platforms": health, "not_configured": missing, "unread_variables": unread}
    if as_json:
        emit(document)
    else:
        table("platforms", columns("platform", "ok", "detail", "clock_skew_seconds", "spec_version"), health)
        for name in missing:
            say(f"{name}: not configured (GATEWAY_{name.upper()}__ENDPOINT is not set)")
        for name in unread:
            say(f"{name}: a variable nobody reads; misspelt?")
    if unread or any(not one["ok"] for one in health):
        raise typer.Exit(FAILURES)


async def _probe(exchanger: Exchanger) -> dict[str, Any]:
    from gateway.contract.connector import ProbesHealth

    connector = exchanger.connector
    row: dict[str, Any] = {
        "platform": exchanger.platform,
        "spec_version": exchanger.info.spec_version,
        "clock_skew_seconds": None,
    }
    if not isinstance(connector, ProbesHealth):
        return row | {"ok": True, "detail": "the platform has no health call"}
    answer = await exchanger.ask("health", connector.encode_health)
    if answer.verdict is not None or answer.response is None:
        verdict = answer.verdict
        return row | {"ok": False, "detail": f"{verdict.code}: {verdict.reason}" if verdict else "no answer"}
    health = connector.decode_health(answer.response, answer.stamp)
    skew = None if health.clock_skew is None else round(health.clock_skew.total_seconds(), 1)
    return row | {"ok": health.ok, "detail": health.detail, "clock_skew_seconds": skew}


def _known(platforms: list[str], platform: str) -> None:
    if platform not in platforms:
        complain(f"no platform {platform!r}; known: {', '.join(platforms)}")
        raise typer.Exit(MISUSE)


def _told(document: dict[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        emit(document)
    else:
        say(text)
