"""The flaws of the synthetic batch: each spoils one good row, or one of two, so that exactly one rule is broken."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from gateway.domain.identifiers import resident_id_check_digit
from gateway.testing import people
from gateway.testing.forms import Cells, employer_code

_CHECKS = "0123456789X"


@dataclass(frozen=True, slots=True)
class Flaw:
    """``spoil`` returns the spoilt copy of a good row of Jinan, with or without employer."""

    rule: str
    spoil: Callable[[random.Random, Cells], Cells]
    employed: bool = True


@dataclass(frozen=True, slots=True)
class Pair:
    """Two rows that contradict each other.

    contradict: gets the first row, another certificate of the same person, and a row of somebody else; gives the second
    both:       whether both rows break the rule, or only the second
    """

    rule: str
    contradict: Callable[[random.Random, Cells, Cells, Cells], Cells]
    both: bool = True


def _says(rule: str, *, employed: bool = True, **cells: str | float | date) -> Flaw:
    return Flaw(rule, lambda _, row: row | cells, employed)


def _sixty_today(rng: random.Random, row: Cells) -> Cells:
    number = people.id_number(rng, date(1959, 3, 11))
    return row | _told(number) | {"reported_at": "2019-03-11 09:00", **_march()}


def _told(number: str) -> Cells:
    born = f"{number[6:10]}-{number[10:12]}-{number[12:14]}"
    return {"id_number": number, "birth_date": born, "gender": "男" if int(number[16]) % 2 else "女"}


def _march() -> Cells:
    return {
        "promise_signed_at": "2019-02-20 09:00",
        "verified_at": "2019-02-26 10:30",
        "reviewed_at": "2019-02-28 15:00",
        "notice_begin": "2019-03-01",
        "notice_end": "2019-03-08",
    }


def _january() -> Cells:
    return {
        "promise_signed_at": "2019-01-03 09:00",
        "verified_at": "2019-01-04 10:30",
        "reviewed_at": "2019-01-07 15:00",
        "notice_begin": "2019-01-08",
        "notice_end": "2019-01-15",
        "reported_at": "2019-01-24 23:59:59",
    }


def _number(row: Cells) -> str:
    """The row's number in 18 plain characters, whatever form it was filed in."""
    text = "".join(chr(ord(c) - 0xFEE0) if ord(c) > 0xFF00 else c for c in str(row["id_number"])).strip().upper()
    first17 = f"{text[:6]}19{text[6:]}" if len(text) == 15 else text[:17]
    return first17 + resident_id_check_digit(first17)


def _wrong_check(_: random.Random, row: Cells) -> Cells:
    number = _number(row)
    return row | {"id_number": number[:17] + _CHECKS[(_CHECKS.index(number[17]) + 1) % 11]}


def _wrong_birth_digits(_: random.Random, row: Cells) -> Cells:
    first17 = f"37000019800230{_number(row)[14:17]}"
    return row | {"id_number": first17 + resident_id_check_digit(first17)}


def _as_number(_: random.Random, row: Cells) -> Cells:
    return row | {"id_number": float(_number(row)[:17] + "0")}


def _other_gender(_: random.Random, row: Cells) -> Cells:
    return row | {"gender": "女" if row["gender"] == "男" else "男"}


def _wrong_credit_code(_: random.Random, row: Cells) -> Cells:
    return row | {"issuer_code": "11370000MB00000003"}


def _same_reviewer(_: random.Random, row: Cells) -> Cells:
    return row | {"reviewer": row["verifier"]}


FLAWS: tuple[Flaw, ...] = (
    _says("N01", issue_date="2017-03-10", application_date=""),
    _says("N01", issue_date="2017-06-10", application_date="2017-01-01"),
    _says("N02", level="技师"),
    _says("N02", level="普工"),
    _says("N03", certificate_name="建筑施工特种作业操作资格证书"),
    _says("N03", certificate_name="职业资格证书"),
    Flaw("N04", _sixty_today),
    _says("N05", contract_term="固定期限", contract_start="2018-09-01", contract_end="2019-08-30"),
    _says("N05", contract_term="固定期限", contract_start="2017-01-01", contract_end="2018-12-31"),
    _says("N05", contract_term="以完成一定工作任务为期限", contract_end=""),
    _says("N05", contract_term="无固定期限", contract_end="2020-12-31"),
    _says("N06", certificate_number="0000000000"),
    _says("N06", certificate_number="13800000100"),
    _says("N07", employer_code=""),
    _says("N07", contract_term="固定期限", contract_end=""),
    _says("N07", employed=False, contract_start="2018-03-01"),
    Flaw("N08", lambda _, row: row | _january()),
    Flaw("N09", lambda _, row: row | _march() | _foreign_batch()),
    _says("N10", filing_corp_code=""),
    _says("N10", channel="个人"),
    _says("N11", review_department=""),
    Flaw("N15", lambda _, row: row | _march() | {"promise_signed_at": "2019-02-27 09:00", "reported_at": "2019-03-11"}),
    _says("N15", promise_version=""),
    _says("N16", filing_corp_code=employer_code(9999)),
    _says("N17", employed=False, channel="企业", filing_corp_code=employer_code(9999)),
    _says("N17", employed=False, filing_corp_code=employer_code(9999)),
    _says("N18", originals="证书、身份证"),
    _says("N19", assessment_region="青岛市"),
    _says("N20", seal_stamped="未加盖"),
    Flaw("N21", _same_reviewer),
    _says("N21", reviewed_at="2019-02-20"),
    Flaw("N22", lambda _, row: row | _march() | {"notice_end": "2019-03-07", "reported_at": "2019-03-11 09:00"}),
    Flaw("N22", lambda _, row: row | _march() | {"reported_at": "2019-03-08 17:00"}),
    _says("N23", objection="处理中"),
    _says("N23", objection="异议成立"),
    _says("N29", employed=False, promise_signer="示例他人"),
    _says("N33", valid_to="2018-12-31"),
    Flaw("R-ID-CHECK", _wrong_check),
    _says("R-ID-FORM", id_number="37000019800101"),
    Flaw("R-ID-DATE", _wrong_birth_digits),
    Flaw("R-DIGITS-LOST", _as_number),
    _says("R-DATE", issue_date="2015年3月"),
    _says("R-TIME", reviewed_at="上午"),
    _says("R-CODE", trade="宇航工"),
    _says("R-CODE", level="3"),
    _says("R-CODE", employed=False, originals="齐全"),
    _says("R-REQUIRED", name=""),
    _says("R-REQUIRED", confirm_organization=" "),
    Flaw("R-CREDIT-CODE", _wrong_credit_code),
    _says("R-NAME", name="示?例"),
    _says("R-LENGTH", promise_version="二〇一九年第一版诚信承诺书（试行稿）修订二"),
    _says("R-ID-BIRTH", birth_date="1970-01-02"),
    Flaw("R-ID-GENDER", _other_gender),
    _says("R-ID-TYPE", id_type="台湾居民居住证"),
    _says("R-ORDER", issue_date="2014-05-01", application_date="2014-06-01"),
    _says("R-ORDER", issue_date="1960-01-01", application_date=""),
    _says("R-ROW", id_number="", certificate_number="/"),
)

PAIRS: tuple[Pair, ...] = (
    Pair("N06", lambda _, first, second, other: other | {"certificate_number": first["certificate_number"]}),
    Pair(
        "N16",
        lambda _, first, second, other: second | {"employer_code": _else(first), "filing_corp_code": _else(first)},
    ),
    Pair("R-PERSON", lambda _, first, second, other: second | {"name": "示例甲"}),
    Pair("R-CITY", lambda _, first, second, other: second | _of_qingdao()),
    Pair("R-REPEAT", lambda _, first, second, other: dict(first), both=False),
    Pair("R-REPEAT", lambda _, first, second, other: first | {"issuer_name": "示例建设委员会"}),
)


def _foreign_batch() -> Cells:
    return {
        "batch_no": "370200-201904-01",
        "reported_at": "2019-04-01",
        "contract_term": "无固定期限",
        "contract_end": "",
    }


def _of_qingdao() -> Cells:
    return {
        "assessment_region": "370200",
        "point_code": "370200-01",
        "review_region": "370200",
        "review_department": "青岛市住房和城乡建设局",
        "batch_no": "370200-201903-01",
    }


def _else(row: Cells) -> str:
    """An employer that is not the row's."""
    return next(code for code in map(employer_code, range(9990, 9992)) if code != row["employer_code"])
