"""The words for broken rules, in two languages; never a value."""

from __future__ import annotations

from gateway.contract.messages import Problem


def problem(field: str, rule: str) -> Problem:
    """A broken rule of one of our fields; what follows a colon in ``rule`` names the table or character set."""
    english, chinese = _MESSAGES.get(rule) or _MESSAGES[rule.partition(":")[0]]
    return Problem(field=field, rule=rule, message=english, message_zh=chinese)


_MESSAGES = {
    "required": ("must be given", "必填项缺失"),
    "length": ("is too short or too long", "长度不符合要求"),
    "format": ("does not have the required form", "格式不符合要求"),
    "characters": ("holds characters that cannot be sent", "含有无法传输的字符"),
    "white_space": ("begins or ends with blanks, or has several in a row", "首尾或中间有多余空格"),
    "date": ("must be a date from 1900 on, a moment with its zone", "日期须不早于1900年，时间须带时区"),
    "code": ("is not in the platform's code table", "不在平台代码表中"),
    "check_digit": ("fails its check digit", "校验位不正确"),
    "birth_date": ("differs from the date in the identity number", "与身份证号码中的出生日期不一致"),
    "302": ("holds characters outside the platform's character set", "含有平台字符集以外的字符"),
    "attachment": ("is no photo or scan that the platform takes", "附件不符合平台要求"),
    "level": ("tells another level than the certificate", "证书编号中的等级与证书等级不一致"),
    "order": ("lies after the date that ends the period", "起始日期晚于截止日期"),
    "route": ("belongs to a class that does not go to this platform", "该类证书不报送本平台"),
    "pair": ("does not go with the operation", "状态与操作类型不匹配"),
    "no_way_back": (
        "the platform has no way back from a certificate that was revoked, rescinded or cancelled (405)",
        "平台不支持已吊销、撤销或注销的证书恢复有效（405）",
    ),
    "final": (
        "cannot follow on the state that the certificate is in",
        "证书的现有状态不允许此变更",
    ),
}
