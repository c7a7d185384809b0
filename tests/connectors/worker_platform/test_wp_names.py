"""Two spellings of one name are one name: in look-ups, holdings and listings, and where a text is masked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from connectors.worker_platform.adapter import WorkerPlatform
from connectors.worker_platform.cipher import encrypt
from gateway.contract.messages import HoldingsPage, Payload, WireResponse
from gateway.delivery.rules.differences import differing
from gateway.domain.records import RecordKind
from gateway.domain.states import Event
from gateway.testing import people
from gateway.testing.conformance import stamp

Answer = Callable[..., WireResponse]
Build = Callable[..., WorkerPlatform]
SECRET = "TestSecret-0123456789-ABCDEFGHIJ"
OURS = "阿卜杜拉·Ali·𠮷"
DOTS = "·•‧・･∙⋅●．.˙\u0387"
SPELLINGS = [
    *(OURS.replace("·", dot) for dot in DOTS),
    *("阿卜杜拉 · Ali · 𠮷", "阿卜杜拉·Ａｌｉ·𠮷", "阿卜杜拉·ALI·𠮷", " 阿卜杜拉\u3000・ａｌｉ･𠮷 "),
]
OTHERS = ["阿卜杜拉Ali𠮷", "阿卜杜拉·Ali", "阿卜杜拉·Ali·吉", "阿卜杜拉-Ali-𠮷", ""]
PLACE = people.placement("000000300101010001", "91370000MA3X000005", "示例建设有限公司", "1000100001", "钢筋一班")


def worker(connector: WorkerPlatform) -> Payload:
    (made,) = people.submissions("worker_platform", RecordKind.PERSON, 1)
    record = people.placed(made.record, PLACE)
    named = replace(record, content=replace(record.content, name=OURS))
    checked = connector.check(replace(made, record=named), connector.map(replace(made, record=named)))
    assert isinstance(checked, Payload), checked
    return checked


def rows(answer: Answer, payload: Payload, name: str, shown: str) -> WireResponse:
    row = {**payload.fields, name: shown, "idCardNumber": encrypt(str(payload.fields["idCardNumber"]), SECRET)}
    return answer(0, "", {"pageIndex": 0, "pageSize": 50, "totalCount": 1, "rows": [row]})


@pytest.fixture(params=["certificate", "worker"])
def held(
    request: pytest.FixtureRequest, built: Build, payloads: tuple[Payload, ...]
) -> tuple[WorkerPlatform, Payload, str]:
    """A connector, a payload with our spelling, and the platform's field of the name."""
    if request.param == "worker":
        national = built(DIALECT="national")
        return national, worker(national), "workerName"
    return built(), replace(payloads[0], fields={**payloads[0].fields, "name": OURS}), "name"


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_another_spelling_is_the_same_person_everywhere(held: Any, answer: Answer, spelling: str) -> None:
    connector, payload, name = held
    response = rows(answer, payload, name, spelling)
    assert connector.decode_lookup(response, payload, stamp()).event is Event.ACCEPTED
    pages = [connector.decode_holdings(response, payload, stamp())]
    part = connector.part_of(payload)
    if part is not None:
        pages.append(connector.decode_part(response, part, stamp()))
    for page in pages:
        assert isinstance(page, HoldingsPage)
        (theirs,) = page.holdings
        assert theirs.key == connector.expected(payload).key
        assert differing(connector.expected(payload), theirs) == ()


@pytest.mark.parametrize("spelling", OTHERS)
def test_another_name_is_a_conflict(held: Any, answer: Answer, spelling: str) -> None:
    connector, payload, name = held
    verdict = connector.decode_lookup(rows(answer, payload, name, spelling), payload, stamp())
    assert verdict.event is Event.CONFLICT


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_text_is_masked_in_every_spelling(held: Any, answer: Answer, spelling: str) -> None:
    connector, payload, _ = held
    number = str(payload.fields["idCardNumber"])
    wide = "".join(chr(ord(c) + 0xFEE0) for c in number)
    refused = answer(-1, f"姓名{spelling.strip()}，证件{wide}，{number.lower()}不符")
    (verdict,) = connector.decode_push(refused, [payload], stamp())
    assert verdict.reason == "姓名***，证件***，***不符"
