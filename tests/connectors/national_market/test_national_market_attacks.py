"""Hostile XML on both sides of the typed dialect: refused as a message, quickly, with nothing stored or believed."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from gateway.contract.messages import WireResponse
from gateway.domain.records import Record, Submission
from gateway.domain.states import Event

_LAUGHS = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
_ENVELOPE = b"<soap-env:Envelope"
ATTACKS = {
    "document type": "<!DOCTYPE x>",
    "entity": '<!DOCTYPE x [<!ENTITY e "v">]>',
    "billion laughs": f'<!DOCTYPE x [<!ENTITY l0 "ha">{_LAUGHS}]>',
    "quadratic blow-up": f'<!DOCTYPE x [<!ENTITY e "{"a" * 100_000}">]>',
    "file": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>',
    "document type elsewhere": '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
    "parameter entity": '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;]>',
}
NAMES = {"billion laughs": "&l9;", "entity": "&e;", "quadratic blow-up": "&e;" * 1_000, "file": "&e;"}
DEPTH = 100_000


def attacked(body: bytes, name: str, attack: str, envelope: bytes) -> bytes:
    spoiled = body.replace(envelope, attack.encode() + envelope, 1)
    at = spoiled.rindex(b">370000<") + 1
    return spoiled[:at] + NAMES.get(name, "").encode() + spoiled[at:]


@pytest.mark.parametrize(("name", "attack"), ATTACKS.items(), ids=ATTACKS)
def test_the_platform_refuses_it_as_a_message(bench: Any, person: Record, name: str, attack: str) -> None:
    (payload,) = bench.checked(Submission(platform="national_market", record=person))
    sealed = bench.stamp()
    request = bench.connector.encode_push([payload], sealed)
    began = time.process_time()
    answer = bench.send(request, body=attacked(request.body, name, attack, _ENVELOPE))
    assert time.process_time() - began < 2
    (verdict,) = bench.connector.decode_push(answer, [payload], sealed)
    assert (answer.status, verdict.code) == (500, "fault_Client")
    assert b"root:" not in answer.body
    assert bench.sandbox.effects()["counts"]["persons"] == 0


@pytest.mark.parametrize(("name", "attack"), ATTACKS.items(), ids=ATTACKS)
def test_the_connector_does_not_believe_it(bench: Any, person: Record, name: str, attack: str) -> None:
    (payload,) = bench.checked(Submission(platform="national_market", record=person))
    sealed = bench.stamp()
    good = bench.send(bench.connector.encode_push([payload], sealed))
    began = time.process_time()
    spoiled = replace(good, body=attacked(good.body, name, attack, b"<soap:Envelope"))
    (verdict,) = bench.connector.decode_push(spoiled, [payload], sealed)
    assert time.process_time() - began < 2
    assert (verdict.event, verdict.code in ("doctype", "not_xml")) == (Event.RETRY, True)


def test_a_document_deeper_than_any_parser_should_go_is_refused_on_both_sides(bench: Any, person: Record) -> None:
    (payload,) = bench.checked(Submission(platform="national_market", record=person))
    sealed = bench.stamp()
    request = bench.connector.encode_push([payload], sealed)
    deep = b"<x>" * DEPTH + b"</x>" * DEPTH
    answer = bench.send(request, body=request.body.replace(b"<soap-env:Body>", b"<soap-env:Body>" + deep))
    assert (answer.status, bench.sandbox.effects()["counts"]["persons"]) == (500, 0)
    (verdict,) = bench.connector.decode_push(WireResponse(status=200, body=deep), [payload], sealed)
    assert (verdict.event, verdict.code) == (Event.RETRY, "not_xml")
