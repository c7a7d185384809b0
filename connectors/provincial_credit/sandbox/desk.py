"""The simulated platform's desk: the caller's own decisions, and scans."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from connectors.provincial_credit.sandbox.office import CreditOffice
from connectors.provincial_credit.sandbox.reading import CHINA, SCAN_MAX
from connectors.provincial_credit.sandbox.refusal import Refusal
from gateway.codec.codes import table
from gateway.testing.books import Books

_SCANS = {
    "application/pdf": b"%PDF-",
    "image/jpeg": b"\xff\xd8\xff",
    "image/png": b"\x89PNG",
    "application/ofd": b"PK",
}
_STATUS = {"REVOKED": "1", "VOIDED": "1", "REPAIRED": "3"}
_OURS = ("localRecordKey", "appliedByReference", "proof", "eventType", "recordVersion", "payloadDigest")


@dataclass
class Desk:
    """Takes what callers write to the credit side."""

    books: Books
    office: CreditOffice

    def decide(self, record: dict[str, Any], now: datetime) -> dict[str, Any]:
        """A first version: proof complete, conduct known, term not below the sanction's; told in the feed."""
        key = record["localRecordKey"]
        known = self.books.get("own", key)
        if known is not None:
            return self._repeat(known, record, 1)
        self._check(record)
        record_id = f"CR370000-{now.astimezone(CHINA).year}-{self.books.bump('records'):06d}"
        self._tell(record, record_id, "CREATED", 1, now)
        kept = {"record_id": record_id, "versions": {"1": record["payloadDigest"]}, "owner": record["departName"]}
        self.books.put("own", key, kept)
        self.books.put("own_ids", record_id, key)
        return {"platformRecordId": record_id, "recordVersion": 1}

    def decide_again(self, record_id: str, record: dict[str, Any], now: datetime) -> dict[str, Any]:
        """A later version of an own record; by its owner only."""
        key = self.books.get("own_ids", record_id)
        if key is None and self.books.get("records", record_id) is None:
            raise Refusal("NOT_FOUND", "no such record")
        known = None if key is None else self.books.get("own", key)
        if known is None or key != record["localRecordKey"] or known["owner"] != record["departName"]:
            raise Refusal("ACCESS_DENIED", "only the owner of a record changes it")
        newest = max(int(version) for version in known["versions"])
        if str(record["recordVersion"]) in known["versions"]:
            return self._repeat(known, record, record["recordVersion"])
        if record["recordVersion"] != newest + 1:
            raise Refusal("VERSION_CONFLICT", "versions rise by one")
        self._check(record)
        self._tell(record, record_id, record["eventType"], record["recordVersion"], now)
        known["versions"][str(record["recordVersion"])] = record["payloadDigest"]
        self.books.put("own", key, known)
        return {"platformRecordId": record_id, "recordVersion": record["recordVersion"]}

    def take_scan(self, parts: dict[str, tuple[bytes, str]], digest: str) -> dict[str, Any]:
        """A scan of a known kind whose first bytes say the same; ``digest`` is what was computed of it."""
        content, kind = parts["file"]
        if len(content) > SCAN_MAX:
            raise Refusal("PAYLOAD_TOO_LARGE")
        if kind not in _SCANS or not content.startswith(_SCANS[kind]):
            raise Refusal("UNSUPPORTED_MEDIA", "PDF, JPEG, PNG or OFD is asked for")
        if parts["purpose"][0] not in (b"OBJECTION", b"DECISION", b"VERIFICATION"):
            raise Refusal("PARAM_INVALID", "the purpose is not known")
        if parts["digest"][0].decode("latin-1") != digest:
            raise Refusal("PARAM_INVALID", "the digest is wrong")
        number = f"AT{self.books.bump('scans'):08d}"
        self.books.put("scans", number, {"digest": digest, "size": len(content)})
        return {"attachmentId": number, "digest": digest, "size": len(content)}

    def _repeat(self, known: dict[str, Any], record: dict[str, Any], version: int) -> dict[str, Any]:
        if known["versions"].get(str(version)) != record["payloadDigest"]:
            raise Refusal("VERSION_CONFLICT", "the version is known with other content")
        self.books.bump("own_repeats")
        return {"platformRecordId": known["record_id"], "recordVersion": version}

    def _check(self, record: dict[str, Any]) -> None:
        errors = [*self._rules(record)]
        if errors:
            raise Refusal("RULE_VIOLATION", "the decision is refused", errors=errors)

    def _rules(self, record: dict[str, Any]) -> list[dict[str, str]]:
        found = []
        codes = "connectors.provincial_credit.codes"
        if self.office.sealing.of(record) != record["payloadDigest"]:
            found.append(("/payloadDigest", "摘要不符"))
        if record["category"] not in table("credit_category", codes):
            found.append(("/category", "信用类别不在代码表中"))
        if "creditCode" in record and record["creditCode"] not in table("credit_behaviour", codes):
            found.append(("/creditCode", "行为代码不在代码表中"))
        if any(s["type"] not in table("credit_sanction_type", codes) for s in record.get("sanctions", ())):
            found.append(("/sanctions", "处罚种类不在代码表中"))
        proof = record.get("proof")
        if proof is not None and not proof["statementHeard"]:
            found.append(("/proof/statementHeard", "未听取陈述申辩"))
        if proof is not None and not proof["noticeDate"] <= record["punishDate"] <= proof["deliveredDate"]:
            found.append(("/proof", "告知、决定、送达次序不符"))
        ends = [date.fromisoformat(s["to"]) for s in record.get("sanctions", ()) if "to" in s]
        shown = record.get("publishEndDate")
        if shown is not None and ends and date.fromisoformat(shown) < max(ends):
            found.append(("/publishEndDate", "公示期限短于处罚期限"))
        if record["subjectType"] == "PERSON":
            sealed = record["subject"]["idCardNumber"]
            try:
                self.office.sealing.open(sealed, "OwnCreditRecord", "subject.idCardNumber", record["localRecordKey"])
            except Refusal:
                found.append(("/subject/idCardNumber", "证件号码无法解密"))
        return [
            {"code": "RULE_VIOLATION", "pointer": pointer, "message": "business rule violated", "messageZh": text}
            for pointer, text in found
        ]

    def _tell(self, record: dict[str, Any], record_id: str, kind: str, version: int, now: datetime) -> None:
        """The record as an event of the feed, its number sealed anew for its place there."""
        said = {name: value for name, value in record.items() if name not in _OURS}
        person = record["subjectType"] == "PERSON"
        good = record["category"] == "GOOD"
        said["stream"] = f"{'PERSON' if person else 'CORP'}_{'GOOD' if good else 'BAD'}"
        if person:
            said["subject"] = {**record["subject"], "idCardNumber": self._sealed_again(record, record_id)}
        if good:
            said.setdefault("awardLevel", "59")
        today = now.astimezone(CHINA).date().isoformat()
        told = {
            **said,
            "eventType": kind,
            "platformRecordId": record_id,
            "recordVersion": version,
            "statusCode": _STATUS.get(kind, "0"),
            "isPublic": "1" if "publishBeginDate" in record and "publishEndDate" in record else "0",
            "createDepName": record["departName"],
            "createDate": today,
            "dataSourceOrg": record["departName"],
            "dataSourceCode": record.get("departCode", "12370000MB0000000C"),
        }
        if version > 1:
            told["prevVersion"] = version - 1
        if kind == "REPAIRED":
            told["repair"] = {"no": f"XF{record_id[-6:]}", "decidedDate": today, "result": "REPAIRED"}
        self.office.publish(told, now)

    def _sealed_again(self, record: dict[str, Any], record_id: str) -> dict[str, str]:
        sealing, sealed = self.office.sealing, record["subject"]["idCardNumber"]
        plain = sealing.open(sealed, "OwnCreditRecord", "subject.idCardNumber", record["localRecordKey"])
        return sealing.seal(plain, self.office.registry.rng, "CreditEvent", "subject.idCardNumber", record_id)
