"""The page of figures: the last run of each case, with the machine it ran on; the bench alone writes it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "docs"
_KEPT = "<!-- figures: "
_TEXTS = {
    "": (
        "# Performance",
        "After reading this page you know what the bench measured last. It is written by `make bench ARGS=--write`; a "
        "case that was not run again keeps its figure, with its day.",
        "Every figure is a ratio of two figures taken in one run, or a rate against the rate it must reach. What was "
        "measured is for orientation only: it moves with the machine and its load.",
        ("case", "ratio", "goal", "met", "measured against", "day, machine"),
        ("yes", "no"),
    ),
    ".zh": (
        "# 性能",
        "读完本页，您就知道最近一次基准测试的结果。本页由 `make bench ARGS=--write` 写出；"
        "没有重新运行的项目保留原值及其日期。",
        "每个数字都是同一次运行中两个数值之比，或所达速率与应达速率之比。实测值仅供参考，随机器及其负载变化。",
        ("项目", "比值", "目标", "达到", "实测与基准", "日期、机器"),
        ("是", "否"),
    ),
}


def write(results: Mapping[str, Mapping[str, Any]]) -> None:
    """Put the figures of a run into both pages, beside those of cases that were not run."""
    kept = _kept()
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"
    for name, one in results.items():
        kept[name] = {**one, "when": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine}
    for suffix, texts in _TEXTS.items():
        (FOLDER / f"performance{suffix}.md").write_text(_page(kept, texts), encoding="utf-8")


def _kept() -> dict[str, dict[str, Any]]:
    page = FOLDER / "performance.md"
    if not page.exists():
        return {}
    _, mark, rest = page.read_text(encoding="utf-8").partition(_KEPT)
    found: dict[str, dict[str, Any]] = json.loads(rest.partition(" -->")[0]) if mark else {}
    return found


def _page(kept: Mapping[str, Mapping[str, Any]], texts: tuple[Any, ...]) -> str:
    title, first, second, heads, (yes, no) = texts
    lines = [title, "", first, "", second, "", f"| {' | '.join(heads)} |", "| --- | ---: | --- | --- | --- | --- |"]
    for name, one in kept.items():
        goal = f"{'≥' if one['at_least'] else '≤'} {one['goal']}"
        against = f"{one['ours']:.4g} / {one['floor']:.4g} {one['unit']}"
        row = (name, one["ratio"], goal, yes if one["met"] else no, against, f"{one['when']}, {one['machine']}")
        lines.append(f"| {' | '.join(map(str, row))} |")
    return "\n".join([*lines, "", f"{_KEPT}{json.dumps(kept, ensure_ascii=False)} -->", ""])
