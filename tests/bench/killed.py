"""A push process killed by SIGKILL when the platform has half of it; another one finishes. The platform counts."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

from gateway.delivery.traffic_guard import TURNS
from gateway.testing import people
from gateway.testing.model import ModelSandbox
from gateway.testing.serving import running
from tests.bench.around import POSTGRESQL, SQLITE, Around, Case, Figures, owing, per_round
from tests.bench.worker import model

_RECORDS, _CONNECTIONS = 600, 8
UNSETTLED = TURNS * _CONNECTIONS
"""most messages between their two commits"""


def cases(around: Around) -> Iterator[Case]:
    """Nothing lost, nothing doubled, and no more requests repeated than may be between their two commits."""
    for kind in (SQLITE, POSTGRESQL):
        figures = per_round(lambda kind=kind: _killed(around, kind))  # type: ignore[misc]
        for what, unit, goal, floor in (
            ("lost", "records", 0.0, _RECORDS),
            ("repeated", "requests", 1.0, UNSETTLED),
            ("doubled", "effects", 0.0, _RECORDS),
        ):
            yield Case(
                name=f"SIGKILL at half, {kind}: {what}",
                what=f"{what}, counted by the platform, against {floor} {unit}",
                unit=unit,
                goal=goal,
                at_least=False,
                ours=figures(what),
                floor=lambda _, floor=floor: float(floor),  # type: ignore[misc]
            )


def _killed(around: Around, kind: str) -> Figures:
    info = model("http://unused.invalid", _CONNECTIONS).info
    store, url = around.store(kind, f"killed{_RECORDS}", owing(info, people.person_record, _RECORDS))
    keys = around.folder / "keys"
    keys.write_text(around.ring.to_text(), encoding="ascii")
    sandbox = ModelSandbox(seed=random.randrange(1 << 30))
    try:
        with running(sandbox) as platform:
            command = [sys.executable, "-m", "tests.bench.worker", url, str(keys), platform, str(_CONNECTIONS), "0"]
            first = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            while sandbox.effects()["counts"]["persons"] < _RECORDS // 2:
                assert first.poll() is None, "it ended before half was done"
                time.sleep(0.01)
            first.send_signal(signal.SIGKILL)
            first.wait(10)
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=120)
            effects = sandbox.effects()["holdings"]
            asked = Counter(value["operation"] for _, value in sandbox.books.items("requests"))
    finally:
        around.drop(store)
    return {
        "lost": _RECORDS - len(effects),
        "repeated": asked["push"] - _RECORDS,
        "doubled": sum(one["writes"] - 1 for one in effects.values()),
    }
