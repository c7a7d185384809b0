"""``gateway demo``: the main job on embedded defaults, from a reported batch to the last acknowledgement.

The simulated platforms with faults switched on, a real Prefect server, the real flows. With ``--home`` it may be
killed at any moment and run again: store, books of the platforms and keys stay there, and nothing is doubled.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import background
from gateway.cli.language import say_in_language
from gateway.cli.output import FAILURES, AsJson, columns, complain, emit, reported, say, table
from gateway.guard import descendants_end_with_us
from gateway.locale import tr

if TYPE_CHECKING:
    from gateway.bootstrap import Gateway


def demo(
    home: Annotated[Path | None, typer.Option(help="Folder to keep; a new temporary one where none is named.")] = None,
    rows: Annotated[int, typer.Option(min=300, max=5000, help="Rows of the sample batch.")] = 330,
    seed: Annotated[int, typer.Option(help="Seed of the batch and of the faults.")] = 2019,
    patience: Annotated[float, typer.Option(min=1, help="Seconds to wait for the platforms' results.")] = 60,
    as_json: AsJson = False,
) -> None:
    """Run the main job end to end against simulated platforms that misbehave; exit code 1 if it does not add up."""
    folder = home or Path(tempfile.mkdtemp(prefix="gateway-demo-"))
    with reported(), ExitStack() as stack:
        stage = _Stage(quiet=as_json)
        folder.mkdir(parents=True, exist_ok=True)
        stage(tr("home: {folder}", folder=folder))
        stack.enter_context(descendants_end_with_us())
        os.environ.pop("PREFECT_API_URL", None)
        server = stack.enter_context(background.prefect_server(folder))
        access = stack.enter_context(background.sandboxes(folder, seed))
        for name, one in access.items():
            stage(tr("simulated platform {name}: {url}", name=name, url=one["url"]))
        gateway = stack.enter_context(_gateway(folder, access))
        batch = _intake(gateway, folder, rows, seed, stage, quiet=as_json)
        stage(tr("waiting for Prefect"))
        server.ready()
        stage(tr("Prefect: {url}", url=server.url))
        result = _sync(gateway, patience, quiet=as_json)
        document = _document(gateway, access, batch, result)
        from gateway.bootstrap import report_settings
        from gateway.operations.report import write_report

        page = folder / "report.html"
        write_report(gateway.store, page, report_settings(gateway), now=gateway.edge.now())
        document["report"] = str(page)
    if as_json:
        emit(document)
    else:
        _show(document)
    if document["adds_up"]["problems"]:
        for problem in document["adds_up"]["problems"]:
            complain(problem)
        raise typer.Exit(FAILURES)


class _Stage:
    """One line for each step, with the time since the start."""

    def __init__(self, *, quiet: bool) -> None:
        self._start = time.monotonic()
        self._out = sys.stderr if quiet else sys.stdout

    def __call__(self, text: str) -> None:
        self._out.write(f"[{time.monotonic() - self._start:5.1f} s] {say_in_language(text)}\n")
        self._out.flush()


@contextmanager
def _gateway(home: Path, access: Mapping[str, Any]) -> Iterator[Gateway]:
    from gateway import logs
    from gateway.bootstrap import open_gateway

    for name in [n for n in os.environ if n.startswith("GATEWAY_") and n != "GATEWAY_LANGUAGE"]:
        del os.environ[name]
    for one in access.values():
        os.environ.update(one["environment"])
    os.environ |= {"GATEWAY_HOME": str(home), "GATEWAY_LEASE_SECONDS": "60", "GATEWAY_CLAIM_LIMIT": "200"}
    for name in access:
        # Short deadlines, so that a minute shows every kind of fault.
        prefix = f"GATEWAY_{name.upper()}__"
        os.environ |= {f"{prefix}DEADLINE_SECONDS": "1.5", f"{prefix}CONNECTIONS": "6"}
    logs.set_up("ERROR")
    with open_gateway(create=True) as gateway:
        yield gateway


def _intake(gateway: Gateway, home: Path, rows: int, seed: int, stage: _Stage, *, quiet: bool) -> dict[str, Any]:
    from gateway.cli.progress import counting
    from gateway.intake.store import batches
    from gateway.testing.batch import write_sample

    path = home / "reported-batch.xlsx"
    if not path.exists():
        fresh = path.with_suffix(".new.xlsx")
        write_sample(fresh, rows=rows, seed=seed)
        fresh.replace(path)
    stage(tr("reading {name}", name=path.name))
    with counting(tr("rows judged"), quiet=quiet, total=rows) as progress:
        report = gateway.take_in(path, returns=home / "returns.xlsx", force=True, progress=progress)
    with gateway.store.read() as connection:
        kept = batches.known(connection, report.digest)
    assert kept is not None
    stage(
        tr(
            "{rows} rows: {admitted} admitted, {refused} refused, {held} held for a person",
            rows=kept.rows,
            admitted=kept.admitted,
            refused=kept.refused,
            held=kept.held,
        )
    )
    return {
        "file": str(path),
        "returns": str(home / "returns.xlsx"),
        "rows": kept.rows,
        "admitted": kept.admitted,
        "refused": kept.refused,
        "held": kept.held,
        "gates": dict(report.gates.most_common()),
        "repeated": report.repeated,
    }


def _sync(gateway: Gateway, patience: float, *, quiet: bool) -> dict[str, Any]:
    """The flow ``sync`` in this process, observed by bars that read the ledger."""
    import asyncio
    import logging

    from gateway.domain.errors import GatewayError
    from gateway.flows.sync import sync

    # Prefect calls a run that needs a person an error; the table says what became of it.
    logging.getLogger("prefect.flow_runs").setLevel(logging.CRITICAL)

    async def run() -> dict[str, Any]:
        state = await sync(chunk=gateway.settings.claim_limit, patience_seconds=patience, return_state=True)
        result: Any = await state.aresult(raise_on_failure=False)
        if "states" not in result:
            raise GatewayError(tr("the flow sync could not begin: {message}", message=state.message))
        return dict(result)

    with _bars(gateway, quiet=quiet):
        return asyncio.run(run())


@contextmanager
def _bars(gateway: Gateway, *, quiet: bool) -> Iterator[None]:
    """A bar for each platform: deliveries at their end, of all; read from the ledger twice a second."""
    if quiet:
        yield
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from gateway.delivery.store import views
    from gateway.domain.states import TERMINAL

    done = threading.Event()
    layout = (TextColumn("{task.description:>18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*layout) as progress:
        tasks: dict[str, Any] = {}
        after = progress.add_task(say_in_language(tr("feedback, both sides")), total=None, visible=False)

        def refresh() -> None:
            with gateway.store.read() as connection:
                counted = views.counts(connection)
            for one in counted:
                task = tasks.get(one.platform)
                if task is None:
                    task = tasks[one.platform] = progress.add_task(one.platform, total=one.total)
                ended = sum(n for state, n in one.states.items() if state in TERMINAL)
                progress.update(task, completed=ended, total=one.total)
            if tasks and all(task.finished for task in progress.tasks if task.id != after):
                progress.update(after, visible=True)  # what follows has no number of steps that is known before

        def watch() -> None:
            while not done.wait(0.5):
                refresh()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
            refresh()


def _document(
    gateway: Gateway, access: Mapping[str, Any], batch: Mapping[str, Any], result: Mapping[str, Any]
) -> dict[str, Any]:
    from gateway.testing.checker import account

    effects = {name: background.fetch(f"{_origin(one['url'])}/__sandbox/effects") for name, one in access.items()}
    seen = {name: background.fetch(f"{_origin(one['url'])}/__sandbox/requests") for name, one in access.items()}
    connectors = {name: gateway.connector(name) for name in effects}
    return account.of_run(gateway.store, batch=batch, effects=effects, seen=seen, result=result, connectors=connectors)


def _origin(url: str) -> str:
    return "/".join(url.split("/")[:3])


def _show(document: Mapping[str, Any]) -> None:
    from gateway.domain.states import State
    from gateway.domain.words import BY_CLASS

    rows = []
    for name, counted in document["platforms"].items():
        effects = document["sandbox_effects"][name]
        rows.append(
            {
                "platform": name,
                **counted,
                "persons": effects["persons"],
                "certificates": effects["certificates"],
                "repeats": effects["duplicates"],
                "reconciled": {BY_CLASS[one]: n for one, n in document["reconcile"][name]["classes"].items()},
            }
        )
    # Columns without a single entry say nothing; persons, certificates and repeats are the platforms' own counts.
    every = [
        *columns("platform", "deliveries"),
        *columns(*State),
        *columns("persons", "certificates", "repeats", "reconciled"),
    ]
    shown = [one for one in every if one.title == State.ACCEPTED or any(one.value(row) for row in rows)]
    table(tr("what arrived: our deliveries, then what the platforms counted themselves"), shown, rows)
    feedback = document["feedback"]
    say(
        tr(
            "credit feedback: {pulled} pulled, {applied} applied, {unmatched} unmatched, {conflicts} conflicts",
            pulled=feedback["pulled"],
            applied=feedback["applied"],
            unmatched=feedback["unmatched"],
            conflicts=feedback["conflicts"],
        )
    )
    say(tr("returns for the city: {returns}", returns=document["batch"]["returns"]))
    say(tr("report: {report}", report=document["report"]))
    if not document["adds_up"]["problems"]:
        say(tr("everything adds up: one effect for each admitted record on each platform"))
