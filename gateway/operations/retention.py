"""Clear what has had its time, rule by rule; a dry run only counts. Kill it at any point: the next run goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.operations.store import retention
from gateway.operations.store.retention import JOBS
from gateway.store.audit import note
from gateway.store.engine import Store


@dataclass(kw_only=True)
class RetentionReport:
    """What was cleared or removed by rule, or would be; ``held``: a hold on everything stopped it."""

    dry_run: bool
    held: bool = False
    rows: dict[str, int] = field(default_factory=dict)
    before: dict[str, datetime] = field(default_factory=dict)
    """what is older than this has had its time"""


def retain(
    store: Store,
    days: Mapping[str, int],
    now: datetime,
    *,
    by: str,
    dry_run: bool = False,
    as_of: datetime | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> RetentionReport:
    """Apply every rule once.

    days: how long, by name of the rule
    by:   who ordered it; stands in every purge
    as_of: the moment at which it must have had its time; now where it is not given
    """
    report = RetentionReport(dry_run=dry_run)
    with store.read() as connection:
        report.held = retention.held_as_a_whole(connection)
    if not dry_run:
        # first, so that a number of the trail is never given again because all behind it were removed
        with store.write() as connection:
            note(connection, at=now, actor=by, action="retention", subject="everything", detail=days)
    for job in JOBS:
        before = (as_of or now) - timedelta(days=days[job.rule])
        report.before[job.rule] = before
        if dry_run or report.held:
            with store.read() as connection:
                due = 0 if report.held else retention.count(connection, job, before)
            report.rows[job.rule] = report.rows.get(job.rule, 0) + due
            continue
        done, after = 0, 0
        while True:
            with store.write() as connection:
                # a hold that begins while this runs must stop it
                ids = (
                    ()
                    if retention.held_as_a_whole(connection)
                    else retention.clear(connection, store.vault, job, before, after=after, by=by, now=now)
                )
            if not ids:
                break
            done, after = done + len(ids), ids[-1]
            progress(len(ids))
        report.rows[job.rule] = report.rows.get(job.rule, 0) + done
    return report
