"""The platform's stored records: versions, natural keys and what each upsert, change and withdrawal does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from lxml import etree

from connectors.national_market.sandbox import rules
from connectors.national_market.sandbox.rules import Complaint
from connectors.national_market.sandbox.wire import get
from gateway.testing.books import Books

_ALLOWED = {
    "03": {"02"},
    "06": {"01"},
    "04": {"06"},
    "05": {"03", "04", "05"},
    "07": {"99"},
}
"""operate type -> new status of a status change"""
_FINAL = frozenset({"03", "04", "05"})
_VALID, _LAPSED = "01", "06"


@dataclass(kw_only=True)
class Item:
    """Result of one record, as plain values so that the books can keep it."""

    key: str
    code: str = "000"
    platform_id: str | None = None
    messages: list[Complaint] = field(default_factory=list)

    @property
    def severity(self) -> str:
        """OK, WARN or ERROR."""
        return {"000": "OK", "011": "WARN"}.get(self.code, "ERROR")

    def plain(self) -> dict[str, Any]:
        """The item as JSON."""
        return asdict(self)


def refuse(key: str, *complaints: Complaint) -> Item:
    """An item refused with its first complaint's code and all messages."""
    return Item(key=key, code=complaints[0][0], messages=list(complaints))


class Registry:
    """Persons and certificates in the books, under their record keys and natural keys."""

    def __init__(self, books: Books, known: rules.Known) -> None:
        self._books, self._known_code = books, known

    def apply(self, record: etree._Element) -> Item:
        """Carry out one record of any save operation."""
        kind = etree.QName(record).localname
        if kind == "StatusChange":
            return self._change(record)
        if kind == "Withdrawal":
            return self._withdraw(record)
        key = get(record, "RecordKey")
        complaints = (rules.person if kind == "Person" else rules.certificate)(record, self._known_code)
        if complaints:
            return refuse(key, *complaints)
        return self._upsert_person(record, key) if kind == "Person" else self._upsert_certificate(record, key)

    def person(self, id_type: str, number: str) -> etree._Element | None:
        """The stored person behind a document."""
        key = self._books.get("person_keys", f"{id_type}/{number}")
        return self._element("persons", key) if key else None

    def certificate(self, key: str) -> etree._Element | None:
        """The stored certificate under a record key."""
        return self._element("certificates", key)

    def certificates(self) -> Iterator[etree._Element]:
        """All stored certificates that were not withdrawn."""
        for key, _ in self._books.items("certificates"):
            element = self._element("certificates", key)
            if element is not None:
                yield element

    def _upsert_person(self, record: etree._Element, key: str) -> Item:
        natural = f"{get(record, 'IdDocType')}/{get(record, 'IdDocNumber')}"
        done = self._known(record, "persons", key)
        if done is not None:
            return done
        other = self._books.get("person_keys", natural)
        item = Item(key=key, platform_id=self._platform_id("persons", key, "P"))
        if other not in (None, key):
            item.platform_id = self._books.get("persons", other)["platform_id"]
            item.code, item.messages = "011", [("011", "IdDocNumber", "该证件已有人员记录")]
        self._store(record, "persons", "person_keys", natural, item)
        self._books.wrote("person", natural, _version(record))
        return item

    def _upsert_certificate(self, record: etree._Element, key: str) -> Item:
        holder = f"{get(record, 'Holder/IdDocType')}/{get(record, 'Holder/IdDocNumber')}"
        natural = "/".join(get(record, name) for name in ("CertClass", "IssuerCode", "CertNumber"))
        if self._books.get("person_keys", holder) is None:
            return refuse(key, ("402", "Holder", "人员不存在"))
        done = self._known(record, "certificates", key)
        if done is not None:
            return done
        before = self.certificate(key)
        if before is not None and get(before, "Status") in _FINAL and get(before, "Status") != get(record, "Status"):
            return refuse(key, ("405", "Status", "证书已吊销、撤销或注销"))
        if self._books.get("certificate_keys", natural) not in (None, key):
            return refuse(key, ("404", "CertNumber", "证书编号已属其他记录"))
        item = Item(key=key, platform_id=self._platform_id("certificates", key, "C"))
        self._store(record, "certificates", "certificate_keys", natural, item)
        self._books.wrote("certificate", natural, _version(record))
        return item

    def _known(self, record: etree._Element, section: str, key: str) -> Item | None:
        """What follows from a version that is stored already: nothing to do, too old, or None for a newer one."""
        stored = self._books.get(section, key)
        version = _version(record)
        if stored is None or version > stored["version"]:
            return None
        if version == stored["version"] and stored["content"] == _content(record):
            return self._again(key, stored)
        text = "版本过旧" if version < stored["version"] else "同一版本已存有不同内容"
        return refuse(key, ("406", "RecordVersion", text))

    def _store(
        self, record: etree._Element, section: str, index: str, natural: str, item: Item, *, by: str | None = None
    ) -> None:
        """Keep a record; ``by`` is the content of the status change that made this version."""
        before = self._books.get(section, item.key)
        if (
            before is not None
            and before["natural"] != natural
            and self._books.get(index, before["natural"]) == item.key
        ):
            self._books.remove(index, before["natural"])
        self._books.put(index, natural, item.key)
        value = {
            "version": _version(record),
            "content": _content(record),
            "natural": natural,
            "platform_id": item.platform_id,
            "withdrawn": False,
            "by": by,
            "xml": etree.tostring(record, encoding="unicode"),
        }
        self._books.put(section, item.key, value)

    def _change(self, record: etree._Element) -> Item:
        key, version = get(record, "RecordKey"), _version(record)
        element, stored = self.certificate(key), self._books.get("certificates", key)
        if element is None:
            return refuse(key, ("401", "RecordKey", "证书不存在"))
        if version == stored["version"] and stored["by"] == _content(record):
            return self._again(key, stored)
        if version <= stored["version"]:
            return refuse(key, ("406", "RecordVersion", "版本过旧"))
        if any(get(record, n) != get(element, n) for n in ("CertClass", "CertNumber", "Holder/IdDocNumber")):
            return refuse(key, ("305", "CertNumber", "证书或持证人与已存记录不符"))
        new = get(record, "NewStatus")
        old = get(element, "Status")
        lapsed = (old, new) == (_LAPSED, _VALID)
        if new not in _ALLOWED[get(record, "OperateType")] or old in _FINAL or lapsed:
            return refuse(key, ("405", "NewStatus", "状态变更不允许"))
        for name, text in (("Status", new), ("RecordVersion", str(version))):
            child = element.find(f"{{*}}{name}")
            assert child is not None
            child.text = text
        item = Item(key=key, platform_id=stored["platform_id"])
        by = _content(record)
        self._store(element, "certificates", "certificate_keys", stored["natural"], item, by=by)
        self._books.wrote("certificate", stored["natural"], version)
        return item

    def _withdraw(self, record: etree._Element) -> Item:
        key, version = get(record, "RecordKey"), _version(record)
        is_person = get(record, "RecordType") == "PERSON"
        section, index = ("persons", "person_keys") if is_person else ("certificates", "certificate_keys")
        stored = self._books.get(section, key)
        if (
            stored is not None
            and stored["withdrawn"]
            and (version, _content(record))
            == (
                stored["version"],
                stored["content"],
            )
        ):
            return self._again(key, stored)
        if stored is None or stored["withdrawn"]:
            return refuse(key, ("401", "RecordKey", "记录不存在"))
        if version <= stored["version"]:
            return refuse(key, ("406", "RecordVersion", "版本过旧"))
        if is_person and any(
            f"{get(c, 'Holder/IdDocType')}/{get(c, 'Holder/IdDocNumber')}" == stored["natural"]
            for c in self.certificates()
        ):
            return refuse(key, ("305", "RecordKey", "人员名下有证书"))
        self._books.remove(index, stored["natural"])
        self._books.put(section, key, stored | {"withdrawn": True, "version": version, "content": _content(record)})
        self._books.wrote("person" if is_person else "certificate", stored["natural"], version)
        return Item(key=key, platform_id=stored["platform_id"])

    def _again(self, key: str, stored: dict[str, Any]) -> Item:
        """The same version with the same content: nothing to do."""
        self._books.bump("duplicates")
        return Item(key=key, platform_id=stored["platform_id"])

    def _element(self, section: str, key: str) -> etree._Element | None:
        stored = self._books.get(section, key)
        return etree.fromstring(stored["xml"]) if stored is not None and not stored["withdrawn"] else None

    def _platform_id(self, section: str, key: str, letter: str) -> str:
        stored = self._books.get(section, key)
        return stored["platform_id"] if stored is not None else f"{letter}{self._books.bump('platform_ids'):08d}"


def content_lines(element: etree._Element, path: str) -> Iterator[str]:
    """One ``path=value`` line for each leaf; CertFile and Extension are numbered, Content is left out."""
    children = list(element)
    if not children:
        yield f"{path}={element.text or ''}\n"
    for position, child in enumerate(children):
        name = etree.QName(child).localname
        if name == "Content":
            continue
        if name in ("CertFile", "Extension"):
            before = [c for c in children[:position] if c.tag == child.tag]
            name = f"{name}[{len(before) + 1}]"
        yield from content_lines(child, f"{path}/{name}")


def _version(record: etree._Element) -> int:
    """The version, of which the schema bounds no length; beyond 18 digits all are the greatest."""
    digits = get(record, "RecordVersion").lstrip("+0")
    return int(digits) if len(digits) <= 18 else 10**18


def _content(record: etree._Element) -> str:
    return hashlib.sha256("".join(content_lines(record, "")).encode()).hexdigest()
