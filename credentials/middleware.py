"""What every request carries: an id to find it by, and the true address of the client."""

import re
import uuid
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from ipware import get_client_ip

from credentials import addresses

GetResponse = Callable[[HttpRequest], HttpResponseBase]

_REQUEST_ID = "claimsgate.request_id"
_CLIENT_ADDRESS = "claimsgate.client_address"
_CHAIN = "claimsgate.forwarding_chain"
# What begins as our secrets and tokens do is kept nowhere, not even by mistake.
_ACCEPTABLE_ID = re.compile(r"(?!cg[a-z]_)[A-Za-z0-9._-]{8,64}")


def request_id(request: HttpRequest) -> str:
    """The id of a request: what it came with in X-Request-Id, or a new UUID."""
    return str(request.META.get(_REQUEST_ID, ""))


def client_address(request: HttpRequest) -> str:
    """The address that a request comes from, in canonical form."""
    return str(request.META[_CLIENT_ADDRESS])


class RequestIdMiddleware:
    """Gives each request an id and tells it in the response, so that a caller can quote it."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-Id", "")
        request.META[_REQUEST_ID] = given if _ACCEPTABLE_ID.fullmatch(given) else str(uuid.uuid4())
        response = self.get_response(request)
        response["X-Request-Id"] = request_id(request)
        return response


class ClientAddressMiddleware:
    """Finds the client's address: the peer of the connection, or what trusted proxies say of it.

    TRUSTED_PROXIES names the proxies in front, one network each, outermost first. X-Forwarded-For is believed only
    when the connection came through all of them, and then only in the part that they wrote themselves.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        peer = request.META.get("REMOTE_ADDR") or "0.0.0.0"  # noqa: S104  # nobody's address, so on no list
        request.META[_CLIENT_ADDRESS] = addresses.canonical(_forwarded_for(request, peer) or peer)
        return self.get_response(request)


def _forwarded_for(request: HttpRequest, peer: str) -> str | None:
    """The client as the trusted proxies saw it; None without proxies, or when the chain is not theirs."""
    if not settings.TRUSTED_PROXIES:
        return None
    # The peer is the last of the chain: the innermost proxy does not write itself into the header.
    request.META[_CHAIN] = f"{request.headers.get('X-Forwarded-For', '')}, {peer}"
    address, _is_routable = get_client_ip(
        request,
        proxy_trusted_ips=settings.TRUSTED_PROXIES,
        request_header_order=[_CHAIN],
        strict=False,
    )
    return address
