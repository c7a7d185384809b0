"""Make a certificate valid again that a credit record had voided wrongly, without a ticket: a person's act, audited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.domain.errors import InputError
from gateway.store import tickets
from gateway.store.archive_answers import Scope
from gateway.store.archive_rows import CENTRE
from gateway.store.archive_streams import lock_feed
from gateway.store.engine import Store
from gateway.store.reinstating import Reinstated, certificate_named, ground_of
from gateway.store.reinstating import reinstate as bring_back

BY_HAND = "reinstate"
"""under which name a person's finding stands that no ticket asked for"""


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a person asks for.

    certificate:  its key or number
    wrong_person: the record that voided it is about nobody we hold; it counts no longer for whom it was matched with
    """

    certificate: str
    reason: str
    by: str
    wrong_person: bool = False


def reinstate(store: Store, given: Given, now: datetime) -> Reinstated:
    """Make it valid again; raises InputError where a ground still stands, or no credit record had voided it.

    Done a second time, nothing changes.
    """
    if not given.reason.strip():
        raise InputError("making a certificate valid again needs a reason")
    with store.write() as connection:
        _, at = lock_feed(connection, CENTRE, now)
        scope = Scope(connection=connection, vault=store.vault, platform=CENTRE, at=at)
        key = certificate_named(scope, given.certificate)
        ground = ground_of(scope, key) if given.wrong_person else None
        if ground is not None:
            _, there = lock_feed(connection, ground.platform, at)
            scope = Scope(connection=connection, vault=store.vault, platform=ground.platform, at=there)
            tickets.rule(scope, ground.record_id, None, number=BY_HAND, by=given.by)
        return bring_back(scope, key, reason=given.reason, by=given.by)
