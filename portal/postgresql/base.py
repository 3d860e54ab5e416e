"""Django's backend for PostgreSQL (DATABASES, ENGINE), with three differences.

Its pool notices at once that the server was restarted. Migrations give up rather than make everybody wait. And a time
that only PostgreSQL knows stops nobody who reads it.

PostgreSQL has years before Christ, years after 9999 and infinity; Python has none of them, and psycopg raises for the
whole answer in which one stands: one such row would be an error for every page and task that meets it. Here it is read
as a time of the first or of the last century, so that whatever compares it with others still decides rightly. What
comes from outside is checked before it is written (exports/api/parameters.py, portal/pages/exports/forms.py) and by
constraints; this is for what got in all the same.
"""

import datetime as dt
import functools
import select
from typing import Any, Self

import psycopg
from django.db.backends.postgresql import base
from django.db.backends.postgresql.schema import DatabaseSchemaEditor
from psycopg import DataError
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap
from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader

# A century from the ends of Python's time: one can still add to them, and tell them in every zone.
EARLIEST = dt.datetime(101, 1, 1, tzinfo=dt.UTC)
LATEST = dt.datetime(9900, 1, 1, tzinfo=dt.UTC)


# How long a migration waits for a lock. While it waits, everybody who wants the table after it waits, too.
LOCK_TIMEOUT = "5s"


class SchemaEditor(DatabaseSchemaEditor):
    """One that changes nothing if it does not get its locks soon: whoever migrates tries again.

    Outside a transaction (indexes that are built concurrently) it waits as long as others take: nobody waits for it.
    """

    def __enter__(self) -> Self:
        super().__enter__()
        if self.atomic_migration:
            self.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        return self


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection, of Django's pool or not."""

    SchemaEditorClass = SchemaEditor

    def get_connection_params(self) -> dict[str, Any]:
        parameters: dict[str, Any] = super().get_connection_params()
        return {**parameters, "context": _lenient(parameters["context"], self.timezone)}

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


@functools.cache
def _lenient(adapters: AdaptersMap, zone: dt.tzinfo | None) -> AdaptersMap:
    """Django's adapters, with loaders that read every time. Django has one set of them for each zone."""
    lenient = AdaptersMap(adapters)
    lenient.register_loader("timestamptz", _in_zone(zone))
    lenient.register_loader("timestamp", _KnownTimeOfNoZone)
    lenient.register_loader("date", _KnownDate)
    return lenient


def _works(connection: Any) -> bool:
    """Whether the server is still at the other end. It is asked only if it has something to say: a farewell, mostly."""
    try:
        if _has_something_to_read(connection):
            connection.execute("")
    except psycopg.OperationalError:
        return False
    return True


def _has_something_to_read(connection: Any) -> bool:
    sockets = select.poll()
    sockets.register(connection.fileno(), select.POLLIN)
    return bool(sockets.poll(0))


def _in_zone(zone: dt.tzinfo | None) -> type[TimestamptzLoader]:
    class KnownTime(TimestamptzLoader):
        timezone = zone  # Django looks for it

        def load(self, data: Buffer) -> dt.datetime:
            try:
                moment = super().load(data)
            except DataError:
                moment = EARLIEST if _is_early(data) else LATEST
            return moment.replace(tzinfo=zone)

    return KnownTime


class _KnownTimeOfNoZone(TimestampLoader):
    """As what is reckoned from times has none."""

    def load(self, data: Buffer) -> dt.datetime:
        try:
            return super().load(data)
        except DataError:
            return (EARLIEST if _is_early(data) else LATEST).replace(tzinfo=None)


class _KnownDate(DateLoader):
    def load(self, data: Buffer) -> dt.date:
        try:
            return super().load(data)
        except DataError:
            return (EARLIEST if _is_early(data) else LATEST).date()


def _is_early(data: Buffer) -> bool:
    """Whether what cannot be read is before the year 1: “0001-12-31 18:30:00+00 BC”, “-infinity”."""
    return bytes(data).endswith(b"BC") or bytes(data).startswith(b"-")
