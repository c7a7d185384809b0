"""Names inside Prefect that we touch: each test fails when the name goes, or when the repair is needed no more."""

from __future__ import annotations

import asyncio
import importlib
import sys
from datetime import UTC, datetime
from types import ModuleType

import pytest
from prefect.deployments.runner import RunnerDeployment

from gateway.flows.delivery import push
from gateway.flows.parameters import describe
from gateway.flows.server import repair_cron

START = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
ZONE = "Asia/Shanghai"


@pytest.fixture
def schedules(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Prefect's module of schedules, as it is after the test."""
    module = importlib.import_module("prefect.server.schemas.schedules")
    monkeypatch.setattr(module, "_whenever_zdt_from_py", module._whenever_zdt_from_py)
    return module


def dates(schedules: ModuleType, cron: str, zone: str, count: int) -> list[datetime]:
    found = asyncio.run(schedules.CronSchedule(cron=cron, timezone=zone).get_dates(count, START))
    return [moment.astimezone(UTC) for moment in found]


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="Prefect uses no pendulum there")
def test_without_the_repair_no_cron_line_makes_a_run(schedules: ModuleType) -> None:
    with pytest.raises(ValueError, match="must be of type ZoneInfo"):
        dates(schedules, "30 1 * * *", ZONE, 1)


@pytest.mark.parametrize(
    ("cron", "zone", "expected"),
    [
        ("30 1 * * *", ZONE, [datetime(2026, 11, 30, 17, 30, tzinfo=UTC), datetime(2026, 12, 1, 17, 30, tzinfo=UTC)]),
        ("30 1 * * *", "UTC", [datetime(2026, 12, 1, 1, 30, tzinfo=UTC), datetime(2026, 12, 2, 1, 30, tzinfo=UTC)]),
        ("0 0 1 * *", ZONE, [datetime(2026, 11, 30, 16, 0, tzinfo=UTC), datetime(2026, 12, 31, 16, 0, tzinfo=UTC)]),
    ],
)
def test_with_the_repair_cron_lines_mean_the_time_of_their_zone(
    schedules: ModuleType, cron: str, zone: str, expected: list[datetime]
) -> None:
    repair_cron()
    assert dates(schedules, cron, zone, 2) == expected


def test_the_form_of_a_deployment_takes_titles_and_descriptions() -> None:
    made = RunnerDeployment.from_flow(push, name="any")
    describe(push, made._parameter_openapi_schema.properties)
    form = made._parameter_openapi_schema.model_dump()["properties"]
    assert {name: field["title"] for name, field in form.items()} == {
        "platforms": "Platforms",
        "chunk": "Chunk",
        "limit": "Limit",
        "minutes": "Minutes",
    }
    assert all(field["description"] for field in form.values())
