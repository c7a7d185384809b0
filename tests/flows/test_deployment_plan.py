"""What is registered with Prefect: deployments of the configured platforms, their schedules and their forms."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from pydantic.fields import FieldInfo

from gateway import registry
from gateway.bootstrap import Gateway, open_gateway
from gateway.domain.errors import ConfigurationError
from gateway.flows import alarms, deployments
from gateway.flows.deployments import Planned
from gateway.flows.results import RunState
from gateway.settings import GatewaySettings, loader

PLATFORM = "provincial_credit"
FORMS = {"pause", "resume", "replay", "returns", "differences", "close", "report"}


@pytest.fixture
def make_gateway(tmp_path: Path) -> Iterator[Any]:
    opened: list[Gateway] = []

    def make(**own: str) -> Gateway:
        environment = {"GATEWAY_HOME": str(tmp_path)}
        sandbox = registry.build_sandbox(PLATFORM)
        environment |= dict(sandbox.access("http://127.0.0.1:1").environment)
        sandbox.books.close()
        load = loader(environment | {f"GATEWAY_SERVE__{name}": value for name, value in own.items()})
        opened.append(open_gateway(load(GatewaySettings), loader=load, create=True))
        return opened[-1]

    yield make
    for one in opened:
        one.store.close()


def planned(gateway: Gateway) -> dict[str, Planned]:
    return {one.name: one for one in deployments.plan(gateway)}


def test_every_flow_has_a_deployment_for_each_configured_platform(make_gateway: Any) -> None:
    own = {f"{flow}-{PLATFORM}" for flow in ("sync", "push", "acks", "resolve", "feedback", "reconcile")}
    assert set(planned(make_gateway())) == own | {"sync-all", "alarm", "retention", *FORMS}
    assert "intake" in planned(make_gateway(DROP="/srv/drop"))


def test_the_scheduled_sync_moves_deliveries_only_and_by_hand_it_does_all(make_gateway: Any) -> None:
    one = planned(make_gateway(MINUTES="5"))[f"sync-{PLATFORM}"]
    [schedule] = one.schedules({})
    assert one.parameters == {"platforms": [PLATFORM]}
    assert schedule.parameters == {"platforms": [PLATFORM], "steps": ["push", "acks", "resolve"], "minutes": 5}
    assert (schedule.cron, schedule.timezone) == ("*/5 * * * *", "Asia/Shanghai")


def test_lanes_make_as_many_runs_of_what_may_be_done_side_by_side(make_gateway: Any) -> None:
    found = planned(make_gateway(LANES="3"))
    assert [one.slug for one in found[f"sync-{PLATFORM}"].schedules({})] == ["sync-1", "sync-2", "sync-3"]
    assert len(found[f"reconcile-{PLATFORM}"].schedules({})) == 1


@pytest.mark.parametrize(
    ("text", "every"), [("20s", timedelta(seconds=20)), ("5m", timedelta(minutes=5)), ("2h", timedelta(hours=2))]
)
def test_an_interval_is_a_number_and_a_unit(make_gateway: Any, text: str, every: timedelta) -> None:
    [schedule] = planned(make_gateway(SYNC=text))[f"sync-{PLATFORM}"].schedules({})
    assert schedule.interval == every


def test_a_schedule_that_is_off_is_none_and_a_paused_one_stays_paused(make_gateway: Any) -> None:
    assert planned(make_gateway(SYNC="off"))[f"sync-{PLATFORM}"].schedules({}) == []
    [schedule] = planned(make_gateway())[f"sync-{PLATFORM}"].schedules({"sync-1": False})
    assert not schedule.active


@pytest.mark.parametrize("text", ["61 * * * *", "* * * * mondays"])
def test_a_schedule_that_means_nothing_names_its_setting(make_gateway: Any, text: str) -> None:
    one = planned(make_gateway(SYNC=text))[f"sync-{PLATFORM}"]
    with pytest.raises(ConfigurationError, match="GATEWAY_SERVE__SYNC"):
        one.schedules({})


@pytest.mark.parametrize("text", ["every day", "5 m", "0s", "* * *"])
def test_a_text_that_is_no_schedule_is_refused_by_the_settings(make_gateway: Any, text: str) -> None:
    with pytest.raises(ConfigurationError, match="GATEWAY_SERVE__SYNC"):
        deployments.plan(make_gateway(SYNC=text))


def test_every_parameter_of_every_flow_has_title_description_and_default(make_gateway: Any) -> None:
    for one in planned(make_gateway(DROP="/srv/drop")).values():
        hints = get_type_hints(one.flow.fn, include_extras=True)
        for name in one.flow.parameters.properties:
            [note] = [note for note in get_args(hints[name]) if isinstance(note, FieldInfo)]
            assert note.title, name
            assert note.description, name
        assert set(one.flow.parameters.required) <= {"what", "platform", "reason", "report"}, one.name


def test_every_end_of_ours_ends_the_watch_for_a_sign_of_life() -> None:
    assert {f"prefect.flow-run.{state}" for state in RunState} < alarms._ENDS


def test_no_deployment_asks_prefect_for_slots(make_gateway: Any) -> None:
    for one in planned(make_gateway(DROP="/srv/drop", LANES="3")).values():
        made = deployments._deployment(one, None, "workers", "/etc/gateway")
        assert (made.concurrency_limit, made.concurrency_options) == (None, None), one.name
