"""Authentication for the administration API: an operator token, or the session of an operator's browser."""

from typing import Any

from django.conf import settings
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from credentials.access import limits, schemes
from credentials.access.reasons import Reason
from credentials.access.throttles import TooManyCallsError
from credentials.actor import Actor
from credentials.models import OperatorToken, User
from credentials.operators import operator_tokens
from credentials.trail import audit, refusals

# The key in `request.META` under which the portal says that the session has two-factor authentication. Without it, the
# session has none. No header of a request can set this key.
SECOND_FACTOR_IS_SHOWN = "claimsgate.second_factor_is_shown"


class OperatorTokenAuthentication(BaseAuthentication):
    """Sets `request.user` to the operator of the token. A client's access token gives no access here."""

    def authenticate(self, request: Request) -> tuple[User, OperatorToken] | None:
        header = request.headers.get("Authorization")
        if header is None:
            return None
        presented = schemes.presented(header, "bearer")
        token = operator_tokens.found(presented) if presented else None
        if token is None:
            _write_down(request)
            raise exceptions.AuthenticationFailed(
                "This operator token is not valid. Create one with “manage.py create_operator_token”."
            )
        return token.user, token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002  # DRF's signature
        return 'Bearer realm="claimsgate operators"'


class OperatorSessionAuthentication(SessionAuthentication):
    """The session of an operator's browser. If operators need two-factor authentication, the session must have it."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        found = super().authenticate(request)
        if found and settings.OPERATORS_NEED_SECOND_FACTOR and not request.META.get(SECOND_FACTOR_IS_SHOWN):
            raise exceptions.PermissionDenied(
                "This session has no two-factor authentication. "
                "Open /admin/ in this browser and complete the verification step."
            )
        return found


def _write_down(request: Request) -> None:
    try:
        refusals.record(
            audit.Action.REQUEST_REFUSED,
            client_id="",
            client=None,
            by=Actor.of_client(None, request._request),  # noqa: SLF001  # the way DRF offers
            reason=Reason.INVALID_OPERATOR_TOKEN,
            path=request.path,
        )
    except limits.LimitReachedError as reached:
        raise TooManyCallsError(reached.excess) from reached
