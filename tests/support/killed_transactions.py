"""An exchanger that breaks off a chosen transaction after its work and before its commit, as a killed process would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from gateway.delivery.exchanger import Exchanger
from gateway.store.scope import Scope

P = ParamSpec("P")
T = TypeVar("T")


class KilledError(Exception):
    """The process is gone."""


class Dying(Exchanger):
    """Counts write transactions of the use case by the name of their function; dies in the chosen one."""

    die_in: str | None = None
    passes: int = 0
    """how many transactions of that name are let through before"""

    async def transact(self, work: Callable[Concatenate[Scope, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        if work.__name__ != self.die_in:
            return await super().transact(work, *args, **kwargs)
        if self.passes:
            self.passes -= 1
            return await super().transact(work, *args, **kwargs)

        def dying(scope: Scope, *args: P.args, **kwargs: P.kwargs) -> T:
            work(scope, *args, **kwargs)
            raise KilledError

        return await super().transact(dying, *args, **kwargs)
