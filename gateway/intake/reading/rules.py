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
NAME = Rule("R-NAME", "contains characters that no name has", "含有姓名中不应出现的字符")
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
NUMBER = Rule("R-NUMBER", "not a number in the range that is allowed here", "不是允许范围内的数字")
RULES: tuple[Rule, ...] = (
    *(DATE, TIME, DIGITS_LOST, CODE, CREDIT_CODE, NAME, MOBILE, LENGTH),
    *(ID_FORM, ID_DATE, ID_CHECK, EMPTY_ROW, WIDTH, ERROR_VALUE, FORMULA, MERGED, HIDDEN),
    *(PHOTO, NUMBER),
)
"""every rule of reading but R-REQUIRED, which the domain knows"""
