"""What would be sent: the payloads that are due, masked; nothing is leased and nothing leaves."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from gateway.codec.redact import clean
from gateway.contract.connector import Connector
from gateway.contract.messages import Problems
from gateway.domain.records import Submission
from gateway.service.outcome import names
from gateway.store.engine import Store
from gateway.store.ledger import due_now


def preview(store: Store, connector: Connector, limit: int, now: datetime) -> list[dict[str, Any]]:
    """The first ``limit`` due deliveries with their payload as text, or with what the check would refuse."""
    with store.read() as connection:
        due = due_now(connection, store.vault, connector.info.platform, limit, now)
    shown = []
    for item in due:
        submission = Submission(platform=connector.info.platform, record=item.record, replaces=item.replaces)
        checked = item.payload or connector.check(submission, connector.map(submission))
        people = names(item.record.content)
        refused = [f"{p.field}: {p.message}" for p in checked.items] if isinstance(checked, Problems) else []
        fields = None if isinstance(checked, Problems) else json.dumps(checked.fields, ensure_ascii=False)
        shown.append(
            {
                "delivery": item.id,
                "kind": item.record.kind,
                "record_key": item.record.key,
                "version": item.record.version,
                "payload": None if fields is None else clean(fields, *people),
                "problems": refused,
            }
        )
    return shown
