"""The story the simulated platform tells: credit events about the people it holds, and about some it does not.

A reader meets every case that matters: new, repeated, amended, corrected, repaired, revoked, period changed, out of
order, a variant of a name, a conflict of identity, strangers, an unknown code, a future date.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

from connectors.provincial_credit.sandbox_certificates import Registry, Sealing
from connectors.provincial_credit.sandbox_wire import CHINA
from gateway.testing import people

_CENTRE = "12370000MB0000000C"
Event = dict[str, Any]


class Story:
    """Events about the people a platform holds, and about two it does not."""

    def __init__(
        self, sealing: Sealing, registry: Registry, rng: Random, held: list[dict[str, Any]], now: datetime
    ) -> None:
        self._sealing = sealing
        self._registry = registry
        self._rng = rng
        self._today = now.astimezone(CHINA).date()
        self._cast = [row["item"] for row in held]
        rng.shuffle(self._cast)
        self._next = 0
        self._records = 0

    def tell(self) -> Iterator[Event]:
        """All events in the order in which the platform commits them; an event given twice is an exact repeat."""
        first = self._bad(self._person())
        yield first
        yield self._good(self._person())
        amended = self._bad(self._person())
        yield amended
        yield self._after(amended, "AMENDED", punishEDate=self._day(200), effectiveFrom=self._moment(-1))
        corrected = self._bad(self._person())
        yield corrected
        yield self._after(corrected, "CORRECTED", fileNum="鲁建罚字〔2019〕更正1号", changeReason="决定文号有误")
        repaired = self._bad(self._person())
        yield repaired
        yield first
        repair = {"no": "XF2019000001", "appliedDate": self._day(-9), "decidedDate": self._day(0), "result": "REPAIRED"}
        yield self._after(repaired, "REPAIRED", statusCode="3", repair=repair, effectiveFrom=self._moment(0))
        revoked = self._bad(self._person())
        yield revoked
        yield self._after(revoked, "REVOKED", statusCode="1", changeReason="决定被依法撤销")
        changed = self._bad(self._person())
        yield changed
        yield self._after(changed, "PERIOD_CHANGED", publishEndDate=self._day(90), effectiveFrom=self._moment(0))
        early = self._bad(self._person())
        middle = self._after(early, "AMENDED", mark="处罚决定内容变更一次", effectiveFrom=self._moment(-2))
        late = self._after(middle, "AMENDED", mark="处罚决定内容变更两次", effectiveFrom=self._moment(-1))
        yield from (early, late, middle)
        yield self._bad(self._person(), name=lambda name: f"{name[0]}\u3000{name[1:]}")
        yield self._bad(self._person(), name=lambda name: "某" + name[::-1])
        for _ in range(2):
            yield self._bad(self._stranger())
        yield self._bad(self._person(), creditType="D9-9", creditCode="D9-9-99")
        yield self._bad(self._person(), publishBeginDate=self._day(30), publishEndDate=self._day(395))
        yield from self._enterprises()

    def _enterprises(self) -> Iterator[Event]:
        code = next((item["employer"] for item in self._cast if "employer" in item), None)
        if code is not None:
            yield self._corp(code["corpCode"], code["corpName"])
        yield self._corp(people.credit_code(self._rng), "山东示例未知建筑有限公司")

    def _person(self) -> dict[str, Any]:
        item = self._cast[self._next % len(self._cast)]
        self._next += 1
        corp = item.get("employer", {})
        return {
            "name": item["person"]["workerName"],
            "idCardType": item["person"]["idCardType"],
            "number": self._registry.number_of(item),
            "corpCodeAtEvent": corp.get("corpCode"),
            "corpNameAtEvent": corp.get("corpName"),
        }

    def _stranger(self) -> dict[str, Any]:
        worker = people.worker(self._rng, employed=False)
        return {"name": worker.name, "idCardType": "01", "number": worker.id_number}

    def _bad(self, person: dict[str, Any], *, name: Any = None, **changes: Any) -> Event:
        record_id = self._record_id()
        return self._about(person, name, record_id) | {
            "stream": "PERSON_BAD",
            "platformRecordId": record_id,
            "category": "BAD",
            "creditType": "SD-P",
            "creditCode": "SD-P-01",
            "content": "申报时提供虚假劳动合同",
            "punishEvidence": "鲁建教函〔2019〕1号 六(三)",
            "sanctions": [{"type": "M02", "from": self._day(-30), "to": self._day(335)}],
            "mark": "记入诚信档案并公布",
            "severityScheme": "NDRC2025",
            "severityCode": "GENERAL",
            **self._common(),
            **changes,
        }

    def _good(self, person: dict[str, Any]) -> Event:
        record_id = self._record_id()
        return self._about(person, None, record_id) | {
            "stream": "PERSON_GOOD",
            "platformRecordId": record_id,
            "category": "GOOD",
            "creditCode": "G-03",
            "content": "省级职业技能竞赛二等奖",
            "mark": "通报表扬",
            "awardLevel": "59",
            **self._common(),
        }

    def _corp(self, code: str, name: str) -> Event:
        return self._bad(self._stranger()) | {
            "stream": "CORP_BAD",
            "subjectType": "ENTERPRISE",
            "subject": {"name": name, "corpCode": code},
            "creditType": "SD-E",
            "creditCode": "SD-E-01",
            "content": "填报信息弄虚作假",
        }

    def _after(self, before: Event, kind: str, **changes: Any) -> Event:
        passing = ("effectiveFrom", "changeReason", "eventId", "streamSeq", "eventTime", "payloadDigest")
        kept = {name: value for name, value in before.items() if name not in passing}
        version = before["recordVersion"]
        return {**kept, "eventType": kind, "recordVersion": version + 1, "prevVersion": version, **changes}

    def _about(self, person: dict[str, Any], name: Any, record_id: str) -> Event:
        sealed = self._sealing.seal(person["number"], self._rng, "CreditEvent", "subject.idCardNumber", record_id)
        subject = {
            "name": person["name"] if name is None else name(person["name"]),
            "idCardType": person["idCardType"],
            "idCardNumber": sealed,
        }
        for field in ("corpCodeAtEvent", "corpNameAtEvent"):
            if person.get(field):
                subject[field] = person[field]
        return {"subjectType": "PERSON", "subject": subject, "eventType": "CREATED", "recordVersion": 1}

    def _common(self) -> Event:
        return {
            "happenDate": self._day(-60),
            "regionNo": "370100",
            "departName": "济南市住房和城乡建设局",
            "departTypeId": "2",
            "fileNum": f"济建罚字〔2019〕第{self._records}号",
            "punishDate": self._day(-30),
            "usageScope": "0",
            "statusCode": "0",
            "isPublic": "1",
            "publishBeginDate": self._day(-25),
            "publishEndDate": self._day(335),
            "createDepName": "山东省建设从业人员教育中心",
            "createDate": self._day(-25),
            "dataSourceOrg": "山东省住房和城乡建设厅",
            "dataSourceCode": _CENTRE,
        }

    def _record_id(self) -> str:
        self._records += 1
        return f"CR370000-{self._today.year}-{self._records:06d}"

    def _day(self, days: int) -> str:
        return (self._today + timedelta(days=days)).isoformat()

    def _moment(self, days: int) -> str:
        return f"{self._day(days)}T00:00:00+08:00"
