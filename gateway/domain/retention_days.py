"""Least days that what retention may remove must be kept, however it is set."""

from __future__ import annotations

LEAST_DAYS = {
    "exchanges": 184,
    "inbox": 1,
    "filings": 1,
    "credit": 1,
    "quarantine": 1,
    "objections": 1,
    "scans": 1,
    "audit": 1096,
}
"""how long retention keeps what each rule is about whatever is set: network logs six months, the audit trail three
years (records of impact assessments)"""
