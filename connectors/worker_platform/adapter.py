"""The connector of the worker platform. Writes are asynchronous: a push gives a receipt, the result is polled.

A certificate goes as such where the dialect has a call for it, else as a training of a project, after its worker, where
its filing names one (``calls``, ``project_calls``).

How an answer is tied to its request: the answer to a push holds nothing of the request, so the tie is the exchange
itself (one request, one answer, one connection), and a push alone is never more than ``pending``. The poll must name
the receipt asked for, and a look-up counts only when the identity number of a row decrypts to ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime

from connectors.worker_platform import answers, listing
from connectors.worker_platform.calls import Call, CertificateCalls
from connectors.worker_platform.capabilities import describe, only_reads_certificates
from connectors.worker_platform.dialect import Dialect, Kind, whole_number
from connectors.worker_platform.dialect_file import load_dialect
from connectors.worker_platform.envelope import encode
from connectors.worker_platform.listing import TRAININGS, WORKERS, ListingCursor
from connectors.worker_platform.mapping import draft_certificate, draft_training, draft_worker
from connectors.worker_platform.project_calls import TrainingCalls, WorkerCalls
from connectors.worker_platform.rows import read_page
from connectors.worker_platform.schema import certificate_problems, training_problems, worker_problems
from connectors.worker_platform.settings import WorkerPlatformSettings
from gateway.codec.replies import breaks_contract, for_each, not_understood
from gateway.contract.connector import ConnectorInfo, Endpoint
from gateway.contract.messages import (
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
from gateway.domain.errors import ContractError
from gateway.domain.records import Certificate, RecordKind, Submission, Worker
from gateway.domain.states import Event
from gateway.settings import Loader


def build(load: Loader) -> WorkerPlatform:
    """Build the connector from its settings; ConfigurationError names what does not fit."""
    settings = load(WorkerPlatformSettings)
    return WorkerPlatform(settings, load_dialect(settings.dialect))


class WorkerPlatform:
    """Connector, PollsAcks, LooksUp with pages, ListsHoldings with parts, VerifiesUnowed and ProbesHealth."""

    def __init__(self, settings: WorkerPlatformSettings, dialect: Dialect) -> None:
        self._dialect = dialect
        self._credentials = settings.credentials(dialect)
        self._endpoint = settings.endpoint_for(dialect)
        self._info = describe(settings, dialect)
        self._projects = settings.project_codes
        self._verifies = settings.verify_unsent and only_reads_certificates(dialect)
        self._clock_warning = timedelta(seconds=settings.clock_warning_seconds)
        self._back_off = timedelta(seconds=settings.retry_seconds[0]) if settings.retry_seconds else None
        secret = self._credentials.secret
        self._certificates = CertificateCalls(dialect, secret)
        self._workers, self._trainings = WorkerCalls(dialect, secret), TrainingCalls(dialect, secret)

    @property
    def info(self) -> ConnectorInfo:
        return self._info

    @property
    def endpoint(self) -> Endpoint:
        return self._endpoint

    def map(self, submission: Submission, /) -> Draft:
        record, dialect = submission.record, self._dialect
        content = record.content if record.kind in self._info.kinds else None
        if isinstance(content, Certificate) and dialect.capabilities.credential_write:
            return draft_certificate(record, content, dialect.credential)
        if isinstance(content, Certificate) and content.training is not None:
            return draft_training(record, content, content.training, dialect.training)
        if isinstance(content, Worker) and content.placement is not None:
            return draft_worker(record, content, content.placement, dialect.worker, dialect.credential)
        return Draft(kind=record.kind, record_key=record.key, version=record.version, fields={})

    def check(self, submission: Submission, draft: Draft, /) -> Payload | Problems:
        if not draft.sources:
            reason = self._info.declined[draft.kind]
            return Problems(items=(Problem(field="kind", rule="declined", message=reason),))
        if "certificationCode" in draft.sources:
            broken = certificate_problems(draft, self._dialect.credential)
        elif draft.kind is RecordKind.PERSON:
            broken = worker_problems(draft, self._dialect.worker)
        else:
            broken = training_problems(draft, self._dialect.training)
        return Problems(items=broken) if broken else _payload(submission, draft)

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        if len({p.replaces for p in payloads}) != 1:
            raise ContractError("one call adds records or changes them, not both")
        return self._call(self._calls_for(payloads[0]).push(payloads), stamp)

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        if len(payloads) == 1 and payloads[0].replaces and self._calls_for(payloads[0]) is self._trainings:
            # nothing was sent that could change anything: the platform was asked what it holds
            return (replace(self.decode_lookup(response, payloads[0], stamp), next_page=None),)
        answer = answers.read(response)
        if answer is None:
            return for_each(not_understood("unreadable", "not the platform's envelope", replay_safe=False), payloads)
        if answers.is_success(answer):
            receipt = answers.serial(answer.at(self._dialect.result.serial_path))
            if receipt is None:
                reason = "taken, but without a serial code"
                return for_each(breaks_contract("no_serial", reason, replay_safe=False), payloads)
            return for_each(Verdict(event=Event.PENDING, code=answer.code, receipt=receipt), payloads)
        kind = answers.kind_of_refusal(answer, self._dialect)
        refused = answers.apportion(_event(kind, answers.PUSH_EVENTS, payloads), answer.code, answer.message, payloads)
        calls = self._calls_for(payloads[0])
        return [calls.in_our_words(self._slowed(verdict, kind)) for verdict in refused]

    def encode_ack(self, receipt: str, stamp: Stamp, /) -> WireRequest:
        return self._call((self._dialect.methods.result, {self._dialect.result.request_field: receipt}), stamp)

    def decode_ack(
        self, response: WireResponse, receipt: str, payloads: Sequence[Payload], stamp: Stamp, /
    ) -> Sequence[Verdict]:
        answer, result = answers.read(response), self._dialect.result
        if answer is None:
            return for_each(not_understood("unreadable", "not the platform's envelope", replay_safe=True), payloads)
        state = whole_number(answer.at(result.state_path))
        named = not result.echo_path or answers.serial(answer.at(result.echo_path)) == receipt
        if not answers.is_success(answer) and not (named and state in result.failed):
            return for_each(self._refusal(answer, answers.POLL_EVENTS, payloads), payloads)
        if not named:
            return for_each(not_understood("other_receipt", "the result of another serial", replay_safe=True), payloads)
        if state in result.done:
            number = answers.serial(answer.at(result.platform_id_path)) if result.platform_id_path else None
            # a result that names no serial could be another's: the record itself is asked for
            event = Event.ACCEPTED if result.echo_path else Event.DUPLICATE
            return for_each(Verdict(event=event, code=str(state), platform_id=number), payloads)
        if state is not None and state in result.failed:
            # the code of the answer itself does not matter then: copies give the state of the result as well
            text = answers.flat_text(answer.at(result.text_path))
            kind = self._dialect.kind_of(text) or result.unmatched
            failed = answers.apportion(_event(kind, answers.RESULT_EVENTS, payloads), state, text, payloads)
            # the result is final: after a hold it would only be read again, so the record itself is sent again
            return [
                replace(self._calls_for(payloads[0]).in_our_words(verdict), spent=verdict.event is Event.HOLD)
                for verdict in failed
            ]
        waiting = Verdict(event=Event.PENDING, code=f"status_{state or 'unreadable'}", receipt=receipt)
        return for_each(waiting, payloads)

    def encode_lookup(self, payload: Payload, stamp: Stamp, /) -> WireRequest:
        return self.encode_lookup_page(payload, str(self._dialect.paging.first_index), stamp)

    def encode_lookup_page(self, payload: Payload, page: str, stamp: Stamp, /) -> WireRequest:
        return self._call(self._calls_for(payload).question(payload, int(page)), stamp)

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        answer = answers.read(response)
        if answer is None:
            return not_understood("unreadable", "not the platform's envelope", replay_safe=True)
        if not answers.is_success(answer):
            return self._refusal(answer, answers.QUERY_EVENTS, (payload,))
        page = read_page(answer, self._dialect.paging)
        if page is None:
            return not_understood("no_rows", "the answer holds no rows", replay_safe=True)
        calls = self._calls_for(payload)
        row = calls.find(page, payload)
        if row is not None:
            return calls.in_our_words(calls.judge(payload, row))
        sure = calls.is_readable(page)
        if sure and page.last and calls.is_pure(page, payload):
            return calls.in_our_words(calls.absent(payload))
        following = page.next if sure else None
        return Verdict(event=Event.IN_DOUBT, code="rows_incomplete", reason="not on this page", next_page=following)

    def expected(self, payload: Payload, /) -> Holding:
        return self._calls_for(payload).expected(payload)

    def encode_holdings(self, cursor: str | None, payload: Payload | None, stamp: Stamp, /) -> WireRequest:
        first = self._dialect.paging.first_index
        if payload is not None:
            page = first if cursor is None else int(cursor)
            return self._call(self._calls_for(payload).question(payload, page), stamp)
        if cursor is None:
            raise ContractError("holdings are read by project, or record by record")
        at = ListingCursor.read(cursor)
        calls = self._workers if at.what == WORKERS else self._trainings
        return self._call(calls.listing(at.project, first + at.page), stamp)

    def decode_holdings(
        self, response: WireResponse, payload: Payload | None, stamp: Stamp, /
    ) -> HoldingsPage | Verdict:
        answer = answers.read(response)
        if answer is None or payload is None:
            return not_understood("unreadable", "not the platform's envelope", replay_safe=True)
        if not answers.is_success(answer):
            verdict = self._refusal(answer, answers.QUERY_EVENTS, (payload,))
            return HoldingsPage(holdings=()) if verdict.event is Event.NOT_FOUND else verdict
        page = read_page(answer, self._dialect.paging)
        if page is None:
            return not_understood("no_rows", "the answer holds no rows", replay_safe=True)
        calls = self._calls_for(payload)
        ours = tuple(calls.held(payload, calls.named(row)) for row in page.rows if calls.is_ours(row, payload))
        sure = calls.is_readable(page) and (page.next is not None or (page.last and calls.is_pure(page, payload)))
        if not ours and not sure:
            return not_understood("rows_incomplete", "not all rows, or rows of other people", replay_safe=True)
        return HoldingsPage(holdings=ours, next_cursor=page.next)

    def part_of(self, payload: Payload, /) -> str | None:
        calls = self._calls_for(payload)
        if calls is self._certificates:
            return None
        what = WORKERS if calls is self._workers else TRAININGS
        return str(ListingCursor(what=what, project=str(payload.fields["projectCode"])))

    def parts(self) -> Sequence[str]:
        if not any(kind.by_project for kind in self._info.kinds.values()):
            return ()
        return [str(ListingCursor(what=what, project=code)) for code in self._projects for what in (WORKERS, TRAININGS)]

    def decode_part(self, response: WireResponse, cursor: str, stamp: Stamp, /) -> HoldingsPage | Verdict:
        answer, at = answers.read(response), ListingCursor.read(cursor)
        if answer is None:
            return not_understood("unreadable", "not the platform's envelope", replay_safe=True)
        if not answers.is_success(answer):
            return self._refusal(answer, answers.QUERY_EVENTS, ())
        step = listing.advance(answer, at, self._dialect.paging)
        if step is None:
            return not_understood("other_page", "not the rows of the page asked for", replay_safe=False)
        calls = self._workers if at.what == WORKERS else self._trainings
        return HoldingsPage(
            holdings=tuple(calls.listed(at.project, row) for row in step.page.rows) if not step.afresh else (),
            next_cursor=None if step.next is None else str(step.next),
            afresh=step.afresh,
        )

    def verifies(self) -> frozenset[RecordKind]:
        return frozenset({RecordKind.CERTIFICATE}) if self._verifies else frozenset()

    def verifiable(self, submission: Submission, /) -> Payload | None:
        content = submission.record.content
        if not isinstance(content, Certificate):
            return None
        draft = draft_certificate(submission.record, content, self._dialect.credential)
        return None if certificate_problems(draft, self._dialect.credential) else _payload(submission, draft)

    def encode_health(self, stamp: Stamp, /) -> WireRequest:
        if self._dialect.methods.check_sign:
            return self._call((self._dialect.methods.check_sign, {}), stamp)
        return self.encode_ack("gateway-health-check", stamp)

    def decode_health(self, response: WireResponse, stamp: Stamp, /) -> Health:
        skew = _clock_skew(response, stamp)
        answer = answers.read(response)
        if answer is None:
            return Health(ok=False, detail=f"status {response.status}, no answer of the platform", clock_skew=skew)
        kind = None if answers.is_success(answer) else answers.kind_of_refusal(answer, self._dialect)
        # Without CheckSign the question is about a serial that does not exist: only "unknown serial" is expected.
        ok = kind is None or (kind is Kind.DATA and not self._dialect.methods.check_sign)
        detail = "credentials and signature accepted" if ok else answers.clean(answer.message)
        if skew is not None and abs(skew) > self._clock_warning:
            detail += f"; warning: the clocks differ by {round(skew.total_seconds())} s"
        form = self._dialect.worker
        if untranslated := [name for name in form.dictionaries if name not in form.codes]:
            detail += f"; warning: the platform has its own codes for {', '.join(untranslated)}, fill worker.codes"
        return Health(ok=ok, detail=detail, code=None if ok else str(answer.code), clock_skew=skew)

    def _calls_for(self, payload: Payload) -> CertificateCalls | WorkerCalls | TrainingCalls:
        """By what the payload holds: one that was stored is read as it was made, whatever the dialect says now."""
        if payload.kind is RecordKind.PERSON:
            return self._workers
        return self._trainings if "trainingName" in payload.fields else self._certificates

    def _refusal(self, answer: answers.Answer, events: Mapping[Kind, Event], payloads: Sequence[Payload]) -> Verdict:
        kind = answers.kind_of_refusal(answer, self._dialect)
        reason = answers.clean(answer.message, payloads)
        return self._slowed(Verdict(event=events[kind], code=answer.code, reason=reason), kind)

    def _slowed(self, verdict: Verdict, kind: Kind) -> Verdict:
        """Too many calls concern the whole account: nothing leaves for a while."""
        return replace(verdict, retry_after=self._back_off) if kind is Kind.RATE else verdict

    def _call(self, call: Call, stamp: Stamp) -> WireRequest:
        method, data = call
        asks_result = method == self._dialect.methods.result and self._dialect.result_path
        path = self._dialect.result_path if asks_result else self._dialect.path
        whole = {**data, **self._dialect.extra_data}
        return encode(method, whole, stamp, self._dialect, self._credentials, path=path)


def _payload(submission: Submission, draft: Draft) -> Payload:
    return Payload(
        key=submission.key,
        kind=draft.kind,
        record_key=draft.record_key,
        version=draft.version,
        fields=draft.fields,
        replaces=submission.replaces,
    )


def _event(kind: Kind, events: Mapping[Kind, Event], payloads: Sequence[Payload]) -> Event:
    """An earlier version is never under way any more, so a change of what is not there will not find it later."""
    changes = any(p.replaces for p in payloads)
    return Event.UNKNOWN if kind is Kind.ORDER and changes else events[kind]


def _clock_skew(response: WireResponse, stamp: Stamp) -> timedelta | None:
    try:
        theirs = parsedate_to_datetime(response.headers.get("date", ""))
        return (theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)) - stamp.now
    except (ValueError, TypeError, OverflowError):
        return None
