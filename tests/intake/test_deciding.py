"""Two cities report one certificate or one person: a person decides, and both reports are named."""

from __future__ import annotations

import csv
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select, update

from gateway.delivery.store.tables import delivery
from gateway.domain.errors import InputError
from gateway.intake.admit import IntakeContext, IntakeReport, take_in
from gateway.intake.deciding import decide
from gateway.intake.hand_back import hand_back
from gateway.intake.reading.columns import COLUMNS
from gateway.intake.rules.gate_rules import GateRules
from gateway.intake.store.tables import filing
from gateway.intake.store.views import parts
from gateway.store.engine import Store
from gateway.store.tables import audit, record
from gateway.testing import people
from gateway.testing.forms import CITIES, Cells, filed
from gateway.testing.model import Model

START = datetime(2019, 5, 6, 1, 0, tzinfo=UTC)
INFO = Model(base_url="http://unused.invalid").info
JINAN, QINGDAO = "370100-201903-01", "370200-201903-07"
MARCH = {
    **{"promise_signed_at": "2019-02-20", "verified_at": "2019-02-26", "reviewed_at": "2019-02-28"},
    **{"notice_begin": "2019-03-01", "notice_end": "2019-03-08", "reported_at": "2019-03-11"},
}


class Centre:
    """Takes in files of cities, one after the other."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store = folder, store
        self.rng, self.used, self.files = random.Random(5), set[str](), 0

    def row(self, **changes: Any) -> Cells:
        """A good row of Jinan."""
        return filed(self.rng, self.used, employed=True, city=CITIES[0]) | MARCH | {"batch_no": JINAN} | changes

    @property
    def desk(self) -> IntakeContext:
        now, ids = START + timedelta(days=self.files), random.Random(self.files)
        return IntakeContext(
            store=self.store, infos=[INFO], rules=GateRules(now=now), now=now, new_id=lambda: people.ulid(ids)
        )

    def send(self, *rows: Mapping[str, Any]) -> IntakeReport:
        self.files += 1
        path = self.folder / f"{self.files}.csv"
        with path.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow([column.title for column in COLUMNS])
            writer.writerows([row.get(column.field, "") for column in COLUMNS] for row in rows)
        desk = self.desk
        return take_in(path, self.store, desk.infos, rules=desk.rules, now=desk.now, new_id=desk.new_id)

    def decide(self, row_no: int = 2, *, name: str = QINGDAO, admit: bool = True) -> IntakeReport:
        self.files += 1
        return decide(self.desk, name, row_no, admit=admit, reason="both cities were asked", by="tester")

    def versions(self) -> int:
        with self.store.read() as c:
            return len(c.execute(select(record.c.id).where(record.c.kind == "certificate")).all())

    def reasons(self) -> list[Any]:
        with self.store.read() as c:
            last = c.execute(select(filing.c.failures).order_by(filing.c.id.desc())).first()
        return [] if last is None else list(last.failures)


@pytest.fixture
def centre(tmp_path: Path, store: Store) -> Centre:
    return Centre(tmp_path, store)


def elsewhere(row: Cells) -> Cells:
    """The same certificate, as a second city would report it."""
    return row | {
        "assessment_region": "370200",
        "point_code": "370200-01",
        "review_region": "370200",
        "review_department": "青岛市住房和城乡建设局",
        "batch_no": QINGDAO,
    }


def other_certificate(row: Cells) -> Cells:
    return row | {"certificate_number": "鲁B20157654321", "trade": "抹灰工" if row["trade"] != "抹灰工" else "钢筋工"}


@pytest.mark.parametrize("change", [elsewhere, lambda row: other_certificate(elsewhere(row))], ids=["it", "person"])
def test_a_second_city_waits_for_a_person_and_both_reports_are_named(centre: Centre, change: Any) -> None:
    row = centre.row()
    centre.send(row, centre.row())
    report = centre.send(change(row), centre.row())
    assert (report.admitted, report.held, report.gates) == (1, 1, {"R-CITY": 1})
    assert centre.versions() == 3, "nothing of the second city's row became a version"
    with centre.store.read() as c:
        failures = c.execute(select(filing.c.failures).where(filing.c.outcome == "hold")).scalar_one()
    assert [JINAN in failures[0][text] and QINGDAO in failures[0][text] for text in ("message", "message_zh")] == [
        True,
        True,
    ]


def test_a_report_without_a_number_is_named_by_its_city(centre: Centre) -> None:
    row = centre.row()
    centre.send(row | {"batch_no": "某人的批次"})
    centre.send(elsewhere(row) | {"batch_no": "第3批"})
    [failure] = centre.reasons()
    assert "370100 before, 370200 now" in failure["message"]
    assert "某人" not in str(failure)


def test_the_city_that_reported_first_may_report_again_and_so_may_its_successor(centre: Centre) -> None:
    row = centre.row(assessment_region="371200", point_code="371200-01", review_region="371200", batch_no="371200-1")
    centre.send(row)
    notice = {"notice_begin": "2019-03-12", "notice_end": "2019-03-19", "reported_at": "2019-03-21"}
    assert centre.send(row | notice | {"issuer_name": "示例建设委员会", "batch_no": "x"}).held == 0
    moved = row | {"point_code": "370116-01", "review_region": "370100", "batch_no": JINAN, "address": "示例路2号"}
    assert centre.send(moved).held == 0


def test_a_second_certificate_of_a_city_that_reported_the_person_before_goes(centre: Centre) -> None:
    row = centre.row()
    centre.send(row)
    centre.send(other_certificate(elsewhere(row)))
    centre.decide()
    assert centre.send(other_certificate(elsewhere(row)) | {"address": "示例路9号"}).held == 0
    third = other_certificate(elsewhere(row)) | {"certificate_number": "鲁B20151111222"}
    assert centre.send(third).held == 0


def test_two_cities_with_one_person_in_one_file_both_wait(centre: Centre) -> None:
    row = centre.row()
    report = centre.send(row, other_certificate(elsewhere(row)), centre.row())
    assert (report.held, report.admitted) == (2, 1)
    assert centre.decide(2, name="1.csv").admitted == 1
    assert centre.decide(3, name="1.csv").admitted == 1
    with centre.store.read() as c:
        assert sum(part.open for part in parts(c) if part.name == "1.csv") == 1, "the third row still waits to leave"


def test_a_withdrawal_by_another_city_waits_too(centre: Centre) -> None:
    row = centre.row()
    centre.send(row)
    taken = {"withdrawn": "是", "withdrawal_reason": "登记错误", **elsewhere(row)}
    assert centre.send(taken).gates == {"R-CITY": 1}
    assert centre.send({**taken, "review_region": "370100", "batch_no": JINAN}).withdrawn == 1


@pytest.mark.parametrize(("day", "refused"), [("2015-06-01", 0), ("2015-05-31", 1)])
def test_a_status_does_not_change_before_the_issue(centre: Centre, day: str, refused: int) -> None:
    row = centre.row(issue_date="2015-06-01", application_date="2015-03-01")
    centre.send(row)
    names = ("id_type", "id_number", "certificate_number", "trade")
    step = {name: row[name] for name in names} | {
        "status_step": "注销",
        "status_reason": "本人申请",
        "status_date": day,
    }
    report = centre.send(step)
    assert (report.refused, report.gates) == (refused, {"R-STATUS": 1} if refused else {})


def test_what_is_admitted_by_a_person_becomes_the_next_version_and_is_owed(centre: Centre) -> None:
    row = centre.row()
    centre.send(row)
    centre.send(elsewhere(row), centre.row())
    report = centre.decide()
    assert (report.admitted, report.warnings) == (1, {"R-CITY": 1})
    assert report.deliveries[INFO.platform] > 0
    with centre.store.read() as c:
        found = c.execute(select(record.c.version).where(record.c.kind == "certificate").order_by(record.c.id))
        assert [v for (v,) in found] == [1, 1, 2]
        note = c.execute(select(audit).where(audit.c.action == "decide")).mappings().one()
        assert c.execute(select(delivery.c.id)).all()
    assert (note["actor"], note["object"], note["reason"]) == ("tester", "2.csv/2", "both cities were asked")
    assert note["detail"] == {"decision": "admit", "rules": ["R-CITY"]}


def test_what_is_refused_by_a_person_goes_back_and_makes_nothing(centre: Centre, tmp_path: Path) -> None:
    row = centre.row()
    centre.send(row)
    centre.send(elsewhere(row))
    report = centre.decide(admit=False)
    assert (report.refused, report.admitted, centre.versions()) == (1, 0, 1)
    assert hand_back(centre.store, "2.csv row 2", tmp_path / "returns.xlsx") == 1
    book = openpyxl.load_workbook(tmp_path / "returns.xlsx")["退回表"]
    assert "R-CITY" in [cell.value for cell in list(book.rows)[1]]


def test_a_row_is_decided_once(centre: Centre) -> None:
    row = centre.row()
    centre.send(row)
    centre.send(elsewhere(row))
    centre.decide(admit=False)
    with pytest.raises(InputError, match="decided before"):
        centre.decide()
    assert centre.versions() == 1


def test_a_rule_that_refuses_is_not_overruled(centre: Centre) -> None:
    row = centre.row()
    centre.send(row)
    centre.send(elsewhere(row))
    centre.files += 1
    desk = centre.desk
    strict = IntakeContext(
        store=desk.store, infos=desk.infos, rules=GateRules(age_limit=18), now=desk.now, new_id=desk.new_id
    )
    with pytest.raises(InputError, match="rules N04 refuse it"):
        decide(strict, QINGDAO, 2, admit=True, reason="?", by="tester")


@pytest.mark.parametrize(("name", "row_no"), [("2.csv", 3), ("2.csv", 1), ("none.csv", 2), ("1.csv", 2)])
def test_only_a_row_that_waits_can_be_decided(centre: Centre, name: str, row_no: int) -> None:
    row = centre.row()
    centre.send(row)
    centre.send(elsewhere(row), centre.row())
    with pytest.raises(InputError, match="waits for a person"):
        centre.decide(row_no, name=name)


def test_a_row_whose_cells_were_cleared_has_to_come_again(centre: Centre) -> None:
    row = centre.row()
    centre.send(row)
    centre.send(elsewhere(row))
    with centre.store.write() as c:
        c.execute(update(filing).values(cells=b""))
    with pytest.raises(InputError, match="cells were cleared"):
        centre.decide()


def test_a_task_contract_that_a_person_checked_goes(centre: Centre) -> None:
    task = centre.row(contract_term="以完成一定工作任务为期限", contract_start="2018-03-01", contract_end="")
    assert centre.send(task).held == 1
    assert centre.decide(name=JINAN).admitted == 1
