"""``gateway recover``: ask platforms what they hold, after the store was restored from an older one."""

from __future__ import annotations

import typer

from gateway.cli.output import FAILURES, AsJson, Platforms, columns, emit, opened, say, table
from gateway.cli.progress import counting
from gateway.locale import tr

_SHOWN = ("asked", "adopted", "overtaken", "to_send", "parked", "refused", "unsure", "compared", "tickets", "left")


def recover(platforms: Platforms = None, as_json: AsJson = False) -> None:
    """Ask what platforms hold of everything a restored store would send. Exit code 1 where a person is needed.

    Take in what was reported after the backup first. It may be run again, and goes on where it ended.
    """
    import asyncio

    with opened() as gateway:
        from gateway.bootstrap import across
        from gateway.operations.recover import RecoverReport
        from gateway.operations.recover import recover as run

        chosen = gateway.configured(platforms or ())
        gateway.note("recover", ", ".join(chosen))
        done: dict[str, int] = {}
        with counting(tr("asked and compared"), quiet=as_json) as show:

            def progress(report: RecoverReport) -> None:
                done[report.platform] = report.asked + report.compared
                show(sum(done.values()))

            try:
                reports = asyncio.run(across(gateway, chosen, lambda e: run(e, lease=gateway.lease, progress=progress)))
            finally:
                gateway.seal()
        broken = bool(gateway.broken)
    rows = [vars(report) for report in reports]
    if as_json:
        emit({"platforms": {row["platform"]: {k: v for k, v in row.items() if k != "platform"} for row in rows}})
    else:
        table(tr("recovered"), columns("platform", "done", *_SHOWN, "stopped"), rows)
        for report in reports:
            if report.done:
                say(tr("{platform} may go on: `gateway resume {platform}`", platform=report.platform))
            else:
                say(
                    tr(
                        "{platform} is not recovered: {left} to ask; run it again",
                        platform=report.platform,
                        left=report.left,
                    )
                )
        if any(report.tickets for report in reports):
            say(tr("what nothing here knows of was left as it is there: `gateway tickets list`"))
    if broken or any(report.needs_person for report in reports):
        raise typer.Exit(FAILURES)
