"""P1 to P7 and P9 on whole stores: any mixture of events about several people, in any order and any pages."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import combinations, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from gateway.contract.messages import Finding
from gateway.credit.rules.books import BEYOND, BookLine, Comparison, compare, unlisted
from gateway.credit.rules.statements import AckCode, EventType, Status
from gateway.credit.store import as_of, books
from gateway.credit.store import views as archive_views
from gateway.credit.store.subject_changes import merge, split
from gateway.credit.store.tables import credit_ack, credit_event, credit_link, credit_version, ticket
from gateway.domain.records import Worker
from gateway.store.engine import Store
from gateway.testing.people import CHINA
from tests.support.creditfeed import Feed
from tests.support.findings import finding

E = EventType
LATER = [E.AMENDED, E.CORRECTED, E.PERIOD_CHANGED, E.OBJECTION_OPENED, E.REPAIRED, E.REVOKED, E.VOIDED, E.DELISTED]
JUNE = datetime(2019, 6, 1, tzinfo=CHINA)
NEVER = datetime.max.replace(tzinfo=UTC)
few = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
numbers = itertools.count(1)


@dataclass(frozen=True)
class Told:
    """What a platform says in the end, by name of the person it is about."""

    records: list[list[tuple[str, EventType]]]
    pages: list[list[tuple[int, int]]]
    """(record, version) as they arrive"""
    decisions: list[int]


@st.composite
def stories(draw: st.DrawFn) -> Told:
    """Up to four records of two people, some of one decision, in any order, some events twice, in up to four pages."""
    kinds = st.sampled_from(LATER)
    records = []
    for _ in range(draw(st.integers(1, 4))):
        who = draw(st.sampled_from("ab"))
        later = draw(st.lists(kinds, max_size=3))
        records.append([(who, E.CREATED), *((who, kind) for kind in later)])
    events = [(r, v) for r, told in enumerate(records) for v in range(len(told))]
    order = draw(st.permutations(events + draw(st.lists(st.sampled_from(events), max_size=4))))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=3)))
    pages = [order[a:b] for a, b in pairwise([0, *cuts, len(order)])]
    return Told(records=records, pages=pages, decisions=draw(st.lists(st.integers(1, 2), min_size=4, max_size=4)))


class World:
    """One platform of its own in the store, with two people nobody else has."""

    def __init__(self, store: Store) -> None:
        self.number = next(numbers)
        self.feed = Feed(store, platform=f"p{self.number}")
        self.feed.rng.seed(self.number)
        self.people: dict[str, tuple[str, Worker]] = {}
        for name in "ab":
            record, worker = self.feed.person("张伟" if name == "a" else "李娜")
            self.people[name] = record.key, worker

    def finding(self, told: Told, record: int, version: int) -> Finding:
        who, kind = told.records[record][version]
        code: dict[EventType, dict[str, Any]] = {
            E.PERIOD_CHANGED: {"publish_end": date(2019, 9, 30)},
            E.CORRECTED: {"category": "BAD"},
        }
        return finding(
            self.people[who][1],
            version + 1,
            kind,
            record_id=f"CR-{record}",
            decision_no=f"示例罚字〔2019〕{told.decisions[record]}号",
            stream_seq=1,
            **code.get(kind, {}),
        )

    def tell(self, told: Told, pages: list[list[tuple[int, int]]]) -> None:
        for page in pages:
            self.feed.apply(*(self.finding(told, *place) for place in page))

    def lose(self, told: Told, page: list[tuple[int, int]]) -> None:
        """Apply a page and end before its commit."""
        with self.feed.store.write() as connection:
            self.feed.apply_in(connection, *(self.finding(told, *place) for place in page))
            raise KeyboardInterrupt

    def believed(self) -> tuple[set[Any], set[Any], set[Any]]:
        """Statements, links and views as they stand."""
        with self.feed.store.read() as connection:
            rows = connection.execute(
                select(credit_version).where(
                    credit_version.c.platform == self.feed.platform, credit_version.c.sys_to.is_(None)
                )
            ).mappings()
            facts = {(r["record_id"], r["valid_from"], r["valid_to"], r["status"], r["publish_to"]) for r in rows}
            views = {
                (name, one.record_id, one.usable, one.public, one.same_as)
                for name, (key, _) in self.people.items()
                for one in archive_views.current(connection, key, JUNE)
            }
        return facts, self.links(), views

    def links(self) -> set[Any]:
        rows = self.feed.rows(credit_link, credit_link.c.platform == self.feed.platform, credit_link.c.sys_to.is_(None))
        names = {key: name for name, (key, _) in self.people.items()}
        return {(row.record_id, row.kind, names[row.key], row.match, row.valid_from) for row in rows}


@pytest.fixture
def make_world(store: Store) -> Callable[[], World]:
    return lambda: World(store)


@given(told=stories())
@few
def test_p1_any_order_and_repetition_gives_the_same_view(make_world: Callable[[], World], told: Told) -> None:
    one, other = make_world(), make_world()
    one.tell(told, told.pages)
    other.tell(told, [[(r, v) for r, events in enumerate(told.records) for v in range(len(events))]])
    assert one.believed() == other.believed()


@given(told=stories())
@few
def test_p2_p4_the_past_stays_as_it_was_known_and_no_two_rows_overlap(
    make_world: Callable[[], World], told: Told
) -> None:
    world = make_world()
    key = world.people["a"][0]
    seen: dict[datetime, Any] = {}
    for page in told.pages:
        world.tell(told, [page])
        known = world.feed.now + timedelta(seconds=30)
        with world.feed.store.read() as connection:
            seen[known] = [
                (one.record_id, one.statement) for one in as_of.as_of(connection, "person", key, JUNE, known)
            ]
    with world.feed.store.read() as connection:
        again = {
            known: [(b.record_id, b.statement) for b in as_of.as_of(connection, "person", key, JUNE, known)]
            for known in seen
        }
    assert again == seen
    rows = world.feed.rows(credit_version, credit_version.c.platform == world.feed.platform)
    for one, other in combinations(rows, 2):
        if one.record_id == other.record_id and one.valid_from != one.valid_to and other.valid_from != other.valid_to:
            valid = max(one.valid_from, other.valid_from) < min(one.valid_to or NEVER, other.valid_to or NEVER)
            assert not (valid and max(one.sys_from, other.sys_from) < min(one.sys_to or NEVER, other.sys_to or NEVER))


@given(told=stories(), days=st.integers(-200, 800))
@few
def test_p3_no_view_shows_what_is_over_or_stopped(make_world: Callable[[], World], told: Told, days: int) -> None:
    world, at = make_world(), JUNE + timedelta(days=days)
    world.tell(told, told.pages)
    with world.feed.store.read() as connection:
        held = [one for key, _ in world.people.values() for one in archive_views.current(connection, key, at)]
    for one in held:
        if one.usable or one.public:
            assert one.statement.status is Status.ACTIVE
            assert one.statement.publish_from is not None
            assert one.statement.publish_from <= at < (one.statement.publish_to or NEVER)
            assert one.same_as is None


@given(told=stories(), when=st.integers(0, 4))
@few
def test_p5_merge_then_split_restores_the_links_exactly(make_world: Callable[[], World], told: Told, when: int) -> None:
    world, plain = make_world(), make_world()
    plain.tell(told, told.pages)
    old, new = (world.people[name][0] for name in "ab")
    world.tell(told, told.pages[:when])
    with world.feed.store.write() as connection:
        merge(world.feed.scope(connection), "person", (old, new), event_id=None, actor="officer")
    world.tell(told, told.pages[when:])
    assert {link[2] for link in world.links()} <= {"b"}
    with world.feed.store.write() as connection:
        assert split(world.feed.scope(connection), "person", old)
    assert world.links() == plain.links()
    assert world.believed()[0] == plain.believed()[0]


@given(told=stories())
@few
def test_p6_every_event_gets_one_final_answer_at_most_and_gets_one_in_the_end(
    make_world: Callable[[], World], told: Told
) -> None:
    world = make_world()
    world.tell(told, told.pages)
    answers: dict[str, list[AckCode]] = {}
    for row in world.feed.rows(credit_ack, credit_ack.c.platform == world.feed.platform):
        answers.setdefault(row.event_id, []).append(AckCode(row.code))
    events = {f"EV-CR-{r}-{v + 1}" for r, told_of in enumerate(told.records) for v in range(len(told_of))}
    assert set(answers) == events
    for codes in answers.values():
        assert not any(code.final for code in codes[:-1])
        assert codes[-1].final or codes[-1] is AckCode.VERSION_FORK, "only a contradiction waits for a person"


@given(told=stories(), lost=st.lists(st.integers(0, 3), max_size=3))
@few
def test_p7_pages_lost_before_their_commit_change_nothing_in_the_end(
    make_world: Callable[[], World], told: Told, lost: list[int]
) -> None:
    world, plain = make_world(), make_world()
    plain.tell(told, told.pages)
    for number, page in enumerate(told.pages):
        for _ in range(lost.count(number)):
            with pytest.raises(KeyboardInterrupt):
                world.lose(told, page)
        world.tell(told, [page])
    assert world.believed() == plain.believed()
    counted = [
        len(w.feed.rows(table, table.c.platform == w.feed.platform))
        for w in (world, plain)
        for table in (credit_event, credit_ack, credit_version, ticket)
    ]
    assert counted[:4] == counted[4:]


@given(
    told=stories(),
    rows=st.lists(st.tuples(st.integers(0, 6), st.integers(1, 5), st.sampled_from(["right", "wrong"]), st.booleans())),
)
@few
def test_p9_rows_read_are_matches_and_differences(
    make_world: Callable[[], World], told: Told, rows: list[tuple[int, int, str, bool]]
) -> None:
    world = make_world()
    world.tell(told, told.pages)
    listed = [
        BookLine(
            record_id=f"CR-{record}",
            version=version,
            digest=_digest(told, record, version) if kind == "right" else "sha-256:wrong",
            active=active,
        )
        for record, version, kind, active in rows
    ]
    comparison, at = Comparison(), world.feed.now + timedelta(days=1)
    with world.feed.store.read() as connection:
        held = books.held_at(connection, world.feed.platform, {row.record_id for row in listed}, at)
        compare(comparison, listed, held)
        active = books.active_at(connection, world.feed.platform, ["PERSON_BAD"], at)
    unlisted(comparison, {row.record_id for row in listed}, active)
    assert comparison.adds_up
    assert comparison.rows == len(listed)
    missing = set(active) - {row.record_id for row in listed}
    assert sum(count for kind, count in comparison.totals.items() if kind in BEYOND) == len(missing)
    assert len(comparison.items) == sum(comparison.totals.values()) - comparison.totals.get("MATCH", 0)


def _digest(told: Told, record: int, version: int) -> str:
    kinds = told.records[record] if record < len(told.records) else []
    kind = kinds[version - 1][1] if version <= len(kinds) else ""
    return f"sha-256:CR-{record}-{version}-{kind}"
