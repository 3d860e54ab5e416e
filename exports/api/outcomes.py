"""Turns errors of the API into an OperationOutcome, as the version in the path writes it. Nothing else does this."""

import logging
from typing import Any

import msgspec
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from exports.api.parameters import BadRequestError
from exports.kickoff import NoRosterError, NothingLoadedError
from exports.versions import version_of

logger = logging.getLogger(__name__)


class GoneError(exceptions.APIException):
    """The requested resource existed, but has expired."""

    status_code = status.HTTP_410_GONE


class FailedJobError(exceptions.APIException):
    """The job has failed. Asking again does not help. A new export may."""


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. Unknown exceptions pass through and become a 500 that is logged."""
    if (meaning := _meaning(error)) is None:
        return None
    set_rollback()
    (code, status_code), diagnostics = meaning, _words(error)
    body = version_of(context["request"].path_info).error(code, diagnostics)
    response = Response(body, status=status_code, content_type="application/fhir+json")
    if isinstance(error, exceptions.APIException):
        if (challenge := getattr(error, "auth_header", None)) is not None:
            response["WWW-Authenticate"] = challenge
        if (wait := getattr(error, "wait", None)) is not None:
            response["Retry-After"] = str(int(wait) + 1)
    if status_code >= status.HTTP_500_INTERNAL_SERVER_ERROR:
        logger.error("%s: %s", context["request"].path, diagnostics)
    return response


def response(request: HttpRequest, code: str, status_code: int, diagnostics: str) -> HttpResponse:
    """Return an OperationOutcome outside DRF's views."""
    body = msgspec.json.encode(version_of(request.path_info).error(code, diagnostics))
    return HttpResponse(body, status=status_code, content_type="application/fhir+json")


# FHIR's issue code and the HTTP status of each kind of error. The first kind that fits counts.
_MEANINGS: tuple[tuple[type[Exception], str, int], ...] = (
    (BadRequestError, "structure", 400),
    (NoRosterError, "not-found", 404),
    (NothingLoadedError, "not-found", 404),
    (exceptions.AuthenticationFailed, "forbidden", 401),
    (exceptions.NotAuthenticated, "forbidden", 401),
    (exceptions.PermissionDenied, "forbidden", 403),
    (PermissionDenied, "forbidden", 403),
    (Http404, "not-found", 404),
    (exceptions.NotFound, "not-found", 404),
    (GoneError, "not-found", 410),
    (FailedJobError, "exception", 500),
    (exceptions.MethodNotAllowed, "not-supported", 405),
    (exceptions.Throttled, "throttled", 429),
    (exceptions.APIException, "exception", 500),
)


def _meaning(error: Exception) -> tuple[str, int] | None:
    return next(((code, status_code) for kind, code, status_code in _MEANINGS if isinstance(error, kind)), None)


def _words(error: Exception) -> str:
    if isinstance(error, exceptions.NotAuthenticated):
        return "Invalid Token"
    return str(error.detail if isinstance(error, exceptions.APIException) else error)
