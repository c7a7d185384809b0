"""Workers that may be killed at a crash point: ``python -m gateway.testing.crashworker``.

A nursery imports everything once and then forks a worker for each line of JSON on its stdin, so that a cycle of work
and death takes some hundredths of a second. It answers with one line each: {"killed": true or false, "error": …}.
When its stdin closes it ends.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self, cast

from gateway.bootstrap import system_edge
from gateway.contract.connector import Connector
from gateway.delivery.acknowledge import poll, resolve
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.system import CrashPoint, nobody
from gateway.domain.errors import StoreError
from gateway.settings import loader
from gateway.store.engine import Store, open_engine
from gateway.store.thread import StoreThread
from gateway.store.vault import KeyRing, Vault
from gateway.testing.model import Model
from gateway.transport.carrier import carrier_for


@dataclass(frozen=True, kw_only=True)
class Errand:
    """One round of push, poll and resolve against the model platform, or that of another connector.

    die_at, at_pass:     SIGKILL when this crash point is passed for the n-th time; empty: run to the end
    build, environment:  ``module:function`` that makes the connector, and its settings; empty: the model
    ahead:               seconds by which the worker's clock is ahead of the machine's
    """

    store_url: str
    keys: str
    platform_url: str
    replay_safe: bool
    die_at: str = ""
    at_pass: int = 1
    connections: int = 2
    rounds: int = 1
    """how often it pushes, polls and resolves before it ends by itself"""
    build: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    ahead: float = 0.0


@dataclass(frozen=True, kw_only=True)
class End:
    """How a worker ended."""

    killed: bool
    error: str = ""
    no_store: bool = False
    """it ended because the store could not do what it was asked to"""


def connector(platform_url: str, *, replay_safe: bool, connections: int = 2) -> Model:
    """The connector of the worker, for those who judge its work."""
    return Model(
        base_url=platform_url,
        replay_safe=replay_safe,
        batch_max=3,
        connections=connections,
        deadline=timedelta(seconds=5),
    )


class Nursery:
    """Starts workers one after another. Use it as a context manager.

    modules: what the workers will need beside the core, imported once before they are forked
    """

    def __init__(self, *modules: str) -> None:
        self._modules = modules

    def __enter__(self) -> Self:
        command, found = (
            [sys.executable, "-m", __name__, *self._modules],
            {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        stdin, stdout = subprocess.PIPE, subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=stdin, stdout=stdout, env=found)  # noqa: S603 - ours
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def run(self, errand: Errand) -> End:
        """Let one worker live and die."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(errand)).encode() + b"\n")
        self._process.stdin.flush()
        return End(**json.loads(self._process.stdout.readline()))


def main() -> None:
    """Fork a worker for each errand and tell how it ended."""
    for module in sys.argv[1:]:
        importlib.import_module(module)
    for line in sys.stdin.buffer:
        errand = Errand(**json.loads(line))
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _live(errand, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            no_store, _, error = pipe.read().decode().partition(":")
        status = os.waitpid(child, 0)[1]
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if not killed and status and not error:
            error = f"ended with status {status}"
        sys.stdout.write(json.dumps(asdict(End(killed=killed, error=error, no_store=no_store == "store"))) + "\n")
        sys.stdout.flush()


def _live(errand: Errand, report: int) -> None:
    try:
        asyncio.run(_work(errand))
    except BaseException as error:  # noqa: BLE001 - told to the nursery; a forked child must not return
        kind = "store" if all(isinstance(one, StoreError) for one in _leaves(error)) else "other"
        os.write(report, f"{kind}:{error!r}".encode()[:2000])
        os._exit(1)
    os._exit(0)


def _leaves(error: BaseException) -> list[BaseException]:
    """What really went wrong, out of whatever it was wrapped in."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


async def _work(errand: Errand) -> None:
    made = _connector(errand)
    store = Store(engine=open_engine(errand.store_url), vault=Vault(KeyRing.parse(errand.keys)))
    ahead = timedelta(seconds=errand.ahead)
    edge = replace(system_edge(), reach=_death(errand), now=lambda: datetime.now(UTC) + ahead)
    with StoreThread(store) as thread:
        async with carrier_for(made.endpoint) as carrier:
            exchanger = Exchanger(made, carrier, thread, edge)
            steps: tuple[Callable[[Exchanger], Any], ...] = (push, poll, resolve)
            for step in steps * errand.rounds:
                await step(exchanger)
    store.close()


def _connector(errand: Errand) -> Connector:
    if not errand.build:
        return connector(errand.platform_url, replay_safe=errand.replay_safe, connections=errand.connections)
    module, _, function = errand.build.partition(":")
    return cast(Connector, getattr(importlib.import_module(module), function)(loader(errand.environment)))


def _death(errand: Errand) -> Callable[[CrashPoint], None]:
    if not errand.die_at:
        return nobody
    passed = 0

    def reach(point: CrashPoint) -> None:
        nonlocal passed
        passed += point == errand.die_at
        if passed == errand.at_pass:
            os.kill(os.getpid(), signal.SIGKILL)

    return reach


if __name__ == "__main__":
    main()
