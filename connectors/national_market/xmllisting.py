"""Dialect X with a listing: whole tables since a day, persons first, as our side is compared with the platform's.

An answer does not repeat what was asked, so its rows tell which table it is of; and as an empty answer says three
things, a table without rows ends the listing with a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence

from connectors.national_market import messages, rows
from connectors.national_market.dialect import Dialect, Read
from connectors.national_market.settings import NationalMarketSettings
from connectors.national_market.xmlstring import ReadableXmlStringMarket
from gateway.contract.messages import Holding, HoldingsPage, Payload, Stamp, Verdict, WireRequest, WireResponse
from gateway.domain.errors import ContractError
from gateway.domain.records import RecordKind
from gateway.domain.states import Event

_CERTIFICATES = "certificate"
_NO_CONTENT = ("RecordKey", "UpdateFlag", "RecordVersion", "OperateType")


class ListedXmlStringMarket(ReadableXmlStringMarket):
    """Dialect X with a reading call that may read whole tables: also ListsHoldings (by page)."""

    def __init__(self, settings: NationalMarketSettings, dialect: Dialect, read: Read) -> None:
        super().__init__(settings, dialect, read)

    def expected(self, payload: Payload, /) -> Holding:
        """The row as the platform should return it."""
        return self._holding({column: str(text) for column, text in payload.fields.items()})

    def encode_holdings(self, cursor: str | None, payload: Payload | None, stamp: Stamp, /) -> WireRequest:
        """One table: persons, then certificates."""
        tables, since = self._dialect.tables, self._read.since
        if payload is not None or since is None:
            raise ContractError("this platform's holdings are read by table")
        table = tables.certificate if cursor == _CERTIFICATES else tables.person
        return self._reading(table, self._settings.sender_code, since, stamp)

    def decode_holdings(
        self, response: WireResponse, payload: Payload | None, stamp: Stamp, /
    ) -> HoldingsPage | Verdict:
        """The rows of one table that were not withdrawn."""
        found = self._rows(response)
        if isinstance(found, Verdict):
            return found
        kinds = {self._kind_of(row) for row in found}
        if len(kinds) != 1 or None in kinds:
            reason = "a table without rows, or rows of no table that was asked for"
            return Verdict(event=Event.UNKNOWN, code="no_table", reason=reason)
        held = tuple(self._holding(row) for row in found if row.get(self._column("UpdateFlag", row)) != "D")
        return HoldingsPage(holdings=held, next_cursor=_CERTIFICATES if kinds == {RecordKind.PERSON} else None)

    def _kind_of(self, row: rows.Row) -> RecordKind | None:
        columns = self._dialect.columns
        sets: Sequence[tuple[RecordKind, dict[str, str]]] = (
            (RecordKind.PERSON, columns.person),
            (RecordKind.CERTIFICATE, columns.certificate),
        )
        return next((kind for kind, known in sets if set(known) <= row.keys()), None)

    def _holding(self, row: rows.Row) -> Holding:
        kind = self._kind_of(row) or RecordKind.CERTIFICATE
        apart = {self._column(path, row) for path in _NO_CONTENT if self._has(path, kind)}
        version = row.get(self._column("RecordVersion", row), "")
        return Holding(
            kind=kind,
            key=row[self._column("RecordKey", row)],
            version=messages.version_of(version) if version.isdecimal() else None,
            fields={column: text for column, text in self._folded(row).items() if column not in apart},
        )

    def _has(self, path: str, kind: RecordKind) -> bool:
        return path in self._dialect.columns_of(kind).values()
