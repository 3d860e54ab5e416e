"""Sign-in through an OpenID Connect provider; see portal/sign_in/openid_connect.py."""

from typing import cast

from allauth.account.utils import get_next_redirect_url
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.base.constants import AuthError, AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from requests import RequestException

from portal.sign_in.openid_connect import Adapter, Callback


@never_cache
@require_GET
def start(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Redirect to the provider. It's a link, since our content security policy allows forms only to our own site."""
    if request.user.is_authenticated:
        return redirect(get_next_redirect_url(request) or "portal:organizations")
    provider = _provider(request, provider_id)
    try:
        return provider.redirect(request, AuthProcess.LOGIN, next_url=get_next_redirect_url(request))
    except (OAuth2Error, RequestException, ValueError) as error:
        try:
            get_adapter().on_authentication_error(request, provider, error=AuthError.UNKNOWN, exception=error)
        except ImmediateHttpResponse as answer:
            return answer.response
        raise


@never_cache
@require_GET
def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    _provider(request, provider_id)
    return cast("HttpResponse", Callback.adapter_view(Adapter(request, provider_id))(request))


def _provider(request: HttpRequest, provider_id: str) -> OpenIdProvider:
    try:
        return cast("OpenIdProvider", get_adapter().get_provider(request, provider=provider_id))
    except SocialApp.DoesNotExist as error:
        raise Http404("This provider doesn't exist.") from error
