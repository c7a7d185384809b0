"""Queries: stored persons and certificates, and code tables. Attachments are never returned."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime

from lxml import etree

from connectors.national_market.sandbox.dictionaries import Dictionaries
from connectors.national_market.sandbox.records import Registry
from connectors.national_market.sandbox.wire import get, t, ws

_MOST_CERTIFICATES = 50
_DATE = re.compile(r"(-?[0-9]{4,})-([0-9]{2})-([0-9]{2})(?:Z|[+-][0-9]{2}:[0-9]{2})?")


def answer(operation: str, code: str, message: str, *found: etree._Element) -> etree._Element:
    """A query's response element."""
    response: etree._Element = getattr(ws, f"{operation}Response")(ws.ResultCode(code), ws.ResultMessage(message))
    response.extend(found)
    return response


def stored(operation: str, content: etree._Element, registry: Registry, sender: str) -> etree._Element:
    """Answer ``QueryPerson`` or ``QueryCertificate``: 401 where nothing is found, 301 where nothing was asked for."""
    if get(content, "SenderCode") != sender:
        return answer(operation, "102", "无权限")
    if operation == "QueryPerson":
        person = registry.person(get(content, "IdDocType"), get(content, "IdDocNumber"))
        found = [] if person is None else [person]
    elif not (get(content, "RecordKey") or get(content, "CertNumber") or _document(content)):
        return answer(operation, "301", "RecordKey、CertNumber、IdDocType与IdDocNumber须填其一")
    else:
        found = list(_certificates(content, registry))[:_MOST_CERTIFICATES]
    if not found:
        return answer(operation, "401", "记录不存在")
    for record in found:
        for attachment in (*record.findall("{*}Photo"), *record.findall("{*}CertFile")):
            record.remove(attachment)
    return answer(operation, "000", "成功", *found)


def code_table(content: etree._Element, dictionaries: Dictionaries, now: datetime) -> etree._Element:
    """Answer ``GetCodeTable``: 002 for an unknown table, no items where the caller's copy is not older."""
    found = dictionaries.version(get(content, "TableName"), now)
    if found is None:
        return answer("GetCodeTable", "002", "数据表名不正确")
    since, codes = found
    version = ws.TableVersion(since.isoformat())
    if _is_up_to(get(content, "IfNewerThan"), since):
        return answer("GetCodeTable", "000", "成功", version)
    items = [
        ws.CodeItem(t.Code(code), t.Name(name), t.Valid("true" if valid else "false"))
        for code, (name, valid) in codes.items()
    ]
    return answer("GetCodeTable", "000", "成功", version, *items)


def _is_up_to(held: str, since: date) -> bool:
    """Whether a copy of the day ``held`` (an ``xs:date``, empty where there is none) is as new as ``since``.

    Days, not texts, are compared: a date may have a time zone, a year of more than four digits, or lie before our era.
    """
    found = _DATE.fullmatch(held)
    if found is None:
        return False
    return (int(found[1]), int(found[2]), int(found[3])) >= (since.year, since.month, since.day)


def _certificates(content: etree._Element, registry: Registry) -> Iterable[etree._Element]:
    """Those of whom everything that was asked for holds."""
    key, number, class_ = (get(content, name) for name in ("RecordKey", "CertNumber", "CertClass"))
    by_key = registry.certificate(key) if key else None
    candidates = [c for c in [by_key] if c is not None] if key else registry.certificates()
    document = _document(content)
    return (
        c
        for c in candidates
        if (not number or get(c, "CertNumber") == number)
        and (document is None or (get(c, "Holder/IdDocType"), get(c, "Holder/IdDocNumber")) == document)
        and (not class_ or get(c, "CertClass") == class_)
    )


def _document(content: etree._Element) -> tuple[str, str] | None:
    type_, number = get(content, "IdDocType"), get(content, "IdDocNumber")
    return (type_, number) if type_ and number else None
