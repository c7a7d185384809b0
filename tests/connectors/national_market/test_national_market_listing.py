"""Dialect X: whole tables for the comparison of both sides, and what a health call can tell there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.contract.connector import HoldingsBy, ListsHoldings, ProbesHealth
from gateway.contract.messages import HoldingsPage, Verdict, WireResponse
from gateway.domain.errors import ContractError
from gateway.domain.records import Record, Submission
from gateway.domain.states import Event

Road = Callable[..., Any]


def of(record: Record) -> Submission:
    return Submission(platform="national_market", record=record)


def page(bench: Any, cursor: str | None = None) -> HoldingsPage | Verdict:
    sealed = bench.stamp()
    answer = bench.send(bench.connector.encode_holdings(cursor, None, sealed))
    found = bench.connector.decode_holdings(answer, None, sealed)
    assert isinstance(found, HoldingsPage | Verdict)
    return found


def health(bench: Any) -> Any:
    sealed = bench.stamp()
    return bench.connector.decode_health(bench.send(bench.connector.encode_health(sealed)), sealed)


@pytest.fixture
def filled(road: Road, person: Record, certificate: Record) -> tuple[Any, list[Any]]:
    """A service with one person and one certificate, and what was sent."""
    bench = road("X")
    payloads = bench.checked(of(person), of(certificate))
    for payload in payloads:
        assert bench.push(payload) == [("accepted", "000")]
    return bench, payloads


def test_both_tables_come_one_after_the_other_as_expected(filled: tuple[Any, list[Any]]) -> None:
    bench, payloads = filled
    assert bench.connector.info.holdings_by is HoldingsBy.PAGE
    persons = page(bench)
    assert isinstance(persons, HoldingsPage)
    certificates = page(bench, persons.next_cursor)
    assert isinstance(certificates, HoldingsPage)
    assert (persons.next_cursor, certificates.next_cursor) == ("certificate", None)
    expected = [bench.connector.expected(payload) for payload in payloads]
    assert [*persons.holdings, *certificates.holdings] == expected


def test_rows_from_long_ago_are_listed_though_no_look_up_reads_so_far_back(filled: tuple[Any, list[Any]]) -> None:
    bench, payloads = filled
    bench.clock.forward(86_400 * 400)
    found = page(bench)
    assert isinstance(found, HoldingsPage)
    assert [one.key for one in found.holdings] == [payloads[0].fields["PKID"]]


def test_what_was_withdrawn_is_not_listed(filled: tuple[Any, list[Any]]) -> None:
    bench, _ = filled
    books = bench.sandbox.books
    ((key, kept),) = books.items("TBWorkerCert")
    books.put("TBWorkerCert", key, kept | {"row": kept["row"] | {"UpdateFlag": "D"}, "state": -1})
    found = page(bench, "certificate")
    assert isinstance(found, HoldingsPage)
    assert found.holdings == ()


def test_a_table_without_rows_ends_the_listing_with_a_verdict(road: Road) -> None:
    found = page(road("X"))
    assert isinstance(found, Verdict)
    assert (found.event, found.code) == (Event.RETRY, "empty_result")


def test_rows_of_no_known_table_are_not_taken_for_an_empty_one(filled: tuple[Any, list[Any]]) -> None:
    bench, _ = filled
    sealed = bench.stamp()
    answer = bench.send(bench.connector.encode_holdings(None, None, sealed))
    spoiled = WireResponse(status=200, headers=answer.headers, body=answer.body.replace(b"PKID", b"XKID"))
    found = bench.connector.decode_holdings(spoiled, None, sealed)
    assert isinstance(found, Verdict)
    assert (found.event, found.code) == (Event.UNKNOWN, "no_table")


def test_a_listing_is_by_table_only(filled: tuple[Any, list[Any]]) -> None:
    bench, payloads = filled
    with pytest.raises(ContractError, match="by table"):
        bench.connector.encode_holdings(None, payloads[0], bench.stamp())


@pytest.mark.parametrize(
    ("dialect", "given", "lists", "probes"),
    [
        ("X", {}, True, True),
        ("X", {"region_accounts": '{"370100": "other"}'}, False, True),
        ("X-suzhou", {}, False, False),
        ("X-jiangsu", {}, False, False),
    ],
)
def test_a_dialect_offers_what_its_service_can_answer(
    road: Road, dialect: str, given: dict[str, str], lists: bool, probes: bool
) -> None:
    connector = road(dialect, **given).connector
    assert (isinstance(connector, ListsHoldings), isinstance(connector, ProbesHealth)) == (lists, probes)


def test_health_is_proven_by_rows_and_left_open_by_an_empty_answer(filled: tuple[Any, list[Any]], road: Road) -> None:
    bench, _ = filled
    assert (health(bench).ok, health(bench).detail) == (True, "1 rows of the last days were read")
    empty = health(road("X"))
    assert empty.ok
    assert "cannot be told" in empty.detail
    wrong = health(road("X", password="another"))
    assert "cannot be told" in wrong.detail


@pytest.mark.parametrize("text", [b"<html/>", b"007", b""])
def test_health_is_not_good_where_no_answer_came(road: Road, text: bytes) -> None:
    bench = road("X")
    found = bench.connector.decode_health(WireResponse(status=200, body=text), bench.stamp())
    assert not found.ok
