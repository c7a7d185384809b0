"""Connectors that are wrong on purpose, each in one point, with the check of the suite that must find it.

They are the model connector with one method changed, in ways that authors of connectors have really gone wrong.
"""

from __future__ import annotations

import os
import random
import socket
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote

import orjson

from gateway.contract.connector import ConnectorInfo, Endpoint, KindInfo, Pace
from gateway.contract.messages import (
    Draft,
    Health,
    Holding,
    HoldingsPage,
    Payload,
    Problem,
    Problems,
    Stamp,
    Verdict,
    WireRequest,
    WireResponse,
)
from gateway.domain.records import Certificate, RecordKind, StatusChange, Submission, Worker
from gateway.domain.states import Event
from gateway.domain.traffic import waits
from gateway.testing.model import Model


def _answer(response: WireResponse) -> Any:
    try:
        return orjson.loads(response.body)
    except ValueError:
        return {}


class PushByPosition(Model):
    """Reads the items of a reply by their place, whatever they are named."""

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        verdicts = super().decode_push(response, payloads, stamp)
        items = _answer(response).get("items") if isinstance(_answer(response), dict) else None
        if not isinstance(items, dict) or len(items) != len(payloads):
            return verdicts
        codes = [str(one.get("code")) if isinstance(one, dict) else "" for one in items.values()]
        return [Verdict(event=Event.ACCEPTED, code=c) if c == "OK" else v for c, v in zip(codes, verdicts, strict=True)]


class UntiedPush(Model):
    """Does not look whether the reply answers this request."""

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        return [Verdict(event=Event.ACCEPTED if b'"OK"' in response.body else Event.REJECTED, code="x")] * len(payloads)


class WrongCount(Model):
    """Gives one verdict for a whole batch."""

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        return super().decode_push(response, payloads, stamp)[:1]


class RaisesOnOtherTypes(Model):
    """Takes for granted that the items are an object."""

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        answer = _answer(response)
        if isinstance(answer, dict) and "items" in answer:
            answer["items"].get("")
        return super().decode_push(response, payloads, stamp)


class LookupRaisesOnNull(Model):
    """Takes for granted that what is held is an object."""

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        answer = _answer(response)
        if isinstance(answer, dict) and answer.get("code") == "FOUND":
            answer["held"].get("")
        return super().decode_lookup(response, payload, stamp)


class LookupOfAnyRecord(Model):
    """Accepts whatever record is shown."""

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        verdict = super().decode_lookup(response, payload, stamp)
        return replace(verdict, event=Event.ACCEPTED) if verdict.event is Event.CONFLICT else verdict


class LookupByNumberAlone(Model):
    """Compares the number and not whose it is."""

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        verdict = super().decode_lookup(response, payload, stamp)
        same = verdict.event is Event.CONFLICT and "number" not in verdict.fields
        return replace(verdict, event=Event.ACCEPTED) if same else verdict


class LookupByLastCharacters(Model):
    """Compares the last characters of the number."""

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        verdict = super().decode_lookup(response, payload, stamp)
        held = _answer(response).get("held") if verdict.event is Event.CONFLICT else None
        same = held and str(held.get("number"))[-6:] == str(payload.fields["number"])[-6:]
        return replace(verdict, event=Event.ACCEPTED) if same and "name" not in verdict.fields else verdict


class AnyRefusalIsNotThere(Model):
    """Takes every answer but a positive one for "not there", so that the record is sent again."""

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        verdict = super().decode_lookup(response, payload, stamp)
        return verdict if verdict.event is Event.ACCEPTED else Verdict(event=Event.NOT_FOUND, code="x")


class AnyPageIsNotThere(Model):
    """Names 404 among its statuses, and takes any page under it for "not there"."""

    @property
    def info(self) -> ConnectorInfo:
        return replace(super().info, reply_statuses=frozenset({200, 404}))

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        if response.status == 404:
            return Verdict(event=Event.NOT_FOUND, code="404")
        return super().decode_lookup(response, payload, stamp)


class AnyReceipt(Model):
    """Does not look which receipt an answer is about."""

    def decode_ack(
        self, response: WireResponse, receipt: str, payloads: Sequence[Payload], stamp: Stamp, /
    ) -> Sequence[Verdict]:
        answer = _answer(response)
        named = str(answer.get("receipt")) if isinstance(answer, dict) else receipt
        return super().decode_ack(response, named, payloads, stamp)


class NumberInTheBody(Model):
    """Draws a number of its own for every request."""

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        made = super().encode_push(payloads, stamp)
        return replace(made, headers={**made.headers, "x-request": str(uuid.uuid4())})


class ClockInAHeader(Model):
    """Writes the machine's second into a header."""

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        made = super().encode_push(payloads, stamp)
        return replace(made, headers={**made.headers, "x-time": str(int(time.time()))})


class NumberInALookup(Model):
    """Draws a number of its own for every question."""

    def encode_lookup(self, payload: Payload, stamp: Stamp, /) -> WireRequest:
        return replace(super().encode_lookup(payload, stamp), path=f"/find?r={random.getrandbits(32)}")


class TodayInThePayload(Model):
    """Writes today's date into the record."""

    def map(self, submission: Submission, /) -> Draft:
        made = super().map(submission)
        return replace(made, fields={**made.fields, "sent": f"{datetime.now(UTC):%Y%m%d}", "day": str(date.today())})  # noqa: DTZ011


class OrderOfASet(Model):
    """Writes headers in the order of a set, which every process has of its own."""

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        made = super().encode_push(payloads, stamp)
        names = {"x-alpha", "x-beta", "x-gamma", "x-delta", "x-epsilon", "x-zeta"}
        return replace(made, headers={**made.headers, **{name: "1" for name in names}})


class ConnectsWhileEncoding(Model):
    """Asks the network for something."""

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        socket.socket().close()
        return super().encode_push(payloads, stamp)


class ForgetsReplaces(Model):
    """Leaves out of the payload that the platform holds an earlier version."""

    def check(self, submission: Submission, draft: Draft, /) -> Payload | Problems:
        made = super().check(submission, draft)
        return replace(made, replaces=False) if isinstance(made, Payload) else made


class CannotReplace(Model):
    """Raises for a version that replaces another."""

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        if any(payload.replaces for payload in payloads):
            raise NotImplementedError
        return super().encode_push(payloads, stamp)


class LatinNumbersOnly(Model):
    """Takes certificate numbers of digits alone, which hardly a certificate has."""

    def check(self, submission: Submission, draft: Draft, /) -> Payload | Problems:
        content = submission.record.content
        if isinstance(content, Certificate) and not content.number.isdigit():
            return Problems(items=(Problem(field="number", rule="digits", message="must be digits"),))
        return super().check(submission, draft)


class MessageWithTheValue(Model):
    """Repeats a person's number in the message of a problem."""

    def check(self, submission: Submission, draft: Draft, /) -> Payload | Problems:
        made = super().check(submission, draft)
        if isinstance(made, Payload):
            return made
        said = f"{draft.fields.get('number')} is no good"
        return Problems(items=(Problem(field="name", rule="letters", message=said),))


class OperationWithTheValue(Model):
    """Names the call after the record it is about."""

    def encode_lookup(self, payload: Payload, stamp: Stamp, /) -> WireRequest:
        return replace(super().encode_lookup(payload, stamp), operation=f"find {payload.fields['number']}")


class StatusOfAnother(Model):
    """Names a status under which the platform never answers."""

    @property
    def info(self) -> ConnectorInfo:
        return replace(super().info, reply_statuses=frozenset({201}))


class OtherMediaType(Model):
    """Names a media type in which the platform never answers."""

    @property
    def info(self) -> ConnectorInfo:
        return replace(super().info, reply_media_types=frozenset({"text/json"}))


class NeverAsks(Model):
    """Has a look-up, and no plan by which it would be made."""

    @property
    def info(self) -> ConnectorInfo:
        return replace(super().info, lookups=waits(), negative_lookups=0)


class MisspeltAbility(Model):
    """Gives an ability of the contract another name."""

    decode_lookup: Any = None

    def decode_lookups(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        return Model.decode_lookup(self, response, payload, stamp)


class SwappedParameters(Model):
    """Takes the parameters of a call in another order."""

    def decode_ack(  # type: ignore[override]
        self, response: WireResponse, payloads: Sequence[Payload], receipt: str, stamp: Stamp, /
    ) -> Sequence[Verdict]:
        return super().decode_ack(response, receipt, payloads, stamp)


class ExpectsOtherwise(Model):
    """Expects what the platform holds in another spelling than it reads it."""

    def expected(self, payload: Payload, /) -> Holding:
        made = super().expected(payload)
        return replace(made, fields={name: value.lower() + " " for name, value in made.fields.items()})


class HoldingsRaise(Model):
    """Takes for granted that a listing has rows."""

    def decode_holdings(
        self, response: WireResponse, payload: Payload | None, stamp: Stamp, /
    ) -> HoldingsPage | Verdict:
        answer: Mapping[str, Any] = orjson.loads(response.body)
        len(answer["rows"])
        return super().decode_holdings(response, payload, stamp)


class AlwaysWell(Model):
    """Takes any answer to its health call for a good one."""

    def decode_health(self, response: WireResponse, stamp: Stamp, /) -> Health:
        return Health(ok=True, detail="there")


class PendingWithoutReceipt(Model):
    """Calls a success pending and names no receipt."""

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        verdicts = super().decode_push(response, payloads, stamp)
        return [replace(v, event=Event.PENDING) if v.event is Event.ACCEPTED else v for v in verdicts]


class DuplicateAsAccepted(Model):
    """Reads the platform's refusal as a success."""

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        verdicts = super().decode_push(response, payloads, stamp)
        return [replace(v, event=Event.ACCEPTED) if v.event is Event.REJECTED else v for v in verdicts]


class MapRaisesOnPassports(Model):
    """Takes for granted that every document has a number of digits."""

    def map(self, submission: Submission, /) -> Draft:
        content = submission.record.content
        if isinstance(content, Worker):
            int(content.id_number[:17])
        return super().map(submission)


class MapRaisesOnBlanks(Model):
    """Takes for granted that whoever holds a certificate has a mobile."""

    def map(self, submission: Submission, /) -> Draft:
        content = submission.record.content
        if isinstance(content, Certificate):
            len(content.holder.mobile)  # type: ignore[arg-type]
        return super().map(submission)


class ChangesRaise(Model):
    """Names status changes among its kinds, and has no words for them."""

    @property
    def info(self) -> ConnectorInfo:
        more = {RecordKind.STATUS_CHANGE: KindInfo(batch_max=1, replay_safe=False, after=(RecordKind.CERTIFICATE,))}
        return replace(super().info, kinds={**super().info.kinds, **more})

    def map(self, submission: Submission, /) -> Draft:
        if isinstance(submission.record.content, StatusChange):
            raise NotImplementedError
        return super().map(submission)


class ProblemsWithoutAny(Model):
    """Refuses what it does not like and does not say why."""

    def check(self, submission: Submission, draft: Draft, /) -> Payload | Problems:
        return super().check(submission, draft) if len(str(draft.fields["name"])) < 4 else Problems(items=())


class BodyAsText(Model):
    """Gives a request whose body is no bytes."""

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        made = super().encode_push(payloads, stamp)
        return replace(made, body=made.body.decode())  # type: ignore[arg-type]


class UnencodedPath(Model):
    """Writes a path as people read it."""

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        return replace(super().encode_push(payloads, stamp), path="/报送")


class HeadersInCapitals(Model):
    """Writes header names as the specification prints them."""

    def encode_health(self, stamp: Stamp, /) -> WireRequest:
        return replace(super().encode_health(stamp), headers={"Content-Type": "application/json"})


class InfoOfTheMoment(Model):
    """Says something else of itself at every look."""

    @property
    def info(self) -> ConnectorInfo:
        return replace(super().info, spec_version=str(time.perf_counter_ns()))


class VerdictsAsText(Model):
    """Gives the platform's words instead of verdicts."""

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        return ["OK"] * len(payloads)  # type: ignore[list-item]


class NullInItems(Model):
    """Takes for granted that an answer in JSON is an object with items."""

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        len(orjson.loads(response.body)["items"])
        return super().decode_push(response, payloads, stamp)


class CodesInAnyCase(Model):
    """Does not mind how the platform's codes are written."""

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        verdicts = super().decode_push(response, payloads, stamp)
        return [replace(v, event=Event.ACCEPTED) if v.code.upper() == "OK" else v for v in verdicts]


class ReasonRepeatsTheBody(Model):
    """Keeps what it could not read in the reason."""

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        verdicts = super().decode_push(response, payloads, stamp)
        said = response.body.decode("utf-8", "replace")
        return [replace(v, reason=said) if v.event is not Event.ACCEPTED else v for v in verdicts]


class LookupRepeatsTheBody(Model):
    """Takes an answer that is no object for the platform's code."""

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        verdict = super().decode_lookup(response, payload, stamp)
        return replace(verdict, code=str(_answer(response))) if verdict.event is Event.RETRY else verdict


class DateInThePayload(Model):
    """Keeps a date in the payload, which comes back from the store as text."""

    def check(self, submission: Submission, draft: Draft, /) -> Payload | Problems:
        made = super().check(submission, draft)
        day: Any = date(2019, 3, 1)
        return replace(made, fields={**made.fields, "day": day}) if isinstance(made, Payload) else made

    def expected(self, payload: Payload, /) -> Holding:
        day: Any = payload.fields["day"]
        return replace(super().expected(payload), version=day.year)


class LeavesOutTheLast(Model):
    """Sends one payload less than it was given."""

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        return super().encode_push(payloads[:-1] or payloads, stamp)


class SendsOneForAll(Model):
    """Sends the first payload as often as there are payloads."""

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        return super().encode_push([payloads[0]] * len(payloads), stamp)


class SendsTheOldVersion(Model):
    """Keeps what it has once written for a record."""

    _written: ClassVar[dict[str, Payload]] = {}

    def map(self, submission: Submission, /) -> Draft:
        made, content = super().map(submission), submission.record.content
        more = {"address": content.address} if isinstance(content, Worker) else {}
        return replace(made, fields={**made.fields, **more})

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        return super().encode_push([self._written.setdefault(p.record_key, p) for p in payloads], stamp)


class KnowsWhatItSent(Model):
    """Reads an answer by what this process has sent, which another worker does not know."""

    _sent: ClassVar[set[str]] = set()

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        self._sent.add(stamp.message_id)
        return super().encode_push(payloads, stamp)

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        if stamp.message_id in self._sent:
            return super().decode_push(response, payloads, stamp)
        return [Verdict(event=Event.IN_DOUBT, code="unknown_message")] * len(payloads)


class LocalTime(Model):
    """Writes the stamp's moment in the machine's own time zone."""

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        made = super().encode_push(payloads, stamp)
        return replace(made, headers={**made.headers, "x-time": f"{stamp.now.astimezone():%H:%M}"})


class HashInThePath(Model):
    """Makes a number of a text in a way that every process has of its own."""

    def encode_lookup(self, payload: Payload, stamp: Stamp, /) -> WireRequest:
        return replace(super().encode_lookup(payload, stamp), path=f"/find?shard={hash(payload.record_key) % 97}")


class WritesALog(Model):
    """Keeps a file of its own."""

    def map(self, submission: Submission, /) -> Draft:
        with open(os.devnull, "a", encoding="utf-8") as file:
            file.write("mapped")
        return super().map(submission)


class DrawsBytes(Model):
    """Draws a nonce instead of taking the stamp's."""

    def encode_health(self, stamp: Stamp, /) -> WireRequest:
        made = super().encode_health(stamp)
        return replace(made, headers={**made.headers, "x-nonce": os.urandom(8).hex()})


class NumberInThePath(Model):
    """Asks for a person by the path, which every proxy writes down."""

    def encode_lookup(self, payload: Payload, stamp: Stamp, /) -> WireRequest:
        return replace(
            super().encode_lookup(payload, stamp), path=f"/find?number={quote(str(payload.fields['number']))}"
        )


class NameInAHeader(Model):
    """Names the person in a header, encoded."""

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        made = super().encode_push(payloads, stamp)
        return replace(made, headers={**made.headers, "x-name": quote(str(payloads[0].fields["name"]))})


class OneKeyForAll(Model):
    """Expects every record of a kind under one key."""

    def expected(self, payload: Payload, /) -> Holding:
        return replace(super().expected(payload), key=str(payload.kind))


class CursorDropped(Model):
    """Asks for the first page again and again."""

    def encode_holdings(self, cursor: str | None, payload: Payload | None, stamp: Stamp, /) -> WireRequest:
        return super().encode_holdings(None, payload, stamp)


class HealthRaises(Model):
    """Takes for granted that an answer about health is an object."""

    def decode_health(self, response: WireResponse, stamp: Stamp, /) -> Health:
        answer: Mapping[str, Any] = orjson.loads(response.body)
        return Health(ok=answer["message"] == stamp.message_id, detail="model platform")


class NameOfTwoWords(Model):
    """Calls its platform what no file, setting or table can."""

    @property
    def info(self) -> ConnectorInfo:
        return replace(super().info, platform="Model Platform")


class NothingAtOnce(Model):
    """Allows no payload in a request."""

    @property
    def info(self) -> ConnectorInfo:
        return replace(super().info, kinds={RecordKind.PERSON: KindInfo(batch_max=0, replay_safe=True)})


class NoStatuses(Model):
    """Names no status, so that no answer is ever the platform's own."""

    @property
    def info(self) -> ConnectorInfo:
        return replace(super().info, reply_statuses=frozenset())


class DeclinesInSilence(Model):
    """Declines a kind and does not say why."""

    @property
    def info(self) -> ConnectorInfo:
        return replace(super().info, declined={RecordKind.STATUS_CHANGE: " "})


class NeverAgain(Model):
    """Has no plan by which anything would be tried again."""

    @property
    def info(self) -> ConnectorInfo:
        return replace(super().info, retry=waits())


class HoldingsUnsaid(Model):
    """Lists holdings, and does not say how they are read."""

    @property
    def info(self) -> ConnectorInfo:
        return replace(super().info, holdings_by=None)


class NoConnections(Model):
    """Allows no connection."""

    @property
    def endpoint(self) -> Endpoint:
        return replace(super().endpoint, pace=Pace(interval=timedelta(), connections=0))


class NoAddress(Model):
    """Has an address without a scheme."""

    @property
    def endpoint(self) -> Endpoint:
        return replace(super().endpoint, base_url="platform.example/api")


class RefusesLongNames(Model):
    """Takes names of two letters alone."""

    def check(self, submission: Submission, draft: Draft, /) -> Payload | Problems:
        if len(str(draft.fields["name"])) > 2:
            return Problems(items=(Problem(field="holder.name", rule="length", message="two letters at most"),))
        return super().check(submission, draft)


class NumberForAKey(Model):
    """Keeps a person's number as the key of the payload, which is shown and logged."""

    def check(self, submission: Submission, draft: Draft, /) -> Payload | Problems:
        made, content = super().check(submission, draft), submission.record.content
        holder = content.holder if isinstance(content, Certificate) else content
        return replace(made, key=holder.id_number) if isinstance(made, Payload) and isinstance(holder, Worker) else made


class CannotSendCertificates(Model):
    """Raises for one of the kinds it names."""

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        if payloads[0].kind is RecordKind.CERTIFICATE:
            raise NotImplementedError
        return super().encode_push(payloads, stamp)


class ReadsHalfAnAnswer(Model):
    """Counts what it looks for in the text of an answer, whole or not."""

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        body = response.body
        if stamp.message_id.encode() in body and body.count(b'"OK"') == len(payloads):
            return [Verdict(event=Event.ACCEPTED, code="OK")] * len(payloads)
        return super().decode_push(response, payloads, stamp)


class LookupOfAnyCode(Model):
    """Does not look under which code a record is shown."""

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        verdict = super().decode_lookup(response, payload, stamp)
        return replace(verdict, code=str(_answer(response)["code"])) if verdict.event is Event.ACCEPTED else verdict


class EmptyIsNotThere(Model):
    """Takes an empty answer for "not there"."""

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        if not response.body.strip():
            return Verdict(event=Event.NOT_FOUND, code="empty")
        return super().decode_lookup(response, payload, stamp)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wrong:
    """A wrong connector, the check that finds it, and the connector that is right in its place."""

    connector: type[Model]
    check: str
    right: type[Model] = Model


WRONG: tuple[Wrong, ...] = tuple(
    Wrong(connector=connector, check=f"test_{check}")
    for connector, check in (
        (PushByPosition, "an_answer_to_another_request_is_never_success"),
        (UntiedPush, "no_changed_byte_turns_a_reply_into_success"),
        (WrongCount, "garbage_is_never_success"),
        (RaisesOnOtherTypes, "values_of_other_types_are_read"),
        (LookupRaisesOnNull, "values_of_other_types_are_read"),
        (LookupOfAnyRecord, "a_lookup_accepts_no_other_record"),
        (LookupByNumberAlone, "a_lookup_accepts_no_other_record"),
        (LookupByLastCharacters, "a_lookup_accepts_no_other_record"),
        (AnyRefusalIsNotThere, "a_refusal_never_says_that_a_record_is_not_there"),
        (AnyPageIsNotThere, "no_foreign_status_is_an_answer"),
        (AnyReceipt, "a_result_belongs_to_its_receipt"),
        (NumberInTheBody, "encoding_is_deterministic"),
        (ClockInAHeader, "nothing_but_the_stamp_varies_a_request"),
        (NumberInALookup, "every_request_is_the_same_again"),
        (TodayInThePayload, "nothing_but_the_stamp_varies_a_request"),
        (OrderOfASet, "another_process_does_the_same"),
        (ConnectsWhileEncoding, "nothing_but_the_stamp_varies_a_request"),
        (ForgetsReplaces, "a_version_that_replaces_is_told_from_a_new_one"),
        (CannotReplace, "a_version_that_replaces_is_told_from_a_new_one"),
        (LatinNumbersOnly, "records_as_the_intake_makes_them_pass"),
        (MessageWithTheValue, "mapping_is_total_and_the_check_never_shows_values"),
        (OperationWithTheValue, "no_request_or_payload_shows_a_person"),
        (StatusOfAnother, "recorded_replies_pass_the_judge_of_the_service"),
        (OtherMediaType, "recorded_replies_pass_the_judge_of_the_service"),
        (NeverAsks, "the_connector_has_the_form_of_the_contract"),
        (MisspeltAbility, "the_connector_has_the_form_of_the_contract"),
        (SwappedParameters, "the_connector_has_the_form_of_the_contract"),
        (ExpectsOtherwise, "what_is_expected_is_what_is_held"),
        (HoldingsRaise, "no_call_is_answered_by_garbage"),
        (AlwaysWell, "no_call_is_answered_by_garbage"),
        (PendingWithoutReceipt, "what_is_pending_names_its_receipt"),
        (DuplicateAsAccepted, "recorded_replies_give_their_verdicts"),
        (RefusesLongNames, "good_records_pass_the_check"),
        (NumberForAKey, "no_identity_number_in_repr"),
        (CannotSendCertificates, "every_kind_is_encoded"),
        (ReadsHalfAnAnswer, "no_prefix_of_a_good_reply_is_success"),
        (LookupOfAnyCode, "no_changed_bit_makes_an_answer_a_success"),
        (EmptyIsNotThere, "lookups_and_polls_survive_garbage"),
        (MapRaisesOnPassports, "every_call_gives_what_the_contract_says"),
        (MapRaisesOnBlanks, "every_call_gives_what_the_contract_says"),
        (ChangesRaise, "every_call_gives_what_the_contract_says"),
        (ProblemsWithoutAny, "every_call_gives_what_the_contract_says"),
        (BodyAsText, "every_call_gives_what_the_contract_says"),
        (UnencodedPath, "every_call_gives_what_the_contract_says"),
        (HeadersInCapitals, "every_call_gives_what_the_contract_says"),
        (InfoOfTheMoment, "every_call_gives_what_the_contract_says"),
        (VerdictsAsText, "values_of_other_types_are_read"),
        (NullInItems, "values_of_other_types_are_read"),
        (CodesInAnyCase, "no_changed_byte_turns_a_reply_into_success"),
        (ReasonRepeatsTheBody, "no_verdict_repeats_the_answer"),
        (LookupRepeatsTheBody, "no_verdict_repeats_the_answer"),
        (DateInThePayload, "a_payload_survives_the_store"),
        (LeavesOutTheLast, "every_payload_reaches_the_request"),
        (SendsOneForAll, "every_payload_reaches_the_request"),
        (SendsTheOldVersion, "every_payload_reaches_the_request"),
        (KnowsWhatItSent, "recorded_replies_give_their_verdicts"),
        (LocalTime, "another_process_does_the_same"),
        (HashInThePath, "another_process_does_the_same"),
        (WritesALog, "nothing_but_the_stamp_varies_a_request"),
        (DrawsBytes, "nothing_but_the_stamp_varies_a_request"),
        (NumberInThePath, "no_request_or_payload_shows_a_person"),
        (NameInAHeader, "no_request_or_payload_shows_a_person"),
        (OneKeyForAll, "what_is_expected_has_a_key_of_its_own"),
        (CursorDropped, "a_cursor_is_passed_on"),
        (HealthRaises, "values_of_other_types_are_read"),
        (NameOfTwoWords, "the_connector_has_the_form_of_the_contract"),
        (NothingAtOnce, "the_connector_has_the_form_of_the_contract"),
        (NoStatuses, "the_connector_has_the_form_of_the_contract"),
        (DeclinesInSilence, "the_connector_has_the_form_of_the_contract"),
        (NeverAgain, "the_connector_has_the_form_of_the_contract"),
        (HoldingsUnsaid, "the_connector_has_the_form_of_the_contract"),
        (NoConnections, "the_connector_has_the_form_of_the_contract"),
        (NoAddress, "the_connector_has_the_form_of_the_contract"),
    )
)
