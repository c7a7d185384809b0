"""The words in which cities fill in the form, and the codes they stand for. Unknown words give None, never a guess."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from gateway.codec.codes import table
from gateway.domain.identifiers import half_width, normal_text
from gateway.domain.records import ContractTerm
from gateway.domain.status import StatusStep
from gateway.intake.rules.filing import Channel, Objection, Origin

PERMIT = "PERMIT"
"""港澳台居民居住证: which of the two permits it is stands in the number"""

YES: Mapping[str, bool] = {
    **dict.fromkeys(("是", "有", "已", "已盖章", "已加盖", "加盖", "√", "✓", "Y", "YES", "TRUE", "1"), True),
    **dict.fromkeys(("否", "无", "未", "未盖章", "未加盖", "没有", "×", "X", "N", "NO", "FALSE", "0"), False),
}
EMPLOYED: Mapping[str, bool] = {
    **YES,
    **{"有工作单位": True, "有单位": True, "无工作单位": False, "无单位": False, "2": False},
}
GENDERS: Mapping[str, str] = {"男": "1", "男性": "1", "1": "1", "女": "2", "女性": "2", "2": "2"}
TERMS: Mapping[str, ContractTerm] = {
    **dict.fromkeys(("固定期限", "有固定期限", "固定", "固定期限合同", "0"), ContractTerm.FIXED),
    **dict.fromkeys(
        ("以完成一定工作任务为期限", "以完成一定工作任务为期限的合同", "完成一定工作任务", "1"), ContractTerm.TASK
    ),
    **dict.fromkeys(("无固定期限", "无固定", "无固定期限合同", "2"), ContractTerm.OPEN),
}
ORIGINS: Mapping[str, Origin] = {
    **dict.fromkeys(("市级", "市", "各市", "市级鉴定", "市培训考核鉴定", "CITY"), Origin.CITY),
    **dict.fromkeys(("省级", "省", "省直", "省直属", "省级鉴定", "省直培训考核鉴定", "PROV"), Origin.PROVINCE),
}
CHANNELS: Mapping[str, Channel] = {
    **dict.fromkeys(("企业", "企业填报", "企业申报", "ENTERPRISE"), Channel.ENTERPRISE),
    **dict.fromkeys(("个人", "个人填报", "个人申报", "PERSON"), Channel.PERSON),
}
OBJECTIONS: Mapping[str, Objection] = {
    **dict.fromkeys(("无异议", "无", "没有异议", "NONE"), Objection.NONE),
    **dict.fromkeys(("有异议", "有", "处理中", "异议处理中", "OPEN"), Objection.OPEN),
    **dict.fromkeys(("异议不成立", "不成立", "DISMISSED"), Objection.DISMISSED),
    **dict.fromkeys(("异议成立", "成立", "UPHELD"), Objection.UPHELD),
}
STATUS_STEPS: Mapping[str, StatusStep] = {
    **dict.fromkeys(("暂扣", "SUSPEND"), StatusStep.SUSPEND),
    **dict.fromkeys(("暂扣发还", "发还", "GIVE_BACK"), StatusStep.GIVE_BACK),
    **dict.fromkeys(("失效", "LAPSE"), StatusStep.LAPSE),
    **dict.fromkeys(("吊销", "REVOKE"), StatusStep.REVOKE),
    **dict.fromkeys(("撤销", "RESCIND"), StatusStep.RESCIND),
    **dict.fromkeys(("注销", "CANCEL"), StatusStep.CANCEL),
    **dict.fromkeys(("其他", "OTHER"), StatusStep.OTHER),
}
_ORIGINALS: Mapping[str, str] = {
    **dict.fromkeys(("证书", "岗位证书", "证书原件", "CERT"), "CERT"),
    **dict.fromkeys(("身份证", "身份证件", "身份证原件", "IDCARD"), "IDCARD"),
    **dict.fromkeys(("合同", "劳动合同", "合同原件", "CONTRACT"), "CONTRACT"),
}
_LEVELS: Mapping[str, str] = {
    **dict.fromkeys(("普工",), "1"),
    **dict.fromkeys(("初级", "初级工", "五级", "五级工"), "2"),
    **dict.fromkeys(("中级", "中级工", "四级", "四级工"), "3"),
    **dict.fromkeys(("高级", "高级工", "三级", "三级工"), "4"),
    **dict.fromkeys(("技师", "二级", "二级工"), "5"),
    **dict.fromkeys(("高级技师", "一级", "一级工"), "6"),
}
_EDUCATION: Mapping[str, str] = {
    **{
        "博士": "11",
        "硕士": "14",
        "研究生": "10",
        "大学": "20",
        "大学本科": "20",
        "本科": "20",
        "大专": "30",
        "专科": "30",
    },
    **{
        "大学专科": "30",
        "中专": "40",
        "中职": "40",
        "职高": "44",
        "技校": "47",
        "高中": "60",
        "初中": "70",
        "小学": "80",
    },
}
_DOCUMENTS: Mapping[str, str] = {
    **{"身份证": "111", "二代身份证": "111", "一代身份证": "111", "居住证": PERMIT, "港澳台居民居住证": PERMIT},
    **{"港澳通行证": "516", "回乡证": "516", "台胞证": "511", "军官证": "114"},
}
_NOT_A_TRADE = frozenset({"900"})
_REMARK = re.compile(r"[(（][^()（）]*[)）]")
_SEPARATORS = re.compile(r"[、,，;；/+＋\s]+|和|及")


def plain(text: str) -> str:
    """A word as it is looked up."""
    return normal_text(half_width(text)).upper()


def level_of(text: str) -> str | None:
    """Canonical level; bare digits are not read, because two numberings in use run in opposite directions."""
    return _LEVELS.get(_REMARK.sub("", plain(text)))


def originals_of(text: str) -> tuple[str, ...] | None:
    """The originals that were seen, in fixed order; None where a word is unknown."""
    words = [_ORIGINALS.get(word) for word in _SEPARATORS.split(plain(text)) if word]
    if not words or None in words:
        return None
    return tuple(kind for kind in ("CERT", "IDCARD", "CONTRACT") if kind in words)


def document_of(text: str) -> str | None:
    """Canonical document type by code, name or the workers' platform's code; ``PERMIT`` for an unnamed permit."""
    return _documents().get(plain(text)) or _DOCUMENTS.get(plain(text))


def ethnicity_of(text: str) -> str | None:
    """GB/T 3304 code by code or name, with or without 族."""
    word = plain(text)
    return _lookup("ethnicity_gbt3304").get(word.zfill(2)) or _lookup("ethnicity_gbt3304").get(word + "族")


def education_of(text: str) -> str | None:
    """GB/T 4658 code by code, name or everyday word."""
    word = plain(text)
    return _EDUCATION.get(word) or _lookup("education_gbt4658").get(word)


def region_of(text: str) -> str | None:
    """A division of Shandong, present or past, by code or by the name of its prefecture; 山东省 and 省直 are 370000."""
    word = plain(text)
    return _regions().get(word) or _regions().get(word + "市")


def any_region_of(text: str) -> str | None:
    """As ``region_of``, and the six digits of a division elsewhere."""
    word = plain(text)
    return region_of(text) or (word if re.fullmatch(r"[1-8][0-9]{5}", word) else None)


def trade_of(text: str) -> tuple[str, str] | None:
    """Workers' platform trade code and the trade's name, by code, name or alias; None also for what is no trade."""
    word = plain(text)
    found = _trades().get(word) or (_trades().get(word.zfill(3)) if word.isdigit() else None)
    if found is None or found[0] in _NOT_A_TRADE:
        return None
    return found if word.isdigit() else (found[0], normal_text(text))


@cache
def _lookup(name: str) -> Mapping[str, str]:
    rows = table(name)
    return {row["name_zh"]: row[rows.key] for row in rows.rows} | {row[rows.key]: row[rows.key] for row in rows.rows}


@cache
def _documents() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for row in table("id_document_type").rows:
        code, platform = row["canonical"], row["worker_platform_code"]
        if code:
            found |= {plain(row["name_zh"]): code, code: code} | ({platform: code} if platform != "99" else {})
    return found


@cache
def _regions() -> Mapping[str, str]:
    found = {"省直": "370000", "山东": "370000"}
    for row in sorted(table("division_shandong_history").rows, key=lambda row: row["last_year"]):
        found[row["code"]] = row["code"]
        if row["level"] != "county":
            found[row["name_zh"]] = row["code"]
    return found


@cache
def _trades() -> Mapping[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for row in table("trade").rows:
        trade = (row["worker_platform_parent_ASSUMED"], row["name_zh"])
        for name in (row["code"], row["name_zh"], *row["aliases_zh"].split("、")):
            if name:
                found.setdefault(plain(name), trade)
    for row in table("trade_worker_platform").rows:
        found[row["code"]] = found[plain(row["name_zh"])] = (row["code"], row["name_zh"])
    return found
