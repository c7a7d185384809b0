"""Statements sent to PostgreSQL one after another, with one wait for all of them.

After each wait for the database the store's thread also waits for its turn beside the thread that talks to the
platform, and that is the longer part.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    driver: Any = connection.connection.driver_connection
    failure = connection.dialect.loaded_dbapi.Error
    try:
        with driver.pipeline():
            yield
    except failure as error:
        raise DBAPIError.instance(None, None, error, failure, hide_parameters=True) from error
