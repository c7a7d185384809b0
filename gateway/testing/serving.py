"""Run sandboxes on loopback ports, in threads of this process (tests, notebooks) or for good (``gateway sandbox``)."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn

from gateway.testing.sandbox import Sandbox

HOST = "127.0.0.1"
_TICK = 0.01
"""seconds between two looks whether the server is to end"""


def bind(port: int = 0) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one. Bound first, so the address is known and stays ours."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen(128)
    return listener


def address(listener: socket.socket) -> str:
    """The base URL under which a bound socket is reached."""
    return f"http://{HOST}:{listener.getsockname()[1]}"


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it, and ends without uvicorn's pauses of a tenth of a second."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take no signals."""
        yield

    async def main_loop(self) -> None:
        """Serve until told to end."""
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            await asyncio.sleep(_TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more, and let what is under way finish for as long as is granted."""
        for listening in self.servers:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if under_way := set(self.server_state.tasks):
            _, late = await asyncio.wait(under_way, timeout=self.config.timeout_graceful_shutdown)
            for task in late:
                task.cancel()


def server(sandbox: Sandbox, *, grace: int = 1) -> uvicorn.Server:
    """A server for one sandbox that prints nothing; at its end, requests under way have ``grace`` seconds."""
    config = uvicorn.Config(
        sandbox.app(), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=grace, ws="none"
    )
    return _Server(config)


async def serve(pairs: Sequence[tuple[Sandbox, socket.socket]], stop: asyncio.Event) -> None:
    """Serve sandboxes on bound sockets until ``stop`` is set, then close their books."""
    servers = [server(sandbox) for sandbox, _ in pairs]
    runs = [asyncio.create_task(s.serve(sockets=[listener])) for s, (_, listener) in zip(servers, pairs, strict=True)]
    works = [asyncio.create_task(sandbox.by_itself()) for sandbox, _ in pairs]
    await stop.wait()
    for work in works:
        work.cancel()
    await asyncio.gather(*works, return_exceptions=True)
    for one in servers:
        one.should_exit = True
    await asyncio.gather(*runs)
    for sandbox, listener in pairs:
        listener.close()
        sandbox.books.close()


@contextmanager
def running(sandbox: Sandbox) -> Iterator[str]:
    """Serve one sandbox in a thread; gives its base URL and stops it at the end."""
    listener = bind()
    made = server(sandbox, grace=0)  # whoever asked has gone

    async def serving() -> None:
        work = asyncio.create_task(sandbox.by_itself())
        await made.serve(sockets=[listener])
        work.cancel()

    thread = threading.Thread(target=lambda: asyncio.run(serving()), daemon=True)
    thread.start()
    try:
        yield address(listener)
    finally:
        made.should_exit = True
        thread.join(timeout=10)
        listener.close()
        sandbox.books.close()
