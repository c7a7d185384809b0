"""Why a file as a whole is refused: every reason in English and Chinese, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gateway.domain.errors import InputError
from gateway.locale import shown

PROBLEMS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "unopened": ("cannot be opened ({why})", "文件无法打开（{why}）"),
        "suffix": (
            "neither .xlsx, .xls nor .csv; save the batch as one of them",
            "不是.xlsx、.xls或.csv文件，请另存为其中一种",
        ),
        "empty": ("the file is empty", "文件是空的"),
        "damaged": (
            "truncated or damaged; it does not open as a workbook",
            "文件不完整或已损坏，无法作为工作簿打开，请重新导出",
        ),
        "password": (
            "the workbook is protected by a password; save it without one",
            "工作簿设有打开密码，请取消密码后重新保存",
        ),
        "packing": (
            "packed with a password or in an unknown way; save it again as .xlsx",
            "文件加密或压缩方式无法识别，请另存为.xlsx",
        ),
        "unpacked": (
            "unpacks to more than {limit} bytes; split the batch",
            "解压后超过{limit}字节，请拆分后报送",
        ),
        "doctype": (
            "a part of the workbook declares a document type, which no spreadsheet program writes",
            "工作簿内含文档类型声明，不是电子表格软件生成的文件，请另存为.xlsx",
        ),
        "long_row": (
            "a row is longer than {limit} bytes; no form has such a row",
            "有一行超过{limit}字节，不是汇总表，请检查该文件",
        ),
        "many_sheets": ("more than {limit} sheets; report one sheet", "工作表超过{limit}个，请只保留汇总表"),
        "other_archive": (
            "an archive or document, but no workbook of the kind .xlsx; save it again as .xlsx",
            "是压缩包或其他文档，不是.xlsx工作簿，请另存为.xlsx",
        ),
        "binary_workbook": (
            "a binary workbook (.xlsb), which is not read; save it as .xlsx",
            "是二进制工作簿（.xlsb），无法读取，请另存为.xlsx",
        ),
        "open_document": (
            "an open document (.ods), which is no workbook of the kind .xlsx; save it as .xlsx",
            "是.ods文档，无法读取，请另存为.xlsx",
        ),
        "wps": (
            "a workbook of WPS (.et), which is not read; save it as .xlsx",
            "是WPS表格的.et格式，无法读取，请在WPS中另存为.xlsx",
        ),
        "mht": (
            "a web archive (.mht), which is not read; open it in a spreadsheet program and save it as .xlsx",
            "是单个文件网页（.mht），无法读取，请用表格软件打开后另存为.xlsx",
        ),
        "pdf": (
            "its content is not one: a page for print (PDF); report the workbook itself",
            "内容是PDF，不是表格，请报送电子表格原件",
        ),
        "picture": (
            "its content is not one: a picture; report the workbook itself",
            "内容是图片，不是表格，请报送电子表格原件",
        ),
        "other_packing": (
            "its content is not one: a packed archive (RAR, 7z, gzip); unpack it first",
            "内容是压缩包，请解压后报送",
        ),
        "old_document": (
            "neither a workbook of Excel 97 to 2003 nor a newer one; save it as .xlsx",
            "不是Excel 97-2003工作簿，也不是新版工作簿，请另存为.xlsx",
        ),
        "workbook_as_text": (
            "named as text, but its content is a workbook or archive; name it .xlsx",
            "文件名是文本，内容却是工作簿或压缩包，请改名为.xlsx",
        ),
        "encoding": (
            "neither UTF-8, UTF-16 nor GB18030 text; save it as CSV UTF-8",
            "编码既不是UTF-8、UTF-16，也不是GB18030，请另存为“CSV UTF-8”",
        ),
        "no_csv": (
            "row {row} is no CSV (unclosed quote or truncated file)",
            "第{row}行不是CSV（引号未闭合或文件不完整）",
        ),
        "no_table": (
            "no table found: none of the first {rows} rows names the columns of the form",
            "没有找到汇总表：前{rows}行中没有表头",
        ),
        "no_table_web": (
            "its content is a web page or XML, and no table found in it: save the table as .xlsx",
            "内容是网页或XML，其中没有找到汇总表，请将表格另存为.xlsx",
        ),
        "hidden_table": (
            "no table found on a visible sheet: the form stands on the hidden sheet {sheets}; show it and save again",
            "可见工作表中没有汇总表：汇总表在隐藏的工作表“{sheets}”中，请取消隐藏后重新保存",
        ),
        "two_tables": (
            "sheets {sheets} each hold a table; report one sheet per file",
            "工作表{sheets}中各有一张汇总表，每个文件只能报送一张",
        ),
        "twice": (
            "columns that stand twice: {columns}",
            "下列栏目重复：{columns}，请只保留一列",
        ),
        "missing": ("columns of the form are missing: {columns}", "缺少下列栏目：{columns}"),
        "other_header": (
            "a second header with other columns; report one table per file",
            "出现了栏目不同的第二个表头，每个文件只能报送一张表",
        ),
        "resources": (
            "takes more memory or time than a reported batch may; save it again as .xlsx, or split it",
            "读取所需内存或时间超过上限，请另存为新的.xlsx，或拆分后报送",
        ),
        "ended": (
            "reading it ended without a result; save it again as .xlsx",
            "读取时异常中断，没有结果，请另存为新的.xlsx后重试",
        ),
        "disk": ("cannot be read: {why}", "无法读取：{why}（本机故障，与文件内容无关）"),
        "unwritable": ("the returns cannot be written there", "退回表无法写入该位置"),
        "is_input": (
            "the returns would overwrite the reported file itself; name another file",
            "退回表会覆盖报送的原文件，请换一个文件名",
        ),
        "fault": (
            "a fault of the gateway stopped the reading, nothing of the file was kept; the log names it",
            "网关程序出错，读取中断，该文件没有任何内容入库，详见日志",
        ),
        "cut_off": (
            "reading it was cut off {times} times by an end of the gateway; put the file in again",
            "读取过程中网关{times}次意外停止，请检查该文件后重新放入",
        ),
        "two_scans": (
            "two folders or archives of scans lie beside it ({names}): leave one",
            "旁边有两个扫描件文件夹或压缩包（{names}），请只保留一个",
        ),
        "scans_packing": (
            "its scans are packed as {archive}: pack them as .zip, or lay them there as a folder",
            "扫描件压缩包{archive}不是.zip格式，请改用.zip压缩，或直接放文件夹",
        ),
        "scans_damaged": (
            "the archive of scans is truncated or damaged: pack and send it again",
            "扫描件压缩包不完整或已损坏，请重新压缩后报送",
        ),
        "scans_locked": (
            "the archive of scans is protected by a password: pack it without one",
            "扫描件压缩包设有密码，请取消密码后重新压缩",
        ),
        "scans_many": (
            "more than {limit} files of scans: split the batch",
            "扫描件超过{limit}个，请拆分后报送",
        ),
        "scans_changed": (
            "a scan was changed while the batch was read: take it in again",
            "读取过程中有扫描件被改动，请重新读入",
        ),
        "scans_alone": (
            "scans without their batch: put the workbook of the same name and them into the folder together",
            "只有扫描件，没有同名的汇总表，请将汇总表与扫描件一起放入",
        ),
        "is_there": (
            "is there already; returns are written over with --force, other files never",
            "文件已存在；只有退回表可以加--force覆盖，其他文件不会被覆盖",
        ),
        "no_returns": (
            "is there already and is no returns workbook; it is not written over",
            "文件已存在，而且不是退回表，不会被覆盖",
        ),
    }
)
"""reason -> its texts, with places for what ``FileRefused`` is given"""


class FileRefused(InputError):
    """A file that is no batch, or a place where nothing may be written.

    place:  where in the file, in both languages, as it stands behind the file's name
    en, zh: the reason with that place, without the file's name
    """

    def __init__(self, name: str, reason: str, *, place: tuple[str, str] = ("", ""), **about: object) -> None:
        en, zh = (text.format(**about) for text in PROBLEMS[reason])
        self.name, self.reason = name, reason
        self.en, self.zh = f"{place[0].lstrip(' ,')}{en}", f"{place[1]}{zh}"
        super().__init__(f"{name}{place[0] or ': '}{en} / {self.zh}")


def failure_of(error: Exception) -> tuple[str, str]:
    """What went wrong with a file in English and Chinese, without the file's name and without what stands in it."""
    if isinstance(error, FileRefused):
        return error.en, error.zh
    if isinstance(error, InputError):
        return str(error), shown(str(error), chinese=True)
    reason = "disk" if isinstance(error, OSError) else "fault"
    en, zh = (text.format(why=getattr(error, "strerror", None) or type(error).__name__) for text in PROBLEMS[reason])
    return en, zh


class UnreadableFile(Exception):
    """A reason of ``PROBLEMS`` found while a file is parsed."""

    def __init__(self, reason: str, **about: Any) -> None:
        super().__init__(reason)
        self.reason, self.about = reason, about
