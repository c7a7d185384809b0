"""``gateway release``: a person lets parked deliveries go on."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.output import FAILURES, LARGEST, AsJson, actor, complain, emit, opened, say


def release(
    deliveries: Annotated[
        list[int], typer.Argument(min=1, max=LARGEST, help="Numbers of parked deliveries, as `gateway failures` lists.")
    ],
    reason: Annotated[str, typer.Option(help="Why it may go on; kept in the audit trail.")],
    as_json: AsJson = False,
) -> None:
    """Queue parked deliveries again, with the payload they had. Exit code 1 where one is not parked."""
    with opened() as gateway:
        from gateway.store.release import release as let_go

        now, by = gateway.edge.now(), actor()
        with gateway.store.write() as connection:
            released = let_go(connection, deliveries, reason=reason, by=by, now=now)
    left = sorted(set(deliveries) - set(released))
    if as_json:
        emit({"released": released, "not_parked": left})
    else:
        say(f"{len(released)} queued again")
    for number in left:
        complain(f"delivery {number} is not parked")
    if left:
        raise typer.Exit(FAILURES)
