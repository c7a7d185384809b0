"""The suite every connector must pass. Subclass it in ``tests/connectors/<platform>/`` and give the fixtures.

The subclass provides the fixtures ``connector`` and ``replies`` (name -> ``Reply``, at least one accepted), and may
override ``kinds``. All checks run offline.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import pytest

from gateway.contract.connector import Connector, LooksUp, PollsAcks
from gateway.contract.messages import Payload, Problems, Stamp, Token, Verdict, WireRequest, WireResponse
from gateway.domain.records import Certificate, Record, RecordKind, Submission, Worker
from gateway.domain.states import REPLY_EVENTS, Event
from gateway.testing import people

GARBAGE = (
    b"",
    b" ",
    b"{}",
    b"[]",
    b"null",
    b"OK",
    b"<html><body>login</body></html>",
    b"\xff\xfe\x00",
    b"<a",
    b'{"code":0}',
    "成功".encode("gbk"),
    b"\x00" * 64,
    b"0",
)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A recorded reply to a push of ``payloads`` sent with ``stamp``, and the events it must give."""

    payloads: tuple[Payload, ...]
    stamp: Stamp
    response: WireResponse
    events: tuple[Event, ...]


def stamp(seed: int = 1, *, token: Token | None = None) -> Stamp:
    """A reproducible stamp."""
    rng = random.Random(seed)
    return Stamp(
        message_id=people.ulid(rng), now=datetime(2019, 4, 2, 1, 30, tzinfo=UTC), nonce=rng.randbytes(16), token=token
    )


def awkward(submission: Submission) -> Iterator[Submission]:
    """The same record with everything that tends to break a mapping."""
    content = submission.record.content
    names = ("", "阿卜杜拉·买买提江", "𠮷田" * 20, "A" * 300, "]]><x>&amp;", "\u0000\u0007", "王\n五")
    for name in names:
        if isinstance(content, Worker):
            yield _with(
                submission, replace(content, name=name, employer=None, ethnicity="99", education=None, mobile="")
            )
        elif isinstance(content, Certificate):
            holder = replace(content.holder, name=name, employer=None, id_type="000")
            yield _with(
                submission,
                replace(
                    content, holder=holder, number=name, trade="9999", level="9", status="77", valid_to=date(1999, 1, 1)
                ),
            )


def _with(submission: Submission, content: Worker | Certificate) -> Submission:
    return replace(submission, record=replace(submission.record, content=content))


class ConnectorConformance:
    """Checks of the contract, one per test."""

    @pytest.fixture
    def kinds(self, connector: Connector) -> tuple[RecordKind, ...]:
        """Kinds for which synthetic records exist."""
        return tuple(k for k in connector.info.kinds if k in (RecordKind.PERSON, RecordKind.CERTIFICATE))

    @pytest.fixture
    def sealed(self) -> Stamp:
        """The stamp used for encoding; override to add a token."""
        return stamp()

    def without_signatures(self, request: WireRequest) -> WireRequest:
        """The request as it is compared with the same one made again.

        Override it for a scheme that draws a random number (SM2), to leave out exactly what such a signature is in.
        """
        return request

    def submissions(self, connector: Connector, kind: RecordKind, count: int) -> tuple[Submission, ...]:
        """Synthetic submissions that the platform must be able to take."""
        return people.submissions(connector.info.platform, kind, count)

    def payloads(self, connector: Connector, kind: RecordKind, count: int) -> tuple[Payload, ...]:
        """Checked payloads of good records."""
        checked = [connector.check(s, connector.map(s)) for s in self.submissions(connector, kind, count)]
        good = [c for c in checked if isinstance(c, Payload)]
        assert good == checked, [c for c in checked if isinstance(c, Problems)]
        return tuple(good)

    def test_good_records_pass_the_check(self, connector: Connector, kinds: tuple[RecordKind, ...]) -> None:
        assert kinds
        for kind in kinds:
            for submission, payload in zip(
                self.submissions(connector, kind, 20), self.payloads(connector, kind, 20), strict=True
            ):
                assert (payload.key, payload.kind, payload.version) == (submission.key, kind, submission.record.version)
                assert payload.record_key == submission.record.key

    def test_mapping_is_total_and_the_check_never_shows_values(
        self, connector: Connector, kinds: tuple[RecordKind, ...]
    ) -> None:
        for kind in kinds:
            for submission in self.submissions(connector, kind, 2):
                for odd in awkward(submission):
                    result = connector.check(odd, connector.map(odd))
                    assert isinstance(result, Problems)
                    text = repr(result)
                    assert _id_number(odd.record) not in text
                    assert "买买提江" not in text

    def test_encoding_is_deterministic(
        self, connector: Connector, kinds: tuple[RecordKind, ...], sealed: Stamp
    ) -> None:
        for kind in kinds:
            payloads = self.payloads(connector, kind, connector.info.kinds[kind].batch_max)
            first = connector.encode_push(payloads, sealed)
            again = connector.encode_push(payloads, sealed)
            assert self.without_signatures(again) == self.without_signatures(first)
            assert first.body

    def test_no_identity_number_in_repr(
        self, connector: Connector, kinds: tuple[RecordKind, ...], sealed: Stamp
    ) -> None:
        for kind in kinds:
            submission = self.submissions(connector, kind, 1)[0]
            payloads = self.payloads(connector, kind, 1)
            request = connector.encode_push(payloads, sealed)
            for value in (payloads[0], request, connector.map(submission)):
                assert _id_number(submission.record) not in repr(value)

    def test_recorded_replies_give_their_verdicts(self, connector: Connector, replies: Mapping[str, Reply]) -> None:
        assert any(set(r.events) == {Event.ACCEPTED} or set(r.events) == {Event.PENDING} for r in replies.values())
        for name, reply in replies.items():
            verdicts = connector.decode_push(reply.response, reply.payloads, reply.stamp)
            assert tuple(v.event for v in verdicts) == reply.events, name

    def test_garbage_is_never_success(self, connector: Connector, replies: Mapping[str, Reply]) -> None:
        for reply in replies.values():
            for body in GARBAGE:
                self._never_success(connector, reply, replace(reply.response, body=body))

    def test_no_prefix_of_a_good_reply_is_success(self, connector: Connector, replies: Mapping[str, Reply]) -> None:
        for reply in replies.values():
            body = reply.response.body.rstrip()
            for cut in range(len(body) - 1):
                self._never_success(connector, reply, replace(reply.response, body=body[:cut]))

    def binding(self, reply: Reply) -> Mapping[str, tuple[int, ...]]:
        """What ties an answer to the request, as text in the reply, and the places of the payloads it is about.

        By default the message id for all of them, and each record key for its own. Override with the platform's own
        serial numbers and keys.
        """
        everything = {reply.stamp.message_id: tuple(range(len(reply.payloads)))}
        return everything | {payload.record_key: (place,) for place, payload in enumerate(reply.payloads)}

    def test_no_changed_byte_turns_a_reply_into_success(
        self, connector: Connector, replies: Mapping[str, Reply]
    ) -> None:
        """Every bit is flipped, every byte replaced. What is accepted then was accepted before, under the same code.

        Text for people, white space and the platform's own ids may change without harm. What binds may not: a reply
        in which it is damaged is never success for the payloads it is about.
        """
        rng = random.Random(1)
        for name, reply in replies.items():
            body = reply.response.body
            before = connector.decode_push(reply.response, reply.payloads, reply.stamp)
            bound = {
                place: payloads
                for value, payloads in self.binding(reply).items()
                for start in _places(body, value.encode())
                for place in range(start, start + len(value.encode()))
            }
            for place, byte in enumerate(body):
                for other in (*(byte ^ 1 << bit for bit in range(8)), rng.choice([b for b in range(256) if b != byte])):
                    changed = replace(reply.response, body=body[:place] + bytes([other]) + body[place + 1 :])
                    after = connector.decode_push(changed, reply.payloads, reply.stamp)
                    where = f"{name}: byte {place} from {byte} to {other}"
                    for was, verdict in zip(before, after, strict=True):
                        if verdict.event is Event.ACCEPTED:
                            assert (was.event, was.code) == (Event.ACCEPTED, verdict.code), where
                        if verdict.event is Event.PENDING:
                            assert {v.event for v in before} & {Event.ACCEPTED, Event.PENDING}, where
                    for payload in bound.get(place, ()):
                        assert after[payload].event not in (Event.ACCEPTED, Event.PENDING), where

    def test_an_answer_to_another_request_is_never_success(
        self, connector: Connector, replies: Mapping[str, Reply]
    ) -> None:
        """Holds for platforms whose answers are tied to the request; others override with the reason."""
        for reply in replies.values():
            others = self.payloads_like(connector, reply)
            verdicts = connector.decode_push(reply.response, others, stamp(99, token=reply.stamp.token))
            assert len(verdicts) == len(others)
            assert not [v for v in verdicts if v.event in (Event.ACCEPTED, Event.PENDING)]

    def payloads_like(self, connector: Connector, reply: Reply) -> tuple[Payload, ...]:
        """Other records in the shape of the reply's."""
        kind = reply.payloads[0].kind
        made = [people.submissions(connector.info.platform, kind, len(reply.payloads), seed=77)]
        checked = [connector.check(s, connector.map(s)) for s in made[0]]
        return tuple(c for c in checked if isinstance(c, Payload))

    def test_lookups_and_polls_survive_garbage(self, connector: Connector, replies: Mapping[str, Reply]) -> None:
        for reply in replies.values():
            for body in GARBAGE:
                response = replace(reply.response, body=body)
                if isinstance(connector, LooksUp):
                    verdict = connector.decode_lookup(response, reply.payloads[0], reply.stamp)
                    assert verdict.event in REPLY_EVENTS - {Event.ACCEPTED, Event.NOT_FOUND}
                if isinstance(connector, PollsAcks):
                    verdicts = connector.decode_ack(response, "receipt-1", reply.payloads, reply.stamp)
                    assert len(verdicts) == len(reply.payloads)
                    assert Event.ACCEPTED not in {v.event for v in verdicts}

    @staticmethod
    def _never_success(connector: Connector, reply: Reply, response: WireResponse) -> None:
        verdicts: list[Verdict] = list(connector.decode_push(response, reply.payloads, reply.stamp))
        assert len(verdicts) == len(reply.payloads)
        for verdict in verdicts:
            assert verdict.event in REPLY_EVENTS
            assert verdict.event not in (Event.ACCEPTED, Event.PENDING), response.body[:80]


def _places(body: bytes, value: bytes) -> Iterator[int]:
    start = body.find(value)
    while start >= 0:
        yield start
        start = body.find(value, start + 1)


def _id_number(record: Record) -> str:
    content = record.content
    holder = content.holder if isinstance(content, Certificate) else content
    assert isinstance(holder, Worker)
    return holder.id_number
