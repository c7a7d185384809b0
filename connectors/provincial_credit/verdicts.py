"""The platform's error codes as verdicts (``codes/credit_error_code.csv``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connectors.provincial_credit.schema import pointer_path
from gateway.codec.jsonbody import Row, rows, text
from gateway.codec.replies import not_understood, retry_after
from gateway.contract.connector import TOKEN_REFUSED
from gateway.contract.messages import Verdict, WireResponse
from gateway.domain.states import Event

FIELD_CODES = frozenset({"PARAM_INVALID", "PARAM_MISSING", "PARAM_TYPE", "SCHEMA_INVALID", "RULE_VIOLATION"})
"""Codes that blame a record where a pointer names one, and the call where it names a part of the call."""

_CALL_FIELDS = frozenset({"batchNo", "sourceSystem", "createdAt", "itemCount", "totalDigest", "ackBatchNo", "itemNo"})
"""Fields around the records: those of a batch, and the number of an item in it."""
_CALL_HEADERS = frozenset({"idempotency-key", "content-digest", "content-type", "authorization"})

EVENTS: dict[str, Event] = {
    **dict.fromkeys(FIELD_CODES, Event.UNKNOWN),
    "IDENTITY_CONFLICT": Event.CONFLICT,
    "VERSION_CONFLICT": Event.CONFLICT,
    "SIGNATURE_INVALID": Event.HOLD,
    "TIMESTAMP_SKEW": Event.HOLD,
    "ACCESS_DENIED": Event.HOLD,
    "IP_DENIED": Event.HOLD,
    "UNSUPPORTED_MEDIA": Event.HOLD,
    "PAYLOAD_TOO_LARGE": Event.HOLD,
    "TOKEN_EXPIRED": Event.RETRY,
    "NONCE_REPLAYED": Event.RETRY,
    "IN_PROGRESS": Event.RETRY,
    "RATE_LIMITED": Event.RETRY,
    "INTERNAL": Event.RETRY,
    "UPSTREAM_UNAVAILABLE": Event.RETRY,
    "NOT_FOUND": Event.NOT_FOUND,
    "IDEMPOTENCY_MISMATCH": Event.UNKNOWN,
    "CURSOR_EXPIRED": Event.UNKNOWN,
}
"""What a refusal means for the whole request. A code that is not here is unknown and a person must read it, unless the
platform itself says that the request may be tried again.

A nonce counts as used only after a good signature, so the request may have been carried out; its repeat is harmless.
"""

_SAME_MESSAGE = frozenset({"IN_PROGRESS", "NONCE_REPLAYED"})
"""The request may have been carried out under its idempotency key: the resend keeps it and gets the first answer."""

DELAYS = frozenset({Event.RETRY, Event.HOLD})
"""Events that settle nothing; an answer without a signature may cause no other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """An answer that is no success: what it means for the request, and the errors it lists."""

    verdict: Verdict
    errors: tuple[Row, ...] = ()
    problem: Row = field(default_factory=dict)
    signed: bool = True


def refused(problem: Row, response: WireResponse, now: datetime) -> Refused:
    """Read problem details (RFC 9457) that fit the schema."""
    code = text(problem, "code") or ""
    errors = rows(problem, "errors") or ()
    of_the_call = code in FIELD_CODES and any(map(is_of_the_call, errors))
    event = (
        Event.HOLD
        if of_the_call
        else EVENTS.get(code) or (Event.RETRY if problem.get("retryable") is True else Event.UNKNOWN)
    )
    seconds = problem.get("retryAfterSeconds")
    wish = timedelta(seconds=max(0, min(seconds, 10**8))) if isinstance(seconds, int | float) else None
    return Refused(
        verdict=Verdict(
            event=event,
            code=TOKEN_REFUSED if code == "TOKEN_EXPIRED" else code,
            reason=text(problem, "titleZh") or text(problem, "title") or "",
            same_message=code in _SAME_MESSAGE,
            retry_after=wish or retry_after(response.headers, now),
        ),
        errors=errors,
        problem=problem,
    )


def is_of_the_call(error: Row) -> bool:
    """Whether an error names a field that belongs to no record: of the batch, or a header of the request."""
    steps = pointer_path(text(error, "pointer") or "").split(".")
    if steps[0] == "items":
        steps = steps[2:] or [""]
    headers = (step.lower() for step in steps)
    return steps[0] in _CALL_FIELDS or any(step.startswith("x-") or step in _CALL_HEADERS for step in headers)


def unclear(code: str, reason: str) -> Refused:
    """An answer that cannot be read or tied to the request: every push is safe to repeat, so it is tried again."""
    return Refused(verdict=not_understood(code, reason, replay_safe=True))


def blamed(answer: Refused) -> Verdict:
    """A refusal that names fields is ours to mend: rejected, with their names."""
    verdict = answer.verdict
    if verdict.code not in FIELD_CODES or verdict.event is Event.HOLD or not answer.errors:
        return verdict
    names = (pointer_path(text(error, "pointer") or "") for error in answer.errors)
    return Verdict(
        event=Event.REJECTED,
        code=verdict.code,
        reason=verdict.reason,
        fields=tuple(dict.fromkeys(name for name in names if name)),
    )
