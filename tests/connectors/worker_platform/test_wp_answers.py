"""Answers that nest deeper or hold more than any answer does are no answers, and never an error of ours."""

from __future__ import annotations

import json

import pytest

from connectors.worker_platform.answers import flat_text, read
from gateway.contract.messages import WireResponse


@pytest.mark.parametrize(
    "body",
    [
        b'{"code": 0, "message": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"code": 0, "data": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
        b'{"code": 0, "data": "' + b"x" * (5 * 1024 * 1024) + b'"}',
        b'{"code": 0, "data": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_too_deep_or_too_large_is_no_answer(body: bytes) -> None:
    assert read(WireResponse(status=200, headers={}, body=body)) is None


def test_json_inside_a_text_is_bounded_too() -> None:
    inner = "[" * 900 + "]" * 900
    assert flat_text(inner) == inner
    wrapped = "x"
    for _ in range(12):
        wrapped = json.dumps([wrapped])
    assert flat_text(wrapped) == "x"
