"""Platforms are found by entry point; what is missing or broken is said by name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

from gateway import registry
from gateway.domain.errors import ConfigurationError
from gateway.settings import loader
from gateway.testing.sandbox import Sandbox


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """What the environment offers instead of the installed distribution."""
    points: list[EntryPoint] = []

    def entry_points(*, group: str) -> EntryPoints:
        return EntryPoints(points).select(group=group)

    monkeypatch.setattr(registry, "entry_points", entry_points)
    return points


def test_every_shipped_platform_can_be_built(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        registry.names()
        == registry.names(registry.SANDBOXES)
        == [
            "national_market",
            "provincial_credit",
            "worker_platform",
        ]
    )
    for name in registry.names():
        sandbox = registry.build_sandbox(name)
        assert isinstance(sandbox, Sandbox)
        access = sandbox.access("http://127.0.0.1:9")
        connector = registry.build_connector(name, loader(access.environment))
        assert connector.info.platform == name == sandbox.platform


def test_an_unknown_platform_is_refused_with_those_known(installed: list[EntryPoint]) -> None:
    with pytest.raises(ConfigurationError, match="no platform 'x'; known: none"):
        registry.build_connector("x", loader({}))
    installed += [EntryPoint(n, "a.b:c", registry.CONNECTORS) for n in ("b", "a")]
    with pytest.raises(ConfigurationError, match="no platform 'x'; known: a, b"):
        registry.build_connector("x", loader({}))


@pytest.mark.parametrize("value", ["no_such_package.adapter:build", "gateway.registry:no_such_name"])
def test_a_platform_that_cannot_be_loaded_is_named_with_its_reason(installed: list[EntryPoint], value: str) -> None:
    installed.append(EntryPoint("broken", value, registry.CONNECTORS))
    with pytest.raises(ConfigurationError, match=f"platform broken: {value} cannot be loaded"):
        registry.build_connector("broken", loader({}))


def test_a_connector_gets_the_loader_and_the_group_is_respected(installed: list[EntryPoint]) -> None:
    installed += [
        EntryPoint("one", "builtins:repr", registry.CONNECTORS),
        EntryPoint("one", "builtins:dict", registry.SANDBOXES),
    ]
    built: Any = registry.build_connector("one", loader({}))
    assert "function" in built
    assert registry.build_sandbox("one", port=1) == {"port": 1}


def test_names_come_in_order_and_a_platform_that_two_distributions_offer_is_refused(
    installed: list[EntryPoint],
) -> None:
    installed += [EntryPoint(n, "builtins:repr", registry.CONNECTORS) for n in ("c", "a", "b", "a")]
    assert registry.names() == ["a", "b", "c"]
    with pytest.raises(ConfigurationError, match="platform a is offered twice"):
        registry.build_connector("a", loader({}))


def test_the_installed_distribution_declares_both_groups() -> None:
    declared: Sequence[EntryPoint] = tuple(metadata.distribution("integration-gateway").entry_points)
    groups = {
        group: {p.name for p in declared if p.group == group} for group in (registry.CONNECTORS, registry.SANDBOXES)
    }
    assert groups[registry.CONNECTORS] == groups[registry.SANDBOXES] == set(registry.names())
