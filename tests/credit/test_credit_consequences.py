"""What a void certificate means for those who file it again, and what no text ever says of people (P8)."""

from __future__ import annotations

import logging
import random
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import LargeBinary, select

from gateway.credit.store.tickets import Filter
from gateway.credit.tickets import TicketAct, read_calendar, settle, work_list
from gateway.credit.views import View, Who, public, show
from gateway.domain.errors import GatewayError
from gateway.domain.records import Certificate, RecordKind
from gateway.intake.admit import IntakeReport, take_in
from gateway.intake.rules.gate_rules import GateRules
from gateway.schema import metadata
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.tables import record
from gateway.testing import people
from gateway.testing.batch import write_sample
from gateway.testing.model import Model
from tests.support.creditfeed import Feed
from tests.support.findings import finding

NOW = datetime(2019, 5, 6, 1, 0, tzinfo=UTC)
NUMBER = re.compile(r"(?<![0-9A-Za-z])37000\d{12}[\dX](?![0-9A-Za-z])")


def intake(path: Path, store: Store, name: str) -> IntakeReport:
    rng = random.Random(name)
    copy = path.with_name(name)
    copy.write_bytes(path.read_bytes() + b"\n")
    return take_in(
        copy,
        store,
        [Model(base_url="http://unused.invalid").info],
        rules=GateRules(now=NOW),
        now=NOW,
        new_id=lambda: people.ulid(rng),
    )


def test_a_certificate_declared_void_cannot_be_filed_again(store: Store, tmp_path: Path) -> None:
    sample = write_sample(tmp_path / "batch.csv", rows=12, encoding="utf-8")
    before = intake(sample, store, "first.csv")
    with store.read() as connection:
        keys = connection.execute(select(record.c.key).where(record.c.kind == RecordKind.CERTIFICATE)).scalars().all()
        one = next(records.newest_records(connection, store.vault, RecordKind.CERTIFICATE, keys[:1]))
    assert isinstance(one.content, Certificate)
    feed = Feed(store)
    void = finding(
        one.content.holder,
        event_type="CERT_INVALIDATED",
        certificate_number=one.content.number,
        authority="山东省建设从业人员教育中心",
    )
    assert feed.apply(void).voided == 1
    again = intake(sample, store, "again.csv")
    assert again.gates - before.gates == Counter({"N33": 1})
    assert again.refused == before.refused + 1
    assert again.records.total() == 0


@pytest.fixture
def world(store: Store) -> Feed:
    return Feed(store)


@given(
    name=st.sampled_from(["张伟", "李娜", "张 伟", "張偉"]),
    kind=st.sampled_from(["CREATED", "REVOKED", "CERT_INVALIDATED", "SUBJECT_MERGED", "SUBJECT_RENAMED", "NONSENSE"]),
    content=st.sampled_from(["{name}", "{number}", "{name}:{number}", "身份证{number}号"]),
    flaw=st.sampled_from([None, None, None, "SCHEMA_INVALID", "SIGNATURE_INVALID"]),
)
@settings(
    max_examples=6, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_p8_no_log_error_ticket_view_or_clear_column_holds_a_full_number(
    world: Feed, caplog: pytest.LogCaptureFixture, name: str, kind: str, content: str, flaw: str | None
) -> None:
    caplog.set_level(logging.DEBUG)
    person, worker = world.person("张伟")
    number = world.pages + 1
    told = finding(
        worker,
        event_type=kind,
        record_id=f"CR-{number}",
        stream=f"S{number}",
        stream_seq=1,
        content=content.format(name=worker.name, number=worker.id_number),
        certificate_number=worker.id_number,
        change_reason=worker.id_number,
        flaw=flaw,
        extra={"succession": {"fromKey": worker.id_number, "toKey": worker.id_number}, "remark": worker.id_number},
    )
    assert told.subject is not None
    said: list[Any] = [told.subject, told]
    world.apply(told)
    world.apply(told)
    _, tickets = work_list(world.store, read_calendar(), Filter(closed=True), 1000, world.now)
    said += [one.document() for one in tickets]
    for one in tickets:
        for act in one.acts:
            given_ = TicketAct(number=one.ticket.number, act=act, reason="r", by="o", subject=worker.id_number)
            try:
                settle(world.store, given_, world.now + timedelta(minutes=1))
            except GatewayError as error:
                said.append(str(error))
    with world.store.read() as connection:
        for view in View:
            said.append(show(connection, world.store.vault, Who(kind="person", key=person.key), view, world.now))
        said.append(public(connection, world.store.vault, world.now, 1000))
        for table in metadata.sorted_tables:
            clear = [column for column in table.c if not isinstance(column.type, LargeBinary)]
            said += [list(row) for row in connection.execute(select(*clear))] if clear else []
    texts = [repr(one) for one in (*said, *(vars(entry) for entry in caplog.records))]
    assert [text for text in texts if NUMBER.search(text)] == []
