"""How fast a store grows: bytes for each thousand deliveries on SQLite, printed with what takes them (`pytest -s`)."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from sqlalchemy import func, select
from typer.testing import Result

from gateway import registry
from gateway.bootstrap import open_gateway
from gateway.delivery.store import owing
from gateway.delivery.store.tables import attempt, exchange, payload
from gateway.operations.store.metrics import store_bytes
from gateway.store import records
from gateway.store.tables import record
from gateway.testing import people
from gateway.testing.serving import running

NAME = "provincial_credit"
CERTIFICATES = 1000
MOST_PER_THOUSAND = 20_000_000


@pytest.mark.slow
def test_a_thousand_deliveries_take_a_few_megabytes(
    bare: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    bare("init")
    sandbox = registry.build_sandbox(NAME, seed=5)
    with running(sandbox) as url:
        for key, value in sandbox.access(url).environment.items():
            monkeypatch.setenv(key, value)
        with open_gateway() as gateway, gateway.store.write() as c:
            empty = store_bytes(c)
            rng = random.Random(1)
            for _ in range(CERTIFICATES // 4):
                person = people.person_record(rng)
                held = [people.certificate_record(rng, person) for _ in range(4)]
                records.add(c, gateway.store.vault, [person, *held], batch_id=None, now=gateway.edge.now())
            owing.owe(c, gateway.connector(NAME).info, gateway.edge.now())
        bare("push")
    with open_gateway() as gateway, gateway.store.read() as c:
        grown = store_bytes(c) - empty
        done = c.execute(select(func.count(attempt.c.delivery_id.distinct()))).scalar_one()
        taken = {
            str(column): int(c.execute(select(func.sum(func.length(column)))).scalar_one() or 0)
            for column in (
                *(exchange.c.request, exchange.c.response, exchange.c.response_headers, exchange.c.proof),
                *(payload.c.content, record.c.content),
            )
        }
        requests = c.execute(select(func.count()).select_from(exchange)).scalar_one()
    assert done >= CERTIFICATES
    print(f"{grown * 1000 / done:,.0f} bytes for 1,000 deliveries in {requests} exchanges")  # noqa: T201 - the figure
    for name, size in taken.items():
        print(f"  {name}: {size * 1000 / done:,.0f}")  # noqa: T201
    assert grown * 1000 / done < MOST_PER_THOUSAND
