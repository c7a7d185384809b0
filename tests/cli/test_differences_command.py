"""``gateway differences`` from the shell: whom a difference is about, what repairs it, and saying theirs is right."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from typer.testing import Result

from gateway.bootstrap import open_gateway
from gateway.delivery.rules.differences import Difference, Item
from gateway.delivery.store import owing, platforms, reconciliations
from gateway.domain.records import Certificate, RecordKind, Worker
from gateway.store import records
from gateway.testing import people
from gateway.testing.model import Model

Run = Callable[..., Result]
RNG = random.Random(8)
PERSON = people.person_record(RNG)
PAPER = people.certificate_record(RNG, PERSON)
KEY = "P370000X00009912"
assert isinstance(PERSON.content, Worker)
NAME = PERSON.content.name


@pytest.fixture
def reconciled(run: Run) -> Run:
    """A home with one person and one certificate, and a run in which the certificate differs and a key is unknown."""
    items = [
        Item(
            difference=Difference.ALTERED,
            kind=RecordKind.CERTIFICATE,
            delivery_id=2,
            fields=("trade", "valid_to", "PersonName"),
            sides=(("trade", "砌筑工", "抹灰工"), ("valid_to", "2024-05-01", ""), ("PersonName", NAME, "李四光")),
        ),
        Item(difference=Difference.LAG, kind=RecordKind.PERSON, delivery_id=1),
        Item(difference=Difference.UNKNOWN_HERE, kind=RecordKind.PERSON, theirs=(KEY, "P00009912")),
    ]
    with open_gateway() as gateway, gateway.store.write() as c:
        now = gateway.edge.now()
        platforms.register(c, ["model"])
        records.add(c, gateway.store.vault, [PERSON, PAPER], batch_id=None, now=now)
        owing.owe(c, Model(base_url="http://unused.invalid").info, now)
        counts = Counter(str(item.difference) for item in items)
        reconciliations.save(
            c, gateway.store.vault, platform="model", ours_at=now, theirs_at=now, counts=counts, items=items
        )
    return run


def rows(run: Run, *arguments: str, code: int = 1) -> list[dict[str, Any]]:
    document = json.loads(run("differences", *arguments, "--json", code=code).stdout)
    found: list[dict[str, Any]] = document["platforms"]["model"]["differences"]
    return found


def test_differences_name_fields_and_mask_whom_they_are_about(reconciled: Run) -> None:
    altered, unknown = rows(reconciled)
    assert (altered["class"], altered["fields"], altered["delivery"]) == (
        "altered",
        ["trade", "valid_to", "PersonName"],
        2,
    )
    assert (unknown["class"], unknown["platform_number"]) == ("unknown_here", "P00009912")
    assert isinstance(PAPER.content, Certificate)
    assert isinstance(PERSON.content, Worker)
    told = reconciled("differences", "model", "--class", "altered,lag,unknown_here", code=1).stdout
    for text in (PAPER.content.number, PERSON.content.id_number, PERSON.content.name, KEY):
        assert text not in told
    assert "gateway replay plan --platform model --difference altered" in told
    assert "gateway differences settle 1 --class altered,unknown_here --theirs" in told


def test_what_is_settled_is_open_no_longer(reconciled: Run) -> None:
    reconciled("differences", "settle", "1", "--class", "altered", "--theirs", "--reason", "seen on paper")
    assert [one["class"] for one in rows(reconciled) if one["settled_at"] is None] == ["unknown_here"]
    assert "seen on paper" in reconciled("audit", "list", "--act", "settle_differences").stdout
    reconciled("differences", "settle", "1", "--class", "altered", "--theirs", "--reason", "again", code=1)
    assert rows(reconciled, "--class", "altered", code=0)


def test_all_of_them_go_to_a_workbook(reconciled: Run, tmp_path: Path) -> None:
    reconciled("differences", "--xlsx", "found.xlsx", code=1)
    [_, *written] = openpyxl.load_workbook(tmp_path / "found.xlsx").active.iter_rows(values_only=True)
    assert [one[2] for one in written] == ["altered", "unknown_here"]
    assert KEY in written[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ("nope",),
        ("--class", "nope"),
        ("--run", "7"),
        ("settle", "7", "--class", "lost", "--theirs", "--reason", "r"),
        ("settle", "1", "--class", "lost", "--reason", "r"),
    ],
)
def test_what_is_not_there_is_misuse(reconciled: Run, arguments: tuple[str, ...]) -> None:
    reconciled("differences", *arguments, code=2)


def test_nothing_reconciled_says_what_to_do(run: Run) -> None:
    assert "gateway reconcile" in run("differences").stdout


def test_a_plan_of_differences_takes_no_state(run: Run) -> None:
    run("replay", "plan", "--reason", "r", "--difference", "lost", "--state", "parked", code=2)


def test_both_sides_of_a_field_are_shown_and_nobody_is_named(reconciled: Run, tmp_path: Path) -> None:
    altered, unknown = rows(reconciled)
    assert altered["sides"][:2] == [
        {"field": "trade", "ours": "砌筑工", "theirs": "抹灰工"},
        {"field": "valid_to", "ours": "2024-05-01", "theirs": ""},
    ]
    assert unknown["sides"] == []
    shown = reconciled("differences", code=1).stdout
    assert "trade  ours 砌筑工  theirs 抹灰工" in shown
    assert "theirs (empty)" in shown
    assert NAME not in json.dumps(altered, ensure_ascii=False)
    assert "李四光" not in shown
    reconciled("differences", "--xlsx", str(tmp_path / "d.xlsx"), code=1)
    cells = [str(cell) for line in openpyxl.load_workbook(tmp_path / "d.xlsx").active.values for cell in line]
    assert any("李四光" in cell for cell in cells), "the file of its owner is whole"
