"""``gateway evidence``: prove that what the store says is what was written, as a whole or for one transmission."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.approvals import ask_second_person
from gateway.cli.output import (
    FAILURES,
    LARGEST,
    MISUSE,
    AsJson,
    columns,
    complain,
    emit,
    opened,
    reported,
    say,
    table,
)
from gateway.cli.progress import counting
from gateway.domain.approvals import GuardedAct
from gateway.domain.errors import InputError
from gateway.locale import tr
from gateway.private_files import open_private

if TYPE_CHECKING:
    from gateway.operations.evidence import EvidenceFault

evidence = typer.Typer(no_args_is_help=True, help="The chain of evidence: seal it, verify it, hand out a part of it.")


@evidence.command("seal")
def seal(as_json: AsJson = False) -> None:
    """Cover what was written since, and note the head of the chain in the file of anchors."""
    with opened() as gateway:
        rows = gateway.seal()
    if as_json:
        emit({"sealed": rows})
    else:
        say(tr("{rows} rows sealed", rows=rows))


PublicKey = Annotated[Path | None, typer.Option(help="Public keys (PEM); default is the store's own.")]


@evidence.command("verify")
def verify(
    pack: Annotated[Path | None, typer.Argument(help="An exported pack; the whole store where none is named.")] = None,
    anchors: Annotated[Path | None, typer.Option(help="File of anchors; default is the store's own.")] = None,
    public_key: PublicKey = None,
    every_byte: Annotated[
        bool,
        typer.Option("--bytes", help="Open everything sealed, and judge every acceptance again from its answer."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Name every row that was changed, dropped, added or made anew since it was sealed. Exit code 1 where one was."""
    if pack is not None:
        _verify_pack(pack, anchors, public_key, as_json=as_json)
        return
    with opened() as gateway:
        from gateway.operations.evidence import verify as run
        from gateway.operations.signer import verifier

        if every_byte:
            gateway.note("verify_bytes", "everything")
        key = public_key or gateway.settings.public_key
        beside = anchors is None and gateway.settings.anchors.resolve().parent == gateway.settings.home.resolve()
        with counting(tr("links"), quiet=as_json or not sys.stderr.isatty()) as progress:
            found = run(
                gateway.store,
                anchors or gateway.settings.anchors,
                every_byte=every_byte,
                signed_by=verifier(_readable(key).read_bytes()) if public_key or key.is_file() else None,
                connectors={name: gateway.connector(name) for name in gateway.configured()} if every_byte else None,
                progress=progress,
            )
    if as_json:
        emit({**vars(found), "faults": [vars(fault) for fault in found.faults]})
    else:
        removed = f", {found.removed} removed by retention" if found.removed else ""
        say(
            tr(
                "{links} links over {rows} rows{removed}; {anchors} anchors, {signed} signed",
                links=found.links,
                rows=found.rows,
                removed=removed,
                anchors=found.anchors,
                signed=found.signed,
            )
        )
        if found.proven:
            say(tr("acceptances judged again from their bytes: {names}", names=", ".join(found.proven)))
        if found.uncovered_since is not None:
            say(tr("not sealed yet: what was sent since {uncovered_since}", uncovered_since=found.uncovered_since))
        if beside:
            say(tr("the anchors lie beside the store: who can change one can change both (GATEWAY_EVIDENCE_ANCHORS)"))
        _tell(found.faults)
    if found.faults:
        raise typer.Exit(FAILURES)


def _verify_pack(path: Path, anchors: Path | None, public_key: Path | None, *, as_json: bool) -> None:
    from gateway.operations.anchors import read_anchors
    from gateway.operations.evidence_pack import verify_pack
    from gateway.operations.signer import verifier

    with reported():
        noted = None if anchors is None else dict(read_anchors(_readable(anchors)))
        signed_by = None if public_key is None else verifier(_readable(public_key).read_bytes())
        try:
            document = json.loads(_readable(path).read_bytes())
        except ValueError:
            raise InputError(tr("{name}: not JSON in UTF-8", name=path.name)) from None
        faults = verify_pack(document if isinstance(document, dict) else {}, noted, signed_by)
    if as_json:
        told = {"anchored": noted is not None, "signed": signed_by is not None, "faults": [vars(f) for f in faults]}
        emit({"delivery": document["delivery"], **told})
    else:
        say(tr("delivery {delivery}: {count} links", delivery=document["delivery"], count=len(document["links"])))
        _tell(faults)
    if faults:
        raise typer.Exit(FAILURES)


def _readable(path: Path) -> Path:
    if not path.is_file():
        raise InputError(tr("{name}: there is no such file", name=path.name))
    return path


def _tell(faults: Sequence[EvidenceFault]) -> None:
    if faults:
        table(tr("does not fit"), columns("link", "book", "row", "what"), [vars(fault) for fault in faults])


@evidence.command("export")
def export(
    delivery: Annotated[
        int, typer.Argument(min=1, max=LARGEST, help="Number of a delivery, as `gateway failures` lists.")
    ],
    to: Annotated[Path, typer.Option(help="File to write.")],
    with_bytes: Annotated[
        bool,
        typer.Option(
            "--bytes", help="With the requests and answers that carried nobody else: personal data, in clear."
        ),
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Why the bytes are needed; kept in the audit trail.")] = None,
) -> None:
    """Write the evidence of one transmission to a file that `gateway evidence verify` reads without the store."""
    if with_bytes and not reason:
        complain(tr("--bytes needs --reason"))
        raise typer.Exit(MISUSE)
    with opened() as gateway:
        from gateway.operations.evidence_pack import pack
        from gateway.operations.store.delivery_accounts import account_for

        if with_bytes:
            ask_second_person(
                gateway, GuardedAct.BYTES, f"delivery {delivery}", {"delivery": delivery}, reason=reason or ""
            )
        now = gateway.edge.now()
        account_for(gateway.store, delivery, now)
        gateway.seal()
        document = pack(gateway.store, delivery, now, with_bytes=with_bytes)
        if document is None:
            raise InputError(tr("there is no delivery {delivery}", delivery=delivery))
        of = {"bytes": with_bytes, "person_key": document["rows"]["record"][0]["person_key"]}
        gateway.note("export", f"delivery {delivery}", reason=reason, detail=of)
    _write(to, document)
    say(tr("written to {to}", to=to))


def _write(path: Path, document: dict[str, Any]) -> None:
    """Readable by its owner only: it may hold what travelled."""
    with open_private(path) as file:
        file.write(json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True).encode())
