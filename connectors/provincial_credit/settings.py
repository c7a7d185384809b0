"""Settings of the provincial credit platform, prefix ``GATEWAY_PROVINCIAL_CREDIT__``.

No official interface document could be read, so every value a real platform might choose otherwise is a setting; the
connector's README says how sure each one is.
"""

from __future__ import annotations

import base64
import binascii
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from connectors.provincial_credit.cipher import KEY_BYTES, FieldAlg
from connectors.provincial_credit.gm import PrivateKey, PublicKey, Sm2Error
from connectors.provincial_credit.keys import Sm2Key
from gateway.codec.jsonbody import BOUNDS
from gateway.settings import PolledSettings


class ProvincialCreditSettings(PolledSettings):
    """``endpoint`` ends with the base path of the interface (``https://host/credit-platform/api/v1``)."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_PROVINCIAL_CREDIT__")

    app_key: str = Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")
    """name of the caller, issued by the platform"""
    app_secret: SecretStr = Field(min_length=16)
    """secret behind the app key; signs only the request for a short-lived one"""
    field_key: SecretStr
    """base64 of the key for encrypted fields, shared with the platform: 32 bytes, or 16 for SM4-GCM"""
    field_key_id: str = Field(default="field-1", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    field_alg: FieldAlg = "AES-256-GCM"
    field_keys: dict[str, SecretStr] = Field(default_factory=dict)
    """further field keys by id, base64, that what comes may be encrypted with: earlier ones, or the next"""
    signature_alg: Literal["HMAC-SHA256", "HMAC-SM3", "SM2-SM3"] = "HMAC-SHA256"
    signature_form: Literal["raw", "der"] = "raw"
    """SM2 signatures as r and s (64 bytes) or as ASN.1 DER, ours and the platform's"""
    signing_key: SecretStr | None = None
    """ours, 32 bytes in hex; with SM2-SM3 there is no login"""
    signing_key_id: str = Field(default="caller-1", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    platform_keys: dict[str, str] = Field(default_factory=dict)
    """the platform's public keys by id, x and y in hex; several while it changes its key"""
    platform_key_id: str = "platform-1"
    """which of them bodies are encrypted for"""
    encrypted_bodies: bool = False
    """every JSON body travels in a GmEnvelope; needs SM2-SM3"""
    answers: Literal["problem", "national", "zhejiang"] = "problem"
    """form of answers: problem details (RFC 9457), or an envelope with the numbers of an older platform"""
    verify_answers: bool = True
    """settle nothing by an answer whose signature is missing or wrong"""
    token_margin_seconds: float = Field(default=180, ge=0)
    """how long before its end a request secret is renewed"""
    clock_tolerance_seconds: float = Field(default=300, gt=0)
    """the platform refuses requests whose time is further off"""

    source_system: str = "SD_EDU_CENTRE"
    certification_category: str = Field(default="1", pattern=r"^[1-6]$")
    """证书种类 of the skill-post certificate: 1 vocational skill certificate, 3 post certificate"""
    push_by: Literal["batch", "item"] = "batch"
    """batches with a result by serial code, or one certificate a call, answered at once"""
    batch_max: int = Field(default=200, ge=1, le=200)
    page_size: int = Field(default=200, ge=1, le=200)
    """rows of one page of held certificates"""

    feedback_by: Literal["cursor", "pages"] = "cursor"
    """the change feed, or pages by update time where a platform has no feed"""
    page_overlap_seconds: int = Field(default=600, ge=0)
    """how far each window of update times reaches back into the one before"""
    page_distance_seconds: int = Field(default=120, ge=0)
    """how close to now a window may end"""
    feedback_limit: int = Field(default=200, ge=1, le=500)
    feedback_from: str = "BEGIN"
    """where the feed starts when there is no cursor: BEGIN, NOW or a date-time"""
    feedback_streams: tuple[str, ...] = ()
    """streams asked for; empty asks for all"""
    feedback_region: str | None = None
    awaited_hours: float = Field(default=24, ge=0)
    """how often to ask which acknowledgements the platform still waits for; 0: never"""

    idempotency_days: float = Field(default=7, gt=0)
    """for how long the platform knows a message again by its key"""
    desk_asking_seconds: float = Field(default=6 * 3600, ge=0)
    """at least so long between two questions about one objection or ticket"""
    objection_accept_days: int = Field(default=2, ge=1)
    """working days within which the platform accepts an objection"""
    objection_answer_days: int = Field(default=7, ge=1)
    """working days within which it answers one it has accepted"""
    tickets: tuple[Literal["IDENTITY", "FORK", "GAP", "DISAPPEARED", "DUPLICATE", "PERIOD", "OWNER"], ...] = (
        "DISAPPEARED",
        "FORK",
        "IDENTITY",
    )
    """kinds of our tickets that the platform is told of; empty: none"""
    scan_bytes: int = Field(default=5 * 1024 * 1024, ge=1)
    """the largest scan the platform takes"""
    answer_bytes: int = Field(default=BOUNDS.size, ge=1024)
    answer_items: int = Field(default=BOUNDS.items, ge=100)
    answer_depth: int = Field(default=BOUNDS.depth, ge=8)
    """the largest JSON answer that is read: bytes, values and levels; a larger one is not understood"""

    min_interval_seconds: float = Field(default=0.5, ge=0)
    """two requests a second, the limit of the feed; everything else may be faster"""
    connections: int = Field(default=4, ge=1, le=64)
    retry_seconds: tuple[float, ...] = (1, 2, 4, 8, 16, 32, 60, 60)
    """the platform's own plan; afterwards the ledger goes on by the hour instead of giving up within minutes"""
    poll_give_up_seconds: float | None = 3 * 86400
    negative_lookups: int = Field(default=2, ge=1, le=10)

    @field_validator("field_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        if len(_bytes(value)) not in KEY_BYTES.values():
            raise ValueError("must hold 32 or 16 bytes")
        return value

    @field_validator("field_keys")
    @classmethod
    def _are_keys(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for key in value.values():
            if len(_bytes(key)) not in KEY_BYTES.values():
                raise ValueError("each must hold 32 or 16 bytes")
        return value

    @model_validator(mode="after")
    def _fits_the_profile(self) -> Self:
        if len(_bytes(self.field_key)) != KEY_BYTES[self.field_alg]:
            raise ValueError(f"field_key must hold {KEY_BYTES[self.field_alg]} bytes for {self.field_alg}")
        if self.signature_alg != "SM2-SM3":
            if self.encrypted_bodies:
                raise ValueError("encrypted_bodies needs signature_alg SM2-SM3")
            return self
        if self.signing_key is None or self.platform_key_id not in self.platform_keys:
            raise ValueError("SM2-SM3 needs signing_key and platform_keys with platform_key_id")
        try:
            self.sm2_private, self.platform_sm2  # noqa: B018  # reading them checks them
        except Sm2Error as error:
            raise ValueError(f"SM2 keys: {error}") from None
        return self

    @property
    def digest_alg(self) -> Literal["sha-256", "sm3"]:
        """The digest that belongs to the signature."""
        return "sha-256" if self.signature_alg == "HMAC-SHA256" else "sm3"

    @property
    def field_key_bytes(self) -> bytes:
        """The key for encrypted fields."""
        return _bytes(self.field_key)

    @property
    def other_field_keys(self) -> dict[str, bytes]:
        """Keys that may have been used besides."""
        return {key_id: _bytes(key) for key_id, key in self.field_keys.items()}

    @property
    def sm2_private(self) -> PrivateKey:
        """Our SM2 key."""
        assert self.signing_key is not None
        return PrivateKey(self.signing_key.get_secret_value())

    @property
    def sm2_der(self) -> bool:
        """Whether SM2 signatures are ASN.1 DER."""
        return self.signature_form == "der"

    @property
    def sm2_key(self) -> Sm2Key:
        """What we sign with under SM2-SM3."""
        return Sm2Key(private=self.sm2_private, key_id=self.signing_key_id, der=self.sm2_der)

    @property
    def platform_sm2(self) -> dict[str, PublicKey]:
        """The platform's SM2 keys by id."""
        return {key_id: PublicKey(text) for key_id, text in self.platform_keys.items()}


def _bytes(secret: SecretStr) -> bytes:
    try:
        return base64.b64decode(secret.get_secret_value(), validate=True)
    except binascii.Error:
        raise ValueError("must be base64") from None
