"""The commands and their places. Importing this module imports no database, HTTP, SOAP or workflow library."""

from __future__ import annotations

import typer

from gateway.cli import (
    batch,
    batches,
    deliveries,
    demo,
    exchange,
    platforms,
    release,
    sandbox,
    selftest,
    source,
    store,
    template,
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
    store.init,
    template.template,
    batch.intake,
    exchange.push,
    exchange.acks,
    exchange.resolve,
    exchange.feedback,
    exchange.reconcile,
    deliveries.status,
    deliveries.failures,
    deliveries.show,
    release.release,
    platforms.pause,
    platforms.resume,
    platforms.check,
    sandbox.sandbox,
    selftest.selftest,
    batch.report,
):
    app.command()(command)

for name, group in (("batches", batches.batches), ("source", source.source)):
    app.add_typer(group, name=name)
