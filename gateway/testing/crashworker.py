"""Workers that may be killed at a crash point: ``python -m gateway.testing.crashworker``.

A nursery imports everything once and then forks a worker for each line of JSON on its stdin, so that a cycle of work
and death takes some hundredths of a second. It answers with one line each: {"killed": true or false, "error": …}.
A worker may also stand still at a crash point, as a machine does that was suspended; ``null`` wakes all of them and is
answered when they have ended. When its stdin closes it ends.
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
from gateway.testing.safeties import switched_off
from gateway.transport.carrier import carrier_for


@dataclass(frozen=True, kw_only=True)
class Errand:
    """One round of push, poll and resolve against the model platform, or that of another connector.

    die_at, at_pass:     SIGKILL when this crash point is passed for the n-th time; empty: run to the end
    stands_still:        it stops there instead, until it is woken
    without:             a safety that is switched off (``safeties``); empty: none
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
    limit: int | None = None
    """most deliveries that a push sends"""
    stands_still: bool = False
    without: str = ""


@dataclass(frozen=True, kw_only=True)
class End:
    """How a worker ended."""

    killed: bool
    error: str = ""
    no_store: bool = False
    """it ended because the store could not do what it was asked to"""
    stopped: bool = False
    """it stands still and waits to be woken"""


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
        """Let one worker live and die, or stand still."""
        return self._told(asdict(errand))

    def wake(self) -> End:
        """Let all that stand still go on to their end; ``error`` is that of the first which had one."""
        return self._told(None)

    def _told(self, line: dict[str, Any] | None) -> End:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(line).encode() + b"\n")
        self._process.stdin.flush()
        return End(**json.loads(self._process.stdout.readline()))


def main() -> None:
    """Fork a worker for each errand and tell how it ended."""
    for module in sys.argv[1:]:
        importlib.import_module(module)
    still: list[_Child] = []
    for line in sys.stdin.buffer:
        given = json.loads(line)
        if given is None:
            ends = [child.woken() for child in still]
            still.clear()
            end = next((one for one in ends if one.error), End(killed=False))
        else:
            child = _born(Errand(**given))
            end = child.end()
            if end.stopped:
                still.append(child)
        sys.stdout.write(json.dumps(asdict(end)) + "\n")
        sys.stdout.flush()
    for child in still:
        os.kill(child.pid, signal.SIGKILL)


@dataclass(frozen=True)
class _Child:
    """A forked worker: what it reports comes through one pipe, and one byte in the other wakes it."""

    pid: int
    report: int
    bell: int

    def end(self) -> End:
        """Wait until it ends or stands still."""
        told = b""
        while (part := os.read(self.report, 4096)) and not told.startswith(_STILL):
            told += part
            if told == _STILL:
                return End(killed=False, stopped=True)
        os.close(self.report)
        os.close(self.bell)
        kind, _, error = told.decode().partition(":")
        status = os.waitpid(self.pid, 0)[1]
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if not killed and status and not error:
            error = f"ended with status {status}"
        return End(killed=killed, error=error, no_store=kind == "store")

    def woken(self) -> End:
        os.write(self.bell, b"!")
        return self.end()


_STILL = b"still"


def _born(errand: Errand) -> _Child:
    (reading, report), (bell, ringing) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.close(ringing)
        _live(errand, report, bell)
    os.close(report)
    os.close(bell)
    return _Child(child, reading, ringing)


def _live(errand: Errand, report: int, bell: int) -> None:
    def stand_still() -> None:
        # only the loop stands still: the store's thread ends the transaction it is in, as a database would for a client
        os.write(report, _STILL)
        os.read(bell, 1)

    try:
        with switched_off(errand.without):
            asyncio.run(_work(errand, stand_still))
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


async def _work(errand: Errand, stand_still: Callable[[], None]) -> None:
    made = _connector(errand)
    store = Store(engine=open_engine(errand.store_url), vault=Vault(KeyRing.parse(errand.keys)))
    ahead = timedelta(seconds=errand.ahead)
    edge = replace(system_edge(), reach=_death(errand, stand_still), now=lambda: datetime.now(UTC) + ahead)
    with StoreThread(store) as thread:
        async with carrier_for(made.endpoint) as carrier:
            exchanger = Exchanger(made, carrier, thread, edge)
            for _ in range(errand.rounds):
                await push(exchanger, limit=errand.limit)
                await poll(exchanger)
                await resolve(exchanger)
    store.close()


def _connector(errand: Errand) -> Connector:
    if not errand.build:
        return connector(errand.platform_url, replay_safe=errand.replay_safe, connections=errand.connections)
    module, _, function = errand.build.partition(":")
    return cast(Connector, getattr(importlib.import_module(module), function)(loader(errand.environment)))


def _death(errand: Errand, stand_still: Callable[[], None]) -> Callable[[CrashPoint], None]:
    if not errand.die_at:
        return nobody
    passed = 0

    def reach(point: CrashPoint) -> None:
        nonlocal passed
        passed += point == errand.die_at
        if point == errand.die_at and passed == errand.at_pass:
            if not errand.stands_still:
                os.kill(os.getpid(), signal.SIGKILL)
            stand_still()

    return reach


if __name__ == "__main__":
    main()
