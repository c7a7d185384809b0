"""Progress over pages: a run ends at a cursor that was given before, or beyond a bound in requests or bytes."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.contract.connector import Paging
from gateway.contract.messages import Verdict, WireResponse
from gateway.domain.states import Event

CURSOR_REPEATED = "cursor_repeated"
PAGES_ENDLESS = "pages_endless"
STALLED = frozenset({CURSOR_REPEATED, PAGES_ENDLESS})
"""codes of pages that lead nowhere; the platform itself can be talked to"""


@dataclass(kw_only=True)
class PageProgress:
    """What one run over pages has read so far. ``after`` is called once for each page."""

    bounds: Paging
    requests: int = 0
    size: int = 0
    _cursors: set[str | None] = field(default_factory=set)

    def begin(self, cursor: str | None) -> None:
        """Read from here, also once more: what was seen before a listing began afresh does not count."""
        self._cursors = {cursor}

    def after(self, response: WireResponse | None, cursor: str | None) -> Verdict | None:
        """Note a page and the cursor it gives for the next; the verdict that ends the run, if any."""
        self.requests += 1
        self.size += 0 if response is None else len(response.body)
        if cursor in self._cursors:
            return Verdict(
                event=Event.RETRY,
                code=CURSOR_REPEATED,
                reason="the platform gives a cursor it gave before; its pages would never end",
            )
        self._cursors.add(cursor)
        if self.requests >= self.bounds.requests or self.size >= self.bounds.size:
            return Verdict(
                event=Event.RETRY,
                code=PAGES_ENDLESS,
                reason=f"no end after {self.requests} pages with {self.size} bytes (MAX_PAGES, MAX_PAGE_BYTES)",
            )
        return None
