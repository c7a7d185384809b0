"""What came of one request: an answer, a failure, or a platform that takes nothing now."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.codec.replies import answered, judge_failure
from gateway.contract.messages import Stamp, Verdict, WireResponse
from gateway.delivery.rules.work import Closing
from gateway.domain.errors import TransportFailure
from gateway.domain.states import Event
from gateway.domain.traffic import OURS, Stop


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of one request. ``verdict`` is set where no usable answer came; then nothing is to be decoded."""

    exchange_id: int
    stamp: Stamp
    attempt_ids: tuple[int, ...] = ()
    response: WireResponse | None = field(default=None, repr=False)
    verdict: Verdict | None = None
    closing: Closing | None = None
    stop: Stop | None = None
    """nothing was written down nor sent, because the platform takes nothing now; what it carried just waits"""

    def without(self, failure: TransportFailure, now: datetime, *, replay_safe: bool) -> Answer:
        """This exchange, to which no answer came."""
        closing = Closing(
            exchange_id=self.exchange_id,
            closed_at=now,
            failure=failure.code,
            code=failure.code,
            answered=None if failure.code in OURS else False,
        )
        return self._ended(closing, judge_failure(failure, replay_safe=replay_safe))

    def with_(
        self, response: WireResponse, verdict: Verdict | None, now: datetime, *, wish: timedelta | None, keep_body: bool
    ) -> Answer:
        """This exchange with the answer that came, and what its outer shape already says."""
        closing = Closing(
            exchange_id=self.exchange_id,
            closed_at=now,
            status=response.status,
            body=response.body,
            headers=response.headers,
            keep_body=keep_body,
            answered=answered(response, verdict),
            code="" if verdict is None else verdict.code,
            wish=wish,
        )
        return self._ended(closing, verdict, response)

    def _ended(self, closing: Closing, verdict: Verdict | None, response: WireResponse | None = None) -> Answer:
        return Answer(
            exchange_id=self.exchange_id,
            stamp=self.stamp,
            attempt_ids=self.attempt_ids,
            response=response,
            verdict=verdict,
            closing=closing,
        )


def kept_back(stamp: Stamp, code: str, reason: str, stop: Stop | None = None) -> Answer:
    """Nothing was written down or sent; whoever cannot simply wait may try again later."""
    verdict = Verdict(event=Event.RETRY, code=code, reason=reason)
    return Answer(exchange_id=0, stamp=stamp, verdict=verdict, stop=stop)


def of_login(verdict: Verdict) -> Verdict:
    """A login that failed concerns no record: what does not pass by itself holds the platform."""
    if verdict.event in (Event.RETRY, Event.HOLD):
        return verdict
    return replace(verdict, event=Event.HOLD, reason=f"the login failed: {verdict.reason}" if verdict.reason else "")
