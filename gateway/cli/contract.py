"""``gateway check PLATFORM --wsdl URL-or-file`` and ``--codes``: what a platform publishes now against what is pinned.

Documents come from the address named, and from no other host, or from the file named and its folder. Code tables are
asked for one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import SplitResult, urlsplit

import typer

from gateway.cli.output import FAILURES, columns, emit, opened, say, table
from gateway.domain.errors import InputError
from gateway.locale import tr

if TYPE_CHECKING:
    from gateway.contract.codes import CodeDrift, PublishesCodes
    from gateway.contract.connector import Endpoint
    from gateway.contract.messages import Verdict
    from gateway.delivery.exchanger import Exchanger

Wsdl = Annotated[
    str | None,
    typer.Option("--wsdl", metavar="URL-OR-FILE", help="Compare this WSDL with the one the connector was written for."),
]
Codes = Annotated[
    bool, typer.Option("--codes", help="Compare the platform's code tables with those the connector writes from.")
]
_MOST_DOCUMENTS = 100
_LISTS = ("missing", "closed", "renamed", "added")


def check_contract(platforms: Sequence[str], source: str, *, as_json: bool) -> None:
    """Show every change of the contract; exit code 1 where one breaks requests or replies."""
    import asyncio

    with opened() as gateway:
        from gateway.codec.wsdl.comparison import compare
        from gateway.contract.connector import PublishesContract

        if len(platforms) != 1:
            raise InputError(tr("--wsdl goes with exactly one platform"))
        connector = gateway.connector(platforms[0])
        if not isinstance(connector, PublishesContract):
            raise InputError(tr("{platforms}: the connector was not written for a WSDL", platforms=platforms[0]))
        address = _split(source).scheme in ("http", "https")
        offered = asyncio.run(_fetched(source, connector.endpoint)) if address else _read(Path(source))
        changes = compare(connector.contract_files(), offered)
    breaking = sum(change.is_breaking for change in changes)
    if as_json:
        rows = [{"place": c.place, "change": c.what, "breaks": c.breaks} for c in changes]
        emit({"platform": platforms[0], "documents": list(offered), "breaking": breaking, "changes": rows})
    elif not changes:
        say(tr("{platforms}: the contract is the one the connector was written for", platforms=platforms[0]))
    else:
        shown = [{"breaks": ", ".join(c.breaks), "place": c.place, "change": c.what} for c in changes]
        table(
            tr(
                "{platforms}: {breaking} of {count} changes break",
                platforms=platforms[0],
                breaking=breaking,
                count=len(changes),
            ),
            columns("breaks", "place", "change"),
            shown,
        )
    if breaking:
        raise typer.Exit(FAILURES)


def check_codes(platforms: Sequence[str], *, as_json: bool) -> None:
    """Show how each code table differs; exit code 1 where codes of ours would be refused, or a table did not come."""
    import asyncio

    with opened() as gateway:
        from gateway.bootstrap import across
        from gateway.contract.codes import PublishesCodes

        if len(platforms) != 1:
            raise InputError(tr("--codes goes with exactly one platform"))
        if not isinstance(gateway.connector(platforms[0]), PublishesCodes):
            raise InputError(
                tr("{platforms}: the platform cannot be asked for its code tables", platforms=platforms[0])
            )
        (rows,) = asyncio.run(across(gateway, list(platforms), _compared))
    bad = sum(not row["ok"] for row in rows)
    if as_json:
        emit({"platform": platforms[0], "breaking": bad, "tables": rows})
    else:
        shown = [{name: _joined(value) for name, value in row.items()} for row in rows]
        heads = ("table", "ok", "detail", "version", "since", *_LISTS)
        table(
            tr(
                "{platforms}: {bad} of {count} code tables differ in what we send",
                platforms=platforms[0],
                bad=bad,
                count=len(rows),
            ),
            columns(*heads),
            shown,
        )
    if bad:
        raise typer.Exit(FAILURES)


def _joined(value: object) -> object:
    return ", ".join(value) if isinstance(value, list) else value


async def _compared(exchanger: Exchanger) -> list[dict[str, Any]]:
    """One row for each table: ``ok`` is False where it differs in what we send, or could not be had."""
    from gateway.contract.codes import PublishesCodes

    connector = exchanger.connector
    assert isinstance(connector, PublishesCodes)
    return [_row(name, await _code_table(exchanger, connector, name)) for name in connector.code_tables()]


async def _code_table(exchanger: Exchanger, connector: PublishesCodes, name: str) -> CodeDrift | Verdict:
    from gateway.contract.messages import Verdict
    from gateway.domain.states import Event

    answer = await exchanger.ask("codes", lambda stamp: connector.encode_code_table(name, stamp), anyway=True)
    if answer.verdict is None and answer.response is not None:
        return connector.decode_code_table(answer.response, name, answer.stamp)
    return answer.verdict or Verdict(event=Event.UNKNOWN, code="no_answer", reason="no answer")


def _row(name: str, found: CodeDrift | Verdict) -> dict[str, Any]:
    from gateway.contract.codes import CodeDrift

    if not isinstance(found, CodeDrift):
        unknown = dict.fromkeys(("version", "since", *_LISTS))
        return {"table": name, "ok": False, "detail": f"{found.code}: {found.reason}", **unknown}
    lists = {field: list(getattr(found, field)) for field in _LISTS}
    since = None if found.since is None else found.since.isoformat()
    detail = "the same" if found.is_clean else "differs" if found.breaks else "has more codes"
    return {
        "table": name,
        "ok": not found.breaks,
        "detail": detail,
        "version": found.version,
        "since": since,
        **lists,
    }


def _read(file: Path) -> dict[str, bytes]:
    """The documents of a file and of its folder, by their names inside it."""
    from gateway.codec.wsdl.reader import joined, references

    folder = file.parent.resolve()
    documents: dict[str, bytes] = {}
    waiting = [file.name]
    while waiting:
        name = waiting.pop()
        if name in documents:
            continue
        if len(documents) == _MOST_DOCUMENTS:
            raise InputError(tr("the documents name more than {most_documents} others", most_documents=_MOST_DOCUMENTS))
        try:
            documents[name] = (folder / name).read_bytes()
            for place in references(documents[name]):
                path = (folder / name).parent / place
                if _split(place).scheme or folder not in path.resolve().parents:
                    raise InputError(
                        tr(
                            "{place}: outside the folder of {name}; bring all documents into it",
                            place=place,
                            name=file.name,
                        )
                    )
                waiting.append(joined(name, place))
        except OSError as error:
            raise InputError(tr("{name}: cannot be read ({strerror})", name=name, strerror=error.strerror)) from None
        except (RuntimeError, ValueError) as error:
            # a link that leads to itself, or a name that no file can have
            raise InputError(tr("{name}: cannot be read ({kind})", name=name, kind=type(error).__name__)) from None
    return documents


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:
        raise InputError(tr("{address}: no address", address=address)) from None


async def _fetched(url: str, endpoint: Endpoint) -> dict[str, bytes]:
    """The documents at an address, with the platform's own TLS, proxy and time limits."""
    from gateway.codec.wsdl.reader import joined, references
    from gateway.contract.messages import WireRequest
    from gateway.transport.sender import Sender

    documents: dict[str, bytes] = {}
    waiting = [url]
    while waiting:
        name = waiting.pop()
        if name in documents:
            continue
        if _split(name)[:2] != _split(url)[:2]:
            raise InputError(
                tr(
                    "the documents name one on another host ({host}): give them as files",
                    host=_split(name).netloc or name,
                )
            )
        if len(documents) == _MOST_DOCUMENTS:
            raise InputError(tr("the documents name more than {most_documents} others", most_documents=_MOST_DOCUMENTS))
        async with Sender(replace(endpoint, base_url=name)) as sender:
            response = await sender.send(WireRequest(operation="contract", method="GET"))
        if response.status != 200:
            raise InputError(tr("{name}: answered with status {status}", name=name, status=response.status))
        documents[name] = response.body
        waiting.extend(joined(name, place) for place in references(response.body))
    return documents
