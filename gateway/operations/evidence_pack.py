"""The evidence of one transmission as a document that can be verified without the store, and its verifier.

A pack names nobody: it has the lasting columns of the delivery, its record, exchanges, attempts and verdicts, and the
links that cover them. Bytes are added only on demand; they are what travelled, with everybody who travelled along.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from gateway.domain.errors import InputError
from gateway.operations.evidence import Fault
from gateway.operations.rules.evidence import LEAF, canonical, covered, leaf, link_digest, size, within
from gateway.operations.store import evidence
from gateway.operations.store.evidence import Link
from gateway.store.engine import Store

FORMAT = "gateway-evidence-1"


def pack(store: Store, delivery_id: int, now: datetime, *, with_bytes: bool = False) -> dict[str, Any] | None:
    """The document about one delivery; None where there is none. ``uncovered`` names rows that no link covers yet."""
    with store.read() as connection:
        rows = evidence.rows_about(connection, delivery_id)
        if not rows["delivery"]:
            return None
        needed: dict[int, set[str]] = {}
        uncovered = []
        for book, found in rows.items():
            for row in found:
                link = evidence.covering(connection, book, row["id"])
                if link is None:
                    uncovered.append([book, row["id"]])
                else:
                    needed.setdefault(link, set()).add(book)
        links = [_told(link, needed[link.number]) for link in evidence.links(connection, sorted(needed))]
        sent = [row["id"] for row in rows["sent"]]
        bodies = evidence.bodies(connection, store.vault, sent) if with_bytes else {}
    document = {
        "format": FORMAT,
        "made_at": now,
        "delivery": delivery_id,
        "rows": rows,
        "uncovered": uncovered,
        "links": links,
        "bytes": [
            {"book": book, "id": number, "base64": base64.b64encode(body).decode()}
            for (book, number), body in bodies.items()
        ],
    }
    plain: dict[str, Any] = json.loads(canonical(document))
    return plain


def _told(link: Link, wanted: set[str]) -> dict[str, Any]:
    """A link with the digests of its parts, and the leaves of the parts that are wanted."""
    leaves = {book: base64.b64encode(link.parts[book][1]).decode() for book in wanted}
    head = {"link": link.number, "at": link.at, "previous": link.previous, "digest": link.digest}
    return {**head, "parts": covered(link.parts), "leaves": leaves}


def verify_pack(document: Mapping[str, Any], anchors: Mapping[int, str] | None = None) -> list[Fault]:
    """What does not fit in a pack; InputError where it is none.

    anchors: link -> digest, as the store's keeper noted them elsewhere; without them a pack only proves that it fits
             itself
    """
    if document.get("format") != FORMAT:
        raise InputError(f"not an evidence pack ({FORMAT})")
    try:
        return list(_faults(document, anchors))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError("an evidence pack with parts missing or of another form") from None


def _faults(document: Mapping[str, Any], anchors: Mapping[int, str] | None) -> Iterator[Fault]:
    leaves: dict[tuple[str, int], tuple[int, bytes]] = {}
    for link in document["links"]:
        number = link["link"]
        if link_digest(number, link["at"], link["previous"], link["parts"]) != link["digest"]:
            yield Fault(link=number, book=None, row=None, what="does not have its own digest")
        if anchors is not None and anchors.get(number) != link["digest"]:
            yield Fault(link=number, book=None, row=None, what="is not the one that was anchored")
        for book, text in link["leaves"].items():
            ranges, digest = link["parts"][book]
            plain = base64.b64decode(text, validate=True)
            if hashlib.sha256(plain).hexdigest() != digest or len(plain) != size(ranges) * LEAF:
                yield Fault(link=number, book=book, row=None, what="does not have the leaves of its digest")
            for place, row in enumerate(within(ranges)):
                leaves[book, row] = (number, plain[place * LEAF : (place + 1) * LEAF])
    uncovered = {(book, row) for book, row in document["uncovered"]}
    for book, rows in document["rows"].items():
        for row in rows:
            link_number, expected = leaves.get((book, row["id"]), (None, None))
            if expected is None and (book, row["id"]) in uncovered:
                continue
            if expected != leaf(book, row):
                what = "was changed" if expected else "is in no link of the pack"
                yield Fault(link=link_number, book=book, row=row["id"], what=what)
    digests = {("sent", row["id"]): row["request_digest"] for row in document["rows"]["sent"]}
    digests |= {("answered", row["id"]): row["response_digest"] for row in document["rows"]["answered"]}
    for body in document["bytes"]:
        plain = base64.b64decode(body["base64"], validate=True)
        if digests.get((body["book"], body["id"])) != hashlib.sha256(plain).hexdigest():
            what = "the bytes are not those of its digest"
            yield Fault(link=None, book=body["book"], row=body["id"], what=what)
