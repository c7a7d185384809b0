"""Pages that lead nowhere: a cursor that comes again ends the run at once, an endless one by its bounds; it says so."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.contract.connector import Endpoint, Paging
from gateway.contract.messages import WireResponse
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.reconcile import reconcile
from gateway.delivery.rules.paging import CURSOR_REPEATED, PAGES_ENDLESS, PageProgress
from gateway.delivery.store import platforms
from gateway.delivery.system import System
from gateway.store.engine import Store
from gateway.store.thread import StoreThread
from gateway.testing import people
from gateway.testing.model import Model, ModelSandbox
from gateway.testing.serving import running
from gateway.transport.sender import Sender

NOW = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)
BOUNDS = Paging(requests=20, size=100_000)


def answer(size: int = 10) -> WireResponse:
    return WireResponse(status=200, body=b"x" * size)


@pytest.mark.parametrize(
    ("cursors", "size", "code", "requests"),
    [
        (["a", "a"], 10, CURSOR_REPEATED, 2),
        ([None], 10, CURSOR_REPEATED, 1),
        (["a", "b", "c", "a"], 10, CURSOR_REPEATED, 4),
        (["a", "b", "c", "d", None], 10, CURSOR_REPEATED, 5),
        ([str(n) for n in range(30)], 10, PAGES_ENDLESS, 20),
        ([str(n) for n in range(30)], 40_000, PAGES_ENDLESS, 3),
        (["a", "b", "c"], 10, None, 3),
    ],
)
def test_a_run_over_pages_ends(cursors: list[str | None], size: int, code: str | None, requests: int) -> None:
    progress = PageProgress(bounds=BOUNDS)
    progress.begin(None)
    found = next((v for c in cursors if (v := progress.after(answer(size), c)) is not None), None)
    assert (found and found.code, progress.requests) == (code, requests)


def test_a_listing_begun_afresh_may_give_its_cursors_again_but_not_for_ever() -> None:
    progress = PageProgress(bounds=BOUNDS)
    for _ in range(9):
        progress.begin("part")
        assert [progress.after(answer(), cursor) for cursor in ("a", "b")] == [None, None]
    progress.begin("part")
    assert progress.after(answer(), "a") is None
    ended = progress.after(answer(), "b")
    assert ended is not None
    assert ended.code == PAGES_ENDLESS


class Circling(ModelSandbox):
    """A platform whose listing gives the cursors it is told to."""

    cursors: Iterator[str] = iter(())
    listings = 0

    def _list(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        self.listings += 1
        return {"rows": [], "next": next(self.cursors)}


@dataclass(frozen=True, kw_only=True)
class Bounded(Model):
    paging: Paging = field(default_factory=lambda: BOUNDS)

    @property
    def endpoint(self) -> Endpoint:
        return replace(super().endpoint, paging=self.paging)


@pytest.mark.parametrize(
    ("cursors", "code", "requests"),
    [
        (lambda: itertools.repeat("same"), CURSOR_REPEATED, 2),
        (lambda: itertools.cycle("abc"), CURSOR_REPEATED, 4),
        (lambda: map(str, itertools.count()), PAGES_ENDLESS, 20),
        (lambda: ("x" * 30_000 + str(n) for n in itertools.count()), PAGES_ENDLESS, 4),
    ],
)
def test_a_listing_without_progress_ends_and_says_so(
    store_url: str,
    make_store: Callable[[str], Store],
    cursors: Callable[[], Iterator[str]],
    code: str,
    requests: int,
) -> None:
    store, rng = make_store(store_url), random.Random(3)
    with store.write() as c:
        platforms.register(c, ["model"])
    sandbox = Circling(seed=1, clock=lambda: NOW)
    sandbox.cursors = cursors()

    async def work(url: str) -> Any:
        model = Bounded(base_url=url)
        edge = System(now=lambda: NOW, new_id=lambda: people.ulid(rng), random_bytes=rng.randbytes, draw=rng.random)
        with StoreThread(store) as thread:
            async with Sender(model.endpoint) as sender:
                return await reconcile(Exchanger(model, sender, thread, edge))

    with running(sandbox) as url:
        report = asyncio.run(work(url))
    assert report.stopped is not None
    assert report.stopped.partition(":")[0] == code
    assert (sandbox.listings, report.run) == (requests, None)
