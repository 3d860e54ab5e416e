"""The transactions of the steps: whoever stands still in one must not hold up the others."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection, transaction


@contextmanager
def brief(*, waits_for_disk: bool = True) -> Iterator[None]:
    """A transaction whose next statement never takes as long as a lease to come.

    A worker that is frozen or cut off in the middle of one keeps its locks, and soon all others would wait for it:
    PostgreSQL ends the connection of one that is silent for so long.

    What does not wait for the disk is lost when the database's machine fails, and then is done again. What a client
    is told, that a job is complete, is written the ordinary way, and that brings all before it to the disk first.
    """
    silence = settings.EXPORT_LEASE // dt.timedelta(milliseconds=1)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('idle_in_transaction_session_timeout', %s, TRUE),"
            " CASE WHEN %s THEN '' ELSE set_config('synchronous_commit', 'off', TRUE) END",
            [f"{silence}ms", waits_for_disk],
        )
        yield
