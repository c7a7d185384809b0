#!/usr/bin/env python3
"""Verify an evidence pack without the gateway: what was sent about one delivery, and what the platform answered.

    python3 verify_evidence.py PACK.json [--anchors anchors.jsonl] [--public-key evidence-public.pem]

Needs Python 3.9 or later, and the package ``cryptography`` where signatures are to be verified. It reads nothing but
the files named, and imports nothing of the gateway. Exit code 0: everything fits; 1: something does not; 2: not a pack.

What is verified, in this order:

1. Each link: SHA-256 over ``[2, number, at, previous, anchored, parts]`` in canonical JSON (sorted keys, no spaces,
   UTF-8) is its digest. ``parts`` names for each book the ids it covers, the digest of their leaves, and how far the
   book is covered.
2. Each link's digest is the one noted among the anchors, and is signed (Ed25519 over the hexadecimal digest) with one
   of the public keys; at least one of the two must be given.
3. Each row: the first 16 bytes of SHA-256 over ``book``, a line feed and the row in canonical JSON stand among the
   leaves of a link, at the place of the row's id.
4. The account of the delivery (itself such a row) counts the attempts and verdicts, and has the digest of their ids:
   nothing was left out and nothing added.
5. What the account says the delivery came to is what its last verdict that counted says.
6. Bytes, where the pack has any, are those of the digests in its rows.
7. Items, where the pack has any: SHA-256 over ``salt``, a line feed and the item stands in ``item_digests`` of the
   request that carried it, at the position of this delivery. The other digests there are of what else the request
   carried; without their salts nothing can be learnt from them.

An item proves what the keeper committed to sending for this delivery before the first byte left. It does not prove that
the bytes on the wire hold it: that takes the whole request, whose digest stands in the same row.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys

FORMAT = "gateway-evidence-3"
BOOKS = ("record", "delivery", "sent", "answered", "attempt", "verdict", "account")
LEAF_BYTES = 16


def canonical(value):
    """JSON in the one form that is digested."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def sha256(plain):
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(plain).hexdigest()


def ids_of(ranges):
    """The ids that a part covers, in the order of their leaves."""
    for part in ranges:
        if isinstance(part, str):
            yield part
        else:
            yield from range(part[0], part[1] + 1)


def check_links(pack, anchors, keys):
    """Faults of links, and the leaves that they prove: (book, id) -> leaf."""
    faults, leaves = [], {}
    for link in pack["links"]:
        name = f"link {link['link']}"
        body = [2, link["link"], link["at"], link["previous"], link["anchored"], link["parts"]]
        if sha256(canonical(body)) != link["digest"]:
            faults.append(f"{name}: does not have its own digest")
        if anchors is not None and anchors.get(link["link"]) != link["digest"]:
            faults.append(f"{name}: is not the one that was anchored")
        if keys is not None and not signed_by_any(keys, link["digest"], link["signature"]):
            faults.append(f"{name}: is not signed with a key that is known")
        for book, text in link["leaves"].items():
            ranges, digest = link["parts"][book][:2]
            plain = base64.b64decode(text, validate=True)
            ids = list(ids_of(ranges))
            if sha256(plain) != digest or len(plain) != LEAF_BYTES * len(ids):
                faults.append(f"{name}, {book}: does not have the leaves of its digest")
                continue
            for place, number in enumerate(ids):
                leaves[book, number] = plain[place * LEAF_BYTES : (place + 1) * LEAF_BYTES]
    return faults, leaves


def check_rows(pack, leaves):
    """Faults of rows: changed, or covered by no link."""
    faults = []
    if pack["uncovered"]:
        faults.append(f"{len(pack['uncovered'])} rows are in no link")
    for book, rows in pack["rows"].items():
        if book not in BOOKS:
            faults.append(f"{book}: is of no book")
        for row in rows:
            expected = leaves.get((book, row["id"]))
            stands = hashlib.sha256(book.encode() + b"\n" + canonical(row)).digest()[:LEAF_BYTES]
            if expected != stands:
                what = "was changed" if expected else "is in no link of the pack"
                faults.append(f"{book} {row['id']}: {what}")
    return faults


def check_whole(pack):
    """Faults of the pack as a whole: of another delivery, incomplete, or saying what no verdict says."""
    rows = {book: {row["id"]: row for row in pack["rows"][book]} for book in BOOKS}
    if any(len(rows[book]) != 1 for book in ("delivery", "record", "account")):
        return ["it must have one delivery, its record and its account"]
    delivery, record, account = (next(iter(rows[book].values())) for book in ("delivery", "record", "account"))
    faults = []
    if not delivery["id"] == account["delivery_id"] == pack["delivery"]:
        faults.append("the account is of another delivery")
    if record["id"] != delivery["record_id"]:
        faults.append("the record is another than that of the delivery")
    attempts = rows["attempt"].values()
    pairs = sorted([row["id"], row["exchange_id"]] for row in attempts)
    digest = sha256(canonical([pairs, sorted(rows["verdict"])]))
    if (account["attempts"], account["verdicts"], account["members"]) != (len(pairs), len(rows["verdict"]), digest):
        faults.append("exchanges, attempts or verdicts were left out or added")
    carried = {exchange for _, exchange in pairs}
    judged = {rows["attempt"][row["attempt_id"]]["exchange_id"] for row in rows["verdict"].values()}
    if set(rows["sent"]) != carried or not judged <= set(rows["answered"]) <= carried:
        faults.append("requests or answers were left out or added")
    if any(row["delivery_id"] != delivery["id"] for row in attempts):
        faults.append("an attempt is of another delivery")
    applied = [row for _, row in sorted(rows["verdict"].items()) if row["applied"]]
    last = applied[-1]["event"] if applied else None
    by_itself = account["state"] == "rejected" and account["code"] == "check"
    if account["state"] in ("accepted", "rejected") and last != account["state"] and not by_itself:
        faults.append(f"it says {account['state']}, and no verdict says so")
    return faults


def check_bytes(pack):
    """Faults of the bytes that the pack holds."""
    digests = {("sent", row["id"]): row["request_digest"] for row in pack["rows"]["sent"]}
    digests.update({("answered", row["id"]): row["response_digest"] for row in pack["rows"]["answered"]})
    faults = []
    for body in pack["bytes"]:
        place = (body["book"], body["id"])
        if digests.get(place) != sha256(base64.b64decode(body["base64"], validate=True)):
            faults.append(f"{place[0]} {place[1]}: the bytes are not those of its digest")
        if body["id"] in pack["shared"]:
            faults.append(f"{place[0]} {place[1]}: the bytes carried other persons too")
    return faults


def check_items(pack):
    """Faults of what the pack shows of requests that carried others too."""
    sent = {row["id"]: row for row in pack["rows"]["sent"]}
    places = {row["exchange_id"]: row["position"] for row in pack["rows"]["attempt"]}
    faults = []
    for item in pack["items"]:
        number = item["exchange"]
        digests = (sent.get(number, {}).get("item_digests") or "").split()
        digest = sha256(item["salt"].encode() + b"\n" + base64.b64decode(item["base64"], validate=True))
        if digest not in digests or digests.index(digest) != places.get(number):
            faults.append(f"sent {number}: the item is not what was committed at its place")
    return faults


def read_anchors(path):
    """Link -> digest, as noted outside the store; lines that a killed process left torn are passed over."""
    found = {}
    with open(path, "rb") as file:
        for line in file:
            try:
                anchor = json.loads(line)
                number, digest = int(anchor["link"]), str(anchor["digest"])
            except (ValueError, KeyError, TypeError):
                continue
            if found.setdefault(number, digest) != digest:
                found[number] = "noted twice, each time otherwise"
    return found


def read_keys(path):
    """The Ed25519 public keys of a PEM file."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    with open(path, "rb") as file:
        blocks = re.findall(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", file.read(), re.DOTALL)
    return [load_pem_public_key(block) for block in blocks]


def signed_by_any(keys, digest, signature):
    """Whether one of the keys made the signature."""
    from cryptography.exceptions import InvalidSignature

    for key in keys:
        try:
            key.verify(base64.b64decode(signature or "", validate=True), digest.encode())
        except (InvalidSignature, ValueError):
            continue
        return True
    return False


def verify(pack, anchors=None, keys=None):
    """Every fault of a pack, as sentences; none where everything fits. ValueError where it is no pack."""
    if not isinstance(pack, dict) or pack.get("format") != FORMAT:
        raise ValueError(f"not an evidence pack ({FORMAT})")
    try:
        faults, leaves = check_links(pack, anchors, keys)
        faults += check_rows(pack, leaves) + check_whole(pack) + check_bytes(pack) + check_items(pack)
    except (KeyError, TypeError, AttributeError, IndexError, StopIteration) as error:
        raise ValueError(f"an evidence pack with parts missing or of another form ({error})") from None
    if anchors is None and keys is None:
        faults.append("neither anchors nor a public key were given: it only fits itself")
    return faults


def main(arguments=None):
    """Verify the pack named on the command line."""
    parser = argparse.ArgumentParser(description="Verify an evidence pack without the gateway.")
    parser.add_argument("pack")
    parser.add_argument("--anchors", help="the file in which the store's keeper noted each link")
    parser.add_argument("--public-key", help="the public keys of the store's keeper, in PEM")
    given = parser.parse_args(arguments)
    try:
        with open(given.pack, encoding="utf-8") as file:
            pack = json.load(file)
        anchors = None if given.anchors is None else read_anchors(given.anchors)
        keys = None if given.public_key is None else read_keys(given.public_key)
        faults = verify(pack, anchors, keys)
    except (OSError, ValueError) as error:
        print(f"cannot be verified: {error}", file=sys.stderr)
        return 2
    account = pack["rows"]["account"]
    state = account[0]["state"] if account else "unknown"
    print(f"delivery {pack['delivery']}: {state}; {len(pack['links'])} links")
    for fault in faults:
        print(f"does not fit: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
