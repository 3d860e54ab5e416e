"""The format of an error, by path. API clients get their own media type, browsers get a page."""

import enum
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse

from exports.api import outcomes


class Family(enum.Enum):
    """Paths whose errors have the same format."""

    FHIR = "OperationOutcome"
    OAUTH = "RFC 6749, section 5.2"
    OPERATORS = "the administration API's JSON"
    JSON = "plain JSON"
    TEXT = "plain text"
    PAGES = "HTML pages"


# The first match counts. Two paths under /auth are API calls that a client tests its token with.
_FAMILIES: tuple[tuple[str, Family], ...] = (
    ("/auth/welcome", Family.FHIR),
    ("/auth/connection", Family.FHIR),
    ("/auth", Family.OAUTH),
    ("/api", Family.FHIR),
    ("/data", Family.FHIR),
    ("/admin-api", Family.OPERATORS),
    ("/.well-known", Family.JSON),
)

_WORDS = {
    HTTPStatus.BAD_REQUEST: "The request could not be read.",
    HTTPStatus.FORBIDDEN: "You may not do this.",
    HTTPStatus.NOT_FOUND: "There is nothing at this path.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This path does not take this method. Allow says which it takes.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many calls. Try again later.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong on our side.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Claimsgate cannot answer right now. Try again later.",
}

# FHIR's issue codes, and OAuth's errors.
_FHIR_CODES = {
    HTTPStatus.BAD_REQUEST: "structure",
    HTTPStatus.UNAUTHORIZED: "forbidden",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "not-found",
    HTTPStatus.METHOD_NOT_ALLOWED: "not-supported",
    HTTPStatus.GONE: "not-found",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too-long",
    HTTPStatus.TOO_MANY_REQUESTS: "throttled",
    HTTPStatus.INTERNAL_SERVER_ERROR: "exception",
    HTTPStatus.SERVICE_UNAVAILABLE: "transient",
}
_OAUTH_ERRORS = {
    HTTPStatus.UNAUTHORIZED: "invalid_client",
    HTTPStatus.FORBIDDEN: "access_denied",
    HTTPStatus.TOO_MANY_REQUESTS: "slow_down",
    HTTPStatus.INTERNAL_SERVER_ERROR: "server_error",
    HTTPStatus.SERVICE_UNAVAILABLE: "temporarily_unavailable",
}


def family_of(path: str) -> Family:
    """The family of a path, whether or not there is anything at it."""
    if path.startswith("/_"):
        return Family.TEXT
    return next(
        (family for prefix, family in _FAMILIES if path == prefix or path.startswith(f"{prefix}/")), Family.PAGES
    )


def error(request: HttpRequest, status: int, message: str = "") -> HttpResponse | None:
    """An error in the words of the family of the request's path; None where people expect a page.

    It asks nothing of the database, the session or a template: those may be what is broken.
    """
    status = HTTPStatus(status)
    message = message or _WORDS.get(status, f"{status.phrase}.")
    match family_of(request.path_info):
        case Family.FHIR:
            response = outcomes.response(request, _FHIR_CODES.get(status, "processing"), status, message)
        case Family.OAUTH:
            told = {"error": _OAUTH_ERRORS.get(status, "invalid_request"), "error_description": message}
            response = JsonResponse(told, status=status)
        case Family.OPERATORS | Family.JSON:
            response = JsonResponse({"error": message}, status=status)
        case Family.TEXT:
            response = HttpResponse(f"{message}\n", status=status, content_type="text/plain; charset=utf-8")
        case Family.PAGES:
            return None
    response["Cache-Control"] = "no-store"
    return response
