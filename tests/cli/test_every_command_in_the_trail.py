"""Every command leaves a row in the audit trail, or it is written here why it leaves none."""

from __future__ import annotations

import csv
import json
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import select, update
from typer.testing import CliRunner, Result

from connectors.provincial_credit.sandbox import ProvincialCreditSandbox
from gateway.actor import person
from gateway.bootstrap import open_gateway
from gateway.cli.app import app
from gateway.credit.store.tables import ticket
from gateway.delivery.rules.differences import Difference, Item
from gateway.delivery.store import owing, platforms, reconciliations
from gateway.delivery.store.tables import delivery
from gateway.domain.records import RecordKind
from gateway.domain.states import State
from gateway.intake.reading.columns import COLUMNS
from gateway.intake.store.tables import filing
from gateway.store import records
from gateway.testing import people
from gateway.testing.batch import write_sample
from gateway.testing.forms import CITIES, filed
from gateway.testing.model import Model
from gateway.testing.serving import running
from tests.cli.test_credit_commands import DECISION
from tests.cli.test_intake_commands import FIELDS
from tests.cli.test_objection_commands import OBJECTION
from tests.support.creditfeed import Feed
from tests.support.findings import finding

Run = Callable[..., Result]

WITHOUT = {
    "approvals list": "shows requests: keys, counts and reasons, and nobody's data",
    "alarms": "raises what stands still, in counts",
    "batches list": "counts",
    "batches missing": "counts of cities",
    "batches show": "counts and names of fields",
    "codes": "a table of words",
    "check": "asks for health; changes nothing and shows nobody",
    "credit objections": "keys, states and days",
    "demo": "made-up people in a home of its own",
    "deploy": "writes schedules into Prefect and nothing into the store",
    "evidence seal": "adds a link, which is its own record",
    "failures": "numbers, keys, codes and masked reasons",
    "init": "makes an empty store, and keys for no other",
    "keys status": "counts",
    "metrics": "counts",
    "new-connector": "writes the files of a connector; opens no store",
    "overdue": "counts, numbers and days",
    "replay list": "numbers and counts",
    "replay show": "numbers and counts",
    "report": "counts and masked reasons",
    "retention list": "holds; each has its row from its beginning and end",
    "sandbox": "a simulated platform",
    "selftest": "made-up people in a home of its own",
    "serve": "starts runs, each of which is in the ledger and in Prefect",
    "status": "counts",
    "supervise list": "numbers and counts",
    "supervise performance": "counts by city",
    "supervise results": "checks as they will be made public, and where they stand",
    "template": "an empty form",
    "tickets list": "numbers, kinds and days; whom a ticket is about is shown by `tickets show`",
    "worker": "starts runs, each of which is in the ledger and in Prefect",
}
"""command -> why it leaves no row"""

ELSEWHERE = {
    "source pull": "test_intake_commands.py has a database to read",
    "restore": "test_audit_commands.py restores into another home",
    "keys retire": "needs a key out of use for five minutes: test_keys_commands.py",
}
"""command -> which test looks at its row"""


@pytest.fixture
def home(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A home with something for every command, and one platform that answers; gives names of what is in it."""
    sandbox = ProvincialCreditSandbox(seed=5)
    with running(sandbox) as url:
        for name, value in sandbox.access(url).environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("GATEWAY_PROVINCIAL_CREDIT__MIN_INTERVAL_SECONDS", "0")
        yield _filled(tmp_path)
    sandbox.books.close()


def _filled(folder: Path) -> dict[str, str]:
    write_sample(folder / "sample.xlsx", rows=40)
    row = filed(random.Random(4), set(), employed=True, city=CITIES[0])
    with (folder / "held.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, FIELDS)
        writer.writerow({column.field: column.title for column in COLUMNS})
        writer.writerow(row | {"contract_term": "以完成一定工作任务为期限", "contract_end": ""})
    (folder / "objection.toml").write_text(OBJECTION.format(ground="合同真实有效", scans=""), encoding="utf-8")
    (folder / "checkers.csv").write_text("checker,avoids\n甲,370100\n乙,\n", encoding="utf-8")
    with open_gateway() as gateway:
        feed = Feed(gateway.store)
        person, worker = feed.person()
        certificate = feed.certificate(person)
        feed.apply(finding(worker, publish_end=None, category="EXAM_INTEGRITY", severity="EXAM31:8"))
        feed.apply(finding(replace(worker, name="李娜"), record_id="CR-2", stream_seq=2))
        said: dict[str, Any] = {"certificate_number": certificate.number, "authority": "山东省建设从业人员教育中心"}
        feed.apply(finding(worker, event_type="CERT_INVALIDATED", record_id="CR-3", stream_seq=3, **said))
        feed.apply(finding(worker, 2, "REVOKED", record_id="CR-3", stream_seq=4, **said))
        decision = DECISION.format(subject=person.key, heard="true", digest="0" * 64)
        (folder / "decision.toml").write_text(decision, encoding="utf-8")
        rng = random.Random(8)
        others = [people.person_record(rng) for _ in range(4)]
        with gateway.store.write() as c:
            now = gateway.edge.now()
            info = Model(base_url="http://unused.invalid").info
            platforms.register(c, [info.platform])
            records.add(c, gateway.store.vault, others, batch_id=None, now=now)
            owing.owe(c, info, now)
            numbers = [*c.execute(select(delivery.c.id).order_by(delivery.c.id)).scalars()]
            c.execute(update(delivery).values(state=State.PARKED))
            items = [Item(difference=Difference.ALTERED, kind=RecordKind.PERSON, delivery_id=numbers[0], fields=("x",))]
            run, _ = reconciliations.save(
                c,
                gateway.store.vault,
                platform=info.platform,
                ours_at=now,
                theirs_at=now,
                counts=Counter(altered=1),
                items=items,
            )
            identity = c.execute(select(ticket.c.number).where(ticket.c.kind == "IDENTITY")).scalars().first()
    return {
        "person": person.key,
        "certificate": certificate.number,
        "delivery": str(numbers[0]),
        "run": str(run),
        "ticket": str(identity),
    }


def script(names: dict[str, str]) -> list[tuple[str, str, tuple[int, ...], set[str]]]:
    """(command, its arguments, exit codes that are right, actions of the rows it leaves), in an order that works."""
    p, reason = "provincial_credit", "--reason tried"
    report = names.get("report", "R")
    return [
        ("intake", "sample.xlsx", (1,), {"intake"}),
        ("intake", "--dry-run sample.xlsx", (0, 1), {"intake_dry_run"}),
        ("batches returns", "sample.xlsx back.xlsx", (0,), {"returns"}),
        ("intake", "held.csv", (1,), {"intake"}),
        ("batches decide", f"held.csv 2 refuse {reason}", (0,), {"decide"}),
        ("batches close", f"{report} {reason}", (0,), {"close"}),
        ("show", names["delivery"], (0,), {"show"}),
        ("why", names["certificate"], (0, 1), {"why"}),
        ("release", f"{names['delivery']} {reason}", (0,), {"release"}),
        ("replay plan", f"--platform model {reason}", (0,), {"plan_replay"}),
        ("replay cancel", f"1 {reason}", (0,), {"cancel_replay"}),
        ("replay plan", f"--platform model {reason}", (0,), {"plan_replay"}),
        ("replay run", "2", (0, 1), {"replay"}),
        ("differences list", "model", (0, 1), {"differences"}),
        ("differences settle", f"{names['run']} --class altered --theirs {reason}", (0,), {"settle_differences"}),
        ("pause", f"{p} {reason}", (0,), {"pause"}),
        ("resume", f"{p} {reason}", (0,), {"resume"}),
        ("push", p, (0, 1), {"push"}),
        ("push", f"--dry-run {p}", (0, 1), {"push_dry_run"}),
        ("acks", p, (0, 1), {"acks"}),
        ("resolve", p, (0, 1), {"resolve"}),
        ("feedback", p, (0, 1), {"feedback"}),
        ("reconcile", p, (0, 1), {"reconcile", "reconcile_books"}),
        ("recover", p, (0, 1), {"recover"}),
        ("credit ask", f"{names['person']} --purpose filing", (0, 1), {"credit_ask", "credit_answer"}),
        ("credit show", names["person"], (0,), {"credit_internal"}),
        ("credit show", "CR-2", (0,), {"credit_event"}),
        ("credit unmatched", "", (0,), {"credit_unmatched"}),
        ("credit as-of", names["person"], (0,), {"credit_as_of"}),
        ("credit public", "", (0,), {"credit_public"}),
        ("credit share", "partner", (0,), {"share"}),
        ("credit relied", "", (0, 1), {"credit_relied"}),
        ("credit reinstate", f"{names['certificate']} {reason}", (0,), {"reinstate"}),
        ("credit draft", "decision.toml", (0,), {"decision_draft"}),
        ("credit publish", f"{names.get('draft', '')} {reason}", (0,), {"decision_publish"}),
        ("credit object", "objection.toml", (0,), {"objection"}),
        ("credit withdraw", f"{names.get('objection', '')} {reason}", (0,), {"objection_withdraw"}),
        ("tickets show", names["ticket"], (0,), {"ticket_show"}),
        ("tickets settle", f"{names['ticket']} refuse {reason}", (0,), {"ticket"}),
        ("supervise draw", f"cities --checkers checkers.csv --ratio 2 {reason}", (0,), {"supervise_draw"}),
        ("supervise show", names.get("draw", ""), (0,), {"draw"}),
        (
            "supervise enter",
            f"complaint cities {CITIES[0].code} --result failed --finding late",
            (0,),
            {"supervise_enter"},
        ),
        ("supervise approve", f"{names.get('check', '')} {reason}", (0,), {"supervise_approve"}),
        ("supervise publish", "--page checks.html", (0,), {"supervise_publish"}),
        ("find", names["certificate"], (0,), {"find"}),
        ("retention hold", f"--person {names['person']} {reason}", (0,), {"hold"}),
        ("retention end", f"1 {reason}", (0,), {"end_hold"}),
        ("retention run", "", (0,), {"retention"}),
        ("evidence verify", "--bytes", (0, 1), {"verify_bytes"}),
        ("evidence export", f"{names['delivery']} --to pack.json --bytes {reason}", (0,), {"export"}),
        ("backup", "one.backup", (0,), {"backup", "backup_done"}),
        ("keys rotate", reason, (0,), {"rotate_key"}),
        ("keys reseal", "", (0, 1), {"reseal"}),
        ("audit list", "", (0,), {"audit_list"}),
        ("audit original", f"{names.get('reasoned', '')} {reason}", (0,), {"audit_original"}),
    ]


def _commands(command: Any, path: str = "") -> Iterator[str]:
    for name, below in getattr(command, "commands", {}).items():
        if getattr(below, "commands", None):
            yield from _commands(below, f"{path} {name}")
        else:
            yield f"{path} {name}".strip()


APPROVALS = {"approvals approve", "approvals decline", "approvals waive"}
"""looked at in test_approvals.py of the store and in test_approvals_commands.py"""


def test_every_command_is_looked_at_or_says_why_it_leaves_no_row() -> None:
    looked_at = {
        command for command, *_ in script({"person": "", "certificate": "", "delivery": "", "run": "", "ticket": ""})
    }
    known = set(_commands(typer.main.get_command(app)))
    assert looked_at | set(WITHOUT) | set(ELSEWHERE) | APPROVALS == known
    assert not looked_at & set(WITHOUT)
    assert all(WITHOUT.values())


def _trail() -> list[str]:
    with closing(sqlite3.connect("home/gateway.db")) as c:
        return [action for (action,) in c.execute("SELECT action FROM audit ORDER BY id")]


def _further(names: dict[str, str], command: str, output: str) -> None:
    """Names of what a command made, for those that follow."""
    if command == "intake" and "report" not in names:
        with open_gateway() as gateway, gateway.store.read() as c:
            names["report"] = str(c.execute(select(filing.c.report_no).where(filing.c.report_no.is_not(None))).scalar())
    elif command == "release":
        with closing(sqlite3.connect("home/gateway.db")) as c:
            [number] = c.execute("SELECT id FROM audit WHERE action = 'release'").fetchone()
        names["reasoned"] = str(number)
    elif command == "credit draft":
        names["draft"] = output.split(maxsplit=1)[0]
    elif command == "credit object":
        names["objection"] = output.split(":", maxsplit=1)[0]
    elif command == "supervise draw":
        names["draw"] = output.split()[1]
    elif command == "supervise enter":
        names["check"] = output.splitlines()[0].rpartition(" ")[2]
        with closing(sqlite3.connect("home/gateway.db")) as c:  # a check is approved by another person
            c.execute("UPDATE supervision_check SET entered_by = 'somebody else'")
            c.commit()


def test_every_command_leaves_its_row_with_who_ran_it(run: Run, home: dict[str, str]) -> None:
    for place in range(len(script(home))):
        command, arguments, codes, wanted = script(home)[place]
        before = _trail()
        result = CliRunner().invoke(app, [*command.split(), *arguments.split()])
        assert result.exit_code in codes, (command, arguments, result.output, result.exception)
        _further(home, command, result.stdout)
        left = set(_trail()[len(before) :])
        assert wanted <= left, (command, arguments, left)
    found = json.loads(run("audit", "list", "--json", "--limit", "1000").stdout)["entries"]
    assert {one["actor"] for one in found} <= {person().name, "gateway"}


def test_what_is_set_in_the_environment_is_not_who_did_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "wang")
    run("backup", "one.backup")
    run("retention", "hold", "--everything", "--reason", "x")
    entries = json.loads(run("audit", "list", "--json").stdout)["entries"]
    assert "wang" not in {one["actor"] for one in entries}
    assert len({one["actor"] for one in entries}) == 1
