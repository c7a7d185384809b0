"""Which deliveries share a request. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gateway.contract.connector import ConnectorInfo
from gateway.contract.messages import Payload
from gateway.delivery.rules.work import Claimed
from gateway.domain.records import RecordKind


@dataclass(frozen=True, kw_only=True)
class Message:
    """Deliveries that travel in one request."""

    kind: RecordKind
    carries: tuple[Claimed, ...]
    payloads: tuple[Payload, ...]
    message_id: str | None


def messages(
    info: ConnectorInfo, good: Sequence[tuple[Claimed, Payload]], *, most: Callable[[Payload], int] | None = None
) -> Iterator[Message]:
    """Group deliveries into requests.

    most: how many payloads may share a request with one like this, where they differ in that

    A message whose outcome is unknown is sent again whole and under its old id, so that the platform can recognise it;
    where some of its deliveries are missing by now, the rest travels as new ones. What is new to the platform and
    what changes something there never share a request, because the platform may have a call for each. Deliveries of a
    message that was refused as a whole travel in ever smaller ones.
    """
    again: dict[tuple[RecordKind, str], list[tuple[Claimed, Payload]]] = {}
    fresh: dict[RecordKind, list[tuple[Claimed, Payload]]] = {}
    for item, payload in good:
        if item.message_id is not None:
            again.setdefault((payload.kind, item.message_id), []).append((item, payload))
        else:
            fresh.setdefault(payload.kind, []).append((item, payload))
    for (kind, message_id), group in again.items():
        if len(group) == group[0][0].message_size:
            yield _message(kind, group, message_id)
        else:
            fresh.setdefault(kind, []).extend(group)
    for kind, replaces in itertools.product(RecordKind, (False, True)):
        alike: dict[int, list[tuple[Claimed, Payload]]] = {}
        for item, payload in fresh.get(kind, []):
            if payload.replaces is replaces:
                largest = min(info.kinds[kind].batch_max, most(payload) if most else info.kinds[kind].batch_max)
                alike.setdefault(min(item.message_limit or largest, largest), []).append((item, payload))
        for size, group in alike.items():
            for start in range(0, len(group), size):
                yield _message(kind, group[start : start + size], None)


def _message(kind: RecordKind, group: Sequence[tuple[Claimed, Payload]], message_id: str | None) -> Message:
    ordered = sorted(group, key=lambda pair: pair[0].id)
    return Message(
        kind=kind,
        carries=tuple(c for c, _ in ordered),
        payloads=tuple(p for _, p in ordered),
        message_id=message_id,
    )
