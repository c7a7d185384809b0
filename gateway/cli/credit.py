"""``gateway credit``: the integrity archive (诚信档案库): its views, its past, the centre's own decisions."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import objections
from gateway.cli.approvals import ask_second_person
from gateway.cli.output import (
    FAILURES,
    LARGEST,
    MISUSE,
    AsJson,
    actor,
    columns,
    complain,
    emit,
    opened,
    say,
    table,
    write_workbook,
)
from gateway.domain.approvals import GuardedAct
from gateway.domain.china import CHINA, end_of
from gateway.domain.errors import InputError
from gateway.locale import tr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.bootstrap import Gateway
    from gateway.credit.views import Who
    from gateway.store.engine import Connection

credit = typer.Typer(no_args_is_help=True, help="The integrity archive: who has which record, and who may see it.")
for _name, _command in (
    ("object", objections.object_),
    ("objections", objections.objections),
    ("withdraw", objections.withdraw),
):
    credit.command(_name)(_command)
Subject = Annotated[
    str,
    typer.Argument(
        help="A person's key or certificate number, an enterprise's or authority's code or key; - reads it."
    ),
]


_EVENT = ("platform", "event_id", "record_id", "version", "outcome", "category", "about", "subject_key")


@credit.command("show")
def show(
    subject: Subject,
    view: Annotated[str, typer.Option(help="internal, usable, public or partner.")] = "internal",
    as_json: AsJson = False,
) -> None:
    """Show a subject's records as they stand now, or the events of a credit record or event id. Numbers are masked."""
    from gateway.credit.store.views import events_named
    from gateway.credit.views import View
    from gateway.credit.views import show as rows_of
    from gateway.store.audit import note

    if view not in set(View):
        complain(tr("--view is one of: {names}", names=", ".join(View)))
        raise typer.Exit(MISUSE)
    with opened() as gateway:
        now = gateway.edge.now()
        with gateway.store.read() as connection:
            events = [vars(one) for one in events_named(connection, gateway.store.vault, subject.strip())]
        if events:
            gateway.note("credit_event", subject.strip(), detail={"events": len(events)})
            _tell_events(events, as_json=as_json)
            return
        with gateway.store.write() as connection:
            who = _found(gateway, connection, subject)
            rows = rows_of(connection, gateway.store.vault, who, View(view), now)
            note(connection, at=now, actor=actor(), action=f"credit_{view}", subject=who.key)
    if as_json:
        emit({"subject": _subject(who), "view": view, "at": now, "records": rows})
        return
    _say_subject(who)
    table(f"{view}: {len(rows)}", columns(*_short(rows)), rows) if rows else say(tr("no record in this view"))


@credit.command("unmatched")
def unmatched(
    limit: Annotated[int, typer.Option(min=1, max=LARGEST, help="List at most this many.")] = 500,
    xlsx: Annotated[Path | None, typer.Option(help="Write them to this workbook instead.")] = None,
    as_json: AsJson = False,
) -> None:
    """List events about nobody we hold, masked: they are matched as soon as a city reports whom they are about."""
    from gateway.credit.store.views import unmatched as rows_of

    with opened() as gateway:
        with gateway.store.read() as connection:
            events = [vars(one) for one in rows_of(connection, gateway.store.vault, limit)]
        gateway.note("credit_unmatched", "everything", detail={"events": len(events)})
    if xlsx is not None:
        write_workbook(xlsx, "unmatched", _EVENT, ([one[name] for name in _EVENT] for one in events))
        if not as_json:
            say(tr("{count} rows written to {xlsx}", count=len(events), xlsx=xlsx))
            return
    _tell_events(events, as_json=as_json)


def _tell_events(events: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        emit({"events": list(events)})
        return
    if events:
        table(tr("{count} events", count=len(events)), columns(*_EVENT), events)
        if any(one["outcome"] == "ACCEPTED_UNMATCHED" for one in events):
            say(tr("they are matched by themselves once a city reports whom they are about: gateway find -"))
    else:
        say(tr("no event is unmatched"))
    for key in dict.fromkeys(one["subject_key"] for one in events if one["subject_key"]):
        say(tr("the subject's records: {act}", act=f"gateway credit show {key}"))


@credit.command("as-of")
def as_of(
    subject: Subject,
    day: Annotated[datetime | None, typer.Option(help="In force on this day; today where it is not given.")] = None,
    known: Annotated[datetime | None, typer.Option(help="As it was known on this day; now where it is not.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what was in force on a day, as it was known then or on another one. Days end at midnight, +08:00."""
    from gateway.credit.views import as_of as rows_of
    from gateway.store.audit import note

    with opened() as gateway:
        now = gateway.edge.now()
        valid_at, known_at = _moment(day, now), _end(known, now)
        with gateway.store.write() as connection:
            who = _found(gateway, connection, subject)
            rows = rows_of(connection, gateway.store.vault, who, valid_at, known_at)
            note(connection, at=now, actor=actor(), action="credit_as_of", subject=who.key)
    if as_json:
        emit({"subject": _subject(who), "in_force_at": valid_at, "known_at": known_at, "records": rows})
        return
    _say_subject(who)
    table(f"{len(rows)}", columns(*_short(rows)), rows) if rows else say(
        tr("nothing was in force, as far as was known")
    )


@credit.command("public")
def public(
    limit: Annotated[int, typer.Option(min=1, help="At most this many records.")] = 10_000, as_json: AsJson = False
) -> None:
    """List what the public may see today, with counts; counts below ten are suppressed."""
    from gateway.credit.views import public as rows_of

    with opened() as gateway:
        now = gateway.edge.now()
        with gateway.store.read() as connection:
            document = rows_of(connection, gateway.store.vault, now, limit)
        gateway.note("credit_public", "everything", detail={"records": len(document["records"])})
    if as_json:
        emit({"at": now, **document})
        return
    rows = document["records"]
    table(tr("public: {count}", count=len(rows)), columns(*_short(rows)), rows) if rows else say(
        tr("nothing is public")
    )


@credit.command("share")
def share(
    partner: Annotated[str, typer.Argument(help="Who gets it, always under the same name.")],
    limit: Annotated[int, typer.Option(min=1, help="At most this many records.")] = 10_000,
    as_json: AsJson = False,
) -> None:
    """Give a partner what is new since the last time, and name what may not be used any longer. It is written down."""
    from gateway.credit.views import share as give

    with opened() as gateway:
        partners = gateway.settings.partners
        if partners and partner not in partners:
            raise InputError(
                tr("{partner!r} is none of GATEWAY_PARTNERS: {names}", partner=partner, names=list(partners))
            )
        document = give(gateway.store, partner, by=actor(), now=gateway.edge.now(), limit=limit)
        gateway.seal()
    if as_json:
        emit(document)
        return
    rows = document["records"]
    table(tr("given: {count}", count=len(rows)), columns(*_short(rows)), rows) if rows else say(tr("nothing new"))
    for withdrawn in document["withdrawn"]:
        say(
            tr(
                "no longer to be used: {platform} {record_id}",
                platform=withdrawn["platform"],
                record_id=withdrawn["record_id"],
            )
        )


@credit.command("relied")
def relied(
    limit: Annotated[int, typer.Option(min=1, help="List at most this many.")] = 500, as_json: AsJson = False
) -> None:
    """List what left on the ground of a statement that was corrected or replaced later. Exit code 1 where any did."""
    from gateway.credit.store.as_of import relied as rows_of

    with opened() as gateway:
        with gateway.store.read() as connection:
            rows = rows_of(connection, limit=limit)
        gateway.note("credit_relied", "everything", detail={"statements": len(rows)})
    if as_json:
        emit({"relied": rows})
    elif rows:
        table(f"{len(rows)}", columns(*rows[0]), rows)
    else:
        say(tr("nothing that left has been corrected since"))
    if rows:
        raise typer.Exit(FAILURES)


@credit.command("draft")
def draft(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A TOML file: docs/guides/credit.md.")],
    as_json: AsJson = False,
) -> None:
    """Keep an own decision as a draft, and say what it still lacks. Exit code 1 where it lacks something."""
    from gateway.credit.decisions import Officer, read_decision
    from gateway.credit.decisions import draft as keep

    with opened() as gateway:
        officer = Officer(by=actor(), now=gateway.edge.now(), calendar=gateway.calendar)
        kept = keep(gateway.store, read_decision(file), officer, new_key=gateway.edge.new_id)
        gateway.seal()
    if as_json:
        emit({name: getattr(kept, name) for name in type(kept).__dataclass_fields__})
    else:
        say(
            tr(
                "{key} version {version}: draft; publish and push by {day}",
                key=kept.key,
                version=kept.version,
                day=kept.due_on or tr("an unknown day"),
            )
        )
        say(tr("lacks: {names}", names=", ".join(kept.lacking)) if kept.lacking else tr("complete"))
    if kept.lacking:
        raise typer.Exit(FAILURES)


@credit.command("publish")
def publish(
    key: Annotated[str, typer.Argument(help="Key of the draft, as `gateway credit draft` gives it.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")],
    as_json: AsJson = False,
) -> None:
    """Publish an own decision; the next `gateway feedback` sends it. Without complete proof it stays a draft."""
    from gateway.contract.credit import TakesDecisions
    from gateway.credit.decisions import Officer, draft_to_publish
    from gateway.credit.decisions import publish as bring_out

    with opened() as gateway:
        taking = [p for p in gateway.configured() if isinstance(gateway.connector(p), TakesDecisions)]
        officer = Officer(by=actor(), now=gateway.edge.now(), calendar=gateway.calendar)
        period = gateway.settings.own_disclosure
        platform = taking[0] if taking else None
        version, digest = only = draft_to_publish(gateway.store, key, officer)
        exactly = {"key": key, "version": version, "digest": digest, "platform": platform, "period": period}
        ask_second_person(gateway, GuardedAct.PUBLISH, f"{key}/{version}", exactly, reason=reason)
        row = bring_out(gateway.store, key, officer, reason=reason, platform=platform, default_period=period, only=only)
        gateway.seal()
    if as_json:
        emit({"key": row.key, "version": row.version, "platform": row.platform, "published_at": row.published_at})
    else:
        after = f"{platform} is told next" if platform else "no platform takes it"
        say(tr("{key} version {version} is published; {after}", key=row.key, version=row.version, after=after))


@credit.command("reinstate")
def reinstate(
    certificate: Annotated[str, typer.Argument(help="Key or number of the certificate; - reads it.")],
    reason: Annotated[str, typer.Option(help="Why it is valid after all; kept in the audit trail.")],
    wrong_person: Annotated[
        bool, typer.Option("--wrong-person", help="The record that voided it is about nobody we hold.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a certificate valid again that was voided wrongly. Refused while a ground for its end stands."""
    from gateway.credit.tickets import TicketRequest, certificate_to_reinstate
    from gateway.credit.tickets import reinstate as run

    text = typer.prompt("certificate", hide_input=True) if certificate == "-" else certificate
    with opened() as gateway:
        key, version = certificate_to_reinstate(gateway.store, text, gateway.edge.now())
        exactly = {"key": key, "version": version, "wrong_person": wrong_person}
        ask_second_person(gateway, GuardedAct.REINSTATE, f"{key}/{version}", exactly, reason=reason)
        given = TicketRequest(certificate=key, reason=reason, by=actor(), wrong_person=wrong_person)
        done = run(gateway.store, given, gateway.edge.now())
        gateway.seal()
    if as_json:
        emit({"key": done.key, "version": done.version, "status": done.status, "done": done.done})
    elif done.done:
        say(
            tr(
                "{key} is valid again as version {version} (status {status}); the next push tells it",
                key=done.key,
                version=done.version,
                status=done.status,
            )
        )
    else:
        say(tr("{key} was made valid again before; nothing changed", key=done.key))


@credit.command("ask")
def ask(
    subject: Subject,
    purpose: Annotated[str, typer.Option(help="What the answer is needed for; kept in the audit trail.")],
    platform: Annotated[str | None, typer.Option(help="Which platform, where several can be asked.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask a platform which records it has of a subject we hold; what the archive lacks is fetched. Code 1: not all."""
    import asyncio

    from gateway.bootstrap import across
    from gateway.contract.credit import SearchesSubjects
    from gateway.credit.search import Purpose, search_subject

    with opened() as gateway:
        able = [p for p in gateway.configured(()) if isinstance(gateway.connector(p), SearchesSubjects)]
        chosen = [p for p in able if platform in (None, p)]
        if len(chosen) != 1:
            complain(
                tr("--platform is one of: {names}", names=", ".join(able))
                if able
                else tr("no platform can be asked for a subject")
            )
            raise typer.Exit(MISUSE)
        given = Purpose(reason=purpose, by=actor())
        with gateway.store.read() as connection:
            who = _found(gateway, connection, subject)
        try:
            (report,) = asyncio.run(across(gateway, chosen, lambda e: search_subject(e, who, given)))
        finally:
            gateway.seal()
    rows = [vars(found) for found in report.records]
    if as_json:
        emit({"subject": _subject(who), "platform": report.platform, "records": rows, "stopped": report.stopped})
    else:
        _say_subject(who)
        heads = columns("record_id", "theirs", "ours", "difference", "fetched")
        table(f"{report.platform}: {len(rows)}", heads, rows) if rows else say(tr("the platform has no record"))
        say(tr("not the whole answer: {stopped}", stopped=report.stopped)) if report.stopped else None
    if report.stopped:
        raise typer.Exit(FAILURES)


def _short(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns of a table for people; ``--json`` has them all."""
    names = ("name", "number", "record_id", "status", "category", "decision_no", "valid_from", "published_to")
    return [name for name in names if any(name in row for row in rows)]


def _found(gateway: Gateway, connection: Connection, text: str) -> Who:
    from gateway.credit.views import find_subject

    text = typer.prompt("subject", hide_input=True) if text == "-" else text
    who = find_subject(connection, gateway.store.vault, text)
    if who is None:
        complain(tr("nobody we hold: give a person's key or certificate number, or a code"))
        raise typer.Exit(MISUSE)
    return who


def _subject(who: Who) -> dict[str, Any]:
    return {"kind": who.kind, "key": who.key, "redirected": who.redirected}


def _say_subject(who: Who) -> None:
    about = {"kind": who.kind, "key": who.key}
    said = tr("{kind} {key} (stands for the one asked for)", **about) if who.redirected else tr("{kind} {key}", **about)
    say(said)


def _moment(day: datetime | None, now: datetime) -> datetime:
    """The last moment of a day, +08:00; now where none is given."""
    return now if day is None else _midnight(day) - timedelta(microseconds=1)


def _end(day: datetime | None, now: datetime) -> datetime:
    """The moment after a day, +08:00, but never later than now: what will be known is not known yet."""
    return now if day is None else min(_midnight(day), now)


def _midnight(day: datetime) -> datetime:
    return end_of(day.date()) or datetime.max.replace(tzinfo=CHINA)
