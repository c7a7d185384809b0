"""Supervision by random check: draw, write down, give to people, and draw again to prove it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gateway.codec.codes import table
from gateway.codec.redact import clean
from gateway.credit.decisions import Officer
from gateway.credit.rules.draws import METHOD, Checker, Population, draw, read_checkers, sample_size
from gateway.credit.rules.tickets import DUTIES
from gateway.credit.store import draws, parties
from gateway.credit.store.acknowledgements import GATEWAY
from gateway.credit.store.draws import Draw, Owed
from gateway.credit.store.events import CENTRE
from gateway.credit.store.parties import party_key
from gateway.credit.store.streams import archive_scope
from gateway.credit.store.subjects import ENTERPRISE
from gateway.credit.store.void_grounds import resting_on
from gateway.domain.china import CHINA
from gateway.domain.errors import InputError
from gateway.domain.identifiers import mask
from gateway.domain.records import Certificate, RecordKind
from gateway.domain.ticket_kinds import TicketKind
from gateway.domain.working_days import WorkCalendar
from gateway.locale import tr
from gateway.store import records
from gateway.store.audit import note
from gateway.store.engine import Connection, Store
from gateway.store.scope import Scope
from gateway.store.vault import Vault

KINDS = ("enterprises", "cities", "certificates")
_DIGITS = 6
REASON = "certificate void: other filings of the same enterprise and verification point"
EXCLUDED = "the void certificate itself"
_MOST = 100
"""grounds that are drawn for at once; the population is read once for all of them"""
_SEED_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be drawn. ``excluded`` gives each object its reason; enterprises may be named by their codes.

    around: only objects of this group: a division, a verification point or the code of an enterprise
    """

    of: str
    ratio: str
    seed: str
    reason: str
    checkers: Sequence[Checker]
    excluded: Mapping[str, str] = field(default_factory=dict)
    around: str | None = None


@dataclass(frozen=True, kw_only=True)
class Checks:
    """How checks are drawn: how many of how many, by whom, and what varies from draw to draw."""

    ratio: str
    checkers: Sequence[Checker]
    calendar: WorkCalendar
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    random_bytes: Callable[[int], bytes]


def read_checker_file(path: Path) -> list[Checker]:
    """Checkers of a CSV with the columns ``checker`` and ``avoids``."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            return read_checkers(csv.DictReader(handle))
    except (OSError, ValueError, KeyError):
        raise InputError(tr("{name}: not a CSV in UTF-8 with a column 'checker'", name=path.name)) from None


def population(connection: Connection, vault: Vault, order: Order) -> Population:
    """The objects of an order as the store knows them now."""
    if order.of == "enterprises":
        objects = draws.enterprises(connection)
    elif order.of == "certificates":
        objects = draws.certificates(connection, vault, None if order.around is None else {order.around})
    elif order.of == "cities":
        codes = [row["code"] for row in table("division_shandong").rows]
        objects = {code: frozenset[str]() for code in codes if is_city(code)}
    else:
        raise InputError(tr("what is drawn is one of: {names}", names=", ".join(KINDS)))
    if order.around is not None:
        objects = {name: groups for name, groups in objects.items() if order.around in {name, *groups}}
    excluded = {_name(vault, order.of, name): why for name, why in order.excluded.items()}
    strangers = sorted(set(excluded) - set(objects))
    if strangers:
        raise InputError(tr("{count} excluded objects are not in the population", count=len(strangers)))
    return Population(objects=objects, excluded=excluded)


def is_city(code: str) -> bool:
    """Whether a division is a city: not the province above it, nor a district below."""
    return len(code) == _DIGITS and code.endswith("00") and not code.endswith("0000")


def make_draw(store: Store, order: Order, officer: Officer, *, number: str) -> Draw:
    """Draw, keep it with all that is needed to draw again, and open a ticket for each object."""
    with archive_scope(store, CENTRE, officer.now) as scope:
        if order.of == "enterprises":
            while parties.learn_employers(scope):
                pass
        found = population(scope.connection, scope.vault, order)
        if not found.drawable:
            raise InputError(tr("there is nothing to draw from"))
        count = sample_size(order.ratio, len(found.drawable))
        days = DUTIES[TicketKind.CHECK].days
        made = Draw(
            number=number,
            at=scope.at,
            actor=officer.by,
            reason=clean(order.reason),
            seed=order.seed,
            method=METHOD,
            of=order.of if order.around is None else f"{order.of} of {order.around}",
            population_digest=found.digest,
            population=len(found.objects),
            ratio=order.ratio,
            excluded=dict(found.excluded),
            checkers={checker.name: sorted(checker.avoids) for checker in order.checkers},
            drawn=tuple(draw(order.seed, found, count, order.checkers)),
            due_on=officer.calendar.due(scope.at.astimezone(CHINA).date(), days),
        )
        draws.keep(scope, made)
        _note(scope, made)
    return made


def draw_again(store: Store, made: Draw) -> bool | None:
    """Whether drawing again gives the same; None where the population is another one by now."""
    of, _, around = made.of.partition(" of ")
    checkers = [Checker(name=name, avoids=frozenset(avoids)) for name, avoids in sorted(made.checkers.items())]
    order = Order(of=of, ratio=made.ratio, seed=made.seed, reason="", checkers=checkers, around=around or None)
    with store.read() as connection:
        found = population(connection, store.vault, order)
    found = Population(
        objects=found.objects, excluded={name: why for name, why in made.excluded.items() if name in found.objects}
    )
    if found.digest != made.population_digest:
        return None
    count = sample_size(made.ratio, len(found.drawable))
    return tuple(draw(made.seed, found, count, checkers)) == tuple(made.drawn)


def draw_owed(store: Store, checks: Checks) -> int:
    """Draw what void certificates ask for; gives how many draws were made. A second call makes none again."""
    made = 0
    while True:
        with store.read() as connection:
            found = draws.owed(connection, _MOST)
            centres = {owed: _centres(connection, store.vault, owed) for owed in found}
            wanted = {name for names in centres.values() for name in names}
            objects = draws.certificates(connection, store.vault, wanted) if wanted else {}
        for owed, names in centres.items():
            drawn = [d for name in names if (d := _draw(owed, name, objects, checks))]
            made += _keep(store, owed, drawn, checks.now())
        if len(found) < _MOST:
            return made


def object_key(vault: Vault, of: str, name: str) -> str:
    """The key under which an object is drawn and checked; an enterprise may be named by its code."""
    return _name(vault, of, name)


def _name(vault: Vault, of: str, name: str) -> str:
    is_code = of == "enterprises" and len(name) != len(party_key(vault, ENTERPRISE, ""))
    return party_key(vault, ENTERPRISE, name) if is_code else name


def _centres(connection: Connection, vault: Vault, owed: Owed) -> list[str]:
    """The enterprise and the verification point of a certificate that is still void; none where it is not."""
    void = [rests.key for rests in resting_on(connection, owed.platform, [owed.record_id])]
    if owed.certificate_key not in void:
        return []
    held = records.newest_records(connection, vault, RecordKind.CERTIFICATE, [owed.certificate_key])
    content = next(held).content
    assert isinstance(content, Certificate)
    employer = content.holder.employer
    return [*([employer.code] if employer else []), content.verification.point_code]


def _draw(owed: Owed, centre: str, objects: Mapping[str, frozenset[str]], checks: Checks) -> Draw | None:
    """One draw around an enterprise or point; None where nobody else filed there."""
    around = {name: groups for name, groups in objects.items() if centre in groups}
    found = Population(objects=around, excluded={owed.certificate_key: EXCLUDED})
    if not found.drawable:
        return None
    seed, at = checks.random_bytes(_SEED_BYTES).hex(), checks.now()
    count = sample_size(checks.ratio, len(found.drawable))
    return Draw(
        number=checks.new_id(),
        at=at,
        actor=GATEWAY,
        reason=f"{REASON}; ground {owed.platform} {owed.record_id}",
        seed=seed,
        method=METHOD,
        of=f"certificates of {centre}",
        population_digest=found.digest,
        population=len(found.objects),
        ratio=checks.ratio,
        excluded=dict(found.excluded),
        checkers={checker.name: sorted(checker.avoids) for checker in checks.checkers},
        drawn=tuple(draw(seed, found, count, checks.checkers)),
        due_on=checks.calendar.due(at.astimezone(CHINA).date(), DUTIES[TicketKind.CHECK].days),
    )


def _keep(store: Store, owed: Owed, made: Sequence[Draw], now: datetime) -> int:
    """Keep the draws of one ground in one commit; gives how many, none where another process was first."""
    with archive_scope(store, CENTRE, now) as scope:
        if not draws.keep_owed(scope, owed, made):
            return 0
        for drawn in made:
            _note(scope, drawn)
    return len(made)


def _note(scope: Scope, made: Draw) -> None:
    note(
        scope.connection,
        at=scope.at,
        actor=made.actor,
        action="supervise_draw",
        subject=made.number,
        reason=made.reason,
        detail={"population_digest": made.population_digest, "drawn": len(made.drawn)},
    )


def described(connection: Connection, store: Store, keys: Collection[str]) -> dict[str, str]:
    """What stands behind drawn keys, for whoever carries a check out: enterprises by name and code, certificates by
    number (masked), employer and city."""
    found = {key: f"{one.name} {one.code}" for key, one in parties.read(connection, store.vault, keys).items()}
    for record in records.newest_records(connection, store.vault, RecordKind.CERTIFICATE, keys):
        if isinstance(record.content, Certificate):
            employer = record.content.holder.employer
            parts = (mask(record.content.number), employer.name if employer else "", record.content.assessment_region)
            found[record.key] = " ".join(part for part in parts if part)
    return found
