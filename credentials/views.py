from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from credentials import oauth


@csrf_exempt  # clients authenticate each request themselves; no cookie is read
@require_POST
def token(request: HttpRequest) -> HttpResponse:
    """POST /auth/token: a client's secret for a bearer token."""
    return oauth.exchange(request)
