"""Every dialect against the simulated platform that speaks it: conformance, and the road of a filing by project."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from connectors.worker_platform.adapter import WorkerPlatform, build
from connectors.worker_platform.dialect_file import load_dialect
from connectors.worker_platform.sandbox import WorkerPlatformSandbox
from connectors.worker_platform.sandbox import build as build_sandbox
from gateway.codec.replies import judge_reply
from gateway.contract.connector import Connector, HoldingsBy
from gateway.contract.messages import Holding, HoldingsPage, Payload, Stamp, Verdict, WireRequest, WireResponse
from gateway.domain.records import Placement, RecordKind, Submission
from gateway.domain.states import Event
from gateway.settings import loader
from gateway.testing import people
from gateway.testing.conformance import ConnectorConformance, Recording, Reply, recorded, stamp
from gateway.testing.inprocess import answer_of

BY_PROJECT = ("national", "hangzhou", "huzhou", "jinhua", "fujian", "henan", "huiji")
PERSON, CERTIFICATE = RecordKind.PERSON, RecordKind.CERTIFICATE
BASE = "http://127.0.0.1:1"
Until = Callable[[Callable[[], Any]], Any]


class Copy:
    """A copy of the platform in this process, and the connector with its dialect."""

    def __init__(self, dialect: str) -> None:
        self.sandbox: WorkerPlatformSandbox = build_sandbox(dialect=dialect, seed=4)
        self.sandbox.delay_seconds = (0.0, 0.0)
        access = self.sandbox.access(BASE)
        self.connector: WorkerPlatform = build(loader(dict(access.environment)))
        at = access.details
        self.place: Placement = people.placement(
            at["project_code"], at["corp_code"], at["corp_name"], at["team_sys_no"], at["team_name"]
        )
        self._rng = random.Random(3)

    def stamp(self) -> Stamp:
        return Stamp(message_id=people.ulid(self._rng), now=datetime.now(UTC), nonce=self._rng.randbytes(16))

    def filed(self) -> tuple[Submission, Submission]:
        person = people.person_record(self._rng, employed=True)
        certificate = people.certificate_record(self._rng, person)
        both = (people.placed(one, self.place) for one in (person, certificate))
        first, second = (Submission(platform="worker_platform", record=record) for record in both)
        return first, second

    def payload(self, submission: Submission) -> Payload:
        checked = self.connector.check(submission, self.connector.map(submission))
        assert isinstance(checked, Payload), checked
        return checked

    def ask(self, request: WireRequest) -> WireResponse:
        response = answer_of(self.sandbox, self.connector.endpoint.base_url, request)
        assert response is not None
        return response

    def push(self, *payloads: Payload) -> Verdict:
        """Push and poll to the end."""
        at = self.stamp()
        response = self.ask(self.connector.encode_push(payloads, at))
        assert judge_reply(response, self.connector.info, replay_safe=False, now=at.now) is None
        (verdict,) = self.connector.decode_push(response, payloads, at)
        for _ in range(3):
            if verdict.event is not Event.PENDING:
                break
            receipt = verdict.receipt
            assert receipt is not None
            answer = self.ask(self.connector.encode_ack(receipt, self.stamp()))
            (verdict,) = self.connector.decode_ack(answer, receipt, payloads, self.stamp())
        return verdict

    def lookup(self, payload: Payload) -> Verdict:
        at = self.stamp()
        return self.connector.decode_lookup(self.ask(self.connector.encode_lookup(payload, at)), payload, at)

    def listed(self, payload: Payload) -> list[Holding]:
        cursor, found = self.connector.part_of(payload), []
        while cursor is not None:
            at = self.stamp()
            answer = self.ask(self.connector.encode_holdings(cursor, None, at))
            page = self.connector.decode_part(answer, cursor, at)
            assert isinstance(page, HoldingsPage)
            found += page.holdings
            cursor = page.next_cursor
        return found


@pytest.fixture(params=BY_PROJECT)
def copy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Copy:
    monkeypatch.chdir(tmp_path)
    return Copy(request.param)


class TestEveryDialectConforms(ConnectorConformance):
    """The contract's suite, with filings that name a project."""

    refused_rules: ClassVar[Mapping[str, str]] = {
        "id_card_types": "the platform takes no passport or permit here",
        "required": "a worker has an address and an ethnicity there, which the form may leave out",
    }
    bare_answers: ClassVar[Mapping[str, str]] = {"health": "a check of the signature answers by its code alone"}

    @pytest.fixture
    def connector(self, copy: Copy) -> WorkerPlatform:
        self.place = copy.place
        return copy.connector

    def submissions(self, connector: Connector, kind: RecordKind, count: int) -> tuple[Submission, ...]:
        made = people.submissions(connector.info.platform, kind, count)
        return tuple(replace(s, record=people.placed(s.record, self.place)) for s in made)

    def admitted(self, connector: Connector, kind: RecordKind, count: int | None = None) -> tuple[Submission, ...]:
        made = super().admitted(connector, kind, count)
        return tuple(replace(s, record=people.placed(s.record, self.place)) for s in made)

    @pytest.fixture
    def recordings(self, copy: Copy, connector: WorkerPlatform) -> dict[str, Recording]:
        """Answers of the copy to a worker of the project."""
        (payload,) = self.payloads(connector, RecordKind.PERSON, 1)
        return recorded(connector, copy.ask, copy.stamp, payload)

    def payloads_like(self, connector: Connector, reply: Reply) -> tuple[Payload, ...]:
        made = people.submissions(connector.info.platform, reply.payloads[0].kind, len(reply.payloads), seed=77)
        placed = [replace(s, record=people.placed(s.record, self.place)) for s in made]
        return tuple(c for s in placed if isinstance(c := connector.check(s, connector.map(s)), Payload))

    @pytest.fixture
    def replies(self, copy: Copy, connector: WorkerPlatform) -> dict[str, Reply]:
        """Answers of the copy itself: taken, taken already, and of another secret."""
        payload, at = copy.payload(copy.filed()[0]), stamp()
        request = connector.encode_push([payload], copy.stamp())
        taken, again = copy.ask(request), copy.ask(connector.encode_push([payload], copy.stamp()))
        events = connector.decode_push(again, [payload], at)[0].event
        assert events in (Event.DUPLICATE, Event.PENDING)
        replayed = copy.ask(request)
        # the same nonce again concerns no record; Henan takes a nonce again, and then the worker is there already
        held = (Event.HOLD,)
        if copy.sandbox.dialect == "henan":
            held = (connector.decode_push(replayed, [payload], at)[0].event,)
            assert held[0] in (Event.DUPLICATE, Event.PENDING)
        return {
            "taken": Reply(payloads=(payload,), stamp=at, response=taken, events=(Event.PENDING,)),
            "again": Reply(payloads=(payload,), stamp=at, response=again, events=(events,)),
            "replayed": Reply(payloads=(payload,), stamp=at, response=replayed, events=held),
        }

    def test_an_answer_to_another_request_is_never_success(
        self, connector: Connector, replies: dict[str, Reply]
    ) -> None:
        """Only the exchange ties an answer to a push; the most it can say is ``pending``."""
        for reply in replies.values():
            verdicts = connector.decode_push(reply.response, self.payloads_like(connector, reply), stamp(99))
            assert Event.ACCEPTED not in {v.event for v in verdicts}


def test_a_filing_goes_as_a_worker_and_then_as_a_training_with_its_score(copy: Copy) -> None:
    person, certificate = map(copy.payload, copy.filed())
    assert copy.push(certificate).event is Event.RETRY  # no such worker in the project yet
    assert copy.lookup(person).event is Event.NOT_FOUND
    assert copy.push(person).event is Event.ACCEPTED
    assert copy.lookup(person).event is Event.ACCEPTED
    assert copy.push(certificate).event is Event.ACCEPTED
    assert copy.lookup(certificate).event is Event.ACCEPTED
    for payload in (person, certificate):
        assert copy.push(payload).event is Event.DUPLICATE
    counts = copy.sandbox.effects()["counts"]
    assert (counts["persons"], counts["certificates"]) == (1, 1)


def test_a_change_of_trade_is_an_update_of_the_same_worker(copy: Copy) -> None:
    first, _ = copy.filed()
    copy.push(copy.payload(first))
    changed = people.placed(first.record, replace(copy.place, trade="010"))
    second = copy.payload(replace(first, record=replace(changed, version=2), replaces=True))
    before = copy.lookup(second)
    assert (before.event, before.code, before.fields) == (Event.NOT_FOUND, "earlier_state", ("placement.trade",))
    assert copy.push(second).event is Event.ACCEPTED
    assert copy.lookup(second).event is Event.ACCEPTED
    assert [one["versions"] for one in copy.sandbox.effects()["holdings"].values()] == [[1, 2], [1, 2]]


def test_both_sides_agree_about_workers_and_trainings_of_the_project(copy: Copy) -> None:
    filed = [tuple(map(copy.payload, copy.filed())) for _ in range(3)]
    for pair in filed:
        assert [copy.push(payload).event for payload in pair] == [Event.ACCEPTED, Event.ACCEPTED]
    assert copy.connector.info.holdings_by is HoldingsBy.RECORD
    for side in zip(*filed, strict=True):
        theirs = {one.key: one for one in copy.listed(side[0])}
        assert sorted(theirs) == sorted(copy.connector.expected(one).key for one in side)
        for payload in side:
            expected = copy.connector.expected(payload)
            shown = theirs[expected.key].fields
            assert {name: value for name, value in expected.fields.items() if name in shown} == shown


def test_a_refused_field_is_named_in_our_words(copy: Copy) -> None:
    person = copy.payload(copy.filed()[0])
    refused = copy.push(replace(person, fields={**person.fields, "workType": "9999"}))
    assert (refused.event, refused.fields) == (Event.REJECTED, ("placement.trade",))


def test_no_copy_blames_a_record_for_the_call(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clock, version, further signed field, account, address, signature, permission: each in the copy's own words."""
    sandbox, wire = copy.sandbox, copy.sandbox.wire
    person = copy.payload(copy.filed()[0])
    assert copy.push(person).event is Event.ACCEPTED
    wrong: dict[str, Callable[[], Any]] = {
        "timestamp": lambda: setattr(sandbox, "tolerance", timedelta(hours=-3)),
        "version": lambda: setattr(sandbox, "wire", replace(wire, versions=("9",))),
        "address": lambda: setattr(sandbox, "admitted", frozenset({"192.0.2.1"})),
        "account": lambda: monkeypatch.setattr("connectors.worker_platform.sandbox.APPID", "1"),
        "signature": lambda: monkeypatch.setattr("connectors.worker_platform.sandbox.SECRET", "x" * 32),
        "method": lambda: setattr(sandbox, "wire", replace(wire, methods={person_call(copy): "Nothing.Add"})),
    }
    if wire.extra:
        wrong["extra"] = lambda: setattr(sandbox, "wire", replace(wire, extra={"iscompany": "2"}))
    for name, break_it in wrong.items():
        tolerance, admitted = sandbox.tolerance, sandbox.admitted
        with monkeypatch.context():
            break_it()
            at = copy.stamp()
            verdict = copy.connector.decode_push(copy.ask(copy.connector.encode_push([person], at)), [person], at)[0]
            assert verdict.event is Event.HOLD, (name, verdict)
            if name != "method":
                assert copy.lookup(person).event is Event.HOLD, name
        monkeypatch.undo()
        sandbox.tolerance, sandbox.admitted, sandbox.wire = tolerance, admitted, wire
    assert copy.lookup(person).event is Event.ACCEPTED


def person_call(copy: Copy) -> str:
    method: str = load_dialect(str(copy.sandbox.dialect)).methods.worker_add
    return method


def test_identity_numbers_never_travel_in_clear(copy: Copy) -> None:
    for submission in copy.filed():
        payload = copy.payload(submission)
        number = str(payload.fields["idCardNumber"])
        for request in (
            copy.connector.encode_push([payload], copy.stamp()),
            copy.connector.encode_lookup(payload, copy.stamp()),
        ):
            assert number.encode() not in request.body
            assert number not in request.path


def test_the_health_call_is_answered(copy: Copy) -> None:
    at = copy.stamp()
    health = copy.connector.decode_health(copy.ask(copy.connector.encode_health(at)), at)
    assert health.ok, health.detail


def test_a_busy_copy_lets_the_whole_account_rest(copy: Copy) -> None:
    person = copy.payload(copy.filed()[0])
    copy.sandbox.faults.set(next_=["busy"])
    verdict = copy.push(person)
    assert verdict.event is Event.RETRY
    assert verdict.retry_after is not None


def test_a_forgotten_result_leads_to_a_question(copy: Copy) -> None:
    person = copy.payload(copy.filed()[0])
    copy.sandbox.faults.set(next_=["slow", "forget_result"])
    copy.sandbox.slow_seconds = 0
    assert copy.push(person).event is Event.NOT_FOUND
    assert copy.lookup(person).event is Event.ACCEPTED


def test_fields_have_the_names_of_the_dialect_on_the_wire(copy: Copy) -> None:
    from urllib.parse import parse_qsl

    (person, training), connector = map(copy.payload, copy.filed()), copy.connector

    def sent(payload: Payload) -> Any:
        body = connector.encode_push([payload], copy.stamp()).body
        form: Any = json.loads(body) if body.startswith(b"{") else dict(parse_qsl(body.decode("ascii")))
        data = json.loads(form["data"])
        return form["method"], data[0] if isinstance(data, list) else data

    names = WIRE[str(copy.sandbox.dialect)]
    method, data = sent(person)
    listed = sorted(data[names[1]][0]) if names[1] else []
    assert (method, sorted(data), listed) == (names[0], *map(sorted, names[2:4]))
    method, data = sent(training)
    assert method == names[4]
    assert set(names[5]) <= set(data)


_OUTER = ["projectCode", "corpCode", "corpName", "teamSysNo", "teamName"]
_ITEM = [
    *("workerName", "isTeamLeader", "idCardType", "idCardNumber", "workType", "workRole", "nation", "address"),
    *("headImage", "politicsType", "cellPhone", "cultureLevelType", "grantOrg"),
]
_NATIONAL: Sequence[Any] = (
    *("ProjectWorker.Add", "workerList", [*_OUTER, "workerList"], _ITEM),
    *("ProjectTraining.Add", ["projectCode", "trainingDate", "trainingName", "trainingTypeCode", "workers"]),
)
WIRE: dict[str, Sequence[Any]] = {
    "national": _NATIONAL,
    "hangzhou": _NATIONAL,
    "fujian": _NATIONAL,
    "huzhou": ("ProjectWorkerAdd", *_NATIONAL[1:4], "ProjectTrainingAdd", _NATIONAL[5]),
    "jinhua": (
        *("ProjectWorker.Add", "workerList", ["workerList"]),
        [n for n in _ITEM if n != "idCardType"] + ["teamSysNo", "gender", "inDate", "headImageSuffix"],
        *("ProjectTraining.Add", ["trainingDate", "trainingName", "trainingTypeCode", "workers"]),
    ),
    "henan": (
        *("ProjectWorker.Add", ""),
        [
            *("PROJECTCODE", "SOCIALCREDITCODE", "TEAMSYSNO", "COMPANYCODE", "NAME", "IDNUMBER", "WORKCLASSES"),
            *("BIRTHDAY", "STARTTIME", "EDUCATIONLEVELS", "POLITICALSTATUS", "ADDRESS", "NATION", "PHONE", "PIC"),
        ],
        *([], "ProjectTraining.Add", ["PROJECTCODE", "TRAININGDATE", "TRAININGNAME", "WORKERS"]),
    ),
    "huiji": (
        *("ProjectWorker.Upload", "workerList", [*_OUTER, "workerList"]),
        [n for n in _ITEM if n not in ("idCardNumber", "cellPhone")]
        + ["idcard", "tel", "sex", "birthday", "startDate"],
        *("ProjectTraining.Upload", _NATIONAL[5]),
    ),
}
