"""How long so many requests take at the least, under the traffic a platform allows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from math import ceil

from gateway.contract.connector import ConnectorInfo, Endpoint
from gateway.domain.records import RecordKind


def requests_for(counts: Mapping[RecordKind, int], info: ConnectorInfo) -> int:
    """How many messages carry so many deliveries of each kind; a kind the platform takes no more goes one by one."""
    most = {kind: max(1, known.batch_max) for kind, known in info.kinds.items()}
    return sum(ceil(count / most.get(kind, 1)) for kind, count in counts.items())


def shortest(requests: int, endpoint: Endpoint) -> timedelta:
    """The time from the first of the requests to the last, by pace and budget; answers and pauses come on top."""
    if requests < 2:
        return timedelta()
    each = endpoint.pace.interval
    budget = endpoint.traffic.budget
    if budget is not None:
        each = max(each, budget.window / budget.requests)
    return each * (requests - 1)
