"""OpenID Connect providers, stricter than allauth (OpenID Connect Core 1.0, RFC 7636, RFC 7523).

Always with PKCE and a nonce; the ID token's signature, issuer, audience, nonce and times are checked, the user info has
to have the same subject, and an email address counts as verified only if the provider says `true`. We authenticate to a
provider with a secret, with a private key (private_key_jwt), or with PKCE alone.
"""

import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import jwt
from allauth.account.models import EmailAddress
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Client, OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from jwt.types import Options

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 300
CONFIGURATION_SECONDS = 600
LEEWAY_SECONDS = 60
# The only claims that are stored. Some providers send far more, even Social Security numbers.
KEPT_CLAIMS = ("iss", "sub", "email", "email_verified", "acr")


class OpenIdClient(OAuth2Client):
    """Our client at the provider: with a secret, a private key, or PKCE alone."""

    settings: Mapping[str, Any]

    def get_access_token(
        self, code: str, pkce_code_verifier: str | None = None, extra_data: dict[str, Any] | None = None
    ) -> Any:
        assertion = self._assertion() if self.settings.get("private_key_file") else {}
        return super().get_access_token(code, pkce_code_verifier, {**(extra_data or {}), **assertion})

    def _assertion(self) -> dict[str, str]:
        now = int(time.time())
        claims = {
            "iss": self.consumer_key,
            "sub": self.consumer_key,
            "aud": self.access_token_url,
            "jti": secrets.token_urlsafe(32),
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
        }
        pem = Path(self.settings["private_key_file"]).read_text()
        key_id = self.settings.get("key_id")
        signed = jwt.encode(claims, pem, algorithm="RS256", headers={"kid": key_id} if key_id else None)
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}


class Adapter(OpenIDConnectOAuth2Adapter):
    """Talks to one provider."""

    client_class = OpenIdClient
    nonce: str | None = None  # of the current request

    @property
    def openid_config(self) -> dict[str, Any]:
        issuer = self.get_provider().app.settings["issuer"]
        key = f"openid-configuration:{issuer}"
        found: dict[str, Any] | None = cache.get(key)
        if found is None:
            found = _json(super().openid_config)
            if found.get("issuer") != issuer:
                raise OAuth2Error(f"The provider's issuer is {found.get('issuer')}, but the settings say {issuer}.")
            cache.set(key, found, CONFIGURATION_SECONDS)
        return found

    def get_client(self, request: HttpRequest, app: SocialApp) -> "OpenIdClient":
        client = cast("OpenIdClient", super().get_client(request, app))
        client.settings = app.settings
        return client

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any) -> SocialLogin:
        """Return the sign-in. Raises OAuth2Error if the provider's response is invalid."""
        try:
            claims = self._claims(app, kwargs["response"]["id_token"])
            told = self._user_info(token) if "userinfo_endpoint" in self.openid_config else {}
        except (KeyError, ValueError, TypeError, jwt.PyJWTError) as error:
            raise OAuth2Error(f"{type(error).__name__}: {error}") from error
        if told and told.get("sub") != claims["sub"]:
            raise OAuth2Error("The user info and the ID token are about different users.")
        facts = {**claims, **told, "iss": claims["iss"]}
        return cast("SocialLogin", self.get_provider().sociallogin_from_response(request, facts))

    def _claims(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            id_token,
            self._key(id_token),
            algorithms=ALGORITHMS,
            issuer=self.openid_config["issuer"],
            audience=app.client_id,
            leeway=LEEWAY_SECONDS,
            options={"require": ["iss", "sub", "aud", "exp", "iat", "nonce"]},
        )
        if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != app.client_id:
            raise ValueError("The ID token was made for another client.")
        if not self.nonce or not secrets.compare_digest(str(claims["nonce"]), self.nonce):
            raise ValueError("The ID token is for another browser's request.")
        return claims

    def _key(self, signed: str) -> jwt.PyJWK:
        """Return the provider's current key for a signed token."""
        with get_adapter().get_requests_session() as http:
            answer = http.get(self.openid_config["jwks_uri"])
            answer.raise_for_status()
            keys = jwt.PyJWKSet.from_dict(answer.json()).keys
        named = jwt.get_unverified_header(signed).get("kid")
        fitting = [key for key in keys if key.key_id == named or named is None]
        if len(fitting) != 1:
            raise ValueError(f"The provider has {len(fitting)} keys with the ID {named}.")
        return fitting[0]

    def _user_info(self, token: SocialToken) -> dict[str, Any]:
        """Return the user info, sent as plain JSON or as a signed token."""
        with get_adapter().get_requests_session() as http:
            answer = http.get(self.profile_url, headers={"Authorization": f"Bearer {token.token}"})
            answer.raise_for_status()
        if answer.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "application/jwt":
            signed = answer.text.strip()
            # It was just fetched from the provider, with the token that came with the ID token.
            fresh = Options(verify_aud=False, verify_exp=False)
            return jwt.decode(signed, self._key(signed), algorithms=ALGORITHMS, options=fresh)
        return _json(answer.json())


class OpenIdProvider(OpenIDConnectProvider):
    oauth2_adapter_class = Adapter
    pkce_enabled_default = True

    def redirect(self, request: HttpRequest, process: str, **kwargs: Any) -> HttpResponse:
        """Redirect to the provider. Only the next URL is taken from the request."""
        nonce = secrets.token_urlsafe(32)
        wishes = {name: self.app.settings[name] for name in ("acr_values", "prompt") if self.app.settings.get(name)}
        asked = {**wishes, "nonce": nonce}
        return cast("HttpResponse", super().redirect(request, process, auth_params=asked, nonce=nonce, **kwargs))

    def get_scope(self) -> list[str]:
        return list(self.app.settings.get("scopes", ["openid", "email"]))

    def extract_uid(self, data: dict[str, Any]) -> str:
        """Return an ID from issuer and subject: the same subject at another issuer is another user."""
        return hashlib.sha256(f"{data['iss']} {data['sub']}".encode()).hexdigest()

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        return {name: data[name] for name in KEPT_CLAIMS if name in data}

    def extract_email_addresses(self, data: dict[str, Any]) -> list[EmailAddress]:
        email = data.get("email")
        if not isinstance(email, str) or not email:
            return []
        return [EmailAddress(email=email, verified=data.get("email_verified") is True, primary=True)]


class Callback(OAuth2CallbackView):
    """The page that the provider redirects back to."""

    def _get_state(self, request: HttpRequest, provider: Any) -> tuple[dict[str, Any] | None, HttpResponse | None]:
        state, response = super()._get_state(request, provider)
        if state is not None:
            cast("Adapter", self.adapter).nonce = state.get("nonce")
        return state, response


def _json(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise OAuth2Error(f"The provider's response isn't an object: {json.dumps(value)[:80]}")
    return value
