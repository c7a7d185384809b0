"""What a replay plan will do, told before it is let go: order, requests, shortest time, and the first payloads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gateway.codec.redact import clean, masked_subject
from gateway.contract.connector import Connector
from gateway.contract.messages import Payload, Problems
from gateway.delivery.connector_guard import checked
from gateway.delivery.rules.outcome import names
from gateway.delivery.rules.pacing import requests_for, shortest
from gateway.delivery.rules.work import Claimed
from gateway.delivery.store import ledger, replays
from gateway.delivery.store.replays import Plan, ReplayMapping
from gateway.domain.records import RecordKind, Submission
from gateway.domain.states import State
from gateway.store.engine import Store


@dataclass(frozen=True, kw_only=True)
class PlanOutlook:
    """requests, seconds: by platform, for what is still to go; platforms are sent to side by side

    first: the payloads that go first, masked: as they were sent (``before``) and as they will be (``payload``), with
           what the check refuses (``problems``) and the platform's fields in which they differ (``changed``)
    """

    requests: dict[str, int]
    seconds: dict[str, float]
    first: list[dict[str, Any]]


def outlook(store: Store, connectors: Mapping[str, Connector], plan: Plan, limit: int) -> PlanOutlook:
    """Look ahead; nothing is changed. A platform whose connector is gone has no times and no payloads."""
    with store.read() as connection:
        counted = replays.kinds_of(connection, plan.id)
        first = ledger.load(connection, store.vault, replays.first_of(connection, plan.id, limit))
    requests, took = {}, {}
    for name in sorted({platform for platform, _ in counted} & connectors.keys()):
        here = {RecordKind(kind): count for (platform, kind), count in counted.items() if platform == name}
        requests[name] = requests_for(here, connectors[name].info)
        took[name] = shortest(requests[name], connectors[name].endpoint)
    return PlanOutlook(
        requests=requests,
        seconds={name: one / timedelta(seconds=1) for name, one in took.items()},
        first=[_shown(item, connectors, plan) for item in first if item.business_key.partition("/")[0] in connectors],
    )


def _shown(item: Claimed, connectors: Mapping[str, Connector], plan: Plan) -> dict[str, Any]:
    platform = item.business_key.partition("/")[0]
    mapping = plan.chosen_by.get("mapping")
    anew = mapping == ReplayMapping.CURRENT or (mapping is None and item.state is State.REJECTED)
    submission = Submission(platform=platform, record=item.record, replaces=item.replaces)
    going = checked(connectors[platform], submission) if anew or item.payload is None else item.payload
    people = names(item.record.content)
    refused: list[str] = []
    if isinstance(going, Problems):
        refused = [f"{problem.field}: {problem.message}" for problem in going.items]
    elif not isinstance(going, Payload):
        refused = [f"{going.code}: {going.reason}"]
    after = going if isinstance(going, Payload) else None
    return {
        "delivery": item.id,
        "platform": platform,
        "kind": item.record.kind,
        "whom": masked_subject(item.record.content),
        "before": _text(item.payload, people),
        "payload": _text(after, people),
        "changed": [] if item.payload is None or after is None else _changed(item.payload, after),
        "problems": refused,
    }


def _text(payload: Payload | None, people: tuple[str, ...]) -> str | None:
    return None if payload is None else clean(json.dumps(payload.fields, ensure_ascii=False, default=dict), *people)


def _changed(before: Payload, after: Payload) -> list[str]:
    fields = {**before.fields, **after.fields}
    return [name for name in fields if before.fields.get(name) != after.fields.get(name)]
