"""Every connector that is wrong on purpose is found out by the check that is named for it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.domain.records import RecordKind
from gateway.testing.conformance import ConnectorConformance, stamp
from gateway.testing.model import Model
from gateway.testing.wrong_connectors import WRONG, Wrong
from tests.testing.test_model_conformance import ADDRESS, model_recordings


@pytest.fixture(scope="module")
def answers() -> Mapping[str, Any]:
    replies, recordings = model_recordings(Model(base_url=ADDRESS))
    return {"replies": replies, "recordings": recordings}


def run(check: str, connector: Model, answers: Mapping[str, Any]) -> None:
    """Run one check of the suite with what its parameters name."""
    suite = ConnectorConformance()
    kinds = (RecordKind.PERSON, RecordKind.CERTIFICATE)
    given = {"connector": connector, "sealed": stamp(), "kinds": kinds, **answers}
    method = getattr(suite, check)
    method(**{name: given[name] for name in inspect.signature(method).parameters})


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.connector.__name__)
def test_the_named_check_finds_it(wrong: Wrong, answers: Mapping[str, Any]) -> None:
    with pytest.raises((AssertionError, NotImplementedError)):
        run(wrong.check, wrong.connector(base_url=ADDRESS), answers)
    run(wrong.check, Model(base_url=ADDRESS), answers)


def test_each_is_wrong_in_a_way_of_its_own() -> None:
    assert len({wrong.connector for wrong in WRONG}) == len(WRONG) >= 30
