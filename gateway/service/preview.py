"""What would be sent: the payloads that are due, masked; nothing is leased and nothing leaves."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from gateway.codec.redact import redact
from gateway.contract.connector import Connector
from gateway.contract.messages import Payload, Problems, Verdict
from gateway.domain.records import Submission
from gateway.service.guarding import checked
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
        found = item.payload or checked(connector, submission)
        people = names(item.record.content)
        refused = [f"{p.field}: {p.message}" for p in found.items] if isinstance(found, Problems) else []
        if isinstance(found, Verdict):
            refused = [f"{found.code}: {found.reason}"]
        fields = json.dumps(found.fields, ensure_ascii=False) if isinstance(found, Payload) else None
        shown.append(
            {
                "delivery": item.id,
                "kind": item.record.kind,
                "record_key": item.record.key,
                "version": item.record.version,
                "payload": None if fields is None else redact(fields, *people),
                "problems": refused,
            }
        )
    return shown
