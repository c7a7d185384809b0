"""Reading by pages and update time, for a platform that has no feed (this contract, section "Pages").

A window of update times is read whole, again and again until two reads give the same total, and the next one reaches
back into it. Where reading stands travels as text: in the cursor the core keeps, and in the request id, which the
answer repeats, because an answer says neither its window nor what was read before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from connectors.provincial_credit.mapping import china_time
from connectors.provincial_credit.settings import ProvincialCreditSettings
from gateway.contract.messages import JSON

_OPEN = re.compile(r"-w(\d{1,10})\.(\d{1,10})\.(\d{1,9})\.(-?\d{1,15})", re.ASCII)
_DONE = "to"
_UNREAD = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class After:
    """Where reading goes on."""

    cursor: str
    has_more: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A page of a window. Times are whole seconds since 1970.

    before: the total of the read before, -1 for none
    """

    start: int
    end: int
    index: int = 0
    before: int = _UNREAD

    @property
    def state(self) -> str:
        """The window as text."""
        return f"-w{self.start}.{self.end}.{self.index}.{self.before}"

    def query(self, settings: ProvincialCreditSettings) -> dict[str, JSON]:
        """The PageQuery for it."""
        asked: dict[str, JSON] = {
            "pageIndex": self.index,
            "pageSize": min(settings.feedback_limit, 200),
            "updateTimeFrom": china_time(_moment(self.start)),
            "updateTimeTo": china_time(_moment(self.end)),
        }
        return asked | ({"region": settings.feedback_region} if settings.feedback_region else {})

    def after(self, total: int, size: int, settings: ProvincialCreditSettings) -> After:
        """The next page, the same window once more, or the next window where two reads agree."""
        if (self.index + 1) * size < total:
            return After(cursor=replace(self, index=self.index + 1).state, has_more=True)
        if total != self.before:
            return After(cursor=replace(self, index=0, before=total).state, has_more=True)
        return After(cursor=f"{_DONE}{self.end}", has_more=False)


def next_window(cursor: str | None, now: datetime, settings: ProvincialCreditSettings) -> Window:
    """The page that a cursor asks for; a cursor of the feed starts anew, because it says nothing about time."""
    going_on = read(cursor or "")
    if going_on is not None:
        return going_on
    end = int((now - timedelta(seconds=settings.page_distance_seconds)).timestamp())
    if cursor and cursor.startswith(_DONE) and cursor[len(_DONE) :].isdigit():
        start = int(cursor[len(_DONE) :]) - settings.page_overlap_seconds
    else:
        start = _first(settings.feedback_from, end - settings.page_overlap_seconds)
    return Window(start=max(start, 0), end=max(end, start + 1, 1))


def read(text: str) -> Window | None:
    """A window from its text."""
    found = _OPEN.fullmatch(text)
    if found is None:
        return None
    start, end, index, before = (int(part) for part in found.groups())
    return Window(start=start, end=end, index=index, before=before)


def _first(begin: str, now: int) -> int:
    match begin:
        case "BEGIN":
            return 0
        case "NOW":
            return now
        case text:
            return int(datetime.fromisoformat(text).timestamp())


def _moment(seconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
