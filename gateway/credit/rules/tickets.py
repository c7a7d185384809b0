"""The work list: whose a ticket is, within how many working days, and which acts settle it.

The days are this project's own choice; only own decisions have theirs by rule (7 working days to publish and push).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.ticket_kinds import TicketKind
from gateway.locale import Text, tr


class Role(StrEnum):
    """Who has to act."""

    CREDIT_DESK = "credit desk"
    SUPERVISOR = "supervisor"
    OPERATOR = "operator"


class Act(StrEnum):
    """What a person may do about a ticket."""

    SEEN = "seen"
    """looked at, nothing to be changed"""
    CONFIRM = "confirm"
    """the record is about the person or enterprise named with it"""
    REFUSE = "refuse"
    """it is about nobody we hold"""
    KEEP_FIRST = "keep-first"
    TAKE_OTHER = "take-other"
    """the event named with it is the right one of two under one version"""
    RESUME = "resume"
    """use and disclosure may go on"""
    SAME = "same"
    """one decision given twice: goes on counting once"""
    DIFFERENT = "different"
    """two decisions: both count"""
    UNDO = "undo"
    """the merge was wrong: links are restored"""
    PUSH_AGAIN = "push-again"
    REINSTATE = "reinstate"
    """the certificate is valid again, and every platform that was told otherwise learns it"""
    DONE = "done"
    """carried out outside this system: told the subject, checked the filings"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Duty:
    """Whose tickets of a kind are, in how many working days, and what may be done about them."""

    owner: Role
    days: int
    acts: tuple[Act, ...]
    title: Text


def _duty(owner: Role, days: int, title: Text, *acts: Act) -> Duty:
    return Duty(owner=owner, days=days, acts=acts, title=title)


_K, _R, _A = TicketKind, Role, Act

DUTIES: Mapping[TicketKind, Duty] = {
    _K.IDENTITY: _duty(_R.CREDIT_DESK, 2, tr("identity conflict"), _A.CONFIRM, _A.REFUSE),
    _K.FORK: _duty(_R.CREDIT_DESK, 2, tr("two contents under one version"), _A.KEEP_FIRST, _A.TAKE_OTHER),
    _K.GAP: _duty(_R.OPERATOR, 2, tr("events are missing"), _A.SEEN),
    _K.PERIOD: _duty(_R.CREDIT_DESK, 5, tr("shown again after its end"), _A.SEEN),
    _K.PERIOD_BELOW_SANCTION: _duty(_R.CREDIT_DESK, 5, tr("disclosure ends before the sanction"), _A.SEEN),
    _K.REPAIR: _duty(_R.CREDIT_DESK, 2, tr("a repair was cancelled"), _A.RESUME),
    _K.REVIEW: _duty(_R.CREDIT_DESK, 5, tr("to be looked at"), _A.SEEN),
    _K.SIGNATURE: _duty(_R.OPERATOR, 1, tr("wrong signatures"), _A.SEEN),
    _K.UNREADABLE: _duty(_R.OPERATOR, 2, tr("an event that cannot be read"), _A.SEEN),
    _K.DISAPPEARED: _duty(_R.CREDIT_DESK, 1, tr("the record disappeared"), _A.SEEN, _A.RESUME),
    _K.DUPLICATE: _duty(_R.CREDIT_DESK, 5, tr("suspected duplicate"), _A.SAME, _A.DIFFERENT),
    _K.OWNER: _duty(_R.CREDIT_DESK, 5, tr("changed by somebody else than its owner"), _A.SEEN),
    _K.AHEAD: _duty(_R.CREDIT_DESK, 2, tr("we hold more than the platform"), _A.PUSH_AGAIN, _A.SEEN),
    _K.BOOKS: _duty(_R.OPERATOR, 1, tr("a difference of the daily books"), _A.SEEN),
    _K.SUBJECT: _duty(_R.CREDIT_DESK, 5, tr("subjects merged or parted"), _A.SEEN, _A.UNDO),
    _K.CERTIFICATE: _duty(
        _R.SUPERVISOR,
        7,
        tr("certificate void: check other filings"),
        _A.DONE,
        _A.CONFIRM,
        _A.REFUSE,
    ),
    _K.REINSTATE: _duty(
        _R.CREDIT_DESK,
        2,
        tr("the ground of a void certificate fell"),
        _A.REINSTATE,
        _A.SEEN,
    ),
    _K.WAY_BACK: _duty(_R.OPERATOR, 5, tr("not taken back as valid by the platform"), _A.DONE),
    _K.RESTORED: _duty(_R.OPERATOR, 2, tr("held by the platform, unknown to the restored store"), _A.DONE),
    _K.CHECK: _duty(_R.SUPERVISOR, 10, tr("drawn for a random check"), _A.DONE),
    _K.DEADLINE: _duty(_R.CREDIT_DESK, 7, tr("publish and push the decision"), _A.DONE),
    _K.NOTIFY: _duty(_R.CREDIT_DESK, 1, tr("tell subject and partners"), _A.DONE),
}
"""Every kind has its duty; a test compares."""

CONFLICTS: Mapping[TicketKind, tuple[str, str]] = {
    _K.IDENTITY: (
        "证件号码、姓名、证书三者指向不一致，本方未将该记录关联到任何主体，暂不使用。",
        "请核对主体后以 CORRECTED 或 REASSIGNED 事件更正。",
    ),
    _K.FORK: (
        "同一记录、同一版本号收到两份不同内容，本方已冻结该记录。",
        "请确认正确内容，并以新版本重新发送。",
    ),
    _K.DISAPPEARED: (
        "对账及按编号查询均已无此记录，本方已停止使用和公开。",
        "请说明是已修复、已撤销，还是数据故障。",
    ),
    _K.GAP: ("该记录有版本缺失，多次按编号查询仍未取得。", "请补发缺失的版本。"),
    _K.DUPLICATE: ("同一决定文号、同一主体、同一行为以两个记录编号发送，本方按一条计。", "请确认是否重复录入。"),
    _K.PERIOD: ("公开期限届满后仍以有效状态发送，本方未恢复公开。", "请确认公开截止日期。"),
    _K.OWNER: ("变更该记录的单位不是其认定部门，本方未采用。", "请由认定部门发送。"),
}
"""What a platform is told of a ticket, and what it is asked to do. Nothing in it is about a person."""
