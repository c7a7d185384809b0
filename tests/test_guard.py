"""What a command started ends with it, however it ended: children, grandchildren in sessions of their own, the deaf."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from gateway.guard import MARK, descendants_end_with_us, end_marked

COMMAND = """
    import subprocess, sys, time
    from gateway.guard import descendants_end_with_us
    with descendants_end_with_us():
        subprocess.Popen([sys.executable, sys.argv[1], *sys.argv[2:]], start_new_session=True)
        {then}
"""
CHILD = """
    import os, pathlib, signal, subprocess, sys, time
    deaf, folder = sys.argv[1] == "deaf", pathlib.Path(sys.argv[2])
    if deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if len(sys.argv) == 3:
        subprocess.Popen([sys.executable, __file__, *sys.argv[1:], "last"], start_new_session=True)
    (folder / str(os.getpid())).touch()
    time.sleep(600)
"""


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until_gone(processes: list[psutil.Process], seconds: float) -> None:
    """Wait until they have ended; one that its new parent has not collected yet has ended."""
    end = time.monotonic() + seconds
    while alive := [one for one in processes if is_alive(one)]:
        assert time.monotonic() < end, alive
        psutil.wait_procs(alive, timeout=0.05)


def start(folder: Path, kind: str, then: str) -> tuple[subprocess.Popen[bytes], list[psutil.Process]]:
    """A command with a child and a grandchild; both have said that they run."""
    command, child, said = folder / "command.py", folder / "child.py", folder / "said"
    command.write_text(textwrap.dedent(COMMAND).format(then=then))
    child.write_text(textwrap.dedent(CHILD))
    said.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != MARK}
    process = subprocess.Popen(
        [sys.executable, str(command), str(child), kind, str(said)], env=environment, stdin=subprocess.PIPE
    )
    end = time.monotonic() + 60
    while len(found := list(said.iterdir())) < 2:
        assert time.monotonic() < end
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05)
    return process, [psutil.Process(int(path.name)) for path in found]


@pytest.mark.parametrize("kind", ["obedient", "deaf"])
def test_descendants_of_a_killed_command_end_within_ten_seconds(tmp_path: Path, kind: str) -> None:
    process, descendants = start(tmp_path, kind, "time.sleep(600)")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    until_gone(descendants, 10)


def test_descendants_end_with_a_command_that_ends_by_itself(tmp_path: Path) -> None:
    process, descendants = start(tmp_path, "obedient", "sys.stdin.read()")
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(10) == 0
    until_gone(descendants, 0.1)


def test_a_command_within_a_command_adds_no_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MARK, "outer")
    before = psutil.Process().children()
    with descendants_end_with_us():
        assert os.environ[MARK] == "outer"
        assert psutil.Process().children() == before


def test_only_processes_with_the_same_mark_are_ended() -> None:
    sleep = [sys.executable, "-c", "print(flush=True); import time; time.sleep(600)"]
    ours, other = (
        subprocess.Popen(sleep, env={**os.environ, MARK: mark}, stdout=subprocess.PIPE) for mark in ("ours", "other")
    )
    for process in (ours, other):
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
    end_marked("ours")
    assert ours.wait(1) == -signal.SIGTERM
    assert other.poll() is None
    other.kill()
    other.wait()
