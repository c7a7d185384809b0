"""Planted faults, each with the link that is broken; nobody is named in an answer."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from gateway.contract.connector import ConnectorInfo
from gateway.delivery.store import owing, platforms
from gateway.delivery.store.tables import (
    attempt,
    delivery,
    exchange,
    receipt,
    reconciliation,
    reconciliation_item,
    verdict,
)
from gateway.domain.records import Certificate, RecordKind, Worker
from gateway.domain.states import State
from gateway.domain.traffic import Traffic
from gateway.intake.identity import written
from gateway.intake.store.tables import filing, filing_subject
from gateway.operations.why import Explanation, why
from gateway.store import records
from gateway.store.engine import Connection, Store
from gateway.store.records import IndexEntry
from gateway.store.tables import batch
from gateway.testing import people
from gateway.testing.model import Model

NOW = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)
INFO = Model(base_url="http://unused.invalid").info
RNG = random.Random(3)
PERSON = people.person_record(RNG)
PAPER = people.certificate_record(RNG, PERSON)


def kept(store: Store) -> None:
    """A person and a certificate, reported and owed."""
    worker, certificate = PERSON.content, PAPER.content
    assert isinstance(worker, Worker)
    assert isinstance(certificate, Certificate)
    number = f"{worker.id_type}:{worker.id_number}"
    entries = [
        IndexEntry(kind=RecordKind.PERSON, key=PERSON.key, what="id_number", value=number),
        IndexEntry(kind=RecordKind.CERTIFICATE, key=PAPER.key, what="certificate_number", value=certificate.number),
    ]
    with store.write() as c:
        platforms.register(c, ["model"])
        records.add(c, store.vault, [PERSON, PAPER], batch_id=None, now=NOW)
        records.index(c, store.vault, entries, NOW)
        owing.owe(c, INFO, NOW)


def reported(store: Store, outcome: str, *, failures: Any = (), key: str | None = None, name: str = "a.xlsx") -> None:
    worker, certificate = PERSON.content, PAPER.content
    assert isinstance(worker, Worker)
    assert isinstance(certificate, Certificate)
    cells = {"证书编号": certificate.number, "公民身份号码": worker.id_number}
    none = dict.fromkeys(("admitted", "refused", "held", "unchanged"), 0)
    with store.write() as c:
        head = {"name": name, "digest": name, "read_at": NOW, "rows": 1, **none}
        number = c.execute(insert(batch).values(head).returning(batch.c.id)).scalar_one()
        row = {"batch_id": number, "row_no": 7, "outcome": outcome, "cells": b"x", "failures": list(failures)}
        one = c.execute(insert(filing).values(**row, certificate_key=key).returning(filing.c.id)).scalar_one()
        person = store.vault.index("id_number", f"{worker.id_type}:{worker.id_number}")
        number_digest, id_digest = written(cells, store.vault)
        c.execute(
            insert(filing_subject).values(
                filing_id=one, person=person, certificate_number=number_digest, id_written=id_digest
            )
        )


def ask(store: Store, *infos: ConnectorInfo, by: str = "certificate") -> Explanation:
    certificate, worker = PAPER.content, PERSON.content
    assert isinstance(certificate, Certificate)
    assert isinstance(worker, Worker)
    asked = {"certificate": certificate.number, "person": worker.id_number}.get(by, by)
    return why(store, asked, infos or (INFO,), {"model": Traffic()}, NOW)


def put(state: State, **values: Any) -> Callable[[Connection], Any]:
    here = delivery.c.kind == "certificate"
    return lambda c: c.execute(update(delivery).where(here).values(state=state, blocked_by=None, **values))


def differs(c: Connection) -> None:
    put(State.ACCEPTED)(c)
    run = {"platform": "model", "ours_at": NOW, "theirs_at": NOW, "counts": {}}
    number = c.execute(insert(reconciliation).values(run).returning(reconciliation.c.id)).scalar_one()
    item = {"reconciliation_id": number, "class": "lost", "kind": "certificate", "delivery_id": 2, "fields": []}
    c.execute(insert(reconciliation_item), item)


def paused(c: Connection) -> None:
    put(State.QUEUED)(c)
    platforms.pause(c, "model", code="-2", reason="signature", by="gateway", now=NOW)


def person_rejected(c: Connection) -> None:
    here = delivery.c.kind == "person"
    c.execute(update(delivery).where(here).values(state=State.REJECTED, code="-1", reason="[birthday]"))


def conflict(c: Connection) -> None:
    put(State.PARKED, code="409")(c)
    opened = {"platform": "model", "purpose": "push", "operation": "o", "message_id": "m", "opened_at": NOW}
    one = c.execute(insert(exchange).values(**opened, request_digest="d").returning(exchange.c.id)).scalar_one()
    tried = {"delivery_id": 2, "exchange_id": one, "position": 0, "fence": 1}
    number = c.execute(insert(attempt).values(tried).returning(attempt.c.id)).scalar_one()
    said = {"attempt_id": number, "event": "conflict", "code": "409", "reason": "r", "fields": [], "applied": True}
    c.execute(insert(verdict).values(**said, at=NOW))


FAULTS: dict[str, tuple[Callable[[Connection], Any], str, bool | None, str, str | None]] = {
    "behind its person": (lambda _: None, "accepted", None, "waits until its person is accepted", "gateway push"),
    "due": (put(State.QUEUED), "accepted", None, "can be sent", "gateway push model"),
    "busy before": (put(State.QUEUED, code="103", reason="busy"), "accepted", None, "103 busy", "gateway push"),
    "paused": (paused, "accepted", None, "the platform is paused: -2: signature", "gateway resume model"),
    "behind a rejected person": (person_rejected, "accepted", None, "rejected; last answer: -1", "corrected row"),
    "conflict": (conflict, "accepted", False, "waits for a person: 409", "not ours"),
    "later": (put(State.QUEUED, due_at=NOW + timedelta(hours=1)), "accepted", None, "waits for its next try", None),
    "awaiting": (put(State.AWAITING_ACK), "accepted", None, "its result can be fetched", "gateway acks"),
    "in doubt": (put(State.IN_DOUBT), "accepted", None, "can be asked about", "gateway resolve"),
    "rejected": (put(State.REJECTED, code="012", reason="wrong level"), "accepted", False, "012 wrong level", "replay"),
    "parked": (put(State.PARKED, code="E-77"), "accepted", False, "waits for a person: E-77", "gateway release 2"),
    "held": (put(State.HELD, code="LOCKED"), "accepted", False, "LOCKED", "gateway resume model"),
    "lost there": (differs, "reconciled", False, "lost", "gateway show 2"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_first_broken_link_is_named_with_what_to_do(store: Store, name: str) -> None:
    plant, step, ok, text, act = FAULTS[name]
    kept(store)
    reported(store, "admit", key=PAPER.key)
    with store.write() as c:
        plant(c)
    [link] = ask(store).broken
    assert (link.step, link.ok) == (step, ok)
    assert text in link.text
    assert act is None or act in (link.act or "")


def test_what_has_arrived_has_no_broken_link(store: Store) -> None:
    kept(store)
    reported(store, "admit", key=PAPER.key)
    with store.write() as c:
        put(State.ACCEPTED)(c)
    assert ask(store).broken == []
    assert [(link.step, link.ok) for link in ask(store).certificates[PAPER.key]] == [("kept", True), ("accepted", True)]


@pytest.mark.parametrize("by", ["person", "certificate"])
@pytest.mark.parametrize("outcome", ["refuse", "hold"])
def test_a_row_that_did_not_go_is_found_by_what_it_names_and_says_its_rules(
    store: Store, outcome: str, by: str
) -> None:
    reported(store, outcome, failures=[{"gate": "N04", "field": "birth_date", "message": "m", "message_zh": "z"}])
    [link] = ask(store, by=by).broken
    assert link.step == "filed"
    assert "gateway batches" in (link.act or "")
    assert "a.xlsx, row 7" in link.text
    assert "N04 (birth_date)" in link.text


def test_a_correction_that_went_mends_a_refused_row(store: Store) -> None:
    reported(store, "refuse", failures=[{"gate": "N04", "field": "birth_date", "message": "m", "message_zh": "z"}])
    kept(store)
    reported(store, "admit", key=PAPER.key, name="b.xlsx")
    with store.write() as c:
        put(State.ACCEPTED)(c)
    assert ask(store, by="person").broken == []


def test_what_nobody_reported_says_so(store: Store) -> None:
    [link] = ask(store).broken
    assert (link.step, link.text) == ("filed", "no row that was read names it")


@pytest.mark.parametrize("asked", [PAPER.key, PAPER.key.lower(), "2", "#2", "REC-7", "P00000311"])
def test_a_certificate_is_found_by_what_gateway_and_platform_number(store: Store, asked: str) -> None:
    kept(store)
    with store.write() as c:
        conflict(c)
        c.execute(insert(receipt).values(platform="model", number="REC-7", exchange_id=1, received_at=NOW))
        put(State.ACCEPTED, platform_ref="P00000311")(c)
    assert list(ask(store, by=asked).certificates) == [PAPER.key]


def test_a_delivery_of_a_person_without_certificate_is_followed(store: Store) -> None:
    with store.write() as c:
        platforms.register(c, ["model"])
        records.add(c, store.vault, [PERSON], batch_id=None, now=NOW)
        owing.owe(c, INFO, NOW)
    [link] = ask(store, by="1").broken
    assert (link.delivery, link.act) == (1, "gateway push model")


def test_a_batch_says_how_it_stands(store: Store) -> None:
    reported(store, "refuse")
    [link] = ask(store, by="a.xlsx").broken
    assert (link.step, link.act) == ("batch", "gateway batches returns a.xlsx OUT.xlsx")
    assert "refuse 1" in link.text


def test_the_day_of_reading_is_of_china(store: Store) -> None:
    reported(store, "refuse")
    with store.write() as c:
        c.execute(update(batch).values(read_at=datetime(2019, 4, 1, 16, 30, tzinfo=UTC)))
    assert "read 2019-04-02" in ask(store).rows[0].text


def test_a_kind_taken_by_project_is_not_owed_without_one(store: Store) -> None:
    kept(store)
    kinds = {kind: replace(one, by_project=True) for kind, one in INFO.kinds.items()}
    other = replace(INFO, platform="other", kinds=kinds, declined={RecordKind.CERTIFICATE: "only with a project"})
    with store.write() as c:
        put(State.ACCEPTED)(c)
    [link] = ask(store, INFO, other).broken
    assert link.text == "not owed: only with a project"
    assert "gateway push" not in (link.act or "")


def test_a_platform_that_takes_no_such_records_says_why(store: Store) -> None:
    kept(store)
    reported(store, "admit", key=PAPER.key)
    other = replace(INFO, platform="other", kinds={}, declined={RecordKind.CERTIFICATE: "not in its contract"})
    with store.write() as c:
        put(State.ACCEPTED)(c)
    [link] = ask(store, INFO, other).broken
    assert (link.platform, link.text) == ("other", "not owed: not in its contract")


def test_an_answer_names_nobody(store: Store) -> None:
    kept(store)
    reported(store, "admit", key=PAPER.key)
    answer = ask(store, by="person")
    told = json.dumps([vars(link) for links in answer.certificates.values() for link in links], default=str)
    assert isinstance(PERSON.content, Worker)
    assert PERSON.content.id_number not in told
    assert PERSON.content.name not in told
