"""The only module that uses oauthlib and django-oauth-toolkit: exchanges a secret or an assertion for a token.

The grant is client_credentials (RFC 6749, section 4.4). BCDA's documented call sends the secret as Basic
authentication, with an empty body and no grant_type, and gets BCDA's response. The standard form gets OAuth's, and an
assertion (SMART Backend Services) gets SMART's.
"""

import base64
import binascii
import dataclasses
import datetime as dt
import json
from typing import Any
from urllib.parse import unquote_plus

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from oauth2_provider.oauth2_backends import OAuthLibCore
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.settings import oauth2_settings
from oauthlib.oauth2 import BackendApplicationServer
from oauthlib.oauth2.rfc6749.errors import InvalidRequestError, OAuth2Error

from credentials import lifetimes, secret_text
from credentials.access import gate, limits, schemes
from credentials.access.middleware import client_address
from credentials.access.scopes import granted
from credentials.actor import Actor
from credentials.models import AccessToken, Client, ClientKey, ClientKeySet, ClientSecret
from credentials.tokens import assertions, verification
from credentials.trail import audit, refusals

_FIELD_OF_TOKEN = {ClientSecret: "secret", ClientKey: "key", ClientKeySet: "key_set"}


class CredentialsRefusedError(OAuth2Error):
    """The secret or signature was right, but no token is issued. The reason is told only after verification."""

    def __init__(self, refusal: gate.Refusal, *, status: int) -> None:
        self.error = "access_denied" if status == 403 else "invalid_client"  # noqa: PLR2004  # HTTP's forbidden
        super().__init__(description=refusal.message, status_code=status)
        self.refusal = refusal


class TooManyRequestsError(OAuth2Error):
    """A call over the limit. The error's name is RFC 8628's. RFC 6749 has none for this."""

    error = "slow_down"

    def __init__(self, excess: limits.Excess, description: str) -> None:
        super().__init__(description=description, status_code=429)
        self.excess = excess

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.excess.retry_after)}


def new_access_token(request: Any) -> str:  # noqa: ARG001  # the toolkit's signature
    """Return an opaque bearer token: 256 random bits after a prefix that secret scanners recognize."""
    return secret_text.new(secret_text.Prefix.ACCESS_TOKEN)


def token_checksum(token: str) -> str:
    """Return what is stored of a token: its SHA-256, hexadecimal."""
    return secret_text.digest(token).hex()


def exchange(request: HttpRequest) -> HttpResponse:
    """Answer a request to the token endpoint."""
    has_empty_body = not request.POST
    backend = Backend(request)
    with transaction.atomic():
        _uri, headers, body, status = backend.create_token_response(request)
    answer: dict[str, Any] = json.loads(body)
    if backend.assertion and status == 200:  # noqa: PLR2004  # HTTP's OK
        answer |= {"token_type": "bearer"}  # SMART's fixed value
    if status == 200 and has_empty_body:  # noqa: PLR2004  # HTTP's OK
        # BCDA's own shape: the lifetime is a string, the type in lower case, no scope.
        answer = {
            "access_token": answer["access_token"],
            "expires_in": str(answer["expires_in"]),
            "token_type": "bearer",
        }
    return _answer(answer, headers, status)


def introspect(request: HttpRequest) -> HttpResponse:
    """Tell a client about one of its own tokens (RFC 7662). All other tokens are just not active."""
    backend = Backend(request)
    with transaction.atomic():
        headers, body, status = backend.create_introspection_response(request)
    return _answer(json.loads(body), headers, status)


def revoke(request: HttpRequest) -> HttpResponse:
    """Revoke a token of the calling client (RFC 7009). For a token of another client, nothing happens."""
    backend = Backend(request)
    with transaction.atomic():
        _uri, headers, body, status = backend.create_revocation_response(request)
    return _answer(json.loads(body) if body else {}, headers, status)


def _answer(answer: dict[str, Any], headers: dict[str, str], status: int) -> JsonResponse:
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
    """Passes a request to oauthlib, and adds the grant_type that BCDA's documented call leaves out.

    Create it before a transaction begins: it may fetch the key set of a client.
    """

    def __init__(self, request: HttpRequest) -> None:
        self.assertion = assertions.presented(request)
        lifetime = int(lifetimes.ACCESS_TOKEN_FOR_ASSERTION.total_seconds())
        super().__init__(
            BackendApplicationServer(
                Validator(request, self.assertion),
                token_generator=new_access_token,
                token_expires_in=lifetime if self.assertion else oauth2_settings.ACCESS_TOKEN_EXPIRE_SECONDS,
            )
        )

    def _extract_params(self, request: HttpRequest) -> tuple[str, str, str, dict[str, str]]:
        """Return that there is a query, but not its content: oauthlib refuses every query, but fails on some."""
        _uri, method, body, headers = super()._extract_params(request)
        query = "?query" if request.META.get("QUERY_STRING") else ""
        return request.path + query, method, body, headers

    def extract_body(self, request: HttpRequest) -> Any:
        return super().extract_body(request) or [("grant_type", "client_credentials")]

    def create_introspection_response(self, request: HttpRequest) -> tuple[dict[str, str], str, int]:
        """Return headers, body and status. The toolkit has such a method for the other endpoints."""
        uri, method, body, headers = self._extract_params(request)
        answer: tuple[dict[str, str], str, int] = self.server.create_introspect_response(uri, method, body, headers)
        return answer


class Validator(OAuth2Validator):
    """Authenticates clients by our own secrets and keys, and stores tokens as checksums only. One for each request."""

    def __init__(self, http_request: HttpRequest, assertion: assertions.Presented | None) -> None:
        super().__init__()
        self.http_request = http_request
        self.caller = Actor.of_client(None, http_request)
        self.assertion = assertion

    def authenticate_client(self, request: Any, *args: Any, **kwargs: Any) -> bool:  # noqa: ARG002  # the toolkit's
        try:
            is_authentic = self._authenticate(request)
        except limits.LimitReachedError as reached:
            raise TooManyRequestsError(reached.excess, str(reached)) from reached
        if is_authentic:
            self._spend(request.client)
        return is_authentic

    def _acting(self, client: Client) -> Actor:
        """Return the caller, who has shown to be this client."""
        return dataclasses.replace(self.caller, client=client)

    def _spend(self, client: Client) -> None:
        """Count a call of an authenticated client. Raises TooManyRequestsError."""
        if excess := limits.spend(limits.token_calls(client)):
            refusals.record_excess(
                audit.Action.TOKEN_REFUSED,
                excess,
                client_id=client.client_id,
                client=client,
                by=self.caller,
            )
            lifetime = lifetimes.ACCESS_TOKEN_FOR_ASSERTION if self.assertion else lifetimes.ACCESS_TOKEN
            raise TooManyRequestsError(
                excess,
                f"{client.organization.entity_id} exceeded the rate limit for {self.http_request.path}. Access tokens "
                f"last {lifetime // dt.timedelta(minutes=1)} minutes; please cache and reuse them. {excess.message}",
            )

    def _authenticate(self, request: Any) -> bool:
        if why := assertions.misuse(self.http_request):
            raise InvalidRequestError(description=why)
        if self.assertion is not None:
            return self._authenticate_by_assertion(self.assertion, request)
        credentials = _credentials(self.http_request)
        secret = verification.by_secret(*credentials, self.caller) if credentials else None
        if secret is None:
            return False
        if refused := verification.refusal_of_secret(secret, self.caller):
            raise CredentialsRefusedError(refused, status=403 if secret.is_live else 401)
        request.client, request.bought_with, request.told = secret.client, secret, {"hint": secret.hint}
        return True

    def _authenticate_by_assertion(self, assertion: assertions.Presented, request: Any) -> bool:
        try:
            proof = assertions.accepted(assertion, self.http_request)
        except assertions.AssertionRefusedError as error:
            raise CredentialsRefusedError(error.refusal, status=403 if error.is_forbidden else 401) from error
        if proof is None:
            return False
        request.client, request.bought_with, request.told = proof.client, proof.source, {"kid": proof.kid}
        return True

    def validate_scopes(self, client_id: str, scopes: list[str], client: Client, request: Any, *_: Any) -> bool:  # noqa: ARG002
        """Grant what can be granted. Only clients with a secret, as BCDA's, can leave out the scope."""
        request.scopes = [] if self.assertion and not request.scope else granted(scopes)
        return bool(request.scopes)

    def introspect_token(self, token: str, token_type_hint: str | None, request: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        found = AccessToken.objects.filter(application=request.client, token_checksum=token_checksum(token)).first()
        if found is None or not found.is_live:
            return None
        return {
            "client_id": request.client.client_id,
            "exp": int(found.expires.timestamp()),
            "iat": int(found.created.timestamp()),
            "scope": found.scope,
            "token_type": "Bearer",
        }

    def revoke_token(self, token: str, token_type_hint: str | None, request: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        own = AccessToken.objects.filter(application=request.client, token_checksum=token_checksum(token))
        if own.revoke(timezone.now()):
            audit.record(
                audit.Action.TOKEN_REVOKED,
                self._acting(request.client),
                organization=request.client.organization,
            )

    def client_authentication_required(self, request: Any, *args: Any, **kwargs: Any) -> bool:  # noqa: ARG002
        return True

    def _save_bearer_token(self, token: dict[str, Any], request: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        now, address = timezone.now(), client_address(self.http_request)
        AccessToken.objects.create(
            token_checksum=token_checksum(token["access_token"]),
            application=request.client,
            **{_FIELD_OF_TOKEN[type(request.bought_with)]: request.bought_with},
            expires=now + dt.timedelta(seconds=token["expires_in"]),
            scope=token["scope"],
        )
        # Lock the client first, as everywhere: see ClientQuerySet.locked.
        Client.objects.filter(pk=request.client.pk).update(last_used_at=now, last_used_address=address)
        type(request.bought_with).objects.filter(pk=request.bought_with.pk).update(last_used_at=now)
        audit.record(
            audit.Action.TOKEN_ISSUED,
            self._acting(request.client),
            organization=request.client.organization,
            scope=token["scope"],
            **request.told,
        )


def _credentials(request: HttpRequest) -> tuple[str, str] | None:
    """Return the client ID and secret of a request, which must come in only one of the two ways."""
    basic, in_body = _basic_credentials(request), _body_credentials(request)
    if basic and in_body:
        raise InvalidRequestError(
            "The client secret was sent twice. Send it once: in the Authorization header or in the body."
        )
    return basic or in_body


def _basic_credentials(request: HttpRequest) -> tuple[str, str] | None:
    """Return the client ID and secret of an `Authorization: Basic` header (RFC 6749, section 2.3.1), or None."""
    encoded = schemes.presented(request.headers.get("Authorization", ""), "basic")
    if encoded is None:
        return None
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    client_id, separator, secret = decoded.partition(":")
    return (unquote_plus(client_id), unquote_plus(secret)) if separator else None


def _body_credentials(request: HttpRequest) -> tuple[str, str] | None:
    """Return the client ID and secret from a form, the other way in RFC 6749."""
    client_id, secret = request.POST.get("client_id"), request.POST.get("client_secret")
    return (client_id, secret) if client_id and secret else None
