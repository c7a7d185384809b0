"""Credit records in the archive: their words, the states they may take, and who may see or use them when.

A statement says what was true of a record in a span of valid time; a row is a statement with the span of recorded time
in which the archive believed it. Both spans are half-open; None is an open end. Rows are only added; the one change
ever made to a row is to set the end of its recorded time.
"""

from __future__ import annotations

from enum import StrEnum


class TicketKind(StrEnum):
    """What a person has to look at."""

    IDENTITY = "IDENTITY"
    FORK = "FORK"
    GAP = "GAP"
    PERIOD = "PERIOD"
    """the platform shows a record again after its end"""
    PERIOD_BELOW_SANCTION = "PERIOD_BELOW_SANCTION"
    """disclosure ends before the sanction does (R08)"""
    REPAIR = "REPAIR"
    """a repair was cancelled; the record stays out of use and of sight until someone has looked"""
    REVIEW = "REVIEW"
    SIGNATURE = "SIGNATURE"
    UNREADABLE = "UNREADABLE"
    """an event breaks the contract, or says what has no place in the calendar; it is kept and not applied"""
    DISAPPEARED = "DISAPPEARED"
    """the platform stopped telling the record, or tells it again; out of use and of sight until someone has looked"""
    DUPLICATE = "DUPLICATE"
    """one decision told under two record ids"""
    OWNER = "OWNER"
    """someone else than its owner changed a record"""
    AHEAD = "AHEAD"
    """we hold more than the platform: the centre's own decision has to be sent again"""
    BOOKS = "BOOKS"
    """a difference of the daily books that does not mend itself"""
    SUBJECT = "SUBJECT"
    """subjects were merged, split or succeeded: what rests on them is to be looked at"""
    CERTIFICATE = "CERTIFICATE"
    """a certificate was declared void: other filings of the same enterprise and point are to be checked"""
    REINSTATE = "REINSTATE"
    """the record on which the end of a certificate rests does not say so any more"""
    WAY_BACK = "WAY_BACK"
    """a platform did not take a certificate back as valid: to be settled with it outside this system"""
    CHECK = "CHECK"
    """drawn for a random check"""
    DEADLINE = "DEADLINE"
    """an own decision has to be published and pushed within its working days (R09)"""
    NOTIFY = "NOTIFY"
    """a record was revoked or moved: the subject, and whom we shared it with, are to be told (F07, F25)"""
