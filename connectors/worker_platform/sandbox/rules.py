"""Field rules of the simulated worker platform: which fields a call takes, of which form, and what it says otherwise.

Written from the platform's side (README, sections "Methods" and "Failure texts"); shares nothing with the connector but
the code tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from connectors.worker_platform.sandbox.wire import WIRE_DIALECTS, WireDialect
from gateway.codec.codes import table

_CODES = "connectors.worker_platform.codes"
_NATIONAL = WIRE_DIALECTS["national"]
_LINK = re.compile(r"https?://\S{1,500}")
_IMAGE = re.compile(r"data:image/(jpg|jpeg|png);base64,[A-Za-z0-9+/]+={0,2}")
_IDENTITY = re.compile(r"[1-9]\d{16}[\dX]")
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
    "Corp.Query": Call(outer=_PAGE | may(corpCode="text", corpName="text")),
    "Project.Query": Call(outer=_PAGE | may(projectCode="text")),
    "Project.PartUpdate": Call(outer=must(projectCode="text") | may(prjStatus="table:prjStatus")),
    "Team.Add": Call(outer=must(projectCode="text", teamName="text") | _CORP | _TEAM_PEOPLE),
    "Team.Update": Call(outer=must(teamSysNo="whole", teamName="text") | _TEAM_PEOPLE),
    "Team.Query": Call(outer=_PAGE | must(projectCode="text") | may(teamSysNo="whole", teamName="text")),
    "ProjectSubContractor.Add": Call(
        outer=must(projectCode="text", corpType="table:projectCorpType") | _CORP | may(pmIDCardNumber="identity")
    ),
    "ProjectSubContractor.Update": Call(
        outer=must(projectCode="text") | _CORP | may(corpType="table:projectCorpType", pmIDCardNumber="identity")
    ),
    "ProjectSubContractor.Query": Call(outer=_PAGE | must(projectCode="text") | may(corpCode="text")),
    "ProjectWorker.Add": Call(outer=_WORKER_OUTER, list_name="workerList", longest=5, item=_WORKER_NEW),
    "ProjectWorker.Update": Call(outer=_WORKER_OUTER | _WORKER),
    "ProjectWorker.Query": Call(outer=_PAGE | must(projectCode="text") | _WHO_FILTER),
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
    "WorkerEntryExit.Query": Call(outer=_PAGE | must(projectCode="text") | _WHO_FILTER),
    "WorkerContract.Add": Call(
        outer=must(projectCode="text"),
        list_name="contractList",
        longest=5,
        item=_WHO | _CORP | must(contractPeriodType="table:contractPeriodType", startDate="day", endDate="day"),
    ),
    "WorkerContract.Query": Call(outer=_PAGE | must(projectCode="text") | _WHO_FILTER),
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
    "Payroll.Query": Call(outer=must(projectCode="text") | may(payMonth="month", teamSysNo="whole")),
    "WorkerAttendance.Query": Call(outer=_PAGE | must(projectCode="text", date="day") | _WHO_FILTER),
}


def faults_of(
    call: Call, data: Mapping[str, Any], unseal: Callable[[str], str | None], wire: WireDialect = _NATIONAL
) -> list[str]:
    """The platform's texts about wrong fields; list errors carry the index of the item."""

    def rules(known: Mapping[str, Rule]) -> Mapping[str, Rule]:
        wanted = {n: replace(r, required=r.required and n not in wire.optional) for n, r in known.items()}
        return wanted | (must(**dict.fromkeys(wire.demanded, "any")) if "workType" in known else {})

    outer = rules(call.outer)
    found = [text for name, rule in outer.items() for text in _check(f"[{name}]", data.get(name), rule, unseal)]
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
            found += _check(f"[{call.list_name}][{index}][{name}]", item.get(name), rule, unseal)
    return found


def _check(where: str, value: Any, rule: Rule, unseal: Callable[[str], str | None]) -> Iterator[str]:
    if value is None or value == "":
        if rule.required:
            yield f"{where}不能为空"
        return
    text = _fault(rule.form, value, unseal)
    if text:
        yield text if text.startswith("请参见") else where + text


def _fault(form: str, value: Any, unseal: Callable[[str], str | None]) -> str | None:
    text, invalid = str(value), "值超出范围或无效"
    if form == "idcard":
        return None if text == "01" else _ONLY_RESIDENTS
    if form in ("identity", "sealed"):
        clear = unseal(text)
        good = clear is not None and (form == "sealed" or _IDENTITY.fullmatch(clear) is not None)
        return None if good else "格式无效"
    if form == "training":
        return None if f"trainingTypeCode/{text}" in _small() else "请参见[培训类型]字典表"
    if form == "picture":
        return None if _LINK.fullmatch(text) else _fault("image", value, unseal)
    if form == "image":
        return "大小超过限制50KB" if len(text) > 50 * _KILOBYTE else None if _IMAGE.fullmatch(text) else "格式无效"
    return None if _is_of_form(form, value, text) else invalid


def _is_of_form(form: str, value: Any, text: str) -> bool:
    kind, _, name = form.partition(":")
    if kind == "table":
        return f"{name}/{text}" in _small()
    if kind == "trade":
        return text in table("wp_trades", _CODES)
    if kind == "nation":
        return text in table("wp_nation", _CODES)
    if kind in ("whole", "index"):
        return text.isdigit()
    if kind == "size":
        return text.isdigit() and 1 <= int(text) <= 50
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "moment":
        return _is_time(text.partition(".")[0], "%Y-%m-%d %H:%M:%S")  # milliseconds are seen too
    if kind in ("day", "month"):
        return _is_time(text, "%Y-%m-%d" if kind == "day" else "%Y-%m")
    return kind == "any" or isinstance(value, str)


def _is_time(text: str, form: str) -> bool:
    try:
        return datetime.strptime(text, form).strftime(form) == text  # noqa: DTZ007 - local time without a zone on the wire
    except ValueError:
        return False


def _small() -> Any:
    return table("wp_small_codes", _CODES)
