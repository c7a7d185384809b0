"""Requests to the platform, and what its answers mean.

Source: none yet; name the document, its version and the section beside each rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from gateway.codec.replies import for_each, not_understood
from gateway.contract.connector import Connector, ConnectorInfo, Endpoint, HoldingsBy, KindInfo
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
from gateway.domain.records import RecordKind, Submission
from gateway.domain.states import Event
from gateway.domain.traffic import waits
from gateway.settings import Loader

from example_platform.mapping import SOURCES, fields_of, problems_of
from example_platform.settings import PLATFORM, ExamplePlatformSettings

_EVENTS = {
    "OK": Event.ACCEPTED,
    "BUSY": Event.RETRY,
    "THERE": Event.DUPLICATE,
    "REFUSED": Event.REJECTED,
    "LOCKED": Event.HOLD,
}
"""the platform's codes; one that is missing here parks the record for a person"""
_DECLINED = "the platform has no call for it (assumed)"


def build(loader: Loader) -> Connector:
    """What the entry point names: from settings to the connector."""
    return ExamplePlatform(loader(ExamplePlatformSettings))


class ExamplePlatform:
    """Pure: it performs no input or output, reads no clock and draws no number; what varies comes in the stamp."""

    def __init__(self, settings: ExamplePlatformSettings) -> None:
        self._settings = settings
        self._info = ConnectorInfo(
            platform=PLATFORM,
            title_zh="示例平台",
            spec_version="none yet",
            kinds={
                RecordKind.PERSON: KindInfo(batch_max=settings.batch_max, replay_safe=False),
                RecordKind.CERTIFICATE: KindInfo(
                    batch_max=settings.batch_max, replay_safe=False, after=(RecordKind.PERSON,)
                ),
            },
            reply_media_types=frozenset({"application/json"}),
            reply_statuses=frozenset({200}),
            retry=settings.to_retry(),
            polls=waits(),
            lookups=settings.to_lookups(),
            holdings_by=HoldingsBy.PAGE,
            declined={RecordKind.STATUS_CHANGE: _DECLINED, RecordKind.WITHDRAWAL: _DECLINED},
        )

    @property
    def info(self) -> ConnectorInfo:
        """Persons, then their certificates."""
        return self._info

    @property
    def endpoint(self) -> Endpoint:
        """From the settings."""
        return self._settings.to_endpoint()

    def map(self, submission: Submission, /) -> Draft:
        """See ``mapping``."""
        record, fields = submission.record, fields_of(submission.record.content)
        sources = {name: SOURCES[name] for name in fields}
        return Draft(
            kind=record.kind,
            record_key=record.key,
            version=record.version,
            fields=fields,
            sources=sources,
        )

    def check(self, submission: Submission, draft: Draft, /) -> Payload | Problems:
        """See ``mapping``; ``replaces`` must reach the payload, for it says that the platform holds a version."""
        problems = problems_of(dict(draft.fields))
        if problems:
            return Problems(items=problems)
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
        """All items in one document; what is new and what replaces something never travel together."""
        items = [{"key": p.record_key, "version": p.version, "kind": p.kind, **p.fields} for p in payloads]
        operation = "update" if payloads[0].replaces else "add"
        return self._request(operation, {"message": stamp.message_id, "items": items})

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        """One verdict for each; the answer must repeat the message and name each item."""
        answer = _read(response, stamp)
        if answer is None:
            unclear = not_understood("not_tied", "not an answer to this request", replay_safe=False)
            return for_each(unclear, payloads)
        items = answer.get("items")
        return [_verdict(items if isinstance(items, dict) else {}, payload) for payload in payloads]

    def encode_lookup(self, payload: Payload, stamp: Stamp, /) -> WireRequest:
        """Ask for one record by its key."""
        return self._request("find", {"message": stamp.message_id, "key": payload.record_key})

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        """There and ours, there and different, an older version of ours, or not there; anything else says nothing."""
        answer = _read(response, stamp)
        if answer is None:
            return not_understood("not_tied", "not an answer to this question", replay_safe=True)
        held = answer.get("held")
        if held is None and answer.get("code") == "NONE":
            return Verdict(event=Event.NOT_FOUND, code="NONE")
        if not isinstance(held, dict) or not isinstance(held.get("version"), int) or answer.get("code") != "FOUND":
            return not_understood("no_record", "the answer shows no record", replay_safe=True)
        if held.get("key") == payload.record_key and held["version"] < payload.version:
            return Verdict(event=Event.NOT_FOUND, code="OLDER")
        ours = {"key": payload.record_key, **payload.fields}
        differing = tuple(name for name, value in ours.items() if held.get(name) != value)
        return Verdict(event=Event.CONFLICT if differing else Event.ACCEPTED, code="FOUND", fields=differing)

    def expected(self, payload: Payload, /) -> Holding:
        """As it was sent."""
        fields = {name: str(value) for name, value in payload.fields.items()}
        return Holding(kind=payload.kind, key=payload.record_key, version=payload.version, fields=fields)

    def encode_holdings(self, cursor: str | None, payload: Payload | None, stamp: Stamp, /) -> WireRequest:
        """A page of everything, from beyond the cursor."""
        return self._request("list", {"message": stamp.message_id, "after": cursor or ""})

    def decode_holdings(
        self, response: WireResponse, payload: Payload | None, stamp: Stamp, /
    ) -> HoldingsPage | Verdict:
        """Rows in the order of their keys, and where to go on."""
        answer = _read(response, stamp)
        rows = None if answer is None else answer.get("rows")
        following = None if answer is None else answer.get("next")
        if answer is None or not isinstance(rows, list) or not (following is None or isinstance(following, str)):
            return not_understood("no_rows", "the answer holds no listing", replay_safe=True)
        try:
            return HoldingsPage(holdings=tuple(_holding(row) for row in rows), next_cursor=following)
        except (KeyError, TypeError, ValueError):
            return not_understood("no_row", "a row of the listing cannot be read", replay_safe=True)

    def encode_health(self, stamp: Stamp, /) -> WireRequest:
        """A question that changes nothing."""
        return self._request("health", {"message": stamp.message_id})

    def decode_health(self, response: WireResponse, stamp: Stamp, /) -> Health:
        """Well where the message comes back."""
        well = _read(response, stamp) is not None
        return Health(ok=well, detail="the platform answers" if well else "not the answer that was asked for")

    def _request(self, operation: str, document: Mapping[str, Any]) -> WireRequest:
        headers = {
            "content-type": "application/json",
            "authorization": f"Bearer {self._settings.token.get_secret_value()}",
        }
        body = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
        return WireRequest(operation=operation, path=f"/{operation}", headers=headers, body=body)


def _read(response: WireResponse, stamp: Stamp) -> dict[str, Any] | None:
    """The document of an answer to this very request; None for anything else."""
    try:
        answer = orjson.loads(response.body)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) and answer.get("message") == stamp.message_id else None


def _verdict(items: Mapping[str, Any], payload: Payload) -> Verdict:
    code = items.get(f"{payload.record_key}/{payload.version}")
    if not isinstance(code, str):
        return not_understood("no_item", "the answer leaves this item out", replay_safe=False)
    return Verdict(event=_EVENTS.get(code, Event.UNKNOWN), code=code)


def _holding(row: Mapping[str, Any]) -> Holding:
    """One row; KeyError, TypeError or ValueError where it is none."""
    if not isinstance(row["key"], str) or not isinstance(row["version"], int):
        raise TypeError("no key or version")
    fields = {name: str(value) for name, value in row.items() if name in SOURCES}
    return Holding(kind=RecordKind(row["kind"]), key=row["key"], version=row["version"], fields=fields)
