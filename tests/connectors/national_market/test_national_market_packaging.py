"""Every SOAP answer in other wrapping: white space before it, and as the one XML part of a multipart message."""

# ruff: noqa: E501  # one wrapping to a line
from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.codec.replies import judge_reply
from gateway.codec.soap.envelope import Unreadable, body_element
from gateway.contract.messages import WireResponse
from gateway.domain.records import Record, Submission

PLATFORM = "national_market"
Wrap = Callable[[WireResponse], WireResponse]
SECONDS = 10


def typed(response: WireResponse, content_type: str, body: bytes) -> WireResponse:
    return replace(response, headers={**response.headers, "content-type": content_type}, body=body)


def before(text: bytes) -> Wrap:
    return lambda response: replace(response, body=text + response.body)


def multipart(
    *,
    kind: str = 'multipart/related; type="application/xop+xml"; boundary="b1"; start="<root@a>"; start-info="text/xml"',
    part: str = 'Content-Type: application/xop+xml; charset=utf-8; type="text/xml"\r\nContent-ID: <root@a>',
    encode: Callable[[bytes], bytes] = bytes,
    around: bytes = b"preamble\r\n--b1\r\nHEAD\r\n\r\nBODY\r\n--b1\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n--b1--\r\n",
) -> Wrap:
    def wrap(response: WireResponse) -> WireResponse:
        body = around.replace(b"HEAD", part.encode()).replace(b"BODY", encode(response.body))
        return typed(response, kind, body)

    return wrap


READ: dict[str, Wrap] = {
    "blank line": before(b"\r\n"),
    "blanks": before(b" \t\n\r\n"),
    "byte order mark": before(b"\xef\xbb\xbf"),
    "mark, then a line": before(b"\xef\xbb\xbf\n"),
    "line, then a mark": before(b"\n\xef\xbb\xbf"),
    "MTOM": multipart(),
    "attachments, no start": multipart(kind="Multipart/Related; boundary=b1", part="content-type: text/xml"),
    "one part": multipart(around=b"--b1\r\nHEAD\r\n\r\nBODY\r\n--b1--"),
    "line feeds only": multipart(around=b"--b1\nHEAD\n\n\nBODY\n--b1--\n"),
    "folded header": multipart(part="Content-Type: text/xml;\r\n\tcharset=utf-8\r\nContent-ID:\r\n <root@a>"),
    "root part last": multipart(around=b"--b1\r\nContent-Type: a/b\r\n\r\n--b2\r\n--b1\r\nHEAD\r\n\r\nBODY\r\n--b1--"),
    "base64": multipart(
        part="Content-Type: text/xml\r\nContent-ID: <root@a>\r\nContent-Transfer-Encoding: base64",
        encode=base64.encodebytes,
    ),
}
REFUSED: dict[str, tuple[Wrap, str]] = {
    "no boundary": (multipart(kind="multipart/related"), "without a boundary"),
    "another boundary": (multipart(kind="multipart/related; boundary=b9"), "closing boundary"),
    "no closing boundary": (multipart(around=b"--b1\r\nHEAD\r\n\r\nBODY\r\n"), "closing boundary"),
    "two roots": (
        multipart(around=b"--b1\r\nHEAD\r\n\r\nBODY\r\n--b1\r\nHEAD\r\n\r\nBODY\r\n--b1--"),
        "with 2 XML parts",
    ),
    "no root": (multipart(part="Content-Type: text/html\r\nContent-ID: <root@a>"), "with no XML parts"),
    "start names no part": (multipart(part="Content-Type: text/xml\r\nContent-ID: <other@a>"), "start is not"),
    "start names the attachment": (
        multipart(around=b"--b1\r\nContent-Type: text/xml\r\n\r\nBODY\r\n--b1\r\nHEAD\r\n\r\nx\r\n--b1--", part="Content-Type: a/b\r\nContent-ID: <root@a>"),
        "start is not",
    ),
    "first part is none": (
        multipart(kind="multipart/related; boundary=b1", around=b"--b1\r\nContent-Type: a/b\r\n\r\n\r\n--b1\r\nHEAD\r\n\r\nBODY\r\n--b1--"),
        "start is not",
    ),
    "no end of headers": (multipart(around=b"--b1\r\nBODY\r\n--b1--"), "end of its headers"),
    "unknown encoding": (
        multipart(part="Content-Type: text/xml\r\nContent-ID: <root@a>\r\nContent-Transfer-Encoding: x-gzip"),
        "cannot be read",
    ),
    "no base64": (
        multipart(part="Content-Type: text/xml\r\nContent-ID: <root@a>\r\nContent-Transfer-Encoding: base64"),
        "cannot be read",
    ),
}  # fmt: skip


def answers(bench: Any, person: Record, certificate: Record) -> dict[str, tuple[Any, Callable[[WireResponse], Any]]]:
    """Each call of a connector: the answer it got, and how it is judged."""
    connector, calls = bench.connector, {}
    [payload, held] = bench.checked(*(Submission(platform=PLATFORM, record=record) for record in (person, certificate)))

    def call(name: str, request: Any, judge: Callable[[WireResponse, Any], Any], *further: Any) -> None:
        sealed = bench.stamp()
        calls[name] = (bench.send(request(*further, sealed)), lambda response: judge(response, sealed))

    for name, pushed in (("person", payload), ("certificate", held)):
        call(f"push {name}", connector.encode_push, lambda r, s, p=pushed: connector.decode_push(r, [p], s), [pushed])
        if hasattr(connector, "encode_lookup"):
            call(
                f"look up {name}",
                connector.encode_lookup,
                lambda r, s, p=pushed: connector.decode_lookup(r, p, s),
                pushed,
            )
    if hasattr(connector, "encode_health"):
        call("health", connector.encode_health, connector.decode_health)
    if hasattr(connector, "encode_ack"):
        serial = "37000020190402093000000000000001"
        call("receipt", connector.encode_ack, lambda r, s: connector.decode_ack(r, serial, [payload], s), serial)
        call(
            "holdings", connector.encode_holdings, lambda r, s: connector.decode_holdings(r, payload, s), None, payload
        )
        call("codes", connector.encode_code_table, lambda r, s: connector.decode_code_table(r, "trade", s), "trade")
    elif hasattr(connector, "encode_holdings"):
        call("holdings", connector.encode_holdings, lambda r, s: connector.decode_holdings(r, None, s), None, None)
    if hasattr(connector, "encode_login"):
        call("login", connector.encode_login, connector.decode_login, None)
        call("logout", connector.encode_logout, lambda r, s: connector._open(r, "Logout").findtext("{*}ResultCode"))
    return calls


@pytest.mark.parametrize(
    "given",
    [{}, {"soap_version": "1.2"}, {"dialect": "T-token"}, {"dialect": "X"}, {"dialect": "X-jiangsu"}],
    ids=["T", "T over 1.2", "T-token", "X", "X-jiangsu"],
)  # fmt: skip
def test_every_answer_means_the_same_in_every_wrapping(
    road: Callable[..., Any], person: Record, certificate: Record, given: dict[str, str]
) -> None:
    bench = road(**given)
    if given.get("dialect") == "T-token":
        bench.log_in()
    calls = answers(bench, person, certificate)
    assert len(calls) >= 2
    for name, (response, judge) in calls.items():
        plain = judge(response)
        for wrapping, wrap in READ.items():
            wrapped = wrap(response)
            outer = judge_reply(wrapped, bench.connector.info, replay_safe=True, now=bench.clock.now)
            assert outer is None, (name, wrapping)
            assert judge(wrapped) == plain, (name, wrapping)


@pytest.mark.parametrize("name", REFUSED)
def test_a_message_without_one_root_is_not_understood_and_says_why(bench: Any, person: Record, name: str) -> None:
    wrap, reason = REFUSED[name]
    [payload] = bench.checked(Submission(platform=PLATFORM, record=person))
    sealed = bench.stamp()
    response = wrap(bench.send(bench.connector.encode_push([payload], sealed)))
    [verdict] = bench.connector.decode_push(response, [payload], sealed)
    assert (verdict.event.value, verdict.code) == ("retry", "multipart")
    assert reason in verdict.reason


def test_a_value_that_stands_in_another_part_is_not_understood(bench: Any, person: Record) -> None:
    [payload] = bench.checked(Submission(platform=PLATFORM, record=person))
    sealed = bench.stamp()
    response = bench.send(bench.connector.encode_push([payload], sealed))
    include = b'<x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:1"/>'
    head, mark, rest = response.body.partition(b"SenderCode>")
    assert mark
    response = multipart()(replace(response, body=head + mark + include + rest[6:]))
    [verdict] = bench.connector.decode_push(response, [payload], sealed)
    assert (verdict.event.value, verdict.code) == ("retry", "xop")


FLOODS = {
    "blanks": (b" " * 20_000_000, "text/xml"),
    "line breaks": (b"\r\n" * 10_000_000, 'multipart/related; boundary="b"'),
    "near boundaries": (b"\r\n--b" * 4_000_000, 'multipart/related; boundary="bb"'),
    "parts": (b"\r\n--b\r\n\r\n\r\nx" * 1_000_000, "multipart/related; boundary=b"),
    "dashes": (b"-" * 20_000_000, "multipart/related; boundary=-"),
    "header without end": (b"--b\r\n" + b"a" * 20_000_000 + b"\r\n--b--", "multipart/related; boundary=b"),
    "folded header": (b"--b\r\n" + b"\r\n " * 6_000_000 + b"\r\n--b--", "multipart/related; boundary=b"),
    "parameters": (b"", "multipart/related" + "; a=" * 1_000_000),
    "spaces in parameters": (b"", "multipart/related;" + " " * 1_000_000),
    "elements": (b"<a>" + b"<a/>" * 7_000_000 + b"</a>", "text/xml"),
    "nesting": (b"<a>" * 1_000_000, "text/xml"),
    "attributes": (b"<a " + b"".join(b'a%d="" ' % n for n in range(200_000)) + b"/>", "text/xml"),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_ends_soon_and_is_not_understood(name: str) -> None:
    body, content_type = FLOODS[name]
    begun = time.process_time()
    assert isinstance(body_element(body, content_type), Unreadable)
    assert time.process_time() - begun < SECONDS
