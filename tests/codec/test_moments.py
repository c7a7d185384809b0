"""Every text of xs:dateTime is a moment or none, never an exception."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.codec.moments import read_moment


@pytest.mark.parametrize("zero", ["Z", "+00:00", "-00:00"])
def test_each_zero_offset_is_utc(zero: str) -> None:
    at = read_moment(f"2019-04-02T01:30:00{zero}")
    assert at == datetime(2019, 4, 2, 1, 30, tzinfo=UTC)
    assert at is not None
    assert at.utcoffset() == UTC.utcoffset(None)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2019-04-02T24:00:00Z", datetime(2019, 4, 3, tzinfo=UTC)),
        ("2019-12-31T24:00:00.000+00:00", datetime(2020, 1, 1, tzinfo=UTC)),
        (" 2019-04-02T09:30:00+08:00\n", datetime(2019, 4, 2, 1, 30, tzinfo=UTC)),
        ("2019-04-02T01:30:00.1234567890123Z", datetime(2019, 4, 2, 1, 30, 0, 123456, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_what_the_calendar_holds_is_read(text: str, at: datetime) -> None:
    assert read_moment(text) == at


@pytest.mark.parametrize(
    "text",
    [
        "", "Z", "2019-04-02T01:30:00", "9999-12-31T24:00:00Z", "10000-01-01T00:00:00Z", "-0044-03-15T00:00:00Z",
        "0000-01-01T00:00:00Z", "2019-02-29T00:00:00Z", "2019-04-02T01:30:60Z", "9" * 5000, "2019-04-02T24:30:00Z",
    ],
)  # fmt: skip
def test_what_it_does_not_hold_is_none(text: str) -> None:
    assert read_moment(text) is None


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_a_moment_at_the_edge_can_be_compared(text: str) -> None:
    at = read_moment(text)
    assert at is not None
    assert abs(at - datetime(2019, 4, 2, tzinfo=UTC)).days > 365_000
