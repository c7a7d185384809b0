"""Lease owners: a dead process is dead, a living one is not, and another machine's is not ours to judge."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from gateway.store.processes import is_dead, myself

TELL = "from gateway.store.processes import myself; print(myself(), flush=True); input()"


@pytest.fixture
def other() -> Iterator[subprocess.Popen[str]]:
    """Another process that says who it is and lives until its stdin closes."""
    process = subprocess.Popen([sys.executable, "-c", TELL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        yield process
        process.kill()


def name_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_i_am_alive_and_have_one_name() -> None:
    assert myself() == myself()
    assert not is_dead(myself())
    assert len(myself()) <= 120


def test_a_living_process_is_alive_and_dead_when_it_is_gone(other: subprocess.Popen[str]) -> None:
    owner = name_of(other)
    assert owner != myself()
    assert not is_dead(owner)
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert is_dead(owner)


def test_a_killed_process_that_nobody_has_waited_for_is_dead(other: subprocess.Popen[str]) -> None:
    owner = name_of(other)
    other.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    assert is_dead(owner)


def test_a_number_that_was_given_to_another_process_does_not_keep_the_old_owner_alive() -> None:
    machine, pid, start = myself().rsplit("/", 2)
    assert is_dead(f"{machine}/{pid}/{int(start) - 1}")


@pytest.mark.parametrize("change", ["other-host/{boot}/{pid}/{start}", "{host}/00000000/{pid}/{start}"])
def test_an_owner_on_another_machine_or_before_its_restart_is_left_to_its_lease(change: str) -> None:
    host, boot, _, start = myself().rsplit("/", 3)
    assert not is_dead(change.format(host=host, boot=boot, pid=999_999_999, start=start))
    assert is_dead(f"{host}/{boot}/999999999/{start}")


@pytest.mark.parametrize("owner", ["", "x", "a/b", "/", "////", "a/b/c/d", "gateway"])
def test_an_owner_in_another_form_is_left_to_its_lease(owner: str) -> None:
    assert not is_dead(owner)


def _tell(queue: multiprocessing.SimpleQueue[str]) -> None:
    queue.put(myself())


def test_a_forked_child_is_an_owner_of_its_own() -> None:
    myself()
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=_tell, args=(queue,))
    child.start()
    child.join()
    assert queue.get() != myself()
