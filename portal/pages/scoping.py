"""Who can see which organization in the portal: only its team members. For anyone else, it's 404."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import add_never_cache_headers

from credentials.access import gate
from credentials.actor import Actor
from credentials.models import Membership, Organization, User
from portal.sign_in import second_factor

Page = Callable[..., HttpResponseBase]


class MemberRequest(HttpRequest):
    """A request of a signed-in user, within one of their organizations."""

    user: User
    actor: Actor
    memberships: list[Membership]
    membership: Membership
    organization: Organization
    refusal: gate.Refusal | None


def member_required(
    *, manages_credentials: bool = False, gated: bool = False
) -> Callable[[Callable[Concatenate[MemberRequest, ...], HttpResponseBase]], Page]:
    """Admit the team members of the organization that the URL names by `entity_id`. Anyone else gets 404.

    `manages_credentials`: only roles that manage API credentials. `gated`: not while the organization is denied
    access to claims. The view doesn't get `entity_id`, but `request.organization` and `request.membership`.
    """

    def decorate(view: Callable[Concatenate[MemberRequest, ...], HttpResponseBase]) -> Page:
        @wraps(view)
        def scoped(request: MemberRequest, *, entity_id: str, **arguments: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _sign_in_first(request)
            request.actor = Actor.of_request(request)
            request.memberships = list(Membership.objects.of_user(request.user))
            request.membership = _membership(request.memberships, entity_id)
            request.organization = request.membership.organization
            if second_factor.is_asked_for(request.membership) and not second_factor.is_shown(request):
                return second_factor.ask(request)
            request.refusal = gate.organization_refusal(request.organization)
            if manages_credentials and not request.membership.manages_credentials:
                raise PermissionDenied(who_manages_credentials(request.organization))
            if gated and request.refusal:
                raise PermissionDenied(request.refusal.message)
            response = view(request, **arguments)
            add_never_cache_headers(response)
            return response

        return scoped

    return decorate


def who_manages_credentials(organization: Organization) -> str:
    """Return the sentence for team members whose role doesn't manage API credentials."""
    roles = sorted(role.label for role in organization.managing_roles)
    named = roles[0] if len(roles) == 1 else f"{', '.join(roles[:-1])} or {roles[-1]}"
    return f"To manage API credentials, you need the role {named}."


def _membership(memberships: list[Membership], entity_id: str) -> Membership:
    for membership in memberships:
        if membership.organization.entity_id == entity_id:
            return membership
    raise Http404("You have no organization with this ID.")


def _sign_in_first(request: HttpRequest) -> HttpResponseBase:
    if request.headers.get("HX-Request"):
        # The sign-in page doesn't fit in a fragment, so the whole page is reloaded, which leads there.
        return HttpResponse(headers={"HX-Refresh": "true"})
    return redirect_to_login(request.get_full_path())
