"""Validates a kick-off request.

The order of the checks and the words of the errors are BCDA's, because its clients know them.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from exports.models import EARLIEST_SINCE
from exports.versions import FILTERS, ApiVersion

OUTPUT_FORMATS = ("application/fhir+ndjson", "application/ndjson", "ndjson")
# What clients of other servers put into the query.
_SECRETS = ("access_token", "token", "client_secret", "client_assertion")
# A FHIR instant: a date, a time to the second or finer, and a time zone.
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})", re.ASCII)


class BadRequestError(ValueError):
    """The request is not valid or not supported. The message is for the client's developer."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """A valid kick-off, except for its resource types: `resource_types` checks those."""

    asked_types: tuple[str, ...]
    since: dt.datetime | None  # in UTC


def parse(query: QueryDict, headers: Mapping[str, str], version: ApiVersion) -> Parameters:
    """Parse a kick-off's query and headers. Raises BadRequestError."""
    _check_for_secrets(query)
    _check_output_format(query)
    _check_filters(query, version)
    if any(name.startswith("?") for name in query):
        raise BadRequestError("Invalid parameter: query parameters cannot start with ?")
    since = _since(query)
    asked_types = _asked_types(query)
    _check_header(
        headers, "Accept", "application/fhir+json", "application/fhir+json is the only supported response format"
    )
    _check_header(headers, "Prefer", "respond-async", "Only asynchronous responses are supported")
    return Parameters(asked_types=asked_types, since=since)


def resource_types(asked: Sequence[str], version: ApiVersion, *, offered: Sequence[str]) -> tuple[str, ...]:
    """Return the requested types, if the organization has access to all; all its types, if none was requested.

    Raises BadRequestError for the first type that the version does not have or that is not for the organization.
    """
    for resource_type in asked:
        if resource_type not in version.resource_types:
            supported = ", ".join(version.resource_types)
            raise BadRequestError(f"invalid resource type {resource_type}. Supported types [{supported}]")
        if resource_type not in offered:
            raise BadRequestError(f"unauthorized resource type {resource_type}")
    return tuple(asked or offered)


def _check_for_secrets(query: QueryDict) -> None:
    """Refuse credentials in a kick-off's URL: the URL is stored, shown, and returned in the manifest."""
    for name in _SECRETS:
        if name in query:
            raise BadRequestError(
                f"Invalid parameter: {name} must not be in a URL. Send the token in the Authorization header. "
                "URLs are logged in many places. If this token or secret was valid, revoke it."
            )


def _check_output_format(query: QueryDict) -> None:
    # An unencoded + arrives as a space. The meaning is clear.
    given = query.get("_outputFormat")
    if given is not None and given.replace(" ", "+") not in OUTPUT_FORMATS:
        raise BadRequestError(f"_outputFormat parameter must be one of [{' '.join(OUTPUT_FORMATS)}]")


def _check_filters(query: QueryDict, version: ApiVersion) -> None:
    """Refuse a filter that the version does not have: its export would have more than the client wants."""
    if "_elements" in query:
        raise BadRequestError("Invalid parameter: this server does not support the _elements parameter.")
    for name in sorted(FILTERS - version.filters):
        if name in query:
            raise BadRequestError(
                f"Invalid parameter: version {version.number} of this API does not support the {name} parameter."
            )


def _since(query: QueryDict) -> dt.datetime | None:
    given = query.get("_since")
    if given is None:
        return None
    # The + of a time zone is often sent unencoded, too.
    given = re.sub(r" (?=\d{2}:\d{2}$)", "+", given)
    try:
        since = parse_datetime(given) if _INSTANT.fullmatch(given) else None
    except ValueError:
        since = None
    if since is None:
        raise BadRequestError("Invalid date format supplied in _since parameter.  Date must be in FHIR Instant format.")
    if since > timezone.now():
        raise BadRequestError(
            "Invalid date format supplied in _since parameter. Date must be a date that has already passed"
        )
    if since < EARLIEST_SINCE:
        raise BadRequestError(
            "Invalid date format supplied in _since parameter. "
            f"Date must not be before {EARLIEST_SINCE:%Y-%m-%dT%H:%M:%SZ}"
        )
    # Only now: a time that is valid in its own time zone is not always valid in UTC.
    return since.astimezone(dt.UTC)


def _asked_types(query: QueryDict) -> tuple[str, ...]:
    """Return the types of all `_type` parameters: BCDA has one with commas, the Bulk Data standard also has several."""
    given = [name for value in query.getlist("_type") for name in value.split(",")]
    for place, name in enumerate(given):
        if name in given[:place]:
            raise BadRequestError(f"Repeated resource type {name}")
    return tuple(given)


def _check_header(headers: Mapping[str, str], name: str, wanted: str, otherwise: str) -> None:
    """Check that a header is there and has a token. It can have others, too."""
    given = [part.partition(";")[0].strip().lower() for part in headers.get(name, "").split(",")]
    if not any(given):
        raise BadRequestError(f"{name} header is required")
    if wanted not in given:
        raise BadRequestError(otherwise)
