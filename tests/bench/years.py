"""A store as it is after years, written in bulk: whole rows that open, with all that commands look at.

Of every ten deliveries three are certificates to each of three platforms and one is a person to the first of them; each
has two exchanges. One in a hundred is not accepted, one in two hundred differs in the last reconciliation, one in a
thousand has a ticket. All people are made up.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson
from sqlalchemy import insert

from gateway.credit.store.tables import ticket
from gateway.delivery.store.exchanges import seal_body
from gateway.delivery.store.tables import (
    attempt,
    delivery,
    exchange,
    owed,
    payload,
    reconciliation,
    reconciliation_item,
    verdict,
)
from gateway.domain.records import Certificate, Record, Worker
from gateway.domain.states import State
from gateway.domain.ticket_kinds import TicketKind
from gateway.intake.identity import index_entries
from gateway.intake.store.batches import pack
from gateway.intake.store.tables import filing
from gateway.store.engine import Store
from gateway.store.metadata import chunks
from gateway.store.records import payload_place, seal_content
from gateway.store.tables import batch, record, search_index
from gateway.testing import people

PLATFORMS = ("national_market", "worker_platform", "provincial_credit")
BATCHES = 50
FIRST = datetime(2019, 3, 1, 1, 0, tzinfo=UTC)
_PER_PERSON = 3
"""certificates of one person"""
_PART = 2000
_BODY = b'{"person":"' + b"x" * 160 + b'"}'
_RARE = {0: State.QUEUED, 1: State.PARKED, 2: State.REJECTED, 3: State.IN_DOUBT, 4: State.HELD, 5: State.AWAITING_ACK}
"""what one in a hundred and fifty deliveries is instead of accepted, by a digit of its number"""
_CELLS = {"姓名": "测试", "证书编号": "", "身份证号": "", "备注": "x" * 120}

Rows = dict[str, list[dict[str, Any]]]


def batch_name(number: int) -> str:
    """Name of a batch's file, by its number from 0."""
    return f"报送{number:02}.xlsx"


def rows_of(deliveries: int) -> int:
    """How many rows such a store has, about: ten for a delivery with what belongs to it."""
    return deliveries * 10


def build(store: Store, deliveries: int) -> None:
    """Fill an empty store with so many deliveries, at least some hundred; 0 leaves it empty."""
    if not deliveries:
        return
    people_count = deliveries // (1 + _PER_PERSON * len(PLATFORMS))
    made = _Made(store, people_count)
    for part in chunks(range(people_count), _PART // 10):
        rows: Rows = {}
        for number in part:
            made.person(number, rows)
        with store.write() as connection:
            for table in _ORDER:
                if rows.get(table.name):
                    connection.execute(insert(table), rows[table.name])
    made.finish()


_ORDER = (
    *(record, search_index, filing),
    *(delivery, payload, exchange, attempt, verdict, reconciliation_item, ticket),
)


class _Made:
    """Numbers of the rows made, and the contents that all of them share."""

    def __init__(self, store: Store, persons: int) -> None:
        self._store, self._vault = store, store.vault
        rng = random.Random(7)
        self._person = people.person_record(rng)
        self._certificate = people.certificate_record(rng, self._person)
        self._persons, self._per_batch = persons, -(-persons * _PER_PERSON // BATCHES)
        self._records = self._deliveries = self._filings = 0
        self._fields = orjson.dumps({"name": "测试", "text": "x" * 200})
        self._counts: dict[str, dict[str, int]] = {name: {} for name in PLATFORMS}
        with store.write() as connection:
            connection.execute(insert(batch), [self._batch(number) for number in range(BATCHES)])
            runs = [
                {"id": n, "platform": name, "ours_at": FIRST, "theirs_at": FIRST, "counts": {}}
                for n, name in enumerate(PLATFORMS, 1)
            ]
            connection.execute(insert(reconciliation), runs)

    def _batch(self, number: int) -> dict[str, Any]:
        name = batch_name(number)
        counts = {"rows": self._per_batch, "admitted": self._per_batch, "refused": 0, "held": 0, "unchanged": 0}
        digest = sha256(name.encode()).hexdigest()
        return {"id": number + 1, "name": name, "digest": digest, "read_at": FIRST + timedelta(days=number), **counts}

    def person(self, number: int, rows: Rows) -> None:
        """One person with certificates, and all that follows."""
        holder = self._person.content
        assert isinstance(holder, Worker)
        rng = random.Random(number)
        worker = replace(
            holder, id_number=people.id_number(rng, holder.birth_date), name=f"测{chr(0x4E00 + number % 20000)}"
        )
        key = f"P{number:025}"
        person = replace(self._person, key=key, person_key=key, content=worker)
        self._record(person, number * _PER_PERSON // self._per_batch + 1, rows)
        self._delivery(PLATFORMS[0], person, rows)
        for place in range(_PER_PERSON):
            self._paper(number * _PER_PERSON + place, person, worker, rows)

    def _paper(self, number: int, person: Record, worker: Worker, rows: Rows) -> None:
        paper = self._certificate.content
        assert isinstance(paper, Certificate)
        content = replace(paper, holder=worker, number=f"鲁建岗{number:010}")
        key, batch_id = f"C{number:025}", number // self._per_batch + 1
        kept = replace(self._certificate, key=key, person_key=person.key, content=content)
        self._record(kept, batch_id, rows)
        self._filings += 1
        row_no = number % self._per_batch + 2
        known = {entry.what: entry for entry in index_entries(worker, content, person.key, key)}
        digests = {what: self._vault.index(what, entry.value) for what, entry in known.items()}
        for what, entry in known.items():
            if number % _PER_PERSON == 0 or what.startswith("certificate"):
                one = {"digest": digests[what], "kind": entry.kind, "key": entry.key, "what": what, "since": FIRST}
                rows.setdefault("search_index", []).append(one)
        place = f"filing.cells:{batch_id}/{row_no}"
        rows.setdefault("filing", []).append(
            {
                "id": self._filings,
                "batch_id": batch_id,
                "row_no": row_no,
                "outcome": "admit",
                "cells": self._vault.seal(pack({**_CELLS, "证书编号": content.number}), place),
                "failures": [],
                "person_key": person.key,
                "certificate_key": key,
                "report_no": "370100-201904-01",
            }
        )
        for platform in PLATFORMS:
            self._delivery(platform, kept, rows)

    def _record(self, one: Record, batch_id: int, rows: Rows) -> None:
        self._records += 1
        rows.setdefault("record", []).append(
            {
                "id": self._records,
                "kind": one.kind,
                "key": one.key,
                "version": 1,
                "person_key": one.person_key,
                "fingerprint": sha256(one.key.encode()).hexdigest(),
                "content": seal_content(one, self._vault),
                "void": False,
                "effective_from": one.effective_from,
                "change": one.change,
                "created_at": FIRST + timedelta(days=batch_id - 1),
                "batch_id": batch_id,
            }
        )

    def _delivery(self, platform: str, one: Record, rows: Rows) -> None:
        self._deliveries += 1
        number, at = self._deliveries, FIRST + timedelta(seconds=self._deliveries * 20)
        state = _RARE.get(number // 150 % 10, State.ACCEPTED) if number % 150 == 0 else State.ACCEPTED
        business_key = f"{platform}/{one.kind}/{one.key}/1"
        rows.setdefault("delivery", []).append(
            {
                "id": number,
                "platform": platform,
                "kind": one.kind,
                "record_id": self._records,
                "record_key": one.key,
                "version": 1,
                "person_key": one.person_key,
                "business_key": business_key,
                "state": state,
                "due_at": at,
                "fence": 1,
                "tries": 1,
                "code": "OK" if state is State.ACCEPTED else f"E{number // 150 % 7}",
                "reason": "" if state is State.ACCEPTED else "the platform names a field",
                "platform_ref": f"{platform}-{number}" if number % 3 == 0 else None,
                "created_at": at,
                "updated_at": at,
            }
        )
        sealed = self._vault.seal(self._fields, payload_place(business_key))
        rows.setdefault("payload", []).append(
            {"delivery_id": number, "content": sealed, "spec_version": "1", "made_at": at}
        )
        for step, purpose in ((1, "push"), (0, "poll")):
            self._exchange(2 * number - step, platform, purpose, number, at, state, rows)
        if number % 200 == 0:
            self._differs(platform, one, number, rows)
        else:
            self._count(platform, "match")
        if number % 1000 == 0:
            rows.setdefault("ticket", []).append(
                {
                    "number": f"T{number:025}",
                    "platform": platform,
                    "record_id": one.key,
                    "kind": TicketKind.IDENTITY,
                    "opened_at": at,
                }
            )

    def _exchange(
        self, number: int, platform: str, purpose: str, delivery_id: int, at: datetime, state: State, rows: Rows
    ) -> None:
        message = f"M{number:025}"
        digest = sha256(_BODY).hexdigest()
        rows.setdefault("exchange", []).append(
            {
                "id": number,
                "platform": platform,
                "purpose": purpose,
                "operation": purpose,
                "message_id": message,
                "opened_at": at,
                "request_digest": digest,
                "request": seal_body(self._vault, _BODY, f"exchange.request:{message}/{digest}"),
                "closed_at": at + timedelta(seconds=1),
                "status": 200,
                "response_digest": digest,
                "response": seal_body(self._vault, _BODY, f"exchange.response:{number}"),
            }
        )
        rows.setdefault("attempt", []).append(
            {"id": number, "delivery_id": delivery_id, "exchange_id": number, "position": 0, "fence": 1}
        )
        event = "pending" if purpose == "push" else ("accepted" if state is State.ACCEPTED else "rejected")
        said = {"event": event, "code": "OK", "reason": "", "fields": [], "applied": True, "at": at}
        rows.setdefault("verdict", []).append({"id": number, "attempt_id": number, **said})

    def _differs(self, platform: str, one: Record, number: int, rows: Rows) -> None:
        name = ("lag", "lost", "altered", "never_sent")[number // 200 % 4]
        self._count(platform, name)
        rows.setdefault("reconciliation_item", []).append(
            {
                "reconciliation_id": PLATFORMS.index(platform) + 1,
                "class": name,
                "kind": one.kind,
                "delivery_id": number,
                "fields": ["name"] if name == "altered" else [],
            }
        )

    def _count(self, platform: str, name: str) -> None:
        self._counts[platform][name] = self._counts[platform].get(name, 0) + 1

    def finish(self) -> None:
        """Write how far all is owed, and the sums of the reconciliations."""
        with self._store.write() as connection:
            kinds = {"national_market": ("person", "certificate")}
            marks = [
                {"platform": name, "kind": kind, "up_to": self._records}
                for name in PLATFORMS
                for kind in kinds.get(name, ("certificate",))
            ]
            connection.execute(insert(owed), marks)
            for number, name in enumerate(PLATFORMS, 1):
                changed = reconciliation.update().where(reconciliation.c.id == number)
                connection.execute(changed.values(counts=self._counts[name]))
