"""Synthetic people: well-formed numbers with area code 370000, which is never issued to a person."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

from gateway.domain.identifiers import credit_code_check_character, resident_id_check_digit
from gateway.domain.records import (
    Certificate,
    ContractTerm,
    Employer,
    Placement,
    Record,
    RecordKind,
    Submission,
    Training,
    Verification,
    Worker,
)

CHINA = timezone(timedelta(hours=8))
_SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜"
_GIVEN = "建国志强秀英桂兰海燕晓东文博明轩雨涵子墨一诺浩然思源永福春生德胜玉梅"
_TRADES = (
    ("010", "砌筑工"),
    ("020", "钢筋工"),
    ("030", "架子工"),
    ("040", "混凝土工"),
    ("240", "木工"),
    ("270", "电焊工"),
)
PHOTO = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
"""one grey point"""
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def id_number(rng: random.Random, born: date) -> str:
    """An unissued resident number (area 370000) with a valid check digit."""
    first17 = f"370000{born:%Y%m%d}{rng.randrange(1, 1000):03d}"
    return first17 + resident_id_check_digit(first17)


def credit_code(rng: random.Random) -> str:
    """An unassigned enterprise code (registry 9, division 370000) with a valid check character."""
    first17 = "91370000" + "".join(rng.choice("0123456789ABCDEFGHJKLMNPQRTUWXY") for _ in range(9))
    return first17 + credit_code_check_character(first17)


def ulid(rng: random.Random) -> str:
    """A 26-character identifier in ULID form, reproducible from the generator."""
    return "01" + "".join(rng.choice(_CROCKFORD) for _ in range(24))


def worker(rng: random.Random, *, employed: bool = True) -> Worker:
    """A worker between 25 and 55 in early 2019, with or without an employer."""
    born = date(1964, 3, 1) + timedelta(days=rng.randrange(30 * 365))
    number = id_number(rng, born)
    return Worker(
        name=rng.choice(_SURNAMES) + "".join(rng.sample(_GIVEN, rng.choice((1, 2)))),
        id_type="111",
        id_number=number,
        gender="1" if int(number[16]) % 2 else "2",
        birth_date=born,
        ethnicity="01",
        education="71",
        mobile=f"1380000{rng.randrange(10_000):04d}",
        home_region="370100",
        address="山东省济南市示例路1号",
        employer=Employer(
            name=f"山东示例{rng.randrange(1, 40):02d}建设有限公司",
            code=credit_code(rng),
            contract_term=ContractTerm.FIXED,
            contract_start=date(2018, 1, 1),
            contract_end=date(2020, 12, 31),
            region="370100",
        )
        if employed
        else None,
    )


def verification(*, employed: bool, batch_no: str = "370100-201904-01") -> Verification:
    """A way through promise, verification, review, notice and report that passes every gate."""
    return Verification(
        channel="ENTERPRISE" if employed else "PERSON",
        promise_signed_at=datetime(2019, 2, 20, 9, 0, tzinfo=CHINA),
        promise_version="2019-01",
        point_code="370100-03",
        verifier="审验员甲",
        verified_at=datetime(2019, 2, 26, 10, 30, tzinfo=CHINA),
        originals=("CERT", "IDCARD", "CONTRACT") if employed else ("CERT", "IDCARD"),
        summary_form_no="SH370100-000001",
        seal_stamped=True,
        review_region="370100",
        review_department="济南市住房和城乡建设局",
        reviewer="复核员乙",
        reviewed_at=datetime(2019, 2, 28, 15, 0, tzinfo=CHINA),
        notice_begin=date(2019, 3, 1),
        notice_end=date(2019, 3, 8),
        notice_medium="https://example.invalid/notice/1",
        reported_at=datetime(2019, 3, 11, 9, 0, tzinfo=CHINA),
        entered_at=datetime(2019, 3, 12, 9, 0, tzinfo=CHINA),
        accept_phase="CONCENTRATED",
        batch_no=batch_no,
    )


def certificate(rng: random.Random, holder: Worker) -> Certificate:
    """A junior to senior skill-post certificate issued before 2017."""
    trade, trade_name = rng.choice(_TRADES)
    issued = date(2010, 1, 1) + timedelta(days=rng.randrange(6 * 365))
    return Certificate(
        holder=holder,
        cert_class="SKILL",
        name="中华人民共和国建设部职业技能岗位证书",
        number=f"3701{issued:%y}{rng.randrange(10_000_000):07d}",
        trade=trade,
        trade_name=trade_name,
        level=rng.choice(("2", "3", "4")),
        issuer_name="济南市城乡建设委员会",
        issuer_code="11370000MB00000002",
        issuer_region="370100",
        confirm_organization="济南市建设职业技能鉴定站",
        assessment_origin="CITY",
        assessment_region="370100",
        application_date=issued - timedelta(days=60),
        issue_date=issued,
        first_issue_date=issued,
        valid_from=issued,
        verification=verification(employed=holder.employer is not None),
    )


def person_record(rng: random.Random, **kwargs: bool) -> Record:
    """Version 1 of a person."""
    key = ulid(rng)
    return Record(
        kind=RecordKind.PERSON,
        key=key,
        version=1,
        person_key=key,
        content=worker(rng, **kwargs),
        effective_from=datetime(2019, 3, 12, 1, 0, tzinfo=UTC),
    )


def certificate_record(rng: random.Random, person: Record | None = None) -> Record:
    """Version 1 of a certificate of ``person``, or of a new one."""
    holder = person or person_record(rng)
    assert isinstance(holder.content, Worker)
    return Record(
        kind=RecordKind.CERTIFICATE,
        key=ulid(rng),
        version=1,
        person_key=holder.key,
        content=certificate(rng, holder.content),
        effective_from=holder.effective_from,
    )


def placement(project_code: str, corp_code: str, corp_name: str, team_no: str, team_name: str) -> Placement:
    """Work in a team of a project, with everything a platform may ask for."""
    return Placement(
        project_code=project_code,
        corp_code=corp_code,
        corp_name=corp_name,
        team_no=team_no,
        team_name=team_name,
        trade="020",
        since=date(2019, 3, 1),
        politics="13",
        card_issuer="示例市公安局",
        photo=PHOTO,
    )


def placed(record: Record, place: Placement) -> Record:
    """The record of a filing that names a project: a person with placement, or a certificate with its assessment."""
    content = record.content
    if isinstance(content, Worker):
        return replace(record, content=replace(content, placement=place))
    assert isinstance(content, Certificate)
    training = Training(project_code=place.project_code, hours="24", score="86.5")
    return replace(record, content=replace(content, training=training))


def submissions(platform: str, kind: RecordKind, count: int = 1, seed: int = 1) -> tuple[Submission, ...]:
    """``count`` submissions of one kind to one platform, reproducible from the seed."""
    rng = random.Random(seed)
    make = person_record if kind is RecordKind.PERSON else certificate_record
    return tuple(Submission(platform=platform, record=make(rng)) for _ in range(count))
