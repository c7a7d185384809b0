"""What carries requests to a platform, whatever the way: over HTTP, through folders, or through a database table."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from gateway.contract.connector import Endpoint
from gateway.contract.messages import WireRequest, WireResponse


class Carrier(Protocol):
    """Carries requests to one endpoint; made once per platform and task, and closed when done."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    async def send(self, request: WireRequest) -> WireResponse:
        """Give the answer, or raise NotSent (nothing left) or Unanswered (it may have arrived)."""
        ...


def carrier_for(endpoint: Endpoint) -> Carrier:
    """The carrier for an endpoint's way; ConfigurationError names what is wrong with the settings."""
    if endpoint.hand_over is None:
        from gateway.transport.sender import Sender

        return Sender(endpoint)
    if endpoint.hand_over.database is not None:
        from gateway.transport.tables import TableCarrier

        return TableCarrier(endpoint)
    from gateway.transport.folders import FolderCarrier

    return FolderCarrier(endpoint)
