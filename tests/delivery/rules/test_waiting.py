"""Why a delivery waits: one answer for each way in which it can."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.delivery.rules.waiting import Blocker, Waiting, waiting_reason
from gateway.domain.states import TERMINAL, State
from gateway.domain.traffic import Breaker, PlatformStanding, Stop, Traffic, parse, stop_of

S = State
NOW = datetime(2019, 4, 2, 9, 0, tzinfo=UTC)
SOON, LATER = NOW + timedelta(minutes=1), NOW + timedelta(minutes=9)
OPEN = Stop(code="breaker_open", reason="r", until=SOON)
PAUSED = Stop(code="operator", reason="night work", until=None, paused=True)
PERSON = Blocker(id=7, kind="person", state=S.QUEUED)
STUCK = Blocker(id=7, kind="person", state=S.PARKED)


@pytest.mark.parametrize(
    ("state", "due", "blocker", "stop", "code", "until"),
    [
        (S.QUEUED, NOW, None, None, "due", None),
        (S.QUEUED, LATER, None, None, "retry_later", LATER),
        (S.QUEUED, NOW, None, OPEN, "breaker_open", SOON),
        (S.QUEUED, LATER, None, OPEN, "retry_later", LATER),  # the breaker is closed by then
        (S.QUEUED, SOON - timedelta(seconds=9), None, OPEN, "breaker_open", SOON),
        (S.QUEUED, LATER, None, PAUSED, "paused", None),
        (S.QUEUED, NOW, PERSON, OPEN, "behind_person", None),
        (S.SENDING, NOW, None, OPEN, "sending", None),
        (S.AWAITING_ACK, LATER, None, None, "result_later", LATER),
        (S.AWAITING_ACK, NOW, None, None, "result_due", None),
        (S.AWAITING_ACK, NOW, None, PAUSED, "paused", None),
        (S.IN_DOUBT, LATER, None, None, "ask_later", LATER),
        (S.IN_DOUBT, NOW, None, None, "ask_due", None),
        (S.HELD, NOW, None, PAUSED, "held", None),
        (S.PARKED, NOW, PERSON, PAUSED, "parked", None),
    ],
)
def test_every_waiting_delivery_says_why_and_until_when(
    state: State, due: datetime, blocker: Blocker | None, stop: Stop | None, code: str, until: datetime | None
) -> None:
    told = waiting_reason(Waiting(state=state, due_at=due, blocker=blocker), stop, NOW)
    assert told is not None
    assert (told.code, told.until) == (code, until)
    assert told.en
    assert told.zh


FULL = Stop(code="in_flight", reason="all connections are in use", until=None)
TURN = Stop(code="paced", reason="its turn", until=SOON)


@pytest.mark.parametrize(
    ("state", "due", "blocker", "stop", "queue", "code", "until"),
    [
        (S.QUEUED, NOW, None, None, FULL, "in_flight", None),
        (S.QUEUED, NOW, None, None, TURN, "paced", SOON),
        (S.AWAITING_ACK, NOW, None, None, TURN, "paced", SOON),
        (S.IN_DOUBT, NOW, None, None, FULL, "in_flight", None),
        (S.QUEUED, LATER, None, None, FULL, "retry_later", LATER),
        (S.QUEUED, NOW, None, OPEN, FULL, "breaker_open", SOON),
        (S.QUEUED, NOW, PERSON, None, FULL, "behind_person", None),
        (S.PARKED, NOW, None, None, FULL, "parked", None),
        (S.SENDING, NOW, None, None, FULL, "sending", None),
    ],
)
def test_one_that_only_waits_for_its_turn_says_for_what(
    state: State,
    due: datetime,
    blocker: Blocker | None,
    stop: Stop | None,
    queue: Stop,
    code: str,
    until: datetime | None,
) -> None:
    told = waiting_reason(Waiting(state=state, due_at=due, blocker=blocker), stop, NOW, queue)
    assert told is not None
    assert (told.code, told.until) == (code, until)


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_what_has_ended_waits_for_nothing(state: State) -> None:
    assert waiting_reason(Waiting(state=state, due_at=NOW), PAUSED, NOW) is None


def test_the_words_name_the_cause() -> None:
    def words(**given: object) -> str:
        facts = {"state": S.QUEUED, "due_at": NOW} | given
        stop = facts.pop("stop", None)
        told = waiting_reason(Waiting(**facts), stop, NOW)  # type: ignore[arg-type]  # from a table of cases
        assert told is not None
        return told.en

    assert words(blocker=STUCK) == "waits until its person is accepted (delivery 7, parked, which is stuck)"
    assert words(blocker=PERSON, same_record=True) == "waits for an earlier version of the record (delivery 7, queued)"
    assert words(state=S.PARKED, code="E-77") == "a person has to decide (E-77)"
    assert words(stop=PAUSED) == "the platform is paused: operator: night work"


CLOSED, SILENT = "the platform is closed at these hours", "the platform does not answer; last: http_502"
DAY = "until 2019-04-02"
SHUT = Breaker(failures=5, trips=1, since=NOW, until=SOON, code="http_502")


@pytest.mark.parametrize(
    ("standing", "windows", "says"),
    [
        (PlatformStanding(), [], None),
        (PlatformStanding(pause=PAUSED, breaker=SHUT, not_before=LATER), ["00:00-00:00"], "operator: night work"),
        (PlatformStanding(breaker=SHUT), ["17:00-17:30"], f"maintenance: {CLOSED}, {DAY} 17:30:00 +08:00"),
        (PlatformStanding(breaker=SHUT, not_before=LATER), [], f"breaker_open: {SILENT}, {DAY} 17:01:00 +08:00"),
        (
            PlatformStanding(not_before=LATER),
            [],
            f"asked_to_wait: the platform asked to be left alone, {DAY} 17:09:00 +08:00",
        ),
        (PlatformStanding(not_before=NOW), ["17:30-18:00"], None),
    ],
)
def test_what_stands_in_the_way_of_a_platform(standing: PlatformStanding, windows: list[str], says: str | None) -> None:
    stop = stop_of(standing, Traffic(maintenance=tuple(parse(text) for text in windows)), NOW)
    assert (None if stop is None else stop.text) == says
