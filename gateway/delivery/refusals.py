"""What platforms refused, as the data's owner can act on it: which fields of ours, why, and their own words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gateway.contract.connector import Connector
from gateway.contract.messages import Problem, Problems
from gateway.delivery.connector_guard import checked
from gateway.delivery.store.refused import RejectedDelivery, record_of, rejected
from gateway.domain.errors import ConnectorFault
from gateway.domain.records import Submission
from gateway.store.engine import Connection, Store

CHECK = "check"
"""code of what the check before sending refused"""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A rejected delivery with its reasons.

    title_zh: of the platform
    problems: one for each field that is to blame, by our field paths (``holder.birth_date``); one without a field
              where none was named. ``rule`` is the platform's code, or the broken rule of the check
    """

    delivery: RejectedDelivery
    title_zh: str
    problems: tuple[Problem, ...]


def refusals(
    store: Store,
    connection: Connection,
    connectors: Mapping[str, Connector],
    *,
    ids: Sequence[int] | None = None,
    keys: Collection[str] | None = None,
) -> list[Refusal]:
    """Of these deliveries or records, or of all; a platform whose connector is gone names fields as it did."""
    found = rejected(connection, ids=ids, keys=keys)
    return [_refusal(store, connection, connectors.get(one.platform), one) for one in found]


def _refusal(store: Store, connection: Connection, connector: Connector | None, one: RejectedDelivery) -> Refusal:
    if connector is None:
        return Refusal(delivery=one, title_zh=one.platform, problems=_told(one, one.fields, one.platform))
    title = connector.info.title_zh
    submission = Submission(platform=one.platform, record=record_of(connection, store.vault, one))
    if one.code == CHECK:
        again = checked(connector, submission)
        # where the check takes it by now, a code table or setting was mended: what it said then is all there is
        problems = again.items if isinstance(again, Problems) else _told(one, one.fields, title)
        return Refusal(delivery=one, title_zh=title, problems=problems)
    try:
        sources = connector.map(submission).sources
    except ConnectorFault:
        sources = {}
    fields = tuple(dict.fromkeys(our_field(name, sources) for name in one.fields))
    return Refusal(delivery=one, title_zh=title, problems=_told(one, fields, title))


def our_field(name: str, sources: Mapping[str, str]) -> str:
    """The field path of ours that a platform means; its own name where it cannot be told.

    A platform may name a field with less or more of its path than the record was written with.
    """
    if name in sources.values():
        return name
    path = name.replace("/", ".").strip(".")
    parts = path.split(".")
    for known in (path, *(".".join(parts[place:]) for place in range(1, len(parts)))):
        if known in sources:
            return sources[known]
    ends = {ours for theirs, ours in sources.items() if theirs.rpartition(".")[2] == parts[-1]}
    return ends.pop() if len(ends) == 1 else name


def _told(one: RejectedDelivery, fields: Sequence[str], title: str) -> tuple[Problem, ...]:
    english = f"refused by {one.platform} ({one.code}): {one.said}"
    chinese = f"{title}不接受（{one.code}）：“{one.said}”"
    return tuple(
        Problem(field=field, rule=one.code, message=english, message_zh=chinese) for field in (fields or ("",))
    )
