"""Objections of subjects: entered by an officer, kept sealed, sent by the next pull of feedback, and listed.

Problems are named by field and rule; nothing of what a person wrote, nor the name of a file, is repeated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from gateway.codec.scan_files import ScanFlaw, media_type_of, scan_flaw
from gateway.contract.desk import DeskTerms, Scan
from gateway.contract.messages import Problem
from gateway.credit.rules.objections import ENDED, ObjectionPhase
from gateway.credit.store import objections
from gateway.credit.store.objections import EnteredObjection, EnteringOfficer, ObjectionRow
from gateway.credit.store.streams import lock_feed
from gateway.domain.china import CHINA
from gateway.domain.errors import InputError
from gateway.domain.working_days import WorkCalendar
from gateway.locale import tr
from gateway.store.audit import note
from gateway.store.engine import Store
from gateway.store.scope import Scope, write_scope

_FIELDS = ("platform", "record", "version", "objector", "contact", "ground", "scans")
_LONGEST = {"objector": 200, "contact": 200, "ground": 1000}
_MOST_SCANS = 20


@dataclass(frozen=True, kw_only=True)
class Entered:
    """What became of a file. ``new``: it waits to be sent; else it was entered before and stands as ``state`` says."""

    key: str | None
    state: ObjectionPhase
    new: bool
    record_id: str
    version: int
    scans: tuple[Mapping[str, Any], ...]


def enter(
    store: Store,
    entry: Mapping[str, Any],
    folder: Path,
    officer: EnteringOfficer,
    *,
    platform: str,
    terms: DeskTerms,
    anew: bool = False,
    dry_run: bool = False,
) -> Entered | tuple[Problem, ...]:
    """Keep an objection, once however often it is entered; problems where it cannot be sent as it is.

    folder:  where the files of its scans are looked for
    anew:    the platform has said that it has none of it: it leaves as a message of its own
    dry_run: only check; nothing is kept
    """
    with write_scope(store, platform, officer.now) as scope:
        if not dry_run:
            lock_feed(scope)  # the same file entered twice at once is entered once
        newest = _newest(scope, entry.get("record"))
        scans, broken = _scans(entry.get("scans"), folder, terms)
        problems = (*_problems(entry, newest), *broken)
        if problems or newest is None:
            return problems
        given = EnteredObjection(
            platform=platform,
            record_id=entry["record"],
            version=entry.get("version"),
            objector=entry["objector"].strip(),
            contact=entry["contact"].strip(),
            ground=entry["ground"].strip(),
            scans=scans,
        )
        held = objections.find(scope, given)
        new = held is None or _may_go_again(held, terms, officer.now, anew=anew)
        if dry_run or not new:
            return _entered(held, given, newest, new=new)
        if held is None:
            row = objections.keep(scope, given, given.version or newest, officer)
        else:
            row = held
            fresh = anew or held.state is ObjectionPhase.REFUSED
            objections.queue_again(scope, held, given, officer, anew=fresh)
        action = "objection" if held is None else "objection_again"
        detail = {"anew": anew}
        note(scope.connection, at=scope.at, actor=officer.by, action=action, subject=row.key, detail=detail)
        return _entered(row, given, newest, new=True, waits=True)


def withdraw(store: Store, key: str, *, reason: str, by: str, now: datetime) -> None:
    """End an objection that the platform does not have; raises InputError where there is none such."""
    if not reason.strip():
        raise InputError(tr("to withdraw an objection needs a reason"))
    with store.write() as connection:
        if not objections.withdraw(connection, key, now):
            raise InputError(tr("there is no objection of this key that waits, was refused, or is unclear"))
        note(connection, at=now, actor=by, action="objection_withdraw", subject=key, reason=reason)


def listing(
    store: Store,
    calendar: WorkCalendar,
    terms: Mapping[str, DeskTerms],
    now: datetime,
    *,
    everything: bool,
    limit: int,
) -> tuple[int, list[dict[str, Any]]]:
    """How many objections there are, and the oldest of them with their days; nothing in it is personal.

    terms: by platform; without them the days are not known
    """
    with store.read() as connection:
        total, found = objections.listed(connection, everything=everything, limit=limit)
    return total, [_shown(row, scans, calendar, terms.get(row.platform), now) for row, scans in found]


def _shown(
    row: ObjectionRow, scans: int, calendar: WorkCalendar, terms: DeskTerms | None, now: datetime
) -> dict[str, Any]:
    accept_by = answer_by = None
    if terms is not None and row.taken_at is not None:
        accept_by = calendar.due(_day(row.taken_at), terms.accept_days)
        begun = _day(row.accepted_at) if row.accepted_at else accept_by
        answer_by = None if begun is None else calendar.due(begun, terms.answer_days)
    today, waits_for = (
        _day(now),
        {ObjectionPhase.SUBMITTED: accept_by, ObjectionPhase.ACCEPTED: answer_by}.get(row.state),
    )
    return {
        "key": row.key,
        "platform": row.platform,
        "record_id": row.record_id,
        "version": row.version,
        "state": str(row.state),
        "number": row.number,
        "scans": scans,
        "created_at": row.created_at,
        "taken_at": row.taken_at,
        "accept_by": accept_by,
        "accepted_at": row.accepted_at,
        "answer_by": answer_by,
        "ended_at": row.ended_at if row.state in ENDED else None,
        "overdue": waits_for is not None and today > waits_for,
        "code": row.code,
        "reason": row.reason,
    }


def needs_a_person(shown: Mapping[str, Any]) -> bool:
    """Whether the platform is late, or has not taken it."""
    return bool(shown["overdue"]) or shown["state"] in (ObjectionPhase.REFUSED, ObjectionPhase.UNCLEAR)


def _may_go_again(held: ObjectionRow, terms: DeskTerms, now: datetime, *, anew: bool) -> bool:
    """Only what the platform has not: refused, or unclear and still known by its id, or said by a person to be new."""
    if held.state is ObjectionPhase.REFUSED or (
        anew and held.state in (ObjectionPhase.UNCLEAR, ObjectionPhase.WITHDRAWN)
    ):
        return True
    if held.state is not ObjectionPhase.UNCLEAR:
        return False
    if held.tried_at is not None and now - held.tried_at > terms.remembered:
        raise InputError(tr("the platform may have it and would no longer know it again: ask there, then use --anew"))
    return True


def _entered(
    held: ObjectionRow | None, given: EnteredObjection, newest: int, *, new: bool, waits: bool = False
) -> Entered:
    return Entered(
        key=held.key if held else None,
        state=ObjectionPhase.WAITING if held is None or waits else held.state,
        new=new,
        record_id=given.record_id,
        version=held.version if held else given.version or newest,
        scans=tuple({"kind": s.media_type, "size": len(s.content), "digest": s.digest} for s in given.scans),
    )


def _newest(scope: Scope, record: Any) -> int | None:
    if not isinstance(record, str) or not record:
        return None
    return objections.newest_version(scope.connection, scope.platform, record)


def _problems(entry: Mapping[str, Any], newest: int | None) -> Iterator[Problem]:
    for name in sorted(set(entry) - set(_FIELDS)):
        yield _problem(name, "field", "is no field of an objection", "不是异议的字段")
    if not entry.get("record"):
        yield _problem("record", "required", "is missing", "缺失")
    elif newest is None:
        yield _problem(
            "record", "held", "the archive holds no such record of this platform", "档案库中没有该平台的此条记录"
        )
    version = entry.get("version")
    if version is not None and (not isinstance(version, int) or isinstance(version, bool) or version < 1):
        yield _problem("version", "number", "is a whole number from 1 on", "应为不小于1的整数")
    elif version is not None and newest is not None and version > newest:
        yield _problem("version", "held", "the archive holds no such version of the record", "档案库中没有此版本")
    for name, longest in _LONGEST.items():
        yield from _broken_text(name, entry.get(name), longest)


def _broken_text(name: str, value: Any, longest: int) -> Iterator[Problem]:
    if value is None or (isinstance(value, str) and not value.strip()):
        yield _problem(name, "required", "is missing", "缺失")
    elif not isinstance(value, str):
        yield _problem(name, "text", "is text in quotes", "应为文本")
    elif len(value.strip()) > longest:
        yield _problem(name, "length", f"has at most {longest} characters", f"最多{longest}个字符")
    elif any(_is_control(c) and not (name == "ground" and c in "\n\r\t") for c in value.strip()):
        yield _problem(name, "characters", "holds control characters", "含有控制字符")


def _is_control(character: str) -> bool:
    return character < " " or character == "\x7f"


def _scans(names: Any, folder: Path, terms: DeskTerms) -> tuple[tuple[Scan, ...], tuple[Problem, ...]]:
    if names is None:
        return (), ()
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        return (), (_problem("scans", "list", "is a list of file names", "应为文件名列表"),)
    if len(names) > _MOST_SCANS:
        return (), (_problem("scans", "count", f"are at most {_MOST_SCANS}", f"最多{_MOST_SCANS}个"),)
    scans: list[Scan] = []
    problems: list[Problem] = []
    for number, name in enumerate(names, start=1):
        found = _scan(folder / name, f"scans[{number}]", terms.scan_bytes)
        if isinstance(found, Problem):
            problems.append(found)
        elif found.digest in {scan.digest for scan in scans}:
            problems.append(_problem(f"scans[{number}]", "twice", "is the same file as one before", "与前面的文件相同"))
        else:
            scans.append(found)
    return tuple(scans), tuple(problems)


def _scan(path: Path, field: str, largest: int) -> Scan | Problem:
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= largest else b""
    except OSError:
        return _problem(field, "file", "cannot be read", "无法读取")
    if size > largest:
        return _problem(field, "size", f"has at most {largest} bytes", f"最大{largest}字节")
    kind = media_type_of(content)
    if kind is None:
        return _problem(field, "kind", "is PDF, JPEG, PNG or OFD", "应为PDF、JPEG、PNG或OFD文件")
    match scan_flaw(content, kind):
        case ScanFlaw.DAMAGED:
            return _problem(
                field, "damaged", "is damaged or cut off: scan or save it anew", "文件损坏或不完整，请重新扫描或另存"
            )
        case ScanFlaw.LOCKED:
            return _problem(
                field,
                "locked",
                "is locked: save it without password or protection",
                "文件已加密或受保护，请取消保护后另存",
            )
    return Scan(media_type=kind, digest=sha256(content).hexdigest(), content=content)


def _problem(field: str, rule: str, message: str, message_zh: str) -> Problem:
    return Problem(field=field, rule=rule, message=message, message_zh=message_zh)


def _day(at: datetime) -> date:
    return at.astimezone(CHINA).date()
