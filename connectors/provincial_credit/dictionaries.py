"""Our code tables against the platform's (字典): which codes it lacks, has closed, has renamed or has added.

A table of ours is a file of ``codes``, a part of its ``credit_dictionary``, or a table that other platforms share. The
platform is assumed to know all of them under the same names (this contract, section Codes of the README).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from gateway.codec.codes import table
from gateway.codec.jsonbody import Row, rows, text, whole
from gateway.contract.codes import CodeDrift
from gateway.domain.errors import ContractError
from gateway.locale import tr

LISTING = "dictionaries"
"""the list of the platform's tables, itself compared like a table whose codes are their names"""
_FILES = {
    "credit_ack_code": "name_zh",
    "credit_behaviour": "name_zh",
    "credit_category": "name_zh",
    "credit_error_code": "title_zh",
    "credit_event_type": "name_zh",
    "credit_sanction_type": "name_zh",
    "credit_severity": "scheme_name_zh",
}
"""file of ``codes`` -> its column of names"""
_PARTS = (
    *("assessment_origin", "authority_level", "award_level", "double_disclosure_status"),
    *("employment_type", "usage_scope"),
)
_SHARED = ("cert_status", "trade_worker_platform")
PINNED = tuple(sorted((*_FILES, *_PARTS, *_SHARED)))
"""tables by whose codes this connector writes or judges what it reads"""
_OUR_OWN = frozenset({("credit_event_type", "TOMBSTONE"), ("credit_error_code", "OK")})
"""codes that the gateway made for itself; the platform may have them or not"""
_PACKAGE = "connectors.provincial_credit.codes"


def code_words() -> dict[str, tuple[str, str]]:
    """Each result code in the platform's words, Chinese and English."""
    return {row["code"]: (row["title_zh"], row["title_en"]) for row in table("credit_error_code", _PACKAGE).rows}


CODE_ACTS: Mapping[str, str] = {
    "SIGNATURE_INVALID": tr("look at APP_KEY, APP_SECRET and SIGNATURE_ALG"),
    "TOKEN_EXPIRED": tr("look at APP_KEY and APP_SECRET; ask the platform whether the account is still valid"),
    "TIMESTAMP_SKEW": tr("set this machine's clock right (time synchronisation); gateway check shows the difference"),
    "ACCESS_DENIED": tr("ask the platform to give the account of APP_KEY the right to this interface"),
    "IP_DENIED": tr("ask the platform to let this machine's address in"),
    "RATE_LIMITED": tr("nothing, it goes on by itself; where it stays, raise MIN_INTERVAL_SECONDS or ask the platform"),
    "INTERNAL": tr("nothing, it goes on by itself; where it stays, tell the platform"),
    "UPSTREAM_UNAVAILABLE": tr("nothing, it goes on by itself; where it stays, tell the platform"),
}
"""what helps with a code that is not about the data"""


def ours(name: str) -> Mapping[str, str]:
    """Code -> Chinese name of a table of ours; ContractError for one that is not pinned here."""
    if name == LISTING:
        return dict.fromkeys(PINNED, "")
    if name not in PINNED:
        raise ContractError(f"no pinned table {name}; there are {', '.join(PINNED)}")
    if name in _FILES:
        found = table(name, _PACKAGE)
        return {_code(name, row, found.key): row[_FILES[name]] for row in found.rows}
    if name in _SHARED:
        return {row[table(name).key]: row["name_zh"] for row in table(name).rows}
    return {row["code"]: row["name_zh"] for row in table("credit_dictionary", _PACKAGE).rows if row["table"] == name}


def of_listing(answer: Row) -> CodeDrift:
    """Compare the platform's list of tables (``Dictionaries``) with the tables we use."""
    names = [text(row, "table") or "" for row in rows(answer, "tables") or ()]
    return _compared(LISTING, None, dict.fromkeys(names, ""), ())


def of_table(answer: Row, name: str, today: date) -> CodeDrift:
    """Compare one table (``DictionaryTable``); a code is valid from its first to its last day, both included."""
    theirs = {text(row, "code") or "": row for row in rows(answer, "rows") or ()}
    names = {code: text(row, "nameZh") or "" for code, row in theirs.items()}
    closed = [code for code, row in theirs.items() if not _in_force(row, today)]
    version = whole(answer, "version")
    return _compared(name, None if version is None else str(version), names, closed)


def _compared(name: str, version: str | None, theirs: Mapping[str, str], closed: Iterable[str]) -> CodeDrift:
    own = {code for table_name, code in _OUR_OWN if table_name == name}
    known = ours(name)
    shut = set(closed)
    both = sorted((theirs.keys() & known.keys()) - own)
    return CodeDrift(
        table=name,
        version=version,
        since=None,
        missing=tuple(sorted(known.keys() - theirs.keys() - own)),
        closed=tuple(code for code in both if code in shut),
        added=tuple(sorted(theirs.keys() - known.keys() - shut - own)),
        renamed=tuple(code for code in both if theirs[code] != known[code]),
    )


def _code(name: str, row: Mapping[str, str], key: str) -> str:
    """A severity means something only with its scheme."""
    return f"{row['scheme']}:{row['scheme_code']}" if name == "credit_severity" else row[key]


def _in_force(row: Row, today: date) -> bool:
    day = today.isoformat()
    return (text(row, "validFrom") or day) <= day <= (text(row, "validTo") or day)
