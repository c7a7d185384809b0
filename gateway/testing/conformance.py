"""The suite every connector must pass. Subclass it in ``tests/connectors/<platform>/`` and give the fixtures.

The subclass provides the fixtures ``connector`` and ``replies`` (name -> ``Reply``, at least one accepted or pending),
``recordings`` (name -> ``Recording``, what the platform answered to its other calls; ``recorded`` makes them with a
sandbox), and may override ``kinds``. All checks run offline. What a platform's own nature makes impossible is said in
the class: ``without_signatures``, ``unneeded``, ``untied``, ``refused_rules``. What only some connectors can do is
checked in ``gateway.testing.ability_checks``.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, ClassVar
from urllib.parse import unquote

import orjson
import pytest

from gateway.codec.replies import judge_reply
from gateway.contract.connector import (
    Connector,
    HoldingsBy,
    ListsHoldings,
    LooksUp,
    NeedsToken,
    PollsAcks,
    ProbesHealth,
)
from gateway.contract.messages import (
    Health,
    HoldingsPage,
    Payload,
    Problems,
    Stamp,
    Token,
    Verdict,
    WireRequest,
    WireResponse,
)
from gateway.contract.shape import flaws
from gateway.delivery.connector_guard import checked, guarded
from gateway.domain.records import Certificate, Record, RecordKind, Submission, Worker
from gateway.domain.states import REPLY_EVENTS, Event
from gateway.testing import corpus, people
from gateway.testing.ability_checks import AbilityChecks
from gateway.testing.purity import watched
from gateway.testing.recordings import (
    WANTED,
    Recording,
    has_meaning,
    in_service,
    is_fault,
    is_success,
    read,
    recorded,
    shown,
    told,
    verdicts_in,
    wire,
)

__all__ = ["GARBAGE", "ConnectorConformance", "Recording", "Reply", "awkward", "recorded", "stamp"]

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


_MARK = "370000198606186576"
_STRANGE = (f"<html><body>王示例 {_MARK}</body></html>", f"{_MARK} 王示例", f'["{_MARK}"]', f'"{_MARK}"')
"""texts of no platform, in which a person stands"""
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    1.5,
    "",
    "x",
    [],
    {},
    [None],
    [[[[[[[[{}]]]]]]]],
    {"code": {"code": []}},
    10**30,
)
"""values of another type than expected"""
NESTED = (b"[" * 100_000, b'{"a":' * 100_000, b"<a>" * 100_000)


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


class ConnectorConformance(AbilityChecks):
    """Checks of the contract, one per test."""

    @pytest.fixture
    def kinds(self, connector: Connector) -> tuple[RecordKind, ...]:
        """Kinds of which good records are made by ``submissions``."""
        return tuple(k for k in connector.info.kinds if k in (RecordKind.PERSON, RecordKind.CERTIFICATE))

    @pytest.fixture
    def recordings(self) -> Mapping[str, Recording]:
        """What the platform answered to other calls than a push; override it, best with ``recorded``."""
        return {}

    unneeded: ClassVar[Mapping[str, str]] = {}
    """recording that cannot be had (``lookup not_found``) -> why"""
    bare_answers: ClassVar[Mapping[str, str]] = {}
    """call whose good answer is ``{"code":0}`` and nothing more -> why"""
    receipt: ClassVar[str] = "receipt-1"
    """a receipt in the platform's form"""
    refused_rules: ClassVar[Mapping[str, str]] = {}
    """rule of a problem by which the platform may refuse what the intake admits -> why"""

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
                    assert isinstance(result, Problems) or _is_writable(odd.record)
                    assert not shown(repr(result), odd.record)

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
                    verdicts = connector.decode_ack(response, self.receipt, reply.payloads, reply.stamp)
                    assert len(verdicts) == len(reply.payloads)
                    assert Event.ACCEPTED not in {v.event for v in verdicts}

    # --- the form, and records as the intake makes them ---

    def test_the_connector_has_the_form_of_the_contract(self, connector: Connector) -> None:
        assert flaws(connector) == []

    def test_records_as_the_intake_makes_them_pass(self, connector: Connector) -> None:
        """Of every kind the platform takes. What it may refuse, a tenth at most, stands in ``refused_rules``."""
        for kind in connector.info.kinds:
            refused: dict[str, int] = {}
            passed, submissions = 0, self.admitted(connector, kind)
            for submission in submissions:
                result = connector.check(submission, connector.map(submission))
                if isinstance(result, Problems):
                    for problem in result.items:
                        refused[problem.rule] = refused.get(problem.rule, 0) + 1
                    assert not shown(result, submission.record), f"{kind}: a problem repeats a person's data"
                else:
                    passed += 1
                    assert (result.kind, result.key, result.version) == (
                        kind,
                        submission.key,
                        submission.record.version,
                    )
            unexpected = {rule: count for rule, count in refused.items() if rule not in self.refused_rules}
            assert not unexpected, f"{kind}: admitted by the intake and refused here, by rule: {unexpected}"
            assert passed >= 0.9 * len(submissions), f"{kind}: only {passed} of {len(submissions)} pass"

    def test_a_version_that_replaces_is_told_from_a_new_one(self, connector: Connector, sealed: Stamp) -> None:
        """``replaces`` and the version reach the payload, and what is encoded for a change is a request as well."""
        for kind in connector.info.kinds:
            for submission in self.admitted(connector, kind, 6):
                later = corpus.changed(submission)
                payload = connector.check(later, connector.map(later))
                if isinstance(payload, Payload):
                    assert payload.replaces, f"{kind}: replaces is dropped"
                    assert payload.version == later.record.version
                    assert connector.encode_push([payload], sealed).operation

    def test_every_kind_is_encoded(self, connector: Connector, sealed: Stamp) -> None:
        """As many together as the kind allows, attachments included."""
        for kind, terms in connector.info.kinds.items():
            payloads = self.taken(connector, kind, min(terms.batch_max, 6))
            assert payloads, f"{kind}: nothing of what the intake admits can be sent"
            for payload in payloads:
                assert guarded(connector).encode_push([payload], sealed).operation

    def test_every_call_gives_what_the_contract_says(self, connector: Connector, sealed: Stamp) -> None:
        """Nothing raises or gives a result of another form; header names are lower case; what ``info`` says stays."""
        assert connector.info == connector.info, "info is another at the second look"
        behind = guarded(connector)
        for kind in connector.info.kinds:
            for submission in self.admitted(connector, kind, len(corpus.EDGES)):
                result = checked(behind, submission)
                assert not isinstance(result, Verdict), f"{kind}: {told(result)}"
                if isinstance(result, Problems):
                    assert result.items, f"{kind}: problems without a problem"
                    said = [problem for problem in result.items if not (problem.rule and problem.message)]
                    assert not said, f"{kind}: a problem without rule or message"
        for name, request in self.requests(behind, sealed):
            assert request.operation, f"{name}: a request without the name of its call"
            assert all(header == header.lower() for header in request.headers), f"{name}: header names in lower case"
            assert request.method == request.method.upper(), f"{name}: the method in upper case"

    def test_a_payload_survives_the_store(self, connector: Connector, sealed: Stamp) -> None:
        """The store keeps a payload as JSON: what comes back is encoded and expected just as what went in."""
        for kind in connector.info.kinds:
            for payload in self.taken(connector, kind, 3):
                back = replace(payload, fields=json.loads(orjson.dumps(payload.fields, default=dict)))
                made, again = (self.without_signatures(connector.encode_push([p], sealed)) for p in (payload, back))
                assert wire(made) == wire(again), f"{kind}: other bytes after the store"
                behind = guarded(connector)
                if isinstance(behind, ListsHoldings):
                    assert behind.expected(back) == behind.expected(payload), f"{kind}: expected otherwise"

    def test_every_payload_reaches_the_request(self, connector: Connector, sealed: Stamp) -> None:
        """With another payload in any place of it a request is another, and with a changed one too."""
        for kind, terms in connector.info.kinds.items():
            *payloads, other = self.taken(connector, kind, min(terms.batch_max, 3) + 1)
            assert payloads, f"{kind}: too few of what the intake admits can be sent"
            whole = self._sent(connector, payloads, sealed)
            for place in range(len(payloads)):
                swapped = [*payloads[:place], other, *payloads[place + 1 :]]
                assert self._sent(connector, swapped, sealed) != whole, f"{kind}: payload {place} is left out"
            for submission in self.admitted(connector, kind, 3):
                later = corpus.changed(submission)
                before, after = (connector.check(s, connector.map(s)) for s in (submission, later))
                if isinstance(before, Payload) and isinstance(after, Payload) and before.fields != after.fields:
                    ours = self._sent(connector, [replace(before, replaces=True)], sealed)
                    assert self._sent(connector, [after], sealed) != ours, f"{kind}: a new version sends the same"

    def _sent(self, connector: Connector, payloads: Sequence[Payload], sealed: Stamp) -> tuple[object, ...]:
        return wire(self.without_signatures(connector.encode_push(payloads, sealed)))

    def test_no_verdict_repeats_the_answer(
        self, connector: Connector, recordings: Mapping[str, Recording], replies: Mapping[str, Reply]
    ) -> None:
        """A page of something else may name a person: of what cannot be read, no word stands in a verdict."""
        pushes = {
            name: Recording(call="push", given=(r.payloads,), stamp=r.stamp, response=r.response, means=Event.ACCEPTED)
            for name, r in replies.items()
        }
        for name, one in {**pushes, **recordings}.items():
            for text in _STRANGE:
                result = read(connector, one, replace(one.response, body=text.encode()))
                words = [result.detail] if isinstance(result, Health) else []
                for verdict in verdicts_in(result):
                    words += [verdict.code, verdict.reason, verdict.receipt or "", *verdict.fields]
                assert not [1 for word in words if _MARK in word], f"{name}: a verdict repeats what it cannot read"

    # --- purity ---

    def requests(self, connector: Connector, sealed: Stamp) -> list[tuple[str, WireRequest]]:
        """Every request that can be made from admitted records and the stamp alone, by the call's name."""
        made: list[tuple[str, WireRequest]] = []
        for kind, terms in connector.info.kinds.items():
            payloads = self.taken(connector, kind, min(terms.batch_max, 3))
            made.append((f"push {kind}", connector.encode_push(payloads, sealed)))
            if isinstance(connector, LooksUp):
                made.append((f"lookup {kind}", connector.encode_lookup(payloads[0], sealed)))
            if isinstance(connector, ListsHoldings):
                asked = payloads[0] if connector.info.holdings_by is HoldingsBy.RECORD else None
                made.append((f"holdings {kind}", connector.encode_holdings(None, asked, sealed)))
        if isinstance(connector, PollsAcks):
            made.append(("ack", connector.encode_ack(self.receipt, sealed)))
        if isinstance(connector, ProbesHealth):
            made.append(("health", connector.encode_health(sealed)))
        if isinstance(connector, NeedsToken):
            made.append(("login", connector.encode_login(None, replace(sealed, token=None))))
        return [*made, *self.requests_of_abilities(connector, sealed)]

    def test_nothing_but_the_stamp_varies_a_request(
        self, connector: Connector, sealed: Stamp, recordings: Mapping[str, Recording], replies: Mapping[str, Reply]
    ) -> None:
        """No socket, process, file written, clock or random number while mapping, checking, encoding or decoding."""
        self.requests(connector, sealed)  # what is loaded on first use is loaded now
        with watched() as done:
            self.requests(connector, sealed)
            for recording in recordings.values():
                read(connector, recording, recording.response)
            for reply in replies.values():
                connector.decode_push(reply.response, reply.payloads, reply.stamp)
        assert not done, f"a connector does no input or output, reads no clock and draws nothing: {sorted(set(done))}"

    def test_every_request_is_the_same_again(self, connector: Connector, sealed: Stamp) -> None:
        """Method, path, headers in their order, and bytes."""
        again = dict(self.requests(connector, sealed))
        for name, request in self.requests(connector, sealed):
            assert wire(self.without_signatures(again[name])) == wire(self.without_signatures(request)), name

    def test_another_process_does_the_same(
        self, connector: Connector, sealed: Stamp, recordings: Mapping[str, Recording], replies: Mapping[str, Reply]
    ) -> None:
        """With other hash seeds and in another time zone, so that the order of a set, the machine's own time, or
        anything else that a process has of its own, shows; and knowing nothing of what this process has sent."""
        here = [(name, wire(self.without_signatures(request))) for name, request in self.requests(connector, sealed)]
        answers = {
            **{name: ("push", (r.payloads,), r.stamp, r.response) for name, r in replies.items()},
            **{name: (one.call, one.given, one.stamp, one.response) for name, one in recordings.items()},
        }
        read_here = self.readings(connector, answers)
        task = pickle.dumps((sys.path, pickle.dumps((self.portable(connector), self, sealed, answers))))
        for seed, zone in (("1", "Asia/Shanghai"), ("2", "Pacific/Kiritimati")):
            child = subprocess.run(  # noqa: S603 - this interpreter, with a fixed line of code
                [sys.executable, "-c", _CHILD],
                input=task,
                capture_output=True,
                env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone},
                timeout=120,
                check=False,
            )
            assert child.returncode == 0, f"could not be used in another process; see portable(): {_last(child.stderr)}"
            made, read_there = pickle.loads(child.stdout)  # noqa: S301 - our own child
            there = [(name, wire(self.without_signatures(request))) for name, request in made]
            other = [name for (name, ours), (_, theirs) in zip(here, there, strict=True) if ours != theirs]
            assert not other, f"not the same in another process: {other}"
            differing = [name for name, means in read_here.items() if read_there[name] != means]
            assert not differing, f"read otherwise in another process: {differing}"

    def readings(self, connector: Connector, answers: Mapping[str, tuple[Any, ...]]) -> dict[str, str]:
        """What the connector makes of answers: the verdicts, or the class of what it gives instead.

        answers: name -> call, what its decoder is given, stamp and response
        """
        behind = guarded(connector)
        return {
            name: told(getattr(behind, f"decode_{call}")(response, *given, at))
            for name, (call, given, at, response) in answers.items()
        }

    def portable(self, connector: Connector) -> Connector | partial[Connector]:
        """What another process gets: the connector itself, or for one that cannot be pickled how to build it."""
        return connector

    def test_no_request_or_payload_shows_a_person(self, connector: Connector, sealed: Stamp) -> None:
        """Neither in a repr nor in the operation, the path or the headers, which are logged on their way."""
        for kind in connector.info.kinds:
            for submission in self.admitted(connector, kind, 6):
                draft = connector.map(submission)
                payload = connector.check(submission, draft)
                if not isinstance(payload, Payload):
                    continue
                request = connector.encode_push([payload], sealed)
                texts = (
                    repr(draft),
                    repr(payload),
                    repr(request),
                    unquote(request.path),
                    unquote(repr(dict(request.headers))),
                )
                assert not shown(texts, submission.record), f"{kind}: a person's data is shown"
                if isinstance(connector, LooksUp):
                    asked = connector.encode_lookup(payload, sealed)
                    assert not shown((unquote(repr(asked)), asked.operation), submission.record), f"{kind}: look-up"

    # --- recorded answers ---

    def test_every_ability_has_a_recorded_answer(
        self, connector: Connector, recordings: Mapping[str, Recording]
    ) -> None:
        there = {(one.call, one.means) for one in recordings.values()}
        lacking = [
            name
            for ability, call, means in WANTED
            if isinstance(connector, ability) and (call, means) not in there
            for name in [f"{call} {means.value if isinstance(means, Event) else means.__name__}"]
            if name not in self.unneeded
        ]
        assert not lacking, f"no recorded answer: {lacking}"

    def test_recorded_answers_mean_what_they_say(
        self, connector: Connector, recordings: Mapping[str, Recording]
    ) -> None:
        for name, one in recordings.items():
            result = in_service(connector, one, one.response)
            assert has_meaning(result, one.means), f"{name}: {told(result)} instead of {one.means}"

    def test_recorded_replies_pass_the_judge_of_the_service(
        self, connector: Connector, replies: Mapping[str, Reply]
    ) -> None:
        """A success that comes under a status or media type the connector does not name would never be read."""
        for name, reply in replies.items():
            if {Event.ACCEPTED, Event.PENDING} & set(reply.events):
                judged = judge_reply(reply.response, connector.info, replay_safe=False, now=reply.stamp.now)
                assert judged is None, f"{name}: {judged.code if judged else ''}"

    def test_what_is_pending_names_its_receipt(self, connector: Connector, replies: Mapping[str, Reply]) -> None:
        for name, reply in replies.items():
            for verdict in connector.decode_push(reply.response, reply.payloads, reply.stamp):
                assert verdict.event is not Event.PENDING or verdict.receipt, name

    def test_no_call_is_answered_by_garbage(self, connector: Connector, recordings: Mapping[str, Recording]) -> None:
        """Nor by half an answer, nested for ever, empty, or the platform's refusal: each is read, none is a success."""
        for name, one in recordings.items():
            body = one.response.body.rstrip()
            cuts = [body[:cut] for cut in range(0, len(body) - 1, 1 + len(body) // 400)]
            bare = (b'{"code":0}',) if one.call in self.bare_answers else ()
            for text in (t for t in (*GARBAGE, *NESTED, *cuts) if t not in bare):
                result = read(connector, one, replace(one.response, body=text))
                assert not is_success(result), f"{name}: {text[:60]!r} gives {told(result)}"

    def test_no_foreign_status_is_an_answer(self, connector: Connector, recordings: Mapping[str, Recording]) -> None:
        """A proxy's page under 404, 502 or 200 says nothing about any record."""
        page = b"<html><head><title>404 Not Found</title></head></html>"
        for name, one in recordings.items():
            for status in (200, 301, 404, 410, 500, 502):
                for kind in ("text/html", "application/json", "text/xml"):
                    made = WireResponse(status=status, headers={"content-type": kind}, body=page)
                    result = in_service(connector, one, made)
                    assert not is_success(result), f"{name}: a page under {status} gives {told(result)}"

    def test_values_of_other_types_are_read(
        self, connector: Connector, recordings: Mapping[str, Recording], replies: Mapping[str, Reply]
    ) -> None:
        """Each value of an answer in JSON becomes null, a number, a list, an object, or is left out: nothing raises."""
        pushes = {
            name: Recording(call="push", given=(r.payloads,), stamp=r.stamp, response=r.response, means=Event.ACCEPTED)
            for name, r in replies.items()
        }
        for name, one in {**pushes, **recordings}.items():
            for text in _odd(one.response.body):
                result = read(connector, one, replace(one.response, body=text))
                assert not is_fault(result), f"{name}: {told(result)}"

    def test_no_changed_bit_makes_an_answer_a_success(
        self, connector: Connector, recordings: Mapping[str, Recording]
    ) -> None:
        """What is accepted then was accepted before, under the same code; what is not there was read so before, or was
        there; and nothing raises."""
        rng = random.Random(2)
        for name, one in recordings.items():
            before = verdicts_in(read(connector, one, one.response))
            body = one.response.body
            places = range(len(body)) if len(body) <= 600 else sorted(rng.sample(range(len(body)), 600))
            for place in places:
                for other in (body[place] ^ 1 << rng.randrange(8), rng.randrange(256)):
                    changed = replace(one.response, body=body[:place] + bytes([other]) + body[place + 1 :])
                    result = read(connector, one, changed)
                    assert not is_fault(result), f"{name}: byte {place} to {other}: {told(result)}"
                    for was, now in zip(before, verdicts_in(result), strict=False):
                        if now.event is Event.ACCEPTED:
                            assert (was.event, was.code) == (Event.ACCEPTED, now.code), f"{name}: byte {place}"
                        if now.event is Event.NOT_FOUND:
                            assert was.event in (Event.ACCEPTED, Event.NOT_FOUND, Event.CONFLICT), f"{name}: {place}"

    def test_a_refusal_never_says_that_a_record_is_not_there(
        self, connector: Connector, replies: Mapping[str, Reply]
    ) -> None:
        """ "Not there" leads to sending again; a refusal, a fault or a strange code says nothing about the record."""
        for name, reply in replies.items():
            if isinstance(connector, LooksUp) and not {Event.ACCEPTED, Event.PENDING} & set(reply.events):
                verdict = connector.decode_lookup(reply.response, reply.payloads[0], reply.stamp)
                assert verdict.event not in (Event.ACCEPTED, Event.NOT_FOUND), f"{name}: {told(verdict)}"

    def test_a_lookup_accepts_no_other_record(self, connector: Connector, recordings: Mapping[str, Recording]) -> None:
        """Other records, and those that differ from ours in person, number or its first character alone."""
        for name, one in recordings.items():
            if one.call == "lookup" and one.means is Event.ACCEPTED and isinstance(connector, LooksUp):
                for what, payload in self.near(connector, one.given[0]):
                    verdict = connector.decode_lookup(one.response, payload, one.stamp)
                    assert verdict.event is not Event.ACCEPTED, f"{name}: accepted for another record ({what})"

    def near(self, connector: Connector, payload: Payload) -> Iterator[tuple[str, Payload]]:
        """Payloads of other content under the same key, then other records; what the check refuses is left out.

        payload: of the first record of its kind by ``submissions``
        """
        first = self.submissions(connector, payload.kind, 1)[0]
        for what, content in _neighbours(first.record.content):
            other = replace(first, record=replace(first.record, content=content))
            checked = connector.check(other, connector.map(other))
            if isinstance(checked, Payload) and checked.fields != payload.fields:
                yield what, replace(checked, record_key=payload.record_key, key=payload.key)
        for other in self.submissions(connector, payload.kind, 4)[1:]:
            checked = connector.check(other, connector.map(other))
            if isinstance(checked, Payload):
                yield "another record", checked

    def test_a_result_belongs_to_its_receipt(self, connector: Connector, recordings: Mapping[str, Recording]) -> None:
        """An answer about another receipt, of the same form and other in its last character, is no result."""
        for name, one in recordings.items():
            if one.call == "ack" and isinstance(connector, PollsAcks):
                receipt, payloads = one.given
                other = receipt[:-1] + ("3" if receipt.endswith("2") else "2")
                verdicts = connector.decode_ack(one.response, other, payloads, one.stamp)
                assert Event.ACCEPTED not in {v.event for v in verdicts}, name

    def test_what_is_expected_is_what_is_held(self, connector: Connector, recordings: Mapping[str, Recording]) -> None:
        """After the push of a payload ``decode_holdings`` shows it just as ``expected`` tells it."""
        for name, one in recordings.items():
            looked = [r.given[0] for r in recordings.values() if r.call == "lookup" and r.means is Event.ACCEPTED]
            if one.call != "holdings" or not isinstance(connector, ListsHoldings) or not looked:
                continue
            page = connector.decode_holdings(one.response, one.given[0], one.stamp)
            assert isinstance(page, HoldingsPage), name
            ours = connector.expected(looked[0])
            held = {(h.kind, h.key): h for h in page.holdings}.get((ours.kind, ours.key))
            assert held is not None, f"{name}: nothing is held under the expected kind and key"
            differing = sorted(k for k in ours.fields.keys() & held.fields.keys() if ours.fields[k] != held.fields[k])
            assert not differing, f"{name}: expected otherwise: {differing}"
            if ours.version is not None and held.version is not None:
                assert ours.version == held.version, name

    def test_what_binds_a_reply_is_found_in_it(self, connector: Connector, replies: Mapping[str, Reply]) -> None:
        """Otherwise ``binding`` names nothing, and no damage to it is tried: override it with what the platform echoes.

        A platform whose answers name nothing of the request overrides this with the reason.
        """
        for name, reply in replies.items():
            if Event.ACCEPTED in reply.events:
                found = [value for value in self.binding(reply) if value.encode() in reply.response.body]
                assert found, f"{name}: neither message id nor record key, nor what binding() names, is in the reply"

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


_CHILD = """
import functools, pickle, sys
path, task = pickle.load(sys.stdin.buffer)
sys.path[:] = path
connector, suite, sealed, answers = pickle.loads(task)
connector = connector() if isinstance(connector, functools.partial) else connector
sys.stdout.buffer.write(pickle.dumps((suite.requests(connector, sealed), suite.readings(connector, answers))))
"""


def _last(stderr: bytes) -> str:
    """The class of what ended the child; its text may hold a person's data."""
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].partition(":")[0] if lines else "no word"


def _odd(body: bytes) -> Iterator[bytes]:
    """The body with each value of it replaced or left out; nothing where it is no JSON."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return
    for odd in ODD:
        yield json.dumps(odd).encode()
    for path in _paths(document):
        for odd in ODD:
            yield json.dumps(_changed(document, path, odd)).encode()
        yield json.dumps(_changed(document, path, _LEFT_OUT)).encode()


def _paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for at, inner in entries:
        yield (*above, at)
        yield from _paths(inner, (*above, at))


_LEFT_OUT = object()


def _changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value at a path, or without it."""
    copy = json.loads(json.dumps(document))
    parent = copy
    for at in path[:-1]:
        parent = parent[at]
    if value is _LEFT_OUT:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return copy


def _neighbours(content: object) -> Iterator[tuple[str, Worker | Certificate]]:
    other = people.worker(random.Random(4711))
    if isinstance(content, Worker):
        yield "another name", replace(content, name=other.name + "贰")
        yield (
            "another identity number",
            replace(content, id_number=other.id_number, birth_date=other.birth_date, gender=other.gender),
        )
    elif isinstance(content, Certificate):
        same_age = replace(other, employer=content.holder.employer)
        yield "another holder of the same number", replace(content, holder=same_age)
        yield "another first character of the number", replace(content, number=f"鲁Z{content.number[2:]}")


def _is_writable(record: Record) -> bool:
    """Whether a platform that asks for little may take it: a name of letters and signs, in no more than 100."""
    content = record.content
    holder = content.holder if isinstance(content, Certificate) else content
    return isinstance(holder, Worker) and holder.name.isprintable() and 0 < len(holder.name) <= 100
