"""Every connector that is wrong on purpose is found out by the check that is named for it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.domain.errors import ConnectorFault
from gateway.domain.records import RecordKind
from gateway.testing.conformance import ConnectorConformance, stamp
from gateway.testing.credit_model import CreditModel
from gateway.testing.model import Model
from gateway.testing.wrong_abilities import WRONG_ABILITIES
from gateway.testing.wrong_connectors import WRONG, Wrong
from tests.testing.test_model_conformance import ADDRESS, model_recordings

ALL = (*WRONG, *WRONG_ABILITIES)
NOT_NAMED = {"test_what_binds_a_reply_is_found_in_it"}
"""checks that no wrong connector is named for: this one is about what the author's test says"""


@pytest.fixture(scope="module")
def answers() -> Mapping[type[Model], Mapping[str, Any]]:
    """Recorded with a connector that is right, for those that are wrong in its place."""
    made = {}
    for right in (Model, CreditModel):
        replies, recordings = model_recordings(right(base_url=ADDRESS))
        made[right] = {"replies": replies, "recordings": recordings}
    return made


def run(check: str, connector: Model, answers: Mapping[str, Any]) -> None:
    """Run one check of the suite with what its parameters name."""
    suite = ConnectorConformance()
    kinds = (RecordKind.PERSON, RecordKind.CERTIFICATE)
    given = {"connector": connector, "sealed": stamp(), "kinds": kinds, **answers}
    method = getattr(suite, check)
    method(**{name: given[name] for name in inspect.signature(method).parameters})


@pytest.mark.parametrize("wrong", ALL, ids=lambda wrong: wrong.connector.__name__)
def test_the_named_check_finds_it(wrong: Wrong, answers: Mapping[type[Model], Mapping[str, Any]]) -> None:
    given = answers[CreditModel if issubclass(wrong.right, CreditModel) else Model]
    with pytest.raises((AssertionError, NotImplementedError, ConnectorFault)):
        run(wrong.check, wrong.connector(base_url=ADDRESS), given)


@pytest.mark.parametrize(
    ("right", "check"), sorted({(wrong.right, wrong.check) for wrong in ALL}, key=lambda one: (one[0].__name__, one[1]))
)
def test_the_right_one_passes_the_check(
    right: type[Model], check: str, answers: Mapping[type[Model], Mapping[str, Any]]
) -> None:
    run(check, right(base_url=ADDRESS), answers[CreditModel if issubclass(right, CreditModel) else Model])


def test_each_is_wrong_in_a_way_of_its_own() -> None:
    assert len({wrong.connector for wrong in ALL}) == len(ALL) >= 100


def test_every_check_of_the_suite_finds_one() -> None:
    checks = {name for name in dir(ConnectorConformance) if name.startswith("test_")}
    assert checks - {wrong.check for wrong in ALL} == NOT_NAMED
