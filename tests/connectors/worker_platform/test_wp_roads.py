"""Connector and simulated platform over real HTTP: every road a certificate can take, with one effect at its end."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.worker_platform.adapter import WorkerPlatform, build
from connectors.worker_platform.sandbox import WorkerPlatformSandbox
from connectors.worker_platform.sandbox import build as build_sandbox
from gateway.codec.replies import judge_reply
from gateway.contract.messages import Payload, Stamp, Verdict, WireRequest, WireResponse
from gateway.domain.records import RecordKind
from gateway.domain.states import Event
from gateway.settings import loader
from gateway.testing import people

Serve = Callable[[WorkerPlatformSandbox], str]
Send = Callable[[str, WireRequest], WireResponse]
Until = Callable[[Callable[[], Any]], Any]


class Road:
    """A connector, the platform it talks to, and the questions one may ask."""

    def __init__(self, sandbox: WorkerPlatformSandbox, base_url: str, send: Send, until: Until, **more: str) -> None:
        self.sandbox, self._send, self._until, self._rng = sandbox, send, until, random.Random(1)
        given = dict(sandbox.access(base_url).environment) | more
        self.connector: WorkerPlatform = build(loader(given))
        self.base_url = self.connector.endpoint.base_url

    def stamp(self) -> Stamp:
        return Stamp(message_id=people.ulid(self._rng), now=datetime.now(UTC), nonce=self._rng.randbytes(16))

    def payloads(self, count: int = 1) -> tuple[Payload, ...]:
        made = people.submissions("worker_platform", RecordKind.CERTIFICATE, count)
        checked = [self.connector.check(s, self.connector.map(s)) for s in made]
        return tuple(c for c in checked if isinstance(c, Payload))

    def push(self, payloads: Sequence[Payload]) -> Sequence[Verdict]:
        stamp = self.stamp()
        response = self._send(self.base_url, self.connector.encode_push(payloads, stamp))
        outer = judge_reply(response, self.connector.info, replay_safe=False, now=stamp.now)
        return [outer] * len(payloads) if outer else self.connector.decode_push(response, payloads, stamp)

    def poll(self, receipt: str | None, payloads: Sequence[Payload]) -> Sequence[Verdict]:
        assert receipt is not None

        def ask() -> Sequence[Verdict] | None:
            stamp = self.stamp()
            response = self._send(self.base_url, self.connector.encode_ack(receipt, stamp))
            verdicts = self.connector.decode_ack(response, receipt, payloads, stamp)
            return None if verdicts[0].event is Event.PENDING else verdicts

        found: Sequence[Verdict] = self._until(ask)
        return found

    def lookup(self, payload: Payload) -> Verdict:
        stamp = self.stamp()
        return self.connector.decode_lookup(
            self._send(self.base_url, self.connector.encode_lookup(payload, stamp)), payload, stamp
        )

    def counts(self) -> tuple[int, int]:
        counts = self.sandbox.effects()["counts"]
        return counts["certificates"], counts["duplicates"]


@pytest.fixture
def sandbox() -> WorkerPlatformSandbox:
    made = build_sandbox(seed=11)
    made.delay_seconds = (0.0, 0.1)
    return made


@pytest.fixture
def road(
    sandbox: WorkerPlatformSandbox,
    serve: Serve,
    send: Send,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> Road:
    monkeypatch.chdir(tmp_path)
    return Road(sandbox, serve(sandbox), send, until, GATEWAY_WORKER_PLATFORM__BATCH_MAX="5")


def test_a_certificate_is_pushed_polled_found_and_listed(road: Road) -> None:
    payloads = road.payloads()
    pushed = road.push(payloads)
    assert [v.event for v in pushed] == [Event.PENDING]
    assert [v.event for v in road.poll(pushed[0].receipt, payloads)] == [Event.ACCEPTED]
    assert road.lookup(payloads[0]).event is Event.ACCEPTED
    stamp = road.stamp()
    request = road.connector.encode_holdings(None, payloads[0], stamp)
    page = road.connector.decode_holdings(road._send(road.base_url, request), payloads[0], stamp)
    assert not isinstance(page, Verdict)
    assert page.holdings == (road.connector.expected(payloads[0]),)
    assert road.counts() == (1, 0)


def test_a_batch_of_five_arrives_whole(road: Road) -> None:
    payloads = road.payloads(5)
    pushed = road.push(payloads)
    assert {v.event for v in road.poll(pushed[0].receipt, payloads)} == {Event.ACCEPTED}
    assert road.counts() == (5, 0)


def test_a_later_version_changes_the_certificate(road: Road) -> None:
    (first,) = road.payloads()
    road.poll(road.push([first])[0].receipt, [first])
    second = replace(first, version=2, replaces=True, fields={**first.fields, "certificationStatus": "2"})
    assert road.lookup(second).code == "earlier_state"
    assert road.poll(road.push([second])[0].receipt, [second])[0].event is Event.ACCEPTED
    assert road.lookup(second).event is Event.ACCEPTED
    assert road.lookup(first).event is Event.CONFLICT


@pytest.mark.parametrize("fault", ["empty", "truncated", "gateway_error"])
def test_a_lost_answer_is_in_doubt_and_found_by_asking(road: Road, until: Until, fault: str) -> None:
    payloads = road.payloads()
    road.sandbox.faults.set(next_=[fault])
    assert [v.event for v in road.push(payloads)] == [Event.IN_DOUBT]
    assert until(lambda: v if (v := road.lookup(payloads[0])).event is Event.ACCEPTED else None)
    assert road.counts() == (1, 0)


def test_a_login_page_is_in_doubt_and_nothing_is_there(road: Road) -> None:
    payloads = road.payloads()
    road.sandbox.faults.set(next_=["login_page"])
    verdict = road.push(payloads)[0]
    assert (verdict.event, verdict.code) == (Event.IN_DOUBT, "html_page")
    assert road.lookup(payloads[0]).event is Event.NOT_FOUND


def test_a_busy_platform_is_tried_again(road: Road) -> None:
    payloads = road.payloads()
    road.sandbox.faults.set(next_=["busy"])
    assert road.push(payloads)[0].event is Event.RETRY
    assert road.push(payloads)[0].event is Event.PENDING


def test_a_false_duplicate_is_confirmed_as_ours(road: Road, until: Until) -> None:
    payloads = road.payloads()
    road.sandbox.faults.set(next_=["duplicate"])
    assert road.push(payloads)[0].event is Event.DUPLICATE
    assert until(lambda: v if (v := road.lookup(payloads[0])).event is Event.ACCEPTED else None)
    assert road.counts() == (1, 0)


def test_a_repeat_is_refused_and_confirmed_whichever_way_the_platform_says_it(road: Road) -> None:
    payloads = road.payloads()
    road.poll(road.push(payloads)[0].receipt, payloads)
    ways = set()
    for _ in range(8):
        verdict = road.push(payloads)[0]
        ways.add(verdict.event)
        if verdict.event is Event.PENDING:
            verdict = road.poll(verdict.receipt, payloads)[0]
        assert verdict.event is Event.DUPLICATE
        assert str(payloads[0].fields["idCardNumber"]) not in verdict.reason
        assert "***" in verdict.reason
    assert ways == {Event.PENDING, Event.DUPLICATE}
    assert road.lookup(payloads[0]).event is Event.ACCEPTED
    assert road.counts() == (1, 8)


def test_a_certificate_of_other_content_is_a_conflict(road: Road) -> None:
    (theirs,) = road.payloads()
    road.poll(road.push([theirs])[0].receipt, [theirs])
    ours = replace(theirs, fields={**theirs.fields, "credentialLevelType": "6"})
    verdict = road.lookup(ours)
    assert (verdict.event, verdict.fields) == (Event.CONFLICT, ("level",))


def test_a_forgotten_result_leads_to_asking(road: Road, until: Until) -> None:
    payloads = road.payloads()
    receipt = road.push(payloads)[0].receipt
    road.sandbox.faults.set(next_=["forget_result"])
    assert road.poll(receipt, payloads)[0].event is Event.NOT_FOUND
    assert until(lambda: v if (v := road.lookup(payloads[0])).event is Event.ACCEPTED else None)


def test_one_wrong_record_of_a_batch_is_rejected_and_the_others_are_asked_about(road: Road) -> None:
    payloads = road.payloads(3)
    wrong = replace(payloads[1], fields={**payloads[1].fields, "jobType": "999"})
    batch = (payloads[0], wrong, payloads[2])
    verdicts = road.push(batch)
    if verdicts[0].event is Event.PENDING:
        verdicts = road.poll(verdicts[0].receipt, batch)
    assert [v.event for v in verdicts] == [Event.IN_DOUBT, Event.REJECTED, Event.IN_DOUBT]
    assert verdicts[1].fields == ("trade",)
    assert road.lookup(payloads[0]).event is Event.NOT_FOUND


def test_wrong_credentials_and_a_wrong_address_hold_the_platform(road: Road, sandbox: WorkerPlatformSandbox) -> None:
    payloads, stamp = road.payloads(), road.stamp()
    assert road.connector.decode_health(road._send(road.base_url, road.connector.encode_health(stamp)), stamp).ok
    sandbox.admitted = frozenset()
    assert road.push(payloads)[0].event is Event.HOLD


def test_a_gateway_with_another_secret_is_held(
    sandbox: WorkerPlatformSandbox,
    serve: Serve,
    send: Send,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    monkeypatch.chdir(tmp_path)
    road = Road(sandbox, serve(sandbox), send, until, GATEWAY_WORKER_PLATFORM__APPSECRET="xy" * 16)
    assert road.push(road.payloads())[0].event is Event.HOLD


def test_the_environment_of_the_sandbox_is_quick(road: Road) -> None:
    info = road.connector.info
    assert info.polls.steps[0].total_seconds() == 0.3
    assert [w.total_seconds() for w in info.lookups.steps] == [0.5, 0.5]
    assert road.connector.endpoint.deadline.total_seconds() == 10
