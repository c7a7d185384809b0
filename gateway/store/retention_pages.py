"""Pages of credit findings, as bytes: kept a year, and no longer than strangers are where they speak of one (R17).

A page lies in the inbox, and as the answer of its exchange; what goes from the one goes from the other. Which page
speaks of whom is known by its events, also by those that were told before or put off.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, and_, select

from gateway.domain.credit import AckCode
from gateway.store.credit_tables import credit_event, inbox_repeat
from gateway.store.evidence_tables import legal_hold
from gateway.store.tables import exchange, inbox

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
    return and_(inbox.c.id.in_(_pages(_strangers(before))), _page_not_held())


def old_answers(before: datetime) -> ColumnElement[bool]:
    """The same pages as answers of their exchanges."""
    return and_(exchange.c.closed_at < before, _answer_not_held())


def answers_about_strangers(before: datetime) -> ColumnElement[bool]:
    """The answers among them that tell of a stranger whose time is over."""
    theirs = select(inbox.c.exchange_id).where(inbox.c.id.in_(_pages(_strangers(before))))
    return and_(exchange.c.id.in_(theirs), _answer_not_held())


def _strangers(before: datetime) -> ColumnElement[bool]:
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
