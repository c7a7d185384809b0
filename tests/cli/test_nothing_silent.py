"""No option does nothing, no name is taken for another, no exit code is a riddle; an interrupt says what was done."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from starlette.responses import Response
from typer.testing import Result

from connectors.provincial_credit.sandbox.platform import ProvincialCreditSandbox
from gateway.bootstrap import open_gateway
from gateway.cli.app import app
from gateway.delivery.store import views
from gateway.testing.batch import write_sample
from gateway.testing.serving import running

Run = Callable[..., Result]


def commands(of: Any, *path: str) -> Iterator[tuple[str, ...]]:
    for name, command in of.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *path, name)
        else:
            yield (*path, name)


def test_every_help_says_what_the_exit_codes_mean(bare: Run) -> None:
    every = list(commands(typer.main.get_command(app)))
    assert len(every) > 60
    silent = [one for one in every if "Exit codes" not in bare(*one, "--help").stdout]
    assert silent == []


@pytest.mark.parametrize(
    "command",
    [
        ("intake", "a.xlsx", "--force"),
        ("metrics", "--host", "127.0.0.1"),
        ("differences", "--xlsx", "a.xlsx", "--limit", "3"),
        ("audit", "list", "--xlsx", "a.xlsx", "--limit", "3"),
        ("tickets", "settle", "01ABC", "refuse", "--reason", "r", "--subject", "x"),
        ("audit", "list", "--act", "nope"),
        ("audit", "list", "--actor", "nope"),
    ],
    ids=" ".join,
)
def test_what_would_do_nothing_is_misuse(run: Run, command: tuple[str, ...]) -> None:
    run(*command, code=2)


class Interrupting(ProvincialCreditSandbox):
    """Answers the first push and interrupts the process that sent it, as a person does with Ctrl-C."""

    interrupted = False

    def handle(self, request: Any, body: bytes, fault: str | None) -> Response:
        answer = super().handle(request, body, fault)
        if "batch" in request.url.path.lower() and not self.interrupted:
            self.interrupted = True
            os.kill(os.getpid(), signal.SIGINT)
        return answer


def test_an_interrupted_push_says_what_holds(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    # as at a terminal; a process that was started in the background may have been told to ignore it
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with running(sandbox := Interrupting()) as url:
        for name, value in sandbox.access(url).environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("GATEWAY_PROVINCIAL_CREDIT__BATCH_MAX", "1")
        write_sample(tmp_path / "sample.xlsx", 60)
        run("intake", "sample.xlsx", "--json", code=1)
        result = run("push", code=130)
    assert "interrupted; what was committed holds" in result.stderr
    with open_gateway() as gateway, gateway.store.read() as c:
        [counted] = views.counts(c)
    assert set(counted.states) - {"awaiting_ack", "accepted"}, "not all was sent, and nothing of it is lost"
    assert counted.total == 48
