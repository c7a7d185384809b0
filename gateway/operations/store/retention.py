"""What has had its time: found by rule, cleared or removed in pieces, each with its purge in the same commit.

Nothing under a legal hold is touched. Digests stay, so the evidence chain goes on to verify.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    Table,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from gateway.codec.redact import clean
from gateway.credit.rules.statements import AckCode, Status
from gateway.credit.store.case_tables import objection, objection_scan, scan
from gateway.credit.store.tables import credit_event, credit_version, inbox, inbox_repeat
from gateway.delivery.store.tables import attempt, delivery, exchange
from gateway.domain.records import RecordKind
from gateway.domain.states import TERMINAL
from gateway.intake.store.tables import filing, filing_scan
from gateway.operations.rules.evidence import canonical, to_ranges, within
from gateway.operations.store.tables import legal_hold, purge
from gateway.store.tables import attachment, audit, batch, record
from gateway.store.vault import Vault

HELD = select(legal_hold.c.person_key).where(legal_hold.c.ended_at.is_(None), legal_hold.c.person_key.is_not(None))
"""persons under a legal hold"""
_PURPOSES = ("feedback", "feedback_fetch", "feedback_search")
"""exchanges whose answers hold findings"""
_UNKNOWN = (str(AckCode.ACCEPTED_UNMATCHED), str(AckCode.REJECTED_POLICY))


def old_pages(before: datetime) -> ColumnElement[bool]:
    """Pages in the inbox."""
    return and_(inbox.c.received_at < before, _page_not_held())


def pages_about_strangers(before: datetime) -> ColumnElement[bool]:
    """Those with an event about a stranger whose time is over, however late they repeated it."""
    return and_(inbox.c.id.in_(_pages(_events_about_strangers(before))), _page_not_held())


def old_answers(before: datetime) -> ColumnElement[bool]:
    """The same pages as answers of their exchanges."""
    return and_(exchange.c.closed_at < before, _answer_not_held())


def answers_about_strangers(before: datetime) -> ColumnElement[bool]:
    """The answers among them that tell of a stranger whose time is over."""
    theirs = select(inbox.c.exchange_id).where(inbox.c.id.in_(_pages(_events_about_strangers(before))))
    return and_(exchange.c.id.in_(theirs), _answer_not_held())


def _events_about_strangers(before: datetime) -> ColumnElement[bool]:
    """Events about a person whom nobody here knows, those included that were answered finally."""
    return and_(
        credit_event.c.received_at < before,
        credit_event.c.subject_type == "PERSON",
        credit_event.c.subject_key.is_(None),
        credit_event.c.outcome.in_(_UNKNOWN),
    )


def _page_not_held() -> ColumnElement[bool]:
    return inbox.c.id.not_in(_pages(_about_held()))


def _answer_not_held() -> ColumnElement[bool]:
    """An answer that is in no inbox may speak of anybody, so any hold keeps it."""
    kept = select(inbox.c.exchange_id).where(inbox.c.id.in_(_pages(_about_held())))
    unread = and_(HELD.exists(), exchange.c.id.not_in(select(inbox.c.exchange_id)))
    return and_(exchange.c.purpose.in_(_PURPOSES), exchange.c.id.not_in(kept), ~unread)


def _about_held() -> ColumnElement[bool]:
    return credit_event.c.subject_key.in_(HELD)


def _pages(where: ColumnElement[bool]) -> CompoundSelect[Any]:
    """Pages that told such an event, for the first time or again."""
    same = and_(credit_event.c.platform == inbox_repeat.c.platform, credit_event.c.event_id == inbox_repeat.c.event_id)
    again = select(inbox_repeat.c.inbox_id).join(credit_event, same).where(where)
    return select(credit_event.c.inbox_id).where(where).union_all(again)


_EMPTY = b""
_MOST = 500
"""rows of one commit"""
_MANY = 3
"""columns that are named one by one in a purge"""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One rule at work: which rows have had their time, and what is taken from them.

    ``cleared`` are the columns that are emptied; a job without any removes the rows.
    """

    rule: str
    table: Table
    old: Callable[[datetime], ColumnElement[bool]]
    cleared: Mapping[str, Any]

    @property
    def what(self) -> str:
        """The table, with its columns where only these are cleared; a book's name where rows are removed."""
        return (
            ".".join((self.table.name, *sorted(self.cleared))) if len(self.cleared) < _MANY else f"{self.table.name}.*"
        )

    @property
    def id(self) -> Column[Any]:
        """What the ranges of a purge speak of."""
        return self.table.c.id

    def due(self, before: datetime) -> ColumnElement[bool]:
        """Rows that are old enough, not cleared yet and not held."""
        kept = [
            self.table.c[name].is_not(None) if empty is None else self.table.c[name] != empty
            for name, empty in self.cleared.items()
        ]
        return and_(self.old(before), or_(*kept)) if kept else self.old(before)


def _old_exchanges(before: datetime) -> ColumnElement[bool]:
    still = or_(delivery.c.state.not_in(TERMINAL), delivery.c.person_key.in_(HELD))
    busy = exists().where(attempt.c.exchange_id == exchange.c.id, delivery.c.id == attempt.c.delivery_id, still)
    held = select(objection.c.message_id).where(objection.c.person_key.in_(HELD))
    with_it = (
        select(scan.c.message_id)
        .join(objection_scan, objection_scan.c.scan_id == scan.c.id)
        .join(objection, objection.c.id == objection_scan.c.objection_id)
        .where(objection.c.person_key.in_(HELD))
    )
    kept = exchange.c.message_id.in_(held.union_all(with_it))
    return and_(func.coalesce(exchange.c.closed_at, exchange.c.opened_at) < before, ~busy, ~kept)


def _old_filings(before: datetime) -> ColumnElement[bool]:
    read = exists().where(batch.c.id == filing.c.batch_id, batch.c.read_at < before)
    return and_(read, or_(filing.c.person_key.is_(None), filing.c.person_key.not_in(HELD)))


def _old_findings(before: datetime) -> ColumnElement[bool]:
    """Events of bad records of which every believed statement has been over since before."""
    version = credit_version
    same = and_(version.c.platform == credit_event.c.platform, version.c.record_id == credit_event.c.record_id)
    ended = (Status.REPAIRED, Status.REVOKED, Status.VOIDED, Status.EXPIRED)
    over = or_(
        and_(version.c.valid_to.is_not(None), version.c.valid_to < before),
        and_(version.c.status.in_([str(one) for one in ended]), version.c.valid_from < before),
        and_(version.c.publish_to < before, version.c.effect_to < before),
    )
    believed = exists().where(same, version.c.sys_to.is_(None))
    standing = exists().where(same, version.c.sys_to.is_(None), ~func.coalesce(over, False))
    return and_(
        credit_event.c.category == "BAD",
        credit_event.c.received_at < before,
        or_(credit_event.c.subject_key.is_(None), credit_event.c.subject_key.not_in(HELD)),
        believed,
        ~standing,
    )


def _strangers(before: datetime) -> ColumnElement[bool]:
    """Events about persons whom nobody here knows: they never become persons, and are not kept as if they might."""
    return and_(
        credit_event.c.received_at < before,
        credit_event.c.subject_type == "PERSON",
        credit_event.c.subject_key.is_(None),
        credit_event.c.outcome == str(AckCode.ACCEPTED_UNMATCHED),
    )


def _old_objections(before: datetime) -> ColumnElement[bool]:
    return and_(objection.c.ended_at < before, _not_held(objection.c.person_key))


def _old_scans(before: datetime) -> ColumnElement[bool]:
    """Scans of which every objection has been over since before, and every certificate has been at its end since then.

    A row that is held for a person keeps its scans as long as its cells.
    """
    link = objection_scan
    running = or_(objection.c.ended_at.is_(None), objection.c.ended_at >= before, ~_not_held(objection.c.person_key))
    objected = exists().where(
        scan.c.attachment_id == attachment.c.id,
        link.c.scan_id == scan.c.id,
        objection.c.id == link.c.objection_id,
        running,
    )
    later = record.alias("later")
    ended = exists().where(
        record.c.key == filing.c.certificate_key,
        or_(record.c.void, record.c.kind == RecordKind.WITHDRAWAL),
        record.c.created_at < before,
        ~exists().where(later.c.key == record.c.key, later.c.version > record.c.version),
    )
    on_its_way = exists().where(delivery.c.record_key == filing.c.certificate_key, delivery.c.state.not_in(TERMINAL))
    filed = exists().where(
        filing_scan.c.attachment_id == attachment.c.id,
        filing.c.id == filing_scan.c.filing_id,
        or_(
            and_(filing.c.certificate_key.is_(None), filing.c.cells != _EMPTY),
            and_(filing.c.certificate_key.is_not(None), or_(~ended, on_its_way, ~_not_held(filing.c.person_key))),
        ),
    )
    return and_(attachment.c.created_at < before, ~objected, ~filed)


def _not_held(person_key: Column[Any]) -> ColumnElement[bool]:
    return or_(person_key.is_(None), person_key.not_in(HELD))


JOBS = (
    Job(
        rule="exchanges",
        table=exchange,
        old=_old_exchanges,
        cleared=dict.fromkeys(("request", "response", "response_headers", "proof")),
    ),
    Job(rule="inbox", table=inbox, old=old_pages, cleared={"raw": _EMPTY}),
    Job(rule="inbox", table=exchange, old=old_answers, cleared={"response": None}),
    Job(rule="filings", table=filing, old=_old_filings, cleared={"cells": _EMPTY}),
    Job(
        rule="quarantine",
        table=credit_event,
        old=_strangers,
        cleared=dict.fromkeys(("payload", "number_digest", "name_digest", "variant_digest", "certificate_digest")),
    ),
    Job(rule="quarantine", table=inbox, old=pages_about_strangers, cleared={"raw": _EMPTY}),
    Job(rule="quarantine", table=exchange, old=answers_about_strangers, cleared={"response": None}),
    Job(rule="credit", table=credit_event, old=_old_findings, cleared={"payload": None}),
    Job(rule="objections", table=objection, old=_old_objections, cleared={"content": None}),
    Job(rule="scans", table=attachment, old=_old_scans, cleared={"content": None}),
    Job(rule="audit", table=audit, old=lambda before: audit.c.at < before, cleared={}),
)


def held_as_a_whole(connection: Connection) -> bool:
    """Whether a hold on everything is in force."""
    whole = and_(legal_hold.c.ended_at.is_(None), legal_hold.c.person_key.is_(None))
    return connection.execute(select(legal_hold.c.id).where(whole).limit(1)).first() is not None


def count(connection: Connection, job: Job, before: datetime) -> int:
    """How many rows have had their time."""
    return connection.execute(select(func.count()).select_from(job.table).where(job.due(before))).scalar_one()


def clear(
    connection: Connection, vault: Vault, job: Job, before: datetime, *, after: int, by: str, now: datetime
) -> Sequence[int]:
    """Clear or remove the next piece above the id ``after`` and write its purge; gives the ids, none at the end."""
    wanted = select(job.id).where(job.id > after, job.due(before)).order_by(job.id).limit(_MOST)
    ids = connection.execute(wanted).scalars().all()
    if ids:
        here = job.id.in_(ids)
        connection.execute(
            update(job.table).where(here).values(**job.cleared) if job.cleared else delete(job.table).where(here)
        )
        row = {
            "at": now,
            "by": by,
            "rule": job.rule,
            "before": before,
            "what": job.what,
            "ranges": to_ranges(ids),
            "rows": len(ids),
        }
        connection.execute(insert(purge), row | {"seal": purge_mark(vault, row)})
    return ids


def purge_mark(vault: Vault, row: Mapping[str, Any]) -> str:
    """The mark of a purge, without which nobody believes it."""
    named = {name: row[name] for name in ("at", "by", "rule", "before", "what", "ranges", "rows")}
    return vault.mark("purge", canonical(named).encode())


def hold(connection: Connection, *, person_key: str | None, reason: str, by: str, now: datetime) -> int:
    """Keep everything of a person, or everything, until the hold is ended; gives its number."""
    values = {"person_key": person_key, "reason": clean(reason), "since": now, "by": by}
    return int(connection.execute(insert(legal_hold).values(values).returning(legal_hold.c.id)).scalar_one())


def end_hold(connection: Connection, number: int, *, by: str, now: datetime) -> bool:
    """False where there is no such hold in force."""
    here = and_(legal_hold.c.id == number, legal_hold.c.ended_at.is_(None))
    return bool(connection.execute(update(legal_hold).where(here).values(ended_at=now, ended_by=by)).rowcount)


def holds(connection: Connection) -> list[dict[str, Any]]:
    """All holds, the newest first."""
    return [dict(row) for row in connection.execute(select(legal_hold).order_by(legal_hold.c.id.desc())).mappings()]


def known_person(connection: Connection, person_key: str) -> bool:
    """Whether there is anything about a person."""
    return connection.execute(select(record.c.id).where(record.c.person_key == person_key).limit(1)).first() is not None


def cleared(connection: Connection, table: Table) -> set[int]:
    """Ids of the rows of a table of which retention cleared something."""
    rows = connection.execute(select(purge.c.ranges).where(purge.c.what.startswith(f"{table.name}."))).scalars()
    return {number for ranges in rows for number in within(ranges)}
