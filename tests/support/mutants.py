"""Mutation run: change one line of the code at a time and see whether a test fails (``make mutants``).

Mutants are drawn by a seed over the modules on which everything else rests: delivery, evidence, keys. Each is run in a
copy of the tree against the tests of its module, on SQLite. Survivors are printed with file, line and change.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

ROOT = Path(__file__).parents[2]
TARGETS: dict[str, tuple[str, ...]] = {
    "gateway/delivery/store/ledger.py": ("tests/delivery/store", "tests/delivery/test_push_roads.py"),
    "gateway/delivery/store/owing.py": ("tests/delivery/store",),
    "gateway/delivery/store/exchanges.py": ("tests/delivery/test_exchange_gaps.py", "tests/delivery/store"),
    "gateway/delivery/store/settlement.py": ("tests/delivery/store",),
    "gateway/delivery/store/version_order.py": ("tests/delivery/store",),
    "gateway/delivery/store/void_versions.py": ("tests/delivery/store", "tests/credit/store"),
    "gateway/delivery/store/platforms.py": ("tests/delivery/store", "tests/delivery/test_traffic_roads.py"),
    "gateway/delivery/store/replays.py": ("tests/delivery/store", "tests/delivery/test_replay_roads.py"),
    "gateway/delivery/rules/outcome.py": ("tests/delivery/rules", "tests/delivery/test_push_roads.py"),
    "gateway/delivery/exchanger.py": ("tests/delivery",),
    "gateway/delivery/traffic_guard.py": (
        "tests/delivery/test_claim_size.py",
        "tests/delivery/test_traffic_roads.py",
        "tests/delivery/store",
    ),
    "gateway/domain/states.py": ("tests/domain", "tests/delivery/store"),
    "gateway/domain/identifiers.py": ("tests/domain",),
    "gateway/operations/store/evidence.py": ("tests/operations/store", "tests/operations"),
    "gateway/operations/rules/evidence.py": ("tests/operations/store", "tests/operations"),
    "gateway/operations/store/retention.py": ("tests/operations/store",),
    "gateway/store/vault.py": ("tests/store", "tests/operations/store"),
}
SECONDS = 240.0
"""longest run of one mutant's tests; one that takes longer is told apart: it may hang, or the machine may be busy"""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change of one module: ``source`` is the module as it reads with it."""

    path: str
    line: int
    change: str
    source: str


_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
Change = Callable[[Any], object]
_CONDITIONS = frozenset({"where", "and_", "or_", "join"})


def mutants_of(path: str) -> Iterator[Mutant]:
    """Every change this knows of a module; equal results are left out."""
    text = (ROOT / path).read_text(encoding="utf-8")
    plain = ast.parse(text)
    before = ast.unparse(plain)
    for place, node in enumerate(ast.walk(plain)):
        for change, apply in _changes(node):
            changed = copy.deepcopy(plain)
            target = next(found for at, found in enumerate(ast.walk(changed)) if at == place)
            apply(target)
            source = ast.unparse(ast.fix_missing_locations(changed))
            if source != before:
                yield Mutant(path=path, line=getattr(node, "lineno", 0), change=change, source=source)


def _changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARED:
        other = _COMPARED[type(node.ops[0])]
        yield f"{type(node.ops[0]).__name__} -> {other.__name__}", lambda n: n.ops.__setitem__(0, other())
    if isinstance(node, ast.BoolOp):
        other_op = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield f"{type(node.op).__name__} -> {other_op.__name__}", lambda n: setattr(n, "op", other_op())
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        yield "condition turned round", lambda n: setattr(n, "test", ast.UnaryOp(ast.Not(), n.test))
    if isinstance(node, ast.Constant) and type(node.value) is int and 0 <= node.value < 10_000:
        yield f"{node.value} -> {node.value + 1}", lambda n: setattr(n, "value", n.value + 1)
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        yield f"{node.value} -> {not node.value}", lambda n: setattr(n, "value", not n.value)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        sign = ast.Sub if isinstance(node.op, ast.Add) else ast.Add
        yield f"{type(node.op).__name__} -> {sign.__name__}", lambda n: setattr(n, "op", sign())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
        yield "~ dropped", _negate
    if isinstance(node, ast.Call) and len(node.args) > 1 and _name(node.func) in _CONDITIONS:
        for at in range(len(node.args)):
            yield f"condition {at + 1} of {_name(node.func)} dropped", lambda n, at=at: n.args.pop(at)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        for at, statement in enumerate(node.body):
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call | ast.Await):
                yield f"line {statement.lineno} dropped", lambda n, at=at: n.body.__setitem__(at, ast.Pass())


def _negate(node: ast.UnaryOp) -> None:
    node.operand = ast.UnaryOp(ast.Invert(), node.operand)  # ~~x is x, to SQLAlchemy and to whole numbers


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _copied() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="mutants-"))
    for name in ("gateway", "connectors", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def survives(mutant: Mutant, folder: Path) -> bool | None:
    """Whether the tests of its module pass with the change; None where they took too long to know."""
    target = folder / mutant.path
    whole = target.read_text(encoding="utf-8")
    target.write_text(mutant.source, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly"]
    chosen = ["-k", "not postgresql", "-m", "not slow and not soak and not prefect"]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(folder)}
    try:
        run = subprocess.run(
            [*command, *chosen, *TARGETS[mutant.path]],
            cwd=folder,
            env=environment,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    finally:
        target.write_text(whole, encoding="utf-8")
    return run.returncode == 0


def main() -> int:
    """Run; exit code 1 where fewer are noticed than ``--goal`` says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--goal", type=float, default=0.95)
    parser.add_argument("--only", default="", help="part of a path")
    given = parser.parse_args()
    known = [mutant for path in TARGETS if given.only in path for mutant in mutants_of(path)]
    drawn = random.Random(given.seed).sample(known, min(given.count, len(known)))
    folders: SimpleQueue[Path] = SimpleQueue()
    for _ in range(given.jobs):
        folders.put(_copied())
    end = time.monotonic() + given.minutes * 60

    slow: list[Mutant] = []

    def run(mutant: Mutant) -> bool | None:
        if time.monotonic() > end:
            return None
        folder = folders.get()
        try:
            alive = survives(mutant, folder)
        finally:
            folders.put(folder)
        if alive is None:
            slow.append(mutant)
        return alive

    with ThreadPoolExecutor(given.jobs) as pool:
        lived = list(pool.map(run, drawn))
    ran = [(mutant, alive) for mutant, alive in zip(drawn, lived, strict=True) if alive is not None]
    survivors = sorted((m.path, m.line, m.change) for m, alive in ran if alive)
    for path, line, change in survivors:
        sys.stdout.write(f"survived  {path}:{line}  {change}\n")
    for mutant in sorted(slow, key=lambda one: (one.path, one.line)):
        sys.stdout.write(f"too slow  {mutant.path}:{mutant.line}  {mutant.change}\n")
    share = 1 - len(survivors) / len(ran) if ran else 0.0
    sys.stdout.write(f"{len(ran)} of {len(known)} changes run, {share:.0%} noticed, goal {given.goal:.0%}\n")
    while not folders.empty():
        shutil.rmtree(folders.get(), ignore_errors=True)
    return 0 if share >= given.goal else 1


if __name__ == "__main__":
    sys.exit(main())
