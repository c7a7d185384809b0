"""A bench for the author of a connector: see what is mapped, what would leave, and what an answer would lead to.

Everything happens in this process: no store, no socket, no clock unless a sandbox brings one (``calls`` without a
sandbox is the exception, and says so). Whatever is shown has the
person masked and secrets left out, so that a notebook may be kept.
"""

from __future__ import annotations

import html
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from ulid import ULID

from gateway.codec.redact import redact
from gateway.codec.replies import judge_failure, judge_reply
from gateway.codec.wiretext import readable, readable_headers, readable_path
from gateway.contract.connector import (
    Connector,
    GivesFeedback,
    HoldingsBy,
    ListsHoldings,
    LooksUp,
    NeedsToken,
    PollsAcks,
    ProbesHealth,
)
from gateway.contract.messages import (
    JSON,
    FeedbackPage,
    Health,
    HoldingsPage,
    Payload,
    Problem,
    Problems,
    Stamp,
    Token,
    Verdict,
    WireRequest,
    WireResponse,
)
from gateway.delivery.rules.outcome import after_push, names
from gateway.delivery.rules.work import Claimed
from gateway.domain.errors import InputError, Unanswered
from gateway.domain.records import Submission
from gateway.domain.states import TERMINAL, State, advance
from gateway.testing.inprocess import answer_of, carried
from gateway.testing.sandbox import Sandbox

Given = Submission | Sequence[Submission]
R = TypeVar("R")
_MOMENT = datetime(2019, 4, 2, 1, 30, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldRow:
    """One field of a draft, or a problem that stands under no field of it."""

    ours: str
    theirs: str
    value: str
    problem: str


@dataclass(frozen=True, kw_only=True, slots=True)
class VerdictRow:
    """What an answer means for one submission. ``next_due`` is None where nothing more is to be done by itself."""

    key: str
    event: str
    code: str
    reason: str
    fields: str
    next_state: State
    next_due: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CallRow:
    """One call of a connector, and what its answer means: the event and code of its verdict, or what it holds."""

    call: str
    operation: str
    status: str
    means: str


class Table(tuple[R, ...], Generic[R]):
    """Rows of one kind that a notebook shows as a table and a terminal as lines."""

    __slots__ = ()

    def _cells(self) -> Iterator[list[str]]:
        for row in self:
            columns = [one.name for one in fields(row)]  # type: ignore[arg-type]  # rows are dataclasses
            values = [getattr(row, name) for name in columns]
            yield ["" if value is None else str(value) for value in values]

    def _head(self) -> list[str]:
        return [one.name.replace("_", " ") for one in fields(self[0])] if self else []  # type: ignore[arg-type]

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self._head())
        body = "".join(
            "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
            for cells in self._cells()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def __str__(self) -> str:
        return "\n".join(" | ".join(cells) for cells in (self._head(), *self._cells()))


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One push against a sandbox: the request, what came back, and what follows. Texts are masked."""

    request: str
    answer: str
    verdicts: Table[VerdictRow]

    def _repr_html_(self) -> str:
        texts = "".join(f"<pre>{html.escape(text)}</pre>" for text in (self.request, self.answer))
        return texts + self.verdicts._repr_html_()

    def __str__(self) -> str:
        return f"{self.request}\n\n{self.answer}\n\n{self.verdicts}"


def bench_stamp(now: datetime = _MOMENT, seed: int = 1, token: Token | None = None) -> Stamp:
    """A reproducible stamp: the same moment and seed give the same message id and nonce."""
    rng = random.Random(seed)
    milliseconds = int(now.timestamp() * 1000).to_bytes(6, "big")
    message_id = str(ULID.from_bytes(milliseconds + rng.randbytes(10)))
    return Stamp(message_id=message_id, now=now, nonce=rng.randbytes(16), token=token)


@dataclass(frozen=True, kw_only=True)
class AdapterBench:
    """Tries one connector. ``stamp`` is used wherever none is given."""

    connector: Connector
    stamp: Stamp = field(default_factory=bench_stamp)

    def preview(self, submission: Submission) -> Table[FieldRow]:
        """Every field of the draft, its source, its masked value, and what the check has against it."""
        draft = self.connector.map(submission)
        checked = self.connector.check(submission, draft)
        problems = list(checked.items) if isinstance(checked, Problems) else []
        values = dict(_leaves(draft.fields))
        known = _known([submission])
        rows = []
        for theirs in dict.fromkeys((*values, *draft.sources)):
            ours = draft.sources.get(theirs, "")
            mine = [p for p in problems if p.field in (ours, theirs)]
            if theirs in values or mine:
                value = redact(values.get(theirs, ""), *known)
                rows.append(FieldRow(ours=ours, theirs=theirs, value=value, problem=_told(mine)))
        met = {name for row in rows for name in (row.ours, row.theirs)}
        rows += [
            FieldRow(ours=p.field, theirs="", value="", problem=_told([p])) for p in problems if p.field not in met
        ]
        return Table(rows)

    def request(self, submissions: Given, stamp: Stamp | None = None) -> str:
        """The push that would leave, decoded and masked. A connector with a login needs a stamp of ``logged_in``.

        Raises InputError where the check refuses a submission: ``preview`` shows why.
        """
        given = _listed(submissions)
        made = self.connector.encode_push(self._payloads(given), stamp or self.stamp)
        return self._shown(made, _known(given))

    def judge(self, response: WireResponse | None, submissions: Given, stamp: Stamp | None = None) -> Table[VerdictRow]:
        """What an answer to the push of ``submissions`` means, as the gateway would take it on a first try.

        response: None stands for a request that got no answer. Waits are shown without jitter.
        """
        given, at = _listed(submissions), stamp or self.stamp
        payloads = self._payloads(given)
        safe = self.connector.info.kinds[payloads[0].kind].replay_safe
        verdict = (
            judge_failure(Unanswered("deadline"), replay_safe=safe)
            if response is None
            else judge_reply(response, self.connector.info, replay_safe=safe, now=at.now)
        )
        if verdict is not None or response is None:
            return self._rows(given, [verdict] * len(given) if verdict else [], at)
        return self._rows(given, self.connector.decode_push(response, payloads, at), at)

    def logged_in(self, sandbox: Sandbox, stamp: Stamp | None = None) -> Stamp | Verdict:
        """A stamp of the sandbox's time, with a token where the connector needs one; or why there is none."""
        if not isinstance(self.connector, NeedsToken):
            return stamp or _next_stamp(sandbox)
        asking = _next_stamp(sandbox)
        response = self._answer(sandbox, self.connector.encode_login(None, asking))
        if response is None:
            return judge_failure(Unanswered("deadline"), replay_safe=True)
        refused = judge_reply(response, self.connector.info, replay_safe=True, now=asking.now)
        token = refused or self.connector.decode_login(response, asking)
        return replace(stamp or _next_stamp(sandbox), token=token) if isinstance(token, Token) else token

    def against(self, sandbox: Sandbox, submissions: Given, stamp: Stamp | None = None) -> Trial:
        """Push once into a sandbox of this process, without a socket, and judge its answer.

        The connector's endpoint gives only the path here. A fault that keeps the answer back shows as no answer.
        """
        given = _listed(submissions)
        payloads, known = self._payloads(given), _known(given)
        at = self.logged_in(sandbox, stamp)
        if isinstance(at, Verdict):
            return Trial(request="", answer="", verdicts=self._rows(given, [at] * len(given), self.stamp))
        made = self.connector.encode_push(payloads, at)
        response = self._answer(sandbox, made)
        answer = "no answer"
        if response is not None:
            headers = readable_headers(response.headers)
            answer = redact(f"HTTP {response.status}\n{headers}\n\n{readable(response.body)}", *known)
        return Trial(request=self._shown(made, known), answer=answer, verdicts=self.judge(response, given, at))

    def calls(self, submission: Submission, sandbox: Sandbox | None = None) -> Table[CallRow]:
        """Everything the connector can ask about one record, from before its push to after it.

        sandbox: one of this process; without it the endpoint of the settings is called, through the same carrier as in
                 service, and the push registers the record there. A result by receipt is asked for once
        """
        rows: list[CallRow] = []
        connector, token = self.connector, None
        (payload,) = self._payloads([submission])

        def ask(call: str, encode: Callable[[Stamp], WireRequest], decode: Callable[[WireResponse, Stamp], Any]) -> Any:
            now = sandbox.clock() if sandbox else datetime.now(UTC)
            before = sandbox.books.counter("requests") if sandbox else time.time_ns()
            at = bench_stamp(now, seed=1000 * (before + 1) + len(rows), token=token)
            made = encode(at)
            response = carried(connector.endpoint, made) if sandbox is None else self._answer(sandbox, made)
            found: Any = judge_failure(Unanswered("no_answer"), replay_safe=False)
            if response is not None:
                judged = judge_reply(response, connector.info, replay_safe=False, now=at.now)
                found = decode(response, at) if judged is None else judged
            status = "no answer" if response is None else str(response.status)
            rows.append(CallRow(call=call, operation=made.operation, status=status, means=_meaning(found)))
            return found

        if isinstance(connector, NeedsToken):
            given = ask("login", lambda at: connector.encode_login(None, at), connector.decode_login)
            if not isinstance(given, Token):
                return Table(rows)
            token = given
        if isinstance(connector, ProbesHealth):
            ask("health", connector.encode_health, connector.decode_health)
        if isinstance(connector, LooksUp):
            looked = connector
            ask(
                "look-up",
                lambda at: looked.encode_lookup(payload, at),
                lambda r, at: looked.decode_lookup(r, payload, at),
            )
        pushed = ask(
            "push",
            lambda at: connector.encode_push([payload], at),
            lambda r, at: connector.decode_push(r, [payload], at)[0],
        )
        receipt = pushed.receipt if isinstance(pushed, Verdict) else None
        if isinstance(connector, PollsAcks) and receipt is not None:
            polled = connector
            ask(
                "result",
                lambda at: polled.encode_ack(receipt, at),
                lambda r, at: polled.decode_ack(r, receipt, [payload], at)[0],
            )
        if isinstance(connector, LooksUp):
            ask(
                "look-up",
                lambda at: looked.encode_lookup(payload, at),
                lambda r, at: looked.decode_lookup(r, payload, at),
            )
        if isinstance(connector, ListsHoldings):
            listed, asked = connector, payload if connector.info.holdings_by is HoldingsBy.RECORD else None
            ask(
                "holdings",
                lambda at: listed.encode_holdings(None, asked, at),
                lambda r, at: listed.decode_holdings(r, asked, at),
            )
        if isinstance(connector, GivesFeedback):
            ask("feedback", lambda at: connector.encode_feedback(None, at), connector.decode_feedback)
        return Table(rows)

    def _answer(self, sandbox: Sandbox, made: WireRequest) -> WireResponse | None:
        """What the sandbox answers; where things are handed over, what its folders or tables say."""
        endpoint = self.connector.endpoint
        return answer_of(sandbox, endpoint.base_url, made) if endpoint.hand_over is None else carried(endpoint, made)

    def _payloads(self, submissions: Sequence[Submission]) -> list[Payload]:
        checked = [self.connector.check(s, self.connector.map(s)) for s in submissions]
        refused = [p for one in checked if isinstance(one, Problems) for p in one.items]
        if refused or not checked:
            raise InputError(f"nothing to encode: {_told(refused) or 'no submission'}")
        return [one for one in checked if isinstance(one, Payload)]

    def _shown(self, made: WireRequest, known: Sequence[str]) -> str:
        path = readable_path(urlsplit(self.connector.endpoint.base_url).path + made.path)
        head = f"{made.method} {path}\n{readable_headers(made.headers)}"
        return redact(f"{head}\n\n{readable(made.body)}".rstrip(), *known)

    def _rows(self, given: Sequence[Submission], verdicts: Sequence[Verdict], at: Stamp) -> Table[VerdictRow]:
        rows = []
        for submission, verdict in zip(given, verdicts, strict=True):
            settled = after_push(
                _claimed(submission, at),
                verdict,
                self.connector.info,
                at.now,
                draw=0.5,
                can_ask=isinstance(self.connector, LooksUp),
            )
            state = advance(State.SENDING, settled.event)
            waits = state not in TERMINAL | {State.HELD, State.PARKED}
            row = VerdictRow(
                key=submission.key,
                event=settled.event,
                code=verdict.code,
                reason=settled.verdict.reason,
                fields=", ".join(verdict.fields),
                next_state=state,
                next_due=settled.due_at if waits else None,
            )
            rows.append(row)
        return Table(rows)


def _next_stamp(sandbox: Sandbox) -> Stamp:
    """The next stamp for this sandbox: its own time, and a nonce it has not seen."""
    return bench_stamp(sandbox.clock(), seed=sandbox.books.counter("requests"))


def _meaning(found: Any) -> str:
    """What an answer means, without anybody's data."""
    if isinstance(found, Verdict):
        return f"{found.event} {found.code}"
    if isinstance(found, Health):
        return "well" if found.ok else f"not well: {found.detail}"
    if isinstance(found, HoldingsPage):
        return f"{len(found.holdings)} rows" + (", and more" if found.next_cursor else "")
    if isinstance(found, FeedbackPage):
        return f"{len(found.findings)} events" + (", and more" if found.has_more else "")
    return "a token" if isinstance(found, Token) else type(found).__name__


def _listed(given: Given) -> Sequence[Submission]:
    return [given] if isinstance(given, Submission) else given


def _known(submissions: Sequence[Submission]) -> list[str]:
    return [name for submission in submissions for name in names(submission.record.content)]


def _told(problems: Sequence[Problem]) -> str:
    return "; ".join(f"{p.field}: {p.message} ({p.rule})" for p in problems)


def _leaves(value: JSON, path: str = "") -> Iterator[tuple[str, str]]:
    """Every value of a draft by its dotted path."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list | tuple):
        yield path, ", ".join(str(item) for item in value)
    elif value is not None:
        yield path, str(value)


def _claimed(submission: Submission, at: Stamp) -> Claimed:
    """The delivery this submission would be on its first try."""
    return Claimed(
        id=0,
        fence=1,
        state=State.SENDING,
        record=submission.record,
        replaces=submission.replaces,
        business_key=submission.key,
        tries=0,
        polls=0,
        lookups=0,
        negatives=0,
        message_id=None,
        message_size=None,
        created_at=at.now,
    )
