"""The guard round every call of a connector: what it raises, or gives in another form, never ends a run.

A connector is foreign code. A fault of its own concerns the record at hand and nobody else: what it encodes or maps
then raises ``ConnectorFault``, which ``Exchanger.exchange`` and ``checked`` turn into a verdict; what it decodes gives
that verdict itself. The text of what was raised may hold a person's data, so it stays out: a fault is known by the
class of the exception and the place in the connector's code.
"""

from __future__ import annotations

import dataclasses
import logging
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache, partial
from traceback import walk_tb
from typing import Any, TypeVar, cast

import orjson

from gateway.contract.connector import Connector
from gateway.contract.messages import Draft, Health, Payload, Problems, Verdict, WireRequest, WireResponse
from gateway.contract.shape import members
from gateway.domain.errors import ConnectorFault
from gateway.domain.records import RecordKind, Submission
from gateway.domain.states import REPLY_EVENTS, Event

CONNECTOR_FAULT = "connector_error"
"""verdict code: the connector is to blame, not the record and not the platform"""
_OURS = "gateway."
T = TypeVar("T")

log = logging.getLogger(__name__)


def guarded(connector: Connector) -> Connector:
    """The connector behind its guard; what the contract does not know of it is reached as it stands."""
    return connector if isinstance(connector, _Guarded) else cast(Connector, _Guarded(connector))


def checked(connector: Connector, submission: Submission) -> Payload | Problems | Verdict:
    """The record as it may be sent, what is wrong with it, or the verdict that the connector failed on it."""
    try:
        return connector.check(submission, connector.map(submission))
    except ConnectorFault as fault:
        return fault_verdict(fault)


def fault_verdict(fault: ConnectorFault, event: Event = Event.UNKNOWN, *, split: bool = False) -> Verdict:
    """What a fault of the connector means for a delivery: a person has to look at it."""
    return Verdict(event=event, code=CONNECTOR_FAULT, reason=str(fault), split=split)


class _Guarded:
    """Calls a connector by its contract. Its methods stand in the instance, where ``isinstance`` looks for them."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._logged: set[str] = set()
        for name in members():
            if hasattr(connector, name):
                vars(self)[name] = partial(self._call, name) if name in _results() else getattr(connector, name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connector, name)

    def _call(self, name: str, *given: Any) -> Any:
        try:
            result = getattr(self._connector, name)(*given)
            wrong = _wrong(name, result, given)
        except Exception as error:  # noqa: BLE001 - foreign code
            wrong = f"{type(error).__name__} at {_place(error, self._connector)}"
        else:
            if wrong is None:
                return result
        fault = ConnectorFault(f"the connector failed in {name}: {wrong}")
        if wrong not in self._logged:
            self._logged.add(wrong)
            log.warning(str(fault), extra={"platform": _platform(self._connector), "code": CONNECTOR_FAULT})
        instead = _INSTEAD.get(name)
        if instead is not None:
            return instead(fault, given)
        if name.startswith("decode_"):
            return fault_verdict(fault)
        raise fault from None


_INSTEAD: Mapping[str, Callable[[ConnectorFault, Sequence[Any]], Any]] = {
    # something left, and only the platform knows what it did with it
    "decode_push": lambda fault, given: (fault_verdict(fault, Event.IN_DOUBT),) * len(given[1]),
    "decode_ack": lambda fault, given: (fault_verdict(fault),) * len(given[2]),
    "decode_health": lambda fault, _: Health(ok=False, detail=f"{CONNECTOR_FAULT}: {fault}"),
    "decode_hint": lambda *_: WireResponse(status=500),
    "encode_hint_answer": lambda *_: WireResponse(status=500),
    # what reconciliation cannot expect or ask about is told as such in its classes
    "expected": lambda *_: None,
    "verifiable": lambda *_: None,
    "part_of": lambda *_: None,
    "parts": lambda *_: (),
    "verifies": lambda *_: frozenset(),
    "most_together": lambda *_: 1,
}


def _platform(connector: Connector) -> str:
    try:
        return connector.info.platform
    except Exception:  # noqa: BLE001 - foreign code
        return type(connector).__module__


def _place(error: BaseException, connector: Connector) -> str:
    """Module, line and function of the innermost frame in the connector's own package, else outside the core."""
    package = ".".join(type(connector).__module__.split(".")[:2])
    frames = [
        (str(frame.f_globals.get("__name__", "?")), line, frame.f_code.co_name)
        for frame, line in walk_tb(error.__traceback__)
    ][1:]
    own = [one for one in frames if one[0] == package or one[0].startswith(f"{package}.")]
    foreign = [one for one in frames if not one[0].startswith(_OURS)]
    module, line, function = (own or foreign or frames or [(package, 0, "?")])[-1]
    return f"{module}:{line} ({function})"


def _wrong(name: str, result: Any, given: Sequence[Any]) -> str | None:
    """How a result breaks the contract; None where it does not."""
    if not _results()[name](result):
        return f"a result of another form ({type(result).__name__})"
    if name in ("decode_push", "decode_ack"):
        wanted = len(given[1 if name == "decode_push" else 2])
        if len(result) != wanted:
            return f"{len(result)} verdicts for {wanted} deliveries"
    if isinstance(result, Payload):
        orjson.dumps(result.fields, default=dict)
    return None


@cache
def _results() -> Mapping[str, Callable[[Any], bool]]:
    """Method of the contract -> whether a value is one it may give."""
    return {
        name: _fits(typing.get_type_hints(member)["return"])
        for name, member in members().items()
        if isinstance(member, types.FunctionType)
    }


def _fits(hint: Any) -> Callable[[Any], bool]:
    """Whether a value has the form of an annotation of the contract."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        choices = [_fits(one) for one in inner]
        return lambda value: any(fits(value) for fits in choices)
    if origin is tuple or origin is Sequence or origin is frozenset:
        each, kinds = _fits(inner[0]), (frozenset, set) if origin is frozenset else (tuple, list)
        return lambda value: isinstance(value, kinds) and all(map(each, value))
    if origin is not None and issubclass(origin, Mapping):
        key, item = _fits(inner[0]), _fits(inner[1])
        return lambda value: isinstance(value, Mapping) and all(key(k) and item(v) for k, v in value.items())
    special = _SPECIAL.get(hint) if isinstance(hint, type) else None
    if special is not None:
        return special
    if dataclasses.is_dataclass(hint):
        return _dataclass(cast(type, hint))
    if isinstance(hint, type):
        return lambda value: isinstance(value, hint)
    return lambda _: True  # plain JSON, which packing looks into


@cache
def _dataclass(kind: type) -> Callable[[Any], bool]:
    hints_ = typing.get_type_hints(kind)
    parts = [(f.name, _fits(hints_[f.name])) for f in dataclasses.fields(kind)]

    def fits(value: Any) -> bool:
        if not isinstance(value, kind):
            return False
        return all(part(getattr(value, name)) for name, part in parts)

    return fits


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_moment(value: object) -> bool:
    return isinstance(value, datetime) and value.tzinfo is not None


def _is_text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


# What comes with every delivery is looked at by hand: the general way costs several times the work it watches over.


def _is_verdict(value: Any) -> bool:
    return (
        isinstance(value, Verdict)
        and isinstance(value.event, Event)
        and value.event in REPLY_EVENTS
        and isinstance(value.code, str)
        and isinstance(value.reason, str)
        and _is_text_or_none(value.receipt)
        and _is_text_or_none(value.platform_id)
        and _is_text_or_none(value.next_page)
        and (value.retry_after is None or _is_span(value.retry_after))
        and (not value.fields or _are_names(value.fields))
    )


def _is_span(value: object) -> bool:
    return isinstance(value, timedelta) and value >= timedelta()


def _are_names(value: object) -> bool:
    return isinstance(value, (tuple, list)) and all(isinstance(name, str) and _encodable(name) for name in value)


def _is_payload(value: Any) -> bool:
    """Its fields are packed besides, which looks into them."""
    return (
        isinstance(value, Payload)
        and isinstance(value.key, str)
        and isinstance(value.record_key, str)
        and isinstance(value.kind, RecordKind)
        and isinstance(value.version, int)
        and isinstance(value.fields, Mapping)
    )


def _is_request(value: Any) -> bool:
    """A request that can be written as HTTP/1.1: no line break, nothing beyond ASCII in its head."""
    if (
        not isinstance(value, WireRequest)
        or not isinstance(value.body, bytes)
        or not isinstance(value.headers, Mapping)
    ):
        return False
    head = (value.method, value.path, value.operation, *value.headers, *value.headers.values())
    if not all(isinstance(part, str) for part in head):
        return False
    line = "".join((value.method, value.path, *value.headers, *value.headers.values()))
    return line.isascii() and line.isprintable() and value.path[:1] in ("", "/", "?")


_SPECIAL: Mapping[type, Callable[[Any], bool]] = {
    str: _is_text,
    datetime: _is_moment,
    bool: lambda value: isinstance(value, bool),
    type(None): lambda value: value is None,
    Verdict: _is_verdict,
    Payload: _is_payload,
    Draft: lambda value: isinstance(value, Draft),
    WireRequest: _is_request,
}


def _encodable(text: str) -> bool:
    return text.isascii() or text.encode("utf-8", "replace").decode() == text
