"""Checks of supervision: entered with object, day, result and document, approved by a second person, published.

The public list names enterprises and cities; a certificate is shown by its number with the middle hidden, its holder
never. What was found is kept as typed, with numbers of people taken out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from gateway.codec.codes import table
from gateway.codec.redact import clean
from gateway.credit.rules.checks import CHECK_KINDS, CHECK_RESULTS, SupervisionKind, SupervisionResult
from gateway.credit.rules.tickets import Act
from gateway.credit.store import checks, draws, tickets
from gateway.credit.store.checks import CheckFilter, SupervisionCheck
from gateway.credit.store.events import CENTRE
from gateway.credit.store.streams import archive_scope
from gateway.credit.supervision import KINDS, described, is_city, object_key
from gateway.domain.china import CHINA
from gateway.domain.errors import InputError
from gateway.domain.records import Certificate, RecordKind
from gateway.locale import shown, tr
from gateway.store import records
from gateway.store.audit import note
from gateway.store.engine import Store
from gateway.store.scope import Scope

PUBLIC = ("序号", "检查类型", "检查对象", "所属市", "检查日期", "检查结果", "检查情况", "文书号")
"""columns of the public list"""
_LONGEST = 2000


@dataclass(frozen=True, kw_only=True)
class CheckEntry:
    """What a person enters. ``object``: code of an enterprise or city, or key of a certificate, as a draw tells it."""

    kind: SupervisionKind
    of: str
    object: str
    checked_on: date
    result: SupervisionResult
    finding: str
    document: str | None = None
    checkers: Sequence[str] = ()
    city: str | None = None
    draw: str | None = None


def enter(store: Store, entry: CheckEntry, *, number: str, by: str, now: datetime) -> SupervisionCheck:
    """Keep a check; a random one settles the ticket of its object. InputError names what is wrong with the entry."""
    if entry.of not in KINDS:
        raise InputError(tr("what is checked is one of: {kinds}", kinds=list(KINDS)))
    if entry.checked_on > now.astimezone(CHINA).date():
        raise InputError(tr("the day of the check lies in the future"))
    if not entry.finding.strip():
        raise InputError(tr("what was found must be said, also where nothing was wrong"))
    if (entry.kind is SupervisionKind.RANDOM) != (entry.draw is not None):
        raise InputError(tr("a random check names its draw (--draw), and no other does"))
    with archive_scope(store, CENTRE, now) as scope:
        key = object_key(scope.vault, entry.of, entry.object.strip().upper())
        divisions = table("division_shandong")
        if entry.of == "cities" and not (is_city(key) and key in divisions):
            raise InputError(tr("no such city: give its code, 370100"))
        city = entry.city or _city_of(scope, entry.of, key)
        if entry.city is not None and not (is_city(entry.city) and entry.city in divisions):
            raise InputError(tr("--city names the city that answers for the object by its code, 370100"))
        if entry.of != "cities" and not described(scope.connection, store, [key]):
            raise InputError(tr("no such object is held: give the code of an enterprise, or the key of a certificate"))
        if entry.draw is not None:
            _verify_drawn(scope, entry.draw, key)
        check = SupervisionCheck(
            number=number,
            kind=entry.kind,
            of=entry.of,
            object=key,
            city=city,
            checked_on=entry.checked_on,
            result=entry.result,
            finding=clean(entry.finding.strip())[:_LONGEST],
            document=None if entry.document is None else clean(entry.document.strip())[:120],
            checkers=tuple(clean(one)[:80] for one in entry.checkers),
            draw=entry.draw,
            entered_at=scope.at,
            entered_by=by,
        )
        checks.add(scope.connection, check)
        detail = {"kind": entry.kind, "of": entry.of, "result": entry.result}
        note(scope.connection, at=scope.at, actor=by, action="supervise_enter", subject=number, detail=detail)
        drawn = None if entry.draw is None else checks.open_ticket(scope.connection, CENTRE, key)
        if drawn is not None:
            tickets.close(scope, drawn, act=Act.DONE, reason=f"check {number}", by=by)
    return check


def _verify_drawn(scope: Scope, number: str, key: str) -> None:
    made = draws.draw_by_number(scope.connection, number)
    if made is None:
        raise InputError(tr("there is no such draw: gateway supervise list"))
    if key not in {one.object for one in made.drawn}:
        raise InputError(tr("this object was not drawn: gateway supervise show names those that were"))


def _city_of(scope: Scope, of: str, key: str) -> str | None:
    """The city that answers for an object: itself, or where a certificate was assessed."""
    if of == "cities":
        return key
    if of == "certificates":
        for record in records.newest_records(scope.connection, scope.vault, RecordKind.CERTIFICATE, [key]):
            assert isinstance(record.content, Certificate)
            return f"{record.content.assessment_region[:4]}00"
    return None


def approve(store: Store, number: str, *, reason: str, by: str, now: datetime) -> bool:
    """Approve what another person entered; False where it was approved before. InputError for one's own entry."""
    with archive_scope(store, CENTRE, now) as scope:
        check = checks.of_number(scope.connection, number)
        if check is None:
            raise InputError(tr("there is no such check: gateway supervise results"))
        if check.entered_by == by:
            raise InputError(tr("a check is approved by another person than the one who entered it"))
        if not checks.approve(scope.connection, number, by=by, now=scope.at):
            return False
        note(scope.connection, at=scope.at, actor=by, action="supervise_approve", subject=number, reason=reason)
    return True


def public_list(store: Store, wanted: CheckFilter) -> tuple[list[str], list[tuple[str, ...]]]:
    """Numbers and rows (``PUBLIC``) of the approved checks, ready to be shown to anyone."""
    with store.read() as connection:
        found = checks.listed(connection, CheckFilter(**{**vars(wanted), "approved": True}))
        about = described(connection, store, [one.object for one in found])
    names = {row["code"]: row["name_zh"] for row in table("division_shandong").rows}
    rows: list[tuple[str, ...]] = [
        (
            str(place),
            shown(CHECK_KINDS[one.kind], chinese=True),
            names.get(one.object, "") if one.of == "cities" else about.get(one.object, ""),
            names.get(one.city or "", ""),
            one.checked_on.isoformat(),
            shown(CHECK_RESULTS[one.result], chinese=True),
            one.finding,
            one.document or "",
        )
        for place, one in enumerate(found, 1)
    ]
    return [one.number for one in found], rows


def note_published(store: Store, numbers: Sequence[str], *, by: str, now: datetime) -> int:
    """Note which checks a list that was written makes public; gives how many are new among them."""
    with archive_scope(store, CENTRE, now) as scope:
        count = checks.publish(scope.connection, numbers, by=by, now=scope.at)
        detail = {"checks": len(numbers), "new": count}
        note(scope.connection, at=scope.at, actor=by, action="supervise_publish", subject="checks", detail=detail)
    return count
