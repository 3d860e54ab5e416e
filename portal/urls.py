from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe


@csrf_exempt  # so that other methods get 405, not 403
@require_safe
def health(request: HttpRequest) -> HttpResponse:  # noqa: ARG001  # a view's signature
    """Answers the load balancer's health check."""
    return HttpResponse("ok", content_type="text/plain")


urlpatterns = [
    path("", include("exports.api.urls")),
    path("auth/", include("credentials.tokens.urls")),
    path("admin-api/", include("credentials.operators.urls")),
    path("admin/", admin.site.urls),
    path("_health", health),
    path("", include("portal.pages.account.urls")),
    path("invitation", include("portal.pages.invitations.urls")),
    path("", include("portal.pages.urls")),
]

handler400 = "portal.pages.errors.bad_request"
handler403 = "portal.pages.errors.permission_denied"
handler404 = "portal.pages.errors.page_not_found"
handler500 = "portal.pages.errors.server_error"
