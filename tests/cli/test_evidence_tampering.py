"""Who holds the store's file and plain SQL, but not its keys: whatever is changed, left out or made up is named."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from gateway import registry
from gateway.bootstrap import open_gateway
from gateway.cli.app import app
from gateway.delivery.store import owing
from gateway.delivery.store.tables import delivery
from gateway.operations.store.retention import hold
from gateway.store import records
from gateway.testing import people
from gateway.testing.serving import running

NAME = "worker_platform"
TOOL = Path(__file__).parents[2] / "tools" / "verify_evidence.py"
Change = Callable[[sqlite3.Connection], object]


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A home in which two persons and their certificates were pushed, and a hold began; made once."""
    folder = tmp_path_factory.mktemp("pushed")
    sandbox = registry.build_sandbox(NAME, seed=5)
    with pytest.MonkeyPatch.context() as patch, running(sandbox) as url:
        environment = {"GATEWAY_HOME": str(folder / "home"), **sandbox.access(url).environment}
        for key, value in environment.items():
            patch.setenv(key, value)
        patch.chdir(folder)
        _done("init")
        with open_gateway() as gateway, gateway.store.write() as c:
            rng = random.Random(1)
            persons = [people.person_record(rng) for _ in range(2)]
            held = [people.certificate_record(rng, person) for person in persons]
            records.add(c, gateway.store.vault, [*persons, *held], batch_id=None, now=gateway.edge.now())
            owing.owe(c, gateway.connector(NAME).info, gateway.edge.now())
        settle()
        with open_gateway() as gateway, gateway.store.write() as c:
            hold(c, person_key=persons[0].key, reason="court", by="tester", now=gateway.edge.now())
        _done("evidence", "seal")
        yield {"folder": folder, "environment": environment}


def settle() -> None:
    """Push and fetch results until nothing is on its way, without waiting for what is due later."""
    for _ in range(10):
        _done("push")
        with open_gateway() as gateway, gateway.store.write() as c:
            c.execute(update(delivery).values(due_at=gateway.edge.now()))
        _done("acks")
        if set(_done("status", "--json")["platforms"][NAME]["states"]) == {"accepted"}:
            return
    raise AssertionError("it did not come to rest")


def _done(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output + result.stderr
    return json.loads(result.stdout) if "--json" in arguments else result.output + result.stderr


@pytest.fixture
def home(pushed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it."""
    shutil.copytree(pushed["folder"] / "home", tmp_path / "home")
    for key, value in pushed["environment"].items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def tamper(home: Path, *statements: str) -> None:
    with sqlite3.connect(home / "gateway.db") as c:
        for statement in statements:
            c.execute(statement)
    c.close()


def faults() -> str:
    """Every fault of the store, after whatever the next command seals."""
    _done("evidence", "seal")
    found = _done("evidence", "verify", "--bytes", "--json", code=1)["faults"]
    return "\n".join(f"{f['link']} {f['book']} {f['row']}: {f['what']}" for f in found)


NOW = datetime.now(UTC).replace(tzinfo=None)
OLD = NOW - timedelta(days=2000)
PURGE = (
    "INSERT INTO purge (at, by, rule, before, what, ranges, rows) "
    "VALUES ('{at}', 'x', '{rule}', '{old}', '{what}', '[[1, 100000]]', 1)"
)


def purge(what: str, rule: str) -> str:
    return PURGE.format(at=NOW, rule=rule, old=OLD, what=what)


FORGED = (
    "UPDATE delivery SET state = 'rejected' WHERE id = 1",
    "INSERT INTO exchange (id, platform, purpose, operation, message_id, opened_at, request_digest, closed_at, status, "
    "response_digest) SELECT 900, platform, 'push', operation, 'M900', opened_at, request_digest, closed_at, 200, "
    "{digest} FROM exchange WHERE id = 1",
    "INSERT INTO attempt (id, delivery_id, exchange_id, position, fence) VALUES (900, 1, 900, 0, 99)",
    "INSERT INTO verdict (id, attempt_id, event, code, reason, fields, applied, at) "
    "SELECT 900, 900, 'accepted', code, reason, fields, 1, at FROM verdict WHERE id = 1",
    "UPDATE delivery SET state = 'accepted', fence = 99 WHERE id = 1",
)

CASES: dict[str, tuple[tuple[str, ...], str]] = {
    "verdicts deleted behind a purge": (
        ("DELETE FROM verdict", purge("verdict", "audit")),
        "purge 1: speaks of verdict, which retention never takes away",
    ),
    "verdicts deleted: the rows are missing all the same": (
        ("DELETE FROM verdict", purge("verdict", "audit")),
        "verdict 1: is missing",
    ),
    "an audit row deleted behind a purge": (
        ("DELETE FROM audit", purge("audit", "audit")),
        "was not written by this gateway",
    ),
    "bytes deleted behind a purge": (
        ("UPDATE exchange SET request = NULL, response = NULL", purge("exchange.*", "exchanges")),
        "the bytes of the answer are missing",
    ),
    "bytes deleted": (
        ("UPDATE exchange SET request = NULL, response = NULL",),
        "the bytes of the request are missing, and no purge says so",
    ),
    "how far a book is covered raised": (
        ("UPDATE evidence_part SET top = 1000000000",),
        "1 None None: does not have its own digest",
    ),
    "an acceptance without bytes": (
        tuple(one.format(digest="NULL") for one in FORGED),
        "the answer of exchange 900 is no acceptance",
    ),
    "an acceptance with a digest and no bytes": (
        tuple(one.format(digest="response_digest") for one in FORGED),
        "answered 900: the bytes of the answer are missing",
    ),
    "a state turned": (
        ("UPDATE delivery SET state = 'rejected' WHERE id = 1",),
        "delivery 1: is rejected without a verdict that says so",
    ),
    "a state turned back to be sent again": (
        ("UPDATE delivery SET state = 'queued' WHERE id = 1",),
        "delivery 1: had the verdict accepted and is queued",
    ),
    "a state taken out of the work": (
        ("UPDATE delivery SET state = 'superseded', code = 'newer_version' WHERE id = 1",),
        "delivery 1: had the verdict accepted and is superseded",
    ),
    "a platform's number changed": (
        ("UPDATE delivery SET platform_ref = 'other' WHERE id = 1",),
        "delivery 1: ",
    ),
    "a payload taken away": (
        ("DELETE FROM payload WHERE delivery_id = 1",),
        "delivery 1: is not what was sealed of it: payload",
    ),
    "two records' contents swapped": (
        (
            "CREATE TEMP TABLE kept AS SELECT id, content FROM record",
            "UPDATE record SET content = (SELECT content FROM kept WHERE kept.id = 3 - record.id) WHERE id IN (1, 2)",
        ),
        "record_content 1: was changed",
    ),
    "a hold rewritten": (("UPDATE legal_hold SET reason = 'other'",), "hold 1: was changed"),
    "a link's signature taken away": (("UPDATE evidence_link SET signature = NULL",), "1 None None: is not signed"),
    "a link said not to be anchored": (
        ("UPDATE evidence_link SET anchored = 0",),
        "1 None None: does not have its own digest",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_done_by_plain_sql_is_named(home: Path, name: str) -> None:
    statements, told = CASES[name]
    tamper(home, *statements)
    assert told in faults()


def test_an_untouched_store_has_no_fault_and_its_acceptances_were_judged_again(home: Path) -> None:
    found = _done("evidence", "verify", "--bytes", "--json")
    assert (found["faults"], found["proven"]) == ([], [NAME])
    assert found["signed"] == found["anchors"] == found["links"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "anchors.jsonl is gone"),
        (b"", "anchors.jsonl has none"),
        (b"nothing of the kind\n", "1 lines that are no anchors"),
    ],
)
def test_anchors_that_are_gone_emptied_or_garbage_are_a_fault(home: Path, content: bytes | None, told: str) -> None:
    anchors = home / "anchors.jsonl"
    anchors.unlink() if content is None else anchors.write_bytes(content)
    assert told in faults()


def test_a_chain_made_anew_without_the_signing_key_is_named(home: Path) -> None:
    """The keys of the store and the anchors are in the forger's hands; the key that signs is not."""
    tamper(
        home,
        "DELETE FROM evidence_part",
        "DELETE FROM evidence_link",
        "DELETE FROM evidence_account",
        "UPDATE verdict SET code = 'other' WHERE id = 1",
    )
    (home / "anchors.jsonl").unlink()
    public = (home / "evidence-public.pem").read_bytes()
    (home / "evidence-key.pem").unlink()
    _done("init")
    (home / "evidence-public.pem").write_bytes(public)
    assert "is signed by nobody whose key is known" in faults()


def test_links_are_signed_by_a_command_that_alone_has_the_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = home.parent / "elsewhere.pem"
    (home / "evidence-key.pem").rename(key)
    script = home.parent / "sign.py"
    script.write_text(
        "import base64, sys\n"
        "from cryptography.hazmat.primitives.serialization import load_pem_private_key\n"
        f"key = load_pem_private_key(open({str(key)!r}, 'rb').read(), None)\n"
        "sys.stdout.write(base64.b64encode(key.sign(sys.stdin.buffer.read())).decode())\n"
    )
    monkeypatch.setenv("GATEWAY_EVIDENCE_SIGNER", f"{sys.executable} {script}")
    _done("pause", NAME, "--reason", "test")
    _done("evidence", "seal")
    found = _done("evidence", "verify", "--json")
    assert (found["faults"], found["signed"]) == ([], found["links"])
    monkeypatch.setenv("GATEWAY_EVIDENCE_SIGNER", f"{sys.executable} -c pass")
    _done("resume", NAME)
    assert "GATEWAY_EVIDENCE_SIGNER" in _done("evidence", "seal", code=2)


# packs


@pytest.fixture
def pack(home: Path) -> Path:
    """The evidence of the first delivery, with bytes."""
    file = home.parent / "one.json"
    _done("evidence", "export", "1", "--to", str(file), "--bytes", "--reason", "court")
    return file


def alone(pack: Path, *arguments: str) -> tuple[int, str]:
    """The verifier that stands alone, in a process that can import neither the gateway nor what it is built of."""
    guard = (
        "import sys, runpy\n"
        "class Deny:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        top = name.partition('.')[0]\n"
        "        if top not in sys.stdlib_module_names and top not in ('cryptography', '_cffi_backend', 'cffi'):\n"
        "            raise ImportError('not to be had: ' + name)\n"
        "sys.meta_path.insert(0, Deny())\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    command = [sys.executable, "-c", guard, str(TOOL), str(pack), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    return done.returncode, done.stdout + done.stderr


def both(pack: Path, home: Path, code: int) -> str:
    """What both verifiers say, given anchors and public key; they must agree."""
    given = ["--anchors", str(home / "anchors.jsonl"), "--public-key", str(home / "evidence-public.pem")]
    status, told = alone(pack, *given)
    assert status == code, told
    return told + str(_done("evidence", "verify", str(pack), *given, code=code))


def test_a_whole_pack_is_verified_by_both_and_shows_nobody_else(pack: Path, home: Path) -> None:
    assert "delivery 1: accepted" in both(pack, home, 0)
    document = json.loads(pack.read_text())
    assert all(body["id"] not in document["shared"] for body in document["bytes"])


def _uncover(document: dict[str, Any]) -> None:
    document["uncovered"] = [[book, row["id"]] for book, rows in document["rows"].items() for row in rows]
    document["rows"]["verdict"][0]["code"] = "other"
    document["links"] = []


def _drop_last(book: str) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["rows"][book].pop()


PACKS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "rows called uncovered": (_uncover, "rows are in no link"),
    "a verdict left out": (_drop_last("verdict"), "exchanges, attempts or verdicts were left out or added"),
    "an attempt and its verdict left out": (
        lambda d: (d["rows"]["verdict"].clear(), d["rows"]["attempt"].clear()),
        "exchanges, attempts or verdicts were left out or added",
    ),
    "an answer left out": (_drop_last("answered"), "requests or answers were left out or added"),
    "the account left out": (_drop_last("account"), "it must have one delivery, its record and its account"),
    "another number on top": (lambda d: d.update(delivery=3), "the account is of another delivery"),
    "an account rewritten": (lambda d: d["rows"]["account"][0].update(verdicts=0), "was changed"),
    "a signature changed": (lambda d: d["links"][0].update(signature="AAAA"), "is not signed with a key that is known"),
    "said not to be anchored": (lambda d: d["links"][0].update(anchored=False), "does not have its own digest"),
}


@pytest.mark.parametrize("name", PACKS)
def test_a_pack_that_was_changed_or_cut_is_refused_by_both(pack: Path, home: Path, name: str) -> None:
    change, told = PACKS[name]
    document = json.loads(pack.read_text())
    change(document)
    pack.write_text(json.dumps(document))
    assert both(pack, home, 1).count(told) >= 2


def test_a_pack_alone_proves_nothing(pack: Path) -> None:
    status, told = alone(pack)
    assert (status, "it only fits itself" in told) == (1, True)
    assert "it only fits itself" in _done("evidence", "verify", str(pack), code=1)


@pytest.mark.parametrize("content", ["{}", "[]", "no json", '{"format": "gateway-evidence-3"}'])
def test_what_is_no_pack_is_refused_by_the_verifier_that_stands_alone(tmp_path: Path, content: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(content)
    status, told = alone(file)
    assert (status, "Traceback" in told) == (2, False)


# backups


def test_an_altered_backup_is_refused_though_its_digest_was_made_anew(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home.parent / "one.backup"
    _done("backup", str(file))
    lines = gzip.decompress(file.read_bytes()).replace(b'"accepted"', b'"rejected"').splitlines(keepends=True)
    end = json.loads(lines[-1])
    end["digest"] = hashlib.sha256(b"".join(lines[:-1])).hexdigest()
    file.write_bytes(gzip.compress(b"".join(lines[:-1]) + json.dumps(end).encode() + b"\n"))
    fresh = home.parent / "fresh"
    fresh.mkdir()
    shutil.copy(home / "keys.json", fresh / "keys.json")
    monkeypatch.setenv("GATEWAY_HOME", str(fresh))
    _done("init")
    assert "not a whole backup" in _done("restore", str(file), code=2)


def test_a_backup_is_refused_with_other_keys_and_nothing_is_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = home.parent / "one.backup"
    _done("backup", str(file))
    monkeypatch.setenv("GATEWAY_HOME", str(home.parent / "fresh"))
    _done("init")
    assert "the keys are not those" in _done("restore", str(file), code=2)
    assert {one["deliveries"] for one in _done("status", "--json")["platforms"].values()} == {0}
