"""The server that the token endpoint is measured against: the same settings and middleware, and one constant answer."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
def constant(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b'{"access_token": "a constant", "expires_in": "1200", "token_type": "bearer"}')


urlpatterns = [path("constant", constant), path("", include("portal.urls"))]
