"""Judge every acceptance once more, from the bytes that are stored: what was read once must read the same again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, select

from gateway.codec.replies import judge_reply
from gateway.contract.connector import Connector, LooksUp, PollsAcks
from gateway.contract.messages import Stamp, Verdict, WireResponse
from gateway.domain.delivery import Event, State
from gateway.store.ledger import Claimed, load
from gateway.store.tables import attempt, delivery, exchange, verdict
from gateway.store.vault import Vault

_NO_NONCE = bytes(16)


def unproven(connection: Connection, vault: Vault, connector: Connector) -> Iterator[str]:
    """Sentences about acceptances whose stored reply the connector would not accept now.

    A reply is judged with the media type of the platform and no other header, because headers are not stored.
    """
    failed = 0
    for exchange_id, accepted in _proofs(connection, connector.info.platform).items():
        carried = _carried(connection, vault, exchange_id)
        row = connection.execute(select(exchange).where(exchange.c.id == exchange_id)).mappings().one()
        verdicts = _judge(dict(row), vault, connector, carried)
        events = {item.id: given.event for item, given in zip(carried, verdicts, strict=False)}
        failed += sum(1 for delivery_id in accepted if events.get(delivery_id) is not Event.ACCEPTED)
    if failed:
        yield f"I3: {failed} acceptances rest on a reply that is not accepted when it is read again"


def _proofs(connection: Connection, platform: str) -> dict[int, list[int]]:
    """Exchange -> the deliveries that its answer made accepted."""
    rows = connection.execute(
        select(attempt.c.exchange_id, attempt.c.delivery_id)
        .join(verdict, verdict.c.attempt_id == attempt.c.id)
        .join(delivery, delivery.c.id == attempt.c.delivery_id)
        .where(
            delivery.c.platform == platform,
            delivery.c.state == State.ACCEPTED,
            verdict.c.event == Event.ACCEPTED,
            verdict.c.applied,
        )
        .order_by(attempt.c.exchange_id)
    )
    found: dict[int, list[int]] = {}
    for row in rows:
        found.setdefault(row.exchange_id, []).append(row.delivery_id)
    return found


def _carried(connection: Connection, vault: Vault, exchange_id: int) -> list[Claimed]:
    """The deliveries of an exchange in their order on the wire."""
    ids = connection.execute(
        select(attempt.c.delivery_id).where(attempt.c.exchange_id == exchange_id).order_by(attempt.c.position)
    ).scalars()
    order = {number: place for place, number in enumerate(ids)}
    return sorted(load(connection, vault, list(order)), key=lambda item: order[item.id])


def _judge(row: dict[str, Any], vault: Vault, connector: Connector, carried: list[Claimed]) -> tuple[Verdict, ...]:
    payloads = [item.payload for item in carried if item.payload is not None]
    if row["response"] is None or len(payloads) != len(carried):
        return ()
    response = WireResponse(
        status=row["status"],
        headers={"content-type": min(connector.info.reply_media_types)},
        body=vault.open(row["response"], f"exchange.response:{row['id']}"),
    )
    stamp = Stamp(message_id=row["message_id"], now=row["opened_at"], nonce=_NO_NONCE)
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
