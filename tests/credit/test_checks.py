"""Checks of supervision: entered with what belongs to them, approved by a second person, and the public list."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from gateway.codec.codes import table
from gateway.credit.checks import PUBLIC, CheckEntry, approve, enter, note_published, public_list
from gateway.credit.decisions import Officer
from gateway.credit.rules.checks import SupervisionKind, SupervisionResult
from gateway.credit.rules.draws import Checker
from gateway.credit.store import checks, tickets
from gateway.credit.store.checks import CheckFilter, SupervisionCheck
from gateway.credit.store.tickets import Filter
from gateway.credit.supervision import Order, make_draw
from gateway.domain.errors import InputError
from gateway.domain.records import Certificate
from gateway.domain.ticket_kinds import TicketKind
from gateway.domain.working_days import WorkCalendar
from gateway.store import records
from gateway.store.engine import Store
from gateway.testing import people

NOW = datetime(2026, 4, 2, 1, 0, tzinfo=UTC)
CALENDAR = WorkCalendar.from_rows(table("working_days").rows)
RNG = random.Random(5)
PERSON = people.person_record(RNG)
PAPER = people.certificate_record(RNG, PERSON)
OFFICER = Officer(by="a", now=NOW, calendar=CALENDAR)
ENTRY = CheckEntry(
    kind=SupervisionKind.DAILY,
    of="cities",
    object="370100",
    checked_on=date(2026, 4, 1),
    result=SupervisionResult.FAILED,
    finding="原件未逐一核对，承诺书 370000199001165072 缺签名",
    document="鲁建监〔2026〕3号",
    checkers=("张三",),
)


def kept(store: Store, entry: CheckEntry = ENTRY, number: str = "C1") -> SupervisionCheck:
    return enter(store, entry, number=number, by="a", now=NOW)


@pytest.mark.parametrize("kind", [SupervisionKind.DAILY, SupervisionKind.FOCUSED, SupervisionKind.COMPLAINT])
def test_a_check_keeps_all_that_belongs_to_it_and_no_number_of_a_person(store: Store, kind: SupervisionKind) -> None:
    kept(store, replace(ENTRY, kind=kind))
    with store.read() as c:
        [found] = checks.listed(c, CheckFilter())
    assert (found.kind, found.of, found.object, found.city) == (kind, "cities", "370100", "370100")
    assert (found.checked_on, found.result, found.document) == (ENTRY.checked_on, ENTRY.result, ENTRY.document)
    assert "原件未逐一核对" in found.finding
    assert "370000199001165072" not in found.finding


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"of": "people"}, "what is checked"),
        ({"object": "370000"}, "no such city"),
        ({"object": "370102"}, "no such city"),
        ({"checked_on": date(2026, 4, 3)}, "future"),
        ({"finding": " "}, "what was found"),
        ({"kind": SupervisionKind.RANDOM}, "names its draw"),
        ({"draw": "D"}, "no other does"),
        ({"of": "certificates", "object": "NOBODY"}, "no such object"),
        ({"of": "enterprises", "object": "91370000MA0000000X"}, "no such object"),
        ({"kind": SupervisionKind.RANDOM, "draw": "D"}, "no such draw"),
    ],
)
def test_an_entry_that_cannot_be_right_is_refused(store: Store, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        kept(store, replace(ENTRY, **changes))
    with store.read() as c:
        assert checks.listed(c, CheckFilter()) == []


def test_a_random_check_settles_the_ticket_of_what_was_drawn_and_no_other(store: Store) -> None:
    order = Order(of="cities", ratio="2", seed="s", reason="r", checkers=[Checker(name="b")])
    made = make_draw(store, order, OFFICER, number="DRAW1")
    first, second = (one.object for one in made.drawn)
    other = next(code for code in ("370100", "370200", "370300") if code not in (first, second))
    with pytest.raises(InputError, match="was not drawn"):
        kept(store, replace(ENTRY, kind=SupervisionKind.RANDOM, draw="DRAW1", object=other))
    kept(store, replace(ENTRY, kind=SupervisionKind.RANDOM, draw="DRAW1", object=first))
    with store.read() as c:
        _, still = tickets.listed(c, Filter(kind=TicketKind.CHECK), 9)
    assert [one.record_id for one in still] == [second]


def test_cities_are_drawn_and_neither_the_province_nor_a_district(store: Store) -> None:
    order = Order(of="cities", ratio="100%", seed="s", reason="r", checkers=[Checker(name="b")])
    drawn = {one.object for one in make_draw(store, order, OFFICER, number="ALL").drawn}
    assert "370000" not in drawn
    assert len(drawn) == 16
    assert all(code.endswith("00") for code in drawn)


def test_a_second_person_approves_once(store: Store) -> None:
    kept(store)
    with pytest.raises(InputError, match="another person"):
        approve(store, "C1", reason="r", by="a", now=NOW)
    with pytest.raises(InputError, match="no such check"):
        approve(store, "C9", reason="r", by="b", now=NOW)
    assert approve(store, "C1", reason="r", by="b", now=NOW)
    assert not approve(store, "C1", reason="r", by="b", now=NOW)


def test_the_public_list_shows_what_is_approved_and_nobody(store: Store) -> None:
    with store.write() as c:
        records.add(c, store.vault, [PERSON, PAPER], batch_id=None, now=NOW)
    kept(store)
    kept(store, replace(ENTRY, of="certificates", object=PAPER.key), "C2")
    kept(store, replace(ENTRY, object="370200"), "C3")
    for number in ("C1", "C2"):
        approve(store, number, reason="r", by="b", now=NOW)
    numbers, rows = public_list(store, CheckFilter())
    assert set(numbers) == {"C1", "C2"}
    shown = {row[2]: dict(zip(PUBLIC, row, strict=True)) for row in rows}
    assert shown["济南市"]["检查结果"] == "不合格"
    assert shown["济南市"]["文书号"] == ENTRY.document
    assert isinstance(PAPER.content, Certificate)
    text = str(rows)
    assert PAPER.content.number not in text
    assert PAPER.content.holder.name not in text
    assert note_published(store, numbers, by="b", now=NOW) == 2
    assert note_published(store, numbers, by="b", now=NOW) == 0
    with store.read() as c:
        assert [one.number for one in checks.listed(c, CheckFilter(published=True, city="370100"))][-1:] == ["C1"]
