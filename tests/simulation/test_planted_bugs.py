"""Each safety of the delivery core, switched off, is missed: the simulation finds the bug within a stated budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from gateway.contract.messages import Verdict
from gateway.delivery import push
from gateway.delivery.rules.work import Conclusion, Opening, Settlement
from gateway.delivery.store import exchanges, ledger, owing, platforms, seats, settlement
from gateway.delivery.store.seats import Door, Share
from gateway.delivery.store.settlement import LockedRows
from gateway.domain.states import Event
from gateway.store.batch_sql import WriteSet
from gateway.store.engine import Connection
from gateway.store.vault import Vault
from tests.support.simulation import Outcome

pytestmark = pytest.mark.slow

Run = Callable[[int], Outcome]
BUDGET = 100
"""seeds within which every planted bug is found: as many as `make test` runs"""


def attempts_written_after_the_answer(patch: pytest.MonkeyPatch) -> None:
    """Nothing is on record while a request is under way."""
    open_really, conclude_really = exchanges.open_exchanges, exchanges.conclude
    put_off: dict[int, Opening] = {}

    def open_later(
        vault: Vault, openings: Sequence[Opening], *, locked: LockedRows, writes: WriteSet
    ) -> list[tuple[int, list[int]]]:
        opened = []
        for opening in openings:
            if opening.purpose != "push":
                opened += open_really(vault, [opening], locked=locked, writes=writes)
                continue
            number = -1 - len(put_off)
            put_off[number] = opening
            opened.append((number, [number] * len(opening.carries)))
        return opened

    def conclude_with_attempts(
        c: Connection,
        vault: Vault,
        conclusions: Sequence[Conclusion],
        platform: str,
        *,
        locked: LockedRows,
        writes: WriteSet,
    ) -> list[tuple[bool, ...]]:
        real = []
        for one in conclusions:
            if one.closing.exchange_id > 0:
                real.append(one)
                continue
            late, at_once = [put_off[one.closing.exchange_id]], WriteSet()
            locked_late = exchanges.lock_for(c, platform, late)
            [(number, attempts)] = open_really(vault, late, locked=locked_late, writes=at_once)
            at_once.execute(c)
            settlements = tuple(
                replace(s, claimed=replace(s.claimed, attempt_id=attempt))
                for s, attempt in zip(one.settlements, attempts, strict=False)
            )
            closing = replace(one.closing, exchange_id=number)
            if settlements:
                real.append(Conclusion(closing=closing, settlements=settlements))
        settled = iter(conclude_really(c, vault, real, platform, locked=locked, writes=writes) if real else ())
        return [next(settled, ()) for _ in conclusions]

    patch.setattr(platforms, "open_exchanges", open_later)
    patch.setattr(exchanges, "conclude", conclude_with_attempts)


def settled_without_a_fence(patch: pytest.MonkeyPatch) -> None:
    """A late worker overwrites what others have found out."""
    settling_really = settlement.settling

    def settle_anyway(c: Connection, settlements: Sequence[Settlement], *args: Any, **kwargs: Any) -> list[bool]:
        believed = {s.claimed.id: (s.claimed.fence, s.claimed.state) for s in settlements}
        return settling_really(c, settlements, *args, **kwargs | {"held": believed})

    patch.setattr(settlement, "settling", settle_anyway)
    patch.setattr(exchanges, "settling", settle_anyway)


def unknown_outcomes_tried_again(patch: pytest.MonkeyPatch) -> None:
    """A request without an answer is sent again without asking."""
    after_push = push.after_push

    def optimist(claimed: Any, verdict: Verdict, *args: Any, **kwargs: Any) -> Settlement:
        event = Event.RETRY if verdict.event is Event.IN_DOUBT else verdict.event
        return after_push(claimed, replace(verdict, event=event), *args, **kwargs)

    patch.setattr(push, "after_push", optimist)


def leases_without_an_end(patch: pytest.MonkeyPatch) -> None:
    """What a lost worker held is held for ever."""

    def nothing_lost(_c: Connection, **_: Any) -> dict[Any, int]:
        return {}

    patch.setattr(ledger, "sweep", nothing_lost)


def certificates_that_do_not_wait_for_their_person(patch: pytest.MonkeyPatch) -> None:
    """A certificate is sent although its person is not there yet."""
    patch.setattr(owing, "_wait_for_person", lambda *_: None)


def connections_counted_by_each_process(patch: pytest.MonkeyPatch) -> None:
    """Every worker takes all connections of the platform for its own."""

    def all_mine(_c: Connection, door: Door, *, want: int, now: datetime, **_: Any) -> Share:
        return Share(seats=want, until=now + door.lease, short=False)

    patch.setattr(seats, "share", all_mine)


@pytest.mark.parametrize(
    ("plant", "found_as"),
    [
        (attempts_written_after_the_answer, ("I2", "I11")),
        (settled_without_a_fence, ("I12", "I2")),
        (unknown_outcomes_tried_again, ("I2",)),
        (leases_without_an_end, ("I1",)),
        (certificates_that_do_not_wait_for_their_person, ("I4",)),
        (connections_counted_by_each_process, ("I10",)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_bug_is_found(
    run_seed: Run,
    monkeypatch: pytest.MonkeyPatch,
    plant: Callable[[pytest.MonkeyPatch], None],
    found_as: tuple[str, ...],
) -> None:
    plant(monkeypatch)
    for seed in range(BUDGET):
        if any(sentence.startswith(found_as) for sentence in run_seed(seed).broken):
            return
    pytest.fail(f"{BUDGET} seeds did not notice")
