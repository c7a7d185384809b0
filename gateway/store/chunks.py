"""Long lists in pieces that a statement can carry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

MOST = 500
"""most values in one IN list or one executemany"""


def chunks(values: Iterable[T], size: int = MOST) -> Iterator[list[T]]:
    """Lists of at most ``size`` values, in order."""
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part
