"""Where settings come from, in which order, and how what is wrong with one is said: by its name, never by its value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from gateway.domain.errors import ConfigurationError, NotConfigured
from gateway.locale import tr

S = TypeVar("S", bound=BaseSettings)
_FIELD = re.compile(r'field "(\w+)"')


class Settings(BaseSettings):
    """Environment first, then ``.env``, then ``gateway.toml`` in the working directory; errors never show values."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        hide_input_in_errors=True,
        env_ignore_empty=True,
        defer_build=True,  # most commands read a part of the settings
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        section = str(cls.model_config.get("env_prefix", "")).removeprefix("GATEWAY_").strip("_").lower()
        return init_settings, env_settings, dotenv_settings, Section(settings_cls, section)


class Section(TomlConfigSettingsSource):
    """One table of ``gateway.toml``; the core's own settings stand at its top level."""

    def __init__(self, settings_cls: type[BaseSettings], section: str) -> None:
        self._section = section
        super().__init__(settings_cls, Path("gateway.toml"))

    def _read_file(self, path: Path | Traversable) -> dict[str, Any]:
        try:
            whole = super()._read_file(path)
        except ValueError as error:
            raise ConfigurationError(tr("gateway.toml: not TOML in UTF-8: {place}", place=_place(error))) from None
        table = whole.get(self._section, {}) if self._section else whole
        return {k: v for k, v in table.items() if self._section or not isinstance(v, dict)}


class Loader(Protocol):
    """Gives a settings object of the class asked for; raises ConfigurationError naming the variable."""

    def __call__(self, settings: type[S], /) -> S: ...


def load(settings: type[S], /, **given: Any) -> S:
    """Read settings from the process's environment and files; ``given`` wins over both."""
    with _explained(settings):
        return settings(**given)


def loader(environment: Mapping[str, str]) -> Loader:
    """Return a Loader for which ``environment`` wins over the process's own (tests, notebooks, the demo)."""

    def read(settings: type[S], /) -> S:
        class Given(EnvSettingsSource):
            def _load_env_vars(self) -> Mapping[str, str | None]:
                return {name.lower(): value for name, value in environment.items()}

        with _explained(settings):
            return settings(**Given(settings)())

    return read


@contextmanager
def _explained(settings: type[BaseSettings]) -> Iterator[None]:
    """Turn what the library raises into errors that name the variable and show no value."""
    try:
        yield
    except ValidationError as error:
        missing = [fault["loc"] for fault in error.errors(include_input=False) if fault["type"] == "missing"]
        kind = NotConfigured if ("endpoint",) in missing else ConfigurationError
        raise kind(_explain(settings, error)) from None
    except SettingsError as error:
        name = _FIELD.search(str(error))
        variable = f"{settings.model_config.get('env_prefix', '')}{name[1]}".upper() if name else "a variable"
        raise ConfigurationError(
            tr("settings: {variable}: must be JSON, for example [60, 300]", variable=variable)
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(tr("settings: .env: not UTF-8: {place}", place=_place(error))) from None


def _place(error: ValueError) -> str:
    return f"byte {error.start}" if isinstance(error, UnicodeDecodeError) else str(error)


def _explain(settings: type[BaseSettings], error: ValidationError) -> str:
    prefix = settings.model_config.get("env_prefix", "")
    lines = []
    for fault in error.errors(include_input=False):
        name, text = "_".join(str(part) for part in fault["loc"][:1]).upper(), fault["msg"]
        # what is about several settings together begins with the name of one
        lines.append(f"{prefix}{name}: {text}" if name else f"{prefix}{text.removeprefix('Value error, ')}")
    return "settings: " + "; ".join(lines)
