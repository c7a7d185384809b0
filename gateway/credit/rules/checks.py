"""Checks of supervision (通知五(六)): which kinds there are, what may come of one, and what the public is shown."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from gateway.locale import Text, tr


class SupervisionKind(StrEnum):
    """How a check came about."""

    DAILY = "daily"
    """日常检查"""
    FOCUSED = "focused"
    """专项检查"""
    COMPLAINT = "complaint"
    """投诉举报核查"""
    RANDOM = "random"
    """双随机抽查; its object was drawn"""


class SupervisionResult(StrEnum):
    """What came of it."""

    PASSED = "passed"
    CORRECTED = "corrected"
    """something was wrong, and was put right"""
    FAILED = "failed"


CHECK_KINDS: Mapping[SupervisionKind, Text] = {
    SupervisionKind.DAILY: tr("daily check"),
    SupervisionKind.FOCUSED: tr("focused check"),
    SupervisionKind.COMPLAINT: tr("check after a complaint"),
    SupervisionKind.RANDOM: tr("random check"),
}
CHECK_RESULTS: Mapping[SupervisionResult, Text] = {
    SupervisionResult.PASSED: tr("nothing wrong"),
    SupervisionResult.CORRECTED: tr("put right"),
    SupervisionResult.FAILED: tr("not in order"),
}
