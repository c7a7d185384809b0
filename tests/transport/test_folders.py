"""A file is handed over once and whole, wherever a worker stops and whoever else tries at the same time."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.contract.connector import Endpoint, Pace
from gateway.contract.handover import (
    HandOver,
    ask_place,
    ask_record,
    hand_over_file,
    is_file_name,
    read_file,
    returned_file,
)
from gateway.contract.messages import WireRequest, WireResponse
from gateway.domain.errors import ConfigurationError, NotSent, Unanswered
from gateway.transport.carrier import carrier_for

NAME, CONTENT = "示例_01.csv", "编号\r\n1\r\n".encode()


class Place:
    """Two folders and a carrier between them."""

    def __init__(self, folder: Path, deadline: float = 10) -> None:
        self.outbox, self.inbox = folder / "out", folder / "in"
        self.outbox.mkdir()
        self.inbox.mkdir()
        self.endpoint = Endpoint(
            base_url=self.outbox.as_uri(),
            pace=Pace(interval=timedelta(), connections=1),
            deadline=timedelta(seconds=deadline),
            hand_over=HandOver(outbox=str(self.outbox), inbox=str(self.inbox)),
        )

    def ask(self, request: WireRequest) -> WireResponse:
        async def carried() -> WireResponse:
            async with carrier_for(self.endpoint) as carrier:
                return await carrier.send(request)

        return asyncio.run(carried())

    def put(self, content: bytes = CONTENT) -> WireResponse:
        return self.ask(hand_over_file("file", NAME, content, ["r1", "r2"]))

    def handed(self) -> int:
        return self.ask(ask_record("ask", "r2")).status

    @property
    def own(self) -> Path:
        return self.outbox / ".handover" / NAME

    def seen(self) -> list[str]:
        return sorted(path.name for path in self.outbox.iterdir() if not path.name.startswith("."))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_file_is_there_whole_and_the_same_again_is_no_second_one(place: Place) -> None:
    assert place.put().status == 200
    assert (place.outbox / NAME).read_bytes() == CONTENT
    (place.outbox / NAME).unlink()  # the owner takes it away
    assert place.put().status == 200
    assert place.seen() == []
    assert place.handed() == 200


def test_other_content_under_the_same_name_is_refused(place: Place) -> None:
    place.put()
    assert place.put(b"other").status == 409
    assert (place.outbox / NAME).read_bytes() == CONTENT


def test_what_was_only_prepared_is_completed_by_the_next_try(place: Place) -> None:
    prepared(place)
    assert place.put().status == 200
    assert place.seen() == [NAME]


def test_what_is_asked_about_before_it_appeared_is_taken_back_and_can_be_sent_again(place: Place) -> None:
    prepared(place)
    assert place.handed() == 404
    assert not (place.own / "content").exists(), "a worker that hung could still hand it over"
    assert place.put().status == 200
    assert place.seen() == [NAME]
    assert place.handed() == 200


def prepared(place: Place) -> None:
    """As a worker leaves it that is killed between its two steps."""
    place.put()
    (place.outbox / NAME).rename(place.own / "content")


def test_a_worker_killed_while_preparing_has_handed_nothing_over(place: Place) -> None:
    place.own.parent.mkdir()
    half = place.own.parent / ".0123"
    half.mkdir()
    (half / "content").write_bytes(CONTENT[:3])
    assert place.handed() == 404
    assert place.put().status == 200
    assert (place.outbox / NAME).read_bytes() == CONTENT


def test_many_at_once_hand_it_over_once(place: Place) -> None:
    taken: list[Path] = []

    def owner(number: int) -> None:
        while len(list(place.own.parent.glob("*"))) == 0:
            pass
        for _ in range(200):
            for path in [place.outbox / NAME]:
                if path.exists():
                    path.rename(path.with_name(f".taken{number}-{len(taken)}"))
                    taken.append(path)

    with ThreadPoolExecutor(9) as pool:
        watching = pool.submit(owner, 0)
        answers = list(pool.map(lambda _: place.put().status, range(24)))
        watching.result()
    assert set(answers) == {200}
    assert len(taken) + len(place.seen()) == 1


def test_where_no_folder_is_nothing_was_sent(place: Place) -> None:
    place.outbox.rmdir()
    with pytest.raises(NotSent):
        place.put()
    with pytest.raises(Unanswered):
        place.handed()
    assert not json.loads(place.ask(ask_place("health")).body)["ok"]


def test_the_last_file_of_a_pattern_is_read(place: Place) -> None:
    for day in ("0301", "0310", "0302"):
        (place.inbox / f"list_{day}.csv").write_bytes(day.encode())
    (place.inbox / "list_[9].txt").write_bytes(b"not this one")
    found = returned_file(place.ask(read_file("list", "list_*.csv")))
    assert found is not None
    assert (found.name, found.content) == ("list_0310.csv", b"0310")
    assert place.ask(read_file("list", "list_[0-9]*.csv")).status == 404, "only * has a meaning"
    assert place.ask(ask_place("health")).status == 200


def test_a_returned_file_whose_bytes_are_not_those_that_were_read_is_none(place: Place) -> None:
    (place.inbox / "a.csv").write_bytes(b"1")
    answer = place.ask(read_file("list", "a.csv"))
    told = json.loads(answer.body)
    told["content"] = base64.b64encode(b"2").decode()
    assert returned_file(answer) is not None
    assert returned_file(WireResponse(status=200, body=json.dumps(told).encode())) is None
    for body in (b"", b"[]", b"{}", b'{"name": 1, "modified": 2, "sha256": 3, "content": 4}'):
        assert returned_file(WireResponse(status=200, body=body)) is None


@pytest.mark.parametrize(
    "name", ["", ".hidden", "../up", "a/b", "a\\b", "a\n", "a ", "a.", "a.part", "x" * 121, "示" * 81, "a*b"]
)
def test_no_name_leads_out_of_the_folder(place: Place, name: str) -> None:
    assert not is_file_name(name)
    with pytest.raises(NotSent):
        place.ask(hand_over_file("file", name, CONTENT, []))
    assert place.seen() == []


def test_a_request_of_another_kind_is_not_carried(place: Place) -> None:
    with pytest.raises(NotSent):
        place.ask(WireRequest(operation="x", path="/elsewhere"))


def test_half_a_place_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path)
    endpoint: Any = place.endpoint
    with pytest.raises(ConfigurationError):
        carrier_for(Endpoint(base_url="file:///x", pace=endpoint.pace, hand_over=HandOver(outbox=str(place.outbox))))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_sends_nothing(place: Place) -> None:
    place.outbox.chmod(0o500)
    with pytest.raises(NotSent):
        place.put()
