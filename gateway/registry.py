"""Find connectors and sandboxes by entry point. The core never imports a connector by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, cast

from gateway.contract.connector import Connector
from gateway.domain.errors import ConfigurationError
from gateway.settings import Loader

if TYPE_CHECKING:
    from gateway.testing.sandbox import Sandbox

CONNECTORS = "gateway.connectors"
SANDBOXES = "gateway.sandboxes"


def names(group: str = CONNECTORS) -> list[str]:
    """Installed platforms, in the order of their names."""
    return sorted({point.name for point in entry_points(group=group)})


def build_connector(name: str, loader: Loader) -> Connector:
    """Load one connector with its settings; ConfigurationError names what is missing or broken."""
    build = cast(Callable[[Loader], Connector], _load(CONNECTORS, name))
    return build(loader)


def build_sandbox(name: str, **options: Any) -> Sandbox:
    """Make one simulated platform; options as in ``gateway.testing.sandbox.Sandbox``."""
    build = cast("Callable[..., Sandbox]", _load(SANDBOXES, name))
    try:
        return build(**options)
    except ValueError as error:
        raise ConfigurationError(f"sandbox {name}: {error}") from None


def _load(group: str, name: str) -> Any:
    found: list[EntryPoint] = [point for point in entry_points(group=group) if point.name == name]
    if not found:
        raise ConfigurationError(f"no platform {name!r}; known: {', '.join(names(group)) or 'none'}")
    if len(found) > 1:
        raise ConfigurationError(f"platform {name} is offered twice: {', '.join(p.value for p in found)}")
    try:
        return found[0].load()
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"platform {name}: {found[0].value} cannot be loaded: {error}") from error
