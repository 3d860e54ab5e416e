"""Error pages for people, and OperationOutcomes for those who call the API."""

import sys

from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.template import loader
from django.views import defaults

from credentials.middleware import request_id
from exports.api import outcomes
from portal import outages

# Whoever asks for one of these is a program.
API_PATHS = ("/api/", "/auth/", "/data/")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What was asked for is not there, or not for the one who asks."""
    if request.path.startswith(API_PATHS):
        return outcomes.response("not-found", 404, "There is nothing at this path.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Our own mistakes, and outages that other middleware met. It asks nothing of the database."""
    if outages.is_outage(sys.exc_info()[1]):
        return outages.response(request)
    if request.path.startswith(API_PATHS):
        return outcomes.response("exception", 500, f"Something went wrong on our side. Request {request_id(request)}.")
    page = loader.get_template("500.html")
    return HttpResponseServerError(page.render({"request_id": request_id(request)}))
