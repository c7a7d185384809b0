"""What an answer means: result codes, acknowledgements, receipts and faults as verdicts.

Follows the result-code table and its rules (README, "Codes"). An item is accepted only by its own entry in an
answer that echoes this request's serial number; nothing good is concluded for an item the answer does not name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache

from lxml import etree

from gateway.codec.codes import table
from gateway.codec.replies import breaks_contract, not_understood
from gateway.codec.soap.envelope import REPLY_SCHEMA, Fault, FaultKind, Unreadable
from gateway.contract.messages import Verdict
from gateway.domain.states import Event

NS = {"t": "urn:jzsc:personcert:types:1"}
_T = f"{{{NS['t']}}}"
WAITING_STATE = "0"
_CLASS_EVENTS = {
    "success": Event.ACCEPTED,
    "pending": Event.PENDING,
    "mixed": Event.IN_DOUBT,
    "wait": Event.RETRY,
    "retry": Event.RETRY,
    "fix": Event.REJECTED,
    "stop": Event.UNKNOWN,
}
_OWN_EVENTS = {
    # account, record type and region rights concern every record alike: hold the platform, blame no record
    "001": Event.HOLD,
    "002": Event.HOLD,
    "102": Event.HOLD,
    # clock or nonce: of the envelope, and a fresh one went with the message
    "104": Event.HOLD,
    # too large a batch is our setting's fault; the data owner has nothing to mend
    "203": Event.HOLD,
    # something else stands under our key or number, or the platform's state contradicts ours
    "404": Event.CONFLICT,
    "405": Event.CONFLICT,
    "406": Event.CONFLICT,
    "501": Event.CONFLICT,
    # an answer to a receipt query only; to a push it makes no sense
    "202": Event.UNKNOWN,
}
"""Codes whose event differs from that of their class. 004 (reserved) and 201 (serial reused) stay with ``stop``."""
_HEAD = re.compile(r"\b(?:SenderCode|SerialNo|SchemaVersion|SentAt|RecordCount|ContentHash|TestFlag)\b", re.ASCII)
"""elements of ``Head``, which no record is to blame for"""
_CALL = re.compile(
    rf"{_HEAD.pattern}|\b(?:SOAPAction|action parameter|UsernameToken|Username|Password|PasswordDigest"
    r"|Nonce|Created|Expires|BinarySecurityToken|AuthHeader|mustUnderstand|Content-Type)\b",
    re.ASCII,
)
"""names of a message's parts beside its records: head, SOAP header, HTTP header"""
_PATH = re.compile(r"(?<![\w/])/?[\w:.*-]+(?:\[\d+\])?(?:/[\w:.*-]+(?:\[\d+\])?)+|(?<![\w/])/[\w:.*-]+", re.ASCII)
_RECORDS = frozenset({"Person", "Certificate", "StatusChange", "Withdrawal"})
_OUTSIDE = frozenset({"Envelope", "Header", "Security", "Body", "Head"})
"""parts that hold no record unless a path leads on into one"""
_OPERATIONS = frozenset(
    {*(f"Upsert{name}" for name in ("Person", "PersonBatch", "Certificate", "CertificateBatch")), "QueryReceipt"}
    | {"ChangeCertificateStatus", "WithdrawRecord", "QueryPerson", "QueryCertificate", "GetCodeTable"}
)
_STORED = frozenset({"000", "011", "012", "013"})
"""overall codes beside which an item may count as stored"""


@cache
def event_of(code: str) -> Event:
    """The event of a result code; an unknown code parks the record where it starts with 0 to 5, else it is retried."""
    class_ = table("result_code", "connectors.national_market.codes").get(code, "class")
    if class_ is None:
        class_ = "stop" if code[:1] in "012345" else "retry"
    return _OWN_EVENTS.get(code, _CLASS_EVENTS[class_])


@cache
def title(code: str) -> str:
    """The platform's own words for a code, where the table has them."""
    return table("result_code", "connectors.national_market.codes").get(code) or "unknown result code"


def of_ack(ack: etree._Element, keys: Sequence[str], *, sender: str, serial: str) -> tuple[Verdict, ...]:
    """Judge an ``Ack``: one verdict for each record key sent, in their order."""
    if (_get(ack, "SenderCode"), _get(ack, "SerialNo")) != (sender, serial):
        return (_unclear("other_serial", "the answer echoes another request's serial number"),) * len(keys)
    entries = _entries(ack)
    if entries.keys() - set(keys):
        return (_unclear("other_items", "the answer names records that were not sent"),) * len(keys)
    whole, overall = _whole(ack, serial, alone=len(keys) == 1), _get(ack, "ResultCode")
    return tuple(_item(ack, overall, entries[key], serial) if key in entries else whole for key in keys)


def of_receipt(receipt: etree._Element, keys: Sequence[str], *, sender: str, serial: str) -> tuple[Verdict, ...]:
    """Judge a ``Receipt``. The keys may be a part of the batch, so items of other records are passed over."""
    if (_get(receipt, "SenderCode"), _get(receipt, "SerialNo")) != (sender, serial):
        return (_unclear("other_serial", "the answer echoes another receipt"),) * len(keys)
    code, wish = _get(receipt, "ResultCode"), _wish(receipt)
    if code == "202":
        return (Verdict(event=Event.NOT_FOUND, code=code, reason=title(code)),) * len(keys)
    if _get(receipt, "State") == WAITING_STATE:
        event = event_of(code)
        if event is Event.ACCEPTED:
            event = Event.PENDING
        elif event not in (Event.PENDING, Event.RETRY, Event.HOLD):
            event = Event.UNKNOWN
        return (
            Verdict(event=event, code=code, reason=_reason(receipt, code), receipt=serial, retry_after=wish),
        ) * len(keys)
    entries, whole = _entries(receipt), _whole(receipt, serial, alone=False)
    return tuple(_finished(_item(receipt, code, entries[key], serial) if key in entries else whole) for key in keys)


def of_query(answer: etree._Element) -> Verdict | None:
    """Judge the code of a query's answer: None where it succeeded, never ``rejected``, which a query cannot mean."""
    code = answer.findtext("{*}ResultCode") or ""
    event = event_of(code)
    if event is Event.ACCEPTED:
        return None
    reason = (answer.findtext("{*}ResultMessage") or "").strip() or title(code)
    if code == "401":
        event = Event.NOT_FOUND
    elif event not in (Event.RETRY, Event.HOLD):
        event = Event.UNKNOWN
    return Verdict(event=event, code=code, reason=reason)


def of_failure(failure: Fault | Unreadable, *, replay_safe: bool = True) -> Verdict:
    """A fault, or a reply that is no answer to the operation."""
    if isinstance(failure, Unreadable):
        meaning = breaks_contract if failure.code == REPLY_SCHEMA else not_understood
        return meaning(failure.code, failure.reason, replay_safe=replay_safe)
    event = {
        FaultKind.SECURITY: Event.HOLD,
        FaultKind.PROTOCOL: Event.HOLD,
        FaultKind.SERVER: Event.RETRY,
    }.get(failure.kind, Event.UNKNOWN)
    if event is Event.UNKNOWN and _blames_the_call("; ".join((failure.reason, *failure.detail.values()))):
        event = Event.HOLD
    seconds = failure.detail.get("RetryAfterSeconds", "")
    return Verdict(
        event=event,
        code=f"fault_{failure.code}",
        reason=failure.reason,
        retry_after=timedelta(seconds=int(seconds)) if seconds.isdecimal() and len(seconds) < 9 else None,
        # a server may have failed after storing: the same serial number makes the repeat harmless
        same_message=event is Event.RETRY,
    )


def of_failed_save(failure: Fault | Unreadable, records: int) -> tuple[Verdict, ...]:
    """The verdicts of a save call that was answered so; one that names no record is divided to find which it means."""
    verdict = of_failure(failure)
    refused = isinstance(failure, Fault) and failure.kind is FaultKind.CLIENT and verdict.event is Event.UNKNOWN
    return (replace(verdict, split=refused and records > 1),) * records


def _blames_the_call(text: str) -> bool:
    """Whether a refusal's text names a part of the message that belongs to no record, by its name or its path.

    A path counts by where it ends: ``/UpsertPersonBatch/Head`` and ``/UpsertPersonBatch`` are of the message,
    ``/UpsertPersonBatch/Person[3]/PersonName`` is of a record.
    """
    for path in _PATH.findall(text):
        steps = [re.sub(r"\[\d+\]", "", step).rpartition(":")[2] for step in path.strip("/").split("/")]
        if _is_of_the_call(steps):
            return True
    return _CALL.search(_PATH.sub(" ", text)) is not None


def _is_of_the_call(steps: Sequence[str]) -> bool:
    if _RECORDS & set(steps):
        return False
    return bool(_OUTSIDE & set(steps)) or steps[0] in _OPERATIONS or _CALL.fullmatch(steps[-1]) is not None


def _entries(answer: etree._Element) -> dict[str, list[etree._Element]]:
    """The answer's items by record key; more than one for a key is a contradiction."""
    entries: dict[str, list[etree._Element]] = {}
    for item in answer.iterchildren(f"{_T}Item"):
        # valid by its schema, so the key stands first
        entries.setdefault((item[0].text or "").strip(), []).append(item)
    return entries


def _item(answer: etree._Element, overall: str, entries: Sequence[etree._Element], serial: str) -> Verdict:
    """The verdict of a record's own entry, beside the overall code of its answer."""
    entry = entries[0]
    leaves = {child.tag.removeprefix(_T): (child.text or "").strip() for child in entry}
    code, explained = leaves["ItemCode"], "Message" in leaves
    event = event_of(code)
    stored = event is Event.ACCEPTED
    contradiction = (
        len(entries) > 1
        or code == "013"
        or (stored and overall not in _STORED)
        or (event is not Event.PENDING and stored == (leaves["Severity"] == "ERROR"))
    )
    if contradiction:
        return Verdict(event=Event.IN_DOUBT, code=code, reason="the answer contradicts itself about this record")
    reason, fields = (_reason(entry, code), _fields(entry)) if explained else (title(code), ())
    if event is Event.REJECTED and (_HEAD.search(reason) or any(map(_HEAD.search, fields))):
        event = Event.HOLD
    return Verdict(
        event=event,
        code=code,
        reason=reason,
        receipt=serial if event is Event.PENDING else None,
        retry_after=_wish(answer) if event is Event.RETRY else None,
        fields=fields,
        platform_id=leaves.get("PlatformId") or None,
    )


def _whole(answer: etree._Element, serial: str, *, alone: bool) -> Verdict:
    """The verdict for a record that has no entry of its own, from the code of the whole answer."""
    code = _get(answer, "ResultCode")
    event, reason = event_of(code), _reason(answer, code)
    if code == "013" and _get(answer, "Duplicate"):
        # the platform knows this serial number; its receipt tells what became of each record
        return Verdict(event=Event.PENDING, code=code, reason=reason, receipt=serial)
    if event in (Event.ACCEPTED, Event.IN_DOUBT):
        return Verdict(event=Event.IN_DOUBT, code=code, reason="the answer does not name this record")
    if event is Event.REJECTED and _HEAD.search(reason):
        event = Event.HOLD
    # a refusal of the whole call blames no record in particular: smaller calls find the one it is about
    split = event is Event.REJECTED and not alone
    event = Event.UNKNOWN if split else event
    receipt = serial if event is Event.PENDING else None
    return Verdict(event=event, code=code, reason=reason, receipt=receipt, retry_after=_wish(answer), split=split)


def _finished(verdict: Verdict) -> Verdict:
    """A result that is final cannot be polled into another one: a refusal that may pass is sent again."""
    if verdict.event not in (Event.RETRY, Event.PENDING):
        return verdict
    event = Event.NOT_STORED if verdict.event is Event.RETRY else Event.IN_DOUBT
    return replace(verdict, event=event, receipt=None)


def _unclear(code: str, reason: str) -> Verdict:
    return not_understood(code, reason, replay_safe=True)


def _get(element: etree._Element, name: str) -> str:
    # many times faster than findtext, whose paths are worked out in Python
    child = next(element.iterchildren(f"{_T}{name}"), None)
    return "" if child is None else (child.text or "").strip()


def _wish(answer: etree._Element) -> timedelta | None:
    seconds = _get(answer, "RetryAfterSeconds")
    return timedelta(seconds=int(seconds)) if seconds.isdecimal() else None


def _reason(element: etree._Element, code: str) -> str:
    """The messages of an item, else the answer's own text, else the table's."""
    texts = [_get(message, "Text") for message in element.iterchildren(f"{_T}Message")]
    return "; ".join(texts) or _get(element, "ResultMessage") or title(code)


def _fields(entry: etree._Element) -> tuple[str, ...]:
    """Names of the fields an item's messages point at; anything that is no path of element names is left out."""
    names = (_get(message, "Field") for message in entry.iterchildren(f"{_T}Message"))
    return tuple(dict.fromkeys(name for name in names if re.fullmatch(r"[A-Za-z]\w*(?:[./]\w+)*", name, re.ASCII)))
