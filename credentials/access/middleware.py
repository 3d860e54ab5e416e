"""Gives every request an ID, and finds the true IP address of the client."""

import ipaddress
import re
import uuid
from collections.abc import Callable, Sequence

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from credentials import secret_text
from credentials.access import addresses

GetResponse = Callable[[HttpRequest], HttpResponseBase]

_REQUEST_ID = "claimsgate.request_id"
_CLIENT_ADDRESS = "claimsgate.client_address"
# An ID that begins like a secret or a token is stored nowhere, not even by mistake.
_ACCEPTABLE_ID = re.compile(rf"(?!{secret_text.ANY_PREFIX})[A-Za-z0-9._-]{{8,64}}")


def request_id(request: HttpRequest) -> str:
    """Return the request ID from X-Request-Id, or a new UUID."""
    return str(request.META.get(_REQUEST_ID, ""))


def client_address(request: HttpRequest) -> str:
    """Return the IP address of a request, in canonical form; UNKNOWN if no trusted proxy reported it."""
    return str(request.META[_CLIENT_ADDRESS])


class RequestIdMiddleware:
    """Gives each request an ID and returns it in the response, so that a caller can quote it."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-Id", "")
        request.META[_REQUEST_ID] = given if _ACCEPTABLE_ID.fullmatch(given) else str(uuid.uuid4())
        response = self.get_response(request)
        response["X-Request-Id"] = request_id(request)
        return response


class ClientAddressMiddleware:
    """Finds the client's IP address: the peer of the connection, or what trusted proxies report.

    TRUSTED_PROXIES lists the networks of the proxies in front, outermost first. X-Forwarded-For is trusted only if the
    connection came through all of them, and only the part that they wrote. If that part can't be read, the IP address
    is unknown: the caller controls the rest of the header.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        header = request.headers.get("X-Forwarded-For", "")
        request.META[_CLIENT_ADDRESS] = _seen(request.META.get("REMOTE_ADDR", ""), header, settings.TRUSTED_PROXIES)
        return self.get_response(request)


def _seen(peer: str, header: str, proxies: Sequence[str]) -> str:
    """Return the IP address that the trusted proxies report; the peer's if there are none, or the chain is not theirs.

    The innermost proxy is the peer. The last entry of the header is the proxy's own peer, and so on outward.
    """
    if not proxies or not header.strip():
        return addresses.of_hop(peer)
    hops = [*header.rsplit(",", len(proxies)), peer][-len(proxies) - 1 :]
    client, *passed = (addresses.of_hop(hop) for hop in hops)
    is_theirs = len(passed) == len(proxies) and all(
        ipaddress.ip_address(hop) in ipaddress.ip_network(proxy, strict=False)
        for hop, proxy in zip(passed, proxies, strict=True)
    )
    return client if is_theirs else addresses.of_hop(peer)
