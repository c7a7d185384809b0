"""The bench shows what a connector does, and never a person or a secret."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lxml import html as markup

from gateway import registry
from gateway.contract.messages import Payload, Stamp, Token, Verdict, WireRequest, WireResponse
from gateway.delivery.rules.outcome import names
from gateway.domain.errors import InputError
from gateway.domain.records import RecordKind, Submission, Worker
from gateway.domain.states import Event, State
from gateway.settings import loader
from gateway.testing import people
from gateway.testing.bench import AdapterBench, bench_stamp
from gateway.testing.model import Model, ModelSandbox
from tests.support.shipped import shipped

NOW = datetime(2019, 4, 2, 1, 30, tzinfo=UTC)
URL = "http://127.0.0.1:9"


def persons(count: int = 1) -> tuple[Submission, ...]:
    return people.submissions("model", RecordKind.PERSON, count)


def renamed(submission: Submission, name: str) -> Submission:
    content = submission.record.content
    assert isinstance(content, Worker)
    return replace(submission, record=replace(submission.record, content=replace(content, name=name)))


@pytest.fixture
def bench() -> AdapterBench:
    return AdapterBench(connector=Model(base_url=URL))


@pytest.fixture
def sandbox() -> ModelSandbox:
    return ModelSandbox(clock=lambda: NOW)


def test_the_preview_has_a_row_for_every_field_and_shows_no_person(bench: AdapterBench) -> None:
    [person] = persons()
    table = bench.preview(person)
    assert [(row.theirs, row.value, row.problem) for row in table] == [("number", "***", ""), ("name", "***", "")]
    for name in filter(None, names(person.record.content)):
        assert name not in str(table) + table._repr_html_()


def test_the_preview_names_the_rule_that_the_check_applies(bench: AdapterBench) -> None:
    table = bench.preview(renamed(persons()[0], "王4"))
    assert ("holder.name", "holder.name: must be letters only (letters)") in [(row.ours, row.problem) for row in table]


def test_a_request_is_decoded_masked_and_the_same_every_time(bench: AdapterBench) -> None:
    [person] = persons()
    text = bench.request(person)
    assert text == bench.request([person])
    head, _, body = text.partition("\n\n")
    assert head.splitlines() == ["POST /push", "content-type: application/json"]
    [item] = json.loads(body)["items"]
    assert (item["name"], item["number"], item["key"]) == ("***", "***", person.record.key)
    assert json.loads(body)["message"] == bench_stamp().message_id


def test_what_the_check_refuses_has_no_request(bench: AdapterBench) -> None:
    with pytest.raises(InputError, match=r"holder\.name: must be letters only") as raised:
        bench.request([*persons(), renamed(persons()[0], "王4")])
    assert "王4" not in str(raised.value)
    with pytest.raises(InputError, match="no submission"):
        bench.request([])


@pytest.mark.parametrize(
    ("code", "state", "waits"),
    [
        ("OK", State.ACCEPTED, None),
        ("BUSY", State.QUEUED, 0.05),
        ("REFUSED", State.REJECTED, None),
        ("LOCKED", State.HELD, None),
        ("THERE", State.IN_DOUBT, 0),
        ("E-77", State.PARKED, None),
    ],
)
def test_an_answer_leads_to_the_state_the_ledger_would_take(
    bench: AdapterBench, code: str, state: State, waits: float | None
) -> None:
    [person] = persons()
    record = person.record
    answer = {"message": bench_stamp().message_id, "items": {f"{record.key}/{record.version}": {"code": code}}}
    [row] = bench.judge(
        WireResponse(status=200, headers={"content-type": "application/json"}, body=json.dumps(answer).encode()), person
    )
    assert (row.key, row.code, row.next_state) == (person.key, code, state)
    assert row.next_due == (None if waits is None else bench_stamp().now + timedelta(seconds=waits))


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (None, "deadline"),
        (WireResponse(status=502, headers={"content-type": "text/html"}, body=b"<html></html>"), "http_502"),
        (WireResponse(status=200, headers={"content-type": "text/html"}, body=b"<html>login"), "html_page"),
    ],
)
def test_what_is_no_answer_of_the_platform_is_in_doubt_for_each(
    bench: AdapterBench, response: WireResponse | None, code: str
) -> None:
    rows = bench.judge(response, persons(2))
    assert [(row.code, row.next_state) for row in rows] == [(code, State.IN_DOUBT)] * 2


def test_a_push_goes_into_a_sandbox_of_this_process(bench: AdapterBench, sandbox: ModelSandbox) -> None:
    trial = bench.against(sandbox, persons(3))
    assert [row.next_state for row in trial.verdicts] == [State.ACCEPTED] * 3
    assert sandbox.effects()["counts"]["persons"] == 3
    assert trial.answer.startswith("HTTP 200")
    page = markup.fragment_fromstring(trial._repr_html_(), create_parent=True)
    assert len(page.xpath(".//pre")) == 2
    assert len(page.xpath(".//tbody/tr")) == 3


def test_every_trial_carries_another_nonce(bench: AdapterBench, sandbox: ModelSandbox) -> None:
    first, second = (bench.against(sandbox, persons()).request for _ in range(2))
    assert first != second


@pytest.mark.parametrize("fault", ["timeout_after_commit", "timeout_before_commit"])
def test_a_sandbox_that_keeps_its_answer_back_is_not_waited_for(
    bench: AdapterBench, sandbox: ModelSandbox, fault: str
) -> None:
    sandbox.faults.set(next_=[fault])
    trial = bench.against(sandbox, persons())
    assert (trial.answer, trial.verdicts[0].next_state) == ("no answer", State.IN_DOUBT)


def test_the_bench_works_inside_a_running_loop(bench: AdapterBench, sandbox: ModelSandbox) -> None:
    async def cell() -> State:
        return bench.against(sandbox, persons()).verdicts[0].next_state

    assert asyncio.run(cell()) is State.ACCEPTED


@pytest.mark.parametrize("platform", shipped())
def test_every_installed_connector_reaches_its_sandbox(platform: str) -> None:
    made = registry.build_sandbox(platform, clock=lambda: NOW)
    environment = made.access(URL).environment
    bench = AdapterBench(connector=registry.build_connector(platform, loader(environment)))
    secrets = [value for name, value in environment.items() if name.endswith(("SECRET", "PASSWORD", "KEY"))]
    for kind in bench.connector.info.kinds:
        [submission] = people.submissions(platform, kind)
        assert not [row for row in bench.preview(submission) if row.problem]
        trial = bench.against(made, submission)
        # A platform that works a person off later may ask for the certificate again.
        assert trial.verdicts[0].next_state in (State.ACCEPTED, State.AWAITING_ACK, State.QUEUED)
        for hidden in (*filter(None, names(submission.record.content)), *secrets):
            assert hidden not in str(trial) + trial._repr_html_()
        [other] = people.submissions(platform, kind, seed=2)
        asked = bench.calls(other, made)
        assert {"push", "health"} <= {row.call for row in asked}
        assert not [row for row in asked if "connector_error" in row.means or row.status == "no answer"]


class LoginModel(Model):
    """The model platform with a login before everything else."""

    def encode_login(self, previous: Token | None, stamp: Stamp) -> WireRequest:
        return self._request("login", {"message": stamp.message_id})

    def decode_login(self, response: WireResponse, stamp: Stamp) -> Token | Verdict:
        word = json.loads(response.body).get("word")
        if word is None:
            return Verdict(event=Event.HOLD, code="NO_LOGIN")
        return Token(values={"word": word}, expires_at=stamp.now, renew_at=stamp.now)

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp) -> WireRequest:
        assert stamp.token is not None
        made = super().encode_push(payloads, stamp)
        return replace(made, headers={**made.headers, "authorization": stamp.token.values["word"]})


class LoginSandbox(ModelSandbox):
    """Gives the word; with the fault ``locked`` it does not."""

    def _login(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        return {} if fault == "locked" else {"word": "open sesame"}


def test_a_connector_with_a_login_logs_in_first_and_shows_no_token() -> None:
    sandbox = LoginSandbox(clock=lambda: NOW)
    trial = AdapterBench(connector=LoginModel(base_url=URL)).against(sandbox, persons())
    assert trial.verdicts[0].next_state is State.ACCEPTED
    assert "authorization: ***" in trial.request
    assert "sesame" not in str(trial)
    assert [entry["operation"] for _, entry in sandbox.books.items("requests")] == ["login", "push"]


@pytest.mark.parametrize(
    ("fault", "code", "state"),
    [
        ("unavailable", "http_503", State.QUEUED),
        ("timeout_before_commit", "deadline", State.QUEUED),
        ("locked", "NO_LOGIN", State.HELD),
    ],
)
def test_a_login_that_fails_decides_for_every_submission(fault: str, code: str, state: State) -> None:
    sandbox = LoginSandbox(clock=lambda: NOW)
    sandbox.faults.set(next_=[fault])
    trial = AdapterBench(connector=LoginModel(base_url=URL)).against(sandbox, persons(2))
    assert trial.request == ""
    assert [(row.code, row.next_state) for row in trial.verdicts] == [(code, state)] * 2
