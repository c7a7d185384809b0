"""What the platform says about single certificates: batch results, refused items, look-ups and listings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from connectors.provincial_credit import changes
from connectors.provincial_credit.mapping import SOURCES, mapped_from
from connectors.provincial_credit.schema import pointer_path
from connectors.provincial_credit.verdicts import EVENTS, FIELD_CODES, Refused, is_of_the_call
from gateway.codec.jsonbody import Row, part, rows, text, whole
from gateway.codec.replies import for_each, not_understood
from gateway.contract.messages import Holding, Payload, Verdict
from gateway.domain.records import RecordKind
from gateway.domain.states import Event

_DONE = "20"
_STATUS = ("certificationStatus", "statusReason")
_COMPARED = (
    *(("person", name) for name in ("workerName", "idCardType", "gender", "birthDate")),
    ("employer", "corpCode"),
    *(("certificate", name) for name in ("certificationCode", "workType", "credentialLevelType")),
    *(("certificate", name) for name in ("firstBeginDate", "validEndDate", "certificationStatus")),
)
"""Fields compared with what the platform shows; the digest covers all others, the document number included."""

_NOTHING = Verdict(event=Event.ACCEPTED, code="NOT_FOUND", reason="nothing stands under this key any more")
"""A withdrawal of what the platform does not hold has what it wants: what was taken back may never have been sent."""

_SETTLED = {Event.RETRY: Event.IN_DOUBT, Event.HOLD: Event.UNKNOWN, Event.NOT_FOUND: Event.UNKNOWN}
"""A finished batch does not change any more: what may pass is asked for and sent again, not polled again."""


def of_one(answer: Row | Refused, payload: Payload) -> Verdict:
    """The verdict of a call about one certificate: a receipt for this key and version, or the refusal.

    A change finds no certificate where an earlier push has not been taken yet; nothing is wrong with the data.
    """
    if isinstance(answer, Refused):
        verdict = answer.verdict
        if verdict.code in FIELD_CODES and verdict.event is not Event.HOLD and answer.errors:
            sources = changes.SOURCES if payload.kind is RecordKind.STATUS_CHANGE else SOURCES
            return _rejected(answer.errors, sources=sources)
        if verdict.event is Event.NOT_FOUND:
            return _NOTHING if payload.kind is RecordKind.WITHDRAWAL else replace(verdict, event=Event.RETRY)
        return verdict
    if text(answer, "certificateKey") != payload.record_key or whole(answer, "recordVersion") != payload.version:
        return not_understood("other_record", "the answer speaks of another record or version", replay_safe=True)
    return Verdict(event=Event.ACCEPTED, code="201", platform_id=text(answer, "platformCertificateId"))


def blame(answer: Refused, payloads: Sequence[Payload]) -> tuple[Verdict, ...]:
    """Verdicts of a refused batch: items named by a pointer are rejected, the others go again without them.

    Where an error names a field of the call itself, the others are held with the platform. Where errors name neither,
    smaller batches find the item they mean.
    """
    verdict = answer.verdict
    if verdict.event is Event.NOT_FOUND:
        verdict = replace(verdict, event=Event.UNKNOWN)
    if verdict.code not in FIELD_CODES:
        return for_each(verdict, payloads)
    named: dict[int, list[Row]] = {}
    for error in answer.errors:
        steps = pointer_path(text(error, "pointer") or "").split(".")
        if (
            len(steps) > 1
            and steps[0] == "items"
            and steps[1].isdigit()
            and int(steps[1]) < len(payloads)
            and not is_of_the_call(error)
        ):
            named.setdefault(int(steps[1]), []).append(error)
    if not named:
        return for_each(replace(verdict, split=verdict.event is Event.UNKNOWN and len(payloads) > 1), payloads)
    again = Verdict(event=Event.RETRY, code="batch_refused", reason="another item of the batch was refused")
    if verdict.event is Event.HOLD:
        again = verdict
    return tuple(_rejected(named[no], skip=2) if no in named else again for no in range(len(payloads)))


def by_item(answer: Row, payloads: Sequence[Payload]) -> tuple[Verdict, ...]:
    """Verdicts of a finished batch, by certificate key and version.

    An item the result does not speak of is in doubt and will be asked for, unless the batch failed without a word.
    """
    listed: dict[tuple[str | None, int | None], Row] = {}
    for row in rows(answer, "results") or ():
        key = (text(row, "certificateKey"), whole(row, "recordVersion"))
        if key in listed:
            return for_each(
                not_understood("result_twice", "a result speaks twice of one item", replay_safe=True), payloads
            )
        listed[key] = row
    silent = (
        Verdict(event=Event.IN_DOUBT, code="result_missing", reason="the result does not speak of this item")
        if text(answer, "status") == _DONE
        else Verdict(event=Event.UNKNOWN, code="batch_failed", reason="the batch failed and no reason was given")
    )
    return tuple(
        _item(listed[payload.record_key, payload.version], payload)
        if (payload.record_key, payload.version) in listed
        else silent
        for payload in payloads
    )


def compare(view: Row, payload: Payload) -> Verdict:
    """Ours where version and digest are equal; else a conflict that names the fields that differ."""
    if text(view, "certificateKey") != payload.record_key or whole(view, "recordVersion") != payload.version:
        return not_understood("other_record", "the answer speaks of another record or version", replay_safe=True)
    platform_id = text(view, "platformCertificateId")
    if payload.kind is RecordKind.STATUS_CHANGE:
        held = part(view, "certificate")
        differing = tuple(changes.SOURCES[name] for name in _STATUS if text(held, name) != text(payload.fields, name))
        if not differing:
            return Verdict(event=Event.ACCEPTED, code="200", platform_id=platform_id)
    else:
        if text(view, "payloadDigest") == text(payload.fields, "payloadDigest"):
            return Verdict(event=Event.ACCEPTED, code="200", platform_id=platform_id)
        differing = tuple(
            mapped_from(f"{group}.{name}")
            for group, name in _COMPARED
            if text(part(view, group), name) != text(part(payload.fields, group), name)
        )
    return Verdict(
        event=Event.CONFLICT,
        code="digest_differs",
        reason="the platform holds other content under this key and version",
        fields=differing,
        platform_id=platform_id,
    )


def expected(payload: Payload) -> Holding:
    """What the platform should hold once the payload is accepted; of a change, what it says about the certificate."""
    if payload.kind is not RecordKind.STATUS_CHANGE:
        return to_holding(payload.fields)
    status = text(payload.fields, "certificationStatus") or ""
    return Holding(
        kind=RecordKind.CERTIFICATE,
        key=payload.record_key,
        version=payload.version,
        fields={"certificationStatus": status},
    )


def to_holding(row: Row) -> Holding:
    """A listed certificate in comparable form. After a change of status its digest is the platform's own and says
    nothing about ours."""
    fields = {name: text(part(row, group), name) or "" for group, name in _COMPARED}
    if text(row, "operation") != "STATUS":
        fields["payloadDigest"] = text(row, "payloadDigest") or ""
    return Holding(
        kind=RecordKind.CERTIFICATE,
        key=text(row, "certificateKey") or "",
        version=whole(row, "recordVersion"),
        fields=fields,
        platform_id=text(row, "platformCertificateId"),
    )


def _item(row: Row, payload: Payload) -> Verdict:
    platform_id = text(row, "platformCertificateId")
    codes = {text(error, "code") for error in rows(row, "errors") or ()}
    if payload.kind is RecordKind.WITHDRAWAL and codes == {"NOT_FOUND"}:
        return _NOTHING
    if text(row, "itemStatus") == _DONE:
        return Verdict(event=Event.ACCEPTED, code=_DONE, platform_id=platform_id)
    verdict = _rejected(rows(row, "errors") or ())
    return replace(verdict, event=_SETTLED.get(verdict.event, verdict.event), platform_id=platform_id)


def _rejected(errors: Sequence[Row], *, skip: int = 0, sources: Mapping[str, str] = SOURCES) -> Verdict:
    """One verdict for the errors of an item: rejected only where every one blames the record."""
    codes = [text(error, "code") or "" for error in errors]
    strange = [code for code in codes if code not in FIELD_CODES]
    code = (strange or codes)[0]
    event = EVENTS.get(code, Event.UNKNOWN) if strange else Event.REJECTED
    first = errors[codes.index(code)]
    paths = (".".join(pointer_path(text(error, "pointer") or "").split(".")[skip:]) for error in errors)
    return Verdict(
        event=event,
        code=code,
        reason=text(first, "messageZh") or text(first, "message") or "",
        fields=tuple(dict.fromkeys(mapped_from(path, sources) for path in paths if path)),
    )
