"""The index key is changed while work goes on: everybody is found at every moment, nothing of the old key is left."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import String, func, select, update

from gateway.credit.store.tables import credit_event
from gateway.domain.errors import StoreError
from gateway.domain.records import Worker
from gateway.intake.admit import take_in
from gateway.intake.reading.columns import field_of
from gateway.intake.rules.gate_rules import GateRules
from gateway.intake.store.batches import unpack
from gateway.intake.store.tables import filing, filing_subject
from gateway.operations.store import reindexing, why
from gateway.operations.store.reindexing import Reindexed
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.metadata import metadata
from gateway.store.tables import search_index
from gateway.store.vault import KeyRing, Vault
from gateway.testing import people
from gateway.testing.batch import write_sample
from tests.credit.store.test_archive_cases import employer, firm, news
from tests.support.creditfeed import NOW, Feed, person_entries
from tests.support.findings import finding


@dataclass
class Change:
    """A store with people by every way that there is, and its rings before, while and after the key is changed."""

    store: Store
    feed: Feed
    person: tuple[str, Worker]
    renamed: Worker
    stranger: Worker

    def under(self, ring: KeyRing) -> Store:
        return replace(self.store, vault=Vault(ring))

    @property
    def old(self) -> KeyRing:
        return self.store.vault.ring

    @property
    def both(self) -> KeyRing:
        return replace(self.old, other_indexes={"i2": bytes(range(7, 7 + 32 * 5, 5))})

    @property
    def led(self) -> KeyRing:
        i2 = self.both.other_indexes["i2"]
        return replace(self.old, index=i2, index_name="i2", other_indexes={"i1": self.old.index})

    @property
    def new(self) -> KeyRing:
        return replace(self.led, other_indexes={})


@pytest.fixture
def change(store: Store, tmp_path: Path) -> Change:
    feed = Feed(store)
    code, _ = employer(feed)
    record, worker = feed.person("张伟")
    feed.certificate(record)
    feed.apply(finding(worker))
    renamed = replace(worker, name="张伟国", id_number=people.id_number(feed.rng, NOW.date().replace(year=1980)))
    feed.apply(news(renamed, "SUBJECT_RENAMED", fromKey=record.key, date="2019-03-01"))
    stranger = replace(worker, name="钱一", id_number="370000198001010017")
    feed.apply(finding(stranger, record_id="CR-7", stream="MORE7"))
    feed.apply(firm(finding(worker, record_id="CR-8", stream="MORE8"), code))
    take(store, write_sample(tmp_path / "sample.xlsx", rows=40))
    return Change(store=store, feed=feed, person=(record.key, worker), renamed=renamed, stranger=stranger)


def take(store: Store, path: Path) -> Any:
    now = NOW + timedelta(days=400)
    ids = random.Random(3)
    return take_in(path, store, [], rules=GateRules(now=now), now=now, new_id=lambda: people.ulid(ids))


def found(store: Store, change: Change) -> dict[str, int]:
    """How many are found by each way, under the ring of this store."""
    with store.read() as c:
        worker = change.person[1]
        by: dict[str, int] = {}
        for name, one in (("worker", worker), ("renamed", change.renamed)):
            by[name] = len(records.find(c, store.vault, "id_number", [f"{one.id_type}:{one.id_number}"]))
            by[f"{name} by name"] = len(records.find(c, store.vault, "name", [one.name]))
        written = _written(c, change.store)
        by["rows"] = sum(bool(why.subject(c, store.vault, number, ["01"]).rows) for number in written)
    return by


def _written(c: Any, store: Store) -> list[str]:
    """Identity numbers as they stand in the cells of rows that did not go."""
    rows = c.execute(select(filing).join(filing_subject).order_by(filing.c.id)).mappings()
    cells = [unpack(store.vault.open(row["cells"], f"filing.cells:{row['batch_id']}/{row['row_no']}")) for row in rows]
    return [text for one in cells for header, text in one.items() if field_of(header) == "id_number" and text]


def digests(store: Store) -> set[str]:
    with store.read() as c:
        return {
            digest
            for column in reindexing._columns()
            for digest in c.execute(select(column).where(column.is_not(None))).scalars()
        }


def test_everybody_is_found_at_every_step_and_nothing_of_the_old_key_is_left(change: Change, tmp_path: Path) -> None:
    before, everyone = digests(change.store), found(change.store, change)
    assert everyone["worker"] == everyone["renamed"] == everyone["renamed by name"] == 1
    assert everyone["rows"] > 2
    both = change.under(change.both)
    filled = reindexing.fill_index(both, "i1", "i2")
    assert filled == Reindexed(moved=_count(change.store, "i1"), left=0)
    assert found(both, change) == found(change.store, change) == everyone
    led = change.under(change.led)
    assert found(led, change) == found(both, change) == everyone  # two processes, of which one looked at the file late
    moved = reindexing.move_rows(led, "i1")
    assert {name: report.left for name, report in moved.items()} == {"filing_subject": 0, "credit_event": 0}
    assert all(report.moved for report in moved.values())
    assert found(led, change) == found(both, change) == everyone
    with led.read() as c:
        assert reindexing.still_under(c, "i1") == {}
    assert reindexing.drop_index(led, "i1") == filled.moved
    new = change.under(change.new)
    assert found(new, change) == everyone
    with new.read() as c:
        assert all(set(names) <= {"i2"} for names in reindexing.usage(c).values())
        for column in (
            one for table in metadata.sorted_tables for one in table.columns if isinstance(one.type, String)
        ):
            stand = set(c.execute(select(column).where(column.is_not(None))).scalars())
            assert not stand & before, f"{column.table.name}.{column.name}"
    # whom it knows it goes on to know: the same batch changes nothing, and a stranger who is reported now is matched
    assert take(new, tmp_path / "sample.xlsx").repeated


def _count(store: Store, name: str) -> int:
    with store.read() as c:
        return reindexing.usage(c)["search_index.digest"].get(name, 0)


def test_who_becomes_known_meanwhile_is_found_by_every_ring(change: Change) -> None:
    reindexing.fill_index(change.under(change.both), "i1", "i2")
    for ring, name in ((change.both, "李一"), (change.led, "李二")):
        feed = Feed(change.under(ring))
        feed.rng = random.Random(name)
        _, worker = feed.person(name)
        for other in (change.old, change.both, change.led, change.new):
            with change.store.read() as c:
                number = f"{worker.id_type}:{worker.id_number}"
                assert records.find(c, Vault(other), "id_number", [number]), (name, other.index_name)


def test_an_event_under_either_key_is_matched_while_the_key_changes(change: Change) -> None:
    reindexing.fill_index(change.under(change.both), "i1", "i2")
    worker = change.person[1]
    for place, ring in enumerate((change.both, change.led)):
        feed = Feed(change.under(ring))
        feed.now, feed.pages = change.feed.now + timedelta(hours=place), 50 + place
        feed.apply(finding(worker, record_id=f"CR-9{place}", stream=f"MORE{place}", stream_seq=1))
    with change.store.read() as c:
        matched = select(credit_event.c.subject_key).where(credit_event.c.record_id.like("CR-9%"))
        assert [*c.execute(matched).scalars()] == [change.person[0]] * 2
    # a stranger's event stands under the old key; who is reported under the new one is matched with it
    feed = Feed(change.under(change.led))
    feed.now = change.feed.now + timedelta(days=1)
    record = people.person_record(random.Random(99))
    assert isinstance(record.content, Worker)
    known = replace(record.content, name=change.stranger.name, id_number=change.stranger.id_number)
    feed.hold(replace(record, content=known), person_entries(record.key, known))
    assert feed.rematch() == 1


def test_a_killed_run_goes_on_where_it_ended(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reindexing, "_MOST", 3)

    class Killed(Exception):
        pass

    def killed(_: int) -> None:
        raise Killed

    both, led = change.under(change.both), change.under(change.led)
    for _ in range(3):
        with pytest.raises(Killed):
            reindexing.fill_index(both, "i1", "i2", killed)
    some = _count(change.store, "i2")
    assert 0 < some < _count(change.store, "i1")
    with both.read() as c, pytest.raises(StoreError, match="not everybody is found"):
        reindexing.refuse_unfilled(c, "i1", "i2")
    assert reindexing.fill_index(both, "i1", "i2").moved == _count(change.store, "i1") - some
    with both.read() as c:
        reindexing.refuse_unfilled(c, "i1", "i2")
        whole = sum(reindexing.still_under(c, "i1").values())
    left = [whole]
    for _ in range(3):
        with pytest.raises(Killed):
            reindexing.move_rows(led, "i1", killed)
        with led.read() as c:
            left.append(sum(reindexing.still_under(c, "i1").values()))
    assert left == sorted(left, reverse=True)
    assert whole > left[-1] > 0
    assert sum(one.moved for one in reindexing.move_rows(led, "i1").values()) == left[-1]


def test_what_was_cleared_is_moved_by_the_index_or_left_and_let_go_only_when_asked(change: Change) -> None:
    reindexing.fill_index(change.under(change.both), "i1", "i2")
    led = change.under(change.led)
    with led.write() as c:
        c.execute(update(filing).values(cells=b""))
        c.execute(update(credit_event).values(payload=None))
    done = reindexing.move_rows(led, "i1")
    assert done["credit_event"].moved > 0
    assert done["credit_event"].left > 0  # the stranger
    assert done["filing_subject"].left > 0
    with led.read() as c:
        worker = change.person[1]
        mine = select(credit_event.c.number_digest).where(credit_event.c.subject_key == change.person[0])
        assert led.vault.index("id_number", f"{worker.id_type}:{worker.id_number}") in c.execute(mine).scalars().all()
        left = reindexing.still_under(c, "i1")
    assert sum(left.values()) == sum(report.left for report in done.values())
    with led.write() as c:
        assert reindexing.forget(c, "i1") == sum(left.values())
        assert reindexing.still_under(c, "i1") == {}
        assert c.execute(select(func.count()).select_from(filing_subject)).scalar_one() > 0


def test_a_digest_of_nothing_that_is_kept_is_counted_and_stands_in_the_way(change: Change) -> None:
    with change.store.write() as c:
        row = dict(c.execute(select(search_index).limit(1)).mappings().one())
        c.execute(search_index.insert().values(row | {"digest": "f" * 64}))
    both = change.under(change.both)
    assert reindexing.fill_index(both, "i1", "i2").left == 1
    with both.read() as c, pytest.raises(StoreError):
        reindexing.refuse_unfilled(c, "i1", "i2")
