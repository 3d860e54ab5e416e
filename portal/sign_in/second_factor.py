"""The second step of signing in: who is asked for one, and who has shown it."""

from collections.abc import Iterable

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode

from credentials.models import Membership, User
from credentials.trail import audit
from portal.sign_in import personal_events, sessions


def is_asked_for(membership: Membership) -> bool:
    """Whether the organization asks the person for a second step before it opens."""
    return membership.organization.requires_second_factor and membership.manages_credentials


def is_set_up(user: User) -> bool:
    """Whether the person has an authenticator app or a passkey. Recovery codes alone are none."""
    return Authenticator.objects.filter(user=user).exclude(type=Authenticator.Type.RECOVERY_CODES).exists()


def people_who_have_one(users: Iterable[int]) -> set[int]:
    """Of these people, by primary key, those for whom `is_set_up` is true."""
    found = Authenticator.objects.filter(user__in=users).exclude(type=Authenticator.Type.RECOVERY_CODES)
    return set(found.values_list("user_id", flat=True))


def is_shown(request: HttpRequest) -> bool:
    """Whether it was shown in this session: at sign-in, later, or when it was set up."""
    if isinstance(request.user, AnonymousUser):
        return False
    return any(record.get("method") == "mfa" for record in get_authentication_records(request, request.user))


def ask(request: HttpRequest, *, going_to: str | None = None) -> HttpResponse:
    """Leads whoever has no second step to where it is set up, and whoever has one to where it is shown; then on."""
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Refresh": "true"})
    query = urlencode({"next": going_to or request.get_full_path()})
    return HttpResponseRedirect(f"{reverse('second-step')}?{query}")


@transaction.atomic
def remove_all(user: User, *, by: User | None, request: HttpRequest | None) -> int:
    """Take all second steps of a person away, who has lost them, and sign the person out everywhere.

    At the next sign-in the password alone counts, until a new one is set up. Returns how many there were.
    """
    found = list(Authenticator.objects.select_for_update().filter(user=user))
    if not found:
        return 0
    kinds = sorted(authenticator.type for authenticator in found)
    Authenticator.objects.filter(pk__in=[authenticator.pk for authenticator in found]).delete()
    sessions.end(sessions.every(user))
    by_whom = by.email if by else "command line"
    personal_events.record(audit.Action.SECOND_FACTOR_REMOVED, user=user, request=request, kinds=kinds, by=by_whom)
    get_adapter().send_mail("mfa/email/second_steps_removed", user.email, {"person": user})
    return len(found)
