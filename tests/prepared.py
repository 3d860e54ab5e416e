"""The tests' databases: one is migrated, and each process that tests works with a copy of it.

The migrated one stays for the next run, until a migration or a library changes.
"""

import contextlib
import hashlib
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import distributions
from pathlib import Path

import psycopg
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from psycopg import sql

PREFIX = "claimsgate_migrated_"
EARLIER_PREFIX = "claimsgate_earlier_"
# What migrations fill, and tests leave alone.
FILLED_BY_MIGRATIONS = {"django_migrations", "django_content_type", "auth_permission"}
REPOSITORY = Path(__file__).resolve().parent.parent


def migrated(to: Sequence[tuple[str, str]] = ()) -> str:
    """The name of the database that has all migrations, or those up to some. It is made if it is not there."""
    prefix = f"{EARLIER_PREFIX}{_digest(repr(sorted(to)).encode())}_" if to else PREFIX
    name = prefix + _what_it_depends_on()
    with _server() as server:
        # Processes can want the same one at the same time. The lock ends with the connection.
        server.execute("SELECT pg_advisory_lock(hashtext(%s))", [prefix])
        there = {row[0] for row in server.execute("SELECT datname FROM pg_database")}
        if name in there:
            return name
        # Those of other migrations, and one that a run began and did not end.
        for former in (each for each in there if each.startswith(prefix)):
            _drop(server, former)
        being_made = f"{prefix}being_made"
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(being_made)))
        with _connected_to(being_made):
            if to:
                MigrationExecutor(connection).migrate(list(to))
            else:
                call_command("migrate", verbosity=0)
        server.execute(
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(being_made), sql.Identifier(name))
        )
    return name


@contextlib.contextmanager
def copy(name: str) -> Iterator[None]:
    """Inside, Django works with a new copy of the migrated database, which has this name."""
    with new_database(name, like=migrated()):
        yield


@contextlib.contextmanager
def new_database(name: str, *, like: str = "template1") -> Iterator[None]:
    """Inside, Django works with a new database of this name: an empty one, or a copy of another."""
    with _server() as server:
        _drop(server, name)
        names = {"name": sql.Identifier(name), "like": sql.Identifier(like)}
        server.execute(sql.SQL("CREATE DATABASE {name} TEMPLATE {like}").format(**names))
        with _connected_to(name):
            yield
        _drop(server, name)


def empty() -> None:
    """Take out of the database whatever a test has left there.

    Django would truncate each of seventy tables with its indexes; most are empty, and the others hold a few rows.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace = 'public'::regnamespace AND relname <> ALL(%s)",
            [list(FILLED_BY_MIGRATIONS)],
        )
        tables = [name for [name] in cursor.fetchall()]
        is_filled = (sql.SQL("EXISTS (SELECT FROM {})").format(sql.Identifier(name)) for name in tables)
        cursor.execute(sql.SQL("SELECT {}").format(sql.SQL(", ").join(is_filled)))
        filled = [name for name, is_filled in zip(tables, cursor.fetchone(), strict=True) if is_filled]
        # In any order: no trigger looks on, neither those of foreign keys nor those of the audit trail.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for name in filled:
            cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))


@contextlib.contextmanager
def _connected_to(name: str) -> Iterator[None]:
    """Inside, Django's connection is to this database."""
    facts = connection.settings_dict
    before = facts["NAME"]
    connection.close()
    facts["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        facts["NAME"] = before


@contextlib.contextmanager
def _server() -> Iterator[psycopg.Connection]:
    """A connection that can make and drop databases."""
    facts = connection.settings_dict
    place = {"host": facts["HOST"], "port": facts["PORT"], "user": facts["USER"], "password": facts["PASSWORD"]}
    given = {name: value for name, value in place.items() if value}
    with psycopg.connect(dbname="postgres", autocommit=True, **given) as server:
        yield server


def _drop(server: psycopg.Connection, name: str) -> None:
    # By force: a process that a test has started may still be there.
    server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _what_it_depends_on() -> str:
    """A digest of the migrations, of the models that post_migrate looks at, and of the libraries."""
    libraries = sorted(f"{found.name} {found.version}" for found in distributions())
    files = sorted((*REPOSITORY.glob("*/migrations/*.py"), *REPOSITORY.glob("*/models*/**/*.py"), Path(__file__)))
    contents = (str(path.relative_to(REPOSITORY)).encode() + path.read_bytes() for path in files)
    return _digest(b"".join([sys.version.encode(), *(each.encode() for each in libraries), *contents]))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
