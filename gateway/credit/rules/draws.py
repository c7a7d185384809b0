"""Double-random draws (双随机): objects and checkers drawn so that anyone can draw them again (五(六) of the notice).

Every object and every pairing has a rank, the SHA-256 of the seed and the names; the lowest ranks are drawn. So neither
order nor platform nor a library's random numbers matter, and who has seed and population gets the same draw.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from gateway.domain.errors import InputError
from gateway.locale import tr

METHOD = "sha256-rank-1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Checker:
    """Who may check. ``avoids`` names objects and groups (division, enterprise) this one has ties with."""

    name: str
    avoids: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Population:
    """What is drawn from: objects with the groups they belong to, without those that are excluded.

    excluded: object -> why it is not drawn
    """

    objects: Mapping[str, frozenset[str]] = field(repr=False)
    excluded: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 over the names of all objects in order, the excluded ones with a minus before them."""
        lines = [f"-{name}" if name in self.excluded else name for name in sorted(self.objects)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def drawable(self) -> list[str]:
        """The objects that may be drawn, in order."""
        return sorted(set(self.objects) - set(self.excluded))


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """One object with its checker; None where everyone has ties with it."""

    object: str
    checker: str | None


def sample_size(ratio: str, population: int) -> int:
    """How many are drawn: a share (``5%``, ``1/20``) rounded up, or a plain number; raises InputError for others."""
    try:
        if ratio.endswith("%"):
            share = Fraction(ratio[:-1]) / 100
        elif "/" in ratio or "." in ratio:
            share = Fraction(ratio)
        else:
            return min(_positive(int(ratio)), population)
    except (ValueError, ZeroDivisionError):
        raise InputError(tr("ratio: a share such as 5% or 1/20, or a number")) from None
    if not 0 < share <= 1:
        raise InputError(tr("ratio: a share above nothing and up to all"))
    return math.ceil(share * population)


def draw(seed: str, population: Population, count: int, checkers: Sequence[Checker]) -> list[Drawn]:
    """Draw ``count`` objects and a checker for each: who has no ties with it, then the fewest so far, then the rank."""
    chosen = sorted(population.drawable, key=lambda name: rank(seed, "object", name))[:count]
    load: Counter[str] = Counter()
    drawn = []
    for name in chosen:
        around = {name, *population.objects[name]}
        free = [checker.name for checker in checkers if not checker.avoids & around]
        checker = min(free, key=lambda who: (load[who], rank(seed, "checker", name, who)), default=None)
        if checker is not None:
            load[checker] += 1
        drawn.append(Drawn(object=name, checker=checker))
    return drawn


def rank(seed: str, *names: str) -> str:
    """The place of an object or a pairing in a draw: hex of SHA-256 over the lines."""
    return hashlib.sha256("\n".join((seed, *names)).encode()).hexdigest()


def read_checkers(rows: Iterable[Mapping[str, str]]) -> list[Checker]:
    """Checkers from rows with ``checker`` and ``avoids`` (blanks between); raises InputError for none or repeats."""
    found = [
        Checker(name=row["checker"].strip(), avoids=frozenset((row.get("avoids") or "").split()))
        for row in rows
        if (row.get("checker") or "").strip()
    ]
    if not found or len({checker.name for checker in found}) < len(found):
        raise InputError(tr("checkers: at least one, each once, in a column 'checker'"))
    return sorted(found, key=lambda checker: checker.name)


def _positive(number: int) -> int:
    if number < 1:
        raise InputError(tr("ratio: at least one"))
    return number
