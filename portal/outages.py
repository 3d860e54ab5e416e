"""What callers are told while a part of Claimsgate is away for a moment: the database, the cache, the files.

That is not a failure of what they asked for: they are asked to come again (503 with Retry-After). A client that takes
a 500 for a failed job would give a good export up.
"""

import logging
from collections.abc import Callable

import psycopg
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template import loader
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from credentials.access.middleware import request_id
from exports.api.downloads import FilesOutOfReachError
from portal import answers

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
MESSAGE = f"Claimsgate cannot answer at the moment. Nothing was lost. Try again in {RETRY_AFTER_SECONDS} seconds."

_OUTAGES = (OperationalError, InterfaceError, psycopg.OperationalError, RedisError, BrokerError, FilesOutOfReachError)
# After a failover the connection may lead to a server that only reads.
_READ_ONLY = psycopg.errors.ReadOnlySqlTransaction


class OutagesMiddleware:
    """Answers for views that could not reach what they needed; portal.pages.errors does for other middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not is_outage(error):
            return None
        # Without a traceback: while the database is away, every call ends here.
        logger.warning("%s could not be answered: %s: %s", request.path, type(error).__name__, error)
        return response(request)


def is_outage(error: BaseException | None) -> bool:
    """Whether an error says that something of ours is away for a moment."""
    return isinstance(error, _OUTAGES) or (isinstance(error, DatabaseError) and isinstance(error.__cause__, _READ_ONLY))


def response(request: HttpRequest) -> HttpResponse:
    """503, in the words of who asks. It needs no database, no session and no cache."""
    told = answers.error(request, 503, MESSAGE)
    if told is None:
        page = loader.get_template("503.html")
        told = HttpResponse(page.render({"request_id": request_id(request)}), status=503)
    told["Retry-After"] = str(RETRY_AFTER_SECONDS)
    told["Cache-Control"] = "no-store"
    return told
