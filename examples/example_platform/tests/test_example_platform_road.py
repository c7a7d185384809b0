"""The gateway's road suite: one effect for each record, whatever fails and whoever is killed."""

from __future__ import annotations

from typing import ClassVar

from gateway.testing.road import RoadConformance

from example_platform.sandbox import ExamplePlatformSandbox


class TestRoad(RoadConformance):
    build: ClassVar[str] = "example_platform.adapter:build"
    sandbox_class = ExamplePlatformSandbox
