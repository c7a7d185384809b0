"""Words that stand for nothing, for another row, or for a code: signs, short names, levels, documents, surnames."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.intake.rules.gate_rules import CERTIFICATE_NAME

PERMIT = "PERMIT"
"""港澳台居民居住证: which of the two permits it is stands in the number"""

DITTO = frozenset(
    {"同上", "同前", "同左", "同上行", "上同", "如上", "同", "〃", "″", "〟", "“", "”", "''", "々", "々々", '"'}
)
"""signs that point to another row"""
NO_NAMES = frozenset({"不详", "未知", "待定", "待补", "暂无", "空", "姓名", "测试"})
"""words that stand where a name is missing"""
LONG_SURNAMES = frozenset(
    re.findall(
        "..",
        "欧阳太史端木上官司马东方独孤南宫万俟闻人夏侯诸葛尉迟公羊赫连澹台皇甫宗政濮阳公冶太叔"
        "申屠公孙慕容仲孙钟离长孙宇文司徒鲜于司空闾丘令狐呼延轩辕拓跋百里东郭南门西门第五",
    )
)
"""surnames of two characters, behind which a blank may stand"""
ENDLESS = frozenset(
    {
        "长期",
        "长期有效",
        "永久",
        "永久有效",
        "永久性",
        "终身",
        "终身有效",
        "终生",
        "长久",
        "不限",
        "无限期",
        "无期限",
        "无固定期限",
    }
    | {"无有效期", "无截止日期"}
)
"""ends that say there is none"""
PHONE_MARKS = str.maketrans(dict.fromkeys("-()—–−‐‑·. "))
CERTIFICATE_NAMES: Mapping[str, str] = dict.fromkeys(
    (
        "岗位证书",
        "职业技能岗位证书",
        "建设部职业技能岗位证书",
        "建设职业技能岗位证书",
        "中华人民共和国建设部职业技能岗位证书",
    ),
    CERTIFICATE_NAME,
)
"""how the notice and cities name the certificate for short"""

ORIGINALS: Mapping[str, str] = {
    **dict.fromkeys(("证书", "岗位证书", "技能证书", "职业技能岗位证书", "CERT"), "CERT"),
    **dict.fromkeys(("身份证", "身份证件", "居民身份证", "有效身份证件", "有效证件", "IDCARD"), "IDCARD"),
    **dict.fromkeys(("合同", "合同书", "劳动合同", "劳动合同书", "书面劳动合同", "聘用合同", "CONTRACT"), "CONTRACT"),
}
LEVELS: Mapping[str, str] = {
    **dict.fromkeys(("普工",), "1"),
    **dict.fromkeys(("初级", "初级工", "初级技工", "五级", "五级工"), "2"),
    **dict.fromkeys(("中级", "中级工", "中级技工", "四级", "四级工"), "3"),
    **dict.fromkeys(("高级", "高级工", "高级技工", "三级", "三级工"), "4"),
    **dict.fromkeys(("技师", "二级", "二级工", "二级技师"), "5"),
    **dict.fromkeys(("高级技师", "一级", "一级工", "一级技师"), "6"),
}
EDUCATION: Mapping[str, str] = {
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
DOCUMENTS: Mapping[str, str] = {
    **dict.fromkeys(
        ("居民身份证件", "身份证件", "第二代居民身份证", "二代居民身份证", "二代证", "中华人民共和国居民身份证"), "111"
    ),
    **{"身份证": "111", "二代身份证": "111", "一代身份证": "111", "居住证": PERMIT, "港澳台居民居住证": PERMIT},
    **{"港澳通行证": "516", "回乡证": "516", "台胞证": "511", "军官证": "114"},
}
