"""Read the platform's answers: envelope, refusals in Chinese, result states, rows of a query. Total on any bytes.

Source: README, sections "Answers", "Codes" and "Failure texts". Texts name identity numbers in clear, so every text
passes ``clean`` before it becomes a reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from connectors.worker_platform.dialect import SUCCESS, Dialect, Kind, whole_number
from gateway.codec.jsonbody import check_bounds
from gateway.codec.redact import redact
from gateway.contract.messages import Payload, Verdict, WireResponse
from gateway.domain.names import MIDDLE_DOTS
from gateway.domain.states import Event

_LIST_ERROR = re.compile(r"\[\w{1,40}\]\[(\d{1,4})\]\[(\w{1,40})\]")
_FIELD_ERROR = re.compile(r"\[([A-Za-z]\w{0,40})\](?!\[)")
_LONGEST_REASON = 500
_LONGEST_SERIAL = 64

PUSH_EVENTS = {
    Kind.DATA: Event.REJECTED,
    Kind.CONFIGURATION: Event.HOLD,
    Kind.RATE: Event.RETRY,
    Kind.PLATFORM: Event.RETRY,
    Kind.DUPLICATE: Event.DUPLICATE,
    Kind.ORDER: Event.RETRY,
    Kind.UNKNOWN: Event.UNKNOWN,
}
"""A push that was refused at once. A natural key protects the platform, so what may pass is sent again."""

RESULT_EVENTS = {**PUSH_EVENTS, **dict.fromkeys((Kind.RATE, Kind.PLATFORM, Kind.ORDER), Event.NOT_STORED)}
"""A push that failed later. Its receipt is used up and the failure is final: what may pass is sent again."""

POLL_EVENTS = {**PUSH_EVENTS, Kind.DATA: Event.NOT_FOUND, Kind.DUPLICATE: Event.UNKNOWN}
"""A poll that was refused. Its only parameter is the receipt, so bad data means that the receipt is unknown."""

QUERY_EVENTS = {**PUSH_EVENTS, Kind.DATA: Event.UNKNOWN, Kind.DUPLICATE: Event.UNKNOWN, Kind.ORDER: Event.NOT_FOUND}
"""A question about a record that was refused; "no such person" is the answer that it is not there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A readable answer: ``code`` as text without leading zeros, ``content`` the whole object."""

    code: str
    message: str = field(repr=False)
    content: dict[str, object] = field(repr=False)

    def at(self, path: str) -> object:
        """The value under a dotted path, or None."""
        value: object = self.content
        for step in path.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        return value


def read(response: WireResponse) -> Answer | None:
    """The answer, or None where the body is not the platform's envelope.

    An object that gives one name two values is not believed: which of them the platform means cannot be known.
    """
    try:
        check_bounds(response.body)
        content = json.loads(response.body.decode("utf-8-sig"), object_pairs_hook=_unambiguous)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    code = whole_number(content.get("code"))
    message = content.get("message")
    return None if code is None else Answer(code=code, message=flat_text(message), content=content)


def _unambiguous(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs) and any(found[name] != value for name, value in pairs):
        raise ValueError("one name has two values")
    return found


def serial(value: object) -> str | None:
    """A serial code as opaque text of up to 64 printable characters, or None."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text.strip() or len(text) > _LONGEST_SERIAL or not text.isprintable():
        return None
    return text


def flat_text(value: object) -> str:
    """The texts in a result that may be plain text, JSON in a text, an object or a list; never raises.

    What is nested deeper than any answer is read as having no text.
    """
    try:
        return _flat(value)
    except RecursionError:
        return ""


def _flat(value: object) -> str:
    if isinstance(value, str):
        try:
            check_bounds(value.encode("utf-8", "surrogatepass"))
            inner = json.loads(value) if value.lstrip()[:1] in ("{", "[", '"') else None
        except ValueError:
            inner = None
        return value if inner is None else _flat(inner)
    if isinstance(value, dict):
        return ";".join(filter(None, map(_flat, value.values())))
    if isinstance(value, list):
        return ";".join(filter(None, map(_flat, value)))
    return ""


def clean(text: str, payloads: Sequence[Payload] = ()) -> str:
    """A text of the platform without people in it, short enough to keep."""
    known = {str(p.fields.get(name, "")) for p in payloads for name in ("idCardNumber", "name", "workerName")}
    printable = "".join(c if c.isprintable() else " " for c in text).strip()
    for value in filter(None, map(str.strip, known)):
        printable = re.sub(_spellings(value), "***", printable, flags=re.IGNORECASE)
    return redact(printable)[:_LONGEST_REASON]


def _spellings(value: str) -> str:
    """An expression for a name or number in the forms that ``folded`` takes as one: width, case, blanks, dots."""
    dots = re.escape(MIDDLE_DOTS)
    wide = {c: f"[{re.escape(c)}{chr(ord(c) + 0xFEE0)}]" for c in map(chr, range(0x21, 0x7F))}
    return r"\s*".join(f"[{dots}]" if c in dots else wide.get(c, re.escape(c)) for c in value if not c.isspace())


def kind_of_refusal(answer: Answer, dialect: Dialect) -> Kind:
    """The kind of a code that is not success. Codes of access and rate speak for themselves, else the text decides.

    A refusal that names a common field of the call concerns no record, whatever its code (``Dialect.kind_of``).
    """
    kind = dialect.error_codes.get(answer.code)
    if kind in (Kind.CONFIGURATION, Kind.RATE):
        return kind
    return dialect.kind_of(answer.message) or kind or Kind.UNKNOWN


def apportion(event: Event, code: str, text: str, payloads: Sequence[Payload]) -> tuple[Verdict, ...]:
    """One verdict for each record behind a refusal.

    List errors (``[list][0][field]``) name the record that is to blame. Whether the others of a batch were stored is
    not known, so they are to be asked about; a batch refused as a whole without a name waits for a person.
    """
    reason = clean(text, payloads)
    named: dict[int, list[str]] = {}
    for index, name in _LIST_ERROR.findall(text):
        named.setdefault(int(index), []).append(name)
    if event is not Event.REJECTED:
        return (Verdict(event=event, code=code, reason=reason),) * len(payloads)
    if len(payloads) == 1:
        fields = [name for names in named.values() for name in names] or _FIELD_ERROR.findall(text)
        return (Verdict(event=event, code=code, reason=reason, fields=tuple(dict.fromkeys(fields))),)
    if not set(named) & set(range(len(payloads))):
        whole = Verdict(event=Event.UNKNOWN, code=code, reason=f"the batch was refused as a whole: {reason}")
        return (whole,) * len(payloads)
    other = Verdict(event=Event.IN_DOUBT, code=code, reason="another record of the same call was refused")
    return tuple(
        Verdict(event=event, code=code, reason=reason, fields=tuple(dict.fromkeys(named[i]))) if i in named else other
        for i in range(len(payloads))
    )


def is_success(answer: Answer) -> bool:
    """Whether the platform took the call; for a write this says nothing about its result yet."""
    return answer.code == SUCCESS
