"""Every column that holds ciphertext, with the place each value is bound to: what is opened, marked and sealed anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, Column, LargeBinary, Table, Text, select

from gateway.credit.store import case_tables
from gateway.credit.store import tables as credit_tables_
from gateway.delivery.store import tables as delivery_tables
from gateway.delivery.store.tables import exchange
from gateway.intake.store import tables as intake_tables
from gateway.store import tables
from gateway.store.audit import original_place


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """One column of ciphertext.

    place: where a value is sealed to, from the row (with what ``beside`` adds to it)
    """

    table: Table
    column: str
    place: Callable[[Mapping[str, Any]], str]
    beside: tuple[Table, str, tuple[str, ...]] | None = None
    """another table, the column of this one that names its row, and what the place needs of it"""

    @property
    def name(self) -> str:
        """Table and column."""
        return f"{self.table.name}.{self.column}"

    @property
    def key(self) -> Column[Any]:
        """The primary key; it has one column."""
        [column] = self.table.primary_key.columns
        return column

    @property
    def value(self) -> Column[Any]:
        """The column itself."""
        return self.table.c[self.column]

    def rows(self) -> Any:
        """Statement that gives all the place needs, the key as ``sealed_key`` and the value as ``sealed_value``."""
        own = [column for column in self.table.c if not isinstance(column.type, (LargeBinary, JSON, Text))]
        wanted = select(*own, self.key.label("sealed_key"), self.value.label("sealed_value"))
        if self.beside is not None:
            other, reference, names = self.beside
            wanted = wanted.add_columns(*(other.c[name] for name in names))
            wanted = wanted.join(other, other.c.id == self.table.c[reference])
        return wanted


SEALED = (
    Sealed(
        table=intake_tables.filing, column="cells", place=lambda row: f"filing.cells:{row['batch_id']}/{row['row_no']}"
    ),
    Sealed(
        table=intake_tables.source_row,
        column="source_key",
        place=lambda row: f"source_row.source_key:{row['source']}/{row['row_key']}",
    ),
    Sealed(
        table=tables.record,
        column="content",
        place=lambda row: f"record.content:{row['kind']}/{row['key']}/{row['version']}",
    ),
    Sealed(
        table=tables.record_change,
        column="differences",
        place=lambda row: f"record_change.differences:{row['kind']}/{row['key']}/{row['version']}",
        beside=(tables.record, "record_id", ("kind", "key", "version")),
    ),
    Sealed(table=tables.audit, column="original", place=original_place),
    Sealed(
        table=tables.attachment,
        column="content",
        place=lambda row: f"attachment.content:{row['digest']}",
    ),
    Sealed(
        table=delivery_tables.payload,
        column="content",
        place=lambda row: f"payload.content:{row['business_key']}",
        beside=(delivery_tables.delivery, "delivery_id", ("business_key",)),
    ),
    Sealed(
        table=delivery_tables.earlier_payload,
        column="content",
        place=lambda row: f"payload.content:{row['business_key']}",
        beside=(delivery_tables.delivery, "delivery_id", ("business_key",)),
    ),
    Sealed(
        table=delivery_tables.reconciliation_item,
        column="theirs",
        place=lambda row: f"reconciliation_item.theirs:{row['reconciliation_id']}/{row['position']}",
    ),
    Sealed(
        table=exchange,
        column="request",
        place=lambda row: f"exchange.request:{row['message_id']}/{row['request_digest']}",
    ),
    Sealed(table=exchange, column="response", place=lambda row: f"exchange.response:{row['id']}"),
    Sealed(table=exchange, column="response_headers", place=lambda row: f"exchange.response_headers:{row['id']}"),
    Sealed(
        table=exchange, column="proof", place=lambda row: f"exchange.proof:{row['message_id']}/{row['request_digest']}"
    ),
    Sealed(table=credit_tables_.inbox, column="raw", place=lambda row: f"inbox.raw:{row['exchange_id']}"),
    Sealed(
        table=credit_tables_.credit_event,
        column="payload",
        place=lambda row: f"credit_event.payload:{row['platform']}/{row['event_id']}/{row['digest']}",
    ),
    Sealed(table=case_tables.credit_party, column="content", place=lambda row: f"credit_party.content:{row['key']}"),
    Sealed(
        table=case_tables.credit_alias,
        column="value",
        place=lambda row: f"credit_alias.value:{row['key']}/{row['digest']}",
    ),
    Sealed(
        table=case_tables.credit_own,
        column="content",
        place=lambda row: f"credit_own.content:{row['key']}/{row['version']}",
    ),
    Sealed(table=case_tables.objection, column="content", place=lambda row: f"objection.content:{row['key']}"),
    Sealed(
        table=case_tables.told_ticket,
        column="outcome",
        place=lambda row: f"told_ticket.outcome:{row['platform']}/{row['number']}",
    ),
)


def sealed_column(name: str) -> Sealed:
    """The column of this name (``record.content``)."""
    return next(one for one in SEALED if one.name == name)
