from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from rest_framework.authentication import SessionAuthentication
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from credentials.access import connection
from credentials.access.middleware import client_address
from credentials.models import User
from credentials.tokens import oauth


class AnythingAccepted(DefaultContentNegotiation):
    """The response is JSON, whatever a client accepts."""

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002  # DRF's signature
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002  # DRF's signature
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


@csrf_exempt  # clients authenticate each request themselves, and no cookie is read
@require_POST
def token(request: HttpRequest) -> HttpResponse:
    """POST /auth/token: exchanges a client's secret, or an assertion that it signed, for a bearer token."""
    return oauth.exchange(request)


@csrf_exempt  # as above
@require_POST
def introspect(request: HttpRequest) -> HttpResponse:
    """POST /auth/introspect: says whether a token of the calling client is live (RFC 7662)."""
    return oauth.introspect(request)


@csrf_exempt  # as above
@require_POST
def revoke(request: HttpRequest) -> HttpResponse:
    """POST /auth/revoke: revokes a token of the calling client (RFC 7009)."""
    return oauth.revoke(request)


class WelcomeView(APIView):
    """GET /auth/welcome: a client checks whether its token works."""

    content_negotiation_class = AnythingAccepted

    def get(self, request: Request) -> Response:  # noqa: ARG002  # DRF's signature
        answer = {"success": "Welcome to the Beneficiary Claims Data API!"}
        return Response(answer, content_type="application/json", headers={"Cache-Control": "no-store"})


class ConnectionView(APIView):
    """GET /auth/connection: returns the caller's IP address; for a user, also which of the user's clients list it."""

    authentication_classes = (SessionAuthentication,)
    permission_classes = ()
    content_negotiation_class = AnythingAccepted

    def get(self, request: Request) -> Response:
        person = request.user if isinstance(request.user, User) else None
        found = connection.seen(client_address(request._request), person)  # noqa: SLF001  # the way DRF offers
        answer: dict[str, Any] = {
            "address": found.address,
            "can_be_listed": found.problem is None,
            "problem": found.problem,
            "server_time": timezone.now().isoformat(timespec="seconds"),
        }
        if person is not None:
            answer["clients"] = [
                {
                    "organization": client.organization.entity_id,
                    "client_id": client.client_id,
                    "name": client.name,
                    "state": client.state.value,
                    "is_listed": is_listed,
                }
                for client, is_listed in found.clients
            ]
        return Response(answer, content_type="application/json", headers={"Cache-Control": "no-store"})
