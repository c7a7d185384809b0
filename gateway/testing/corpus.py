"""Records as the intake really makes them: of the shipped sample, and of rows at the edge of every rule.

Rows go through the reader, the gates and the admission as in service; only the store's keys are drawn here.
"""

from __future__ import annotations

import random
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from hashlib import sha256
from importlib.resources import as_file, files
from itertools import islice
from pathlib import Path

import xlsxwriter

from gateway.domain.identifiers import resident_id_check_digit
from gateway.domain.records import (
    Attachment,
    Certificate,
    Record,
    RecordKind,
    StatusChange,
    Submission,
    Withdrawal,
    Worker,
)
from gateway.intake.reading.columns import title
from gateway.intake.reading.reader import read_batch
from gateway.intake.reading.rows import Row
from gateway.intake.rules.admission import Admitted, admit
from gateway.intake.rules.gate_rules import GateRules
from gateway.intake.rules.gate_table import Severity
from gateway.intake.rules.gates import judge
from gateway.testing import people
from gateway.testing.forms import Cells, filed

_ENTERED = datetime(2019, 5, 10, 1, 0, tzinfo=UTC)
_SCAN = b"%PDF-1.4 synthetic"


def _residence(area: str, id_type: str) -> Cells:
    """A residence permit, built like a resident number; the area is that of its kind."""
    first17 = f"{area}19800101001"
    return {
        "id_type": id_type,
        "id_number": first17 + resident_id_check_digit(first17),
        "gender": "男",
        "birth_date": "1980-01-01",
        "ethnicity": "",
    }


EDGES: dict[str, Cells] = {
    "letters in the number": {"certificate_number": "鲁B20105376704"},
    "brackets in the number": {"certificate_number": "鲁建教(2012)第0370123号"},
    "a dash and a stroke in the number": {"certificate_number": "SD-2012/0370123"},
    "the longest number": {"certificate_number": "鲁A" + "20120370" * 6},
    "the shortest number": {"certificate_number": "370125"},
    "one letter for a name": {"name": "王"},
    "a name with a dot": {"name": "阿卜杜拉·买买提江"},
    "a rare character": {"name": "𠮷䶮"},
    "a Latin name": {"name": "ANNA MARIA O'NEIL"},
    "no education": {"education": ""},
    "no mobile": {"mobile": ""},
    "no address": {"address": ""},
    "a long address": {"address": "山东省济南市示例路1号" * 9},
    "an end date": {"valid_to": "2029-12-31"},
    "no application date": {"application_date": ""},
    "a passport": {"id_type": "护照", "id_number": "E12345678", "ethnicity": ""},
    "a permit of Hong Kong": {"id_type": "港澳居民来往内地通行证", "id_number": "H12345678", "ethnicity": ""},
    "a permit of Taiwan": {"id_type": "台湾居民来往大陆通行证", "id_number": "12345678", "ethnicity": ""},
    "six kinds of brackets": {"certificate_number": "鲁〔2012〕【0370】［123］号9"},
    "full-width signs in the number": {"certificate_number": "鲁Ａ２０１２－０３７０１２５"},
    "small letters in the number": {"certificate_number": "sd2012a0370126b"},
    "a rare character in the number": {"certificate_number": "𠮷A20120370127"},
    "a dot in the number": {"certificate_number": "37.01.2012.0370128"},
    "the longest name": {"name": "王" * 50},
    "the longest name beyond the BMP": {"name": "𠮷" * 50},
    "a long name with dots": {"name": "阿卜杜热合曼·" * 6 + "买买提"},
    "characters of GB 18030-2022": {"name": "龴㑇䶮\U00030edd"},
    "a character that has moved": {"name": "王\ue81e"},
    "a radical for a character": {"name": "⻢⻓"},
    "an ideographic zero": {"name": "王〇"},
    "full-width letters": {"name": "ＡＮＮＡ ＭＡＲＩＡ"},
    "a passport with brackets": {"id_type": "护照", "id_number": "P(12)/34-56", "ethnicity": ""},
    "the longest document number": {
        "id_type": "护照",
        "id_number": "E" + "1234567890" * 2 + "123456789",
        "ethnicity": "",
    },
    "the shortest document number": {"id_type": "护照", "id_number": "E1234", "ethnicity": ""},
    "a passport and an ethnicity": {"id_type": "护照", "id_number": "E12345679", "ethnicity": "汉族"},
    "a residence permit of Hong Kong": _residence("810000", "港澳居民居住证"),
    "a residence permit of Taiwan": _residence("830000", "台湾居民居住证"),
    "an ethnicity by number": {"ethnicity": "56"},
    "an ethnicity of many letters": {"ethnicity": "鄂温克族"},
    "neither education, mobile nor address": {"education": "", "mobile": "", "address": "", "home_region": ""},
    "a mobile with its country": {"mobile": "+86 138 0000 0001"},
    "the longest address": {"address": "𠮷" * 200},
    "brackets and signs in the employer": {"employer_name": "山东<示例>&“建设”（集团）有限公司'"},
    "the longest employer": {"employer_name": "示" * 200},
    "the longest issuer": {"issuer_name": "济" * 100},
    "the longest confirming body": {"confirm_organization": "鉴" * 100},
    "the longest certificate name": {"certificate_name": "中华人民共和国建设部职业技能岗位证书"},
    "an open contract": {"contract_term": "无固定期限", "contract_end": ""},
    "issued on a leap day": {"issue_date": "2012-02-29", "application_date": "2012-01-10"},
    "issued on the last day in scope": {"issue_date": "2016-12-31", "application_date": "2016-12-31"},
    "issued later and applied for in scope": {"issue_date": "2017-06-01", "application_date": "2016-12-31"},
    "no employer": {"employed": "无"},
    "no employer and a rare character": {"employed": "无", "name": "𬱖", "promise_signer": "𬱖"},
    "the lowest level": {"level": "初级"},
    "the highest level": {"level": "高级"},
}
"""what is changed in a good row; everything of it is admitted"""


def refused_edges() -> list[str]:
    """Rows of the corpus that the intake does not admit, with the rules that say so; empty, or the corpus is wrong."""
    return [f"{name}: {rules}" for name, _, rules in _edges() if rules]


def admitted() -> Iterator[Admitted]:
    """Everything that the intake admits of the edges, then of the shipped sample, which is read once it is reached."""
    yield from (one for _, one, _ in _edges() if one is not None)
    yield from _sample()


@cache
def _sample() -> tuple[Admitted, ...]:
    with as_file(files("gateway.testing").joinpath("data", "sample_batch.xlsx")) as path:
        return tuple(one for row in read_batch(path).rows if (one := _admitted(row)[0]) is not None)


@cache
def _edges() -> tuple[tuple[str, Admitted | None, str], ...]:
    rng, used = random.Random(3), set[str]()
    rows = [filed(rng, used, employed="employed" not in change) | change for change in EDGES.values()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "edges.xlsx"
        _write(path, rows)
        return tuple((name, *_admitted(row)) for name, row in zip(EDGES, read_batch(path).rows, strict=True))


def _write(path: Path, rows: Sequence[Cells]) -> None:
    book = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet("审核汇总表")
    sheet.write_row(0, 0, [title(name) for name in rows[0]])
    for at, row in enumerate(rows, start=1):
        sheet.write_row(
            at,
            0,
            [
                v
                if isinstance(v, str)
                else f"{v:%Y-%m-%d %H:%M}"
                if isinstance(v, datetime)
                else v.isoformat()
                if isinstance(v, date)
                else str(v)
                for v in row.values()
            ],
        )
    book.close()


def _admitted(row: Row) -> tuple[Admitted | None, str]:
    """What the row adds to the store, or the rules that keep it out."""
    rules = GateRules()
    failures = (*row.failures, *(judge(row.filing, rules) if row.filing is not None else ()))
    against = [failure for failure in failures if failure.severity is not Severity.WARN]
    if row.filing is None or against:
        return None, ", ".join(f"{failure.field} {failure.gate}" for failure in against) or "unreadable"
    return admit(row.filing, _ENTERED, rules), ""


def records(kind: RecordKind) -> Iterator[Record]:
    """One record of a kind for everything the intake admits; a withdrawal takes a certificate back."""
    rng = random.Random(f"corpus {kind}")
    for place, one in enumerate(admitted()):
        yield _MAKERS[kind](rng, one, place)


def _record(
    rng: random.Random, kind: RecordKind, content: Worker | Certificate | StatusChange | Withdrawal, **more: int
) -> Record:
    key = people.ulid(rng)
    person = key if kind is RecordKind.PERSON else people.ulid(rng)
    version = more.get("version", 1)
    return Record(kind=kind, key=key, version=version, person_key=person, content=content, effective_from=_ENTERED)


def _person(rng: random.Random, one: Admitted, place: int) -> Record:
    return _record(rng, RecordKind.PERSON, one.worker)


def _certificate(rng: random.Random, one: Admitted, place: int) -> Record:
    """Every third with a scan that travels with it."""
    scan = Attachment(
        kind="CERT_PDF",
        media_type="application/pdf",
        size=len(_SCAN),
        sha256=sha256(_SCAN).hexdigest(),
        content=b64encode(_SCAN).decode(),
    )
    content = replace(one.certificate, files=(scan,)) if place % 3 == 0 else one.certificate
    return _record(rng, RecordKind.CERTIFICATE, content)


def _status_change(rng: random.Random, one: Admitted, place: int) -> Record:
    """Suspended or cancelled; the record is a version of the certificate and carries its key."""
    made = _record(rng, RecordKind.STATUS_CHANGE, one.certificate, version=2)
    change = StatusChange(
        certificate_key=made.key,
        certificate=one.certificate,
        new_status=("02", "05")[place % 2],
        operate_type=("03", "05")[place % 2],
        reason="经查实，证书暂停使用",
        effective_date=date(2019, 3, 20),
        decision_no="济建罚决〔2019〕1号",
        decision_org="济南市住房和城乡建设局",
        certificate_version=1,
    )
    return replace(made, content=change)


def _withdrawal(rng: random.Random, one: Admitted, place: int) -> Record:
    made = _record(rng, RecordKind.WITHDRAWAL, one.certificate, version=2)
    return replace(
        made,
        content=Withdrawal(
            withdrawn_kind=RecordKind.CERTIFICATE,
            withdrawn_key=made.key,
            content=one.certificate,
            reason="测试数据误报，予以撤回",
            withdrawn_version=1,
        ),
    )


_MAKERS: dict[RecordKind, Callable[[random.Random, Admitted, int], Record]] = {
    RecordKind.PERSON: _person,
    RecordKind.CERTIFICATE: _certificate,
    RecordKind.STATUS_CHANGE: _status_change,
    RecordKind.WITHDRAWAL: _withdrawal,
}


def submissions(platform: str, kind: RecordKind, count: int | None = None) -> tuple[Submission, ...]:
    """The first ``count`` of a kind as they are owed to a platform; all of them by default."""
    return tuple(Submission(platform=platform, record=record) for record in islice(records(kind), count))


def changed(submission: Submission) -> Submission:
    """The next version of a record that the platform accepted before: the same person, with another word of content."""
    record, content = submission.record, submission.record.content
    if isinstance(content, Worker):
        content = replace(content, address="山东省青岛市示例路2号")
    elif isinstance(content, Certificate):
        content = replace(content, issuer_name="青岛市城乡建设委员会")
    return replace(submission, replaces=True, record=replace(record, version=record.version + 1, content=content))
