"""Django's backend for PostgreSQL, whose pool notices at once that the server was restarted."""

from typing import Any

import psycopg
from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection that works, from the pool if this process has one. Raises psycopg.OperationalError."""
        connection = super().get_new_connection(conn_params)
        if self.pool is None or _works(connection):
            return connection
        # PostgreSQL was restarted: the pool looks at all that it holds, or each dead connection would cost a request.
        self.pool.putconn(connection)
        self.pool.check()
        connection = super().get_new_connection(conn_params)
        if not _works(connection):
            self.pool.putconn(connection)
            raise psycopg.OperationalError("The server closes connections that have just been made.")
        return connection


def _works(connection: Any) -> bool:
    try:
        connection.execute("")
    except psycopg.OperationalError:
        return False
    return True
