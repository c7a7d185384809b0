"""Tables of a service with XML strings: how it writes rows, what a row must be, and what is kept."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree

from connectors.national_market.sandbox.wire import parser
from gateway.codec.codes import table as codes
from gateway.testing.books import Books

Row = dict[str, str]
_SAVE = frozenset({"tableName", "xmlData", "user", "password"})


@dataclass(frozen=True, kw_only=True)
class Style:
    """How one service of the family writes. ``file`` names the connector's dialect file for it."""

    file: str
    operations: frozenset[str]
    parameters: frozenset[str] = _SAVE
    has_root: bool = True
    encoded: bool = False
    charset: str = "utf-8"
    success: str = "OK"


STYLES = {
    "X": Style(
        file="wuxi",
        operations=frozenset({"SaveTBData", "ReadTBDataFromZx"}),
        encoded=True,
        success="000 数据保存成功",
    ),
    "X-suzhou": Style(file="suzhou", operations=frozenset({"SaveTBData"})),
    "X-jiangsu": Style(
        file="jiangsu",
        operations=frozenset({"SaveTBDataToSt", "SaveStData"}),
        parameters=_SAVE | {"updateFlag"},
        has_root=False,
        charset="gb2312",
    ),
}
_COMMON = ("PKID", "UpdateFlag", "RecordVersion", "sbdqbm")
_CHECKING = ("CheckDepartName", "CheckPersonName", "CheckedAt", "DataLevel", "DataSource")
_EMPLOYER = ("CorpName", "CorpCode")
_PERSON = ("PersonName", "IDCardTypeNum", "IDCard", "SexNum", "Birthday", "nationAlityNum", "EduLevelNum", "Mobile")
_HOLDER = ("OperateType", "PersonName", "IDCardTypeNum", "IDCard", "CertClass", "PostCertName", "CertNum")
_ISSUE = ("AwardDepart", "IssuerCode", "IssuerRegion", "FirstIssueDate", "AwardDate", "ValidFrom", "EffectDate")
_KIND = ("WorkTypeNum", "PostName", "CategoryText", "Level", "QState", "StatusText", "TrainOrgName", "Passed")
NAMES = {
    "TBWorkerInfo": frozenset({*_COMMON, *_PERSON, "HomeRegion", "Address", *_EMPLOYER, *_CHECKING}),
    "TBWorkerCert": frozenset({*_COMMON, *_HOLDER, *_KIND, *_ISSUE, *_EMPLOYER, *_CHECKING}),
}
"""table -> its columns; a column that a string leaves out does not exist for such a service"""
_MUST = {
    "TBWorkerInfo": ("PersonName", "IDCardTypeNum", "IDCard", "SexNum", "Birthday", *_CHECKING),
    "TBWorkerCert": ("PersonName", "IDCardTypeNum", "IDCard", "CertNum", "PostCertName", "AwardDepart", *_CHECKING),
}
_DICTIONARIES = {
    "SexNum": ("TBSEXDIC", "gender"),
    "nationAlityNum": ("TBNATIONDIC", "ethnicity_gbt3304"),
    "WorkTypeNum": ("TBWORKTYPEDIC", "trade"),
    "QState": ("TBQSTATEDIC", "cert_status"),
}
_DAYS = ("Birthday", "FirstIssueDate", "AwardDate", "ValidFrom", "EffectDate", "CheckedAt")


class Unfit(Exception):
    """A refusal: three digits and the details that go with them."""

    def __init__(self, code: str, details: str = "") -> None:
        super().__init__(code)
        self.code, self.details = code, details


def rows_in(text: str, style: Style) -> list[Row]:
    """The rows of a string in the form of the style; Unfit 003 for any other."""
    declared = re.match(r'<\?xml[^>]*encoding="([^"]*)"[^>]*\?>', text)
    if declared and declared[1].lower() != style.charset:
        raise Unfit("003", f"字符集应为{style.charset}")
    bare = text[declared.end() :] if declared else text
    if "<!" in bare.replace("<![CDATA[", ""):
        raise Unfit("003", "不允许文档类型声明")
    try:
        root = etree.fromstring(f"<rows>{bare}</rows>".encode(), parser())
    except (etree.XMLSyntaxError, ValueError):
        raise Unfit("003", "XML格式错误") from None
    held = list(root[0]) if style.has_root and len(root) == 1 else [] if style.has_root else [root]
    if not held or any(len(cell) for row in held for cell in row):
        raise Unfit("003", "未找到数据行")
    return [{etree.QName(cell).localname: _read(cell.text or "", style) for cell in row} for row in held]


def written(rows: Sequence[Row], style: Style) -> str:
    """Rows as a reading call returns them, with a declaration that names GB2312 inside a message in UTF-8."""
    root = etree.Element("dataTable")
    for row in rows:
        element = etree.SubElement(root, "row")
        for column, value in row.items():
            cell = base64.b64encode(value.encode(style.charset)).decode() if style.encoded else value
            etree.SubElement(element, column).text = cell or None
    return '<?xml version="1.0" encoding="gb2312"?>' + etree.tostring(root, encoding="unicode")


def _read(text: str, style: Style) -> str:
    try:
        if style.encoded:
            return base64.b64decode(text, validate=True).decode(style.charset)
        # what is called GB2312 there is code page 936
        text.encode("gbk" if style.charset == "gb2312" else style.charset)
    except (binascii.Error, UnicodeError):
        raise Unfit("003", "值的编码不正确") from None
    return text.strip()


class Tables:
    """What is kept, by key; ``state`` -1 marks a row that was deleted softly."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def save(self, table: str, row: Row, user: str, flag: str | None, day: str) -> None:
        """Insert, update or softly delete one row; Unfit says why not."""
        _check(table, row, user, flag)
        if row["UpdateFlag"] == "D":
            self._delete(table, row, day)
            return
        key = row["PKID"]
        if table == "TBWorkerCert" and self._person_key(row) is None:
            raise Unfit("005", "人员不存在")
        natural = _natural(table, row)
        other = self._books.get(f"{table}_keys", natural)
        if other not in (None, key):
            raise Unfit("003", "证件或证书编号已属其他记录")
        stored = self._books.get(table, key)
        if stored is not None and stored["row"] == row and stored["state"] == 1:
            self._books.bump("duplicates")
            return
        if stored is not None and stored["natural"] != natural:
            self._books.remove(f"{table}_keys", stored["natural"])
        self._keep(table, row, natural, day, state=1)

    def between(self, table: str, user: str, begin: str, end: str) -> list[Row]:
        """Rows of one reporting region by the day they came in."""
        rows = [held for _, held in self._books.items(table) if begin <= held["day"] <= end]
        return [held["row"] for held in rows if held["row"]["sbdqbm"] == user]

    def _delete(self, table: str, row: Row, day: str) -> None:
        stored = self._books.get(table, row["PKID"])
        if stored is None:
            raise Unfit("005", "PKID")
        if stored["state"] == -1:
            self._books.bump("duplicates")
            return
        self._books.remove(f"{table}_keys", stored["natural"])
        self._keep(table, row, stored["natural"], day, state=-1)

    def _keep(self, table: str, row: Row, natural: str, day: str, *, state: int) -> None:
        if state == 1:
            self._books.put(f"{table}_keys", natural, row["PKID"])
        self._books.put(table, row["PKID"], {"row": row, "natural": natural, "day": day, "state": state})
        kind = "person" if table == "TBWorkerInfo" else "certificate"
        self._books.wrote(kind, natural, int(row["RecordVersion"]))

    def _person_key(self, row: Row) -> str | None:
        key: str | None = self._books.get("TBWorkerInfo_keys", _natural("TBWorkerInfo", row))
        return key


def _check(table: str, row: Row, user: str, flag: str | None) -> None:
    missing, unknown = NAMES[table] - row.keys(), row.keys() - NAMES[table]
    if missing or unknown:
        raise Unfit("003", f"字段{min(missing or unknown)}不存在")
    if not re.fullmatch("[0-9a-f]{32}", row["PKID"]):
        raise Unfit("003", "PKID格式不正确")
    if row["UpdateFlag"] not in ("U", "D") or flag not in (None, row["UpdateFlag"]):
        raise Unfit("003", "UpdateFlag不正确")
    if row["sbdqbm"] != user:
        raise Unfit("003", "sbdqbm与用户不符")
    if not re.fullmatch("[1-9][0-9]*", row["RecordVersion"]):
        raise Unfit("003", "RecordVersion格式不正确")
    for column in _MUST[table]:
        if not row[column]:
            raise Unfit("003", f"{column}不能为空")
    for column in _DAYS:
        if row.get(column) and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", row[column]):
            raise Unfit("003", f"{column}应为yyyy-MM-dd")
    if row["IDCardTypeNum"] not in {r["tb_idcardtype_code"] for r in codes("id_document_type").rows}:
        raise Unfit("003", f"IDCardTypeNum的值{row['IDCardTypeNum']}不在字典TBIDCARDTYPEDIC中")
    for column, (dictionary, name) in _DICTIONARIES.items():
        if row.get(column) and row[column] not in codes(name):
            raise Unfit("003", f"{column}的值{row[column]}不在字典{dictionary}中")


def _natural(table: str, row: Row) -> str:
    columns = ("IDCardTypeNum", "IDCard") if table == "TBWorkerInfo" else ("CertClass", "IssuerCode", "CertNum")
    return "/".join(row[column] for column in columns)
