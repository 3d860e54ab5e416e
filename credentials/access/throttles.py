"""The answer to a client that calls the API too often. DRF's views load this module, so it does not import them."""

from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from credentials.access import limits
from credentials.access.middleware import client_address
from credentials.models import Client, User


class TooManyCallsError(exceptions.Throttled):
    """429; `wait` is the exact rest of the window, in seconds."""

    def __init__(self, excess: limits.Excess) -> None:
        super().__init__(detail=excess.message)
        self.wait = excess.wait


class CallThrottle(BaseThrottle):
    """Counts each API call that the gate has allowed."""

    def allow_request(self, request: Request, view: object) -> bool:  # noqa: ARG002  # DRF's signature
        """Raise TooManyCallsError, which says more than False could."""
        caller = request.user if isinstance(request.user, Client | User) else None
        address = client_address(request._request)  # noqa: SLF001  # the way DRF offers
        if excess := limits.spend(limits.api_calls(caller) if caller else limits.unproven_calls(address)):
            raise TooManyCallsError(excess)
        return True
