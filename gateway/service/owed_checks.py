"""Random checks that follow from void certificates (F26): other filings of the same enterprise and point, drawn once.

Nobody chooses what is drawn: a seed is made for each draw and kept with the digest of its population, so that anyone
can draw again. Each object becomes a ticket. The void certificate itself is not drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.domain.credit import TicketKind
from gateway.domain.periods import CHINA
from gateway.domain.records import Certificate, RecordKind
from gateway.domain.supervision import METHOD, Checker, Population, draw, sample_size
from gateway.domain.tickets import DUTIES
from gateway.domain.working_days import WorkCalendar
from gateway.store import draws, records
from gateway.store.archive_answers import GATEWAY, Scope
from gateway.store.archive_rows import CENTRE
from gateway.store.archive_streams import lock_feed
from gateway.store.control import note
from gateway.store.draws import Draw, Owed
from gateway.store.engine import Connection, Store
from gateway.store.grounds import resting_on

REASON = "certificate void: other filings of the same enterprise and verification point"
EXCLUDED = "the void certificate itself"
_MOST = 100
"""grounds that are drawn for at once; the population is read once for all of them"""
_SEED_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class Checks:
    """How checks are drawn: how many of how many, by whom, and what varies from draw to draw."""

    ratio: str
    checkers: Sequence[Checker]
    calendar: WorkCalendar
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    random_bytes: Callable[[int], bytes]


def draw_owed(store: Store, checks: Checks) -> int:
    """Draw what void certificates ask for; gives how many draws were made. A second call makes none again."""
    made = 0
    while True:
        with store.read() as connection:
            found = draws.owed(connection, _MOST)
            centres = {one: _centres(connection, store, one) for one in found}
            wanted = {name for names in centres.values() for name in names}
            objects = draws.certificates(connection, store.vault, wanted) if wanted else {}
        for one, names in centres.items():
            made += _keep(store, one, [d for name in names if (d := _draw(one, name, objects, checks))], checks.now())
        if len(found) < _MOST:
            return made


def _centres(connection: Connection, store: Store, owed: Owed) -> list[str]:
    """The enterprise and the verification point of a certificate that is still void; none where it is not."""
    void = [one.key for one in resting_on(connection, owed.platform, [owed.record_id])]
    if owed.certificate_key not in void:
        return []
    held = records.newest_records(connection, store.vault, RecordKind.CERTIFICATE, [owed.certificate_key])
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
        checkers={one.name: sorted(one.avoids) for one in checks.checkers},
        drawn=tuple(draw(seed, found, count, checks.checkers)),
        due_on=checks.calendar.due(at.astimezone(CHINA).date(), DUTIES[TicketKind.CHECK].days),
    )


def _keep(store: Store, owed: Owed, made: Sequence[Draw], now: datetime) -> int:
    """Keep the draws of one ground in one commit; gives how many, none where another process was first."""
    with store.write() as connection:
        _, at = lock_feed(connection, CENTRE, now)
        scope = Scope(connection=connection, vault=store.vault, platform=CENTRE, at=at)
        if not draws.keep_owed(scope, owed, made):
            return 0
        for one in made:
            detail = {"population_digest": one.population_digest, "drawn": len(one.drawn)}
            note(
                connection,
                at=at,
                actor=GATEWAY,
                action="supervise_draw",
                subject=one.number,
                reason=one.reason,
                detail=detail,
            )
    return len(made)
