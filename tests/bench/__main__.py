"""``make bench``: each figure is a ratio against a floor measured in the same run, round by round in turn.

    python -m tests.bench [--full] [--rounds N] [--records N] [--only NAME …] [--write]

Prints a table and one JSON line ``{"bench": …}``. Absolute figures are for orientation only: they move with the load.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import page
from tests.bench.around import Case, surroundings
from tests.bench.cases import all_cases


def main() -> int:
    """Run the chosen cases; 0 where every goal is met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--records", type=int, default=3000, help="records pushed in a round")
    parser.add_argument("--only", nargs="*", default=[], help="names of cases, or how they begin")
    parser.add_argument("--full", action="store_true", help="also what takes long")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/performance.md")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="bench-") as folder, surroundings(Path(folder)) as around:
        wanted = tuple(options.only) or ("",)
        chosen = [
            case
            for case in all_cases(around, options.records, full=options.full)
            if case.name.startswith(wanted) and (options.full or not case.long)
        ]
        results = {case.name: run(case, options.rounds) for case in chosen}
    sys.stdout.write(f"\n{'case':44} {'ratio':>8} {'goal':>9}  met   ours / floor\n")
    for name, one in results.items():
        goal = f"{'>=' if one['at_least'] else '<='} {one['goal']}"
        met = "yes" if one["met"] else "NO"
        sys.stdout.write(
            f"{name:44} {one['ratio']:8.2f} {goal:>9}  {met:4}  {one['ours']:.4g} / {one['floor']:.4g} {one['unit']}\n"
        )
    sys.stdout.write(json.dumps({"bench": results}) + "\n")
    if options.write:
        page.write(results)
    return 0 if all(one["met"] for one in results.values()) else 1


def run(case: Case, rounds: int) -> dict[str, object]:
    """Ours and the floor in turn; the ratio is the median of the rounds' ratios."""
    pairs = []
    for number in range(min(rounds, case.rounds or rounds)):
        floor, ours = case.floor(number), case.ours(number)
        pairs.append((ours, floor))
        sys.stdout.write(f"{case.name} round {number + 1}: {ours:.4g} / {floor:.4g} {case.unit}\n")
        sys.stdout.flush()
    ratio = statistics.median(ours / floor for ours, floor in pairs)
    return {
        "ratio": round(ratio, 3),
        "goal": case.goal,
        "at_least": case.at_least,
        "met": ratio >= case.goal if case.at_least else ratio <= case.goal,
        "ours": statistics.median(ours for ours, _ in pairs),
        "floor": statistics.median(floor for _, floor in pairs),
        "unit": case.unit,
        "what": case.what,
    }


if __name__ == "__main__":
    sys.exit(main())
