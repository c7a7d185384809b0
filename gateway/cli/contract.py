"""``gateway check PLATFORM --wsdl URL-or-file``: what a platform publishes now against the pinned contract.

Documents come from the address named, and from no other host, or from the file named and its folder.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urljoin, urlsplit

import typer

from gateway.cli.output import FAILURES, columns, emit, opened, say, table
from gateway.domain.errors import InputError

if TYPE_CHECKING:
    from gateway.contract.connector import Endpoint

Wsdl = Annotated[
    str | None,
    typer.Option("--wsdl", metavar="URL-OR-FILE", help="Compare this WSDL with the one the connector was written for."),
]
_MOST_DOCUMENTS = 100


def check_contract(platforms: Sequence[str], source: str, *, as_json: bool) -> None:
    """Show every change of the contract; exit code 1 where one breaks requests or replies."""
    with opened() as gateway:
        from gateway.codec.wsdldiff import compare
        from gateway.contract.connector import PublishesContract

        if len(platforms) != 1:
            raise InputError("--wsdl goes with exactly one platform")
        connector = gateway.connector(platforms[0])
        if not isinstance(connector, PublishesContract):
            raise InputError(f"{platforms[0]}: the connector was not written for a WSDL")
        address = urlsplit(source).scheme in ("http", "https")
        offered = asyncio.run(_fetched(source, connector.endpoint)) if address else _read(Path(source))
        changes = compare(connector.contract_files(), offered)
    breaking = sum(change.is_breaking for change in changes)
    if as_json:
        rows = [{"place": c.place, "change": c.what, "breaks": c.breaks} for c in changes]
        emit({"platform": platforms[0], "documents": list(offered), "breaking": breaking, "changes": rows})
    elif not changes:
        say(f"{platforms[0]}: the contract is the one the connector was written for")
    else:
        shown = [{"breaks": ", ".join(c.breaks), "place": c.place, "change": c.what} for c in changes]
        table(
            f"{platforms[0]}: {breaking} of {len(changes)} changes break", columns("breaks", "place", "change"), shown
        )
    if breaking:
        raise typer.Exit(FAILURES)


def _read(file: Path) -> dict[str, bytes]:
    """The documents of a file and of its folder, by their names inside it."""
    from gateway.codec.wsdlreader import references

    folder = file.parent.resolve()
    documents: dict[str, bytes] = {}
    waiting = [file.name]
    while waiting:
        name = waiting.pop()
        if name in documents:
            continue
        try:
            documents[name] = (folder / name).read_bytes()
        except OSError as error:
            raise InputError(f"{name}: cannot be read ({error.strerror})") from None
        for place in references(documents[name]):
            path = (folder / name).parent / place
            if urlsplit(place).scheme or folder not in path.resolve().parents:
                raise InputError(f"{place}: outside the folder of {file.name}; bring all documents into it")
            waiting.append(urljoin(name, place))
    return documents


async def _fetched(url: str, endpoint: Endpoint) -> dict[str, bytes]:
    """The documents at an address, with the platform's own TLS, proxy and time limits."""
    from gateway.codec.wsdlreader import references
    from gateway.contract.messages import WireRequest
    from gateway.transport.sender import Sender

    documents: dict[str, bytes] = {}
    waiting = [url]
    while waiting:
        name = waiting.pop()
        if name in documents:
            continue
        if urlsplit(name)[:2] != urlsplit(url)[:2]:
            raise InputError(
                f"the documents name one on another host ({urlsplit(name).netloc or name}): give them as files"
            )
        if len(documents) == _MOST_DOCUMENTS:
            raise InputError(f"the documents name more than {_MOST_DOCUMENTS} others")
        async with Sender(replace(endpoint, base_url=name)) as sender:
            response = await sender.send(WireRequest(operation="contract", method="GET"))
        if response.status != 200:
            raise InputError(f"{name}: answered with status {response.status}")
        documents[name] = response.body
        waiting.extend(urljoin(name, place) for place in references(response.body))
    return documents
