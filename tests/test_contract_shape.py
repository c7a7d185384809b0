"""A connector that has not the form of the contract is named where it is loaded, with what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from gateway import registry
from gateway.contract.connector import ConnectorInfo, Endpoint, KindInfo, Paging
from gateway.contract.messages import Payload, Stamp, WireRequest, WireResponse
from gateway.contract.shape import flaws
from gateway.domain.records import RecordKind
from gateway.domain.traffic import waits
from gateway.settings import loader
from gateway.testing.model import Model
from tests.support.shipped import shipped

GOOD = Model(base_url="http://127.0.0.1:9")
PERSON = RecordKind.PERSON


@dataclass(frozen=True, kw_only=True)
class Changed(Model):
    """The model with another ``info`` or ``endpoint``."""

    with_info: ConnectorInfo = GOOD.info
    with_endpoint: Endpoint = GOOD.endpoint

    @property
    def info(self) -> ConnectorInfo:
        return self.with_info

    @property
    def endpoint(self) -> Endpoint:
        return self.with_endpoint


def test_the_model_and_every_installed_connector_have_the_form_of_the_contract() -> None:
    assert flaws(GOOD) == []
    for name in shipped():
        access = registry.build_sandbox(name).access("http://127.0.0.1:9")
        assert flaws(registry.build_connector(name, loader(dict(access.environment)))) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"platform": "Model-1"}, "info.platform must be lower-case"),
        ({"kinds": {}}, "info.kinds is empty"),
        ({"kinds": {PERSON: KindInfo(batch_max=0, replay_safe=True)}}, "batch_max must be a whole number"),
        ({"kinds": {PERSON: KindInfo(batch_max=1, replay_safe=True, after=(PERSON,))}}, "after names the kind itself"),
        ({"declined": {PERSON: " "}}, "gives no reason"),
        ({"reply_statuses": frozenset[int]()}, "info.reply_statuses must name"),
        ({"reply_statuses": frozenset({0})}, "info.reply_statuses must name"),
        ({"reply_media_types": frozenset({"Application/JSON"})}, "info.reply_media_types must name"),
        ({"reply_media_types": frozenset({"text/xml; charset=utf-8"})}, "info.reply_media_types must name"),
        ({"retry": waits()}, "info.retry is empty"),
        ({"retry": waits(-1)}, "info.retry has a negative wait"),
        ({"polls": waits()}, "info.polls is empty"),
        ({"polls": waits(1, jitter=2)}, "info.polls has a negative wait, or a jitter"),
        ({"lookups": waits()}, "info.lookups is empty"),
        ({"negative_lookups": 0}, "info.negative_lookups must be at least 1"),
        ({"holdings_by": None}, "info.holdings_by must be set"),
    ],
)
def test_an_impossible_limit_is_named(change: dict[str, Any], named: str) -> None:
    assert [text for text in flaws(Changed(base_url="", with_info=replace(GOOD.info, **change))) if named in text]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"base_url": "platform.example/x"}, "endpoint.base_url"),
        ({"pace": replace(GOOD.endpoint.pace, connections=0)}, "endpoint.pace.connections"),
        ({"pace": replace(GOOD.endpoint.pace, interval=timedelta(seconds=-1))}, "endpoint.pace.interval"),
        ({"deadline": timedelta()}, "endpoint.deadline"),
        ({"paging": Paging(requests=0)}, "endpoint.paging"),
    ],
)
def test_an_endpoint_that_cannot_be_spoken_to_is_named(change: dict[str, Any], named: str) -> None:
    assert [
        text for text in flaws(Changed(base_url="", with_endpoint=replace(GOOD.endpoint, **change))) if named in text
    ]


class Misspelt(Model):
    decode_lookup = None  # type: ignore[assignment]

    def decode_lookups(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> object:
        return None


class Swapped(Model):
    def decode_ack(  # type: ignore[override]
        self, response: WireResponse, payloads: Sequence[Payload], receipt: str, stamp: Stamp, /
    ) -> object:
        return ()


class TooFew(Model):
    def encode_push(self, payloads: Sequence[Payload], /) -> WireRequest:  # type: ignore[override]
        return WireRequest(operation="push")


class HalfALogin(Model):
    def encode_login(self, previous: object, stamp: Stamp, /) -> WireRequest:
        return WireRequest(operation="login")

    def decode_book_row(self, response: WireResponse) -> None:
        """A method of its own, near to none of the contract."""


class Closed(Model):
    """A method that was renamed by a slip, in a class that has not the right one."""

    def encode_fedback(self, cursor: str | None, stamp: Stamp, /) -> WireRequest:
        return WireRequest(operation="feedback")


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (
            Misspelt,
            [
                "decode_lookups is no method of the contract: decode_lookup is",
                "LooksUp is incomplete: decode_lookup missing",
            ],
        ),
        (Swapped, ["decode_ack takes response, payloads, receipt, stamp: the order is response, receipt"]),
        (TooFew, ["encode_push must take payloads, stamp"]),
        (HalfALogin, ["NeedsToken is incomplete: decode_login missing"]),
        (Closed, ["encode_fedback is no method of the contract: encode_feedback is"]),
    ],
)
def test_a_misspelt_half_or_swapped_ability_is_named(kind: type[Model], named: list[str]) -> None:
    found = flaws(kind(base_url="http://127.0.0.1:9"))
    assert len(found) == len(named)
    for text, wanted in zip(found, named, strict=True):
        assert wanted in text


def test_the_registry_refuses_it_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("closed", "tests.test_contract_shape:build_closed", registry.CONNECTORS)
    monkeypatch.setattr(registry, "installed", lambda group: (point,))
    with pytest.raises(registry.ConfigurationError, match=r"platform closed: .*breaks the contract: encode_fedback"):
        registry.build_connector("closed", loader({}))


def build_closed(_: object) -> Model:
    return Closed(base_url="http://127.0.0.1:9", platform="closed")
