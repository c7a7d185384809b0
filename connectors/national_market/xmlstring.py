"""Dialect X: services that take a table name and an XML string. One row to a call; the key makes a repeat harmless.

Follows public code of city and provincial services (README, "Dialect X"). Names come from the dialect file and the WSDL
beside it. Such an answer names no request: no serial number exists here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cached_property

from lxml import etree

from connectors.national_market import description, messages, results, rows
from connectors.national_market.dialect import Dialect, Read
from connectors.national_market.mapping import CHINA
from connectors.national_market.settings import NationalMarketSettings
from gateway.codec.replies import for_each, not_understood
from gateway.codec.soap import envelope as soap
from gateway.contract.connector import ConnectorInfo, Endpoint
from gateway.contract.messages import Draft, Health, Payload, Problems, Stamp, Verdict, WireRequest, WireResponse
from gateway.domain.errors import ConfigurationError
from gateway.domain.records import RecordKind, Submission
from gateway.domain.states import Event
from gateway.locale import tr

_WSDL = {"w": "http://schemas.xmlsoap.org/wsdl/", "s": "http://www.w3.org/2001/XMLSchema"}
_CODE = re.compile(r"(\d{3})(?:[ ,:，：]\s*(.*)|$)", re.DOTALL)
_STORED = frozenset({"000", "011"})
_ABSENT = "005"
_DAY = timedelta(days=1)
EMPTY = "empty_result"


class XmlStringMarket:
    """Dialect X without a reading call: nothing can be asked, so a push in doubt ends with a person."""

    def __init__(self, settings: NationalMarketSettings, dialect: Dialect) -> None:
        self._settings, self._dialect = settings, dialect
        self._port = _Port(dialect)
        self._endpoint = settings.to_endpoint()
        self._info = description.xml_string(settings, dialect)

    @property
    def info(self) -> ConnectorInfo:
        """Kinds, limits and plans."""
        return self._info

    @property
    def endpoint(self) -> Endpoint:
        """Address and pace."""
        return self._endpoint

    def map(self, submission: Submission, /) -> Draft:
        """Write the record in the platform's columns."""
        return rows.row_of(submission, self._dialect, self._settings)

    def check(self, submission: Submission, draft: Draft, /) -> Payload | Problems:
        """Apply the typed contract's rules and the receiver's character set."""
        return rows.check(submission, draft, self._dialect, self._settings)

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        """One row in one call."""
        (payload,) = payloads
        row, names, form = _row(payload), self._dialect.save.parameters, self._dialect.text
        user, password = self._account(row[self._dialect.region_column])
        text = rows.text_of(row, form)
        values = {
            names.table: self._table(row, payload),
            names.data: text,
            names.user: user,
            names.password: password,
        }
        if names.flag is not None:
            values[names.flag] = row[self._column("UpdateFlag", row)]
        envelope = self._port.envelope(self._dialect.save.operation, values)
        if form.cdata:
            data = envelope.find(f".//{{{self._port.namespace}}}{names.data}")
            assert data is not None
            data.text = etree.CDATA(text)
        return self._request(self._dialect.save.operation, envelope)

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        """Judge the one string of the answer."""
        text = self._text(response, self._dialect.save.operation)
        verdict = text if isinstance(text, Verdict) else self._judge(text, payloads)
        return for_each(verdict, payloads)

    def _judge(self, text: str, payloads: Sequence[Payload]) -> Verdict:
        if text in self._dialect.success:
            return Verdict(event=Event.ACCEPTED, code="000", reason=results.title("000"))
        if not text or text.startswith("<"):
            return not_understood(EMPTY if not text else "markup", "no result text", replay_safe=True)
        found = _CODE.match(text)
        code, details = (found[1], found[2] or "") if found else ("003", text)
        event = results.event_of(code)
        if code == _ABSENT and any(p.kind is RecordKind.WITHDRAWAL for p in payloads):
            return Verdict(event=Event.ACCEPTED, code=code, reason="nothing stands under this key any more")
        if event in (Event.ACCEPTED, Event.PENDING, Event.IN_DOUBT) and code not in _STORED:
            # codes of receipts, batches and serial numbers make no sense here
            event = Event.UNKNOWN
        named = {column for p in payloads for column in p.fields if re.search(rf"\b{column}\b", details, re.ASCII)}
        fields = tuple(sorted(named)) if event is Event.REJECTED else ()
        return Verdict(event=event, code=code, reason=details.strip() or results.title(code), fields=fields)

    def _text(self, response: WireResponse, operation: str) -> str | Verdict:
        name = f"{{{self._port.namespace}}}{operation}Response"
        answer = self._port.open(response.body, name, response.headers.get("content-type", ""))
        if not isinstance(answer, etree._Element):
            return results.of_failure(answer)
        if response.status != 200:
            return not_understood("error_status", "an answer under an error status", replay_safe=True)
        return (answer[0].text or "").strip() if len(answer) else ""

    def _request(self, operation: str, envelope: etree._Element) -> WireRequest:
        body, headers = self._port.seal(operation, envelope)
        return WireRequest(operation=operation, headers=headers, body=body)

    def _account(self, region: str) -> tuple[str, str]:
        """The account of a reporting region: its name is the region, unless the sender's own is called otherwise."""
        own = self._settings.region_accounts.get(region)
        if own is not None:
            return region, own.get_secret_value()
        return self._settings.account, self._settings.password.get_secret_value()

    def _table(self, row: rows.Row, payload: Payload) -> str:
        """The table a row belongs to, known by its columns: changes and withdrawals write rows of either."""
        if payload.kind in (RecordKind.PERSON, RecordKind.CERTIFICATE):
            return self._dialect.table_of(payload.kind)
        is_person = set(self._dialect.columns.person) <= row.keys()
        return self._dialect.table_of(RecordKind.PERSON if is_person else RecordKind.CERTIFICATE)

    def _folded(self, row: rows.Row) -> rows.Row:
        """A row in which names and dates that mean the same are equal."""
        columns = self._dialect.columns
        paths = columns.person if set(columns.person) <= row.keys() else columns.certificate
        return {column: messages.folded(paths.get(column, ""), text) for column, text in row.items()}

    def _column(self, path: str, row: rows.Row) -> str:
        """The row's column for an element of the typed contract."""
        columns = {**self._dialect.columns.certificate, **self._dialect.columns.person}
        return next(column for column, of in columns.items() if of == path and column in row)


class ReadableXmlStringMarket(XmlStringMarket):
    """Dialect X with a reading call: also LooksUp and ProbesHealth."""

    def __init__(self, settings: NationalMarketSettings, dialect: Dialect, read: Read) -> None:
        super().__init__(settings, dialect)
        self._read = read

    def encode_lookup(self, payload: Payload, stamp: Stamp, /) -> WireRequest:
        """Read the last days of the row's table, one day more at both ends: receivers differ in where a day ends."""
        row = _row(payload)
        begin = stamp.now.astimezone(CHINA).date() - self._read.days * _DAY
        return self._reading(self._table(row, payload), row[self._dialect.region_column], begin, stamp)

    def _reading(self, table: str, region: str, begin: date, stamp: Stamp) -> WireRequest:
        """Ask for the rows of a table from a day on, one day more at both ends."""
        names, (user, password) = self._read.parameters, self._account(region)
        values = {
            names.table: table,
            names.user: user,
            names.password: password,
            names.begin: (begin - _DAY).isoformat(),
            names.end: (stamp.now.astimezone(CHINA).date() + _DAY).isoformat(),
        }
        return self._request(self._read.operation, self._port.envelope(self._read.operation, values))

    def _rows(self, response: WireResponse) -> list[rows.Row] | Verdict:
        """The rows of an answer, or what it is. An empty string is never "not there": a refused login gives it too."""
        text = self._text(response, self._read.operation)
        if isinstance(text, Verdict):
            return text
        if not text:
            return not_understood(
                EMPTY, "empty: no rows, a refused login or no right; cannot tell which", replay_safe=True
            )
        if not text.startswith("<"):
            return _of_question(self._judge(text, ()))
        found = rows.rows_in(text, self._dialect.text)
        return results.of_failure(found) if isinstance(found, soap.Unreadable) else found

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        """Find the row by its key."""
        found = self._rows(response)
        return found if isinstance(found, Verdict) else self._compare(_row(payload), found)

    def encode_health(self, stamp: Stamp, /) -> WireRequest:
        """Read the persons of the last days, which harms nothing."""
        begin = stamp.now.astimezone(CHINA).date() - self._read.days * _DAY
        return self._reading(self._dialect.tables.person, self._settings.sender_code, begin, stamp)

    def decode_health(self, response: WireResponse, stamp: Stamp, /) -> Health:
        """Rows prove address and account. An empty answer proves the address only, and says so."""
        found = self._rows(response)
        if not isinstance(found, Verdict):
            return Health(ok=True, detail=f"{len(found)} rows of the last days were read")
        if found.code == EMPTY:
            return Health(ok=True, detail="answers; whether the account is right cannot be told from an empty answer")
        return Health(ok=False, detail=found.reason, code=found.code)

    def _compare(self, ours: rows.Row, found: Sequence[rows.Row]) -> Verdict:
        key, flag, version = (self._column(path, ours) for path in ("RecordKey", "UpdateFlag", "RecordVersion"))
        theirs = next((row for row in found if row.get(key) == ours[key]), None)
        if theirs is None:
            return Verdict(event=Event.NOT_FOUND, code="no_row", reason="no such row among those read")
        if ours[flag] == "D":
            gone = theirs.get(flag) == "D"
            told = "withdrawn" if gone else "the row has not been withdrawn"
            return Verdict(event=Event.ACCEPTED if gone else Event.NOT_FOUND, code="row", reason=told)
        number = theirs.get(version, "")
        if number.isdecimal() and messages.version_of(number) < int(ours[version]):
            return Verdict(event=Event.NOT_FOUND, code="older_version", reason="an earlier version is stored")
        theirs = {column: theirs.get(column, "") for column in ours}
        same = self._folded(ours), self._folded(theirs)
        differing = tuple(sorted(column for column in ours if same[0][column] != same[1][column]))
        if differing:
            return Verdict(
                event=Event.CONFLICT, code="other_content", reason="stored with other content", fields=differing
            )
        return Verdict(event=Event.ACCEPTED, code="row", reason="stored as sent")


class _Port(soap.Port):
    """A port of a WSDL that holds its schema itself, as .asmx services write it."""

    def __init__(self, dialect: Dialect) -> None:
        self._file = dialect.folder / dialect.wsdl
        super().__init__(wsdl=self._file, schema=self._file, service=dialect.service, port=dialect.port)

    @cached_property
    def _root(self) -> etree._Element:
        return etree.parse(str(self._file), soap.safe_parser()).getroot()

    @property
    def namespace(self) -> str:
        """The service's namespace, to the letter."""
        return self._root.get("targetNamespace", "")

    @cached_property
    def schema(self) -> etree.XMLSchema:
        """The schema inside the WSDL."""
        held = self._root.find("w:types/s:schema", _WSDL)
        if held is None:
            raise ConfigurationError(tr("{name}: the WSDL holds no schema", name=self._file.name))
        return etree.XMLSchema(etree.fromstring(etree.tostring(held), soap.safe_parser()))


def _row(payload: Payload) -> rows.Row:
    return {column: str(text) for column, text in payload.fields.items()}


def _of_question(verdict: Verdict) -> Verdict:
    """A code in answer to a question: it can hold or put off, but says nothing about the record."""
    if verdict.event in (Event.RETRY, Event.HOLD):
        return verdict
    return Verdict(event=Event.UNKNOWN, code=verdict.code, reason=verdict.reason)
