"""Share a platform's connections among those who ask for some. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def fair_shares(wants: Sequence[int], most: int) -> list[int]:
    """What each may have, in their order: nobody more than wanted, together at most ``most``, and as even as may be.

    Where there are fewer than askers, the first ones get one each.
    """
    shares = [0] * len(wants)
    left = most
    while left > 0:
        hungry = [place for place, want in enumerate(wants) if shares[place] < want]
        if not hungry:
            break
        for place in hungry[:left]:
            shares[place] += 1
        left -= min(left, len(hungry))
    return shares
