"""The shipped road suite on every connector of this tree and on the model: one effect for each record, whatever fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import pytest

from connectors.national_market.sandbox import build as market
from connectors.provincial_credit.sandbox import build as credit
from connectors.training_system.sandbox import build as owner
from connectors.worker_platform.sandbox import build as worker
from gateway.domain.records import Record
from gateway.testing.model import ModelSandbox
from gateway.testing.road import Road, RoadConformance
from gateway.testing.sandbox import Sandbox

Made = Callable[..., Sandbox]


class TestRoadOfTheModel(RoadConformance):
    build = "gateway.testing.model:build"
    sandbox_class: ClassVar[Made] = ModelSandbox


class TestRoadOfTheNationalMarket(RoadConformance):
    build = "connectors.national_market.adapter:build"
    sandbox_class: ClassVar[Made] = staticmethod(market)


class TestRoadOfTheWorkerPlatform(RoadConformance):
    build = "connectors.worker_platform.adapter:build"
    sandbox_class: ClassVar[Made] = staticmethod(worker)


class TestRoadOfTheCreditPlatform(RoadConformance):
    build = "connectors.provincial_credit.adapter:build"
    sandbox_class: ClassVar[Made] = staticmethod(credit)


class TestRoadOverFiles(RoadConformance):
    build = "connectors.training_system.adapter:build"
    sandbox_class: ClassVar[Made] = staticmethod(owner)


class TestRoadOverATable(RoadConformance):
    build = "connectors.training_system.adapter:build"
    sandbox_class: ClassVar[Made] = staticmethod(owner)
    sandbox_options: ClassVar[Mapping[str, Any]] = {"dialect": "table"}
