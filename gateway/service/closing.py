"""Close a report by hand: what never came back of it is given up, and that is written down."""

from __future__ import annotations

from datetime import datetime

from gateway.domain.errors import InputError
from gateway.store import batch_views, control, queueing, reports
from gateway.store.engine import Store


def close_report(store: Store, report_no: str, *, reason: str, by: str, now: datetime) -> bool:
    """Close a report; False where it was closed by hand before. InputError where no batch has rows of it."""
    with store.write() as connection:
        queueing.lock_records(connection)
        if not any(part.report_no == report_no for part in batch_views.parts(connection, report_no)):
            raise InputError("there is no report of this number")
        if not reports.close(connection, report_no, reason, now):
            return False
        control.note(connection, at=now, actor=by, action="close", subject=report_no, reason=reason)
        return True
