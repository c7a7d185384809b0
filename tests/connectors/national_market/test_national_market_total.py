"""Whatever stands in an answer that its schema allows, or in one that it does not: a verdict, never an exception."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from lxml import etree

from gateway.contract.messages import Health, HoldingsPage, Token, Verdict, WireResponse
from gateway.domain.names import plain_name
from gateway.domain.records import Certificate, Record, Submission
from gateway.domain.states import Event

PLATFORM = "national_market"
EXTREMES = (
    *("9999-12-31", "0001-01-01", "10000-01-01", "-0001-12-31", "12019-02-28Z", "2019-02-30", "0001-01-01+14:00"),
    *("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2019-04-02T24:00:00Z", "99999-01-01T00:00:00Z"),
    *("-0044-03-15T00:00:00Z", "2019-04-02T01:30:00.123456789Z", "2019-04-02T01:30:00-00:00", "2019-04-02T01:30:00"),
    *("0", "-1", "+5", "-0", "007", "2147483647", "-2147483648", "99999999999999999999", "9" * 5000, "1" + "0" * 4400),
    *("", " ", "NaN", "INF", "1e400", "true", "0.0", "²", "１２", "\u0660", "𠮷", "x" * 70_000, "%s{0}", "2 "),
)
NESTED = b"<a>" * 10_000 + b"</a>" * 10_000


def calls(
    bench: Any, person: Record, certificate: Record
) -> list[tuple[str, WireResponse, Callable[[WireResponse], Any]]]:
    """Every decoding call of the connector, with a good answer to it."""
    connector, made = bench.connector, []
    pushed = bench.checked(*(Submission(platform=PLATFORM, record=r) for r in (person, certificate)))

    def add(name: str, request: Any, decode: Callable[[WireResponse, Any], Any]) -> None:
        sealed = bench.stamp()
        made.append((name, bench.send(request(sealed)), lambda response: decode(response, sealed)))

    for p in pushed:
        kind = p.kind.value
        add(
            f"push {kind}",
            lambda s, p=p: connector.encode_push([p], s),
            lambda r, s, p=p: connector.decode_push(r, [p], s),
        )
        if hasattr(connector, "encode_lookup"):
            add(
                f"look-up {kind}",
                lambda s, p=p: connector.encode_lookup(p, s),
                lambda r, s, p=p: connector.decode_lookup(r, p, s),
            )
    for name in ("health", "login"):
        if hasattr(connector, f"encode_{name}"):
            more = (None,) if name == "login" else ()
            add(
                name,
                lambda s, n=name, m=more: getattr(connector, f"encode_{n}")(*m, s),
                getattr(connector, f"decode_{name}"),
            )
    if hasattr(connector, "encode_ack"):
        receipt = "37000020190402093000000000000001"
        add("ack", lambda s: connector.encode_ack(receipt, s), lambda r, s: connector.decode_ack(r, receipt, pushed, s))
        add(
            "holdings",
            lambda s: connector.encode_holdings(None, pushed[1], s),
            lambda r, s: connector.decode_holdings(r, pushed[1], s),
        )
        add(
            "codes",
            lambda s: connector.encode_code_table("gender", s),
            lambda r, s: connector.decode_code_table(r, "gender", s),
        )
    return made  # fmt: skip


def damaged(response: WireResponse) -> list[WireResponse]:
    """The answer with each of its leaves set to each extreme, left out and doubled, and bytes that are no answer."""
    found: list[bytes] = []
    count = len([leaf for leaf in etree.fromstring(response.body).iter() if not len(leaf)])
    for number in range(min(count, 40)):
        root = etree.fromstring(response.body)
        leaf = [leaf for leaf in root.iter() if not len(leaf)][number]
        for text in EXTREMES:
            leaf.text = text
            found.append(etree.tostring(root))
        leaf.addnext(etree.fromstring(etree.tostring(leaf)))
        found.append(etree.tostring(root))
        leaf.getparent().remove(leaf)
        found.append(etree.tostring(root))
    body = response.body
    found += [NESTED, body.replace(b"Body>", b"Body>" + NESTED, 1), b"", b"\x00", b"\xff\xfe", body[: len(body) // 2]]
    return [replace(response, body=each) for each in found]


@pytest.mark.parametrize("dialect", ["T", "T-token", "X"])
def test_every_answer_gives_a_verdict(
    road: Callable[..., Any], person: Record, certificate: Record, dialect: str
) -> None:
    bench = road(dialect)
    if dialect == "T-token":
        bench.log_in()
    for name, response, decode in calls(bench, person, certificate):
        for answer in damaged(response):
            found = decode(answer)
            told = list(found) if name.startswith(("push", "ack")) else [found]
            assert told, name
            known = (Verdict, Health, HoldingsPage, Token)
            assert all(isinstance(one, known) or type(one).__name__ == "CodeDrift" for one in told), name


@pytest.mark.parametrize(
    "date", ["Mon, 01 Jan 99999 00:00:00 GMT", "Mon, 01 Jan 2019 00:00:00 +99999999999", "x" * 9, "0", "\u0660"]
)
def test_a_date_header_that_is_none_is_no_clock(bench: Any, date: str) -> None:
    sealed = bench.stamp()
    answer = WireResponse(status=500, headers={"date": date, "content-type": "text/xml"}, body=b"<a/>")
    health = bench.connector.decode_health(answer, sealed)
    assert (health.ok, health.clock_skew) == (False, None)


def look_up(bench: Any, record: Record, edit: Callable[[etree._Element], None]) -> tuple[Event, bool]:
    """The verdict of a look-up on an edited answer, and whether the comparison of both sides finds them equal."""
    [payload] = bench.checked(Submission(platform=PLATFORM, record=record))
    assert bench.push(payload)[0][0] == "accepted"
    sealed = bench.stamp()
    response = bench.send(bench.connector.encode_lookup(payload, sealed))
    root = etree.fromstring(response.body)
    edit(root)
    response = replace(response, body=etree.tostring(root))
    page = bench.connector.decode_holdings(response, payload, sealed)
    verdict = bench.connector.decode_lookup(response, payload, sealed)
    return verdict.event, page.holdings[0].fields == bench.connector.expected(payload).fields


@pytest.mark.parametrize("dot", "··•・‧﹒˙ㆍ･．.∙⋅")
def test_a_name_is_the_same_with_every_dot_and_width(bench: Any, person: Record, dot: str) -> None:
    named = replace(person, content=replace(person.content, name="阿依古丽·买买提Ａ"))

    def edit(root: etree._Element) -> None:
        root.find(".//{*}PersonName").text = f"阿依古丽{dot}买买提A"  # type: ignore[union-attr]

    assert look_up(bench, named, edit) == (Event.ACCEPTED, True)
    assert plain_name(f"阿依古丽{dot}买买提Ａ") == plain_name("阿依古丽·买买提A")


@pytest.mark.parametrize("other", ["别人", "阿丽"])
def test_another_name_is_still_another(bench: Any, person: Record, other: str) -> None:
    named = replace(person, content=replace(person.content, name="阿·丽"))

    def edit(root: etree._Element) -> None:
        root.find(".//{*}PersonName").text = other  # type: ignore[union-attr]

    assert look_up(bench, named, edit) == (Event.CONFLICT, False)


def test_an_end_in_9999_is_no_end(bench: Any, person: Record, certificate: Record) -> None:
    bench.push(*bench.checked(Submission(platform=PLATFORM, record=person)))
    content = certificate.content
    assert isinstance(content, Certificate)
    endless = replace(certificate, content=replace(content, valid_to=None))

    def edit(root: etree._Element) -> None:
        begin = root.find(".//{*}ValidFrom")
        assert begin is not None
        end = etree.Element(begin.tag.replace("ValidFrom", "ValidTo"))
        end.text = "9999-12-31"
        begin.addnext(end)

    assert look_up(bench, endless, edit) == (Event.ACCEPTED, True)
