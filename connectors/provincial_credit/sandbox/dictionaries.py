"""The simulated platform's code tables: listed with version and digest, and each one whole, by version."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from connectors.provincial_credit.sandbox.refusal import Refusal
from gateway.codec.codes import table

Rows = list[dict[str, str]]
_OWN = {
    **dict.fromkeys(("credit_ack_code", "credit_behaviour", "credit_category", "credit_event_type"), "name_zh"),
    "credit_error_code": "title_zh",
    "credit_sanction_type": "name_zh",
    "credit_severity": "scheme_name_zh",
}
_SMALL = (
    *("assessment_origin", "authority_level", "award_level", "double_disclosure_status"),
    *("employment_type", "usage_scope"),
)
_SHARED = ("cert_status", "trade_worker_platform")
TABLES = (*_OWN, *_SMALL, *_SHARED)


@dataclass
class Dictionaries:
    """Holds the first version of each table, and a second one where a test gives it (``newer``)."""

    newer: dict[str, Rows] = field(default_factory=dict)

    def listing(self) -> dict[str, Any]:
        """The tables with version, rows and digest."""
        names = [*TABLES, *(name for name in self.newer if name not in TABLES)]
        return {"tables": [{**(whole := self._newest(name)), "rows": len(whole["rows"])} for name in names]}

    def whole(self, name: str, version: str | None) -> dict[str, Any]:
        """One table: as it is, or as it was in an earlier version."""
        if name not in TABLES and name not in self.newer:
            raise Refusal("NOT_FOUND", "no such table")
        newest = self._newest(name)
        if version in (None, str(newest["version"])):
            return newest
        if version != "1" or name not in TABLES:
            raise Refusal("NOT_FOUND", "no such version")
        return _table(name, 1, _rows(name))

    def _newest(self, name: str) -> dict[str, Any]:
        return _table(name, 2, self.newer[name]) if name in self.newer else _table(name, 1, _rows(name))


def _table(name: str, version: int, rows: Rows) -> dict[str, Any]:
    digest = hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()
    head = {"table": name, "version": version, "digest": f"sha-256:{digest}"}
    return {**head, "effectiveFrom": f"20{18 + version}-01-01", "rows": rows}


def _rows(name: str) -> Rows:
    codes = "connectors.provincial_credit.codes"
    if name in _SMALL:
        found = [row for row in table("credit_dictionary", codes).rows if row["table"] == name]
        return [{"code": row["code"], "nameZh": row["name_zh"]} for row in found]
    known = table(name, codes) if name in _OWN else table(name)
    made = []
    for row in known.rows:
        code = f"{row['scheme']}:{row['scheme_code']}" if name == "credit_severity" else row[known.key]
        parent = {"parent": row["parent"]} if row.get("parent") else {}
        made.append({"code": code, **parent, "nameZh": row[_OWN.get(name, "name_zh")]})
    return made
