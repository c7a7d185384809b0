"""``gateway approvals`` as two persons use it: every guarded command asks, by whatever way it is reached."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from typer.testing import Result

from gateway.bootstrap import open_gateway
from gateway.credit.store.tables import ticket
from gateway.delivery.store import owing
from gateway.delivery.store.tables import delivery
from gateway.domain.approvals import GuardedAct
from gateway.domain.states import State
from gateway.operations.store.tables import approval, purge
from gateway.settings import GatewaySettings
from gateway.store import records
from gateway.store.tables import audit
from gateway.testing import people
from gateway.testing.model import Model
from tests.cli.test_credit_commands import DECISION, voided
from tests.support.creditfeed import Feed

Run = Callable[..., Result]
WANG, LI = 61001, 61002


@pytest.fixture
def be(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Be another user of the machine from now on."""
    monkeypatch.delenv("SUDO_UID", raising=False)
    return lambda uid: monkeypatch.setattr(os, "getuid", lambda: uid)


@pytest.fixture
def two(run: Run, be: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Two persons in one home, in which everything asks; a command is Wang's where it does not say otherwise."""
    monkeypatch.setenv("GATEWAY_FOUR_EYES", "all")
    monkeypatch.setenv("GATEWAY_FOUR_EYES_ABOVE", "2")

    def invoke(*arguments: str, uid: int = WANG, code: int = 0) -> Result:
        be(uid)
        return run(*arguments, code=code)

    return invoke


def waiting(run: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("approvals", "list", "--json", uid=LI, code=1).stdout)["approvals"]
    return found


def twice(run: Run, *command: str) -> Result:
    """Ask, be approved by the other, and run."""
    asked = run(*command, code=1)
    assert "second person" in asked.stderr
    [one] = [found for found in waiting(run) if found["standing"] == "waits"]
    assert one["asked_by"] == f"uid {WANG}"
    assert "another person" in run("approvals", "approve", str(one["id"]), "--reason", "ok", code=2).stderr
    run("approvals", "approve", str(one["id"]), "--reason", "ok", uid=LI)
    done = run(*command)
    assert f"approval {one['id']}" in run("audit", "list", "--act", "use_approval").stdout
    return done


@pytest.fixture
def parked(run: Run) -> list[int]:
    """Numbers of three parked transmissions."""
    rng = random.Random(4)
    with open_gateway() as gateway, gateway.store.write() as c:
        persons = [people.person_record(rng) for _ in range(3)]
        records.add(c, gateway.store.vault, persons, batch_id=None, now=gateway.edge.now())
        owing.owe(c, Model(base_url="http://unused.invalid").info, gateway.edge.now())
        c.execute(update(delivery).values(state=State.PARKED))
        return [*c.execute(select(delivery.c.id).order_by(delivery.c.id)).scalars()]


def states() -> set[str]:
    with open_gateway() as gateway, gateway.store.read() as c:
        return set(c.execute(select(delivery.c.state)).scalars())


def test_to_release_many_asks(two: Run, parked: list[int]) -> None:
    numbers = [str(one) for one in parked]
    two("release", *numbers, "--reason", "mended", code=1)
    assert states() == {"parked"}
    two("approvals", "decline", "1", "--reason", "not yet", uid=LI)
    twice(two, "release", *numbers, "--reason", "mended")
    assert states() == {"queued"}


def test_few_need_nobody_until_they_are_many(two: Run, parked: list[int]) -> None:
    two("release", str(parked[0]), str(parked[1]), "--reason", "mended")
    two("release", str(parked[2]), "--reason", "mended", code=1)
    two("release", str(parked[2]), "--reason", "mended", uid=LI)


def test_a_higher_number_in_the_settings_changes_nothing(
    two: Run, parked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    two("check")
    monkeypatch.setenv("GATEWAY_FOUR_EYES", "")
    monkeypatch.setenv("GATEWAY_FOUR_EYES_ABOVE", "1000")
    two("release", *[str(one) for one in parked], "--reason", "mended", code=1)


def test_what_was_parked_anew_is_another_request(two: Run, parked: list[int]) -> None:
    numbers = [str(one) for one in parked]
    two("release", *numbers, "--reason", "mended", code=1)
    two("approvals", "approve", "1", "--reason", "ok", uid=LI)
    with open_gateway() as gateway, gateway.store.write() as c:
        c.execute(update(delivery).where(delivery.c.id == parked[0]).values(fence=delivery.c.fence + 1))
    two("release", *numbers, "--reason", "mended", code=1)
    assert states() == {"parked"}


def test_to_replay_many_asks(two: Run, parked: list[int]) -> None:
    two("replay", "plan", "--reason", "mended")
    twice(two, "replay", "run", "1")
    assert states() == {"queued"}
    two("replay", "run", "1")  # nothing is left of it, so nobody is asked


def test_to_publish_asks_and_another_draft_is_not_published(two: Run, tmp_path: Path) -> None:
    with open_gateway(GatewaySettings(home=tmp_path / "home")) as gateway:
        person, _ = Feed(gateway.store).person()
    file = tmp_path / "decision.toml"
    text = DECISION.format(subject=person.key, heard="true", digest="0" * 64)
    file.write_text(text, encoding="utf-8")
    key = json.loads(two("credit", "draft", str(file), "--json").stdout)["key"]
    publish = ("credit", "publish", key, "--reason", "signed")
    two(*publish, code=1)
    two("approvals", "approve", "1", "--reason", "ok", uid=LI)
    file.write_text(f'record = "{key}"\n' + text.replace("虚假劳动合同", "虚假社保证明"), encoding="utf-8")
    two("credit", "draft", str(file))
    two(*publish, code=1)
    assert [one["standing"] for one in waiting(two)] == ["waits", "approved"]
    two("approvals", "decline", "2", "--reason", "changed", uid=LI)
    twice(two, *publish)


def test_to_reinstate_asks_by_both_ways(two: Run, tmp_path: Path) -> None:
    number = voided(tmp_path, revoked=True)
    with open_gateway() as gateway, gateway.store.read() as c:
        [settling] = c.execute(select(ticket.c.number).where(ticket.c.kind == "REINSTATE")).scalars()
    two("credit", "reinstate", number, "--reason", "fell", code=1)
    twice_settled = ("tickets", "settle", settling, "reinstate", "--reason", "fell")
    two("approvals", "decline", "1", "--reason", "by ticket", uid=LI)
    twice(two, *twice_settled)
    assert "made valid again before" in twice(two, "credit", "reinstate", number, "--reason", "fell").stdout


def test_retention_asks_and_clears_what_had_had_its_time_when_it_was_asked(two: Run, parked: list[int]) -> None:
    two("retention", "run", "--dry-run")
    two("retention", "run", code=1)
    [one] = waiting(two)
    assert one["detail"]["audit"] == 0
    with open_gateway() as gateway, gateway.store.write() as c:
        now = gateway.edge.now()
        # by now these have had their time; when it was asked they had not
        young = now - timedelta(days=1825) + timedelta(milliseconds=1)
        c.execute(update(audit).where(audit.c.id == 1).values(at=young))
        c.execute(update(approval).values(asked_at=now - timedelta(hours=1)))
    two("approvals", "approve", str(one["id"]), "--reason", "ok", uid=LI)
    two("retention", "run")
    with open_gateway() as gateway, gateway.store.read() as c:
        assert c.execute(select(purge.c.id)).first() is None


def test_the_scheduled_retention_asks_too(two: Run, be: Callable[[int], None]) -> None:
    from gateway.flows.retention import apply_rules
    from gateway.flows.session import opened
    from gateway.operations.approvals import Permit
    from gateway.operations.retention import RetentionReport

    be(WANG)

    async def scheduled() -> Permit | RetentionReport:
        with opened():
            return await apply_rules.fn(dry_run=False)

    first = asyncio.run(scheduled())
    assert isinstance(first, Permit)
    assert first.request is not None
    two("approvals", "approve", str(first.request.id), "--reason", "ok", uid=LI)
    be(WANG)
    assert isinstance(asyncio.run(scheduled()), RetentionReport)
    assert isinstance(asyncio.run(scheduled()), Permit)


def test_to_end_a_hold_asks(two: Run) -> None:
    two("retention", "hold", "--everything", "--reason", "court")
    twice(two, "retention", "end", "1", "--reason", "over")


def test_bytes_ask_and_the_plain_pack_does_not(two: Run, parked: list[int], tmp_path: Path) -> None:
    two("evidence", "export", "1", "--to", "plain.json")
    bytes_too = ("evidence", "export", "1", "--to", "whole.json", "--bytes", "--reason", "court")
    two(*bytes_too, code=1)
    assert not (tmp_path / "whole.json").exists()
    twice(two, *bytes_too)
    assert (tmp_path / "whole.json").exists()
    two("evidence", "export", "2", "--to", "other.json", "--bytes", "--reason", "court", code=1)


def test_to_retire_a_key_asks(two: Run) -> None:
    two("keys", "rotate", "--reason", "yearly")
    assert "second person" in two("keys", "retire", "k1", "--reason", "unused", code=1).stderr


def test_an_emptied_setting_changes_nothing_and_to_waive_asks(
    two: Run, parked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "still names" in two("approvals", "waive", "bytes", "--reason", "x", code=2).stderr
    monkeypatch.setenv("GATEWAY_FOUR_EYES", "")
    two("evidence", "export", "1", "--to", "whole.json", "--bytes", "--reason", "court", code=1)
    two("approvals", "decline", "1", "--reason", "no", uid=LI)
    twice(two, "approvals", "waive", "bytes", "--reason", "too many")
    two("evidence", "export", "1", "--to", "whole.json", "--bytes", "--reason", "court")
    assert "bytes" not in json.loads(two("approvals", "list", "--json").stdout)["acts"]


def test_requests_are_decided_once_and_by_number(two: Run, parked: list[int]) -> None:
    two("evidence", "export", "1", "--to", "w.json", "--bytes", "--reason", "court", code=1)
    assert "no request 9" in two("approvals", "approve", "9", "--reason", "x", uid=LI, code=2).stderr
    assert "say why" in two("approvals", "approve", "1", "--reason", " ", uid=LI, code=2).stderr
    two("approvals", "decline", "1", "--reason", "no", uid=LI)
    assert "over: declined" in two("approvals", "approve", "1", "--reason", "x", uid=LI, code=2).stderr
    assert json.loads(two("approvals", "list", "--json").stdout)["approvals"] == []
    [over] = json.loads(two("approvals", "list", "--all", "--json").stdout)["approvals"]
    assert (over["standing"], over["decided_by"], over["note"]) == ("declined", f"uid {LI}", "no")


def test_the_setting_names_acts_that_there_are(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "recommended" in run("check").stdout
    monkeypatch.setenv("GATEWAY_FOUR_EYES", "publsh")
    assert "GATEWAY_FOUR_EYES" in run("check", code=2).stderr
    monkeypatch.setenv("GATEWAY_FOUR_EYES", "publish")
    assert json.loads(run("check", "--json").stdout)["four_eyes"] == ["publish"]


def test_without_a_setting_nobody_is_asked(run: Run, parked: list[int]) -> None:
    run("release", *[str(one) for one in parked], "--reason", "mended")
    with open_gateway() as gateway, gateway.store.read() as c:
        assert c.execute(select(approval.c.id)).first() is None


def test_what_is_asked_is_told_in_chinese(two: Run, parked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_LANGUAGE", "zh")
    asked = two("evidence", "export", "1", "--to", "w.json", "--bytes", "--reason", "court", code=1).stderr
    assert "须双人复核" in asked
    assert "须由另一人决定" in two("approvals", "approve", "1", "--reason", "x", code=2).stderr
    assert "导出原始报文" in two("approvals", "list", uid=LI, code=1).stdout
    assert len(GuardedAct) == 9
