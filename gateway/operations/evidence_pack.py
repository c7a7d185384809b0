"""The evidence of one transmission as a document that can be verified without the store, and its verifier.

A pack names nobody: it has the lasting columns of the delivery, its record, exchanges, attempts and verdicts, what the
delivery came to, and the links that cover all of it. What the delivery came to counts and names what belongs to it, so
nothing can be left out. Bytes are added only on demand, and only those that carried nobody else: of an exchange that
carried several persons the digest alone is given. What such a message carried of this person is shown as an item: the
payload with the salt of its digest, which stands among the digests of all that the message carried, committed before
its first byte left. ``tools/verify_evidence.py`` verifies a pack without this package.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from gateway.domain.errors import InputError
from gateway.locale import tr
from gateway.operations.evidence import EvidenceFault
from gateway.operations.rules.evidence import LEAF, canonical, covered, leaf, link_digest, members, size, within
from gateway.operations.signer import Verify
from gateway.operations.store import evidence, evidence_bytes
from gateway.operations.store.evidence import ChainLink
from gateway.store.engine import Store

FORMAT = "gateway-evidence-3"
BOOKS = frozenset({"record", "delivery", "sent", "answered", "attempt", "verdict", "account"})


def pack(store: Store, delivery_id: int, now: datetime, *, with_bytes: bool = False) -> dict[str, Any] | None:
    """The document about one delivery; None where there is none. What no link covers yet is named and a fault."""
    with store.read() as connection:
        rows = evidence_bytes.rows_about(connection, store.vault, delivery_id)
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
        alone = evidence_bytes.carried_alone(connection, sent, rows["record"][0]["person_key"])
        bodies = evidence_bytes.bodies(connection, store.vault, sorted(alone)) if with_bytes else {}
        items = evidence_bytes.items_of(connection, store.vault, delivery_id) if with_bytes else []
    document = {
        "format": FORMAT,
        "made_at": now,
        "delivery": delivery_id,
        "rows": rows,
        "uncovered": uncovered,
        "links": links,
        "shared": sorted(set(sent) - alone),
        "bytes": [
            {"book": book, "id": number, "base64": base64.b64encode(body).decode()}
            for (book, number), body in bodies.items()
        ],
        "items": [
            {"exchange": one["exchange"], "salt": one["salt"], "base64": base64.b64encode(one["plain"]).decode()}
            for one in items
        ],
    }
    plain: dict[str, Any] = json.loads(canonical(document))
    return plain


def _told(link: ChainLink, wanted: set[str]) -> dict[str, Any]:
    """A link with the digests of its parts, and the leaves of the parts that are wanted."""
    leaves = {book: base64.b64encode(link.parts[book][1]).decode() for book in wanted}
    head = {name: getattr(link, name) for name in ("at", "previous", "digest", "anchored", "signature")}
    return {"link": link.number, **head, "parts": covered(link.parts, link.tops), "leaves": leaves}


def verify_pack(
    document: Mapping[str, Any], anchors: Mapping[int, str] | None = None, signed_by: Verify | None = None
) -> list[EvidenceFault]:
    """What does not fit in a pack; InputError where it is none.

    anchors:    link -> digest, as the store's keeper noted them elsewhere
    signed_by:  verifies the links' signatures
    Without either a pack only proves that it fits itself, and that is a fault.
    """
    if document.get("format") != FORMAT:
        raise InputError(tr("not an evidence pack ({format})", format=FORMAT))
    try:
        faults = [
            *_links(document, anchors, signed_by),
            *_rows(document),
            *_whole(document),
            *_bodies(document),
            *_items(document),
        ]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise InputError(tr("an evidence pack with parts missing or of another form")) from None
    if anchors is None and signed_by is None:
        faults.append(_fault("neither anchors nor a public key were given: it only fits itself"))
    return faults


def _fault(what: str, link: int | None = None, book: str | None = None, row: int | None = None) -> EvidenceFault:
    return EvidenceFault(link=link, book=book, row=row, what=what)


def _links(
    document: Mapping[str, Any], anchors: Mapping[int, str] | None, signed_by: Verify | None
) -> Iterator[EvidenceFault]:
    """Each link has its own digest, and somebody else's word for it."""
    for link in document["links"]:
        number = link["link"]
        digest = link_digest(number, link["at"], link["previous"], link["parts"], anchored=link["anchored"])
        if digest != link["digest"]:
            yield _fault("does not have its own digest", number)
        if anchors is not None and anchors.get(number) != link["digest"]:
            yield _fault("is not the one that was anchored", number)
        if signed_by is not None and not (link["signature"] and signed_by(link["digest"], link["signature"])):
            yield _fault("is not signed with a key that is known", number)
        for book, text in link["leaves"].items():
            ranges, leaves_digest, _ = link["parts"][book]
            plain = base64.b64decode(text, validate=True)
            if hashlib.sha256(plain).hexdigest() != leaves_digest or len(plain) != size(ranges) * LEAF:
                yield _fault("does not have the leaves of its digest", number, book)


def _rows(document: Mapping[str, Any]) -> Iterator[EvidenceFault]:
    """Each row is covered by a link of the pack."""
    leaves: dict[tuple[str, int], tuple[int, bytes]] = {}
    for link in document["links"]:
        for book, text in link["leaves"].items():
            plain = base64.b64decode(text, validate=True)
            for place, row in enumerate(within(link["parts"][book][0])):
                leaves[book, row] = (link["link"], plain[place * LEAF : (place + 1) * LEAF])
    if document["uncovered"]:
        yield _fault(f"{len(document['uncovered'])} rows are in no link")
    for book, rows in document["rows"].items():
        if book not in BOOKS:
            yield _fault("is of no book", book=book)
        for row in rows:
            number, expected = leaves.get((book, row["id"]), (None, None))
            if expected != leaf(book, row):
                yield _fault("was changed" if expected else "is in no link of the pack", number, book, row["id"])


def _whole(document: Mapping[str, Any]) -> Iterator[EvidenceFault]:
    """It is about one delivery, and everything that belongs to it is there."""
    rows = {book: {row["id"]: row for row in document["rows"][book]} for book in BOOKS}
    if any(len(rows[book]) != 1 for book in ("delivery", "record", "account")):
        yield _fault("it must have one delivery, its record and its account")
        return
    [delivery], [record], [account] = (rows[book].values() for book in ("delivery", "record", "account"))
    if not delivery["id"] == account["delivery_id"] == document["delivery"]:
        yield _fault("the account is of another delivery", book="account", row=account["id"])
    if record["id"] != delivery["record_id"]:
        yield _fault("the record is another than that of the delivery", book="record", row=record["id"])
    attempts = rows["attempt"].values()
    pairs = [(row["id"], row["exchange_id"]) for row in attempts]
    counted = (account["attempts"], account["verdicts"])
    if counted != (len(pairs), len(rows["verdict"])) or members(pairs, rows["verdict"]) != account["members"]:
        yield _fault("exchanges, attempts or verdicts were left out or added", book="account", row=account["id"])
    carried = {exchange for _, exchange in pairs}
    judged = {rows["attempt"][row["attempt_id"]]["exchange_id"] for row in rows["verdict"].values()}
    if set(rows["sent"]) != carried or not judged <= set(rows["answered"]) <= carried:
        yield _fault("requests or answers were left out or added", book="sent")
    if any(row["delivery_id"] != delivery["id"] for row in attempts):
        yield _fault("an attempt is of another delivery", book="attempt")
    applied = [row for _, row in sorted(rows["verdict"].items()) if row["applied"]]
    last = applied[-1]["event"] if applied else None
    ended = ("accepted", "rejected")
    by_itself = account["state"] == "rejected" and account["code"] == "check"
    if account["state"] in ended and last != account["state"] and not by_itself:
        yield _fault(f"it says {account['state']}, and no verdict says so", book="account", row=account["id"])


def _bodies(document: Mapping[str, Any]) -> Iterator[EvidenceFault]:
    """Bytes are those of their digests, and of nobody else's exchange."""
    digests = {("sent", row["id"]): row["request_digest"] for row in document["rows"]["sent"]}
    digests |= {("answered", row["id"]): row["response_digest"] for row in document["rows"]["answered"]}
    for body in document["bytes"]:
        plain = base64.b64decode(body["base64"], validate=True)
        if digests.get((body["book"], body["id"])) != hashlib.sha256(plain).hexdigest():
            yield _fault("the bytes are not those of its digest", book=body["book"], row=body["id"])
        if body["id"] in document["shared"]:
            yield _fault("the bytes carried other persons too", book=body["book"], row=body["id"])


def _items(document: Mapping[str, Any]) -> Iterator[EvidenceFault]:
    """Each item stands among the digests of what its message carried, one for each delivery it carried."""
    sent = {row["id"]: row for row in document["rows"]["sent"]}
    places = {row["exchange_id"]: row["position"] for row in document["rows"]["attempt"]}
    for item in document["items"]:
        number = item["exchange"]
        digests = (sent.get(number, {}).get("item_digests") or "").split()
        plain = base64.b64decode(item["base64"], validate=True)
        digest = hashlib.sha256(item["salt"].encode() + b"\n" + plain).hexdigest()
        if digest not in digests or digests.index(digest) != places.get(number):
            yield _fault("the item is not what was committed at its place", book="sent", row=number)
