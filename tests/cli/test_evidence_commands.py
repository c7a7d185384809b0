"""``gateway evidence`` as an auditor uses it: the whole store, and one transmission taken away in a file."""

from __future__ import annotations

import base64
import json
import random
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from typer.testing import Result

from gateway import registry
from gateway.bootstrap import open_gateway
from gateway.delivery.store import owing
from gateway.delivery.store import tables as delivery_tables
from gateway.store import records, tables
from gateway.testing import people
from gateway.testing.serving import running

Run = Callable[..., Any]
NAME = "worker_platform"


@pytest.fixture
def run(bare: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in a home in which two certificates were pushed to one platform."""

    def invoke(*arguments: str, code: int = 0) -> Any:
        result = bare(*arguments, code=code)
        return json.loads(result.stdout) if "--json" in arguments and result.stdout else result.output + result.stderr

    invoke("init")
    sandbox = registry.build_sandbox(NAME, seed=5)
    with running(sandbox) as url:
        for key, value in sandbox.access(url).environment.items():
            monkeypatch.setenv(key, value)
        with open_gateway() as gateway, gateway.store.write() as c:
            rng = random.Random(1)
            person = people.person_record(rng)
            held = [people.certificate_record(rng, person), people.certificate_record(rng, person)]
            records.add(c, gateway.store.vault, [person, *held], batch_id=None, now=gateway.edge.now())
            owing.owe(c, gateway.connector(NAME).info, gateway.edge.now())
        invoke("push")
    return invoke


def change_a_verdict() -> None:
    with open_gateway() as gateway, gateway.store.write() as c:
        c.execute(update(delivery_tables.verdict).where(delivery_tables.verdict.c.id == 1).values(code="other"))


def test_a_push_is_sealed_and_anchored_by_itself(run: Run, tmp_path: Path) -> None:
    found = run("evidence", "verify", "--bytes", "--json")
    assert found["faults"] == []
    assert found["uncovered_since"] is None
    assert found["anchors"] == found["links"] >= 1
    assert len((tmp_path / "home" / "anchors.jsonl").read_text().split()) == found["links"]


def test_a_changed_row_is_named_and_the_exit_code_says_so(run: Run) -> None:
    change_a_verdict()
    [fault] = run("evidence", "verify", "--json", code=1)["faults"]
    assert (fault["book"], fault["row"]) == ("verdict", 1)
    assert "was changed" in run("evidence", "verify", code=1)


def test_a_pack_proves_itself_against_the_anchors_and_names_nobody(run: Run, tmp_path: Path) -> None:
    pack, anchors = tmp_path / "one.json", tmp_path / "home" / "anchors.jsonl"
    run("evidence", "export", "1", "--to", str(pack))
    assert stat.S_IMODE(pack.stat().st_mode) == 0o600
    found = run("evidence", "verify", str(pack), "--anchors", str(anchors), "--json")
    assert found == {"delivery": 1, "anchored": True, "signed": False, "faults": []}
    assert "370000" not in json.dumps(json.loads(pack.read_text())["rows"]).replace('"370000"', "")


CHANGES: dict[str, tuple[Callable[[Any], None], str]] = {
    "a row": (lambda d: d["rows"]["verdict"][0].update(code="other"), "was changed"),
    "a row left out of the links": (lambda d: d["rows"]["delivery"][0].update(id=99), "is in no link of the pack"),
    "leaves": (
        lambda d: d["links"][0]["leaves"].update(delivery=base64.b64encode(bytes(32)).decode()),
        "does not have the leaves of its digest",
    ),
    "a link": (lambda d: d["links"][0].update(previous="1" * 64), "does not have its own digest"),
    "bytes": (lambda d: d["bytes"][0].update(base64="Zm9yZ2Vk"), "the bytes are not those of its digest"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_pack_says_where(run: Run, tmp_path: Path, name: str) -> None:
    change, told = CHANGES[name]
    pack = tmp_path / "one.json"
    run("evidence", "export", "1", "--to", str(pack), "--bytes", "--reason", "audit 2019")
    document = json.loads(pack.read_text())
    change(document)
    pack.write_text(json.dumps(document))
    assert told in run("evidence", "verify", str(pack), code=1)


def test_a_pack_made_with_a_chain_of_its_own_does_not_fit_the_anchors(run: Run, tmp_path: Path) -> None:
    pack, anchors = tmp_path / "one.json", tmp_path / "anchors.jsonl"
    run("evidence", "export", "1", "--to", str(pack))
    anchors.write_text('{"link": 1, "digest": "' + "0" * 64 + '"}\n')
    assert "is not the one that was anchored" in run("evidence", "verify", str(pack), "--anchors", str(anchors), code=1)


def test_bytes_leave_only_with_a_reason_that_is_kept(run: Run, tmp_path: Path) -> None:
    pack = tmp_path / "one.json"
    assert "needs --reason" in run("evidence", "export", "1", "--to", str(pack), "--bytes", code=2)
    assert not pack.exists()
    run("evidence", "export", "1", "--to", str(pack), "--bytes", "--reason", "audit 2019")
    assert json.loads(pack.read_text())["bytes"]
    with open_gateway() as gateway, gateway.store.read() as c:
        [row] = c.execute(select(tables.audit).where(tables.audit.c.action == "export")).mappings()
    assert (row["object"], row["reason"], row["detail"]["bytes"]) == ("delivery 1", "audit 2019", True)


@pytest.mark.parametrize("content", ["{}", "no json", "[1]", '{"format": "gateway-evidence-1"}'])
def test_what_is_no_pack_is_refused_in_one_line(run: Run, tmp_path: Path, content: str) -> None:
    pack = tmp_path / "one.json"
    pack.write_text(content)
    assert "gateway: " in run("evidence", "verify", str(pack), code=2)


def test_an_unknown_delivery_is_refused(run: Run, tmp_path: Path) -> None:
    assert "there is no delivery 77" in run("evidence", "export", "77", "--to", str(tmp_path / "x"), code=2)
