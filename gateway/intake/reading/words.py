"""The words in which cities fill in the form, and the codes they stand for. Unknown words give None, never a guess."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from gateway.codec.codes import table
from gateway.domain.identifiers import half_width, normal_text
from gateway.domain.records import ContractTerm
from gateway.domain.status import StatusStep
from gateway.intake.reading import vocabulary
from gateway.intake.rules.filing import Channel, Origin, PublicObjection

PERMIT = vocabulary.PERMIT

YES: Mapping[str, bool] = {
    **dict.fromkeys(
        (
            "是",
            "有",
            "已",
            "已盖",
            "已盖章",
            "盖章",
            "已加盖",
            "加盖",
            "已加盖印章",
            "已加盖专用印章",
            "已用印",
            "√",
            "✓",
            "✔",
            "☑",
            "✅",
            "🗹",
            "■",
            "对",
            "Y",
            "YES",
            "TRUE",
            "T",
            "1",
        ),
        True,
    ),
    **dict.fromkeys(
        (
            "否",
            "无",
            "未",
            "未盖",
            "未盖章",
            "未加盖",
            "未加盖印章",
            "没有",
            "没盖",
            "未用印",
            "×",
            "✗",
            "✘",
            "☒",
            "✕",
            "❌",
            "X",
            "N",
            "NO",
            "FALSE",
            "F",
            "0",
        ),
        False,
    ),
}
EMPLOYED: Mapping[str, bool] = {
    **YES,
    **dict.fromkeys(("有工作单位", "有单位", "有用人单位", "有工作", "在职", "在岗"), True),
    **dict.fromkeys(("无工作单位", "无单位", "没有工作单位", "没有单位", "无用人单位", "无业", "待业", "2"), False),
}
GENDERS: Mapping[str, str] = {
    **dict.fromkeys(("男", "男性", "男士", "1", "M", "MALE"), "1"),
    **dict.fromkeys(("女", "女性", "女士", "2", "F", "FEMALE"), "2"),
}
TERMS: Mapping[str, ContractTerm] = {
    **dict.fromkeys(
        ("固定期限", "有固定期限", "固定", "固定期限合同", "固定期限劳动合同", "有固定期限劳动合同", "有期限", "0"),
        ContractTerm.FIXED,
    ),
    **dict.fromkeys(
        (
            "以完成一定工作任务为期限",
            "以完成一定工作任务为期限的合同",
            "以完成一定工作任务为期限的劳动合同",
            "以完成一定工作任务为期限合同",
            "完成一定工作任务",
            "以完成一定任务为期限",
            "1",
        ),
        ContractTerm.TASK,
    ),
    **dict.fromkeys(
        ("无固定期限", "无固定", "无固定期限合同", "无固定期限劳动合同", "无期限", "长期", "2"), ContractTerm.OPEN
    ),
}
ORIGINS: Mapping[str, Origin] = {
    **dict.fromkeys(
        ("市级", "市", "各市", "市属", "市级鉴定", "市培训考核鉴定", "各市培训考核鉴定", "市级培训考核鉴定", "CITY"),
        Origin.CITY,
    ),
    **dict.fromkeys(
        (
            "省级",
            "省",
            "省直",
            "省直属",
            "省直单位",
            "省级鉴定",
            "省直鉴定",
            "省直培训考核鉴定",
            "省级培训考核鉴定",
            "PROV",
        ),
        Origin.PROVINCE,
    ),
}
CHANNELS: Mapping[str, Channel] = {
    **dict.fromkeys(
        ("企业", "企业填报", "企业申报", "企业集中申报", "企业统一填报", "单位", "单位填报", "用人单位", "ENTERPRISE"),
        Channel.ENTERPRISE,
    ),
    **dict.fromkeys(
        ("个人", "个人填报", "个人申报", "个人自行申报", "本人", "本人填报", "自行填报", "PERSON"), Channel.PERSON
    ),
}
OBJECTIONS: Mapping[str, PublicObjection] = {
    **dict.fromkeys(
        ("无异议", "无", "没有异议", "公示无异议", "公示期无异议", "公示期间无异议", "未收到异议", "NONE"),
        PublicObjection.NONE,
    ),
    **dict.fromkeys(("有异议", "有", "处理中", "异议处理中", "OPEN"), PublicObjection.OPEN),
    **dict.fromkeys(("异议不成立", "不成立", "DISMISSED"), PublicObjection.DISMISSED),
    **dict.fromkeys(("异议成立", "成立", "UPHELD"), PublicObjection.UPHELD),
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
_NOT_A_TRADE = frozenset({"900"})
_BRACKETED = re.compile(r"[(（\[【]([^()（）\[\]【】]*)[)）\]】]")
_SEPARATORS = re.compile(r"[、,，;；/+＋。\s]+|和|及|与")
_ALTERNATIVES = re.compile(r"[/、,;\\|]")
_ORDINAL = re.compile(r"^[(（]?[0-9一二三四①②③④][)）.、:]?(?=\D)|[√✓✔☑✅]|\s")
_QUALIFICATION = re.compile(r"^(?:国家)?(?:职业资格|职业技能等级|职业技能|技能等级|技能)")
_WHOLE_PREFECTURE = re.compile(r"([1-8][0-9]{5})(?:0{3}|0{6})")
_PROVINCE = re.compile("^(?:中国)?山东省?(?=.)")


def plain(text: str) -> str:
    """A word as it is looked up."""
    return normal_text(half_width(text)).upper().rstrip("。.;")


def level_of(text: str) -> str | None:
    """Canonical level; bare digits are not read, because two numberings in use run in opposite directions.

    Where the level is said twice (``三级/高级工``, ``高级（三级）``), both must say the same.
    """
    outside, inside = _taken_apart(plain(text))
    said = [vocabulary.LEVELS.get(_QUALIFICATION.sub("", word)) for word in outside]
    also = [level for word in inside if (level := vocabulary.LEVELS.get(_QUALIFICATION.sub("", word)))]
    return said[0] if said and len({*said, *also}) == 1 else None


def _taken_apart(word: str) -> tuple[list[str], list[str]]:
    """The words outside and inside of brackets; signs of alternatives keep words apart."""
    outside = [part for part in _ALTERNATIVES.split(_BRACKETED.sub("/", word)) if part]
    return outside, [part for found in _BRACKETED.findall(word) for part in _ALTERNATIVES.split(found) if part]


def originals_of(text: str) -> tuple[str, ...] | None:
    """The originals that were seen, in fixed order; None where a word is unknown."""
    kinds = [
        vocabulary.ORIGINALS.get(bare) if (bare := _original(word)) else None
        for word in _SEPARATORS.split(half_width(text).upper())
        if _ORDINAL.sub("", word)
    ]
    if not kinds or None in kinds:
        return None
    return tuple(kind for kind in ("CERT", "IDCARD", "CONTRACT") if kind in kinds)


def _original(word: str) -> str:
    """A document's name without its number in a list, ticks and the word for originals; 原件 alone names none."""
    bare = _ORDINAL.sub("", _BRACKETED.sub("", _ORDINAL.sub("", word)))
    return bare.removeprefix("《").removesuffix("》").removesuffix("原件").removesuffix("(原件)").removesuffix("的")


def document_of(text: str) -> str | None:
    """Canonical document type by code, name or the workers' platform's code; ``PERMIT`` for an unnamed permit."""
    return _documents().get(plain(text)) or vocabulary.DOCUMENTS.get(plain(text))


def ethnicity_of(text: str) -> str | None:
    """GB/T 3304 code by code or name, with or without 族."""
    word = plain(text)
    return _lookup("ethnicity_gbt3304").get(word.zfill(2)) or _lookup("ethnicity_gbt3304").get(word + "族")


def education_of(text: str) -> str | None:
    """GB/T 4658 code by code, name or everyday word."""
    word = plain(text)
    return vocabulary.EDUCATION.get(word) or _lookup("education_gbt4658").get(word)


def region_of(text: str) -> str | None:
    """A division of Shandong, present or past, by code or by the name of its prefecture; 山东省 and 省直 are 370000.

    The province may stand before the name, and zeros of the divisions below behind the code.
    """
    word = plain(text)
    whole = _WHOLE_PREFECTURE.fullmatch(word)
    for name in (whole[1] if whole else word, _PROVINCE.sub("", word)):
        found = _regions().get(name) or _regions().get(name + "市")
        if found is not None:
            return found
    return None


def any_region_of(text: str) -> str | None:
    """As ``region_of``, and the six digits of a division elsewhere."""
    word = plain(text)
    whole = _WHOLE_PREFECTURE.fullmatch(word)
    code = whole[1] if whole else word
    return region_of(text) or (code if re.fullmatch(r"[1-8][0-9]{5}", code) else None)


def trade_of(text: str) -> tuple[str, str] | None:
    """Workers' platform trade code and the trade's name, by code, name or alias; None also for what is no trade.

    Another name of the same trade, or a level, may stand in brackets or behind a slash.
    """
    word = plain(text)
    found = _trade(word)
    if found is not None:
        return found if word.isdigit() else (found[0], normal_text(text))
    outside, inside = _taken_apart(word)
    others = [name for name in (*outside[1:], *inside) if _QUALIFICATION.sub("", name) not in vocabulary.LEVELS]
    trades = [_trade(name) for name in (*outside[:1], *others)]
    if not outside or any(trade is None or trade[0] != (trades[0] or ("",))[0] for trade in trades):
        return None
    return trades[0] if trades[0] is None or outside[0].isdigit() else (trades[0][0], outside[0])


def _trade(word: str) -> tuple[str, str] | None:
    found = _trades().get(word) or (_trades().get(word.zfill(3)) if word.isdigit() else None)
    return None if found is None or found[0] in _NOT_A_TRADE else found


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
