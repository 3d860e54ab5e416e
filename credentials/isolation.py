"""Loops over the rows of all tenants: one that cannot be dealt with holds up none of the others.

Such a loop reads keys first and then each row by itself, since a row may be one that cannot even be read; and what it
does with a row is a transaction of its own.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection

logger = logging.getLogger(__name__)


@contextmanager
def isolated(what: str, key: object) -> Iterator[None]:
    """One turn of the loop: what goes wrong in it is logged with the row's key, and the loop goes on.

    It does not go on when the task's time is over, or when the database is away: then the others fare no better.
    """
    try:
        yield
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        logger.exception("%s %s failed. The others continue.", what, key)
        connection.close_if_unusable_or_obsolete()
        connection.ensure_connection()
