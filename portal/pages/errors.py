"""What went wrong: a page for people, and for programs an answer in their own words (portal/answers.py)."""

import sys

from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.template import loader
from django.views import csrf, defaults

from credentials.access.middleware import request_id
from portal import answers, outages


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The request itself cannot be read: its host, its form, its size."""
    return answers.error(request, 400) or defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answers.error(request, 403, str(exception)) or defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What was asked for is not there, or not for the one who asks."""
    return answers.error(request, 404) or defaults.page_not_found(request, exception)


def form_out_of_date(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without its token: it may have been sent from elsewhere, or in a session that is over."""
    return answers.error(request, 403) or csrf.csrf_failure(request, reason)


def server_error(request: HttpRequest) -> HttpResponse:
    """Our own mistakes, and outages that other middleware met. It asks nothing of the database."""
    if outages.is_outage(sys.exc_info()[1]):
        return outages.response(request)
    number = request_id(request)
    if told := answers.error(request, 500, f"Something went wrong on our side. Request {number}."):
        return told
    return HttpResponseServerError(loader.get_template("500.html").render({"request_id": number}))
