"""The audit trail: every act and every reading of a person leaves a row, and the rows can be asked for."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import insert, update
from typer.testing import Result

from gateway.bootstrap import open_gateway
from gateway.delivery.store import owing
from gateway.delivery.store.tables import delivery
from gateway.domain.records import Record
from gateway.store import records
from gateway.store.tables import audit
from gateway.testing import people
from gateway.testing.batch import write_sample
from gateway.testing.model import Model

Run = Callable[..., Result]


@pytest.fixture
def persons(run: Run) -> list[Record]:
    """Two persons who are owed to a platform, in an initialised home."""
    rng = random.Random(4)
    made = [people.person_record(rng) for _ in range(2)]
    with open_gateway() as gateway, gateway.store.write() as c:
        records.add(c, gateway.store.vault, made, batch_id=None, now=gateway.edge.now())
        owing.owe(c, Model(base_url="http://unused.invalid").info, gateway.edge.now())
    return made


def trail(run: Run, *arguments: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(run("audit", "list", "--json", *arguments).stdout)["entries"]
    return entries


def acts(run: Run, *arguments: str) -> list[str]:
    return [one["action"] for one in trail(run, *arguments) if one["action"] != "audit_list"]


READS: dict[str, tuple[tuple[str, ...], int]] = {
    "show": (("show", "1"), 0),
    "why": (("why", "鲁A20150000123"), 1),
    "push_dry_run": (("push", "--dry-run"), 0),
    "credit_public": (("credit", "public"), 0),
    "credit_relied": (("credit", "relied"), 0),
    "backup": (("backup", "one.backup"), 0),
    "export": (("evidence", "export", "1", "--to", "pack.json"), 0),
    "verify_bytes": (("evidence", "verify", "--bytes"), 0),
    "retention": (("retention", "run"), 0),
}


@pytest.mark.parametrize("act", READS)
def test_every_reading_and_act_leaves_a_row(run: Run, persons: list[Record], act: str) -> None:
    command, code = READS[act]
    run(*command, code=code)
    finished = ["backup_done"] if act == "backup" else []
    assert acts(run) == [*finished, act]


def test_intake_dry_runs_and_returns_leave_a_row(run: Run, tmp_path: Path) -> None:
    sample = write_sample(tmp_path / "sample.xlsx", rows=40)
    run("intake", "--dry-run", str(sample), code=1)
    run("intake", str(sample), code=1)
    run("batches", "returns", "sample.xlsx", "again.xlsx")
    assert acts(run) == ["returns", "intake", "intake_dry_run"]
    assert trail(run, "--act", "returns")[0]["object"] == "batch sample.xlsx"


def test_a_restore_leaves_a_row_in_the_store_it_made(
    run: Run, persons: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("backup", "one.backup")
    keys = (tmp_path / "home" / "keys.json").read_text()
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "other"))
    monkeypatch.setenv("GATEWAY_KEYS", keys)
    monkeypatch.setenv("GATEWAY_FOUR_EYES", "bytes")
    platforms = json.loads(run("init", "--json").stdout)["platforms"]
    run("restore", "one.backup")
    assert acts(run) == [*["pause"] * len(platforms), "restore", "four_eyes", "backup"]


def test_the_trail_of_a_person_has_what_concerned_that_person_and_everybody(run: Run, persons: list[Record]) -> None:
    first, second = persons
    run("show", "1")
    run("show", "2")
    run("retention", "hold", "--person", second.key, "--reason", "court")
    run("backup", "one.backup")
    assert acts(run, "--person", first.key) == ["backup_done", "backup", "show"]
    assert acts(run, "--person", second.key) == ["backup_done", "backup", "hold", "show"]
    assert acts(run, "--person", "01AAAAAAAAAAAAAAAAAAAAAAAA") == ["backup_done", "backup"]


def test_a_release_of_many_is_found_by_the_person_whose_delivery_was_among_them(
    run: Run, persons: list[Record]
) -> None:
    with open_gateway() as gateway, gateway.store.write() as c:
        row = {"at": gateway.edge.now(), "actor": "wang", "action": "release", "object": "deliveries"}
        c.execute(insert(audit), [{**row, "detail": {"deliveries": [1]}}, {**row, "detail": {"numbers": [2]}}])
    assert acts(run, "--person", persons[0].key) == ["release"]
    assert acts(run, "--person", persons[1].key) == []


def test_the_trail_is_chosen_by_actor_act_and_time(run: Run) -> None:
    start = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)
    with open_gateway() as gateway, gateway.store.write() as c:
        for hour, (actor, action) in enumerate([("wang", "pause"), ("li", "pause"), ("wang", "resume")]):
            at = start + timedelta(hours=hour)
            c.execute(insert(audit), {"at": at, "actor": actor, "action": action, "object": "x", "detail": {}})
    assert acts(run, "--actor", "wang") == ["resume", "pause"]
    assert [one["actor"] for one in trail(run, "--act", "pause")] == ["li", "wang"]
    assert acts(run, "--since", "2019-04-02T10:00:00", "--until", "2019-04-02T11:00:00") == ["pause"]
    assert acts(run, "--until", "2019-04-02T09:00:00") == []
    assert len(trail(run, "--limit", "2")) == 2


def test_the_trail_goes_into_a_workbook_as_text(run: Run, tmp_path: Path) -> None:
    with open_gateway() as gateway, gateway.store.write() as c:
        row = {"at": gateway.edge.now(), "actor": "=1+1", "action": "pause", "object": "x", "detail": {"n": 1}}
        c.execute(insert(audit), row)
    told = json.loads(run("audit", "list", "--xlsx", "trail.xlsx", "--json").stdout)
    assert told == {"xlsx": "trail.xlsx", "entries": 1}
    sheet = openpyxl.load_workbook("trail.xlsx").active
    assert sheet is not None
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0] == ("id", "at", "actor", "action", "object", "reason", "detail")
    assert rows[1][2:] == ("=1+1", "pause", "x", "", '{"n": 1}')


def test_reading_the_trail_leaves_a_row_with_what_was_asked(run: Run) -> None:
    run("audit", "list", "--person", "01AAAAAAAAAAAAAAAAAAAAAAAA")
    assert trail(run)[0]["detail"] == {"person": "01AAAAAAAAAAAAAAAAAAAAAAAA"}


NUMBER = "370000199001011234"


def test_what_was_typed_is_sealed_where_it_names_somebody_and_read_with_a_reason(
    run: Run, persons: list[Record], tmp_path: Path
) -> None:
    run("retention", "hold", "--everything", "--reason", f"court, about {NUMBER}")
    run("retention", "hold", "--person", persons[0].key, "--reason", "court")
    plain, named = trail(run, "--act", "hold")
    assert (plain["masked"], named["masked"]) == (False, True)
    assert NUMBER not in named["reason"]
    assert NUMBER.encode() not in b"".join(path.read_bytes() for path in (tmp_path / "home").glob("gateway.db*"))
    shown = run("audit", "original", str(named["id"]), "--reason", "asked by the court", "--json").stdout
    assert json.loads(shown)["reason"] == f"court, about {NUMBER}"
    assert run("audit", "original", str(plain["id"]), "--reason", "x").stdout == "court\n"
    run("audit", "original", "999", "--reason", "x", code=2)
    assert [one["object"] for one in trail(run, "--act", "audit_original")] == [
        f"audit {plain['id']}",
        f"audit {named['id']}",
    ]
    run("keys", "rotate", "--reason", "yearly")
    run("keys", "reseal")
    assert NUMBER in run("audit", "original", str(named["id"]), "--reason", "x").stdout
    run("evidence", "seal")
    with open_gateway() as gateway, gateway.store.write() as c:
        c.execute(update(audit).where(audit.c.id == named["id"]).values(original=None))
    found = json.loads(run("evidence", "verify", "--json", code=1).stdout)["faults"]
    assert ("audit_original", named["id"]) in {(one["book"], one["row"]) for one in found}


@pytest.mark.parametrize("act", ["pause", "release", "plan_replay", "ask_approval"])
def test_every_typed_reason_is_masked_and_can_be_read_again(
    run: Run, persons: list[Record], monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    with open_gateway() as gateway, gateway.store.write() as c:
        c.execute(update(delivery).values(state="parked"))
    if act == "ask_approval":
        monkeypatch.setenv("GATEWAY_FOUR_EYES", "bytes")
    command = {
        "pause": ("pause", "worker_platform"),
        "release": ("release", "1"),
        "plan_replay": ("replay", "plan"),
        "ask_approval": ("evidence", "export", "1", "--to", "x.json", "--bytes"),
    }[act]
    run(*command, "--reason", f"about {NUMBER}", code=1 if act == "ask_approval" else 0)
    [row] = trail(run, "--act", act)
    assert NUMBER not in json.dumps(row)
    assert NUMBER in run("audit", "original", str(row["id"]), "--reason", "x").stdout
