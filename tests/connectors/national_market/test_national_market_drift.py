"""The platform's code tables against the pinned ones."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.national_market.drift import PINNED, Drift, Item, compare, pinned
from gateway.contract.messages import Verdict, WireResponse
from gateway.domain.delivery import Event
from gateway.domain.errors import ContractError


def asked(bench: Any, name: str) -> Drift | Verdict:
    sealed = bench.stamp()
    answer = bench.send(bench.connector.encode_code_table(name, sealed))
    found: Drift | Verdict = bench.connector.decode_code_table(answer, name, sealed)
    return found


@pytest.mark.parametrize("name", PINNED)
def test_the_simulated_platform_holds_the_pinned_tables(bench: Any, name: str) -> None:
    found = asked(bench, name)
    assert isinstance(found, Drift)
    assert (found.is_clean, found.version) == (True, "2024-01-01")


def test_every_kind_of_difference_is_named_once() -> None:
    ours = {"1": "男", "2": "女", "3": "旧", "4": "停"}
    theirs = {"1": Item(name="男"), "2": Item(name="女性"), "4": Item(name="停", valid=False), "5": Item(name="新")}
    theirs["6"] = Item(name="早已停用", valid=False)
    found = compare("gender", theirs, ours)
    assert (found.missing, found.closed, found.added, found.renamed) == (("3",), ("4",), ("5",), ("2",))
    assert not found.is_clean
    assert compare("gender", {}, {}).is_clean


def test_an_answer_that_differs_is_reported(bench: Any) -> None:
    service, types = "urn:jzsc:personcert:ws:1", "urn:jzsc:personcert:types:1"
    item = "<ws:CodeItem><t:Code>1</t:Code><t:Name>男性</t:Name><t:Valid>0</t:Valid></ws:CodeItem>"
    body = (
        f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ws="{service}" xmlns:t="{types}">'
        "<s:Body><ws:GetCodeTableResponse><ws:ResultCode>000</ws:ResultCode><ws:ResultMessage/>"
        f"{item}</ws:GetCodeTableResponse></s:Body></s:Envelope>"
    )
    response = WireResponse(status=200, headers={"content-type": "text/xml"}, body=body.encode())
    found = bench.connector.decode_code_table(response, "gender", bench.stamp())
    assert (found.missing, found.closed, found.added, found.version) == (("0", "2", "9"), ("1",), (), None)


def test_a_refusal_and_a_wrong_answer_are_verdicts(bench: Any) -> None:
    unknown = asked(bench, "no_such_table")
    assert isinstance(unknown, Verdict)
    assert (unknown.event, unknown.code) == (Event.HOLD, "002")
    garbage = bench.connector.decode_code_table(WireResponse(status=200, body=b"<x/>"), "gender", bench.stamp())
    assert garbage.event is Event.RETRY


def test_a_table_that_is_not_pinned_cannot_be_compared() -> None:
    with pytest.raises(ContractError, match="no pinned table"):
        pinned("division_shandong")
