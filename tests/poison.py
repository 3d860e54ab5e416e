"""Rows that cannot be dealt with, for the tests of loops that go on all the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from django.db import connection
from django.db.backends.postgresql import base as djangos
from django.db.backends.postgresql.psycopg_any import register_tzloader
from django.db.models import Model
from psycopg.pq import Format

from portal.postgresql import base as ours

BEFORE_CHRIST = "0001-12-31 18:30:00+00 BC"


def write(row: Model, **values: object) -> None:
    """Change a row by SQL, past everything that Django and our code would say to it."""
    changes = ", ".join(f"{column} = %s" for column in values)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {row._meta.db_table} SET {changes} WHERE id = %s", [*values.values(), row.pk])


@contextmanager
def refused_by_the_database(*rows: Model, on: str = "UPDATE OR DELETE") -> Iterator[None]:
    """Whatever wants to change these rows fails."""
    triggers = [(f"poisoned_{row._meta.db_table}_{row.pk}", row) for row in rows]
    with connection.cursor() as cursor:
        for name, row in triggers:
            cursor.execute(
                f"""
                CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'the row is damaged'; END $$;
                CREATE TRIGGER {name} BEFORE {on} ON {row._meta.db_table}
                    FOR EACH ROW WHEN (old.id = {row.pk}) EXECUTE FUNCTION {name}()
                """
            )
    yield
    if connection.in_atomic_block:
        return  # they go with it
    with connection.cursor() as cursor:
        for name, _ in triggers:
            cursor.execute(f"DROP FUNCTION {name} CASCADE")


@contextmanager
def read_as_psycopg_does() -> Iterator[None]:
    """A time before Christ cannot be read, as if there were no portal/postgresql: the loops do not rely on it."""
    connection.ensure_connection()
    adapters = connection.connection.adapters
    kept = adapters.get_loader(adapters.types["timestamptz"].oid, Format.TEXT)
    register_tzloader(connection.timezone, connection.connection)
    # A loop makes a new connection where the former one failed.
    with mock.patch.object(
        ours.DatabaseWrapper, "get_connection_params", djangos.DatabaseWrapper.get_connection_params
    ):
        yield
    adapters.register_loader("timestamptz", kept)
