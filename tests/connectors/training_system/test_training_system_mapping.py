"""What a mapping says is written and read, what it lacks is named at the start, and a switch has its day."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from connectors.training_system.adapter import build
from connectors.training_system.mapping import KINDS, sources, values_of
from connectors.training_system.schema import Column, read_mappings
from gateway.codec.tabular import TabularError, read_csv, read_workbook, write_csv, write_workbook
from gateway.contract.messages import Payload, Problems
from gateway.domain.errors import ConfigurationError, NotConfigured
from gateway.domain.records import Certificate, RecordKind
from gateway.domain.states import Event
from gateway.settings import loader
from gateway.testing import corpus, people

FILES = files("connectors.training_system").joinpath("mappings", "example_files.toml").read_text(encoding="utf-8")
TABLE = files("connectors.training_system").joinpath("mappings", "example_table.toml").read_text(encoding="utf-8")
PREFIX = "GATEWAY_TRAINING_SYSTEM__"


def read(folder: Path, *texts: str, tables: bool = False) -> Any:
    for number, text in enumerate(texts):
        (folder / f"{number}.toml").write_text(text, encoding="utf-8")
    return read_mappings(folder, tables=tables)


def test_the_examples_say_that_they_are_invented() -> None:
    for text in (FILES, TABLE):
        assert "虚构" in text.splitlines()[0]
        assert "INVENTED" in text


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('version = "example-files-1"', "", "version"),
        ('version = "example-files-1"', 'version = "x"\ncolour = "red"', "colour"),
        ('from = "id_number", required', 'from = "id_numbr", required', "'id_numbr' is no source; meant 'id_number'?"),
        ('from = "name", required', 'from = "name", const = "x", required', "needs either from or const"),
        ('names = "id_document_type"', 'names = "no_such_table"', "no code table 'no_such_table'"),
        ('date = "%Y%m%d" }', 'date = "%Y%j" }', "must hold %Y, %m and %d"),
        ('heading = "示例姓名", from = "name"', 'heading = "示例证件号", from = "name"', "a heading comes twice"),
        ('from = "mobile", max = 20', 'from = "mobile", date = "%Y%m%d"', "is for days"),
        ('file = "示例人员_{day}_{message}.xlsx"', 'file = "示例人员_{day}.xlsx"', "must hold {message}"),
        ('file = "示例人员_{day}_{message}.xlsx"', 'file = "{message}_{batch}.xlsx"', "{batch} has no meaning"),
        ('file = "示例人员_{day}_{message}.xlsx"', 'file = "a/{message}.xlsx"', "cannot be the name of a file"),
        ('file = "{name}_回执*.xlsx"', 'file = "回执*.xlsx"', "must hold {name} or {message}"),
        ('accepted = ["已入库"]', "accepted = []", "accepted"),
        ('accepted = ["已入库"]', 'accepted = ["退回"]', "one thing"),
        ('accepted = ["已入库"]', 'accepted = ["", "已入库"]', "one thing"),
        ('key = ["id_number"]', 'key = ["mobile"]', "no source of list.columns"),
        ('file = "示例在册证书*.csv"', 'file = "示例在册人员*.csv"', "two kinds have the same list"),
        ('from = "record", required = true, max = 100 },\n  { heading = "示例动作"',
         'from = "version" },\n  { heading = "示例动作"', "our number of the record"),
        ("[person]", "[[person]]", "person"),
        ("rows = 200", "rows = 0", "rows"),
    ],
)  # fmt: skip
def test_what_a_mapping_has_wrong_is_named_with_file_and_entry(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in FILES
    with pytest.raises(ConfigurationError) as error:
        read(tmp_path, FILES.replace(old, new, 1))
    assert says in str(error.value)
    assert "MAPPINGS" in str(error.value)
    assert "0.toml" in str(error.value)


def test_a_mapping_of_one_way_is_refused_on_the_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="for the endpoint of a database"):
        read(tmp_path, FILES, tables=True)
    with pytest.raises(ConfigurationError, match="for a file:// endpoint"):
        read(tmp_path, TABLE)


def test_no_file_no_folder_and_no_toml_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"holds no \.toml file"):
        read_mappings(tmp_path, tables=False)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_mappings(tmp_path / "absent.toml", tables=False)
    with pytest.raises(ConfigurationError, match="not TOML in UTF-8"):
        read(tmp_path, "version = ")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"ENDPOINT": "file:///x"}, "INBOX"),
        ({"ENDPOINT": "file:///x", "INBOX": "/y", "DATABASE_PASSWORD": "p"}, "DATABASE_PASSWORD"),
        ({"ENDPOINT": "file://host/x", "INBOX": "/y"}, "absolute folder"),
        ({"ENDPOINT": "https://example.org"}, "SQLAlchemy URL"),
        ({"ENDPOINT": "postgresql+psycopg://me:secret@host/db"}, "must hold no password"),
        ({"ENDPOINT": "postgresql+psycopg://host/db", "DATABASE_PASSWORD": "p"}, "needs the account"),
        ({"ENDPOINT": "sqlite:////tmp/x.db", "INBOX": "/y"}, "INBOX"),
        ({"ENDPOINT": "sqlite:////tmp/x.db", "PROXY": "http://proxy.example"}, "PROXY"),
    ],
)
def test_settings_that_contradict_each_other_are_named_without_their_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError) as error:
        build(loader({f"{PREFIX}{k}": v for k, v in {"MAPPINGS": "m.toml", **settings}.items()}))
    assert says in str(error.value)
    assert "secret" not in str(error.value)


def test_without_an_endpoint_it_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotConfigured):
        build(loader({}))


def test_a_password_reaches_the_database_alone(make: Callable[..., Any]) -> None:
    url = "postgresql+psycopg://me@host/db"
    bench = make("table")
    environment = {**bench.environment, f"{PREFIX}ENDPOINT": url, f"{PREFIX}DATABASE_PASSWORD": "p@ss/word"}
    endpoint = build(loader(environment)).endpoint
    assert endpoint.hand_over is not None
    assert endpoint.hand_over.database == "postgresql+psycopg://me:p%40ss%2Fword@host/db"
    assert endpoint.base_url == url
    assert "p%40ss" not in repr(endpoint)


def test_every_field_of_the_records_is_a_source() -> None:
    """So a new field needs no change here."""
    for kind in KINDS:
        for submission in corpus.submissions("training_system", kind, 30):
            assert values_of(submission).keys() <= sources(kind)
    assert "holder.employer.code" in sources(RecordKind.CERTIFICATE)
    assert "verification.originals" in sources(RecordKind.CERTIFICATE)
    assert "certificate.verification.reviewed_at" in sources(RecordKind.STATUS_CHANGE)


def test_a_cell_is_written_and_read_back() -> None:
    coded = Column(heading="h", source="gender", codes={"1": "男", "2": "女"})
    named = Column(heading="h", source="level", names="cert_level")
    dated = Column(heading="h", source="issue_date", date="%d.%m.%Y")
    assert [coded.written({"gender": g}) for g in ("1", "9", "")] == ["男", None, ""]
    assert [coded.read(text) for text in ("男", " 女 ", "?")] == ["1", "2", "?"]
    assert named.read(str(named.written({"level": "2"}))) == "2"
    assert dated.written({"issue_date": "2012-03-04"}) == "04.03.2012"
    assert [dated.read(text) for text in ("04.03.2012", "2012-03-04", "4.3.2012")] == [
        "2012-03-04",
        "2012-03-04",
        "4.3.2012",
    ]


def test_what_does_not_fit_is_refused_here_with_field_and_heading_and_never_cut(make: Callable[..., Any]) -> None:
    connector = make().connector
    [good] = people.submissions("training_system", RecordKind.CERTIFICATE)
    content = good.record.content
    assert isinstance(content, Certificate)
    wrong = replace(content, number="1" * 61, level="9", trade_name="", holder=replace(content.holder, name="=王"))
    found = connector.check(*(odd := _with(good, wrong), connector.map(odd)))
    assert isinstance(found, Problems)
    assert {(one.field, one.rule) for one in found.items} == {
        ("number", "length"),
        ("level", "code"),
        ("trade_name", "required"),
        ("holder.name", "formula"),
    }
    assert all("列“示例" in one.message_zh and "示例" in one.message for one in found.items)


def _with(submission: Any, content: Certificate) -> Any:
    return replace(submission, record=replace(submission.record, content=content))


def test_a_switch_has_its_day_and_a_message_keeps_its_own(make: Callable[..., Any], tmp_path: Path) -> None:
    """Before and after midnight of Shandong; a message is written and answered by the mapping of its own day."""
    folder = tmp_path / "mappings"
    folder.mkdir()
    later = FILES.replace("example-files-1", "example-files-2").replace("示例工种", "新工种", 1)
    later = later.replace("# valid_from = 2027-01-01", "valid_from = 2027-01-01").replace('"示例结果"', '"新结果"')
    (folder / "old.toml").write_text(FILES, encoding="utf-8")
    (folder / "new.toml").write_text(later, encoding="utf-8")
    bench = make(mappings=str(folder))
    connector = bench.connector
    [submission] = people.submissions("training_system", RecordKind.CERTIFICATE)
    payload = connector.check(submission, connector.map(submission))
    assert isinstance(payload, Payload)

    def headings(day: datetime) -> tuple[str, list[str]]:
        bench.now = day
        at = bench.stamp()
        request = connector.encode_push([payload], at)
        return at.message_id, read_csv(request.body, encoding="gb18030")[0]

    midnight = datetime(2026, 12, 31, 16, 0, tzinfo=UTC)
    before, old = headings(midnight - timedelta(seconds=5))
    after, new = headings(midnight)
    assert ("示例工种" in old, "新工种" in old) == (True, False)
    assert ("示例工种" in new, "新工种" in new) == (False, True)
    assert connector.info.spec_version == "example-files-2"
    for message, result, event in (
        (before, "示例结果", Event.ACCEPTED),
        (before, "新结果", Event.HOLD),
        (after, "新结果", Event.ACCEPTED),
    ):
        section, day = connector.in_force(RecordKind.CERTIFICATE, message)
        name = section.returned_name(message, day).replace("*", "")
        content = write_csv([["示例流水号", result, "示例说明"], [payload.key, "已入库", ""]], encoding="gb18030")
        (bench.owner.folders.inbox / name).write_bytes(content)
        receipt = f"certificate/{message}"
        answer = bench.ask(connector.encode_ack(receipt, bench.stamp()))
        (verdict,) = connector.decode_ack(answer, receipt, [payload], bench.stamp())
        assert verdict.event is event, result


def test_a_record_is_checked_by_the_mapping_of_the_day_on_which_it_goes(
    make: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "mappings"
    folder.mkdir()
    later = FILES.replace("example-files-1", "example-files-2").replace(
        "# valid_from = 2027-01-01", "valid_from = 2027-01-01"
    )
    later = later.replace('from = "number", required = true, max = 60', 'from = "number", required = true, max = 3')
    (folder / "old.toml").write_text(FILES, encoding="utf-8")
    (folder / "new.toml").write_text(later, encoding="utf-8")
    connector = make(mappings=str(folder)).connector
    [submission] = people.submissions("training_system", RecordKind.CERTIFICATE)
    for day, fits in ((date(2026, 12, 31), True), (date(2027, 1, 1), False), (None, False)):
        dated = replace(submission, day=day)
        assert isinstance(connector.check(dated, connector.map(dated)), Payload) is fits


def test_mappings_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="same version"):
        read(tmp_path, FILES, FILES)
    other = FILES.replace("example-files-1", "b").replace("# valid_from", "valid_from")
    with pytest.raises(ConfigurationError, match="the same kinds"):
        read(tmp_path, FILES, other[: other.index("[certificate]")])


@pytest.mark.parametrize("write", [lambda rows: write_csv(rows, encoding="gb18030"), write_workbook])
def test_rows_come_back_as_they_were_written(write: Callable[..., bytes]) -> None:
    rows = [["编号", "姓名"], ["007", "𠮷䶮"], ["1,2", '"王"'], ["", "x"]]
    reader = read_workbook if write is write_workbook else lambda content: read_csv(content, encoding="gb18030")
    assert write(rows) == write(rows)
    assert [row + [""] * (2 - len(row)) for row in reader(write(rows))] == rows


def test_a_file_that_is_none_is_never_half_read() -> None:
    book, text = write_workbook([["a"], ["b"]]), write_csv([["a", "b"], ["1", "2"]])
    for cut in range(0, len(book) - 1, 97):
        with pytest.raises(TabularError):
            read_workbook(book[:cut])
    for content in (b"a,b\r\n1", b"\xff\xfe", b'a,"b\r\n'):
        with pytest.raises(TabularError):
            read_csv(content)
    assert read_csv(text) == [["a", "b"], ["1", "2"]]


def test_the_readme_names_every_entry_of_a_mapping() -> None:
    text = (Path(__file__).parents[3] / "connectors" / "training_system" / "README.md").read_text(encoding="utf-8")
    entries = set(re.findall(r"^([a-z_]+) = |[{,] ([a-z_]+) = ", FILES + TABLE, re.MULTILINE))
    named = {one for pair in entries for one in pair if one} - {"new", "changed"}
    assert not [entry for entry in sorted(named) if f"`{entry}" not in text and f"{entry} =" not in text]
