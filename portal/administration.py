"""The administration for operators, with the same sign-in as the portal."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.utils import get_next_redirect_url
from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse

from portal.sign_in import second_factor


class Administration(AdminSite):
    """For operators who signed in and completed the verification step."""

    site_header = site_title = "Claimsgate"
    index_title = "Administration"

    def has_permission(self, request: HttpRequest) -> bool:
        needs_more = settings.OPERATORS_NEED_SECOND_FACTOR and not second_factor.is_shown(request)
        return super().has_permission(request) and not needs_more

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # noqa: ARG002
        """Redirect to what's missing: sign-in or the verification step."""
        going_to = get_next_redirect_url(request) or reverse("admin:index")
        if self.has_permission(request):
            return HttpResponseRedirect(going_to)
        if not request.user.is_authenticated:
            return redirect_to_login(going_to)
        if not super().has_permission(request):
            raise PermissionDenied("Only operators can open the administration.")
        return second_factor.ask(request, going_to=going_to)

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # noqa: ARG002
        get_adapter().logout(request)
        return redirect("account_login")

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:  # noqa: ARG002
        return redirect("account_change_password")
