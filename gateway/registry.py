"""Find connectors and sandboxes by entry point. The core never imports a connector by name.

Whatever goes wrong while foreign code is imported or built is a ConfigurationError that names the platform, the
distribution that offers it and what is missing; its own text may hold a secret and stays out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from gateway.contract.connector import Connector, ConnectorInfo, Description, Endpoint
from gateway.domain.errors import ConfigurationError
from gateway.locale import tr
from gateway.settings import Loader

CONNECTORS = "gateway.connectors"
SANDBOXES = "gateway.sandboxes"
DESCRIPTIONS = "gateway.descriptions"
"""what a connector says of itself, for commands that send nothing and need not load it; not every one is offered"""


def installed(group: str) -> tuple[EntryPoint, ...]:
    """What is offered, read once: a command asks a dozen times, and each look goes through every distribution."""
    return _read(group, tuple(sys.path))


@lru_cache
def _read(group: str, _path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=group))


def names(group: str = CONNECTORS) -> list[str]:
    """Installed platforms, in the order of their names."""
    return sorted({point.name for point in installed(group)})


def build_connector(name: str, loader: Loader) -> Connector:
    """Load one connector with its settings; ConfigurationError names what is missing or broken."""
    from gateway.contract.shape import flaws

    point = _point(CONNECTORS, name)
    connector = _built(point, loader)
    broken = flaws(connector)
    if broken:
        raise ConfigurationError(
            tr("{point} breaks the contract: {broken}", point=_named(point), broken="; ".join(broken))
        )
    return cast(Connector, connector)


def build_description(name: str, loader: Loader) -> Description | None:
    """What a connector says of itself with its settings, without loading it; None where it offers no description."""
    if not any(point.name == name for point in installed(DESCRIPTIONS)):
        return None
    told = _built(_point(DESCRIPTIONS, name), loader)
    return Description(info=told.info, endpoint=told.endpoint, gives_feedback=told.gives_feedback)


def _built(point: EntryPoint, loader: Loader) -> Any:
    """What an entry point builds of its settings, with ``info`` and ``endpoint`` of that platform."""
    build = cast(Callable[[Loader], Any], _load(point))
    try:
        built = build(loader)
        info: object = getattr(built, "info", None)
        endpoint: object = getattr(built, "endpoint", None)
    except ConfigurationError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigurationError(
            tr("{named} cannot be built: {cause}", named=_named(point), cause=_cause(error))
        ) from error
    if not isinstance(info, ConnectorInfo) or not isinstance(endpoint, Endpoint):
        raise ConfigurationError(
            tr("{named} gives no connector but {name}", named=_named(point), name=type(built).__name__)
        )
    if info.platform != point.name:
        raise ConfigurationError(
            tr(
                "{named} calls itself {platform!r}: info.platform must be {name!r}",
                named=_named(point),
                platform=info.platform,
                name=point.name,
            )
        )
    return built


def build_sandbox(name: str, **options: Any) -> Any:
    """Make one simulated platform, a ``Sandbox`` of the testing kit; options as its class takes them."""
    build = cast("Callable[..., Any]", _load(_point(SANDBOXES, name)))
    try:
        return build(**options)
    except ValueError as error:
        raise ConfigurationError(tr("sandbox {name}: {error}", name=name, error=error)) from None


def _point(group: str, name: str) -> EntryPoint:
    found = [point for point in installed(group) if point.name == name]
    if not found:
        raise ConfigurationError(
            tr("no platform {name!r}; known: {names}", name=name, names=names(group) or tr("none"))
        )
    if len(found) > 1:
        raise ConfigurationError(
            tr("platform {name} is offered twice: {names}", name=name, names=", ".join(p.value for p in found))
        )
    return found[0]


def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except (Exception, SystemExit) as error:
        raise ConfigurationError(
            tr("{named} cannot be loaded: {cause}", named=_named(point), cause=_cause(error))
        ) from error


def _named(point: EntryPoint) -> str:
    offered = "" if point.dist is None else f" of {point.dist.name} {point.dist.version}"
    return f"platform {point.name}: {point.value}{offered}"


def _cause(error: BaseException) -> str:
    """What went wrong, and where; of a text only what Python itself says of names and modules."""
    if isinstance(error, (ImportError, AttributeError, NameError)):
        return f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__} in {error.filename}, line {error.lineno}"
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = "" if place is None else f" at {place.tb_frame.f_globals.get('__name__', '?')}:{place.tb_lineno}"
    return f"{type(error).__name__}{where}"
