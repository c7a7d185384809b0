"""What the simulated platform's events are made of: the people it holds, some it does not, and how an event follows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any

from connectors.provincial_credit.sandbox.reading import CHINA
from connectors.provincial_credit.sandbox.registry import Registry
from gateway.testing import people

_CENTRE = "12370000MB0000000C"
_PASSING = (
    "effectiveFrom",
    "changeReason",
    "eventId",
    "streamSeq",
    "eventTime",
    "payloadDigest",
    "repair",
    "objection",
)
Event = dict[str, Any]
Person = dict[str, Any]


class Maker:
    """Makes events about the people a platform holds, and about strangers.

    An event may say how it is to be spoilt when it is written: ``_late`` (seconds by which its clock is ahead) and
    ``_digest`` (a wrong digest). Neither is sent.
    """

    def __init__(
        self,
        registry: Registry,
        rng: Random,
        held: list[dict[str, Any]],
        now: datetime,
        numbered: Callable[[], int],
    ) -> None:
        self._sealing = registry.sealing
        self._registry = registry
        self._rng = rng
        self._today = now.astimezone(CHINA).date()
        self._numbered = numbered
        self.cast = [row["item"] for row in held if not row["void"]]
        rng.shuffle(self.cast)
        self._next = 0

    def person(self, *, employed: bool = False) -> Person:
        """The next person held, or the next one who has an employer."""
        fitting = [item for item in self.cast if "employer" in item or not employed] or self.cast
        item = fitting[self._next % len(fitting)]
        self._next += 1
        corp = item.get("employer", {})
        return {
            "key": item["person"]["personKey"],
            "name": item["person"]["workerName"],
            "idCardType": item["person"]["idCardType"],
            "number": self._registry.number_of(item),
            "certificate": item["certificate"]["certificationCode"],
            "corpCodeAtEvent": corp.get("corpCode"),
            "corpNameAtEvent": corp.get("corpName"),
        }

    def stranger(self) -> Person:
        """Somebody nobody has pushed."""
        worker = people.worker(self._rng, employed=False)
        return {"key": people.ulid(self._rng), "name": worker.name, "idCardType": "01", "number": worker.id_number}

    def credit_code(self) -> str:
        """A code nobody has."""
        return people.credit_code(self._rng)

    def bad(self, person: Person, **changes: Any) -> Event:
        """A bad record of a person, decided a month ago and published."""
        record_id, common = self._common()
        return self._about(person, record_id) | {
            "stream": "PERSON_BAD",
            "category": "BAD",
            "creditType": "SD-P",
            "creditCode": "SD-P-01",
            "content": "申报时提供虚假劳动合同",
            "punishEvidence": "鲁建教函〔2019〕1号 六(三)",
            "sanctions": [{"type": "M02", "from": self.day(-30), "to": self.day(335)}],
            "mark": "记入诚信档案并公布",
            "severityScheme": "NDRC2025",
            "severityCode": "GENERAL",
            **common,
            **changes,
        }

    def good(self, person: Person, **changes: Any) -> Event:
        """A good record of a person."""
        record_id, common = self._common()
        return self._about(person, record_id) | {
            "stream": "PERSON_GOOD",
            "category": "GOOD",
            "creditCode": "G-03",
            "content": "省级职业技能竞赛二等奖",
            "mark": "通报表扬",
            "awardLevel": "59",
            **common,
            **changes,
        }

    def corp(self, code: str, name: str, **changes: Any) -> Event:
        """A bad record of an enterprise."""
        said = {
            "stream": "CORP_BAD",
            "subjectType": "ENTERPRISE",
            "subject": {"name": name, "corpCode": code},
            "creditType": "SD-E",
            "creditCode": "SD-E-01",
            "content": "填报信息弄虚作假",
        }
        return self.bad(self.stranger(), **{**said, **changes})

    def listed(self, code: str, name: str) -> Event:
        """An entry of the blacklist."""
        listing = {
            "listName": "建筑市场主体“黑名单”",
            "listedDate": self.day(-370),
            "manageEndDate": self.day(-5),
            "listBasis": "建市〔2017〕241号 第十四条",
            "listOrg": "济南市住房和城乡建设局",
        }
        dates = {"punishDate": self.day(-380), "publishBeginDate": self.day(-370), "publishEndDate": self.day(30)}
        return self.corp(code, name, stream="BLACKLIST", category="BLACKLIST", blacklist=listing, **dates)

    def news(self, kind: str, subject: Event, subject_type: str, succession: Event) -> Event:
        """Something about a subject rather than a record."""
        record_id, common = self._common()
        hidden = {"usageScope": "1", "isPublic": "0", "category": "BASIC", "stream": "SUBJECT", "eventType": kind}
        kept = {name: value for name, value in common.items() if not name.startswith("publish")}
        about = {"platformRecordId": record_id, "subjectType": subject_type, "subject": subject, "recordVersion": 1}
        return {**kept, **hidden, **about, "content": "主体信息变化", "mark": "依登记信息", "succession": succession}

    def sealed_subject(self, person: Person, record_id: str) -> Event:
        """A person as an event names it."""
        subject = {
            "name": person["name"],
            "idCardType": person["idCardType"],
            "idCardNumber": self._sealing.seal(
                person["number"], self._rng, "CreditEvent", "subject.idCardNumber", record_id
            ),
        }
        for field in ("corpCodeAtEvent", "corpNameAtEvent"):
            if person.get(field):
                subject[field] = person[field]
        return subject

    def after(self, before: Event, kind: str, *, step: int = 1, **changes: Any) -> Event:
        """The event that follows; ``step`` 2 leaves a version out."""
        return follow(before, kind, step=step, **changes)

    def day(self, days: int) -> str:
        """A date so many days from today."""
        return (self._today + timedelta(days=days)).isoformat()

    def moment(self, days: int) -> str:
        """The beginning of that day."""
        return f"{self.day(days)}T00:00:00+08:00"

    def new_id(self) -> str:
        """A record id never given before."""
        return f"CR370000-{self._today.year}-{self._numbered():06d}"

    def _about(self, person: Person, record_id: str) -> Event:
        return {
            "platformRecordId": record_id,
            "subjectType": "PERSON",
            "subject": self.sealed_subject(person, record_id),
            "eventType": "CREATED",
            "recordVersion": 1,
        }

    def _common(self) -> tuple[str, Event]:
        record_id = self.new_id()
        return record_id, {
            "happenDate": self.day(-60),
            "regionNo": "370100",
            "departName": "济南市住房和城乡建设局",
            "departTypeId": "2",
            "fileNum": f"济建罚字〔2019〕第{int(record_id[-6:])}号",
            "punishDate": self.day(-30),
            "usageScope": "0",
            "statusCode": "0",
            "isPublic": "1",
            "publishBeginDate": self.day(-25),
            "publishEndDate": self.day(335),
            "createDepName": "山东省建设从业人员教育中心",
            "createDate": self.day(-25),
            "dataSourceOrg": "山东省住房和城乡建设厅",
            "dataSourceCode": _CENTRE,
        }


def follow(before: Event, kind: str, *, step: int = 1, **changes: Any) -> Event:
    """The event that comes after another one of its record; ``step`` 2 leaves a version out."""
    kept = {name: value for name, value in before.items() if name not in _PASSING and not name.startswith("_")}
    version = before["recordVersion"]
    return {**kept, "eventType": kind, "recordVersion": version + step, "prevVersion": version, **changes}
