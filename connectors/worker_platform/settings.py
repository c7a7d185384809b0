"""Settings of the worker platform, prefix ``GATEWAY_WORKER_PLATFORM__``. Defaults: README, section "Settings".

Pace and poll plan come from the dialect; the settings of the same meaning win where they are given.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from connectors.worker_platform.cipher import KEY_BYTES
from connectors.worker_platform.dialect import Dialect
from connectors.worker_platform.envelope import Credentials
from gateway.contract.connector import Endpoint, Pace
from gateway.domain.errors import ConfigurationError
from gateway.domain.traffic import Waits, waits
from gateway.locale import tr
from gateway.settings import PlatformSettings

Seconds = Annotated[float, Field(gt=0)]


class WorkerPlatformSettings(PlatformSettings):
    """Address, credentials, dialect and times of one account at the platform."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_WORKER_PLATFORM__")

    appid: str = Field(min_length=1)
    appsecret: SecretStr
    """32 characters; key of signature and encryption, never sent"""
    corpkey: SecretStr | None = None
    """second secret of callers that sign as an enterprise (企业签名)"""
    dialect: str = "national"
    """name of a packaged dialect or path of a ``.toml`` file"""
    batch_max: int = Field(default=1, ge=1, le=5)
    """certificates in one call; whether the platform stores a batch in part is unknown, hence one"""
    project_codes: tuple[str, ...] = ()
    """projects whose workers and trainings are read at a reconciliation even where none of ours is expected"""
    verify_unsent: bool = True
    """whether a reconciliation asks for certificates that can only be read there, one call for each"""
    clock_warning_seconds: float = Field(default=60, gt=0)
    """a greater difference of the clocks is named by the health call; the platform's tolerance is unknown"""
    reply_media_types: frozenset[str] = frozenset({"application/json", "text/json", "text/plain"})
    min_interval_seconds: float = Field(default=1.2, ge=0)
    retry_seconds: tuple[float, ...] = (30, 60, 120, 240, 480, 900)
    retry_then_seconds: float | None = 900
    settling_seconds: tuple[float, ...] = Field(default=(60, 300, 900), min_length=2)
    poll_seconds: tuple[Seconds, ...] | None = Field(default=None, min_length=1)
    poll_then_seconds: Seconds | None = None
    poll_then_for_seconds: Seconds | None = None
    poll_late_seconds: Seconds | None = None
    poll_give_up_seconds: Seconds | None = None

    @field_validator("appsecret")
    @classmethod
    def _whole_key(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value().encode()) != KEY_BYTES:
            raise ValueError(f"must be {KEY_BYTES} bytes long")
        return value

    def credentials(self, dialect: Dialect) -> Credentials:
        """The secrets for signing; ConfigurationError where the dialect and the enterprise key do not agree."""
        if dialect.corpsign == "on" and self.corpkey is None:
            raise ConfigurationError(
                tr("GATEWAY_WORKER_PLATFORM__CORPKEY: the dialect demands an enterprise signature")
            )
        if dialect.corpsign == "off" and self.corpkey is not None:
            raise ConfigurationError(tr("GATEWAY_WORKER_PLATFORM__CORPKEY: the dialect knows no enterprise signature"))
        return Credentials(
            appid=self.appid,
            secret=self.appsecret.get_secret_value(),
            corpkey=None if self.corpkey is None else self.corpkey.get_secret_value(),
        )

    def endpoint_for(self, dialect: Dialect) -> Endpoint:
        """The transport's view, at the dialect's pace where the settings name none."""
        endpoint = self.to_endpoint()
        given = self.model_fields_set
        interval = self.min_interval_seconds if "min_interval_seconds" in given else dialect.rate.min_interval
        connections = self.connections if "connections" in given else dialect.rate.connections
        return replace(endpoint, pace=Pace(interval=timedelta(seconds=interval), connections=connections))

    def polls(self, dialect: Dialect) -> Waits:
        """First waits, a steady one for a while, a late one to the end."""
        plan = dialect.poll
        then = self.poll_then_seconds or plan.then
        steady = int((self.poll_then_for_seconds or plan.then_for) // then)
        return waits(
            *(self.poll_seconds or plan.first),
            *itertools.repeat(then, steady),
            then=self.poll_late_seconds or plan.late,
            give_up_after=self.poll_give_up_seconds or plan.give_up,
        )

    def lookups(self) -> Waits:
        """The settling times, then the last of them again until the retry plan gives up."""
        return waits(*self.settling_seconds, then=self.settling_seconds[-1], give_up_after=self.retry_give_up_seconds)
