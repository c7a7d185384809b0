"""The demo as a user runs it: a real Prefect server, platforms that misbehave, and SIGKILL in the middle."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.intake.reading.reader import read_batch
from tests.support.shipped import shipped

pytestmark = [pytest.mark.slow, pytest.mark.prefect]

PLATFORMS = shipped()


def start(home: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gateway", "demo", "--home", str(home), "--json"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


def finish(home: Path) -> dict[str, Any]:
    process = start(home)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err.decode()[-4000:]
    document: dict[str, Any] = json.loads(out)
    return document


def states(home: Path) -> dict[str, int]:
    path = home / "gateway.db"
    if not path.exists():
        return {}
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return dict(db.execute("SELECT state, count(*) FROM delivery GROUP BY state").fetchall())
    except sqlite3.OperationalError:
        return {}


def kill_when(home: Path, reached: Callable[[dict[str, int]], bool]) -> None:
    """Start the demo and kill it, without any chance to clean up, as soon as the ledger looks as wanted."""
    process = start(home)
    end = time.monotonic() + 200
    while not reached(states(home)):
        assert time.monotonic() < end
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.02)  # an end before the kill fails the test
    process.send_signal(signal.SIGKILL)
    process.communicate()


def canaries_in(home: Path) -> list[str]:
    """Files below the home that hold an identity or mobile number of the batch in clear (I8).

    The reported batch, the returns for the city and the platforms' own books are theirs to hold; everything else is
    ours: store, keys, report, logs and all that Prefect wrote.
    """
    people = [row.filing for row in read_batch(home / "reported-batch.xlsx").rows if row.filing is not None]
    numbers = {text.encode() for one in people for text in (one.id_number, one.mobile) if text}
    assert len(numbers) > 300
    ours = [path for path in home.rglob("*") if path.is_file() and path.suffix != ".xlsx"]
    return [
        str(path.relative_to(home))
        for path in ours
        if "sandboxes" not in path.relative_to(home).parts and any(n in path.read_bytes() for n in numbers)
    ]


def test_killed_twice_and_run_again_it_ends_with_one_effect_each(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    kill_when(home, lambda counts: counts.get("queued", 0) > 0)
    kill_when(home, lambda counts: counts.get("accepted", 0) > 300 and counts.get("sending", 0) > 0)
    document = finish(home)

    batch = document["batch"]
    assert batch["rows"] >= 300
    assert batch["admitted"] + batch["refused"] + batch["held"] == batch["rows"]
    assert batch["refused"] >= 20
    assert set(batch["gates"]) > {"N01", "N02", "N04", "N05", "N22"}
    assert document["adds_up"] == {"problems": []}
    assert set(document["platforms"]) == set(PLATFORMS)
    for name in PLATFORMS:
        counted, effects = document["platforms"][name], document["sandbox_effects"][name]
        # a decision voids one certificate: a platform that has it is told, one that has not never hears of it
        ended = counted["superseded"]
        assert ended in (0, 2), name
        assert counted["deliveries"] == counted["accepted"] + ended, name
        assert effects["certificates"] == batch["admitted"] - ended // 2, name
        assert 0 < effects["persons"] < effects["certificates"], name
        reconciled = document["reconcile"][name]
        assert reconciled["total"] == sum(reconciled["classes"].values()) == counted["deliveries"] - (ended or 1), name
    feedback = document["feedback"]
    assert feedback["pulled"] > 0
    assert Path(document["report"]).exists()

    assert canaries_in(home) == []

    again = finish(home)
    assert again["batch"]["repeated"] is True
    assert again["platforms"] == document["platforms"]
    for name in PLATFORMS:
        before, after = document["sandbox_effects"][name], again["sandbox_effects"][name]
        assert {k: after[k] for k in ("persons", "certificates", "duplicates")} == {
            k: before[k] for k in ("persons", "certificates", "duplicates")
        }, "a second run sends nothing"
