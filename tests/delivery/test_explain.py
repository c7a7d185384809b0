"""One transmission shown to people: everything that happened, and nobody in it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.contract.messages import Payload, Verdict
from gateway.delivery.explain import explain, preview
from gateway.delivery.rules import work
from gateway.delivery.rules.work import Claimed, Closing, Conclusion, Opening, Settlement
from gateway.delivery.store import exchanges, ledger, owing, platforms
from gateway.domain.records import Record, Submission, Worker
from gateway.domain.states import Event, State
from gateway.store import records
from gateway.store.batch_sql import WriteSet
from gateway.store.engine import Store
from gateway.testing import people
from gateway.testing.model import Model

NOW = datetime(2019, 4, 2, 9, 0, tzinfo=UTC)
MODEL = Model(base_url="http://unused.invalid")


def owed(store: Store, count: int = 1) -> list[Record]:
    rng = random.Random(7)
    made = [people.person_record(rng) for _ in range(count)]
    with store.write() as c:
        platforms.register(c, ["model"])
        records.add(c, store.vault, made, batch_id=None, now=NOW)
        owing.owe(c, MODEL.info, NOW)
    return made


def checked(item: Claimed) -> Payload:
    submission = Submission(platform="model", record=item.record)
    payload = MODEL.check(submission, MODEL.map(submission))
    assert isinstance(payload, Payload)
    return payload


def sent(store: Store, answers: Sequence[bytes | None], *, body: bytes | None = None) -> list[Claimed]:
    """Send everything once for each answer; None is a lost connection."""
    claimed: list[Claimed] = []
    for number, answer in enumerate(answers):
        with store.write() as c:
            claimed = ledger.claim(
                c, store.vault, platform="model", state=State.QUEUED, limit=9, now=NOW, lease=timedelta(1), owner="me"
            )
            payloads = tuple(checked(item) for item in claimed)
            plain = body or json.dumps([p.fields for p in payloads], ensure_ascii=False).encode()
            opening = Opening(
                platform="model",
                purpose="push",
                operation="push",
                message_id=f"01{number:024d}",
                at=NOW,
                body=plain,
                digest=work.digest(plain),
                carries=tuple(claimed),
                payloads=payloads,
            )
            locked = exchanges.lock_for(c, "model", [opening])
            writes = WriteSet()
            [(exchange_id, attempts)] = exchanges.open_exchanges(store.vault, [opening], locked=locked, writes=writes)
            writes.execute(c)
            event = Event.RETRY if number < len(answers) - 1 else Event.REJECTED
            settlements = [
                Settlement(
                    claimed=replace(item, attempt_id=attempt),
                    event=event,
                    verdict=Verdict(event=event, code=f"C{number}", reason="masked before"),
                    due_at=NOW,
                    polls=0,
                    lookups=0,
                    negatives=0,
                )
                for item, attempt in zip(claimed, attempts, strict=True)
            ]
            failure = "server_disconnected" if answer is None else None
            status = None if answer is None else 200
            closing = Closing(exchange_id=exchange_id, closed_at=NOW, status=status, body=answer, failure=failure)
            ended = [Conclusion(closing=closing, settlements=tuple(settlements))]
            locked = exchanges.lock_for(c, "model", [], ended)
            writes = WriteSet()
            exchanges.conclude(c, store.vault, ended, "model", locked=locked, writes=writes)
            writes.execute(c)
    return claimed


def shown(store: Store, item: Claimed) -> dict[str, Any]:
    found = explain(store, item.id)
    assert found is not None
    return found


def person(record: Record) -> Worker:
    assert isinstance(record.content, Worker)
    return record.content


def test_an_unknown_delivery_is_none(store: Store) -> None:
    assert explain(store, 1) is None


def test_what_was_never_sent_has_a_delivery_and_nothing_else(store: Store) -> None:
    owed(store)
    found = explain(store, 1)
    assert found is not None
    assert (found["payload"], found["exchanges"]) == (None, [])
    assert found["delivery"]["state"] == "queued"


def test_every_attempt_is_shown_in_order_with_bytes_and_verdict(store: Store) -> None:
    owed(store)
    [item] = sent(store, [None, b'{"code": "BUSY"}', b'{"code": "NO"}'])
    found = shown(store, item)
    steps = [(e["event"], e["code"], e["failure"], e["applied"]) for e in found["exchanges"]]
    assert steps == [
        ("retry", "C0", "server_disconnected", True),
        ("retry", "C1", None, True),
        ("rejected", "C2", None, True),
    ]
    answers = [e["response"] for e in found["exchanges"]]
    assert answers[0] is None
    assert "BUSY" in answers[1]
    assert "lease_owner" not in found["delivery"]


def test_nobody_stands_in_what_is_shown_not_even_who_travelled_along(store: Store) -> None:
    made = owed(store, 4)
    answer = json.dumps([{"名": person(r).name, "号": person(r).id_number} for r in made], ensure_ascii=False).encode()
    claimed = sent(store, [answer])
    text = repr([shown(store, item) for item in claimed])
    assert "***" in text
    for record in made:
        assert person(record).name not in text
        assert person(record).id_number not in text
        assert str(person(record).mobile) not in text


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: json.dumps({"m": text}).encode(),
        lambda text: json.dumps({"m": text}, ensure_ascii=False).encode(),
        lambda text: f"<m>{text}</m>".encode(),
        lambda text: f'<?xml version="1.0" encoding="GB18030"?><m>{text}</m>'.encode("gb18030"),
        lambda text: f"<m>{text}</m>".encode("gb18030"),
        lambda text: f"<m>{text}</m>".encode("ascii", "xmlcharrefreplace"),
        lambda text: text.encode("gb18030"),
        lambda text: b"\xff\xfe\x00" + text.encode(),
    ],
    ids=["json escaped", "json", "xml", "xml gbk", "xml gbk unsaid", "xml escaped", "gbk text", "broken"],
)
def test_a_person_is_found_in_every_way_of_writing(store: Store, encode: Any) -> None:
    [record] = owed(store)
    worker = person(record)
    answer = encode(f"{worker.name}的证件号{worker.id_number}有误")
    [item] = sent(store, [answer], body=answer)
    [exchange] = shown(store, item)["exchanges"]
    for side in ("request", "response"):
        assert worker.name not in exchange[side]
        assert worker.id_number not in exchange[side]
        assert json.dumps(worker.name)[1:-1] not in exchange[side]
        assert worker.name.encode("ascii", "xmlcharrefreplace").decode() not in exchange[side]
        assert "***" in exchange[side]


def test_a_preview_shows_what_would_go_and_leases_nothing(store: Store) -> None:
    made = owed(store, 2)
    found = preview(store, MODEL, 10, NOW)
    assert [one["record_key"] for one in found] == [r.key for r in made]
    assert all("***" in one["payload"] for one in found)
    text = repr(found)
    assert not any(person(r).name in text or person(r).id_number in text for r in made)
    with store.read() as c:
        assert len(ledger.due_now(c, store.vault, "model", 9, NOW)) == 2
