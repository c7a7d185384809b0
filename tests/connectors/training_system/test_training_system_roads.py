"""From the intake's records to the reconciliation over files and over a table, on both databases, kills included."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import create_engine, text

from connectors.training_system.sandbox import FileOwner
from connectors.training_system.sandbox import build as build_owner
from gateway.delivery.push import push
from gateway.delivery.rules.differences import Difference
from gateway.domain.states import State
from gateway.testing.road import Road, RoadConformance
from gateway.testing.sandbox import Sandbox
from gateway.transport.carrier import carrier_for
from tests.transport.test_tables import front_database

pytestmark = pytest.mark.slow


class TestRoadOverFiles(RoadConformance):
    build = "connectors.training_system.adapter:build"
    sandbox_class: ClassVar[Callable[..., Sandbox]] = staticmethod(build_owner)

    @pytest.fixture
    def road_url(self, store_url: str) -> str:
        return store_url

    def test_the_owner_notices_what_comes_twice(self, road: Road) -> None:
        """Otherwise the account of one effect would prove nothing."""
        road.enqueue(*self.filed(road, 2))
        road.run(push)
        assert isinstance(road.sandbox, FileOwner)
        outbox = road.sandbox.folders.outbox
        copies = {path.name: path.read_bytes() for path in outbox.glob("*.xlsx")}
        road.sandbox.work()
        for name, content in copies.items():
            (outbox / name).write_bytes(content)
        road.until_quiet()
        with pytest.raises(AssertionError, match="more than one effect"):
            road.check()

    def test_an_outbox_that_is_gone_delays_and_loses_nothing(self, road: Road) -> None:
        road.enqueue(*self.filed(road, 2))
        assert isinstance(road.sandbox, FileOwner)
        outbox = road.sandbox.folders.outbox
        away = outbox.rename(outbox.with_name("away"))
        (report,) = road.run(push)
        assert report.outcomes == {"retry": 2}
        away.rename(outbox)
        assert set(road.until_quiet()) == {State.ACCEPTED}
        road.check()

    def test_a_list_older_than_an_acceptance_loses_nothing(self, road: Road) -> None:
        """What the owner accepted after it wrote its list is on its way to the next one."""
        assert isinstance(road.sandbox, FileOwner)
        road.enqueue(*self.filed(road, 1))
        road.until_quiet()
        old = {path: (path.read_bytes(), path.stat().st_mtime) for path in road.sandbox.folders.inbox.glob("*在册*")}
        road.clock.forward(60)
        road.enqueue(*self.filed(road, 2))
        road.until_quiet()
        for path, (content, at) in old.items():
            road.sandbox.folders.give(path.name, content, at)
        assert road.reconciled().classes == {Difference.MATCH: 2, Difference.LAG: 4}

    def test_a_listed_row_of_nobody_and_one_that_is_gone_are_named(self, road: Road) -> None:
        assert isinstance(road.sandbox, FileOwner)
        road.enqueue(*self.filed(road, 2))
        road.until_quiet()
        road.clock.forward(60)
        (number, held), *_ = road.sandbox.books.items("held certificate")
        road.sandbox.books.remove("held certificate", number)
        road.sandbox.books.put("held certificate", "370000000", {**held, "示例证书号": "370000000"})
        road.sandbox.export()
        classes = road.reconciled().classes
        assert classes[Difference.LOST] == 1
        assert classes[Difference.UNKNOWN_HERE] == 1

    def test_without_a_list_a_reconciliation_says_so(self, road: Road) -> None:
        with pytest.raises(AssertionError, match="no exported list"):
            road.reconciled()


class TestRoadOverATable(RoadConformance):
    build = "connectors.training_system.adapter:build"
    sandbox_class: ClassVar[Callable[..., Sandbox]] = staticmethod(build_owner)

    @pytest.fixture
    def road_url(self, store_url: str) -> str:
        return store_url

    @pytest.fixture
    def road(self, road_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Road]:
        """The front-end database is of the same kind as the store."""
        options: Mapping[str, Any] = {"dialect": "table"}
        if not road_url.startswith("sqlite"):
            url = front_database(str(request.getfixturevalue("postgres")))
            engine = create_engine(url)
            with engine.begin() as connection:
                for name in ("person", "certificate"):
                    connection.execute(text(f"DROP TABLE IF EXISTS sample_{name}, sample_held_{name}"))
            engine.dispose()
            options = {**options, "database": url}
        suite = type(self)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(suite, "sandbox_options", options)
            with self.open_road(road_url, tmp_path) as made:
                yield made

    def test_a_commit_that_nobody_heard_of_is_found_by_asking(self, road: Road) -> None:
        """The rows are there, and the answer was lost on its way."""
        road.enqueue(*self.filed(road, 2))
        connector: Any = road.connector
        late = replace(connector.endpoint, deadline=connector.endpoint.deadline)

        class Lost:
            def __init__(self) -> None:
                self.inner = carrier_for(late)

            async def __aenter__(self) -> Lost:
                return self

            async def __aexit__(self, *given: object) -> None:
                return None

            async def send(self, request: Any) -> Any:
                from gateway.domain.errors import Unanswered

                async with self.inner:
                    await self.inner.send(request)
                raise Unanswered("commit", "lost")

        assert asyncio.run(_pushed(road, Lost())) == {"in_doubt": 2}
        assert set(road.until_quiet()) == {State.ACCEPTED}
        road.check()


async def _pushed(road: Road, carrier: Any) -> Any:
    from gateway.bootstrap import system_edge
    from gateway.delivery.exchanger import Exchanger
    from gateway.store.thread import StoreThread

    with StoreThread(road.store) as thread:
        exchanger = Exchanger(road.connector, carrier, thread, replace(system_edge(), now=road.clock))
        return dict((await push(exchanger)).outcomes)
