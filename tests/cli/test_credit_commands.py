"""``gateway tickets``, ``credit`` and ``supervise`` as a person types them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from typer.testing import Result

from gateway.bootstrap import open_gateway
from gateway.credit.store.tables import ticket
from gateway.domain.records import Worker
from gateway.settings import GatewaySettings
from gateway.store.audit import note
from tests.support.creditfeed import Feed
from tests.support.findings import finding

Run = Callable[..., Result]
DECISION = """
subject = "{subject}"
category = "BAD"
content = "申报时提供虚假劳动合同"
region = "370000"
authority = "山东省建设从业人员教育中心"
legal_basis = "鲁建教函〔2019〕1号 六(三)"
decision = "记入诚信档案并公布"
decision_no = "鲁教决字〔2019〕1号"
decided = 2026-04-10
[proof]
noticed = 2026-04-01
heard = {heard}
delivered = 2026-04-13
digest = "sha-256:{digest}"
"""


@pytest.fixture
def told(run: Run, tmp_path: Path) -> tuple[str, Worker, str]:
    """A person with a record, one more in conflict, and the person's certificate number."""
    with open_gateway(GatewaySettings(home=tmp_path / "home")) as gateway:
        feed = Feed(gateway.store)
        person, worker = feed.person()
        certificate = feed.certificate(person)
        feed.apply(finding(worker, publish_end=None, category="EXAM_INTEGRITY", severity="EXAM31:8"))
        feed.apply(finding(replace(worker, name="李娜"), record_id="CR-2", stream_seq=2))
    return person.key, worker, certificate.number


def document(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_ticket_is_listed_shown_and_settled(run: Run, told: tuple[str, Worker, str]) -> None:
    listed = document(run("tickets", "list", "--json"))
    assert (listed["total"], listed["tickets"][0]["kind"], listed["tickets"][0]["late"]) == (1, "IDENTITY", True)
    number = listed["tickets"][0]["number"]
    assert document(run("tickets", "show", number, "--json"))["ticket"]["acts"] == ["confirm", "refuse"]
    assert "credit desk" in run("tickets", "show", number).stdout
    run("tickets", "settle", number, "seen", "--reason", "r", code=2)
    closed = document(run("tickets", "settle", number, "confirm", "--reason", "asked", "--json"))
    assert closed["act"] == "confirm"
    run("tickets", "settle", number, "confirm", "--reason", "asked", code=2)
    assert "no open ticket" in run("tickets", "list").stdout
    assert document(run("tickets", "list", "--all", "--json"))["total"] == 1
    run("tickets", "show", "T0", code=2)


def test_a_subject_is_shown_now_and_as_of_then(run: Run, told: tuple[str, Worker, str]) -> None:
    key, worker, certificate = told
    by_key = document(run("credit", "show", key, "--json"))
    by_certificate = document(run("credit", "show", certificate, "--json"))
    assert by_key["subject"] == by_certificate["subject"] == {"kind": "person", "key": key, "redirected": False}
    assert [row["record_id"] for row in by_key["records"]] == ["CR370000-2019-000001"]
    assert "CR370000-2019-000001" in run("credit", "show", key, "--view", "usable").stdout
    run("credit", "show", worker.name, code=2)
    run("credit", "show", key, "--view", "everything", code=2)
    then = document(run("credit", "as-of", key, "--day", "2019-02-01", "--known", "2019-04-10", "--json"))
    assert [row["status"] for row in then["records"]] == ["ACTIVE"]
    assert "nothing was in force" in run("credit", "as-of", key, "--known", "2019-03-01").stdout
    everything = run("credit", "show", key).stdout + run("credit", "as-of", key).stdout
    assert not re.search(r"\d{17}[\dX]", everything)


def test_what_is_public_shared_and_relied_on(run: Run, told: tuple[str, Worker, str]) -> None:
    _, worker, _ = told
    public = document(run("credit", "public", "--json"))
    assert [(row["name"], row["number"][:3]) for row in public["records"]] == [(worker.name, "370")]
    assert public["counts"] == {"EXAM_INTEGRITY": None}
    assert worker.id_number not in json.dumps(public, ensure_ascii=False)
    given = document(run("credit", "share", "某单位", "--json"))
    assert (len(given["records"]), given["withdrawn"]) == (1, [])
    assert "nothing new" in run("credit", "share", "某单位").stdout
    assert "nothing that left" in run("credit", "relied").stdout


def test_only_partners_who_are_named_are_given_the_archive(
    run: Run, told: tuple[str, Worker, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_PARTNERS", '["某单位", "另一单位"]')
    assert "none of GATEWAY_PARTNERS" in run("credit", "share", "某单位 ", code=2).stderr
    assert document(run("credit", "share", "某单位", "--json"))["records"]


def test_an_own_decision_is_drafted_and_published(run: Run, told: tuple[str, Worker, str], tmp_path: Path) -> None:
    file = tmp_path / "decision.toml"
    file.write_text(DECISION.format(subject=told[0], heard="false", digest="0" * 64), encoding="utf-8")
    kept = document(run("credit", "draft", str(file), "--json", code=1))
    assert kept["lacking"] == ["proof.heard"]
    run("credit", "publish", kept["key"], "--reason", "signed", code=2)
    whole = f'record = "{kept["key"]}"\n' + DECISION.format(subject=told[0], heard="true", digest="0" * 64)
    file.write_text(whole, encoding="utf-8")
    assert "by 2026-04-21" in run("credit", "draft", str(file)).stdout
    published = document(run("credit", "publish", kept["key"], "--reason", "signed", "--json"))
    assert (published["version"], published["platform"]) == (1, None)
    assert document(run("evidence", "verify", "--bytes", "--json"))["faults"] == []
    own = [row for row in document(run("credit", "show", told[0], "--json"))["records"] if row["platform"] == "centre"]
    assert [row["decision_no"] for row in own] == ["鲁教决字〔2019〕1号"]


def test_a_draw_is_kept_and_can_be_made_again(run: Run, tmp_path: Path) -> None:
    checkers = tmp_path / "checkers.csv"
    checkers.write_text("checker,avoids\n甲,370100\n乙,\n", encoding="utf-8")
    asked = ("supervise", "draw", "cities", "--checkers", str(checkers), "--reason", "yearly", "--ratio", "4")
    made = document(run(*asked, "--seed", "public", "--exclude", "370200=checked in May", "--json"))["draw"]
    assert len(made["drawn"]) == 4
    assert "370200" not in {one["object"] for one in made["drawn"]}
    again = document(run("supervise", "show", made["number"], "--json"))["draw"]
    assert (again["drawn_again"], again["drawn"]) == ("same", made["drawn"])
    other = document(run(*asked, "--seed", "public", "--exclude", "370200=checked in May", "--json"))["draw"]
    assert other["drawn"] == made["drawn"]
    assert document(run("tickets", "list", "--kind", "CHECK", "--json"))["total"] == 4
    run(*asked, "--exclude", "nonsense", code=2)
    run("supervise", "show", "unknown", code=2)
    run("supervise", "draw", "people", "--checkers", str(checkers), "--reason", "r", "--ratio", "1", code=2)


def voided(tmp_path: Path, *, revoked: bool) -> str:
    """The number of a certificate that a record voided, beside another one of the same enterprise and point."""
    with open_gateway(GatewaySettings(home=tmp_path / "home")) as gateway:
        feed = Feed(gateway.store)
        person, worker = feed.person()
        certificate = feed.certificate(person)
        feed.certificate(person)
        said: dict[str, Any] = {"certificate_number": certificate.number, "authority": "山东省建设从业人员教育中心"}
        feed.apply(finding(worker, event_type="CERT_INVALIDATED", **said))
        if revoked:
            feed.apply(finding(worker, 2, "REVOKED", **said))
    return certificate.number


@pytest.fixture
def void(run: Run, tmp_path: Path) -> str:
    """The number of a certificate that a record voided which was revoked since."""
    return voided(tmp_path, revoked=True)


def test_a_certificate_is_made_valid_again_by_ticket_or_by_hand(run: Run, void: str) -> None:
    [asked] = json.loads(run("tickets", "list", "--kind", "REINSTATE", "--json").stdout)["tickets"]
    assert asked["acts"] == ["reinstate", "seen"]
    shown = document(run("tickets", "show", asked["number"], "--json"))["ticket"]
    assert len(shown["certificates"]) == 1
    run("tickets", "settle", asked["number"], "reinstate", "--reason", "复议撤销")
    done = json.loads(run("credit", "reinstate", void, "--reason", "again", "--json").stdout)
    assert (done["done"], done["version"], done["status"]) == (False, 3, "01")
    assert "nothing changed" in run("credit", "reinstate", "-", "--reason", "again", stdin=f"{void}\n").stdout
    refused = run("credit", "reinstate", "370100209900000009", "--reason", "r", code=2)
    assert "there is no such certificate" in refused.stderr


def test_a_record_about_the_wrong_person_is_cleared_by_hand(run: Run, void: str) -> None:
    told = run("credit", "reinstate", void, "--reason", "同名不同人", "--wrong-person").stdout
    assert "valid again as version 3 (status 01)" in told
    assert json.loads(run("tickets", "list", "--kind", "REINSTATE", "--json").stdout)["total"] == 0


def test_feedback_draws_what_a_void_certificate_asks_for_and_its_ticket_names_it(run: Run, tmp_path: Path) -> None:
    voided(tmp_path, revoked=False)
    for _ in range(2):
        run("feedback")
    [drawn] = json.loads(run("tickets", "list", "--kind", "CHECK", "--json").stdout)["tickets"]
    [asked] = json.loads(run("tickets", "list", "--kind", "CERTIFICATE", "--json").stdout)["tickets"]
    shown = json.loads(run("tickets", "show", asked["number"], "--json").stdout)["ticket"]
    assert drawn["event_id"] in shown["draws"]
    again = json.loads(run("supervise", "show", drawn["event_id"], "--json").stdout)["draw"]
    assert (again["drawn_again"], again["ratio"], len(again["seed"])) == ("same", "20%", 32)


def test_an_error_is_told_and_what_went_wrong_with_sealing_beside_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with open_gateway(GatewaySettings(home=tmp_path / "home")) as gateway, gateway.store.write() as connection:
        note(connection, at=gateway.edge.now(), actor="o", action="a", subject="s")
    monkeypatch.setenv("GATEWAY_EVIDENCE_ANCHORS", str(tmp_path))
    told = run("push", "nowhere", code=2).stderr
    assert "sealed and not anchored" in told + caplog.text
    assert told.rstrip().splitlines()[-1].startswith("gateway: ")
    assert "nowhere" in told.rstrip().splitlines()[-1]


def test_a_ticket_is_named_by_the_beginning_of_its_number_and_says_whom_it_is_about(
    run: Run, told: tuple[str, Worker, str]
) -> None:
    number = document(run("tickets", "list", "--json"))["tickets"][0]["number"]
    shown = document(run("tickets", "show", number[:8].lower(), "--json"))["ticket"]
    assert shown["number"] == number
    assert shown["about"].startswith("李* 370")
    assert document(run("tickets", "settle", number[:8], "confirm", "--reason", "r", "--json"))["number"] == number


def test_an_ambiguous_beginning_is_misuse(run: Run, told: tuple[str, Worker, str]) -> None:
    with open_gateway() as gateway, gateway.store.write() as c:
        row = dict(c.execute(select(ticket)).mappings().first() or {})
        c.execute(insert(ticket).values({**row, "number": row["number"][:25] + "Z", "record_id": "CR-9"}))
    assert "several tickets" in run("tickets", "show", row["number"][:8], code=2).stderr


def test_a_record_or_event_is_shown_by_its_own_number(run: Run, told: tuple[str, Worker, str]) -> None:
    [event] = document(run("credit", "show", "CR-2", "--json"))["events"]
    assert event["about"].startswith("李*")
    assert document(run("credit", "show", event["event_id"], "--json"))["events"] == [event]
    for text in (told[1].name, told[1].id_number):
        assert text not in run("credit", "show", "CR-2").stdout


def test_events_about_nobody_held_are_listed_masked(run: Run, told: tuple[str, Worker, str]) -> None:
    assert document(run("credit", "unmatched", "--json"))["events"] == []
    with open_gateway() as gateway:
        feed = Feed(gateway.store)
        stranger = replace(told[1], id_number="370000198001010017", name="钱一")
        feed.apply(finding(stranger, record_id="CR-7", stream_seq=3))
    [event] = document(run("credit", "unmatched", "--json"))["events"]
    assert (event["record_id"], event["outcome"]) == ("CR-7", "ACCEPTED_UNMATCHED")
    assert event["about"] == "钱* 370*************17"[: len(event["about"])]
