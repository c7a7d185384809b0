"""Four eyes as rules: which acts ask, and who may decide about a request and until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.actor import person_of
from gateway.domain.approvals import (
    ACT_TITLES,
    COUNTED,
    ApprovalRefusal,
    GuardedAct,
    Request,
    Standing,
    asks,
    guarded_acts,
    refusal,
)

NOW = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)
ASKED = Request(
    id=1,
    act=GuardedAct.PUBLISH,
    subject="x",
    reason="r",
    digest="0" * 64,
    detail={},
    asked_at=NOW,
    asked_by="wang",
    asked_uid=1001,
    expires_at=NOW + timedelta(hours=72),
)
APPROVED = replace(ASKED, decision="approved", decided_at=NOW, decided_by="li", decided_uid=1002)


def test_a_setting_names_acts_or_all_of_them() -> None:
    assert guarded_acts("") == frozenset()
    assert guarded_acts("publish, bytes") == {GuardedAct.PUBLISH, GuardedAct.BYTES}
    assert guarded_acts("all") == set(GuardedAct) == set(ACT_TITLES)
    for wrong in ("publsh", "all publish", "PUBLISH"):
        with pytest.raises(ValueError, match="not a valid GuardedAct"):
            guarded_acts(wrong)


@pytest.mark.parametrize("act", sorted(set(GuardedAct) - COUNTED - {GuardedAct.WAIVE}))
def test_an_act_asks_where_it_is_named_and_only_there(act: GuardedAct) -> None:
    assert asks(act, frozenset({act}), size=0, before=0, most=20)
    assert not asks(act, frozenset(GuardedAct) - {act}, size=0, before=0, most=20)


@pytest.mark.parametrize("act", sorted(COUNTED))
@pytest.mark.parametrize(("size", "before", "wanted"), [(20, 0, False), (21, 0, True), (1, 20, True), (1, 19, False)])
def test_many_ask_also_when_they_come_in_small_parts(act: GuardedAct, size: int, before: int, wanted: bool) -> None:
    assert asks(act, frozenset({act}), size=size, before=before, most=20) is wanted
    assert not asks(act, frozenset(), size=size, before=before, most=20)


def test_to_waive_asks_as_long_as_anything_does() -> None:
    assert asks(GuardedAct.WAIVE, frozenset({GuardedAct.BYTES}), size=0, before=0, most=20)
    assert not asks(GuardedAct.WAIVE, frozenset(), size=0, before=0, most=20)


def test_a_request_stands_until_it_expires_and_is_used_once() -> None:
    late = ASKED.expires_at
    assert ASKED.standing(NOW) is Standing.WAITS
    assert ASKED.standing(late - timedelta(microseconds=1)) is Standing.WAITS
    assert ASKED.standing(late) is Standing.EXPIRED
    assert APPROVED.standing(NOW) is Standing.APPROVED
    assert APPROVED.standing(late) is Standing.EXPIRED
    assert replace(APPROVED, used_at=NOW).standing(late) is Standing.USED
    assert replace(ASKED, decision="declined").standing(late) is Standing.DECLINED


def test_only_another_person_decides_and_only_what_waits() -> None:
    assert refusal(ASKED, 1002, NOW) is None
    assert refusal(ASKED, 1001, NOW) is ApprovalRefusal.SAME_PERSON
    for over in (APPROVED, replace(ASKED, decision="declined"), replace(APPROVED, used_at=NOW)):
        assert refusal(over, 1002, NOW) is ApprovalRefusal.NOT_OPEN
    assert refusal(ASKED, 1002, ASKED.expires_at) is ApprovalRefusal.NOT_OPEN


@pytest.mark.parametrize(
    ("uid", "invoking", "login", "who"),
    [
        (1001, "", None, 1001),
        (1001, "0", None, 1001),  # anybody can write SUDO_UID
        (1001, "1002", 1001, 1001),
        (990, "1002", 1002, 1002),  # sudo -u gateway: the kernel says the same
        (990, "1003", 1002, 990),
        (0, "1002", None, 1002),
        (0, "1002", 1002, 1002),
        (0, "1003", 1002, 0),  # root's word against the kernel's
        (0, "-1", None, 0),
        (0, "１００２", None, 0),
    ],
)
def test_sudo_is_believed_where_the_kernel_says_the_same(uid: int, invoking: str, login: int | None, who: int) -> None:
    assert person_of(uid, invoking, login) == who
