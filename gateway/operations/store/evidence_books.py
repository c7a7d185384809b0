"""What the evidence chain covers: the books, each with the columns of its rows that last.

Three kinds. Rows that are only added are covered once, by number (``record``, ``verdict``). What is decided later about
a row is a book of its own (``ticket_closed``, ``statement_ended``): it is covered when its moment has come, once; to
decide it again, or otherwise, is a fault. Sealed values are covered by a keyed mark of what they hold, not of the
ciphertext, so that they may be sealed anew with another key and nothing else; what retention may clear is apart
(``filing_cells``), so that the row goes on to be proven.

The state of a delivery moves many times and is in no book: it follows from its verdicts and from what persons ordered
(``derived_states``). What it came to is written down as an account (``delivery_accounts``) by the link that covers its
last verdict, and accounts are only added.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, and_, select

from gateway.credit.store import case_tables
from gateway.credit.store import tables as credit_tables_
from gateway.credit.store.case_tables import reinstatement
from gateway.delivery.store import tables as delivery_tables
from gateway.domain.errors import StoreError
from gateway.intake.store import tables as intake_tables
from gateway.operations.store import tables as operations_tables
from gateway.operations.store.sealed_columns import Sealed, sealed_column
from gateway.store import tables
from gateway.store.tables import record_change
from gateway.store.vault import Vault


@dataclass(frozen=True, kw_only=True)
class Book:
    """Lasting columns of a table, and when a row is ready to be covered.

    moment:   set where a row is covered once this moment has come, whatever its number
    content:  a sealed column whose mark is covered too
    cleared:  what retention calls it when it takes such rows or values away (``gateway.operations.store.retention``)
    """

    name: str
    columns: tuple[Column[Any], ...]
    ready: ColumnElement[bool] | None = None
    moment: Column[Any] | None = None
    content: Sealed | None = None
    cleared: tuple[str, ...] = ()

    @property
    def id(self) -> Column[Any]:
        """The column the ranges speak of."""
        return self.columns[0]

    def is_ready(self, where: ColumnElement[bool]) -> ColumnElement[bool]:
        """``where``, of rows that are ready only."""
        return where if self.ready is None else and_(where, self.ready)

    def rows(
        self, connection: Connection, vault: Vault, where: ColumnElement[bool], limit: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Rows that are ready, by id, as they are digested."""
        chosen: Any = select(*self.columns) if self.content is None else self.content.rows()
        if self.content is not None:
            there = {column.name for column in chosen.selected_columns}
            chosen = chosen.add_columns(*(column for column in self.columns if column.name not in there))
        found = connection.execute(chosen.where(self.is_ready(where)).order_by(self.id).limit(limit))
        if self.content is None:
            names = [str(column.name) for column in self.columns]
            yield from (dict(zip(names, row, strict=True)) for row in found.all())
            return
        for row in found.mappings().all():
            plain = {str(column.name): row[column.name] for column in self.columns}
            yield plain | {"mark": mark(vault, self.content, row)}


def mark(vault: Vault, content: Sealed, row: Any) -> str:
    """The keyed digest of what a sealed value holds; of the ciphertext where it does not open."""
    sealed_value = row["sealed_value"]
    try:
        plain = vault.open(sealed_value, content.place(row))
    except StoreError:
        return f"closed:{hashlib.sha256(sealed_value).hexdigest()}"
    return vault.mark(content.name, plain)


def _book(name: str, table: Any, names: str, ready: ColumnElement[bool] | None = None) -> Book:
    return Book(name=name, columns=tuple(table.c[one] for one in ("id", *names.split())), ready=ready)


def _decided(name: str, table: Any, names: str, moment: str, content: Sealed | None = None) -> Book:
    """``names`` begins with the primary key."""
    at = table.c[moment]
    columns = tuple(table.c[one] for one in names.split())
    return Book(name=name, columns=columns, ready=at.is_not(None), moment=at, content=content)


def _content(name: str, column: str, *cleared: str) -> Book:
    sealed = sealed_column(column)
    ready = and_(sealed.value.is_not(None), sealed.value != b"")
    return Book(name=name, columns=(sealed.key,), ready=ready, content=sealed, cleared=cleared)


_X = delivery_tables.exchange
_CREDIT, _DESK = credit_tables_, case_tables
BOOKS = (
    _book("batch", tables.batch, "name digest read_at rows admitted refused held unchanged"),
    _book("filing", intake_tables.filing, "batch_id row_no outcome failures person_key certificate_key report_no"),
    _content("filing_cells", "filing.cells", "filing.cells"),
    _book(
        "record",
        tables.record,
        "kind key version person_key fingerprint void effective_from change change_reason created_at batch_id",
    ),
    _content("record_content", "record.content"),
    _book("attachment", tables.attachment, "digest media_type size created_at"),
    _content("attachment_content", "attachment.content", "attachment.content"),
    _book("filing_scan", intake_tables.filing_scan, "filing_id position kind attachment_id"),
    Book(
        name="record_change",
        columns=(record_change.c.record_id, record_change.c.fields),
        content=sealed_column("record_change.differences"),
    ),
    _book("delivery", delivery_tables.delivery, "platform kind record_id record_key version business_key created_at"),
    Book(
        name="earlier_payload",
        columns=tuple(
            delivery_tables.earlier_payload.c[one]
            for one in ("id", "delivery_id", "spec_version", "made_at", "replaced_at")
        ),
        content=sealed_column("earlier_payload.content"),
    ),
    _book("sent", _X, "platform purpose operation message_id opened_at request_digest item_digests"),
    _book("answered", _X, "closed_at status failure response_digest", _X.c.closed_at.is_not(None)),
    _book("attempt", delivery_tables.attempt, "delivery_id exchange_id position fence"),
    _book("verdict", delivery_tables.verdict, "attempt_id event code reason fields platform_ref applied at"),
    _book(
        "account",
        operations_tables.evidence_account,
        "at delivery_id state code reason platform_ref payload attempts verdicts members",
    ),
    _book("receipt", delivery_tables.receipt, "platform number exchange_id received_at"),
    _book("inbox", credit_tables_.inbox, "platform exchange_id received_at digest"),
    _book(
        "credit_event",
        _CREDIT.credit_event,
        "platform event_id stream stream_seq event_type event_time received_at inbox_id record_id version digest "
        "prev_version effective_from happen_date decision_date sanction_end publish_begin publish_end category "
        "severities usage_scope status_code disclosed local subject_type key_facts credit_code decision_digest "
        "owner_digest sender_digest clock_ahead",
    ),
    _content("event_payload", "credit_event.payload", "credit_event.*", "credit_event.payload"),
    _book("credit_ack", _CREDIT.credit_ack, "platform event_id record_id version code at"),
    _book(
        "statement",
        _CREDIT.credit_version,
        "platform record_id version_no valid_from valid_to sys_from event_id content_id source_version "
        "source_update_time status under_objection category usage_scope disclosed happen_date decision_date "
        "effect_from effect_to publish_from publish_to period_source rule_id payload_digest reason_code actor",
    ),
    _decided("statement_ended", _CREDIT.credit_version, "id sys_to", "sys_to"),
    _book("credit_link", _CREDIT.credit_link, "platform record_id kind key match valid_from sys_from event_id"),
    _decided("link_ended", _CREDIT.credit_link, "id sys_to", "sys_to"),
    _decided("ticket", _CREDIT.ticket, "number platform record_id kind event_id opened_at", "opened_at"),
    _decided("ticket_closed", _CREDIT.ticket, "number closed_at closed_by note act", "closed_at"),
    _book("ruling", _DESK.credit_ruling, "platform record_id key sys_from actor ticket"),
    _decided("ruling_ended", _DESK.credit_ruling, "id sys_to", "sys_to"),
    _book("merge", _DESK.credit_merge, "kind from_key to_key sys_from event_id actor"),
    _decided("merge_ended", _DESK.credit_merge, "id sys_to", "sys_to"),
    _book("reliance", _DESK.credit_reliance, "at purpose recipient reference version_id actor"),
    _decided(
        "own_published",
        _DESK.credit_own,
        "id key version event_type created_at created_by decided_on warn_on due_on published_at published_by",
        "published_at",
        sealed_column("credit_own.content"),
    ),
    _book("alias", _DESK.credit_alias, "kind key what digest valid_from valid_to sys_from event_id"),
    _decided("alias_ended", _DESK.credit_alias, "id sys_to", "sys_to"),
    _book("succession", _DESK.credit_succession, "predecessor successor how since inherits sys_from event_id"),
    _decided("succession_ended", _DESK.credit_succession, "id sys_to", "sys_to"),
    _book("twin", _DESK.credit_twin, "platform record_id first_id sys_from"),
    _decided("twin_ended", _DESK.credit_twin, "id sys_to", "sys_to"),
    _book("scan", _DESK.scan, "platform attachment_id message_id"),
    _decided("party", _DESK.credit_party, "key kind since", "since", sealed_column("credit_party.content")),
    _book("check_owed", _DESK.check_owed, "at platform record_id certificate_key"),
    _decided("check_drawn", _DESK.check_owed, "id drawn_at draws", "drawn_at"),
    _book("credit_book", _DESK.credit_book, "platform day at digest previous rows totals closed"),
    _decided(
        "draw",
        _DESK.supervision_draw,
        "number at actor reason seed method population_digest population ratio excluded checkers drawn due_on",
        "at",
    ),
    _decided(
        "check",
        _DESK.supervision_check,
        "number kind of object city checked_on result finding document checkers draw entered_at entered_by",
        "entered_at",
    ),
    _decided("check_approved", _DESK.supervision_check, "number approved_at approved_by", "approved_at"),
    _decided("check_published", _DESK.supervision_check, "number published_at published_by", "published_at"),
    _book("reinstatement", reinstatement, "at certificate_key void_version version platform record_id actor"),
    _book("objection", case_tables.objection, "key platform record_id version person_key created_at created_by"),
    _decided("report_closed", intake_tables.report_closing, "report_no closed_at reason", "closed_at"),
    _book("reconciliation", delivery_tables.reconciliation, "platform ours_at theirs_at counts"),
    _book("difference", delivery_tables.reconciliation_item, "reconciliation_id class kind delivery_id fields"),
    _decided("difference_right", delivery_tables.reconciliation_item, "id settled_at", "settled_at"),
    _book("hold", operations_tables.legal_hold, "person_key reason since by"),
    _decided("hold_ended", operations_tables.legal_hold, "id ended_at ended_by", "ended_at"),
    _book(
        "approval",
        operations_tables.approval,
        "asked_at asked_by asked_uid act subject reason detail digest expires_at",
    ),
    _decided(
        "approval_decided",
        operations_tables.approval,
        "id decided_at decided_by decided_uid decision note seal",
        "decided_at",
    ),
    _decided("approval_used", operations_tables.approval, "id used_at", "used_at"),
    _book("replay", delivery_tables.replay_plan, "at by reason chosen_by items digest"),
    _decided("replay_cancelled", delivery_tables.replay_plan, "id cancelled_at", "cancelled_at"),
    Book(
        name="audit",
        columns=tuple(tables.audit.c[one] for one in ("id", "at", "actor", "action", "object", "reason", "detail")),
        cleared=("audit",),
    ),
    _content("audit_original", "audit.original", "audit"),
    _book("purge", operations_tables.purge, "at by rule before what ranges rows seal"),
)


def by_name(name: str) -> Book | None:
    """The book of this name, or None."""
    return next((book for book in BOOKS if book.name == name), None)
