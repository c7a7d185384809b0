"""Lines of a table that are no filings: totals and remarks at its foot, and headers repeated on each printed page.

A line with a certificate number, or with anything but a count or remark where the identity number belongs, is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from gateway.domain.identifiers import half_width
from gateway.intake.reading.cells import Cell
from gateway.intake.reading.columns import field_of, positions
from gateway.intake.reading.values import is_blank, original_text

_COUNT = re.compile(r"共?[0-9]{1,7}[人名条本份个页行项]?")
_TOTAL = re.compile(
    r"(本[页表批次]|全[市省]|各[市县区])*(人数|人员)?"
    r"(合计|总计|小计|共计|累计|总人数|总数|汇总|总和|求和|平均值|计数|(GRAND|SUB)?TOTAL)(?![\u4e00-\u9fff]*表)|"
    r"共[0-9一二三四五六七八九十百]{1,6}[人名条本份个页行项]|第[0-9一二三四五六七八九十]{1,4}页",
    re.IGNORECASE,
)
_LABELS = (
    "注 备注 说明 填表说明 填写说明 填报说明 制表 制表人 制表日期 制表时间 制表单位 填表 填表人 "
    "填表日期 填表时间 填表单位 填报人 填报单位 填报日期 填报时间 报送人 报送单位 报送日期 "
    "报送时间 上报人 上报单位 上报日期 上报时间 审核人 审核意见 审批人 复核人 复核意见 经办人 "
    "经办 联系人 联系电话 电话 传真 负责人 单位负责人 主管 主管领导 分管领导 领导签字 单位 日期 "
    "时间 盖章 公章 签字 签章 签名 单位盖章 单位公章 地址 邮箱 打印日期 打印时间 导出时间 "
    "数据来源 页码"
)
_REMARK = re.compile(
    rf"\(?({'|'.join(_LABELS.split())})(\([^()]*\))?\)?[:(]|\(?(盖章|公章|签字|签章|以下空白|此处盖章|本页以下空白)\)?$|"
    r"(以下空白|以下无正文|(续|转)下页|(续|接)上页|本表一式)"
)
_LEAST_TITLES = 5


def is_aside(cells: Sequence[Cell], given: Mapping[str, Cell]) -> bool:
    """Whether a line is a total or a remark; ``given`` holds the cells of known columns by field."""
    if not is_blank(given.get("certificate_number", "")):
        return False
    number = given.get("id_number", "")
    if not is_blank(number) and not (_COUNT.fullmatch(_plain(number)) or _REMARK.match(_plain(number))):
        return False
    first = next((text for cell in cells if (text := _plain(cell))), "")
    return _TOTAL.match(first) is not None or _REMARK.match(first) is not None


def is_header(cells: Sequence[Cell], given: Mapping[str, Cell]) -> bool:
    """Whether a line names columns instead of filling them in."""
    number = given.get("id_number", "")
    if not isinstance(number, str) or is_blank(number) or any(character.isdigit() for character in number):
        return False
    return len(positions([original_text(cell) for cell in cells])) >= _LEAST_TITLES


def is_same_header(given: Mapping[str, Cell]) -> bool:
    """Whether a header names every column where the table has it."""
    return all(is_blank(cell) or field_of(original_text(cell)) == field for field, cell in given.items())


def _plain(cell: Cell) -> str:
    return "".join(half_width(original_text(cell)).split())
