"""``gateway serve`` as people meet it: runs asked for through Prefect, their states, tables, alarms and names."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from gateway.delivery.store import run_leases
from gateway.delivery.store.run_leases import Claim
from gateway.delivery.store.tables import exchange
from gateway.intake.reading.reader import read_batch
from gateway.settings import GatewaySettings, loader
from gateway.store.engine import open_engine
from gateway.store.processes import myself
from gateway.testing.batch import write_sample
from tests.flows.sites import PLATFORM, Site, end, refusal, until

pytestmark = [pytest.mark.slow, pytest.mark.prefect]

QUIET_SECONDS = 11


@pytest.fixture(scope="module")
def site(make_site: Callable[..., Site], tmp_path_factory: pytest.TempPathFactory) -> Site:
    drop = tmp_path_factory.mktemp("drop")
    made = make_site(
        GATEWAY_SERVE__DROP=str(drop),
        GATEWAY_SERVE__DROP_SETTLE_SECONDS="0",
        GATEWAY_SERVE__INTAKE="off",
        GATEWAY_SERVE__RECONCILE="30 1 * * *",
    )
    made.sandbox()
    made.fill()
    made.serve()
    return made


def engine_of(site: Site) -> Any:
    return open_engine(loader({"GATEWAY_HOME": str(site.home)})(GatewaySettings).url)


def test_a_push_tells_what_it_sent_in_name_state_and_tables(site: Site) -> None:
    run = site.finish(site.trigger(f"push-{PLATFORM}"))
    sent = site.states()["awaiting_ack"]
    assert (run["state_type"], run["state_name"]) == ("COMPLETED", "Completed")
    assert run["state"]["message"].startswith(f"{PLATFORM}: sent {sent}")
    assert run["state"]["message"].endswith("(exit 0)")
    assert run["name"] == f"push {PLATFORM}: sent {sent}"
    [row] = site.artifacts(run["id"])["push-provincial-credit"]
    assert (row["platform"], row["state"], row["sent"], row["awaits result"]) == (PLATFORM, "Completed", sent, sent)


def test_a_sync_of_all_does_every_step_and_links_the_report(site: Site) -> None:
    run = site.finish(site.trigger("sync-all", patience_seconds=20))
    assert run["state_name"] in ("Completed", "Attention"), run["state"]["message"]
    assert set(site.states()) == {"accepted"}
    assert site.contradictions() == []
    shown = site.artifacts(run["id"])
    assert {"sync-provincial-credit", "report"} <= set(shown)
    assert "/gateway-report.html" in shown["report"]
    assert (site.home / "reports" / "gateway-report.html").exists()


@pytest.mark.parametrize(
    "wrong", [{"platforms": ["nowhere"]}, {"platforms": "all"}, {"chunk": 0}, {"steps": ["delete"]}, {"minutes": -1}]
)
def test_the_form_refuses_what_is_no_choice(site: Site, wrong: dict[str, Any]) -> None:
    assert refusal(lambda: site.trigger("sync-all", **wrong)) in (409, 422)


def test_every_parameter_has_a_description_and_platforms_are_choices(site: Site) -> None:
    properties = site.deployment("sync-all")["parameter_openapi_schema"]["properties"]
    assert all(one["description"] and one["title"] for one in properties.values())
    assert PLATFORM in properties["platforms"]["items"]["enum"]
    assert properties["steps"]["items"]["enum"] == ["push", "acks", "resolve", "feedback", "reconcile"]


def test_a_second_run_of_the_same_work_is_skipped_and_says_why(site: Site) -> None:
    engine = engine_of(site)
    claim = Claim(work="push", platform=PLATFORM, run="", owner=myself())
    with engine.begin() as connection:
        run_leases.take(connection, claim, now=datetime.now(UTC), lease=timedelta(minutes=5), is_dead=lambda _: False)
    run = site.finish(site.trigger(f"push-{PLATFORM}"))
    with engine.begin() as connection:
        run_leases.release(connection, claim, 1)
    engine.dispose()
    assert (run["state_type"], run["state_name"]) == ("COMPLETED", "Skipped")
    assert "another run has been at it since" in run["state"]["message"]


def test_a_cron_line_plans_runs_for_its_time_in_china(site: Site) -> None:
    def planned() -> set[str]:
        runs = [run for run in site.runs_of("reconcile") if run["state_type"] == "SCHEDULED"]
        return {run["expected_start_time"][11:16] for run in runs}

    assert until(planned, 60, "runs of the schedule") == {"17:30"}
    assert "Traceback" not in (site.home / "prefect-server.log").read_text()


def test_work_that_cannot_be_done_fails_and_says_why(site: Site) -> None:
    site.fault("unavailable", "unavailable", "unavailable")
    run = site.finish(site.trigger(f"feedback-{PLATFORM}"))
    assert (run["state_type"], run["state_name"]) == ("FAILED", "Failed")
    assert f"{PLATFORM}: nothing could be pulled" in run["state"]["message"]


def test_a_dropped_file_is_taken_in_and_its_refused_rows_are_counted(site: Site) -> None:
    drop = Path(site.environment["GATEWAY_SERVE__DROP"])
    write_sample(drop / "dropped.xlsx", rows=300, seed=8)
    (drop / "letter.pdf").write_bytes(b"no batch")
    run = site.finish(site.trigger("intake"))
    assert (run["state_type"], run["state_name"]) == ("FAILED", "Attention")
    assert run["state"]["message"].startswith("files 2, rows 300")
    assert run["state"]["message"].endswith("(exit 1)")
    shown = site.artifacts(run["id"])
    assert [row["failure"] == "" for row in shown["intake"]] == [True, False]
    assert {"N01", "N02"} <= {row["rule"] for row in shown["intake-rules"]}
    names = {path.name.partition("-")[2] for path in (drop / "done").iterdir()}
    assert names == {"dropped.xlsx", "dropped.xlsx.report.json", "dropped.xlsx.returns.xlsx"}
    assert [path.name.partition("-")[2] for path in sorted((drop / "failed").iterdir())] == [
        "letter.pdf",
        "letter.pdf.report.json",
    ]


def test_a_held_platform_is_told_and_raises_every_alarm(site: Site) -> None:
    site.run("push", PLATFORM)
    with engine_of(site).begin() as connection:  # results will be overdue at once
        connection.execute(update(exchange).values(opened_at=datetime.now(UTC) - timedelta(days=2)))
    names = site.run("alarms", "--quiet-hours", str(QUIET_SECONDS / 3600), PREFECT_API_URL=site.api_url)["alarms"]
    assert len(names) == 3
    site.run("pause", PLATFORM, "--reason", "change of account of 张三")
    write_sample(site.folder / "more.xlsx", rows=300, seed=9)
    site.run("intake", str(site.folder / "more.xlsx"), expect=1)
    run = site.finish(site.trigger(f"push-{PLATFORM}"))
    assert (run["state_type"], run["state_name"]) == ("FAILED", "Held")
    assert run["name"] == f"push {PLATFORM}: Held"
    assert f"{PLATFORM}: held (operator)" in run["state"]["message"]
    assert "张三" not in json.dumps(run), "what a person typed stays in the store"

    wanted = {"platform held", "acknowledgement overdue", f"nothing sent for {QUIET_SECONDS / 3600:g} hours"}

    def raised() -> bool:
        alarms = [one["parameters"] for one in site.runs_of("alarm") if one["state_type"] != "CANCELLED"]
        assert all(one["platform"] == PLATFORM for one in alarms)
        return {one["what"] for one in alarms} >= wanted

    until(raised, 90, "three alarms")
    site.run("resume", PLATFORM)


def test_nothing_personal_and_no_secret_is_in_prefect(site: Site) -> None:
    people = [row.filing for row in read_batch(site.folder / "batch.xlsx").rows if row.filing is not None]
    words = {text.encode() for one in people for text in (one.id_number, one.mobile) if text}
    names = ("APP_SECRET", "FIELD_KEY")
    words |= {site.environment[f"GATEWAY_PROVINCIAL_CREDIT__{name}"].encode() for name in names}
    words |= {json.loads((site.home / "keys.json").read_text())["index"].encode()}
    ours = [path for path in (site.home / "prefect").rglob("*") if path.is_file()]
    ours += [site.home / "prefect-server.log", site.folder / "serve.log"]
    assert len(words) > 300
    found = [str(path) for path in ours if any(word in path.read_bytes() for word in words)]
    assert found == []


def test_serving_ends_within_seconds_and_without_a_complaint_when_asked(site: Site) -> None:
    serve = site.processes[-1]
    end(serve)
    assert serve.returncode == 0
    assert "Traceback" not in (site.folder / "serve.log").read_text()
