"""A model platform: the smallest connector and the sandbox that goes with it.

Core tests use it, and an author of a new connector can read it in five minutes. It can be switched between a platform
that deduplicates for ever (``replay_safe``) and one that registers whatever it is sent, so that doubt matters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

import orjson
from pydantic import Field
from pydantic_settings import SettingsConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.codec.replies import for_each, not_understood
from gateway.contract.connector import Connector, ConnectorInfo, Endpoint, HoldingsBy, KindInfo, Pace
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
from gateway.domain.records import Certificate, RecordKind, Submission, Worker
from gateway.domain.states import Event
from gateway.domain.traffic import Traffic, Waits, waits
from gateway.settings import Loader, PolledSettings
from gateway.testing.sandbox import Access, Sandbox

_EVENTS = {
    "OK": Event.ACCEPTED,
    "PENDING": Event.PENDING,
    "BUSY": Event.RETRY,
    "THERE": Event.DUPLICATE,
    "REFUSED": Event.REJECTED,
    "ORDER": Event.RETRY,
    "LOCKED": Event.HOLD,
}
_QUICK = waits(0.05, 0.1, then=0.2, give_up_after=20, jitter=0)


class ModelSettings(PolledSettings):
    """Settings of the model platform: those that every platform has, and what this one lets itself be told."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_MODEL__")

    replay_safe: bool = False
    batch_max: int = Field(default=10, ge=1)


def build(loader: Loader) -> Connector:
    """What the entry point of a connector names: from settings to the connector."""
    settings = loader(ModelSettings)
    endpoint = settings.to_endpoint()
    return Model(
        base_url=endpoint.base_url,
        replay_safe=settings.replay_safe,
        batch_max=settings.batch_max,
        connections=endpoint.pace.connections,
        deadline=endpoint.deadline,
        interval=endpoint.pace.interval,
        retry=settings.to_retry(),
        polls=settings.to_polls(),
        lookups=settings.to_lookups(),
        traffic=endpoint.traffic,
    )


@dataclass(frozen=True, kw_only=True)
class Model:
    """The connector. Names with the digit 4 do not exist on this platform, so the check has something to refuse."""

    base_url: str
    platform: str = "model"
    replay_safe: bool = False
    batch_max: int = 10
    connections: int = 4
    deadline: timedelta = timedelta(seconds=30)
    interval: timedelta = timedelta()
    retry: Waits = _QUICK
    polls: Waits = _QUICK
    lookups: Waits = field(default_factory=lambda: waits(0.05, 0.05, jitter=0))
    traffic: Traffic = field(default_factory=Traffic)

    @property
    def info(self) -> ConnectorInfo:
        """Both kinds, a certificate after its person."""
        return ConnectorInfo(
            platform=self.platform,
            title_zh="样板平台",
            spec_version="1",
            kinds={
                RecordKind.PERSON: KindInfo(batch_max=self.batch_max, replay_safe=self.replay_safe),
                RecordKind.CERTIFICATE: KindInfo(
                    batch_max=self.batch_max, replay_safe=self.replay_safe, after=(RecordKind.PERSON,)
                ),
            },
            reply_media_types=frozenset({"application/json"}),
            reply_statuses=frozenset({200}),
            retry=self.retry,
            polls=self.polls,
            lookups=self.lookups,
            holdings_by=HoldingsBy.PAGE,
        )

    @property
    def endpoint(self) -> Endpoint:
        """Where the sandbox listens."""
        pace = Pace(interval=self.interval, connections=self.connections)
        return Endpoint(base_url=self.base_url, pace=pace, deadline=self.deadline, traffic=self.traffic)

    def map(self, submission: Submission, /) -> Draft:
        """Two fields are enough."""
        content = submission.record.content
        fields: dict[str, str] = {}
        if isinstance(content, Certificate):
            fields = {"number": content.number, "name": content.holder.name}
        elif isinstance(content, Worker):
            fields = {"number": content.id_number, "name": content.name}
        record = submission.record
        return Draft(kind=record.kind, record_key=record.key, version=record.version, fields=fields)

    def check(self, submission: Submission, draft: Draft, /) -> Payload | Problems:
        """Refuse a name that holds a digit or a control character, a missing one and one of over 100 letters."""
        name = str(draft.fields.get("name", ""))
        if not 0 < len(name) <= 100 or not name.isprintable() or any(c.isdigit() for c in name):
            return Problems(items=(Problem(field="holder.name", rule="letters", message="must be letters only"),))
        record = submission.record
        return Payload(
            key=submission.key,
            kind=record.kind,
            record_key=record.key,
            version=record.version,
            fields=draft.fields,
            replaces=submission.replaces,
        )

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        """All items in one JSON document."""
        items = [{"key": p.record_key, "version": p.version, "kind": p.kind, **p.fields} for p in payloads]
        return self._request("push", {"message": stamp.message_id, "items": items})

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        """Per item; the message id must be echoed."""
        answer = read_answer(response)
        if answer is None or answer.get("message") != stamp.message_id:
            unclear = not_understood("not_tied", "not an answer to this request", replay_safe=self.replay_safe)
            return for_each(unclear, payloads)
        if answer.get("code") == "BATCH":
            whole = Verdict(event=Event.UNKNOWN, code="BATCH", reason="refused as a whole", split=True)
            return for_each(whole, payloads)
        return [self._verdict(answer, p) for p in payloads]

    def _verdict(self, answer: Mapping[str, Any], payload: Payload) -> Verdict:
        items = answer.get("items")
        item = items.get(f"{payload.record_key}/{payload.version}") if isinstance(items, dict) else None
        code = item.get("code") if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(code, str):
            return not_understood("no_item", "the answer leaves this item out", replay_safe=self.replay_safe)
        receipt = item.get("receipt")
        event = _EVENTS.get(code, Event.UNKNOWN)
        if event is Event.PENDING and not (isinstance(receipt, str) and receipt):
            return not_understood("no_receipt", "pending without a receipt", replay_safe=self.replay_safe)
        return Verdict(event=event, code=code, receipt=receipt if isinstance(receipt, str) else None)

    def encode_ack(self, receipt: str, stamp: Stamp, /) -> WireRequest:
        """Ask by receipt."""
        return self._request("result", {"message": stamp.message_id, "receipt": receipt})

    def decode_ack(
        self, response: WireResponse, receipt: str, payloads: Sequence[Payload], stamp: Stamp, /
    ) -> Sequence[Verdict]:
        """As a push; an unknown receipt is not found."""
        answer = read_answer(response)
        if answer is None or answer.get("receipt") != receipt:
            return for_each(not_understood("not_tied", "not an answer about this receipt", replay_safe=True), payloads)
        if answer.get("code") == "UNKNOWN_RECEIPT":
            return for_each(Verdict(event=Event.NOT_FOUND, code="UNKNOWN_RECEIPT"), payloads)
        return [self._verdict(answer, p) for p in payloads]

    def encode_lookup(self, payload: Payload, stamp: Stamp, /) -> WireRequest:
        """Ask by record key."""
        return self._request("find", {"message": stamp.message_id, "key": payload.record_key})

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        """Found with our version and content, found otherwise, or not there."""
        answer = read_answer(response)
        if answer is None or answer.get("message") != stamp.message_id:
            return not_understood("not_tied", "not an answer to this question", replay_safe=True)
        held = answer.get("held")
        if held is None and answer.get("code") == "NONE":
            return Verdict(event=Event.NOT_FOUND, code="NONE")
        if not isinstance(held, dict):
            return Verdict(event=Event.UNKNOWN, code=str(answer.get("code")))
        version = held.get("version")
        if not isinstance(version, int):
            return not_understood("no_version", "the answer names no version", replay_safe=True)
        if version < payload.version:
            return Verdict(event=Event.NOT_FOUND, code="OLDER")
        differing = tuple(name for name, value in payload.fields.items() if held.get(name) != value)
        return Verdict(event=Event.CONFLICT if differing else Event.ACCEPTED, code="FOUND", fields=differing)

    def expected(self, payload: Payload, /) -> Holding:
        """As we sent it."""
        fields = {name: str(value) for name, value in payload.fields.items()}
        return Holding(kind=payload.kind, key=payload.record_key, version=payload.version, fields=fields)

    def encode_holdings(self, cursor: str | None, payload: Payload | None, stamp: Stamp, /) -> WireRequest:
        """A page of everything."""
        return self._request("list", {"message": stamp.message_id, "after": cursor or ""})

    def decode_holdings(
        self, response: WireResponse, payload: Payload | None, stamp: Stamp, /
    ) -> HoldingsPage | Verdict:
        """Rows in key order."""
        answer = read_answer(response)
        if answer is None or answer.get("message") != stamp.message_id:
            return not_understood("not_tied", "not an answer to this question", replay_safe=True)
        rows, cursor = answer.get("rows"), answer.get("next")
        if not isinstance(rows, list) or not (cursor is None or isinstance(cursor, str)):
            return not_understood("no_rows", "the answer holds no listing", replay_safe=True)
        try:
            return HoldingsPage(holdings=tuple(map(_holding, rows)), next_cursor=cursor)
        except (KeyError, TypeError, ValueError):
            return not_understood("no_row", "a row of the listing cannot be read", replay_safe=True)

    def encode_health(self, stamp: Stamp, /) -> WireRequest:
        """A question without content."""
        return self._request("health", {"message": stamp.message_id})

    def decode_health(self, response: WireResponse, stamp: Stamp, /) -> Health:
        """Well where the message id comes back."""
        answer = read_answer(response)
        return Health(ok=bool(answer and answer.get("message") == stamp.message_id), detail="model platform")

    @staticmethod
    def _request(operation: str, document: Mapping[str, Any]) -> WireRequest:
        body = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
        return WireRequest(
            operation=operation, path=f"/{operation}", headers={"content-type": "application/json"}, body=body
        )


def _holding(row: Mapping[str, Any]) -> Holding:
    """One row; KeyError, TypeError or ValueError where it is none."""
    if not isinstance(row["key"], str) or not isinstance(row["version"], int):
        raise TypeError("no key or version")
    fields = {"number": str(row["number"]), "name": str(row["name"])}
    return Holding(kind=RecordKind(row["kind"]), key=row["key"], version=row["version"], fields=fields)


def read_answer(response: WireResponse) -> dict[str, Any] | None:
    """The object an answer consists of; None for anything else."""
    try:
        answer = orjson.loads(response.body)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


class ModelSandbox(Sandbox):
    """The platform behind ``Model``. Without ``replay_safe`` it registers every push, as often as it comes."""

    platform: ClassVar[str] = "model"
    own_faults: ClassVar[Mapping[str, str]] = {
        "busy": "every item is answered BUSY, nothing done",
        "duplicate": "carried out, then answered as if it had been there before",
        "refuse": "every item is refused for its content",
        "locked": "the account is locked",
        "strange": "an unknown code",
        "partial": "the first item is refused, the others are carried out",
        "bad_item": "the item in the middle is bad for good; a batch with a bad item is refused as a whole",
    }

    def __init__(self, *, replay_safe: bool = False, asynchronous: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self._replay_safe = replay_safe
        self._asynchronous = asynchronous

    def access(self, base_url: str) -> Access:
        """No credentials, and waits that are short."""
        settings = {
            "ENDPOINT": base_url,
            "REPLAY_SAFE": str(self._replay_safe).lower(),
            "MIN_INTERVAL_SECONDS": "0",
            "CONNECTIONS": "4",
            "RETRY_SECONDS": "[0.2, 0.5, 1]",
            "SETTLING_SECONDS": "[0.3, 0.3]",
            "POLL_SECONDS": "[0.3, 1]",
        }
        given = {f"GATEWAY_MODEL__{name}": value for name, value in settings.items()}
        return Access(details={"url": base_url}, environment=given)

    def handle(self, request: Request, body: bytes, fault: str | None) -> Response:
        """Dispatch on the path."""
        self.operation = request.url.path.strip("/")
        asked = json.loads(body)
        answer = {"message": asked["message"]} | getattr(self, f"_{self.operation}")(asked, fault)
        return JSONResponse(answer)

    def _push(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        if fault == "bad_item":
            self.books.put("bad", asked["items"][len(asked["items"]) // 2]["key"], True)
        if len(asked["items"]) > 1 and any(self.books.get("bad", item["key"]) for item in asked["items"]):
            return {"code": "BATCH"}
        answers = {}
        for number, item in enumerate(asked["items"]):
            answers[f"{item['key']}/{item['version']}"] = {"code": self._take(item, fault, number)}
        if self._asynchronous and fault is None:
            receipt = f"R{self.books.bump('receipts')}"
            self.books.put("results", receipt, answers)
            answers = {key: {"code": "PENDING", "receipt": receipt} for key in answers}
        return {"items": answers}

    def _take(self, item: Mapping[str, Any], fault: str | None, number: int) -> str:
        refusals = {"busy": "BUSY", "refuse": "REFUSED", "locked": "LOCKED", "strange": "E-77"}
        if fault in refusals:
            return refusals[fault]
        if (fault == "partial" and number == 0) or self.books.get("bad", item["key"]):
            return "REFUSED"
        held = self.books.get("held", item["key"])
        if self._replay_safe and held is not None and held["version"] >= item["version"]:
            self.books.bump("duplicates")
        else:
            if held is not None and held["version"] == item["version"]:
                self.books.bump("duplicates")
            self.books.put("held", item["key"], dict(item))
            self.books.wrote(item["kind"], item["key"], item["version"])
        return "THERE" if fault == "duplicate" else "OK"

    def _result(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        answers = self.books.get("results", asked["receipt"])
        if answers is None:
            return {"receipt": asked["receipt"], "code": "UNKNOWN_RECEIPT"}
        return {"receipt": asked["receipt"], "items": answers}

    def _find(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        held = self.books.get("held", asked["key"])
        return {"held": held, "code": "NONE" if held is None else "FOUND"}

    def _list(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        rows = [value for key, value in self.books.items("held") if key > asked["after"]][:50]
        return {"rows": rows, "next": rows[-1]["key"] if len(rows) == 50 else None}

    def _health(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        return {}
