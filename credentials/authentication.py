"""How the API knows its caller: a bearer token, and the gate's word on every request."""

import re
from typing import Any

from django.utils import timezone
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from credentials import audit, gate
from credentials.middleware import client_address
from credentials.models import AccessToken, Client
from credentials.oauth import token_checksum

_BEARER = re.compile(r"Bearer (\S+)")


class BearerAuthentication(BaseAuthentication):
    """Sets `request.user` to the calling Client and `request.auth` to its AccessToken.

    Errors are BCDA's: 401 `Invalid Token` without a token that we know, 401 `Expired Token` when it is over,
    403 with the gate's reason, which names the address that was seen.
    """

    def authenticate(self, request: Request) -> tuple[Client, AccessToken] | None:
        header = request.headers.get("Authorization")
        if header is None:
            return None
        match = _BEARER.fullmatch(header)
        token = _find(match.group(1)) if match else None
        if token is None:
            raise exceptions.AuthenticationFailed("Invalid Token")
        if token.expires <= timezone.now() or token.secret.revoked_at is not None:
            raise exceptions.AuthenticationFailed("Expired Token")
        client = token.application
        if refused := gate.refusal(client, client_address(request._request)):  # noqa: SLF001  # the way DRF offers
            audit.record(
                audit.Action.REQUEST_REFUSED,
                organization=client.organization,
                client=client,
                request=request._request,  # noqa: SLF001
                reason=refused.code,
                path=request.path,
            )
            raise exceptions.PermissionDenied(refused.message)
        return client, token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002  # DRF's signature
        return 'Bearer realm="claimsgate"'


def _find(token: str) -> AccessToken | None:
    found: Any = AccessToken.objects.select_related("application__organization", "secret")
    return found.filter(token_checksum=token_checksum(token)).first()  # type: ignore[no-any-return]
