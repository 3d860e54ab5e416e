"""Transactions of the steps: a worker that freezes in one must not hold up the others."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection, transaction


@contextmanager
def brief(*, waits_for_disk: bool = True) -> Iterator[None]:
    """A transaction in which no statement is more than a lease away from the one before.

    A worker that freezes or loses its network in a transaction keeps its locks, and soon all others would wait.
    PostgreSQL closes a connection that is silent for that long.

    Commits that don't wait for the disk are lost if the database's machine fails, and the work is repeated. The
    completion of a job is committed synchronously, which also brings everything before it to the disk.
    """
    silence = settings.EXPORT_LEASE // dt.timedelta(milliseconds=1)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('idle_in_transaction_session_timeout', %s, TRUE),"
            " CASE WHEN %s THEN '' ELSE set_config('synchronous_commit', 'off', TRUE) END",
            [f"{silence}ms", waits_for_disk],
        )
        yield
