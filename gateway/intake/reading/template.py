"""The empty form (审核汇总表) as a workbook: every column, drop-down lists, and the rules of each column as a comment.

Every cell is text, so that no identity number loses its end. The form holds no row; examples stand in the comments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError

from gateway.codec.codes import table
from gateway.domain.errors import InputError
from gateway.intake.reading import words
from gateway.intake.reading.characters import readable_name
from gateway.intake.reading.columns import COLUMNS, Column
from gateway.intake.reading.rows import DATED
from gateway.intake.rules.gate_rules import CERTIFICATE_NAME
from gateway.intake.rules.gate_table import GATES
from gateway.locale import tr

ROWS = 5000
"""rows that have drop-down lists"""
_SHEET = "审核汇总表"
_LISTS = "选项"
_MADE = datetime(2019, 1, 25)  # noqa: DTZ001 - fixed, so that the content does not depend on the day
_SCANS = (
    "R-SCAN 扫描件以证书编号命名（鲁A20120001234.pdf、鲁A20120001234-合同.pdf），"
    "放入与本表同名的文件夹或.zip；可用PDF、JPEG、PNG、OFD"
)
_CODE = "91370000MA0000000P"

EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "name": "示例甲",
        "id_number": "370000198001010017",
        "birth_date": "1980-01-01",
        "mobile": "13800000001",
        "home_region": "370100",
        "address": "山东省济南市示例路1号",
        "employer_name": "山东示例建设有限公司",
        "employer_code": _CODE,
        "employer_region": "370100",
        "contract_start": "2018-03-01",
        "contract_end": "2020-12-31",
        "certificate_number": "鲁A20120001234",
        "issuer_name": "济南市城乡建设委员会",
        "issuer_code": "11370000MB00000002",
        "confirm_organization": "济南市建设职业技能鉴定站",
        "application_date": "2012-03-01",
        "issue_date": "2012-06-01",
        "valid_to": "长期",
        "promise_signed_at": "2019-02-20 09:00",
        "promise_version": "2019-01",
        "promise_signer": "示例负责人",
        "promise_digest": "0" * 64,
        "point_code": "370100-03",
        "verifier": "审验员甲",
        "verified_at": "2019-02-26 10:30",
        "summary_form_no": "SH370100-000001",
        "summary_form_digest": "0" * 64,
        "review_department": "济南市住房和城乡建设局",
        "reviewer": "复核员乙",
        "reviewed_at": "2019-02-28 15:00",
        "notice_begin": "2019-03-01",
        "notice_end": "2019-03-08",
        "notice_medium": "https://example.invalid/notice/1",
        "reported_at": "2019-03-11 09:00",
        "batch_no": "370100-201903-01",
        "filing_corp_code": _CODE,
        "responsible_person": "示例负责人",
        "project_code": "000000300101010001",
        "team_corp_code": _CODE,
        "team_corp_name": "山东示例建设有限公司",
        "team_no": "100001",
        "team_name": "钢筋一班",
        "site_since": "2018-03-05",
        "card_issuer": "示例市公安局",
        "photo": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==",
        "training_hours": "24",
        "score": "86.5",
        "withdrawal_reason": "证书登记错误",
        "status_reason": "违章作业",
        "status_date": "2019-03-11",
        "decision_no": "鲁建示例〔2019〕1号",
        "decision_org": "济南市住房和城乡建设局",
    }
)
"""one good row, but for the columns with a list; nobody has these numbers"""


def choices(field: str) -> Sequence[str]:
    """What the drop-down list of a column offers; empty where it has none."""
    if field in ("issuer_region", "assessment_region", "review_region"):
        return _cities()
    if field in ("trade", "site_trade"):
        return [name for name in _names("trade_worker_platform") if words.trade_of(name)]
    return _CHOICES.get(field, ()) or [name for name in _names(_TABLES.get(field, "")) if name]


_CHOICES: Mapping[str, Sequence[str]] = {
    "id_type": ("居民身份证", "港澳台居民居住证", "护照"),
    "gender": ("男", "女"),
    "employed": ("有", "无"),
    "contract_term": ("固定期限", "无固定期限", "以完成一定工作任务为期限"),
    "certificate_name": (CERTIFICATE_NAME,),
    "level": ("初级", "中级", "高级"),
    "assessment_origin": ("市级", "省直"),
    "originals": ("证书、身份证、合同", "证书、身份证"),
    "seal_stamped": ("是", "否"),
    "checked_true": ("是", "否"),
    "checked_exact": ("是", "否"),
    "checked_valid": ("是", "否"),
    "objection": ("无异议", "异议不成立", "处理中", "异议成立"),
    "channel": ("企业", "个人"),
    "team_leader": ("否", "是"),
    "withdrawn": ("否", "是"),
    "status_step": ("暂扣", "暂扣发还", "失效", "吊销", "撤销", "注销", "其他"),
}
_TABLES = {
    "ethnicity": "ethnicity_gbt3304",
    "education": "education_gbt4658",
    "politics": "politics_gbt4762",
}


def _names(name: str) -> Sequence[str]:
    return [row["name_zh"] for row in table(name).rows] if name else ()


def _cities() -> Sequence[str]:
    rows = table("division_shandong_history").rows
    return ["省直", *(row["name_zh"] for row in rows if row["level"] == "prefecture" and row["current"] == "yes")]


def rule_text(column: Column) -> str:
    """The rules of a column for those who fill it in."""
    lines = ["必填" if column.needed else "可不填"]
    if column.field in DATED:
        lines[0] += "；日期写作 2019-03-11" + (" 09:00" if column.field.endswith("_at") else "")
    elif column.field not in _CHOICES and column.field not in _TABLES:
        lines[0] += f"；文本，不超过{column.limit}字"
    lines += dict.fromkeys(f"{gate.id} {gate.zh}" for gate in GATES if gate.field == column.field)
    if column.field == "certificate_number":
        lines.append(_SCANS)
    offered = choices(column.field)
    lines.append(f"示例：{EXAMPLES.get(column.field) or offered[0]}")
    return "\n".join(lines)


def write_template(path: Path) -> int:
    """Write the empty form and return how many columns it has; raises InputError where the file is there already."""
    if path.exists():
        raise InputError(
            tr(
                "{readable_name}: is there already; a form somebody filled in is not written over",
                readable_name=readable_name(path),
            )
        )
    book = xlsxwriter.Workbook(str(path))
    book.set_properties({"title": _SHEET, "created": _MADE})
    sheet, lists = book.add_worksheet(_SHEET), book.add_worksheet(_LISTS)
    lists.hide()
    text = book.add_format({"num_format": "@"})
    heads = {
        needed: book.add_format({"bold": needed, "bg_color": colour, "border": 1, "text_wrap": True, "num_format": "@"})
        for needed, colour in ((True, "#D9E1F2"), (False, "#EDEDED"))
    }
    sheet.set_column(0, len(COLUMNS) - 1, 18, text)
    sheet.freeze_panes(1, 1)
    for place, column in enumerate(COLUMNS):
        comment = rule_text(column)
        sheet.write_string(0, place, column.title, heads[column.needed])
        size = {"x_scale": 2.2, "y_scale": max(1.0, 0.3 * len(comment.splitlines()))}
        sheet.write_comment(0, place, comment, {"author": "数据网关", **size})
        _offer(sheet, lists, place, choices(column.field))
    try:
        book.close()
    except FileCreateError as error:
        raise InputError(
            tr("{readable_name}: the form cannot be written there", readable_name=readable_name(path))
        ) from error
    return len(COLUMNS)


def _offer(
    sheet: xlsxwriter.worksheet.Worksheet, lists: xlsxwriter.worksheet.Worksheet, place: int, offered: Sequence[str]
) -> None:
    """A drop-down list; other words are only warned about, because the reader knows more of them than the list."""
    if not offered:
        return
    lists.write_column(0, place, offered)
    letters = xlsxwriter.utility.xl_col_to_name(place, col_abs=True)
    source = f"={_LISTS}!{letters}$1:{letters}${len(offered)}"
    options = {"validate": "list", "source": source, "error_type": "warning", "error_title": "不在选项中"}
    sheet.data_validation(1, place, ROWS, place, options)
