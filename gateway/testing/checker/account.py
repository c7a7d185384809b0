"""The account of a run: our counts beside the platforms' own, and every contradiction between them in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.contract.connector import Connector
from gateway.delivery.store import views
from gateway.domain.states import State
from gateway.store.engine import Store
from gateway.testing.checker.invariants import broken

_SHOWN = {
    "accepted": (State.ACCEPTED,),
    "awaiting": (State.AWAITING_ACK,),
    "in_doubt": (State.IN_DOUBT,),
    "parked": (State.PARKED,),
    "rejected": (State.REJECTED,),
    "waiting": (State.QUEUED, State.SENDING, State.HELD),
    "superseded": (State.SUPERSEDED,),
}


def of_run(
    store: Store,
    *,
    batch: Mapping[str, Any],
    effects: Mapping[str, Mapping[str, Any]],
    seen: Mapping[str, Sequence[Mapping[str, Any]]],
    result: Mapping[str, Any],
    connectors: Mapping[str, Connector],
) -> dict[str, Any]:
    """One document: batch, platforms, the sandboxes' own effects, feedback, reconciliation and what does not add up.

    effects, seen:  by platform, from ``/__sandbox/effects`` and ``/__sandbox/requests``
    result:         what the flow ``sync`` returned
    connectors:     by platform; every acceptance is judged again by them
    """
    with store.read() as connection:
        counted = {one.platform: one for one in views.counts(connection)}
        problems = [
            f"{name}: {sentence}"
            for name in effects
            for sentence in broken(
                connection, name, effects[name], seen[name], vault=store.vault, connector=connectors[name]
            )
        ]
    platforms: dict[str, dict[str, int]] = {}
    for name in effects:
        states = counted[name].states if name in counted else {}
        platforms[name] = {"deliveries": sum(states.values())} | {
            shown: sum(states.get(state, 0) for state in members) for shown, members in _SHOWN.items()
        }
    reconciled = {
        name: {"ours": r["ours"], "theirs": r["theirs"], "classes": r["classes"], "total": sum(r["classes"].values())}
        for name, r in result["reconcile"].items()
    }
    problems += [
        f"{name}: the classes do not cover our side" for name, r in reconciled.items() if r["total"] < r["ours"]
    ]
    feedback = {
        key: sum(int(one.get(key) or 0) for one in result["feedback"].values())
        for key in ("pulled", "applied", "unmatched", "conflicts")
    }
    return {
        "batch": dict(batch),
        "platforms": platforms,
        "sandbox_effects": {name: dict(one["counts"]) for name, one in effects.items()},
        "feedback": feedback,
        "reconcile": reconciled,
        "adds_up": {"problems": problems},
    }
