"""Sites on which a gateway is operated."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.flows.sites import Site


@pytest.fixture(scope="module")
def make_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Site]]:
    """Sites of a test module; everything started there ends with it."""
    made: list[Site] = []

    def make(**environment: str) -> Site:
        made.append(Site(tmp_path_factory.mktemp("site"), **environment))
        return made[-1]

    yield make
    for site in made:
        site.close()
