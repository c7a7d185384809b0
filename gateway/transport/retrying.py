"""The one use of tenacity: try again within seconds, and only where surely nothing left this machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from httpx import Request
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from gateway.contract.messages import WireResponse
from gateway.domain.errors import NotSent


async def connect_again(exchange: Callable[[Request], Awaitable[WireResponse]], request: Request) -> WireResponse:
    """After a first failure to connect, run the exchange at most twice more; the last failure is raised as it is.

    A retrier is made for each call: a shared one would mix the attempts of concurrent callers.
    """
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(NotSent),
        stop=stop_after_attempt(2),
        wait=wait_random_exponential(multiplier=0.1, max=1.0),
        reraise=True,
    )
    return await retrying(exchange, request)
