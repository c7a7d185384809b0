"""The shipped road suite on the model and on platforms that are called; the training system has its own beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest

from connectors.national_market.sandbox import build as market
from connectors.provincial_credit.sandbox import build as credit
from connectors.worker_platform.sandbox import build as worker
from gateway.testing.model import ModelSandbox
from gateway.testing.road import RoadConformance
from gateway.testing.sandbox import Sandbox

pytestmark = pytest.mark.slow
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
