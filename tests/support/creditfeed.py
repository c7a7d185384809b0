"""A platform's credit feed into one store, without a network: people to tell about, pages, and what came of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, insert, select

from gateway.contract.messages import JSON, FeedbackPage, Finding
from gateway.credit.rules.statements import EventType
from gateway.credit.store import pages
from gateway.credit.store.odd_events import keep_local_event
from gateway.credit.store.pages import Applied
from gateway.credit.store.parties import learn_employers
from gateway.credit.store.streams import lock_feed
from gateway.credit.store.tables import credit_ack, credit_link, credit_version, ticket
from gateway.delivery.rules.work import digest
from gateway.delivery.store.exchanges import seal_body
from gateway.delivery.store.tables import exchange
from gateway.domain.names import plain_name, variant_name
from gateway.domain.records import Certificate, Record, RecordKind, Worker
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.records import IndexEntry
from gateway.store.scope import Scope
from gateway.testing import people

PLATFORM = "provincial_credit"
NOW = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)


class Feed:
    """A platform's feed into one store; the clock goes on a minute for every page."""

    def __init__(self, store: Store, platform: str = PLATFORM) -> None:
        self.store = store
        self.platform = platform
        self.now = NOW
        self.rng = random.Random(7)
        self.pages = 0

    def person(self, name: str = "张伟") -> tuple[Record, Worker]:
        """A person the store holds, indexed as the intake does it."""
        record = people.person_record(self.rng)
        assert isinstance(record.content, Worker)
        worker = replace(record.content, name=name)
        record = replace(record, content=worker)
        self.hold(record, person_entries(record.key, worker))
        return record, worker

    def certificate(self, person: Record) -> Certificate:
        """A certificate of the person."""
        return self.certificate_record(person)[1]

    def certificate_record(self, person: Record) -> tuple[Record, Certificate]:
        """The same, with its record; its employer, if any, becomes known."""
        record = people.certificate_record(self.rng, person)
        assert isinstance(record.content, Certificate)
        values = {
            "certificate_number": record.content.number,
            "certificate": f"{record.content.number}|{record.content.trade}",
        }
        entries = [
            IndexEntry(kind=RecordKind.CERTIFICATE, key=record.key, what=what, value=value)
            for what, value in values.items()
        ]
        self.hold(record, entries)
        with self.store.write() as connection:
            learn_employers(self.at_now(connection))
        return record, record.content

    def hold(self, record: Record, entries: Sequence[IndexEntry]) -> None:
        """Keep a record and make it findable."""
        with self.store.write() as connection:
            records.add(connection, self.store.vault, [record], batch_id=None, now=self.now)
            records.index(connection, self.store.vault, entries, self.now)

    def apply(self, *findings: Finding, cursor: str | None = None, next_cursor: str | None = None) -> Applied:
        """Apply one page; its cursor follows the feed's unless given."""
        with self.store.write() as connection:
            return self.apply_in(connection, *findings, cursor=cursor, next_cursor=next_cursor)

    def apply_in(
        self, connection: Connection, *findings: Finding, cursor: str | None = None, next_cursor: str | None = None
    ) -> Applied:
        """As ``apply``, in a transaction of the caller."""
        self.pages += 1
        page = FeedbackPage(findings=findings, next_cursor=next_cursor or f"c{self.pages}", has_more=False)
        exchange_id = self.exchange_in(connection)
        scope = self.at_now(connection)
        return pages.apply_page(
            scope, page, exchange_id=exchange_id, raw=b'{"events": []}', cursor=cursor or pages.cursor_of(scope)
        )

    def exchange_in(self, connection: Connection) -> int:
        """One exchange with the platform, a minute later."""
        self.now += timedelta(minutes=1)
        message_id, asked = people.ulid(self.rng), digest(b"")
        values = {
            "platform": self.platform,
            "purpose": "feedback",
            "operation": "changes",
            "message_id": message_id,
            "opened_at": self.now,
            "request_digest": asked,
            "request": seal_body(self.store.vault, b"", f"exchange.request:{message_id}/{asked}"),
        }
        return int(connection.execute(insert(exchange).values(values).returning(exchange.c.id)).scalar_one())

    def observe(self, record_id: str, event_type: EventType) -> bool:
        """Let the gateway see that a record is gone or back."""
        with self.store.write() as connection:
            exchange_id = self.exchange_in(connection)
            scope = self.at_now(connection)
            return keep_local_event(scope, record_id, event_type, exchange_id=exchange_id, raw=b'{"status": 410}')

    @staticmethod
    def with_succession(told: Finding, **succession: JSON) -> Finding:
        """The same event with what it says about subjects."""
        return replace(told, extra={"succession": succession})

    def rematch(self) -> int:
        """Judge again what waits."""
        self.now += timedelta(minutes=1)
        with self.store.write() as connection:
            return pages.rematch(self.at_now(connection))

    def scope(self, connection: Connection) -> Scope:
        """The next recorded moment, for work in a transaction of the caller."""
        self.now += timedelta(minutes=1)
        return lock_feed(self.at_now(connection))[1]

    def at_now(self, connection: Connection) -> Scope:
        """Work in a transaction of the caller, for functions that lock the archive themselves."""
        return Scope(connection=connection, vault=self.store.vault, platform=self.platform, at=self.now)

    def rows(self, table: Table, *where: Any) -> list[Any]:
        """Rows of a table, oldest first."""
        with self.store.read() as connection:
            order = table.c.id if "id" in table.c else None
            return list(connection.execute(select(table).where(*where).order_by(order)).all())

    def codes(self) -> list[tuple[str, str]]:
        """Every acknowledgement queued so far, oldest first."""
        return [(row.event_id, row.code) for row in self.rows(credit_ack)]

    def statuses(self, record_id: str | None = None) -> list[str]:
        """The statuses believed now, by valid time."""
        believed = [
            row
            for row in self.rows(credit_version, credit_version.c.sys_to.is_(None))
            if record_id in (None, row.record_id)
        ]
        return [row.status for row in sorted(believed, key=lambda row: row.valid_from)]

    def tickets(self) -> list[str]:
        """Kinds of the open tickets."""
        return sorted(row.kind for row in self.rows(ticket, ticket.c.closed_at.is_(None)))

    def links(self) -> set[tuple[str, str, str, str]]:
        """Record, kind, key and match of the links believed now."""
        believed = self.rows(credit_link, credit_link.c.sys_to.is_(None))
        return {(row.record_id, row.kind, row.key, row.match) for row in believed}


def person_entries(key: str, worker: Worker) -> list[IndexEntry]:
    """The ways by which the intake makes a person findable."""
    values = [
        ("id_number", f"{worker.id_type}:{worker.id_number}"),
        ("name", plain_name(worker.name)),
        ("name", variant_name(worker.name)),
    ]
    return [IndexEntry(kind=RecordKind.PERSON, key=key, what=what, value=value) for what, value in values]
