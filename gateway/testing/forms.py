"""One good filing in the words of the form: what a careful city would type, in all the ways cities type it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from gateway.testing import people

Cells = dict[str, str | int | float | date | datetime]
"""cells by field"""

_CERTIFICATE = "中华人民共和国建设部职业技能岗位证书"


@dataclass(frozen=True, slots=True)
class City:
    """Who reports: a city, or the province for the certificates it issued directly."""

    code: str
    name: str
    letter: str
    origin: str = "市级"


CITIES = (
    City("370100", "济南市", "A"),
    City("370200", "青岛市", "B"),
    City("370600", "烟台市", "F"),
    City("370700", "潍坊市", "G"),
    City("370000", "山东省", "S", "省直"),
)
_ETHNICITIES = ("汉族", "汉", "01", "回族", "满")
_EDUCATION = ("初中", "高中", "中专", "小学", "大专", "71")
_TRADES = ("砌筑工", "钢筋工", "架子工", "混凝土工", "木工", "电焊工", "焊工", "瓦工", "建筑电工", "020", "防水工")
_LEVELS = ("初级", "中级", "高级", "初级工", "中级工", "高级（三级）")
_MINORITY = (("阿力木·吐尔逊", "维吾尔族"), ("古丽•艾山", "维吾尔"), ("扎西．多吉", "藏族"), ("巴图 · 苏和", "蒙古族"))
_EMPLOYERS = 60


def filed(rng: random.Random, used: set[str], *, employed: bool | None = None, city: City | None = None) -> Cells:
    """One good row; ``used`` holds the numbers that are taken, so that nobody is met twice by chance."""
    has_employer = rng.random() < 0.75 if employed is None else employed
    where = city or rng.choice(CITIES)
    row = {
        **_person(rng, used),
        **_employment(rng, has_employer=has_employer),
        **_certificate(rng, used, where),
        **_way(rng, where, has_employer=has_employer),
    }
    return row | _answered(row, has_employer=has_employer)


def _answered(row: Cells, *, has_employer: bool) -> Cells:
    """Who answers for the row, and what shows that promise and form were not changed since."""
    return {
        "responsible_person": "责任人甲" if has_employer else "",
        "promise_signer": "责任人甲" if has_employer else row["name"],
        "promise_digest": hashlib.sha256(f"promise {row['id_number']}".encode()).hexdigest(),
        "summary_form_digest": hashlib.sha256(f"form {row['summary_form_no']}".encode()).hexdigest(),
        **dict.fromkeys(("checked_true", "checked_exact", "checked_valid"), "是"),
    }


def written(rng: random.Random, day: date) -> str | date:
    """A day in one of the forms cities use."""
    forms: Sequence[str | date] = (
        day,
        f"{day:%Y-%m-%d}",
        f"{day.year}.{day.month}.{day.day}",
        f"{day.year}年{day.month}月{day.day}日",
        f"{day:%Y%m%d}",
        f"{day.year}/{day.month}/{day.day}",
    )
    return rng.choice(forms)


def identity(rng: random.Random, used: set[str], born: date) -> str:
    """An unissued number that no other row has."""
    while (number := people.id_number(rng, born)) in used:
        pass
    used.add(number)
    return number


def employer_code(number: int) -> str:
    """The code of one of the synthetic employers."""
    return people.credit_code(random.Random(f"employer {number}"))


def _person(rng: random.Random, used: set[str]) -> Cells:
    worker = people.worker(rng, employed=False)
    number = identity(rng, used, worker.birth_date)
    name, ethnicity = worker.name, rng.choice(_ETHNICITIES)
    if rng.random() < 0.04:
        name, ethnicity = rng.choice(_MINORITY)
    return {
        "name": name,
        "id_type": rng.choice(("居民身份证", "身份证", "111")),
        "id_number": _number_as_filed(rng, number),
        "gender": "男" if int(number[16]) % 2 else "女",
        "birth_date": written(rng, worker.birth_date),
        "ethnicity": ethnicity,
        "education": rng.choice(_EDUCATION),
        "mobile": worker.mobile or "",
        "home_region": "370100",
        "address": "山东省济南市示例路1号",
    }


def _number_as_filed(rng: random.Random, number: str) -> str:
    """Mostly plain; now and then full-width, with a small x, or in the 15 digits of the first generation."""
    draw = rng.random()
    if draw < 0.02:
        return number[:6] + number[8:17]
    if draw < 0.04:
        return "".join(chr(ord(c) + 0xFEE0) for c in number)
    return f" {number.lower()}" if draw < 0.06 else number


def _employment(rng: random.Random, *, has_employer: bool) -> Cells:
    if not has_employer:
        blank = ("employer_name", "employer_code", "employer_region", "contract_term", "contract_start", "contract_end")
        return {"employed": "无", **dict.fromkeys(blank, ""), "filing_corp_code": ""}
    which = rng.randrange(_EMPLOYERS)
    code = employer_code(which)
    is_open = rng.random() < 0.1
    return {
        "employed": "有",
        "employer_name": f"山东示例{which:02d}建设（集团）有限公司",
        "employer_code": code,
        "employer_region": "370100",
        "contract_term": "无固定期限" if is_open else "固定期限",
        "contract_start": written(rng, date(2018, 1, 1) + timedelta(days=rng.randrange(200))),
        "contract_end": "" if is_open else written(rng, date(2020, 6, 30) + timedelta(days=rng.randrange(200))),
        "filing_corp_code": code,
    }


def _certificate(rng: random.Random, used: set[str], where: City) -> Cells:
    issued = date(2010, 3, 1) + timedelta(days=rng.randrange(6 * 365))
    while (number := f"鲁{where.letter}{issued.year}{rng.randrange(10_000_000):07d}") in used:
        pass
    used.add(number)
    from_laiwu = where.code == "370100" and rng.random() < 0.05
    return {
        "certificate_name": _CERTIFICATE,
        "certificate_number": number,
        "trade": rng.choice(_TRADES),
        "level": rng.choice(_LEVELS),
        "issuer_name": f"{where.name}城乡建设委员会",
        "issuer_code": "11370000MB00000002",
        "issuer_region": where.code,
        "confirm_organization": f"{where.name}建设职业技能鉴定站",
        "assessment_origin": where.origin,
        "assessment_region": "莱芜市" if from_laiwu else rng.choice((where.code, where.name)),
        "application_date": written(rng, issued - timedelta(days=60)),
        "issue_date": written(rng, issued),
        "valid_to": rng.choice(("", "长期", "/")),
    }


def _way(rng: random.Random, where: City, *, has_employer: bool) -> Cells:
    """Promise, verification, review, notice and report: of March for the most, of April for some."""
    month = 4 if rng.random() < 0.2 else 3
    shift = timedelta(days=24 if month == 4 else 0)
    verified = datetime(2019, 2, 26, rng.randrange(8, 17), rng.randrange(60)) + shift  # noqa: DTZ001 - as typed
    reported = datetime(2019, 3, 11, 9, rng.randrange(60)) + shift  # noqa: DTZ001 - as typed
    point = f"{where.code}-{rng.randrange(1, 6):02d}"
    return {
        "promise_signed_at": f"{date(2019, 2, 20) + shift} 09:00",
        "promise_version": "2019-01",
        "point_code": point,
        "verifier": rng.choice(("审验员甲", "审验员丙")),
        "verified_at": rng.choice((verified, f"{verified:%Y-%m-%d %H:%M}", f"{verified:%Y/%m/%d %H:%M:%S}")),
        "originals": "证书、身份证、合同" if has_employer else "证书、身份证",
        "summary_form_no": f"SH{where.code}-{rng.randrange(10**6):06d}",
        "seal_stamped": rng.choice(("是", "已加盖", "√")),
        "review_department": "山东省建设从业人员教育中心"
        if where.code == "370000"
        else f"{where.name}住房和城乡建设局",
        "review_region": where.code,
        "reviewer": rng.choice(("复核员乙", "复核员丁")),
        "reviewed_at": f"{date(2019, 2, 28) + shift} 15:00",
        "notice_begin": written(rng, date(2019, 3, 1) + shift),
        "notice_end": written(rng, date(2019, 3, 8) + shift),
        "notice_medium": f"https://example.invalid/notice/{where.code}/{month}",
        "objection": rng.choice(("无", "无异议")),
        "reported_at": rng.choice((reported, f"{reported:%Y-%m-%d %H:%M}", f"{reported:%Y年%m月%d日 %H时%M分}")),
        "batch_no": f"{where.code}-2019{month:02d}-01",
        "channel": "企业" if has_employer else "个人",
    }
