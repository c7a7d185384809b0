"""Notices when a platform answers twice in a row against its own schema, so that it is held instead of asked again.

Such an answer may follow on stored records: a third request would do the work a third time and end like the two before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.codec.replies import breaks_schema
from gateway.contract.messages import Verdict
from gateway.delivery.answer import Answer
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.store.exchanges import last_verdict
from gateway.domain.states import Event


class BrokenReplies:
    """The answers to the pushes of one run; before its first one, that of the run before counts."""

    def __init__(self, exchanger: Exchanger) -> None:
        self._exchanger = exchanger
        self._was_broken: bool | None = None

    async def hold(self, answer: Answer, verdicts: Sequence[Verdict]) -> Verdict | None:
        """Why the platform must be held, where this answer and the one before it broke the schema; else None."""
        if answer.response is None or answer.verdict is not None or not verdicts:
            return None
        first, is_broken = verdicts[0], all(breaks_schema(verdict) for verdict in verdicts)
        before, self._was_broken = self._was_broken, is_broken
        if not is_broken:
            return None
        if before is None:
            code = await self._exchanger.thread.read(last_verdict, self._exchanger.platform, answer.exchange_id)
            before = code is not None and breaks_schema(replace(first, code=code))
        reason = f"two answers in a row break the platform's schema; what was sent may be stored: {first.reason}"
        return replace(first, event=Event.HOLD, reason=reason) if before else None
