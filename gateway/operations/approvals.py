"""The one place where an act asks for a second person: it may run, or a request stands until another has decided.

What was approved is what runs: the request carries a digest of the act and all its parameters, and an approval is used
up, once, before the act begins. An act that is killed half-way asks again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.actor import Person
from gateway.domain.approvals import GuardedAct, Request, Standing, asks
from gateway.operations.rules.evidence import canonical
from gateway.operations.store import approvals
from gateway.store.engine import Store

_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class FourEyes:
    """What the settings say: the acts named, how many transmissions go without, how long a request stands."""

    named: frozenset[GuardedAct]
    most: int
    lasts: timedelta


@dataclass(frozen=True, kw_only=True)
class Permit:
    """Whether an act may run.

    request: the request that stands, where it may not; the one that was used up, where it may; None where nobody was
             asked for
    """

    granted: bool
    request: Request | None = None

    def as_of(self, now: datetime) -> datetime:
        """The moment for which the act was approved; now, where nobody was asked for."""
        return now if self.request is None else self.request.asked_at


def digest_of(act: GuardedAct, parameters: Mapping[str, Any]) -> str:
    """SHA-256, hex, of an act and all that decides what it does."""
    return hashlib.sha256(canonical([act, dict(parameters)]).encode()).hexdigest()


def permit(
    store: Store,
    rules: FourEyes,
    person: Person,
    now: datetime,
    *,
    act: GuardedAct,
    parameters: Mapping[str, Any],
    subject: str,
    reason: str,
    size: int = 0,
    about: Callable[[], Mapping[str, Any]] = dict,
) -> Permit:
    """Let an act run, or ask: the same person asking for the same again finds the request that stands."""
    with store.read() as connection:
        demanded = approvals.demanded(connection)
        before = approvals.touched_before(connection, act, person, now - _DAY) if size else 0
    most = min(rules.most, demanded.get(act, rules.most))
    if not asks(act, rules.named | set(demanded), size=size, before=before, most=most):
        return Permit(granted=True)
    told = about()
    with store.write() as connection:
        request = approvals.ask(
            connection,
            act,
            digest_of(act, {**parameters, "reason": reason}),
            person,
            now,
            subject=subject,
            reason=reason,
            detail={**told, **({"transmissions": size} if size else {})},
            lasts=rules.lasts,
        )
        granted = request.standing(now) is Standing.APPROVED and approvals.use(connection, store.vault, request.id, now)
    return Permit(granted=granted, request=request)
