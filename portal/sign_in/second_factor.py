"""Two-factor authentication: who has to use it, and who has completed the verification step."""

from collections.abc import Iterable

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode

from credentials.actor import Actor
from credentials.models import Membership, User
from credentials.trail import audit
from portal.sign_in import sessions


def is_asked_for(membership: Membership) -> bool:
    """Whether the organization requires two-factor authentication from this team member."""
    return membership.organization.requires_second_factor and membership.manages_credentials


def is_set_up(user: User) -> bool:
    """Whether the user has an authenticator app or a passkey. Recovery codes alone don't count."""
    return Authenticator.objects.filter(user=user).exclude(type=Authenticator.Type.RECOVERY_CODES).exists()


def people_who_have_one(users: Iterable[int]) -> set[int]:
    """Return the primary keys of the users for whom `is_set_up` is true."""
    found = Authenticator.objects.filter(user__in=users).exclude(type=Authenticator.Type.RECOVERY_CODES)
    return set(found.values_list("user_id", flat=True))


def is_shown(request: HttpRequest) -> bool:
    """Whether the verification step was completed in this session: at sign-in, later, or at setup."""
    if isinstance(request.user, AnonymousUser):
        return False
    return any(record.get("method") == "mfa" for record in get_authentication_records(request, request.user))


def ask(request: HttpRequest, *, going_to: str | None = None) -> HttpResponse:
    """Redirect to set up two-factor authentication, or to the verification step if it is set up; then to `going_to`."""
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Refresh": "true"})
    query = urlencode({"next": going_to or request.get_full_path()})
    return HttpResponseRedirect(f"{reverse('second-step')}?{query}")


@transaction.atomic
def remove_all(user: User, *, by: Actor) -> int:
    """Remove all verification methods of a user who lost them, and sign the user out everywhere.

    The user can then sign in with only the password and set up new ones. Returns how many were removed.
    """
    found = list(Authenticator.objects.select_for_update().filter(user=user))
    if not found:
        return 0
    kinds = sorted(authenticator.type for authenticator in found)
    Authenticator.objects.filter(pk__in=[authenticator.pk for authenticator in found]).delete()
    sessions.end(sessions.every(user))
    audit.record_about_person(audit.Action.SECOND_FACTOR_REMOVED, user, by, person=user.email, kinds=kinds)
    get_adapter().send_mail("mfa/email/second_steps_removed", user.email, {"person": user})
    return len(found)
