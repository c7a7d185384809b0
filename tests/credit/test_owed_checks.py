"""A void certificate brings a random check of its enterprise and verification point about, once, for anyone to redo."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from gateway.contract.messages import Finding
from gateway.credit.rules.draws import Checker
from gateway.credit.store import draws
from gateway.credit.store.case_tables import check_owed
from gateway.credit.store.draws import Draw
from gateway.credit.store.tables import ticket
from gateway.credit.supervision import EXCLUDED, Checks, draw_again, draw_owed
from gateway.credit.tickets import TicketRequest, look_up, read_calendar, reinstate
from gateway.domain.records import Certificate, Record
from gateway.store.engine import Store
from gateway.store.records import IndexEntry
from gateway.store.tables import audit
from gateway.testing import people
from tests.support.creditfeed import Feed
from tests.support.findings import finding

FIRM, POINT = "91370000MA00000000", "P-01"


class Site:
    """Certificates of one enterprise, of one verification point, of both, and of neither."""

    def __init__(self, source: Feed) -> None:
        self.source, self.store = source, source.store
        self.held = [self.file(FIRM, POINT) for _ in range(3)]
        self.of_firm = [self.file(FIRM, "P-02").key for _ in range(2)]
        self.at_point = [self.file(None, POINT).key for _ in range(2)]
        self.file(None, "P-03")

    def file(self, firm: str | None, point: str) -> Record:
        person, worker = self.source.person()
        record = people.certificate_record(self.source.rng, person)
        assert isinstance(record.content, Certificate)
        boss = people.worker(self.source.rng, employed=True).employer
        assert boss is not None
        holder = replace(worker, employer=replace(boss, code=firm) if firm else None)
        verified = replace(record.content.verification, point_code=point)
        kept = replace(record, content=replace(record.content, holder=holder, verification=verified))
        self.source.hold(kept, [entry_of(kept)])
        return kept

    def void(self, at: int = 0, record_id: str = "CE-1", **changes: Any) -> Finding:
        content = self.held[at].content
        assert isinstance(content, Certificate)
        told = finding(
            content.holder,
            event_type="CERT_INVALIDATED",
            record_id=record_id,
            certificate_number=content.number,
            authority="山东省建设从业人员教育中心",
        )
        return replace(told, stream=f"S-{record_id}", **changes)

    def checks(self, seed: int = 1, **changes: Any) -> Checks:
        rng = random.Random(seed)
        given: dict[str, Any] = {
            "ratio": "50%",
            "checkers": [Checker(name="甲"), Checker(name="乙", avoids=frozenset({FIRM}))],
            "calendar": read_calendar(),
            "now": lambda: self.source.now,
            "new_id": lambda: people.ulid(rng),
            "random_bytes": rng.randbytes,
        }
        return Checks(**{**given, **changes})

    def made(self) -> list[Draw]:
        with self.store.read() as connection:
            return sorted(draws.listed(connection, 100), key=lambda one: one.of)

    def tickets(self, kind: str) -> list[Any]:
        return self.source.rows(ticket, ticket.c.kind == kind)


def entry_of(record: Record) -> IndexEntry:
    assert isinstance(record.content, Certificate)
    return IndexEntry(kind=record.kind, key=record.key, what="certificate_number", value=record.content.number)


@pytest.fixture
def site(store: Store) -> Site:
    return Site(Feed(store))


def test_a_void_certificate_has_its_enterprise_and_its_point_drawn_once(site: Site) -> None:
    assert site.source.apply(site.void()).voided == 1
    assert draw_owed(site.store, site.checks()) == 2
    assert draw_owed(site.store, site.checks(2)) == 0
    around_firm, around_point = site.made()
    both = {one.key for one in site.held}
    assert (around_firm.of, around_point.of) == (f"certificates of {FIRM}", f"certificates of {POINT}")
    assert (around_firm.population, around_point.population) == (5, 5)
    for draw, others in ((around_firm, site.of_firm), (around_point, site.at_point)):
        assert draw.excluded == {site.held[0].key: EXCLUDED}
        assert len(draw.drawn) == 2
        assert {one.object for one in draw.drawn} <= (both | set(others)) - {site.held[0].key}
        assert len(draw.seed) == 32
        assert draw_again(site.store, draw) is True
    assert {one.checker for one in around_firm.drawn} == {"甲"}
    told = {(row.record_id, row.event_id) for row in site.tickets("CHECK")}
    assert {name for name, _ in told} == {one.object for d in (around_firm, around_point) for one in d.drawn}
    assert {number for _, number in told} <= {around_firm.number, around_point.number}
    trail = [(row.actor, row.action, row.object) for row in site.source.rows(audit)]
    assert trail == [("gateway", "supervise_draw", d.number) for d in sorted((around_firm, around_point), key=_by_id)]


def _by_id(draw: Draw) -> tuple[bool, str]:
    return draw.of != f"certificates of {FIRM}", draw.number


def test_the_ticket_of_the_void_certificate_names_the_draws(site: Site) -> None:
    site.source.apply(site.void())
    draw_owed(site.store, site.checks())
    [void] = site.tickets("CERTIFICATE")
    shown = look_up(site.store, read_calendar(), void.number, site.source.now)
    assert shown is not None
    assert sorted(shown.document()["draws"]) == sorted(one.number for one in site.made())


def test_the_same_seed_draws_the_same_and_another_population_says_so(site: Site) -> None:
    site.source.apply(site.void())
    draw_owed(site.store, site.checks())
    [first, _] = site.made()
    site.file(FIRM, "P-02")
    assert draw_again(site.store, first) is None


def test_each_ground_is_drawn_for_once_and_the_same_certificate_twice_is_no_second_ground(site: Site) -> None:
    site.source.apply(site.void())
    site.source.apply(site.void(record_id="CE-2"))
    site.source.apply(site.void(at=1, record_id="CE-3"))
    assert [row.record_id for row in site.source.rows(check_owed)] == ["CE-1", "CE-3"]
    assert draw_owed(site.store, site.checks()) == 4


def test_without_checkers_they_are_assigned_by_hand(site: Site) -> None:
    site.source.apply(site.void())
    draw_owed(site.store, site.checks(checkers=(), ratio="1"))
    assert [[one.checker for one in draw.drawn] for draw in site.made()] == [[None], [None]]


def test_who_filed_alone_brings_no_draw_about_and_is_not_asked_again(store: Store) -> None:
    source = Feed(store)
    person, worker = source.person()
    _, certificate = source.certificate_record(person)
    void = finding(
        worker, event_type="CERT_INVALIDATED", certificate_number=certificate.number, authority="山东省教育中心"
    )
    source.apply(void)
    site = Site.__new__(Site)
    site.source, site.store = source, store
    assert draw_owed(store, site.checks()) == 0
    [owed] = source.rows(check_owed)
    assert (owed.drawn_at is not None, owed.draws) == (True, [])


def test_a_certificate_that_is_valid_again_by_then_is_not_drawn_for(site: Site) -> None:
    site.source.apply(site.void())
    revoked = replace(site.void(), version=2, event_type="REVOKED", event_id="EV-2", digest="sha-256:2", stream_seq=2)
    site.source.apply(replace(revoked, prev_version=1))
    given = TicketRequest(certificate=site.held[0].key, reason="复议撤销", by="head")
    assert reinstate(site.store, given, site.source.now).done
    assert draw_owed(site.store, site.checks()) == 0
