"""Moments of XML Schema as datetimes, for every text that its type allows."""

from __future__ import annotations

from datetime import datetime, timedelta

_MIDNIGHT = "T24:00:00"


def read_moment(text: str) -> datetime | None:
    """An ``xs:dateTime`` with a zone, each zero offset being UTC; None outside the years 1 to 9999 or without zone.

    24:00:00 is the first moment of the next day (XML Schema part 2, section 3.2.7.1).
    """
    plain = text.strip()
    try:
        at = datetime.fromisoformat(plain.replace(_MIDNIGHT, "T00:00:00", 1))
        at = at + timedelta(days=1) if _MIDNIGHT in plain else at
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo else None
