"""The drop folder: every file is taken once, reported, and in exactly one place, whenever the process is killed."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.domain.errors import InputError, StoreError
from gateway.intake.admit import IntakeReport
from gateway.intake.drop import DONE, FAILED, TAKEN, Drop

NOW = datetime.now(UTC) + timedelta(days=1)
"""far from every moment at which a test may write a file"""
POINTS = ("take", "read", "report", "move", "moved")


class Killed(BaseException):
    """Ends a run as a kill does: nothing catches it."""


class Desk:
    """Keeps the content of each file once, as the store does by its digest."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []

    def take_in(self, path: Path, *, returns: Path | None = None) -> IntakeReport:
        content = path.read_bytes()
        if content.startswith(b"no batch"):
            raise InputError(f"{path.name}: no table was found")
        repeated = content in self.kept
        if not repeated:
            self.kept.append(content)
        refused = content.count(b"flawed")
        if returns is not None:
            returns.write_bytes(b"returns")
        return IntakeReport(name=path.name, digest="d", rows=2, refused=refused, repeated=repeated, returned=refused)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "drop"


@pytest.fixture
def desk() -> Desk:
    return Desk()


_SOMEBODY = 65534


def put(folder: Path, name: str, content: bytes = b"rows") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def drop(folder: Path, desk: Desk, reach: Callable[[str], None] = lambda _: None) -> Drop:
    return Drop(folder=folder, take_in=desk.take_in, now=lambda: NOW, reach=reach)


def places(folder: Path) -> dict[str, list[str]]:
    """Folder -> the dropped files in it, under the names they came with."""
    found = {}
    for where in (".", TAKEN, DONE, FAILED):
        files = [p.name for p in (folder / where).iterdir() if p.is_file()] if (folder / where).is_dir() else []
        found[where] = sorted(
            n.partition("+0800-")[2] or n for n in files if not n.endswith((".report.json", ".returns.xlsx"))
        )
    return {where: names for where, names in found.items() if names}


def test_a_file_is_read_and_lies_in_done_with_its_report(folder: Path, desk: Desk) -> None:
    put(folder, "济南.xlsx", b"flawed")
    [one] = drop(folder, desk).run().files
    assert one.report is not None
    assert places(folder) == {DONE: ["济南.xlsx"]}
    report = json.loads((folder / DONE / f"{one.name}.report.json").read_text(encoding="utf-8"))
    assert (report["rows"], report["refused"]) == (2, 1)
    assert (folder / DONE / f"{one.name}.returns.xlsx").exists()


def test_no_returns_are_left_where_no_row_was_refused(folder: Path, desk: Desk) -> None:
    put(folder, "a.csv")
    drop(folder, desk).run()
    assert not list((folder / DONE).glob("*.returns.xlsx"))


def test_a_taken_file_is_stamped_with_the_time_in_china(folder: Path, desk: Desk) -> None:
    put(folder, "a.xlsx")
    moment = datetime(2026, 11, 30, 19, 21, 5, tzinfo=UTC)
    [one] = Drop(folder=folder, take_in=desk.take_in, now=lambda: moment, settle_seconds=-1e9).run().files
    assert one.name == "20261201T032105000000+0800-a.xlsx"


@pytest.mark.parametrize(("name", "content"), [("a.xlsx", b"no batch"), ("scan.pdf", b"rows"), ("noname", b"rows")])
def test_what_is_no_batch_lies_in_failed_with_the_reason(folder: Path, desk: Desk, name: str, content: bytes) -> None:
    put(folder, name, content)
    [one] = drop(folder, desk).run().files
    assert one.failure
    assert places(folder) == {FAILED: [name]}
    assert json.loads((folder / FAILED / f"{one.name}.report.json").read_text())["failure"] == one.failure


@pytest.mark.parametrize("name", [".a.xlsx", "~$a.xlsx", "a.xlsx.part", "a.tmp"])
def test_what_is_still_being_made_is_left_alone(folder: Path, desk: Desk, name: str) -> None:
    put(folder, name)
    assert drop(folder, desk).run().files == []
    assert places(folder) == {".": [name]}


def test_a_young_file_waits_for_the_next_run(folder: Path, desk: Desk) -> None:
    path = put(folder, "a.xlsx")
    os.utime(path, (NOW.timestamp() - 3,) * 2)
    report = drop(folder, desk).run()
    assert (report.files, report.waiting) == ([], 1)


def test_two_files_of_one_name_are_both_kept(folder: Path, desk: Desk) -> None:
    times = iter([NOW, NOW, NOW + timedelta(minutes=1), NOW + timedelta(minutes=1)])
    for content in (b"first", b"second"):
        put(folder, "a.xlsx", content)
        Drop(folder=folder, take_in=desk.take_in, now=lambda: next(times)).run()
    assert places(folder) == {DONE: ["a.xlsx", "a.xlsx"]}
    assert desk.kept == [b"first", b"second"]


def test_the_limit_leaves_the_rest_for_the_next_run(folder: Path, desk: Desk) -> None:
    for n in range(3):
        put(folder, f"{n}.csv", str(n).encode())
    report = drop(folder, desk).run(limit=2)
    assert (len(report.files), report.waiting) == (2, 1)
    assert len(drop(folder, desk).run(limit=2).files) == 1


def test_a_file_another_worker_took_first_is_left_to_it(folder: Path, desk: Desk) -> None:
    path = put(folder, "a.csv")

    def other(point: str) -> None:
        if point == "take":
            path.unlink()

    assert drop(folder, desk, other).run().files == []


def test_a_file_another_worker_finished_meanwhile_is_left_to_it(folder: Path, desk: Desk) -> None:
    put(folder, "a.csv")

    def gone(path: Path, *, returns: Path | None = None) -> IntakeReport:
        path.rename(folder / DONE / path.name)
        raise InputError("there is no such file")

    assert Drop(folder=folder, take_in=gone, now=lambda: NOW).run().files == []
    assert places(folder) == {DONE: ["a.csv"]}


def test_a_store_that_fails_leaves_the_file_for_the_next_run(folder: Path, desk: Desk) -> None:
    put(folder, "a.csv")

    def refuse(path: Path, *, returns: Path | None = None) -> IntakeReport:
        raise StoreError("full")

    with pytest.raises(StoreError):
        Drop(folder=folder, take_in=refuse, now=lambda: NOW).run()
    assert places(folder) == {TAKEN: ["a.csv"]}
    drop(folder, desk).run()
    assert places(folder) == {DONE: ["a.csv"]}


@pytest.mark.parametrize("content", [b"rows", b"flawed", b"no batch"])
@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_the_file_is_in_one_place_and_the_next_run_ends_it(
    folder: Path, desk: Desk, point: str, content: bytes
) -> None:
    put(folder, "a.xlsx", content)

    def kill(reached: str) -> None:
        if reached == point:
            raise Killed

    killed = False
    try:
        drop(folder, desk, kill).run()
    except Killed:
        killed = True
    assert killed
    assert sum(len(names) for names in places(folder).values()) == 1
    drop(folder, desk).run()
    last = FAILED if content == b"no batch" else DONE
    assert places(folder) == {last: ["a.xlsx"]}
    assert len(list((folder / last).glob("*.report.json"))) == 1
    assert len(desk.kept) == (0 if content == b"no batch" else 1), "read at most once into the store"
    shutil.rmtree(folder)


def test_a_file_in_any_bytes_and_of_any_length_is_read_under_a_readable_name(folder: Path, desk: Desk) -> None:
    folder.mkdir()
    names = [
        "花名册.xlsx".encode("gb18030"),
        b"\xff\xfe.csv",
        ("长" * 82 + ".xlsx").encode(),
        b"a\x1b]0;b\n.XLSX",
        b"x.csv .",
    ]
    for number, name in enumerate(names):
        (Path(os.fsdecode(os.fsencode(folder) + b"/" + name))).write_bytes(str(number).encode())
    files = drop(folder, desk).run().files
    assert len(desk.kept) == len(files) == len(names)
    assert all(one.report is not None and len(os.fsencode(one.name)) < 230 and one.name.isprintable() for one in files)
    assert "花名册.xlsx" in places(folder)[DONE]
    assert len(list((folder / DONE).glob("*.report.json"))) == len(names)


@pytest.mark.parametrize("name", ["a.xlsm", "a.TXT", "a．xlsx"])
def test_whatever_intake_takes_is_taken(folder: Path, desk: Desk, name: str) -> None:
    put(folder, name)
    assert drop(folder, desk).run().files[0].report is not None


@pytest.mark.parametrize("error", [ValueError("x"), MemoryError(), UnicodeEncodeError("utf-8", "x", 0, 1, "no")])
def test_a_fault_of_one_file_fails_that_file_and_the_next_is_read(folder: Path, desk: Desk, error: Exception) -> None:
    put(folder, "a.xlsx", b"faulty")
    put(folder, "b.xlsx")

    def faulty(path: Path, *, returns: Path | None = None) -> IntakeReport:
        if path.read_bytes() == b"faulty":
            raise error
        return desk.take_in(path, returns=returns)

    first, second = Drop(folder=folder, take_in=faulty, now=lambda: NOW).run().files
    assert places(folder) == {DONE: ["b.xlsx"], FAILED: ["a.xlsx"]}
    report = json.loads((folder / FAILED / f"{first.name}.report.json").read_text(encoding="utf-8"))
    assert "网关程序出错" in report["failure_zh"]
    assert second.report is not None


def test_on_a_full_disk_the_files_stay_for_the_next_run(folder: Path, desk: Desk) -> None:
    for name in ("a.xlsx", "b.xlsx"):
        put(folder, name, name.encode())

    def full(path: Path, *, returns: Path | None = None) -> IntakeReport:
        raise OSError(28, "No space left on device")

    files = Drop(folder=folder, take_in=full, now=lambda: NOW).run().files
    assert [one.failure for one in files] == ["cannot be read: No space left on device"] * 2
    assert places(folder) == {TAKEN: ["a.xlsx", "b.xlsx"]}
    drop(folder, desk).run()
    assert places(folder) == {DONE: ["a.xlsx", "b.xlsx"]}


def test_a_file_whose_reading_ends_the_process_stands_behind_the_others_and_is_given_up(
    folder: Path, desk: Desk
) -> None:
    put(folder, "a.xlsx", b"deadly")

    def deadly(path: Path, *, returns: Path | None = None) -> IntakeReport:
        if path.read_bytes() == b"deadly":
            raise Killed
        return desk.take_in(path, returns=returns)

    for number in range(3):
        put(folder, f"b{number}.xlsx", str(number).encode())
        with pytest.raises(Killed):
            Drop(folder=folder, take_in=deadly, now=lambda: NOW).run()
    Drop(folder=folder, take_in=deadly, now=lambda: NOW).run()
    assert places(folder)[FAILED] == ["a.xlsx"]
    assert len(places(folder)[DONE]) == 3
    assert TAKEN not in places(folder)


def test_files_that_get_the_same_name_are_both_kept(folder: Path, desk: Desk) -> None:
    put(folder, "长" * 80 + "甲.xlsx", b"first")
    put(folder, "长" * 80 + "乙.xlsx", b"second")
    drop(folder, desk).run()
    assert sorted(desk.kept) == [b"first", b"second"]
    assert len(places(folder)[DONE]) == 2


def test_a_file_from_the_future_does_not_wait_for_ever(folder: Path, desk: Desk) -> None:
    path = put(folder, "a.xlsx")
    os.utime(path, (NOW.timestamp() + 86_400,) * 2)
    assert len(drop(folder, desk).run().files) == 1


def test_reports_belong_to_the_group_of_the_drop_folder(folder: Path, desk: Desk) -> None:
    """Who brings files by a group with the setgid bit reads what comes of them."""
    put(folder, "a.xlsx")
    folder.chmod(0o2770)
    Drop(folder=folder, take_in=desk.take_in, now=lambda: NOW, for_group=True).run()
    modes = {path.name: stat.S_IMODE((folder / path).stat().st_mode) for path in (folder / DONE, folder / FAILED)}
    assert modes == {DONE: 0o2750, FAILED: 0o2750}
    [report] = (folder / DONE).glob("*.report.json")
    assert stat.S_IMODE(report.stat().st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_a_file_that_somebody_else_owns_is_read_and_finished(desk: Desk) -> None:
    with tempfile.TemporaryDirectory() as home:  # pytest's own folders are closed to other users
        os.chmod(home, 0o755)
        folder = Path(home) / "drop"
        put(folder, "a.xlsx").chmod(0o644)
        folder.chmod(0o777)
        os.seteuid(_SOMEBODY)
        try:
            [done] = drop(folder, desk).run().files
        finally:
            os.seteuid(0)
        assert (done.failure, places(folder)) == ("", {DONE: ["a.xlsx"]})
