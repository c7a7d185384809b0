"""The forty cases F01 to F40 that a reader of credit feedback must handle, each as the events that show it.

What does not come as an event is done by the office when the case is told: a record that is hidden (F27), a page that
is lost (F36), a version of the caller's own that is forgotten (F38).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from connectors.provincial_credit.sandbox.scenario import Event, Maker

_OBJECTION = "YY2019000001"
_REPAIR = "XF2019000001"


def f01(make: Maker) -> Iterator[Event]:
    """New."""
    yield make.bad(make.person())
    yield make.good(make.person())


def f02(make: Maker) -> Iterator[Event]:
    """An exact repeat."""
    first = make.bad(make.person())
    yield first
    yield first


def f03(make: Maker) -> Iterator[Event]:
    """The same version with other content."""
    first = make.bad(make.person())
    yield first
    yield {**first, "mark": "同一版本的另一份内容"}


def f04(make: Maker) -> Iterator[Event]:
    """Amended from a day on."""
    first = make.bad(make.person())
    yield first
    yield make.after(first, "AMENDED", punishEDate=make.day(200), effectiveFrom=make.moment(-1))


def f05(make: Maker) -> Iterator[Event]:
    """Corrected: it was never so."""
    first = make.bad(make.person())
    yield first
    yield make.after(first, "CORRECTED", fileNum="鲁建罚字〔2019〕更正1号", changeReason="决定文号有误")


def f06(make: Maker) -> Iterator[Event]:
    """Disclosed for a shorter time."""
    first = make.bad(make.person())
    yield first
    yield make.after(first, "PERIOD_CHANGED", publishEndDate=make.day(90), effectiveFrom=make.moment(0))


def f07(make: Maker) -> Iterator[Event]:
    """The decision was revoked."""
    first = make.bad(make.person())
    yield first
    yield make.after(first, "REVOKED", statusCode="1", changeReason="决定被依法撤销")


def f08(make: Maker) -> Iterator[Event]:
    """Entered in error."""
    first = make.bad(make.person())
    yield first
    yield make.after(first, "VOIDED", statusCode="1", changeReason="误报")


def f09(make: Maker) -> Iterator[Event]:
    """Repaired."""
    first = make.bad(make.person())
    yield first
    yield _repaired(make, first)


def f10(make: Maker) -> Iterator[Event]:
    """The repair was cancelled."""
    first = make.bad(make.person())
    repaired = _repaired(make, first)
    yield from (first, repaired)
    cancelled = {"no": _REPAIR, "decidedDate": make.day(0), "result": "REVOKED"}
    yield make.after(repaired, "REPAIR_REVOKED", statusCode="0", repair=cancelled, changeReason="修复材料虚假")


def f11(make: Maker) -> Iterator[Event]:
    """Its time of disclosure is over."""
    dates = {"punishDate": make.day(-400), "publishBeginDate": make.day(-395), "publishEndDate": make.day(-30)}
    first = make.bad(make.person(), happenDate=make.day(-430), sanctions=[{"type": "M02"}], **dates)
    yield first
    yield make.after(first, "EXPIRED")


def f12(make: Maker) -> Iterator[Event]:
    """Removed from the blacklist; the bad record that follows is one of its own."""
    person = make.person(employed=True)
    code = person["corpCodeAtEvent"] or make.credit_code()
    first = make.listed(code, person["corpNameAtEvent"] or "山东示例建筑有限公司")
    yield first
    yield make.after(first, "DELISTED", blacklist={**first["blacklist"], "removedDate": make.day(-5)})


def f13(make: Maker) -> Iterator[Event]:
    """An objection is opened and closed."""
    first = make.bad(make.person())
    opened = make.after(
        first, "OBJECTION_OPENED", statusCode="2", objection={"no": _OBJECTION, "appliedDate": make.day(-3)}
    )
    yield from (first, opened)
    closed = {"no": _OBJECTION, "decidedDate": make.day(0), "result": "UPHELD"}
    yield make.after(opened, "OBJECTION_CLOSED", statusCode="0", objection=closed)


def f14(make: Maker) -> Iterator[Event]:
    """Version 3 before version 2."""
    early = make.bad(make.person())
    middle = make.after(early, "AMENDED", mark="处罚决定内容变更一次", effectiveFrom=make.moment(-2))
    late = make.after(middle, "AMENDED", mark="处罚决定内容变更两次", effectiveFrom=make.moment(-1))
    yield from (early, late, middle)


def f15(make: Maker) -> Iterator[Event]:
    """A version that comes after a later one which did not need it."""
    early = make.bad(make.person())
    skipped = make.after(early, "AMENDED", mark="迟到的较早版本", effectiveFrom=make.moment(-3))
    yield from (early, make.after(early, "CORRECTED", step=2, fileNum="鲁建罚字〔2019〕更正2号"), skipped)


def f16(make: Maker) -> Iterator[Event]:
    """Persons nobody has pushed."""
    yield make.bad(make.stranger())
    yield make.bad(make.stranger())


def f17(make: Maker) -> Iterator[Event]:
    """An enterprise nobody has named, and one that employs somebody held."""
    person = make.person(employed=True)
    if person["corpCodeAtEvent"]:
        yield make.corp(person["corpCodeAtEvent"], person["corpNameAtEvent"])
    yield make.corp(make.credit_code(), "山东示例未知建筑有限公司")


def f18(make: Maker) -> Iterator[Event]:
    """The name in another form."""
    person = make.person()
    yield make.bad({**person, "name": f"{person['name'][0]}\u3000{person['name'][1:]}"})


def f19(make: Maker) -> Iterator[Event]:
    """The number of one, the name of another."""
    person = make.person()
    yield make.bad({**person, "name": "某" + person["name"][::-1]})


def f20(make: Maker) -> Iterator[Event]:
    """Certificate and name of one, the number of another: a lent certificate, or a typing error."""
    person = make.person()
    yield make.bad({**person, "number": make.stranger()["number"]}, certificationCode=person["certificate"])


def f21(make: Maker) -> Iterator[Event]:
    """Two are one."""
    yield _merged(make)


def f22(make: Maker) -> Iterator[Event]:
    """They were not."""
    merged = _merged(make)
    yield merged
    undone = {**merged["succession"], "kind": "SPLIT", "date": make.day(0)}
    yield make.after(merged, "SUBJECT_SPLIT", succession=undone)


def f23(make: Maker) -> Iterator[Event]:
    """A person's name changed."""
    person = make.person()
    renamed = {**person, "name": person["name"] + "明"}
    record = make.news("SUBJECT_RENAMED", {}, "PERSON", _moved(make, person["key"], person["key"], "RENAMED"))
    yield {**record, "subject": make.sealed_subject(renamed, record["platformRecordId"])}


def f24(make: Maker) -> Iterator[Event]:
    """An enterprise got another code."""
    person = make.person(employed=True)
    old, new = person["corpCodeAtEvent"] or make.credit_code(), make.credit_code()
    subject = {"name": "山东示例更名建设集团有限公司", "corpCode": new}
    succession = {**_moved(make, old, new, "REPLACED"), "inherits": False}
    yield make.news("SUBJECT_RENAMED", subject, "ENTERPRISE", succession)


def f25(make: Maker) -> Iterator[Event]:
    """A record was another person's."""
    wrong, right = make.person(), make.person()
    first = make.bad(wrong)
    yield first
    yield make.after(
        first,
        "REASSIGNED",
        subject=make.sealed_subject(right, first["platformRecordId"]),
        succession=_moved(make, wrong["key"], right["key"], "REASSIGNED"),
    )


def f26(make: Maker) -> Iterator[Event]:
    """A certificate is void because of fraud."""
    person = make.person()
    yield make.bad(
        person,
        stream="CERT",
        eventType="CERT_INVALIDATED",
        category="EXAM_INTEGRITY",
        creditCode="SD-P-06",
        content="以不正当手段取得证书",
        certificationCode=person["certificate"],
        effectiveFrom=make.moment(0),
    )


def f27(make: Maker) -> Iterator[Event]:
    """Told once; afterwards the platform knows nothing of it and says nothing."""
    yield make.bad(make.person())


def f29(make: Maker) -> Iterator[Event]:
    """One decision under two ids."""
    person = make.person()
    first = make.bad(person)
    yield first
    yield make.bad(person, fileNum=first["fileNum"])


def f30(make: Maker) -> Iterator[Event]:
    """One decision about two persons."""
    first = make.bad(make.person())
    yield first
    yield make.bad(make.person(), fileNum=first["fileNum"])


def f31(make: Maker) -> Iterator[Event]:
    """Published from a day to come."""
    yield make.bad(make.person(), publishBeginDate=make.day(30), publishEndDate=make.day(395))


def f32(make: Maker) -> Iterator[Event]:
    """A decision of long ago, its time of disclosure over."""
    old = {"happenDate": "2015-05-01", "punishDate": "2015-06-01", "createDate": "2015-06-03"}
    ended = {"publishBeginDate": "2015-06-03", "publishEndDate": "2016-06-02", "sanctions": [{"type": "M02"}]}
    yield make.bad(make.person(), fileNum=f"济建罚字〔2015〕{make.new_id()[-6:]}号", **old, **ended)


def f33(make: Maker) -> Iterator[Event]:
    """Codes nobody knows: of a conduct, and of what has happened."""
    yield make.bad(make.person(), creditType="D9-9", creditCode="D9-9-99")
    yield make.bad(make.person(), eventType="SUSPENDED")


def f34(make: Maker) -> Iterator[Event]:
    """Changed by somebody who does not own it."""
    first = make.bad(make.person())
    yield first
    foreign: dict[str, Any] = {"departName": "青岛市住房和城乡建设局", "dataSourceOrg": "青岛市住房和城乡建设局"}
    yield make.after(
        first, "AMENDED", dataSourceCode="11370200MB0000001H", mark="他人所改", effectiveFrom=make.moment(0), **foreign
    )


def f35(make: Maker) -> Iterator[Event]:
    """A digest that does not fit, and a number sealed for another record."""
    yield {**make.bad(make.person()), "_digest": "spoilt"}
    one, other = make.bad(make.person()), make.bad(make.person())
    yield {**one, "subject": {**one["subject"], "idCardNumber": other["subject"]["idCardNumber"]}}


def f37(make: Maker) -> Iterator[Event]:
    """The platform's clock is a quarter of an hour ahead."""
    yield {**make.bad(make.person()), "_late": 900}


def f39(make: Maker) -> Iterator[Event]:
    """A good record is withdrawn."""
    first = make.good(make.person())
    yield first
    yield make.after(first, "REVOKED", statusCode="1", changeReason="表彰决定被撤销")


def f40(make: Maker) -> Iterator[Event]:
    """Three changes of one record in a row."""
    first = make.bad(make.person())
    second = make.after(first, "AMENDED", mark="第二次", effectiveFrom=make.moment(-2))
    third = make.after(second, "PERIOD_CHANGED", publishEndDate=make.day(120), effectiveFrom=make.moment(-1))
    yield from (first, second, third)


def _repaired(make: Maker, before: Event) -> Event:
    repair = {"no": _REPAIR, "appliedDate": make.day(-9), "decidedDate": make.day(0), "result": "REPAIRED"}
    return make.after(before, "REPAIRED", statusCode="3", repair=repair, effectiveFrom=make.moment(0))


def _merged(make: Maker) -> Event:
    gone, stays = make.person(), make.person()
    record = make.news("SUBJECT_MERGED", {}, "PERSON", _moved(make, gone["key"], stays["key"], "MERGED"))
    return {**record, "subject": make.sealed_subject(stays, record["platformRecordId"])}


def _moved(make: Maker, old: str, new: str, kind: str) -> dict[str, Any]:
    return {"fromKey": old, "toKey": new, "kind": kind, "date": make.day(-1)}


Tell = Callable[[Maker], Iterator[Event]]
_TOLD: tuple[Tell, ...] = (
    *(f01, f02, f03, f04, f05, f06, f07, f08, f09, f10, f11, f12, f13, f14),
    *(f15, f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f29),
    *(f30, f31, f32, f33, f34, f35, f37, f39, f40),
)
EVENTS = dict(zip((f"F{number:02d}" for number in range(1, 41) if number not in (28, 36, 38)), _TOLD, strict=True))
"""Case -> the events that show it."""
BESIDE = {
    "F28": "the record hidden for F27 is told again, with its next version",
    "F36": "the next page of the feed is lost, the one after comes again, then the cursor jumps back",
    "F38": "the platform forgets the newest version of the caller's own decision",
}
"""Cases that are more than events."""
ALL = tuple(f"F{number:02d}" for number in range(1, 41))
"""Every case."""
STORY = (*(name for name in ALL if name != "F36"), "F27")
"""What is told of itself, in this order: one record stays hidden, and the feed loses nothing."""
