"""Dialect X: a checked record as the columns of one row, a row as a string, and strings of rows read back.

Forms and quirks: README, "Dialect X". What the character set of the receiver cannot hold is never sent as "?".
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from lxml import etree

from connectors.national_market import changes, schema
from connectors.national_market.dialect import Dialect, Text
from connectors.national_market.mapping import codes, to_draft
from connectors.national_market.problems import problem
from connectors.national_market.settings import NationalMarketSettings
from connectors.national_market.tables import InForce
from gateway.codec.soap.envelope import Unreadable, parse
from gateway.contract.messages import Draft, Payload, Problem, Problems
from gateway.domain.records import RecordKind, StatusChange, Submission, Withdrawal
from gateway.domain.status import as_certificate

Row = dict[str, str]
"""column -> text; an empty text is a null"""
_MOMENTS = re.compile(r"(Date|From|To|At)$")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_BEYOND_PYTHON = frozenset("·—")
"""in GB2312 as its users write it (code page 936), but not in Python's codec of that name"""


def row_of(submission: Submission, dialect: Dialect, settings: NationalMarketSettings) -> Draft:
    """The record in all of the platform's columns; a value without a counterpart in its code table is a problem."""
    typed = _typed(submission, settings)
    columns = dialect.columns_of(typed.kind)
    flat = dict(schema.leaves(typed.fields))
    row = {column: "" for column in columns}
    problems: list[Problem] = []
    for column, path in columns.items():
        said = flat.get(path, "")
        if path == "Photo.Content" and said:
            said = dialect.text.photo_prefix.replace("{media}", flat["Photo.MediaType"]) + said
        value = _in_form(said, path, dialect, partial(codes, record=submission.record, settings=settings))
        if value is None:
            problems.append(problem(typed.sources.get(path) or path, f"code:{dialect.codes[path]}"))
        row[column] = value or ""
    row[dialect.region_column] = _region(flat, typed.kind, dialect, settings)
    return Draft(
        kind=submission.record.kind,
        record_key=submission.record.key,
        version=submission.record.version,
        fields=row,
        sources={column: typed.sources.get(path, "") for column, path in columns.items()},
        problems=tuple(problems),
    )


def check(
    submission: Submission, draft: Draft, dialect: Dialect, settings: NationalMarketSettings
) -> Payload | Problems:
    """The rules of the typed contract, those of a change where it is one, and the receiver's character set."""
    typed = _typed(submission, settings)
    found: dict[tuple[str, str], Problem] = {}
    judged = [(_as_row(submission, settings), typed)]
    if typed.kind is not draft.kind:
        judged.insert(0, (submission, changes.draft_of(submission, settings)))
    for one, of in judged:
        checked = schema.check(one, of, settings)
        if isinstance(checked, Problems):
            found |= {(p.field, p.rule): p for p in checked.items}
    found |= {(p.field, p.rule): p for p in draft.problems}
    for column, text in draft.fields.items():
        if not _fits(str(text), dialect.text):
            field = draft.sources.get(column) or column
            found.setdefault((field, "302"), problem(field, f"302:{dialect.text.charset}"))
    if found:
        return Problems(items=tuple(found.values()))
    return Payload(
        key=submission.key,
        kind=draft.kind,
        record_key=draft.record_key,
        version=draft.version,
        fields=draft.fields,
        replaces=submission.replaces,
    )


def text_of(row: Mapping[str, str], form: Text) -> str:
    """The row as the string parameter of a saving call."""
    cells = []
    for column, value in row.items():
        cell = etree.Element(column)
        cell.text = _value(value, form) or None
        cells.append(cell)
    if form.form == "X1":
        root = etree.Element(form.root)
        etree.SubElement(root, form.row).extend(cells)
        cells = [root]
    written = "".join(etree.tostring(cell, encoding="unicode") for cell in cells)
    return f'<?xml version="1.0" encoding="{form.charset}"?>{written}' if form.declaration else written


def rows_in(text: str, form: Text) -> list[Row] | Unreadable:
    """The rows of a string that a reading call returned. The text is decoded already, so a declaration is dropped."""
    root = parse(_DECLARATION.sub("", text).strip().encode())
    if isinstance(root, Unreadable):
        return root
    leaves = [child for child in root if not len(child)]
    found = [root] if len(root) and len(leaves) == len(root) else [child for child in root if len(child)]
    try:
        return [{etree.QName(c).localname: _plain(c.text or "", form) for c in row} for row in found]
    except ValueError:
        return Unreadable(code="row_values", reason="the rows' values are not in the form of the dialect")


def _as_row(submission: Submission, settings: NationalMarketSettings) -> Submission:
    """The person or certificate whose row a submission writes: a change and a withdrawal write the whole row again."""
    record, content = submission.record, submission.record.content
    if isinstance(content, StatusChange):
        version = changes.next_version(content.certificate_version) or 1
        told = replace(content, new_status=changes.status_of(content, settings))
        changed = as_certificate(replace(record, content=told)).content
        kind, key = RecordKind.CERTIFICATE, content.certificate_key
        return replace(submission, record=replace(record, kind=kind, key=key, version=version, content=changed))
    if isinstance(content, Withdrawal):
        version = changes.next_version(content.withdrawn_version) or 1
        kind, key = content.withdrawn_kind, content.withdrawn_key
        return replace(submission, record=replace(record, kind=kind, key=key, version=version, content=content.content))
    return submission


def _typed(submission: Submission, settings: NationalMarketSettings) -> Draft:
    """The row's record in the elements of the typed contract, with its flag and operation."""
    typed = to_draft(_as_row(submission, settings), settings)
    if isinstance(submission.record.content, Withdrawal):
        return replace(typed, fields={**typed.fields, "UpdateFlag": "D"})
    if isinstance(submission.record.content, StatusChange):
        operate = changes.draft_of(submission, settings).fields["OperateType"]
        return replace(typed, fields={**typed.fields, "OperateType": operate})
    return typed


def _in_form(value: str, path: str, dialect: Dialect, on: Callable[[str], InForce]) -> str | None:
    """A value as the platform writes it; None where its code table has no counterpart."""
    if not value:
        return ""
    if path in dialect.codes:
        name, _, column = dialect.codes[path].partition(".")
        return on(name).get(value, column)
    if path.endswith("Passed"):
        return "1" if value == "True" else "0"
    if _MOMENTS.search(path):
        return datetime.fromisoformat(value).strftime(dialect.text.date_format)
    return value


def _region(flat: Mapping[str, str], kind: RecordKind, dialect: Dialect, settings: NationalMarketSettings) -> str:
    """The reporting region: that of the record, or its city's, where it has an account; else the sender's own."""
    path = dialect.region_from.get("person" if kind is RecordKind.PERSON else "certificate", "")
    region = flat.get(path, "")
    candidates: Iterator[str] = (code for code in (region, f"{region[:4]}00") if code in settings.region_accounts)
    return next(candidates, settings.sender_code)


def _fits(text: str, form: Text) -> bool:
    if form.charset == "UTF-8":
        return True
    if form.charset == "GB2312":
        text = "".join(c for c in text if c not in _BEYOND_PYTHON)
    try:
        text.encode(form.charset)
    except UnicodeEncodeError:
        return False
    return True


def _value(text: str, form: Text) -> str:
    if form.values == "plain" or not text:
        return text
    # code page 936 holds GB2312 with the two characters that Python's own codec leaves out
    charset = "GBK" if form.charset == "GB2312" else form.charset
    return base64.b64encode(text.encode(charset)).decode("ascii")


def _plain(text: str, form: Text) -> str:
    if form.values == "plain":
        return text.strip()
    # GB18030 contains GBK and GB2312
    charset = "UTF-8" if form.charset == "UTF-8" else "GB18030"
    return base64.b64decode("".join(text.split()), validate=True).decode(charset)
