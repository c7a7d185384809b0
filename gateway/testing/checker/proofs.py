"""Judge every acceptance once more, from the bytes that are stored: what was read once must read the same again."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from gateway.codec.replies import judge_reply
from gateway.contract.connector import Connector, LooksUp, PollsAcks
from gateway.contract.messages import Verdict, WireResponse
from gateway.delivery.rules.work import Claimed
from gateway.delivery.store.exchanges import headers_of, open_body, stamp_of
from gateway.delivery.store.ledger import load
from gateway.delivery.store.tables import attempt, delivery, exchange, verdict
from gateway.domain.errors import StoreError
from gateway.domain.states import Event, State
from gateway.operations.store.retention import cleared
from gateway.store.vault import Vault

_AT_ONCE = 500
"""exchanges that are read together"""


def unproven(connection: Connection, vault: Vault, connector: Connector) -> Iterator[str]:
    """Sentences about acceptances whose stored reply the connector would not accept now.

    Those whose time was over (retention) are passed over.
    """
    failed = sum(1 for _ in not_accepted(connection, vault, connector, cleared(connection, exchange)))
    if failed:
        yield f"I3: {failed} acceptances rest on a reply that is not accepted when it is read again"


def not_accepted(
    connection: Connection, vault: Vault, connector: Connector, gone: Container[int]
) -> Iterator[tuple[int, int]]:
    """(exchange, delivery) of acceptances whose stored reply the connector would not accept now.

    gone: exchanges whose bytes retention has cleared
    A reply without headers is judged with the platform's media type; one that is signed in a header is not accepted.
    """
    for proofs in _proofs(connection, connector.info.platform):
        wanted = [number for number in proofs if number not in gone]
        rows = connection.execute(select(exchange).where(exchange.c.id.in_(wanted))).mappings()
        by_id = {row["id"]: dict(row) for row in rows}
        try:
            together = _carried(connection, vault, wanted)
        except StoreError:  # one of them does not open: each by itself
            together = {}
        for exchange_id in wanted:
            row, carried = by_id[exchange_id], together.get(exchange_id, [])
            try:
                carried = carried or carried_by(connection, vault, exchange_id)
                kept = reply_of(row, vault, connector)
                verdicts = () if kept is None else judge(kept, row, vault, connector, carried)
            except StoreError:  # it does not open: nobody's answer
                verdicts = ()
            events = {item.id: given.event for item, given in zip(carried, verdicts, strict=False)}
            for number in proofs[exchange_id]:
                if events.get(number) is not Event.ACCEPTED:
                    yield exchange_id, number


def _proofs(connection: Connection, platform: str) -> Iterator[dict[int, list[int]]]:
    """Exchange -> the deliveries that its answer made accepted, some exchanges at a time."""
    after = 0
    while True:
        reach = select(exchange.c.id).where(exchange.c.id > after).order_by(exchange.c.id).limit(_AT_ONCE)
        ids = connection.execute(reach).scalars().all()
        if not ids:
            return
        rows = connection.execute(
            select(attempt.c.exchange_id, attempt.c.delivery_id)
            .join(verdict, verdict.c.attempt_id == attempt.c.id)
            .join(delivery, delivery.c.id == attempt.c.delivery_id)
            .where(
                attempt.c.exchange_id.between(ids[0], ids[-1]),
                delivery.c.platform == platform,
                delivery.c.state == State.ACCEPTED,
                verdict.c.event == Event.ACCEPTED,
                verdict.c.applied,
            )
            .order_by(attempt.c.exchange_id)
        )
        found: dict[int, list[int]] = {}
        for exchange_id, delivery_id in rows.all():
            found.setdefault(exchange_id, []).append(delivery_id)
        if found:
            yield found
        after = ids[-1]


def _carried(connection: Connection, vault: Vault, exchange_ids: Sequence[int]) -> dict[int, list[Claimed]]:
    """The deliveries of each exchange in their order on the wire."""
    placed = select(attempt.c.exchange_id, attempt.c.delivery_id).where(attempt.c.exchange_id.in_(exchange_ids))
    rows = connection.execute(placed.order_by(attempt.c.exchange_id, attempt.c.position)).all()
    loaded = {one.id: one for one in load(connection, vault, sorted({number for _, number in rows}))}
    found: dict[int, list[Claimed]] = {number: [] for number in exchange_ids}
    for exchange_id, number in rows:
        if number in loaded:
            found[exchange_id].append(loaded[number])
    return found


def carried_by(connection: Connection, vault: Vault, exchange_id: int) -> list[Claimed]:
    """The deliveries of an exchange in their order on the wire."""
    return _carried(connection, vault, [exchange_id])[exchange_id]


def reply_of(row: Mapping[str, Any], vault: Vault, connector: Connector) -> WireResponse | None:
    """The answer as it was kept in a row of table ``exchange``; None where none was."""
    if row["response"] is None:
        return None
    headers = headers_of(row, vault)
    return WireResponse(
        status=row["status"],
        headers={"content-type": min(connector.info.reply_media_types)} if headers is None else headers.kept,
        body=open_body(vault, row["response"], f"exchange.response:{row['id']}"),
    )


def judge(
    response: WireResponse, row: Mapping[str, Any], vault: Vault, connector: Connector, carried: Sequence[Claimed]
) -> tuple[Verdict, ...]:
    """What an answer to the request of this row would mean for what it carried; nothing where it cannot be judged."""
    payloads = [item.payload for item in carried if item.payload is not None]
    if len(payloads) != len(carried):
        return ()
    stamp = stamp_of(row, vault)
    if judge_reply(response, connector.info, replay_safe=False, now=stamp.now) is not None:
        return ()
    found: Any = ()
    if row["purpose"] == "push":
        found = connector.decode_push(response, payloads, stamp)
    elif row["purpose"] == "poll" and isinstance(connector, PollsAcks):
        found = connector.decode_ack(response, carried[0].receipt or "", payloads, stamp)
    elif row["purpose"] == "lookup" and isinstance(connector, LooksUp):
        found = (connector.decode_lookup(response, payloads[0], stamp),)
    return tuple(found)
