"""The only module that speaks oauthlib and django-oauth-toolkit: how a secret is traded for a token.

The grant is client_credentials (RFC 6749, section 4.4). BCDA's documented call sends the secret as Basic
authentication with an empty body and no grant_type; it is answered in BCDA's shape, the standard form in OAuth's.
"""

import base64
import binascii
import datetime as dt
import hashlib
import json
import secrets
from typing import Any
from urllib.parse import unquote_plus

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from oauth2_provider.oauth2_backends import OAuthLibCore
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.settings import oauth2_settings
from oauthlib.oauth2 import BackendApplicationServer
from oauthlib.oauth2.rfc6749.errors import OAuth2Error

from credentials import audit, gate
from credentials.issuing import secret_digest
from credentials.middleware import client_address
from credentials.models import AccessToken, Client, ClientSecret

TOKEN_PREFIX = "cgt_"  # noqa: S105  # a prefix, not a token
TOKEN_BYTES = 32


class CredentialsRefusedError(OAuth2Error):
    """The secret was right, and yet no token is given; told apart only after the secret has been verified."""

    def __init__(self, refusal: gate.Refusal, *, status: int) -> None:
        self.error = "access_denied" if status == 403 else "invalid_client"  # noqa: PLR2004  # HTTP's forbidden
        super().__init__(description=refusal.message, status_code=status)
        self.refusal = refusal


def new_access_token(request: Any) -> str:  # noqa: ARG001  # the toolkit's signature
    """An opaque bearer token: 256 random bits behind a prefix that secret scanners can know."""
    return TOKEN_PREFIX + secrets.token_hex(TOKEN_BYTES)


def token_checksum(token: str) -> str:
    """What is kept of a token: its SHA-256, hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def exchange(request: HttpRequest) -> HttpResponse:
    """Answer a request to the token endpoint."""
    has_empty_body = not request.POST
    with transaction.atomic():
        _uri, headers, body, status = Backend(request).create_token_response(request)
    answer: dict[str, Any] = json.loads(body)
    if status == 200 and has_empty_body:  # noqa: PLR2004  # HTTP's OK
        # BCDA's own shape: the lifetime is a string, the type in lower case, no scope.
        answer = {
            "access_token": answer["access_token"],
            "expires_in": str(answer["expires_in"]),
            "token_type": "bearer",
        }
    response = JsonResponse(answer, status=status)
    for name, value in headers.items():
        if name.lower() not in {"content-type", "www-authenticate"}:
            response[name] = value
    if status == 401:  # noqa: PLR2004  # HTTP's unauthorized
        response["WWW-Authenticate"] = 'Basic realm="claimsgate", charset="UTF-8"'
    response["Cache-Control"] = "no-store"
    response["Pragma"] = "no-cache"
    return response


class Backend(OAuthLibCore):
    """Hands a request to oauthlib; fills in the grant_type that BCDA's documented call leaves out."""

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(
            BackendApplicationServer(
                Validator(request),
                token_generator=new_access_token,
                token_expires_in=oauth2_settings.ACCESS_TOKEN_EXPIRE_SECONDS,
            )
        )

    def extract_body(self, request: HttpRequest) -> Any:
        return super().extract_body(request) or [("grant_type", "client_credentials")]


class Validator(OAuth2Validator):
    """Authenticates clients by our own secrets, and keeps tokens as checksums only. One for each request."""

    def __init__(self, http_request: HttpRequest) -> None:
        super().__init__()
        self.http_request = http_request

    def authenticate_client(self, request: Any, *args: Any, **kwargs: Any) -> bool:  # noqa: ARG002  # the toolkit's
        credentials = _basic_credentials(self.http_request) or _body_credentials(self.http_request)
        if credentials is None:
            return False
        client_id, secret_text = credentials
        secret = (
            ClientSecret.objects.select_related("client__organization")
            .filter(digest=secret_digest(secret_text))
            .first()
        )
        # The digest was found by the secret, so it alone decides; the id is compared without telling where it differs.
        if secret is None or not secrets.compare_digest(secret.client.client_id.encode(), client_id.encode()):
            return False
        _refuse_if_over(secret, self.http_request)
        request.client, request.secret = secret.client, secret
        return True

    def client_authentication_required(self, request: Any, *args: Any, **kwargs: Any) -> bool:  # noqa: ARG002
        return True

    def _save_bearer_token(self, token: dict[str, Any], request: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        now, address = timezone.now(), client_address(self.http_request)
        AccessToken.objects.create(
            token_checksum=token_checksum(token["access_token"]),
            application=request.client,
            secret=request.secret,
            expires=now + dt.timedelta(seconds=token["expires_in"]),
            scope=token["scope"],
        )
        ClientSecret.objects.filter(pk=request.secret.pk).update(last_used_at=now)
        Client.objects.filter(pk=request.client.pk).update(last_used_at=now, last_used_address=address)
        audit.record(
            audit.Action.TOKEN_ISSUED,
            organization=request.client.organization,
            client=request.client,
            request=self.http_request,
            hint=request.secret.hint,
        )


def _refuse_if_over(secret: ClientSecret, request: HttpRequest) -> None:
    """Raise CredentialsRefusedError, and write it down, when a right secret opens nothing any more."""
    client = secret.client
    if secret.revoked_at is not None:
        refused, status = gate.Refusal("secret_revoked", "This client secret has been revoked."), 401
    elif secret.expires_at <= timezone.now():
        when = f"{secret.expires_at:%Y-%m-%d}"
        refused, status = gate.Refusal("secret_expired", f"This client secret expired on {when}. Make a new one."), 401
    elif found := gate.refusal(client, client_address(request)):
        refused, status = found, 403
    else:
        return
    audit.record(
        audit.Action.TOKEN_REFUSED,
        organization=client.organization,
        client=client,
        request=request,
        reason=refused.code,
        hint=secret.hint,
    )
    raise CredentialsRefusedError(refused, status=status)


def _basic_credentials(request: HttpRequest) -> tuple[str, str] | None:
    """The id and secret of an `Authorization: Basic` header (RFC 6749, section 2.3.1), or None."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    client_id, separator, secret = decoded.partition(":")
    return (unquote_plus(client_id), unquote_plus(secret)) if separator else None


def _body_credentials(request: HttpRequest) -> tuple[str, str] | None:
    """The id and secret in a form, the other way that RFC 6749 allows."""
    client_id, secret = request.POST.get("client_id"), request.POST.get("client_secret")
    return (client_id, secret) if client_id and secret else None
