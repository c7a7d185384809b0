"""The safeties of delivery that can be switched off one at a time, to see that their absence is noticed.

``gateway selftest --without`` does it in its own worker processes, on its own store and its simulated platform; nothing
else can. Each is put out of action where it lives, by replacing the function that is the safety.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gateway.contract.messages import Verdict
from gateway.delivery import exchanger, push
from gateway.delivery.rules.outcome import after_push
from gateway.delivery.rules.work import Claimed, Conclusion, Opening, Settlement
from gateway.delivery.store import exchanges, ledger, owing, platforms, seats, settlement
from gateway.delivery.store.seats import Door, Share
from gateway.delivery.store.settlement import LockedRows
from gateway.domain.states import Event, State
from gateway.store.batch_sql import WriteSet
from gateway.store.engine import Connection
from gateway.store.vault import Vault
from gateway.testing import model

Replace = Callable[[object, str, object], None]
"""puts a value in the place of a module's name, as ``setattr`` does"""


@dataclass(frozen=True, kw_only=True)
class Safety:
    """One safety: what it sees to, how its absence shows, and how it is switched off.

    noticed_as:  beginnings of the sentences of the checker, any of which is the red line
    """

    title: str
    title_zh: str
    noticed_as: tuple[str, ...]
    off: Callable[[Replace], None]


def _written_after_the_answer(put: Replace) -> None:
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

    put(platforms, "open_exchanges", open_later)
    put(exchanges, "conclude", conclude_with_attempts)


def _settled_without_a_fence(put: Replace) -> None:
    settling_really = settlement.settling

    def settle_anyway(c: Connection, settlements: Sequence[Settlement], *args: Any, **kwargs: Any) -> list[bool]:
        believed = {s.claimed.id: (s.claimed.fence, s.claimed.state) for s in settlements}
        return settling_really(c, settlements, *args, **kwargs | {"held": believed})

    put(settlement, "settling", settle_anyway)
    put(exchanges, "settling", settle_anyway)


def _sent_again_without_asking(put: Replace) -> None:
    def optimist(claimed: Claimed, verdict: Verdict, *args: Any, **kwargs: Any) -> Settlement:
        event = Event.RETRY if verdict.event is Event.IN_DOUBT else verdict.event
        return after_push(claimed, replace(verdict, event=event), *args, **kwargs)

    put(push, "after_push", optimist)


def _nothing_taken_back(put: Replace) -> None:
    def nothing_lost(_c: Connection, **_: Any) -> dict[State, int]:
        return {}

    put(ledger, "sweep", nothing_lost)


def _certificates_first(put: Replace) -> None:
    put(owing, "_wait_for_person", lambda *_: None)


def _versions_at_once(put: Replace) -> None:
    put(owing, "_supersede_older", lambda *_: None)
    put(owing, "_wait_for_older", lambda *_: None)


def _all_connections_to_each(put: Replace) -> None:
    def all_mine(_c: Connection, door: Door, *, want: int, now: datetime, **_: Any) -> Share:
        return Share(seats=want, until=now + door.lease, short=False)

    put(seats, "share", all_mine)


def _any_answer_believed(put: Replace) -> None:
    def believed(code: str, _reason: str, **_: Any) -> Verdict:
        return Verdict(event=Event.ACCEPTED, code=code)

    put(exchanger, "judge_reply", lambda *_args, **_kwargs: None)
    put(model, "not_understood", believed)


SAFETIES: Mapping[str, Safety] = {
    "written-first": Safety(
        title="an exchange and its attempts are committed before the first byte leaves",
        title_zh="先把收发和投递记录提交到库，再发出第一个字节",
        noticed_as=("I2", "I11"),
        off=_written_after_the_answer,
    ),
    "fencing": Safety(
        title="a worker whose lease was taken over settles nothing any more",
        title_zh="租约已被接管的进程，其结果不再生效",
        noticed_as=("I12", "I2"),
        off=_settled_without_a_fence,
    ),
    "asking": Safety(
        title="a push of unknown outcome is asked about before it is sent again",
        title_zh="结果不明的推送，先查询，再决定是否重发",
        noticed_as=("I2",),
        off=_sent_again_without_asking,
    ),
    "taking-back": Safety(
        title="what a dead worker held is taken back",
        title_zh="进程死亡后，收回其占用的投递",
        noticed_as=("I1",),
        off=_nothing_taken_back,
    ),
    "persons-first": Safety(
        title="a certificate waits until its person is there",
        title_zh="人员入库之前，其证书等待",
        noticed_as=("I4",),
        off=_certificates_first,
    ),
    "version-order": Safety(
        title="a correction waits for the version before it, or takes its place",
        title_zh="更正须等上一版本完成，或取代上一版本",
        noticed_as=("I4",),
        off=_versions_at_once,
    ),
    "shared-connections": Safety(
        title="all workers together keep to the platform's number of connections",
        title_zh="各进程合计不超过平台允许的连接数",
        noticed_as=("I10",),
        off=_all_connections_to_each,
    ),
    "judging": Safety(
        title="only an answer that is the platform's own and whole is believed",
        title_zh="只相信完整且确属平台自身的答复",
        noticed_as=("I3", "I2"),
        off=_any_answer_believed,
    ),
}


@contextmanager
def switched_off(name: str | None) -> Iterator[None]:
    """Work without one safety for a while; with all where no name is given."""
    before: list[tuple[object, str, object]] = []

    def put(place: object, attribute: str, value: object) -> None:
        before.append((place, attribute, getattr(place, attribute)))
        setattr(place, attribute, value)

    if name:
        SAFETIES[name].off(put)
    try:
        yield
    finally:
        for place, attribute, value in reversed(before):
            setattr(place, attribute, value)
