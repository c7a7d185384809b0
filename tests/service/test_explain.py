"""What may be shown of a transmission: all of it, but for the person and the secrets."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from gateway.contract.connector import ConnectorInfo
from gateway.contract.messages import Verdict
from gateway.domain.delivery import Event, State
from gateway.domain.records import Record
from gateway.service.explain import explain
from gateway.service.outcome import names
from gateway.store import control, exchanges, ledger, queueing, records
from gateway.store.engine import Store
from gateway.store.exchanges import Closing, Conclusion, Opening
from gateway.store.ledger import Settlement
from gateway.testing import people
from gateway.testing.model import Model

NOW = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)
INFO: ConnectorInfo = Model(base_url="http://127.0.0.1:9").info


def persons(count: int) -> list[Record]:
    rng = random.Random(3)
    return [people.person_record(rng) for _ in range(count)]


def send(store: Store, travellers: Sequence[Record], body: bytes) -> None:
    """Push these people in one exchange that has this request and this answer."""
    with store.write() as c:
        control.register(c, ["model"])
        records.add(c, store.vault, travellers, batch_id=None, now=NOW)
        queueing.owe(c, INFO, NOW)
        claimed = ledger.claim(
            c,
            store.vault,
            platform="model",
            state=State.QUEUED,
            limit=len(travellers),
            now=NOW,
            lease=timedelta(minutes=5),
            owner="test",
        )
        opening = Opening(
            platform="model",
            purpose="push",
            operation="push",
            message_id="M1",
            at=NOW,
            body=body,
            digest=exchanges.digest(body),
            carries=tuple(claimed),
        )
        [(number, attempts)] = exchanges.open_exchanges(c, store.vault, [opening])
        settlements = tuple(
            Settlement(
                claimed=replace(item, attempt_id=attempt),
                event=Event.ACCEPTED,
                verdict=Verdict(event=Event.ACCEPTED, code="OK"),
                due_at=NOW,
                polls=0,
                lookups=0,
                negatives=0,
            )
            for item, attempt in zip(claimed, attempts, strict=True)
        )
        closing = Closing(exchange_id=number, closed_at=NOW, status=200, body=body)
        exchanges.conclude(c, store.vault, [Conclusion(closing=closing, settlements=settlements)], "model")


def backslashes(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")


def references(text: str) -> str:
    return "".join(f"&#{ord(character)};" for character in text)


@pytest.mark.parametrize(
    "write",
    [
        lambda name, number: f"{name} {number}",
        lambda name, number: f"name={quote(name)}&no={number}",
        lambda name, number: f'{{"name": "{backslashes(name)}", "no": "{number}"}}',
        lambda name, number: f"<a><b>{references(name)}</b><no>{number}</no></a>",
    ],
    ids=["plain", "percent", "backslash", "reference"],
)
def test_a_person_is_masked_however_the_name_is_written(store: Store, write: Callable[[str, str], str]) -> None:
    [person] = persons(1)
    name, number, _ = names(person.content)
    send(store, [person], write(name, number).encode())
    shown = explain(store, 1)
    assert shown is not None
    [exchange] = shown["exchanges"]
    assert (exchange["event"], exchange["code"], exchange["status"]) == ("accepted", "OK", 200)
    for side in ("request", "response"):
        assert exchange[side].count("***") == 2
        for hidden in (name, number, quote(name), backslashes(name), references(name)):
            assert hidden not in exchange[side]


def test_everybody_in_the_same_request_is_masked(store: Store) -> None:
    travellers = persons(5)
    everybody = [name for person in travellers for name in names(person.content)]
    send(store, travellers, " ".join(everybody).encode())
    shown = explain(store, 3)
    assert shown is not None
    assert not [name for name in everybody if name and name in str(shown)]


def test_a_delivery_that_does_not_exist_has_nothing_to_show(store: Store) -> None:
    assert explain(store, 7) is None
