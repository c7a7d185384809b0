"""Platforms are found by entry point; what is missing or broken is said by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

from gateway import registry
from gateway.contract.connector import Description, GivesFeedback
from gateway.domain.errors import ConfigurationError
from gateway.settings import loader
from gateway.testing.model import Model
from gateway.testing.sandbox import Sandbox
from tests.support.shipped import shipped


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """What the environment offers instead of the installed distribution."""
    points: list[EntryPoint] = []

    def offered(group: str) -> EntryPoints:
        return EntryPoints(points).select(group=group)

    monkeypatch.setattr(registry, "installed", offered)
    return points


def test_every_shipped_platform_can_be_built(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {*shipped()} <= {*registry.names()} & {*registry.names(registry.SANDBOXES)}
    for name in shipped():
        sandbox = registry.build_sandbox(name)
        assert isinstance(sandbox, Sandbox)
        access = sandbox.access("http://127.0.0.1:9")
        connector = registry.build_connector(name, loader(access.environment))
        assert connector.info.platform == name == sandbox.platform


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("national_market", {}),
        ("national_market", {"PROFILE": "T", "BATCH_MAX": "7"}),
        *(("national_market", {"DIALECT": "X", "DIALECT_FILE": file}) for file in ("wuxi", "suzhou", "jiangsu")),
        ("national_market", {"DIALECT": "X", "REGION_ACCOUNTS": '{"370100": "p"}'}),
        ("worker_platform", {}),
        *(("worker_platform", {"DIALECT": file}) for file in ("fujian", "huzhou", "jinhua", "national")),
        ("provincial_credit", {}),
        ("provincial_credit", {"PUSH_BY": "batch"}),
    ],
)
def test_what_a_connector_says_of_itself_is_the_same_without_loading_it(name: str, more: Mapping[str, str]) -> None:
    dialect = more.get("DIALECT") if name == "worker_platform" else None
    access = registry.build_sandbox(name, dialect=dialect).access("http://127.0.0.1:9").environment
    given = loader({**access, **{f"GATEWAY_{name.upper()}__{key}": value for key, value in more.items()}})
    connector = registry.build_connector(name, given)
    assert registry.build_description(name, given) == Description(
        info=connector.info, endpoint=connector.endpoint, gives_feedback=isinstance(connector, GivesFeedback)
    )


def test_a_platform_may_offer_no_description(installed: list[EntryPoint]) -> None:
    installed.append(EntryPoint("x", "a.b:c", registry.CONNECTORS))
    assert registry.build_description("x", loader({})) is None


def test_an_unknown_platform_is_refused_with_those_known(installed: list[EntryPoint]) -> None:
    with pytest.raises(ConfigurationError, match="no platform 'x'; known: none"):
        registry.build_connector("x", loader({}))
    installed += [EntryPoint(n, "a.b:c", registry.CONNECTORS) for n in ("b", "a")]
    with pytest.raises(ConfigurationError, match="no platform 'x'; known: a, b"):
        registry.build_connector("x", loader({}))


def _raises(error: BaseException) -> Any:
    def build(_: object) -> Any:
        raise error

    return build


BUILDS = {
    "none": lambda _: None,
    "raises": _raises(KeyError("370000198606186576")),
    "exits": _raises(SystemExit(3)),
    "other": lambda _: Model(base_url="http://127.0.0.1:9", platform="another"),
    "good": lambda _: Model(base_url="http://127.0.0.1:9", platform="good"),
}


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Make a module of this text that can be imported; gives its name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(text: str) -> str:
        name = f"broken_{abs(hash(text))}"
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        return name

    return make


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("value = 1", "AttributeError: module '.*' has no attribute 'build'"),
        ("build = unknown", "NameError: name 'unknown' is not defined"),
        ("def build(:", r"SyntaxError in .*\.py, line 1"),
        ("1 / 0", "ZeroDivisionError at broken_.*:1"),
        ("raise SystemExit(5)", "SystemExit at broken_.*:1"),
        ("raise ValueError('370000198606186576')", "ValueError at broken_.*:1"),
    ],
)
def test_a_platform_that_cannot_be_loaded_is_named_with_its_reason(
    installed: list[EntryPoint], source: Callable[[str], str], text: str, cause: str
) -> None:
    installed.append(EntryPoint("broken", f"{source(text)}:build", registry.CONNECTORS))
    with pytest.raises(ConfigurationError, match=f"platform broken: .*:build cannot be loaded: {cause}") as caught:
        registry.build_connector("broken", loader({}))
    assert "370000198606186576" not in str(caught.value)


@pytest.mark.parametrize(
    ("build", "cause"),
    [
        ("none", "gives no connector but NoneType"),
        ("raises", "cannot be built: KeyError at .*test_registry"),
        ("exits", "cannot be built: SystemExit at .*test_registry"),
        ("other", "calls itself 'another': info.platform must be 'p'"),
    ],
)
def test_a_connector_that_cannot_be_built_is_named_with_its_reason(
    installed: list[EntryPoint], source: Callable[[str], str], build: str, cause: str
) -> None:
    installed.append(EntryPoint("p", f"{source(PASSED_ON.format(build))}:build", registry.CONNECTORS))
    with pytest.raises(ConfigurationError, match=cause) as caught:
        registry.build_connector("p", loader({}))
    assert "370000198606186576" not in str(caught.value)


PASSED_ON = "from tests.test_registry import BUILDS\nbuild = BUILDS[{0!r}]\n"


def test_a_connector_gets_the_loader_and_the_group_is_respected(
    installed: list[EntryPoint], source: Callable[[str], str]
) -> None:
    installed += [
        EntryPoint("good", f"{source(PASSED_ON.format('good'))}:build", registry.CONNECTORS),
        EntryPoint("good", "builtins:dict", registry.SANDBOXES),
    ]
    assert registry.build_connector("good", loader({})).info.platform == "good"
    assert registry.build_sandbox("good", port=1) == {"port": 1}


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
    assert groups[registry.CONNECTORS] == groups[registry.SANDBOXES] == {*shipped()}
