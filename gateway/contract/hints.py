"""A platform's own word that its feed has moved. It is a reason to look, and nothing it says is believed or kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, runtime_checkable

from gateway.contract.messages import WireRequest, WireResponse


@dataclass(frozen=True, kw_only=True, slots=True)
class HintTerms:
    """What was agreed about hints.

    body_bytes: the largest body that is read
    remembered: for how long a nonce is refused again; longer than the time of a hint may be off, either way
    spacing:    at least so long between two pulls that hints cause, however many come
    """

    body_bytes: int
    remembered: timedelta
    spacing: timedelta


class HintRefusal(StrEnum):
    """Why the core takes no hint."""

    TOO_LARGE = "too_large"
    REPLAYED = "replayed"
    BUSY = "busy"
    """more hints than can be remembered"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hint:
    """A hint that is surely the platform's and of now; ``nonce`` tells it from every other one."""

    nonce: str


@runtime_checkable
class GivesHints(Protocol):
    """The platform may call us when its feed has moved."""

    @property
    def hints(self) -> HintTerms | None:
        """None where nothing was agreed, so that nothing is listened to."""
        ...

    def decode_hint(self, request: WireRequest, now: datetime, /) -> Hint | WireResponse:
        """The hint, or the refusal to answer with. ``path`` is as it came, with its query. Total."""
        ...

    def encode_hint_answer(self, refusal: HintRefusal | None, /) -> WireResponse:
        """What the platform hears of a hint that was taken (None) or not."""
        ...
