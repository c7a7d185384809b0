"""Settings of the platform, prefix ``GATEWAY_EXAMPLE_PLATFORM__``; the README says how sure each default is."""

from __future__ import annotations

from gateway.settings import PlatformSettings
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

PLATFORM = "example_platform"


class ExamplePlatformSettings(PlatformSettings):
    """What every platform has (address, pace, waits, TLS), and this account."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_EXAMPLE_PLATFORM__")

    token: SecretStr
    """of the account (assumed)"""
    batch_max: int = Field(default=10, ge=1)
    """records in one request (assumed)"""
