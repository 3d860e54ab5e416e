"""Authentication for the API: a bearer token, and the gate's decision, at every request."""

from collections.abc import Sequence
from typing import Any

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from credentials.access import gate, limits, schemes
from credentials.access.middleware import client_address
from credentials.access.reasons import Reason
from credentials.access.throttles import TooManyCallsError
from credentials.actor import Actor
from credentials.models import AccessToken, Client
from credentials.tokens.oauth import token_checksum
from credentials.trail import audit, refusals


class BearerAuthentication(BaseAuthentication):
    """Sets `request.user` to the calling Client and `request.auth` to its AccessToken.

    Errors are BCDA's: 401 `Invalid Token` without a known token, 401 `Expired Token` when it has ended, 403 with the
    gate's reason, which has the IP address of the call; 429 after too many of these.
    """

    def authenticate(self, request: Request) -> tuple[Client, AccessToken] | None:
        header = request.headers.get("Authorization")
        address = client_address(request._request)  # noqa: SLF001  # the way DRF offers
        try:
            if header is None:
                _count(limits.unproven_calls(address))
                return None
            presented = schemes.presented(header, "bearer")
            token = _find(presented, address) if presented else None
            if token is None:
                _count(limits.failures(None, address))
                raise exceptions.AuthenticationFailed("Invalid Token")
            _refuse_if_ended(token, request)
            _refuse_at_the_gate(token.application, address, request, is_listed=token.is_from_listed_address)
        except limits.LimitReachedError as reached:
            raise TooManyCallsError(reached.excess) from reached
        return token.application, token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002  # DRF's signature
        return 'Bearer realm="claimsgate"'


def _find(token: str, address: str) -> Any:
    """Return the AccessToken with what the gate needs and `is_from_listed_address`, in one query; or None."""
    found: Any = AccessToken.objects.from_address(address).select_related(
        "application__organization", "secret", "key", "key_set"
    )
    return found.filter(token_checksum=token_checksum(token)).first()


def _count(budgets: Sequence[limits.Budget]) -> None:
    """Count an unauthenticated call. Raises LimitReachedError."""
    if excess := limits.spend(budgets):
        raise limits.LimitReachedError(excess)


def _refuse_if_ended(token: AccessToken, request: Request) -> None:
    """Raise AuthenticationFailed for a token that has ended. If it was revoked, the audit trail says so."""
    if token.is_live:
        return
    if token.is_revoked:
        _write_down(token.application, Reason.TOKEN_REVOKED, request)
    raise exceptions.AuthenticationFailed("Expired Token")


def _refuse_at_the_gate(client: Client, address: str, request: Request, *, is_listed: bool) -> None:
    if refused := gate.refusal(client, address, is_listed=is_listed):
        _write_down(client, refused.code, request)
        raise exceptions.PermissionDenied(refused.message)


def _write_down(client: Client, reason: Reason, request: Request) -> None:
    refusals.record(
        audit.Action.REQUEST_REFUSED,
        client_id=client.client_id,
        client=client,
        by=Actor.of_client(client, request._request),  # noqa: SLF001  # the way DRF offers
        reason=reason,
        path=request.path,
    )
