"""Records what users do with their own sign-in, in the audit trail of each of their organizations."""

from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

from credentials.access.reasons import Reason
from credentials.models import User
from credentials.trail import audit


def lock(user: User) -> User:
    """Return the user, locked: nobody else can change their sign-in until the transaction ends."""
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


def record(action: audit.Action, *, user: User, request: HttpRequest | None, **detail: Any) -> None:
    """Record the event for each of the user's organizations, or once if there is none."""
    audit.record_about_person(action, user, user=user, request=request, **detail)


def record_refusal(*, user: User, request: HttpRequest, reason: Reason) -> None:
    """Record a failed sign-in as an existing user, once per reason in a window of time.

    So an attacker who tries all day adds only a few events an hour, from any number of IP addresses.
    """
    key = f"sign-in-refused:{user.pk}:{reason}"
    if cache.add(key, 1, timeout=settings.LIMIT_WINDOW.total_seconds()):
        record(audit.Action.SIGN_IN_REFUSED, user=user, request=request, reason=reason)
