"""Checks of supervision (通知五(六)): which kinds there are, what may come of one, and what the public is shown."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


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


KINDS_ZH: Mapping[SupervisionKind, str] = {
    SupervisionKind.DAILY: "日常检查",
    SupervisionKind.FOCUSED: "专项检查",
    SupervisionKind.COMPLAINT: "投诉举报核查",
    SupervisionKind.RANDOM: "双随机抽查",
}
RESULTS_ZH: Mapping[SupervisionResult, str] = {
    SupervisionResult.PASSED: "合格",
    SupervisionResult.CORRECTED: "已整改",
    SupervisionResult.FAILED: "不合格",
}
