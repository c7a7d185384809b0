"""Workers and trainings of a project in the platform's words: fields, problems, calls, rows and listings."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import pytest

from connectors.worker_platform.adapter import WorkerPlatform
from connectors.worker_platform.cipher import encrypt
from gateway.contract.messages import HoldingsPage, Payload, Problems, Verdict, WireResponse
from gateway.domain.errors import ContractError
from gateway.domain.records import Placement, RecordKind, Submission
from gateway.domain.states import Event
from gateway.testing import people
from gateway.testing.conformance import stamp

SECRET = "TestSecret-0123456789-ABCDEFGHIJ"
PLACE = people.placement("000000300101010001", "91370000MA0000000P", "示例建设有限公司", "100001", "钢筋一班")
Answer = Callable[..., WireResponse]
Build = Callable[..., WorkerPlatform]


@pytest.fixture
def national(built: Build) -> WorkerPlatform:
    return built(DIALECT="national")


def submission(kind: RecordKind, place: Placement | None = PLACE, **content: Any) -> Submission:
    made = people.submissions("worker_platform", kind)[0]
    record = made.record if place is None else people.placed(made.record, place)
    return replace(made, record=replace(record, content=replace(record.content, **content)))


def payload_of(connector: WorkerPlatform, made: Submission) -> Payload:
    checked = connector.check(made, connector.map(made))
    assert isinstance(checked, Payload), checked
    return checked


def sent(connector: WorkerPlatform, payload: Payload) -> tuple[str, Any]:
    form = dict(parse_qsl(connector.encode_push([payload], stamp()).body.decode("ascii")))
    return form["method"], json.loads(form["data"])


def found(connector: WorkerPlatform, made: Submission) -> set[tuple[str, str]]:
    result = connector.check(made, connector.map(made))
    assert isinstance(result, Problems)
    return {(problem.field, problem.rule) for problem in result.items}


def test_a_worker_is_added_with_company_and_team_beside_the_list(national: WorkerPlatform) -> None:
    method, data = sent(national, payload_of(national, submission(RecordKind.PERSON)))
    (worker,) = data.pop("workerList")
    assert method == "ProjectWorker.Add"
    assert data == {
        "projectCode": PLACE.project_code,
        "corpCode": PLACE.corp_code,
        "corpName": PLACE.corp_name,
        "teamSysNo": 100001,
        "teamName": PLACE.team_name,
    }
    assert (worker["nation"], worker["workType"], worker["workRole"], worker["isTeamLeader"]) == ("汉", "020", 20, 0)
    assert (worker["politicsType"], worker["cultureLevelType"], worker["grantOrg"]) == ("13", "02", "示例市公安局")
    assert worker["headImage"] == people.PHOTO


def test_a_change_of_a_worker_is_flat(national: WorkerPlatform) -> None:
    payload = replace(payload_of(national, submission(RecordKind.PERSON)), version=2, replaces=True)
    method, data = sent(national, payload)
    assert (method, data["teamSysNo"], data["workType"]) == ("ProjectWorker.Update", 100001, "020")
    assert "workerList" not in data


def test_a_training_holds_the_result_with_its_score_and_the_number_in_its_name(national: WorkerPlatform) -> None:
    made = submission(RecordKind.CERTIFICATE, number="鲁a20120001234")
    content: Any = made.record.content
    method, data = sent(national, payload_of(national, made))
    assert method == "ProjectTraining.Add"
    assert data["workers"] == [
        {
            "idCardType": "01",
            "idCardNumber": encrypt(content.holder.id_number, SECRET),
            "isPass": 1,
            "trainingScore": 86.5,
        }
    ]
    assert data["trainingName"] == "建设职业技能岗位证书 鲁A20120001234"
    assert (data["trainingTypeCode"], data["trainingDuration"]) == ("003004", 24.0)
    assert (data["trainingDate"], data["projectCode"]) == (content.issue_date.isoformat(), PLACE.project_code)
    assert "workerName" not in json.dumps(data)


def test_a_later_version_of_a_training_only_asks(national: WorkerPlatform) -> None:
    payload = replace(payload_of(national, submission(RecordKind.CERTIFICATE)), version=2, replaces=True)
    method, data = sent(national, payload)
    assert method == "ProjectTraining.Query"
    assert sorted(data) == ["pageIndex", "pageSize", "projectCode", "trainingDate", "typeCode"]


@pytest.mark.parametrize(
    ("place", "content", "problem"),
    [
        ({"photo": None}, {}, ("placement.photo", "required")),
        ({"photo": people.PHOTO.partition(",")[2]}, {}, ("placement.photo", "photo")),
        ({"photo": "data:image/png;base64," + "A" * 50_000}, {}, ("placement.photo", "photo_size")),
        ({"politics": None}, {}, ("placement.politics", "required")),
        ({"card_issuer": None}, {}, ("placement.card_issuer", "required")),
        ({"team_no": "一"}, {}, ("placement.team_no", "number")),
        ({"team_no": "²"}, {}, ("placement.team_no", "number")),
        ({"team_no": "9" * 21}, {}, ("placement.team_no", "number")),
        ({"team_no": "9" * 1000}, {}, ("placement.team_no", "number")),
        ({"team_no": "9" * 5000}, {}, ("placement.team_no", "number")),
        ({"team_no": " "}, {}, ("placement.team_no", "required")),
        ({"trade": "999"}, {}, ("placement.trade", "code:wp_trades")),
        ({"team_name": "班" * 51}, {}, ("placement.team_name", "length")),
        ({}, {"ethnicity": "99"}, ("ethnicity", "code:wp_nation")),
        ({}, {"ethnicity": None}, ("ethnicity", "required")),
        ({}, {"education": None}, ("education", "required")),
        ({}, {"mobile": None}, ("mobile", "required")),
        ({}, {"address": ""}, ("address", "required")),
        ({}, {"id_type": "114"}, ("id_type", "id_card_types")),
        ({}, {"name": "王\n五"}, ("name", "characters")),
    ],
)
def test_a_problem_of_a_worker_names_our_field_and_the_rule(
    national: WorkerPlatform, place: dict[str, Any], content: dict[str, Any], problem: tuple[str, str]
) -> None:
    made = submission(RecordKind.PERSON, replace(PLACE, **place), **({} if place else content))
    if content:
        made = submission(RecordKind.PERSON, PLACE, placement=PLACE, **content)
    assert found(national, made) == {problem}


def test_a_training_needs_its_hours_and_a_score_in_its_range(national: WorkerPlatform) -> None:
    made = submission(RecordKind.CERTIFICATE)
    training: Any = made.record.content
    for change, problem in (
        ({"hours": None}, ("training.hours", "required")),
        ({"hours": "nan"}, ("training.hours", "required")),
        ({"score": "100.5"}, ("training.score", "range")),
    ):
        other = submission(RecordKind.CERTIFICATE, training=replace(training.training, **change))
        assert found(national, other) == {problem}
    silent = payload_of(national, submission(RecordKind.CERTIFICATE, training=replace(training.training, score=None)))
    assert "trainingScore" not in sent(national, silent)[1]["workers"][0]


@pytest.mark.parametrize("kind", [RecordKind.PERSON, RecordKind.CERTIFICATE])
def test_a_filing_without_a_project_is_declined_with_the_reason(national: WorkerPlatform, kind: RecordKind) -> None:
    assert found(national, submission(kind, None)) == {("kind", "declined")}


def test_workers_of_two_teams_do_not_share_a_call(national: WorkerPlatform) -> None:
    first = payload_of(national, submission(RecordKind.PERSON))
    second = replace(first, fields={**first.fields, "teamSysNo": 7})
    with pytest.raises(ContractError, match="one team"):
        national.encode_push([first, second], stamp())
    later = [replace(first, replaces=True)] * 2
    with pytest.raises(ContractError, match="takes one worker"):
        national.encode_push(later, stamp())


# --- what rows say ---


def shown(payload: Payload, **change: object) -> dict[str, object]:
    return {**payload.fields, "idCardNumber": encrypt(str(payload.fields["idCardNumber"]), SECRET), **change}


def training_row(payload: Payload, people_listed: object = None, **change: object) -> dict[str, object]:
    person = {"idCardNumber": shown(payload)["idCardNumber"], "isPass": True, "trainingScore": "86.50"}
    outer = {k: v for k, v in payload.fields.items() if k.startswith(("training", "project", "desc"))}
    outer.pop("trainingScore")
    return {**outer, "workers": [person] if people_listed is None else people_listed, **change}


def listing(answer: Answer, *rows: object, index: int = 0, total: object = None) -> WireResponse:
    count = len(rows) if total is None else total
    return answer(0, "", {"pageIndex": index, "pageSize": 50, "totalCount": count, "rows": list(rows)})


@pytest.mark.parametrize(
    ("change", "event", "fields"),
    [
        ({}, Event.ACCEPTED, ()),
        ({"teamSysNo": "100001", "workType": "20", "isTeamLeader": False}, Event.ACCEPTED, ()),
        ({"teamSysNo": 100002}, Event.CONFLICT, ("placement.team_no",)),
        ({"corpCode": "X", "workType": "010"}, Event.CONFLICT, ("placement.corp_code", "placement.trade")),
        ({"projectCode": "elsewhere"}, Event.NOT_FOUND, ()),
    ],
)
def test_a_worker_there_is_ours_another_team_is_a_conflict(
    national: WorkerPlatform, answer: Answer, change: dict[str, Any], event: Event, fields: tuple[str, ...]
) -> None:
    payload = payload_of(national, submission(RecordKind.PERSON))
    verdict = national.decode_lookup(listing(answer, shown(payload, **change)), payload, stamp())
    assert (verdict.event, tuple(sorted(verdict.fields))) == (event, tuple(sorted(fields)))


def test_another_team_is_enough_where_the_dialect_does_not_compare_it(
    built: Build, answer: Answer, tmp_path: Any
) -> None:
    path = tmp_path / "own.toml"
    path.write_text("extends = 'national'\n[worker]\ncompare = ['workerName']\n", "utf-8")
    connector = built(DIALECT=str(path))
    payload = payload_of(connector, submission(RecordKind.PERSON))
    response = listing(answer, shown(payload, teamSysNo=100002))
    assert connector.decode_lookup(response, payload, stamp()).event is Event.ACCEPTED


@pytest.mark.parametrize(
    ("row", "event"),
    [
        ({}, Event.ACCEPTED),
        ({"trainingDate": "{day} 00:00:00", "trainingDuration": "24"}, Event.ACCEPTED),
        ({"workers": None}, Event.ACCEPTED),
        ({"description": "别的"}, Event.CONFLICT),
        ({"workers": []}, Event.CONFLICT),
        ({"workers": [{"idCardNumber": encrypt("370000199001010010", SECRET)}]}, Event.CONFLICT),
        ({"trainingDate": "1999-01-01"}, Event.NOT_FOUND),
        ({"trainingName": "安全教育"}, Event.NOT_FOUND),
        ({"trainingName": None}, Event.IN_DOUBT),
    ],
)
def test_a_training_is_known_by_day_and_name_and_holds_our_person(
    national: WorkerPlatform, answer: Answer, row: dict[str, Any], event: Event
) -> None:
    payload = payload_of(national, submission(RecordKind.CERTIFICATE))
    day = str(payload.fields["trainingDate"])
    change = {k: v.replace("{day}", day) if isinstance(v, str) else v for k, v in row.items()}
    if row == {"workers": None}:
        made = {k: v for k, v in training_row(payload).items() if k != "workers"}
    else:
        made = training_row(payload, **change)
    assert national.decode_lookup(listing(answer, made), payload, stamp()).event is event


def test_a_changed_training_is_never_sent_again(national: WorkerPlatform, answer: Answer) -> None:
    first = payload_of(national, submission(RecordKind.CERTIFICATE))
    later = replace(first, version=2, replaces=True)
    for response, event in (
        (listing(answer, training_row(first)), Event.ACCEPTED),
        (listing(answer, training_row(first, description="别的")), Event.CONFLICT),
        (listing(answer), Event.CONFLICT),
        (listing(answer, *[training_row(first, trainingName=f"{n}") for n in range(50)], total=60), Event.IN_DOUBT),
        (answer(-5, ""), Event.RETRY),
    ):
        (verdict,) = national.decode_push(response, [later], stamp())
        assert verdict.event is event
        assert verdict.next_page is None
        assert national.decode_lookup(response, later, stamp()).event is event


# --- listings ---


def pages(national: WorkerPlatform, cursor: str, *responses: WireResponse) -> HoldingsPage | Verdict:
    page: HoldingsPage | Verdict = HoldingsPage(holdings=(), next_cursor=cursor)
    for response in responses:
        assert isinstance(page, HoldingsPage)
        assert page.next_cursor is not None
        page = national.decode_part(response, page.next_cursor, stamp())
    return page


def test_a_listing_that_changes_is_begun_again(national: WorkerPlatform, answer: Answer) -> None:
    payload = payload_of(national, submission(RecordKind.PERSON))
    rows = [shown(payload)] * 50
    start = str(national.part_of(payload))
    first, second = listing(answer, *rows, total=60), listing(answer, *rows[:10], index=1, total=60)
    whole = pages(national, start, first, second)
    assert isinstance(whole, HoldingsPage)
    assert (len(whole.holdings), whole.next_cursor, whole.afresh) == (10, None, False)
    for changed in (
        listing(answer, *rows[:11], index=1, total=61),
        listing(answer, index=1, total=60),
        listing(answer, *rows[:20], index=1, total=60),
    ):
        page = pages(national, start, first, changed)
        assert isinstance(page, HoldingsPage)
        assert (page.afresh, page.next_cursor, page.holdings) == (True, start, ())


def test_a_page_that_was_not_asked_for_stops_the_listing(national: WorkerPlatform, answer: Answer) -> None:
    start = str(national.part_of(payload_of(national, submission(RecordKind.PERSON))))
    for response, event in (
        (listing(answer, index=3), Event.IN_DOUBT),
        (answer(0, "", {}), Event.IN_DOUBT),
        (answer(-3, ""), Event.HOLD),
        (replace(answer(), body=b"<"), Event.RETRY),
    ):
        verdict = pages(national, start, response)
        assert isinstance(verdict, Verdict)
        assert verdict.event is event


def test_without_a_total_a_page_that_is_not_full_is_the_last(national: WorkerPlatform, answer: Answer) -> None:
    payload = payload_of(national, submission(RecordKind.PERSON))
    page = pages(national, str(national.part_of(payload)), answer(0, "", {"pageIndex": 0, "rows": [shown(payload)]}))
    assert isinstance(page, HoldingsPage)
    assert (page.next_cursor, page.holdings) == (None, (national.expected(payload),))


def test_keys_of_holdings_hold_no_number(national: WorkerPlatform, answer: Answer) -> None:
    for kind in (RecordKind.PERSON, RecordKind.CERTIFICATE):
        payload = payload_of(national, submission(kind))
        assert str(payload.fields["idCardNumber"]) not in repr(national.expected(payload))


# --- rate and clock ---


def test_too_many_calls_let_the_account_rest(built: Build, answer: Answer) -> None:
    connector = built(DIALECT="national", RETRY_SECONDS="[30, 60]")
    payload = payload_of(connector, submission(RecordKind.PERSON))
    busy = answer(-5, "访问超过限制")
    verdicts = (
        *connector.decode_push(busy, [payload], stamp()),
        *connector.decode_ack(busy, "serial", [payload], stamp()),
        connector.decode_lookup(busy, payload, stamp()),
    )
    assert {(v.event, v.retry_after and v.retry_after.total_seconds()) for v in verdicts} == {(Event.RETRY, 30.0)}


@pytest.mark.parametrize(("offset", "warned"), [(0, False), (59, False), (61, True), (-61, True)])
def test_a_clock_that_drifts_is_named(built: Build, answer: Answer, offset: int, warned: bool) -> None:
    from datetime import timedelta
    from email.utils import format_datetime

    now = stamp().now
    response = replace(answer(0, "成功", {}), headers={"date": format_datetime(now + timedelta(seconds=offset))})
    health = built(DIALECT="national").decode_health(response, stamp())
    assert health.ok
    assert ("warning: the clocks differ" in health.detail) is warned
