"""The simulated platform's certificates: batches worked off a moment later, single items, views and listings.

Written from the contract alone; checks what the contract and the notice ask of an item and keeps one row per key.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from random import Random
from typing import Any

from connectors.provincial_credit.sandbox.reading import CHINA, china
from connectors.provincial_credit.sandbox.refusal import Refusal
from connectors.provincial_credit.sandbox.sealing import Sealing
from gateway.codec.codes import table
from gateway.domain.identifiers import credit_code_check_character, resident_id_check_digit
from gateway.testing.books import Books

Errors = list[dict[str, str]]


@dataclass
class Registry:
    """What the platform holds of certificates."""

    books: Books
    sealing: Sealing
    rng: Random

    def take_batch(self, batch: dict[str, Any], now: datetime) -> dict[str, Any]:
        """Note a batch for later and give its serial code."""
        items = batch["items"]
        if batch["itemCount"] != len(items) or len({item["itemNo"] for item in items}) != len(items):
            raise Refusal("PARAM_INVALID", "item count or item numbers do not fit")
        joined = "\n".join(item["payloadDigest"] for item in items)
        if batch["totalDigest"] != f"{self.sealing.profile.digest}:{self.sealing.digest(joined.encode())}":
            raise Refusal("PARAM_INVALID", "the total digest is wrong")
        number = self.books.bump("batches")
        serial = f"SC{number:010d}"
        wait = self.rng.uniform(0.2, 0.6)
        self.books.put("batches", serial, {"items": items, "result": None})
        self.books.put("pending", serial, now.timestamp() + wait)
        return {
            "requestSerialCode": serial,
            "receivedAt": china(now),
            "itemCount": len(items),
            "estimatedSeconds": 1,
        }

    def work_off(self, now: datetime) -> None:
        """Carry out every batch whose time has come, in the order taken."""
        for serial, due in self.books.items("pending"):
            if now.timestamp() < due:
                continue
            batch = self.books.get("batches", serial)
            results = [self._result(item, now) for item in batch["items"]]
            result = {"requestSerialCode": serial, "status": "20", "finishedAt": china(now), "results": results}
            self.books.put("batches", serial, {"items": [], "result": result})
            self._note(serial, batch["items"], results, now)
            self.books.remove("pending", serial)

    def batch_result(self, serial: str) -> dict[str, Any]:
        """The result, or status 0 while it is not there."""
        batch = self.books.get("batches", serial)
        if batch is None:
            raise Refusal("NOT_FOUND", "no batch with this serial code")
        return batch["result"] or {"requestSerialCode": serial, "status": "0"}

    def put(self, key: str, item: dict[str, Any], now: datetime, if_match: str | None) -> tuple[int, dict[str, Any]]:
        """One item at once: 201 for a new key, 200 for a known one."""
        if item["certificateKey"] != key:
            raise Refusal("PARAM_INVALID", "the key of the path is another")
        held = self.books.get("certificates", key)
        if if_match is not None and (held is None or if_match.strip('"') != str(held["version"])):
            raise Refusal("VERSION_CONFLICT", "If-Match failed")
        errors = self._store(item, now)
        if errors:
            raise Refusal(errors[0]["code"], "the item is refused", errors=errors)
        return (201 if held is None else 200), self._receipt(key, now)

    def change_status(self, key: str, change: dict[str, Any], now: datetime) -> dict[str, Any]:
        """A new version with another status; the same change again changes nothing."""
        held = self.books.get("certificates", key)
        if held is None or held["void"]:
            raise Refusal("NOT_FOUND", "no certificate with this key")
        if change["certificateKey"] != key or change["certificationStatus"] not in table("cert_status"):
            raise Refusal("PARAM_INVALID", "another key or an unknown status")
        said = hashlib.sha256(json.dumps(change, sort_keys=True).encode()).hexdigest()
        version = str(change["recordVersion"])
        if self.books.get("changes", f"{key}/{version}") == said:
            self.books.bump("duplicates")
            return self._receipt(key, now, int(version))
        if change["recordVersion"] <= held["version"]:
            raise Refusal("VERSION_CONFLICT", "the version is not newer, or has other content")
        item = held["item"]
        facts = {**item["certificate"], "certificationStatus": change["certificationStatus"]}
        facts["statusReason"] = change["statusReason"]
        item = {**item, "operation": "STATUS", "certificate": facts, "recordVersion": change["recordVersion"]}
        item |= {"changeNature": "CORRECTION" if change["voidFromStart"] else "CHANGE"}
        item |= {"changeReason": change["statusReason"], "effectiveFrom": change["effectiveFrom"]}
        item["payloadDigest"] = self.sealing.of(item)
        self._keep(item, held, now)
        self.books.put("changes", f"{key}/{version}", said)
        return self._receipt(key, now)

    def view(self, key: str, version: str | None) -> dict[str, Any]:
        """The item as held with the document number masked; a void one only where its version is asked for."""
        held = self.books.get("certificates", key)
        if held is None or (version is not None and version not in held["versions"]) or (held["void"] and not version):
            raise Refusal("NOT_FOUND", "no certificate with this key and version")
        number = version or str(held["version"])
        return self._view(held, self.books.get("versions", f"{key}/{number}"))

    def page(self, query: dict[str, Any], app_key: str) -> dict[str, Any]:
        """Held items in key order, from the token on; what was taken back is not among them."""
        number = query.get("idCardNumber")
        if ("idCardType" in query) != (number is not None):
            raise Refusal("RULE_VIOLATION", "document type and number belong together")
        plain = None if number is None else self.sealing.open(number, "WorkerCertificateQuery", "idCardNumber", app_key)
        after, size = self._unpack(query.get("pageToken")), query["pageSize"]
        found: list[tuple[str, dict[str, Any]]] = []
        while len(found) <= size:
            rows = list(self.books.items("certificates", after=after, limit=size + 1))
            if not rows:
                break
            found += [(key, held) for key, held in rows if not held["void"] and self._is_asked(query, plain, held)]
            after = rows[-1][0]
        answer: dict[str, Any] = {"rows": [self._view(held, held["item"]) for _, held in found[:size]]}
        if len(found) > size:
            answer["nextPageToken"] = self._pack(found[size - 1][0])
        return answer

    def _is_asked(self, query: dict[str, Any], plain: str | None, held: dict[str, Any]) -> bool:
        item = held["item"]
        if not _is_asked_for(query, item):
            return False
        return plain is None or (item["person"]["idCardType"] == query["idCardType"] and self.number_of(item) == plain)

    def number_of(self, item: dict[str, Any]) -> str:
        """The document number of an item."""
        cipher = item["person"]["idCardNumber"]
        return self.sealing.open(cipher, "WorkerCertificateItem", "person.idCardNumber", item["certificateKey"])

    def _note(self, serial: str, items: list[dict[str, Any]], results: list[dict[str, Any]], now: datetime) -> None:
        """Keep the results of a day for its books."""
        day = now.astimezone(CHINA).date().isoformat()
        for item, result in zip(items, results, strict=True):
            row = {
                "certificateKey": item["certificateKey"],
                "recordVersion": item["recordVersion"],
                "requestSerialCode": serial,
                "itemStatus": result["itemStatus"],
                "platformCertificateId": result.get("platformCertificateId", ""),
                "platformVersion": result.get("platformVersion", ""),
                "payloadDigest": item["payloadDigest"],
            }
            self.books.put("pushed", f"{day}/{item['certificateKey']}/{item['recordVersion']:06d}", row)

    def _result(self, item: dict[str, Any], now: datetime) -> dict[str, Any]:
        known = {name: item[name] for name in ("itemNo", "certificateKey", "recordVersion")}
        errors = self._store(item, now)
        if errors:
            return {**known, "itemStatus": "10", "errors": errors}
        receipt = self._receipt(item["certificateKey"], now)
        names = ("platformPersonId", "platformCertificateId", "platformVersion")
        return {**known, "itemStatus": "20", **{name: receipt[name] for name in names}}

    def _store(self, item: dict[str, Any], now: datetime) -> Errors:
        """Errors of the item; none means it is held, whether new, changed or held before."""
        held = self.books.get("certificates", item["certificateKey"])
        version = str(item["recordVersion"])
        if self.sealing.of(item) != item["payloadDigest"]:
            return [_error("PARAM_INVALID", "/payloadDigest", "摘要不符")]
        if held is not None and version in held["versions"]:
            if held["versions"][version] == item["payloadDigest"]:
                self.books.bump("duplicates")
                return []
            return [_error("VERSION_CONFLICT", "/recordVersion", "同一版本内容不同")]
        if held is not None and item["recordVersion"] < held["version"]:
            return [_error("VERSION_CONFLICT", "/recordVersion", "已有更新的版本")]
        if item["operation"] == "VOID" and (held is None or held["void"]):
            return [_error("NOT_FOUND", "/certificateKey", "没有可作废的证书")]
        if item["operation"] == "STATUS":
            return [_error("RULE_VIOLATION", "/operation", "状态变更应使用状态变更接口")]
        try:
            number = self.number_of(item)
        except Refusal as refusal:
            return [_error(refusal.code, "/person/idCardNumber", "证件号码无法解密")]
        errors = [*item_errors(item, number), *self._identity_errors(item, number)]
        if not errors:
            self._keep(item, held, now)
        return errors

    def _identity_errors(self, item: dict[str, Any], number: str) -> Iterator[dict[str, str]]:
        person = self.books.get("persons", item["person"]["personKey"])
        if person is not None and person["number"] != _hash(number):
            yield _error("IDENTITY_CONFLICT", "/person/idCardNumber", "同一人员的证件号码不同")
        facts = item["certificate"]
        owner = self.books.get("numbers", f"{facts['certificationCode']}/{facts['workType']}")
        if owner is not None and owner != item["person"]["personKey"]:
            yield _error("IDENTITY_CONFLICT", "/certificate/certificationCode", "该证书编号属于他人")

    def _keep(self, item: dict[str, Any], held: dict[str, Any] | None, now: datetime) -> None:
        key, version, person_key = item["certificateKey"], item["recordVersion"], item["person"]["personKey"]
        person = self.books.get("persons", person_key)
        if person is None:
            person = {"id": f"P370000{self.books.bump('person_ids'):09d}", "number": _hash(self.number_of(item))}
            self.books.put("persons", person_key, person)
            self.books.wrote("person", person_key, 1)
        kept = {
            "item": item,
            "void": item["operation"] == "VOID",
            "version": version,
            "versions": {**(held["versions"] if held else {}), str(version): item["payloadDigest"]},
            "person_id": person["id"],
            "certificate_id": held["certificate_id"] if held else f"C370000{self.books.bump('certificate_ids'):09d}",
            "platform_version": (held["platform_version"] if held else 0) + 1,
            "stored_at": china(now),
        }
        self.books.put("certificates", key, kept)
        self.books.put("versions", f"{key}/{version}", item)
        facts = item["certificate"]
        number = f"{facts['certificationCode']}/{facts['workType']}"
        if kept["void"]:
            self.books.remove("numbers", number)
        else:
            self.books.put("numbers", number, person_key)
        self.books.wrote("certificate", key, version)

    def _receipt(self, key: str, now: datetime, version: int | None = None) -> dict[str, Any]:
        held = self.books.get("certificates", key)
        return {
            "certificateKey": key,
            "recordVersion": version or held["version"],
            "platformPersonId": held["person_id"],
            "platformCertificateId": held["certificate_id"],
            "platformVersion": held["platform_version"],
            "receivedAt": china(now),
        }

    def _view(self, held: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
        number = self.number_of(item)
        person = {name: value for name, value in item["person"].items() if name != "idCardNumber"}
        person["idCardNumberMasked"] = number[:3] + "*" * (len(number) - 5) + number[-2:]
        shown = {name: value for name, value in item.items() if name != "itemNo"}
        return {
            **shown,
            "person": person,
            "platformPersonId": held["person_id"],
            "platformCertificateId": held["certificate_id"],
            "platformVersion": held["platform_version"],
            "lastAckTime": held["stored_at"],
        }

    def _pack(self, after: str) -> str:
        return base64.urlsafe_b64encode(json.dumps({"after": after}).encode()).decode()

    def _unpack(self, token: str | None) -> str:
        if token is None:
            return ""
        try:
            return str(json.loads(base64.urlsafe_b64decode(token))["after"])
        except (ValueError, KeyError, TypeError):
            raise Refusal("PARAM_INVALID", "the page token is not one of ours") from None


def item_errors(item: dict[str, Any], number: str) -> Iterator[dict[str, str]]:
    """Rules of an item that the schema cannot say (this contract and notice 鲁建教函〔2019〕1号)."""
    person, facts, way = item["person"], item["certificate"], item["verification"]
    if person["idCardType"] == "01":
        if len(number) != 18 or not number[:17].isdigit() or resident_id_check_digit(number[:17]) != number[17]:
            yield _error("RULE_VIOLATION", "/person/idCardNumber", "证件号码校验不通过")
        elif number[6:14] != person["birthDate"].replace("-", ""):
            yield _error("RULE_VIOLATION", "/person/birthDate", "出生日期与证件号码不一致")
    corp = item.get("employer", {}).get("corpCode")
    if corp is not None and credit_code_check_character(corp[:17]) != corp[17]:
        yield _error("RULE_VIOLATION", "/employer/corpCode", "统一社会信用代码校验不通过")
    if "filingCorpCode" in way and way["filingCorpCode"] != corp:
        yield _error("RULE_VIOLATION", "/verification/filingCorpCode", "填报企业与用人单位不一致")
    if min(facts.get("applicationDate", "9999"), facts["firstBeginDate"]) >= "2017":
        yield _error("RULE_VIOLATION", "/certificate/applicationDate", "非2017年以前申报")
    begin, end = (date.fromisoformat(way[name]) for name in ("noticeBeginDate", "noticeEndDate"))
    if (end - begin).days < 7:
        yield _error("RULE_VIOLATION", "/verification/noticeEndDate", "公示不足7日")
    if datetime.fromisoformat(way["reportedAt"]).date() <= end:
        yield _error("RULE_VIOLATION", "/verification/reportedAt", "公示期满前报送")
    yield from _code_errors(item)


def _code_errors(item: dict[str, Any]) -> Iterator[dict[str, str]]:
    facts, divisions = item["certificate"], table("division_shandong_history")
    document = table("id_document_type").code_of(item["person"]["idCardType"], "worker_platform_code")
    for pointer, known in (
        ("/person/idCardType", document is not None),
        ("/certificate/workType", facts["workType"] in table("trade_worker_platform")),
        ("/certificate/certificationStatus", facts["certificationStatus"] in table("cert_status")),
        ("/certificate/assessmentRegion", facts["assessmentRegion"] in divisions),
        ("/verification/reviewOrgRegion", item["verification"]["reviewOrgRegion"] in divisions),
    ):
        if not known:
            yield _error("SCHEMA_INVALID", pointer, "不在代码表中")


def _is_asked_for(query: dict[str, Any], item: dict[str, Any]) -> bool:
    code, corp = query.get("certificationCode"), query.get("corpCode")
    return (code is None or item["certificate"]["certificationCode"] == code) and (
        corp is None or item.get("employer", {}).get("corpCode") == corp
    )


def _error(code: str, pointer: str, message_zh: str) -> dict[str, str]:
    english = {"RULE_VIOLATION": "business rule violated", "SCHEMA_INVALID": "not in the code table"}
    return {"code": code, "pointer": pointer, "message": english.get(code, "refused"), "messageZh": message_zh}


def _hash(number: str) -> str:
    return hashlib.sha256(number.encode()).hexdigest()
