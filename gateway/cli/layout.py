"""How text takes room on a terminal: cells, folding, and tables that become lists where they do not fit."""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Sequence

_NARROWEST = 40
_NOTHING = "–"
_NO_TERMINAL = 140
_NEVER_FIRST = "，。、；：？！）》」』”’,.;:?!)"
"""marks that do not begin a line"""


def cell_length(text: str) -> int:
    """Columns a text takes: Chinese letters and full-width marks take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def pad(text: str, width: int, *, right: bool = False) -> str:
    """A text filled up to so many columns."""
    room = " " * (width - cell_length(text))
    return room + text if right else text + room


def fold(text: str, width: int) -> list[str]:
    """Break a text into lines of at most so many columns: between words, and anywhere between Chinese letters."""
    lines: list[str] = []
    line = last = ""
    for piece in _pieces(text):
        if cell_length(line) + cell_length(piece.rstrip()) > width and line:
            # a mark that begins no line takes the letter before it down with it
            down = last if piece[0] in _NEVER_FIRST and last != line and line.endswith(last) else ""
            lines.append(line.removesuffix(down).rstrip())
            line = down
        rest = piece
        while cell_length(rest) > width:
            cut = _cut(rest, width)
            lines.append(rest[:cut])
            rest = rest[cut:]
        line += rest if line else rest.lstrip()
        last = rest
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def _pieces(text: str) -> list[str]:
    """What is not broken: a word with the space after it, or one Chinese letter."""
    pieces: list[str] = []
    word = ""
    for letter in text:
        if unicodedata.east_asian_width(letter) in "WF":
            pieces += [word, letter] if word else [letter]
            word = ""
        elif letter == " ":
            pieces.append(word + letter)
            word = ""
        else:
            word += letter
    return [*pieces, word] if word else pieces


def _cut(text: str, width: int) -> int:
    taken = 0
    for place, letter in enumerate(text):
        taken += cell_length(letter)
        if taken > width:
            return max(place, 1)
    return len(text)


def terminal_width(*, is_terminal: bool) -> int:
    """Columns to write in: the terminal's or ``COLUMNS``; where there is neither, enough for most tables."""
    given = os.environ.get("COLUMNS", "")
    if given.isdigit() and int(given) > 0:
        return max(int(given), _NARROWEST)
    return max(shutil.get_terminal_size().columns, _NARROWEST) if is_terminal else _NO_TERMINAL


def drawn(titles: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """A table in lines: under each other where that fits into the width, else each row as a list of its own.

    Columns with nothing in any row are left out, and so are such values in a list; numbers stand to the right.
    """
    kept = [place for place in range(len(titles)) if any(row[place] not in ("", _NOTHING) for row in rows)]
    titles, rows = [titles[place] for place in kept], [[row[place] for place in kept] for row in rows]
    widths = [max(map(cell_length, (title, *column))) for title, *column in zip(titles, *rows, strict=True)]
    if sum(widths) + 2 * (len(widths) - 1) <= width:
        numeric = [all(_is_number(row[place]) for row in rows) for place in range(len(titles))]
        lines = [_line(row, widths, numeric) for row in (titles, *rows)]
        rule = "  ".join("─" * one for one in widths)
        return [lines[0], rule, *lines[1:]]
    return _listed(titles, rows, width)


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace("–", "0").replace("%", "").replace(".", "").isdigit() or not cell


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    filled = (pad(cell, width, right=right) for cell, width, right in zip(cells, widths, numeric, strict=True))
    return "  ".join(filled).rstrip()


def _listed(titles: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Each row as lines of title and value; what is empty is left out, the first value heads it."""
    margin = max(map(cell_length, titles[1:]), default=0) + 4
    lines: list[str] = []
    for row in rows:
        lines.append(row[0])
        for title, cell in zip(titles[1:], row[1:], strict=True):
            if cell not in ("", _NOTHING):
                first, *more = [part for line in cell.splitlines() for part in fold(line, max(width - margin, 10))]
                lines.append(f"  {pad(title, margin - 2)}{first}")
                lines += [f"{' ' * margin}{one}" for one in more]
        lines.append("")
    return lines[:-1] if lines else lines
