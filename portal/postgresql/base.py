"""Django's backend for PostgreSQL (DATABASES, ENGINE), with three differences.

Its pool notices immediately when the server was restarted. Migrations give up instead of making everyone wait. And a
time that only PostgreSQL supports doesn't raise.

PostgreSQL has years BC, years after 9999, and infinity. Python doesn't, and psycopg raises for the whole result: one
such row would be an error on every page and in every task that reads it. Here it is read as a time in the first or last
century, so comparisons are still correct. Input is checked before it is written (exports/api/parameters.py,
portal/pages/exports/forms.py) and by constraints. This handles what got in anyway.
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

# A century from the ends of Python's range, so adding to them and converting zones still works.
EARLIEST = dt.datetime(101, 1, 1, tzinfo=dt.UTC)
LATEST = dt.datetime(9900, 1, 1, tzinfo=dt.UTC)


# How long a migration waits for a lock. While it waits, everyone after it waits for the table, too.
LOCK_TIMEOUT = "5s"


class SchemaEditor(DatabaseSchemaEditor):
    """Gives up and changes nothing if it doesn't get its locks soon. Then run the migration again.

    Outside a transaction (concurrent indexes), it waits as long as needed, since nobody waits for it.
    """

    def __enter__(self) -> Self:
        super().__enter__()
        if self.atomic_migration:
            self.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        return self


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection, from Django's pool or not."""

    SchemaEditorClass = SchemaEditor

    def get_connection_params(self) -> dict[str, Any]:
        parameters: dict[str, Any] = super().get_connection_params()
        return {**parameters, "context": _lenient(parameters["context"], self.timezone)}

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a working connection, from the pool if this process has one. Raises psycopg.OperationalError."""
        connection = super().get_new_connection(conn_params)
        if self.pool is None or _works(connection):
            return connection
        # PostgreSQL was restarted. The pool checks all its connections; otherwise each dead one would fail a request.
        self.pool.putconn(connection)
        self.pool.check()
        connection = super().get_new_connection(conn_params)
        if not _works(connection):
            self.pool.putconn(connection)
            raise psycopg.OperationalError("The server closes new connections.")
        return connection


@functools.cache
def _lenient(adapters: AdaptersMap, zone: dt.tzinfo | None) -> AdaptersMap:
    """Return Django's adapters, with loaders that read every time. Django has one set per time zone."""
    lenient = AdaptersMap(adapters)
    lenient.register_loader("timestamptz", _in_zone(zone))
    lenient.register_loader("timestamp", _KnownTimeOfNoZone)
    lenient.register_loader("date", _KnownDate)
    return lenient


def _works(connection: Any) -> bool:
    """Whether the server is still connected. It is queried only if it sent something, usually a goodbye."""
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
        timezone = zone  # Django reads it

        def load(self, data: Buffer) -> dt.datetime:
            try:
                moment = super().load(data)
            except DataError:
                moment = EARLIEST if _is_early(data) else LATEST
            return moment.replace(tzinfo=zone)

    return KnownTime


class _KnownTimeOfNoZone(TimestampLoader):
    """A timestamp without a time zone."""

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
    """Whether an unreadable time is before the year 1: “0001-12-31 18:30:00+00 BC”, “-infinity”."""
    return bytes(data).endswith(b"BC") or bytes(data).startswith(b"-")
