"""Decides what a caller can get, by the scope of its token (SMART App Launch 2.2.0; RFC 6750)."""

from collections.abc import Sequence
from typing import cast

from rest_framework import exceptions
from rest_framework.request import Request

from credentials.access import limits, scopes
from credentials.access.reasons import Reason
from credentials.access.throttles import TooManyCallsError
from credentials.actor import Actor
from credentials.models import AccessToken, Client
from credentials.trail import audit, refusals


class InsufficientScopeError(exceptions.PermissionDenied):
    """A valid token, but for other resource types: 403, with the required scope (RFC 6750, section 3.1)."""

    def __init__(self, missing: Sequence[str]) -> None:
        needed = scopes.needed(missing)
        super().__init__(
            f"The scope of this token does not cover {', '.join(missing)}. Ask for a token with the scope {needed}."
        )
        self.auth_header = f'Bearer realm="claimsgate", error="insufficient_scope", scope="{needed}"'


def types_in_scope(request: Request, resource_types: Sequence[str], *, are_asked_for: bool) -> tuple[str, ...]:
    """Return the types in `resource_types` that the caller's token covers.

    Raises InsufficientScopeError, and records it, if the token covers none, or not all that `are_asked_for` by name:
    the caller would take the rest for everything. After too many of these, raises TooManyCallsError.
    """
    token = cast("AccessToken", request.auth)
    missing = scopes.missing(token.scope, resource_types)
    if missing and (are_asked_for or len(missing) == len(resource_types)):
        _write_down(token.application, request)
        raise InsufficientScopeError(missing)
    return tuple(each for each in resource_types if each not in missing)


def _write_down(client: Client, request: Request) -> None:
    try:
        refusals.record(
            audit.Action.REQUEST_REFUSED,
            client_id=client.client_id,
            client=client,
            by=Actor.of_client(client, request._request),  # noqa: SLF001  # the way DRF offers
            reason=Reason.INSUFFICIENT_SCOPE,
            path=request.path,
            is_proven=True,
        )
    except limits.LimitReachedError as reached:
        raise TooManyCallsError(reached.excess) from reached
