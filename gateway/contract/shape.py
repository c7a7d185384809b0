"""Whether a connector has the form of the contract: misspelt or half abilities, wrong parameters, impossible limits.

Looked at once, where a connector is loaded, so that it is named before anything is sent. Nothing of it is called.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterator, Mapping
from datetime import timedelta
from difflib import get_close_matches
from functools import cache
from urllib.parse import urlsplit

from gateway.contract import codes, credit, desk
from gateway.contract import connector as required
from gateway.contract.connector import Connector, ConnectorInfo, Endpoint, ListsHoldings, LooksUp, PollsAcks
from gateway.domain.traffic import Waits

_CLOSE = 0.88
"""how alike two names are of which one is taken for the other misspelt"""


@cache
def abilities() -> Mapping[str, type]:
    """The Protocols of the contract by name; ``Connector`` is the first."""
    return {
        protocol.__name__: protocol
        for module in (required, codes, credit, desk)
        for protocol in vars(module).values()
        if isinstance(protocol, type)
        and typing.Protocol in protocol.__bases__
        and protocol.__module__ == module.__name__
    }


@cache
def members() -> Mapping[str, typing.Any]:
    """What the abilities consist of, by name; ``info`` and ``endpoint`` are data of every connector."""
    return {
        name: member
        for protocol in abilities().values()
        for name, member in _own(protocol).items()
        if name not in ("info", "endpoint")
    }


def _own(protocol: type) -> Mapping[str, typing.Any]:
    return {name: member for name, member in vars(protocol).items() if not name.startswith("_")}


def flaws(connector: Connector) -> list[str]:
    """Everything in which a connector breaks the form of the contract, in words for its author; empty where nothing."""
    return [
        *_misspelt(connector),
        *_incomplete(connector),
        *_parameters(connector),
        *_impossible(connector, connector.info),
        *_unreachable(connector.endpoint),
        *_unkeepable(getattr(connector, "desk", None)),
    ]


def _has(connector: Connector, name: str) -> bool:
    """Whether a member is there; None in place of a method takes an inherited one away, as for ``isinstance``."""
    if inspect.isfunction(members().get(name)):
        return getattr(connector, name, None) is not None
    return hasattr(connector, name)


def _misspelt(connector: Connector) -> Iterator[str]:
    lacking = [name for name in members() if not _has(connector, name)]
    for name in dir(type(connector)):
        if not name.startswith("_") and name not in members():
            for meant in get_close_matches(name, lacking, n=1, cutoff=_CLOSE):
                yield f"{name} is no method of the contract: {meant} is"


def _incomplete(connector: Connector) -> Iterator[str]:
    for ability, protocol in abilities().items():
        here = [name for name in _own(protocol) if _has(connector, name)]
        whole = {name for base in protocol.__mro__ if base.__name__ in abilities() for name in _own(base)}
        lacking = sorted(name for name in whole if not _has(connector, name))
        # what several abilities share (HasDesk) makes none of them by itself
        if lacking and (here or protocol is Connector):
            yield f"{ability} is incomplete: {', '.join(lacking)} missing"


def _parameters(connector: Connector) -> Iterator[str]:
    for name, member in members().items():
        method = getattr(connector, name, None)
        if not inspect.isfunction(member) or method is None:
            continue
        if not callable(method):
            yield f"{name} is no method"
            continue
        wanted = list(inspect.signature(member).parameters)[1:]
        try:
            signature = inspect.signature(method)
            signature.bind(*wanted)
        except TypeError:
            yield f"{name} must take {', '.join(wanted) or 'nothing'}"
            continue
        except ValueError:
            continue  # compiled, without a signature
        given = list(signature.parameters)[: len(wanted)]
        if given != wanted and sorted(given) == sorted(wanted):
            yield f"{name} takes {', '.join(given)}: the order is {', '.join(wanted)}"


def _impossible(connector: Connector, info: ConnectorInfo) -> Iterator[str]:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", info.platform):
        yield "info.platform must be lower-case letters, digits and underscores"
    if not info.kinds:
        yield "info.kinds is empty: nothing is owed to the platform"
    for kind, terms in info.kinds.items():
        if not _is_count(terms.batch_max):
            yield f"info.kinds[{kind}].batch_max must be a whole number from 1"
        for before in terms.after:
            if before is kind:
                yield f"info.kinds[{kind}].after names the kind itself"
    for kind, reason in info.declined.items():
        if not str(reason).strip():
            yield f"info.declined[{kind}] gives no reason"
    if not info.reply_statuses or not all(isinstance(s, int) and 200 <= s < 600 for s in info.reply_statuses):
        yield "info.reply_statuses must name HTTP statuses (200 to 599)"
    if not info.reply_media_types or not all(
        re.fullmatch(r"[a-z0-9.+*-]+/[a-z0-9.+*-]+", m) or m == "" for m in info.reply_media_types
    ):
        yield "info.reply_media_types must name media types in lower case, without parameters"
    for name, plan in (("retry", info.retry), ("polls", info.polls), ("lookups", info.lookups)):
        if not _is_plan(plan):
            yield f"info.{name} has a negative wait, or a jitter outside 0 to 1"
    yield from _plans_of_abilities(connector, info)


def _plans_of_abilities(connector: Connector, info: ConnectorInfo) -> Iterator[str]:
    if info.retry.wait(1) is None:
        yield "info.retry is empty: nothing would be tried again"
    if isinstance(connector, PollsAcks) and info.polls.wait(1) is None:
        yield "info.polls is empty: no receipt would be polled"
    if isinstance(connector, LooksUp) and info.lookups.wait(1) is None:
        yield "info.lookups is empty: no doubt would be asked about"
    if isinstance(connector, LooksUp) and not _is_count(info.negative_lookups):
        yield "info.negative_lookups must be at least 1: what was never asked about must not be sent again"
    if isinstance(connector, ListsHoldings) != (info.holdings_by is not None):
        yield "info.holdings_by must be set where holdings can be read (ListsHoldings), and only there"


def _unreachable(endpoint: Endpoint) -> Iterator[str]:
    parts, place = urlsplit(endpoint.base_url), endpoint.hand_over
    if place is not None:
        if (place.database is None) == (place.outbox is None) or (place.outbox is None) != (place.inbox is None):
            yield "endpoint.hand_over must name outbox and inbox, or a database, and not both"
    elif parts.scheme not in ("http", "https") or not parts.hostname:
        yield "endpoint.base_url must be an address with http:// or https://"
    if not _is_count(endpoint.pace.connections):
        yield "endpoint.pace.connections must be a whole number from 1"
    if endpoint.pace.interval < timedelta():
        yield "endpoint.pace.interval must not be negative"
    if endpoint.connect_timeout <= timedelta() or endpoint.deadline <= timedelta():
        yield "endpoint.connect_timeout and endpoint.deadline must be longer than nothing"
    if not _is_count(endpoint.paging.requests) or not _is_count(endpoint.paging.size):
        yield "endpoint.paging must allow at least one request and one byte"


def _unkeepable(terms: object) -> Iterator[str]:
    if not isinstance(terms, desk.DeskTerms):
        return
    if terms.remembered <= timedelta() or terms.asking <= timedelta():
        yield "desk.remembered and desk.asking must be longer than nothing"
    for name in ("accept_days", "answer_days", "scan_bytes"):
        if not _is_count(getattr(terms, name)):
            yield f"desk.{name} must be a whole number from 1"


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_plan(plan: Waits) -> bool:
    spans = [*plan.steps, *(span for span in (plan.then, plan.give_up_after, plan.longest_wish) if span is not None)]
    return all(span >= timedelta() for span in spans) and 0 <= plan.jitter <= 1
