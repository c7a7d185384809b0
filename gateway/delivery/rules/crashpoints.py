"""Named places at which a worker may die, so that tests can end it there and nowhere else.

The core says that it passes one (``Edge.reach``); by default nobody listens, and passing costs one empty call.
"""

from __future__ import annotations

from enum import StrEnum


class Point(StrEnum):
    """Around every commit of a delivery's life, and around the wire. ``before`` is inside the transaction."""

    BEFORE_OWE = "owe.before"
    AFTER_OWE = "owe.after"
    BEFORE_CLAIM = "claim.before"
    AFTER_CLAIM = "claim.after"
    BEFORE_OPEN = "open.before"
    AFTER_OPEN = "open.after"
    """written down, and nothing has left yet"""
    AFTER_SEND = "send.after"
    """the answer, or the failure, is known to this process alone"""
    BEFORE_SETTLE = "settle.before"
    AFTER_SETTLE = "settle.after"
    BEFORE_SWEEP = "sweep.before"
    AFTER_SWEEP = "sweep.after"


def nobody(point: Point, /) -> None:
    """Listen to nothing."""
