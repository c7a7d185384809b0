"""The commands and their places. Importing this module imports no database, HTTP, SOAP or workflow library."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

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
    recover,
    replay,
    retention,
    sandbox,
    scaffold,
    selftest,
    serve,
    source,
    supervise,
    tickets,
)
from gateway.cli.output import say

GROUPS = {
    "Daily work 日常": ("status", "template", "intake", "batches", "source", "push", "acks", "resolve", "report"),
    "Failures and differences 失败与差异": (
        *("failures", "why", "show", "release", "replay"),
        *("reconcile", "differences", "pause", "resume"),
    ),
    "Credit 信用": ("feedback", "credit", "tickets", "supervise"),
    "Audit 审计": ("audit", "evidence", "retention"),
    "Administration 管理": (
        *("init", "check", "keys", "backup", "restore", "recover"),
        *("serve", "deploy", "worker", "alarms", "metrics"),
        *("sandbox", "demo", "selftest", "new-connector"),
    ),
}
"""the commands by what they are for, as ``gateway --help`` shows them"""


class _GroupedCommands(TyperGroup):
    """Shows the commands under the headings of ``GROUPS``."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for title, names in GROUPS.items():
            commands = [(name, self.commands[name]) for name in names]
            with formatter.section(title):
                formatter.write_dl([(name, one.get_short_help_str(64)) for name, one in commands])


def _say_version(asked: bool) -> None:
    if asked:
        say(f"gateway {version('integration-gateway')}")
        raise typer.Exit


app = typer.Typer(
    name="gateway",
    cls=_GroupedCommands,
    help="Push verified construction workers and certificates to their platforms, and reconcile what comes back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


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
    scaffold.new_connector,
    backup.backup,
    backup.restore,
    recover.recover,
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
