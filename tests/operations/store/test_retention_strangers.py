"""What was told of people whom nobody here knows goes with its pages, and the evidence goes on to fit (R17)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from gateway.contract.messages import FeedbackPage, Finding
from gateway.credit.store import pages
from gateway.credit.store.tables import credit_event, inbox, inbox_repeat
from gateway.delivery.rules.work import Closing
from gateway.delivery.store import exchanges
from gateway.delivery.store.tables import exchange
from gateway.domain.records import Worker
from gateway.operations import evidence
from gateway.operations.retention import retain
from gateway.operations.store import retention
from gateway.operations.store.tables import purge
from gateway.settings import RetentionSettings, load
from gateway.store.engine import Store
from gateway.store.scope import Scope
from gateway.testing import people
from tests.support.creditfeed import Feed
from tests.support.findings import finding

DAYS_180 = timedelta(days=180, seconds=1)


class Pages(Feed):
    """A feed whose pages lie in the inbox and in their exchanges, as bytes that name the people."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.key, self.ours = self._person()
        self.stranger = people.worker(self.rng)
        self.told = 0

    def _person(self) -> tuple[str, Worker]:
        record, worker = self.person()
        return record.key, worker

    def about(self, who: Worker, record: str, **changes: Any) -> Finding:
        self.told += 1
        values: dict[str, Any] = {"event_id": f"EV-{record}", "stream_seq": self.told, **changes}
        return finding(who, 1, record_id=record, **values)

    def page(self, *findings: Finding) -> None:
        raw = json.dumps([one.subject.id_number for one in findings if one.subject]).encode()
        with self.store.write() as c:
            number = self.exchange_in(c)
            closing = Closing(exchange_id=number, closed_at=self.now, status=200, body=raw)
            exchanges.closed(self.store.vault, [closing])(c)
            page = FeedbackPage(findings=findings, next_cursor=f"c{number}", has_more=False)
            scope = Scope(connection=c, vault=self.store.vault, platform=self.platform, at=self.now)
            pages.apply_page(scope, page, exchange_id=number, raw=raw, cursor=pages.cursor_of(scope))

    def clear(self, later: timedelta, **how: Any) -> dict[str, int]:
        return retain(self.store, load(RetentionSettings).model_dump(), self.now + later, by="tester", **how).rows

    def kept(self) -> list[tuple[bool, bool]]:
        """Of every page whether its bytes are in the inbox, and in its exchange."""
        with self.store.read() as c:
            rows = c.execute(
                select(inbox.c.raw, exchange.c.response)
                .join(exchange, exchange.c.id == inbox.c.exchange_id)
                .order_by(inbox.c.id)
            )
            return [(row.raw != b"", row.response is not None) for row in rows]


@pytest.fixture
def source(store: Store) -> Pages:
    return Pages(store)


def test_a_page_about_a_stranger_goes_after_180_days_and_others_stay(source: Pages) -> None:
    source.page(source.about(source.ours, "CR-1"))
    source.page(source.about(source.stranger, "CR-2"), source.about(source.ours, "CR-3"))
    assert source.clear(timedelta(days=180))["quarantine"] == 0
    assert source.clear(DAYS_180, dry_run=True)["quarantine"] == 3, "the event, its page, the answer that brought it"
    assert source.clear(DAYS_180)["quarantine"] == 3
    assert source.kept() == [(True, True), (False, False)]
    assert source.clear(DAYS_180)["quarantine"] == 0


def test_all_pages_go_after_a_year_in_both_places(source: Pages) -> None:
    source.page(source.about(source.ours, "CR-1"))
    assert source.clear(timedelta(days=365))["inbox"] == 0
    assert source.clear(timedelta(days=365, seconds=1))["inbox"] == 2
    assert source.kept() == [(False, False)]


def test_a_page_that_tells_of_a_stranger_again_goes_as_well(source: Pages) -> None:
    told = source.about(source.stranger, "CR-1")
    source.page(told)
    source.now += timedelta(days=170)
    source.page(told, source.about(source.ours, "CR-2"))
    assert [(row.inbox_id, row.event_id) for row in source.rows(inbox_repeat)] == [(2, "EV-CR-1")]
    source.clear(timedelta(days=11))
    assert source.kept() == [(False, False), (False, False)]
    source.page(told)
    source.clear(timedelta(days=11))
    assert source.kept()[-1] == (False, False), "told once more after it was forgotten"


def test_a_page_on_which_a_stranger_was_put_off_goes_as_well(source: Pages) -> None:
    source.page(source.about(source.ours, "CR-1"))
    behind = source.about(source.stranger, "CR-3", stream_seq=3)
    source.page(behind)
    assert [row.event_id for row in source.rows(inbox_repeat)] == ["EV-CR-3"]
    source.page(source.about(source.ours, "CR-2", stream_seq=2), behind)
    source.clear(DAYS_180)
    assert source.kept() == [(True, True), (False, False), (False, False)]


def test_a_stranger_who_became_known_is_none(source: Pages) -> None:
    source.page(source.about(source.stranger, "CR-1"))
    with source.store.write() as c:
        c.execute(update(credit_event).values(subject_key=source.key, outcome="APPLIED"))
    assert source.clear(DAYS_180)["quarantine"] == 0
    assert source.kept() == [(True, True)]


def test_a_hold_on_anyone_of_a_page_keeps_it(source: Pages) -> None:
    source.page(source.about(source.stranger, "CR-1"), source.about(source.ours, "CR-2"))
    source.page(source.about(source.stranger, "CR-3"))
    with source.store.write() as c:
        number = retention.hold(c, person_key=source.key, reason="court", by="tester", now=source.now)
    source.clear(DAYS_180)
    assert source.kept() == [(True, True), (False, False)]
    with source.store.write() as c:
        retention.end_hold(c, number, by="tester", now=source.now)
    source.clear(DAYS_180)
    assert source.kept() == [(False, False), (False, False)]


def test_an_answer_that_nobody_could_read_is_kept_while_any_hold_is_in_force(source: Pages) -> None:
    with source.store.write() as c:
        number = source.exchange_in(c)
        closing = Closing(exchange_id=number, closed_at=source.now, status=200, body=b"?")
        exchanges.closed(source.store.vault, [closing])(c)
        held = retention.hold(c, person_key=source.key, reason="court", by="tester", now=source.now)
    year = timedelta(days=366)
    assert source.clear(year)["inbox"] == 0
    with source.store.write() as c:
        retention.end_hold(c, held, by="tester", now=source.now)
    assert source.clear(year)["inbox"] == 1


def test_the_chain_of_evidence_fits_without_the_bytes_and_says_who_took_them(source: Pages) -> None:
    source.page(source.about(source.stranger, "CR-1"))
    evidence.seal(source.store, source.now, None)
    source.clear(DAYS_180)
    evidence.seal(source.store, source.now + DAYS_180, None)
    assert evidence.verify(source.store, None, every_byte=True).faults == []
    with source.store.read() as c:
        rows = [(r.rule, r.what, r.ranges) for r in c.execute(select(purge).order_by(purge.c.id))]
        digests = c.execute(select(inbox.c.digest, exchange.c.response_digest).join(exchange)).one()
    assert rows == [
        ("quarantine", "credit_event.*", [[1, 1]]),
        ("quarantine", "inbox.raw", [[1, 1]]),
        ("quarantine", "exchange.response", [[1, 1]]),
    ]
    assert digests[0] == digests[1]


def test_nothing_of_a_stranger_can_be_read_anywhere_afterwards(source: Pages) -> None:
    source.page(source.about(source.stranger, "CR-1"))
    source.clear(DAYS_180)
    with source.store.read() as c:
        left = [
            value
            for table in (credit_event, inbox, exchange)
            for row in c.execute(select(table)).mappings()
            for name, value in row.items()
            if name in ("payload", "raw", "response", "number_digest", "name_digest") and value
        ]
    assert left == []
