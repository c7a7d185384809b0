"""The cities' own performance as figures: by hand for two cities, with one that did nothing beside them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import insert

from gateway.codec.codes import table
from gateway.credit.rules.checks import SupervisionKind, SupervisionResult
from gateway.credit.store import checks
from gateway.credit.store.checks import SupervisionCheck
from gateway.domain.china import CHINA
from gateway.domain.working_days import WorkCalendar
from gateway.intake.store.tables import filing, filing_subject
from gateway.operations.performance import city_figures
from gateway.store.engine import Store
from gateway.store.tables import batch

CALENDAR = WorkCalendar.from_rows(table("working_days").rows)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


def read(store: Store, name: str, when: str, *rows: tuple[str, str, str | None]) -> None:
    """One batch: report number, outcome and certificate of each row."""
    none = dict.fromkeys(("rows", "admitted", "refused", "held", "unchanged"), 0)
    with store.write() as c:
        head = {"name": name, "digest": name, "read_at": at(when), **none}
        number = c.execute(insert(batch).values(head).returning(batch.c.id)).scalar_one()
        for place, (report_no, outcome, certificate) in enumerate(rows, 2):
            row = {"batch_id": number, "row_no": place, "outcome": outcome, "cells": b"", "failures": []}
            kept = insert(filing).values(**row, report_no=report_no).returning(filing.c.id)
            one = c.execute(kept).scalar_one()
            if certificate is not None:
                c.execute(insert(filing_subject).values(filing_id=one, certificate=certificate))


def check(number: str, kind: SupervisionKind, result: SupervisionResult, city: str, day: date) -> SupervisionCheck:
    return SupervisionCheck(
        number=number, kind=kind, of="cities", object=city, city=city, checked_on=day, result=result, finding="f",
        document=None, checkers=(), draw=None, entered_at=at("2019-05-20"), entered_by="a",
    )  # fmt: skip


def figures(store: Store, now: str, within: int = 3) -> dict[str, dict[str, Any]]:
    found = city_figures(store, CALENDAR, date(2019, 4, 1), date(2019, 5, 31), now=at(now), within=within)
    return {one["city"]: one for one in found}


def test_the_figures_are_those_made_by_hand(store: Store) -> None:
    jinan, qingdao = "370100-201904-01", "370200-201904-01"
    # read on Friday 26 April: three working days are 28, 29 and 30 April
    read(store, "1", "2019-04-26 10:00", (jinan, "admit", None), (jinan, "refuse", "A"), (jinan, "refuse", "B"))
    read(store, "2", "2019-04-26 10:00", (qingdao, "hold", "C"), (qingdao, "admit", None))
    read(store, "3", "2019-04-30 23:00", (jinan, "refuse", "A"))  # in time, and refused again
    read(store, "0", "2019-03-29 10:00", (jinan, "refuse", "Z"))  # before the period
    with store.write() as c:
        for one in (
            check("1", SupervisionKind.COMPLAINT, SupervisionResult.FAILED, "370100", date(2019, 5, 8)),
            check("2", SupervisionKind.COMPLAINT, SupervisionResult.PASSED, "370100", date(2019, 5, 8)),
            check("3", SupervisionKind.DAILY, SupervisionResult.CORRECTED, "370100", date(2019, 5, 31)),
            check("4", SupervisionKind.DAILY, SupervisionResult.FAILED, "370100", date(2019, 6, 1)),
        ):
            checks.add(c, one)
    early = figures(store, "2019-04-30 12:00")
    assert (early["370100"]["late"], early["370200"]["late"]) == (0, 0)
    found = figures(store, "2019-05-01 00:00")
    names = ("rows", "returned", "held", "corrected", "late", "complaints", "upheld", "checks", "failed")
    assert [found["370100"][name] for name in names] == [4, 3, 0, 1, 1, 2, 1, 3, 2]
    assert found["370100"]["returned_percent"] == 75.0
    assert [found["370200"][name] for name in names] == [2, 0, 1, 0, 1, 0, 0, 0, 0]
    assert found["370300"]["rows"] == 0
    assert "370000" not in found
    assert len(found) == 16
