"""Queries: stored persons and certificates, and code tables. Attachments are never returned."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from lxml import etree

from connectors.national_market.sandbox.dictionaries import Dictionaries
from connectors.national_market.sandbox.records import Registry
from connectors.national_market.sandbox.wire import get, t, ws

_MOST_CERTIFICATES = 50


def answer(operation: str, code: str, message: str, *found: etree._Element) -> etree._Element:
    """A query's response element."""
    response: etree._Element = getattr(ws, f"{operation}Response")(ws.ResultCode(code), ws.ResultMessage(message))
    response.extend(found)
    return response


def stored(operation: str, content: etree._Element, registry: Registry, sender: str) -> etree._Element:
    """Answer ``QueryPerson`` or ``QueryCertificate``: 401 where nothing is found."""
    if get(content, "SenderCode") != sender:
        return answer(operation, "102", "无权限")
    if operation == "QueryPerson":
        person = registry.person(get(content, "IdDocType"), get(content, "IdDocNumber"))
        found = [] if person is None else [person]
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
    if get(content, "IfNewerThan") >= since.isoformat():
        return answer("GetCodeTable", "000", "成功", version)
    items = [
        ws.CodeItem(t.Code(code), t.Name(name), t.Valid("true" if valid else "false"))
        for code, (name, valid) in codes.items()
    ]
    return answer("GetCodeTable", "000", "成功", version, *items)


def _certificates(content: etree._Element, registry: Registry) -> Iterable[etree._Element]:
    key, number, class_ = (get(content, name) for name in ("RecordKey", "CertNumber", "CertClass"))
    if key:
        by_key = registry.certificate(key)
        candidates: Iterable[etree._Element] = [] if by_key is None else [by_key]
    elif number:
        candidates = (c for c in registry.certificates() if get(c, "CertNumber") == number)
    else:
        wanted = (get(content, "IdDocType"), get(content, "IdDocNumber"))
        candidates = (
            c for c in registry.certificates() if (get(c, "Holder/IdDocType"), get(c, "Holder/IdDocNumber")) == wanted
        )
    return (c for c in candidates if not class_ or get(c, "CertClass") == class_)
