"""What every request carries: an id to find it by, and the true address of the client."""

import ipaddress
import re
import uuid
from collections.abc import Callable, Sequence

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from credentials.access import addresses

GetResponse = Callable[[HttpRequest], HttpResponseBase]

_REQUEST_ID = "claimsgate.request_id"
_CLIENT_ADDRESS = "claimsgate.client_address"
# What begins as our secrets and tokens do is kept nowhere, not even by mistake.
_ACCEPTABLE_ID = re.compile(r"(?!cg[a-z]_)[A-Za-z0-9._-]{8,64}")


def request_id(request: HttpRequest) -> str:
    """The id of a request: what it came with in X-Request-Id, or a new UUID."""
    return str(request.META.get(_REQUEST_ID, ""))


def client_address(request: HttpRequest) -> str:
    """The address that a request comes from, in canonical form; UNKNOWN when nobody whom we trust has said it."""
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
    when the connection came through all of them, and then only in the part that they wrote themselves. If that part
    cannot be read, the address is unknown: what stands before it is the caller's own word.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        header = request.headers.get("X-Forwarded-For", "")
        request.META[_CLIENT_ADDRESS] = _seen(request.META.get("REMOTE_ADDR", ""), header, settings.TRUSTED_PROXIES)
        return self.get_response(request)


def _seen(peer: str, header: str, proxies: Sequence[str]) -> str:
    """The client's address as the trusted proxies saw it; the peer's without proxies, or when the chain is not theirs.

    The innermost proxy is the peer, the last entry of the header is what it says of its own peer, and so on outward.
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
