"""The register of verification points: what a centre may write, and what it is told where a line is wrong."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from gateway.domain.errors import ConfigurationError
from gateway.intake.reading.points import read_points
from gateway.intake.rules.gate_rules import Point


def test_points_are_read_with_their_city_and_days(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    lines = ("point,city,since,until,name", "370100－03,370100,2019-02-01,2019-12-31,一号", " a1 ,371200,,,")
    path.write_text("\n".join(lines), encoding="utf-8-sig")
    assert read_points(path) == {
        "370100-03": Point(city="370100", since=date(2019, 2, 1), until=date(2019, 12, 31)),
        "A1": Point(city="371200"),
    }


def test_days_may_be_left_out_altogether(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("city,point\n370200,370200-01\n", encoding="utf-8")
    assert read_points(path) == {"370200-01": Point(city="370200")}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("point,since\n370100-03,\n", "has no column city"),
        ("", "has no column city and point"),
        ("point,city\n,370100\n", "line 2: point is empty"),
        ("point,city\n1,370100\n1,370100\n", "line 3: point stands twice"),
        ("point,city\n1,济南\n", "line 2: city is no division code"),
        ("point,city,since\n1,370100,2019/3/1\n", "line 2: since and until are days"),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "points.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=says):
        read_points(path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "points.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="is no text in UTF-8"):
        read_points(path)
