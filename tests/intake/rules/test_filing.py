"""The value of a filing, and where it stands at the centre."""

from __future__ import annotations

from datetime import date

import pytest

from gateway.intake.rules.filing import Filing, FilingState, missing, stands


def test_an_unreadable_field_does_not_count_as_missing() -> None:
    assert "issue_date" in set(missing(Filing()))
    assert "issue_date" not in set(missing(Filing(unread=frozenset({"issue_date"}))))
    assert "issue_date" not in set(missing(Filing(issue_date=date(2015, 1, 1))))


def test_only_resident_cards_need_an_ethnicity() -> None:
    assert "ethnicity" in set(missing(Filing(id_type="111")))
    assert "ethnicity" not in set(missing(Filing(id_type="414")))


def test_a_filing_never_shows_its_content() -> None:
    assert "示例" not in repr(Filing(name="示例", id_number="370000198001010018"))


@pytest.mark.parametrize(
    ("outcome", "pushed", "withdrawn", "expected"),
    [
        ("admit", False, False, FilingState.ENTERED),
        ("admit", True, False, FilingState.PUSHED),
        ("unchanged", True, False, FilingState.PUSHED),
        ("admit", True, True, FilingState.WITHDRAWN),
        ("unchanged", False, False, FilingState.ENTERED),
        ("refuse", True, True, FilingState.RETURNED),
        ("hold", True, True, FilingState.REPORTED),
        ("withdraw", False, True, FilingState.WITHDRAWN),
        ("withdraw", True, False, FilingState.PUSHED),
        ("refuse", False, False, FilingState.RETURNED),
        ("hold", False, False, FilingState.REPORTED),
    ],
)
def test_where_a_reported_filing_stands_follows_from_its_row_and_its_certificate(
    outcome: str, pushed: bool, withdrawn: bool, expected: FilingState
) -> None:
    assert stands(outcome, pushed=pushed, withdrawn=withdrawn) is expected
