"""What an own decision has to prove before it may leave the draft (R10)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from gateway.credit.rules.decisions import OwnRecord, Proof, lacking

COMPLETE = OwnRecord(
    kind="person",
    subject="P1",
    category="BAD",
    content="示例行为",
    region="370000",
    authority="示例中心",
    legal_basis="示例依据",
    decision="示例决定",
    decision_no="示例决字〔2019〕1号",
    decided=date(2019, 4, 10),
    proof=Proof(noticed=date(2019, 4, 1), heard=True, delivered=date(2019, 4, 12), digest="sha-256:" + "0" * 64),
)


def test_a_complete_decision_lacks_nothing() -> None:
    assert lacking(COMPLETE) == ()


@pytest.mark.parametrize(
    ("changes", "proof", "lacks"),
    [
        ({"decision_no": None}, {}, "decision_no"),
        ({"decided": None}, {}, "decided"),
        ({}, {"noticed": None}, "proof.noticed"),
        ({}, {"heard": False}, "proof.heard"),
        ({}, {"delivered": None}, "proof.delivered"),
        ({}, {"digest": None}, "proof.digest"),
        ({}, {"digest": "md5:0"}, "proof.digest"),
        ({}, {"noticed": date(2019, 4, 11)}, "proof.order"),
        ({}, {"delivered": date(2019, 4, 9)}, "proof.order"),
    ],
)
def test_without_each_part_of_the_proof_it_stays_a_draft(
    changes: dict[str, object], proof: dict[str, object], lacks: str
) -> None:
    given = replace(COMPLETE, proof=replace(COMPLETE.proof, **proof), **changes)  # type: ignore[arg-type]
    assert lacking(given) == (lacks,)
