"""Settings of the training system, prefix ``GATEWAY_TRAINING_SYSTEM__``. All is assumed: see the README."""

from __future__ import annotations

from pathlib import Path

from pydantic_settings import SettingsConfigDict

from gateway.settings import HandOverSettings

PLATFORM = "training_system"


class TrainingSystemSettings(HandOverSettings):
    """Where things are handed over, and which mapping says in what form."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_TRAINING_SYSTEM__")

    mappings: Path
    """a mapping (``.toml``), or a folder of them, of which each is in force from its ``valid_from`` on"""
