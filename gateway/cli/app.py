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
    codes,
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
    selftest,
    serve,
    source,
    status,
    supervise,
    tickets,
)
from gateway.cli.language import SpokenContext, choose_language, first_sentence, spoken_misuse, translated
from gateway.cli.output import say
from gateway.locale import tr

GROUPS = {
    tr("Daily work"): (
        "status",
        "template",
        "intake",
        "batches",
        "source",
        "push",
        "acks",
        "resolve",
        "report",
        "codes",
    ),
    tr("Failures and differences"): (
        *("failures", "why", "show", "release", "replay"),
        *("reconcile", "differences", "pause", "resume"),
    ),
    tr("Credit"): ("feedback", "credit", "tickets", "supervise"),
    tr("Audit"): ("audit", "evidence", "retention"),
    tr("Administration"): (
        *("init", "check", "keys", "backup", "restore", "recover"),
        *("serve", "deploy", "worker", "alarms", "metrics"),
        *("sandbox", "demo", "selftest"),
    ),
}
"""the commands by what they are for, as ``gateway --help`` shows them"""


class _GroupedCommands(TyperGroup):
    """Shows the commands under the headings of ``GROUPS``, in the language of who asks."""

    context_class = SpokenContext

    def make_context(self, *given: Any, **named: Any) -> Any:
        choose_language()
        with spoken_misuse():
            return super().make_context(*given, **named)

    def invoke(self, ctx: Any) -> Any:
        with spoken_misuse():
            return super().invoke(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        return None if command is None else translated(command)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for title, names in GROUPS.items():
            commands = [(name, self.commands[name]) for name in names]
            with formatter.section(title):
                formatter.write_dl([(name, first_sentence(one.help or "")) for name, one in commands])


def _say_version(asked: bool) -> None:
    if asked:
        say(f"gateway {version('integration-gateway')}")
        raise typer.Exit


app = typer.Typer(
    name="gateway",
    cls=_GroupedCommands,
    help="Push verified construction workers and certificates to three platforms, and reconcile what comes back.",
    no_args_is_help=True,
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
    status.status,
    codes.codes,
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
