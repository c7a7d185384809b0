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
class ListingCursor:
    """How far a listing was read. Its text is the cursor; the first one is the name of the part.

    page:  pages read
    rows_read:  rows read
    total: rows there are, as the first page said; -1 before it
    """

    what: str
    project: str
    page: int = 0
    rows_read: int = 0
    total: int = -1

    def __str__(self) -> str:
        return f"{self.what}|{self.page}|{self.rows_read}|{self.total}|{self.project}"

    @classmethod
    def read(cls, cursor: str) -> ListingCursor:
        """The cursor behind its text."""
        what, page, rows_read, total, project = cursor.split("|", 4)
        return cls(what=what, project=project, page=int(page), rows_read=int(rows_read), total=int(total))


@dataclass(frozen=True, kw_only=True, slots=True)
class ListingStep:
    """One page of a listing. ``next`` None ends it; ``afresh`` begins it again."""

    page: Page
    next: ListingCursor | None
    afresh: bool = False


def advance(answer: Answer, cursor: ListingCursor, paging: Paging) -> ListingStep | None:
    """What a page means for its listing; None where the answer is no page, or not the page asked for."""
    page = read_page(answer, paging)
    if page is None or page.index not in (None, paging.first_index + cursor.page):
        return None
    again = ListingStep(page=page, next=ListingCursor(what=cursor.what, project=cursor.project), afresh=True)
    rows_read = cursor.rows_read + len(page.rows)
    if page.total is None:
        if page.last:
            return ListingStep(page=page, next=None)
    elif cursor.total not in (-1, page.total) or rows_read > page.total:
        return again
    elif rows_read == page.total:
        return ListingStep(page=page, next=None)
    elif not page.rows:
        return again
    following = ListingCursor(
        what=cursor.what,
        project=cursor.project,
        page=cursor.page + 1,
        rows_read=rows_read,
        total=-1 if page.total is None else page.total,
    )
    return ListingStep(page=page, next=following)
