"""How two versions of a record differ, and what that says: the world changed, or the earlier one was never right."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any

from gateway.domain.records import Attachment, ChangeNature, Content

Difference = tuple[str | None, str | None]
"""old and new value of one field as text; None where the version does not have it"""

_WHO_AND_WHICH = frozenset(
    {"name", "id_type", "id_number", "gender", "birth_date", "ethnicity", "number", "trade", "trade_name", "cert_class"}
)
"""a person or certificate keeps these for life: where one differs, the earlier version was wrong"""
_HAPPENS = frozenset({"level", "status", "status_reason", "valid_from", "valid_to"})
"""these change in the life of a certificate"""
_OF_THE_WORLD = frozenset({"employer", "placement", "training"})
"""parts of a record whose every field may change from one day to the next"""
_WITHOUT_MEANING = frozenset({"entered_at"})
"""says when we read the content; ``fingerprint`` leaves it out too"""


def differences(old: Content, new: Content) -> Mapping[str, Difference]:
    """Fields that differ, by dotted path (``holder.employer.code``), in the order of their names."""
    before, after = _flat(old), _flat(new)
    found = {name: (before.get(name), after.get(name)) for name in sorted({*before, *after})}
    return {name: pair for name, pair in found.items() if pair[0] != pair[1]}


def nature(fields: Collection[str]) -> ChangeNature:
    """Tell a change of the world from a correction by the fields that differ.

    Who the person is and which certificate it is never change, so a difference there is a correction, whatever else
    differs: taken for a change it would leave the error standing for the past. Employer, contract, project, level,
    status and its dates change. All other fields alone (issuer, way of verification, contact) are corrected statements.
    Source: our reading; the notice asks for changes to be pushed (五(五)) and does not tell the two apart.
    """
    steps = [field.split(".") for field in fields]
    changing = [path for path in steps if not _OF_THE_WORLD.isdisjoint(path)]
    others = [path[-1] for path in steps if _OF_THE_WORLD.isdisjoint(path)]
    if not _WHO_AND_WHICH.isdisjoint(others):
        return ChangeNature.CORRECTION
    return ChangeNature.CHANGE if changing or not _HAPPENS.isdisjoint(others) else ChangeNature.CORRECTION


def _flat(value: Any, path: str = "") -> dict[str, str]:
    """Dotted path -> text of every value that is there."""
    if value is None:
        return {}
    if isinstance(value, Attachment):
        return {path: f"{value.kind} {value.sha256}"}
    if isinstance(value, tuple) and any(map(dataclasses.is_dataclass, value)):
        return {name: text for n, one in enumerate(value) for name, text in _flat(one, f"{path}[{n + 1}]").items()}
    if not dataclasses.is_dataclass(value):
        return {path: _text(value)}
    found: dict[str, str] = {}
    for field in dataclasses.fields(value):
        if field.name not in _WITHOUT_MEANING:
            found |= _flat(getattr(value, field.name), f"{path}.{field.name}" if path else field.name)
    return found


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value.timestamp():.6f}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value)
