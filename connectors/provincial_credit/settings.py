"""Settings of the provincial credit platform, prefix ``GATEWAY_PROVINCIAL_CREDIT__``.

No official interface document could be read, so every value a real platform might choose otherwise is a setting; the
connector's README says how sure each one is.
"""

from __future__ import annotations

import base64
import binascii
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from gateway.settings import PlatformSettings


class ProvincialCreditSettings(PlatformSettings):
    """``endpoint`` ends with the base path of the interface (``https://host/credit-platform/api/v1``)."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_PROVINCIAL_CREDIT__")

    app_key: str = Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")
    """name of the caller, issued by the platform"""
    app_secret: SecretStr = Field(min_length=16)
    """secret behind the app key; signs only the request for a short-lived one"""
    field_key: SecretStr
    """base64 of the 32-byte key for encrypted fields, shared with the platform"""
    field_key_id: str = Field(default="field-1", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    signature_alg: Literal["HMAC-SHA256", "HMAC-SM3"] = "HMAC-SHA256"
    verify_answers: bool = True
    """settle nothing by an answer whose signature is missing or wrong"""
    token_margin_seconds: float = Field(default=180, ge=0)
    """how long before its end a request secret is renewed"""
    clock_tolerance_seconds: float = Field(default=300, gt=0)
    """the platform refuses requests whose time is further off"""

    source_system: str = "SD_EDU_CENTRE"
    certification_category: str = Field(default="1", pattern=r"^[1-6]$")
    """证书种类 of the skill-post certificate: 1 vocational skill certificate, 3 post certificate"""
    batch_max: int = Field(default=200, ge=1, le=200)
    page_size: int = Field(default=200, ge=1, le=200)
    """rows of one page of held certificates"""

    feedback_limit: int = Field(default=200, ge=1, le=500)
    feedback_from: str = "BEGIN"
    """where the feed starts when there is no cursor: BEGIN, NOW or a date-time"""
    feedback_streams: tuple[str, ...] = ()
    """streams asked for; empty asks for all"""
    feedback_region: str | None = None

    min_interval_seconds: float = Field(default=0.5, ge=0)
    """two requests a second, the limit of the feed; everything else may be faster"""
    connections: int = Field(default=4, ge=1, le=64)
    retry_seconds: tuple[float, ...] = (1, 2, 4, 8, 16, 32, 60, 60)
    """the platform's own plan; afterwards the ledger goes on by the hour instead of giving up within minutes"""
    poll_seconds: tuple[float, ...] = (5, 15, 60, 300)
    poll_then_seconds: float | None = 900
    poll_give_up_seconds: float | None = 3 * 86400
    negative_lookups: int = Field(default=2, ge=1, le=10)

    @field_validator("field_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        try:
            key = base64.b64decode(value.get_secret_value(), validate=True)
        except binascii.Error:
            raise ValueError("must be base64") from None
        if len(key) != 32:
            raise ValueError("must hold 32 bytes")
        return value

    @property
    def digest_alg(self) -> Literal["sha-256", "sm3"]:
        """The digest that belongs to the signature."""
        return "sm3" if self.signature_alg == "HMAC-SM3" else "sha-256"

    @property
    def field_key_bytes(self) -> bytes:
        """The key for encrypted fields."""
        return base64.b64decode(self.field_key.get_secret_value())
