"""Tell whether a store is an older one than was in use: by its number and by its anchors. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.locale import tr


@dataclass(frozen=True, kw_only=True)
class StoreMark:
    """What a store says of itself.

    number:   grows with each process that sends
    restored: the number under which it was last found to be an older one, or was restored; 0 for never
    anchored: whether links were noted outside the store since then
    busy:     whether something has left within the last minutes, from whatever machine
    """

    number: int = 0
    restored: int = 0
    anchored: bool = False
    busy: bool = False


@dataclass(frozen=True, kw_only=True)
class HomeMark:
    """What a home remembers of the store it works with.

    number:   the highest it has met
    judged:   bytes of its file of anchors that belong to a store that is known to be lost
    anchored: whether it ever noted an anchor
    """

    number: int = 0
    judged: int = 0
    anchored: bool = False


def why_older(
    store: StoreMark, home: HomeMark | None, anchors: Sequence[tuple[int, str]] | None, chain: Mapping[int, str]
) -> str | None:
    """In words why the store is an older one than was in use; None where nothing says so.

    anchors: links and digests noted beside the store and not judged before; None where the file is gone or empty
    chain:   the digests the store has under these numbers
    What another machine has found and put right (``restored``) is not found again here.
    """
    if home is not None and home.number < store.restored <= store.number:
        return None
    if home is not None and store.number < home.number:
        about = {"number": store.number, "known": home.number}
        return tr("the store has number {number}, and this home has worked with number {known}", **about)
    lost = [number for number, digest in anchors or () if chain.get(number) != digest]
    if lost:
        return tr(
            "link {number} of the evidence chain is noted among the anchors and is not in the store", number=max(lost)
        )
    gone = anchors is None and store.anchored
    if gone and (home.anchored if home is not None else not store.busy):
        return tr("links of the evidence chain were noted outside the store, and the file of anchors is gone")
    return None
