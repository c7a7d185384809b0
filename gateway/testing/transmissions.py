"""A transmission out of the store, for an engineer: its bytes, what they mean today, and what would be sent instead.

Reads only, and notes the reading in the audit trail as ``gateway show`` does. Whatever is shown has the person masked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from gateway.bootstrap import Gateway
from gateway.codec.redact import redact
from gateway.contract.connector import Connector
from gateway.contract.messages import Payload, Problems
from gateway.delivery.connector_guard import checked
from gateway.delivery.explain import explain
from gateway.delivery.rules.outcome import names
from gateway.delivery.store.ledger import load
from gateway.delivery.store.tables import attempt, exchange, verdict
from gateway.domain.china import CHINA
from gateway.domain.errors import InputError
from gateway.domain.records import Submission
from gateway.testing.bench import AdapterBench, FieldRow, Table
from gateway.testing.checker.proofs import carried_by, judge, reply_of


@dataclass(frozen=True, kw_only=True, slots=True)
class ExchangeRow:
    """One exchange of a delivery: what was taken from its answer then, and what the connector reads in it now."""

    exchange: int
    purpose: str
    operation: str
    status: str
    then: str
    now: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangeRow:
    """A field of the payload as it was sent, and as it would be mapped now; values masked."""

    field: str
    sent: str
    mapped_now: str


@dataclass(frozen=True, kw_only=True)
class StoredTransmission:
    """One delivery of a gateway's store, seen with the connector of the settings or another one."""

    gateway: Gateway
    delivery: int
    connector: Connector

    @classmethod
    def of(cls, gateway: Gateway, delivery: int, connector: Connector | None = None) -> StoredTransmission:
        """Load it; InputError where there is none. ``connector``: with another mapping or code, to try a change."""
        found = explain(gateway.store, delivery)
        if found is None:
            raise InputError(f"there is no delivery {delivery}")
        gateway.note("show", f"delivery {delivery}", reason="notebook")
        platform = found["delivery"]["platform"]
        return cls(gateway=gateway, delivery=delivery, connector=connector or gateway.connector(platform))

    def shown(self) -> dict[str, Any]:
        """Delivery, payload and exchanges with their bytes laid out, as ``gateway show`` has them."""
        found = explain(self.gateway.store, self.delivery)
        assert found is not None
        return found

    def judged(self) -> Table[ExchangeRow]:
        """Every exchange, judged again from its stored bytes."""
        store, rows = self.gateway.store, []
        with store.read() as connection:
            told = connection.execute(
                select(exchange, attempt.c.id.label("attempt"), verdict.c.event, verdict.c.code.label("said"))
                .join(attempt, attempt.c.exchange_id == exchange.c.id)
                .outerjoin(verdict, verdict.c.attempt_id == attempt.c.id)
                .where(attempt.c.delivery_id == self.delivery)
                .order_by(attempt.c.id)
            ).mappings()
            for row in [dict(one) for one in told]:
                carried = carried_by(connection, store.vault, row["id"])
                kept = reply_of(row, store.vault, self.connector)
                verdicts = () if kept is None else judge(kept, row, store.vault, self.connector, carried)
                now = {item.id: f"{given.event} {given.code}" for item, given in zip(carried, verdicts, strict=False)}
                rows.append(
                    ExchangeRow(
                        exchange=row["id"],
                        purpose=row["purpose"],
                        operation=row["operation"],
                        status=str(row["status"] or row["failure"] or ""),
                        then=f"{row['event'] or ''} {row['said'] or ''}".strip(),
                        now=now.get(self.delivery, "not the platform's own answer" if kept else "no answer is stored"),
                    )
                )
        return Table(rows)

    def submission(self) -> Submission:
        """What is owed, for mapping it anew; it holds the person."""
        with self.gateway.store.read() as connection:
            (item,) = load(connection, self.gateway.store.vault, [self.delivery])
        day = self.gateway.edge.now().astimezone(CHINA).date()
        return Submission(platform=self.connector.info.platform, record=item.record, replaces=item.replaces, day=day)

    def preview(self) -> Table[FieldRow]:
        """The record as it would be mapped now, with what the check has against it."""
        return AdapterBench(connector=self.connector).preview(self.submission())

    def changes(self) -> Table[ChangeRow]:
        """Fields in which the payload that was sent differs from one mapped now: a dry run of sending it again."""
        with self.gateway.store.read() as connection:
            (item,) = load(connection, self.gateway.store.vault, [self.delivery])
        submission = self.submission()
        found = checked(self.connector, submission)
        if isinstance(found, Problems):
            raise InputError(f"it would be refused: {'; '.join(f'{p.field}: {p.rule}' for p in found.items)}")
        now = found.fields if isinstance(found, Payload) else {}
        sent = {} if item.payload is None else item.payload.fields
        known = names(submission.record.content)
        return Table(
            ChangeRow(field=name, sent=_cell(sent, name, known), mapped_now=_cell(now, name, known))
            for name in dict.fromkeys((*sent, *now))
            if sent.get(name) != now.get(name)
        )


def _cell(fields: Mapping[str, Any], name: str, known: tuple[str, ...]) -> str:
    return redact(json.dumps(fields[name], ensure_ascii=False, default=dict), *known) if name in fields else ""
