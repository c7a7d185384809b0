"""The columns of the summary form (审核汇总表) and the names under which cities send them.

Columns are found by name, never by position. Width of characters, blanks, line breaks, asterisks and remarks in
brackets do not count: ``＊身份证 号码（必填）`` is 身份证号码. A column nobody knows is carried along and written back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.domain.identifiers import half_width


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the form.

    field:    the field of ``Filing`` it fills
    title:    its name on the form
    variants: other names seen for it
    needed:   whether a sheet without it is no batch
    harmless: whether a value that cannot be read may be left out with a warning
    limit:    longest text, in characters
    """

    field: str
    title: str
    variants: tuple[str, ...] = ()
    needed: bool = True
    harmless: bool = False
    limit: int = 100


COLUMNS: tuple[Column, ...] = (
    # person
    Column("name", "姓名", ("人员姓名", "工人姓名", "持证人", "持证人姓名"), limit=50),
    Column("id_type", "证件类型", ("身份证件类型", "证件种类", "有效证件类型")),
    Column(
        "id_number",
        "身份证号码",
        ("身份证号", "证件号码", "证件号", "公民身份号码", "公民身份证号码", "居民身份证号码", "身份证件号码"),
    ),
    Column("gender", "性别", needed=False),
    Column("birth_date", "出生日期", ("出生年月日", "生日"), needed=False),
    Column("ethnicity", "民族"),
    Column("education", "文化程度", ("学历", "受教育程度"), needed=False, harmless=True),
    Column("mobile", "手机号码", ("手机号", "手机", "联系电话", "移动电话"), needed=False, harmless=True),
    Column("home_region", "户籍地区划", ("户籍地区划代码", "户籍地", "户籍所在地区划"), needed=False, harmless=True),
    Column("address", "家庭住址", ("住址", "身份证住址", "身份证地址"), needed=False, harmless=True, limit=200),
    # employer
    Column("employed", "有无工作单位", ("有无单位", "是否有工作单位", "就业状态")),
    Column("employer_name", "企业名称", ("工作单位", "单位名称", "用人单位", "所在企业", "企业全称"), limit=200),
    Column(
        "employer_code",
        "统一社会信用代码",
        ("企业统一社会信用代码", "社会信用代码", "信用代码", "单位统一社会信用代码"),
    ),
    Column("employer_region", "企业所在地区", ("企业注册地区划", "单位所在地区"), needed=False, harmless=True),
    Column("contract_term", "合同期限类型", ("劳动合同期限类型", "合同类型", "合同期限")),
    Column("contract_start", "合同起始日期", ("合同开始日期", "劳动合同起始日期", "合同起始时间", "合同起")),
    Column(
        "contract_end", "合同终止日期", ("合同结束日期", "合同截止日期", "劳动合同终止日期", "合同终止时间", "合同止")
    ),
    # certificate
    Column("certificate_name", "证书名称", ("岗位证书名称", "证书种类名称"), limit=200),
    Column("certificate_number", "证书编号", ("证书号", "证书号码", "岗位证书编号", "证号")),
    Column("trade", "工种", ("职业工种", "工种名称", "职业", "岗位工种", "证书工种")),
    Column("level", "等级", ("技能等级", "证书等级", "级别", "技术等级")),
    Column("issuer_name", "发证机关", ("发证单位", "发证机构", "发证部门")),
    Column("issuer_code", "发证机关代码", ("发证机关统一社会信用代码", "发证单位代码", "发证机构代码")),
    Column("issuer_region", "发证机关地区", ("发证机关区划", "发证机关所在地区"), needed=False),
    Column("confirm_organization", "认定部门", ("鉴定机构", "考核机构", "鉴定单位")),
    Column("assessment_origin", "鉴定来源", ("证书来源", "鉴定类别")),
    Column("assessment_region", "鉴定地区", ("鉴定地", "鉴定所在地区", "鉴定地区划")),
    Column("application_date", "申报日期", ("申报时间", "申请日期", "报名日期")),
    Column("issue_date", "发证日期", ("发证时间", "颁发日期", "颁证日期", "初次发证日期", "初次领证日期")),
    Column("valid_to", "有效期止", ("有效期至", "证书有效期至", "有效期截止日期", "有效期")),
    # promise
    Column("promise_signed_at", "承诺签署时间", ("承诺时间", "承诺签署日期", "诚信承诺时间")),
    Column("promise_version", "承诺书版本", ("承诺版本", "诚信承诺书版本"), limit=20),
    # verification point
    Column("point_code", "审核点编号", ("审核点", "审验点编号", "审核点代码"), limit=20),
    Column("verifier", "审核人", ("审核人员", "审验人", "审验员"), limit=50),
    Column("verified_at", "审核时间", ("审核日期", "审验时间", "审验日期")),
    Column("originals", "原件核验", ("核验原件", "原件核验情况", "原件审核")),
    Column("summary_form_no", "审核汇总表编号", ("汇总表编号", "汇总表号"), limit=30),
    Column("seal_stamped", "加盖专用印章", ("是否加盖专用印章", "专用印章", "是否盖章", "加盖专用章")),
    # review by the city
    Column("review_department", "复核部门", ("复核单位", "复核主管部门")),
    Column("review_region", "复核地区", ("复核地区划", "复核主管部门地区", "复核市")),
    Column("reviewer", "复核人", ("复核人员", "复核经办人"), limit=50),
    Column("reviewed_at", "复核时间", ("复核日期",)),
    # public notice
    Column("notice_begin", "公示开始日期", ("公示起始日期", "公示起", "公示开始时间")),
    Column("notice_end", "公示结束日期", ("公示截止日期", "公示终止日期", "公示止", "公示结束时间")),
    Column("notice_medium", "公示网址", ("公示网站", "公示媒介", "公示地址", "公示链接"), limit=500),
    Column("objection", "异议状态", ("异议情况", "公示异议", "有无异议")),
    # report
    Column("reported_at", "报送时间", ("报送日期", "上报时间", "上报日期")),
    Column("batch_no", "报送批次", ("报送批次号", "批次", "批次号", "上报批次"), limit=30),
    Column("channel", "填报渠道", ("填报方式", "申报渠道", "申报方式")),
    Column("filing_corp_code", "填报企业代码", ("填报企业统一社会信用代码", "填报单位代码", "申报企业代码")),
    # the project a person works on: asked for by the worker platform, and optional; all of the first six, or none
    Column("project_code", "项目编码", ("项目编号", "项目代码", "工程项目编码"), needed=False, limit=50),
    Column(
        "team_corp_code", "参建单位代码", ("参建单位统一社会信用代码", "用工单位代码", "班组所属单位代码"), needed=False
    ),
    Column("team_corp_name", "参建单位名称", ("用工单位名称", "班组所属单位名称"), needed=False, limit=200),
    Column("team_no", "班组编号", ("班组代码", "班组编码"), needed=False, limit=20),
    Column("team_name", "班组名称", ("班组", "所在班组"), needed=False, limit=50),
    Column("site_trade", "现场工种", ("项目工种", "班组工种"), needed=False),
    Column("team_leader", "是否班组长", ("班组长",), needed=False, harmless=True),
    Column("site_since", "进场日期", ("进场时间", "入场日期"), needed=False, harmless=True),
    Column("politics", "政治面貌", needed=False, harmless=True),
    Column("card_issuer", "身份证签发机关", ("签发机关", "身份证发证机关"), needed=False, harmless=True, limit=50),
    Column("photo", "照片", ("证件照", "头像", "人员照片"), needed=False, harmless=True, limit=50_000),
    Column("training_hours", "培训学时", ("学时", "培训时长"), needed=False, harmless=True),
    Column("score", "考核成绩", ("成绩", "鉴定成绩", "考试成绩"), needed=False, harmless=True),
    # a certificate that is taken back
    Column("withdrawn", "撤回标记", ("是否撤回", "撤回"), needed=False),
    Column("withdrawal_reason", "撤回原因", ("撤回理由",), needed=False, limit=200),
    # a decision about a certificate
    Column("status_step", "状态变更", ("证书状态变更", "状态变更类型"), needed=False),
    Column("status_reason", "状态变更原因", ("变更原因",), needed=False, limit=500),
    Column("status_date", "状态变更日期", ("变更日期", "变更生效日期"), needed=False),
    Column("decision_no", "决定文号", ("文书号", "决定书文号"), needed=False, limit=100),
    Column("decision_org", "决定机关", ("作出决定机关",), needed=False, limit=100),
)

FIELDS: Mapping[str, Column] = {column.field: column for column in COLUMNS}

_REMARK = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|【[^【】]*】")
_NOISE = re.compile(r"[\s*:、/\-_.#★▲]+")


def header_key(text: str) -> str:
    """A header name without what does not count in it; empty where nothing is left."""
    plain = half_width(text)
    return _NOISE.sub("", _REMARK.sub("", plain)).upper() or _NOISE.sub("", plain).upper()


_KNOWN: Mapping[str, str] = {
    header_key(name): column.field for column in COLUMNS for name in (column.title, *column.variants)
}


def field_of(header: str) -> str | None:
    """The field a header stands for, or None for a column nobody knows."""
    return _KNOWN.get(header_key(header))


def positions(headers: Sequence[str]) -> Mapping[str, tuple[int, ...]]:
    """Field -> indexes of the headers that stand for it; more than one index means the sheet contradicts itself."""
    found: dict[str, tuple[int, ...]] = {}
    for index, header in enumerate(headers):
        field = field_of(header)
        if field is not None:
            found[field] = (*found.get(field, ()), index)
    return found


def title(field: str) -> str:
    """The form's name of a field."""
    column = FIELDS.get(field)
    return column.title if column else field
