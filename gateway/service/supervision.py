"""Supervision by random check: draw, write down, give to people, and draw again to prove it."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.codec.codes import table
from gateway.codec.redact import clean
from gateway.domain.credit import TicketKind
from gateway.domain.errors import InputError
from gateway.domain.periods import CHINA
from gateway.domain.supervision import METHOD, Checker, Population, draw, read_checkers, sample_size
from gateway.domain.tickets import DUTIES
from gateway.service.own_decisions import Officer
from gateway.store import draws
from gateway.store.archive_answers import Scope
from gateway.store.archive_rows import CENTRE
from gateway.store.archive_streams import lock_feed
from gateway.store.archive_subjects import ENTERPRISE
from gateway.store.control import note
from gateway.store.draws import Draw
from gateway.store.engine import Connection, Store
from gateway.store.parties import party_key

KINDS = ("enterprises", "cities", "certificates")
_DIGITS = 6


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


def read_checker_file(path: Path) -> list[Checker]:
    """Checkers of a CSV with the columns ``checker`` and ``avoids``."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            return read_checkers(csv.DictReader(handle))
    except (OSError, ValueError, KeyError):
        raise InputError(f"{path.name}: not a CSV in UTF-8 with a column 'checker'") from None


def population(connection: Connection, store: Store, order: Order) -> Population:
    """The objects of an order as the store knows them now."""
    if order.of == "enterprises":
        objects = draws.enterprises(connection)
    elif order.of == "certificates":
        objects = draws.certificates(connection, store.vault, None if order.around is None else {order.around})
    elif order.of == "cities":
        codes = [row["code"] for row in table("division_shandong").rows]
        objects = {code: frozenset[str]() for code in codes if len(code) == _DIGITS and code.endswith("00")}
    else:
        raise InputError(f"what is drawn is one of: {', '.join(KINDS)}")
    if order.around is not None:
        objects = {name: groups for name, groups in objects.items() if order.around in {name, *groups}}
    excluded = {_name(store, order.of, name): why for name, why in order.excluded.items()}
    strangers = sorted(set(excluded) - set(objects))
    if strangers:
        raise InputError(f"{len(strangers)} excluded objects are not in the population")
    return Population(objects=objects, excluded=excluded)


def make_draw(store: Store, order: Order, officer: Officer, *, number: str) -> Draw:
    """Draw, keep it with all that is needed to draw again, and open a ticket for each object."""
    with store.write() as connection:
        _, at = lock_feed(connection, CENTRE, officer.now)
        scope = Scope(connection=connection, vault=store.vault, platform=CENTRE, at=at)
        found = population(connection, store, order)
        if not found.drawable:
            raise InputError("there is nothing to draw from")
        count = sample_size(order.ratio, len(found.drawable))
        days = DUTIES[TicketKind.CHECK].days
        made = Draw(
            number=number,
            at=at,
            actor=officer.by,
            reason=clean(order.reason),
            seed=order.seed,
            method=METHOD,
            of=order.of if order.around is None else f"{order.of} of {order.around}",
            population_digest=found.digest,
            population=len(found.objects),
            ratio=order.ratio,
            excluded=dict(found.excluded),
            checkers={one.name: sorted(one.avoids) for one in order.checkers},
            drawn=tuple(draw(order.seed, found, count, order.checkers)),
            due_on=officer.calendar.due(at.astimezone(CHINA).date(), days),
        )
        draws.keep(scope, made)
        note(
            connection,
            at=at,
            actor=officer.by,
            action="supervise_draw",
            subject=number,
            reason=clean(order.reason),
            detail={"population_digest": made.population_digest, "drawn": len(made.drawn)},
        )
    return made


def draw_again(store: Store, made: Draw) -> bool | None:
    """Whether drawing again gives the same; None where the population is another one by now."""
    of, _, around = made.of.partition(" of ")
    checkers = [Checker(name=name, avoids=frozenset(avoids)) for name, avoids in sorted(made.checkers.items())]
    order = Order(of=of, ratio=made.ratio, seed=made.seed, reason="", checkers=checkers, around=around or None)
    with store.read() as connection:
        found = population(connection, store, order)
    found = Population(
        objects=found.objects, excluded={name: why for name, why in made.excluded.items() if name in found.objects}
    )
    if found.digest != made.population_digest:
        return None
    count = sample_size(made.ratio, len(found.drawable))
    return tuple(draw(made.seed, found, count, checkers)) == tuple(made.drawn)


def _name(store: Store, of: str, name: str) -> str:
    is_code = of == "enterprises" and len(name) != len(party_key(store.vault, ENTERPRISE, ""))
    return party_key(store.vault, ENTERPRISE, name) if is_code else name
