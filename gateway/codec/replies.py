"""Judge the outer shape of a reply before anybody decodes it: status, media type, charset, emptiness.

Only the platform's own answer can accept, reject or park a record. What is not its own answer (a proxy's page, a
redirect, a missing address) is retried where sending twice is harmless, and is in doubt otherwise, because the request
may have been carried out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from gateway.contract.connector import ConnectorInfo
from gateway.contract.messages import Verdict, WireResponse
from gateway.domain.errors import NotSent, TransportFailure
from gateway.domain.states import Event

_TOO_MANY = 429
_REFUSED = frozenset({401, 403, 407})
SOMEBODY = _REFUSED | {_TOO_MANY}
"""statuses that say nothing of the request, and that somebody is there who could answer it"""


def judge_failure(failure: TransportFailure, *, replay_safe: bool) -> Verdict:
    """No answer at all: retry where nothing left or a repeat is harmless, doubt where it may have arrived."""
    safe = replay_safe or isinstance(failure, NotSent)
    event = Event.RETRY if safe else Event.IN_DOUBT
    return Verdict(event=event, code=failure.code, reason="no answer came back", same_message=safe)


def judge_reply(response: WireResponse, info: ConnectorInfo, *, replay_safe: bool, now: datetime) -> Verdict | None:
    """A verdict where the reply is not the platform's own answer, None where the connector may decode it."""
    status = response.status
    wish = retry_after(response.headers, now)
    if status not in info.reply_statuses:
        return _judge_status(status, wish, replay_safe=replay_safe)
    if not response.body.strip():
        return not_understood("empty_body", "an answer without content", replay_safe=replay_safe)
    if media_type(response.headers) not in info.reply_media_types:
        code = "html_page" if _looks_like_html(response.body) else "media_type"
        return not_understood(code, "an answer in another form than the platform's", replay_safe=replay_safe)
    return None


def _judge_status(status: int, wish: timedelta | None, *, replay_safe: bool) -> Verdict:
    code = f"http_{status}"
    if status == _TOO_MANY:
        return Verdict(event=Event.RETRY, code=code, reason="too many requests", retry_after=wish)
    if status in _REFUSED:
        return Verdict(event=Event.HOLD, code=code, reason="access refused outside the platform's protocol")
    # a redirect, a missing page, a proxy's refusal: whoever said it is not the platform, and no record is to blame
    reason = f"the address answers {status}, which is not the platform's own answer"
    return replace(not_understood(code, reason, replay_safe=replay_safe), retry_after=wish)


def answered(response: WireResponse, verdict: Verdict | None) -> bool | None:
    """Whether the platform itself answered, given how its reply was judged; None where it says nothing either way.

    A proxy's error page is no answer. "Too many requests" and a refused login show that somebody is there.
    """
    if verdict is None:
        return True
    return None if response.status in SOMEBODY else False


def not_understood(code: str, reason: str, *, replay_safe: bool) -> Verdict:
    """The reply claims to be the platform's but cannot be read or is tied to another request: outcome unknown."""
    event = Event.RETRY if replay_safe else Event.IN_DOUBT
    return Verdict(event=event, code=code, reason=reason, same_message=replay_safe)


def breaks_contract(code: str, reason: str, *, replay_safe: bool) -> Verdict:
    """The platform's own answer under HTTP 200 that breaks its contract: unknown outcome; two in a row hold it."""
    return replace(not_understood(code, reason, replay_safe=replay_safe), broken=True)


def for_each(verdict: Verdict, payloads: Sequence[object]) -> tuple[Verdict, ...]:
    """The same verdict for every item of a batch."""
    return (verdict,) * len(payloads)


def media_type(headers: Mapping[str, str]) -> str:
    """The media type without parameters, lower case; empty where none is given."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Retry-After in either form (seconds or HTTP date), never negative; None where absent or unreadable."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        if text.isascii() and text.isdigit():
            return timedelta(seconds=min(int(text), 10**8))
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(at - now, timedelta())


def _looks_like_html(body: bytes) -> bool:
    start = body.lstrip()[:200].lower()
    return start.startswith((b"<!doctype html", b"<html")) or b"<html" in start
