"""The rules of reading: stable ids with their texts in both languages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of reading: stable id and its texts, none of which repeats what stands in the cell."""

    id: str
    en: str
    zh: str


DATE = Rule("R-DATE", "not a date with year, month and day", "不是完整的日期（年月日）")
TIME = Rule("R-TIME", "not a date and time", "不是日期时间")
DIGITS_LOST = Rule(
    "R-DIGITS-LOST",
    "stored as a number, so digits are lost: format the column as text and type it again",
    "按数字存储，末位已丢失：请将该列设为文本后重新录入",
)
CODE = Rule("R-CODE", "not a word or code of its table", "不在代码表中")
CREDIT_CODE = Rule("R-CREDIT-CODE", "not a unified social credit code", "统一社会信用代码格式或校验位错误")
NAME = Rule(
    "R-NAME",
    "not the name of one person: characters that no name has, several names, or characters that were lost",
    "不是一个人的姓名：含有姓名中不应出现的字符、多个姓名，或有字符丢失",
)
PARTY = Rule(
    "R-PARTY",
    "not the full name of an organisation: a number, a date, or characters lost in an encoding",
    "不是单位全称：是数字、日期，或有字符丢失、乱码",
)
DITTO = Rule("R-DITTO", "refers to another row: fill in each cell", "写的是“同上”等，请逐行填写实际内容")
CHARACTERS = Rule(
    "R-CHARACTERS",
    "holds characters that cannot be sent: control characters, lost characters, or leftovers of a web page",
    "含有无法传输的字符：控制字符、丢失的字符，或网页残留代码",
)
INVISIBLE = Rule(
    "R-INVISIBLE",
    "invisible marks stood in the cell and were left out",
    "单元格中夹有不可见字符，已去除",
)
IS_DAY = Rule(
    "R-IS-DAY",
    "stored as a day or time where a number belongs: format the column as text and type it again",
    "单元格存的是日期或时间，不是编号：请将该列设为文本后重新录入",
)
IS_SHARE = Rule(
    "R-IS-SHARE",
    "stored as a percentage, a fraction or a truth value where a number belongs: type it again as text",
    "单元格存的是百分数、小数或真假值，不是编号：请将该列设为文本后重新录入",
)
MOBILE = Rule("R-MOBILE", "not a mobile number", "不是手机号码")
LENGTH = Rule("R-LENGTH", "longer than the form allows", "超过规定长度")
ID_FORM = Rule("R-ID-FORM", "wrong length or characters for its document type", "证件号码位数或字符不符合证件类型")
ID_DATE = Rule("R-ID-DATE", "the digits of the date of birth are no date", "身份证号码中的出生日期无效")
ID_CHECK = Rule("R-ID-CHECK", "the check digit is wrong", "身份证号码校验位错误")
EMPTY_ROW = Rule(
    "R-ROW",
    "neither an identity number nor a certificate number: not a filing",
    "既无证件号码也无证书编号，不是申报记录",
)
WIDTH = Rule(
    "R-WIDTH", "the number of cells differs from the header: columns are shifted", "单元格数与表头不一致，列已错位"
)
ERROR_VALUE = Rule(
    "R-ERROR-VALUE", "holds an error of the spreadsheet instead of a value", "单元格为错误值（如#N/A），请填写实际内容"
)
FORMULA = Rule(
    "R-FORMULA",
    "holds a formula without its result: open the file, calculate, and paste the values",
    "公式没有保存结果：请重新计算并粘贴为数值",
)
MERGED = Rule(
    "R-MERGED",
    "is merged with other columns: unmerge and fill in each cell",
    "与其他列合并：请取消合并后逐格填写",
)
HIDDEN = Rule(
    "R-HIDDEN",
    "the row is hidden in the sheet: to be checked by a person",
    "该行在表中被隐藏，转人工核查",
)
PHOTO = Rule(
    "R-PHOTO",
    "not a JPEG or PNG picture in Base64 of less than 50,000 characters",
    "不是50000字符以内的Base64格式JPEG或PNG照片",
)
SCAN_KIND = Rule("R-SCAN", "is no PDF, JPEG, PNG or OFD file", "不是PDF、JPEG、PNG或OFD文件")
SCAN_SIZE = Rule("R-SCAN", "is empty, or larger than is taken", "是空文件，或超过允许大小")
SCAN_DAMAGED = Rule("R-SCAN", "is damaged or cut off: scan or save it anew", "已损坏或不完整，请重新扫描或另存")
SCAN_LOCKED = Rule("R-SCAN", "is locked: save it without password or protection", "已加密或受保护，请取消后另存")
SCAN_MANY = Rule(
    "R-SCAN", "more scans than are taken: put the pages into one file", "扫描件过多或合计过大，请合并为一个文件"
)
SCAN_MISSING = Rule("R-SCAN", "scans came with the batch, but none of this one", "本批附有扫描件，但缺少该证书的扫描件")
SCAN_REQUIRED = Rule(
    "N34",
    "a scan of the certificate, and of whom is employed one of the contract, must come with the row",
    "须随附岗位证书扫描件，有工作单位的还须附劳动合同扫描件",
)
NUMBER = Rule("R-NUMBER", "not a number in the range that is allowed here", "不是允许范围内的数字")
REQUIRED = "R-REQUIRED"
"""id of the domain's rule for an empty cell that must be filled"""
RULES: tuple[Rule, ...] = (
    *(DATE, TIME, DIGITS_LOST, CODE, CREDIT_CODE, NAME, MOBILE, LENGTH),
    *(ID_FORM, ID_DATE, ID_CHECK, EMPTY_ROW, WIDTH, ERROR_VALUE, FORMULA, MERGED, HIDDEN),
    *(PHOTO, NUMBER, PARTY, DITTO, CHARACTERS, INVISIBLE, IS_DAY, IS_SHARE),
)
"""every rule of reading but R-REQUIRED, which the domain knows, and those of scans, which lie beside the file"""
