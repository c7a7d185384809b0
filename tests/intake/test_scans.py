"""Scans of certificates and contracts: found beside the batch, checked, kept sealed, sent, decided about, cleared."""

from __future__ import annotations

import json
import random
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import func, select, update

from gateway.codec.scan_files import ScanFlaw, media_type_of, scan_flaw
from gateway.delivery.store import ledger
from gateway.delivery.store.tables import delivery, payload
from gateway.domain.errors import InputError
from gateway.domain.records import Certificate, RecordKind
from gateway.domain.states import State
from gateway.intake.admit import IntakeContext, IntakeReport, take_in
from gateway.intake.deciding import decide
from gateway.intake.drop import DONE, FAILED, Drop
from gateway.intake.reading.problems import FileRefused
from gateway.intake.reading.scan_source import companion
from gateway.intake.rules.gate_rules import GateRules
from gateway.intake.rules.scan_names import keys_of, kind_of, number_key, shown_name
from gateway.intake.scans import ScanLimits
from gateway.intake.store.tables import filing, filing_scan
from gateway.operations.retention import retain
from gateway.operations.store.evidence_bytes import altered_bytes, closed_values, lost_bytes
from gateway.settings import RetentionSettings, load
from gateway.store import records
from gateway.store.attachments import attachment_place
from gateway.store.engine import Store
from gateway.store.tables import attachment, record
from gateway.testing import people
from gateway.testing.batch import sample_rows, write_sample
from gateway.testing.model import Model
from gateway.testing.scans import jpeg, ofd, pdf, png

NOW = datetime(2019, 5, 6, 1, 0, tzinfo=UTC)
INFO = Model(base_url="http://unused.invalid").info
GOOD = [row.cells for row in sample_rows(45) if row.expected is None][:3]
NUMBERS = [row["证书编号"] for row in GOOD]
FIRST, SECOND, THIRD = NUMBERS


@pytest.fixture(scope="module")
def form(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A batch of the three good rows."""
    path = write_sample(tmp_path_factory.mktemp("batch") / "济南.xlsx", rows=45)
    book = openpyxl.load_workbook(path)
    sheet = book.active
    titles = [cell.value for cell in sheet[3]]
    at = titles.index("证书编号") + 1
    for number in range(sheet.max_row, 3, -1):
        if sheet.cell(number, at).value not in NUMBERS:
            sheet.delete_rows(number)
    book.save(path)
    return path


@pytest.fixture
def batch(form: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(form, tmp_path / form.name))


def lay(batch: Path, files: dict[str, bytes], *, packed: bool = False) -> Path:
    """Scans beside a batch, as a folder or an archive."""
    if packed:
        place = batch.with_suffix(".zip")
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return place
    place = batch.with_suffix("")
    for name, content in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return place


def intake(path: Path, store: Store, **changes: Any) -> IntakeReport:
    rng = random.Random(f"{path.name} {changes}")
    now = changes.pop("now", NOW)
    given = {"rules": GateRules(now=now), "now": now, "new_id": lambda: people.ulid(rng), "scans": None}
    return take_in(path, store, [INFO], **(given | changes))


def certificates(store: Store) -> dict[str, list[tuple[str, ...]]]:
    """Number -> the kinds of the scans of each version, in order."""
    found: dict[str, list[tuple[str, ...]]] = {}
    with store.read() as connection:
        wanted = select(record).where(record.c.kind == RecordKind.CERTIFICATE).order_by(record.c.id)
        for row in connection.execute(wanted).mappings():
            content = records.to_record(dict(row), store.vault).content
            assert isinstance(content, Certificate)
            assert all(one.content is None for one in content.files or ())
            found.setdefault(content.number, []).append(tuple(one.kind for one in content.files or ()))
    return found


def contents(store: Store) -> list[bytes | None]:
    with store.read() as connection:
        rows = connection.execute(select(attachment).order_by(attachment.c.id)).all()
    return [
        None if row.content is None else store.vault.open(row.content, attachment_place(row.digest)) for row in rows
    ]


ALL = {
    f"{FIRST}.pdf": pdf(),
    f"{FIRST}-合同.pdf": pdf("contract"),
    f"合同/{SECOND}.jpg": jpeg(),
    f"{SECOND}/证书(1).png": png("1"),
    f"{SECOND}/证书(2).png": png("2"),
    f"扫描件 {THIRD} 证书.ofd": ofd(),
    "Thumbs.db": b"left by a program",
}


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
def test_scans_beside_a_batch_are_kept_with_their_certificates_once(batch: Path, store: Store, *, packed: bool) -> None:
    lay(batch, ALL, packed=packed)
    report = intake(batch, store)
    assert (report.admitted, report.scans, report.scan_troubles, report.warnings["R-SCAN"]) == (3, 6, [], 0)
    assert certificates(store) == {
        FIRST: [("CERT_PDF", "CONTRACT_PDF")],
        SECOND: [("CERT_IMAGE", "CERT_IMAGE", "CONTRACT_IMAGE")],
        THIRD: [("CERT_OFD",)],
    }
    assert sorted(filter(None, contents(store))) == sorted(v for k, v in ALL.items() if k != "Thumbs.db")
    with store.read() as connection:
        assert not list(closed_values(connection, store.vault))
        sealed = connection.execute(select(attachment.c.content)).scalars().all()
    assert not any(one.startswith((b"%PDF", b"\xff\xd8", b"\x89PNG")) or b"OFD.xml" in one for one in sealed)
    assert intake(batch, store).repeated
    assert len(contents(store)) == 6


def test_the_bytes_are_put_in_where_a_record_is_sent_and_kept_nowhere_else(batch: Path, store: Store) -> None:
    lay(batch, {f"{FIRST}.pdf": pdf()})
    intake(batch, store)
    with store.write() as connection:
        connection.execute(update(delivery).values(blocked_by=None))
        claimed = ledger.claim(
            connection,
            store.vault,
            platform=INFO.platform,
            state=State.QUEUED,
            limit=50,
            now=NOW,
            lease=timedelta(minutes=5),
            owner="test",
        )
    papers = [one.record for one in claimed if isinstance(one.record.content, Certificate)]
    [scan] = [scan for paper in papers for scan in paper.content.files or ()]  # type: ignore[union-attr]
    assert scan.content is not None
    assert scan.size == len(pdf())
    [whole] = [paper for paper in papers if paper.content.files]  # type: ignore[union-attr]
    made = replace_payload(whole)
    sealed = records.seal_payload(made, whole, store.vault)
    stored = store.vault.open(sealed, records.payload_place(made.key))
    assert scan.content.encode() not in stored
    assert scan.sha256.encode() in stored
    opened = records.to_payload(sealed, whole, made.key, store.vault, replaces=False)
    assert opened.fields == made.fields


def replace_payload(whole: Any) -> Any:
    from gateway.contract.messages import Payload

    [scan] = whole.content.files
    return Payload(
        key="p/certificate/K/1",
        kind=RecordKind.CERTIFICATE,
        record_key=whole.key,
        version=1,
        fields={"CertFile": [{"Content": scan.content, "Sha256": scan.sha256}]},
        replaces=False,
    )


def test_memory_of_a_claim_is_bounded_by_the_size_of_its_scans(
    batch: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(batch, {f"{number}.pdf": pdf(number) for number in NUMBERS})
    intake(batch, store)
    monkeypatch.setattr(ledger, "_MOST_SCAN_BYTES", len(pdf(FIRST)) + 10)
    seen: list[int] = []
    with store.write() as connection:
        connection.execute(update(delivery).values(blocked_by=None))
        for _ in range(10):
            claimed = ledger.claim(
                connection,
                store.vault,
                platform=INFO.platform,
                state=State.QUEUED,
                limit=50,
                now=NOW + timedelta(minutes=1),
                lease=timedelta(minutes=5),
                owner="test",
            )
            seen += [one.id for one in claimed]
            with_scans = [c for c in claimed if isinstance(c.record.content, Certificate) and c.record.content.files]
            assert len(with_scans) <= 1
        total = connection.execute(select(func.count()).select_from(delivery)).scalar_one()
    assert len(set(seen)) == len(seen) == total


def test_scans_that_come_later_make_a_version_and_a_batch_without_scans_takes_none_away(
    batch: Path, store: Store
) -> None:
    assert intake(batch, store).admitted == 3
    place = lay(batch, {f"{FIRST}.pdf": pdf()})
    report = intake(batch, store)
    assert (report.admitted, report.unchanged, report.records["certificate"]) == (1, 2, 1)
    shutil.rmtree(place)
    other = Path(shutil.copy(batch, batch.with_name("again.xlsx")))
    book = openpyxl.load_workbook(other)
    book.properties.title = "saved again"
    book.save(other)
    assert intake(other, store).unchanged == 3
    lay(other, {f"{FIRST}合同.pdf": pdf("contract")})
    assert intake(other, store).admitted == 1
    assert certificates(store)[FIRST] == [(), ("CERT_PDF",), ("CERT_PDF", "CONTRACT_PDF")]
    assert certificates(store)[SECOND] == [()]


BROKEN: dict[str, tuple[bytes, str]] = {
    "another kind": (b"GIF89a picture", "no PDF, JPEG, PNG or OFD"),
    "a workbook": (b"PK\x03\x04 word/document.xml", "no PDF, JPEG, PNG or OFD"),
    "empty": (b"", "empty, or larger"),
    "too large": (pdf("x" * 5000), "empty, or larger"),
    "cut off": (pdf()[:-30], "damaged or cut off"),
    "a changed bit": (png().replace(b"mark", b"mask"), "damaged or cut off"),
    "half a picture": (jpeg()[:-2], "damaged or cut off"),
    "half a document": (ofd()[:-10], "damaged or cut off"),
    "locked": (pdf().replace(b"/Root 1 0 R", b"/Root 1 0 R /Encrypt 4 0 R"), "is locked"),
}


@pytest.mark.parametrize(("content", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_scan_sends_its_row_back_and_says_which_and_why(
    batch: Path, store: Store, tmp_path: Path, content: bytes, words: str
) -> None:
    lay(batch, {f"{FIRST} 合同.PDF": content, f"{SECOND}.pdf": pdf()})
    limits = ScanLimits(certificate=3000, contract=3000)
    report = intake(batch, store, limits=limits, returns=tmp_path / "returns.xlsx")
    assert (report.refused, report.admitted, dict(report.gates)) == (1, 2, {"R-SCAN": 1})
    [trouble] = report.scan_troubles
    assert trouble["file"] == f"{FIRST} 合同.PDF"
    assert words in str(trouble["failure"])
    assert trouble["row"] is True
    with store.read() as connection:
        [failure] = [
            one
            for row in connection.execute(select(filing.c.failures).where(filing.c.outcome == "refuse")).scalars()
            for one in row
            if one["severity"] != "warn"
        ]
    assert failure["message"].startswith("scan of the contract 1 (.pdf): ")
    assert failure["message_zh"].startswith("合同扫描件第1个（.pdf）：")
    assert FIRST not in failure["message"] + failure["message_zh"]
    text = [str(cell) for row in openpyxl.load_workbook(tmp_path / "returns.xlsx").active.values for cell in row]
    assert any("合同扫描件第1个" in one for one in text)
    assert len(contents(store)) == 1, "only what went is kept"


def test_what_matches_no_row_is_named_without_a_persons_name(batch: Path, store: Store) -> None:
    name, number = GOOD[0]["姓名"], GOOD[0]["身份证号码"]
    lay(batch, {f"{name}证书.pdf": pdf(), f"{number}.pdf": pdf("2"), f"{FIRST}.pdf": pdf("3")})
    report = intake(batch, store)
    assert report.admitted == 3
    troubles = json.dumps(report.scan_troubles, ensure_ascii=False)
    assert len(report.scan_troubles) == 2
    assert "没有对应的行" in troubles
    assert name not in troubles
    assert number not in troubles
    assert "证书.pdf" in troubles
    assert report.warnings["R-SCAN"] == 2, "two rows have none"


def test_too_many_scans_of_one_certificate_are_refused_and_doubles_count_once(batch: Path, store: Store) -> None:
    files = {f"{FIRST}-{n}.pdf": pdf(str(n)) for n in range(1, 5)}
    files |= {f"{SECOND}-{n}.pdf": pdf("same") for n in range(1, 5)}
    lay(batch, files)
    report = intake(batch, store)
    assert (report.refused, report.admitted, report.scans) == (1, 2, 1)


def test_scans_that_are_asked_for_from_a_day_on_are_missed_from_then_on(batch: Path, store: Store) -> None:
    asked = replace(GateRules(now=NOW), scans_since=date(2019, 1, 1))
    report = intake(batch, store, rules=asked, dry_run=True)
    assert (report.refused, dict(report.gates)) == (3, {"N34": 3})
    lay(batch, {f"{n}.pdf": pdf(n) for n in NUMBERS} | {f"{n}合同.pdf": pdf(f"c{n}") for n in NUMBERS})
    assert intake(batch, store, rules=asked, dry_run=True).admitted == 3
    later = replace(GateRules(now=NOW), scans_since=date(2030, 1, 1))
    shutil.rmtree(batch.with_suffix(""))
    assert intake(batch, store, rules=later, dry_run=True).admitted == 3
    assert contents(store) == []


def test_a_held_row_keeps_its_scans_until_a_person_decides(batch: Path, store: Store) -> None:
    book = openpyxl.load_workbook(batch)
    sheet = book.active
    titles = [cell.value for cell in sheet[3]]
    at = next(n for n in range(4, sheet.max_row + 1) if sheet.cell(n, titles.index("证书编号") + 1).value == FIRST)
    sheet.row_dimensions[at].hidden = True
    book.save(batch)
    lay(batch, {f"{FIRST}.pdf": pdf()})
    report = intake(batch, store)
    assert (report.held, report.scans) == (1, 1)
    days = dict(load(RetentionSettings)) | {"scans": 1, "filings": 900}
    retain(store, days, NOW + timedelta(days=800), by="test")
    rng = random.Random(1)
    desk = IntakeContext(store=store, infos=[INFO], rules=GateRules(now=NOW), now=NOW, new_id=lambda: people.ulid(rng))
    decide(desk, batch.name, at, admit=True, reason="looked at", by="test")
    assert certificates(store)[FIRST] == [("CERT_PDF",)]
    assert contents(store) == [pdf()]


def test_bytes_go_when_the_certificate_has_been_at_its_end_for_so_long_and_nothing_waits(
    batch: Path, store: Store
) -> None:
    lay(batch, {f"{FIRST}.pdf": pdf("1"), f"{SECOND}.pdf": pdf("2"), f"{THIRD}.pdf": pdf("3")})
    intake(batch, store)
    days = dict(load(RetentionSettings)) | {"scans": 730}
    later = NOW + timedelta(days=3000)
    with store.write() as connection:
        connection.execute(update(delivery).values(state=State.ACCEPTED))
    assert retain(store, days, later, by="test").rows["scans"] == 0, "none has ended"
    with store.write() as connection:
        keys = {
            one.content.number: one.key  # type: ignore[union-attr]
            for row in connection.execute(select(record).where(record.c.kind == "certificate")).mappings()
            for one in (records.to_record(dict(row), store.vault),)
        }
        ended = record.c.key.in_([keys[FIRST], keys[SECOND]])
        connection.execute(update(record).where(ended).values(void=True))
        connection.execute(update(delivery).where(delivery.c.record_key == keys[SECOND]).values(state=State.PARKED))
    assert retain(store, days, NOW + timedelta(days=700), by="test").rows["scans"] == 0
    assert retain(store, days, later, by="test").rows["scans"] == 1
    assert [one is None for one in contents(store)].count(True) == 1
    assert pdf("1") not in contents(store)


def test_scans_changed_while_they_are_read_refuse_the_batch(batch: Path, store: Store) -> None:
    place = lay(batch, {f"{FIRST}.pdf": pdf()})

    def change(_: int) -> None:
        (place / f"{FIRST}.pdf").write_bytes(pdf("other"))

    with pytest.raises(InputError, match="was changed while"):
        intake(batch, store, progress=change)
    assert certificates(store) == {}


@pytest.mark.parametrize(
    "name", ["济南.zip", "济南扫描件.zip", "济南-扫描件.ZIP", "济南 扫描件", "济南_扫描件", "济南"]
)
def test_scans_are_found_under_the_usual_names(batch: Path, name: str) -> None:
    place = batch.with_name(name)
    if place.suffix:
        with zipfile.ZipFile(place, "w") as archive:
            archive.writestr("a.pdf", pdf())
    else:
        place.mkdir()
        (place / "a.PDF").write_bytes(pdf())
    assert companion(batch) == place


def test_a_folder_or_archive_of_the_name_with_other_things_in_it_is_left_alone(batch: Path, store: Store) -> None:
    lay(batch, {"notes.docx": b"x", batch.name: batch.read_bytes()})
    lay(batch, {batch.name: batch.read_bytes()}, packed=True)
    assert companion(batch) is None
    report = intake(batch, store)
    assert (report.admitted, report.scans, report.scan_troubles, report.warned) == (3, 0, [], 0)


def test_archives_that_cannot_be_used_are_named_as_such(batch: Path, store: Store) -> None:
    place = batch.with_suffix(".zip")
    for content, reason in ((b"PK\x03\x04 cut", "scans_damaged"), (_locked(), "scans_locked")):
        place.write_bytes(content)
        with pytest.raises(FileRefused) as refused:
            intake(batch, store)
        assert refused.value.reason == reason
    lay(batch, {"a.pdf": pdf()})
    with pytest.raises(FileRefused, match="two folders or archives"):
        intake(batch, store)
    shutil.rmtree(batch.with_suffix(""))
    place.rename(batch.with_suffix(".rar"))
    with pytest.raises(FileRefused, match=r"pack them as \.zip"):
        intake(batch, store)


def _locked() -> bytes:
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.pdf", pdf())
    whole = bytearray(buffer.getvalue())
    whole[whole.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(whole)


def test_names_of_an_archive_from_chinese_windows_are_read(batch: Path, store: Store) -> None:
    place = batch.with_suffix(".zip")
    raw = f"{FIRST}合同.pdf".encode("gb18030")
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("x" * len(raw), pdf())
    place.write_bytes(place.read_bytes().replace(b"x" * len(raw), raw))  # without the mark of UTF-8
    assert intake(batch, store).scans == 1
    assert certificates(store)[FIRST] == [("CONTRACT_PDF",)]


NAMES = {
    "鲁建(2012)0123号-合同(2).pdf": ("鲁建(2012)0123号", "CONTRACT"),
    "示例甲 鲁A20120001证书.jpg": ("鲁A20120001", "CERT"),
    "1_鲁A-2012-0001_正面.png": ("鲁A/2012/0001", "CERT"),
    "ＬＵ２０１２０００１.pdf": ("LU20120001", "CERT"),
    "lu20120001-contract-1.pdf": ("LU20120001", "CONTRACT"),
    "鲁A 2012 0001 合同.pdf": ("鲁A20120001", "CONTRACT"),
}


@pytest.mark.parametrize(("number", "kind"), NAMES.values(), ids=NAMES)
def test_a_name_says_number_and_kind(number: str, kind: str, request: pytest.FixtureRequest) -> None:
    name = next(name for name, expected in NAMES.items() if expected == (number, kind))
    keys = [key for level in keys_of((name,)) for key in level]
    assert number_key(number) in keys
    assert kind_of((name,)) == kind


def test_a_page_number_behind_a_blank_is_no_part_of_the_number() -> None:
    first, second = keys_of(("3700002012001 2.pdf",))
    assert first == ("3700002012001",)
    assert second == ("37000020120012",)


def test_the_longest_number_counts_and_the_folder_only_where_the_name_says_none(batch: Path, store: Store) -> None:
    lay(batch, {f"{FIRST}/{SECOND}.pdf": pdf()})
    intake(batch, store)
    found = certificates(store)
    assert (found[FIRST], found[SECOND]) == ([()], [("CERT_PDF",)])
    assert shown_name(("张三", "证书.pdf"), known=False) == "**/证书.pdf"


KINDS = {"application/pdf": pdf(), "image/jpeg": jpeg(), "image/png": png(), "application/ofd": ofd()}


@pytest.mark.parametrize(("kind", "content"), KINDS.items(), ids=KINDS)
def test_every_prefix_of_a_scan_is_damaged_and_the_whole_is_not(kind: str, content: bytes) -> None:
    assert media_type_of(content) == kind
    assert scan_flaw(content, kind) is None
    assert scan_flaw(content + (b"" if kind == "application/ofd" else b"\n"), kind) is None
    for end in range(len(content) - 1):
        cut = content[:end]
        if kind == "application/pdf" and content[:end].rstrip().endswith(b"%%EOF"):
            continue
        assert scan_flaw(cut, kind) is ScanFlaw.DAMAGED, end


class Desk:
    """Takes in with the real intake, from a drop folder."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def take_in(self, path: Path, *, returns: Path | None = None) -> IntakeReport:
        return intake(path, self.store, returns=returns)


def drop(folder: Path, store: Store, *, reach: Callable[[str], None] = lambda _: None, days: float = 0.01) -> Drop:
    now = datetime.now(UTC) + timedelta(days=days)
    return Drop(folder=folder, take_in=Desk(store).take_in, now=lambda: now, reach=reach)


class Killed(BaseException):
    """Ends a run as a kill does."""


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
def test_scans_travel_with_their_batch_through_the_drop_folder(
    form: Path, tmp_path: Path, sqlite_url: str, make_store: Callable[[str], Store], *, packed: bool
) -> None:
    store, folder = make_store(sqlite_url), tmp_path / "drop"
    folder.mkdir()
    lay(Path(shutil.copy(form, folder / form.name)), {f"{FIRST}.pdf": pdf(), "other.pdf": pdf("2")}, packed=packed)
    [one] = drop(folder, store).run().files
    assert one.report is not None
    assert (one.report.admitted, one.report.scans) == (3, 1)
    done = folder / DONE / one.name
    assert companion(done) is not None
    report = json.loads((folder / DONE / f"{one.name}.report.json").read_text(encoding="utf-8"))
    assert [trouble["failure_zh"][:6] for trouble in report["scan_troubles"]] == ["没有对应的行"]
    assert not [path.name for path in folder.iterdir() if path.is_file()]
    assert not [path.name for path in (folder / "taken").iterdir() if not path.name.startswith(".")]


@pytest.mark.parametrize("point", ["take", "take scans", "read", "report", "move", "moved scans", "moved"])
def test_a_kill_anywhere_loses_neither_batch_nor_scans(
    form: Path, tmp_path: Path, sqlite_url: str, make_store: Callable[[str], Store], point: str
) -> None:
    store, folder = make_store(sqlite_url), tmp_path / "drop"
    folder.mkdir()
    lay(Path(shutil.copy(form, folder / form.name)), {f"{FIRST}.pdf": pdf()}, packed=True)

    def kill(at: str) -> None:
        if at == point:
            raise Killed

    with pytest.raises(Killed):
        drop(folder, store, reach=kill).run()
    drop(folder, store).run()
    assert certificates(store)[FIRST] == [("CERT_PDF",)]
    lying = sorted(path.suffix for path in (folder / DONE).iterdir() if path.suffix in (".xlsx", ".zip"))
    assert lying.count(".zip") == 1
    assert len([p for p in (folder / DONE).iterdir() if p.name.endswith(form.name)]) == 1
    assert not [path.name for path in (folder / "taken").iterdir() if not path.name.startswith(".")]


def test_an_archive_without_its_batch_waits_a_day(
    form: Path, tmp_path: Path, sqlite_url: str, make_store: Callable[[str], Store]
) -> None:
    store, folder = make_store(sqlite_url), tmp_path / "drop"
    folder.mkdir()
    lay(folder / form.name, {f"{FIRST}.pdf": pdf()}, packed=True)
    report = drop(folder, store).run()
    assert (report.files, report.waiting) == ([], 1)
    [one] = drop(folder, store, days=1.1).run().files
    assert "只有扫描件" in one.failure_zh
    assert len(list((folder / FAILED).glob("*.zip"))) == 1


def test_the_evidence_tells_bytes_that_were_changed_or_taken_away(batch: Path, store: Store) -> None:
    lay(batch, {f"{n}.pdf": pdf(n) for n in NUMBERS})
    intake(batch, store)
    with store.write() as connection:
        assert list(altered_bytes(connection, store.vault)) == []
        assert list(lost_bytes(connection, {})) == []
        rows = connection.execute(select(attachment).order_by(attachment.c.id)).all()
        other = store.vault.seal(pdf("forged"), attachment_place(rows[0].digest))
        connection.execute(update(attachment).where(attachment.c.id == rows[0].id).values(content=other))
        connection.execute(update(attachment).where(attachment.c.id == rows[1].id).values(content=None))
        assert list(altered_bytes(connection, store.vault)) == [("attachment", rows[0].id)]
        [(book, number, what)] = lost_bytes(connection, {})
        assert (book, number) == ("attachment", rows[1].id)
        assert "no purge" in what
        assert list(lost_bytes(connection, {"attachment.content": {rows[1].id: NOW}})) == []


def test_every_table_of_scans_says_nobody(batch: Path, store: Store) -> None:
    lay(batch, ALL)
    intake(batch, store)
    with store.read() as connection:
        for table in (filing_scan, attachment):
            for row in connection.execute(select(table)).mappings():
                plain = {name: value for name, value in row.items() if name != "content"}
                assert not any(number in str(plain) for number in NUMBERS)
        assert connection.execute(select(func.count()).select_from(payload)).scalar_one() == 0
