"""``gateway differences``: what the last reconciliation found, row by row, and saying that the platform is right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from gateway.cli.language import say_in_language
from gateway.cli.output import (
    FAILURES,
    LARGEST,
    MISUSE,
    AsJson,
    actor,
    complain,
    emit,
    known_platform,
    opened,
    refuse_idle,
    say,
    tell,
    write_workbook,
)
from gateway.delivery.rules.differences import QUIET, REPAIRED_BY_SENDING, Difference
from gateway.domain.words import DIFFERENCES, counted
from gateway.locale import tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.bootstrap import Gateway
    from gateway.delivery.store.reconciliations import FoundDifference, ReconciliationRun

_COLUMNS = (
    "class",
    "kind",
    "certificate_or_person",
    "fields",
    "sides",
    "delivery",
    "state",
    "platform_key",
    "settled_at",
)
_SHOWN = 50
_CLASS_HELP = "Only these classes, as `gateway reconcile` counts them; several with commas or given again."


class _ListsByDefault(TyperGroup):
    """Reads ``gateway differences PLATFORM`` as ``gateway differences list PLATFORM``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["list", *args]
        return super().parse_args(ctx, args)


differences = typer.Typer(cls=_ListsByDefault, help="What a reconciliation found, row by row; `list` may be left out.")


@differences.command("list")
def listing(
    platform: Annotated[str | None, typer.Argument(help="Only this platform; all where none is named.")] = None,
    run: Annotated[int | None, typer.Option(min=1, max=LARGEST, help="A run by its number; else the last.")] = None,
    classes: Annotated[list[str] | None, typer.Option("--class", help=_CLASS_HELP)] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, max=LARGEST, help="List at most this many of each platform; 50 by default.")
    ] = None,
    xlsx: Annotated[Path | None, typer.Option(help="Write all of them to this workbook instead.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the differences of the last reconciliation, masked, with what repairs them. Exit code 1 where one is open.

    Without --class those that need nobody (lag, never_sent, not_owed) are only counted.
    """
    with opened() as gateway:
        refuse_idle(xlsx is not None and limit is not None, "--limit", "a list on the screen (not --xlsx)")
        known_platform(gateway, platform)
        wanted = _classes(classes) or sorted(set(Difference) - QUIET)
        most = None if xlsx else limit or _SHOWN
        found = [(one, *_read(gateway, one, wanted, most)) for one in _runs(gateway, platform, run)]
    rows = [{"platform": one.platform, "run": one.number, **row} for one, _, part in found for row in part]
    if xlsx is not None:
        names = ("platform", "run", *_COLUMNS)
        write_workbook(xlsx, "differences", names, ([_plain(row[name]) for name in names] for row in rows))
    if as_json:
        emit({"platforms": {one.platform: _document(one, total, part) for one, total, part in found}})
    else:
        for one, total, part in found:
            _tell(one, total, part, listed=xlsx is None)
        if not found:
            say(tr("nothing was reconciled yet: gateway reconcile"))
        if xlsx is not None:
            say(tr("{count} rows written to {xlsx}", count=len(rows), xlsx=xlsx))
    if any(row["settled_at"] is None for row in rows if row["class"] not in QUIET):
        raise typer.Exit(FAILURES)


@differences.command("settle")
def settle(
    run: Annotated[int, typer.Argument(min=1, max=LARGEST, help="Number of the platform's last run.")],
    classes: Annotated[list[str], typer.Option("--class", help=_CLASS_HELP)],
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")],
    theirs: Annotated[bool, typer.Option("--theirs", help="The platform is right; ours is not sent again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say of differences that the platform is right; it holds until they differ in another way. Code 1: none was open.

    Where ours is right, send it again: gateway replay plan --difference altered
    """
    from gateway.delivery.store.reconciliations import last_run, run_of, settle_theirs

    if not theirs:
        complain(tr("say --theirs; where ours is right: gateway replay plan --difference lost|altered --reason …"))
        raise typer.Exit(MISUSE)
    with opened() as gateway:
        wanted = _classes(classes)
        with gateway.store.write() as connection:
            one = run_of(connection, run)
            newest = None if one is None else last_run(connection, one.platform)
            if one is None or newest is None or newest.number != run:
                complain(
                    tr("{run} is not the last reconciliation of a platform: `gateway differences` names it", run=run)
                )
                raise typer.Exit(MISUSE)
            now = gateway.edge.now()
            count = settle_theirs(connection, one, wanted, reason=reason, by=actor(), now=now)
        gateway.seal()
    if as_json:
        emit({"run": run, "platform": one.platform, "classes": wanted, "settled": count})
    else:
        say(tr("{count} differences are settled: the platform is right", count=count))
    if not count:
        raise typer.Exit(FAILURES)


def _classes(given: Sequence[str] | None) -> list[str]:
    names = [name.strip().lower() for text in given or () for name in text.split(",") if name.strip()]
    unknown = sorted(set(names) - set(Difference))
    if unknown:
        complain(tr("no class {names}; --class is one of: {classes}", names=unknown, classes=list(Difference)))
        raise typer.Exit(MISUSE)
    return names


def _runs(gateway: Gateway, platform: str | None, number: int | None) -> list[ReconciliationRun]:
    from gateway.delivery.store.platforms import registered
    from gateway.delivery.store.reconciliations import last_run, run_of

    with gateway.store.read() as connection:
        if number is None:
            names = [platform] if platform else sorted({*gateway.platforms, *registered(connection)})
            return [found for name in names if (found := last_run(connection, name)) is not None]
        one = run_of(connection, number)
    if one is None or platform not in (None, one.platform):
        complain(tr("there is no reconciliation {number} of {platform}", number=number, platform=platform or "–"))
        raise typer.Exit(MISUSE)
    return [one]


def _read(
    gateway: Gateway, run: ReconciliationRun, classes: Sequence[str], limit: int | None
) -> tuple[int, list[dict[str, Any]]]:
    from gateway.delivery.store.reconciliations import found_differences

    with gateway.store.read() as connection:
        total, found = found_differences(connection, gateway.store.vault, run.number, classes, limit)
    gateway.note("differences", f"reconciliation {run.number}", detail={"platform": run.platform, "rows": len(found)})
    return total, [_row(one, whole=limit is None) for one in found]


def _row(one: FoundDifference, *, whole: bool) -> dict[str, Any]:
    """``whole``: with the platform's own key as it stands, for a file of its owner; else masked."""
    from gateway.codec.redact import masked_subject
    from gateway.domain.identifiers import mask

    key, number = one.theirs or (None, None)
    return {
        "class": one.difference,
        "kind": one.kind,
        "certificate_or_person": None if one.record is None else masked_subject(one.record.content),
        "record_key": None if one.record is None else one.record.key,
        "version": one.version,
        "fields": list(one.fields),
        "sides": [_side(one, side, whole=whole) for side in one.sides],
        "delivery": one.delivery_id,
        "state": one.state,
        "platform_key": key if key is None or whole else mask(key),
        "platform_number": number,
        "settled_at": one.settled_at,
    }


def _side(one: FoundDifference, side: tuple[str, str, str], *, whole: bool) -> dict[str, str]:
    """A field with both values; ``whole``: as they stand, for a file of its owner; else people are taken out."""
    from gateway.codec.redact import clean
    from gateway.delivery.rules.outcome import names

    people = () if whole or one.record is None else names(one.record.content)
    field, ours, theirs = side
    if whole:
        return {"field": field, "ours": ours, "theirs": theirs}
    return {"field": field, "ours": clean(ours, *people), "theirs": _unnamed(field, clean(theirs, *people))}


def _unnamed(field: str, text: str) -> str:
    """What a platform says of a name is somebody's name too, and not one we know."""
    return f"{text[:1]}*" if text and "name" in field.lower() else text


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(
            f"{one['field']}: {one['ours']} / {one['theirs']}" if isinstance(one, dict) else str(one) for one in value
        )
    return value


def _document(run: ReconciliationRun, total: int, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    head = {"run": run.number, "ours_at": run.ours_at, "theirs_at": run.theirs_at, "counts": dict(run.counts)}
    return {**head, "total": total, "shown": len(rows), "differences": list(rows)}


def _tell(run: ReconciliationRun, total: int, rows: Sequence[dict[str, Any]], *, listed: bool) -> None:
    about: dict[str, Any] = {
        "platform": run.platform,
        "number": run.number,
        "ours": run.ours_at,
        "theirs": run.theirs_at,
    }
    counts = counted(run.counts)
    tell(
        tr("{platform} reconciliation #{number} (ours of {ours}, theirs of {theirs})  {counts}", **about, counts=counts)
    )
    for row in rows if listed else ():
        whom = row["certificate_or_person"] or row["platform_key"] or tr("(key not kept)")
        parts = [say_in_language(DIFFERENCES[row["class"]].word), say_in_language(whom), ", ".join(row["fields"])]
        if row["delivery"]:
            parts.append(say_in_language(tr("delivery {delivery}", delivery=row["delivery"])))
        parts += [row["platform_number"] or ""]
        parts += [say_in_language(tr("settled"))] if row["settled_at"] else []
        say("  " + "  ".join(part for part in parts if part))
        for side in row["sides"]:
            ours, theirs = (side[name] or tr("(empty)") for name in ("ours", "theirs"))
            say(tr("      {field}  ours {ours}  theirs {theirs}", field=side["field"], ours=ours, theirs=theirs))
    if listed and total > len(rows):
        say(tr("  {count} of {total}", count=len(rows), total=total))
    classes = {row["class"] for row in rows if row["settled_at"] is None}
    for name in (one for one in REPAIRED_BY_SENDING if one in classes):
        act = f"gateway replay plan --platform {run.platform} --difference {name} --reason …"
        say(tr("send ours again: {act}", act=act))
    if open_ones := sorted(classes - QUIET):
        act = f"gateway differences settle {run.number} --class {','.join(open_ones)} --theirs --reason …"
        say(tr("theirs is right: {act}", act=act))
