"""The connector of the worker platform. Writes are asynchronous: a push gives a receipt, the result is polled.

How an answer is tied to its request: the answer to a push holds nothing of the request, so the tie is the exchange
itself (one request, one answer, one connection), and a push alone is never more than ``pending``. The poll must name
the receipt asked for, and a look-up counts only when the identity number of a row decrypts to ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

from connectors.worker_platform import answers, holdings
from connectors.worker_platform.dialect import Dialect, Kind, whole_number
from connectors.worker_platform.dialect_file import load_dialect
from connectors.worker_platform.envelope import encode
from connectors.worker_platform.mapping import draft_certificate
from connectors.worker_platform.schema import problems
from connectors.worker_platform.settings import WorkerPlatformSettings
from gateway.codec.replies import for_each, not_understood
from gateway.contract.connector import ConnectorInfo, Endpoint, HoldingsBy, KindInfo
from gateway.contract.messages import (
    JSON,
    Draft,
    Health,
    Holding,
    HoldingsPage,
    Payload,
    Problem,
    Problems,
    Stamp,
    Verdict,
    WireRequest,
    WireResponse,
)
from gateway.domain.delivery import Event
from gateway.domain.errors import ConfigurationError, ContractError
from gateway.domain.records import Certificate, RecordKind, Submission
from gateway.settings import Loader

PLATFORM = "worker_platform"
_NO_WRITE = "this dialect of the platform has no method that takes a certificate; certificates can only be read there"
_DECLINED = {
    RecordKind.PERSON: (
        "the platform registers a worker only within a project, with company and team, which a filing does not know"
    ),
    RecordKind.STATUS_CHANGE: "no method for a change of status is known; a later certificate version carries it",
    RecordKind.WITHDRAWAL: "the platform has no method that deletes anything",
}


def build(load: Loader) -> WorkerPlatform:
    """Build the connector from its settings; ConfigurationError names what does not fit."""
    settings = load(WorkerPlatformSettings)
    return WorkerPlatform(settings, load_dialect(settings.dialect))


class WorkerPlatform:
    """Connector, PollsAcks, LooksUp, ListsHoldings and ProbesHealth of ``gateway.contract``."""

    def __init__(self, settings: WorkerPlatformSettings, dialect: Dialect) -> None:
        self._dialect = dialect
        self._credentials = settings.credentials(dialect)
        self._endpoint = settings.endpoint_for(dialect)
        self._info = _info(settings, dialect)

    @property
    def info(self) -> ConnectorInfo:
        return self._info

    @property
    def endpoint(self) -> Endpoint:
        return self._endpoint

    def map(self, submission: Submission, /) -> Draft:
        record = submission.record
        if isinstance(record.content, Certificate) and record.kind is RecordKind.CERTIFICATE:
            return draft_certificate(record, record.content, self._dialect.credential)
        return Draft(kind=record.kind, record_key=record.key, version=record.version, fields={})

    def check(self, submission: Submission, draft: Draft, /) -> Payload | Problems:
        if draft.kind not in self._info.kinds:
            reason = self._info.declined[draft.kind]
            return Problems(items=(Problem(field="kind", rule="declined", message=reason),))
        broken = problems(draft.fields, draft.sources, draft.problems, self._dialect.credential)
        if broken:
            return Problems(items=broken)
        return Payload(
            key=submission.key,
            kind=draft.kind,
            record_key=draft.record_key,
            version=draft.version,
            fields=draft.fields,
            replaces=submission.replaces,
        )

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        first = {not p.replaces for p in payloads}
        if len(first) != 1:
            raise ContractError("one call adds certificates or changes them, not both")
        methods, form = self._dialect.methods, self._dialect.credential
        method = methods.credential_add if first == {True} else methods.credential_update
        if not method:
            raise ContractError(_NO_WRITE)
        listed = form.list_field and (first == {True} or form.update_shape == "list")
        if not listed and len(payloads) != 1:
            raise ContractError(f"{method} takes one certificate")
        bodies = [self._on_wire(p.fields) for p in payloads]
        return self._call(method, {form.list_field: bodies} if listed else bodies[0], stamp)

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        answer = answers.read(response)
        if answer is None:
            return for_each(not_understood("unreadable", "not the platform's envelope", replay_safe=False), payloads)
        if answers.is_success(answer):
            receipt = answers.serial(answer.at(self._dialect.result.serial_path))
            if receipt is None:
                reason = "taken, but without a serial code"
                return for_each(not_understood("no_serial", reason, replay_safe=False), payloads)
            return for_each(Verdict(event=Event.PENDING, code=answer.code, receipt=receipt), payloads)
        kind = answers.kind_of_refusal(answer, self._dialect)
        return answers.apportion(_event(kind, answers.PUSH_EVENTS, payloads), answer.code, answer.message, payloads)

    def encode_ack(self, receipt: str, stamp: Stamp, /) -> WireRequest:
        return self._call(self._dialect.methods.result, {self._dialect.result.request_field: receipt}, stamp)

    def decode_ack(
        self, response: WireResponse, receipt: str, payloads: Sequence[Payload], stamp: Stamp, /
    ) -> Sequence[Verdict]:
        answer, result = answers.read(response), self._dialect.result
        if answer is None:
            return for_each(not_understood("unreadable", "not the platform's envelope", replay_safe=True), payloads)
        if not answers.is_success(answer):
            return for_each(answers.one_refusal(answer, self._dialect, answers.POLL_EVENTS, payloads), payloads)
        if answers.serial(answer.at(result.echo_path)) != receipt:
            return for_each(not_understood("other_receipt", "the result of another serial", replay_safe=True), payloads)
        state = whole_number(answer.at(result.state_path))
        if state is not None and state in result.done:
            return for_each(Verdict(event=Event.ACCEPTED, code=state), payloads)
        if state is not None and state in result.failed:
            text = answers.flat_text(answer.at(result.text_path))
            kind = self._dialect.kind_of(text) or result.unmatched
            return answers.apportion(_event(kind, answers.RESULT_EVENTS, payloads), state, text, payloads)
        waiting = Verdict(event=Event.PENDING, code=f"status_{state or 'unreadable'}", receipt=receipt)
        return for_each(waiting, payloads)

    def encode_lookup(self, payload: Payload, stamp: Stamp, /) -> WireRequest:
        return self._query(payload, stamp)

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        answer = answers.read(response)
        if answer is None:
            return not_understood("unreadable", "not the platform's envelope", replay_safe=True)
        if not answers.is_success(answer):
            return answers.one_refusal(answer, self._dialect, answers.QUERY_EVENTS, (payload,))
        found = holdings.find(answer, payload, self._dialect, self._credentials.secret)
        if found is None:
            return not_understood("no_rows", "the answer holds no rows", replay_safe=True)
        if not found.ours:
            if found.complete:
                return Verdict(event=Event.NOT_FOUND, code="absent", reason="no such certificate under this identity")
            return Verdict(
                event=Event.IN_DOUBT,
                code="rows_incomplete",
                reason="further pages or rows of other people",
            )
        return self._judge(payload, found.ours[0])

    def expected(self, payload: Payload, /) -> Holding:
        return holdings.expected(payload, self._dialect)

    def encode_holdings(self, cursor: str | None, payload: Payload | None, stamp: Stamp, /) -> WireRequest:
        if payload is None:
            raise ContractError("the platform shows certificates by identity only; holdings are read record by record")
        return self._query(payload, stamp)

    def decode_holdings(
        self, response: WireResponse, payload: Payload | None, stamp: Stamp, /
    ) -> HoldingsPage | Verdict:
        answer = answers.read(response)
        if answer is None or payload is None:
            return not_understood("unreadable", "not the platform's envelope", replay_safe=True)
        if not answers.is_success(answer):
            verdict = answers.one_refusal(answer, self._dialect, answers.QUERY_EVENTS, (payload,))
            return HoldingsPage(holdings=()) if verdict.event is Event.NOT_FOUND else verdict
        found = holdings.find(answer, payload, self._dialect, self._credentials.secret)
        if found is None or not (found.ours or found.complete):
            return not_understood("rows_incomplete", "further pages or rows of other people", replay_safe=True)
        return HoldingsPage(holdings=tuple(holdings.held(payload, row, self._dialect) for row in found.ours))

    def encode_health(self, stamp: Stamp, /) -> WireRequest:
        if self._dialect.methods.check_sign:
            return self._call(self._dialect.methods.check_sign, {}, stamp)
        return self.encode_ack("gateway-health-check", stamp)

    def decode_health(self, response: WireResponse, stamp: Stamp, /) -> Health:
        skew = _clock_skew(response, stamp)
        answer = answers.read(response)
        if answer is None:
            return Health(ok=False, detail=f"status {response.status}, no answer of the platform", clock_skew=skew)
        kind = None if answers.is_success(answer) else answers.kind_of_refusal(answer, self._dialect)
        # Without CheckSign the question is about a serial that does not exist: only "unknown serial" is expected.
        ok = kind is None or (kind is Kind.DATA and not self._dialect.methods.check_sign)
        detail = "credentials and signature accepted" if ok else f"code {answer.code}: {answers.clean(answer.message)}"
        return Health(ok=ok, detail=detail, clock_skew=skew)

    def _judge(self, payload: Payload, row: Mapping[str, object]) -> Verdict:
        differing = holdings.differences(payload, row, self._dialect)
        if not differing:
            return Verdict(event=Event.ACCEPTED, code="found", reason="identity, number and fields are ours")
        if payload.replaces:
            # An earlier version of ours is there; the change has not arrived. Sending an Update again is harmless.
            return Verdict(
                event=Event.NOT_FOUND, code="earlier_state", reason="an earlier state is there", fields=differing
            )
        return Verdict(event=Event.CONFLICT, code="different", reason="there with other content", fields=differing)

    def _query(self, payload: Payload, stamp: Stamp) -> WireRequest:
        identity = {name: payload.fields[name] for name in ("idCardType", "idCardNumber")}
        paging = self._dialect.paging
        data: dict[str, JSON] = {"pageIndex": paging.first_index, "pageSize": paging.max_size}
        return self._call(self._dialect.methods.credential_query, data | self._on_wire(identity), stamp)

    def _on_wire(self, fields: Mapping[str, JSON]) -> dict[str, JSON]:
        wire = self._dialect.credential.wire
        return {wire(name): value for name, value in fields.items() if wire(name)}

    def _call(self, method: str, data: Mapping[str, JSON], stamp: Stamp) -> WireRequest:
        asks_result = method == self._dialect.methods.result and self._dialect.result_path
        path = self._dialect.result_path if asks_result else self._dialect.path
        return encode(method, data, stamp, self._dialect, self._credentials, path=path)


def _info(settings: WorkerPlatformSettings, dialect: Dialect) -> ConnectorInfo:
    writes = dialect.capabilities.credential_write
    if writes and settings.batch_max > dialect.batch_max.credential:
        raise ConfigurationError("GATEWAY_WORKER_PLATFORM__BATCH_MAX: the dialect takes fewer in one call")
    if writes and settings.batch_max > 1 and dialect.credential.update_shape == "flat":
        raise ConfigurationError("GATEWAY_WORKER_PLATFORM__BATCH_MAX: changes travel one by one in this dialect")
    kinds = {RecordKind.CERTIFICATE: KindInfo(batch_max=settings.batch_max, replay_safe=False)} if writes else {}
    return ConnectorInfo(
        platform=PLATFORM,
        title_zh=dialect.title_zh,
        spec_version=f"open.api {dialect.spec_version} ({Path(settings.dialect).stem})",
        kinds=kinds,
        reply_media_types=settings.reply_media_types,
        reply_statuses=frozenset({200}),
        retry=settings.retry(),
        polls=settings.polls(dialect),
        lookups=settings.lookups(),
        negative_lookups=len(settings.settling_seconds),
        holdings_by=HoldingsBy.RECORD if dialect.capabilities.credential_read else None,
        declined=_DECLINED if writes else {**_DECLINED, RecordKind.CERTIFICATE: _NO_WRITE},
    )


def _event(kind: Kind, events: Mapping[Kind, Event], payloads: Sequence[Payload]) -> Event:
    """An earlier version is never under way any more, so a change of what is not there will not find it later."""
    changes = any(p.replaces for p in payloads)
    return Event.UNKNOWN if kind is Kind.ORDER and changes else events[kind]


def _clock_skew(response: WireResponse, stamp: Stamp) -> timedelta | None:
    try:
        theirs = parsedate_to_datetime(response.headers.get("date", ""))
    except (ValueError, TypeError):
        return None
    return (theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)) - stamp.now
