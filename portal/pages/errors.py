"""Error responses: a page for browsers, and for API clients a body in their format (portal/answers.py)."""

import sys

from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.template import loader
from django.views import csrf, defaults

from credentials.access.middleware import request_id
from portal import answers, outages


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The request can't be read: its host, its form, or its size is invalid."""
    return answers.error(request, 400) or defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answers.error(request, 403, str(exception)) or defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The page doesn't exist, or the user has no access to it."""
    return answers.error(request, 404) or defaults.page_not_found(request, exception)


def form_out_of_date(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without a valid CSRF token: from another site, or from an old session."""
    return answers.error(request, 403) or csrf.csrf_failure(request, reason)


def server_error(request: HttpRequest) -> HttpResponse:
    """Our own errors, and outages that other middleware ran into. Doesn't query the database."""
    if outages.is_outage(sys.exc_info()[1]):
        return outages.response(request)
    number = request_id(request)
    if told := answers.error(request, 500, f"Something went wrong on our side. Request {number}."):
        return told
    return HttpResponseServerError(loader.get_template("500.html").render({"request_id": number}))
