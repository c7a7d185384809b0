"""Rows of the information system's view: each of them taken in once, however late it comes and whoever dies between."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, Engine, create_engine, func, select, text
from sqlalchemy.engine import make_url

from gateway.domain.errors import ConfigurationError, InputError, StoreError
from gateway.intake import pull as service
from gateway.intake.admit import IntakeContext, take_in
from gateway.intake.pull import PullReport, pull, read_mapping
from gateway.intake.reading.columns import COLUMNS, title
from gateway.intake.rules.gate_rules import GateRules
from gateway.intake.store.tables import filing, source_row
from gateway.schema import metadata
from gateway.settings import SourceSettings
from gateway.store.engine import Store, open_engine
from gateway.store.tables import batch, record
from gateway.store.vault import KeyRing, Vault
from gateway.testing import people
from gateway.testing.forms import CITIES, Cells, filed
from gateway.testing.model import Model
from tests.support.clear import forms_of, readable

NOW = datetime(2019, 5, 6, 1, 0, tzinfo=UTC)
START = datetime(2019, 5, 1, 8, 0)
"""the system keeps local time without zone"""
FIELDS = [column.field for column in COLUMNS if column.field not in ("withdrawn", "withdrawal_reason")]
INFO = Model(base_url="http://unused.invalid").info


@dataclass
class Centre:
    """The information system: one table, and the view that the gateway may read."""

    url: str
    engine: Engine
    mapping: Path
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    used: set[str] = field(default_factory=set)
    rows: dict[int, Cells] = field(default_factory=dict)

    def make(self) -> None:
        with self.engine.begin() as c:
            c.execute(text("DROP VIEW IF EXISTS v_filing"))
            c.execute(text("DROP TABLE IF EXISTS t_filing"))
            columns = ", ".join(f"c_{name} TEXT" for name in FIELDS)
            c.execute(
                text(f"CREATE TABLE t_filing (id BIGINT, changed_at TIMESTAMP, gone BOOLEAN, why TEXT, {columns})")
            )
            c.execute(text("CREATE VIEW v_filing AS SELECT * FROM t_filing"))

    def write(
        self, minute: float | None, connection: Connection | None = None, *, city: int | None = None, **changes: str
    ) -> int:
        """A new good row, stamped so many minutes after the start."""
        number = len(self.rows) + 1
        row = filed(self.rng, self.used, city=None if city is None else CITIES[city])
        if city is not None:
            row |= {"batch_no": _report(city)}
        self.rows[number] = row | changes
        given = {f"c_{name}": str(value) for name, value in self.rows[number].items()}
        values = {"id": number, "changed_at": _at(minute), "gone": False, "why": None, **given}
        statement = text(f"INSERT INTO t_filing ({', '.join(values)}) VALUES ({', '.join(':' + v for v in values)})")
        if connection is not None:
            connection.execute(statement, values)
        else:
            with self.engine.begin() as c:
                c.execute(statement, values)
        return number

    def change(self, number: int, minute: float, **values: Any) -> None:
        told = ", ".join(f"{name} = :{name}" for name in values)
        with self.engine.begin() as c:
            c.execute(
                text(f"UPDATE t_filing SET changed_at = :at, {told} WHERE id = :id"),
                {"at": _at(minute), "id": number, **values},
            )


def _report(city: int) -> str:
    return f"{CITIES[city].code}-201903-01"


def _at(minute: float | None) -> Any:
    return None if minute is None else str(START + timedelta(minutes=minute))


def mapping_text(**changes: str) -> str:
    columns = {name: f"c_{name}" for name in FIELDS} | {"withdrawn": "gone", "withdrawal_reason": "why"}
    top = {
        "name": '"centre"',
        "view": '"v_filing"',
        "key": '["id"]',
        "watermark": '"changed_at"',
        "overlap_seconds": "1800",
    }
    lines = [f"{k} = {v}" for k, v in (top | changes).items() if v]
    return "\n".join([*lines, "[columns]", *(f'{k} = "{v}"' for k, v in columns.items())])


@pytest.fixture(scope="session")
def _centre_postgres(postgres: str) -> str:
    engine = open_engine(postgres)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE DATABASE centre"))
    engine.dispose()
    return make_url(postgres).set(database="centre", drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def centre(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Centre]:
    """An empty information system, in SQLite and in a PostgreSQL database of its own."""
    url = f"sqlite:///{tmp_path / 'centre.db'}"
    if request.param == "postgresql":
        url = str(request.getfixturevalue("_centre_postgres"))
    mapping = tmp_path / "source.toml"
    mapping.write_text(mapping_text(), encoding="utf-8")
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    one = Centre(url=url, engine=engine, mapping=mapping)
    one.make()
    yield one
    engine.dispose()


@pytest.fixture
def home(centre: Centre, request: pytest.FixtureRequest, make_store: Callable[[str], Store]) -> Store:
    """The gateway's own store, of the same kind as the source."""
    fixture = "sqlite_url" if centre.engine.dialect.name == "sqlite" else "postgres_url"
    return make_store(str(request.getfixturevalue(fixture)))


def desk(store: Store, **changes: Any) -> IntakeContext:
    rng = random.Random(os.urandom(8))
    given: dict[str, Any] = {"infos": [INFO], "rules": GateRules(now=NOW), "now": NOW}
    return IntakeContext(store=store, new_id=changes.pop("new_id", lambda: people.ulid(rng)), **(given | changes))


def read(centre: Centre, store: Store, **changes: Any) -> PullReport:
    options = {name: changes.pop(name) for name in ("everything", "dry_run", "returns") if name in changes}
    settings = SourceSettings(url=SecretStr(centre.url), mapping=centre.mapping)
    return pull(settings, desk(store, **changes), **options)


def admitted(report: PullReport) -> int:
    return sum(one.admitted for one in report.batches)


def count(store: Store, table: Any) -> int:
    with store.read() as c:
        return int(c.execute(select(func.count()).select_from(table)).scalar_one())


def test_rows_become_one_batch_for_each_report_and_are_judged_as_a_file(centre: Centre, home: Store) -> None:
    for minute in range(6):
        centre.write(minute, city=0)
    centre.write(6, city=1, level="技师")
    report = read(centre, home)
    assert (report.read, report.seen) == (7, 0)
    by_name = {one.name: one for one in report.batches}
    assert set(by_name) == {f"centre {_report(0)}", f"centre {_report(1)}"}
    assert by_name[f"centre {_report(1)}"].gates == {"N02": 1}
    assert by_name[f"centre {_report(0)}"].admitted == 6
    with home.read() as c:
        assert set(c.execute(select(filing.c.report_no)).scalars()) == {_report(0), _report(1)}


def test_reading_again_finds_nothing_new(centre: Centre, home: Store) -> None:
    for minute in range(5):
        centre.write(minute)
    first = read(centre, home)
    again = read(centre, home)
    assert (again.read, again.seen, again.batches) == (5, 5, [])
    assert again.watermark == first.watermark


def test_only_the_overlap_is_read_again(centre: Centre, home: Store) -> None:
    centre.write(0)
    centre.write(100)
    read(centre, home)
    centre.write(101)
    report = read(centre, home)
    assert (report.read, report.seen, admitted(report)) == (2, 1, 1)
    assert read(centre, home, everything=True).read == 3


def test_a_row_that_commits_late_below_the_watermark_is_found(centre: Centre, home: Store) -> None:
    centre.write(20)
    read(centre, home)
    centre.write(1)  # stamped before what was read, seen only now
    report = read(centre, home)
    assert (report.seen, admitted(report)) == (1, 1)


def test_a_transaction_that_is_open_during_a_pull_is_found_by_the_next_one(centre: Centre, home: Store) -> None:
    if centre.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    with centre.engine.connect() as slow, slow.begin():
        centre.write(1, slow)
        centre.write(5)
        assert admitted(read(centre, home)) == 1
    assert admitted(read(centre, home)) == 1
    assert count(home, source_row) == 2


def test_a_row_without_watermark_is_found(centre: Centre, home: Store) -> None:
    centre.write(100)
    read(centre, home)
    centre.write(None)
    assert admitted(read(centre, home)) == 1
    assert read(centre, home).batches == []


def test_a_stamp_from_the_future_does_not_carry_the_watermark_away(centre: Centre, home: Store) -> None:
    centre.write(10)
    centre.write(60 * 24 * 400)
    assert admitted(read(centre, home)) == 2
    centre.write(20)
    assert admitted(read(centre, home)) == 1


def test_a_changed_row_is_a_new_version_and_back_again_another(centre: Centre, home: Store) -> None:
    number = centre.write(1)
    read(centre, home)
    before = count(home, record)
    original = str(centre.rows[number]["confirm_organization"])
    for minute, organization in ((2, "另一鉴定站"), (3, original), (4, "另一鉴定站")):
        centre.change(number, minute, c_confirm_organization=organization)
        assert admitted(read(centre, home)) == 1
    assert count(home, record) == before + 3


def test_a_flag_in_the_view_withdraws_the_certificate(centre: Centre, home: Store) -> None:
    number = centre.write(1)
    read(centre, home)
    centre.change(number, 2, gone=True, why="重复申报")
    report = read(centre, home)
    assert [one.withdrawn for one in report.batches] == [1]
    with home.read() as c:
        kinds = c.execute(select(record.c.kind, record.c.version).order_by(record.c.id)).all()
    assert [tuple(kind) for kind in kinds] == [("person", 1), ("certificate", 1), ("withdrawal", 2)]


def test_a_dry_run_keeps_nothing(centre: Centre, home: Store) -> None:
    centre.write(1)
    assert admitted(read(centre, home, dry_run=True)) == 1
    assert {table.name: count(home, table) for table in metadata.sorted_tables if count(home, table)} in (
        {},
        {"platform": count(home, metadata.tables["platform"])},
    )
    assert admitted(read(centre, home)) == 1


class Crash(Exception):
    """What a test lets happen in the middle."""


def test_rows_that_do_not_go_are_written_back_for_all_reports_and_can_be_reported_in_that_file(
    centre: Centre, home: Store, tmp_path: Path
) -> None:
    out = tmp_path / "returns.xlsx"
    for city in (0, 1):
        centre.write(1, city=city)
        centre.write(2, city=city, seal_stamped="否")
    assert read(centre, home, returns=out).batches[0].returned == 1
    sheet = openpyxl.load_workbook(out)["退回表"]
    header, *lines = ([str(cell or "") for cell in line] for line in sheet.values)
    assert {line[header.index(title("batch_no"))] for line in lines} == {_report(0), _report(1)}
    assert [line[2] for line in lines] == ["N20", "N20"]
    for row in sheet.iter_rows(min_row=2):
        row[header.index(title("seal_stamped"))].value = "是"
    sheet.parent.save(tmp_path / "corrected.xlsx")
    at = desk(home)
    corrected = take_in(tmp_path / "corrected.xlsx", home, at.infos, rules=at.rules, now=at.now, new_id=at.new_id)
    assert (corrected.admitted, corrected.refused, corrected.held) == (2, 0, 0)


def test_returns_of_a_pull_are_never_written_over_and_are_no_file_where_there_are_none(
    centre: Centre, home: Store, tmp_path: Path
) -> None:
    out = tmp_path / "returns.xlsx"
    centre.write(1)
    read(centre, home, returns=out)
    assert not out.exists()
    centre.write(2, seal_stamped="否")
    read(centre, home, returns=out)
    before = out.read_bytes()
    centre.write(3, seal_stamped="否")
    with pytest.raises(InputError, match=r"^returns\.xlsx: is there already"):
        read(centre, home, returns=out)
    assert out.read_bytes() == before
    assert read(centre, home, returns=tmp_path / "next.xlsx").batches[0].returned == 1, "nothing was kept meanwhile"


def test_an_end_between_reading_and_keeping_loses_nothing_and_doubles_nothing(centre: Centre, home: Store) -> None:
    for minute in range(4):
        centre.write(minute, city=minute % 2)
    rng, left = random.Random(1), [8]  # a report needs a batch id and two keys for each of its two rows

    def new_id() -> str:
        left[0] -= 1
        if left[0] == 0:
            raise Crash
        return people.ulid(rng)

    with pytest.raises(Crash):
        read(centre, home, new_id=new_id)
    assert count(home, batch) == 1
    report = read(centre, home)
    assert (report.read, report.seen, admitted(report)) == (4, 2, 2)
    assert count(home, record) == 8


_KILLED = """
    import os, random, signal, sys
    from datetime import datetime
    from pathlib import Path
    from pydantic import SecretStr
    from gateway.intake.rules.gate_rules import GateRules
    from gateway.intake.admit import IntakeContext, take_in
    from gateway.intake.pull import pull
    from gateway.settings import SourceSettings
    from gateway.store.engine import Store, open_engine
    from gateway.store.vault import KeyRing, Vault
    from gateway.testing import people
    url, mapping, store, ring, now = sys.argv[1:]
    rng, left = random.Random(3), [4]
    def new_id():
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return people.ulid(rng)
    now = datetime.fromisoformat(now)
    desk = IntakeContext(store=Store(engine=open_engine(store), vault=Vault(KeyRing.parse(ring))), infos=[],
                rules=GateRules(now=now), now=now, new_id=new_id)
    pull(SourceSettings(url=SecretStr(url), mapping=Path(mapping)), desk)
"""


def test_a_killed_pull_is_made_good_by_the_next_one(centre: Centre, home: Store) -> None:
    for minute in range(3):
        centre.write(minute, city=0)
    ring = KeyRing.generate()
    url = home.engine.url.render_as_string(hide_password=False)
    arguments = [centre.url, str(centre.mapping), url, ring.to_text(), NOW.isoformat()]
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_KILLED), *arguments], check=False, capture_output=True
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert (count(home, batch), count(home, source_row), count(home, record)) == (0, 0, 0)
    same = Store(engine=home.engine, vault=Vault(ring))
    assert admitted(read(centre, same)) == 3


def test_of_two_pulls_at_once_one_keeps_and_the_other_stops(centre: Centre, home: Store) -> None:
    for minute in range(3):
        centre.write(minute, city=0)
    reports: list[PullReport] = []
    start = threading.Barrier(2)

    def new_id() -> str:
        if threading.current_thread().name not in met:
            met.add(threading.current_thread().name)
            start.wait()
        return people.ulid(random.Random(os.urandom(8)))

    met: set[str] = set()
    threads = [threading.Thread(target=lambda: reports.append(read(centre, home, new_id=new_id))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(report.overtaken for report in reports) == [False, True]
    assert (count(home, batch), count(home, source_row)) == (1, 3)
    assert read(centre, home).seen == 3


def test_nothing_of_the_view_stands_in_clear(centre: Centre, home: Store) -> None:
    number = centre.write(1)
    read(centre, home)
    with home.read() as c:
        everything = "".join(readable(c.execute(select(table))) for table in metadata.sorted_tables)
    for name in ("name", "id_number", "certificate_number"):
        assert not any(form in everything for form in forms_of(str(centre.rows[number][name])))


def test_the_source_is_never_written(centre: Centre, tmp_path: Path) -> None:
    from gateway.intake.store import source

    with source.reading(centre.url, read_mapping(centre.mapping)) as reader, pytest.raises(Exception, match="read"):
        reader._connection.execute(text("DELETE FROM t_filing"))


def test_a_key_that_does_not_tell_rows_apart_is_refused(centre: Centre, home: Store) -> None:
    centre.mapping.write_text(mapping_text(key='["gone"]'), encoding="utf-8")
    centre.write(1, city=0)
    centre.write(2, city=0)
    with pytest.raises(ConfigurationError, match="key"):
        read(centre, home)


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"view": '"nowhere"'}, "the source cannot be read")],
)
def test_a_view_that_is_not_there_is_told_without_its_address(
    centre: Centre, home: Store, changes: dict[str, str], says: str
) -> None:
    centre.mapping.write_text(mapping_text(**changes), encoding="utf-8")
    centre.write(1)
    with pytest.raises(StoreError, match=says) as caught:
        read(centre, home)
    assert "centre.db" not in str(caught.value)


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (mapping_text(name=""), "name: Field required"),
        (mapping_text(key="[]"), "key"),
        (mapping_text() + '\nshoe_size = "x"', "unknown fields: shoe_size"),
        (mapping_text().replace('level = "c_level"', ""), "level (等级)"),
        (mapping_text(overlap_seconds="-1"), "overlap_seconds"),
        ("name = ", "not TOML"),
    ],
)
def test_a_mapping_that_is_wrong_is_told(tmp_path: Path, told: str, says: str) -> None:
    path = tmp_path / "source.toml"
    path.write_text(told, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_mapping(path)
    assert says in str(caught.value)


def test_a_mapping_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        read_mapping(tmp_path / "none.toml")


@pytest.mark.parametrize("url", ["nonsense", "sqlite:////nowhere/at/all.db", "nodatabase://host/x"])
def test_an_address_that_leads_nowhere_is_told(sqlite_url: str, make_store: Any, tmp_path: Path, url: str) -> None:
    path = tmp_path / "source.toml"
    path.write_text(mapping_text(), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="GATEWAY_SOURCE__URL"):
        pull(SourceSettings(url=SecretStr(url), mapping=path), desk(make_store(sqlite_url)))


def test_without_settings_there_is_no_source(sqlite_url: str, make_store: Any) -> None:
    with pytest.raises(ConfigurationError, match="GATEWAY_SOURCE__MAPPING"):
        service.pull(SourceSettings(), desk(make_store(sqlite_url)))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"watermark": '"never"'}, "never (watermark)"),
        ({"key": '["id", "serial"]'}, "serial (key)"),
        ({}, "c_nobody (columns.name)"),
    ],
)
def test_a_column_that_the_view_does_not_have_is_named(
    centre: Centre, home: Store, changes: dict[str, str], says: str
) -> None:
    mapping = mapping_text(**changes)
    centre.mapping.write_text(mapping if changes else mapping.replace('"c_name"', '"c_nobody"'), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read(centre, home)
    assert str(caught.value).endswith(f"no column of these names: {says}")


TEXTS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("slashes", ("2019/3/12 10:00:00",), "neither a moment"),
    ("fourteen digits", ("20190312100000",), "neither a moment"),
    ("no zeros", ("2019-3-12 10:00:00",), "neither a moment"),
    ("a word", ("昨天",), "neither a moment"),
    ("a day that is none", ("2019-02-30 10:00:00",), "neither a moment"),
    ("two separators", ("2019-03-12 10:00:00", "2019-03-12T11:00:00"), "not written alike"),
    ("two zones", ("2019-03-12T10:00:00+08:00", "2019-03-12T11:00:00+09:00"), "not written alike"),
    ("days and moments", ("2019-03-12", "2019-03-12 11:00:00"), "not written alike"),
    ("good moments", ("2019-03-12 10:00:00", "2019-03-12 11:00:00.250"), ""),
    ("good with a zone", ("2019-03-12T10:00:00+08:00", "2019-03-13T10:00:00+08:00"), ""),
    ("good days", ("2019-03-12", "2019-03-13"), ""),
    ("padded", ("2019-03-12 10:00:00   ",), ""),
)


@pytest.mark.parametrize(("stamps", "says"), [case[1:] for case in TEXTS], ids=[case[0] for case in TEXTS])
def test_text_that_cannot_be_a_watermark_is_refused_at_the_first_pull_and_good_text_carries_the_next(
    centre: Centre, home: Store, stamps: tuple[str, ...], says: str
) -> None:
    with centre.engine.begin() as c:
        c.execute(text("ALTER TABLE t_filing ADD COLUMN stamp TEXT"))
        c.execute(text("DROP VIEW v_filing"))
        c.execute(text("CREATE VIEW v_filing AS SELECT * FROM t_filing"))
    centre.mapping.write_text(mapping_text(watermark='"stamp"'), encoding="utf-8")
    for minute, stamp in enumerate(stamps):
        number = centre.write(minute)
        centre.change(number, minute, stamp=stamp)
    if not says:
        assert admitted(read(centre, home)) == len(stamps)
        again = read(centre, home)
        assert (again.batches, again.watermark) == ([], stamps[-1].strip())
        return
    with pytest.raises(ConfigurationError, match=f"the watermark stamp is {says}" if says[0] == "n" else says):
        read(centre, home)
    assert (count(home, batch), count(home, source_row)) == (0, 0)


def test_bytes_and_padding_of_a_driver_do_not_count(centre: Centre, home: Store) -> None:
    blob = "BLOB" if centre.engine.dialect.name == "sqlite" else "BYTEA"
    number = centre.write(1, city=0)
    with centre.engine.begin() as c:
        c.execute(text("DROP VIEW v_filing"))
        c.execute(text(f"ALTER TABLE t_filing ADD COLUMN bit {blob}"))
        c.execute(text(f"ALTER TABLE t_filing ADD COLUMN words {blob}"))
        c.execute(
            text("UPDATE t_filing SET bit = :bit, words = :words"), {"bit": b"\x00", "words": "砌筑工  ".encode()}
        )
        c.execute(text("UPDATE t_filing SET c_batch_no = c_batch_no || '   '"))
        c.execute(text("CREATE VIEW v_filing AS SELECT * FROM t_filing"))
    told = mapping_text().replace('withdrawn = "gone"', 'withdrawn = "bit"').replace('"c_trade"', '"words"')
    centre.mapping.write_text(told, encoding="utf-8")
    [one] = read(centre, home).batches
    assert (one.name, one.admitted, number) == (f"centre {_report(0)}", 1, 1)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (b"\x01", 1),
        (b"\x00", 0),
        (b"\x00\x00\x01", 1),
        (b"", ""),
        ("示例甲".encode(), "示例甲"),
        (bytearray(b"370100   "), "370100"),
        (memoryview(b"A1"), "A1"),
        (b"\x89PNG\r\n\x1a\n", "iVBORw0KGgo="),
        ("370100   ", "370100"),
        (None, ""),
    ],
)
def test_a_value_of_a_driver_becomes_a_cell(value: Any, cell: Any) -> None:
    assert service._cell(value) == cell


def test_returns_name_each_row_by_its_key_in_the_source(centre: Centre, home: Store, tmp_path: Path) -> None:
    out = tmp_path / "returns.xlsx"
    for city in (0, 1, 0):
        centre.write(1, city=city)
        centre.write(2, city=city, seal_stamped="否")
    read(centre, home, returns=out)
    header, *lines = openpyxl.load_workbook(out)["退回表"].values
    assert sorted(line[header.index(service.SOURCE_KEY)] for line in lines) == ["2", "4", "6"]


def test_a_mapping_saved_by_an_editor_with_a_byte_order_mark_is_read(centre: Centre) -> None:
    centre.mapping.write_text(mapping_text(), encoding="utf-8-sig")
    assert read_mapping(centre.mapping).name == "centre"


def test_rows_deleted_at_the_source_are_found_by_a_pull_of_everything_and_named(
    centre: Centre, home: Store, tmp_path: Path
) -> None:
    for minute in range(4):
        centre.write(minute, city=minute % 2)
    read(centre, home)
    assert read(centre, home, everything=True).deleted == 0
    before = count(home, record)
    with centre.engine.begin() as c:
        c.execute(text("DELETE FROM t_filing WHERE id IN (2, 3)"))
    assert read(centre, home).deleted == 0, "a pull of the overlap cannot tell"
    out = tmp_path / "returns.xlsx"
    report = read(centre, home, everything=True, returns=out)
    assert (report.read, report.seen, report.deleted, report.batches) == (2, 2, 2, [])
    header, *lines = openpyxl.load_workbook(out)["退回表"].values
    assert sorted(line[header.index(service.SOURCE_KEY)] for line in lines) == ["2", "3"]
    assert {line[2] for line in lines} == {"R-DELETED"}
    assert count(home, record) == before, "a certificate is withdrawn by a report only"


def test_a_report_of_many_rows_is_never_held_as_a_whole(centre: Centre, home: Store) -> None:
    """What the rows of one report take grows by their keys and digests alone."""
    if centre.engine.dialect.name != "sqlite":
        pytest.skip("one kind of source is enough")
    peaks = []
    for rows in (500, 1_500):
        centre.make()
        row = filed(random.Random(1), set(), city=0) | {"batch_no": _report(0), "id_number": "1", "address": "址" * 150}
        given = {f"c_{name}": str(value) for name, value in row.items()}
        names = ("id", "changed_at", "gone", *given)
        statement = text(f"INSERT INTO t_filing ({', '.join(names)}) VALUES ({', '.join(':' + n for n in names)})")
        with centre.engine.begin() as c:
            c.execute(statement, [{"id": n, "changed_at": _at(1), "gone": False, **given} for n in range(rows)])
        tracemalloc.start()
        report = read(centre, home, dry_run=True, everything=True)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert report.read == rows
    assert peaks[1] - peaks[0] < 1_000 * 1_000, "a row of the form takes several thousand bytes"
