"""Hearing a platform's hints, and pulling its feed at once: as rarely as was agreed, however many come.

A hint is remembered by its nonce only, and in this process only: one that is lost costs nothing, because the feed is
pulled on its schedule anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from gateway.contract.hints import GivesHints, HintRefusal, HintTerms
from gateway.contract.messages import WireRequest, WireResponse

MOST = 10_000
"""nonces remembered at once; only the platform itself can make so many"""


@dataclass(kw_only=True)
class Listener:
    """Judges hints; ``due`` is set while a pull is owed to one."""

    connector: GivesHints
    terms: HintTerms
    now: Callable[[], datetime]
    due: asyncio.Event = field(default_factory=asyncio.Event)
    _heard: dict[str, datetime] = field(default_factory=dict, repr=False)

    def hear(self, request: WireRequest) -> WireResponse:
        """Answer one hint; nothing of it is kept but its nonce."""
        if len(request.body) > self.terms.body_bytes:
            return self.refuse(HintRefusal.TOO_LARGE)
        now = self.now()
        hint = self.connector.decode_hint(request, now)
        if isinstance(hint, WireResponse):
            return hint
        self._forget(now)
        if hint.nonce in self._heard:
            return self.refuse(HintRefusal.REPLAYED)
        if len(self._heard) >= MOST:
            return self.refuse(HintRefusal.BUSY)
        self._heard[hint.nonce] = now
        self.due.set()
        return self.connector.encode_hint_answer(None)

    def refuse(self, why: HintRefusal) -> WireResponse:
        """The platform's form of a refusal of ours."""
        return self.connector.encode_hint_answer(why)

    def _forget(self, now: datetime) -> None:
        """Nonces are kept in the order of their coming, so the old ones stand in front."""
        since = now - self.terms.remembered
        for nonce in list(self._heard):
            if self._heard[nonce] > since:
                break
            del self._heard[nonce]


async def pull_when_hinted(
    listener: Listener,
    pull: Callable[[], Awaitable[None]],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Pull once for all hints that came since the last pull, and rest for the time that was agreed; never ends."""
    while True:
        await listener.due.wait()
        # what comes while this pull reads the feed may be news to it
        listener.due.clear()
        await pull()
        await sleep(listener.terms.spacing.total_seconds())
