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


def server(sandbox: Sandbox) -> uvicorn.Server:
    """A server for one sandbox that prints nothing and leaves signals alone."""
    config = uvicorn.Config(
        sandbox.app(), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1, ws="none"
    )
    return uvicorn.Server(config)


async def serve(pairs: Sequence[tuple[Sandbox, socket.socket]]) -> None:
    """Serve sandboxes on bound sockets until cancelled or interrupted."""
    servers = [(server(sandbox), listener) for sandbox, listener in pairs]
    await asyncio.gather(*(s.serve(sockets=[listener]) for s, listener in servers))


@contextmanager
def running(sandbox: Sandbox) -> Iterator[str]:
    """Serve one sandbox in a thread; gives its base URL and stops it at the end."""
    listener = bind()
    made = server(sandbox)
    thread = threading.Thread(target=lambda: asyncio.run(made.serve(sockets=[listener])), daemon=True)
    thread.start()
    try:
        yield address(listener)
    finally:
        made.should_exit = True
        thread.join(timeout=10)
        listener.close()
        sandbox.books.close()
