"""Records what users do with their own sign-in, in the audit trail of each of their organizations."""

from typing import Any, cast

from django.conf import settings
from django.core.cache import cache

from credentials.access.reasons import Reason
from credentials.actor import Actor
from credentials.models import User
from credentials.trail import audit


def lock(user: User) -> User:
    """Return the user, locked: nobody else can change their sign-in until the transaction ends."""
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


def record(action: audit.Action, by: Actor, **detail: Any) -> None:
    """Record the event for each of the organizations of the user who acts, or once if there is none."""
    audit.record_about_person(action, cast("User", by.user), by, **detail)


def record_refusal(by: Actor, *, reason: Reason) -> None:
    """Record a failed sign-in as an existing user, once per reason in a window of time.

    So an attacker who tries all day adds only a few events an hour, from any number of IP addresses.
    """
    key = f"sign-in-refused:{cast('User', by.user).pk}:{reason}"
    if cache.add(key, 1, timeout=settings.LIMIT_WINDOW.total_seconds()):
        record(audit.Action.SIGN_IN_REFUSED, by, reason=reason)
