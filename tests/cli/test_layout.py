"""How text takes room on a terminal: Chinese letters take two columns; tables that do not fit become lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.layout import cell_length, drawn, fold, pad

LETTERS = st.text(st.sampled_from("ab c市平台，。x-1"), min_size=1, max_size=80)


@pytest.mark.parametrize(("text", "width"), [("", 0), ("abc", 3), ("平台", 4), ("（a）", 5), ("e\u0301", 1)])
def test_a_text_takes_so_many_columns(text: str, width: int) -> None:
    assert cell_length(text) == width


@given(LETTERS, st.integers(10, 40))
def test_folded_lines_fit_and_lose_nothing_but_blanks(text: str, width: int) -> None:
    lines = fold(text, width)
    # a closing mark may hang over: it never begins a line
    assert all(cell_length(line.rstrip("，。")) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_english_is_folded_between_words() -> None:
    assert fold("one two three", 8) == ["one two", "three"]


def test_padding_counts_columns() -> None:
    assert (pad("平台", 6), pad("12", 4, right=True)) == ("平台  ", "  12")


ROWS = [["市场监管", "12", ""], ["工人管理", "–", ""]]


def test_a_table_leaves_out_columns_with_nothing_and_aligns_numbers() -> None:
    assert drawn(["平台", "待发送", "不明"], ROWS, 80) == [
        "平台      待发送",
        "────────  ──────",
        "市场监管      12",
        "工人管理       –",
    ]


def test_a_table_that_does_not_fit_becomes_a_list_without_zeros() -> None:
    assert drawn(["平台", "待发送", "不明"], ROWS, 12) == ["市场监管", "  待发送  12", "", "工人管理"]
