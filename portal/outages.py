"""What callers get while a part of Claimsgate is unavailable: the database, the cache, or the files.

The request itself didn't fail, so callers are asked to retry (503 with Retry-After). With a 500, a client could take
its export for failed and give up.
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
# After a failover, the connection may be to a read-only server.
_READ_ONLY = psycopg.errors.ReadOnlySqlTransaction


class OutagesMiddleware:
    """Answers for views that hit an outage. For other middleware, portal.pages.errors does."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not is_outage(error):
            return None
        # Without a traceback: while the database is unavailable, every call ends here.
        logger.warning("%s was answered with 503: %s: %s", request.path, type(error).__name__, error)
        return response(request)


def is_outage(error: BaseException | None) -> bool:
    """Whether an error means that a part of Claimsgate is temporarily unavailable."""
    return isinstance(error, _OUTAGES) or (isinstance(error, DatabaseError) and isinstance(error.__cause__, _READ_ONLY))


def response(request: HttpRequest) -> HttpResponse:
    """Return 503 in the caller's format. Needs no database, session, or cache."""
    told = answers.error(request, 503, MESSAGE)
    if told is None:
        page = loader.get_template("503.html")
        told = HttpResponse(page.render({"request_id": request_id(request)}), status=503)
    told["Retry-After"] = str(RETRY_AFTER_SECONDS)
    told["Cache-Control"] = "no-store"
    return told
