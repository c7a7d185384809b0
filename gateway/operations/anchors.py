"""The file of anchors: the links of the evidence chain that were noted outside the store, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path


def read_anchor(line: bytes) -> tuple[int, str] | None:
    """Link and digest; None where the line is no anchor."""
    try:
        anchor = json.loads(line)
        return int(anchor["link"]), str(anchor["digest"])
    except (ValueError, KeyError, TypeError):
        return None


def read_anchors(path: Path, start: int = 0) -> Iterator[tuple[int, str]]:
    """Links and their digests as they were noted behind so many bytes; a link may stand there more than once."""
    with path.open("rb") as file:
        file.seek(start)
        lines = file.read().splitlines()
    for line in lines:
        anchor = read_anchor(line)
        if anchor is not None:
            yield anchor
