"""Turns what went wrong into an OperationOutcome: the one place where the API answers errors."""

import logging
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from exports.api.parameters import BadRequestError
from exports.fhir import operation_outcome
from exports.kickoff import NoRosterError

logger = logging.getLogger(__name__)


class GoneError(exceptions.APIException):
    """What was asked for has been, and is over."""

    status_code = status.HTTP_410_GONE


class FailedJobError(exceptions.APIException):
    """The job has failed; asking again does not help, starting another may."""


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. What it does not know travels on, and becomes a 500 that is logged."""
    code, status_code, diagnostics = _meaning(error)
    if code is None:
        return None
    set_rollback()
    response = Response(operation_outcome.error(code, diagnostics), status=status_code)
    if isinstance(error, exceptions.APIException):
        if (challenge := getattr(error, "auth_header", None)) is not None:
            response["WWW-Authenticate"] = challenge
        if (wait := getattr(error, "wait", None)) is not None:
            response["Retry-After"] = str(int(wait) + 1)
    if status_code >= status.HTTP_500_INTERNAL_SERVER_ERROR:
        logger.error("%s: %s", context["request"].path, diagnostics)
    return response


def _meaning(error: Exception) -> tuple[str | None, int, str]:
    """FHIR's issue code, the HTTP status, and the words."""
    match error:
        case BadRequestError():
            return "structure", 400, str(error)
        case NoRosterError():
            return "not-found", 404, str(error)
        case exceptions.NotAuthenticated():
            return "forbidden", 401, "Invalid Token"
        case exceptions.AuthenticationFailed():
            return "forbidden", 401, str(error.detail)
        case exceptions.PermissionDenied() | PermissionDenied():
            return "forbidden", 403, str(getattr(error, "detail", error))
        case Http404() | exceptions.NotFound():
            return "not-found", 404, str(error.args[0]) if isinstance(error, Http404) and error.args else "Not found"
        case GoneError():
            return "not-found", 410, str(error.detail)
        case FailedJobError():
            return "exception", 500, str(error.detail)
        case exceptions.MethodNotAllowed():
            return "not-supported", 405, str(error.detail)
        case exceptions.Throttled():
            return "throttled", 429, str(error.detail)
        case exceptions.APIException():
            return "exception", error.status_code, str(error.detail)
        case _:
            return None, 0, ""
