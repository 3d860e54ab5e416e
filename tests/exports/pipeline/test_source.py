"""How chunks leave PostgreSQL: every row once, however fast they come, and what the server says when it breaks off."""

import pytest
from django.db import connection
from psycopg import errors

from exports.sources.store import _rows

ROWS = 5_000


def rows(query: str) -> int:
    """How many rows a query gives."""
    with connection.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT binary)") as copy:
        return sum(1 for _ in _rows(copy))


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT repeat('x', 20000) FROM generate_series(1, {ROWS})",
        # The server is slower than we are: there are gaps to wait in.
        "SELECT number, pg_sleep(0.002) FROM generate_series(1, 100) number",
        "SELECT 1 WHERE FALSE",
    ],
)
def test_every_row_comes_once(db, query):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({query}) counted")
        count = cursor.fetchone()[0]

    assert rows(query) == count


def test_what_breaks_off_is_an_error_in_the_servers_own_words(transactional_db):
    with pytest.raises(errors.DivisionByZero, match="division by zero"):
        rows(f"SELECT 1 / (number - {ROWS}) FROM generate_series(1, 2 * {ROWS}) number")

    assert rows("SELECT 1") == 1


def test_whoever_stops_reading_leaves_the_connection_in_order(transactional_db):
    with (
        pytest.raises(InterruptedError),
        connection.cursor() as cursor,
        cursor.copy(f"COPY (SELECT generate_series(1, {ROWS})) TO STDOUT (FORMAT binary)") as copy,
    ):
        next(_rows(copy))
        raise InterruptedError

    assert rows("SELECT 1") == 1
