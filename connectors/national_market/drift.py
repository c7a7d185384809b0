"""The platform's code tables compared with ours of the day: what was added, left out, renamed or closed over there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from lxml import etree

from connectors.national_market.tables import InForce, in_force
from gateway.contract.codes import CodeDrift
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


def ours_on(name: str, day: date, folder: str | None) -> InForce:
    """Our table as it stands on a day; ContractError for one that is not pinned here."""
    if name not in PINNED:
        raise ContractError(f"no pinned table {name}; there are {', '.join(PINNED)}")
    return in_force(name, day, folder)


def compare(theirs: Mapping[str, Item], ours: InForce, version: str | None = None) -> CodeDrift:
    """Compare a table: code -> item of the platform with ours."""
    both = sorted(theirs.keys() & ours.names.keys())
    return CodeDrift(
        table=ours.name,
        version=version,
        since=ours.since,
        missing=tuple(sorted(ours.names.keys() - theirs.keys())),
        closed=tuple(code for code in both if not theirs[code].valid),
        added=tuple(sorted(code for code in theirs.keys() - ours.names.keys() if theirs[code].valid)),
        renamed=tuple(code for code in both if theirs[code].name != ours.names[code]),
    )


def of_answer(answer: etree._Element, ours: InForce) -> CodeDrift:
    """Compare the content of a ``GetCodeTableResponse`` with our table."""
    theirs = {
        (item.findtext("{*}Code") or "").strip(): Item(
            name=(item.findtext("{*}Name") or "").strip(),
            valid=(item.findtext("{*}Valid") or "").strip() in ("true", "1"),
        )
        for item in answer.iterfind("{*}CodeItem")
    }
    return compare(theirs, ours, (answer.findtext("{*}TableVersion") or "").strip() or None)
