"""Cells about a project: photo, hours, score, political affiliation."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from gateway.domain.gates import Severity
from gateway.intake.reading.project_cells import (
    LONGEST_PHOTO,
    politics_of,
    read_hours,
    read_photo,
    read_score,
    trade_of,
)
from gateway.intake.reading.rows import read_row
from gateway.intake.reading.rules import NUMBER, PHOTO
from gateway.testing.people import PHOTO as PNG

JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(60)).decode()
BARE = PNG.partition(",")[2]


@pytest.mark.parametrize(
    ("cell", "photo"),
    [
        (PNG, PNG),
        (BARE, PNG),
        (f" {BARE[:40]}\n{BARE[40:]} ", PNG),
        (JPEG, f"data:image/jpeg;base64,{JPEG}"),
        (f"data:image/png;base64,{JPEG}", f"data:image/jpeg;base64,{JPEG}"),
        ("", None),
        ("无", None),
        ("data:image/bmp;base64," + base64.b64encode(b"BM" + bytes(60)).decode(), PHOTO),
        (base64.b64encode(b"BM" + bytes(60)).decode(), PHOTO),
        ("照片.jpg", PHOTO),
        ("https://example.invalid/photo.jpg", PHOTO),
        (JPEG[:-1], PHOTO),
        (base64.b64encode(b"\xff\xd8\xff" + bytes(LONGEST_PHOTO)).decode(), PHOTO),
    ],
)
def test_a_photo_is_a_picture_in_base64_with_the_form_it_really_has(cell: Any, photo: Any) -> None:
    assert read_photo(cell) == photo


@pytest.mark.parametrize(
    ("cell", "hours", "score"),
    [
        ("24", "24", "24"),
        (24, "24", "24"),
        (86.5, "86.5", "86.5"),
        ("８６．５０", "86.5", "86.5"),
        ("100", "100", "100"),
        ("100.5", "100.5", NUMBER),
        ("8.25", "8.25", NUMBER),
        ("0", NUMBER, "0"),
        ("-1", NUMBER, NUMBER),
        ("八", NUMBER, NUMBER),
        ("1e2", NUMBER, NUMBER),
        (True, NUMBER, NUMBER),
        ("", None, None),
        ("—", None, None),
    ],
)
def test_hours_and_scores_are_plain_numbers_in_their_range(cell: Any, hours: Any, score: Any) -> None:
    assert (read_hours(cell), read_score(cell)) == (hours, score)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("群众", "13"),
        ("中共党员", "01"),
        ("中国共产党党员", "01"),
        ("1", "01"),
        ("13", "13"),
        ("14", None),
        ("无党", None),
    ],
)
def test_a_political_affiliation_is_read_by_code_name_and_short_name(text: str, code: str | None) -> None:
    assert politics_of(text) == code


def test_the_trade_on_site_is_a_code() -> None:
    assert (trade_of("钢筋工"), trade_of("020"), trade_of("宇航工")) == ("020", "020", None)


def test_what_cannot_be_read_there_is_left_out_with_a_warning() -> None:
    row = read_row(2, {}, {"id_number": "x", "photo": "x.jpg", "score": "优秀", "training_hours": "一天"})
    warned = {failure.field: failure.severity for failure in row.failures if failure.gate in ("R-PHOTO", "R-NUMBER")}
    assert warned == dict.fromkeys(("photo", "score", "training_hours"), Severity.WARN)
