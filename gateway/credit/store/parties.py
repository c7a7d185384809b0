"""Enterprises and authorities that credit records may be about.

An enterprise is known once a certificate we hold names it as employer, or once a platform says whose successor it is.
Its key is a keyed digest of its unified social credit code, so that it is the same whoever meets the enterprise first.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from gateway.credit.store.case_tables import credit_marker, credit_party
from gateway.credit.store.subjects import AUTHORITY, ENTERPRISE
from gateway.domain.records import Certificate, RecordKind
from gateway.store.metadata import CHUNK, chunks, insert_into
from gateway.store.records import to_record
from gateway.store.scope import Scope
from gateway.store.tables import record, search_index
from gateway.store.vault import Vault

HELD, TOLD, OWN = "held", "told", "own"
"""why a party is known: named in our records, by a platform, or in a decision of our own"""
_MARK = "parties"
CODES = {ENTERPRISE: "corp_code", AUTHORITY: "authority_code"}


@dataclass(frozen=True, kw_only=True)
class Party:
    """An enterprise (unified social credit code) or an authority (division code)."""

    kind: str
    code: str
    name: str


def party_key(vault: Vault, kind: str, code: str) -> str:
    """The key of an enterprise or authority."""
    return vault.mark(f"party:{kind}", code.upper().encode())[:26].upper()


def hold(connection: Connection, vault: Vault, parties: Iterable[Party], basis: str, now: datetime) -> list[str]:
    """Make parties known and findable by their codes; those that are known stay as they are. Gives their keys."""
    by_key = {party_key(vault, party.kind, party.code): party for party in parties}
    known: set[str] = set()
    for part in chunks(by_key):
        known |= set(connection.execute(select(credit_party.c.key).where(credit_party.c.key.in_(part))).scalars())
    fresh = [(key, party) for key, party in by_key.items() if key not in known]
    for rows in chunks(fresh):
        made = [
            {
                "key": key,
                "kind": party.kind,
                "content": vault.seal(
                    json.dumps({"code": party.code, "name": party.name}, ensure_ascii=False).encode(), _place(key)
                ),
                "basis": basis,
                "since": now,
            }
            for key, party in rows
        ]
        connection.execute(insert_into(connection, credit_party).values(made).on_conflict_do_nothing())
        found = [
            {
                "digest": digest,
                "kind": party.kind,
                "key": key,
                "what": CODES[party.kind],
                "since": now,
            }
            for key, party in rows
            for digest in vault.indexes(CODES[party.kind], party.code.upper())
        ]
        connection.execute(insert_into(connection, search_index).values(found).on_conflict_do_nothing())
    return list(by_key)


def learn_employers(scope: Scope) -> int:
    """Make the employers of certificates known that were added since the last time; gives how many were looked at.

    One batch; call again until it gives none.
    """
    connection = scope.connection
    marker = connection.execute(select(credit_marker.c.up_to).where(credit_marker.c.name == _MARK)).scalar()
    if marker is None:
        connection.execute(insert(credit_marker).values(name=_MARK, up_to=0))
    rows = connection.execute(
        select(record)
        .where(record.c.id > (marker or 0), record.c.kind == RecordKind.CERTIFICATE)
        .order_by(record.c.id)
        .limit(CHUNK)
    ).mappings()
    employers: dict[str, Party] = {}
    last, count = marker or 0, 0
    for row in rows:
        content = to_record(dict(row), scope.vault).content
        employer = content.holder.employer if isinstance(content, Certificate) else None
        if employer is not None:
            employers[employer.code] = Party(kind=ENTERPRISE, code=employer.code, name=employer.name)
        last, count = row["id"], count + 1
    if count:
        hold(connection, scope.vault, employers.values(), HELD, scope.at)
        connection.execute(update(credit_marker).where(credit_marker.c.name == _MARK).values(up_to=last))
    return count


def read(connection: Connection, vault: Vault, keys: Collection[str]) -> dict[str, Party]:
    """Parties by key; those that are not known are left out."""
    found: dict[str, Party] = {}
    for part in chunks(keys):
        rows = connection.execute(select(credit_party).where(credit_party.c.key.in_(part)))
        for row in rows:
            plain = json.loads(vault.open(row.content, _place(row.key)))
            found[row.key] = Party(kind=row.kind, code=plain["code"], name=plain["name"])
    return found


def is_ours(connection: Connection, key: str) -> bool:
    """Whether our own records or decisions name the party; one that a platform alone told of is none of ours."""
    basis = connection.execute(select(credit_party.c.basis).where(credit_party.c.key == key)).scalar()
    return basis in (HELD, OWN)


def _place(key: str) -> str:
    return f"credit_party.content:{key}"
