"""Save calls: serial numbers, heads, waiting batches, and the acknowledgements and receipts that tell of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lxml import etree

from connectors.national_market.sandbox.dictionaries import Dictionaries
from connectors.national_market.sandbox.records import Item, Registry, content_lines
from connectors.national_market.sandbox.rules import attachments
from connectors.national_market.sandbox.wire import get, t, ws
from gateway.testing.books import Books

TITLES = {
    "000": "数据保存成功",
    "001": "用户名或密码错误",
    "003": "保存失败",
    "004": "（空缺）",
    "005": "未找到对应记录",
    "006": "内部错误",
    "007": "接口关闭",
    "010": "已接收待处理",
    "011": "成功但有警告",
    "012": "部分成功",
    "013": "重复请求",
    "101": "令牌缺失或过期",
    "102": "无权限",
    "103": "访问超过限制",
    "104": "时间偏差或重放",
    "201": "流水号冲突",
    "202": "流水号不存在",
    "203": "批量超限",
    "302": "格式错误",
    "403": "企业不存在",
    "501": "全国查重未通过",
    "901": "上级平台不可用",
}
_MOST_WITH_ATTACHMENTS = 40


@dataclass(kw_only=True)
class Saving:
    """Answers save calls and receipt queries from the books."""

    books: Books
    sender: str
    seed: int
    async_share: float
    async_time: timedelta
    dictionaries: Dictionaries

    def save(self, operation: str, call: etree._Element, now: datetime, fault: str | None) -> etree._Element:
        """Answer one save call. ``fault`` "busy" refuses it, "duplicate" answers it as if it were a repeated one."""
        head, *records = list(call)
        serial, digest = get(head, "SerialNo"), get(head, "ContentHash")
        if fault == "busy":
            return self._ack(operation, serial, "103", now, retry_after=1)
        known = self.books.get("serials", serial)
        if known is not None:
            return self._again(operation, serial, digest, known, now)
        refusal = self._whole_call(operation, head, records)
        if refusal:
            code, text = refusal
            return self._ack(operation, serial, code, now, text=text, rejected=len(records))
        self.books.put(
            "serials", serial, {"hash": digest, "receipt": f"R{self.books.bump('receipts'):08d}", "items": None}
        )
        if fault is None and self._is_slow(operation, serial):
            due = (now + self.async_time).isoformat()
            self.books.put("waiting", f"{due} {serial}", etree.tostring(call, encoding="unicode"))
            return self._ack(operation, serial, "010", now)
        items = self._process(serial, records, now)
        if fault == "duplicate":
            return self._ack(operation, serial, "013", now, items=items, duplicate=True)
        return self._ack(operation, serial, _overall(items), now, items=items)

    def refused(self, operation: str, call: etree._Element, code: str, now: datetime) -> etree._Element:
        """Answer a save call or a receipt query with a code for the whole of it, nothing done."""
        serial = call.findtext(".//{*}SerialNo") or ""
        if operation == "QueryReceipt":
            return self._receipt(serial, code, "0", now)
        return self._ack(operation, serial, code, now)

    def settle(self, now: datetime) -> None:
        """Process the waiting batches whose moment has come, in their order."""
        for key, text in self.books.items("waiting"):
            due, _, serial = key.partition(" ")
            if datetime.fromisoformat(due) <= now:
                self._process(serial, list(etree.fromstring(text))[1:], now)
                self.books.remove("waiting", key)
        for key, text in self.books.items("late"):
            due, _, serial = key.partition(" ")
            if datetime.fromisoformat(due) <= now:
                call = etree.fromstring(text)
                self.save(str(etree.QName(call).localname), call, now, "late")
                self.books.remove("late", key)

    def postpone(self, call: etree._Element, now: datetime, longest: timedelta) -> None:
        """Carry out a call later; how much later follows from seed and serial number."""
        serial = get(call[0], "SerialNo")
        due = (now + longest * self._share(serial)).isoformat()
        self.books.put("late", f"{due} {serial}", etree.tostring(call, encoding="unicode"))

    def receipt(self, call: etree._Element, now: datetime, fault: str | None) -> etree._Element:
        """Answer ``QueryReceipt``."""
        serial = get(call, "SerialNo")
        known = self.books.get("serials", serial)
        if fault == "busy":
            return self._receipt(serial, "103", "0", now, retry_after=1)
        if get(call, "SenderCode") != self.sender:
            return self._receipt(serial, "102", "10", now)
        if known is None:
            return self._receipt(serial, "202", "10", now)
        if known["items"] is None:
            return self._receipt(serial, "010", "0", now, number=known["receipt"])
        items = [Item(**item) for item in known["items"]]
        stored = sum(i.severity != "ERROR" for i in items)
        state = "20" if stored == len(items) else "15" if stored else "10"
        return self._receipt(
            serial, _overall(items), state, now, items=items, finished=known["finished"], number=known["receipt"]
        )

    def _again(self, operation: str, serial: str, digest: str, known: Any, now: datetime) -> etree._Element:
        if known["hash"] != digest:
            return self._ack(operation, serial, "201", now)
        if known["items"] is None:
            return self._ack(operation, serial, "010", now, duplicate=True)
        items = [Item(**item) for item in known["items"]]
        self.books.bump("duplicates", len(items))
        return self._ack(operation, serial, "013", now, items=items, duplicate=True)

    def _whole_call(
        self, operation: str, head: etree._Element, records: Sequence[etree._Element]
    ) -> tuple[str, str] | None:
        """Code and words where the call is refused as a whole."""
        serial = get(head, "SerialNo")
        if get(head, "SenderCode") != self.sender:
            return "102", TITLES["102"]
        if not serial.startswith(self.sender):
            return "302", "格式错误：SerialNo应以SenderCode开头"
        if int(get(head, "RecordCount")) != len(records):
            return "302", f"格式错误：RecordCount与记录数{len(records)}不一致"
        if len(records) > _MOST_WITH_ATTACHMENTS and any(map(attachments, records)):
            return "203", TITLES["203"]
        digest = hashlib.sha256()
        single = operation in ("UpsertPerson", "UpsertCertificate")
        for number, record in enumerate(records, start=1):
            name = etree.QName(record).localname
            digest.update("".join(content_lines(record, name if single else f"{name}[{number}]")).encode())
        if digest.hexdigest() == get(head, "ContentHash"):
            return None
        return "302", "格式错误：ContentHash与记录内容不一致（按报文中的文本计算）"

    def _is_slow(self, operation: str, serial: str) -> bool:
        # seeded by the serial number, so that a repeated run meets the same answers whatever the order of calls
        return operation.endswith("Batch") and self._share(serial) < self.async_share

    def _share(self, serial: str) -> float:
        return int.from_bytes(hashlib.sha256(f"{self.seed}/{serial}".encode()).digest()[:4]) / 2**32

    def _process(self, serial: str, records: Sequence[etree._Element], now: datetime) -> list[Item]:
        registry = Registry(self.books, lambda name, code: self.dictionaries.holds(name, code, now))
        items = [registry.apply(record) for record in records]
        known = self.books.get("serials", serial)
        self.books.put(
            "serials",
            serial,
            known | {"items": [i.plain() for i in items], "finished": now.isoformat(timespec="seconds")},
        )
        return items

    def _ack(
        self,
        operation: str,
        serial: str,
        code: str,
        now: datetime,
        *,
        text: str = "",
        items: Sequence[Item] = (),
        duplicate: bool = False,
        rejected: int = 0,
        retry_after: int | None = None,
    ) -> etree._Element:
        known = self.books.get("serials", serial)
        number = known["receipt"] if known and code != "201" else None
        ack = ws.Ack(*self._front(serial, code, now, text), *_counts(items, rejected))
        _number(ack, number)
        ack.append(t.Duplicate("true" if duplicate else "false"))
        _end(ack, items, retry_after)
        response: etree._Element = getattr(ws, f"{operation}Response")(ack)
        return response

    def _receipt(
        self,
        serial: str,
        code: str,
        state: str,
        now: datetime,
        *,
        items: Sequence[Item] = (),
        finished: str | None = None,
        number: str | None = None,
        retry_after: int | None = None,
    ) -> etree._Element:
        receipt = ws.Receipt(*self._front(serial, code, now), *_counts(items, 0))
        _number(receipt, number)
        _end(receipt, items, retry_after)
        receipt.append(t.State(state))
        if finished:
            receipt.append(t.FinishedAt(finished))
        response: etree._Element = ws.QueryReceiptResponse(receipt)
        return response

    def _front(self, serial: str, code: str, now: datetime, text: str = "") -> list[etree._Element]:
        return [
            t.SenderCode(self.sender),
            t.SerialNo(serial),
            t.ResultCode(code),
            t.ResultMessage(text or TITLES.get(code, "")),
            t.ReceivedAt(now.isoformat(timespec="seconds")),
        ]


def _counts(items: Sequence[Item], rejected: int) -> list[etree._Element]:
    severities = [item.severity for item in items]
    return [
        t.AcceptedCount(str(severities.count("OK"))),
        t.WarnCount(str(severities.count("WARN"))),
        t.RejectedCount(str(severities.count("ERROR") + rejected)),
    ]


def _number(answer: etree._Element, number: str | None) -> None:
    if number:
        answer.insert(2, t.ReceiptNo(number))


def _overall(items: Sequence[Item]) -> str:
    if len(items) == 1:
        return items[0].code
    severities = {item.severity for item in items}
    if "ERROR" in severities:
        return "003" if severities == {"ERROR"} else "012"
    return "011" if "WARN" in severities else "000"


def _end(answer: etree._Element, items: Sequence[Item], retry_after: int | None) -> None:
    if retry_after is not None:
        answer.append(t.RetryAfterSeconds(str(retry_after)))
    for item in items:
        element = t.Item(t.RecordKey(item.key), t.ItemCode(item.code), t.Severity(item.severity))
        if item.platform_id:
            element.append(t.PlatformId(item.platform_id))
        for code, field, text in item.messages:
            element.append(t.Message(t.Code(code), t.Field(field), t.Text(text)))
        answer.append(element)
