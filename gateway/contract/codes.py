"""A platform that publishes its code tables, so that they can be compared with those the connector writes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol, runtime_checkable

from gateway.contract.messages import Stamp, Verdict, WireRequest, WireResponse


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeDrift:
    """How a platform's table differs from ours on the day it was asked; each list in the order of the codes.

    version: the platform's own word for its version
    since:   the day our table began, None for the one that came with the connector
    """

    table: str
    version: str | None
    since: date | None
    missing: tuple[str, ...]
    """ours, and unknown there"""
    closed: tuple[str, ...]
    """ours, and no longer valid there"""
    added: tuple[str, ...]
    """valid there, and unknown to us"""
    renamed: tuple[str, ...]
    """of both, under different names"""

    @property
    def is_clean(self) -> bool:
        """Whether every code of ours means the same there, and there is nothing new."""
        return not (self.missing or self.closed or self.added or self.renamed)

    @property
    def breaks(self) -> bool:
        """Whether the platform would refuse codes that we send, or take them for something else."""
        return bool(self.missing or self.closed or self.renamed)


@runtime_checkable
class PublishesCodes(Protocol):
    """The platform can be asked for its code tables."""

    def code_tables(self) -> Sequence[str]:
        """Names of the tables whose codes the connector sends."""
        ...

    def encode_code_table(self, name: str, stamp: Stamp, /) -> WireRequest:
        """Ask for the whole table ``name``, as it is valid at the stamp's moment."""
        ...

    def decode_code_table(self, response: WireResponse, name: str, stamp: Stamp, /) -> CodeDrift | Verdict:
        """The differences, or the verdict that stopped the question."""
        ...
