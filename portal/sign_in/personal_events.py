"""What people do with their own sign-in, written into the audit trail of each organization that they belong to."""

from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

from credentials.access.reasons import Reason
from credentials.models import User
from credentials.trail import audit


def lock(user: User) -> User:
    """The person as of now, whose own sign-in nobody else changes until the transaction ends."""
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


def record(action: audit.Action, *, user: User, request: HttpRequest | None, **detail: Any) -> None:
    """Write it down: for each organization of the person, or once without any."""
    audit.record_about_person(action, user, user=user, request=request, **detail)


def record_refusal(*, user: User, request: HttpRequest, reason: Reason) -> None:
    """Write down that someone could not sign in as a person we know: once in a window of time for each reason.

    So an attacker who tries all day writes a few lines an hour, from however many addresses.
    """
    key = f"sign-in-refused:{user.pk}:{reason}"
    if cache.add(key, 1, timeout=settings.LIMIT_WINDOW.total_seconds()):
        record(audit.Action.SIGN_IN_REFUSED, user=user, request=request, reason=reason)
