"""The work list: whose a ticket is, within how many working days, and which acts settle it.

The days are this project's own choice; only own decisions have theirs by rule (7 working days to publish and push).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.ticket_kinds import TicketKind


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
    title: str
    title_zh: str


def _duty(owner: Role, days: int, texts: tuple[str, str], *acts: Act) -> Duty:
    return Duty(owner=owner, days=days, acts=acts, title=texts[0], title_zh=texts[1])


_K, _R, _A = TicketKind, Role, Act

DUTIES: Mapping[TicketKind, Duty] = {
    _K.IDENTITY: _duty(_R.CREDIT_DESK, 2, ("identity conflict", "身份冲突"), _A.CONFIRM, _A.REFUSE),
    _K.FORK: _duty(_R.CREDIT_DESK, 2, ("two contents under one version", "版本分叉"), _A.KEEP_FIRST, _A.TAKE_OTHER),
    _K.GAP: _duty(_R.OPERATOR, 2, ("events are missing", "事件缺失"), _A.SEEN),
    _K.PERIOD: _duty(_R.CREDIT_DESK, 5, ("shown again after its end", "公开期满后仍显示"), _A.SEEN),
    _K.PERIOD_BELOW_SANCTION: _duty(
        _R.CREDIT_DESK, 5, ("disclosure ends before the sanction", "公开期短于处罚期"), _A.SEEN
    ),
    _K.REPAIR: _duty(_R.CREDIT_DESK, 2, ("a repair was cancelled", "信用修复被撤销"), _A.RESUME),
    _K.REVIEW: _duty(_R.CREDIT_DESK, 5, ("to be looked at", "待复核"), _A.SEEN),
    _K.SIGNATURE: _duty(_R.OPERATOR, 1, ("wrong signatures", "验签失败"), _A.SEEN),
    _K.UNREADABLE: _duty(_R.OPERATOR, 2, ("an event that cannot be read", "事件无法读取"), _A.SEEN),
    _K.DISAPPEARED: _duty(_R.CREDIT_DESK, 1, ("the record disappeared", "记录消失"), _A.SEEN, _A.RESUME),
    _K.DUPLICATE: _duty(_R.CREDIT_DESK, 5, ("suspected duplicate", "疑似重复"), _A.SAME, _A.DIFFERENT),
    _K.OWNER: _duty(_R.CREDIT_DESK, 5, ("changed by somebody else than its owner", "来源无权"), _A.SEEN),
    _K.AHEAD: _duty(_R.CREDIT_DESK, 2, ("we hold more than the platform", "本地版本超前"), _A.PUSH_AGAIN, _A.SEEN),
    _K.BOOKS: _duty(_R.OPERATOR, 1, ("a difference of the daily books", "对账差异"), _A.SEEN),
    _K.SUBJECT: _duty(_R.CREDIT_DESK, 5, ("subjects merged or parted", "主体合并或拆分"), _A.SEEN, _A.UNDO),
    _K.CERTIFICATE: _duty(
        _R.SUPERVISOR,
        7,
        ("certificate void: check other filings", "证书无效，抽查相关申报"),
        _A.DONE,
        _A.CONFIRM,
        _A.REFUSE,
    ),
    _K.REINSTATE: _duty(
        _R.CREDIT_DESK,
        2,
        ("the ground of a void certificate fell", "证书无效的依据已不成立"),
        _A.REINSTATE,
        _A.SEEN,
    ),
    _K.WAY_BACK: _duty(
        _R.OPERATOR, 5, ("not taken back as valid by the platform", "平台未恢复证书的有效状态"), _A.DONE
    ),
    _K.RESTORED: _duty(
        _R.OPERATOR, 2, ("held by the platform, unknown to the restored store", "平台已有而恢复后的台账未知"), _A.DONE
    ),
    _K.CHECK: _duty(_R.SUPERVISOR, 10, ("drawn for a random check", "双随机抽查"), _A.DONE),
    _K.DEADLINE: _duty(_R.CREDIT_DESK, 7, ("publish and push the decision", "公开并推送处理决定"), _A.DONE),
    _K.NOTIFY: _duty(_R.CREDIT_DESK, 1, ("tell subject and partners", "告知主体和共享单位"), _A.DONE),
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
