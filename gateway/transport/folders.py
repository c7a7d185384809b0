"""Hands files over through folders: each appears whole, under its name, exactly once, whatever is killed meanwhile.

A file is prepared in a folder of its own under ``.handover`` of the outbox and moved from there to its name:

    .handover/<name>/digest     SHA-256 of the content; stays for ever and tells that the name was used
    .handover/<name>/records    our keys of what it carries, so that it can be found by them
    .handover/<name>/content    there until the file is moved to the outbox

Both steps are one ``rename`` each. The first puts the prepared folder in place and fails where it is there already;
the second can succeed once only, because the content is made with the folder and nowhere else. So "digest without
content" means: handed over. The platform may take the file away at once; the folder remembers. An attempt that is
asked about before its second step is taken back by a third name (``kept``), so that a worker that hung cannot hand it
over later; the same message may be completed from there.
"""

from __future__ import annotations

import asyncio
import base64
import fnmatch
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from gateway.contract.connector import Endpoint
from gateway.contract.handover import FILES, MEDIA_TYPE, PLACE, RECORDS, RECORDS_HEADER, RETURNED, is_file_name, seal_of
from gateway.contract.messages import WireRequest, WireResponse
from gateway.domain.errors import ConfigurationError, NotSent, Unanswered
from gateway.locale import tr

_LARGEST = 32 * 1024 * 1024
_OURS = ".handover"


class FolderCarrier:
    """Carries hand-over requests to two folders. Work is done beside the event loop, under the total deadline."""

    def __init__(self, endpoint: Endpoint) -> None:
        place = endpoint.hand_over
        if place is None or place.outbox is None or place.inbox is None:
            raise ConfigurationError(tr("hand-over: outbox and inbox must both be named"))
        self._outbox, self._inbox = Path(place.outbox), Path(place.inbox)
        self._deadline = endpoint.deadline.total_seconds()
        self._carried: dict[str, frozenset[str]] = {}
        """name of a file -> the records in it, as far as they were read"""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        return None

    async def send(self, request: WireRequest) -> WireResponse:
        """Do what is asked; NotSent where nothing was put into the outbox, Unanswered where that is not known."""
        until = time.monotonic() + self._deadline
        try:
            async with asyncio.timeout(self._deadline):
                return await asyncio.to_thread(self._done, request, until)
        except TimeoutError:
            raise Unanswered("deadline", "the folder did not answer within the deadline") from None

    def _done(self, request: WireRequest, until: float) -> WireResponse:
        if request.path == PLACE:
            return self._place()
        for start, verb in self._verbs(request, until):
            if request.path.startswith(start):
                name = unquote(request.path.removeprefix(start))
                if start != RECORDS and not is_file_name(name.replace("*", "x") if start == RETURNED else name):
                    raise NotSent("file_name", "the connector names a file in a way that no folder can hold")
                return verb(name)
        raise NotSent("unknown_request", "the connector asks for what a folder cannot do")

    def _verbs(self, request: WireRequest, until: float) -> Iterator[tuple[str, Callable[[str], WireResponse]]]:
        yield RETURNED, self._read
        yield RECORDS, self._ask
        yield FILES, lambda name: self._put(name, request, until)

    def _put(self, name: str, request: WireRequest, until: float) -> WireResponse:
        content = request.body
        digest = hashlib.sha256(content).hexdigest()
        own = self._outbox / _OURS / name
        try:
            if not own.exists():
                self._prepare(own, request, digest, until)
            known = (own / "digest").read_text(encoding="ascii")
        except OSError as error:
            raise NotSent("folder", f"nothing can be written into the outbox: {error.strerror}") from None
        if known != digest:
            return _answer(409, name=name, digest=known)
        try:
            _rename(own / "kept", own / "content")
            if time.monotonic() > until:
                raise NotSent("deadline", "preparing the file took longer than the deadline")
            if _rename(own / "content", self._outbox / name):
                _sync(self._outbox)
                _sync(own)
        except OSError as error:
            raise Unanswered("folder", f"the file could not be put into the outbox: {error.strerror}") from None
        return _answer(200, name=name, digest=digest)

    def _prepare(self, own: Path, request: WireRequest, digest: str, until: float) -> None:
        """Put the folder with digest and content in place, or leave the one that another worker put there."""
        own.parent.mkdir(mode=0o700, exist_ok=True)
        fresh = own.parent / f".{uuid.uuid4().hex}"
        fresh.mkdir(mode=0o700)
        try:
            _write(fresh / "content", request.body)
            _write(fresh / "records", request.headers.get(RECORDS_HEADER, "").encode())
            _write(fresh / "digest", digest.encode())
            _sync(fresh)
            if time.monotonic() > until:
                raise NotSent("deadline", "preparing the file took longer than the deadline")
            try:
                fresh.rename(own)
            except OSError:
                if not own.exists():
                    raise
            _sync(own.parent)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _ask(self, record: str) -> WireResponse:
        try:
            if not self._outbox.is_dir():
                raise Unanswered("folder", "the outbox is not there")
            found = [own for own in self._prepared() if record in self._carried[own.name]]
            for own in found:
                _rename(own / "content", own / "kept")
            handed = [own for own in found if not (own / "kept").exists()]
            handed.sort(key=lambda own: ((own / "digest").stat().st_mtime_ns, own.name))
        except OSError as error:
            raise Unanswered("folder", f"the outbox cannot be read: {error.strerror}") from None
        names = [own.name for own in handed]
        return _answer(200 if names else 404, record=record, names=names, sha256=seal_of(names))

    def _prepared(self) -> list[Path]:
        """Folders of all files that were ever prepared, with what they carry in ``_carried``."""
        root = self._outbox / _OURS
        there = [path for path in root.iterdir() if not path.name.startswith(".")] if root.is_dir() else []
        for path in there:
            if path.name not in self._carried:
                self._carried[path.name] = frozenset((path / "records").read_text(encoding="utf-8").split())
        return there

    def _read(self, pattern: str) -> WireResponse:
        try:
            there = sorted(one for one in os.listdir(self._inbox) if fnmatch.fnmatchcase(one, _literal(pattern)))
            there = [one for one in there if is_file_name(one) and (self._inbox / one).is_file()]
            if not there:
                return _answer(404, name=pattern)
            path = self._inbox / there[-1]
            with path.open("rb") as opened:
                content = opened.read(_LARGEST + 1)
                modified = datetime.fromtimestamp(os.fstat(opened.fileno()).st_mtime, UTC)
        except OSError as error:
            raise Unanswered("folder", f"the inbox cannot be read: {error.strerror}") from None
        if len(content) > _LARGEST:
            raise Unanswered("too_large", "the returned file is larger than any the platform may give")
        return _answer(
            200,
            name=path.name,
            modified=modified.isoformat(),
            sha256=hashlib.sha256(content).hexdigest(),
            content=base64.b64encode(content).decode("ascii"),
        )

    def _place(self) -> WireResponse:
        checks = (("outbox", self._outbox, os.W_OK | os.X_OK), ("inbox", self._inbox, os.R_OK | os.X_OK))
        wrong = [what for what, path, mode in checks if not path.is_dir() or not os.access(path, mode)]
        return _answer(200, ok=not wrong, detail="; ".join(f"{what} cannot be used" for what in wrong))


def _literal(pattern: str) -> str:
    """The pattern with ``*`` as its only sign of meaning."""
    return pattern.replace("[", "[[]").replace("?", "[?]")


def _rename(source: Path, target: Path) -> bool:
    """Move; False where there is nothing to move (any more)."""
    try:
        source.rename(target)
    except FileNotFoundError:
        return False
    return True


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def _sync(folder: Path) -> None:
    """Make names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _answer(status: int, **document: Any) -> WireResponse:
    body = json.dumps(document, ensure_ascii=False, sort_keys=True).encode()
    return WireResponse(status=status, headers={"content-type": MEDIA_TYPE}, body=body)
