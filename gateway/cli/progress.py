"""Progress that a person can follow: bars on stderr, nothing where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from gateway.cli.language import say_in_language


@contextmanager
def counting(text: str, *, quiet: bool = False, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Gives a function that shows how far the work is; a line at the end where stderr is no terminal."""
    if quiet:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(say_in_language(text), total=total)
        yield lambda done: bar.update(task, completed=done)
        if total is None:
            done = bar.tasks[0].completed
            bar.update(task, total=done)


@contextmanager
def adding(text: str, *, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """Gives a function that is told how much more is done; shown on a terminal only."""
    with counting(text, quiet=quiet or not sys.stderr.isatty()) as show:
        done = 0

        def add(more: int) -> None:
            nonlocal done
            done += more
            show(done)

        yield add


@contextmanager
def two_counts(
    text: str, then: str, *, quiet: bool = False
) -> Iterator[tuple[Callable[[int], None], Callable[[int], None]]]:
    """As ``counting`` for work in two passes over the same things; the second bar appears with its first step."""
    if quiet:
        yield lambda _: None, lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        first = bar.add_task(say_in_language(text), total=None)
        second = bar.add_task(say_in_language(then), total=None, visible=False)

        def again(done: int) -> None:
            total = bar.tasks[0].completed
            bar.update(first, total=total)
            bar.update(second, completed=done, total=total, visible=True)

        yield lambda done: bar.update(first, completed=done), again
        bar.update(first, total=bar.tasks[0].completed)


@contextmanager
def side_by_side(names: Sequence[str], *, quiet: bool = False) -> Iterator[Callable[[str, str, int], None]]:
    """Gives a function that shows how far each of several works is: (name, what is done, how many); on a terminal."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(file=sys.stderr)
    if quiet or not console.is_terminal:
        yield lambda *_: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        tasks = {name: bar.add_task(name, total=None) for name in names}
        yield lambda name, what, done: bar.update(tasks[name], description=f"{name}  {what} {done}")
