"""A clock for what talks to real sockets: time passes by itself, and a test adds to it instead of waiting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class AheadClock:
    """The real time, and what a test adds to it instead of waiting."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        """The moment it shows."""
        return datetime.now(UTC) + self._ahead

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self._ahead += timedelta(seconds=seconds)
