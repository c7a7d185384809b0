"""A report as a whole: open while anything of it is to come, closed after that, and nothing new is added then."""

from __future__ import annotations

import csv
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from gateway.domain.delivery import State
from gateway.domain.errors import InputError
from gateway.domain.gate_rules import GateRules
from gateway.intake.reading.columns import COLUMNS
from gateway.service.admit import IntakeReport, take_in
from gateway.service.closing import close_report
from gateway.store.batch_views import BatchPart, closed_reports, parts
from gateway.store.engine import Store
from gateway.store.tables import audit, delivery
from gateway.testing import people
from gateway.testing.forms import CITIES, Cells, filed
from gateway.testing.model import Model

NOW = datetime(2019, 5, 6, 1, 0, tzinfo=UTC)
INFO = Model(base_url="http://unused.invalid").info
REPORT = "370100-201904-01"
MARCH = {
    **{"promise_signed_at": "2019-02-20", "verified_at": "2019-02-26", "reviewed_at": "2019-02-28"},
    **{"notice_begin": "2019-03-01", "notice_end": "2019-03-08"},
}
LONG = {"contract_term": "无固定期限", "contract_start": "2018-03-01", "contract_end": ""}


class City:
    """A city with one report, sent in one or several files."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store = folder, store
        self.rng, self.used, self.day = random.Random(11), set[str](), 0

    def row(self, **changes: Any) -> Cells:
        row = filed(self.rng, self.used, employed=True, city=CITIES[0])
        return row | MARCH | LONG | {"reported_at": "2019-04-01", "batch_no": REPORT} | changes

    def send(self, *rows: Mapping[str, Any]) -> IntakeReport:
        self.day += 1
        path = self.folder / f"{self.day}.csv"
        with path.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow([*(column.title for column in COLUMNS), "备注"])
            writer.writerows([*(row.get(column.field, "") for column in COLUMNS), self.day] for row in rows)
        ids = random.Random(self.day)
        return take_in(
            path,
            self.store,
            [INFO],
            rules=GateRules(now=self.now),
            now=self.now,
            new_id=lambda: people.ulid(ids),
        )

    @property
    def now(self) -> datetime:
        return NOW + timedelta(days=self.day)

    def accept(self, state: State = State.ACCEPTED) -> datetime:
        """As if the platform had answered for everything that waits."""
        with self.store.write() as c:
            waiting = delivery.c.state == State.QUEUED
            c.execute(
                update(delivery).where(waiting).values(state=state, blocked_by=None, tries=1, updated_at=self.now)
            )
        return self.now

    def parts(self) -> list[BatchPart]:
        with self.store.read() as c:
            return parts(c)

    def closed(self) -> bool:
        with self.store.read() as c:
            return closed_reports(c, {REPORT, "370100-201904-99"}) == {REPORT}


@pytest.fixture
def city(tmp_path: Path, store: Store) -> City:
    return City(tmp_path, store)


def test_a_report_closes_when_the_last_of_its_rows_is_accepted(city: City) -> None:
    city.send(city.row(), city.row())
    [part] = city.parts()
    assert (part.open, part.closed_at, city.closed()) == (2, None, False)
    city.day += 3
    accepted = city.accept()
    [part] = city.parts()
    assert (part.open, part.closed_at, city.closed()) == (0, accepted, True)


@pytest.mark.parametrize("state", [State.REJECTED, State.AWAITING_ACK])
def test_what_no_platform_has_accepted_keeps_it_open(city: City, state: State) -> None:
    city.send(city.row())
    city.accept(state)
    [part] = city.parts()
    assert (part.open, part.closed_at, city.closed()) == (1, None, False)


@pytest.mark.parametrize(
    "flaw",
    [
        {"seal_stamped": "否"},
        {"objection": "处理中"},
        {"certificate_number": "0000000000"},
        {"id_number": "37000019800101"},
    ],
    ids=["refused", "held", "an implausible certificate number", "an unreadable identity number"],
)
def test_a_returned_row_keeps_it_open_until_a_later_file_answers_it(city: City, flaw: dict[str, str]) -> None:
    good, right = city.row(), city.row()
    city.send(good, right | flaw)
    city.accept()
    [part] = city.parts()
    assert (part.open, part.closed_at, city.closed()) == (1, None, False)
    city.send(right | flaw | {"address": "示例路3号"})
    newer, older = city.parts()
    assert (older.open, newer.open) == (0, 1), "what came again and is wrong again is open in the newer file"
    assert city.send(right).admitted == 1
    accepted = city.accept()
    newest, newer, older = city.parts()
    assert (older.open, newer.open, newest.open) == (0, 0, 0)
    assert newest.closed_at == accepted
    assert newer.closed_at == newest.read_at
    assert city.closed()


def test_another_row_of_the_same_person_in_the_same_file_is_no_answer(city: City) -> None:
    first = city.row(seal_stamped="否")
    other = city.row()
    own = {name: other[name] for name in ("certificate_number", "level", "issue_date", "application_date", "valid_to")}
    city.send(
        first, first | own | {"seal_stamped": "是", "trade": "抹灰工" if first["trade"] != "抹灰工" else "钢筋工"}
    )
    city.accept()
    assert [part.open for part in city.parts()] == [1]


def test_nothing_new_is_added_to_a_closed_report_and_its_own_items_may_come_again(city: City) -> None:
    good = city.row()
    city.send(good)
    assert city.send(city.row()).admitted == 1, "still open"
    city.accept()
    late = city.send(city.row(), good | {"mobile": "13800000009"})
    assert (late.admitted, late.refused, late.gates) == (1, 1, {"N09": 1})
    assert not city.closed(), "the correction is on its way"
    city.accept()
    [newest, *_] = city.parts()
    assert newest.open == 1, "the refused row waits for an answer"
    assert city.send(city.row(batch_no="370100-201904-02")).admitted == 1


@pytest.mark.parametrize(("reported", "gates"), [("2019-03-31 23:59:59", {}), ("2019-04-01 00:00:00", {"N09": 1})])
def test_reports_are_closed_batches_from_the_first_of_april(city: City, reported: str, gates: dict[str, int]) -> None:
    city.send(city.row())
    city.accept()
    assert city.send(city.row(reported_at=reported)).gates == gates


def test_a_certificate_withdrawn_before_it_left_is_settled(city: City) -> None:
    row = city.row()
    city.send(row)
    assert city.send(row | {"withdrawn": "是", "withdrawal_reason": "重复申报"}).withdrawn == 1
    assert [part.open for part in city.parts()] == [0, 0]
    assert city.closed()


def test_a_person_closes_a_report_whose_rows_never_came_back(city: City) -> None:
    row = city.row()
    city.send(city.row(), row | {"seal_stamped": "否"})
    at = city.now + timedelta(days=90)
    assert close_report(city.store, REPORT, reason="city gave the row up", by="tester", now=at)
    assert not close_report(city.store, REPORT, reason="again", by="tester", now=at)
    [part] = city.parts()
    assert (part.closed_at, part.closed_by_hand) == (at, (at, "city gave the row up"))
    assert part.open == 2, "what is open is still counted"
    assert city.send(city.row()).gates == {"N09": 1}
    assert city.send(row).admitted == 1
    with city.store.read() as c:
        [line] = c.execute(select(audit).where(audit.c.action == "close")).mappings()
    assert (line["actor"], line["object"], line["reason"]) == ("tester", REPORT, "city gave the row up")
    with pytest.raises(InputError, match="no report of this number"):
        close_report(city.store, "370100-201904-77", reason="x", by="tester", now=at)
