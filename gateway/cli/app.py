"""The commands and their places. Importing this module imports no command, and none a library of its own work."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gateway.cli.language import SpokenContext, choose_language, first_sentence, spoken_misuse, translated
from gateway.cli.output import say
from gateway.locale import tr

GROUPS = {
    tr("Daily work"): {
        "status": "status:status",
        "template": "batch:template",
        "intake": "batch:intake",
        "batches": "batches:batches",
        "source": "source:source",
        "push": "exchange:push",
        "acks": "exchange:acks",
        "resolve": "exchange:resolve",
        "report": "batch:report",
        "codes": "codes:codes",
    },
    tr("Failures and differences"): {
        "failures": "deliveries:failures",
        "overdue": "overdue:overdue",
        "find": "find:find",
        "why": "deliveries:why",
        "show": "deliveries:show",
        "release": "deliveries:release",
        "replay": "replay:replay",
        "reconcile": "exchange:reconcile",
        "differences": "differences:differences",
        "pause": "platforms:pause",
        "resume": "platforms:resume",
    },
    tr("Credit"): {
        "feedback": "exchange:feedback",
        "credit": "credit:credit",
        "tickets": "tickets:tickets",
        "supervise": "supervise:supervise",
    },
    tr("Audit"): {
        "audit": "audit:audit",
        "approvals": "approvals:approvals",
        "evidence": "evidence:evidence",
        "retention": "retention:retention",
    },
    tr("Administration"): {
        "init": "backup:init",
        "check": "platforms:check",
        "keys": "keys:keys",
        "backup": "backup:backup",
        "restore": "backup:restore",
        "recover": "recover:recover",
        "serve": "serve:serve",
        "deploy": "serve:deploy",
        "worker": "serve:worker",
        "alarms": "serve:alarms",
        "metrics": "metrics:metrics",
        "sandbox": "sandbox:sandbox",
        "demo": "demo:demo",
        "selftest": "selftest:selftest",
        "new-connector": "scaffold:new_connector",
    },
}
"""the commands by what they are for, as ``gateway --help`` shows them, and where each stands: file and name in it"""

app: typer.Typer
"""all commands; built when it is first asked for"""


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
        from importlib.metadata import version

        say(f"gateway {version('integration-gateway')}")
        raise typer.Exit


def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@cache
def build(only: str | None = None) -> typer.Typer:
    """The command line; of one command, where ``only`` names one: the others need not be loaded to run it."""
    made = typer.Typer(
        name="gateway",
        cls=_GroupedCommands,
        help="Push verified construction workers and certificates to their platforms, and reconcile what comes back.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    made.callback()(_options)
    places = {name: place for names in GROUPS.values() for name, place in names.items()}
    for name in [only] if only in places else places:
        file, _, attribute = places[str(name)].partition(":")
        found = getattr(import_module(f"gateway.cli.{file}"), attribute)
        if isinstance(found, typer.Typer):
            made.add_typer(found, name=name)
        else:
            made.command(name)(found)
    _tell_exits(made)
    return made


_EXITS = (
    "Exit codes 退出码: 0 done 完成, 1 the work found failures 有问题需处理, 2 misuse 用法有误, 130 interrupted 中断"
)


def _tell_exits(of: typer.Typer) -> None:
    """Every help ends with what the exit codes mean."""
    for command in of.registered_commands:
        command.epilog = command.epilog or _EXITS
    for group in of.registered_groups:
        if group.typer_instance is not None:
            _tell_exits(group.typer_instance)


def __getattr__(name: str) -> Any:
    if name == "app":
        return build()
    raise AttributeError(name)
