"""Hands records of one kind over, a message at a time, and reads what the owner returns. Pure: bytes and rows.

A record is accepted only by the owner's own word in a returned file or status column; that a file lies in the outbox,
or a row in the table, is the receipt. So a push is ``pending``, its result is fetched by receipt, and a push in doubt
is looked up by the number of its message.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase
from functools import cached_property

from ulid import ULID

from connectors.training_system.description import UNDESCRIBED, by_table, configured, lists, properties
from connectors.training_system.mapping import values_of
from connectors.training_system.schema import FormMapping, Listing, Mappings, Returned, Section
from connectors.training_system.settings import TrainingSystemSettings
from gateway.codec.replies import for_each, not_understood
from gateway.codec.tabular import TabularError
from gateway.contract.connector import Connector, ConnectorInfo, Endpoint
from gateway.contract.handover import (
    ask_place,
    ask_record,
    digest_of,
    document_of,
    files_with,
    hand_over_file,
    hand_over_rows,
    read_file,
    read_rows,
    returned_file,
    rows_page,
)
from gateway.contract.messages import (
    Draft,
    Health,
    Holding,
    HoldingsPage,
    Payload,
    Problems,
    Stamp,
    Verdict,
    WireRequest,
    WireResponse,
)
from gateway.domain.china import CHINA
from gateway.domain.records import RecordKind, Submission
from gateway.domain.states import Event
from gateway.settings import Loader

_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_RECEIPT = re.compile(r"(person|certificate|status_change)/([0-7][0-9A-HJKMNP-TV-Z]{25})")
_UNCLEAR = not_understood("not_tied", "not the answer to this question", replay_safe=True)


def build(loader: Loader) -> Connector:
    """Settings and mappings to a connector; ConfigurationError names what is missing or contradictory."""
    settings, endpoint, mappings = configured(loader)
    if by_table(endpoint):
        return (ListedTables if lists(mappings) else Tables)(settings, endpoint, mappings)
    return (ListedFiles if lists(mappings) else Files)(settings, endpoint, mappings)


class TrainingSystem(ABC):
    """What both ways share; a way says how a message is handed over and how results and lists are asked for."""

    def __init__(self, settings: TrainingSystemSettings, endpoint: Endpoint, mappings: Mappings) -> None:
        self._settings, self._endpoint, self.mappings = settings, endpoint, mappings

    @cached_property
    def info(self) -> ConnectorInfo:
        """The kinds that the newest mapping describes."""
        return properties(self._settings, self.mappings)

    @property
    def endpoint(self) -> Endpoint:
        """Folders or database, from the settings."""
        return self._endpoint

    def map(self, submission: Submission, /) -> Draft:
        """The row under its headings, as the mapping in force on the submission's day writes it."""
        record, section = submission.record, self.mappings.on(submission.day).section(submission.record.kind)
        fields: dict[str, str] = {}
        origin: dict[str, str] = {}
        values = values_of(submission) if section else {}
        for column in section.columns if section else ():
            cell = column.written(values)
            if cell:
                fields[column.heading] = cell
                origin[column.heading] = column.source or ""
        return Draft(kind=record.kind, record_key=record.key, version=record.version, fields=fields, sources=origin)

    def check(self, submission: Submission, draft: Draft, /) -> Payload | Problems:
        """Everything that does not fit the columns; what passes is kept by our own names, to be written on its day."""
        record, section = submission.record, self.mappings.on(submission.day).section(submission.record.kind)
        if section is None:
            raise ValueError(UNDESCRIBED)
        values = values_of(submission)
        broken = section.problems(values)
        if broken:
            return Problems(items=tuple(broken))
        return Payload(
            key=submission.key,
            kind=record.kind,
            record_key=record.key,
            version=record.version,
            fields=values,
            replaces=submission.replaces,
        )

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        """Handed over is pending, with the kind and number of the message for a receipt."""
        answer, kind = document_of(response), payloads[0].kind
        if answer is None or answer.get("digest") != digest_of(self.encode_push(payloads, stamp)):
            if answer is not None and response.status == 409 and self._is_taken(answer, payloads, stamp):
                taken = Verdict(event=Event.UNKNOWN, code="name_taken", reason="a file of this name was handed over")
                return for_each(taken, payloads)
            unclear = not_understood("not_tied", "not the answer to this hand-over", replay_safe=False)
            return for_each(unclear, payloads)
        if response.status == 409:
            columns = answer.get("columns")
            named = tuple(c for c in columns if isinstance(c, str)) if isinstance(columns, list) else ()
            reason = answer.get("reason")
            refused = Verdict(
                event=Event.UNKNOWN,
                code="table_refused",
                reason=f"{reason if isinstance(reason, str) else 'refused'} {', '.join(named)}".strip(),
                fields=named,
                split=True,
            )
            return for_each(refused, payloads)
        if response.status != 200:
            return for_each(not_understood("status", "not handed over", replay_safe=False), payloads)
        pending = Verdict(event=Event.PENDING, code="handed_over", receipt=f"{kind}/{stamp.message_id}")
        return for_each(pending, payloads)

    def encode_health(self, stamp: Stamp, /) -> WireRequest:
        """Whether folders or database can be used."""
        return ask_place("health")

    def decode_health(self, response: WireResponse, stamp: Stamp, /) -> Health:
        """Well where both folders can be used, or the database answers."""
        answer = document_of(response) or {}
        detail = answer.get("detail")
        well = response.status == 200 and answer.get("ok") is True and detail == ""
        return Health(ok=well, detail="ready" if well else str(detail or "no answer of the transport"))

    @abstractmethod
    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        """Hand one message over."""

    def _is_taken(self, answer: Mapping[str, object], payloads: Sequence[Payload], stamp: Stamp) -> bool:
        """Whether the answer says that something else was handed over under the message's name."""
        return False

    def in_force(self, kind: RecordKind, message: str) -> tuple[Section, date]:
        """The part of the mapping by which a message is written and read, and the day of the message.

        The day comes from the message's number, so that a message sent again is the same, whatever changed meanwhile.
        """
        day = ULID.from_str(message).datetime.astimezone(CHINA).date()
        section = self.mappings.on(day).section(kind)
        if section is None:
            raise ValueError(UNDESCRIBED)
        return section, day

    def cells(self, payloads: Sequence[Payload], stamp: Stamp) -> tuple[Section, date, list[dict[str, str]]]:
        """The rows of a message under their headings."""
        section, day = self.in_force(payloads[0].kind, stamp.message_id)
        of_message = {"message": stamp.message_id, "sent_on": day.isoformat()}
        rows = []
        for number, payload in enumerate(payloads, start=1):
            values = {name: str(value) for name, value in payload.fields.items()}
            rows.append(section.cells({**values, **of_message, "row": str(number)}))
        return section, day, rows


class Files(TrainingSystem):
    """Hands over files, and reads returned ones."""

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        """One file with a row of headings."""
        section, day, rows = self.cells(payloads, stamp)
        headings = [column.heading for column in section.columns]
        content = section.bytes_of([headings, *([row[name] for name in headings] for row in rows)])
        return hand_over_file(
            f"file {payloads[0].kind}",
            section.name(stamp.message_id, day),
            content,
            [payload.key for payload in payloads],
        )

    def _is_taken(self, answer: Mapping[str, object], payloads: Sequence[Payload], stamp: Stamp) -> bool:
        section, day = self.in_force(payloads[0].kind, stamp.message_id)
        return answer.get("name") == section.name(stamp.message_id, day)

    def encode_lookup(self, payload: Payload, stamp: Stamp, /) -> WireRequest:
        """Which files with the record were handed over."""
        return ask_record(f"look-up {payload.kind}", payload.key)

    def encode_lookup_page(self, payload: Payload, page: str, stamp: Stamp, /) -> WireRequest:
        """What the owner returned to a file that this ledger does not know; ``page`` is its receipt."""
        return self.encode_ack(page, stamp)

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        """Handed over is pending; not handed over is sure, for an attempt under way is stopped by being asked about."""
        answer = document_of(response)
        if answer is None or "record" not in answer:
            return self._returned(response, payload)
        names = files_with(response, payload.key)
        messages = [self._message(payload.kind, name) for name in names or ()]
        if names is None or not all(messages):
            return _UNCLEAR
        latest = _latest(messages, stamp)
        if latest is not None and latest != stamp.about:
            receipt = f"{payload.kind}/{latest}"
            return Verdict(event=Event.UNKNOWN, code="handed_over", reason="by an unknown message", next_page=receipt)
        return _handed(payload, latest)

    def _returned(self, response: WireResponse, payload: Payload) -> Verdict:
        """What a file says of the record that answers one this ledger does not know."""
        named = (document_of(response) or {}).get("name")
        message = self._message(payload.kind, named, returned=True)
        if message is None:
            return _UNCLEAR
        receipt = f"{payload.kind}/{message}"
        (verdict,) = self._decoded(response, receipt, [payload])
        return _held(replace(verdict, receipt=receipt))

    def _message(self, kind: RecordKind, name: object, *, returned: bool = False) -> str | None:
        """The number of the message in the name of a file, handed over or returned; None where it is neither."""
        for found in _ULID.findall(name) if isinstance(name, str) else ():
            section, day = self.in_force(kind, found)
            assert isinstance(name, str)
            pattern = section.returned_name(found, day) if returned else section.name(found, day)
            if name == pattern or (returned and fnmatchcase(name, pattern.replace("[", "[[]"))):
                return str(found)
        return None

    def encode_ack(self, receipt: str, stamp: Stamp, /) -> WireRequest:
        """Read the file that answers the one handed over."""
        kind, message = _parsed(receipt)
        section, day = self.in_force(kind, message)
        return read_file(f"result {kind}", section.returned_name(message, day))

    def decode_ack(
        self, response: WireResponse, receipt: str, payloads: Sequence[Payload], stamp: Stamp, /
    ) -> Sequence[Verdict]:
        """A row for each of ours; no file, a row that is left out or waits, and half a file are: not yet."""
        if not _RECEIPT.fullmatch(receipt):
            return for_each(_UNCLEAR, payloads)
        return self._decoded(response, receipt, payloads)

    def _decoded(self, response: WireResponse, receipt: str, payloads: Sequence[Payload]) -> Sequence[Verdict]:
        kind, message = _parsed(receipt)
        section, day = self.in_force(kind, message)
        pattern = section.returned_name(message, day)
        if response.status == 404:
            answer = document_of(response)
            if answer is None or answer.get("name") != pattern:
                return for_each(_UNCLEAR, payloads)
            return for_each(Verdict(event=Event.PENDING, code="not_returned"), payloads)
        returned = returned_file(response)
        if returned is None or not fnmatchcase(returned.name, pattern.replace("[", "[[]")):
            return for_each(_UNCLEAR, payloads)
        try:
            rows = section.returned.rows_of(returned.content)
        except TabularError as error:
            unreadable = Verdict(event=Event.RETRY, code="unreadable", reason=f"the returned file: {error}")
            return for_each(unreadable, payloads)
        return _results(section.returned, rows, payloads)


class Tables(TrainingSystem):
    """Hands over rows of a table, and reads their status."""

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        """One row for each, known by the numbers of message and record."""
        section, _, rows = self.cells(payloads, stamp)
        key = [section.heading("message"), section.heading("record")]
        assert section.table is not None
        told = [{name: cell or None for name, cell in row.items()} for row in rows]
        return hand_over_rows(f"rows {payloads[0].kind}", section.table, key, told)

    def encode_lookup(self, payload: Payload, stamp: Stamp, /) -> WireRequest:
        """All rows of the record, whatever message they came with."""
        section = self._asked_in(payload, stamp)
        return self._asked(f"look-up {payload.kind}", section, section.heading("record"), payload.key)

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        """A row is pending, none is sure: rows are written together or not at all."""
        page = rows_page(response, self.encode_lookup(payload, stamp))
        if page is None:
            return _UNCLEAR
        section = self._asked_in(payload, stamp)
        ours, message = section.heading("record"), section.heading("message")
        rows = [{name: value or "" for name, value in row.items()} for row in page.rows]
        if any(row.get(ours) != payload.key or not _ULID.fullmatch(row.get(message, "")) for row in rows):
            return _UNCLEAR
        latest = _latest([row[message] for row in rows], stamp)
        if latest is not None and latest != stamp.about:
            (verdict,) = _results(section.returned, [row for row in rows if row[message] == latest], [payload])
            return _held(replace(verdict, receipt=f"{payload.kind}/{latest}"))
        return _handed(payload, latest)

    def encode_ack(self, receipt: str, stamp: Stamp, /) -> WireRequest:
        """All rows of the message."""
        kind, message = _parsed(receipt)
        section, _ = self.in_force(kind, message)
        return self._asked(f"result {kind}", section, section.heading("message"), message)

    def decode_ack(
        self, response: WireResponse, receipt: str, payloads: Sequence[Payload], stamp: Stamp, /
    ) -> Sequence[Verdict]:
        """The status of each row."""
        if not _RECEIPT.fullmatch(receipt):
            return for_each(_UNCLEAR, payloads)
        page = rows_page(response, self.encode_ack(receipt, stamp))
        if page is None:
            return for_each(_UNCLEAR, payloads)
        kind, message = _parsed(receipt)
        section, _ = self.in_force(kind, message)
        rows = [{name: value or "" for name, value in row.items()} for row in page.rows]
        return _results(section.returned, rows, payloads)

    def _asked_in(self, payload: Payload, stamp: Stamp) -> Section:
        """The part that names the table: of the day of the push in doubt, else of today."""
        if stamp.about is not None:
            return self.in_force(payload.kind, stamp.about)[0]
        section = self.mappings.on(stamp.now.astimezone(CHINA).date()).section(payload.kind)
        if section is None:
            raise ValueError(UNDESCRIBED)
        return section

    @staticmethod
    def _asked(operation: str, section: Section, column: str, value: str) -> WireRequest:
        returned, ours = section.returned, section.heading("record")
        columns = [ours, section.heading("message"), returned.result, *([returned.reason] if returned.reason else [])]
        assert section.table is not None
        return read_rows(operation, section.table, columns, {column: value}, order=ours, limit=section.rows)


class _Lists(TrainingSystem):
    """What can be reconciled besides: an exported list, or a table of what the owner holds. One kind after another."""

    def expected(self, payload: Payload, /) -> Holding:
        """What any mapping's list shows, in our own form; a list shows only what it has columns for."""
        section = self.mappings.newest.section(payload.kind)
        if section is None or section.listing is None:
            raise ValueError(UNDESCRIBED)
        values = {name: str(value) for name, value in payload.fields.items()}
        shown = {
            column.source
            for mapping in self.mappings
            if (one := mapping.section(payload.kind)) is not None and one.listing is not None
            for column in one.listing.columns
            if column.source is not None
        }
        fields = {name: values.get(name, "") for name in sorted(shown)}
        return Holding(kind=payload.kind, key=_key(section.listing, values), fields=fields)

    def listings(self, stamp: Stamp) -> dict[RecordKind, Listing]:
        """The lists of the mapping in force."""
        mapping: FormMapping = self.mappings.on(stamp.now.astimezone(CHINA).date())
        return {kind: one.listing for kind, one in mapping.sections().items() if one.listing is not None}

    def listed_page(
        self, kind: RecordKind, rows: Sequence[Mapping[str, str]], stamp: Stamp, following: str | None
    ) -> HoldingsPage | Verdict:
        """Rows of a list as holdings; after the last page of a kind comes the next kind."""
        listings = self.listings(stamp)
        listing = listings[kind]
        lacking = [c.heading for c in listing.columns if any(c.heading not in row for row in rows)]
        if lacking:
            reason = f"the list of {kind} has no column {', '.join(lacking)}, which the mapping names"
            return Verdict(event=Event.UNKNOWN, code="list_headings", reason=reason)
        if following is None:
            later = list(listings)[list(listings).index(kind) + 1 :]
            cursor = f"{later[0]}|" if later else None
        else:
            cursor = f"{kind}|{following}"
        return HoldingsPage(holdings=tuple(_holding(kind, listing, row) for row in rows), next_cursor=cursor)

    def cursor(self, cursor: str | None, stamp: Stamp) -> tuple[RecordKind, str | None]:
        """The kind a cursor is in, and where in its list."""
        kind, _, after = (cursor or f"{next(iter(self.listings(stamp)))}|").partition("|")
        return RecordKind(kind), after or None


class ListedFiles(Files, _Lists):
    """With a list that the owner exports into the inbox."""

    def encode_holdings(self, cursor: str | None, payload: Payload | None, stamp: Stamp, /) -> WireRequest:
        """The newest list of a kind."""
        kind, _ = self.cursor(cursor, stamp)
        name = self.listings(stamp)[kind].file
        assert name is not None
        return read_file(f"list {kind}", name)

    def decode_holdings(
        self, response: WireResponse, payload: Payload | None, stamp: Stamp, /
    ) -> HoldingsPage | Verdict:
        """All rows of the list, which tells of the moment at which its file was written."""
        listings = self.listings(stamp)
        if response.status == 404:
            asked = (document_of(response) or {}).get("name")
            if asked not in [listing.file for listing in listings.values()]:
                return _UNCLEAR
            return Verdict(event=Event.UNKNOWN, code="no_list", reason="no exported list is in the inbox")
        found = returned_file(response)
        if found is None:
            return _UNCLEAR
        for kind, listing in listings.items():
            if fnmatchcase(found.name, str(listing.file).replace("[", "[[]")):
                try:
                    rows = listing.rows_of(found.content)
                except TabularError as error:
                    return Verdict(event=Event.UNKNOWN, code="unreadable", reason=f"the list of {kind}: {error}")
                page = self.listed_page(kind, rows, stamp, None)
                if isinstance(page, Verdict):
                    return page
                return HoldingsPage(holdings=page.holdings, next_cursor=page.next_cursor, as_of=found.modified)
        return _UNCLEAR


class ListedTables(Tables, _Lists):
    """With a table or view of what the owner holds."""

    def encode_holdings(self, cursor: str | None, payload: Payload | None, stamp: Stamp, /) -> WireRequest:
        """A page of a kind's table, by the column of its key."""
        kind, after = self.cursor(cursor, stamp)
        listing = self.listings(stamp)[kind]
        assert listing.table is not None
        columns = [c.heading for c in listing.columns] + ([listing.number] if listing.number else [])
        order = listing.column(listing.key[0]).heading
        return read_rows(f"list {kind}", listing.table, columns, {}, order=order, after=after)

    def decode_holdings(
        self, response: WireResponse, payload: Payload | None, stamp: Stamp, /
    ) -> HoldingsPage | Verdict:
        """The page, which names its table."""
        table = (document_of(response) or {}).get("table")
        for kind, listing in self.listings(stamp).items():
            page = rows_page(response, None)
            if page is not None and table == listing.table:
                rows = [{name: value or "" for name, value in row.items()} for row in page.rows]
                return self.listed_page(kind, rows, stamp, page.next_after)
        return _UNCLEAR


def _results(returned: Returned, rows: Sequence[Mapping[str, str]], payloads: Sequence[Payload]) -> Sequence[Verdict]:
    lacking = [name for name in (returned.record, returned.result) if any(name not in row for row in rows)]
    if lacking:
        reason = f"what was returned has no column {', '.join(lacking)}, which the mapping names"
        return for_each(Verdict(event=Event.HOLD, code="returned_headings", reason=reason), payloads)
    by_record: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        by_record.setdefault(row[returned.record].strip(), []).append(row)
    return [_result(returned, by_record.get(payload.key, [])) for payload in payloads]


def _result(returned: Returned, rows: Sequence[Mapping[str, str]]) -> Verdict:
    """The result of one record; rows that contradict each other are for a person."""
    results = {row[returned.result].strip() for row in rows}
    if not results or results <= set(returned.waiting):
        return Verdict(event=Event.PENDING, code="no_result")
    reason = next((row.get(returned.reason, "") for row in rows), "") if returned.reason else ""
    result = results.pop()
    if results:
        return Verdict(event=Event.UNKNOWN, code="contradictory", reason="the record was returned with two results")
    if result in returned.accepted:
        return Verdict(event=Event.ACCEPTED, code=result[:40])
    if result in returned.rejected:
        return Verdict(event=Event.REJECTED, code=result[:40], reason=reason)
    return Verdict(event=Event.UNKNOWN, code="result", reason=f"a result the mapping does not name; {reason}")


def _latest(messages: Sequence[str | None], stamp: Stamp) -> str | None:
    """The message that decides: the one asked about where it carried the record, else a later one that nobody knows.

    Earlier ones are known, and were settled before the one in doubt was made.
    """
    if stamp.about in messages:
        return stamp.about
    return max((one for one in messages if one and (stamp.about is None or one > stamp.about)), default=None)


def _handed(payload: Payload, latest: str | None) -> Verdict:
    """What a look-up says of the message in doubt."""
    if latest is None:
        return Verdict(event=Event.NOT_FOUND, code="not_handed_over")
    return Verdict(event=Event.PENDING, code="handed_over", receipt=f"{payload.kind}/{latest}")


def _held(result: Verdict) -> Verdict:
    """The result of a message that this ledger does not know; what was rejected is not there."""
    if result.event is Event.REJECTED:
        return Verdict(event=Event.NOT_FOUND, code="rejected_there")
    return result


def _parsed(receipt: str) -> tuple[RecordKind, str]:
    found = _RECEIPT.fullmatch(receipt)
    if found is None:
        raise ValueError("no receipt of this connector")
    return RecordKind(found[1]), found[2]


def _key(listing: Listing, values: Mapping[str, str]) -> str:
    return "|".join(values.get(name, "") for name in listing.key)


def _holding(kind: RecordKind, listing: Listing, row: Mapping[str, str]) -> Holding:
    values = {c.source: c.read(row[c.heading]) for c in listing.columns if c.source is not None}
    number = row.get(listing.number, "").strip() if listing.number else ""
    return Holding(kind=kind, key=_key(listing, values), fields=values, platform_id=number or None)
