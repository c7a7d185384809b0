"""What a transaction writes once everything is read: on PostgreSQL in as few statements as can be.

After each wait for the database the store's thread also waits for its turn beside the thread that talks to the
platform, and that is the longer part. So statements that do not depend on each other become one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from gateway.store.bulk import Told, as_parts


@dataclass(kw_only=True)
class Writing:
    """Collected while a transaction reads, and done at its end.

    told: statements of which none looks at, or changes, a row that another changes
    then: what must see all of that, in this order
    """

    told: list[Told] = field(default_factory=list)
    then: list[Callable[[Connection], None]] = field(default_factory=list)

    def do(self, connection: Connection) -> None:
        """Write it."""
        told = [one for one in self.told if one.rows]
        if connection.dialect.name == "postgresql" and len(told) > 1:
            parts, given = as_parts(one.statement.question(connection, one.rows) for one in told)
            connection.exec_driver_sql(f"WITH {parts} SELECT", given)
        else:
            for one in told:
                one(connection)
        for work in self.then:
            work(connection)
