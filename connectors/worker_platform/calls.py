"""How one kind of record is handed over and asked about: which call, with which fields, and what its rows say.

``CertificateCalls`` sends certificates themselves; the calls by project stand in ``project_calls``. Which one made a
payload is known from its fields, so that a stored payload is read as it was made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Generic, TypeVar

from connectors.worker_platform import field_names
from connectors.worker_platform.dialect import Dialect, folded
from connectors.worker_platform.forms import Credential, Form
from connectors.worker_platform.rows import Page, Row, key_of, normalised, number_of
from gateway.contract.messages import JSON, Holding, Payload, Verdict
from gateway.domain.errors import ContractError
from gateway.domain.records import RecordKind
from gateway.domain.states import Event
from gateway.locale import tr

Call = tuple[str, dict[str, JSON]]
"""method and business parameters, identity numbers still in clear"""

NO_WRITE = tr(
    "this dialect of the platform has no method that takes a certificate; certificates can only be read there"
)


F = TypeVar("F", bound=Form)
"""the form of its calls"""


class RecordCalls(ABC, Generic[F]):
    """Handing over one kind of record in one dialect."""

    kind: ClassVar[RecordKind]

    def __init__(self, dialect: Dialect, form: F, secret: str, sources: Mapping[str, str]) -> None:
        self._dialect, self.form, self._secret = dialect, form, secret
        self._ours = {form.wire(name): ours or name for name, ours in sources.items() if form.wire(name)}
        self._ours |= {name: ours or name for name, ours in sources.items()}

    @abstractmethod
    def push(self, payloads: Sequence[Payload]) -> Call:
        """The call that hands over payloads of one kind, all new to the platform or all changes."""

    @abstractmethod
    def question(self, payload: Payload, page: int) -> Call:
        """The query that would show the payload, page by page."""

    @abstractmethod
    def is_ours(self, row: Row, payload: Payload) -> bool:
        """Whether a row, by the platform's names, is about the payload; identity numbers are compared decrypted."""

    @abstractmethod
    def key(self, payload: Payload) -> str:
        """The natural key of the payload, as ``Holding.key``."""

    def in_our_words(self, verdict: Verdict) -> Verdict:
        """The verdict with our names of the fields that the platform refuses or shows otherwise."""
        return replace(verdict, fields=tuple(self._ours.get(name, name) for name in verdict.fields))

    def find(self, page: Page, payload: Payload) -> Row | None:
        """The payload's row on a page by our field names, or None."""
        row = next((row for row in page.rows if self.is_ours(row, payload)), None)
        return None if row is None else self.named(row)

    def is_readable(self, page: Page) -> bool:
        """Whether every row of a page says whose it is; one that does not might be ours."""
        name = self.form.wire("idCardNumber")
        return not page.short and all(number_of(row.get(name), self._secret) is not None for row in page.rows)

    def is_pure(self, page: Page, payload: Payload) -> bool:
        """Whether the platform showed only what it was asked for; where it did not, absence proves nothing."""
        return all(self._is_person(row, payload) for row in page.rows)

    def named(self, row: Row) -> Row:
        """What a row shows of the fields that are compared, by our names."""
        wire = self.form.wire
        return {name: row[wire(name)] for name in self.form.compare if wire(name) and wire(name) in row}

    def differences(self, payload: Payload, row: Row) -> tuple[str, ...]:
        """Names of the fields that the row shows and that are not ours. A field it does not show is not compared."""
        return tuple(name for name in row if normalised(name, payload.fields.get(name)) != normalised(name, row[name]))

    def judge(self, payload: Payload, row: Row) -> Verdict:
        """What a row under our key says about the payload."""
        differing = self.differences(payload, row)
        if not differing:
            return Verdict(event=Event.ACCEPTED, code="found", reason="identity, number and fields are ours")
        if payload.replaces:
            # An earlier version of ours is there; the change has not arrived. Sending an Update again is harmless.
            return Verdict(
                event=Event.NOT_FOUND, code="earlier_state", reason="an earlier state is there", fields=differing
            )
        return Verdict(event=Event.CONFLICT, code="different", reason="there with other content", fields=differing)

    def absent(self, payload: Payload) -> Verdict:
        """What it means that no page of the query shows the payload."""
        return Verdict(event=Event.NOT_FOUND, code="absent", reason="no such record under this key")

    def expected(self, payload: Payload) -> Holding:
        """What the platform should show once the payload is accepted."""
        return self._holding(self.key(payload), {name: payload.fields.get(name) for name in self.form.compare})

    def held(self, payload: Payload, row: Row) -> Holding:
        """What the platform shows under the payload's key. A field its rows do not show cannot be compared."""
        return self._holding(self.key(payload), row)

    def _holding(self, key: str, fields: Mapping[str, object]) -> Holding:
        shown = {name: normalised(name, value) for name, value in fields.items()}
        return Holding(kind=self.kind, key=key, fields=shown)

    def _on_wire(self, fields: Mapping[str, JSON]) -> dict[str, JSON]:
        wire = self.form.wire
        return {wire(name): value for name, value in fields.items() if wire(name)}

    def _page(self, page: int) -> dict[str, JSON]:
        return {"pageIndex": page, "pageSize": self._dialect.paging.max_size}

    def _is_person(self, row: Row, payload: Payload) -> bool:
        shown = row.get(self.form.wire("idCardNumber"))
        return number_of(shown, self._secret) == folded(payload.fields.get("idCardNumber"))


class CertificateCalls(RecordCalls[Credential]):
    """Certificates by a call of their own, known by identity and certificate number."""

    kind = RecordKind.CERTIFICATE

    def __init__(self, dialect: Dialect, secret: str) -> None:
        super().__init__(dialect, dialect.credential, secret, field_names.of_certificates(dialect))

    def push(self, payloads: Sequence[Payload]) -> Call:
        adds = not payloads[0].replaces
        methods, form = self._dialect.methods, self.form
        method = methods.credential_add if adds else methods.credential_update
        if not method:
            raise ContractError(NO_WRITE)
        listed = form.list_field and (adds or form.update_shape == "list")
        if not listed and len(payloads) != 1:
            raise ContractError(f"{method} takes one certificate")
        bodies = [self._on_wire(p.fields) for p in payloads]
        return method, {form.list_field: bodies} if listed else bodies[0]

    def question(self, payload: Payload, page: int) -> Call:
        who = self._on_wire({name: payload.fields[name] for name in ("idCardType", "idCardNumber")})
        return self._dialect.methods.credential_query, self._page(page) | who

    def is_ours(self, row: Row, payload: Payload) -> bool:
        shown = folded(row.get(self.form.wire("certificationCode")))
        return shown == folded(payload.fields.get("certificationCode")) and self._is_person(row, payload)

    def key(self, payload: Payload) -> str:
        return key_of(payload.fields.get("idCardNumber"), payload.fields.get("certificationCode"))
