"""Rows reported again: changed, corrected, withdrawn and filed again, from the file to the deliveries and the lists."""

from __future__ import annotations

import csv
import random
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select, update

from gateway.contract.connector import KindInfo
from gateway.domain.delivery import State
from gateway.domain.filing import FilingState
from gateway.domain.gate_rules import GateRules
from gateway.domain.records import RecordKind, Withdrawal
from gateway.intake.reading.columns import COLUMNS
from gateway.service.admit import IntakeReport, take_in
from gateway.service.explain import explain
from gateway.store import batch_views, records
from gateway.store.change_tables import record_change
from gateway.store.engine import Store
from gateway.store.tables import batch, delivery, filing, record
from gateway.store.vault import KeyRing
from gateway.testing import people
from gateway.testing.forms import CITIES, Cells, employer_code, filed
from gateway.testing.model import Model

NOW = datetime(2019, 5, 6, 1, 0, tzinfo=UTC)
MODEL = Model(base_url="http://unused.invalid").info
TAKES = replace(
    MODEL,
    platform="takes",
    kinds={**MODEL.kinds, RecordKind.WITHDRAWAL: KindInfo(batch_max=10, replay_safe=True)},
)
WITHDRAWN = {"withdrawn": "是", "withdrawal_reason": "重复申报"}


class City:
    """A city that reports sheets, each of them a file of its own."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store = folder, store
        self.rng, self.used, self.sheets = random.Random(5), set[str](), 0
        self.now = NOW

    def row(self, **changes: Any) -> Cells:
        row = filed(self.rng, self.used, employed=True, city=CITIES[0])
        return row | {"batch_no": "370100-201903-01"} | changes

    def report(self, *rows: Cells) -> IntakeReport:
        self.sheets += 1
        path = write(self.folder / f"sheet {self.sheets}.csv", rows, remark=f"sheet {self.sheets}")
        self.now += timedelta(days=1)
        rng = random.Random(self.sheets)
        return take_in(
            path,
            self.store,
            [MODEL, TAKES],
            rules=GateRules(now=self.now),
            now=self.now,
            new_id=lambda: people.ulid(rng),
        )

    def versions(self) -> list[tuple[str, int, str]]:
        with self.store.read() as c:
            rows = c.execute(select(record.c.kind, record.c.version, record.c.change).order_by(record.c.id))
            return [tuple(row) for row in rows]

    def deliveries(self, platform: str) -> list[tuple[str, int, str]]:
        columns = (delivery.c.kind, delivery.c.version, delivery.c.state)
        with self.store.read() as c:
            rows = c.execute(select(*columns).where(delivery.c.platform == platform).order_by(delivery.c.id))
            return [tuple(row) for row in rows]

    def accept_all(self) -> None:
        """As if every platform had accepted everything that waits."""
        with self.store.write() as c:
            waiting = delivery.c.state == State.QUEUED
            c.execute(update(delivery).where(waiting).values(state=State.ACCEPTED, tries=1, blocked_by=None))


def write(path: Path, rows: Sequence[Cells], remark: str = "") -> Path:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow([*(column.title for column in COLUMNS), "备注"])
        for row in rows:
            writer.writerow([*(row.get(column.field, "") for column in COLUMNS), remark])
    return path


@pytest.fixture
def city(tmp_path: Path, store: Store) -> City:
    return City(tmp_path, store)


@pytest.mark.parametrize(
    ("changes", "kinds", "nature"),
    [
        ({"contract_term": "固定期限", "contract_start": "2018-03-01", "contract_end": "2022-03-01"}, 2, "CHANGE"),
        ({"confirm_organization": "济南市第二建设职业技能鉴定站"}, 1, "CORRECTION"),
        ({"address": "山东省济南市示例路2号"}, 2, "CORRECTION"),
    ],
)
def test_a_row_reported_again_is_a_version_of_the_nature_of_what_differs(
    city: City, changes: dict[str, str], kinds: int, nature: str
) -> None:
    row = city.row()
    city.report(row)
    report = city.report(row | changes)
    assert (report.admitted, report.gates) == (1, {})
    assert city.versions()[2:] == [(kind, 2, nature) for kind in ("person", "certificate")[2 - kinds :]]


@pytest.mark.parametrize(
    ("started", "gates"), [("2019-03-21", {}), ("2019-03-20", {"N16": 1}), ("2018-06-01", {"N16": 1})]
)
def test_another_employer_may_file_once_the_contract_with_the_first_has_ended(
    city: City, started: str, gates: dict[str, int]
) -> None:
    contract = {"contract_term": "固定期限", "contract_start": "2018-03-01", "contract_end": "2019-03-20"}
    row = city.row() | contract | {"reported_at": "2019-03-11"}
    assert city.report(row).admitted == 1
    other = {"employer_name": "示例建筑二公司", "employer_code": employer_code(9990)}
    shown = {"notice_begin": "2019-03-21", "notice_end": "2019-03-28", "reported_at": "2019-03-29"}
    moved = row | other | shown | {"filing_corp_code": employer_code(9990)}
    report = city.report(moved | {"contract_start": started, "contract_end": "2022-03-20"})
    assert report.gates == gates
    assert city.versions()[2:] == ([] if gates else [("person", 2, "CHANGE"), ("certificate", 2, "CHANGE")])


def test_a_change_keeps_the_names_of_its_fields_in_clear_and_their_values_sealed(city: City) -> None:
    row = city.row()
    city.report(row)
    city.report(row | {"address": "山东省济南市示例路2号"})
    with city.store.read() as c:
        kept = (
            c.execute(select(record_change, record.c.kind, record.c.key).join(record).order_by(record.c.id))
            .mappings()
            .all()
        )
        found = (
            c.execute(select(delivery.c.id).where(delivery.c.version == 2).order_by(delivery.c.id)).scalars().first()
        )
    assert [one["fields"] for one in kept] == [["address"], ["holder.address"]]
    assert "示例路2号".encode() not in kept[0]["differences"]
    opened = city.store.vault.open(kept[0]["differences"], records.changes_place(kept[0]["kind"], kept[0]["key"], 2))
    assert "示例路2号" in opened.decode()
    shown = explain(city.store, int(found or 0))
    assert shown is not None
    assert shown["changed"] == ["address"]


def test_an_unchanged_row_is_no_news(city: City) -> None:
    row = city.row()
    city.report(row)
    again = city.report(row, city.row())
    assert (again.admitted, again.unchanged) == (1, 1)


def test_a_withdrawn_row_cancels_what_waits_and_is_owed_where_it_is_taken(city: City) -> None:
    row = city.row()
    city.report(row)
    report = city.report(row | WITHDRAWN)
    assert (report.admitted, report.withdrawn, report.records) == (1, 1, {"withdrawal": 1})
    assert report.deliveries == {"model": 0, "takes": 1}
    assert city.versions()[2:] == [("withdrawal", 2, "CORRECTION")]
    assert city.deliveries("model") == [("person", 1, "queued"), ("certificate", 1, "superseded")]
    assert city.deliveries("takes")[2:] == [("withdrawal", 2, "queued")]
    with city.store.read() as c:
        key = c.execute(select(record.c.key).where(record.c.kind == "withdrawal")).scalar_one()
        [kept] = records.newest_records(c, city.store.vault, RecordKind.WITHDRAWAL, [key])
    assert isinstance(kept.content, Withdrawal)
    assert (kept.content.withdrawn_key, kept.content.withdrawn_version) == (key, 1)
    assert kept.content.reason == "重复申报"


def test_a_withdrawal_needs_no_more_than_whose_which_and_why(city: City) -> None:
    row = city.row()
    city.report(row)
    told = ("name", "id_type", "id_number", "certificate_number", "trade")
    assert city.report({name: row[name] for name in told} | WITHDRAWN).withdrawn == 1


def test_withdrawing_twice_is_no_news(city: City) -> None:
    row = city.row()
    city.report(row)
    city.report(row | WITHDRAWN)
    again = city.report(row | WITHDRAWN | {"withdrawal_reason": "人员错误"})
    assert (again.admitted, again.withdrawn, again.unchanged) == (0, 0, 1)


@pytest.mark.parametrize(
    ("changes", "gate"),
    [
        ({"certificate_number": "鲁A20109999999"}, "R-WITHDRAW"),
        ({"trade": "防水工"}, "R-WITHDRAW"),
        ({"withdrawal_reason": ""}, "R-REQUIRED"),
        ({"certificate_number": ""}, "R-REQUIRED"),
        ({"withdrawn": "也许"}, "R-CODE"),
    ],
)
def test_a_withdrawal_that_cannot_be_done_is_returned(city: City, changes: dict[str, str], gate: str) -> None:
    row = city.row(trade="钢筋工")
    city.report(row)
    report = city.report(row | WITHDRAWN | changes)
    assert (report.admitted, report.refused, set(report.gates)) == (0, 1, {gate})
    assert len(city.versions()) == 2


def test_nobody_withdraws_the_certificate_of_another(city: City) -> None:
    row, other = city.row(), city.row()
    city.report(row, other)
    foreign = row | {name: other[name] for name in ("name", "id_number", "id_type")} | WITHDRAWN
    assert city.report(foreign).gates == {"N06": 1}


def test_a_row_and_its_withdrawal_in_one_sheet_contradict_each_other(city: City) -> None:
    row = city.row()
    city.report(row)
    report = city.report(row, row | WITHDRAWN)
    assert (report.refused, report.gates) == (2, {"R-REPEAT": 2})


def test_a_certificate_filed_again_is_the_next_version_though_nothing_in_it_differs(city: City) -> None:
    row = city.row()
    city.report(row)
    city.accept_all()
    city.report(row | WITHDRAWN)
    report = city.report(row)
    assert (report.admitted, report.records) == (1, {"certificate": 1})
    assert city.versions()[2:] == [("withdrawal", 2, "CORRECTION"), ("certificate", 3, "CHANGE")]
    assert city.deliveries("takes")[2:] == [("withdrawal", 2, "queued"), ("certificate", 3, "queued")]
    assert city.report(row | WITHDRAWN).withdrawn == 1
    assert city.versions()[-1] == ("withdrawal", 4, "CORRECTION")


def test_a_certificate_withdrawn_from_the_wrong_person_can_be_filed_for_the_right_one(city: City) -> None:
    wrong, right = city.row(), city.row()
    paper = {name: wrong[name] for name in ("certificate_number", "trade", "level", "issue_date", "application_date")}
    city.report(wrong)
    assert city.report(right | paper).gates == {"N06": 1}
    city.report(wrong | WITHDRAWN)
    assert city.report(right | paper).records == {"person": 1, "certificate": 1}
    assert city.versions()[-1] == ("certificate", 3, "CORRECTION")


def parts(city: City, name: str | None = None) -> list[batch_views.BatchPart]:
    with city.store.read() as c:
        return batch_views.parts(c, name)


def test_batches_are_told_by_city_and_report_with_their_deliveries(city: City) -> None:
    city.report(city.row(), city.row(), city.row(level="技师"), city.row(batch_no="370100-201904-01"))
    [later, first] = sorted(parts(city), key=lambda part: part.report_no or "", reverse=True)
    assert (first.city, first.report_no, first.rows) == ("370100", "370100-201903-01", {"admit": 2, "refuse": 1})
    assert first.states == {FilingState.ENTERED: 2, FilingState.RETURNED: 1}
    waiting = {"owed": 2, "pushed": 0, "acknowledged": 0, "refused": 0, "waiting": 2}
    assert first.platforms == {"model": waiting, "takes": waiting}
    assert first.oldest_waiting == city.now
    assert later.rows == {"admit": 1}
    city.accept_all()
    [first] = parts(city, "370100-201903-01")
    accepted = {"owed": 2, "pushed": 2, "acknowledged": 2, "refused": 0, "waiting": 0}
    assert first.platforms == {"model": accepted, "takes": accepted}
    assert first.oldest_waiting is None
    assert first.states == {FilingState.PUSHED: 2, FilingState.RETURNED: 1}


def test_a_filing_is_pushed_only_when_every_owed_platform_accepted(city: City) -> None:
    city.report(city.row())
    with city.store.write() as c:
        c.execute(update(delivery).where(delivery.c.platform == "model").values(state=State.ACCEPTED, blocked_by=None))
    assert parts(city)[0].states == {FilingState.ENTERED: 1}
    city.accept_all()
    assert parts(city)[0].states == {FilingState.PUSHED: 1}


def test_a_filing_is_withdrawn_until_it_is_filed_again(city: City) -> None:
    row = city.row()
    city.report(row)
    city.report(row | WITHDRAWN)
    assert [part.states for part in parts(city)] == [{FilingState.WITHDRAWN: 1}] * 2
    city.report(row)
    assert [part.states for part in parts(city)] == [{FilingState.ENTERED: 1}] * 3


def test_the_fields_changed_are_counted_by_batch(city: City) -> None:
    row = city.row()
    city.report(row)
    city.report(row | {"address": "山东省济南市示例路2号"})
    newest, first = parts(city)
    with city.store.read() as c:
        assert batch_views.changed_fields(c, [newest.id]) == {"person.address": 1, "certificate.holder.address": 1}
        assert batch_views.changed_fields(c, [first.id]) == {}


def test_the_list_takes_one_query_for_each_table_however_many_batches(city: City) -> None:
    asked: list[str] = []
    event.listen(city.store.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    counts = []
    for _ in range(3):
        city.report(city.row())
        asked.clear()
        parts(city)
        counts.append(len([one for one in asked if one.startswith("SELECT")]))
    assert counts == [5, 5, 5]


_TAKES_IN = """
    import os, random, sys
    from datetime import datetime
    from pathlib import Path
    from gateway.domain.gate_rules import GateRules
    from gateway.service.admit import take_in
    from gateway.store.engine import Store, open_engine
    from gateway.store.vault import KeyRing, Vault
    from gateway.testing import people
    from gateway.testing.model import Model
    path, url, ring, now = sys.argv[1:]
    now, rng = datetime.fromisoformat(now), random.Random(os.urandom(8))
    store = Store(engine=open_engine(url), vault=Vault(KeyRing.parse(ring)))
    print("ready", flush=True)
    sys.stdin.readline()
    report = take_in(Path(path), store, [Model(base_url="http://unused.invalid").info], rules=GateRules(now=now),
                     now=now, new_id=lambda: people.ulid(rng))
    print(report.repeated, report.admitted + report.unchanged)
"""


def test_two_processes_that_take_in_the_same_file_keep_it_once(city: City) -> None:
    path = write(city.folder / "same.csv", [city.row() for _ in range(40)])
    url = city.store.engine.url.render_as_string(hide_password=False)
    arguments = [sys.executable, "-c", textwrap.dedent(_TAKES_IN), str(path), url, KeyRing.generate().to_text()]
    pipe = subprocess.PIPE
    both = [
        subprocess.Popen([*arguments, NOW.isoformat()], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        for _ in range(2)
    ]
    for one in both:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in both:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    told = [one.communicate(timeout=60) for one in both]
    assert [one.returncode for one in both] == [0, 0], told
    assert sorted(out.strip() for out, _ in told) == ["False 40", "True 40"]
    with city.store.read() as c:
        assert len(c.execute(select(batch.c.id)).all()) == 1
        assert len(c.execute(select(filing.c.id)).all()) == 40
