"""Field rules of the simulated worker platform: which fields a call takes, of which form, and what it says otherwise.

Written from the platform's side (README, sections "Methods" and "Failure texts"); shares nothing with the connector but
the code tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from connectors.worker_platform.sandbox.wire import WIRE_DIALECTS, WireDialect
from gateway.codec.codes import table

_CODES = "connectors.worker_platform.codes"
_NATIONAL = WIRE_DIALECTS["national"]
_LINK = re.compile(r"https?://\S{1,500}")
_IMAGE = re.compile(r"data:image/(jpg|jpeg|png);base64,[A-Za-z0-9+/]+={0,2}")
_IDENTITY = re.compile(r"[1-9]\d{16}[\dX]")
_WHOLE = re.compile(r"[0-9]{1,20}")
_SMALL_NUMBER = re.compile(r"[0-9]{1,9}")
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?(e-?[0-9]{1,2})?", re.IGNORECASE)
_KILOBYTE = 1000
_ONLY_RESIDENTS = "目前只支持身份证类型的证件"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One field: its form and whether it must be there."""

    form: str
    required: bool = True


@dataclass(frozen=True, kw_only=True)
class Call:
    """The fields of a call and, where it takes a list, that list's name, longest length and item fields."""

    outer: Mapping[str, Rule]
    list_name: str = ""
    longest: int = 0
    item: Mapping[str, Rule] | None = None
    list_required: bool = True


def must(**forms: str) -> dict[str, Rule]:
    """Required fields by name and form."""
    return {name: Rule(form=form) for name, form in forms.items()}


def may(**forms: str) -> dict[str, Rule]:
    """Optional fields by name and form."""
    return {name: Rule(form=form, required=False) for name, form in forms.items()}


_PAGE = must(pageIndex="index", pageSize="size")
_WHO = must(idCardType="idcard", idCardNumber="identity")
_WHO_FILTER = may(idCardType="idcard", idCardNumber="identity")
_CORP = must(corpCode="text", corpName="text")
_CORP_FILTER = may(corpCode="text", corpName="text")
_TEAM_PEOPLE = may(
    responsiblePersonName="text",
    responsiblePersonPhone="text",
    responsiblePersonIDCardType="idcard",
    responsiblePersonIDNumber="identity",
    remark="text",
    entryTime="day",
    exitTime="day",
)
_WORKER = (
    _WHO
    | must(
        workerName="text",
        isTeamLeader="table:yesNo",
        workType="trade",
        workRole="table:workRole",
        nation="nation",
        address="text",
        headImage="image",
        cellPhone="text",
        grantOrg="text",
    )
    | may(payRollBankCardNumber="sealed", startDate="day", expiryDate="day", workDate="day", issueCardPic="picture")
)
_WORKER_NEW = _WORKER | must(politicsType="table:politicsType", cultureLevelType="table:cultureLevelType")
_WORKER_OUTER = must(projectCode="text", teamSysNo="whole", teamName="text") | _CORP
_CREDENTIAL = (
    _WHO
    | must(
        name="text",
        certificationCategoriesType="table:certificationCategoriesType",
        credentialLevelType="table:credentialLevelType.skill",
        certificationName="text",
        certificationCode="text",
        jobType="trade",
        validBeginDate="day",
        grantOrg="text",
        certificationStatus="table:certificationStatus",
    )
    | may(
        certificationTypeName="text",
        confirmOrganization="text",
        firstBeginDate="day",
        validEndDate="day",
        workCorpName="text",
    )
)

CALLS: Mapping[str, Call] = {
    "CheckSign.Query": Call(outer={}),
    "AsyncHandleResult.Query": Call(outer=must(requestSerialCode="text")),
    "WorkerCredential.Add": Call(outer={}, list_name="credentialList", longest=5, item=_CREDENTIAL),
    "WorkerCredential.Update": Call(outer={}, list_name="credentialList", longest=5, item=_CREDENTIAL),
    "WorkerCredential.Query": Call(outer=_PAGE | _WHO),
    "Worker.Query": Call(outer=_WHO),
    "Corp.Upload": Call(
        outer=_CORP | must(areaCode="text", registerDate="date") | may(legalManIDCardNumber="identity")
    ),
    "Corp.Query": Call(outer=_PAGE | _CORP_FILTER),
    "CorpCredential.Query": Call(outer=_PAGE | _CORP_FILTER),
    "Project.Add": Call(outer=must(name="text") | may(projectCode="text")),
    "Project.Query": Call(outer=_PAGE | may(projectCode="text")),
    "Project.PartUpdate": Call(outer=must(projectCode="text") | may(prjStatus="table:prjStatus")),
    "Team.Add": Call(outer=must(projectCode="text", teamName="text") | _CORP | _TEAM_PEOPLE),
    "Team.Update": Call(outer=must(teamSysNo="whole", teamName="text") | _TEAM_PEOPLE),
    "Team.Query": Call(outer=_PAGE | must(projectCode="text") | may(teamSysNo="whole", teamName="text") | _CORP_FILTER),
    "Team.SysNo": Call(outer=must(projectCode="text", teamName="text")),
    "ProjectSubContractor.Add": Call(
        outer=must(projectCode="text", corpType="table:projectCorpType") | _CORP | may(pmIDCardNumber="identity")
    ),
    "ProjectSubContractor.Update": Call(
        outer=must(projectCode="text") | _CORP | may(corpType="table:projectCorpType", pmIDCardNumber="identity")
    ),
    "ProjectSubContractor.Query": Call(outer=_PAGE | must(projectCode="text") | _CORP_FILTER),
    "ProjectWorker.Add": Call(outer=_WORKER_OUTER, list_name="workerList", longest=5, item=_WORKER_NEW),
    "ProjectWorker.Update": Call(outer=_WORKER_OUTER | _WORKER),
    "ProjectWorker.Query": Call(
        outer=_PAGE | must(projectCode="text") | may(teamSysNo="whole") | _CORP_FILTER | _WHO_FILTER
    ),
    "ProjectTraining.Add": Call(
        outer=must(
            projectCode="text",
            trainingDate="day",
            trainingDuration="number",
            trainingName="text",
            trainingTypeCode="training",
        ),
        list_name="workers",
        longest=20,
        item=_WHO | must(isPass="table:yesNo") | may(trainingScore="number"),
        list_required=False,
    ),
    "ProjectTraining.Query": Call(
        outer=_PAGE | must(projectCode="text") | may(trainingDate="day", typeCode="training")
    ),
    "WorkerEntryExit.Add": Call(
        outer=must(projectCode="text", teamSysNo="whole") | _CORP,
        list_name="workerList",
        longest=50,
        item=_WHO | must(date="day", type="table:entryExitType") | may(voucher="picture"),
    ),
    "WorkerEntryExit.Query": Call(
        outer=_PAGE | must(projectCode="text") | may(teamSysNo="whole") | _CORP_FILTER | _WHO_FILTER
    ),
    "WorkerContract.Add": Call(
        outer=must(projectCode="text"),
        list_name="contractList",
        longest=5,
        item=_WHO | _CORP | must(contractPeriodType="table:contractPeriodType", startDate="day", endDate="day"),
    ),
    "WorkerContract.Query": Call(outer=_PAGE | must(projectCode="text") | _CORP_FILTER | _WHO_FILTER),
    "WorkerAttendance.Add": Call(
        outer=must(projectCode="text", teamSysNo="whole"),
        list_name="dataList",
        longest=20,
        item=_WHO
        | must(date="moment", direction="table:attendanceDirection")
        | may(attendType="table:attendType", image="image"),
    ),
    "Payroll.Add": Call(
        outer=must(projectCode="text", teamSysNo="whole", payMonth="month") | _CORP,
        list_name="detailList",
        longest=20,
        item=_WHO
        | must(totalPayAmount="number", actualAmount="number", isBackPay="table:yesNo", balanceDate="day")
        | must(thirdPayRollCode="text")
        | may(payRollBankCardNumber="sealed", payBankCardNumber="sealed"),
    ),
    "TempExit.Add": Call(outer=may(projectCode="text")),  # no public source shows its fields: any object is taken
    "Payroll.Query": Call(outer=must(projectCode="text") | may(payMonth="month", teamSysNo="whole")),
    "WorkerAttendance.Query": Call(
        outer=_PAGE | must(projectCode="text", date="day") | may(teamSysNo="whole") | _WHO_FILTER
    ),
}


def faults_of(
    call: Call, data: Mapping[str, Any], unseal: Callable[[str], str | None], wire: WireDialect = _NATIONAL
) -> list[str]:
    """The platform's texts about wrong fields, by their national names; list errors carry the index of the item."""

    def rules(known: Mapping[str, Rule]) -> Mapping[str, Rule]:
        wanted = {n: replace(r, required=r.required and n not in wire.optional) for n, r in known.items()}
        return wanted | (must(**dict.fromkeys(wire.demanded, "any")) if "workType" in known else {})

    def check(where: str, name: str, rule: Rule, value: Any) -> Iterator[str]:
        if value is None or value == "":
            if rule.required:
                yield f"{where}[{name}]不能为空"
            return
        if name in wire.other_codes and re.fullmatch(wire.other_codes[name], str(value)):
            return
        text = _fault(rule.form, value, unseal, wire.largest_page)
        if text:
            yield text if text.startswith("请参见") else f"{where}[{name}]{text}"

    found = [text for name, rule in rules(call.outer).items() for text in check("", name, rule, data.get(name))]
    if not call.item:
        return found
    items = data.get(call.list_name)
    if not items and not call.list_required:
        return found
    if not isinstance(items, list) or not items or not all(isinstance(i, dict) for i in items):
        return [*found, f"[{call.list_name}]不能为空"]
    if len(items) > call.longest:
        return [*found, f"[{call.list_name}]数量超过限制{call.longest}"]
    for index, item in enumerate(items):
        for name, rule in rules(call.item).items():
            found += check(f"[{call.list_name}][{index}]", name, rule, item.get(name))
    return found


def _fault(form: str, value: Any, unseal: Callable[[str], str | None], largest_page: int) -> str | None:
    invalid = "值超出范围或无效"
    if isinstance(value, dict | list):
        return invalid
    text = str(value)
    if form == "idcard":
        return None if text == "01" else _ONLY_RESIDENTS
    if form in ("identity", "sealed"):
        clear = unseal(text)
        good = clear is not None and (form == "sealed" or _IDENTITY.fullmatch(clear) is not None)
        return None if good else "格式无效"
    if form == "training":
        return None if f"trainingTypeCode/{text}" in _small() else "请参见[培训类型]字典表"
    if form == "picture" and _LINK.fullmatch(text):
        return None
    if form in ("image", "picture"):
        return "大小超过限制50KB" if len(text) > 50 * _KILOBYTE else None if _IMAGE.fullmatch(text) else "格式无效"
    if form == "size":
        return None if _SMALL_NUMBER.fullmatch(text) and 1 <= int(text) <= largest_page else invalid
    return None if _is_of_form(form, value, text) else invalid


def _is_of_form(form: str, value: Any, text: str) -> bool:
    kind, _, name = form.partition(":")
    if kind == "table":  # numbers are taken as numbers and as text, with a zero before them or without
        return any(f"{name}/{code}" in _small() for code in (text, text.lstrip("0") or "0", text.zfill(2)))
    if kind == "trade":
        return text in table("wp_trades", _CODES)
    if kind == "nation":
        return text in table("wp_nation", _CODES)
    if kind == "whole":
        return _WHOLE.fullmatch(text) is not None
    if kind == "index":
        return _SMALL_NUMBER.fullmatch(text) is not None
    if kind == "number":
        return not isinstance(value, bool) and _NUMBER.fullmatch(text) is not None
    if kind == "moment":
        return _is_moment(text.partition(".")[0])  # milliseconds are seen too
    if kind == "day":
        return _is_day(text)
    if kind == "date":
        return _is_day(text) or _is_moment(text)
    if kind == "month":
        return _is_day(f"{text}-01")
    return kind == "any" or isinstance(value, str)


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).isoformat(sep=" ") == text
    except ValueError:
        return False


def _small() -> Any:
    return table("wp_small_codes", _CODES)
