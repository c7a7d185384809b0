"""Forms of the calls as data: which of our fields a call carries, under which names, in which shape.

Part of a dialect (``dialect``); the keys are explained in the README, section "Dialects".
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A table of a dialect's file; a key it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Form(Part):
    """What all calls have in common. ``fields`` renames our field names; an empty name leaves the field out."""

    list_field: str
    """list that holds the records of an Add; empty where the call takes one, flat"""
    update_shape: Literal["flat", "list"]
    compare: tuple[str, ...] = Field(min_length=1)
    fields: dict[str, str] = {}
    id_card_types: tuple[str, ...] = Field(min_length=1)
    lengths: dict[str, int]

    def wire(self, name: str) -> str:
        """The wire name of one of our fields, empty where it is not sent."""
        return self.fields.get(name, name)


class Credential(Form):
    """Form of the certificate calls."""

    extra_trades: dict[str, str] = {}
    """trades added to the platform's list since 2019: code -> name"""


class WorkerForm(Form):
    """Form of ``ProjectWorker.Add`` and ``.Update``."""

    outer: tuple[str, ...]
    """our names of the fields that stand beside the list, not in it"""
    required: tuple[str, ...] = Field(min_length=1)
    nation: Literal["name", "code"]
    genders: dict[str, str]
    """GB/T 2261.1 -> the platform's own code"""
    role: Annotated[int, Field(ge=0)]
    """the platform's code for construction workers"""
    codes: dict[str, dict[str, str]] = {}
    """our field -> national code -> code of a dictionary of the platform's own; what a table lacks is refused"""
    dictionaries: tuple[str, ...] = ()
    """our fields with a dictionary of the platform's own; the health call warns of those without ``codes``"""
    constants: dict[str, str | int | float] = {}
    """wire name -> value, sent with every worker: what an account has agreed on and no filing says"""
    photo: Literal["data_uri", "base64"]
    photo_max: int = Field(ge=1)
    """characters of the photo's text, prefix included"""


class TrainingForm(Form):
    """Form of ``ProjectTraining.Add``: one training for each certificate, because its name is its key."""

    required: tuple[str, ...] = Field(min_length=1)
    name: str
    """name of the training; ``{number}`` stands for the certificate's number and must occur"""
    type_code: str
    passed: int
    """the platform's code for a passed examination"""
