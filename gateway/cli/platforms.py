"""``gateway pause``, ``resume`` and ``check``: hold a destination, let it go on, ask whether it is well."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.codes import act_said, code_said, platform_named
from gateway.cli.contract import Codes, Wsdl, check_codes, check_contract
from gateway.cli.language import in_dotenv, in_toml, settings_said
from gateway.cli.output import (
    FAILURES,
    MISUSE,
    AsJson,
    Platforms,
    actor,
    complain,
    emit,
    known_platform,
    opened,
    say,
    tell,
)
from gateway.domain.china import CHINA
from gateway.domain.errors import StoreError
from gateway.domain.states import State
from gateway.domain.traffic import OURS
from gateway.domain.words import STATES
from gateway.locale import tr

if TYPE_CHECKING:
    from gateway.bootstrap import Gateway
    from gateway.delivery.exchanger import Exchanger
    from gateway.store.engine import Connection

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
        unread, unread_keys = gateway.unread_variables({**in_dotenv(), **os.environ}), gateway.unread_keys(in_toml())
        missing = [name for name in gateway.platforms if name not in chosen] if not platforms else []
        broken = {name: why for name, why in gateway.broken.items() if not platforms or name in platforms}
        broken |= gateway.broken_settings()
        missing = [name for name in missing if name not in broken]
        document = {
            "restored": older,
            "platforms": {one["platform"]: {k: v for k, v in one.items() if k != "platform"} for one in health},
            "not_configured": missing,
            "broken": broken,
            "unread_variables": unread,
            "unread_keys": unread_keys,
            "exposed": exposed,
            "four_eyes": four_eyes,
        }
        if not as_json:
            _tell_checks(gateway, document)
    if as_json:
        emit(document)
    if older or unread or unread_keys or broken or any(not one["ok"] for one in health):
        raise typer.Exit(FAILURES)


def _tell_checks(gateway: Gateway, document: dict[str, Any]) -> None:
    """Each platform in a line, with what helps where it is not well; then what is amiss with the settings."""
    if document["restored"]:
        tell(tr("! restored: the store is older than what was sent from it: {why}", why=document["restored"]))
        tell(tr("    to do: {act}", act="gateway recover"))
    for name, row in document["platforms"].items():
        _tell_check(gateway, name, row)
    for name, how in document["exposed"].items():
        tell(tr("! {platform}: {text}", platform=platform_named(gateway, name), text=how))
    for why in document["broken"].values():
        tell(tr("✗ broken: {why}", why=settings_said(why)))
    for name in document["unread_variables"]:
        tell(tr("✗ {name}: a variable nobody reads; misspelt?", name=name))
    for name in document["unread_keys"]:
        tell(tr("✗ gateway.toml: {name}: a key nobody reads; misspelt?", name=name))
    if document["unread_variables"] or document["unread_keys"]:
        tell(
            tr("    to do: {act}", act=tr("compare the name with gateway.example.toml, correct it, then gateway check"))
        )
    for name in document["not_configured"]:
        setting = f"GATEWAY_{name.upper()}__ENDPOINT"
        tell(tr("– {name}: not configured ({setting} is not set)", name=name, setting=setting))
    if not document["four_eyes"]:
        tell(tr("– no act asks for a second person; GATEWAY_FOUR_EYES is recommended (gateway approvals list)"))


def _tell_check(gateway: Gateway, name: str, row: dict[str, Any]) -> None:
    title, skew = platform_named(gateway, name), row["clock_skew_seconds"]
    if row["ok"]:
        told = [tr("well"), *([] if skew is None else [tr("clock differs by {seconds} s", seconds=abs(skew))])]
        tell(
            tr(
                "✓ {platform}  {parts}",
                platform=title,
                parts=[*told, tr("interface {version}", version=row["spec_version"])],
            )
        )
    else:
        why = row["detail"] if row["code"] is None else code_said(gateway, name, row["code"], row["detail"])
        tell(tr("✗ {platform}  {why}", platform=title, why=why))
        address = gateway.connector(name).endpoint.base_url
        tell(tr("    address: {url} ({setting})", url=address, setting=f"GATEWAY_{name.upper()}__ENDPOINT"))
        if skew is not None and abs(skew) >= _NOTED_SKEW:
            tell(tr("    clock differs by {seconds} s", seconds=abs(skew)))
        act = act_said(gateway, name, row["code"])
        if act is not None:
            tell(tr("    to do: {act}", act=act))
    if row["paused"]:
        tell(tr("  held at present; when the cause is mended: {act}", act=f"gateway resume {name}"))
    for one in row["waiting"]:
        why = code_said(gateway, name, one["code"], one["reason"])
        tell(tr("  {state} {count}  {why}", state=STATES[one["state"]].word, count=one["count"], why=why))
        helps = act_said(gateway, name, one["code"])
        if helps is not None:
            tell(tr("    to do: {act}", act=helps))


_NOTED_SKEW = 5
"""seconds between the clocks from which on they are told of a platform that is not well"""


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
    """What the platform's health call says, and what of its deliveries waits because of its last answers."""
    from gateway.contract.connector import ProbesHealth

    connector = exchanger.connector
    row: dict[str, Any] = {
        "platform": exchanger.platform,
        "spec_version": exchanger.info.spec_version,
        "clock_skew_seconds": None,
        "code": None,
    }
    if not isinstance(connector, ProbesHealth):
        row |= {"ok": True, "detail": tr("the platform has no health call")}
    else:
        answer = await exchanger.ask("health", connector.encode_health, anyway=True)
        if answer.verdict is not None or answer.response is None:
            said = answer.verdict
            told = (said.code, said.reason) if said else (None, tr("no answer"))
            row |= {"ok": False, "code": told[0], "detail": told[1]}
        else:
            health = connector.decode_health(answer.response, answer.stamp)
            skew = None if health.clock_skew is None else round(health.clock_skew.total_seconds(), 1)
            row |= {"ok": health.ok, "code": health.code, "detail": health.detail, "clock_skew_seconds": skew}
    return row | await exchanger.thread.read(lambda c: _standing(c, exchanger.platform, exchanger.edge.now()))


def _standing(connection: Connection, platform: str, now: datetime) -> dict[str, Any]:
    """Whether it is paused, and the groups of what waits after an answer, by its code."""
    from gateway.delivery.store.platforms import pause_of
    from gateway.delivery.store.views import waiting_groups

    waits = [
        {"state": one.state, "code": one.code, "reason": one.reason, "count": one.count}
        for one in waiting_groups(connection, platform)
        if one.code is not None and one.code not in OURS and one.state in (State.QUEUED, State.IN_DOUBT, State.HELD)
    ]
    return {"paused": pause_of(connection, platform, now) is not None, "waiting": waits}


def _told(document: dict[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        emit(document)
    else:
        say(text)
