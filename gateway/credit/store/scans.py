"""Scans that go with objections: each file once for a platform, with the message that sends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, insert, select, update

from gateway.contract.desk import Scan
from gateway.credit.store.case_tables import objection_scan, scan
from gateway.store.attachments import keep_attachment, open_attachment
from gateway.store.scope import Scope
from gateway.store.tables import attachment


@dataclass(frozen=True, kw_only=True)
class ScanRow:
    """A scan as it is kept; ``number`` is the platform's, once it has it. Without ``scan`` its bytes are gone."""

    id: int
    message_id: str
    tried_at: datetime | None
    number: str | None
    scan: Scan | None


def keep_scans(scope: Scope, scans: Sequence[Scan], new_id: Callable[[], str]) -> list[int]:
    """Keep files, those that are held already only where their bytes are gone; gives their rows in order."""
    ids = []
    connection = scope.connection
    for given in scans:
        kept = keep_attachment(
            connection,
            scope.vault,
            digest=given.digest,
            media_type=given.media_type,
            size=len(given.content),
            read=partial(bytes, given.content),
            now=scope.at,
        )
        here = (scan.c.platform == scope.platform, scan.c.attachment_id == kept)
        held = connection.execute(select(scan.c.id).where(*here)).scalar()
        if held is None:
            values = {"platform": scope.platform, "attachment_id": kept, "message_id": new_id()}
            held = connection.execute(insert(scan).values(values).returning(scan.c.id)).scalar_one()
        ids.append(held)
    return ids


def scans_of(scope: Scope, objection_id: int) -> list[ScanRow]:
    """The scans of an objection in their order."""
    rows = scope.connection.execute(
        select(scan, *(attachment.c[name] for name in ("digest", "media_type", "content")))
        .join(objection_scan, objection_scan.c.scan_id == scan.c.id)
        .join(attachment, attachment.c.id == scan.c.attachment_id)
        .where(objection_scan.c.objection_id == objection_id)
        .order_by(objection_scan.c.position)
    ).mappings()
    return [
        ScanRow(
            id=row["id"],
            message_id=row["message_id"],
            tried_at=row["tried_at"],
            number=row["number"],
            scan=None
            if (content := open_attachment(row, scope.vault)) is None
            else Scan(media_type=row["media_type"], digest=row["digest"], content=content),
        )
        for row in rows
    ]


def renew_messages(connection: Connection, objection_id: int, new_id: Callable[[], str]) -> None:
    """Let what the platform did not take of an objection's scans leave as new messages."""
    mine = select(objection_scan.c.scan_id).where(objection_scan.c.objection_id == objection_id)
    for number in connection.execute(select(scan.c.id).where(scan.c.id.in_(mine), scan.c.number.is_(None))).scalars():
        connection.execute(update(scan).where(scan.c.id == number).values(message_id=new_id(), tried_at=None))


def mark_scan_tried(scope: Scope, row: ScanRow) -> None:
    """Note when a scan was first sent, before it is."""
    scope.connection.execute(
        update(scan).where(scan.c.id == row.id, scan.c.tried_at.is_(None)).values(tried_at=scope.at)
    )


def mark_scan_taken(scope: Scope, row: ScanRow, number: str) -> None:
    """Note the platform's number of a scan."""
    scope.connection.execute(
        update(scan).where(scan.c.id == row.id, scan.c.number.is_(None)).values(number=number[:64], taken_at=scope.at)
    )
