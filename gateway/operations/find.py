"""Everything that a number or name at hand may stand for: what it is, where it stands, the command that shows it.

Nothing is guessed: each kind of thing is looked up by its index, and all that match are told. People are masked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from gateway.codec.codes import table
from gateway.codec.redact import masked_subject
from gateway.credit.rules.tickets import DUTIES
from gateway.credit.store import draws, tickets
from gateway.credit.store import views as credit_views
from gateway.domain.errors import InputError
from gateway.domain.names import plain_name, variant_name
from gateway.domain.records import RecordKind
from gateway.domain.words import BY_KIND, DRAWN, STATES
from gateway.intake.store import batches, views
from gateway.locale import tr
from gateway.operations.failures import quoted
from gateway.operations.store import why as operations_why
from gateway.operations.store.why import Connectors
from gateway.store import records
from gateway.store.engine import Connection, Store

_MOST = 50
"""people of one name that are told"""
_CITY = 4
"""digits of a division that its districts share"""


@dataclass(frozen=True, kw_only=True)
class FoundThing:
    """One thing that was found.

    kind: person, certificate, row, delivery, receipt, platform_number, message, batch, report, ticket, draw, credit
    key:  what names it in the gateway
    text: where it stands, in few words; of the catalogue, so that it can be said in Chinese
    act:  the command that shows it
    """

    kind: str
    key: str
    text: str
    act: str


def find(store: Store, text: str, connectors: Connectors, *, city: str | None = None) -> list[FoundThing]:
    """All that the text names.

    city: code or name of a division, for the name of a person whom it reported; InputError for an unknown one
    """
    division = None if city is None else _division(city)
    with store.read() as connection:
        if division is not None:
            return _people_named(connection, store, text, division)
        return [
            *_on_paper(connection, store, text),
            *_numbered(connection, text, connectors),
            *_people_named(connection, store, text, None),
            *_read_in(connection, text),
            *_credit(connection, store, text),
        ]


def _division(city: str) -> str:
    codes = table("division_shandong")
    if city in codes:
        return city
    for row in codes.rows:
        if row["name_zh"] in (city, f"{city}市"):
            return row["code"]
    raise InputError(tr("no division {city!r}: give its code (370100) or its Chinese name", city=city))


def _on_paper(connection: Connection, store: Store, text: str) -> list[FoundThing]:
    """By certificate number or identity number, by the key of a record, and of rows by what is written in them."""
    id_types = [row["canonical"] for row in table("id_document_type").rows if row["canonical"]]
    found = operations_why.on_paper_or_key(connection, store.vault, text, id_types)
    things = [] if found.person_key is None else _people(connection, store, [found.person_key])
    things += _papers(connection, store, found.certificates)
    for row in found.rows:
        back = f"gateway batches returns {quoted(row.batch)} OUT.xlsx"
        things.append(
            FoundThing(
                kind="row",
                key=f"{row.batch} {row.row_no}",
                text=tr(
                    "row {row} of {batch}, report {report}: {outcome}",
                    row=row.row_no,
                    batch=row.batch,
                    report=row.report_no or "-",
                    outcome=_OUTCOMES[row.outcome],
                ),
                act=back if row.outcome in ("refuse", "hold") else f"gateway batches show {quoted(row.batch)}",
            )
        )
    return things


_OUTCOMES = {
    "admit": tr("admitted"),
    "unchanged": tr("unchanged"),
    "withdraw": tr("withdrawn"),
    "hold": tr("held back"),
    "refuse": tr("sent back"),
}


def _people(connection: Connection, store: Store, keys: Iterable[str]) -> list[FoundThing]:
    return [
        FoundThing(
            kind="person",
            key=one.key,
            text=masked_subject(one.content),
            act=f"gateway why {one.key}",
        )
        for one in records.newest_records(connection, store.vault, RecordKind.PERSON, sorted(set(keys)))
    ]


def _papers(connection: Connection, store: Store, keys: Iterable[str]) -> list[FoundThing]:
    return [
        FoundThing(
            kind="certificate",
            key=one.key,
            text=tr("{subject}, version {version}", subject=masked_subject(one.content), version=one.version),
            act=f"gateway why {one.key}",
        )
        for one in records.newest_records(connection, store.vault, RecordKind.CERTIFICATE, sorted(set(keys)))
    ]


def _numbered(connection: Connection, text: str, connectors: Connectors) -> list[FoundThing]:
    return [
        FoundThing(
            kind=one.by,
            key=str(one.id),
            text=tr(
                "delivery {id}, {platform}, {kind}: {state}",
                id=one.id,
                platform=one.platform,
                kind=BY_KIND.get(one.kind, one.kind),
                state=STATES[one.state].word,
            ),
            act=f"gateway show {one.id}",
        )
        for one in operations_why.deliveries_named(connection, text, connectors)
    ]


def _people_named(connection: Connection, store: Store, text: str, division: str | None) -> list[FoundThing]:
    """People of a name; with a division those of whom it, or a district of it, reported a certificate."""
    names = {plain_name(text), variant_name(text)} - {""}
    keys = {
        key
        for matches in records.find(connection, store.vault, "name", names).values()
        for kind, key in matches
        if kind == RecordKind.PERSON
    }
    if division is not None:
        keys &= operations_why.reported_by(connection, keys, division[:_CITY])
    return _people(connection, store, sorted(keys)[:_MOST])


def _read_in(connection: Connection, text: str) -> list[FoundThing]:
    """By the name of a batch file or the number of a report."""
    if not batches.named(connection, text):
        return []
    things = []
    for part in views.parts(connection, text):
        rows, left = part.rows.total(), part.open
        things.append(
            FoundThing(
                kind="batch" if part.name == text else "report",
                key=part.name,
                text=tr(
                    "{name}, report {report}: {count} rows, {left} open",
                    name=part.name,
                    report=part.report_no or "-",
                    count=rows,
                    left=left,
                ),
                act=f"gateway batches show {quoted(text)}",
            )
        )
    return things


def _credit(connection: Connection, store: Store, text: str) -> list[FoundThing]:
    """By the number of a ticket or a draw (or its beginning), a credit event or a credit record."""
    things = []
    one = tickets.find(connection, text)
    if one is not None:
        state = tr("open") if one.closed_at is None else tr("settled: {act}", act=one.act)
        things.append(
            FoundThing(
                kind="ticket",
                key=one.number,
                text=tr(
                    "{kind}, opened {day}: {state}",
                    kind=DUTIES[one.kind].title,
                    day=_day(one.opened_at),
                    state=state,
                ),
                act=f"gateway tickets show {one.number}",
            )
        )
    drawn = draws.draw_by_number(connection, text.strip().upper())
    if drawn is not None:
        things.append(
            FoundThing(
                kind="draw",
                key=drawn.number,
                text=tr(
                    "{count} of {population} {of}, {day}",
                    count=len(drawn.drawn),
                    population=drawn.population,
                    of=DRAWN[drawn.of],
                    day=_day(drawn.at),
                ),
                act=f"gateway supervise show {drawn.number}",
            )
        )
    for event in credit_views.events_named(connection, store.vault, text):
        things.append(
            FoundThing(
                kind="credit",
                key=event.event_id,
                text=tr(
                    "{platform}, record {record} version {version}: {outcome}",
                    platform=event.platform,
                    record=event.record_id,
                    version=event.version,
                    outcome=event.outcome,
                ),
                act=f"gateway credit show {event.event_id}",
            )
        )
    return things


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
