"""The platform's code tables compared with the pinned ones: what was added, left out, renamed or closed over there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

from gateway.codec.codes import table
from gateway.domain.errors import ContractError

PINNED = (
    "cert_class",
    "cert_level",
    "cert_operate_type",
    "cert_status",
    "education_gbt4658",
    "ethnicity_gbt3304",
    "gender",
    "id_document_type",
    "post_category",
    "trade",
)
"""tables whose codes this connector sends; the platform knows them under the same names (an assumption)"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One code as the platform has it."""

    name: str
    valid: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """Codes that differ, each list in the order of the codes. ``missing`` and ``closed`` are refused if sent (303)."""

    table: str
    version: str | None
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


def compare(name: str, theirs: Mapping[str, Item], ours: Mapping[str, str], version: str | None = None) -> Drift:
    """Compare a table: code -> item of the platform with code -> name of ours."""
    both = sorted(theirs.keys() & ours.keys())
    return Drift(
        table=name,
        version=version,
        missing=tuple(sorted(ours.keys() - theirs.keys())),
        closed=tuple(code for code in both if not theirs[code].valid),
        added=tuple(sorted(code for code in theirs.keys() - ours.keys() if theirs[code].valid)),
        renamed=tuple(code for code in both if theirs[code].name != ours[code]),
    )


def pinned(name: str) -> dict[str, str]:
    """Code -> name of one of our tables; ContractError for a table that is not pinned here."""
    if name not in PINNED:
        raise ContractError(f"no pinned table {name}; there are {', '.join(PINNED)}")
    codes = table(name)
    return {row[codes.key]: row["name_zh"] for row in codes.rows if row[codes.key]}


def of_answer(answer: etree._Element, name: str) -> Drift:
    """Compare the content of a ``GetCodeTableResponse`` with the pinned table."""
    theirs = {
        (item.findtext("{*}Code") or "").strip(): Item(
            name=(item.findtext("{*}Name") or "").strip(),
            valid=(item.findtext("{*}Valid") or "").strip() in ("true", "1"),
        )
        for item in answer.iterfind("{*}CodeItem")
    }
    return compare(name, theirs, pinned(name), (answer.findtext("{*}TableVersion") or "").strip() or None)
