"""Reading all workers or trainings of a project page by page, so that a change meanwhile is noticed.

The platform deletes nothing, so every change of a listing changes its total. A page with another total, or rows that
do not add up to it, begin the listing again.
"""

from __future__ import annotations

from dataclasses import dataclass

from connectors.worker_platform.answers import Answer
from connectors.worker_platform.dialect import Paging
from connectors.worker_platform.rows import Page, read_page

WORKERS, TRAININGS = "workers", "trainings"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a listing stands. Its text is the cursor; the first one is the name of the part.

    page:  pages read
    seen:  rows read
    total: rows there are, as the first page said; -1 before it
    """

    what: str
    project: str
    page: int = 0
    seen: int = 0
    total: int = -1

    def __str__(self) -> str:
        return f"{self.what}|{self.page}|{self.seen}|{self.total}|{self.project}"

    @classmethod
    def read(cls, cursor: str) -> Place:
        """The place a cursor of ours stands for."""
        what, page, seen, total, project = cursor.split("|", 4)
        return cls(what=what, project=project, page=int(page), seen=int(seen), total=int(total))


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One page of a listing. ``next`` None ends it; ``afresh`` begins it again."""

    page: Page
    next: Place | None
    afresh: bool = False


def step(answer: Answer, place: Place, paging: Paging) -> Step | None:
    """What a page means for its listing; None where the answer is no page, or not the page asked for."""
    page = read_page(answer, paging)
    if page is None or page.index not in (None, paging.first_index + place.page):
        return None
    again = Step(page=page, next=Place(what=place.what, project=place.project), afresh=True)
    seen = place.seen + len(page.rows)
    if page.total is None:
        if page.last:
            return Step(page=page, next=None)
    elif place.total not in (-1, page.total) or seen > page.total:
        return again
    elif seen == page.total:
        return Step(page=page, next=None)
    elif not page.rows:
        return again
    following = Place(
        what=place.what,
        project=place.project,
        page=place.page + 1,
        seen=seen,
        total=-1 if page.total is None else page.total,
    )
    return Step(page=page, next=following)
