"""Statements sent to PostgreSQL one after another, with one wait for all of them.

After each wait for the database the store's thread also waits for its turn beside the thread that talks to the
platform, and that is the longer part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError


@contextmanager
def pipelined(connection: Connection) -> Iterator[None]:
    """Send what is executed inside without waiting; an error of any of it is raised at the end, or by what follows it.

    Nothing inside may read a result. On SQLite nothing is different.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    with _pipeline(connection):
        yield


def ask_together(connection: Connection, questions: Sequence[tuple[str, Any]]) -> list[list[Any]]:
    """The rows that answer each question (text and parameters, as the driver takes them). For PostgreSQL only."""
    with _pipeline(connection) as driver:
        cursors = [driver.execute(text, parameters) for text, parameters in questions]
        return [cursor.fetchall() for cursor in cursors]


@contextmanager
def _pipeline(connection: Connection) -> Iterator[Any]:
    driver: Any = connection.connection.driver_connection
    failure = connection.dialect.loaded_dbapi.Error
    try:
        with driver.pipeline():
            yield driver
    except failure as error:
        raise DBAPIError.instance(None, None, error, failure, hide_parameters=True) from error
