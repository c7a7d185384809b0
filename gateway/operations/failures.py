"""What failed, as a person works it off: first by reason with the act that helps, then each with the city's row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.codec.redact import masked_subject
from gateway.contract.connector import Connector
from gateway.delivery.refusals import refusals
from gateway.delivery.store import views
from gateway.delivery.store.views import DeliveryFilter, FailureGroup
from gateway.domain.records import RecordKind
from gateway.domain.states import State
from gateway.intake.reading import columns
from gateway.intake.reading.record_fields import cell_of
from gateway.intake.store.refused import RowPlace, places
from gateway.locale import Text, tr
from gateway.store.engine import Store


@dataclass(frozen=True, kw_only=True)
class FailureAct:
    """A group of failures with the act that helps."""

    group: FailureGroup
    act: Text


@dataclass(frozen=True, kw_only=True)
class Failures:
    """total: how many there are; ``rows`` are the first of them, by number"""

    total: int
    groups: list[FailureAct]
    rows: list[dict[str, Any]]


def failed(store: Store, connectors: Mapping[str, Connector], wanted: DeliveryFilter, limit: int) -> Failures:
    """What matches, with the row of the city behind each and the cells that are to be corrected. People are masked.

    Each row has, beside what the ledger says: ``whom``, ``batch``, ``row``, ``report_no`` and ``cells``.
    """
    with store.read() as connection:
        total, rows = views.listed(connection, wanted, limit)
        groups = views.grouped(connection, wanted)
        ids = [row["id"] for row in rows]
        found = views.records_of(connection, store.vault, [*ids, *(one.first for one in groups)])
        where = places(connection, [(record.kind, record.key) for record in found.values()])
        cells = {one.delivery.id: _cells(one) for one in refusals(store, connection, connectors, ids=ids)}
    return Failures(
        total=total,
        groups=[_acting(one, where.get(found[one.first].key)) for one in groups],
        rows=[
            {
                **row,
                "whom": masked_subject(found[row["id"]].content),
                **_place(where.get(row["record_key"])),
                "cells": cells.get(row["id"], []),
            }
            for row in rows
        ],
    )


def _cells(one: Any) -> list[str]:
    """Titles of the form's cells that a refusal is about."""
    fields = (cell_of(RecordKind(one.delivery.kind), problem.field) for problem in one.problems)
    return list(dict.fromkeys(columns.title(field) for field in fields if field))


def _place(place: RowPlace | None) -> dict[str, Any]:
    if place is None:
        return {"batch": None, "row": None, "report_no": None}
    return {"batch": place.batch, "row": place.row_no, "report_no": place.report_no}


def _acting(one: FailureGroup, place: RowPlace | None) -> FailureAct:
    show = f"gateway show {one.first}"
    if one.state is State.REJECTED:
        named = None if place is None else place.report_no or place.batch
        again = f"gateway replay plan --platform {one.platform} --code {one.code} --reason …"
        if named is None:
            return FailureAct(group=one, act=tr("{show}; {again}", show=show, again=again))
        back = f"gateway batches returns {quoted(named)} OUT.xlsx"
        return FailureAct(
            group=one,
            act=tr(
                "to the city: {back}; where the fault is not the record's: {again}",
                back=back,
                again=again,
            ),
        )
    if one.conflict:
        return FailureAct(
            group=one,
            act=tr(
                "{show}; settle with the platform whose it is, then gateway release {number} --reason …",
                show=show,
                number=one.first,
            ),
        )
    again = f"gateway replay plan --platform {one.platform} --state parked --code {one.code} --reason …"
    return FailureAct(group=one, act=tr("{show}, then {again}", show=show, again=again))


def quoted(name: str) -> str:
    """A name as one word of a command line."""
    return name if all(c.isalnum() or c in "._-" for c in name) else '"{}"'.format(name.replace('"', '\\"'))
