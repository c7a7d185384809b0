"""The commands and their places. Importing this module imports no database, HTTP, SOAP or workflow library."""

from __future__ import annotations

import typer

from gateway.cli import (
    audit,
    backup,
    batch,
    batches,
    credit,
    deliveries,
    demo,
    differences,
    evidence,
    exchange,
    keys,
    metrics,
    objections,
    platforms,
    replay,
    retention,
    sandbox,
    selftest,
    serve,
    source,
    supervise,
    tickets,
)

app = typer.Typer(
    name="gateway",
    help="Push verified construction workers and certificates to three platforms, and reconcile what comes back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for command in (
    demo.demo,
    backup.init,
    batch.template,
    batch.intake,
    exchange.push,
    exchange.acks,
    exchange.resolve,
    exchange.feedback,
    exchange.reconcile,
    deliveries.status,
    deliveries.failures,
    deliveries.show,
    deliveries.why,
    deliveries.release,
    platforms.pause,
    platforms.resume,
    platforms.check,
    metrics.metrics,
    backup.backup,
    backup.restore,
    sandbox.sandbox,
    serve.serve,
    serve.deploy,
    serve.worker,
    serve.alarms,
    selftest.selftest,
    batch.report,
):
    app.command()(command)

for name, about_objections in (
    ("object", objections.object_),
    ("objections", objections.objections),
    ("withdraw", objections.withdraw),
):
    credit.credit.command(name)(about_objections)


for name, group in (
    ("audit", audit.audit),
    ("batches", batches.batches),
    ("credit", credit.credit),
    ("differences", differences.differences),
    ("evidence", evidence.evidence),
    ("keys", keys.keys),
    ("replay", replay.replay),
    ("retention", retention.retention),
    ("source", source.source),
    ("supervise", supervise.supervise),
    ("tickets", tickets.tickets),
):
    app.add_typer(group, name=name)
