"""The scans beside a reported file: a folder or ZIP archive of its name, read file by file and never unpacked to disk.

Only the standard library touches these bytes, each file is read up to a limit, and nothing in it is rendered.
"""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from gateway.intake.reading.characters import readable_name, readable_text
from gateway.intake.reading.problems import FileRefused

SCANS = "扫描件"
_ENDINGS = ("", SCANS, f" {SCANS}", f"-{SCANS}", f"_{SCANS}")
"""what may stand behind the reported file's name in the name of its folder or archive"""
_SCAN_ENDINGS = (".pdf", ".jpg", ".jpeg", ".png", ".ofd")
_TABLE_ENDINGS = (".xlsx", ".xlsm", ".xls", ".csv")
_OTHER_ARCHIVES = (".rar", ".7z", ".tar", ".gz", ".tgz")
_MOST_FILES = 50_000
_NO_SCANS = frozenset({"thumbs.db", "desktop.ini", ".ds_store"})
_UTF8_NAME = 0x800
_LOCKED = 0x1
_PIECE = 1 << 20


class Opened(Protocol):
    """Gives the bytes of a file anew, at most so many."""

    def __call__(self, most: int) -> bytes: ...


@dataclass(frozen=True, kw_only=True)
class FoundFile:
    """A file beside a reported one. ``parts``: its folders within the source and its name, readable."""

    parts: tuple[str, ...]
    size: int
    opened: Opened = field(repr=False)


class UnreadableScan(Exception):
    """A file that cannot be read to its end: damaged, locked, or gone meanwhile."""


def companion(path: Path) -> Path | None:
    """The folder or archive with the scans of a reported file; None where none lies beside it.

    ``FileRefused`` where there are two, or one that is packed in another way than as ZIP.
    """
    found = companions(path)
    if len(found) > 1:
        names = "、".join(readable_name(one) for one in found)
        raise FileRefused(readable_name(path), "two_scans", names=names)
    if not found:
        for ending in _ENDINGS:
            for suffix in _OTHER_ARCHIVES:
                other = path.with_name(f"{path.stem}{ending}{suffix}")
                if other.is_file():
                    raise FileRefused(readable_name(path), "scans_packing", archive=readable_name(other))
    return found[0] if found else None


def companion_names(stem: str) -> frozenset[str]:
    """Names, in small letters, under which the scans of a file with this stem may lie beside it."""
    return frozenset(f"{stem}{ending}{suffix}".lower() for ending in _ENDINGS for suffix in ("", ".zip"))


def companions(path: Path) -> list[Path]:
    """Every folder and archive beside a file that may hold its scans; one with only other things in it is none."""
    names = companion_names(path.stem)
    try:
        beside = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    except OSError as error:
        raise FileRefused(readable_name(path), "unopened", why=error.strerror) from error
    return [one for one in beside if one.name.lower() in names and _may_hold_scans(one)]


def _may_hold_scans(path: Path) -> bool:
    """An archive that cannot be listed may: nobody can say that it does not."""
    if path.is_dir():
        return any(name.lower().endswith(_SCAN_ENDINGS) for _, _, names in os.walk(path) for name in names)
    return path.suffix.lower() == ".zip" and path.is_file() and _listed(path) is not False


def holds_scans(path: Path) -> bool:
    """Whether an archive holds files of the kinds that scans have."""
    return _listed(path) is True


def _listed(path: Path) -> bool | None:
    """Whether scans are listed in an archive; None where it cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.lower().endswith(_SCAN_ENDINGS) for name in archive.namelist())
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, OSError):
        return None


def open_source(path: Path) -> Iterator[FoundFile]:
    """The files of a folder or archive in the order of their names; FileRefused where it cannot be opened."""
    name = readable_name(path)
    try:
        files = _of_folder(path) if path.is_dir() else _of_archive(path, name)
    except OSError as error:
        raise FileRefused(name, "unopened", why=error.strerror) from error
    if len(files) > _MOST_FILES:
        raise FileRefused(name, "scans_many", limit=_MOST_FILES)
    return iter(sorted(files, key=lambda one: one.parts))


def digest_of_file(file: FoundFile, most: int) -> tuple[str, bytes | None]:
    """SHA-256 (hex) of a file, with its bytes where it has at most so many."""
    if file.size > most:
        return hashlib.sha256(f"{file.size}\n".encode() + file.opened(_PIECE)).hexdigest(), None
    content = file.opened(most + 1)
    return hashlib.sha256(content).hexdigest(), content if len(content) <= most else None


def _of_folder(folder: Path) -> Sequence[FoundFile]:
    files = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        above = tuple(readable_name(Path(part)) for part in Path(place).relative_to(folder).parts)
        for name in names:
            path = Path(place) / name
            found = path.lstat()
            if stat.S_ISREG(found.st_mode) and not _is_left_by_a_program(name):
                opened = partial(_read_path, path)
                files.append(FoundFile(parts=(*above, readable_name(path)), size=found.st_size, opened=opened))
    return files


def _read_path(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as handle:
            return handle.read(most)
    except OSError as error:
        raise UnreadableScan from error


def _of_archive(path: Path, name: str) -> Sequence[FoundFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as error:
        raise FileRefused(name, "scans_damaged") from error
    if any(member.flag_bits & _LOCKED for member in members):
        raise FileRefused(name, "scans_locked")
    files = []
    for member in members:
        parts = tuple(part for part in _name_of(member).replace("\\", "/").split("/") if part not in ("", ".", ".."))
        if member.is_dir() or not parts or "__MACOSX" in parts or _is_left_by_a_program(parts[-1]):
            continue
        files.append(FoundFile(parts=parts, size=member.file_size, opened=partial(_read_member, path, member)))
    return files


def _name_of(member: zipfile.ZipInfo) -> str:
    """Without the mark of UTF-8 a name's bytes were read as code page 437; Chinese systems write GB18030, or UTF-8."""
    if member.flag_bits & _UTF8_NAME:
        return readable_text(member.filename.encode("utf-8", "surrogateescape"))
    try:
        return readable_text(member.filename.encode("cp437"))
    except UnicodeEncodeError:
        return readable_text(member.filename.encode("utf-8", "surrogateescape"))


def _read_member(path: Path, member: zipfile.ZipInfo, most: int) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as handle:
            return handle.read(most)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, NotImplementedError, RuntimeError) as error:
        raise UnreadableScan from error


def _is_left_by_a_program(name: str) -> bool:
    """Whether a file is none that anybody put there as a scan; the reported file may lie among them."""
    return name.startswith((".", "~$")) or name.lower() in _NO_SCANS or name.lower().endswith(_TABLE_ENDINGS)
