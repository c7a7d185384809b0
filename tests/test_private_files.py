"""Files of a person are the owner's alone, whatever the umask and whatever stood there before."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from gateway.domain.errors import ConfigurationError
from gateway.intake.admit import IntakeReport
from gateway.intake.drop import Drop
from gateway.private_files import make_private, open_private
from gateway.testing.batch import write_sample


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def loose(folder: Path) -> dict[str, str]:
    """Everything below a folder that somebody else than its owner could open."""
    return {str(path.relative_to(folder)): oct(mode(path)) for path in folder.rglob("*") if mode(path) & 0o077}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """The whole program as a person starts it, in this process, with a umask that hides nothing."""
    (tmp_path / "all").mkdir(mode=0o700)
    monkeypatch.chdir(tmp_path / "all")
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "all" / "home"))

    def invoke(*arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        monkeypatch.setattr(sys, "argv", ["gateway", *arguments])
        before = os.umask(0)
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:
            os.umask(before)
        told = "".join(capsys.readouterr())
        assert (ended.value.code or 0) in codes, told
        return told

    return invoke


def test_with_an_open_umask_nothing_that_is_written_can_be_read_by_others(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    place = tmp_path / "all"
    sample = tmp_path / "sample.xlsx"
    write_sample(sample, rows=40)
    run("init")
    run("intake", str(sample), "--returns", "returns.xlsx", codes=(1,))
    run("batches", "returns", "sample.xlsx", "again.xlsx")
    run("report", "--out", "report.html")
    run("backup", "one.backup")
    run("evidence", "seal")
    run("evidence", "export", "1", "--to", "pack.json", codes=(0, 2))
    run("audit", "list", "--xlsx", "audit.xlsx")
    run("template", "form.xlsx")
    written = {path.name for path in place.rglob("*")}
    assert {"gateway.db", "keys.json", "anchors.jsonl", "evidence-key.pem", "returns.xlsx", "one.backup"} <= written
    assert loose(place) == {}


def test_modes_of_an_earlier_release_are_put_right_and_files_written_anew_as_well(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    home = tmp_path / "all" / "home"
    run("init")
    run("pause", "worker_platform", "--reason", "x")
    run("evidence", "seal")
    home.chmod(0o755)
    for name in ("gateway.db", "anchors.jsonl", "evidence-key.pem"):
        (home / name).chmod(0o644)
    for name in ("report.html", "one.backup", "audit.xlsx", "again.xlsx"):
        (tmp_path / "all" / name).touch(mode=0o666)
        (tmp_path / "all" / name).chmod(0o666)
    run("report", "--out", "report.html")
    run("backup", "one.backup")
    run("audit", "list", "--xlsx", "audit.xlsx")
    (tmp_path / "all" / "again.xlsx").unlink()
    assert loose(tmp_path / "all") == {}
    assert mode(home) == 0o700
    (home / "keys.json").chmod(0o644)
    assert "keys.json can be read by others" in run("status", codes=(2,))


def test_a_file_is_its_owners_before_the_first_byte_is_written(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old and longer than what comes")
    path.chmod(0o666)
    with open_private(path) as file:
        assert (mode(path), path.stat().st_size) == (0o600, 0)
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_a_mode_that_cannot_be_changed_is_said_and_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    path.touch()
    path.chmod(0o644)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "not the owner")

    monkeypatch.setattr(os, "chmod", refuse)
    with pytest.raises(ConfigurationError, match=r"x can be read by others.*chmod go="):
        make_private(path)
    make_private(tmp_path / "not there")


@pytest.mark.parametrize(("for_group", "folder", "file"), [(False, 0o700, 0o600), (True, 0o750, 0o640)])
def test_what_comes_of_a_dropped_file_is_the_groups_only_where_that_is_set(
    tmp_path: Path, *, for_group: bool, folder: int, file: int
) -> None:
    def take_in(path: Path, *, returns: Path | None = None) -> IntakeReport:
        assert returns is not None
        returns.write_bytes(b"x")
        return IntakeReport(name=path.name, digest="d", refused=1)

    dropped = tmp_path / "drop"
    dropped.mkdir()
    (dropped / "a.xlsx").write_bytes(b"x")
    (dropped / "a.xlsx").chmod(0o666)
    drop = Drop(folder=dropped, take_in=take_in, now=lambda: datetime.now(UTC), settle_seconds=-1, for_group=for_group)
    drop.run()
    assert {mode(dropped / name) for name in ("taken", "done", "failed")} == {folder}
    assert len(list((dropped / "done").iterdir())) >= 2
    assert {mode(path) for path in (dropped / "done").iterdir()} == {file}
