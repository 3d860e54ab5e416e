"""Loops over the rows of all tenants: one bad row does not stop the others.

Such a loop reads keys first and then each row by itself, because a row may not even be readable. It handles each row in
its own transaction.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection

logger = logging.getLogger(__name__)


@contextmanager
def isolated(what: str, key: object) -> Iterator[None]:
    """One round of the loop: an error is logged with the row's key, and the loop continues.

    It does not continue if the task's time is over or the database is down, because the other rows would fail, too.
    """
    try:
        yield
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        logger.exception("%s %s failed. The others continue.", what, key)
        connection.close_if_unusable_or_obsolete()
        connection.ensure_connection()
