"""Settings become an open gateway, or a sentence that says what is wrong with them."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from gateway import registry
from gateway.bootstrap import Gateway, across, open_gateway, system_edge
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.store import platforms
from gateway.delivery.store.tables import platform
from gateway.domain.errors import ConfigurationError, StoreError
from gateway.settings import GatewaySettings, load, loader
from gateway.store.vault import KeyRing
from tests.support.shipped import shipped

NAMES = list(shipped())


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def access() -> dict[str, dict[str, str]]:
    """For each platform the variables that lead to its sandbox, on a port where nobody listens."""
    return {name: dict(registry.build_sandbox(name).access("http://127.0.0.1:9").environment) for name in NAMES}


@pytest.fixture
def opened() -> Iterator[Any]:
    """Open gateways that are closed at the end."""
    made: list[Gateway] = []

    def make(environment: Mapping[str, str] | None = None, **kwargs: Any) -> Gateway:
        made.append(open_gateway(loader=loader(environment or {}), **({"create": True} | kwargs)))
        return made[-1]

    yield make
    for one in made:
        one.__exit__()


def merged(access: Mapping[str, Mapping[str, str]], *names: str) -> dict[str, str]:
    return {key: value for name in names for key, value in access[name].items()}


def test_creating_makes_store_keys_and_a_row_for_every_platform(opened: Any) -> None:
    gateway = opened()
    with gateway.store.read() as c:
        assert {*NAMES} <= {*c.execute(select(platform.c.name)).scalars()}
    assert stat.S_IMODE(Path(".gateway/keys.json").stat().st_mode) == 0o600
    assert Path(".gateway/gateway.db").exists()


def test_creating_twice_keeps_store_and_keys(opened: Any) -> None:
    with opened().store.write() as c:
        platforms.pause(c, "national_market", code="x", reason="y", by="z", now=system_edge().now())
    keys = Path(".gateway/keys.json").read_text()
    with opened().store.read() as c:
        assert platforms.pause_of(c, "national_market", system_edge().now()) is not None
    assert Path(".gateway/keys.json").read_text() == keys


@pytest.mark.parametrize("left", [[], ["keys.json"]], ids=["nothing", "keys only"])
def test_opening_what_was_not_made_says_how_to_make_it(opened: Any, left: list[str]) -> None:
    opened().__exit__()
    for file in Path(".gateway").iterdir():
        if file.name not in left:
            file.unlink()
    with pytest.raises((ConfigurationError, StoreError), match="gateway init"):
        open_gateway()


def test_a_store_of_another_release_is_refused(opened: Any) -> None:
    gateway = opened()
    with gateway.store.write() as c:
        c.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="schema 9999"):
        open_gateway()


def test_a_platform_installed_after_the_store_was_made_gets_its_row(opened: Any) -> None:
    with opened().store.write() as c:
        c.execute(platform.delete().where(platform.c.name == "worker_platform"))
    with opened(create=False).store.read() as c:
        assert "worker_platform" in platforms.registered(c)


def test_keys_may_come_from_the_environment_and_are_not_written_down(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_KEYS", KeyRing.generate().to_text())
    opened()
    assert not Path(".gateway/keys.json").exists()


@pytest.mark.parametrize("keys", ["{}", '{"active": "k1", "keys": {"k1": "c2FtcGxl"}, "index": "c2FtcGxl"}'])
def test_keys_that_protect_nothing_are_refused_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, keys: str
) -> None:
    monkeypatch.setenv("GATEWAY_KEYS", keys)
    with pytest.raises(ConfigurationError, match="GATEWAY_KEYS"):
        open_gateway(create=True)
    assert not Path(".gateway").exists()


def test_only_platforms_with_an_endpoint_are_ready(opened: Any, access: Any) -> None:
    assert opened().configured() == []
    assert opened(merged(access, "worker_platform")).configured() == ["worker_platform"]
    assert opened(merged(access, *NAMES)).configured() == NAMES


def test_a_platform_that_is_named_must_be_ready(opened: Any, access: Any) -> None:
    gateway = opened(merged(access, "worker_platform"))
    assert gateway.configured(["worker_platform", "worker_platform"]) == ["worker_platform"]
    with pytest.raises(ConfigurationError, match="GATEWAY_NATIONAL_MARKET__ENDPOINT"):
        gateway.configured(["national_market"])
    with pytest.raises(ConfigurationError, match="no platform 'nobody'"):
        gateway.configured(["nobody"])


def test_a_platform_with_a_wrong_setting_is_named_and_the_others_are_used(opened: Any, access: Any) -> None:
    environment = merged(access, "worker_platform") | {"GATEWAY_WORKER_PLATFORM__CONNECTIONS": "0"}
    gateway = opened(environment | merged(access, "provincial_credit"))
    assert gateway.configured() == ["provincial_credit"]
    assert "GATEWAY_WORKER_PLATFORM__CONNECTIONS" in gateway.broken["worker_platform"]
    with pytest.raises(ConfigurationError, match="GATEWAY_WORKER_PLATFORM__CONNECTIONS"):
        gateway.configured(["worker_platform"])


def test_a_deadline_must_end_before_a_lease_does(opened: Any, access: Any) -> None:
    environment = merged(access, "worker_platform") | {"GATEWAY_WORKER_PLATFORM__DEADLINE_SECONDS": "300"}
    with pytest.raises(ConfigurationError, match="GATEWAY_LEASE_SECONDS"):
        opened(environment).connector("worker_platform")
    settings = load(GatewaySettings, lease_seconds=301)
    assert opened(environment, settings=settings).connector("worker_platform").info.platform == "worker_platform"


def test_a_connector_is_built_once(opened: Any, access: Any) -> None:
    gateway = opened(merged(access, "worker_platform"))
    assert gateway.connector("worker_platform") is gateway.connector("worker_platform")


def test_variables_that_nobody_reads_are_named_whatever_was_asked_for_before(opened: Any, access: Any) -> None:
    environment = merged(access, *NAMES) | {
        "GATEWAY_CLAIM_LIMIT": "5",
        "GATEWAY_CLAIM_LIMITS": "5",
        "GATEWAY_WORKER_PLATFORM__ENDPONT": "x",
        "GATEWAY_NOWHERE__ENDPOINT": "x",
        "gateway_language": "zh",
        "HOME": "x",
    }
    unread = ["GATEWAY_CLAIM_LIMITS", "GATEWAY_NOWHERE__ENDPOINT", "GATEWAY_WORKER_PLATFORM__ENDPONT"]
    gateway = opened(environment)
    assert gateway.unread_variables(environment) == unread
    gateway.connector("national_market")
    assert gateway.unread_variables(environment) == unread


def test_unread_variables_are_found_even_where_a_platform_is_not_ready(opened: Any, access: Any) -> None:
    environment = {"GATEWAY_WORKER_PLATFORM__CONNECTIONS": "2", "GATEWAY_WORKER_PLATFORM__CONECTIONS": "2"}
    assert opened(environment).unread_variables(environment) == ["GATEWAY_WORKER_PLATFORM__CONECTIONS"]


def test_the_gates_follow_the_settings(opened: Any) -> None:
    settings = load(GatewaySettings, age_limit_inclusive=True, notice_start="2019-01-30")
    rules = opened(settings=settings).rules
    assert (rules.age_limit_inclusive, str(rules.notice_start)) == (True, "2019-01-30")
    assert rules.now is not None


def test_a_platform_that_fails_does_not_disturb_the_others(opened: Any, access: Any) -> None:
    gateway = opened(merged(access, *NAMES))
    seen: list[str] = []

    async def work(exchanger: Exchanger) -> str:
        if exchanger.platform == "national_market":
            raise StoreError("it broke")
        for _ in range(5):
            await exchanger.query(lambda scope: None)
        seen.append(exchanger.platform)
        return exchanger.platform

    assert asyncio.run(across(gateway, NAMES[1:], work)) == NAMES[1:]
    seen.clear()
    with pytest.raises(StoreError, match="it broke"):
        asyncio.run(across(gateway, NAMES, work))
    assert sorted(seen) == NAMES[1:]


def test_the_real_edge_gives_aware_time_fresh_ids_and_draws() -> None:
    edge = system_edge()
    ids = {edge.new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert {len(i) for i in ids} == {26}
    assert edge.now().tzinfo is not None
    assert len(edge.random_bytes(16)) == 16
    assert all(0 <= edge.draw() < 1 for _ in range(1000))


def test_nothing_secret_shows_in_an_open_gateway(opened: Any, access: Any) -> None:
    environment = merged(access, *NAMES)
    gateway = opened(environment)
    gateway.configured()
    secrets = [v for k, v in environment.items() if any(w in k for w in ("SECRET", "PASSWORD", "TOKEN", "_KEY"))]
    keys = json.loads(Path(".gateway/keys.json").read_text())
    shown = repr(gateway)
    assert [s for s in (*secrets, keys["index"], *keys["keys"].values()) if len(s) > 6 and s in shown] == []
