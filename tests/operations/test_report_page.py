"""The report in a browser: it stands alone, says what it has to, draws its charts and prints on paper."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from gateway import registry
from gateway.cli.app import app
from gateway.delivery.store import owing, platforms
from gateway.delivery.store.tables import attempt, delivery, exchange, verdict
from gateway.domain.states import Event
from gateway.intake.store.tables import filing
from gateway.operations.report import ReportSettings, write_report
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.tables import batch
from gateway.testing import people
from gateway.testing.batch import write_sample
from gateway.testing.model import Model
from tests.support.shipped import shipped

NOW = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)


@pytest.fixture
def report(sqlite_url: str, make_store: Any, tmp_path: Path) -> Path:
    """Two cities' rows, and three days of verdicts on one platform."""
    store: Store = make_store(sqlite_url)
    rng = random.Random(5)
    with store.write() as c:
        platforms.register(c, ["model"])
        held = [people.person_record(rng) for _ in range(12)]
        records.add(c, store.vault, held, batch_id=None, now=NOW - timedelta(days=5))
        owing.owe(c, Model(base_url="http://unused.invalid").info, NOW)
        head = {"name": "a.xlsx", "digest": "x", "read_at": NOW, "rows": 5, "admitted": 3, "refused": 2, "held": 0}
        number = c.execute(insert(batch).values(**head, unchanged=0).returning(batch.c.id)).scalar_one()
        for place in range(5):
            row = {"batch_id": number, "row_no": place, "outcome": "admit", "cells": b"x", "failures": []}
            c.execute(insert(filing).values(**row, report_no=f"370{1 + place % 2}00-201904-01"))
        for place in range(12):
            at = NOW - timedelta(days=place % 3)
            sent = {"platform": "model", "purpose": "push", "operation": "push", "message_id": "M", "opened_at": at}
            one = c.execute(insert(exchange).values(**sent, request_digest="d").returning(exchange.c.id)).scalar_one()
            tried = {"delivery_id": place + 1, "exchange_id": one, "position": 0, "fence": 1}
            tried_id = c.execute(insert(attempt).values(tried).returning(attempt.c.id)).scalar_one()
            event = Event.REJECTED if place == 4 else Event.ACCEPTED
            said = {"attempt_id": tried_id, "event": event, "code": "C", "reason": "", "fields": [], "applied": True}
            c.execute(insert(verdict).values(**said, at=at))
            c.execute(delivery.update().where(delivery.c.id == place + 1).values(state=str(event)))
    out = tmp_path / "report.html"
    info = Model(base_url="http://unused.invalid").info
    write_report(store, out, ReportSettings(chinese=True, infos=[info]), now=NOW)
    return out


@pytest.mark.slow
def test_the_report_stands_alone_draws_its_charts_and_prints(report: Path, page: Any) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(report.as_uri())
    assert (asked, complaints) == ([report.as_uri()], [])

    page.get_by_role("heading", name="推送情况报告").wait_for()
    page.get_by_role("cell", name="济南市").wait_for()
    page.get_by_role("cell", name="青岛市").wait_for()
    chart = page.get_by_role("img", name="每日接收与退回")
    bars = chart.locator("rect").evaluate_all("all => all.map(one => Math.round(one.getBoundingClientRect().height))")
    drawn = [height for height in bars if height]
    # four, then three and a refused one, then four
    assert len(drawn) == 4
    assert drawn[0] == drawn[3]
    assert abs(drawn[1] + drawn[2] - drawn[0]) <= 1
    assert abs(drawn[1] - 3 * drawn[2]) <= 2
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0

    page.set_viewport_size({"width": 420, "height": 800})
    assert page.get_by_role("heading", name="model").is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF-")


@pytest.fixture(params=["zh", "en"])
def report_on_every_platform(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Rows of some cities, owed to every platform that is shipped."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GATEWAY_LANGUAGE", request.param)
    for name in shipped():
        sandbox = registry.build_sandbox(name, state=tmp_path)
        for variable, value in sandbox.access("http://127.0.0.1:1").environment.items():
            monkeypatch.setenv(variable, value)
        sandbox.books.close()
    write_sample(tmp_path / "sample.xlsx", rows=40)
    for arguments in (["init"], ["intake", "sample.xlsx"], ["report", "--out", "report.html"]):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code <= 1, result.output
    return tmp_path / "report.html"


@pytest.mark.slow
def test_all_platforms_fit_beside_each_other(report_on_every_platform: Path, page: Any) -> None:
    page.goto(report_on_every_platform.as_uri())
    page.locator(".cities").wait_for()
    assert page.locator(".done").count() >= len(shipped())
    for width in (1000, 1100, 1400):
        page.set_viewport_size({"width": width, "height": 1000})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 794, 1400])
def test_no_column_is_one_character_wide_on_a_phone_on_paper_or_on_a_screen(
    report: Path, page: Any, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 1000})
    page.goto(report.as_uri())
    page.get_by_role("heading", name="样板平台").wait_for()
    heads = page.locator("th").evaluate_all("all => all.map(one => one.getBoundingClientRect().height)")
    assert max(heads) < 60, "no heading is broken into lines"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
