"""A store filled under the first release: upgraded, read, taken in to and pushed from, on both databases."""

from __future__ import annotations

import asyncio
import csv
import json
import random
import secrets
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, MetaData, insert, select, text
from sqlalchemy.engine import make_url

from gateway.domain.admission import admit
from gateway.domain.delivery import State
from gateway.domain.errors import StoreError
from gateway.domain.gate_rules import GateRules
from gateway.domain.records import Content, Record, RecordKind
from gateway.intake.reading.columns import COLUMNS
from gateway.intake.reading.reader import read_batch
from gateway.service.admit import IntakeReport, take_in
from gateway.service.exchange import Edge, Exchanger
from gateway.service.push import push
from gateway.store import batch_views, batches, engine, records
from gateway.store.engine import Store, migrate, open_engine, verify_schema
from gateway.store.tables import delivery, filing, record
from gateway.store.thread import StoreThread
from gateway.store.translate import record_place, seal_content
from gateway.store.vault import KeyRing, Vault
from gateway.testing import people
from gateway.testing.forms import CITIES, Cells, filed
from gateway.testing.model import Model, ModelSandbox
from gateway.testing.serving import running
from gateway.transport.sender import Sender

THEN = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)
NOW = THEN + timedelta(days=400)
INFO = Model(base_url="http://unused.invalid").info
LATER = {"placement", "training", "files"}
"""what contents could not say under the first release"""


def write(path: Path, rows: list[Cells], remark: str) -> Path:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow([*(column.title for column in COLUMNS), "备注"])
        writer.writerows([*(row.get(column.field, "") for column in COLUMNS), remark] for row in rows)
    return path


class Old:
    """A store at the first revision, with three certificates: one pushed, one waiting, one refused."""

    def __init__(self, url: str, folder: Path) -> None:
        self.engine, self.vault, self.folder = open_engine(url), Vault(KeyRing.generate()), folder
        self.rng = random.Random(9)
        used = set[str]()
        self.rows = [
            filed(self.rng, used, employed=True, city=CITIES[0]) | {"batch_no": "370100-201903-01"} for _ in range(3)
        ]
        with self.engine.begin() as connection:
            config = engine._config()
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")
        tables = MetaData()
        tables.reflect(self.engine)
        with self.engine.begin() as connection:
            self._fill(connection, tables.tables)

    def _fill(self, c: Connection, tables: Any) -> None:
        for name in (INFO.platform,):
            c.execute(insert(tables["platform"]).values(name=name))
        counts = {"rows": 3, "admitted": 2, "refused": 1, "held": 0, "unchanged": 0}
        head = {"name": "old.csv", "digest": "d" * 64, "read_at": self._at(THEN), **counts}
        batch_id = c.execute(insert(tables["batch"]).values(**head).returning(tables["batch"].c.id)).scalar_one()
        path = write(self.folder / "old.csv", self.rows, "old")
        for at, row in enumerate(read_batch(path).rows):
            keys: dict[str, str | None] = {"person_key": None, "certificate_key": None}
            if at < 2:
                assert row.filing is not None
                content = admit(row.filing, THEN)
                person, paper = people.ulid(self.rng), people.ulid(self.rng)
                keys = {"person_key": person, "certificate_key": paper}
                state = State.ACCEPTED if at == 0 else State.QUEUED
                given = (c, tables, batch_id, person, state)
                self._record(*given, RecordKind.PERSON, person, content.worker)
                self._record(*given, RecordKind.CERTIFICATE, paper, content.certificate)
                worker, certificate = content.worker, content.certificate
                self._index(c, tables, "person", person, "id_number", f"{worker.id_type}:{worker.id_number}")
                named = f"{certificate.number}|{certificate.trade}"
                self._index(c, tables, "certificate", paper, "certificate", named)
                self._index(c, tables, "certificate", paper, "certificate_number", certificate.number)
            place = f"filing.cells:{batch_id}/{row.number}"
            failure = {"gate": "N20", "field": "seal_stamped", "message": "not sealed", "message_zh": "未加盖"}
            c.execute(
                insert(tables["filing"]).values(
                    batch_id=batch_id,
                    row_no=row.number,
                    outcome="admit" if at < 2 else "refuse",
                    cells=self.vault.seal(batches.pack(row.cells), place),
                    failures=[] if at < 2 else [failure],
                    **keys,
                )
            )
        last = c.execute(select(tables["record"].c.id).order_by(tables["record"].c.id.desc())).scalars().first()
        for kind in (RecordKind.PERSON, RecordKind.CERTIFICATE):
            c.execute(insert(tables["owed"]).values(platform=INFO.platform, kind=kind, up_to=last))

    def _record(
        self, c: Connection, tables: Any, batch_id: int, person: str, state: State, kind: RecordKind, key: str,
        content: Content,
    ) -> None:  # fmt: skip
        one = Record(kind=kind, key=key, version=1, person_key=person, content=content, effective_from=THEN)
        place = record_place(kind, key, 1)
        said = json.loads(self.vault.open(seal_content(one, self.vault), place))
        plain = json.dumps(_without(said), ensure_ascii=False).encode()
        values = {
            "kind": kind,
            "key": key,
            "version": 1,
            "person_key": person,
            "fingerprint": one.fingerprint,
            "content": self.vault.seal(plain, place),
            "effective_from": self._at(THEN),
            "change": "NEW",
            "created_at": self._at(THEN),
            "batch_id": batch_id,
        }
        record_id = c.execute(insert(tables["record"]).values(**values).returning(tables["record"].c.id)).scalar_one()
        same = {name: values[name] for name in ("kind", "version", "person_key")}
        moments = {name: self._at(THEN) for name in ("due_at", "created_at", "updated_at")}
        business_key = f"{INFO.platform}/{kind}/{key}/1"
        c.execute(
            insert(tables["delivery"]).values(
                platform=INFO.platform, record_id=record_id, record_key=key, business_key=business_key, state=state,
                **same, **moments,
            )
        )  # fmt: skip

    def _index(self, c: Connection, tables: Any, kind: str, key: str, what: str, value: str) -> None:
        digest = self.vault.index(what, value)
        c.execute(
            insert(tables["search_index"]).values(digest=digest, kind=kind, key=key, what=what, since=self._at(THEN))
        )

    def _at(self, moment: datetime) -> datetime:
        return moment.replace(tzinfo=None) if self.engine.dialect.name == "sqlite" else moment


def _without(said: Any) -> Any:
    """A content as it was written before."""
    if not isinstance(said, dict):
        return said
    return {name: _without(value) for name, value in said.items() if value is not None or name not in LATER}


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Old]:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    if request.param == "postgresql":
        server = str(request.getfixturevalue("postgres"))
        name = f"old_{secrets.token_hex(4)}"
        admin = open_engine(server)
        with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        admin.dispose()
        url = make_url(server).set(database=name).render_as_string(hide_password=False)
    made = Old(url, tmp_path)
    yield made
    made.engine.dispose()


@pytest.fixture
def store(old: Old) -> Store:
    migrate(old.engine)
    return Store(engine=old.engine, vault=old.vault)


def intake(path: Path, store: Store) -> IntakeReport:
    rng = random.Random(3)
    return take_in(path, store, [INFO], rules=GateRules(now=NOW), now=NOW, new_id=lambda: people.ulid(rng))


def states(store: Store) -> Counter[tuple[str, int, str]]:
    with store.read() as c:
        rows = c.execute(select(delivery.c.kind, delivery.c.version, delivery.c.state))
        return Counter((row.kind, row.version, row.state) for row in rows)


def test_a_filled_store_of_the_first_release_is_refused_until_it_is_upgraded(old: Old) -> None:
    with pytest.raises(StoreError, match="has schema 0001"):
        verify_schema(old.engine)
    migrate(old.engine)
    verify_schema(old.engine)
    with old.engine.connect() as c:
        assert [row.row_no for row in c.execute(select(filing).order_by(filing.c.id))] == [2, 3, 4]
        assert set(c.execute(select(filing.c.report_no)).scalars()) == {None}


def test_what_it_holds_can_be_read(store: Store) -> None:
    with store.read() as c:
        keys = c.execute(select(record.c.key).where(record.c.kind == RecordKind.CERTIFICATE)).scalars().all()
        opened = list(records.newest_records(c, store.vault, RecordKind.CERTIFICATE, keys))
        [part] = batch_views.parts(c)
        [refused] = batches.failing(c, store.vault, [part.id], "old.csv")
    assert [one.fingerprint for one in opened] == [row.fingerprint for row in _fingerprints(store)], (
        "content written before says what it said"
    )
    assert (part.rows, part.open, part.closed_at) == ({"admit": 2, "refuse": 1}, 2, None)
    assert batches.unpack(refused.packed)


def _fingerprints(store: Store) -> list[Any]:
    with store.read() as c:
        wanted = select(record.c.fingerprint).where(record.c.kind == RecordKind.CERTIFICATE).order_by(record.c.id)
        return list(c.execute(wanted))


def test_its_rows_come_again_as_no_news_and_a_correction_is_the_next_version(
    store: Store, old: Old, tmp_path: Path
) -> None:
    rows = [old.rows[0], old.rows[1] | {"confirm_organization": "济南市第二建设职业技能鉴定站"}, old.rows[2]]
    report = intake(write(tmp_path / "again.csv", rows, "again"), store)
    assert (report.unchanged, report.admitted, report.refused, report.gates) == (1, 2, 0, {})
    assert states(store) == {
        ("person", 1, "accepted"): 1,
        ("person", 1, "queued"): 2,
        ("certificate", 1, "accepted"): 1,
        ("certificate", 1, "superseded"): 1,
        ("certificate", 1, "queued"): 1,
        ("certificate", 2, "queued"): 1,
    }


def test_what_waited_and_what_comes_new_is_pushed(store: Store, old: Old, tmp_path: Path) -> None:
    intake(write(tmp_path / "again.csv", old.rows, "again"), store)
    rng = random.Random(5)

    async def wait(_: float) -> None:
        await asyncio.sleep(0)

    async def run(model: Model) -> None:
        edge = Edge(
            now=lambda: NOW + timedelta(days=1),
            new_id=lambda: people.ulid(rng),
            random_bytes=rng.randbytes,
            draw=rng.random,
            sleep=wait,
        )
        with StoreThread(store) as thread:
            async with Sender(model.endpoint) as sender:
                await push(Exchanger(model, sender, thread, edge))

    with running(ModelSandbox()) as url:
        for _ in range(3):  # a certificate waits for its person
            asyncio.run(run(Model(base_url=url)))
    assert {state for _, _, state in states(store)} == {"accepted"}
